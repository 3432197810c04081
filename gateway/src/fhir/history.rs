//! The history interaction, of an instance, of a type and of the system: the versions of what the viewer sees now.
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
use crate::search::overlay::belongs;
use crate::storage::history::{HistoryPage, Place, Scope, Versions};
use crate::storage::resource::Seen;
use mappings::r4::time::{Moment, Precision};

/// The trail's word for a history of everything.
const HISTORY_SYSTEM: Act = Act::new("E", "history-system");

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
            let found = store.history(&caller.viewer(), &Scope::Instance(resource_type, &id), page).await?;
            let versions = store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?;
            // Of what the viewer sees, there may be no version of the time that is asked.
            if versions.versions.is_empty() && store.level(caller.viewer(), resource_type, &id).await?.is_none() {
                return Err(Failure::NotFound);
            }
            Ok(json(StatusCode::OK, bundle(exchange, caller, &path, &pairs, &versions)))
        })
        .await
}

/// `GET [base]/[type]/_history`
pub async fn type_history(exchange: Exchange, resource_type: String) -> Response<Body> {
    let target = Target::new(Act::new("E", "history-type"), &resource_type, "");
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            caller.may(resource_type, Interaction::Search)?;
            let asked = (Act::new("E", "history-type"), resource_type);
            many(exchange, caller, asked, &Scope::Type(resource_type)).await
        })
        .await
}

/// `GET [base]/_history`: of the types that the caller may search.
pub async fn system_history(exchange: Exchange) -> Response<Body> {
    let target = Target::new(HISTORY_SYSTEM, "", "");
    exchange
        .answer(target, async |exchange, caller| {
            let kept = exchange.app.types.iter().copied().filter(|served| belongs(served).is_some());
            let may = |served: &&'static str| caller.may(served, Interaction::Search);
            let types: Vec<&'static str> = kept.clone().filter(|served| may(served).is_ok()).collect();
            if types.is_empty() {
                // Refused as the first of them is.
                kept.take(1).try_for_each(|served| may(&served))?;
            }
            many(exchange, caller, (HISTORY_SYSTEM, ""), &Scope::System(&types)).await
        })
        .await
}

/// A page of the versions of many resources: an event for each record that it shows, and one for the question.
async fn many(
    exchange: &Exchange,
    caller: &Caller,
    (act, resource_type): (Act, &str),
    scope: &Scope<'_>,
) -> Result<Response<Body>, Failure> {
    let path = if resource_type.is_empty() { "_history".to_owned() } else { format!("{resource_type}/_history") };
    let (pairs, page) = page(exchange, caller, &path)?;
    let store = &exchange.app.store;
    let found = store.history(&caller.viewer(), scope, page).await?;
    let further = vec![caller.shown(act, &own(caller, resource_type))];
    let versions = store.record(found, |touched| caller.shown(act, touched), further).await?;
    Ok(json(StatusCode::OK, bundle(exchange, caller, &path, &pairs, &versions)))
}

fn page(exchange: &Exchange, caller: &Caller, path: &str) -> Result<(Vec<(String, String)>, HistoryPage), Failure> {
    let pairs = exchange.uri.query().map(pairs_of).unwrap_or_default();
    let limits = &exchange.app.limits;
    let mut page = HistoryPage { count: limits.search_count_default, ..HistoryPage::default() };
    let name = name_of(path, &pairs);
    for (parameter, value) in &pairs {
        let refuse = |code, details: &str| {
            Failure::BadRequest(vec![Issue::at(parameter.chars().take(64).collect::<String>(), code, details)])
        };
        // A plus in an address reads as a space, and clients rarely escape that of a zone.
        let moment = || Moment::parse(&value.replace(' ', "+"));
        match parameter.as_str() {
            "_count" => {
                let count: u32 = value.parse().map_err(|_| refuse("value", "must be a whole number"))?;
                page.count = count.clamp(1, limits.search_count_max);
            }
            "_since" if page.since_ms.is_none() => {
                let since = moment().filter(|moment| moment.has_zone && moment.precision >= Precision::Second);
                let since = since.ok_or_else(|| refuse("value", "must be an instant, such as 2026-03-01T12:00:00Z"))?;
                page.since_ms = Some(since.low_ms);
            }
            "_at" if page.during_ms.is_none() => {
                let at = moment().ok_or_else(|| refuse("value", "must be a date or a time without a prefix"))?;
                page.during_ms = Some((at.low_ms, at.high_ms));
            }
            "_since" | "_at" => return Err(refuse("value", "may be there once")),
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
