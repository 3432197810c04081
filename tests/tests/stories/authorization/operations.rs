//! Every operation × every kind of caller, against tables of their own: on a Patient, about an emergency, and on Consents.

use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::bundle;
use wellgate_tests::stories;

use super::records::{excluding_record, held_record, waiting_record};
use super::roles::{ROLES, Role, caller, trail};

/// The operations on a Patient, against one table: the status that each role is answered with.
async fn no_operation_answers_whom_the_table_does_not_name(gateway: Gateway) {
    let held = held_record(&gateway).await;
    for role in ROLES {
        let caller = caller(&gateway, role, &held);
        let of_record = [Role::Person, Role::Representative, Role::Custodian];
        let seen = [Role::Person, Role::Representative, Role::Custodian, Role::Permitted];
        for (operation, named) in [("$access-log", &of_record[..]), ("$everything", &seen), ("$meta", &seen)] {
            let expected = match role {
                Role::NoToken | Role::BadToken | Role::ExpiredToken => 401,
                Role::WrongScope => 403,
                role if named.contains(&role) => 200,
                _ => 404,
            };
            let answer = caller.get(format!("Patient/{}/{operation}", held.patient)).await;
            assert_eq!(answer.status, expected, "{role:?}: {operation}: {answer}");
            let told = String::from_utf8_lossy(&answer.bytes).contains(&held.patient);
            assert_eq!(told, expected == 200 && operation != "$meta", "{role:?}: {operation}: {answer}");
        }
    }
}

/// What reads much at once, against one table: an export is an organisation's, a dossier whoever's that sees the order, a match anybody's.
async fn no_bulk_operation_answers_whom_the_table_does_not_name(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let order = held.resources.iter().find(|one| one["resourceType"] == "ServiceRequest").expect("one of each type");
    let order = order["id"].as_str().expect("an id");
    let described = json!({"resourceType": "Parameters", "parameter": [
        {"name": "resource", "resource": {"resourceType": "Patient", "identifier": [{"value": "TEST-0001"}]}}]});
    for role in ROLES {
        let caller = caller(&gateway, role, &held);
        let is_person = matches!(role, Role::Person | Role::Representative);
        let by = |expected: u16| match role {
            Role::NoToken | Role::BadToken | Role::ExpiredToken => 401,
            Role::WrongScope => 403,
            _ => expected,
        };
        let before = trail(&caller, role).await;
        let export = caller.get_with("Patient/$export", &[("prefer", "respond-async")]).await;
        assert_eq!(export.status, by(if is_person { 403 } else { 202 }), "{role:?}: {export}");
        let status = caller.get("$export/0192f0c1a0000000000000000000000f").await;
        let expected = if role == Role::WrongScope { 404 } else { by(if is_person { 403 } else { 404 }) };
        assert_eq!(status.status, expected, "{role:?}: {status}");
        let sees = is_person || matches!(role, Role::Permitted | Role::Custodian);
        let dossier = caller.get(format!("ServiceRequest/{order}/$dossier")).await;
        assert_eq!(dossier.status, by(if sees { 200 } else { 404 }), "{role:?}: {dossier}");
        assert_eq!(String::from_utf8_lossy(&dossier.bytes).contains(order), dossier.status == 200, "{role:?}");
        let found = caller.post("Patient/$match", &described).await;
        assert_eq!(found.status, by(200), "{role:?}: {found}");
        if let (Some(before), Some(after)) = (before, trail(&caller, role).await) {
            let refused = [&export, &status, &dossier, &found].iter().filter(|answer| answer.status >= 400).count();
            assert_eq!(after - before, refused, "each refusal of {role:?} left its event");
        }
    }
}

/// Bundles that are answered later, against one table: an organisation's are, a person's is answered at once.
async fn no_bundle_is_answered_later_whom_the_table_does_not_name(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let sent_later = bundle("transaction", &[("DELETE", "Patient/never-was", None)]);
    for role in ROLES {
        let caller = caller(&gateway, role, &held);
        let is_person = matches!(role, Role::Person | Role::Representative);
        let by = |of_scope: u16, of_person: u16, expected: u16| match role {
            Role::NoToken | Role::BadToken | Role::ExpiredToken => 401,
            Role::WrongScope => of_scope,
            _ if is_person => of_person,
            _ => expected,
        };
        let before = trail(&caller, role).await;
        for method in [Method::GET, Method::DELETE] {
            let asked = caller.send(method, "$async/0192f0c1a0000000000000000000000f", &[], None).await;
            assert_eq!(asked.status, by(404, 403, 404), "{role:?}: {asked}");
        }
        if let (Some(before), Some(after)) = (before, trail(&caller, role).await) {
            assert_eq!(after - before, 2, "each refusal of {role:?} left its event");
        }
        let sent = caller.post_with("", &sent_later, &[("prefer", "respond-async")]).await;
        assert_eq!(sent.status, by(403, 404, 202), "{role:?}: {sent}");
        assert_eq!(sent.header("content-location").contains("/$async/"), sent.status == 202, "{role:?}: {sent}");
    }
}

/// The operations about codes of a record, against one table: the status that each role is answered with.
async fn no_code_of_a_record_is_told_whom_the_table_does_not_name(gateway: Gateway) {
    let held = held_record(&gateway).await;
    for role in ROLES {
        let caller = caller(&gateway, role, &held);
        for operation in ["$link-code", "$unlink"] {
            let expected = match role {
                Role::NoToken | Role::BadToken | Role::ExpiredToken => 401,
                Role::WrongScope => 403,
                Role::Custodian => 200,
                _ => 404,
            };
            let before = trail(&caller, role).await;
            let answer = caller.post(format!("Patient/{}/{operation}", held.patient), &json!({})).await;
            assert_eq!(answer.status, expected, "{role:?}: {operation}: {answer}");
            if let (Some(before), Some(after)) = (before, trail(&caller, role).await) {
                assert_eq!(after, before + 1, "the refusal of {role:?} left its event");
            }
        }
    }
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

/// The operations on a Subscription: for the organisation whose it is, and for nobody else, whatever it may see of the record.
async fn no_operation_on_a_subscription_answers_another_organisation(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let waiting = waiting_record(&gateway).await;
    let excluding = excluding_record(&gateway).await;
    for role in ROLES {
        let targets = match role {
            Role::Waiting => &waiting,
            Role::Excluded => &excluding,
            _ => &held,
        };
        let id = targets.resources.iter().find(|one| one["resourceType"] == "Subscription").expect("one of each type");
        let id = id["id"].as_str().expect("an id");
        let caller = caller(&gateway, role, targets);
        for operation in ["$status", "$events"] {
            let expected = match role {
                Role::NoToken | Role::BadToken | Role::ExpiredToken => 401,
                Role::WrongScope => 403,
                // A practitioner of the organisation is excluded from a record, and not from what is the organisation's own.
                Role::Custodian | Role::Excluded => 200,
                _ => 404,
            };
            let before = trail(&caller, role).await;
            let asked = caller.get(format!("Subscription/{id}/{operation}")).await;
            assert_eq!(asked.status, expected, "{role:?}: {operation}: {asked}");
            let posted =
                caller.post(format!("Subscription/{id}/{operation}"), &json!({"resourceType": "Parameters"})).await;
            assert_eq!(posted.status, expected, "{role:?}: {operation}: {posted}");
            let told = String::from_utf8_lossy(&asked.bytes).contains(id);
            assert_eq!(told, expected == 200, "{role:?}: {operation}: {asked}");
            if let (Some(before), Some(after)) = (before, trail(&caller, role).await) {
                let refused = if expected == 200 { 0 } else { 2 };
                assert_eq!(after - before, refused, "each refusal of {role:?} left its event");
            }
        }
    }
}

/// `$validate`: whoever has a token has its own text looked at, and about a stored resource it is a read.
async fn nobody_validates_what_it_does_not_read(gateway: Gateway) {
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
        for resource in targets.resources.iter().filter(|one| one["resourceType"] != "AuditEvent") {
            let (kind, id) =
                (resource["resourceType"].as_str().expect("a type"), resource["id"].as_str().expect("an id"));
            let is_anybody = !matches!(role, Role::NoToken | Role::BadToken | Role::ExpiredToken);
            let alone = caller.post(format!("{kind}/$validate"), resource).await;
            assert_eq!(alone.status, if is_anybody { 200 } else { 401 }, "{role:?}: {kind}: {alone}");
            let none = json!({"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "update"}]});
            let read = caller.get(format!("{kind}/{id}")).await;
            let about = caller.post(format!("{kind}/{id}/$validate"), &none).await;
            assert_eq!(about.status, read.status, "{role:?}: {kind}: {about}");
            assert!(!String::from_utf8_lossy(&about.bytes).contains(id), "{role:?}: {kind}: {about}");
        }
    }
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
        (format!("Patient/{patient}/$everything"), None),
        (format!("Patient/{patient}/$meta"), None),
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
        (format!("Patient/{patient}/$validate"), Some(json!({"resourceType": "Patient"}))),
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
    no_operation_answers_whom_the_table_does_not_name,
    no_bulk_operation_answers_whom_the_table_does_not_name,
    no_bundle_is_answered_later_whom_the_table_does_not_name,
    nobody_validates_what_it_does_not_read,
    no_operation_on_a_subscription_answers_another_organisation,
    no_code_of_a_record_is_told_whom_the_table_does_not_name,
    no_operation_answers_more_than_the_table_says,
    no_consent_operation_answers_more_than_the_table_says,
);
