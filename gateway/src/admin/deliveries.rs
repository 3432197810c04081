//! `/admin/deliveries`: what must leave the gateway, and what an operator decides about it, as `wellgate deliveries` does it.
//!
//! Shown are ids, to whom, what kind, state, the code of its cause and times: neither what is sent, nor whom it is about, nor what a
//! partner said in words. Whoever decides says why, and which state of the delivery that was decided on (`If-Match`): a request that is
//! sent twice decides once.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::access::Caller;
use crate::access::caller::Act;
use crate::audit::AuditEvent;
use crate::clock::format_instant;
use crate::delivery::{Decided, decide_because};
use crate::error::{Failure, Issue};
use crate::fhir::exchange::{Exchange, Target};
use crate::queue::NEVER_MS;
use crate::storage::delivery::{Delivery, FIRST};
use crate::storage::resource::Touched;
use crate::storage::sight::Level;
use crate::vault::has_number;
use mappings::json::{Limits, parse};
use mappings::r4::primitive::is_id;

const LIST: Act = Act::new("R", "delivery-list");
const SHOW: Act = Act::new("R", "delivery-show");
/// On what it rests that an operator asks.
const OPERATOR_RULE: &str = "operator";

const COUNT: u32 = 50;
const COUNT_MAX: u32 = 200;
/// The longest name of a partner that is looked for.
const PARTNER_BYTES_MAX: usize = 200;
const REASON_CHARACTERS: std::ops::RangeInclusive<usize> = 4..=500;
const STATES: [&str; 9] =
    ["waiting", "leased", "uncertain", "held", "delivered", "rejected", "dead", "void", "abandoned"];
/// The states in which something is done when it is due.
const DUE: [&str; 3] = ["waiting", "leased", "uncertain"];

/// Which deliveries are asked for.
#[derive(Debug, Default)]
struct Asked {
    state: Option<String>,
    partner: Option<String>,
    after: Option<(i64, String)>,
    count: Option<u32>,
    /// The names of the parameters, for the trail.
    names: Vec<String>,
}

/// `GET /admin/deliveries`
pub async fn list(exchange: Exchange) -> Response<Body> {
    exchange
        .answer(Target::new(LIST, "", ""), async |exchange, caller| {
            only_operators(caller)?;
            let asked = Asked::read(exchange.uri.query().unwrap_or_default())?;
            let (store, count) = (&exchange.app.store, asked.count.unwrap_or(COUNT));
            let (state, partner) = (asked.state.as_deref(), asked.partner.as_deref());
            let (_, total) = store.list_deliveries(state, partner, 0).await?;
            let after = asked.after.as_ref().map_or(FIRST, |(made_ms, id)| (*made_ms, id.as_str()));
            let mut found = store.deliveries_after((state, partner), after, count + 1).await?;
            let has_more = found.len() > usize::try_from(count).unwrap_or(usize::MAX);
            found.truncate(usize::try_from(count).unwrap_or(usize::MAX));
            let next = found.last().filter(|_| has_more).map(|last| format!("{}-{}", last.made_ms, last.id));
            let restored = match store.restoration().await? {
                Some(one) if state == Some("held") => {
                    json!({"at": format_instant(one.restored_ms), "toStateOf": format_instant(one.taken_ms)})
                }
                _ => Value::Null,
            };
            on_record(exchange, caller, LIST, &asked.names.join("&")).await?;
            let deliveries: Vec<Value> = found.iter().map(told).collect();
            Ok(answer(&json!({"total": total, "deliveries": deliveries, "next": next, "restored": restored})))
        })
        .await
}

/// `GET /admin/deliveries/[id]`
pub async fn show(exchange: Exchange, id: String) -> Response<Body> {
    exchange
        .answer(Target::new(SHOW, "", &id), async |exchange, caller| {
            only_operators(caller)?;
            let delivery = exchange.app.store.delivery(&id).await?.ok_or(Failure::NotFound)?;
            on_record(exchange, caller, SHOW, &format!("delivery={id}")).await?;
            Ok(shown(&delivery))
        })
        .await
}

/// `POST /admin/deliveries/[id]/release`, `…/abandon` and `…/rerun`. Answers the delivery that leaves by it, or does not leave any more.
pub async fn decide(exchange: Exchange, (id, decided): (String, Decided), body: Body) -> Response<Body> {
    exchange
        .answer(Target::new(decided.act(), "", &id), async |exchange, caller| {
            only_operators(caller)?;
            let seen = fence(exchange)?;
            let reason = reason(&exchange.body(body).await?)?;
            let store = &exchange.app.store;
            let delivery = store.delivery(&id).await?.ok_or(Failure::NotFound)?;
            if delivery.fence != seen {
                return Err(Failure::PreconditionFailed);
            }
            if let Some(objection) = decided.objection(&delivery) {
                return Err(Failure::Unprocessable(vec![Issue::at("state", "business-rule", objection)]));
            }
            let left = decide_because(store, caller, &delivery, (decided, &reason)).await?;
            let left = store.delivery(&left.ok_or(Failure::Conflict)?).await?;
            Ok(shown(&left.ok_or(Failure::Internal("a delivery that was decided on is gone"))?))
        })
        .await
}

/// A machine has scopes, and none of them is about this; of people who signed in the table of roles decides as well.
fn only_operators(caller: &Caller) -> Result<(), Failure> {
    if caller.is_operator() {
        return Ok(());
    }
    let details = "no scope of a token allows this: somebody who runs the gateway signs in at /account";
    Err(Failure::Forbidden(Issue::new("forbidden", details)))
}

/// Keeps that it was looked at, in the trail of the operator's organisation.
async fn on_record(exchange: &Exchange, caller: &Caller, act: Act, details: &str) -> Result<(), Failure> {
    let touched = Touched {
        compartment: caller.organization(),
        resource_type: String::new(),
        resource_id: String::new(),
        version_id: 0,
        level: Level::Held,
    };
    let event: AuditEvent = caller.event(act, OPERATOR_RULE, &touched).asking(details);
    Ok(exchange.app.store.record_only(vec![event]).await?)
}

impl Asked {
    fn read(query: &str) -> Result<Self, Failure> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "_format") {
            let wrong =
                |code, details: &str| Failure::BadRequest(vec![Issue::at(name.clone().into_owned(), code, details)]);
            if asked.names.iter().any(|known| *known == name) {
                return Err(wrong("value", "the parameter is there twice"));
            }
            match &*name {
                "state" if STATES.contains(&&*value) => asked.state = Some(value.into_owned()),
                "state" => return Err(wrong("value", &format!("the parameter is one of {}", STATES.join(", ")))),
                "partner" if is_partner(&value) => asked.partner = Some(value.into_owned()),
                "partner" => return Err(wrong("value", "the parameter is a partner, such as organization/cgg-leie")),
                "count" => {
                    let count = value.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count));
                    asked.count = Some(count.ok_or_else(|| wrong("value", "the parameter is a number from 1 to 200"))?);
                }
                "after" => {
                    let place = value.split_once('-').and_then(|(ms, id)| Some((ms.parse().ok()?, id.to_owned())));
                    let place = place.filter(|(_, id)| is_id(id));
                    asked.after = Some(place.ok_or_else(|| wrong("value", "the parameter is next of a page before"))?);
                }
                _ => return Err(wrong("not-supported", "there is no such parameter")),
            }
            asked.names.push(name.into_owned());
        }
        Ok(asked)
    }
}

/// A partner that is no person: that somebody was told something is not to be asked for by whom it is about.
fn is_partner(text: &str) -> bool {
    let is_person = text.starts_with("patient/") || text.starts_with("related-person/");
    !is_person
        && !text.is_empty()
        && text.len() <= PARTNER_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The state of the delivery that was looked at, by `If-Match`.
fn fence(exchange: &Exchange) -> Result<i64, Failure> {
    let given = exchange.header("if-match").ok_or(Failure::PreconditionRequired)?.trim();
    let bare = given.strip_prefix("W/").unwrap_or(given).trim_matches('"');
    bare.parse().map_err(|_| Failure::PreconditionFailed)
}

/// Why it is decided so: a sentence for the trail, which the custodian of the record reads, and the person.
fn reason(body: &[u8]) -> Result<String, Failure> {
    let limits = Limits { depth_max: 2, values_max: 4 };
    let value =
        parse(body, limits).map_err(|error| Failure::BadRequest(vec![Issue::new("structure", error.to_string())]))?;
    let members = value.as_object().filter(|members| members.keys().all(|name| name == "reason"));
    let reason = members.and_then(|members| members.get("reason")).and_then(Value::as_str);
    let wrong = |code, details: &str| Failure::content("reason", code, details);
    let reason = reason.ok_or_else(|| wrong("required", "the body is {\"reason\": \"why\"}, and nothing else"))?.trim();
    if !REASON_CHARACTERS.contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
        return Err(wrong("value", "the reason has 4 to 500 characters, in one line"));
    }
    if has_number(reason) {
        return Err(wrong("business-rule", "a national number stands in the reason"));
    }
    Ok(reason.to_owned())
}

/// What an operator is told of a delivery.
fn told(delivery: &Delivery) -> Value {
    let word = |text: &String| (!text.is_empty()).then(|| text.clone());
    let time = |ms: i64| (ms != 0 && ms != NEVER_MS).then(|| format_instant(ms));
    let acts = [(Decided::Release, "release"), (Decided::Abandon, "abandon"), (Decided::Rerun, "rerun")];
    let may: Vec<&str> =
        acts.iter().filter(|(act, _)| act.objection(delivery).is_none()).map(|(_, name)| *name).collect();
    json!({
        "id": delivery.id,
        "version": delivery.fence,
        "partner": partner(&delivery.partner),
        "kind": delivery.kind,
        "about": about(delivery),
        "state": delivery.state,
        "cause": word(&delivery.cause),
        "heldFrom": word(&delivery.held_from),
        "repeats": word(&delivery.parent),
        "attempts": delivery.attempts,
        "inquiries": delivery.inquiries,
        "asksFirst": delivery.asks,
        "queuedAt": time(delivery.made_ms),
        "dueAt": time(delivery.due_ms).filter(|_| DUE.contains(&delivery.state.as_str())),
        "endedAt": time(delivery.settled_ms),
        "may": may,
    })
}

/// To whom: of a person only that it is one, for the rest of the name is that of the record.
fn partner(partner: &str) -> &str {
    match partner.split_once('/') {
        Some((kind @ ("patient" | "related-person"), _)) => kind,
        _ => partner,
    }
}

/// What it is about, which names the record where it is the person's own resource.
fn about(delivery: &Delivery) -> Option<String> {
    let is_person = matches!(delivery.resource_type.as_str(), "Patient" | "RelatedPerson");
    (!is_person).then(|| format!("{}/{}", delivery.resource_type, delivery.resource_id))
}

fn shown(delivery: &Delivery) -> Response<Body> {
    let mut response = answer(&told(delivery));
    if let Ok(etag) = HeaderValue::from_str(&format!("W/\"{}\"", delivery.fence)) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn answer(body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> Option<String> {
        match Asked::read(query) {
            Err(Failure::BadRequest(issues)) => issues.into_iter().next().and_then(|issue| issue.expression),
            _ => None,
        }
    }

    #[test]
    fn a_parameter_that_is_not_understood_is_refused_and_never_left_out() {
        for (query, parameter) in [
            ("state=unheard-of", "state"),
            ("state=", "state"),
            ("state=dead&state=held", "state"),
            ("partner=", "partner"),
            ("partner=a%20b", "partner"),
            ("count=0", "count"),
            ("count=201", "count"),
            ("count=-1", "count"),
            ("after=", "after"),
            ("after=x-1", "after"),
            ("after=1-", "after"),
            ("after=1-a%2Fb", "after"),
            ("patient=1", "patient"),
            ("State=dead", "State"),
        ] {
            assert_eq!(refused(query).as_deref(), Some(parameter), "{query}");
        }
        let asked = Asked::read("state=dead&partner=organization%2Fa&count=200&after=17-d1").ok();
        let asked = asked.map(|asked| (asked.state, asked.partner, asked.count, asked.after, asked.names));
        let [state, partner, id] = ["dead", "organization/a", "d1"].map(str::to_owned);
        let names = ["state", "partner", "count", "after"].map(str::to_owned).to_vec();
        assert_eq!(asked, Some((Some(state), Some(partner), Some(200), Some((17, id)), names)));
    }

    #[test]
    fn a_reason_is_one_sentence_without_a_national_number() {
        for wrong in [
            "",
            "[]",
            "{}",
            "{\"reason\": 1}",
            "{\"reason\": \"abc\"}",
            "{\"reason\": \"   abc   \"}",
            "{\"reason\": \"two\\nlines\"}",
            "{\"reason\": \"about 90010199992\"}",
            "{\"reason\": \"they have it\", \"force\": true}",
            "{\"reason\": \"they have it\", \"reason\": \"they have it not\"}",
        ] {
            assert!(reason(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(reason(format!("{{\"reason\": \"{}\"}}", "é".repeat(501)).as_bytes()).is_err());
        assert_eq!(reason(b"{\"reason\": \" they have it \"}").ok().as_deref(), Some("they have it"));
    }

    #[test]
    fn a_person_is_told_of_as_a_person() {
        for (name, expected) in [
            ("patient/0199", "patient"),
            ("related-person/0199", "related-person"),
            ("organization/a", "organization/a"),
            ("dpo/a", "dpo/a"),
            ("sciensano-tdi", "sciensano-tdi"),
        ] {
            assert_eq!(partner(name), expected);
        }
    }
}
