//! Questions that may write: to what is hidden, beside it, and with references to it.
//!
//! What the viewer may write goes into its own record (`@Own.Patient@`), under a mark that nothing asks for.

use reqwest::Method;
use serde_json::{Value, json};

use crate::capabilities::Capabilities;
use crate::client::Request;
use crate::criteria::{is_made, own, targets};
use crate::samples::{consent, provision, sample};

/// Elements of a resource that may refer to something hidden while the resource itself is the viewer's: type, element, target.
const REFERENCES: &[(&str, &str, &str)] = &[
    ("Observation", "/focus/0", "Patient"),
    ("Observation", "/encounter", "Encounter"),
    ("Observation", "/basedOn/0", "ServiceRequest"),
    ("Observation", "/hasMember/0", "Observation"),
    ("Condition", "/encounter", "Encounter"),
    ("Encounter", "/episodeOfCare/0", "EpisodeOfCare"),
    ("Encounter", "/basedOn/0", "ServiceRequest"),
    ("Encounter", "/partOf", "Encounter"),
    ("ServiceRequest", "/supportingInfo/0", "Observation"),
    ("ServiceRequest", "/replaces/0", "ServiceRequest"),
    ("ServiceRequest", "/reasonReference/0", "Condition"),
    ("Task", "/focus", "ServiceRequest"),
    ("Task", "/basedOn/0", "ServiceRequest"),
    ("Task", "/partOf/0", "Task"),
    ("Communication", "/about/0", "Observation"),
    ("Communication", "/inResponseTo/0", "Communication"),
    ("QuestionnaireResponse", "/basedOn/0", "ServiceRequest"),
    ("DocumentReference", "/author/0", "Patient"),
    ("CareTeam", "/encounter", "Encounter"),
    ("Coverage", "/policyHolder", "Patient"),
    ("Group", "/member/0/entity", "Patient"),
    ("Binary", "/securityContext", "DocumentReference"),
    ("Binary", "/securityContext", "Consent"),
    ("Provenance", "/target/0", "Consent"),
    ("Provenance", "/target/0", "Observation"),
    ("Patient", "/link/0/other", "Patient"),
    ("ClaimResponse", "/request", "Claim"),
    ("Consent", "/sourceReference", "DocumentReference"),
    ("EpisodeOfCare", "/team/0", "CareTeam"),
];

fn own_sample(name: &str) -> Option<Value> {
    let resource = if name == "Consent" { hidden_consent("inactive") } else { sample(name)? };
    let text = resource.to_string().replace("Patient/@Patient@", "Patient/@Own.Patient@").replace("@mark@", "own");
    serde_json::from_str(&text).ok()
}

fn hidden_consent(status: &str) -> Value {
    consent(status, &provision("permit", "@viewer@", "TREAT"))
}

/// The data of the hidden resource itself, as if the viewer knew it.
fn hidden(name: &str) -> Value {
    let mut resource = if name == "Consent" { hidden_consent("active") } else { sample(name).unwrap_or_default() };
    resource["id"] = json!(format!("@{name}@"));
    resource
}

fn of_each(capabilities: &Capabilities, requests: impl Fn(&str) -> Vec<Request>) -> Vec<Request> {
    targets(capabilities).into_iter().flat_map(requests).collect()
}

fn tags(name: &str) -> [Option<String>; 4] {
    [None, Some(format!("W/\"@{name}.version@\"")), Some("W/\"1\"".to_owned()), Some("*".to_owned())]
}

fn tagged(request: Request, tag: Option<String>) -> Request {
    match tag {
        Some(tag) => request.with("if-match", tag),
        None => request,
    }
}

/// `PUT [type]/[id]`, with the true version and others, and with what it might become.
pub fn update(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let mut changed = hidden(name);
        changed["status"] = json!(if name == "Consent" { "inactive" } else { "entered-in-error" });
        let mut moved: Value = own_sample(name).unwrap_or_default();
        moved["id"] = json!(format!("@{name}@"));
        let mut requests = Vec::new();
        for body in [hidden(name), changed, moved] {
            let request = Request::new(Method::PUT, format!("{name}/@{name}@")).with_body(&body);
            requests.extend(tags(name).into_iter().map(|tag| tagged(request.clone(), tag)));
            requests.push(request.with("prefer", "return=minimal"));
        }
        requests
    })
}

/// `$validate`, which writes nothing: of what is hidden, of its data, and of what refers to it.
pub fn validations(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let (instance, of_type) = (format!("{name}/@{name}@/$validate"), format!("{name}/$validate"));
        let around = |mode: &str, resource: Option<Value>| {
            let mut parameters = vec![json!({"name": "mode", "valueCode": mode})];
            parameters.extend(resource.map(|resource| json!({"name": "resource", "resource": resource})));
            json!({"resourceType": "Parameters", "parameter": parameters})
        };
        let mut requests = vec![
            Request::post(&instance, &hidden(name)),
            Request::post(&of_type, &hidden(name)),
            Request::post("$validate", &hidden(name)),
            Request::post(&instance, &around("delete", None)),
        ];
        for mode in ["create", "update", "delete", "profile"] {
            requests.push(Request::post(&instance, &around(mode, Some(hidden(name)))));
            requests.push(Request::post(&of_type, &around(mode, Some(hidden(name)))));
        }
        for (of, pointer, target) in REFERENCES.iter().filter(|(of, ..)| *of == name) {
            let mut resource = own_sample(of).unwrap_or_default();
            put_at(&mut resource, pointer, json!({"reference": format!("{target}/@{target}@")}));
            requests.push(Request::post(&of_type, &resource));
        }
        requests
    })
}

/// `PATCH [type]/[id]`
pub fn patch(capabilities: &Capabilities) -> Vec<Request> {
    let patches = [
        ("application/json-patch+json", r#"[{"op":"test","path":"/id","value":"x"}]"#),
        ("application/json-patch+json", r#"[{"op":"replace","path":"/status","value":"inactive"}]"#),
        ("application/fhir+json", r#"{"resourceType":"Parameters"}"#),
    ];
    of_each(capabilities, |name| {
        let mut requests = Vec::new();
        for (media_type, patch) in patches {
            let mut request = Request::new(Method::PATCH, format!("{name}/@{name}@")).with("content-type", media_type);
            request.body = Some(patch.to_owned());
            requests.extend(tags(name).into_iter().map(|tag| tagged(request.clone(), tag)));
        }
        requests
    })
}

/// `DELETE [type]/[id]`
pub fn delete(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let request = Request::new(Method::DELETE, format!("{name}/@{name}@"));
        tags(name).into_iter().map(|tag| tagged(request.clone(), tag)).collect()
    })
}

/// What is wrong in itself, sent to what is hidden.
pub fn malformed(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let address = format!("{name}/@{name}@");
        let mut other_id = hidden(name);
        other_id["id"] = json!("other");
        let mut unknown = hidden(name);
        unknown["unknownElement"] = json!("x");
        let other_type = json!({"resourceType": "Basic", "id": format!("@{name}@"), "code": {"text": "x"}});
        let put = || Request::new(Method::PUT, &address);
        let raw = |body: &str| Request { body: Some(body.to_owned()), ..put() };
        vec![
            put(),
            raw("{"),
            raw("[]"),
            raw("{\"resourceType\":\"\"}"),
            put().with_body(&other_id),
            put().with_body(&unknown),
            put().with_body(&other_type),
            put().with_body(&hidden(name)).with("content-type", "text/plain"),
            put().with_body(&hidden(name)).with("if-match", ""),
            put().with_body(&hidden(name)).with("if-match", "nonsense"),
            put().with_body(&hidden(name)).with("if-none-match", "*"),
        ]
    })
}

/// Writes as entries of a batch and of a transaction, alone and beside one that may pass.
pub fn in_bundle(capabilities: &Capabilities) -> Vec<Request> {
    let fine = json!({"request": {"method": "POST", "url": "Patient"}, "resource": own_sample("Patient")});
    of_each(capabilities, |name| {
        let address = format!("{name}/@{name}@");
        let tag = format!("W/\"@{name}.version@\"");
        let mut child = sample("Observation").unwrap_or_default();
        child["basedOn"] = json!([{"reference": address}]);
        let entries = [
            json!({"request": {"method": "PUT", "url": address}, "resource": hidden(name)}),
            json!({"request": {"method": "PUT", "url": address, "ifMatch": tag}, "resource": hidden(name)}),
            json!({"request": {"method": "DELETE", "url": address}}),
            json!({"request": {"method": "DELETE", "url": address, "ifMatch": tag}}),
            json!({"request": {"method": "PATCH", "url": address}, "resource": {"resourceType": "Parameters"}}),
            json!({"request": {"method": "PATCH", "url": address, "ifMatch": tag}, "resource": json_patch()}),
            json!({"request": {"method": "PATCH", "url": format!("{name}?_id=@{name}@")}, "resource": json_patch()}),
            json!({"request": {"method": "DELETE", "url": format!("{name}?_id=@{name}@")}}),
            json!({"request": {"method": "POST", "url": "Observation"}, "resource": child}),
            json!({"request": {"method": "GET", "url": address, "ifNoneMatch": tag}}),
            json!({"request": {"method": "POST", "url": name, "ifNoneExist": format!("_id=@{name}@")},
                "resource": own_sample(name)}),
        ];
        let bundle = |kind: &str, entries: Vec<Value>| {
            Request::post("", &json!({"resourceType": "Bundle", "type": kind, "entry": entries}))
        };
        let mut requests = vec![bundle("batch", entries.to_vec())];
        for entry in entries {
            requests.push(bundle("transaction", vec![entry.clone()]));
            requests.push(bundle("transaction", vec![fine.clone(), entry]));
        }
        requests
    })
}

/// A JSON Patch as entries of Bundles carry it: a test of something that no resource says.
fn json_patch() -> Value {
    // [{"op":"test","path":"/id","value":"x"}]
    let data = "W3sib3AiOiJ0ZXN0IiwicGF0aCI6Ii9pZCIsInZhbHVlIjoieCJ9XQ==";
    json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data})
}

/// Transactions whose references are resolved by criteria that only the twin fulfils.
pub fn conditional_reference(capabilities: &Capabilities) -> Vec<Request> {
    conditions(capabilities, |name, condition| {
        let mut resource = own_sample("Observation")?;
        resource["focus"] = json!([{"reference": format!("{name}?{condition}")}]);
        let entry = json!({"request": {"method": "POST", "url": "Observation"}, "resource": resource});
        Some(Request::post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})))
    })
}

/// `POST [type]` with `If-None-Exist`: criteria that only the twin fulfils.
pub fn conditional_create(capabilities: &Capabilities) -> Vec<Request> {
    conditions(capabilities, |name, condition| {
        let body = own_sample(name)?;
        Some(Request::post(name, &body).with("if-none-exist", condition))
    })
}

/// `PUT` and `PATCH [type]?…`
pub fn conditional_update(capabilities: &Capabilities) -> Vec<Request> {
    let mut requests = conditions(capabilities, |name, condition| {
        Some(Request::new(Method::PUT, format!("{name}?{condition}")).with_body(&own_sample(name)?))
    });
    requests.extend(conditions(capabilities, |name, condition| {
        let request = Request::new(Method::PATCH, format!("{name}?{condition}"));
        Some(Request { body: Some("[]".to_owned()), ..request.with("content-type", "application/json-patch+json") })
    }));
    // As if the viewer knew the id.
    requests.extend(conditions(capabilities, |name, condition| {
        Some(Request::new(Method::PUT, format!("{name}?{condition}")).with_body(&hidden(name)))
    }));
    requests
}

/// `DELETE [type]?…`
pub fn conditional_delete(capabilities: &Capabilities) -> Vec<Request> {
    conditions(capabilities, |name, condition| Some(Request::new(Method::DELETE, format!("{name}?{condition}"))))
}

fn conditions(capabilities: &Capabilities, request: impl Fn(&str, &str) -> Option<Request>) -> Vec<Request> {
    let mut requests = Vec::new();
    for served in capabilities.types.iter().filter(|served| is_made(&served.name)) {
        // `:not` is fulfilled by what the viewer itself has, and so by what earlier questions made.
        let own = own(capabilities, served).into_iter().filter(|condition| !condition.contains(":not="));
        requests.extend(own.filter_map(|condition| request(&served.name, &condition)));
    }
    requests
}

/// New resources for a hidden record.
pub fn owner_reference(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let resource = if name == "Consent" { hidden_consent("active") } else { sample(name).unwrap_or_default() };
        let unmarked = resource.to_string().replace("@mark@", "own");
        let post = |body: String| Request { body: Some(body), ..Request::new(Method::POST, name) };
        let ways = ["Patient/@Patient@", "Patient/@Patient@/_history/@Patient.version@", "RelatedPerson/@Patient@"];
        let mut requests: Vec<Request> =
            ways.iter().map(|way| post(unmarked.replace("Patient/@Patient@", way))).collect();
        requests.push(post(unmarked.clone()).with("prefer", "return=minimal"));
        requests.push(post(unmarked).with("prefer", "return=OperationOutcome"));
        requests
    })
}

/// New resources of the viewer's own that refer to what is hidden.
pub fn other_reference(capabilities: &Capabilities) -> Vec<Request> {
    let mut requests = Vec::new();
    for (name, element, target) in REFERENCES {
        let Some(mut resource) = capabilities.served(name).and_then(|_| own_sample(name)) else { continue };
        put_at(&mut resource, element, json!({"reference": format!("{target}/@{target}@")}));
        if *name == "Patient" {
            resource["link"][0]["type"] = json!("seealso");
        }
        requests.push(Request::post(*name, &resource));
    }
    for name in targets(capabilities) {
        let Some(mut resource) = own_sample(name).filter(|_| name != "Binary") else { continue };
        for target in targets(capabilities) {
            let reference = json!({"reference": format!("{target}/@{target}@")});
            resource["extension"] = json!([{"url": "https://leak-kit.example/refers", "valueReference": reference}]);
            requests.push(Request::post(name, &resource));
        }
    }
    requests
}

/// Puts a value at a pointer, making what leads to it.
fn put_at(resource: &mut Value, pointer: &str, value: Value) {
    let mut at = resource;
    for part in pointer.split('/').skip(1) {
        at = if part == "0" {
            if !at.is_array() {
                *at = json!([null]);
            }
            &mut at[0]
        } else {
            &mut at[part]
        };
    }
    *at = value;
}

/// Updates of the viewer's own resources that would move them into a hidden record, or refer to it.
pub fn moves(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        if name == "Consent" || name == "Patient" {
            return Vec::new();
        }
        let mut resource = sample(name).unwrap_or_default();
        resource["id"] = json!(format!("@Own.{name}@"));
        let body = resource.to_string().replace("@mark@", "own");
        let request = Request { body: Some(body), ..Request::new(Method::PUT, format!("{name}/@Own.{name}@")) };
        vec![request.clone(), request.with("if-match", "W/\"1\"")]
    })
}

/// New resources of the viewer's own with an identifier that a twin has.
pub fn duplicates(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let Some(resource) = sample(name) else { return Vec::new() };
        let body = resource.to_string().replace("Patient/@Patient@", "Patient/@Own.Patient@");
        vec![Request { body: Some(body), ..Request::new(Method::POST, name) }]
    })
}
