//! Mail to care providers: that there is something, and never what.
//!
//! The text is made here, of the organisation's name and the gateway's address; a message has room for nothing else, so nothing of a patient is
//! ever in a mail. Mail cannot be asked what it has, and what comes twice is there twice: what ends unclearly after the mail was handed over
//! is uncertain. Specifications: RFC 5321 (what a reply means), RFC 3834 (a mail that nobody answers by itself).

mod line;
mod texts;

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, response};
use lettre::{Address, Message as Letter};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::delivery::{Boxed, Cause, Connector, Inquiry, Message, Outcome};
use line::Line;

/// What a mail server is given to take its leave.
const FAREWELL: Duration = Duration::from_secs(2);
const NAME_LENGTH_MAX: usize = 200;

/// Whether the line to the mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// By `STARTTLS`; a server that does not offer it is sent nothing.
    StartTls,
    /// Not at all: for a server on this machine.
    Plain,
}

/// As whom the gateway signs in at the mail server.
#[derive(Clone)]
pub struct MailAccount {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
}

/// Where mail goes out.
#[derive(Clone)]
pub struct MailSettings {
    /// Name or address of the server.
    pub host: String,
    /// Its port, usually 587.
    pub port: u16,
    /// How the line is protected.
    pub tls: MailTls,
    /// Certificates (PEM) that are trusted beside those of the system.
    pub trusted: Option<Vec<u8>>,
    /// As whom it signs in, where it has to; only over an encrypted line.
    pub account: Option<MailAccount>,
    /// From whom mails are: `Wellgate <no-reply@gateway.example.org>`.
    pub from: String,
    /// The address of the gateway, the only one in a mail.
    pub gateway_url: String,
    /// How long each of the two parts may take: until the mail is handed over, and until it is confirmed.
    pub timeout: Duration,
}

/// The settings are of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailSettingsError {
    /// Not an address of a sender.
    #[error("the sender is no address, such as Wellgate <no-reply@gateway.example.org>")]
    From,
    /// A password would be readable on the line.
    #[error("an account needs an encrypted line")]
    AccountInClear,
    /// The trusted certificates cannot be read.
    #[error("the certificates cannot be read")]
    Certificates,
}

/// Sends mails.
pub struct NotifyMail {
    settings: MailSettings,
    from: Mailbox,
    tls: Option<TlsParameters>,
}

/// To whom, in which language: all that a message may say.
struct Notice {
    to: Address,
    organization: String,
    language: texts::Language,
}

impl NotifyMail {
    /// A connector with these settings.
    ///
    /// # Errors
    /// [`MailSettingsError`].
    pub fn new(settings: MailSettings) -> Result<Self, MailSettingsError> {
        let from: Mailbox = settings.from.parse().map_err(|_| MailSettingsError::From)?;
        let tls = match settings.tls {
            MailTls::Plain if settings.account.is_some() => return Err(MailSettingsError::AccountInClear),
            MailTls::Plain => None,
            MailTls::StartTls => Some(line::tls(&settings.host, settings.trusted.as_deref())?),
        };
        Ok(Self { settings, from, tls })
    }

    async fn notify(&self, message: &Message) -> Outcome {
        let Some(notice) = Notice::from_value(&message.body) else {
            return Outcome::Rejected(Cause::new("no-notice", "what is to be sent is no notice by mail"));
        };
        let Some(letter) = self.letter(&message.reference, &notice) else {
            return Outcome::Rejected(Cause::new("not-sendable", "the mail cannot be written"));
        };
        let mut line = match timeout(self.settings.timeout, self.offer(&notice.to)).await {
            Ok(Ok(line)) => line,
            Ok(Err(outcome)) => return outcome,
            Err(_) => return Outcome::Retry(Cause::new("timed-out", "the mail server did not answer in time"), None),
        };
        let outcome = match timeout(self.settings.timeout, line.message(&letter)).await {
            Ok(ended) => ended_with(ended),
            Err(_) => Outcome::Uncertain(Cause::new("timed-out", "the mail server did not confirm in time")),
        };
        // It has what it has: how it takes its leave changes nothing.
        let _ = timeout(FAREWELL, line.quit()).await;
        outcome
    }

    /// Connects, and goes as far as the server will have the mail.
    ///
    /// # Errors
    /// The outcome: the mail was not handed over.
    async fn offer(&self, to: &Address) -> Result<AsyncSmtpConnection, Outcome> {
        let (settings, hello) = (&self.settings, ClientId::Domain(self.from.email.domain().to_owned()));
        let stream = TcpStream::connect((settings.host.as_str(), settings.port)).await;
        let stream = stream.map_err(|_| retry("unreachable", "the mail server cannot be reached"))?;
        let mut line = AsyncSmtpConnection::connect_with_transport(Box::new(Line::new(stream)), &hello)
            .await
            .map_err(|error| before(&error))?;
        if let Some(tls) = &self.tls {
            // A server that says no is no server to sign in at, and another day it may say yes.
            let secured = line.starttls(tls.clone(), &hello).await;
            secured.map_err(|_| {
                retry("not-encrypted", "the mail server does not encrypt the line, or cannot be trusted")
            })?;
        }
        if let Some(account) = &settings.account {
            let credentials = Credentials::new(account.name.clone(), account.password.clone());
            let signed_in = line.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
            // An operator mends it, and nothing is lost meanwhile.
            signed_in.map_err(|_| retry("not-signed-in", "the mail server does not let the gateway in"))?;
        }
        let sender = Mail::new(Some(self.from.email.clone()), Vec::new());
        line.command(sender).await.map_err(|error| before(&error))?;
        line.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(|error| before(&error))?;
        let go_on = line.command(Data).await.map_err(|error| before(&error))?;
        if go_on.has_code(354) {
            Ok(line)
        } else {
            Err(retry("not-understood", "the mail server does not ask for the mail"))
        }
    }

    /// The mail as it is sent: only ASCII, whatever the name.
    fn letter(&self, reference: &str, notice: &Notice) -> Option<Vec<u8>> {
        let text = texts::of(notice.language);
        let body =
            text.body.replace("{organization}", &notice.organization).replace("{url}", &self.settings.gateway_url);
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let letter = Letter::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, notice.to.clone()))
            .subject(text.subject)
            .message_id(Some(format!("<{reference}@{}>", self.from.email.domain())))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .ok()?;
        let bytes = letter.formatted();
        bytes.is_ascii().then_some(bytes)
    }
}

impl std::fmt::Debug for NotifyMail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NotifyMail").field("host", &self.settings.host).finish_non_exhaustive()
    }
}

impl Connector for NotifyMail {
    fn is_idempotent(&self) -> bool {
        false
    }

    fn send<'a>(&'a self, message: &'a Message) -> Boxed<'a, Outcome> {
        Box::pin(self.notify(message))
    }

    fn inquire<'a>(&'a self, _reference: &'a str) -> Boxed<'a, Inquiry> {
        Box::pin(async { Inquiry::Impossible })
    }
}

impl Notice {
    /// Reads `{"to": …, "organization": …, "language": "nl"}`; whatever else stands there is not looked at, and so never sent.
    fn from_value(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let organization = text("organization")?;
        let is_name = !organization.is_empty()
            && organization.chars().count() <= NAME_LENGTH_MAX
            && !organization.chars().any(char::is_control);
        let to: Address = text("to")?.parse().ok()?;
        // Without an extension of the protocol an address is ASCII; it is asked of no server.
        let is_plain = to.as_ref() as &str;
        (is_name && is_plain.is_ascii()).then(|| Self {
            to,
            organization: organization.to_owned(),
            language: texts::Language::from_code(text("language").unwrap_or_default()),
        })
    }
}

fn retry(code: &str, text: &str) -> Outcome {
    Outcome::Retry(Cause::new(code, text), None)
}

/// What came of it before the mail was handed over: the server does not have it. What it said is not repeated, for it repeats addresses.
fn before(error: &Error) -> Outcome {
    match error.status() {
        Some(status) if error.is_permanent() => Outcome::Rejected(refused(status)),
        Some(status) => Outcome::Retry(refused(status), None),
        None => {
            retry("broken", "the line to the mail server broke before the mail was handed over, or it speaks no SMTP")
        }
    }
}

/// What came of it once the mail was handed over.
fn ended_with(ended: Result<response::Response, Error>) -> Outcome {
    let error = match ended {
        Ok(response) if response.has_code(250) => return Outcome::Delivered(Value::Null),
        Ok(_) => {
            return Outcome::Uncertain(Cause::new(
                "not-understood",
                "the mail server did not confirm in a way that is understood",
            ));
        }
        Err(error) => error,
    };
    match error.status() {
        Some(status) if error.is_permanent() => Outcome::Rejected(refused(status)),
        Some(status) if error.is_transient() => Outcome::Retry(refused(status), None),
        _ => Outcome::Uncertain(Cause::new("broken", "the line to the mail server broke before it confirmed")),
    }
}

fn refused(status: response::Code) -> Cause {
    let status: u16 = status.into();
    Cause::new(format!("smtp-{status}"), format!("the mail server answered {status}"))
}

#[cfg(test)]
mod tests;
