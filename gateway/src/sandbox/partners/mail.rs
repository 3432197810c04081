//! A mail server, made up: it takes every mail and delivers none, so that a tester reads what would have been sent.
//!
//! As mail is, nothing tells it that a mail came before: what comes twice is there twice. Specification: RFC 5321. One call, for which a
//! fault counts, is one mail from its `MAIL FROM` to the answer after its end.

use std::time::Duration;

use axum::body::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::faults::{Fault, Met, Nonsense};
use super::simulator::Simulator;

/// A line of a command or of a mail, with its end.
const LINE_BYTES_MAX: u64 = 1_000;
const MAIL_BYTES_MAX: usize = 1024 * 1024;
const RECIPIENTS_MAX: usize = 100;
/// How long a client may be silent.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// What a reply without an end comes to.
const NONSENSE_BYTES: usize = 64 * 1024 * 1024;
const NONSENSE_LINE: &[u8] = b"250-and so on, and so on, and so on\r\n";

/// Where a conversation stands.
#[derive(Default)]
struct Mail {
    has_sender: bool,
    recipients: usize,
    met: Met,
}

/// Why a conversation ends.
enum End {
    /// It was told to, or the client went away.
    Closed,
    Failed,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Failed
    }
}

struct Line {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

/// Speaks with one client until either is done.
pub(super) async fn converse(simulator: &Simulator, stream: TcpStream) {
    let (reader, writer) = stream.into_split();
    let mut line = Line { reader: BufReader::new(reader), writer };
    // However it ends, the line is closed.
    let _ = talk(simulator, &mut line).await;
}

async fn talk(simulator: &Simulator, line: &mut Line) -> Result<(), End> {
    let mut mail = Mail::default();
    line.say("220 mail.sandbox.example ESMTP").await?;
    loop {
        let command = String::from_utf8_lossy(&line.hear().await?).trim_end().to_owned();
        let verb = command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => line.say("250-mail.sandbox.example\r\n250-8BITMIME\r\n250 SIZE 1048576").await?,
            "HELO" => line.say("250 mail.sandbox.example").await?,
            "NOOP" => line.say("250 2.0.0 OK").await?,
            "RSET" => {
                mail = Mail::default();
                line.say("250 2.0.0 OK").await?;
            }
            "MAIL" if !mail.has_sender => {
                mail = Mail { has_sender: true, recipients: 0, met: simulator.meet(true) };
                line.say("250 2.1.0 OK").await?;
            }
            "RCPT" if mail.has_sender && mail.recipients < RECIPIENTS_MAX => {
                if let Some(Fault::Status(status, _)) = mail.met.fault {
                    line.say(&format!("{status} the sandbox was told to answer this")).await?;
                } else {
                    mail.recipients += 1;
                    line.say("250 2.1.5 OK").await?;
                }
            }
            "DATA" if mail.recipients > 0 => {
                line.say("354 go on, end with a dot on a line of its own").await?;
                let content = line.content().await?;
                let met = std::mem::take(&mut mail).met;
                take_in(simulator, line, content, met).await?;
            }
            "QUIT" => {
                line.say("221 2.0.0 bye").await?;
                return Ok(());
            }
            "MAIL" | "RCPT" | "DATA" => line.say("503 5.5.1 not now").await?,
            _ => line.say("502 5.5.2 it is not understood").await?,
        }
    }
}

/// Keeps a mail and answers for it, as far as no fault says otherwise. None: it was too long.
async fn take_in(simulator: &Simulator, line: &mut Line, content: Option<Vec<u8>>, met: Met) -> Result<(), End> {
    let Some(content) = content else {
        return line.say("552 5.3.4 a mail has at most 1 MiB").await;
    };
    if met.fault == Some(Fault::CutBeforeAccept) {
        return Err(End::Closed);
    }
    simulator.keep_mail(reference(&content), Bytes::from(content));
    tokio::time::sleep(met.latency).await;
    match met.fault {
        Some(Fault::CutAfterAccept) => return Err(End::Closed),
        Some(Fault::Truncated) => {
            line.writer.write_all(b"25").await?;
            return Err(End::Closed);
        }
        Some(Fault::Nonsense(kind)) => line.nonsense(kind).await?,
        Some(Fault::Duplicate) => line.say("250 2.0.0 OK\r\n250 2.0.0 OK").await?,
        _ => line.say("250 2.0.0 OK").await?,
    }
    Ok(())
}

/// Our reference: what stands before the `@` of the Message-ID.
fn reference(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    let headers = text.split("\r\n\r\n").next().unwrap_or_default();
    let id = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("Message-ID").then(|| value.trim().trim_matches(['<', '>']))
    });
    let reference = id.and_then(|id| id.split('@').next()).filter(|text| (1..=64).contains(&text.len()));
    reference.unwrap_or("none").to_owned()
}

impl Line {
    async fn say(&mut self, reply: &str) -> Result<(), End> {
        Ok(self.writer.write_all(format!("{reply}\r\n").as_bytes()).await?)
    }

    /// The next line. One that is too long comes in pieces, which are no commands.
    async fn hear(&mut self) -> Result<Vec<u8>, End> {
        let mut heard = Vec::new();
        let mut limited = (&mut self.reader).take(LINE_BYTES_MAX);
        match tokio::time::timeout(SILENCE_MAX, limited.read_until(b'\n', &mut heard)).await {
            Ok(Ok(0)) | Err(_) => Err(End::Closed),
            Ok(read) => {
                read?;
                Ok(heard)
            }
        }
    }

    /// A mail, without the dots that its lines were given; none where it was too long, but read to its end.
    async fn content(&mut self) -> Result<Option<Vec<u8>>, End> {
        let (mut content, mut is_too_long, mut begins) = (Vec::new(), false, true);
        loop {
            let heard = self.hear().await?;
            if begins && heard == b".\r\n" {
                return Ok((!is_too_long).then_some(content));
            }
            let text = heard.strip_prefix(b".").filter(|_| begins).unwrap_or(&heard);
            begins = heard.ends_with(b"\n");
            is_too_long |= content.len() + text.len() > MAIL_BYTES_MAX;
            if !is_too_long {
                content.extend_from_slice(text);
            }
        }
    }

    async fn nonsense(&mut self, kind: Nonsense) -> Result<(), End> {
        match kind {
            Nonsense::Html => self.say("<!doctype html><p>It works!").await,
            Nonsense::Empty => self.say("").await,
            Nonsense::Json => self.say("{\"status\":\"rejected\"}").await,
            Nonsense::Endless => self.repeat(NONSENSE_LINE).await,
            Nonsense::Huge => self.repeat(&[b'2'; 1_024]).await,
        }
    }

    async fn repeat(&mut self, piece: &[u8]) -> Result<(), End> {
        let mut sent = 0;
        while sent < NONSENSE_BYTES {
            self.writer.write_all(piece).await?;
            sent += piece.len();
        }
        Err(End::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::reference;

    #[test]
    fn the_reference_of_a_mail_is_before_the_at_of_its_message_id() {
        assert_eq!(reference(b"From: a\r\nmessage-id: <d-1@gateway.example>\r\n\r\nMessage-ID: <x@y>\r\n"), "d-1");
        assert_eq!(reference(b"From: a\r\n\r\nMessage-ID: <x@y>\r\n"), "none");
    }
}
