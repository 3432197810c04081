//! The server: accepts connections, speaks HTTP/1.1 and HTTP/2 on them, with or without TLS, and stops without losing a
//! request.
//!
//! `axum::serve` sets no timer, so a client that sends its head byte by byte would hold a connection for ever; and
//! hyper waits for the first bytes of a connection without any limit. Hence a loop of our own: every phase of a
//! connection has a limit.

mod activity;
mod framing;
mod peers;
pub mod tls;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::header::CONNECTION;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::auth::PeerCertificate;
use activity::Activity;
use peers::{Peers, Place};
use tls::TlsKeys;

/// RFC 9113 recommends at least 100; more only helps whoever opens streams to cancel them.
const STREAMS_MAX: u32 = 256;
/// For all header fields of a request together: three times the longest token.
const HEADER_BYTES_MAX: u32 = 24 * 1024;
/// hyper's buffer of an HTTP/1 connection, and so the longest head; at least 8 KB by its rules.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Of TLS; the time limit for heads holds for it where that is shorter.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that a client may have reset before the server looked at them: more at once is an attack (CVE-2023-44487).
const RESET_STREAMS_MAX: usize = 20;
/// Streams that the server reset for errors of the client, in all of a connection's life (CVE-2025-8671).
const ERROR_STREAMS_MAX: usize = 256;
/// What waits to be sent on one stream, where the client reads slowly.
const SEND_BYTES_MAX: usize = 256 * 1024;
/// How long a connection may be without a request. An HTTP/1 connection is closed earlier, by the time limit for heads.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a client may leave an answer unread, beyond the time limit of the request.
const STALL_TIMEOUT: Duration = Duration::from_mins(1);
/// What a connection gets to say goodbye.
const CLOSING_TIME: Duration = Duration::from_secs(1);
/// After a failed accept, mostly for lack of file descriptors.
/// Connections that wait to be accepted.
const BACKLOG: u32 = 4_096;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the server treats its connections.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Certificate and key; `None`: plain HTTP.
    pub tls: Option<Arc<TlsKeys>>,
    /// Longest time for the head of a request.
    pub header_read_timeout: Duration,
    /// Longest time for a request. The router keeps it; here it tells a slow request from a stalled client.
    pub request_timeout: Duration,
    /// Open connections; further ones wait to be accepted.
    pub connections_max: usize,
    /// Open connections from one address; a further one is closed at once.
    pub connections_per_address_max: usize,
    /// How long requests in flight may take to finish once the server stops.
    pub drain_timeout: Duration,
}

/// Serves until `shutdown` is done, then takes no more requests, finishes those in flight (within the drain timeout)
/// and returns.
///
/// Handlers find the peer's address as [`ConnectInfo<SocketAddr>`].
///
/// # Errors
/// None at present: a failed accept is logged and tried again.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: ServerSettings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut shutdown = pin!(shutdown);
    let slots = Arc::new(Semaphore::new(settings.connections_max));
    let peers = Peers::new(settings.connections_per_address_max);
    let settings = Arc::new(settings);
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer, slot)) => {
                let Some(place) = peers.admit(peer.ip()) else {
                    metrics::counter!("wellgate_http_refused_total", "limit" => "address-connections").increment(1);
                    continue;
                };
                let connection = Connection { peer, settings: Arc::clone(&settings), stopping: stopping.clone() };
                connections.spawn(connection.run(stream, router.clone(), (slot, place)));
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Closed before the drain, so that a load balancer sees at once that nothing is to be had here.
    drop(listener);
    stop.send_replace(true);
    drain(connections, settings.drain_timeout).await;
    Ok(())
}

/// Listens on an address. Connections that come faster than they are accepted wait in the operating system's queue: in a short one
/// they would be dropped, and come again after a second.
///
/// # Errors
/// The address is taken, or not ours.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Done when the process is told to stop, by SIGTERM or Ctrl-C.
///
/// # Errors
/// The operating system gives no signals.
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no more requests are taken, those in flight are finished");
    })
}

/// Waits for a free slot first: a connection that cannot be served stays in the operating system's queue.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // An answer is written whole, so waiting to fill a packet only delays it.
    stream.set_nodelay(true)?;
    Ok((stream, peer, slot))
}

async fn drain(mut connections: JoinSet<()>, drain_timeout: Duration) {
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain_timeout, finished).await.is_err() {
        tracing::warn!(connections = connections.len(), "drain timeout: connections in use are cut");
        connections.shutdown().await;
    }
}

struct Connection {
    peer: SocketAddr,
    settings: Arc<ServerSettings>,
    stopping: watch::Receiver<bool>,
}

impl Connection {
    /// Holds its slot and its place until the connection is closed.
    async fn run(self, stream: TcpStream, router: Router, _held: (OwnedSemaphorePermit, Place)) {
        let Some(keys) = &self.settings.tls else {
            return self.speak_http(stream, None, router).await;
        };
        let handshake = TlsAcceptor::from(keys.current()).accept(stream);
        let limit = HANDSHAKE_TIMEOUT.min(self.settings.header_read_timeout);
        match tokio::time::timeout(limit, handshake).await {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let certificate = shown.map(|certificate| PeerCertificate::of_der(certificate));
                self.speak_http(stream, certificate, router).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake timed out"),
        }
    }

    async fn speak_http<S>(mut self, stream: S, certificate: Option<PeerCertificate>, router: Router)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::start());
        let observed = Arc::clone(&activity);
        let (peer, stalled) = (self.peer, self.settings.request_timeout + STALL_TIMEOUT);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            answer(router.clone(), request, &observed)
        });
        let builder = self.builder();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = self.unused(&activity, stalled) => {
                connection.as_mut().graceful_shutdown();
                let patience = async {
                    tokio::time::sleep(CLOSING_TIME).await;
                    activity.quiet_for(CLOSING_TIME, stalled).await;
                };
                tokio::select! {
                    result = connection.as_mut() => result,
                    () = patience => Ok(()),
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "connection ended early");
        }
    }

    /// Done when the connection has to be closed: the server stops, or the client is silent for too long.
    async fn unused(&mut self, activity: &Activity, stalled: Duration) {
        let silent = async {
            if activity.begins_within(self.settings.header_read_timeout).await {
                activity.quiet_for(IDLE_TIMEOUT, stalled).await;
            }
        };
        tokio::select! {
            // It fails only when the server is gone, which is a stop too.
            _ = self.stopping.wait_for(|stopping| *stopping) => {}
            () = silent => {}
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.settings.header_read_timeout)
            .max_buf_size(BUFFER_BYTES_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_BYTES_MAX)
            .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
            .max_local_error_reset_streams(ERROR_STREAMS_MAX)
            .max_send_buf_size(SEND_BYTES_MAX)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        builder
    }
}

fn answer(
    router: Router,
    request: Request<Incoming>,
    activity: &Arc<Activity>,
) -> impl Future<Output = Result<Response<activity::Observed>, Infallible>> + use<> {
    let in_flight = activity.begin();
    async move {
        if framing::is_ambiguous(request.version(), request.headers()) {
            let refused = Response::builder().status(StatusCode::BAD_REQUEST).header(CONNECTION, "close");
            let refused = refused.body(Body::empty()).unwrap_or_default();
            return Ok(refused.map(|body| in_flight.observe(body)));
        }
        let response = router.oneshot(request.map(Body::new)).await?;
        Ok(response.map(|body| in_flight.observe(body)))
    }
}

#[cfg(test)]
mod tests;
