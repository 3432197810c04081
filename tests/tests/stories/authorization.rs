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
    /// Works where the record is held, and is denied by a Consent themselves.
    Excluded,
    /// Whom the record is about, signed in.
    Person,
    /// Reads for that person.
    Representative,
    /// Holds the record. The last, for it may delete.
    Custodian,
}

const ROLES: [Role; 12] = [
    Role::NoToken,
    Role::BadToken,
    Role::ExpiredToken,
    Role::WrongScope,
    Role::Stranger,
    Role::Released,
    Role::Waiting,
    Role::Permitted,
    Role::Excluded,
    Role::Person,
    Role::Representative,
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
        (_, Kind::Directory)
            | (Role::Custodian, _)
            | (Role::Excluded, Kind::Own)
            | (Role::Permitted, Kind::Patient | Kind::OfRecord)
            | (Role::Person | Role::Representative, Kind::Patient | Kind::Consent | Kind::OfRecord | Kind::Trail)
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

        // A person gives the own word and writes nothing else; who only reads for a person writes nothing.
        (Role::Person, Route::Create, Kind::Consent) => Written,
        (Role::Person | Role::Representative, Route::Create, _) => Forbidden,

        // Anybody else begins a record, and writes into the directory and the own compartment.
        (_, Route::Create, Kind::Patient | Kind::Directory | Kind::Own) => Written,
        (Role::Custodian, Route::Delete, Kind::Patient) => Unprocessable,
        (Role::Custodian, _, _) if is_write => Written,
        // Of the organisation's own, and of nobody's record.
        (Role::Excluded, _, Kind::Own | Kind::Directory) if is_write => Written,
        (_, _, _) if is_write && sees => Forbidden,
        (Role::Permitted, Route::Create, Kind::Consent) => Forbidden,
        (_, Route::Create, _) => Unprocessable,

        (_, _, _) if sees => Shown,
        (_, _, _) if is_list || is_bundle => NotAmong,
        _ => Invisible,
    }
}

/// The operations on a Patient, against one table: the status that each role is answered with.
async fn no_operation_answers_whom_the_table_does_not_name(gateway: Gateway) {
    let held = held_record(&gateway).await;
    for role in ROLES {
        let caller = caller(&gateway, role, &held);
        for (operation, named) in [("$access-log", [Role::Person, Role::Representative, Role::Custodian])] {
            let expected = match role {
                Role::NoToken | Role::BadToken | Role::ExpiredToken => 401,
                Role::WrongScope => 403,
                role if named.contains(&role) => 200,
                _ => 404,
            };
            let answer = caller.get(format!("Patient/{}/{operation}", held.patient)).await;
            assert_eq!(answer.status, expected, "{role:?}: {operation}: {answer}");
            let told = String::from_utf8_lossy(&answer.bytes).contains(&held.patient);
            assert_eq!(told, expected == 200, "{role:?}: {operation}: {answer}");
        }
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
    /// A RelatedPerson who reads.
    representative: String,
    resources: Vec<Value>,
}

async fn no_route_answers_more_than_the_table_says(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let waiting = waiting_record(&gateway).await;
    let excluding = excluding_record(&gateway).await;
    for role in ROLES {
        let caller = caller(&gateway, role, &held);
        let before = trail(&caller, role).await;
        let targets = match role {
            Role::Waiting => &waiting,
            Role::Excluded => &excluding,
            _ => &held,
        };
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
                if is_as_unknown(role, expected(role, route, kind(resource_type))) {
                    let (told, unknown) = ask_about_unknown(&caller, route, target, &targets.patient).await;
                    assert_eq!(answer.told(), told, "{name}: as for an id that never was");
                    refused += events(role, route, &unknown);
                }
            }
        }
        // The record's own trail is the person's too: what others were refused there is counted before.
        if let (Some(before), Some(after)) = (before, trail(&caller, role).await) {
            assert_eq!(after - before, refused, "each refusal of {role:?} left its event");
            assert!(refused > 0, "{role:?} was refused something");
        }
    }
    let counted: i64 = gateway.app.refusals.take().into_values().sum();
    let asked = i64::try_from(3 * SERVED_TYPES.len() * ROUTES.len()).expect("a number");
    assert_eq!(counted, asked, "each request without a good token was counted");
}

/// Whether the answer must be the one about an id that never was.
fn is_as_unknown(role: Role, expected: Expected) -> bool {
    let tells_nothing = matches!(expected, Expected::NotAmong | Expected::Invisible | Expected::Unprocessable);
    tells_nothing && role != Role::Custodian
}

/// Asks the same about a record and a resource that never were; what was told, under the names of those that are.
async fn ask_about_unknown(caller: &Caller<'_>, route: Route, target: &Value, patient: &str) -> (String, Answer) {
    let id = target["id"].as_str().expect("an id");
    let unknown = |id: &str| format!("{}{}", &id[..id.len() - 2], if id.ends_with("00") { "11" } else { "00" });
    let renamed = target.to_string().replace(id, &unknown(id)).replace(patient, &unknown(patient));
    let renamed: Value = serde_json::from_str(&renamed).expect("it is JSON still");
    let answer = ask(caller, route, &renamed, &unknown(patient)).await;
    (answer.told().replace(&unknown(id), id).replace(&unknown(patient), patient), answer)
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

fn caller<'g>(gateway: &'g Gateway, role: Role, held: &Targets) -> Caller<'g> {
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
        Role::Excluded => gateway.as_("cgg-2").by_practitioner("therapist-1"),
        Role::Person => gateway.person(&format!("Patient/{}", held.patient)),
        Role::Representative => gateway.person(&format!("RelatedPerson/{}", held.representative)),
        Role::Custodian => gateway.as_("elp-1"),
    }
}

/// Refusals in the trail of a role that has a compartment of its own; a custodian's writes change what it holds.
async fn trail(caller: &Caller<'_>, role: Role) -> Option<usize> {
    let roles = [Role::Stranger, Role::Released, Role::Waiting, Role::Permitted, Role::Person, Role::Representative];
    if !roles.contains(&role) {
        return None;
    }
    let counted = caller.get("AuditEvent?outcome=8&_summary=count").await.expect(200);
    Some(usize::try_from(counted.json["total"].as_u64().expect("a number")).expect("a number"))
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

/// A record of cgg-2, which has no other, whose Consent denies its practitioner.
async fn excluding_record(gateway: &Gateway) -> Targets {
    let cgg = gateway.as_("cgg-2");
    let person = cgg.create(&patient()).await;
    let mut provision = permit(&["cgg-2"]);
    provision["type"] = json!("deny");
    provision["actor"][0]["reference"] = json!({"reference": "Practitioner/therapist-1"});
    let consent = cgg.create(&consent(&person, &provision)).await;
    let referral = Referral { patient: person, consent, order: String::new(), task: String::new() };
    fill(&cgg, &referral).await
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
    let mut reader = resource("RelatedPerson", &referral.patient);
    reader["active"] = json!(true);
    let scope = "https://wellgate.example/fhir/StructureDefinition/representation-scope";
    reader["extension"] = json!([{"url": scope, "valueCode": "read"}]);
    let representative = holder.create(&reader).await;
    Targets { patient: referral.patient.clone(), representative, resources }
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

/// An operation about an emergency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    BreakGlass,
    EndBreakGlass,
    Sessions,
    Review,
    CrisisDisclosures,
    CrisisDisclosure,
}

const OPERATIONS: [Operation; 6] = [
    Operation::BreakGlass,
    Operation::EndBreakGlass,
    Operation::Sessions,
    Operation::Review,
    Operation::CrisisDisclosures,
    Operation::CrisisDisclosure,
];

/// The table of operations, for a session that a practitioner of elp-1 opened and whose verdict waits.
#[allow(clippy::match_same_arms, reason = "a row of the table is a line, whatever stands in the next")]
const fn status(role: Role, operation: Operation) -> u16 {
    use Operation::{BreakGlass, CrisisDisclosure, CrisisDisclosures, EndBreakGlass, Review, Sessions};
    match (role, operation) {
        (Role::NoToken | Role::BadToken | Role::ExpiredToken, _) => 401,
        (Role::WrongScope, _) => 403,
        // None of these tokens names a practitioner.
        (_, BreakGlass) => 403,
        (_, Sessions) => 200,
        // The custodian is the organisation that opened it: it ends it, and does not judge it.
        (Role::Custodian, EndBreakGlass) => 200,
        (Role::Custodian, Review) => 403,
        (_, EndBreakGlass | Review) => 404,
        (Role::Custodian, CrisisDisclosures) => 200,
        (Role::Custodian, CrisisDisclosure) => 201,
        (Role::Permitted | Role::Person | Role::Representative, CrisisDisclosures | CrisisDisclosure) => 403,
        (_, CrisisDisclosures | CrisisDisclosure) => 404,
    }
}

async fn ask_for(caller: &Caller<'_>, operation: Operation, patient: &str, session: &str) -> Answer {
    let text = |name: &str, value: &str| json!({"name": name, "valueString": value});
    let sent = |members: Vec<Value>| json!({"resourceType": "Parameters", "parameter": members});
    let session = text("session", session);
    match operation {
        Operation::BreakGlass => {
            let person = json!({"name": "patient", "valueReference": {"reference": format!("Patient/{patient}")}});
            let members = vec![person, text("purpose", "BTG"), text("reason", "a reason in words")];
            caller.post("Patient/$break-glass", &sent(members)).await
        }
        Operation::EndBreakGlass => caller.post("Patient/$end-break-glass", &sent(vec![session])).await,
        Operation::Sessions => caller.get("Patient/$emergency-sessions").await,
        Operation::Review => {
            let members = vec![session, text("verdict", "justified"), text("text", "a verdict in words")];
            caller.post("Patient/$review-emergency", &sent(members)).await
        }
        Operation::CrisisDisclosures => caller.get(format!("Patient/{patient}/$crisis-disclosures")).await,
        Operation::CrisisDisclosure => {
            let named = ["recipient", "conflict", "proportionality", "subsidiarity", "shared"];
            let members = named.map(|name| text(name, "a text in words")).to_vec();
            caller.post(format!("Patient/{patient}/$crisis-disclosure"), &sent(members)).await
        }
    }
}

/// The operations on Consents, each with the answer of whoever it is for; the withdrawal comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConsentOperation {
    Explain,
    WhoCanSee,
    Conflicts,
    Withdraw,
}

const CONSENT_OPERATIONS: [ConsentOperation; 4] =
    [ConsentOperation::Explain, ConsentOperation::WhoCanSee, ConsentOperation::Conflicts, ConsentOperation::Withdraw];

/// The table of operations: all of them are the custodian's, and a Consent is withdrawn by whoever recorded it too, and by the
/// person.
#[allow(clippy::match_same_arms, reason = "a row of the table is a line, whatever stands in the next")]
const fn expected_of(role: Role, operation: ConsentOperation) -> u16 {
    match (role, operation) {
        (Role::NoToken | Role::BadToken | Role::ExpiredToken, _) => 401,
        (Role::WrongScope, _) => 403,
        (Role::Custodian, _) | (Role::Released | Role::Person, ConsentOperation::Withdraw) => 200,
        // Sees the Consent, and does not decide for the person.
        (Role::Representative, ConsentOperation::Withdraw) => 403,
        _ => 404,
    }
}

async fn no_operation_answers_more_than_the_table_says(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let doctor = gateway.as_("elp-1").by_practitioner("psychologist-1");
    let opened = ask_for(&doctor, Operation::BreakGlass, &held.patient, "").await.expect(201);
    let session = opened.json["parameter"][0]["valueId"].as_str().expect("a session").to_owned();
    // Whom a Consent excludes is a practitioner, and may break the glass of a record that does not: stories tell of that.
    for role in ROLES.into_iter().filter(|role| *role != Role::Excluded) {
        let caller = caller(&gateway, role, &held);
        for operation in OPERATIONS {
            let answer = ask_for(&caller, operation, &held.patient, &session).await;
            let name = format!("{role:?}: {operation:?}");
            assert_eq!(answer.status, status(role, operation), "{name}: {answer}");
            let text = String::from_utf8_lossy(&answer.bytes);
            let is_told = [&*session, &*held.patient, "in words"].iter().any(|told| text.contains(told));
            assert!(role == Role::Custodian || !is_told, "{name}: {answer}");
        }
    }
}

async fn no_consent_operation_answers_more_than_the_table_says(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let waiting = waiting_record(&gateway).await;
    let excluding = excluding_record(&gateway).await;
    for role in ROLES {
        let targets = match role {
            Role::Waiting => &waiting,
            Role::Excluded => &excluding,
            _ => &held,
        };
        let caller = caller(&gateway, role, targets);
        let before = trail(&caller, role).await;
        let person = &targets.patient;
        let consent = targets.resources.iter().find(|one| one["resourceType"] == "Consent").expect("one of each type");
        let consent = consent["id"].as_str().expect("an id");
        let mut refused = 0;
        for operation in CONSENT_OPERATIONS {
            let none = json!({"resourceType": "Parameters"});
            let asked = format!("patient=Patient/{person}&organization=Organization/gp-1&purpose=TREAT");
            let answer = match operation {
                ConsentOperation::Explain => caller.get(format!("Consent/$explain?{asked}")).await,
                ConsentOperation::WhoCanSee => caller.get(format!("Patient/{person}/$who-can-see")).await,
                ConsentOperation::Conflicts => caller.get(format!("Consent/$conflicts?patient=Patient/{person}")).await,
                ConsentOperation::Withdraw => caller.post(format!("Consent/{consent}/$withdraw"), &none).await,
            };
            let name = format!("{role:?}: {operation:?}");
            assert_eq!(answer.status, expected_of(role, operation), "{name}: {answer}");
            let told = String::from_utf8_lossy(&answer.bytes).into_owned();
            let is_shown = answer.status == 200 && matches!(role, Role::Custodian | Role::Person);
            assert!(is_shown || !(told.contains(consent) || told.contains(person)), "{name}: {told}");
            refused += usize::from(answer.status >= 400);
        }
        if let (Some(before), Some(after)) = (before, trail(&caller, role).await) {
            assert_eq!(after - before, refused, "each refusal of {role:?} left its event");
        }
    }
    let counted: i64 = gateway.app.refusals.take().into_values().sum();
    assert_eq!(counted, 12, "each request without a good token was counted");
}

/// Every operation, with what is sent by POST; the withdrawal comes last.
fn operations(patient: &str, consent: &str, session: &str) -> Vec<(String, Option<Value>)> {
    let sent = |members: &[(&str, &str)]| {
        let members: Vec<Value> =
            members.iter().map(|(name, value)| json!({"name": name, "valueString": value})).collect();
        Some(json!({"resourceType": "Parameters", "parameter": members}))
    };
    let words =
        ["recipient", "conflict", "proportionality", "subsidiarity", "shared"].map(|name| (name, "in few words"));
    vec![
        (format!("Patient/{patient}/$access-log"), None),
        ("Patient/$break-glass".to_owned(), sent(&[("purpose", "BTG"), ("reason", "in few words")])),
        ("Patient/$end-break-glass".to_owned(), sent(&[("session", session)])),
        ("Patient/$emergency-sessions".to_owned(), None),
        (
            "Patient/$review-emergency".to_owned(),
            sent(&[("session", session), ("verdict", "justified"), ("text", "in few words")]),
        ),
        (format!("Patient/{patient}/$crisis-disclosure"), sent(&words)),
        (format!("Patient/{patient}/$crisis-disclosures"), None),
        (format!("Consent/$explain?patient=Patient/{patient}&organization=Organization/gp-1&purpose=TREAT"), None),
        ("Consent/$explain".to_owned(), sent(&[("patient", &format!("Patient/{patient}"))])),
        (format!("Consent/$conflicts?patient=Patient/{patient}"), None),
        (format!("Patient/{patient}/$who-can-see"), None),
        (format!("Consent/{consent}/$withdraw"), sent(&[])),
    ]
}

async fn an_escaped_operation_is_authorised_as_the_plain_one(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let doctor = gateway.as_("elp-1").by_practitioner("psychologist-1");
    let opened = ask_for(&doctor, Operation::BreakGlass, &held.patient, "").await.expect(201);
    let session = opened.json["parameter"][0]["valueId"].as_str().expect("a session").to_owned();
    let consent = held.resources.iter().find(|one| one["resourceType"] == "Consent").expect("one of each type");
    let operations = operations(&held.patient, consent["id"].as_str().expect("an id"), &session);
    for role in ROLES {
        let caller = caller(&gateway, role, &held);
        for (path, sent) in &operations {
            let ask = async |path: &str| match sent {
                Some(sent) => caller.post(path, sent).await,
                None => caller.get(path).await,
            };
            let plain = ask(path).await;
            for escaped in [path.replace('$', "%24"), path.replace("/$", "//%24")] {
                let answer = ask(&escaped).await;
                assert_eq!(answer.status, plain.status, "{role:?}: {escaped}: {answer}");
                assert!(plain.status < 400 || answer.told() == plain.told(), "{role:?}: {escaped}: {answer}");
            }
        }
    }
    // What is no operation is none under an escaped name either.
    let custodian = gateway.as_("elp-1");
    custodian.get(format!("Patient/%24{}", held.patient)).await.expect(404);
    custodian.get("Patient/%24break-glass").await.expect(405);
    custodian.get("Patient/%2524emergency-sessions").await.expect(404);
}

stories!(
    an_escaped_operation_is_authorised_as_the_plain_one,
    no_route_answers_more_than_the_table_says,
    no_operation_answers_whom_the_table_does_not_name,
    no_operation_answers_more_than_the_table_says,
    no_consent_operation_answers_more_than_the_table_says,
);
