//! An export of a hundred thousand resources: how fast its file is read, and whether the gateway's memory grows with it.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use crate::report::{Goal, Report};
use crate::subject::Subject;

/// Resources of the file.
pub(crate) const RESOURCES: usize = 100_000;
/// Lines after which memory is looked at.
const LOOK: usize = 500;
/// What the whole file may take beside its first tenth: as much, and a little for what else goes on.
const GROWTH_MAX: f64 = 1.2;

/// Exports the Observations of the sender, and measures while the file is read.
pub(crate) fn measure(subject: &Subject, report: &mut Report) -> io::Result<()> {
    let (head, _) = ask(subject, "GET", "/fhir/$export?_type=Observation", "Prefer: respond-async\r\n")?;
    let location = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-location").then(|| value.trim().to_owned())
    });
    let location = location.ok_or_else(|| io::Error::other(format!("no export: {head:?}")))?;
    let path = location.find("/fhir/").map(|at| location[at..].to_owned()).unwrap_or_default();
    let begun = Instant::now();
    let (head, mut body) = ask(subject, "GET", &format!("{path}/Observation.ndjson"), "")?;
    if !head.first().is_some_and(|status| status.contains(" 200 ")) {
        return Err(io::Error::other(format!("no file: {head:?}")));
    }
    let (mut lines, mut first, mut rest, mut line) = (0, 0.0_f64, 0.0_f64, String::new());
    while body.read_line(&mut line)? > 0 {
        line.clear();
        lines += 1;
        if lines % LOOK == 0 {
            let memory = subject.process.memory_mb();
            if lines * 10 <= RESOURCES { first = first.max(memory) } else { rest = rest.max(memory) }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    ask(subject, "DELETE", &path, "")?;
    if lines < RESOURCES {
        return Err(io::Error::other(format!("the file has {lines} lines only")));
    }
    let rate = f64::from(u32::try_from(lines).unwrap_or(u32::MAX)) / seconds;
    report.add(
        &format!("export, {}", subject.name),
        ("resources/s", Goal::None),
        (rate, None),
        &format!("{lines} lines"),
    );
    let name = format!("export, memory beside that of the first tenth, {}", subject.name);
    report.add(&name, ("MB", Goal::AtMost(GROWTH_MAX)), (rest, Some(first)), "");
    Ok(())
}

/// One request on a connection of its own; by HTTP/1.0 the body is all that follows the head.
fn ask(subject: &Subject, method: &str, path: &str, headers: &str) -> io::Result<(Vec<String>, BufReader<TcpStream>)> {
    let mut stream = TcpStream::connect(subject.process.address)?;
    let token = &subject.sender;
    let host = subject.process.address;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{headers}\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok((head, reader));
        }
        head.push(line.trim_end().to_owned());
    }
}
