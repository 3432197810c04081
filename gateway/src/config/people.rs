//! `[people]`: where people sign in, and how long that lasts.

use std::path::PathBuf;
use std::time::Duration;

use super::keys::Fallback::{Absent, Value};
use super::keys::Form::{Integer, List, Text};
use super::keys::{Key, key};
use super::reader::Reader;
use super::sections::check_url;

/// `[people]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleConfig {
    /// The identity provider's name, also the URL below which it describes itself.
    pub issuer: String,
    /// As what the provider knows the gateway.
    pub client_id: String,
    /// How the gateway proves to the provider who it is.
    pub proof: ClientProof,
    /// What is asked for: `openid`, and perhaps more.
    pub scopes: Vec<String>,
    /// How somebody must sign in for what asks for it afresh.
    pub step_up_acr: Option<String>,
    /// After how long an unused session ends.
    pub idle: Duration,
    /// After how long every session ends.
    pub session: Duration,
    /// How long it counts that somebody signed in afresh.
    pub step_up: Duration,
    /// How long the code is good by which a patient finds the own record.
    pub link_code: Duration,
}

/// How the gateway proves to the provider who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// A secret that both know, in a file.
    Secret(PathBuf),
    /// A key of its own, in a file.
    Key(PathBuf),
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "people",
        "issuer",
        Text,
        Absent,
        "The identity provider (OpenID Connect) at which people sign in, exactly as it names itself; it describes itself below \
         `/.well-known/openid-configuration`. Without it nobody signs in at the gateway. docs/people.md says how to connect one.",
    ),
    key("people", "client_id", Text, Absent, "As what the provider knows the gateway. Required with `issuer`."),
    key(
        "people",
        "client_secret_file",
        Text,
        Absent,
        "File with the secret by which the gateway proves itself to the provider (`client_secret_basic`). With `issuer` exactly one \
         of this and `client_key_file` is given.",
    ),
    key(
        "people",
        "client_key_file",
        Text,
        Absent,
        "File with a key (P-256, PKCS#8, PEM or DER) by which it proves itself instead (`private_key_jwt`, ES256); its public half is \
         at `/sign-in/jwks`.",
    ),
    key("people", "scopes", List, Value("openid"), "What is asked of the provider; `openid` is always among it."),
    key(
        "people",
        "step_up_acr",
        Text,
        Absent,
        "How people must sign in afresh (`acr`) for emergency access and for what a data-protection officer does. Without it any fresh \
         sign-in will do.",
    ),
    key(
        "people",
        "session_idle_minutes",
        Integer(5, 1_440),
        Value("30"),
        "Minutes after which an unused session ends.",
    ),
    key("people", "session_hours", Integer(1, 24), Value("10"), "Hours after which every session ends."),
    key("people", "step_up_minutes", Integer(1, 60), Value("10"), "Minutes for which a fresh sign-in counts as one."),
    key(
        "people",
        "link_code_minutes",
        Integer(5, 20_160),
        Value("1440"),
        "Minutes for which the code is good by which a patient finds the own record.",
    ),
];

/// Reads the section; none where nobody signs in.
pub(super) fn read(reader: &mut Reader, audience: &str) -> Option<PeopleConfig> {
    let issuer = reader.optional_text("people.issuer");
    let client_id = reader.optional_text("people.client_id");
    let secret = reader.optional_text("people.client_secret_file").map(|file| ClientProof::Secret(file.into()));
    let key = reader.optional_text("people.client_key_file").map(|file| ClientProof::Key(file.into()));
    let mut scopes = reader.list("people.scopes");
    if scopes.iter().all(|scope| scope != "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    let step_up_acr = reader.optional_text("people.step_up_acr");
    let mut minutes = |path: &str| Duration::from_secs(60 * u64::from(reader.integer(path)));
    let (idle, step_up) = (minutes("people.session_idle_minutes"), minutes("people.step_up_minutes"));
    let link_code = minutes("people.link_code_minutes");
    let session = Duration::from_secs(3_600 * u64::from(reader.integer("people.session_hours")));
    let Some(issuer) = issuer else {
        for path in ["people.client_id", "people.client_secret_file", "people.client_key_file"] {
            if reader.is_given(path) {
                reader.fail(path, "is of no use without people.issuer");
            }
        }
        return None;
    };
    check_url(reader, "people.issuer", &issuer);
    if issuer.contains(['?', '#']) {
        reader.fail("people.issuer", "has neither ? nor #");
    }
    if client_id.is_none() {
        reader.fail("people.client_id", "is required with issuer");
    }
    // A token that says who signed in must be none by which a client calls.
    if client_id.as_deref() == Some(audience) {
        reader.fail("people.client_id", "differs from auth.audience");
    }
    let proof = match (secret, key) {
        (Some(proof), None) | (None, Some(proof)) => proof,
        _ => {
            reader.fail("people.client_secret_file", "is required with issuer, or client_key_file, and not both");
            ClientProof::Key(PathBuf::new())
        }
    };
    let client_id = client_id.unwrap_or_default();
    Some(PeopleConfig { issuer, client_id, proof, scopes, step_up_acr, idle, session, step_up, link_code })
}
