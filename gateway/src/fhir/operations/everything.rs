//! `Patient/<id>/$everything`: what the caller sees of a record, in pages, with the practitioners and organisations that it names.
//!
//! <https://hl7.org/fhir/R4/patient-operation-everything.html>

use axum::body::Body;
use axum::http::{Response, StatusCode};
use mappings::r4::time::Moment;
use serde_json::Value;

use super::Parameters;
use super::compartment::{Part, Place, page, referenced, types};
use crate::access::Caller;
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::clock::parse_instant;
use crate::error::{Failure, Issue};
use crate::fhir::answer::json as json_answer;
use crate::fhir::bundle::Bundle;
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::{links, name_of};
use crate::search::parameters::type_name;
use crate::search::result::View;

const EVERYTHING: Act = Act::new("E", "everything");

/// What may be asked, as it is written.
const KNOWN: [&str; 6] = ["_since", "_type", "_count", "start", "end", "_cursor"];

/// `GET` or `POST [base]/Patient/[id]/$everything?_since=&_type=&_count=&start=&end=`
pub async fn everything(exchange: Exchange, id: String, body: Body) -> Response<Body> {
    let target = Target::new(EVERYTHING, "Patient", &id);
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served("Patient")?;
            caller.may(resource_type, Interaction::Read)?;
            let parameters = Parameters::asked(exchange, body, &KNOWN).await?;
            let named: Vec<String> = list(&parameters);
            let part = Part {
                types: types(exchange, caller, &named)?,
                since_ms: since(&parameters)?,
                about: (
                    moment(&parameters, "start")?.map_or(i64::MIN, |start| start.low_ms),
                    moment(&parameters, "end")?.map_or(i64::MAX, |end| end.high_ms.saturating_add(1)),
                ),
            };
            let path = format!("Patient/{id}/$everything");
            let pairs = pairs(&parameters);
            let count = count(exchange, &parameters)?;
            let after =
                parameters.text("_cursor").map(|cursor| open(exchange, caller, &name_of(&path, &pairs), cursor));
            let after = after.transpose()?;
            // Whoever does not see the person sees no record; this shows nothing yet.
            let store = &exchange.app.store;
            store.visible_compartment(caller.viewer(), resource_type, &id).await?.ok_or(Failure::NotFound)?;
            let (seen, next) = page(exchange, (caller, EVERYTHING), &id, &part, (after, count)).await?;
            let entries = referenced(exchange, (caller, EVERYTHING), &seen).await?;
            let next = next.map(|(resource_type, id)| {
                let place = format!("{resource_type} {id}");
                exchange.app.cursor_key.seal(&caller.bound_to(&name_of(&path, &pairs)), &place)
            });
            let mut bundle = Bundle::new("searchset", None, &links(exchange, &path, &pairs, next.as_deref()));
            for one in &seen {
                bundle.found(exchange.base(), one, "match", &View::Whole);
            }
            for one in &entries {
                bundle.found(exchange.base(), one, "include", &View::Whole);
            }
            Ok(json_answer(StatusCode::OK, bundle.finish()))
        })
        .await
}

fn list(parameters: &Parameters) -> Vec<String> {
    let text = parameters.text("_type").unwrap_or_default();
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn since(parameters: &Parameters) -> Result<i64, Failure> {
    let Some(text) = parameters.text("_since") else { return Ok(i64::MIN) };
    // A plus in an address reads as a space.
    parse_instant(&text.replace(' ', "+")).ok_or_else(|| refuse("_since", "is an instant, with a time zone"))
}

fn moment(parameters: &Parameters, name: &str) -> Result<Option<Moment>, Failure> {
    let Some(text) = parameters.text(name) else { return Ok(None) };
    Moment::parse(text).map(Some).ok_or_else(|| refuse(name, "is a date"))
}

fn count(exchange: &Exchange, parameters: &Parameters) -> Result<usize, Failure> {
    let limits = &exchange.app.limits;
    let sent = parameters.all("_count").next();
    let number = sent.and_then(|member| member.get("valueInteger")).and_then(Value::as_u64);
    let number = match (number, parameters.text("_count")) {
        (None, None) if sent.is_none() => return Ok(usize::try_from(limits.search_count_default).unwrap_or(usize::MAX)),
        (Some(number), _) => Some(number),
        (None, text) => text.and_then(|text| text.parse().ok()),
    };
    let number = number.filter(|number| *number > 0).ok_or_else(|| refuse("_count", "is a whole number from 1"))?;
    Ok(usize::try_from(number.min(limits.search_count_max.into())).unwrap_or(usize::MAX))
}

/// What was asked, as a link repeats it.
fn pairs(parameters: &Parameters) -> Vec<(String, String)> {
    let text = |name: &str| {
        let number = || parameters.all(name).next()?.get("valueInteger").map(Value::to_string);
        parameters.text(name).map(str::to_owned).or_else(number)
    };
    KNOWN.iter().filter_map(|name| Some(((*name).to_owned(), text(name)?))).collect()
}

fn open(exchange: &Exchange, caller: &Caller, name: &str, cursor: &str) -> Result<Place, Failure> {
    let place = exchange.app.cursor_key.open(&caller.bound_to(name), cursor);
    let place = place.as_deref().and_then(|place| place.split_once(' '));
    place
        .and_then(|(resource_type, id)| Some((type_name(resource_type)?, id.to_owned())))
        .ok_or_else(|| refuse("_cursor", "does not belong to this question: begin again without it"))
}

fn refuse(name: &str, details: &str) -> Failure {
    Failure::BadRequest(vec![Issue::at(name, "value", details)])
}
