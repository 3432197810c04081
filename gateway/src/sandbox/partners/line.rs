//! The line to a partner: it listens or does not, speaks HTTP/1.1, and breaks off where a fault says so.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::faults::Nonsense;
use super::simulator::{Fate, Simulator, Wanted};
use super::{Asked, Partner, Reply, Speaks, mail};

/// The longest message that a partner takes.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a head or a message may take to arrive.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECTIONS_MAX: usize = 256;
const BACKLOG: u32 = 1_024;
const PAUSE: Duration = Duration::from_millis(50);
/// What an answer without an end comes to: it is loopback, but it is not for ever.
const NONSENSE_BYTES: u64 = 2 * 1024 * 1024 * 1024;
const CHUNK: &[u8] = &[b' '; 64 * 1024];

/// The line is cut here, without a word.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cuts the line")]
struct Cut;

type Body = UnsyncBoxBody<Bytes, Cut>;

/// Serves a partner for as long as it is asked for, listening or not as it is told.
pub(super) async fn serve(simulator: Arc<Simulator>, listener: TcpListener) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = listener;
    let mut wanted = simulator.wanted.subscribe();
    loop {
        let mut connections = JoinSet::new();
        let down = wanted.wait_for(|wanted| *wanted != Wanted::Up);
        tokio::select! {
            // It fails only when nobody can tell any more.
            told = down => if told.is_err() { return },
            () = accept(&simulator, &listener, &mut connections) => {}
        }
        drop(listener);
        connections.shutdown().await;
        // The port stays ours while nobody listens at it: who connects is refused, and nobody else gets it.
        let held = again(|| hold(address)).await;
        simulator.listens.send_replace(false);
        loop {
            let now = *wanted.borrow_and_update();
            let Wanted::Down(until) = now else { break };
            let over = async {
                match until {
                    Some(moment) => tokio::time::sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                told = wanted.changed() => if told.is_err() { return },
                () = over => simulator.come_up(),
            }
        }
        listener = match held.listen(BACKLOG) {
            Ok(listener) => listener,
            Err(_) => again(|| hold(address)?.listen(BACKLOG)).await,
        };
        simulator.listens.send_replace(true);
    }
}

fn hold(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Tries until it succeeds: connections that were open a moment ago may hold the port a little longer.
async fn again<T>(attempt: impl Fn() -> io::Result<T>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => tracing::debug!(%error, "a partner of the sandbox cannot have its port yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn accept(simulator: &Arc<Simulator>, listener: &TcpListener, connections: &mut JoinSet<()>) {
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                // An answer is written whole, so waiting to fill a packet only delays it.
                let _ = stream.set_nodelay(true);
                connections.spawn(converse(Arc::clone(simulator), stream));
            }
            Err(error) => {
                tracing::debug!(%error, "a partner of the sandbox could not accept");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(simulator: Arc<Simulator>, stream: TcpStream) {
    match &simulator.speaks {
        Speaks::Smtp => mail::converse(&simulator, stream).await,
        Speaks::Http(_) => speak_http(simulator, stream).await,
    }
}

async fn speak_http(simulator: Arc<Simulator>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let simulator = Arc::clone(&simulator);
        async move {
            match &simulator.speaks {
                Speaks::Http(partner) => answer(&simulator, partner.as_ref(), request).await,
                Speaks::Smtp => Err(Cut),
            }
        }
    });
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(ARRIVAL_TIMEOUT);
    // An error here is a cut that was asked for, or a client that went away.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// What is answered to a request; an error cuts the line.
async fn answer(
    simulator: &Simulator,
    partner: &dyn Partner,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let bytes_max = partner.message_bytes_max();
    let arrival = tokio::time::timeout(ARRIVAL_TIMEOUT, Limited::new(body, bytes_max).collect());
    let body = match arrival.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => {
            return Ok(whole(&Reply::problem(
                413,
                "too-long",
                &format!("a message has at most {} MiB", bytes_max / (1024 * 1024)),
            )));
        }
        Err(_) => return Err(Cut),
    };
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let query = form_urlencoded::parse(query).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let path = parts.uri.path().to_owned();
    let ours = parts.headers.iter().filter(|(name, _)| name.as_str().starts_with("wellgate-"));
    let headers = ours.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers = headers.collect();
    let asked = Asked { method: parts.method, path, query, headers, body, now_ms: simulator.now_ms() };
    let met = simulator.meet(partner.reference(&asked).is_some());
    let fate = simulator.fate(partner, &asked, met.fault);
    // It has the message by now: whoever does not wait for the answer does not know.
    tokio::time::sleep(met.latency).await;
    match fate {
        Fate::Answered(reply) => Ok(whole(&reply)),
        Fate::CutShort(reply) => Ok(cut_short(&reply)),
        Fate::Nonsense(kind) => Ok(nonsense(kind)),
        Fate::Cut => Err(Cut),
    }
}

fn whole(reply: &Reply) -> Response<Body> {
    let body = Full::new(reply.body.clone()).map_err(|never: Infallible| match never {}).boxed_unsync();
    headed(reply.status, reply.media_type, reply.retry_after_seconds, body)
}

/// The head promises all of it, half of it comes.
fn cut_short(reply: &Reply) -> Response<Body> {
    let half = reply.body.slice(..reply.body.len() / 2);
    let parts = stream::unfold(0, move |part| {
        let half = half.clone();
        async move {
            match part {
                0 => Some((Ok(Frame::data(half)), 1)),
                1 => {
                    // What was written goes out before the line is cut.
                    tokio::time::sleep(PAUSE).await;
                    Some((Err(Cut), 2))
                }
                _ => None,
            }
        }
    });
    let mut response = headed(reply.status, reply.media_type, None, StreamBody::new(parts).boxed_unsync());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    response
}

fn nonsense(kind: Nonsense) -> Response<Body> {
    let short = |media_type, text: &'static str| {
        let bytes = Bytes::from_static(text.as_bytes());
        whole(&Reply { status: 200, media_type, retry_after_seconds: None, body: bytes })
    };
    match kind {
        Nonsense::Html => short("text/html", "<!doctype html><title>Welcome</title><p>It works!"),
        Nonsense::Empty => short("application/json", ""),
        Nonsense::Json => short("application/json", "{\"status\":\"rejected\",\"reason\":\"not today\"}"),
        Nonsense::Endless => headed(200, "application/json", None, chunks()),
        Nonsense::Huge => {
            let mut response = headed(200, "application/json", None, chunks());
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(NONSENSE_BYTES));
            response
        }
    }
}

fn chunks() -> Body {
    let chunks = stream::unfold(0, |sent: u64| async move {
        let chunk = Bytes::from_static(CHUNK);
        let sent = sent + CHUNK.len() as u64;
        (sent <= NONSENSE_BYTES).then_some((Ok(Frame::data(chunk)), sent))
    });
    StreamBody::new(chunks).boxed_unsync()
}

fn headed(status: u16, media_type: &'static str, retry_after_seconds: Option<u64>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Some(seconds) = retry_after_seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
