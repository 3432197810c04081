//! The history interaction, of an instance and of a type.
//!
//! <https://hl7.org/fhir/R4/http.html#history>

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::answer::json;
use super::bundle::Bundle;
use super::exchange::{Exchange, Target};
use super::search::{links, name_of, own, pairs_of};
use crate::access::Caller;
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};
use crate::storage::history::{HistoryPage, Place, Versions};
use crate::storage::resource::Seen;

/// `GET [base]/[type]/[id]/_history`
pub async fn instance_history(exchange: Exchange, resource_type: String, id: String) -> Response<Body> {
    let act = Act::new("R", "history-instance");
    let target = Target::new(act, &resource_type, &id);
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            caller.may(resource_type, Interaction::Read)?;
            let path = format!("{resource_type}/{id}/_history");
            let (pairs, page) = page(exchange, caller, &path)?;
            let store = &exchange.app.store;
            let found = store.instance_history(&caller.viewer(), resource_type, &id, page).await?;
            let versions = store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?;
            if versions.versions.is_empty() {
                return Err(Failure::NotFound);
            }
            Ok(json(StatusCode::OK, bundle(exchange, caller, &path, &pairs, &versions)))
        })
        .await
}

/// `GET [base]/[type]/_history`
pub async fn type_history(exchange: Exchange, resource_type: String) -> Response<Body> {
    let act = Act::new("E", "history-type");
    let target = Target::new(act, &resource_type, "");
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            caller.may(resource_type, Interaction::Search)?;
            let path = format!("{resource_type}/_history");
            let (pairs, page) = page(exchange, caller, &path)?;
            let store = &exchange.app.store;
            let found = store.type_history(&caller.viewer(), resource_type, page).await?;
            let further = vec![caller.shown(act, &own(caller, resource_type))];
            let versions = store.record(found, |touched| caller.shown(act, touched), further).await?;
            Ok(json(StatusCode::OK, bundle(exchange, caller, &path, &pairs, &versions)))
        })
        .await
}

fn page(exchange: &Exchange, caller: &Caller, path: &str) -> Result<(Vec<(String, String)>, HistoryPage), Failure> {
    let pairs = exchange.uri.query().map(pairs_of).unwrap_or_default();
    let limits = &exchange.app.limits;
    let mut page = HistoryPage { before: None, count: limits.search_count_default };
    let name = name_of(path, &pairs);
    for (parameter, value) in &pairs {
        let refuse = |code, details: &str| {
            Failure::BadRequest(vec![Issue::at(parameter.chars().take(64).collect::<String>(), code, details)])
        };
        match parameter.as_str() {
            "_count" => {
                let count: u32 = value.parse().map_err(|_| refuse("value", "must be a whole number"))?;
                page.count = count.clamp(1, limits.search_count_max);
            }
            "_cursor" => {
                let place = exchange.app.cursor_key.open(&caller.bound_to(&name), value);
                let place = place.as_deref().and_then(Place::parse);
                page.before = Some(place.ok_or_else(|| refuse("value", "this page does not belong to this history"))?);
            }
            "_format" | "_pretty" => {}
            _ => return Err(refuse("not-supported", "is not served for a history")),
        }
    }
    Ok((pairs, page))
}

fn bundle(exchange: &Exchange, caller: &Caller, path: &str, pairs: &[(String, String)], page: &Versions) -> String {
    let last = page.versions.last().filter(|_| page.more).map(Seen::place);
    let next =
        last.map(|place| exchange.app.cursor_key.seal(&caller.bound_to(&name_of(path, pairs)), &place.to_string()));
    let mut bundle = Bundle::new("history", None, &links(exchange, path, pairs, next.as_deref()));
    for seen in &page.versions {
        bundle.version(exchange.base(), seen);
    }
    bundle.finish()
}
