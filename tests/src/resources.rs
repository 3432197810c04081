//! Resources for stories: synthetic, and looking it.

use gateway::consent::ACTORS_MAX;
use serde_json::{Value, json};

/// A person who does not exist.
pub fn patient() -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{"system": "https://ehr.example/patient", "value": "TEST-0001"}],
        "active": true,
        "name": [{"family": "Testpersoon", "given": ["Ann"]}],
        "gender": "female",
        "birthDate": "1990-06-15",
        "address": [{"city": "Gent", "postalCode": "9000"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "nl-BE"}]}, "preferred": true}],
    })
}

/// A Consent about a Patient record with this root provision, active.
pub fn consent(patient: &str, provision: &Value) -> Value {
    json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": reference("Patient", patient)},
        "dateTime": "2026-02-27",
        "performer": [{"reference": reference("Patient", patient)}],
        "organization": [{"reference": "Organization/edpbw-a"}],
        "sourceAttachment": {"title": "Signed on paper"},
        "policy": [{"uri": "https://profiles.ihe.net/ITI/PCF/Policy-deny"}],
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": provision,
    })
}

/// A provision that permits these organisations to treat: as many as one provision may name, and the others in nested ones.
pub fn permit(organizations: &[&str]) -> Value {
    let mut groups = organizations.chunks(ACTORS_MAX);
    let mut root = provision("permit", groups.next().unwrap_or_default());
    let nested: Vec<Value> = groups.map(|group| provision("permit", group)).collect();
    if !nested.is_empty() {
        root["provision"] = json!(nested);
    }
    root
}

/// A provision that denies these organisations.
pub fn deny(organizations: &[&str]) -> Value {
    provision("deny", organizations)
}

/// A provision of this type about these organisations, for treatment.
fn provision(kind: &str, organizations: &[&str]) -> Value {
    let actors: Vec<Value> = organizations.iter().map(|id| actor(id)).collect();
    json!({
        "type": kind,
        "actor": actors,
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
    })
}

/// An organisation as the recipient in a provision.
pub fn actor(organization: &str) -> Value {
    json!({
        "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
        "reference": {"reference": format!("Organization/{organization}")},
    })
}

/// An active order with a target: `Organization/<id>` or `HealthcareService/<pool>`; an empty one is none.
pub fn service_request(patient: &str, target: &str) -> Value {
    let mut order = json!({
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "priority": "urgent",
        "subject": {"reference": reference("Patient", patient)},
        "reasonCode": [{"text": "TEST-REASON sleeplessness since the merger"}],
        "note": [{"text": "TEST-NOTE prefers the evening"}],
    });
    if !target.is_empty() {
        order["performer"] = json!([{"reference": target}]);
    }
    order
}

/// A contact.
pub fn encounter(patient: &str) -> Value {
    json!({
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"},
        "subject": {"reference": reference("Patient", patient)},
        "period": {"start": "2026-03-01T09:00:00+01:00", "end": "2026-03-01T09:50:00+01:00"},
    })
}

/// Something observed.
pub fn observation(patient: &str) -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6", "display": "PHQ-9"}]},
        "subject": {"reference": reference("Patient", patient)},
        "effectiveDateTime": "2026-02-27",
        "valueInteger": 12,
    })
}

/// Something that the person has, by its code of ICD-10.
pub fn condition(patient: &str, code: &str) -> Value {
    json!({
        "resourceType": "Condition",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]},
        "subject": {"reference": reference("Patient", patient)},
        "recordedDate": "2026-02-27",
    })
}

/// A weight: an observation that nothing is sensitive about.
pub fn weight(patient: &str) -> Value {
    let mut weight = observation(patient);
    weight["code"] = json!({"coding": [{"system": "http://loinc.org", "code": "29463-7"}]});
    weight["valueInteger"] = json!(70);
    weight
}

/// Method, URL and perhaps a resource.
pub type BundleEntry<'e> = (&'e str, &'e str, Option<Value>);

/// A Bundle of this type (`transaction` or `batch`), each entry a method, a URL and perhaps a resource. A resource's
/// `fullUrl` is the `urn:uuid:` in its `id`, if it has such a one.
///
/// # Panics
/// A resource is no JSON object.
pub fn bundle(kind: &str, entries: &[BundleEntry<'_>]) -> Value {
    let entries: Vec<Value> = entries
        .iter()
        .map(|(method, url, resource)| {
            let mut entry = json!({"request": {"method": method, "url": url}});
            if let Some(mut resource) = resource.clone() {
                if resource["id"].as_str().is_some_and(|id| id.starts_with("urn:uuid:")) {
                    entry["fullUrl"] = resource["id"].take();
                    resource.as_object_mut().expect("a resource is an object").shift_remove("id");
                }
                entry["resource"] = resource;
            }
            entry
        })
        .collect();
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

/// `Type/id`, or the id itself where it is an address already.
fn reference(resource_type: &str, id: &str) -> String {
    if id.starts_with("urn:uuid:") { id.to_owned() } else { format!("{resource_type}/{id}") }
}
