//! What a browser sends: parameters, each once, and forms of the very session.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use super::trail::{self, Refused};
use super::{failed, refused};
use crate::access::caller::Act;
use crate::access::session::{SignedInPerson, signed_in};
use crate::app::{App, People};
use crate::auth::browser::is_own_page;

/// The forms of the pages have a few hundred bytes.
const FORM_BYTES_MAX: usize = 8 * 1024;
/// The field with the session's form token.
pub(super) const FORM_TOKEN: &str = "form_token";

/// Parameters; of one that is given twice nobody knows which counts.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads a query or a form; none where one of these names is there twice.
    pub(super) fn read(text: &[u8], names: &[&str]) -> Option<Self> {
        let mut read = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text).filter(|(name, _)| names.contains(&&**name)) {
            if read.insert(name.into_owned(), value.into_owned()).is_some() {
                return None;
            }
        }
        Some(Self(read))
    }

    /// A parameter; none where it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The IP address from which it is asked, for the trail.
pub(super) fn network(parts: &Parts) -> String {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(address)| address.ip().to_canonical().to_string()).unwrap_or_default()
}

/// A form that somebody who is signed in posted from a page of the gateway's.
pub(super) struct Posted {
    pub(super) parts: Parts,
    pub(super) person: SignedInPerson,
    pub(super) fields: Parameters,
}

impl Posted {
    /// Reads it.
    ///
    /// # Errors
    /// The page that says why it is not taken, once that is on record.
    pub(super) async fn read(
        (app, people): (&App, &People),
        request: Request,
        (act, fields): (Act, &[&str]),
    ) -> Result<Self, Response<Body>> {
        let (parts, body) = request.into_parts();
        let person = signed_in(app, &parts.headers).await.map_err(|error| failed(&parts.headers, error))?;
        let Some(person) = person else {
            app.refusals.count("not-authenticated", app.clock.now_ms());
            return Err(refused(&parts.headers, StatusCode::UNAUTHORIZED, "signed-out"));
        };
        let bytes: Option<Bytes> =
            Limited::new(body, FORM_BYTES_MAX).collect().await.ok().map(http_body_util::Collected::to_bytes);
        let fields = bytes.and_then(|bytes| Parameters::read(&bytes, &[fields, &[FORM_TOKEN]].concat()));
        let token = fields.as_ref().and_then(|fields| fields.get(FORM_TOKEN)).unwrap_or_default();
        let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let reason = if !is_own_page(&people.root, text("origin"), text("sec-fetch-site")) {
            "other-page"
        } else if !people.key.is_form_of(&person.session.hash, token) {
            "no-form-token"
        } else {
            match fields {
                Some(fields) => return Ok(Self { parts, person, fields }),
                None => "request",
            }
        };
        let refusal = Refused { act, reason, network: &network(&parts) };
        match trail::refuse(app, &person, refusal).await {
            Ok(()) => Err(refused(&parts.headers, StatusCode::FORBIDDEN, "not-your-form")),
            Err(error) => Err(failed(&parts.headers, error)),
        }
    }
}
