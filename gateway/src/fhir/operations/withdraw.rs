//! `Consent/<id>/$withdraw`: the end of a Consent in one call, for whoever may write its withdrawal, and by that very way.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::Value;

use super::Parameters;
use crate::access::attempts;
use crate::access::caller::{Act, Caller};
use crate::auth::Interaction;
use crate::error::Failure;
use crate::fhir::answer::{Written, json};
use crate::fhir::create::{stored_body, written};
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::follow::settle;
use crate::fhir::update::if_match;
use crate::fhir::write::{Withdrawal, withdraw as withdraw_in};
use crate::storage::facts::Located;
use crate::storage::write_set::VersionId;
use mappings::r4::time::Moment;

/// `POST [base]/Consent/[id]/$withdraw`
///
/// A `reason` is taken and not kept: the trail holds no text of a person, and why somebody changes their mind is their own affair.
pub async fn withdraw(exchange: Exchange, id: String, body: Body) -> Response<Body> {
    let target = Target::new(Act::new("U", "withdraw"), "Consent", &id);
    exchange
        .answer(target, async |exchange, caller| {
            caller.may("Consent", Interaction::Update)?;
            Parameters::asked(exchange, body, &["reason"]).await?;
            let written = commit(exchange, caller, &id, if_match(exchange)?).await?;
            // Whoever does not see the record learns that it is withdrawn, and not since when.
            Ok(written.map_or_else(
                || json(StatusCode::OK, ""),
                |written| written.into_response(exchange.base(), exchange.prefer()),
            ))
        })
        .await
}

async fn commit(
    exchange: &Exchange,
    caller: &Caller,
    id: &str,
    if_match: Option<VersionId>,
) -> Result<Option<Written>, Failure> {
    attempts!(&exchange.app, caller, |draft| {
        let (key, unchanged) = match withdraw_in(draft, id, if_match).await? {
            Withdrawal::Written(key) => (key, None),
            Withdrawal::Already(located) => (located.key.clone(), Some(located)),
        };
        settle(draft).await?;
        let keeps_sight = draft.holds(&key.compartment);
        let answer = match &unchanged {
            None => Some(written(draft, &key, StatusCode::OK)?),
            Some(located) => keeps_sight.then(|| as_it_is(located)),
        };
        let set = draft.finish();
        let body = unchanged.map(|located| located.body).or_else(|| stored_body(&set, &key)).filter(|_| keeps_sight);
        exchange.app.store.apply(set).await?;
        Ok(answer.map(|answer| Written { body, ..answer }))
    })
}

/// The answer for a Consent that was withdrawn before: the version that it has.
fn as_it_is(located: &Located) -> Written {
    let stored: Value = serde_json::from_str(&located.body).unwrap_or_default();
    let updated = stored.pointer("/meta/lastUpdated").and_then(Value::as_str).and_then(Moment::parse);
    Written {
        status: StatusCode::OK,
        location: format!("Consent/{}/_history/{}", located.key.id, located.version),
        version: located.version,
        last_updated_ms: updated.map_or(0, |moment| moment.low_ms),
        body: None,
    }
}
