//! `$validate`: what is wrong with a resource, all of it, and nothing is stored.
//!
//! <https://hl7.org/fhir/R4/resource-operation-validate.html>. The answer tells of what was sent, and of nothing that is kept here; only
//! about one resource in its address is anything looked up, and then as a read of it would be.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use mappings::r4::invariants;
use mappings::r4::issue::{ContentIssue, rule};
use mappings::r4::structure::{ISSUES_MAX, check};
use serde_json::{Value, json};

use super::{Parameters, missing};
use crate::access::Caller;
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};
use crate::fhir::answer::json as json_answer;
use crate::fhir::content::{parsed, stray};
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::{own, pairs_of};
use crate::validation::{Validation, claimed};

const ACT: Act = Act::new("E", "validate");
const KNOWN: &[&str] = &["resource", "profile", "mode"];

/// For what a resource is validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Create,
    Update,
    Delete,
    Profile,
    /// It was not said.
    Content,
}

/// What was asked.
struct Asked {
    resource: Option<Value>,
    profiles: Vec<String>,
    mode: Mode,
}

/// An issue of the answer, with its severity.
type Found = (&'static str, Issue);

/// `POST [base]/$validate`, `[base]/[type]/$validate`, `[base]/[type]/[id]/$validate`
pub async fn validate(exchange: Exchange, (resource_type, id): (String, String), body: Body) -> Response<Body> {
    let target = Target::new(ACT, &resource_type, &id);
    exchange
        .answer(target, async |exchange, caller| {
            let of_type = if resource_type.is_empty() { None } else { Some(exchange.served(&resource_type)?) };
            let stored = match of_type {
                Some(of_type) if !id.is_empty() => Some(stored(exchange, caller, of_type, &id).await?),
                _ => {
                    let event = caller.shown(ACT, &own(caller, of_type.unwrap_or_default()));
                    exchange.app.store.record_only(vec![event]).await?;
                    None
                }
            };
            let bytes = exchange.body(body).await?;
            let answer = match parsed(&bytes, exchange.app.limits.nesting_max) {
                Ok(sent) => {
                    let asked = asked(exchange, sent)?;
                    found(exchange, &asked, stored.as_ref(), (of_type, &id))?
                }
                // What is no JSON is wrong in one way, and is told so like all else that is wrong.
                Err(Failure::BadRequest(issues)) => issues.into_iter().map(|issue| ("error", issue)).collect(),
                Err(failure) => return Err(failure),
            };
            Ok(json_answer(StatusCode::OK, outcome(answer)))
        })
        .await
}

/// The resource in the address, for whoever may read it.
///
/// # Errors
/// 404 where it does not exist for the caller, 410 where it was deleted.
async fn stored(exchange: &Exchange, caller: &Caller, resource_type: &'static str, id: &str) -> Result<Value, Failure> {
    caller.may(resource_type, Interaction::Read)?;
    let store = &exchange.app.store;
    let found = store.read(caller.viewer(), resource_type, id).await?;
    let seen = store.record(found, |touched| caller.shown(ACT, touched), Vec::new()).await?.ok_or(Failure::NotFound)?;
    if seen.deleted {
        return Err(Failure::Gone);
    }
    serde_json::from_str(&seen.body).map_err(|_| Failure::Internal("a stored resource is not JSON"))
}

/// Tells the resource from the Parameters around it, and reads what else is asked.
fn asked(exchange: &Exchange, sent: Value) -> Result<Asked, Failure> {
    let members = sent.get("parameter").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names = |member: &Value| member.get("name").and_then(Value::as_str).is_some_and(|name| KNOWN.contains(&name));
    let is_asking = sent.get("resourceType").and_then(Value::as_str) == Some("Parameters") && members.iter().all(names);
    let (parameters, resource) = if is_asking {
        let resource = members.iter().find_map(|member| member.get("resource")).cloned();
        (Parameters(members.to_vec()), resource)
    } else {
        (Parameters(Vec::new()), Some(sent))
    };
    parameters.are_only(&["resource", "mode"], &["profile"])?;
    let mut profiles: Vec<String> = parameters.all("profile").filter_map(text_of).map(str::to_owned).collect();
    let mut mode = parameters.text("mode").map(str::to_owned);
    for (name, value) in exchange.uri.query().map(pairs_of).unwrap_or_default() {
        match name.as_str() {
            "profile" => profiles.push(value),
            "mode" if mode.is_none() => mode = Some(value),
            "_format" | "_pretty" => {}
            _ => {
                let details = "is not served here, or was sent twice: profile and mode are";
                return Err(Failure::BadRequest(vec![Issue::at(name, "not-supported", details)]));
            }
        }
    }
    let mode = mode_of(mode.as_deref())?;
    if mode == Mode::Profile && profiles.is_empty() {
        return Err(missing("profile"));
    }
    Ok(Asked { resource, profiles, mode })
}

fn text_of(member: &Value) -> Option<&str> {
    let (_, value) = member.as_object()?.iter().find(|(name, value)| name.starts_with("value") && value.is_string())?;
    value.as_str()
}

fn mode_of(text: Option<&str>) -> Result<Mode, Failure> {
    Ok(match text {
        None => Mode::Content,
        Some("create") => Mode::Create,
        Some("update") => Mode::Update,
        Some("delete") => Mode::Delete,
        Some("profile") => Mode::Profile,
        Some(_) => {
            let details = "is create, update, delete or profile";
            return Err(Failure::content("Parameters.parameter:mode", "value", details));
        }
    })
}

/// Everything that is wrong, and what was not looked at.
fn found(
    exchange: &Exchange,
    asked: &Asked,
    stored: Option<&Value>,
    address: (Option<&'static str>, &str),
) -> Result<Vec<Found>, Failure> {
    if asked.mode == Mode::Delete {
        let details =
            "the content does not matter to a deletion; whether it is permitted is decided when it is asked for";
        return Ok(vec![("information", Issue::new("informational", details))]);
    }
    let resource = asked.resource.as_ref().or(stored).ok_or_else(|| missing("resource"))?;
    let mut found: Vec<Found> = Vec::new();
    let of_structure = check(resource);
    // Of a resource whose structure is wrong nothing certain could be said.
    let of_invariants = if of_structure.is_empty() { invariants::check(resource) } else { Vec::new() };
    found.extend(of_structure.into_iter().chain(of_invariants).map(|issue| ("error", Issue::from(issue))));
    found.extend(of_address(resource, asked.mode, address).into_iter().map(|issue| ("error", issue)));
    found.extend(stray(resource).map(|issue| ("error", issue)));
    let of_profiles = by_profiles(&exchange.app.validation, resource, &asked.profiles);
    // Base R4 has said already what is wrong with an element.
    for (severity, issue) in of_profiles {
        if found.iter().all(|(_, told)| told.expression.is_none() || told.expression != issue.expression) {
            found.push((severity, issue));
        }
    }
    Ok(found)
}

/// What does not go with the address.
fn of_address(resource: &Value, mode: Mode, (of_type, id): (Option<&'static str>, &str)) -> Vec<Issue> {
    let mut issues = Vec::new();
    let sent_type = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
    if let Some(of_type) = of_type.filter(|of_type| *of_type != sent_type) {
        let details = format!("the address is that of {of_type}, so the resource must be one");
        let issue = Issue::at("resourceType", "invariant", details);
        issues.push(Issue { rule: Some(rule::RESOURCE_TYPE.into()), ..issue });
    }
    let sent_id = resource.get("id").and_then(Value::as_str);
    if mode == Mode::Update && (sent_id.is_none() || !id.is_empty() && sent_id != Some(id)) {
        let details = "an update names the resource: the id must be there, and be the one in the address";
        issues.push(Issue::at(format!("{sent_type}.id"), "invariant", details));
    }
    issues
}

/// By the profiles that were asked for, and by those that the resource and the entries of a Bundle claim.
fn by_profiles(validation: &Validation, resource: &Value, asked: &[String]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for canonical in asked.iter().filter(|canonical| validation.profiles().find(canonical).is_none()) {
        let details = "this profile is not loaded here: name another, or have the operator load its package";
        let issue = Issue { rule: Some("profile-unknown".into()), ..Issue::at(canonical, "not-found", details) };
        found.push(("error", issue));
    }
    let claims = claimed(resource);
    let held: Vec<&str> = asked.iter().map(String::as_str).chain(claims.iter().copied()).collect();
    found.extend(validation.issues(&held, resource).into_iter().map(|issue| ("error", Issue::from(issue))));
    found.extend(left(validation, &held, &claims));
    let is_bundle = resource.get("resourceType").and_then(Value::as_str) == Some("Bundle");
    let entries = resource.get("entry").and_then(Value::as_array).filter(|_| is_bundle);
    for (n, entry) in entries.into_iter().flatten().enumerate() {
        let Some(within) = entry.get("resource") else { continue };
        let claims = claimed(within);
        let issues = validation.of_profiles(&claims, within).into_iter().map(|issue| {
            let (_, element) = issue.expression.split_once('.').unwrap_or_default();
            let dot = if element.is_empty() { "" } else { "." };
            ContentIssue { expression: format!("Bundle.entry[{n}].resource{dot}{element}"), ..issue }
        });
        found.extend(issues.map(|issue| ("error", Issue::from(issue))));
        found.extend(left(validation, &claims, &claims));
        if found.len() > ISSUES_MAX {
            break;
        }
    }
    found
}

/// What was not looked at: profiles that are claimed and not loaded, and what of the loaded ones is not checked.
fn left(validation: &Validation, held: &[&str], claimed: &[&str]) -> Vec<Found> {
    let mut left = Vec::new();
    let mut tell = |key: &str, details: String| {
        left.push(("information", Issue { rule: Some(key.into()), ..Issue::new("informational", details) }));
    };
    for canonical in claimed.iter().filter(|canonical| validation.profiles().find(canonical).is_none()) {
        let shown: String = canonical.chars().take(200).collect();
        tell("profile-not-loaded", format!("the profile {shown} is claimed and not loaded here: it was not checked"));
    }
    for profile in held.iter().filter_map(|canonical| validation.profiles().find(canonical)) {
        for what in &profile.unchecked {
            tell("not-checked", format!("{}: {what}", profile.name));
        }
    }
    left
}

/// The OperationOutcome: errors first, and no more than the limit.
fn outcome(mut found: Vec<Found>) -> String {
    found.sort_by_key(|(severity, _)| *severity != "error");
    let more = found.len().saturating_sub(ISSUES_MAX);
    found.truncate(ISSUES_MAX);
    if more > 0 {
        let details = format!("{more} more are not listed: mend these first");
        found.push(("information", Issue::new("informational", details)));
    }
    // What has no rule has said all there is to say.
    if found.iter().all(|(severity, issue)| *severity != "error" && issue.rule.is_some()) {
        found.insert(0, ("information", Issue::new("informational", "nothing is wrong by what is checked here")));
    }
    let issues: Vec<Value> = found.iter().map(|(severity, issue)| issue.to_value(severity)).collect();
    json!({"resourceType": "OperationOutcome", "issue": issues}).to_string()
}
