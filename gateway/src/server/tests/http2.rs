//! Floods within one HTTP/2 connection: each is cut or refused, the memory stays, and others are served meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `GET https: /` by the static table of HPACK, and an authority.
const REQUEST_FIELDS: &[u8] = &[0x82, 0x87, 0x84, 0x41, 0x07, b'g', b'a', b't', b'e', b'w', b'a', b'y'];
const GROWTH_BYTES_MAX: usize = 50 << 20;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The frames of these bytes: kind, stream and payload.
fn frames(bytes: &[u8]) -> Vec<(u8, u32, &[u8])> {
    let (mut frames, mut rest) = (Vec::new(), bytes);
    while let Some((head, after)) = rest.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((payload, next)) = after.split_at_checked(length) else { break };
        frames.push((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload));
        rest = next;
    }
    frames
}

/// A server that counts what reaches its one route, which answers only when it is told to.
struct Counting {
    running: Running,
    begun: Arc<AtomicUsize>,
    at_start: usize,
}

impl Counting {
    async fn start(answers: bool) -> Self {
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&begun);
        let handler = move || async move {
            counted.fetch_add(1, Ordering::Relaxed);
            if !answers {
                std::future::pending::<()>().await;
            }
            "ok"
        };
        let router = ok().route("/counted", get(handler));
        // Longer than the test waits: no other time limit closes the connection in its place.
        let unhurried = ServerSettings { header_read_timeout: 3 * SOON, drain_timeout: Duration::ZERO, ..settings() };
        let running = start(router, unhurried).await;
        Self { running, begun, at_start: resident() }
    }

    /// A connection on which HTTP/2 has begun.
    async fn begin(&self) -> TcpStream {
        let mut stream = self.running.connect().await;
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.expect("written");
        stream
    }

    /// Others are served, and the memory has stayed.
    async fn assert_unharmed(self) {
        let mut other = self.running.connect().await;
        assert!(answer_on(&mut other).await.starts_with("HTTP/1.1 200"));
        let growth = resident().saturating_sub(self.at_start);
        assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes more");
        drop(other);
        self.running.stopped().await;
    }
}

/// The memory of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells it");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}

/// What the server sends until it closes; it does so soon, or the test fails. A reset may swallow some of it.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("it closes soon");
    let _ = read;
    bytes
}

fn path(name: &str) -> Vec<u8> {
    let mut fields = vec![0x82, 0x87, 0x04, u8::try_from(name.len()).expect("a short path")];
    fields.extend(name.bytes());
    fields.extend(&REQUEST_FIELDS[3..]);
    fields
}

/// CVE-2023-44487: streams that are opened and reset at once, so that the limit of open ones never counts.
#[tokio::test]
async fn attack_37_rapid_resets_end_the_connection() {
    const STREAMS: u32 = 100_000;
    let counting = Counting::start(false).await;
    let mut stream = counting.begin().await;
    let fields = path("/counted");
    for first in (0..STREAMS).step_by(1000) {
        let pair = |number: u32| {
            let id = 2 * number + 1;
            [frame(HEADERS, END_STREAM | END_HEADERS, id, &fields), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()
        };
        let pairs: Vec<u8> = (first..first + 1000).flat_map(pair).collect();
        if stream.write_all(&pairs).await.is_err() {
            break;
        }
    }
    let answer = until_closed(&mut stream).await;
    let farewell = frames(&answer).into_iter().find(|(kind, ..)| *kind == GOAWAY);
    // Its error is 11, ENHANCE_YOUR_CALM.
    assert!(farewell.is_none_or(|(_, _, payload)| payload[4..8] == [0, 0, 0, 11]), "{answer:?}");
    let begun = counting.begun.load(Ordering::Relaxed);
    assert!(begun < 5_000, "{begun} of {STREAMS} requests were begun");
    counting.assert_unharmed().await;
}

/// CVE-2024-27316 and its kin: a head that goes on and on.
#[tokio::test]
async fn attack_37_a_head_that_is_continued_for_ever_ends_the_connection() {
    let counting = Counting::start(true).await;
    let mut stream = counting.begin().await;
    let head = frame(HEADERS, END_STREAM, 1, &path("/counted"));
    // A field of four kilobytes that is not kept: literal, without indexing.
    let field = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x1f][..], &vec![b'a'; 4096]].concat();
    let more = frame(CONTINUATION, 0, 1, &field);
    let mut is_open = stream.write_all(&head).await.is_ok();
    for _ in 0..20_000 {
        is_open = is_open && stream.write_all(&more).await.is_ok();
    }
    assert!(!is_open, "80 megabytes of head were taken");
    until_closed(&mut stream).await;
    assert_eq!(counting.begun.load(Ordering::Relaxed), 0);
    counting.assert_unharmed().await;
}

/// A head that goes on, and says nothing.
#[tokio::test]
async fn attack_37_a_head_of_empty_continuations_ends_the_connection() {
    let counting = Counting::start(true).await;
    let mut stream = counting.begin().await;
    let more = frame(CONTINUATION, 0, 1, &[]).repeat(1_000);
    let mut is_open = stream.write_all(&frame(HEADERS, END_STREAM, 1, &path("/counted"))).await.is_ok();
    for _ in 0..200 {
        is_open = is_open && stream.write_all(&more).await.is_ok();
    }
    let answer = until_closed(&mut stream).await;
    let is_told = frames(&answer).iter().any(|(kind, ..)| *kind == GOAWAY);
    assert!(!is_open || is_told, "the connection is ended for what was sent on it");
    assert_eq!(counting.begun.load(Ordering::Relaxed), 0);
    counting.assert_unharmed().await;
}

/// One long field that is named ten thousand times by one byte each: forty megabytes from a frame of fourteen kilobytes.
#[tokio::test]
async fn attack_37_a_head_that_unpacks_to_megabytes_reaches_no_handler() {
    let counting = Counting::start(true).await;
    let mut stream = counting.begin().await;
    // Literal with indexing, name x, 3,500 bytes: it becomes entry 62, whose index is one byte.
    let mut fields = path("/counted");
    fields.extend([0x40, 0x01, b'x', 0x7f, 0xad, 0x1a]);
    fields.extend(vec![b'a'; 3500]);
    let mut again = path("/counted");
    for fields in [&mut fields, &mut again] {
        fields.extend(vec![0xbe; 10_000]);
    }
    let mut bombs = frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields);
    for stream in (3..200).step_by(2) {
        bombs.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &again));
    }
    let _ = stream.write_all(&bombs).await;
    // Until each is refused, by 431 or a reset, or the connection ends.
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    let refused =
        |answer: &[u8]| frames(answer).iter().filter(|(kind, ..)| [HEADERS, RST_STREAM].contains(kind)).count();
    while refused(&answer) < 99 {
        match tokio::time::timeout(SOON, stream.read(&mut chunk)).await.expect("it answers soon") {
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend(&chunk[..length]),
        }
    }
    assert_eq!(counting.begun.load(Ordering::Relaxed), 0);
    drop(stream);
    counting.assert_unharmed().await;
}

#[tokio::test]
async fn attack_37_streams_over_the_limit_are_refused() {
    const MORE: u32 = 100;
    let counting = Counting::start(false).await;
    let mut stream = counting.begin().await;
    let opened: Vec<u8> = (0..STREAMS_MAX + MORE)
        .flat_map(|number| frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &path("/counted")))
        .collect();
    stream.write_all(&opened).await.expect("written");
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    // REFUSED_STREAM is 7.
    let refused = |answer: &[u8]| {
        let is_refusal = |(kind, _, payload): &(u8, u32, &[u8])| *kind == RST_STREAM && *payload == [0, 0, 0, 7];
        frames(answer).iter().filter(|frame| is_refusal(frame)).count()
    };
    while refused(&answer) < MORE as usize {
        match tokio::time::timeout(SOON, stream.read(&mut chunk)).await.expect("it answers soon") {
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend(&chunk[..length]),
        }
    }
    let begun = counting.begun.load(Ordering::Relaxed);
    assert!(begun <= STREAMS_MAX as usize, "{begun} requests at once on one connection");
    assert!(begun > 0, "those within the limit are served");
    drop(stream);
    counting.assert_unharmed().await;
}
