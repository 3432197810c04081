//! The load: prepared requests over kept-alive HTTP/1.1 connections, from one thread.
//!
//! Client, server and database share the cores, so a client that costs little distorts little: requests are bytes made
//! before the clock runs, answers are parsed as far as status and length.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// What one run came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) answers: u64,
    /// Answers outside 2xx: any fails the cell.
    pub(crate) failures: u64,
    /// 2xx that came in time, where there is a time.
    pub(crate) good: u64,
    /// The first of them, for whoever looks why.
    pub(crate) first_failure: Option<String>,
    pub(crate) seconds: f64,
    latencies_us: Vec<u32>,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        f64::from(u32::try_from(self.answers).unwrap_or(u32::MAX)) / self.seconds
    }

    /// Answers that were good for somebody.
    pub(crate) fn good_per_second(&self) -> f64 {
        f64::from(u32::try_from(self.good).unwrap_or(u32::MAX)) / self.seconds
    }

    /// The latency that this share of the answers stayed under, in milliseconds.
    pub(crate) fn percentile_ms(&mut self, percent: usize) -> f64 {
        self.latencies_us.sort_unstable();
        let last = self.latencies_us.len().saturating_sub(1);
        self.latencies_us.get(last * percent / 100).map_or(0.0, |us| f64::from(*us) / 1_000.0)
    }
}

/// Which request comes next.
enum Plan {
    /// Around and around until the time is over, from when all are connected.
    For(Duration),
    /// The same at a pace, whatever is answered.
    Paced { time: Duration, each: Duration, in_time: Duration },
    /// Each once; the answers' bodies are kept where asked for.
    Once { keeps_bodies: bool },
}

struct Run {
    address: SocketAddr,
    requests: Vec<Bytes>,
    plan: Plan,
    next: Cell<usize>,
}

/// Sends the requests around and around for a time.
pub(crate) fn cycle(
    address: SocketAddr,
    requests: &[Bytes],
    connections: usize,
    time: Duration,
) -> io::Result<Measured> {
    let plan = Plan::For(time);
    run(Run { address, requests: requests.to_vec(), plan, next: Cell::new(0) }, connections)
        .map(|(measured, _)| measured)
}

/// Sends the requests for a time at a rate, as clients do who do not know that others ask too. An answer after `in_time` is none.
pub(crate) fn paced(
    address: SocketAddr,
    requests: &[Bytes],
    connections: usize,
    (per_second, in_time): (f64, Duration),
    time: Duration,
) -> io::Result<Measured> {
    let connections_each = f64::from(u32::try_from(connections).unwrap_or(u32::MAX));
    let each = Duration::from_secs_f64(connections_each / per_second);
    let plan = Plan::Paced { time, each, in_time };
    run(Run { address, requests: requests.to_vec(), plan, next: Cell::new(0) }, connections)
        .map(|(measured, _)| measured)
}

/// Sends each request once.
pub(crate) fn once(address: SocketAddr, requests: Vec<Bytes>, connections: usize) -> io::Result<Measured> {
    let plan = Plan::Once { keeps_bodies: false };
    run(Run { address, requests, plan, next: Cell::new(0) }, connections).map(|(measured, _)| measured)
}

/// Sends each request once and answers the bodies, in the order of the requests.
pub(crate) fn bodies(address: SocketAddr, requests: Vec<Bytes>, connections: usize) -> io::Result<Vec<String>> {
    let plan = Plan::Once { keeps_bodies: true };
    let (measured, mut bodies) = run(Run { address, requests, plan, next: Cell::new(0) }, connections)?;
    if let Some(failure) = measured.first_failure {
        return Err(io::Error::other(failure));
    }
    bodies.sort_unstable();
    Ok(bodies.into_iter().map(|(_, body)| body).collect())
}

type Bodies = Vec<(usize, String)>;

fn run(run: Run, connections: usize) -> io::Result<(Measured, Bodies)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = Rc::new(run);
    runtime.block_on(LocalSet::new().run_until(async move {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(run.address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let begun = Instant::now();
        let tasks: Vec<_> =
            streams.into_iter().map(|stream| tokio::task::spawn_local(drive(Rc::clone(&run), stream, begun))).collect();
        let (mut all, mut all_bodies) = (Measured::default(), Vec::new());
        for task in tasks {
            let (measured, bodies) = task.await.map_err(io::Error::other)??;
            all.answers += measured.answers;
            all.failures += measured.failures;
            all.good += measured.good;
            all.first_failure = all.first_failure.or(measured.first_failure);
            all.latencies_us.extend(measured.latencies_us);
            all_bodies.extend(bodies);
        }
        all.seconds = begun.elapsed().as_secs_f64();
        Ok((all, all_bodies))
    }))
}

async fn drive(run: Rc<Run>, mut stream: TcpStream, connected: Instant) -> io::Result<(Measured, Bodies)> {
    let (mut measured, mut bodies) = (Measured::default(), Vec::new());
    let mut buffer = vec![0; 64 * 1024];
    let mut due = Instant::now();
    loop {
        let n = run.next.replace(run.next.get() + 1);
        let begun = Instant::now();
        let request = match run.plan {
            Plan::For(time) | Plan::Paced { time, .. } if begun >= connected + time => return Ok((measured, bodies)),
            Plan::For(_) | Plan::Paced { .. } => &run.requests[n % run.requests.len()],
            Plan::Once { .. } => match run.requests.get(n) {
                Some(request) => request,
                None => return Ok((measured, bodies)),
            },
        };
        let mut in_time = Duration::MAX;
        if let Plan::Paced { each, in_time: limit, .. } = run.plan {
            // Not all at once: each connection begins at its own place in the first round.
            due += if measured.answers == 0 { each.mul_f64(fraction(n)) } else { each };
            tokio::time::sleep_until(due.into()).await;
            in_time = limit;
        }
        let begun = Instant::now();
        stream.write_all(request).await?;
        let answer = answer(&mut stream, &mut buffer).await?;
        measured.answers += 1;
        measured.latencies_us.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
        let is_good = (200..300).contains(&answer.status);
        measured.good += u64::from(is_good && begun.elapsed() <= in_time);
        if !is_good {
            measured.failures += 1;
            let text: String = String::from_utf8_lossy(&buffer[answer.body.clone()]).chars().take(400).collect();
            measured.first_failure.get_or_insert_with(|| format!("{}: {text}", answer.status));
        }
        if matches!(run.plan, Plan::Once { keeps_bodies: true }) {
            bodies.push((n, String::from_utf8_lossy(&buffer[answer.body]).into_owned()));
        }
    }
}

/// Numbers spread over one, each far from those before.
fn fraction(n: usize) -> f64 {
    (f64::from(u32::try_from(n).unwrap_or(0)) * 0.618_033_988_75).fract()
}

struct Answer {
    status: u16,
    body: std::ops::Range<usize>,
}

/// Reads one answer whole into the buffer.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Answer> {
    let mut filled = 0;
    let mut head = None;
    loop {
        if head.is_none() {
            head = head_of(&buffer[..filled])?;
        }
        if let Some((status, begin, length)) = head {
            if filled >= begin + length {
                return Ok(Answer { status, body: begin..begin + length });
            }
            if buffer.len() < begin + length {
                buffer.resize(begin + length, 0);
            }
        }
        match stream.read(&mut buffer[filled..]).await? {
            0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            read => filled += read,
        }
    }
}

/// Status, where the body begins, and its length; none while the head is incomplete.
fn head_of(bytes: &[u8]) -> io::Result<Option<(u16, usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "an answer without status or length");
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| bad())?;
    let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(bad)?;
    let length = head
        .split("\r\n")
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse().ok())
        .ok_or_else(bad)?;
    Ok(Some((status, end + 4, length)))
}

/// The bytes of a `GET`.
pub(crate) fn get(path: &str, token: &str) -> Bytes {
    format!(
        "GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\naccept: application/fhir+json\r\n\r\n"
    )
    .into()
}

/// The bytes of a `POST`.
pub(crate) fn post(path: &str, token: &str, body: &str) -> Bytes {
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\ncontent-type: application/fhir+json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}
