//! An audit event as the FHIR resource, after the patterns of IHE BALP.
//!
//! Where a pattern can express the event to the letter, its profile is claimed in `meta.profile`; otherwise the shape is the same
//! and no profile is claimed: a refusal has another outcome than the patterns of interactions ask, and a decision without a Consent, or for a
//! system without a user, is none of BALP's authorization decisions. A pattern's closed list of entities then costs nothing.
//! <https://profiles.ihe.net/ITI/BALP/>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::event::StoredEvent;
use crate::clock::format_instant;

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const RESTFUL: &str = "http://hl7.org/fhir/restful-interaction";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ROLE_CLASS: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleClass";
const SECURITY_ROLE: &str = "http://terminology.hl7.org/CodeSystem/extra-security-role-type";
const PROVENANCE: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const PURPOSE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";
const BALP_ENTITY: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const EMERGENCY_ACT: &str = "https://wellgate.example/fhir/CodeSystem/emergency-act";
const EMERGENCY_CASE: &str = "https://wellgate.example/fhir/NamingSystem/emergency-case";
const BALP_DECISION: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType";
const BALP_PROFILE: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const REFERRAL_ACT: &str = "https://wellgate.example/fhir/CodeSystem/referral-act";
const OPERATION: &str = "https://wellgate.example/fhir/CodeSystem/operation";
const OPERATOR_ACT: &str = "https://wellgate.example/fhir/CodeSystem/operator-act";
const SIGN_IN_ACT: &str = "https://wellgate.example/fhir/CodeSystem/sign-in-act";
const STAFF: &str = "https://wellgate.example/fhir/NamingSystem/staff";
const ACCESS_BASIS: &str = "https://wellgate.example/fhir/CodeSystem/access-basis";
/// The act that was decided on, and the request: the authorization pattern has no element for either.
const EXTENSION: &str = "https://wellgate.example/fhir/StructureDefinition/audit-";

/// Acts of an emergency, each with the event of DICOM that it is, where there is one.
const EMERGENCY_ACTS: &[(&str, Option<&str>)] = &[
    ("break-glass", Some("110127")),
    ("end-break-glass", Some("110138")),
    ("emergency-sessions", None),
    ("review-emergency", None),
    ("crisis-disclosure", None),
    ("crisis-disclosures", None),
];

/// The interactions of the standard.
const INTERACTIONS: &[&str] = &[
    "create",
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "search-type",
    "search-system",
    "history-instance",
    "history-type",
    "history-system",
    "transaction",
    "batch",
];
/// The operations of the gateway; what is none of these is an act of a referral.
const OPERATIONS: &[&str] = &[
    "access-log",
    "explain",
    "who-can-see",
    "conflicts",
    "consent-conflict",
    "treatment-registered",
    "treatment-incomplete",
    "treatment-refused",
    "treatment-file",
    "token",
    "token-revoked",
    "link-code",
    "unlink",
    "link",
    "validate",
];
/// What people do at the gateway's own pages.
const SIGN_INS: &[&str] = &["sign-in", "step-up", "sign-out", "act-as"];
/// What operators do, by commands or signed in.
const OPERATOR_ACTS: &[&str] = &[
    "register",
    "disable",
    "change-keys",
    "reached",
    "destroy-key",
    "lose-key",
    "erase-audit-event",
    "delivery-list",
    "delivery-show",
    "delivery-release",
    "delivery-abandon",
    "delivery-rerun",
];
/// The reasons of `consent`, for which a refusal is an authorization decision.
const CONSENT_REASONS: &[&str] = &[
    "excluded-by-patient",
    "consent-withdrawn",
    "consent-expired",
    "consent-not-yet-in-force",
    "purpose-not-permitted",
    "no-consent",
];

/// Which of BALP's patterns an event follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    Read,
    Create,
    Update,
    Delete,
    Query,
    /// An authorization decision on Consents.
    Decision,
    /// None: the shape of a read or a write, as the action says.
    None,
}

impl Pattern {
    fn of(event: &StoredEvent) -> Self {
        match event.subtype.as_str() {
            _ if CONSENT_REASONS.contains(&event.reason.as_str()) => Self::Decision,
            "read" | "vread" => Self::Read,
            "create" => Self::Create,
            "update" | "patch" => Self::Update,
            "delete" => Self::Delete,
            "search-type" | "search-system" => Self::Query,
            _ => Self::None,
        }
    }

    /// The profile that an event of this pattern fulfils, if it does.
    fn profile(self, event: &StoredEvent) -> Option<String> {
        let name = match self {
            Self::None => return None,
            Self::Decision => {
                let is_whole = !event.practitioner.is_empty() && !event.consents.is_empty() && is_record(event);
                return (is_whole && !event.network.is_empty()).then(|| format!("{BALP_PROFILE}AuthZconsent"));
            }
            Self::Read => "Read",
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Query => "Query",
        };
        let names_data = self == Self::Query || !event.resource_id.is_empty();
        let is_whole = event.outcome == "0" && !event.network.is_empty() && names_data;
        let patient = if is_record(event) { "Patient" } else { "" };
        is_whole.then(|| format!("{BALP_PROFILE}{patient}{name}"))
    }
}

/// The event as FHIR JSON; `server` is the base URL at which it happened.
pub fn to_fhir(event: &StoredEvent, server: &str) -> Value {
    let pattern = Pattern::of(event);
    let profile = pattern.profile(event);
    let is_rest = [INTERACTIONS, OPERATIONS].iter().any(|codes| codes.contains(&&*event.subtype));
    let is_decision = pattern == Pattern::Decision;
    let mut resource = json!({
        "resourceType": "AuditEvent",
        "id": event.id,
        "meta": {"versionId": "1", "lastUpdated": format_instant(event.recorded_ms)},
        "type": match () {
            () if SIGN_INS.contains(&&*event.subtype) => coding(DICOM, "110114"),
            () if is_rest && !is_decision => coding(EVENT_TYPE, "rest"),
            () => coding(DICOM, "110113"),
        },
        "subtype": subtypes(event, pattern, profile.is_some()),
        // A decision is something that the gateway does, whatever was asked.
        "action": if is_decision { "E" } else { &event.action },
        "recorded": format_instant(event.recorded_ms),
        "outcome": event.outcome,
        "purposeOfEvent": [{"coding": [coding(PURPOSE, &event.purpose)]}],
        "agent": agents(event, pattern, server),
        "source": {"observer": {"display": "Wellgate"}, "type": [coding(SOURCE_TYPE, "4")]},
        "entity": entities(event, pattern, profile.is_some()),
    });
    if !event.reason.is_empty() {
        resource["outcomeDesc"] = json!(event.reason);
    }
    if let Some(profile) = profile {
        resource["meta"]["profile"] = json!([profile]);
        if is_decision {
            resource["extension"] = json!([
                {"url": format!("{EXTENSION}act"), "valueCode": event.subtype},
                {"url": format!("{EXTENSION}request"), "valueString": event.request_id},
            ]);
        }
    }
    resource
}

fn is_record(event: &StoredEvent) -> bool {
    !event.compartment.contains('/') && event.compartment != "directory"
}

fn coding(system: &str, code: &str) -> Value {
    json!({"system": system, "code": code})
}

fn subtypes(event: &StoredEvent, pattern: Pattern, is_profiled: bool) -> Vec<Value> {
    let emergency = EMERGENCY_ACTS.iter().find(|(act, _)| *act == event.subtype);
    let system = match event.subtype.as_str() {
        code if INTERACTIONS.contains(&code) => RESTFUL,
        code if OPERATIONS.contains(&code) => OPERATION,
        _ if emergency.is_some() => EMERGENCY_ACT,
        code if SIGN_INS.contains(&code) => SIGN_IN_ACT,
        code if OPERATOR_ACTS.contains(&code) => OPERATOR_ACT,
        _ => REFERRAL_ACT,
    };
    let mut subtypes = vec![coding(system, &event.subtype)];
    subtypes.extend(emergency.and_then(|(_, code)| *code).map(|code| coding(DICOM, code)));
    match pattern {
        // The pattern's value set has decisions only, and the act stands in an extension.
        Pattern::Decision if is_profiled => subtypes = vec![coding(BALP_DECISION, "AuthZ-Consent")],
        Pattern::Decision => subtypes.push(coding(BALP_DECISION, "AuthZ-Consent")),
        _ => {}
    }
    subtypes
}

/// Client, server, user; and the organisation, where the user is a person or a decision is about it.
fn agents(event: &StoredEvent, pattern: Pattern, server: &str) -> Vec<Value> {
    const SOURCE: (&str, &str) = (DICOM, "110153");
    const DESTINATION: (&str, &str) = (DICOM, "110152");
    const APPLICATION: (&str, &str) = (DICOM, "110150");
    let is_write = matches!(event.action.as_str(), "C" | "U");
    // In a read the data flows to the client, in a write and a query it comes from it.
    let (client_type, server_type) = match pattern {
        Pattern::Create | Pattern::Update | Pattern::Query => (SOURCE, DESTINATION),
        Pattern::None if is_write => (SOURCE, DESTINATION),
        Pattern::Delete => (APPLICATION, (PROVENANCE, "custodian")),
        Pattern::Decision => (APPLICATION, (SECURITY_ROLE, "authserver")),
        Pattern::Read | Pattern::None => (DESTINATION, SOURCE),
    };
    let agent = |(system, code): (&str, &str), who: Value| json!({"type": {"coding": [coding(system, code)]}, "who": who, "requestor": false});
    let mut client = agent(client_type, json!({"identifier": {"value": event.client}}));
    if !event.network.is_empty() {
        client["network"] = json!({"address": event.network, "type": "2"});
    }
    let mut gateway = agent(server_type, json!({"display": "Wellgate"}));
    if pattern != Pattern::Decision {
        gateway["network"] = json!({"address": server, "type": "5"});
    }
    let organization = who(&event.organization);
    // Whoever works there and is no practitioner has the operator's id.
    let practitioner = event.practitioner.split_once('/').map(|(kind, id)| match kind {
        "person" => json!({"identifier": {"system": STAFF, "value": id}}),
        _ => json!({"reference": format!("Practitioner/{id}")}),
    });
    let is_signed_in = practitioner.is_some();
    // Who writes is the author, who asks the recipient.
    let user_type = match pattern {
        Pattern::Create | Pattern::Update | Pattern::Delete => (PARTICIPATION, "AUT"),
        _ => (PARTICIPATION, "IRCP"),
    };
    let mut user = agent(user_type, practitioner.unwrap_or_else(|| organization.clone()));
    user["requestor"] = json!(true);
    if !event.basis.is_empty() {
        user["policy"] = json!([format!("{ACCESS_BASIS}#{}", event.basis)]);
    }
    let mut agents = vec![client, gateway, user];
    let is_organization = event.organization.starts_with("organization/");
    if is_organization && (is_signed_in || pattern == Pattern::Decision) {
        agents.push(agent((ROLE_CLASS, "PROV"), organization));
    }
    agents
}

/// Who called. A person who signed in has no name in the trail of a record that is another's.
fn who(identity: &str) -> Value {
    match identity.split_once('/') {
        Some(("patient", id)) => json!({"reference": format!("Patient/{id}")}),
        Some(("related-person", id)) => json!({"reference": format!("RelatedPerson/{id}")}),
        Some((_, id)) => json!({"reference": format!("Organization/{id}")}),
        None => json!({"display": "a person who signed in"}),
    }
}

fn entities(event: &StoredEvent, pattern: Pattern, is_profiled: bool) -> Vec<Value> {
    let mut entities = Vec::new();
    if is_record(event) {
        entities.push(json!({
            "what": {"reference": format!("Patient/{}", event.compartment)},
            "type": coding(ENTITY_TYPE, "1"),
            "role": coding(OBJECT_ROLE, "1"),
        }));
    }
    let consent = |id: &str| json!({"what": {"reference": format!("Consent/{id}")}, "type": coding(RESOURCE_TYPES, "Consent"), "role": coding(OBJECT_ROLE, "4")});
    entities.extend(event.consents.split_whitespace().map(consent));
    match pattern {
        Pattern::Query => entities.push(json!({
            "type": coding(ENTITY_TYPE, "2"),
            "role": coding(OBJECT_ROLE, "24"),
            "query": STANDARD.encode(format!("{}?{}", event.resource_type, event.query)),
        })),
        _ if event.subtype == "destroy-key" => entities.push(details(event)),
        _ if OPERATOR_ACTS.contains(&&*event.subtype) => {
            entities.extend(data(event));
            entities.extend((!event.query.is_empty()).then(|| details(event)));
        }
        Pattern::Decision if is_profiled => return entities,
        _ => entities.extend(data(event)),
    }
    if !event.case_id.is_empty() {
        entities.push(json!({"what": {"identifier": {"system": EMERGENCY_CASE, "value": event.case_id}}}));
    }
    entities.push(json!({
        "what": {"identifier": {"value": event.request_id}},
        "type": coding(BALP_ENTITY, "XrequestId"),
    }));
    entities
}

/// What an operator's act was about; of a key that was destroyed, on which day its last copy dies.
fn details(event: &StoredEvent) -> Value {
    let details = form_urlencoded::parse(event.query.as_bytes());
    let details: Vec<Value> = details.map(|(name, value)| json!({"type": name, "valueString": value})).collect();
    json!({"type": coding(ENTITY_TYPE, "4"), "detail": details})
}

/// The resource that was asked for, as far as one was.
fn data(event: &StoredEvent) -> Option<Value> {
    if event.resource_type.is_empty() {
        return None;
    }
    let reference = match (event.resource_id.as_str(), event.version_id) {
        ("", _) => None,
        (id, 0) => Some(format!("{}/{id}", event.resource_type)),
        (id, version) => Some(format!("{}/{id}/_history/{version:x}", event.resource_type)),
    };
    let what = reference.map_or_else(|| json!({"type": event.resource_type}), |text| json!({"reference": text}));
    Some(json!({"what": what, "type": coding(ENTITY_TYPE, "2"), "role": coding(OBJECT_ROLE, "4")}))
}
