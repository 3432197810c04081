//! Why may somebody see a record, and who may: told to the custodian by the decision itself, and to nobody else.

use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::{DAY_MS, Gateway, Options};
use wellgate_tests::referral::{bring, place, refusals};
use wellgate_tests::resources::{actor, consent, deny, encounter, patient, permit};
use wellgate_tests::stories;

/// Asks why an organisation may treat.
async fn explain(caller: &Caller<'_>, patient: &str, organization: &str, more: &str) -> Answer {
    let path = format!(
        "Consent/$explain?patient=Patient/{patient}&organization=Organization/{organization}&purpose=TREAT{more}"
    );
    caller.get(path).await
}

/// The members of a name, each by its parts.
fn all<'a>(answer: &'a Answer, name: &str) -> Vec<&'a Value> {
    answer.json["parameter"].as_array().into_iter().flatten().filter(|one| one["name"] == name).collect()
}

fn code<'a>(answer: &'a Answer, name: &str) -> &'a str {
    all(answer, name).first().and_then(|one| one["valueCode"].as_str()).unwrap_or_default()
}

/// The values of the parts of a name.
fn parts(member: &Value, name: &str) -> Vec<String> {
    let named = member["part"].as_array().into_iter().flatten().filter(|part| part["name"] == name);
    let text = |part: &Value| {
        let value = part.as_object()?.iter().find(|(key, _)| key.starts_with("value"))?.1;
        value["reference"].as_str().or(value.as_str()).map(str::to_owned)
    };
    named.filter_map(text).collect()
}

async fn the_deciding_consent_and_provision_are_named(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let silent = edpbw.create(&consent(&person, &permit(&["gp-1"]))).await;
    let mut provision = permit(&["elp-1", "elp-2"]);
    provision["provision"] = json!([permit(&["cgg-1"]), deny(&["elp-2"])]);
    let decisive = edpbw.create(&consent(&person, &provision)).await;

    let permitted = explain(&edpbw, &person, "elp-1", "").await.expect(200);
    assert_eq!((code(&permitted, "decision"), code(&permitted, "reason")), ("permit", "consent"));
    let deciding = all(&permitted, "deciding");
    assert_eq!(parts(deciding[0], "consent"), [format!("Consent/{decisive}")]);
    assert_eq!(parts(deciding[0], "path"), ["Consent.provision"]);

    let nested = explain(&edpbw, &person, "cgg-1", "").await.expect(200);
    assert_eq!(parts(all(&nested, "deciding")[0], "path"), ["Consent.provision.provision[0]"]);

    let denied = explain(&edpbw, &person, "elp-2", "").await.expect(200);
    assert_eq!((code(&denied, "decision"), code(&denied, "reason")), ("deny", "excluded-by-patient"));
    assert_eq!(parts(all(&denied, "deciding")[0], "path"), ["Consent.provision.provision[1]"]);
    let outcomes: Vec<_> =
        all(&denied, "considered").iter().map(|one| (parts(one, "consent"), parts(one, "outcome"))).collect();
    let row = |id: &str, outcome: &str| (vec![format!("Consent/{id}")], vec![outcome.to_owned()]);
    assert!(outcomes.contains(&row(&silent, "silent")) && outcomes.contains(&row(&decisive, "deny")), "{denied}");
    assert!(all(&denied, "looked").is_empty() && !denied.to_string().contains("looked"), "no full trace unasked");

    // By POST the answer is the same.
    let parameters = json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": format!("Patient/{person}")}},
        {"name": "organization", "valueReference": {"reference": "Organization/elp-2"}},
        {"name": "purpose", "valueCode": "TREAT"},
    ]});
    assert_eq!(edpbw.post("Consent/$explain", &parameters).await.expect(200).json, denied.json);
}

async fn what_is_explained_is_what_happens(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let mut later = permit(&["elp-2"]);
    later["period"] = json!({"start": gateway.instant(DAY_MS)});
    for provision in [permit(&["elp-1", "gp-1"]), deny(&["gp-1"]), later] {
        edpbw.create(&consent(&person, &provision)).await;
    }
    for organization in ["edpbw-a", "edpbw-b", "elp-1", "elp-2", "cgg-1", "gp-1", "mutuality-1"] {
        for purpose in ["TREAT", "HPAYMT"] {
            let path = format!(
                "Consent/$explain?patient=Patient/{person}&organization=Organization/{organization}&purpose={purpose}"
            );
            let explained = edpbw.get(path).await.expect(200);
            let read = gateway.as_(organization).for_purpose(purpose).get(format!("Patient/{person}")).await;
            let is_read = read.status == 200;
            assert_eq!(code(&explained, "decision") == "permit", is_read, "{organization} {purpose}: {explained}");
        }
    }
    let later = explain(&edpbw, &person, "elp-2", "").await.expect(200);
    assert_eq!(code(&later, "reason"), "consent-not-yet-in-force");
    let then = explain(&edpbw, &person, "elp-2", &format!("&at={}", gateway.instant(DAY_MS + 1_000))).await.expect(200);
    assert_eq!(code(&then, "decision"), "permit");
}

async fn what_is_explained_of_a_practitioner_is_what_happens(gateway: Gateway) {
    // Of the own organisation one is excluded and two have roles; of another one has an emergency, which no Consent opens.
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let ids = [("Patient", person.clone()), ("Encounter", elp.create(&encounter(&person)).await)];
    let mut excluded = deny(&["elp-1"]);
    excluded["actor"][0]["reference"] = json!({"reference": "Practitioner/psychologist-2"});
    elp.create(&consent(&person, &excluded)).await;
    let in_need = gateway.as_("gp-1").by_practitioner("doctor-1");
    let asked = json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": format!("Patient/{person}")}},
        {"name": "purpose", "valueCode": "BTG"}, {"name": "reason", "valueString": "unconscious"},
    ]});
    in_need.post("Patient/$break-glass", &asked).await.expect(201);

    let mut reasons = Vec::new();
    for (organization, practitioner) in [
        ("elp-1", "psychologist-1"),
        ("elp-1", "psychologist-2"),
        ("elp-1", "desk-1"),
        ("elp-1", "books-1"),
        ("gp-1", "doctor-1"),
        ("cgg-2", "therapist-1"),
    ] {
        for (resource_type, id) in &ids {
            let more = format!("&practitioner=Practitioner/{practitioner}&resource={resource_type}/{id}");
            let explained = explain(&elp, &person, organization, &more).await.expect(200);
            let caller = gateway.as_(organization).by_practitioner(practitioner);
            let is_read = caller.get(format!("{resource_type}/{id}")).await.status == 200;
            assert_eq!(
                code(&explained, "decision") == "permit",
                is_read,
                "{practitioner} {resource_type}: {explained}"
            );
            reasons.push(code(&explained, "reason").to_owned());
        }
    }
    let expected = [
        "custodian",
        "custodian",
        "kept-from",
        "kept-from",
        "custodian",
        "beyond-role",
        "custodian",
        "beyond-role",
        "emergency",
        "emergency",
        "no-consent",
        "no-consent",
    ];
    assert_eq!(reasons, expected);

    let listed = elp.get(format!("Patient/{person}/$who-can-see")).await.expect(200);
    let kept: Vec<(Vec<String>, Value)> = all(&listed, "viewer")
        .into_iter()
        .filter_map(|one| {
            let kept = one["part"].as_array()?.iter().find(|part| part["name"] == "kept")?;
            Some((parts(one, "who"), kept.clone()))
        })
        .collect();
    let [(who, kept)] = kept.as_slice() else { panic!("one is kept out: {listed}") };
    assert_eq!(
        (who.as_slice(), parts(kept, "reason")),
        (&["Practitioner/psychologist-2".to_owned()][..], vec!["kept-from".to_owned()])
    );
    assert_eq!(parts(kept, "purpose"), ["TREAT"], "for what the deny is about");
}

async fn custody_and_closures_come_before_any_consent(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["edpbw-a", "elp-1", "gp-1"], "Organization/elp-1").await;
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    // In transit nobody is told: the sender is blind, and the room does not hold it yet.
    for caller in [&edpbw, &elp] {
        explain(caller, &placed.patient, "gp-1", "").await.expect(404);
    }
    bring(&elp, &placed.task, "accepted").await.expect(200);
    let own = explain(&elp, &placed.patient, "elp-1", "").await.expect(200);
    assert_eq!((code(&own, "decision"), code(&own, "reason")), ("permit", "custodian"));
    let released = explain(&elp, &placed.patient, "edpbw-a", "").await.expect(200);
    assert_eq!((code(&released, "decision"), code(&released, "reason")), ("deny", "released"), "{released}");
    assert_eq!(parts(all(&released, "considered")[0], "outcome"), ["permit"], "its Consent would permit");
    assert_eq!(parts(all(&released, "closure")[0], "of"), ["organization/edpbw-a"]);

    let whole = explain(&elp, &placed.patient, "gp-1", "").await.expect(200);
    assert_eq!(code(&whole, "decision"), "permit");
    for resource in [format!("Consent/{}", placed.consent), format!("Task/{}", placed.task)] {
        let one = explain(&elp, &placed.patient, "gp-1", &format!("&resource={resource}")).await.expect(200);
        assert_eq!((code(&one, "decision"), code(&one, "reason")), ("deny", "custodian-only"), "{resource}");
    }
}

async fn nobody_but_the_custodian_learns_that_there_is_a_record(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    edpbw.create(&consent(&person, &deny(&["gp-1"]))).await;
    let never = "0198f2a0000070008000000000000000";
    // Excluded, permitted, stranger: for whomever they ask.
    for organization in ["gp-1", "elp-1", "cgg-1"] {
        let caller = gateway.as_(organization);
        for path in [
            format!("Consent/$explain?patient=Patient/ID&organization=Organization/{organization}&purpose=TREAT"),
            // What is wrong with a question is not looked at before it is known who asks it.
            "Consent/$explain?patient=Patient/ID&organization=Organization/nobody&purpose=nothing&trace=full"
                .to_owned(),
            "Consent/$conflicts?patient=Patient/ID".to_owned(),
            "Patient/ID/$who-can-see".to_owned(),
        ] {
            let hidden = caller.get(path.replace("ID", &person)).await.expect(404);
            let absent = caller.get(path.replace("ID", never)).await.expect(404);
            assert_eq!(hidden.told(), absent.told(), "{organization}: {path}");
        }
        assert_eq!(refusals(&caller, None).await, vec!["not-found"; 8], "{organization}: each in its own trail");
    }
    let events = edpbw.search(format!("AuditEvent?patient=Patient/{person}&outcome=8&_count=500")).await;
    let acts: Vec<&str> = events.iter().filter_map(|event| event["subtype"][0]["code"].as_str()).collect();
    assert_eq!(acts.iter().filter(|act| **act == "explain").count(), 6, "and in the record's: {acts:?}");
    assert_eq!(acts.iter().filter(|act| **act == "who-can-see").count(), 3, "{acts:?}");
}

async fn an_explanation_is_in_the_trail(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    explain(&edpbw, &person, "elp-1", "").await.expect(200);
    edpbw.get(format!("Patient/{person}/$who-can-see")).await.expect(200);
    let events = edpbw.search(format!("AuditEvent?patient=Patient/{person}&outcome=0&_count=2")).await;
    let acts: Vec<&str> = events.iter().filter_map(|event| event["subtype"][0]["code"].as_str()).collect();
    assert_eq!(acts, ["who-can-see", "explain"]);
}

async fn a_question_that_is_not_understood_is_refused(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let ask = |rest: &str| format!("Consent/$explain?patient=Patient/{person}{rest}");
    for (rest, status, element) in [
        ("&organization=Organization/elp-1", 422, "purpose"),
        ("&organization=Organization/elp-1&purpose=FooBar", 422, "purpose"),
        ("&organization=Organization/nobody&purpose=TREAT", 422, "organization"),
        ("&organization=elp-1&purpose=TREAT", 422, "organization"),
        ("&purpose=TREAT", 422, "organization"),
        ("&practitioner=Practitioner/nobody&purpose=TREAT", 422, "practitioner"),
        ("&practitioner=Practitioner/psychologist-1&organization=Organization/gp-1&purpose=TREAT", 422, "practitioner"),
        ("&organization=Organization/elp-1&purpose=TREAT&at=soon", 422, "at"),
        ("&organization=Organization/elp-1&purpose=TREAT&resource=Observation/none", 422, "resource"),
        ("&organization=Organization/elp-1&purpose=TREAT&trace=some", 422, "trace"),
        ("&organization=Organization/elp-1&purpose=TREAT&depth=1", 400, "depth"),
        ("&purpose=TREAT&purpose=HPAYMT", 400, "purpose"),
    ] {
        let refused = edpbw.get(ask(rest)).await.expect(status);
        assert_eq!(refused.issues()[0].1, format!("Parameters.parameter:{element}"), "{rest}: {refused}");
    }
    edpbw.get("Consent/$explain?purpose=TREAT").await.expect(422);
    edpbw.with_scope("system/Patient.r").get(ask("&organization=Organization/elp-1&purpose=TREAT")).await.expect(403);
}

async fn a_sandbox_shows_the_whole_matching(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let mut provision = permit(&["elp-1"]);
    provision["provision"] = json!([deny(&["gp-1"])]);
    edpbw.create(&consent(&person, &provision)).await;
    let full = explain(&edpbw, &person, "elp-1", "&trace=full").await.expect(200);
    let considered = all(&full, "considered")[0].clone();
    let looked = considered["part"].as_array().into_iter().flatten().filter(|part| part["name"] == "looked");
    let looked: Vec<(String, bool)> = looked
        .map(|part| (parts(part, "path")[0].clone(), part["part"][1]["valueBoolean"].as_bool().expect("true or false")))
        .collect();
    let row = |path: &str, holds: bool| (format!("Consent.provision{path}"), holds);
    assert!(looked.contains(&row(".actor", true)) && looked.contains(&row(".purpose", true)), "{looked:?}");
    assert!(looked.contains(&row(".provision[0].actor", false)), "{looked:?}");
    assert!(
        looked.contains(&row(".provision[0].purpose", true)),
        "all of it, not only to the first that fails: {looked:?}"
    );
}

async fn outside_a_sandbox_nobody_sees_the_whole_matching(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let refused = explain(&edpbw, &person, "elp-1", "&trace=full").await.expect(403);
    assert_eq!(refused.reason(), "sandbox-only");
    assert_eq!(refusals(&edpbw, Some(&person)).await, ["sandbox-only"]);
    explain(&edpbw, &person, "elp-1", "").await.expect(200);
}

async fn who_can_see_lists_whom_the_reads_let_in(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let mut ending = permit(&["gp-1"]);
    ending["period"] = json!({"end": gateway.instant(DAY_MS)});
    let mut kind = permit(&[]);
    kind["actor"] = json!([actor("elp-1")]);
    kind["actor"][0]["reference"] = json!({"identifier": {
        "system": "https://wellgate.example/fhir/NamingSystem/organization-kind", "value": "elp"}});
    let of_kind = edpbw.create(&consent(&person, &kind)).await;
    edpbw.create(&consent(&person, &ending)).await;
    edpbw.create(&consent(&person, &deny(&["elp-2"]))).await;
    let mut practitioner = deny(&["elp-1"]);
    practitioner["actor"][0]["reference"] = json!({"reference": "Practitioner/psychologist-1"});
    edpbw.create(&consent(&person, &practitioner)).await;

    let listed = edpbw.get(format!("Patient/{person}/$who-can-see")).await.expect(200);
    let viewers = all(&listed, "viewer");
    let who: Vec<String> = viewers.iter().flat_map(|viewer| parts(viewer, "who")).collect();
    assert_eq!(who, ["Organization/edpbw-a", "Organization/elp-1", "Practitioner/psychologist-1", "Organization/gp-1"]);
    for organization in ["edpbw-a", "edpbw-b", "elp-1", "elp-2", "cgg-1", "cgg-2", "gp-1", "mutuality-1"] {
        let read = gateway.as_(organization).get(format!("Patient/{person}")).await;
        assert_eq!(read.status == 200, who.contains(&format!("Organization/{organization}")), "{organization}");
    }
    assert_eq!(parts(viewers[0], "basis"), ["custodian"]);
    let permit = |viewer: &Value| {
        viewer["part"].as_array().and_then(|parts| parts.iter().find(|one| one["name"] == "permit").cloned())
    };
    let elp = permit(viewers[1]).expect("a permit");
    assert_eq!((parts(&elp, "purpose"), parts(&elp, "until")), (vec!["TREAT".to_owned()], Vec::new()));
    assert_eq!(parts(&elp, "consent"), [format!("Consent/{of_kind}")]);
    assert_eq!(permit(viewers[2]), None, "the practitioner who is excluded is listed with nothing");
    let gp = permit(viewers[3]).expect("a permit");
    assert_eq!(parts(&gp, "until").len(), 1, "{gp}");
    gateway.as_("elp-1").by_practitioner("psychologist-1").get(format!("Patient/{person}")).await.expect(404);

    // Page by page it is the same.
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = edpbw.get(format!("Patient/{person}/$who-can-see?_count=2{after}")).await.expect(200);
        paged.extend(all(&page, "viewer").iter().flat_map(|viewer| parts(viewer, "who")));
        let Some(next) = all(&page, "next").first().and_then(|one| one["valueString"].as_str()).map(str::to_owned)
        else {
            break;
        };
        after = format!("&after={next}");
    }
    assert_eq!(paged, who);
}

fn production() -> Options {
    Options { is_production: true, ..Options::default() }
}

stories!(
    the_deciding_consent_and_provision_are_named,
    what_is_explained_is_what_happens,
    what_is_explained_of_a_practitioner_is_what_happens,
    custody_and_closures_come_before_any_consent,
    nobody_but_the_custodian_learns_that_there_is_a_record,
    an_explanation_is_in_the_trail,
    a_question_that_is_not_understood_is_refused,
    a_sandbox_shows_the_whole_matching,
    who_can_see_lists_whom_the_reads_let_in,
);

mod outside {
    use super::{outside_a_sandbox_nobody_sees_the_whole_matching, production};

    wellgate_tests::stories!(with production; outside_a_sandbox_nobody_sees_the_whole_matching);
}
