//! By what the gateway proves to partners who it is: the operator's file of credentials, and the files that it names.
//!
//! Nothing of it is in the database, and none of its errors repeats what is in a file of keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::credentials::{Credential, TokenSource};
use connectors::http::{HttpClient, HttpError};
use connectors::pki::{Certificate, Identity, Password, PkiError};
use reqwest::Url;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::auth::AssertionKey;
use crate::clock::Clock;
use crate::config::is_loopback;

const CREDENTIALS_MAX: usize = 200;
const FILE_BYTES_MAX: usize = 256 * 1024;

/// Why the credentials are of no use: the name of the one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CredentialsError(String);

/// A table of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    key_store_file: Option<PathBuf>,
    key_store_password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    token_url: Option<String>,
    client_id: Option<String>,
    client_key_file: Option<PathBuf>,
    client_key_id: Option<String>,
    scope: Option<String>,
}

/// Reads the credentials of a file, and the files that it names; none without a file.
///
/// # Errors
/// [`CredentialsError`] for the first that is of no use.
pub fn credentials(file: Option<&Path>, clock: &Clock) -> Result<Vec<Credential>, CredentialsError> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let text = String::from_utf8(content(file)?.to_vec()).map_err(|_| CredentialsError("is no text".to_owned()))?;
    // Of the error only what is wrong: it would repeat the line.
    let entries: BTreeMap<String, Entry> =
        toml::from_str(&text).map_err(|error| CredentialsError(error.message().to_owned()))?;
    if entries.len() > CREDENTIALS_MAX {
        return Err(CredentialsError(format!("has more than {CREDENTIALS_MAX} credentials")));
    }
    let read = |(name, entry): (&String, &Entry)| {
        credential(name, entry, clock).map_err(|error| CredentialsError(format!("[{name}]: {error}")))
    };
    let read = entries.iter().map(read).collect::<Result<Vec<Credential>, CredentialsError>>()?;
    for (at, one) in read.iter().enumerate() {
        if let Some(other) = read.iter().skip(at + 1).find(|other| other.url == one.url) {
            let both = format!("[{}] and [{}] are for the same url", one.name, other.name);
            return Err(CredentialsError(both));
        }
    }
    // What a client cannot be built with is told now, and not when something is to be sent.
    let useless = |error: HttpError| CredentialsError(error.to_string());
    HttpClient::new().and_then(|client| client.proving(&read)).map_err(useless)?;
    Ok(read)
}

fn credential(name: &str, entry: &Entry, clock: &Clock) -> Result<Credential, CredentialsError> {
    let credential = Credential {
        name: name.to_owned(),
        url: address("url", &entry.url)?,
        identity: identity(entry)?,
        trusted: entry.ca_file.as_deref().map(trusted).transpose()?,
        tokens: tokens(entry, clock)?,
    };
    if credential.identity.is_none() && credential.tokens.is_none() && credential.trusted.is_none() {
        return Err(wrong("has neither a certificate, a token_url nor a ca_file"));
    }
    Ok(credential)
}

fn wrong(why: &str) -> CredentialsError {
    CredentialsError(why.to_owned())
}

/// An address that secrets travel to is `https`, except on the machine itself.
fn address(key: &str, text: &str) -> Result<Url, CredentialsError> {
    let url = Url::parse(text).map_err(|_| CredentialsError(format!("{key} is no URL")))?;
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    if is_plain && is_safe {
        return Ok(url);
    }
    Err(CredentialsError(format!("{key} is a URL of https, without a name, a query or a fragment")))
}

/// The certificates of issuers in a file: at least one, or nobody would be believed.
fn trusted(file: &Path) -> Result<Vec<u8>, CredentialsError> {
    let pem = content(file)?;
    Certificate::from_pem(&pem).map_err(|error| CredentialsError(format!("ca_file: {error}")))?;
    Ok(pem.to_vec())
}

fn identity(entry: &Entry) -> Result<Option<Zeroizing<Vec<u8>>>, CredentialsError> {
    let useless = |error: PkiError| CredentialsError(error.to_string());
    let pem = (entry.certificate_file.as_deref(), entry.key_file.as_deref());
    let store = (entry.key_store_file.as_deref(), entry.key_store_password_file.as_deref());
    let identity = match (pem, store) {
        ((None, None), (None, None)) => return Ok(None),
        ((Some(certificate), Some(key)), (None, None)) => {
            Identity::from_pem(&content(key)?, &content(certificate)?).map_err(useless)?
        }
        ((None, None), (Some(store), Some(password))) => stored(store, password)?,
        _ => return Err(wrong("certificate_file goes with key_file, or key_store_file with key_store_password_file")),
    };
    let mut pem = identity.key_pem().map_err(useless)?;
    for certificate in std::iter::once(identity.certificate()).chain(identity.chain()) {
        pem.extend_from_slice(&certificate.to_pem().map_err(useless)?);
    }
    Ok(Some(pem))
}

fn tokens(entry: &Entry, clock: &Clock) -> Result<Option<TokenSource>, CredentialsError> {
    let Some(url) = &entry.token_url else {
        let others = [entry.client_id.is_some(), entry.client_key_file.is_some(), entry.scope.is_some()];
        let is_nothing = others == [false; 3] && entry.client_key_id.is_none();
        return if is_nothing { Ok(None) } else { Err(wrong("client_id, client_key_file and scope need token_url")) };
    };
    address("token_url", url)?;
    let (Some(client_id), Some(key_file), Some(scope)) = (&entry.client_id, &entry.client_key_file, &entry.scope)
    else {
        return Err(wrong("token_url needs client_id, client_key_file and scope"));
    };
    let key = content(key_file)?;
    let useless = || wrong("client_key_file is no key on P-384 or P-256 in PKCS#8");
    let key = if key.starts_with(b"-----BEGIN") {
        let der = PrivatePkcs8KeyDer::from_pem_slice(&key).map_err(|_| useless())?;
        AssertionKey::new(der.secret_pkcs8_der(), entry.client_key_id.as_deref())
    } else {
        AssertionKey::new(&key, entry.client_key_id.as_deref())
    };
    let (key, clock) = (key.map_err(|_| useless())?, clock.clone());
    let (client_id, token_url) = (client_id.clone(), url.clone());
    let assertion = move || {
        let id = Uuid::new_v4().simple().to_string();
        key.assert((&client_id, &token_url), &id, clock.now_ms()).ok()
    };
    Ok(Some(TokenSource { url: url.clone(), scope: scope.clone(), assertion: Arc::new(assertion) }))
}

/// The key of a store in PKCS#12, opened by the password in another file.
///
/// # Errors
/// [`CredentialsError`].
pub fn stored(store: &Path, password: &Path) -> Result<Identity, CredentialsError> {
    let password = String::from_utf8(content(password)?.to_vec()).map_err(|_| wrong("the password is no text"))?;
    let password = Password::new(password.trim_end_matches(['\r', '\n']).to_owned());
    let useless = |error: PkiError| CredentialsError(format!("{}: {error}", store.display()));
    Identity::from_pkcs12(&content(store)?, &password).map_err(useless)
}

/// A file with its name where it cannot be read.
fn content(file: &Path) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    let unread = |why: &dyn std::fmt::Display| CredentialsError(format!("{}: {why}", file.display()));
    let content = Zeroizing::new(std::fs::read(file).map_err(|error| unread(&error))?);
    if content.len() > FILE_BYTES_MAX { Err(unread(&"is too long")) } else { Ok(content) }
}
