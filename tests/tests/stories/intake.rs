//! A referral that names nobody finds its waiting room, by every way that there is, and the national number is gone afterwards.

use gateway::config::CoPrevConfig;
use gateway::referral::intake::{destroy_numbers, end_old};
use gateway::registry::{put_organization, put_pool};
use gateway::sealed::write_receipts;
use gateway::storage::registry::{Organization, Pool};
use mappings::co_prev::Asker;
use mappings::identifiers::Cbe;
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::{DAY_MS, Gateway, NOW_MS, Options};
use wellgate_tests::partners::World;
use wellgate_tests::referral::{bring, organization_task};
use wellgate_tests::resources::{bundle, consent, patient, permit, service_request};
use wellgate_tests::stories;

const SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/intake";
const SSIN: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin";
/// Of the sandbox's Co-prev: one employment, two, none.
const ONE: &str = "90010199992";
const SEVERAL: &str = "90010399932";
const NONE: &str = "90010599969";
const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Co-prev is asked: by a worker, which is told where.
fn asking() -> Options {
    let settings = vec![
        ("WELLGATE_CO_PREV_URL", "http://127.0.0.1:9/co-prev/v1"),
        ("WELLGATE_CO_PREV_LEGAL_BASIS", "test"),
        ("WELLGATE_CO_PREV_CBE", "0000000592"),
    ];
    Options { settings, ..Options::default() }
}

/// Two prevention services by their numbers, and a pool of each kind in the province of the person.
async fn register(gateway: &Gateway) {
    let store = &gateway.app.store;
    for (id, kind) in [("edpbw-ovl", "edpbw"), ("elp-ovl", "elp"), ("cgg-ovl", "cgg")] {
        let [id, name, kind, region] = [id, id, kind, "BE-VOV"].map(str::to_owned);
        put_pool(store, &Pool { id, name, kind, region }, NOW_MS).await.expect("a pool is registered");
    }
    for (id, kind, cbe, pool) in [
        ("edpbw-a", "edpbw", Some("0000000196"), "edpbw-ovl"),
        ("edpbw-b", "edpbw", Some("0000000295"), ""),
        ("elp-1", "elp", None, "elp-ovl"),
        ("cgg-1", "cgg", None, "cgg-ovl"),
    ] {
        let [id, name, kind] = [id, id, kind].map(str::to_owned);
        let cbe = cbe.map(str::to_owned);
        let organization = Organization { id, name, kind, cbe, nihdi: None, active: true };
        let pools: Vec<String> = Some(pool).filter(|pool| !pool.is_empty()).map(str::to_owned).into_iter().collect();
        put_organization(store, &organization, &pools, NOW_MS).await.expect("an organisation is registered");
    }
    gateway.app.forget_registry();
}

/// An intake form, as it was sent.
struct Intake<'g> {
    gateway: &'g Gateway,
    world: World,
    patient: String,
    order: String,
    task: String,
}

fn input(code: &str, value: &str, content: &Value) -> Value {
    json!({"type": {"coding": [{"system": SYSTEM, "code": code}]}, value: content})
}

fn number(ssin: &str) -> Value {
    input("national-number", "valueIdentifier", &json!({"system": SSIN, "value": ssin}))
}

fn permits() -> Value {
    input("permits-lookup", "valueBoolean", &json!(true))
}

fn form(patient: &str, order: &str, inputs: &[Value]) -> Value {
    let mut form = json!({
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": SYSTEM, "code": "find-recipient"}]},
        "for": {"reference": patient},
        "focus": {"reference": order},
    });
    if !inputs.is_empty() {
        form["input"] = json!(inputs);
    }
    form
}

impl<'g> Intake<'g> {
    /// A general practice takes the form: one transaction, a Consent that permits these, and what the form says.
    async fn begin(gateway: &'g Gateway, permitted: &[&str], inputs: &[Value]) -> Self {
        register(gateway).await;
        let gp = gateway.as_("gp-1");
        let patient = gp.create(&patient()).await;
        gp.create(&consent(&patient, &permit(permitted))).await;
        let order = gp.create(&service_request(&patient, "")).await;
        let task = gp.create(&form(&format!("Patient/{patient}"), &format!("ServiceRequest/{order}"), inputs)).await;
        Self { gateway, world: World::start().await, patient, order, task }
    }

    fn gp(&self) -> Caller<'g> {
        self.gateway.as_("gp-1")
    }

    /// Status and code of the intake's Task.
    async fn stands(&self) -> (String, String) {
        let task = self.gp().get(format!("Task/{}", self.task)).await.expect(200).json;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert_eq!(task["businessStatus"]["coding"][0]["system"], SYSTEM);
        (text(&task["status"]), text(&task["businessStatus"]["coding"][0]["code"]))
    }

    async fn is(&self, status: &str, code: &str) {
        assert_eq!(self.stands().await, (status.to_owned(), code.to_owned()));
    }

    async fn round(&self) -> usize {
        let asker = Asker { legal_basis: "test".to_owned(), cbe: Cbe::parse("0000000592").expect("a number") };
        let purpose = "reintegration".to_owned();
        let worker = self.gateway.worker_asking(CoPrevConfig { url: self.world.url("co-prev"), asker, purpose });
        worker.round().await.expect("the database answers")
    }

    /// How many questions reached Co-prev.
    async fn asked(&self) -> usize {
        self.world.received("co-prev").await["messages"].as_array().map_or(0, Vec::len)
    }

    /// The practice writes its Task again, with these inputs.
    async fn again(&self, status: &str, inputs: &[Value]) -> Answer {
        let seen = self.gp().get(format!("Task/{}", self.task)).await.expect(200);
        let mut changed = seen.json.clone();
        changed["status"] = json!(status);
        changed.as_object_mut().expect("a resource").remove("input");
        if !inputs.is_empty() {
            changed["input"] = json!(inputs);
        }
        self.gp().put_with(format!("Task/{}", self.task), &changed, &[("if-match", &seen.etag())]).await
    }

    /// What waits for an organisation.
    async fn waits_for(&self, organization: &str) -> Vec<Value> {
        self.gateway.as_(organization).search("Task?status=requested".to_owned()).await
    }

    /// The number is nowhere any more: not shown, not in a version of before, not found.
    async fn number_is_gone(&self, ssin: &str) {
        destroy_numbers(&self.gateway.app).await.expect("the key store answers");
        write_receipts(&self.gateway.app).await.expect("the database answers");
        let history = self.gp().get(format!("Task/{}/_history", self.task)).await.expect(200);
        assert!(!history.json.to_string().contains(ssin), "{history}");
        assert!(history.json.to_string().contains("national-number"), "the form is there, without the number");
        assert!(!self.gateway.on_disk().contains(ssin));
        let scope = format!("organization/gp-1/Task/{}", self.task);
        let keys = self.gateway.app.store.destroy_keys(&scope, NOW_MS).await.expect("the key store answers");
        assert_eq!(keys, 0, "its key is destroyed already");
    }

    /// The acts in the trail of the record, as whoever holds it sees them.
    async fn trail(&self, custodian: &str) -> Vec<String> {
        let address = format!("AuditEvent?patient=Patient/{}&_count=500", self.patient);
        let events = self.gateway.as_(custodian).search(address).await;
        events.iter().rev().filter_map(|event| event["subtype"][0]["code"].as_str()).map(str::to_owned).collect()
    }
}

async fn one_employment_leads_to_its_prevention_service_and_the_number_is_destroyed(gateway: Gateway) {
    let rather = input("preference", "valueCode", &json!("psychosocial-adviser"));
    let intake = Intake::begin(&gateway, &["edpbw-a"], &[permits(), number(ONE), rather]).await;
    intake.is("in-progress", "look-up").await;
    assert!(intake.waits_for("edpbw-a").await.is_empty());
    assert_eq!(destroy_numbers(&gateway.app).await.expect("it answers"), 0, "it is still needed");
    assert_eq!(intake.round().await, 1);
    intake.is("completed", "employer").await;
    assert_eq!(intake.asked().await, 1);
    let waiting = intake.waits_for("edpbw-a").await;
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0]["input"].to_string().contains("psychosocial-adviser"), "{}", waiting[0]);
    assert!(!waiting[0].to_string().contains("Bakkerij"), "who employs somebody is nobody's business");
    intake.number_is_gone(ONE).await;
    // Whoever placed it is blind, and knows where it is by the order.
    intake.gp().get(format!("Patient/{}", intake.patient)).await.expect(404);
    intake.gp().get(format!("Task/{}", intake.order)).await.expect(200);
    let task = waiting[0]["id"].as_str().expect("it has one").to_owned();
    bring(&gateway.as_("edpbw-a"), &task, "accepted").await.expect(200);
    let acts = intake.trail("edpbw-a").await;
    for expected in ["intake-look-up", "place", "intake-employer", "intake-number-destroyed"] {
        assert!(acts.iter().any(|act| act == expected), "{expected} is not in {acts:?}");
    }
    gateway.as_("edpbw-a").get(format!("Task/{}", intake.task)).await.expect(404);
    let again = intake.again("requested", &[permits()]).await;
    assert_eq!(again.status, 422, "it has ended: {again}");
}

async fn of_several_employments_the_person_chooses_one(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["edpbw-a", "edpbw-b"], &[permits(), number(SEVERAL)]).await;
    assert_eq!(intake.round().await, 1);
    intake.is("on-hold", "several-employments").await;
    assert!(intake.waits_for("edpbw-a").await.is_empty() && intake.waits_for("edpbw-b").await.is_empty());
    intake.number_is_gone(SEVERAL).await;
    let task = intake.gp().get(format!("Task/{}", intake.task)).await.expect(200).json;
    let choices: Vec<&Value> = task["output"].as_array().expect("choices").iter().collect();
    assert_eq!(choices.len(), 2, "{task}");
    let printer = choices.iter().find(|one| one.to_string().contains("Drukkerij")).expect("it is offered");
    let chosen = |id: &Value| [permits(), input("chosen", "valueString", id)];
    intake.again("requested", &chosen(&json!("0000999999:x"))).await.expect(200);
    intake.is("on-hold", "several-employments").await;
    intake.again("requested", &chosen(&printer["valueCoding"]["code"])).await.expect(200);
    intake.is("completed", "chosen").await;
    assert_eq!((intake.waits_for("edpbw-a").await.len(), intake.waits_for("edpbw-b").await.len()), (0, 1));
    assert_eq!(intake.asked().await, 1, "nobody asked again");
}

async fn without_an_employment_it_goes_by_the_province(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["edpbw-a"], &[permits(), number(NONE)]).await;
    assert_eq!(intake.round().await, 1);
    intake.is("completed", "province").await;
    let waiting = intake.waits_for("edpbw-a").await;
    assert_eq!(waiting[0]["owner"]["reference"], "HealthcareService/edpbw-ovl", "{waiting:?}");
    intake.number_is_gone(NONE).await;
}

async fn for_the_self_employed_nothing_is_looked_up(gateway: Gateway) {
    let alone = input("self-employed", "valueBoolean", &json!(true));
    let intake = Intake::begin(&gateway, &["elp-1", "cgg-1"], &[alone.clone(), permits(), number(ONE)]).await;
    intake.is("on-hold", "step-open").await;
    intake.number_is_gone(ONE).await;
    let step = input("step", "valueCode", &json!("cgg"));
    intake.again("requested", &[alone, step]).await.expect(200);
    intake.is("completed", "self-employed").await;
    assert_eq!((intake.waits_for("elp-1").await.len(), intake.waits_for("cgg-1").await.len()), (0, 1));
    intake.round().await;
    assert_eq!(intake.asked().await, 0);
}

async fn while_co_prev_is_away_it_waits_and_then_goes_by_the_province(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["edpbw-a"], &[permits(), number(ONE)]).await;
    intake.world.fault("co-prev", json!({"fault": "down"})).await;
    for attempt in 1..=3 {
        intake.is("in-progress", "look-up").await;
        assert_eq!(intake.round().await, 1, "attempt {attempt}");
        gateway.advance(HOUR_MS);
    }
    intake.is("completed", "province-unanswered").await;
    assert_eq!(intake.waits_for("edpbw-a").await.len(), 1);
    intake.number_is_gone(ONE).await;
}

async fn an_answer_about_another_person_is_no_answer(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["edpbw-a", "edpbw-b"], &[permits(), number(ONE)]).await;
    intake.world.fault("co-prev", json!({"fault": "wrong-patient"})).await;
    intake.round().await;
    intake.is("in-progress", "look-up").await;
    gateway.advance(HOUR_MS);
    intake.round().await;
    intake.is("completed", "employer").await;
    assert_eq!((intake.waits_for("edpbw-a").await.len(), intake.waits_for("edpbw-b").await.len()), (1, 0));
}

async fn without_the_persons_permission_nothing_is_looked_up(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["edpbw-a"], &[number(ONE)]).await;
    intake.is("on-hold", "permission-refused").await;
    assert_eq!(intake.round().await, 0);
    assert_eq!(intake.asked().await, 0);
    assert!(intake.waits_for("edpbw-a").await.is_empty());
    intake.number_is_gone(ONE).await;
    let acts = intake.trail("gp-1").await;
    assert!(acts.iter().any(|act| act == "intake-permission-refused"), "{acts:?}");
    // Intake sees further by itself: it places the order where the person wants.
    let offer = json!({"resourceType": "Task", "status": "requested", "intent": "order",
        "for": {"reference": format!("Patient/{}", intake.patient)},
        "focus": {"reference": format!("ServiceRequest/{}", intake.order)}, "owner": {"reference": "Organization/edpbw-a"}});
    intake.gp().create(&offer).await;
    organization_task(&intake.gp(), &intake.order).await;
    assert_eq!(intake.waits_for("edpbw-a").await.len(), 1);
    // The record is in transit, and the intake is still whose it was.
    intake.again("cancelled", &[]).await.expect(200);
    destroy_numbers(&gateway.app).await.expect("it answers");
    assert_eq!(intake.again("requested", &[]).await.status, 422, "it has ended");
}

async fn for_an_order_that_is_revoked_nothing_is_asked_and_the_number_is_destroyed(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["edpbw-a"], &[permits(), number(ONE)]).await;
    let order = format!("ServiceRequest/{}", intake.order);
    let seen = intake.gp().get(&*order).await.expect(200);
    let mut revoked = seen.json.clone();
    revoked["status"] = json!("revoked");
    intake.gp().put_with(&*order, &revoked, &[("if-match", &seen.etag())]).await.expect(200);
    assert_eq!(intake.round().await, 1);
    assert_eq!(intake.asked().await, 0);
    intake.is("failed", "overtaken").await;
    intake.number_is_gone(ONE).await;
}

async fn a_number_that_is_corrected_is_another_question(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["edpbw-a"], &[permits(), number(SEVERAL)]).await;
    intake.round().await;
    intake.is("on-hold", "several-employments").await;
    intake.number_is_gone(SEVERAL).await;
    intake.again("requested", &[permits(), number(ONE)]).await.expect(200);
    intake.is("in-progress", "look-up").await;
    intake.round().await;
    intake.is("completed", "employer").await;
    intake.number_is_gone(ONE).await;
}

async fn with_its_task_an_intake_ends(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["edpbw-a"], &[permits(), number(ONE)]).await;
    intake.gp().delete(format!("Task/{}", intake.task)).await.expect(204);
    assert_eq!((intake.round().await, intake.asked().await), (0, 0));
    assert_eq!(destroy_numbers(&gateway.app).await.expect("it answers"), 1);
    assert!(!gateway.on_disk().contains(ONE));
}

async fn a_permission_that_is_taken_back_stops_the_question(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["edpbw-a"], &[permits(), number(ONE)]).await;
    intake.again("cancelled", &[number(ONE)]).await.expect(200);
    assert_eq!(intake.round().await, 0);
    assert_eq!(intake.asked().await, 0);
    intake.number_is_gone(ONE).await;
    assert!(intake.trail("gp-1").await.iter().any(|act| act == "intake-cancelled"));
}

async fn where_no_consent_allows_the_room_it_stays_with_intake_and_that_is_recorded(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["elp-1"], &[permits(), number(ONE)]).await;
    intake.round().await;
    intake.is("on-hold", "no-consent").await;
    assert!(intake.waits_for("edpbw-a").await.is_empty());
    intake.number_is_gone(ONE).await;
    let address = format!("AuditEvent?patient=Patient/{}&_count=500", intake.patient);
    let events = intake.gp().search(address).await;
    let refused =
        events.iter().any(|event| event["outcomeDesc"] == "no-consent" && event["subtype"][0]["code"] == "place");
    assert!(refused, "{events:?}");
    // The person agrees, and it is tried again by what was found before.
    intake.gp().create(&consent(&intake.patient, &permit(&["edpbw-a"]))).await;
    intake.again("requested", &[permits()]).await.expect(200);
    intake.is("completed", "employer").await;
    assert_eq!((intake.waits_for("edpbw-a").await.len(), intake.asked().await), (1, 1));
}

async fn a_room_found_at_once_that_no_consent_allows_is_refused_and_nothing_is_stored(gateway: Gateway) {
    register(&gateway).await;
    let gp = gateway.as_("gp-1");
    let patient = gp.create(&patient()).await;
    let order = gp.create(&service_request(&patient, "")).await;
    let alone = [input("self-employed", "valueBoolean", &json!(true)), input("step", "valueCode", &json!("elp"))];
    let form = form(&format!("Patient/{patient}"), &format!("ServiceRequest/{order}"), &alone);
    let refused = gp.post("Task", &form).await.expect(403);
    assert_eq!(refused.json["issue"][0]["details"]["coding"][0]["code"], "no-consent", "{refused}");
    assert!(gp.search("Task".to_owned()).await.is_empty());
    assert!(gateway.as_("elp-1").search("Task?status=requested".to_owned()).await.is_empty());
}

async fn after_its_days_it_fails_and_the_number_is_destroyed(gateway: Gateway) {
    let intake = Intake::begin(&gateway, &["edpbw-a"], &[permits(), number(ONE)]).await;
    gateway.advance(13 * DAY_MS);
    assert_eq!(end_old(&gateway.app).await.expect("it answers"), 0);
    gateway.advance(2 * DAY_MS);
    assert_eq!(end_old(&gateway.app).await.expect("it answers"), 1);
    intake.is("failed", "out-of-time").await;
    intake.number_is_gone(ONE).await;
    assert_eq!((intake.round().await, intake.asked().await), (0, 0));
    assert!(intake.trail("gp-1").await.iter().any(|act| act == "intake-out-of-time"));
}

async fn a_form_may_come_with_the_record_in_one_transaction(gateway: Gateway) {
    register(&gateway).await;
    let (person, order) =
        ("urn:uuid:10000000-0000-4000-8000-000000000001", "urn:uuid:10000000-0000-4000-8000-000000000002");
    let alone = [input("self-employed", "valueBoolean", &json!(true)), input("step", "valueCode", &json!("elp"))];
    let mut consent = consent("x", &permit(&["elp-1"]));
    consent["patient"]["reference"] = json!(person);
    consent["performer"][0]["reference"] = json!(person);
    let mut asked = service_request("x", "");
    asked["subject"]["reference"] = json!(person);
    let mut all = bundle(
        "transaction",
        &[
            ("POST", "Patient", Some(patient())),
            ("POST", "Consent", Some(consent)),
            ("POST", "ServiceRequest", Some(asked)),
            ("POST", "Task", Some(form(person, order, &alone))),
        ],
    );
    all["entry"][0]["fullUrl"] = json!(person);
    all["entry"][2]["fullUrl"] = json!(order);
    gateway.as_("gp-1").post("", &all).await.expect(200);
    assert_eq!(gateway.as_("elp-1").search("Task?status=requested".to_owned()).await.len(), 1);
}

async fn what_a_form_says_wrongly_is_refused_by_the_input(gateway: Gateway) {
    register(&gateway).await;
    let gp = gateway.as_("gp-1");
    let patient = gp.create(&patient()).await;
    let order = gp.create(&service_request(&patient, "")).await;
    let (person, asked) = (format!("Patient/{patient}"), format!("ServiceRequest/{order}"));
    for wrong in [
        number("90010199993"),
        input("national-number", "valueString", &json!("x")),
        input("permits-lookup", "valueString", &json!("yes")),
        input("step", "valueCode", &json!("hospital")),
        input("preference", "valueCode", &json!("anyone")),
        input("colour", "valueString", &json!("green")),
    ] {
        let refused = gp.post("Task", &form(&person, &asked, &[permits(), wrong.clone()])).await.expect(422);
        assert_eq!(refused.issues()[0].1, "Task.input[1]", "{wrong}: {refused}");
        assert!(!refused.json.to_string().contains("9001"), "{refused}");
    }
    // A number is there once, where its key is destroyed.
    let refused = gp.post("Task", &form(&person, &asked, &[number(ONE), number(NONE)])).await.expect(422);
    assert_eq!(refused.issues()[0].1, "Task.input[1]", "{refused}");
    let mut elsewhere = form(&person, &asked, &[number(ONE)]);
    elsewhere["identifier"] = json!([{"system": SSIN, "value": ONE}]);
    gp.post("Task", &elsewhere).await.expect(422);
    // Of another's record, or without an order, there is nothing to look for.
    let other = gateway.as_("edpbw-a").create(&wellgate_tests::resources::patient()).await;
    gp.post("Task", &form(&format!("Patient/{other}"), &asked, &[])).await.expect(422);
    gp.post("Task", &form(&person, "ServiceRequest/none", &[])).await.expect(422);
    assert!(gp.search("Task".to_owned()).await.is_empty());
}

stories!(with asking;
    one_employment_leads_to_its_prevention_service_and_the_number_is_destroyed,
    of_several_employments_the_person_chooses_one,
    without_an_employment_it_goes_by_the_province,
    for_the_self_employed_nothing_is_looked_up,
    while_co_prev_is_away_it_waits_and_then_goes_by_the_province,
    an_answer_about_another_person_is_no_answer,
    without_the_persons_permission_nothing_is_looked_up,
    a_permission_that_is_taken_back_stops_the_question,
    for_an_order_that_is_revoked_nothing_is_asked_and_the_number_is_destroyed,
    a_number_that_is_corrected_is_another_question,
    with_its_task_an_intake_ends,
    where_no_consent_allows_the_room_it_stays_with_intake_and_that_is_recorded,
    a_room_found_at_once_that_no_consent_allows_is_refused_and_nothing_is_stored,
    after_its_days_it_fails_and_the_number_is_destroyed,
    a_form_may_come_with_the_record_in_one_transaction,
    what_a_form_says_wrongly_is_refused_by_the_input,
);
