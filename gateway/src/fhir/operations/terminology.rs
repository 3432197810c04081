//! `CodeSystem/$lookup` and `ValueSet/$validate-code`, over what the directory holds. What cannot be told from that is refused, and never
//! guessed: a wrong "no" would be worth nothing.
//!
//! <https://hl7.org/fhir/R4/terminology-service.html>

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::value_set::{Loaded, Membership, concept, is_member, rests_on};
use super::{Parameters, missing, parameters};
use crate::access::Caller;
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::condition;

const LOOKUP: Act = Act::new("E", "lookup");
const VALIDATE_CODE: Act = Act::new("E", "validate-code");

/// How deep value sets may be made of others.
const DEPTH_MAX: usize = 5;
/// Definitions that one question may read.
const LOADED_MAX: usize = 50;

/// `GET` or `POST [base]/CodeSystem/$lookup?system=&code=&version=`
pub async fn lookup(exchange: Exchange, body: Body) -> Response<Body> {
    exchange
        .answer(Target::new(LOOKUP, "CodeSystem", ""), async |exchange, caller| {
            let resource_type = exchange.served("CodeSystem")?;
            caller.may(resource_type, Interaction::Read)?;
            let sent = Parameters::asked(exchange, body, &["code", "system", "version", "coding"]).await?;
            let coded = Coded::read(&sent, "coding").first().cloned().ok_or_else(|| missing("code"))?;
            let system = coded.system.as_deref().ok_or_else(|| missing("system"))?;
            let version = sent.text("version").or(coded.version.as_deref());
            let found = defined(exchange, (caller, LOOKUP), "CodeSystem", (system, version)).await?;
            let found = found.ok_or_else(|| unknown("system", "this code system is not loaded here"))?;
            if found["content"] != "complete" {
                return Err(unknown(
                    "system",
                    "this code system is loaded in part only: whether it has the code is not known",
                ));
            }
            let concept =
                concept(&found, &coded.code).ok_or_else(|| unknown("code", "this code system has no such code"))?;
            Ok(parameters(&described(&found, concept)))
        })
        .await
}

/// What is told of a concept.
fn described(system: &Value, concept: &Value) -> Vec<Value> {
    let name = system["name"].as_str().or(system["url"].as_str()).unwrap_or_default();
    let mut members = vec![json!({"name": "name", "valueString": name})];
    if let Some(version) = system["version"].as_str() {
        members.push(json!({"name": "version", "valueString": version}));
    }
    // It must be there, also where the concept has none.
    let display = concept["display"].as_str().or(concept["code"].as_str()).unwrap_or_default();
    members.push(json!({"name": "display", "valueString": display}));
    for designation in concept["designation"].as_array().into_iter().flatten() {
        let mut parts = Vec::new();
        if let Some(language) = designation["language"].as_str() {
            parts.push(json!({"name": "language", "valueCode": language}));
        }
        if designation["use"].is_object() {
            parts.push(json!({"name": "use", "valueCoding": designation["use"]}));
        }
        parts.push(json!({"name": "value", "valueString": designation["value"]}));
        members.push(json!({"name": "designation", "part": parts}));
    }
    if let Some(definition) = concept["definition"].as_str() {
        let parts =
            [json!({"name": "code", "valueCode": "definition"}), json!({"name": "value", "valueString": definition})];
        members.push(json!({"name": "property", "part": parts}));
    }
    members
}

/// `GET` or `POST [base]/ValueSet/$validate-code`, and `[base]/ValueSet/[id]/$validate-code`
pub async fn validate_code(exchange: Exchange, id: Option<String>, body: Body) -> Response<Body> {
    let target = Target::new(VALIDATE_CODE, "ValueSet", id.as_deref().unwrap_or_default());
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served("ValueSet")?;
            caller.may(resource_type, Interaction::Read)?;
            let known = ["url", "valueSetVersion", "code", "system", "display", "coding", "codeableConcept"];
            let sent = Parameters::asked(exchange, body, &known).await?;
            let value_set = if let Some(id) = &id {
                by_id(exchange, caller, id).await?
            } else {
                let named = (sent.required("url")?, sent.text("valueSetVersion"));
                let found = defined(exchange, (caller, VALIDATE_CODE), resource_type, named).await?;
                found.ok_or_else(|| unknown("url", "this value set is not loaded here"))?
            };
            let codings = Coded::read(&sent, "coding");
            if codings.is_empty() {
                return Err(missing("code"));
            }
            let loaded = load(exchange, caller, &value_set).await?;
            let mut told = vec![
                json!({"name": "result", "valueBoolean": false}),
                json!({"name": "message", "valueString": "the code is not in this value set"}),
            ];
            for coded in &codings {
                match is_member(&value_set, (coded.system.as_deref(), &coded.code), &loaded, DEPTH_MAX) {
                    Membership::Yes(display) => {
                        told = answered(coded, sent.text("display"), display.as_deref());
                        break;
                    }
                    Membership::No => {}
                    Membership::Unknown(why) => return Err(unknown("url", &why)),
                }
            }
            Ok(parameters(&told))
        })
        .await
}

/// A code that is in a value set: right, unless it is called what it is not.
fn answered(coded: &Coded, said: Option<&str>, display: Option<&str>) -> Vec<Value> {
    let said = said.or(coded.display.as_deref());
    let is_right = match (said, display) {
        (Some(said), Some(display)) => said.trim().to_lowercase() == display.trim().to_lowercase(),
        _ => true,
    };
    let mut told = vec![json!({"name": "result", "valueBoolean": is_right})];
    if !is_right {
        told.push(json!({"name": "message", "valueString": "the code is in this value set, under another display"}));
    }
    told.extend(display.map(|display| json!({"name": "display", "valueString": display})));
    told
}

/// A code that is asked about.
#[derive(Clone, Debug)]
struct Coded {
    system: Option<String>,
    version: Option<String>,
    code: String,
    display: Option<String>,
}

impl Coded {
    /// What was sent: a code with its system, a Coding, or several as one concept, of which one Coding suffices.
    fn read(sent: &Parameters, coding: &str) -> Vec<Self> {
        let member = |name: &str, value: &str| sent.all(name).next().and_then(|member| member.get(value)).cloned();
        let of = |coding: &Value| {
            let text = |name: &str| coding[name].as_str().map(str::to_owned);
            Some(Self {
                system: text("system"),
                version: text("version"),
                code: text("code")?,
                display: text("display"),
            })
        };
        if let Some(coding) = member(coding, "valueCoding") {
            return of(&coding).into_iter().collect();
        }
        if let Some(concept) = member("codeableConcept", "valueCodeableConcept") {
            return concept["coding"].as_array().into_iter().flatten().filter_map(of).collect();
        }
        let text = |name: &str| sent.text(name).map(str::to_owned);
        let code = text("code").map(|code| Self { system: text("system"), version: None, code, display: None });
        code.into_iter().collect()
    }
}

async fn by_id(exchange: &Exchange, caller: &Caller, id: &str) -> Result<Value, Failure> {
    let store = &exchange.app.store;
    let found = store.read(caller.viewer(), "ValueSet", id).await?;
    let seen = store.record(found, |touched| caller.shown(VALIDATE_CODE, touched), Vec::new()).await?;
    let seen = seen.ok_or(Failure::NotFound)?;
    if seen.deleted {
        return Err(Failure::Gone);
    }
    serde_json::from_str(&seen.body).map_err(|_| Failure::Internal("a stored resource is not JSON"))
}

/// The definition of a canonical address, perhaps of one version, as it is loaded; none where it is not.
///
/// # Errors
/// 422 where several are loaded and none is named, or nothing is asked.
async fn defined(
    exchange: &Exchange,
    (caller, act): (&Caller, Act),
    resource_type: &'static str,
    (canonical, version): (&str, Option<&str>),
) -> Result<Option<Value>, Failure> {
    let (url, of_canonical) =
        canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)));
    let version = version.or(of_canonical);
    let pairs = [("url", url), ("_count", "50")];
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let (query, _) = condition(exchange, resource_type, &text)?;
    let store = &exchange.app.store;
    let limit = (None, exchange.app.limits.answer_bytes_max);
    let page = store.search(&caller.viewer(), resource_type, &query, limit, false).await?;
    let page = store.record(page, |touched| caller.shown(act, touched), Vec::new()).await?;
    let read = |body: &str| {
        serde_json::from_str::<Value>(body).map_err(|_| Failure::Internal("a stored resource is not JSON"))
    };
    let mut found = page.matches.iter().map(|seen| read(&seen.body)).collect::<Result<Vec<_>, _>>()?;
    found.retain(|one| version.is_none_or(|version| one["version"] == version));
    if found.len() > 1 {
        let details = "several versions of this are loaded: name one";
        return Err(Failure::Unprocessable(vec![Issue::at("version", "business-rule", details)]));
    }
    Ok(found.pop())
}

/// The code systems and value sets on which a value set rests, as far as they are loaded.
async fn load(exchange: &Exchange, caller: &Caller, value_set: &Value) -> Result<Loaded, Failure> {
    let (mut loaded, mut waiting) = (Loaded::default(), rests_on(value_set));
    let mut asked: Vec<(&'static str, String)> = Vec::new();
    while let Some((resource_type, canonical)) = waiting.pop() {
        if asked.contains(&(resource_type, canonical.clone())) || exchange.served(resource_type).is_err() {
            continue;
        }
        if asked.len() == LOADED_MAX {
            return Err(Failure::TooLarge(format!("the value set rests on more than {LOADED_MAX} definitions")));
        }
        asked.push((resource_type, canonical.clone()));
        caller.may(resource_type, Interaction::Read)?;
        let found = defined(exchange, (caller, VALIDATE_CODE), resource_type, (&canonical, None)).await?;
        if let Some(found) = found {
            if resource_type == "ValueSet" {
                waiting.extend(rests_on(&found));
            }
            loaded.put(resource_type, &canonical, found);
        }
    }
    Ok(loaded)
}

/// It is not known here, which says nothing about whether it is.
fn unknown(parameter: &str, details: &str) -> Failure {
    Failure::Unprocessable(vec![Issue::at(format!("Parameters.parameter:{parameter}"), "not-found", details)])
}
