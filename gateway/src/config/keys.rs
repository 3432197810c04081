//! Every configuration key: its name, form, default and meaning, in one table.
//!
//! `docs/configuration.md` is this table, and a value is read through it: a key that is not here cannot be used.

/// What a value looks like, in the file and (as text) in a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// A whole number between two bounds, both allowed.
    Integer(i64, i64),
    /// Texts; in a variable, separated by commas.
    List,
}

/// What holds when a key is given nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    /// It must be given.
    Required,
    /// It stays absent; the meaning says what follows.
    Absent,
    /// This text, read as a variable's would be.
    Value(&'static str),
}

/// One row of the table.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) fallback: Fallback,
    pub(super) meaning: &'static str,
}

impl Key {
    /// `server.listen`: how errors and code name it.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// `WELLGATE_SERVER_LISTEN`: the variable that overrides the file.
    pub(super) fn variable(&self) -> String {
        format!("WELLGATE_{}_{}", self.section, self.name).to_uppercase()
    }
}

pub(super) const fn key(
    section: &'static str,
    name: &'static str,
    form: Form,
    fallback: Fallback,
    meaning: &'static str,
) -> Key {
    Key { section, name, form, fallback, meaning }
}

use super::{
    billing, bulk, co_prev, deliveries, emergency, insurers, limits, mail, people, search, subscriptions, tdi,
    validation, vault,
};
use Fallback::{Absent, Required, Value};
use Form::{Integer, List, Text};

/// The table, in the order of the document.
const KEYS: &[Key] = &[
    key("server", "listen", Text, Value("127.0.0.1:8080"), "Address and port to listen on."),
    key(
        "server",
        "base_url",
        Text,
        Required,
        "The URL under which clients reach the FHIR interface. It ends in `/fhir`, and is `https` unless its host is \
         this machine itself; behind a proxy it is the proxy's.",
    ),
    key(
        "server",
        "tls_certificate_file",
        Text,
        Absent,
        "PEM file with the server's certificate chain. Together with `tls_key_file` it switches TLS on; without \
         both, plain HTTP is spoken, for a proxy in front. A changed file is taken up within a minute, or at once on \
         SIGHUP.",
    ),
    key(
        "server",
        "tls_key_file",
        Text,
        Absent,
        "PEM file with the private key of that certificate (PKCS#8, PKCS#1 or SEC1).",
    ),
    key(
        "server",
        "tls_client_ca_file",
        Text,
        Absent,
        "PEM file with the certificates of those who issue certificates to clients. With it clients may show one, and the tokens that the \
         gateway gives over such a connection are good with that certificate alone (RFC 8705).",
    ),
    key(
        "server",
        "tls_client_certificates",
        Text,
        Value("optional"),
        "`optional`, or `required`: then a client without a certificate of these issuers gets no connection.",
    ),
    key(
        "server",
        "drain_timeout_seconds",
        Integer(0, 3_600),
        Value("30"),
        "How long requests in flight may take to finish after SIGTERM, before they are cut.",
    ),
    key(
        "database",
        "url",
        Text,
        Required,
        "`sqlite:PATH` for the embedded database, or `postgres://USER:PASSWORD@HOST/NAME`. As it holds a password, \
         give it as a variable.",
    ),
    key(
        "database",
        "connections_max",
        Integer(1, 1_000),
        Value("16"),
        "Connections for reading that are kept to the database.",
    ),
    key(
        "database",
        "writers",
        Integer(1, 16),
        Absent,
        "Tasks that commit groups of writes. Default: 1 on SQLite, where more are an error, and 2 on PostgreSQL.",
    ),
    key(
        "auth",
        "issuer",
        Text,
        Absent,
        "An issuer whose tokens are believed: the `iss` that they carry. Without it only the gateway's own are.",
    ),
    key(
        "auth",
        "audience",
        Text,
        Required,
        "The `aud` that every token must carry, as its one value or among several.",
    ),
    key(
        "auth",
        "jwks_file",
        Text,
        Absent,
        "File with that issuer's public keys (JWK Set). With `issuer` exactly one of `jwks_file` and `jwks_url` is given.",
    ),
    key(
        "auth",
        "jwks_url",
        Text,
        Absent,
        "URL of the issuer's public keys; `https` unless its host is this machine itself.",
    ),
    key(
        "auth",
        "signing_key_file",
        Text,
        Absent,
        "File with the key (P-256, PKCS#8, PEM or DER) that signs the tokens which the gateway itself gives to registered clients \
         at `/oauth/token`. Every replica has the same. Without it the gateway gives none.",
    ),
    key(
        "auth",
        "token_lifetime_seconds",
        Integer(60, 3_600),
        Value("300"),
        "How long a token of the gateway's own is good.",
    ),
    key(
        "auth",
        "algorithms",
        List,
        Value("ES256,ES384,RS384"),
        "Signature algorithms that are accepted, of ES256, ES384, RS256 and RS384.",
    ),
    key(
        "auth",
        "leeway_seconds",
        Integer(0, 60),
        Value("30"),
        "By how much clocks may differ when `exp` and `nbf` are checked.",
    ),
    key(
        "auth",
        "jwks_refresh_seconds",
        Integer(60, 86_400),
        Value("300"),
        "How often the keys are read again, unless their server says that they stay fresh for longer (a day at most \
         counts). Keys that cannot be read again stay in use.",
    ),
    key(
        "fhir",
        "types",
        List,
        Value(""),
        "Resource types to serve; `all` serves every R4 type. Empty: the types that referrals and billing need.",
    ),
];

/// What comes after the limits.
const FURTHER: &[Key] = &[
    key(
        "referral",
        "waiting_days_max",
        Integer(1, 3_650),
        Value("60"),
        "Days after which a referral that nobody picked up expires and its record goes back.",
    ),
    key(
        "referral",
        "intake_days_max",
        Integer(1, 365),
        Value("14"),
        "Days for which it is looked where a referral goes that names nobody. Then it stays with whoever asked, and the national \
         number is destroyed.",
    ),
    key(
        "labels",
        "file",
        Text,
        Absent,
        "File with the operator's own table of what makes a resource sensitive, in the form of `gateway/tables/labels.txt`. \
         It stands instead of the built-in table. Raise its version with each change: what was labelled by an older one \
         counts as most restricted until the gateway has labelled it anew, which it does when it starts.",
    ),
    key(
        "outbound",
        "allowed",
        List,
        Value(""),
        "Origins (`https://host`, `https://host:port`) that may be asked where a registration names a URL, such as a client's key set. \
         Empty: every `https` origin at public addresses.",
    ),
    key(
        "outbound",
        "private",
        List,
        Value(""),
        "Further such origins, which may lie in a private network or on this machine, and may be `http`.",
    ),
    key(
        "outbound",
        "credentials_file",
        Text,
        Absent,
        "TOML file with what the gateway proves to partners who it is by, a certificate or tokens, each for one address: \
         `docs/deliveries.md`. Without it partners are told what the network shows.",
    ),
    key(
        "evidence",
        "signing_key_file",
        Text,
        Absent,
        "File with the key (Ed25519, PKCS#8, PEM or DER) by which the trail is sealed: `docs/evidence.md`. Every replica has the same, \
         and so have the operator's commands. Without it the trail is kept, and not sealed.",
    ),
    key(
        "evidence",
        "head_file",
        Text,
        Absent,
        "File to which the head of the trail is written each time that it has moved, for whatever publishes it. On a disk that the \
         database's administrators do not reach, it shows that the end of the trail was cut off.",
    ),
    key("log", "format", Text, Value("json"), "`json` (one object a line) or `human`. Both go to standard error."),
    key(
        "log",
        "level",
        Text,
        Value("info"),
        "`error`, `warn`, `info`, `debug` or `trace`, for the gateway's own lines. Libraries never say more than \
         `warn`: what they log is beyond our word on patient data.",
    ),
    key(
        "telemetry",
        "otlp_endpoint",
        Text,
        Absent,
        "URL that traces are sent to by OTLP over HTTP, such as `http://collector:4318/v1/traces`. Needs a build \
         with the `otel` feature.",
    ),
];

/// Every key, in the order of the document; a section may stand beside what reads it.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    let sections = [
        people::KEYS,
        emergency::KEYS,
        vault::KEYS,
        deliveries::KEYS,
        subscriptions::KEYS,
        bulk::KEYS,
        mail::KEYS,
        tdi::KEYS,
        co_prev::KEYS,
        billing::KEYS,
        insurers::KEYS,
        validation::KEYS,
        search::KEYS,
    ];
    KEYS.iter().chain(limits::KEYS).chain(FURTHER).chain(sections.into_iter().flatten())
}

/// The key with this path. Every path in the code is in the table, or a test fails.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    all().find(|key| path.split_once('.') == Some((key.section, key.name)))
}

/// The sections, in the order of the document.
pub(super) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&'static str> = all().map(|key| key.section).collect();
    sections.dedup();
    sections
}
