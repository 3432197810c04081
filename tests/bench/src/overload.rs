//! The gateway beyond what it can do: goodput at twice its peak, and honest readers beside thousands of idle and slow connections.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::load;
use crate::report::{Goal, Report};
use crate::subject::Subject;

/// Clients at the peak, and beyond it: more than may be in flight and wait together.
const PEAK_CLIENTS: usize = 128;
const OVERLOAD_CLIENTS: usize = 2_048;
const HONEST_CLIENTS: usize = 32;
const IDLE: usize = 10_000;
const SLOW: usize = 500;
/// An answer that comes later helps nobody.
const IN_TIME: Duration = Duration::from_secs(2);
/// What the configuration of the measured gateway must allow for it.
pub(crate) const CONNECTIONS: usize = 16_384;

/// Both measurements, by reads of the custodian.
pub(crate) fn measure(subject: &Subject, ids: &[String], time: Duration, report: &mut Report) -> io::Result<()> {
    let requests: Vec<Bytes> =
        ids.iter().map(|id| load::get(&format!("/fhir/Patient/{id}"), &subject.sender)).collect();
    let address = subject.process.address;
    let peak = load::cycle(address, &requests, PEAK_CLIENTS, time)?.per_second();
    let mut beyond = load::paced(address, &requests, OVERLOAD_CLIENTS, (2.0 * peak, IN_TIME), time)?;
    let goodput = beyond.good_per_second();
    let p99_ms = beyond.percentile_ms(99);
    let note = format!("{} refused, p99 {p99_ms:.1} ms", beyond.failures);
    let name = format!("goodput at twice the peak ÷ peak, {}", subject.name);
    report.add(&name, ("/s", Goal::AtLeast(0.8)), (goodput, Some(peak)), &note);
    beside_idle(subject, &requests, time, report)
}

fn beside_idle(subject: &Subject, requests: &[Bytes], time: Duration, report: &mut Report) -> io::Result<()> {
    let address = subject.process.address;
    let alone = load::cycle(address, requests, HONEST_CLIENTS, time)?.percentile_ms(99);
    let idle = opened(address, IDLE)?;
    let mut slow = opened(address, SLOW)?;
    for stream in &mut slow {
        stream.write_all(b"GET /fhir/Patient HTTP/1.1\r\nx: ")?;
    }
    let trickle = std::thread::spawn(move || {
        let until = Instant::now() + time;
        while Instant::now() < until {
            // Those that the gateway closed meanwhile are no loss.
            slow.retain_mut(|stream| stream.write_all(b"a").is_ok());
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    let mut measured = load::cycle(address, requests, HONEST_CLIENTS, time)?;
    let beside = measured.percentile_ms(99);
    let _ = trickle.join();
    drop(idle);
    let name = format!("p99 beside {IDLE} idle and {SLOW} slow connections ÷ alone, {}", subject.name);
    report.add(&name, ("ms", Goal::AtMost(2.0)), (beside, Some(alone)), &format!("{} failures", measured.failures));
    Ok(())
}

fn opened(address: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    (0..count).map(|_| TcpStream::connect(address)).collect()
}
