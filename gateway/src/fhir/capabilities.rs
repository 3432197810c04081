//! The CapabilityStatement: made once from the same tables that serve the requests.
//!
//! <https://hl7.org/fhir/R4/capabilitystatement.html>

use std::collections::BTreeSet;

use mappings::subscription::TOPICS;
use serde_json::{Value, json};

use crate::app::AppState;
use crate::clock::format_instant;
use crate::search::overlay::belongs;
use crate::search::parameters::parameters;
use crate::search::query::CHAINS;

/// Parameters that every type has, answered from columns rather than from the index.
const COMMON: &[(&str, &str)] = &[("_id", "token"), ("_lastUpdated", "date")];

/// The guides whose actors the gateway plays.
const IMPLEMENTATION_GUIDES: &[&str] = &[
    "https://profiles.ihe.net/ITI/PCF/ImplementationGuide/ihe.iti.pcf",
    "https://profiles.ihe.net/ITI/BALP/ImplementationGuide/ihe.iti.balp",
];
/// What of IHE is played, and what not. `instantiates` is not claimed: the statements of PCF's actors ask for XML and for a search
/// over the whole system as well.
const IHE: &str = "IHE PCF: Consent Registry (Access Consent [ITI-108] in JSON: create, read, update, delete, and search by patient, \
    patient.identifier, status and actor), Consent Authorization Server and Consent Enforcement Point in one, with the option \
    Explicit Basic and its exceptions by actor, purpose and period; without Consent nothing is disclosed (Policy-deny). \
    IHE BALP: AuditEvents claim a pattern in meta.profile where they fulfil it.";
/// The profiles of a type that is taken and enforced whole.
const PROFILES: &[(&str, &[&str])] = &[
    ("Consent", &["https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentBasic"]),
    ("Subscription", &["http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"]),
];
/// By which a topic is named that can be subscribed to.
const TOPIC_EXTENSION: &str =
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical";
/// The operations of subscriptions are those of the backport.
const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription";
/// Offered for every type, and for the system.
const VALIDATE: &str = "http://hl7.org/fhir/OperationDefinition/Resource-validate";
/// Operations: type, name without the sign.
const OPERATIONS: &[(&str, &str)] = &[
    ("Consent", "explain"),
    ("Consent", "withdraw"),
    ("Consent", "conflicts"),
    ("Patient", "who-can-see"),
    ("Patient", "access-log"),
    ("Patient", "break-glass"),
    ("Patient", "end-break-glass"),
    ("Patient", "emergency-sessions"),
    ("Patient", "review-emergency"),
    ("Patient", "crisis-disclosure"),
    ("Patient", "crisis-disclosures"),
    ("Patient", "link-code"),
    ("Patient", "unlink"),
    ("Subscription", "status"),
    ("Subscription", "events"),
];

/// The statement as text, for a gateway that started at `started_ms`.
pub fn statement(app: &AppState, started_ms: i64) -> String {
    let resources: Vec<Value> = app.types.iter().map(|served| resource(app, served)).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": format_instant(started_ms),
        "kind": "instance",
        "software": {"name": "Wellgate", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "Wellgate: referrals that move only where a Consent lets them", "url": app.base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "implementationGuide": IMPLEMENTATION_GUIDES,
        "rest": [{
            "mode": "server",
            "documentation": IHE,
            "security": {
                "cors": false,
                "service": services(app),
                "description": "A bearer token, with SMART v2 system scopes, or patient scopes for a person who signed in; consent is enforced in every answer."
            },
            "resource": resources,
            "interaction": [{"code": "transaction"}, {"code": "batch"}],
            "operation": [{"name": "validate", "definition": VALIDATE}]
        }]
    })
    .to_string()
}

/// How clients get tokens: by OAuth, and as SMART describes it where the gateway itself gives them.
fn services(app: &AppState) -> Vec<Value> {
    let system = "http://terminology.hl7.org/CodeSystem/restful-security-service";
    let codes = ["OAuth"].into_iter().chain(app.tokens.is_some().then_some("SMART-on-FHIR"));
    codes.map(|code| json!({"coding": [{"system": system, "code": code}]})).collect()
}

fn resource(app: &AppState, resource_type: &'static str) -> Value {
    let is_trail = resource_type == "AuditEvent";
    let codes: &[&str] = if is_trail {
        &["read", "search-type"]
    } else if belongs(resource_type).is_none() {
        &[]
    } else {
        &["read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type"]
    };
    let interactions: Vec<Value> = codes.iter().map(|code| json!({"code": code})).collect();
    let mut search: Vec<Value> = Vec::new();
    if is_trail {
        for (name, search_type) in [("patient", "reference"), ("date", "date"), ("outcome", "token"), ("_id", "token")]
        {
            search.push(json!({"name": name, "type": search_type}));
        }
    } else {
        search.extend(COMMON.iter().map(|(name, search_type)| json!({"name": name, "type": search_type})));
        let is_served = |name| !app.store.keys().is_some_and(|keys| keys.sealed().hides(resource_type, name));
        let named = parameters(resource_type)
            .filter(|parameter| is_served(parameter.name))
            .map(|parameter| json!({"name": parameter.name, "type": parameter.search_type.as_str()}));
        search.extend(named);
        let chains = CHAINS.iter().filter(|chain| chain.resource_type == resource_type);
        search.extend(chains.map(|chain| json!({"name": chain.key, "type": chain.search_type.as_str()})));
    }
    let mut stated = json!({
        "type": resource_type,
        "interaction": interactions,
        "versioning": if is_trail { "no-version" } else { "versioned-update" },
        "readHistory": !is_trail,
        "updateCreate": false,
        "conditionalCreate": !is_trail,
        "searchParam": search,
    });
    if resource_type == "Subscription" {
        let topic = |(topic, _): &(&str, &str)| json!({"url": TOPIC_EXTENSION, "valueCanonical": topic});
        stated["extension"] = TOPICS.iter().map(topic).collect();
    }
    let of_program =
        PROFILES.iter().filter(|(of, _)| *of == resource_type).flat_map(|(_, profiles)| profiles.iter().copied());
    let profiles: BTreeSet<&str> = of_program.chain(app.validation.of_type(resource_type)).collect();
    if !profiles.is_empty() {
        stated["supportedProfile"] = json!(profiles);
    }
    let mut operations: Vec<Value> = OPERATIONS
        .iter()
        .filter(|(of, _)| *of == resource_type)
        .map(|(of, name)| match *of {
            "Subscription" => json!({"name": name, "definition": format!("{BACKPORT}-{name}")}),
            _ => json!({"name": name, "definition": format!("https://wellgate.example/fhir/OperationDefinition/{of}-{name}")}),
        })
        .collect();
    operations.push(json!({"name": "validate", "definition": VALIDATE}));
    stated["operation"] = json!(operations);
    stated
}
