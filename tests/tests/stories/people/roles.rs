//! 26: every role × every served type × every interaction and operation, against the one table of roles: what is not in it is refused.

use gateway::auth::{Admission, Interaction, PersonRole};
use gateway::search::overlay::SERVED_TYPES;
use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::browser::Browser;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::patient;
use wellgate_tests::stories;

use super::{trail, with_people};

const INTERACTIONS: [(Interaction, &str); 5] = [
    (Interaction::Create, "create"),
    (Interaction::Read, "read"),
    (Interaction::Update, "update"),
    (Interaction::Delete, "delete"),
    (Interaction::Search, "search-type"),
];

/// The operations, by the code in the trail, the method and the path.
const OPERATIONS: [(&str, &str, &str); 19] = [
    ("access-log", "GET", "Patient/{}/$access-log"),
    ("explain", "GET", "Consent/$explain?patient=Patient/{}&organization=Organization/gp-1&purpose=TREAT"),
    ("who-can-see", "GET", "Patient/{}/$who-can-see"),
    ("conflicts", "GET", "Consent/$conflicts?patient=Patient/{}"),
    ("withdraw", "POST", "Consent/unheard-of/$withdraw"),
    ("break-glass", "POST", "Patient/$break-glass"),
    ("end-break-glass", "POST", "Patient/$end-break-glass"),
    ("emergency-sessions", "GET", "Patient/$emergency-sessions"),
    ("review-emergency", "POST", "Patient/$review-emergency"),
    ("crisis-disclosure", "POST", "Patient/{}/$crisis-disclosure"),
    ("crisis-disclosures", "GET", "Patient/{}/$crisis-disclosures"),
    ("link-code", "POST", "Patient/{}/$link-code"),
    ("unlink", "POST", "Patient/{}/$unlink"),
    ("transaction", "POST", ""),
    ("everything", "GET", "Patient/{}/$everything"),
    ("match", "POST", "Patient/$match"),
    ("meta", "GET", "Patient/{}/$meta"),
    ("dossier", "GET", "ServiceRequest/unheard-of/$dossier"),
    ("validate", "POST", "$validate"),
];

async fn no_role_does_more_than_the_table_says(gateway: Gateway) {
    let record = gateway.as_("elp-1").create(&patient()).await;
    for role in PersonRole::ALL {
        let browser = in_role(&gateway, role, &record).await;
        for is_stepped_up in [false, true] {
            if is_stepped_up {
                browser.step_up(role.code()).await;
            }
            for (resource_type, (interaction, name)) in
                SERVED_TYPES.iter().flat_map(|each| INTERACTIONS.map(|one| (*each, one)))
            {
                let answer = ask(&browser, resource_type, interaction).await;
                let what = format!("{role:?} {name} {resource_type}, stepped up: {is_stepped_up}");
                held(&what, role.may(resource_type, interaction), is_stepped_up, &answer);
            }
            for (act, method, path) in OPERATIONS {
                let method = method.parse::<Method>().expect("a method");
                let body = json!({"resourceType": "Parameters", "parameter": []});
                let body = if act == "transaction" { bundle() } else { body };
                let sent = (method == Method::POST).then_some(&body);
                let answer = browser.fhir(method.clone(), &path.replace("{}", &record), sent).await;
                let what = format!("{role:?} {act}, stepped up: {is_stepped_up}");
                held(&what, role.admits(act), is_stepped_up, &answer);
            }
        }
    }
    let acts = trail(&gateway, "elp-1").await;
    assert!(acts.iter().any(|act| act.ends_with(": not-for-role")), "refusals are on record: {acts:?}");
}

/// What the answer must be like where the table says so.
fn held(what: &str, admission: Admission, is_stepped_up: bool, answer: &wellgate_tests::caller::Answer) {
    let refusal = match admission {
        Admission::Refused => "not-for-role",
        Admission::AfterStepUp if !is_stepped_up => "step-up-required",
        Admission::AfterStepUp | Admission::InSession => {
            assert!(!["not-for-role", "step-up-required"].contains(&answer.reason()), "{what}: {answer}");
            return;
        }
    };
    // A type of which there is no such interaction is refused before anybody asks who it is.
    assert!(answer.reason() == refusal || answer.status == 405, "{what}: {answer}");
}

pub(super) async fn in_role<'g>(gateway: &'g Gateway, role: PersonRole, record: &str) -> Browser<'g> {
    let code = role.code();
    if role == PersonRole::Patient {
        let told = gateway.as_("elp-1").post(format!("Patient/{record}/$link-code"), &json!({})).await.expect(200);
        let browser = Browser::of(gateway, code).await;
        let given = told.json["parameter"][0]["valueString"].as_str().expect("a code");
        browser.post("account/link", &[("code", given)]).await.expect(303);
        return browser;
    }
    let practitioner = match role {
        PersonRole::CareProvider => Some("psychologist-1"),
        PersonRole::Intake => Some("desk-1"),
        PersonRole::Billing => Some("books-1"),
        _ => None,
    };
    gateway.employ(code, "elp-1", practitioner, &[code]).await;
    Browser::of(gateway, code).await
}

async fn ask(browser: &Browser<'_>, resource_type: &str, interaction: Interaction) -> wellgate_tests::caller::Answer {
    let (id, body) = ("0199aaaa00007000800000000000aaaa", json!({"resourceType": resource_type}));
    match interaction {
        Interaction::Create => browser.fhir(Method::POST, resource_type, Some(&body)).await,
        Interaction::Read => browser.read(format!("{resource_type}/{id}")).await,
        Interaction::Update => browser.fhir(Method::PUT, &format!("{resource_type}/{id}"), Some(&body)).await,
        Interaction::Delete => browser.fhir(Method::DELETE, &format!("{resource_type}/{id}"), None).await,
        Interaction::Search => browser.read(resource_type).await,
    }
}

fn bundle() -> Value {
    json!({"resourceType": "Bundle", "type": "transaction", "entry": []})
}

async fn a_role_narrows_what_the_practitioner_sees_and_never_widens_it(gateway: Gateway) {
    let holder = gateway.as_("elp-1");
    let record = holder.create(&patient()).await;
    let observation = holder.create(&wellgate_tests::resources::observation(&record)).await;
    let elsewhere = gateway.as_("elp-2").create(&patient()).await;
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider", "intake", "billing"]).await;
    let browser = Browser::of(&gateway, "an").await;
    browser.read(format!("Observation/{observation}")).await.expect(200);
    browser.read(format!("Patient/{elsewhere}")).await.expect(404);
    for (role, patient, observation_status) in [("intake", 200, 403), ("billing", 200, 403)] {
        browser.post("account/act-as", &[("as", role)]).await.expect(303);
        browser.read(format!("Patient/{record}")).await.expect(patient);
        browser.read(format!("Observation/{observation}")).await.expect(observation_status);
    }
    // In a Bundle too.
    let entry = json!({"request": {"method": "GET", "url": format!("Observation/{observation}")}});
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]});
    let answer = browser.fhir(Method::POST, "", Some(&batch)).await.expect(200);
    assert_eq!(answer.json["entry"][0]["response"]["status"].as_str().map(|text| &text[..3]), Some("403"), "{answer}");
    // A practitioner who is registered for less is no more by a role.
    gateway.employ("books", "elp-1", Some("books-1"), &["care-provider", "billing"]).await;
    let books = Browser::of(&gateway, "books").await;
    assert_eq!(books.get("session").await.json["role"], "billing");
    books.post("account/act-as", &[("as", "care-provider")]).await.expect(403);
    // What was read is on record under the practitioner.
    let events = holder.search(format!("AuditEvent?patient={record}&_count=50")).await;
    let read = events
        .iter()
        .find(|event| event["subtype"][0]["code"] == "read" && event.to_string().contains("psychologist-1"));
    let read = read.expect("the reading is on record");
    assert!(read.to_string().contains("wellgate-sign-in"), "{read}");
}

stories!(with with_people;
    no_role_does_more_than_the_table_says,
    a_role_narrows_what_the_practitioner_sees_and_never_widens_it,
);
