//! `[mail]`: where mails go out that tell that there is something, and never what.

use std::path::PathBuf;

use super::keys::Fallback::{Absent, Value};
use super::keys::Form::Text;
use super::keys::{Key, key};
use super::reader::Reader;

/// `[mail]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailConfig {
    /// The mail server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the line is encrypted by `STARTTLS`.
    pub is_encrypted: bool,
    /// From whom mails are.
    pub from: String,
    /// As whom the gateway signs in, and the file with its password.
    pub account: Option<(String, PathBuf)>,
    /// Certificates that are trusted beside those of the system.
    pub ca: Option<PathBuf>,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "mail",
        "server",
        Text,
        Absent,
        "The mail server, `HOST:PORT`, usually port 587. Without it nobody is told by mail, and what is for a channel of mail waits.",
    ),
    key(
        "mail",
        "from",
        Text,
        Absent,
        "From whom mails are, such as `Wellgate <no-reply@gateway.example.org>`. Needed with `server`.",
    ),
    key(
        "mail",
        "tls",
        Text,
        Value("starttls"),
        "`starttls`: a server that does not encrypt is sent nothing. `none`: for a server on this machine.",
    ),
    key("mail", "ca_file", Text, Absent, "PEM file with certificates that are trusted beside those of the system."),
    key("mail", "account", Text, Absent, "As whom the gateway signs in at the server. Together with `password_file`."),
    key("mail", "password_file", Text, Absent, "File with the password of that account."),
];

pub(super) fn read(reader: &mut Reader) -> Option<MailConfig> {
    let server = reader.optional_text("mail.server");
    let (from, tls) = (reader.optional_text("mail.from"), reader.text("mail.tls"));
    let ca = reader.optional_text("mail.ca_file").map(PathBuf::from);
    let (account, password) = (reader.optional_text("mail.account"), reader.optional_text("mail.password_file"));
    if !matches!(tls.as_str(), "starttls" | "none") {
        reader.fail("mail.tls", "is starttls or none");
    }
    if account.is_some() != password.is_some() {
        reader.fail("mail.account", "and mail.password_file go together");
    }
    let server = server?;
    let Some(from) = from else {
        reader.fail("mail.from", "is needed with mail.server");
        return None;
    };
    let parsed = server.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    let Some((host, port)) = parsed.filter(|(host, _)| !host.is_empty()) else {
        reader.fail("mail.server", "is HOST:PORT, such as mail.example.org:587");
        return None;
    };
    if tls == "none" && account.is_some() {
        reader.fail("mail.tls", "is starttls where there is an account: its password would be readable on the line");
    }
    let account = account.zip(password.map(PathBuf::from));
    Some(MailConfig { host, port, is_encrypted: tls == "starttls", from, account, ca })
}
