//! Searches that are not about one type: of the whole system, and within a compartment.
//!
//! <https://hl7.org/fhir/R4/http.html#search>. A compartment is a way to ask: that what it is of is unknown, or invisible to the caller, is
//! not looked at, so nothing tells the one from the other.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use mappings::r4::primitive::is_id;

use super::answer::json;
use super::audit_event;
use super::exchange::{Exchange, Target};
use super::results::may_search;
use super::search::{SEARCH, SYSTEM_SEARCH, Scope, page, pairs_of, pairs_of_form, refuse};
use crate::access::Caller;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};
use crate::search::compartment::{definition, membership};
use crate::search::overlay::belongs;
use crate::search::query::{SearchError, SearchFault};
use crate::search::result::Pairs;

/// Every type of a compartment.
const EVERY_TYPE: &str = "*";

/// `GET [base]?…`
pub async fn system_by_get(exchange: Exchange) -> Response<Body> {
    let pairs = exchange.uri.query().map(pairs_of).unwrap_or_default();
    system(exchange, async move |_| Ok(pairs)).await
}

/// `POST [base]/_search`
pub async fn system_by_post(exchange: Exchange, body: Body) -> Response<Body> {
    system(exchange, async move |exchange: &Exchange| pairs_of_form(exchange, body).await).await
}

async fn system(exchange: Exchange, pairs: impl AsyncFnOnce(&Exchange) -> Result<Pairs, Failure>) -> Response<Body> {
    exchange
        .answer(Target::new(SYSTEM_SEARCH, "", ""), async |exchange, caller| {
            let pairs = pairs(exchange).await?;
            let types = types(exchange, caller, &pairs)?;
            let scope = Scope { act: SYSTEM_SEARCH, path: String::new(), types, compartment: None, restriction: None };
            Ok(json(StatusCode::OK, page(exchange, caller, &scope, &pairs).await?))
        })
        .await
}

/// `GET [base]/[compartment]/[id]/[type]?…`, with `*` for every type.
pub async fn compartment_by_get(exchange: Exchange, of: (String, String), inner: String) -> Response<Body> {
    let pairs = exchange.uri.query().map(pairs_of).unwrap_or_default();
    compartment(exchange, of, inner, async move |_| Ok(pairs)).await
}

/// `POST [base]/[compartment]/[id]/[type]/_search`
pub async fn compartment_by_post(
    exchange: Exchange,
    of: (String, String),
    inner: String,
    body: Body,
) -> Response<Body> {
    compartment(exchange, of, inner, async move |exchange: &Exchange| pairs_of_form(exchange, body).await).await
}

async fn compartment(
    exchange: Exchange,
    (of, id): (String, String),
    inner: String,
    pairs: impl AsyncFnOnce(&Exchange) -> Result<Pairs, Failure>,
) -> Response<Body> {
    let is_every = inner == EVERY_TYPE;
    let (act, named) = if is_every { (SYSTEM_SEARCH, "") } else { (SEARCH, inner.as_str()) };
    exchange
        .answer(Target::new(act, named, ""), async |exchange, caller| {
            let of = exchange.served(&of)?;
            if definition(of).is_none() || !is_id(&id) {
                return Err(Failure::NotFound);
            }
            if !is_every {
                let resource_type = exchange.served(named)?;
                membership(of, resource_type).ok_or(Failure::NotFound)?;
                caller.may(resource_type, Interaction::Search)?;
            }
            let mut pairs = pairs(exchange).await?;
            if named == "AuditEvent" {
                // The trail has a record, and no other compartment.
                if of != "Patient" {
                    return Err(Failure::NotFound);
                }
                pairs.push(("patient".to_owned(), id));
                return audit_event::search(exchange, caller, &pairs).await;
            }
            let mut types = if is_every { types(exchange, caller, &pairs)? } else { vec![exchange.served(named)?] };
            types.retain(|resource_type| membership(of, resource_type).is_some());
            let path = format!("{of}/{id}/{inner}");
            let scope = Scope { act, path, types, compartment: Some((of, id)), restriction: None };
            Ok(json(StatusCode::OK, page(exchange, caller, &scope, &pairs).await?))
        })
        .await
}

/// The types that are searched: those that `_type` names, or all that the caller may search. The trail is searched by itself.
fn types(exchange: &Exchange, caller: &Caller, pairs: &[(String, String)]) -> Result<Vec<&'static str>, Failure> {
    let fault = |fault| refuse(SearchError { parameter: "_type".to_owned(), fault });
    let mut named = pairs.iter().filter(|(name, _)| name == "_type").map(|(_, value)| value);
    let every = exchange.app.types.iter().copied().filter(|name| belongs(name).is_some());
    let Some(value) = named.next() else {
        let types: Vec<_> = every.filter(|name| caller.may(name, Interaction::Search).is_ok()).collect();
        if types.is_empty() {
            return Err(Failure::Forbidden(Issue::new(
                "forbidden",
                "the token's scope does not allow a search of any type",
            )));
        }
        return Ok(types);
    };
    if named.next().is_some() {
        return Err(fault(SearchFault::Repeated));
    }
    let every: Vec<_> = every.collect();
    let mut types = Vec::new();
    for name in value.split(',') {
        let resource_type = every.iter().find(|served| **served == name);
        let resource_type = resource_type.ok_or_else(|| {
            fault(SearchFault::Value("types that are served, separated by commas; AuditEvent is searched by itself"))
        })?;
        may_search(caller, resource_type, "_type")?;
        if !types.contains(resource_type) {
            types.push(*resource_type);
        }
    }
    Ok(types)
}
