//! Every route × every kind of caller × every served type, against one table: what may be answered, and nothing else.

use gateway::search::overlay::{Belongs, SERVED_TYPES, belongs};
use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::{Referral, bring, place};
use wellgate_tests::resources::{consent, encounter, observation, patient, permit, service_request};
use wellgate_tests::stories;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    NoToken,
    BadToken,
    ExpiredToken,
    WrongScope,
    /// Never had anything to do with it.
    Stranger,
    /// Sent it on, and is named in the Consent.
    Released,
    /// Of the room in which it waits, and named in the Consent.
    Waiting,
    /// Named in the Consent.
    Permitted,
    /// Holds the record. The last, for it may delete.
    Custodian,
}

const ROLES: [Role; 9] = [
    Role::NoToken,
    Role::BadToken,
    Role::ExpiredToken,
    Role::WrongScope,
    Role::Stranger,
    Role::Released,
    Role::Waiting,
    Role::Permitted,
    Role::Custodian,
];

/// What is asked. The writes come last, the deletion at the very end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Read,
    Vread,
    InstanceHistory,
    TypeHistory,
    Search,
    SearchByForm,
    ReadInBatch,
    ReadInTransaction,
    Create,
    Update,
    UpdateInTransaction,
    Delete,
}

const ROUTES: [Route; 12] = [
    Route::Read,
    Route::Vread,
    Route::InstanceHistory,
    Route::TypeHistory,
    Route::Search,
    Route::SearchByForm,
    Route::ReadInBatch,
    Route::ReadInTransaction,
    Route::Create,
    Route::Update,
    Route::UpdateInTransaction,
    Route::Delete,
];

/// How a type belongs, as far as the table asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Patient,
    Consent,
    /// Of a record, by its owning reference.
    OfRecord,
    /// Of the organisation that wrote it.
    Own,
    Directory,
    /// The trail.
    Trail,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// 2xx, and the resource is in it.
    Shown,
    /// 2xx, without a trace of the resource.
    NotAmong,
    /// 2xx: it was written.
    Written,
    /// 401.
    NotAuthenticated,
    /// 403.
    Forbidden,
    /// 404: it does not exist for the caller.
    Invisible,
    /// 422: what it refers to does not exist for the caller, or a referral rests on it.
    Unprocessable,
    /// 405.
    NotOffered,
}

/// The table.
#[allow(clippy::match_same_arms, reason = "a row of the table is a line, whatever stands in the next")]
const fn expected(role: Role, route: Route, kind: Kind) -> Expected {
    use Expected::{Forbidden, Invisible, NotAmong, NotAuthenticated, NotOffered, Shown, Unprocessable, Written};
    let is_list = matches!(route, Route::TypeHistory | Route::Search | Route::SearchByForm);
    let is_bundle = matches!(route, Route::ReadInBatch | Route::ReadInTransaction);
    let is_write = matches!(route, Route::Create | Route::Update | Route::UpdateInTransaction | Route::Delete);
    let sees = matches!(
        (role, kind),
        (_, Kind::Directory) | (Role::Custodian, _) | (Role::Permitted, Kind::Patient | Kind::OfRecord)
    );
    match (role, route, kind) {
        (Role::NoToken | Role::BadToken | Role::ExpiredToken, _, _) => NotAuthenticated,
        // An entry of a batch is refused on its own, and a transaction as a whole.
        (Role::WrongScope, Route::ReadInBatch, _) => NotAmong,
        (Role::WrongScope, _, _) => Forbidden,

        // The trail has no versions and is written by nobody.
        (_, Route::Create, Kind::Trail) => NotOffered,
        (_, Route::Update | Route::UpdateInTransaction | Route::Delete, Kind::Trail) => Invisible,
        (_, Route::Vread | Route::InstanceHistory, Kind::Trail) => Invisible,
        (_, Route::TypeHistory, Kind::Trail) => NotAmong,

        // Anybody begins a record, and writes into the directory and the own compartment.
        (_, Route::Create, Kind::Patient | Kind::Directory | Kind::Own) => Written,
        (Role::Custodian, Route::Delete, Kind::Patient) => Unprocessable,
        (Role::Custodian, _, _) if is_write => Written,
        (_, _, _) if is_write && sees => Forbidden,
        (Role::Permitted, Route::Create, Kind::Consent) => Forbidden,
        (_, Route::Create, _) => Unprocessable,

        (_, _, _) if sees => Shown,
        (_, _, _) if is_list || is_bundle => NotAmong,
        _ => Invisible,
    }
}

fn kind(resource_type: &str) -> Kind {
    match (resource_type, belongs(resource_type)) {
        ("Patient", _) => Kind::Patient,
        ("Consent", _) => Kind::Consent,
        (_, Some(Belongs::Own)) => Kind::Own,
        (_, Some(Belongs::Directory)) => Kind::Directory,
        (_, Some(_)) => Kind::OfRecord,
        (_, None) => Kind::Trail,
    }
}

/// A resource of each served type in one record.
struct Targets {
    patient: String,
    resources: Vec<Value>,
}

async fn no_route_answers_more_than_the_table_says(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let waiting = waiting_record(&gateway).await;
    let mut refused_of: Vec<(Role, usize)> = Vec::new();
    let trail_before = trails(&gateway).await;
    for role in ROLES {
        let caller = caller(&gateway, role);
        let targets = if role == Role::Waiting { &waiting } else { &held };
        let mut refused = 0;
        for resource_type in SERVED_TYPES {
            for route in ROUTES {
                let name = format!("{role:?}: {route:?} of {resource_type}");
                let target = targets
                    .resources
                    .iter()
                    .find(|one| one["resourceType"] == resource_type)
                    .expect("one of each type");
                let answer = ask(&caller, route, target, &targets.patient).await;
                let id = target["id"].as_str().expect("an id");
                holds(&name, expected(role, route, kind(resource_type)), &answer, id);
                refused += events(role, route, &answer);
            }
        }
        refused_of.push((role, refused));
    }
    let trail_after = trails(&gateway).await;
    for (role, refused) in refused_of {
        let of = |trail: &[(Role, usize)]| trail.iter().find(|(other, _)| *other == role).map(|(_, events)| *events);
        let (Some(before), Some(after)) = (of(&trail_before), of(&trail_after)) else { continue };
        assert_eq!(after - before, refused, "each refusal of {role:?} left its event");
        assert!(refused > 0, "{role:?} was refused something");
    }
    let counted: i64 = gateway.app.refusals.take().into_values().sum();
    let asked = i64::try_from(3 * SERVED_TYPES.len() * ROUTES.len()).expect("a number");
    assert_eq!(counted, asked, "each request without a good token was counted");
}

/// How many events a refusal leaves: that of a transaction one for the entry and one for the whole.
fn events(role: Role, route: Route, answer: &Answer) -> usize {
    match (answer.status, route) {
        (200..400, _) => usize::from(answer.json["entry"][0]["response"]["outcome"].is_object()),
        // What the scope does not allow is not looked into.
        (_, Route::UpdateInTransaction) if role != Role::WrongScope => 2,
        _ => 1,
    }
}

fn holds(name: &str, expected: Expected, answer: &Answer, id: &str) {
    let status = match expected {
        Expected::Shown | Expected::NotAmong | Expected::Written => answer.status / 100 * 100,
        _ => answer.status,
    };
    let wanted = match expected {
        Expected::Shown | Expected::NotAmong | Expected::Written => 200,
        Expected::NotAuthenticated => 401,
        Expected::Forbidden => 403,
        Expected::Invisible => 404,
        Expected::Unprocessable => 422,
        Expected::NotOffered => 405,
    };
    assert_eq!(status, wanted, "{name}: {expected:?}: {answer}");
    let text = String::from_utf8_lossy(&answer.bytes);
    // The link to itself repeats what was asked; everything else would be an answer.
    let told = answer.json["entry"].to_string() + &answer.json["id"].to_string();
    match expected {
        Expected::Shown => assert!(told.contains(id), "{name}: {text}"),
        Expected::Written => {}
        _ => assert!(!told.contains(id) && !text.contains("TEST-"), "{name}: {text}"),
    }
}

async fn ask(caller: &Caller<'_>, route: Route, target: &Value, patient: &str) -> Answer {
    let resource_type = target["resourceType"].as_str().expect("a type");
    let id = target["id"].as_str().expect("an id");
    let address = format!("{resource_type}/{id}");
    let version = target["meta"]["versionId"].as_str().expect("a version");
    let request = |method: &str| json!({"method": method, "url": address});
    let bundle = |kind: &str, entry: Value| json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
    match route {
        Route::Read => caller.get(address).await,
        Route::Vread => caller.get(format!("{address}/_history/{version}")).await,
        Route::InstanceHistory => caller.get(format!("{address}/_history")).await,
        Route::TypeHistory => caller.get(format!("{resource_type}/_history?_count=500")).await,
        Route::Search => caller.get(format!("{resource_type}?_id={id}")).await,
        Route::SearchByForm => caller.post_search(resource_type, &format!("_id={id}")).await,
        Route::ReadInBatch => caller.post("", &bundle("batch", json!({"request": request("GET")}))).await,
        Route::ReadInTransaction => caller.post("", &bundle("transaction", json!({"request": request("GET")}))).await,
        Route::Create => caller.post(resource_type, &resource(resource_type, patient)).await,
        Route::Update => caller.put(address, target).await,
        Route::UpdateInTransaction => {
            caller.post("", &bundle("transaction", json!({"request": request("PUT"), "resource": target}))).await
        }
        Route::Delete => caller.send(Method::DELETE, &address, &[], None).await,
    }
}

fn caller(gateway: &Gateway, role: Role) -> Caller<'_> {
    match role {
        Role::NoToken => gateway.as_("elp-1").with_bearer(""),
        Role::BadToken => gateway.as_("elp-1").with_bearer("TEST"),
        Role::ExpiredToken => {
            let mut claims = gateway.token_claims("elp-1");
            claims["exp"] = json!(gateway.clock.now_ms() / 1_000 - 3_600);
            claims["nbf"] = json!(gateway.clock.now_ms() / 1_000 - 7_200);
            gateway.as_("elp-1").with_bearer(&gateway.signed(&claims))
        }
        Role::WrongScope => gateway.as_("elp-2").with_scope("system/Basic.cruds"),
        Role::Stranger => gateway.as_("mutuality-1"),
        Role::Released => gateway.as_("edpbw-a"),
        Role::Waiting => gateway.as_("cgg-1"),
        Role::Permitted => gateway.as_("gp-1"),
        Role::Custodian => gateway.as_("elp-1"),
    }
}

/// Refusals in the trail of each role that has a compartment and no record of its own before the test.
async fn trails(gateway: &Gateway) -> Vec<(Role, usize)> {
    let mut trails = Vec::new();
    for role in [Role::Stranger, Role::Released, Role::Waiting, Role::Permitted] {
        let counted = caller(gateway, role).get("AuditEvent?outcome=8&_summary=count").await.expect(200);
        trails.push((role, usize::try_from(counted.json["total"].as_u64().expect("a number")).expect("a number")));
    }
    trails
}

/// A record that went from edpbw-a to elp-1, both named in its Consent with gp-1; everything in it is elp-1's.
async fn held_record(gateway: &Gateway) -> Targets {
    let placed = place(gateway, "edpbw-a", &["edpbw-a", "elp-1", "gp-1"], "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    bring(&elp, &placed.task, "accepted").await.expect(200);
    fill(&elp, &placed).await
}

/// A record that waits for the pool of cgg-1.
async fn waiting_record(gateway: &Gateway) -> Targets {
    let edpbw = gateway.as_("edpbw-b");
    let person = edpbw.create(&patient()).await;
    let consent = edpbw.create(&consent(&person, &permit(&["cgg-1"]))).await;
    let referral = Referral { patient: person.clone(), consent, order: String::new(), task: String::new() };
    let targets = fill(&edpbw, &referral).await;
    edpbw.create(&service_request(&person, "HealthcareService/cgg-pool")).await;
    targets
}

async fn fill(holder: &Caller<'_>, referral: &Referral) -> Targets {
    let mut resources = Vec::new();
    for resource_type in SERVED_TYPES {
        let made = match resource_type {
            "Patient" => holder.get(format!("Patient/{}", referral.patient)).await.expect(200).json,
            "Consent" => holder.get(format!("Consent/{}", referral.consent)).await.expect(200).json,
            "AuditEvent" => {
                let mut event =
                    holder.search(format!("AuditEvent?patient={}&_count=1", referral.patient)).await[0].clone();
                event["meta"]["versionId"] = json!("1");
                event
            }
            _ => {
                let made = holder.post(resource_type, &resource(resource_type, &referral.patient)).await;
                assert_eq!(made.status, 201, "{resource_type}: {made}");
                made.json
            }
        };
        resources.push(made);
    }
    Targets { patient: referral.patient.clone(), resources }
}

/// The least that a resource of a type must have.
fn resource(resource_type: &str, patient: &str) -> Value {
    let person = json!({"reference": format!("Patient/{patient}")});
    let organization = json!({"reference": "Organization/elp-1"});
    let coded = json!({"coding": [{"system": "https://ehr.example/code", "code": "test"}]});
    let mut least = match resource_type {
        "Patient" => self::patient(),
        "Consent" => consent(patient, &permit(&["mutuality-1"])),
        "ServiceRequest" => service_request(patient, ""),
        "Encounter" => encounter(patient),
        "Observation" => observation(patient),
        "RelatedPerson" => json!({"patient": person}),
        "Task" => json!({"status": "draft", "intent": "proposal", "for": person}),
        "EpisodeOfCare" => json!({"status": "active", "patient": person}),
        "CareTeam" | "Condition" => json!({"subject": person}),
        "Group" => json!({"type": "person", "actual": true}),
        "Questionnaire" => json!({"status": "draft"}),
        "QuestionnaireResponse" | "Communication" => json!({"status": "completed", "subject": person}),
        "DocumentReference" => {
            json!({"status": "current", "subject": person, "content": [{"attachment": {"contentType": "text/plain", "data": "VEVTVA=="}}]})
        }
        "Binary" => json!({"contentType": "text/plain", "data": "VEVTVA==", "securityContext": person}),
        "Coverage" => json!({"status": "active", "beneficiary": person, "payor": [organization]}),
        "CoverageEligibilityRequest" => {
            json!({"status": "active", "purpose": ["benefits"], "patient": person, "created": "2026-03-01", "insurer": organization})
        }
        "CoverageEligibilityResponse" => json!({
            "status": "active", "purpose": ["benefits"], "patient": person, "created": "2026-03-01", "outcome": "complete",
            "insurer": organization, "request": {"display": "test"},
        }),
        "Claim" => json!({
            "status": "active", "type": coded, "use": "claim", "patient": person, "created": "2026-03-01", "provider": organization,
            "priority": coded, "insurance": [{"sequence": 1, "focal": true, "coverage": {"display": "test"}}],
        }),
        "ClaimResponse" => json!({
            "status": "active", "type": coded, "use": "claim", "patient": person, "created": "2026-03-01",
            "insurer": organization, "outcome": "complete",
        }),
        "Endpoint" => json!({
            "status": "test", "connectionType": {"code": "test"}, "payloadType": [coded], "address": "https://ehr.example/fhir",
        }),
        "Subscription" => json!({
            "status": "requested", "reason": "test", "criteria": "Task?status=requested",
            "channel": {"type": "rest-hook", "endpoint": "https://ehr.example/hook"},
        }),
        "Provenance" => {
            json!({"target": [person], "recorded": "2026-03-01T12:00:00Z", "agent": [{"who": organization}]})
        }
        "AuditEvent" => json!({
            "type": {"system": "https://ehr.example/code", "code": "test"}, "recorded": "2026-03-01T12:00:00Z",
            "agent": [{"requestor": true}], "source": {"observer": organization},
        }),
        "Organization" => json!({"name": "Test organisation"}),
        _ => json!({"active": true}),
    };
    if resource_type == "Location" {
        least = json!({});
    }
    least["resourceType"] = json!(resource_type);
    least
}

/// The operations, each with the answer of whoever it is for; the withdrawal comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Explain,
    WhoCanSee,
    Conflicts,
    Withdraw,
}

const OPERATIONS: [Operation; 4] =
    [Operation::Explain, Operation::WhoCanSee, Operation::Conflicts, Operation::Withdraw];

/// The table of operations: all of them are the custodian's, and a Consent is withdrawn by whoever recorded it too.
const fn expected_of(role: Role, operation: Operation) -> u16 {
    match (role, operation) {
        (Role::NoToken | Role::BadToken | Role::ExpiredToken, _) => 401,
        (Role::WrongScope, _) => 403,
        (Role::Custodian, _) | (Role::Released, Operation::Withdraw) => 200,
        _ => 404,
    }
}

async fn no_operation_answers_more_than_the_table_says(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let waiting = waiting_record(&gateway).await;
    let before = trails(&gateway).await;
    let mut refused_of: Vec<(Role, usize)> = Vec::new();
    for role in ROLES {
        let caller = caller(&gateway, role);
        let targets = if role == Role::Waiting { &waiting } else { &held };
        let person = &targets.patient;
        let consent = targets.resources.iter().find(|one| one["resourceType"] == "Consent").expect("one of each type");
        let consent = consent["id"].as_str().expect("an id");
        let mut refused = 0;
        for operation in OPERATIONS {
            let none = json!({"resourceType": "Parameters"});
            let asked = format!("patient=Patient/{person}&organization=Organization/gp-1&purpose=TREAT");
            let answer = match operation {
                Operation::Explain => caller.get(format!("Consent/$explain?{asked}")).await,
                Operation::WhoCanSee => caller.get(format!("Patient/{person}/$who-can-see")).await,
                Operation::Conflicts => caller.get(format!("Consent/$conflicts?patient=Patient/{person}")).await,
                Operation::Withdraw => caller.post(format!("Consent/{consent}/$withdraw"), &none).await,
            };
            let name = format!("{role:?}: {operation:?}");
            assert_eq!(answer.status, expected_of(role, operation), "{name}: {answer}");
            let told = String::from_utf8_lossy(&answer.bytes).into_owned();
            let is_shown = answer.status == 200 && role == Role::Custodian;
            assert!(is_shown || !(told.contains(consent) || told.contains(person)), "{name}: {told}");
            refused += usize::from(answer.status >= 400);
        }
        refused_of.push((role, refused));
    }
    let after = trails(&gateway).await;
    for (role, refused) in refused_of {
        let of = |trail: &[(Role, usize)]| trail.iter().find(|(other, _)| *other == role).map(|(_, events)| *events);
        if let (Some(before), Some(after)) = (of(&before), of(&after)) {
            assert_eq!(after - before, refused, "each refusal of {role:?} left its event");
        }
    }
    let counted: i64 = gateway.app.refusals.take().into_values().sum();
    assert_eq!(counted, 12, "each request without a good token was counted");
}

stories!(no_route_answers_more_than_the_table_says, no_operation_answers_more_than_the_table_says);
