//! How a patient finds the own record: by a code that its custodian hands out, and by nothing else.

use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::browser::Browser;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::{consent, patient, permit};
use wellgate_tests::stories;

use super::{counted, with_people};

const MINUTE_MS: i64 = 60_000;

async fn code(gateway: &Gateway, organization: &str, record: &str) -> String {
    let path = format!("Patient/{record}/$link-code");
    let told = gateway.as_(organization).post(path, &json!({})).await.expect(200);
    told.json["parameter"][0]["valueString"].as_str().expect("a code").to_owned()
}

async fn a_patient_finds_the_own_record_by_its_code_and_no_other(gateway: Gateway) {
    let (own, others) = (gateway.as_("elp-1").create(&patient()).await, gateway.as_("elp-1").create(&patient()).await);
    let consent_id = gateway.as_("elp-1").create(&consent(&own, &permit(&["gp-1"]))).await;
    let given = code(&gateway, "elp-1", &own).await;
    let browser = Browser::of(&gateway, "mia").await;
    browser.read(format!("Patient/{own}")).await.expect(403);
    // However it is typed.
    browser.post("account/link", &[("code", &given.to_lowercase().replace('-', " "))]).await.expect(303);
    assert_eq!(browser.get("session").await.json["patient"], json!(own));
    browser.read(format!("Patient/{own}")).await.expect(200);
    let (hidden, unknown) = (browser.read(format!("Patient/{others}")).await, browser.read("Patient/never-was").await);
    assert_eq!((hidden.status, hidden.told()), (404, unknown.told()));
    assert_eq!(browser.read("Patient").await.expect(200).resources().len(), 1);
    browser.fhir(Method::POST, "Patient", Some(&patient())).await.expect(403);
    browser
        .fhir(Method::POST, &format!("Consent/{consent_id}/$withdraw"), Some(&json!({"resourceType": "Parameters"})))
        .await
        .expect(200);
    let log = browser.read(format!("Patient/{own}/$access-log")).await.expect(200);
    let acts: Vec<&Value> =
        log.json["entries"].as_array().expect("entries").iter().map(|entry| &entry["act"]["code"]).collect();
    for act in ["link-code", "link", "withdraw", "read"] {
        assert!(acts.contains(&&json!(act)), "{act}: {acts:?}");
    }
    // The next time they sign in, at any browser, it is theirs still.
    let again = Browser::of(&gateway, "mia").await;
    again.read(format!("Patient/{own}")).await.expect(200);
    // A second record, and back to the first.
    browser.post("account/link", &[("code", &code(&gateway, "elp-1", &others).await)]).await.expect(303);
    browser.read(format!("Patient/{own}")).await.expect(404);
    browser.read(format!("Patient/{others}")).await.expect(200);
    browser.post("account/act-as", &[("as", &format!("patient/{own}"))]).await.expect(303);
    browser.read(format!("Patient/{own}")).await.expect(200);
}

async fn a_code_that_is_used_over_replaced_or_guessed_finds_nothing(gateway: Gateway) {
    let record = gateway.as_("elp-1").create(&patient()).await;
    let given = code(&gateway, "elp-1", &record).await;
    let (mia, noor) = (Browser::of(&gateway, "mia").await, Browser::of(&gateway, "noor").await);
    mia.post("account/link", &[("code", &given)]).await.expect(303);
    noor.post("account/link", &[("code", &given)]).await.expect(404);
    let replaced = code(&gateway, "elp-1", &record).await;
    let last = code(&gateway, "elp-1", &record).await;
    noor.post("account/link", &[("code", &replaced)]).await.expect(404);
    gateway.advance(15 * MINUTE_MS);
    mia.get("session").await.expect(200);
    gateway.advance(15 * MINUTE_MS);
    let noor = Browser::of(&gateway, "noor").await;
    for guess in ["", "AAAAA-AAAAA-AAAAA"] {
        noor.post("account/link", &[("code", guess)]).await.expect(404);
    }
    let over = code(&gateway, "elp-1", &gateway.as_("elp-1").create(&patient()).await).await;
    noor.post("account/link", &[("code", "%' OR 1=1 --")]).await.expect(404);
    // Five wrong ones, and no further is looked at, not even the right one, from whichever browser.
    let other = Browser::of(&gateway, "noor").await;
    other.post("account/link", &[("code", &last)]).await.expect(429);
    assert_eq!((counted(&gateway, "no-such-code"), counted(&gateway, "too-many-codes")), (5, 0));
    // Somebody else is not kept by it.
    let mia = Browser::of(&gateway, "mia").await;
    mia.post("account/link", &[("code", &last)]).await.expect(303);
    gateway.advance(60 * MINUTE_MS);
    let noor = Browser::of(&gateway, "noor").await;
    gateway.advance(24 * 60 * MINUTE_MS - 60 * MINUTE_MS);
    noor.get("session").await.expect(401);
    let noor = Browser::of(&gateway, "noor").await;
    noor.post("account/link", &[("code", &over)]).await.expect(404);
    noor.read(format!("Patient/{record}")).await.expect(403);
}

async fn only_the_custodian_hands_out_codes_and_ends_links(gateway: Gateway) {
    let holder = gateway.as_("elp-1");
    let record = holder.create(&patient()).await;
    holder.create(&consent(&record, &permit(&["gp-1"]))).await;
    for operation in ["$link-code", "$unlink"] {
        let ask = async |caller: &wellgate_tests::caller::Caller<'_>, record: &str| {
            caller.post(format!("Patient/{record}/{operation}"), &json!({})).await
        };
        for organization in ["gp-1", "elp-2"] {
            let other = gateway.as_(organization);
            let (hidden, unknown) = (ask(&other, &record).await, ask(&other, "never-was").await);
            assert_eq!((hidden.status, hidden.told()), (404, unknown.told()), "{organization} {operation}");
        }
        ask(&gateway.as_("elp-1").with_scope("system/*.rs"), &record).await.expect(403);
        let person = gateway.person(&format!("Patient/{record}")).with_scope("patient/*.cruds");
        ask(&person, &record).await.expect(404);
        ask(&gateway.as_("elp-1").by_practitioner("books-1"), &record).await.expect(200);
    }
    let browser = Browser::of(&gateway, "mia").await;
    browser.post("account/link", &[("code", &code(&gateway, "elp-1", &record).await)]).await.expect(303);
    browser.read(format!("Patient/{record}")).await.expect(200);
    let unused = code(&gateway, "elp-1", &record).await;
    let ended = holder.post(format!("Patient/{record}/$unlink"), &json!({})).await.expect(200);
    assert_eq!(ended.json["parameter"][0]["valueInteger"], 1);
    browser.get("session").await.expect(401);
    browser.sign_in("mia").await;
    browser.read(format!("Patient/{record}")).await.expect(403);
    browser.post("account/link", &[("code", &unused)]).await.expect(404);
}

async fn of_several_who_give_one_code_at_once_one_has_the_record_and_is_on_record(gateway: Gateway) {
    let record = gateway.as_("elp-1").create(&patient()).await;
    let given = code(&gateway, "elp-1", &record).await;
    let mut browsers = Vec::new();
    for subject in ["mia", "noor", "otto", "pia", "quin", "rosa"] {
        browsers.push(Browser::of(&gateway, subject).await);
    }
    let fields = [("code", given.as_str())];
    let answers = futures_util::future::join_all(browsers.iter().map(|one| one.post("account/link", &fields))).await;
    let won: Vec<_> = browsers.iter().zip(&answers).filter(|(_, answer)| answer.status == 303).collect();
    let [(winner, _)] = won.as_slice() else { panic!("{} have it", won.len()) };
    for (browser, answer) in browsers.iter().zip(&answers).filter(|(_, answer)| answer.status != 303) {
        assert_eq!(answer.status, 404, "{answer}");
        browser.read(format!("Patient/{record}")).await.expect(403);
    }
    let log = winner.read(format!("Patient/{record}/$access-log")).await.expect(200);
    let entries = log.json["entries"].as_array().expect("entries");
    assert_eq!(entries.iter().filter(|entry| entry["act"]["code"] == "link").count(), 1, "{log}");
    assert_eq!(counted(&gateway, "no-such-code"), 5);
}

stories!(with with_people;
    of_several_who_give_one_code_at_once_one_has_the_record_and_is_on_record,
    a_patient_finds_the_own_record_by_its_code_and_no_other,
    a_code_that_is_used_over_replaced_or_guessed_finds_nothing,
    only_the_custodian_hands_out_codes_and_ends_links,
);
