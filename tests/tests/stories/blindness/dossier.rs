//! One record that is hidden from a caller, and every way to ask for it and for what never was.

use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::resources::{bundle, consent, encounter, observation, patient, permit, service_request};

/// The types of a dossier that is asked for, with the parameter that leads from its Patient to it.
const TYPES: [(&str, &str); 5] = [
    ("Patient", "_id"),
    ("ServiceRequest", "patient"),
    ("Encounter", "subject"),
    ("Consent", "patient"),
    ("Observation", "subject"),
];

/// The resources of one record, by type, each as its custodian last read it; and ids of the same form that never were.
pub(super) struct Dossier {
    resources: Vec<Value>,
    etags: Vec<String>,
    /// Hidden and never-existing id, in pairs.
    ids: Vec<(String, String)>,
}

impl Dossier {
    /// Reads what there is, as somebody who may.
    pub(super) async fn read(custodian: &Caller<'_>, patient: &str) -> Self {
        let mut dossier = Self { resources: Vec::new(), etags: Vec::new(), ids: Vec::new() };
        for (resource_type, parameter) in TYPES {
            let found = custodian.search(format!("{resource_type}?{parameter}={patient}")).await;
            let resource = found.first().unwrap_or_else(|| panic!("a dossier has a {resource_type}")).clone();
            let id = resource["id"].as_str().expect("an id").to_owned();
            dossier.etags.push(format!("W/\"{}\"", resource["meta"]["versionId"].as_str().expect("a version")));
            dossier.ids.push((id.clone(), never(&id)));
            dossier.resources.push(resource);
        }
        dossier
    }

    /// The text with every hidden id replaced by one that never was.
    fn never(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (hidden, never)| text.replace(hidden, never))
    }

    /// The text with the ids of both kinds replaced by the same name.
    fn alike(&self, text: &str) -> String {
        let name = |n: usize| format!("<id {n}>");
        let replace = |text: String, (n, (hidden, never)): (usize, &(String, String))| {
            text.replace(hidden, &name(n)).replace(never, &name(n))
        };
        self.ids.iter().enumerate().fold(text.to_owned(), replace)
    }

    pub(super) fn id(&self, resource_type: &str) -> &str {
        let n = TYPES.iter().position(|(name, _)| *name == resource_type).expect("one of the types");
        &self.ids[n].0
    }
}

/// Another id of the very same form: its last digit but one is another.
pub(super) fn never(id: &str) -> String {
    let at = id.len() - 2;
    let other = if &id[at..=at] == "0" { "1" } else { "0" };
    format!("{}{other}{}", &id[..at], &id[at + 1..])
}

/// One question.
pub(super) struct Probe {
    pub(super) name: String,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

impl Probe {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { name: format!("{method} {path}"), method, path, headers: Vec::new(), body: None }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.name = format!("{} with {name}", self.name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn body(mut self, body: &Value) -> Self {
        self.name = format!("{} of a {}", self.name, body["resourceType"].as_str().unwrap_or_default());
        self.body = Some(body.to_string());
        self
    }

    pub(super) async fn ask(&self, caller: &Caller<'_>, rewrite: impl Fn(&str) -> String) -> Answer {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = self.body.as_deref().map(|body| rewrite(body).into_bytes());
        caller.send(self.method.clone(), &rewrite(&self.path), &headers, body).await
    }
}

/// Every way to ask for a dossier.
fn probes(dossier: &Dossier) -> Vec<Probe> {
    let mut probes = Vec::new();
    let patient = dossier.id("Patient");
    for ((resource, etag), (resource_type, parameter)) in dossier.resources.iter().zip(&dossier.etags).zip(TYPES) {
        let id = resource["id"].as_str().expect("an id");
        let address = format!("{resource_type}/{id}");
        let version = etag.trim_start_matches("W/").trim_matches('"');
        let mut inactive = resource.clone();
        inactive["status"] = json!("inactive");
        probes.extend([
            Probe::get(&address),
            Probe::get(&address).with("if-none-match", etag),
            Probe::get(format!("{address}/_history")),
            Probe::get(format!("{address}/_history/{version}")),
            Probe::get(format!("{resource_type}?_id={id}&_total=accurate")),
            Probe::get(format!("{resource_type}?_id={id}&_summary=count")),
            Probe::get(format!("{resource_type}?{parameter}={patient}&_total=accurate&_sort=-_lastUpdated")),
            Probe::new(Method::POST, format!("{resource_type}/_search?_id={id}"))
                .with("content-type", "application/x-www-form-urlencoded"),
            Probe::new(Method::PUT, &address).body(resource),
            Probe::new(Method::PUT, &address).body(resource).with("if-match", etag),
            Probe::new(Method::PUT, &address).body(resource).with("if-match", "W/\"1\""),
            Probe::new(Method::DELETE, &address),
            Probe::new(Method::DELETE, &address).with("if-match", etag),
            Probe::new(Method::PATCH, &address),
        ]);
        let entries = [
            ("GET", address.as_str(), None),
            ("PUT", address.as_str(), Some(resource.clone())),
            ("DELETE", address.as_str(), None),
            ("GET", "Patient?_id=replaced", None),
        ];
        probes.push(Probe::new(Method::POST, "").body(&bundle("batch", &entries)));
        for n in 0..3 {
            probes.push(Probe::new(Method::POST, "").body(&bundle("transaction", &entries[n..=n])));
        }
    }
    for name in ["patient", "entity"] {
        probes.push(Probe::get(format!("AuditEvent?{name}=Patient/{patient}&_total=accurate")));
    }
    for query in [
        format!("Task?patient={patient}&_total=accurate"),
        format!("Task?subject=Patient/{patient}&_total=accurate"),
        format!("Task?focus=ServiceRequest/{}&_total=accurate", dossier.id("ServiceRequest")),
        format!("Communication?subject=Patient/{patient}&_total=accurate"),
        format!("Patient/{patient}/$everything"),
        format!("Encounter?subject:Patient={patient}"),
    ] {
        probes.push(Probe::get(query));
    }
    probes.extend(references(dossier).iter().map(|resource| {
        let resource_type = resource["resourceType"].as_str().expect("a type");
        Probe::new(Method::POST, resource_type).body(resource)
    }));
    probes
}

/// New resources that refer to what is hidden, by the references that say where a resource belongs.
fn references(dossier: &Dossier) -> Vec<Value> {
    let (patient, order) = (dossier.id("Patient"), dossier.id("ServiceRequest"));
    vec![
        encounter(patient),
        observation(patient),
        service_request(patient, ""),
        service_request(patient, "Organization/cgg-2"),
        consent(patient, &permit(&["gp-1"])),
        json!({"resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": format!("Patient/{patient}")},
            "focus": {"reference": format!("ServiceRequest/{order}")}, "owner": {"reference": "Organization/cgg-2"}}),
        json!({"resourceType": "Binary", "contentType": "text/plain", "securityContext": {"reference": format!("ServiceRequest/{order}")}}),
        json!({"resourceType": "Provenance", "target": [{"reference": format!("Consent/{}", dossier.id("Consent"))}],
            "recorded": "2026-03-01T12:00:00Z", "agent": [{"who": {"reference": "Organization/elp-1"}}]}),
    ]
}

/// Asks everything twice, for what is hidden and for what never was, and holds the answers and the trail together.
pub(super) async fn is_blind(caller: &Caller<'_>, dossier: &Dossier) {
    let name = caller.organization();
    for probe in probes(dossier) {
        let hidden = probe.ask(caller, str::to_owned).await;
        let never = probe.ask(caller, |text| dossier.never(text)).await;
        assert_eq!(dossier.alike(&hidden.told()), dossier.alike(&never.told()), "{name}: {}", probe.name);
        assert!(hidden.status != 500 && hidden.status != 503, "{name}: {}: {hidden}", probe.name);
        for (resource_type, _) in TYPES {
            assert!(
                !hidden.bytes.starts_with(format!("{{\"resourceType\":\"{resource_type}\"").as_bytes()),
                "{name}: {}",
                probe.name
            );
        }
    }
    a_conditional_create_meets_nothing(caller, dossier).await;
    nothing_is_listed(caller, dossier).await;
    the_own_trail_is_alike(caller, dossier).await;
}

/// A condition that only the hidden resource fulfils is fulfilled by nothing.
async fn a_conditional_create_meets_nothing(caller: &Caller<'_>, dossier: &Dossier) {
    let id = dossier.id("Patient");
    for condition in [format!("_id={id}"), format!("identifier=TEST-0001&_id={id}")] {
        let mut another = patient();
        another["identifier"][0]["value"] = json!("TEST-ANOTHER");
        let created = caller.post_with("Patient", &another, &[("if-none-exist", &condition)]).await.expect(201);
        assert_ne!(created.id(), id);
    }
}

/// No list, feed or count holds anything of it.
async fn nothing_is_listed(caller: &Caller<'_>, dossier: &Dossier) {
    for (resource_type, _) in TYPES {
        for path in [format!("{resource_type}?_count=500"), format!("{resource_type}/_history?_count=500")] {
            let listed = caller.get(&path).await.expect(200);
            let text = String::from_utf8_lossy(&listed.bytes).into_owned();
            for (hidden, _) in &dossier.ids {
                assert!(!text.contains(hidden), "{} finds {hidden} by {path}", caller.organization());
            }
            assert!(!text.contains("TEST-REASON"), "{} finds its content by {path}", caller.organization());
        }
    }
}

/// What the caller reads of its own doings does not tell the two apart either.
async fn the_own_trail_is_alike(caller: &Caller<'_>, dossier: &Dossier) {
    let events = caller.search("AuditEvent?outcome=8&_count=500").await;
    let about = |id: &str| -> Vec<String> {
        let mut told: Vec<String> =
            events.iter().filter(|event| event["entity"].to_string().contains(id)).map(essence).collect();
        told.sort();
        told
    };
    for (hidden, never) in &dossier.ids {
        let (of_hidden, of_never) = (about(hidden), about(never));
        assert!(!of_never.is_empty(), "refusals are recorded");
        let alike = |told: Vec<String>| told.iter().map(|text| dossier.alike(text)).collect::<Vec<_>>();
        assert_eq!(alike(of_hidden), alike(of_never), "{}'s own trail", caller.organization());
    }
}

/// An event without what is its own: id, times and the request.
fn essence(event: &Value) -> String {
    let entities: Vec<&Value> = event["entity"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entity| entity["type"]["code"] != "XrequestId")
        .collect();
    json!([event["subtype"], event["action"], event["outcome"], event["outcomeDesc"], event["agent"], entities])
        .to_string()
}
