//! Invisible means non-existent: by no route does an answer tell a hidden resource from one that never was.

use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::{Referral, bring, forward, place, refusals};
use wellgate_tests::resources::{bundle, consent, encounter, observation, patient, permit, service_request};
use wellgate_tests::stories;

/// The types of a dossier that is asked for, with the parameter that leads from its Patient to it.
const TYPES: [(&str, &str); 5] = [
    ("Patient", "_id"),
    ("ServiceRequest", "patient"),
    ("Encounter", "subject"),
    ("Consent", "patient"),
    ("Observation", "subject"),
];

/// The resources of one record, by type, each as its custodian last read it; and ids of the same form that never were.
struct Dossier {
    resources: Vec<Value>,
    etags: Vec<String>,
    /// Hidden and never-existing id, in pairs.
    ids: Vec<(String, String)>,
}

impl Dossier {
    /// Reads what there is, as somebody who may.
    async fn read(custodian: &Caller<'_>, patient: &str) -> Self {
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

    fn id(&self, resource_type: &str) -> &str {
        let n = TYPES.iter().position(|(name, _)| *name == resource_type).expect("one of the types");
        &self.ids[n].0
    }
}

/// Another id of the very same form: its last digit but one is another.
fn never(id: &str) -> String {
    let at = id.len() - 2;
    let other = if &id[at..=at] == "0" { "1" } else { "0" };
    format!("{}{other}{}", &id[..at], &id[at + 1..])
}

/// One question.
struct Probe {
    name: String,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

impl Probe {
    fn new(method: Method, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { name: format!("{method} {path}"), method, path, headers: Vec::new(), body: None }
    }

    fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.name = format!("{} with {name}", self.name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn body(mut self, body: &Value) -> Self {
        self.name = format!("{} of a {}", self.name, body["resourceType"].as_str().unwrap_or_default());
        self.body = Some(body.to_string());
        self
    }

    async fn ask(&self, caller: &Caller<'_>, rewrite: impl Fn(&str) -> String) -> Answer {
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
async fn is_blind(caller: &Caller<'_>, dossier: &Dossier) {
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

/// A dossier with something of every type that goes from edpbw-a to elp-1 under a Consent that names them all.
async fn picked_up(gateway: &Gateway) -> Referral {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let consent = edpbw.create(&consent(&person, &permit(&["edpbw-a", "elp-1", "cgg-1"]))).await;
    edpbw.create(&observation(&person)).await;
    edpbw.create(&encounter(&person)).await;
    let order = edpbw.create(&service_request(&person, "Organization/elp-1")).await;
    let elp = gateway.as_("elp-1");
    let waiting = elp.search("Task?status=requested").await;
    let task = waiting[0]["id"].as_str().expect("an id").to_owned();
    bring(&elp, &task, "accepted").await.expect(200);
    Referral { patient: person, consent, order, task }
}

async fn a_released_sender_is_told_what_is_told_of_ids_that_never_were(gateway: Gateway) {
    let placed = picked_up(&gateway).await;
    let dossier = Dossier::read(&gateway.as_("elp-1"), &placed.patient).await;
    is_blind(&gateway.as_("edpbw-a"), &dossier).await;
}

async fn a_forwarder_is_blind_from_the_forward_on_and_after_its_pick_up(gateway: Gateway) {
    let placed = picked_up(&gateway).await;
    let [elp, cgg] = ["elp-1", "cgg-1"].map(|id| gateway.as_(id));
    let dossier = Dossier::read(&elp, &placed.patient).await;
    let forwarded = forward(&elp, &placed, "Organization/cgg-1").await;
    is_blind(&elp, &dossier).await;
    bring(&cgg, &forwarded.task, "accepted").await.expect(200);
    let dossier = Dossier::read(&cgg, &placed.patient).await;
    is_blind(&elp, &dossier).await;
    is_blind(&gateway.as_("edpbw-a"), &dossier).await;
}

async fn strangers_are_blind(gateway: Gateway) {
    let placed = picked_up(&gateway).await;
    let dossier = Dossier::read(&gateway.as_("elp-1"), &placed.patient).await;
    for stranger in ["gp-1", "elp-2", "edpbw-b"] {
        is_blind(&gateway.as_(stranger), &dossier).await;
    }
    is_blind(&gateway.as_("cgg-1").for_purpose("HPAYMT"), &dossier).await;
}

async fn those_who_wait_for_a_pick_up_are_blind_for_all_but_the_task(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    edpbw.create(&consent(&person, &permit(&["elp-1", "elp-2"]))).await;
    edpbw.create(&observation(&person)).await;
    edpbw.create(&encounter(&person)).await;
    let order = edpbw.create(&service_request(&person, "")).await;
    let dossier = Dossier::read(&edpbw, &person).await;
    let mut placed = edpbw.get(format!("ServiceRequest/{order}")).await.expect(200).json;
    placed["performer"] = json!([{"reference": "HealthcareService/elp-pool"}]);
    edpbw.put(format!("ServiceRequest/{order}"), &placed).await.expect(200);
    for blind in ["elp-1", "elp-2", "edpbw-a"] {
        is_blind(&gateway.as_(blind), &dossier).await;
    }
}

async fn a_waiting_task_shows_coded_facts_and_leads_nowhere(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1", "elp-2"], "HealthcareService/elp-pool").await;
    let elp = gateway.as_("elp-1");
    let address = format!("Task/{}", placed.task);
    let seen = elp.get(&address).await.expect(200);
    let members: Vec<&str> = seen.json.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut sorted = members.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        ["authoredOn", "code", "id", "input", "intent", "meta", "owner", "resourceType", "restriction", "status"]
    );
    let facts: Vec<(&str, &str)> = seen.json["input"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|input| {
            (
                input["type"]["coding"][0]["code"].as_str().unwrap_or_default(),
                input["valueCode"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        facts,
        [("age-band", "25-44"), ("region", "BE-VOV"), ("care-step", "elp"), ("urgency", "urgent"), ("language", "nl")]
    );
    let version = seen.json["meta"]["versionId"].as_str().expect("a version");
    for path in [
        address.clone(),
        format!("{address}/_history"),
        format!("{address}/_history/{version}"),
        "Task".to_owned(),
        "Task/_history".to_owned(),
        format!("Task?_id={}", placed.task),
    ] {
        let text = String::from_utf8_lossy(&elp.get(&path).await.expect(200).bytes).into_owned();
        assert!(text.contains(&placed.task), "{path} shows the Task");
        for secret in [
            "TEST-",
            "Testpersoon",
            "1990",
            "9000",
            "Gent",
            &placed.patient,
            "edpbw-a",
            "\"focus\"",
            "\"for\"",
            "ServiceRequest",
        ] {
            assert!(!text.contains(secret), "{path} holds {secret}: {text}");
        }
    }
}

async fn a_waiting_task_is_found_by_nothing_that_it_does_not_show(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1", "elp-2"], "HealthcareService/elp-pool").await;
    for blind in ["elp-1", "edpbw-a"] {
        let caller = gateway.as_(blind);
        for query in [
            format!("patient={}", placed.patient),
            format!("patient=Patient/{}", placed.patient),
            format!("subject=Patient/{}", placed.patient),
            format!("focus=ServiceRequest/{}", placed.order),
            format!("focus:ServiceRequest={}", placed.order),
            "requester=Organization/edpbw-a".to_owned(),
        ] {
            let found = caller.get(format!("Task?{query}&_total=accurate")).await.expect(200);
            assert_eq!((found.resources().len(), &found.json["total"]), (0, &json!(0)), "{blind}: {query}");
        }
    }
    assert_eq!(
        gateway.as_("elp-1").search("Task?owner=HealthcareService/elp-pool").await.len(),
        1,
        "by what it shows it is"
    );
}

async fn a_member_whom_the_patient_did_not_permit_never_learns_that_something_waits(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    let winner = gateway.as_("elp-1");
    let task = winner.get(format!("Task/{}", placed.task)).await.expect(200);
    let excluded = gateway.as_("elp-2");
    not_there(&excluded, &task).await;
    bring(&winner, &placed.task, "accepted").await.expect(200);
    not_there(&excluded, &task).await;
    // For another purpose than treatment, even a permitted member is a stranger.
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    let task = winner.get(format!("Task/{}", placed.task)).await.expect(200);
    not_there(&gateway.as_("elp-1").for_purpose("HPAYMT"), &task).await;
}

async fn not_there(caller: &Caller<'_>, task: &Answer) {
    let id = task.id();
    let (address, other) = (format!("Task/{id}"), never(&id));
    let mut wanted = task.json.clone();
    wanted["status"] = json!("accepted");
    let etag = task.etag();
    for probe in [
        Probe::get(&address),
        Probe::get(format!("{address}/_history")),
        Probe::get(format!("Task?_id={id}&_total=accurate")),
        Probe::new(Method::PUT, &address).body(&wanted),
        Probe::new(Method::PUT, &address).body(&wanted).with("if-match", &etag),
        Probe::new(Method::PUT, &address).body(&wanted).with("if-match", "W/\"1\""),
        Probe::new(Method::DELETE, &address),
        Probe::new(Method::POST, "").body(&bundle("transaction", &[("PUT", &address, Some(wanted.clone()))])),
    ] {
        let hidden = probe.ask(caller, str::to_owned).await;
        let never_was = probe.ask(caller, |text| text.replace(&id, &other)).await;
        assert_eq!(hidden.told().replace(&id, &other), never_was.told(), "{}", probe.name);
    }
}

async fn a_sender_keeps_the_status_and_no_more(gateway: Gateway) {
    let placed = picked_up(&gateway).await;
    let edpbw = gateway.as_("edpbw-a");
    for task in [&placed.task, &placed.order] {
        for path in [format!("Task/{task}"), format!("Task/{task}/_history")] {
            let text = String::from_utf8_lossy(&edpbw.get(&path).await.expect(200).bytes).into_owned();
            for secret in ["TEST-", &placed.patient, "\"focus\"", "\"for\""] {
                assert!(!text.contains(secret), "{path} holds {secret}: {text}");
            }
        }
    }
    assert_eq!(edpbw.get(format!("Task/{}", placed.order)).await.json["status"], "in-progress");
}

/// A refusal asks for a record whether or not there is what was asked for; what is none of it leaves nothing in its trail.
async fn an_id_under_another_type_is_none_of_the_record(gateway: Gateway) {
    let custodian = gateway.as_("edpbw-a");
    let person = custodian.create(&patient()).await;
    let stranger = gateway.as_("gp-1");
    for caller in [&custodian, &stranger] {
        let mut sent = observation(&person);
        for id in [person.clone(), never(&person)] {
            sent["id"] = json!(id);
            caller.get(format!("Observation/{id}")).await.expect(404);
            caller.put(format!("Observation/{id}"), &sent).await.expect(404);
            caller.delete(format!("Observation/{id}")).await.expect(404);
        }
        let recorded = refusals(caller, None).await;
        assert_eq!(recorded, ["not-found"; 6], "each is in the caller's own trail");
    }
    assert!(refusals(&custodian, Some(&person)).await.is_empty());
    // Of what is hidden both trails have each try, and the answers are the same.
    let mut sent = custodian.get(format!("Patient/{person}")).await.json;
    let put = stranger.put(format!("Patient/{person}"), &sent).await.expect(404);
    let deleted = stranger.delete(format!("Patient/{person}")).await.expect(404);
    sent["id"] = json!(never(&person));
    assert_eq!(put.told(), stranger.put(format!("Patient/{}", never(&person)), &sent).await.told());
    assert_eq!(deleted.told(), stranger.delete(format!("Patient/{}", never(&person))).await.told());
    assert_eq!(refusals(&custodian, Some(&person)).await, ["not-found"; 2]);
    assert_eq!(refusals(&stranger, None).await, ["not-found"; 10]);
}

stories!(
    an_id_under_another_type_is_none_of_the_record,
    a_released_sender_is_told_what_is_told_of_ids_that_never_were,
    a_forwarder_is_blind_from_the_forward_on_and_after_its_pick_up,
    strangers_are_blind,
    those_who_wait_for_a_pick_up_are_blind_for_all_but_the_task,
    a_waiting_task_shows_coded_facts_and_leads_nowhere,
    a_waiting_task_is_found_by_nothing_that_it_does_not_show,
    a_member_whom_the_patient_did_not_permit_never_learns_that_something_waits,
    a_sender_keeps_the_status_and_no_more,
);
