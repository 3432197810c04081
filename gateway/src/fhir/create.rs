//! The create interaction, with conditional create and idempotency keys.
//!
//! <https://hl7.org/fhir/R4/http.html#create>

use axum::body::Body;
use axum::http::{Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::answer::Written;
use super::change;
use super::content::read_of_type;
use super::exchange::{Exchange, Target};
use super::search::{condition, matches_of};
use super::write::create as create_in;
use crate::access::caller::Act;
use crate::access::draft::Content;
use crate::access::{Caller, Draft, attempts};
use crate::app::KeyAtWork;
use crate::audit::AuditEvent;
use crate::audit::seal::hex;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};
use crate::search::query::Query;
use crate::storage::resource::Seen;
use crate::storage::write_set::{IdempotencyKey, Precondition, ResourceKey, VersionId};

/// The longest idempotency key.
const KEY_BYTES_MAX: usize = 255;

/// `POST [base]/[type]`
pub async fn create(exchange: Exchange, resource_type: String, body: Body) -> Response<Body> {
    let target = Target::new(Act::new("C", "create"), &resource_type, "");
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            caller.may(resource_type, Interaction::Create)?;
            let bytes = exchange.body(body).await?;
            let condition = exchange.header("if-none-exist");
            let key = key_of(exchange, &["POST", resource_type, condition.unwrap_or_default()], &bytes)?;
            let _at_work = key.as_ref().map(|key| key.begin(exchange, caller)).transpose()?;
            let content = read_of_type(&bytes, resource_type, exchange.app.limits.nesting_max)?;
            let written = commit(exchange, caller, resource_type, &content, condition, key.as_ref()).await?;
            Ok(written.into_response(exchange.base(), exchange.prefer()))
        })
        .await
}

/// Creates one resource and commits it, deciding again where what it was decided on moved.
///
/// # Errors
/// Every failure of a write.
pub async fn commit(
    exchange: &Exchange,
    caller: &Caller,
    resource_type: &'static str,
    content: &Content,
    if_none_exist: Option<&str>,
    key: Option<&RequestKey>,
) -> Result<Written, Failure> {
    let condition = if_none_exist.map(|text| condition(exchange, resource_type, text)).transpose()?;
    attempts!(&exchange.app, caller, |draft| {
        if let Some(key) = key
            && let Some(kept) = kept(exchange, caller, key).await?
        {
            return Ok(kept);
        }
        if let Some(condition) = &condition
            && let Some(seen) = exists(exchange, draft, resource_type, condition).await?
        {
            let body = caller.may(resource_type, Interaction::Read).ok().map(|()| seen.body.clone());
            return Ok(Written { body, ..existing(&seen) });
        }
        let placed = create_in(draft, resource_type, AuditEvent::fresh_id(), content.clone()).await?;
        change::commit(exchange, draft, &placed, StatusCode::CREATED, key).await
    })
}

/// What a conditional create finds already there for the caller; where nothing is, the draft rests on that.
///
/// # Errors
/// 412 where several are found; the database is away.
pub async fn exists(
    exchange: &Exchange,
    draft: &mut Draft<'_>,
    resource_type: &'static str,
    (query, name): &(Query, String),
) -> Result<Option<Seen>, Failure> {
    draft.caller.may(resource_type, Interaction::Search)?;
    let name = format!("{}/{}", draft.caller.organization(), exchange.app.store.veil(name));
    let epoch = exchange.app.store.guard_epoch(&name).await?;
    let mut found = matches_of(exchange, draft.caller, resource_type, query).await?;
    match (found.pop(), found.is_empty()) {
        (None, _) => {
            draft.set.preconditions.push(Precondition::Guard { name, epoch });
            Ok(None)
        }
        (Some(seen), true) => Ok(Some(seen)),
        (Some(_), false) => Err(Failure::SeveralMatch),
    }
}

/// What a draft is about to write of one resource, without its bytes.
///
/// # Errors
/// The draft does not put it (a fault of ours).
pub fn written(draft: &Draft<'_>, key: &ResourceKey, status: StatusCode) -> Result<Written, Failure> {
    let resource = draft.pending(key.resource_type, &key.id).ok_or(Failure::Internal("a write wrote nothing"))?;
    Ok(Written {
        status,
        location: format!("{}/{}/_history/{}", key.resource_type, key.id, resource.version),
        version: resource.version,
        last_updated_ms: draft.caller.now_ms,
        body: None,
    })
}

/// The bytes that a write set stores of one resource.
pub fn stored_body(set: &crate::storage::write_set::WriteSet, key: &ResourceKey) -> Option<String> {
    set.versions().iter().find(|version| version.key == *key).map(|version| version.body.clone())
}

/// The answer for what was there already.
pub fn existing(seen: &Seen) -> Written {
    Written {
        status: StatusCode::OK,
        location: format!("{}/{}/_history/{}", seen.key.resource_type, seen.key.id, seen.version),
        version: seen.version,
        last_updated_ms: seen.last_updated_ms,
        body: None,
    }
}

/// The idempotency key of a request with the fingerprint of what is asked under it.
#[derive(Clone, Debug)]
pub struct RequestKey {
    key: String,
    fingerprint: String,
}

/// Reads the `Idempotency-Key` of a request.
///
/// # Errors
/// 400 where it is too long, empty, given twice, or no text: a key that is not understood must not pass for none.
pub fn key_of(exchange: &Exchange, asked: &[&str], body: &[u8]) -> Result<Option<RequestKey>, Failure> {
    let mut sent = exchange.headers.get_all("idempotency-key").iter();
    let Some(key) = sent.next() else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()) && sent.next().is_none());
    let Some(key) = key else {
        let details = format!("must be there once, with 1 to {KEY_BYTES_MAX} characters of ASCII");
        return Err(Failure::BadRequest(vec![Issue::at("Idempotency-Key", "value", details)]));
    };
    let mut hash = Sha256::new();
    for part in asked {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(body);
    let store = &exchange.app.store;
    Ok(Some(RequestKey { key: store.veil(key), fingerprint: store.veil(&hex(&hash.finalize())) }))
}

impl RequestKey {
    /// Puts the key to work until the answer is dropped.
    ///
    /// # Errors
    /// 409 where another request has it at work in this gateway. Between replicas the database knows: then the later one is given
    /// the answer of the earlier.
    pub fn begin<'e>(&self, exchange: &'e Exchange, caller: &Caller) -> Result<KeyAtWork<'e>, Failure> {
        exchange.app.keys_at_work.begin(&caller.key_owner(), &self.key).ok_or(Failure::InProgress)
    }

    /// The fingerprint of what was asked.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The row that remembers an answer under this key: status, location and version, never a body.
    pub fn kept(&self, caller: &Caller, written: &Written) -> IdempotencyKey {
        let (status, location) = (written.status.as_u16(), &written.location);
        self.remember(caller, format!("{status} {location} {} {}", written.version, written.last_updated_ms))
    }

    /// The row that remembers any answer.
    pub fn remember(&self, caller: &Caller, answer: String) -> IdempotencyKey {
        IdempotencyKey {
            client_id: caller.key_owner(),
            key: self.key.clone(),
            fingerprint: self.fingerprint.clone(),
            answer,
            created_ms: caller.now_ms,
        }
    }
}

/// What is remembered under a request's key.
///
/// # Errors
/// 422 where the key was used for something else.
pub async fn remembered(exchange: &Exchange, caller: &Caller, key: &RequestKey) -> Result<Option<String>, Failure> {
    let Some(kept) = exchange.app.store.kept_answer(&caller.key_owner(), &key.key).await? else { return Ok(None) };
    if kept.fingerprint != key.fingerprint {
        let details = "this key was used for another request: take a fresh one";
        return Err(Failure::Unprocessable(vec![Issue::at("Idempotency-Key", "duplicate", details)]));
    }
    Ok(Some(kept.answer))
}

/// The answer that was given under a request's key before, without its body.
///
/// # Errors
/// As [`remembered`].
pub(super) async fn kept(exchange: &Exchange, caller: &Caller, key: &RequestKey) -> Result<Option<Written>, Failure> {
    let Some(answer) = remembered(exchange, caller, key).await? else { return Ok(None) };
    let mut parts = answer.split(' ');
    let written = (|| {
        Some(Written {
            status: StatusCode::from_bytes(parts.next()?.as_bytes()).ok()?,
            location: parts.next()?.to_owned(),
            version: VersionId::parse(parts.next()?)?,
            last_updated_ms: parts.next()?.parse().ok()?,
            // A replayed body would bypass a withdrawal: whoever wants it reads it.
            body: None,
        })
    })();
    written.map(Some).ok_or(Failure::Internal("a remembered answer is not readable"))
}
