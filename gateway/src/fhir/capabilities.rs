//! The CapabilityStatement: made once from the same tables that serve the requests.
//!
//! <https://hl7.org/fhir/R4/capabilitystatement.html>

pub mod operations;
pub mod parameters;

use std::collections::BTreeSet;

use mappings::subscription::TOPICS;
use serde_json::{Value, json};

use crate::app::AppState;
use crate::clock::format_instant;
use crate::search::compartment::definition;
use crate::search::include::references;
use crate::search::overlay::belongs;
use crate::search::parameters::{parameter, parameters as table};
use crate::search::query::FULL_TEXT;

/// Parameters that every type has, answered from columns rather than from the index.
const COMMON: &[(&str, &str)] = &[("_id", "token"), ("_lastUpdated", "date")];

/// And from the index.
const OF_EVERY_TYPE: &[&str] = &["_profile", "_security", "_source", "_tag"];
/// Every chain is served; a statement has no place for them but their names, so it names what a guide asks for: ITI-108.
const CHAINS: &[(&str, &str, &str)] = &[("Consent", "patient.identifier", "token")];

/// The guides whose actors the gateway plays.
const IMPLEMENTATION_GUIDES: &[&str] = &[
    "https://profiles.ihe.net/ITI/PCF/ImplementationGuide/ihe.iti.pcf",
    "https://profiles.ihe.net/ITI/BALP/ImplementationGuide/ihe.iti.balp",
    "http://hl7.org/fhir/uv/bulkdata/ImplementationGuide/hl7.fhir.uv.bulkdata",
];
/// What of IHE is played, and what not. `instantiates` is not claimed: the statements of PCF's actors ask for XML as well.
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
/// What is done with a resource, as far as it is a matter of its type alone: what is served is stated, and nothing else.
struct Served {
    interactions: &'static [&'static str],
    versioning: &'static str,
    /// Conditional create and update.
    is_written_by_criteria: bool,
    conditional_read: &'static str,
    conditional_delete: &'static str,
}

/// What belongs to a record, an organisation or the directory.
const KEPT: Served = Served {
    interactions: &[
        "read",
        "vread",
        "update",
        "patch",
        "delete",
        "history-instance",
        "history-type",
        "create",
        "search-type",
    ],
    versioning: "versioned-update",
    is_written_by_criteria: true,
    conditional_read: "full-support",
    conditional_delete: "single",
};
/// The trail.
const TRAIL: Served = Served { interactions: &["read", "search-type"], ..NOTHING };
/// What is served by name alone.
const NOTHING: Served = Served {
    interactions: &[],
    versioning: "no-version",
    is_written_by_criteria: false,
    conditional_read: "not-supported",
    conditional_delete: "not-supported",
};
/// What is asked of the whole system.
const OF_SYSTEM: &[&str] = &["transaction", "batch", "search-system", "history-system"];
/// The media types of a patch.
const PATCH_FORMATS: &[&str] = &["application/json-patch+json", "application/fhir+json"];

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
        "patchFormat": PATCH_FORMATS,
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
            "interaction": OF_SYSTEM.iter().map(|code| json!({"code": code})).collect::<Vec<_>>(),
            "operation": operations::of_system(),
            "searchParam": every_type(app),
            "compartment": app.types.iter().filter_map(|served| definition(served)).collect::<Vec<_>>()
        }]
    })
    .to_string()
}

/// The parameters that every type has, with the one that names types.
fn every_type(app: &AppState) -> Vec<Value> {
    let of_every = OF_EVERY_TYPE.iter().filter_map(|name| parameter("Basic", name));
    let of_every = of_every.map(|parameter| (parameter.name, parameter.search_type.as_str()));
    let every = COMMON.iter().copied().chain(of_every).chain(full_text(app));
    let every = every.map(|(name, search_type)| parameters::stated(app, "Basic", name, search_type));
    every.chain([json!({"name": "_type", "type": "special"})]).collect()
}

/// The parameters that search words, where they do.
fn full_text(app: &AppState) -> impl Iterator<Item = (&'static str, &'static str)> {
    FULL_TEXT.into_iter().filter(|_| app.store.full_text()).map(|name| (name, "special"))
}

/// What `_include` and `_revinclude` take where a type is searched.
fn includes(app: &AppState, resource_type: &str) -> (Vec<String>, Vec<String>) {
    let is_hidden = |source: &str, name: &str| app.store.keys().is_some_and(|keys| keys.sealed().hides(source, name));
    let served = app.types.iter().copied().filter(|name| belongs(name).is_some());
    let is_served = |target: &&str| app.types.contains(*target) && belongs(target).is_some();
    let own = references(resource_type).filter(|own| {
        !is_hidden(resource_type, own.name) && (own.targets.is_empty() || own.targets.iter().any(is_served))
    });
    let own: Vec<String> = own.map(|own| format!("{resource_type}:{}", own.name)).collect();
    let every = (!own.is_empty()).then(|| format!("{resource_type}:*"));
    let reverse = served.flat_map(|source| references(source).map(move |parameter| (source, parameter)));
    let reverse = reverse.filter(|(source, parameter)| {
        let targets = &parameter.targets;
        !is_hidden(source, parameter.name) && (targets.is_empty() || targets.contains(&resource_type))
    });
    let reverse: Vec<String> = reverse.map(|(source, parameter)| format!("{source}:{}", parameter.name)).collect();
    (own.into_iter().chain(every).collect(), reverse)
}

/// How clients get tokens: by OAuth, and as SMART describes it where the gateway itself gives them.
fn services(app: &AppState) -> Vec<Value> {
    let system = "http://terminology.hl7.org/CodeSystem/restful-security-service";
    let codes = ["OAuth"].into_iter().chain(app.tokens.is_some().then_some("SMART-on-FHIR"));
    codes.map(|code| json!({"coding": [{"system": system, "code": code}]})).collect()
}

fn resource(app: &AppState, resource_type: &'static str) -> Value {
    let is_trail = resource_type == "AuditEvent";
    let served = match () {
        () if is_trail => &TRAIL,
        () if belongs(resource_type).is_none() => &NOTHING,
        () => &KEPT,
    };
    let interactions: Vec<Value> = served.interactions.iter().map(|code| json!({"code": code})).collect();
    let search = if is_trail { parameters::of_trail() } else { search_parameters(app, resource_type) };
    let mut stated = json!({
        "type": resource_type,
        "interaction": interactions,
        "versioning": served.versioning,
        "readHistory": served.interactions.contains(&"vread"),
        "updateCreate": false,
        "conditionalCreate": served.is_written_by_criteria,
        "conditionalRead": served.conditional_read,
        "conditionalUpdate": served.is_written_by_criteria,
        "conditionalDelete": served.conditional_delete,
        "searchParam": search,
    });
    if !is_trail {
        let (includes, reverse) = includes(app, resource_type);
        for (name, list) in [("searchInclude", includes), ("searchRevInclude", reverse)] {
            if !list.is_empty() {
                stated[name] = json!(list);
            }
        }
    }
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
    stated["operation"] = json!(operations::of_type(resource_type));
    stated
}

fn search_parameters(app: &AppState, resource_type: &str) -> Vec<Value> {
    let is_served = |name: &str| !app.store.keys().is_some_and(|keys| keys.sealed().hides(resource_type, name));
    let named = table(resource_type).filter(|parameter| is_served(parameter.name));
    let named = named.map(|parameter| (parameter.name, parameter.search_type.as_str()));
    let chains = CHAINS.iter().filter(|(of, ..)| *of == resource_type);
    let chains = chains.map(|(_, name, search_type)| (*name, *search_type));
    let words = full_text(app).filter(|(name, _)| is_served(name));
    let every = COMMON.iter().copied().chain(named).chain(words).chain(chains);
    every.map(|(name, search_type)| parameters::stated(app, resource_type, name, search_type)).collect()
}
