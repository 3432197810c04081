//! Floods within HTTP/2 (37): streams that are opened to be cancelled, heads without end, heads that unpack to more than they are.

use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::sqlite::database_url;
use wellgate_tests::wire::Wire;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `GET`, `http`, `/`, and an authority: three of the table and one that is written out.
const HEAD: &[u8] = b"\x82\x86\x84\x41\x01x";
/// What the whole process may grow by.
const GROWTH_MAX_KB: u64 = 50 * 1_024;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What this process holds in memory, the gateway with it.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is there");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

/// Sends the frames until the gateway closes the connection; then it still serves others, and has not grown.
async fn is_survived(frames: impl Iterator<Item = Vec<u8>>) {
    let gateway = Gateway::start(&database_url(), Options::default()).await;
    gateway.as_("elp-1").get("Patient").await.expect(200);
    let before = resident_kb();
    let mut wire = Wire::to(&gateway).await;
    assert!(wire.write(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await);
    let mut is_open = true;
    for frame in frames {
        is_open = wire.write(&frame).await;
        if !is_open {
            break;
        }
    }
    let rest = wire.rest().await;
    // GOAWAY has the type 7, and its stream is 0.
    let is_told = rest.windows(6).any(|bytes| bytes == [7, 0, 0, 0, 0, 0]);
    assert!(!is_open || is_told, "the connection is ended for what was sent on it");
    gateway.as_("elp-1").get("Patient").await.expect(200);
    let grown = resident_kb().saturating_sub(before);
    assert!(grown < GROWTH_MAX_KB, "it grew by {grown} KB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_37_streams_that_are_opened_to_be_cancelled_end_the_connection() {
    let streams = (0..400).map(|part: u32| {
        let pair = |stream| {
            let cancel = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            [frame(HEADERS, END_STREAM | END_HEADERS, stream, HEAD), cancel].concat()
        };
        (0..500).flat_map(|n| pair((part * 500 + n) * 2 + 1)).collect()
    });
    is_survived(streams).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_37_a_head_that_continues_without_end_ends_the_connection() {
    let first = std::iter::once(frame(HEADERS, 0, 1, HEAD));
    // A header of a kilobyte that is not kept in the table.
    let long = [&b"\x00\x01a\x7f\xe1\x07"[..], &[b'b'; 1_120]].concat();
    is_survived(first.chain((0..50_000).map(move |_| frame(CONTINUATION, 0, 1, &long)))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_37_a_head_of_empty_continuations_ends_the_connection() {
    let first = std::iter::once(frame(HEADERS, 0, 1, HEAD));
    is_survived(first.chain((0..200).map(|_| frame(CONTINUATION, 0, 1, &[]).repeat(1_000)))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_37_a_head_that_unpacks_to_megabytes_is_not_unpacked() {
    // One header of 4,000 bytes is put into the table, and then named by a byte, thousands of times, on stream after stream.
    let kept = [&b"\x40\x01a\x7f\xa1\x1e"[..], &[b'b'; 4_000]].concat();
    let bomb = move |stream: u32| {
        let named = vec![0xbe; 12_000];
        frame(HEADERS, END_STREAM | END_HEADERS, stream, &[HEAD, &kept, &named].concat())
    };
    is_survived((0..2_000).map(move |n| bomb(n * 2 + 1))).await;
}
