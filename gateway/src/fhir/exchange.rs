//! One request and its answer: who asks, for what, and what the trail says where it is refused.

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::http::{HeaderMap, Method, Response, Uri, header};

use crate::access::caller::Act;
use crate::access::{Caller, Draft};
use crate::app::App;
use crate::audit::AuditEvent;
use crate::auth::PeerCertificate;
use crate::bodies;
use crate::error::Failure;
use crate::search::parameters::type_name;
use crate::vault::has_number;
use mappings::json::indent::indented;
use mappings::r4::primitive::is_id;

/// The parts of a request that an interaction reads.
#[derive(Debug)]
pub struct Exchange {
    /// The assembled gateway.
    pub app: App,
    /// The method.
    pub method: Method,
    /// The headers sent.
    pub headers: HeaderMap,
    /// The address asked.
    pub uri: Uri,
    /// The IP address of the other end of the connection; empty where it is not known.
    pub network: String,
    /// The certificate by which the client speaks TLS, if it showed one.
    pub certificate: Option<PeerCertificate>,
}

/// Marks the answer to whoever proved themselves by a token, and not by a browser's cookie.
#[derive(Clone, Copy, Debug)]
pub struct ByToken;

/// What a request is about, for the trail.
#[derive(Clone, Debug)]
pub struct Target {
    /// The act.
    pub act: Act,
    /// The type in the path; empty for the whole system.
    pub resource_type: String,
    /// The id in the path; empty for a type.
    pub id: String,
}

impl Target {
    /// An interaction on a type or an instance.
    pub fn new(act: Act, resource_type: &str, id: &str) -> Self {
        Self { act, resource_type: resource_type.to_owned(), id: id.to_owned() }
    }
}

/// Which body the caller wants back from a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// The resource as it is now.
    Representation,
    /// Nothing.
    Minimal,
    /// An OperationOutcome.
    OperationOutcome,
}

impl Exchange {
    /// Answers a request: authenticates, does the work, and writes every refusal into the trail before it is told.
    pub async fn answer(
        self,
        target: Target,
        work: impl AsyncFnOnce(&Exchange, &Caller) -> Result<Response<Body>, Failure>,
    ) -> Response<Body> {
        self.answer_naming(target, async |exchange, caller, _| work(exchange, caller).await).await
    }

    /// The same, where only the body or the query says what the request is about: the work names it as soon as it knows, so
    /// that a refusal is recorded where it belongs.
    pub async fn answer_naming(
        self,
        mut target: Target,
        work: impl AsyncFnOnce(&Exchange, &Caller, &mut Target) -> Result<Response<Body>, Failure>,
    ) -> Response<Body> {
        if !self.takes_json() {
            return Failure::NotAcceptable.into_response();
        }
        let caller = match self.caller().await {
            Ok(caller) => caller,
            Err(failure) => return failure.into_response(),
        };
        if let Err(too_often) = self.app.rates.clients.take(&caller.key_owner(), caller.now_ms) {
            self.app.refused_by("client-rate");
            return Failure::TooOften(too_often).into_response();
        }
        let worked = match caller.admits(target.act) {
            Ok(()) if is_address(&target.id) => work(&self, &caller, &mut target).await,
            Ok(()) => Err(Failure::NotFound),
            Err(failure) => Err(failure),
        };
        let is_by_token = worked.is_ok() && self.headers.contains_key(header::AUTHORIZATION);
        let answered = match worked {
            Ok(response) => response,
            Err(failure) => match self.record_refusal(&caller, &target, &failure).await {
                Ok(()) => failure.into_response(),
                Err(unrecorded) => unrecorded.into_response(),
            },
        };
        let mut answered = if self.is_pretty() { pretty(answered).await } else { answered };
        if is_by_token {
            answered.extensions_mut().insert(ByToken);
        }
        answered
    }

    /// Who sends the request, as far as it is good at this moment.
    ///
    /// # Errors
    /// As [`Caller::of`]; each is counted.
    pub async fn caller(&self) -> Result<Caller, Failure> {
        let by = (&self.method, self.certificate.as_ref());
        let mut caller = Caller::of(&self.app, &self.headers, by, self.request_id()).await.inspect_err(|failure| {
            let is_unknown = matches!(failure, Failure::Unauthenticated { .. });
            let reason = if is_unknown { "not-authenticated" } else { "not-registered" };
            self.app.refusals.count(reason, self.app.clock.now_ms());
        })?;
        caller.network.clone_from(&self.network);
        Ok(caller)
    }

    /// Writes a refusal into the trail of the record concerned; and into the caller's own, unless the caller holds the record.
    ///
    /// # Errors
    /// The trail cannot be written: then the refusal is not told either.
    pub async fn record_refusal(&self, caller: &Caller, target: &Target, failure: &Failure) -> Result<(), Failure> {
        let Some(reason) = failure.audit_reason() else { return Ok(()) };
        let mut compartment = failure.compartment().map(str::to_owned);
        if compartment.is_none() && is_id(&target.id) {
            let located = self.app.store.locate(&target.resource_type, &target.id).await?;
            compartment = located.map(|located| located.key.compartment);
        }
        let compartment = compartment.filter(|compartment| compartment != crate::storage::sight::DIRECTORY);
        let record = if let Some(compartment) = compartment {
            self.record_of(caller, compartment).await?
        } else {
            // Asked for all the same, so that what is hidden takes the way of what never was.
            if is_id(&target.id) {
                self.record_of(caller, target.id.clone()).await?;
            }
            None
        };
        let mut events = Vec::new();
        if record.as_ref().is_none_or(|(_, is_held)| !is_held) {
            // The caller's own trail looks the same whether or not there is a record that it may not see.
            events.push(refusal(caller, target, reason, None));
        }
        events.extend(record.map(|(compartment, _)| {
            refusal(caller, target, reason, Some(&compartment)).resting_on(failure.consents())
        }));
        self.app.store.record_only(events).await?;
        Ok(())
    }

    /// The record, and whether the caller holds it with sight; none where a refused write would have begun it.
    async fn record_of(&self, caller: &Caller, compartment: String) -> Result<Option<(String, bool)>, Failure> {
        let mut draft = Draft::new(&self.app, caller);
        if draft.record(&compartment).await?.is_none() {
            return Ok(None);
        }
        // A practitioner may be kept from a record that the organisation holds, and reads the organisation's own trail. The person, or
        // who reads for the person, reads the trail of the record as its custodian does.
        let is_held =
            draft.holds(&compartment) && !caller.is_practitioner() || draft.representation(&compartment).await?.reads();
        Ok(Some((compartment, is_held)))
    }

    /// The type in a path, if it is served.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub fn served(&self, resource_type: &str) -> Result<&'static str, Failure> {
        type_name(resource_type).filter(|name| self.app.types.contains(name)).ok_or(Failure::NotFound)
    }

    /// The type of an address within a Bundle, if it is served and the id, if there is one, has the form of one.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub fn served_at(&self, resource_type: &str, id: &str) -> Result<&'static str, Failure> {
        self.served(resource_type).and_then(|name| if is_address(id) { Ok(name) } else { Err(Failure::NotFound) })
    }

    /// What the caller wants back from a write.
    pub fn prefer(&self) -> Prefer {
        let values = self.headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| value.split([',', ';'])).map(str::trim) {
            match preference {
                "return=minimal" => return Prefer::Minimal,
                "return=OperationOutcome" => return Prefer::OperationOutcome,
                "return=representation" => return Prefer::Representation,
                _ => {}
            }
        }
        Prefer::Representation
    }

    /// Whether the caller would rather be answered later.
    pub fn is_asynchronous(&self) -> bool {
        let values = self.headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split([',', ';'])).any(|preference| preference.trim() == "respond-async")
    }

    /// The same request, for an answer that goes on after it was begun.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            app: App::clone(&self.app),
            method: self.method.clone(),
            headers: self.headers.clone(),
            uri: self.uri.clone(),
            network: self.network.clone(),
            certificate: self.certificate.clone(),
        }
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Reads the body of a write, as JSON and no longer than the limit.
    ///
    /// # Errors
    /// 415 for another media type, 413 over the limit, 400 where the connection breaks off.
    pub async fn body(&self, body: Body) -> Result<Bytes, Failure> {
        if !self.sends_json() {
            return Err(Failure::UnsupportedMediaType);
        }
        self.bytes(body).await
    }

    /// Whether the body is sent as JSON.
    pub fn sends_json(&self) -> bool {
        is_json(self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default())
    }

    /// Reads a body of any media type, no longer than the limit.
    ///
    /// # Errors
    /// 413 over the limit, 408 where it takes too long, 400 where the connection breaks off.
    pub async fn bytes(&self, body: Body) -> Result<Bytes, Failure> {
        let limits = self.app.body_limits();
        bodies::read(body, limits).await.map_err(|error| Failure::of_body(error, limits.bytes_max))
    }

    /// The base URL, for links and locations.
    pub fn base(&self) -> &str {
        &self.app.base_url
    }

    fn request_id(&self) -> String {
        self.header("x-request-id").map_or_else(AuditEvent::fresh_id, str::to_owned)
    }

    /// A parameter of the address that says how the answer is written.
    fn asked(&self, name: &str) -> Option<String> {
        let pairs = form_urlencoded::parse(self.uri.query()?.as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Whether the answer is to be indented.
    fn is_pretty(&self) -> bool {
        self.asked("_pretty").as_deref() == Some("true")
    }

    /// `_format` overrides `Accept`, as the standard has it; without either, JSON is what there is.
    fn takes_json(&self) -> bool {
        match self.asked("_format") {
            Some(format) => is_json_format(&format),
            None => self.header("accept").is_none_or(|accept| {
                accept.split(',').any(|range| is_json(range) || ["*/*", "application/*"].contains(&bare(range)))
            }),
        }
    }
}

/// Whether a value of `_format` means JSON. A plus in an address reads as a space, and clients rarely escape it here.
pub fn is_json_format(format: &str) -> bool {
    format == "json" || is_json(&format.replace(' ', "+"))
}

/// The answer with its JSON indented; one whose length is not known is on its way already, and stays as it is.
async fn pretty(response: Response<Body>) -> Response<Body> {
    let is_json =
        response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(is_json);
    let Some(length) = response.body().size_hint().exact().filter(|length| is_json && *length > 0) else {
        return response;
    };
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::try_from(length).unwrap_or(usize::MAX)).await else {
        return Failure::Internal("an answer that is at hand cannot be read").into_response();
    };
    let text = std::str::from_utf8(&bytes).map(indented);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, text.map_or_else(|_| Body::from(bytes.clone()), Body::from))
}

fn refusal(caller: &Caller, target: &Target, reason: &str, compartment: Option<&str>) -> AuditEvent {
    // What is written in a path is the client's text: only what has the form of a type or an id is kept.
    let resource_type = type_name(&target.resource_type).unwrap_or_default();
    let is_kept = is_id(&target.id) && !has_number(&target.id);
    let id = if is_kept { &target.id } else { "" };
    caller.refusal(target.act, reason, compartment, resource_type, id)
}

/// Nothing is kept under what has not the form of an id, and a database may not even take it as a question.
fn is_address(id: &str) -> bool {
    id.is_empty() || is_id(id)
}

fn bare(media_range: &str) -> &str {
    media_range.split(';').next().unwrap_or_default().trim()
}

fn is_json(media_range: &str) -> bool {
    ["application/fhir+json", "application/json", "text/json"]
        .contains(&bare(media_range).to_ascii_lowercase().as_str())
}
