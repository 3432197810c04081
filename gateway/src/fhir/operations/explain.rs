//! `Consent/$explain`: why may a party see a record, or why not? Answered to the custodian of the record, by the decision itself.
//!
//! Whoever may not see the record is answered as if there were none, so that an excluded provider learns nothing of it.

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::{Parameters, held, missing, patient_key, show};
use crate::access::caller::Act;
use crate::access::inquiry::{Closed, Finding, Party, before_consents};
use crate::access::{Caller, Draft};
use crate::app::Registry;
use crate::auth::Interaction;
use crate::clock::format_instant;
use crate::consent::{
    self, Considered, Decision, Identities, Purpose, Reason, Refusal, Request, Teams, deciding, provision_path,
};
use crate::error::Failure;
use crate::fhir::exchange::{Exchange, Target};
use crate::labels::ResourceFacts;
use crate::storage::facts::RecordFacts;
use crate::storage::write_set::ResourceKey;
use mappings::r4::time::Moment;

const ACT: Act = Act::new("E", "explain");
const KNOWN: &[&str] = &["patient", "organization", "practitioner", "purpose", "at", "resource", "trace"];

/// What is asked, once it is understood.
struct Question<'q> {
    party: Party<'q>,
    purpose: Purpose,
    at_ms: i64,
    /// Whether every element that was looked at is shown.
    is_full: bool,
}

/// On what it is decided.
struct Ground<'g> {
    record: &'g RecordFacts,
    consents: &'g [consent::Consent],
    /// The teams that the Consents name.
    teams: Teams,
    /// What is asked for: a resource of the record, or the Patient.
    facts: ResourceFacts,
}

/// `GET` or `POST [base]/Consent/$explain`
pub async fn explain(exchange: Exchange, body: Body) -> Response<Body> {
    let target = Target::new(ACT, "Consent", "");
    exchange
        .answer_naming(target, async |exchange, caller, target| {
            caller.may("Consent", Interaction::Read)?;
            let asked = Parameters::asked(exchange, body, KNOWN).await?;
            let patient = asked.id_of("patient", "Patient")?.ok_or_else(|| missing("patient"))?;
            let mut draft = Draft::new(&exchange.app, caller);
            let facts = held(&mut draft, target, patient).await?.clone();
            let question = question(exchange, caller, &asked)?;
            let (about, is_custodians) = match asked.reference("resource").or_else(|| asked.text("resource")) {
                Some(resource) => resource_of(exchange, patient, resource).await?,
                None => (patient_key(patient), false),
            };
            let consents = draft.consents(patient).await?;
            let ground = Ground {
                facts: draft.facts(&about, &consents).await?,
                teams: draft.teams(patient, &consents).await?,
                record: &facts,
                consents: &consents,
            };
            let members = answer(exchange, caller, &ground, &question, (&about, is_custodians)).await?;
            show(exchange, caller, ACT, patient, members).await
        })
        .await
}

fn question<'q>(exchange: &Exchange, caller: &'q Caller, asked: &Parameters) -> Result<Question<'q>, Failure> {
    let wrong = |name: &str, details: &str| Failure::content(format!("Parameters.parameter:{name}"), "value", details);
    let is_full = match asked.text("trace") {
        None => false,
        Some("full") if exchange.app.is_sandbox => true,
        Some("full") => {
            let details = "the whole of a matching is shown in a sandbox only: leave the parameter trace out";
            return Err(Failure::refused("sandbox-only", details, Some("Parameters.parameter:trace".to_owned())));
        }
        Some(_) => return Err(wrong("trace", "must be full, or be left out")),
    };
    let purpose = Purpose::from_code(asked.required("purpose")?)
        .ok_or_else(|| wrong("purpose", "must be a code of v3-PurposeOfUse"))?;
    let at_ms = match asked.text("at") {
        None => caller.now_ms,
        Some(text) => Moment::parse(text).ok_or_else(|| wrong("at", "must be a date or a moment"))?.low_ms,
    };
    Ok(Question { party: party(&caller.registry, asked)?, purpose, at_ms, is_full })
}

/// Whom the question is about. A practitioner alone is asked for through the organisation that it is registered for.
fn party<'q>(registry: &'q Registry, asked: &Parameters) -> Result<Party<'q>, Failure> {
    let unknown = |name: &str| {
        let details = "nobody of this id is registered here, or not any more";
        Failure::content(format!("Parameters.parameter:{name}"), "value", details)
    };
    let practitioner = match asked.id_of("practitioner", "Practitioner")? {
        Some(id) => Some(registry.practitioner(id).ok_or_else(|| unknown("practitioner"))?),
        None => None,
    };
    let named = asked.id_of("organization", "Organization")?;
    let id = named.or(practitioner.map(|practitioner| &*practitioner.organization_id));
    let id = id.ok_or_else(|| missing("organization"))?;
    let organization = registry.organization(id).ok_or_else(|| unknown("organization"))?;
    if practitioner.is_some_and(|practitioner| practitioner.organization_id != organization.id) {
        let details = "is registered for another organisation";
        return Err(Failure::content("Parameters.parameter:practitioner", "value", details));
    }
    Ok(Party { organization, practitioner })
}

/// A resource of the record, and whether it is read by its custodian alone, whatever a Consent says.
async fn resource_of(exchange: &Exchange, patient: &str, resource: &str) -> Result<(ResourceKey, bool), Failure> {
    let nowhere = || {
        let details = "must be a resource of this record, as Type/<id>";
        Failure::content("Parameters.parameter:resource", "value", details)
    };
    let (resource_type, id) = resource.split_once('/').ok_or_else(nowhere)?;
    let resource_type = exchange.served_at(resource_type, id).map_err(|_| nowhere())?;
    let located = exchange.app.store.locate(resource_type, id).await?.ok_or_else(nowhere)?;
    if located.key.compartment != patient || located.deleted {
        return Err(nowhere());
    }
    let is_custodians = resource_type == "Consent" || located.minimum.is_some();
    Ok((located.key, is_custodians))
}

async fn answer(
    exchange: &Exchange,
    caller: &Caller,
    ground: &Ground<'_>,
    question: &Question<'_>,
    (about, is_custodians): (&ResourceKey, bool),
) -> Result<Vec<Value>, Failure> {
    let registry = &caller.registry;
    let grantees = question.party.grantees(registry);
    let Identities { grantees, former_teams } = ground.teams.identities(grantees, question.at_ms);
    let request = Request { grantees: &grantees, former_teams: &former_teams, purpose: question.purpose };
    let (decision, account) = consent::explain(request, &ground.facts, ground.consents, question.at_ms);
    let finding = match before_consents(registry, ground.record, &question.party) {
        Some(settled) => settled,
        None if is_custodians => Finding::CustodianOnly,
        None => Finding::Consents(decision),
    };
    let asked = (question.purpose, question.at_ms);
    let finding = question.party.as_practitioner(&exchange.app, asked, about, finding).await?;
    let (code, sentence) = verdict(&finding);
    let mut members = vec![
        json!({"name": "decision", "valueCode": if finding.is_permitted() { "permit" } else { "deny" }}),
        json!({"name": "reason", "valueCode": code}),
        json!({"name": "sentence", "valueString": sentence}),
        json!({"name": "at", "valueInstant": format_instant(question.at_ms)}),
    ];
    let excluded = Decision::Deny(Reason::Excluded);
    let decided = match &finding {
        Finding::Consents(decision) => Some(decision),
        Finding::Kept(Refusal::KeptFrom) => Some(&excluded),
        _ => None,
    };
    if let Some(decision) = decided {
        let deciding = deciding(decision, &account).into_iter();
        members.extend(deciding.map(|considered| json!({"name": "deciding", "part": deciding_parts(considered)})));
    }
    members.extend(
        account
            .iter()
            .map(|considered| json!({"name": "considered", "part": considered_parts(considered, question.is_full)})),
    );
    members.extend(ground.record.closures.iter().map(|(grantee, cause)| {
        let cause = if cause == "release" { "released" } else { "waiting" };
        json!({"name": "closure", "part": [
            {"name": "of", "valueString": grantee}, {"name": "cause", "valueCode": cause},
        ]})
    }));
    Ok(members)
}

/// The code of why the party sees the record or does not, and the same as a sentence.
fn verdict(finding: &Finding) -> (&'static str, &'static str) {
    match finding {
        Finding::Standing(permit) => (permit.basis().code(), "This organisation holds the record."),
        Finding::Closed(closed @ (Closed::InTransit | Closed::Waiting | Closed::Released)) => {
            (closed.code(), closed.sentence())
        }
        Finding::CustodianOnly => ("custodian-only", "This is read by the custodian of the record alone."),
        Finding::Consents(Decision::Permit(permit)) => (permit.basis().code(), "The patient's consent permits it."),
        Finding::Consents(Decision::Deny(reason)) => (reason.code(), reason.sentence()),
        Finding::Kept(refusal) => (refusal.code(), refusal.sentence()),
        Finding::Beside(code) => (code, "An emergency session or a rule of law opens it to this practitioner."),
    }
}

fn deciding_parts(considered: &Considered) -> Vec<Value> {
    let mut parts = vec![reference(&considered.consent.0)];
    parts.extend(
        considered.deciding.iter().map(|ordinal| json!({"name": "path", "valueString": provision_path(*ordinal)})),
    );
    parts
}

fn considered_parts(considered: &Considered, is_full: bool) -> Vec<Value> {
    let mut parts = deciding_parts(considered);
    parts.insert(1, json!({"name": "outcome", "valueCode": considered.code()}));
    if is_full {
        parts.extend(considered.looked.iter().map(|looked| {
            json!({"name": "looked", "part": [
                {"name": "path", "valueString": format!("{}.{}", provision_path(looked.ordinal), looked.element.name())},
                {"name": "holds", "valueBoolean": looked.holds},
            ]})
        }));
    }
    parts
}

fn reference(consent: &str) -> Value {
    json!({"name": "consent", "valueReference": {"reference": format!("Consent/{consent}")}})
}
