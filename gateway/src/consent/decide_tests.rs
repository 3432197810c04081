//! What a decision says, case by case. Each case is a Consent's provision, a caller and a moment.

use serde_json::{Value, json};

use crate::labels::{DataPeriod, Label, LabelSet, ResourceFacts};

use super::arbitrary::{plain, registered};
use super::{
    Basis, Consent, ConsentId, Decision, Grantee, Period, Purpose, Reason, Request, decide, evaluate, grants, read,
};

const NOON: &str = "2026-01-03T12:00:00Z";

fn consent_of(status: &str, provision: &Value) -> Consent {
    let consent = json!({
        "resourceType": "Consent",
        "status": status,
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/1"},
        "provision": provision,
    });
    read(ConsentId("1".to_owned()), &consent, &registered).expect("the test Consent is enforced")
}

/// Shorthand: `{"type": .., "who": ["Organization/a"], "why": ["TREAT"], "period": .., "provision": [..]}`.
fn provision(short: &Value) -> Value {
    let role =
        json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "PRCP"}]});
    let mut long = json!({});
    for (name, value) in short.as_object().expect("a provision is an object") {
        let list = || value.as_array().cloned().unwrap_or_default().into_iter();
        let element = match name.as_str() {
            "who" => "actor",
            "why" => "purpose",
            other => other,
        };
        long[element] = match name.as_str() {
            "who" => list().map(|who| json!({"role": role, "reference": {"reference": who}})).collect(),
            "why" => list().map(|why| json!({"system": super::PURPOSE_SYSTEM, "code": why})).collect(),
            "provision" => list().map(|nested| provision(&nested)).collect(),
            _ => value.clone(),
        };
    }
    long
}

fn consent(short: &Value) -> Consent {
    consent_of("active", &provision(short))
}

fn at(text: &str) -> i64 {
    super::period::from_date_time(text).map_or(0, |moment: Period| moment.from_ms)
}

/// Organisation a (of kind elp) asks for a purpose, by practitioner p; the grants must agree with the answer.
fn answer(consents: &[Consent], purpose: &str, when: &str) -> Result<Basis, Reason> {
    answer_for(&plain(), consents, purpose, when)
}

fn answer_for(facts: &ResourceFacts, consents: &[Consent], purpose: &str, when: &str) -> Result<Basis, Reason> {
    let grantees = [Grantee::organization("a"), Grantee::kind("elp"), Grantee::practitioner("p")];
    let purpose = Purpose::from_code(purpose).expect("a known purpose");
    let request = Request { grantees: &grantees, purpose };
    let decision = decide(request, facts, consents, at(when));
    let rows: Vec<_> = consents
        .iter()
        .flat_map(|consent| grants(consent).into_iter().map(|grant| (consent.id.clone(), grant)))
        .collect();
    assert_eq!(
        evaluate(&rows, &request, facts, at(when)),
        matches!(decision, Decision::Permit(_)),
        "the grants disagree"
    );
    match decision {
        Decision::Permit(permit) => Ok(permit.basis().clone()),
        Decision::Deny(reason) => Err(reason),
    }
}

fn assert_denied(reason: Reason, cases: &[Value]) {
    for short in cases {
        assert_eq!(answer(&[consent(short)], "TREAT", NOON), Err(reason), "{short}");
    }
}

#[test]
fn nothing_is_permitted_where_no_consent_names_the_caller() {
    assert_eq!(answer(&[], "TREAT", NOON), Err(Reason::NoConsent));
    assert_denied(
        Reason::NoConsent,
        &[
            json!({"type": "permit", "who": ["Organization/b"]}),
            json!({"type": "deny", "who": ["Organization/b"]}),
            json!({"type": "deny", "who": ["Organization/b"], "provision": [{"type": "permit"}]}),
            json!({"type": "deny", "who": ["Organization/b"], "provision": [{"type": "permit", "who": ["Organization/a"]}]}),
            json!({"type": "permit", "who": ["Practitioner/q"], "provision": [{"type": "permit", "why": ["TREAT"]}]}),
            json!({"provision": [{"type": "permit", "who": ["Organization/b"]}]}),
        ],
    );
}

#[test]
fn a_deny_that_matches_any_identity_of_the_caller_excludes() {
    assert_denied(
        Reason::Excluded,
        &[
            json!({"type": "deny"}),
            json!({"type": "deny", "who": ["Practitioner/p"]}),
            json!({"type": "permit", "provision": [{"type": "deny", "who": ["Practitioner/p"]}]}),
            json!({"type": "permit", "who": ["Organization/a"], "provision": [{"type": "deny", "why": ["TREAT"]}]}),
            json!({"type": "permit", "provision": [{"type": "deny", "why": ["TREAT"]}, {"type": "permit", "why": ["TREAT"]}]}),
            json!({"type": "deny", "provision": [{"type": "permit", "why": ["BTG"]}]}),
            json!({"type": "deny", "provision": [{"type": "permit"}, {"type": "deny", "who": ["Organization/a"]}]}),
            json!({"type": "deny", "who": ["Organization/b"], "provision": [{"type": "deny", "who": ["Organization/a"]}]}),
            json!({"provision": [{"type": "deny", "who": ["Organization/a"]}, {"type": "permit", "who": ["Organization/a"]}]}),
        ],
    );
}

#[test]
fn a_deny_in_one_consent_is_not_excepted_by_another() {
    let deny = consent(&json!({"type": "deny", "who": ["Organization/a"]}));
    let excepting = json!({"type": "deny", "provision": [{"type": "permit", "who": ["Organization/a"]}]});
    let excepting = Consent { id: ConsentId("2".to_owned()), ..consent(&excepting) };
    assert!(answer(std::slice::from_ref(&excepting), "TREAT", NOON).is_ok());
    assert_eq!(answer(&[excepting, deny], "TREAT", NOON), Err(Reason::Excluded));
}

#[test]
fn a_consent_that_matches_permits() {
    for short in [
        json!({"type": "permit"}),
        json!({"type": "permit", "who": ["Organization/b", "Organization/a"], "why": ["TREAT", "BTG"]}),
        json!({"type": "permit", "who": ["Organization/b"], "provision": [{"type": "permit", "who": ["Practitioner/p"]}]}),
        json!({"type": "permit", "why": ["BTG"], "provision": [{"type": "permit", "why": ["TREAT"]}]}),
        json!({"type": "permit", "provision": [{"type": "deny", "who": ["Practitioner/q"]}]}),
        json!({"type": "deny", "provision": [{"type": "permit", "why": ["TREAT"]}]}),
        json!({"type": "deny", "who": ["Organization/a"], "provision": [{"type": "permit", "who": ["Practitioner/p"]}]}),
        json!({"provision": [{"type": "permit", "who": ["Organization/a"]}]}),
    ] {
        assert!(answer(&[consent(&short)], "TREAT", NOON).is_ok(), "{short}");
    }
}

#[test]
fn a_nested_deny_keeps_to_the_purpose_that_it_inherits() {
    let nested =
        json!({"type": "permit", "why": ["TREAT"], "provision": [{"type": "deny", "who": ["Organization/a"]}]});
    let research = json!({"type": "permit", "why": ["HRESCH"]});
    let consents = [consent(&nested), Consent { id: ConsentId("2".to_owned()), ..consent(&research) }];
    assert_eq!(answer(&consents, "TREAT", NOON), Err(Reason::Excluded));
    assert!(answer(&consents, "HRESCH", NOON).is_ok());
}

#[test]
fn a_period_holds_from_its_first_moment_to_the_end_of_its_last_day() {
    let consents = [consent(&json!({"type": "permit", "period": {"start": "2026-01-02", "end": "2026-01-03"}}))];
    for (when, reason) in [
        ("2026-01-01T23:59:59.999Z", Some(Reason::NotYetInForce)),
        ("2026-01-02T00:00:00Z", None),
        ("2026-01-03T23:59:59.999Z", None),
        ("2026-01-04T00:00:00Z", Some(Reason::Expired)),
    ] {
        assert_eq!(answer(&consents, "TREAT", when).err(), reason, "{when}");
    }
}

#[test]
fn a_nested_period_never_outlives_the_root() {
    let nested = json!({"type": "permit", "period": {"start": "2026-01-01"}});
    let consents = [consent(&json!({"period": {"end": "2026-01-02"}, "provision": [nested]}))];
    assert!(answer(&consents, "TREAT", "2026-01-02T12:00:00Z").is_ok());
    assert_eq!(answer(&consents, "TREAT", NOON), Err(Reason::Expired));
}

#[test]
fn of_several_reasons_the_first_in_their_order_is_given() {
    let permit = |status: &str, short: Value| consent_of(status, &provision(&short));
    let mut consents = vec![];
    for (more, reason) in [
        (permit("draft", json!({"type": "permit"})), Reason::NoConsent),
        (permit("active", json!({"type": "permit", "why": ["BTG"]})), Reason::Purpose),
        (permit("active", json!({"type": "permit", "period": {"start": "2027"}})), Reason::NotYetInForce),
        (permit("active", json!({"type": "permit", "period": {"end": "2025"}})), Reason::Expired),
        (permit("inactive", json!({"type": "deny"})), Reason::Expired),
        (permit("inactive", json!({"type": "permit"})), Reason::Withdrawn),
        (permit("active", json!({"type": "deny"})), Reason::Excluded),
    ] {
        consents.push(Consent { id: ConsentId(consents.len().to_string()), ..more });
        assert_eq!(answer(&consents, "TREAT", NOON), Err(reason));
    }
}

#[test]
fn a_permit_names_every_consent_that_it_rests_on() {
    let permit = consent(&json!({"type": "permit"}));
    let ids = ["c", "a", "b"].map(|id| ConsentId(id.to_owned()));
    let consents = ids.clone().map(|id| Consent { id, ..permit.clone() });
    let sorted = ["a", "b", "c"].map(|id| ConsentId(id.to_owned())).to_vec();
    assert_eq!(answer(&consents, "TREAT", NOON), Ok(Basis::Consent { consents: sorted }));
}

/// Shorthand for `securityLabel`.
fn labels(codes: &[&str]) -> Value {
    codes.iter().map(|code| json!({"system": Label::from_code(code).map(Label::system), "code": code})).collect()
}

fn labelled(codes: &[&str]) -> ResourceFacts {
    let set = codes.iter().filter_map(|code| Label::from_code(code)).fold(LabelSet::NONE, LabelSet::with);
    ResourceFacts { labels: set.of_resource(), ..plain() }
}

/// Of each resource whether it is permitted by one Consent.
fn permitted(short: &Value, all: &[ResourceFacts]) -> Vec<bool> {
    let consents = [consent(short)];
    all.iter().map(|facts| answer_for(facts, &consents, "TREAT", NOON).is_ok()).collect()
}

#[test]
fn a_permit_of_labels_opens_what_has_one_of_them_and_no_sensitivity_beside() {
    let all = [labelled(&["N"]), labelled(&["R"]), labelled(&["PSY"]), labelled(&["PSY", "HIV"]), labelled(&["V"])];
    for (named, expected) in [
        (&["N"][..], [true, false, false, false, false]),
        (&["N", "R"], [true, true, false, false, false]),
        (&["PSY"], [false, false, true, false, false]),
        (&["PSY", "HIV"], [false, false, true, true, false]),
        (&["R", "PSY"], [false, true, true, false, false]),
        (&["V"], [false, false, false, false, true]),
    ] {
        assert_eq!(permitted(&json!({"type": "permit", "securityLabel": labels(named)}), &all), expected, "{named:?}");
    }
    assert_eq!(permitted(&json!({"type": "permit"}), &all), [true; 5], "no label named is any");
}

#[test]
fn a_deny_of_labels_meets_what_has_any_of_them() {
    let all = [labelled(&["N"]), labelled(&["R"]), labelled(&["ETHUD", "HIV"]), labelled(&["V"])];
    for (named, expected) in [
        (&["R"][..], [true, false, false, false]),
        (&["HIV"], [true, true, false, true]),
        (&["ETH"], [true, true, false, true]),
        (&["V"], [true, true, true, false]),
    ] {
        let nested = json!({"type": "deny", "securityLabel": labels(named)});
        assert_eq!(permitted(&json!({"type": "permit", "provision": [nested]}), &all), expected, "{named:?}");
    }
}

#[test]
fn what_is_not_labelled_yet_counts_as_most_restricted() {
    let unlabelled = [ResourceFacts { labels: LabelSet::EVERY, ..plain() }];
    let every: Vec<_> = Label::all().map(Label::code).collect();
    assert_eq!(permitted(&json!({"type": "permit", "securityLabel": labels(&every)}), &unlabelled), [false]);
    assert_eq!(permitted(&json!({"type": "permit"}), &unlabelled), [true]);
    let nested = json!({"type": "deny", "securityLabel": labels(&["TBOO"])});
    assert_eq!(permitted(&json!({"type": "permit", "provision": [nested]}), &unlabelled), [false]);
}

#[test]
fn a_nested_permit_of_a_label_opens_it_to_whom_it_names() {
    let all = [labelled(&["N"]), labelled(&["PSY"]), labelled(&["PSY", "HIV"])];
    let focused = |who: &str| {
        let nested = json!({"type": "permit", "who": [who], "securityLabel": labels(&["PSY"])});
        json!({"type": "permit", "securityLabel": labels(&["N"]), "provision": [nested]})
    };
    assert_eq!(permitted(&focused("Practitioner/p"), &all), [true, true, false]);
    assert_eq!(permitted(&focused("Practitioner/q"), &all), [true, false, false]);
    let excepted = json!({"type": "permit", "who": ["Practitioner/p"]});
    let deny = json!({"type": "deny", "securityLabel": labels(&["PSY"]), "provision": [excepted]});
    assert_eq!(permitted(&deny, &all), [false, true, false], "an exception is a permit too, of the labels of its deny");
}

#[test]
fn a_data_period_covers_what_lies_within_and_denies_what_it_touches() {
    let days = |from: i64, until: i64| {
        let first = at("2026-01-01T00:00:00Z");
        let day = |n: i64| first + (n - 1) * 86_400_000;
        ResourceFacts { data: DataPeriod { from_ms: day(from), until_ms: day(until) }, ..plain() }
    };
    let all = [days(1, 2), days(2, 3), days(2, 4), days(3, 5), days(4, 5)];
    let period = json!({"start": "2026-01-02", "end": "2026-01-03"});
    let expected = [false, true, true, false, false];
    assert_eq!(permitted(&json!({"type": "permit", "dataPeriod": period}), &all), expected);
    let nested = json!({"type": "deny", "dataPeriod": period});
    let expected = [true, false, false, false, true];
    assert_eq!(permitted(&json!({"type": "permit", "provision": [nested]}), &all), expected);
}

#[test]
fn a_class_and_data_name_their_resources_and_no_others() {
    let of = |resource_type: &str, id: &str, more: &str| ResourceFacts {
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        atoms: format!(",instance|{resource_type}/{id},{more}"),
        ..plain()
    };
    let mut referred = of("Condition", "c", "");
    referred.referred_by.push("Encounter/e".to_owned());
    let patient = ResourceFacts { resource_type: "Patient".to_owned(), id: "1".to_owned(), ..referred.clone() };
    let all = [
        of("Encounter", "e", "by|Practitioner/p,"),
        of("Observation", "o", "refers|Encounter/e,by|Practitioner/q,"),
        referred,
        patient,
        of("Encounter", "E", "refers|Encounter/e2,by|Organization/p,"),
    ];
    let class = json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Encounter"}]);
    assert_eq!(permitted(&json!({"type": "permit", "class": class}), &all), [true, false, false, false, true]);
    for (meaning, reference, expected) in [
        ("instance", "Encounter/e", [true, false, false, false, false]),
        ("dependents", "Encounter/e", [true, true, false, false, false]),
        ("related", "Encounter/e", [true, true, true, false, false]),
        ("authoredby", "Practitioner/p", [true, false, false, false, false]),
    ] {
        let data = json!([{"meaning": meaning, "reference": {"reference": reference}}]);
        assert_eq!(permitted(&json!({"type": "permit", "data": data}), &all), expected, "{meaning}");
        let nested = json!({"type": "permit", "provision": [{"type": "deny", "data": data}]});
        assert_eq!(permitted(&nested, &all), expected.map(|is_meant| !is_meant), "not {meaning}");
    }
    let unknown = [ResourceFacts { atoms: String::new(), ..all[4].clone() }];
    let data = json!([{"meaning": "authoredby", "reference": {"reference": "Practitioner/p"}}]);
    assert_eq!(permitted(&json!({"type": "permit", "data": data}), &unknown), [false]);
    assert_eq!(permitted(&json!({"type": "permit", "provision": [{"type": "deny", "data": data}]}), &unknown), [false]);
}

#[test]
fn only_a_permit_of_access_lets_read_and_a_deny_of_any_reading_does_not() {
    let action = |codes: &[&str]| -> Value {
        let system = "http://terminology.hl7.org/CodeSystem/consentaction";
        codes.iter().map(|code| json!({"coding": [{"system": system, "code": code}]})).collect()
    };
    for (codes, expected) in
        [(&["access"][..], true), (&["access", "collect"], true), (&["use"], false), (&["disclose", "correct"], false)]
    {
        assert_eq!(permitted(&json!({"type": "permit", "action": action(codes)}), &[plain()]), [expected], "{codes:?}");
    }
    for code in ["access", "use", "disclose"] {
        let nested = json!({"type": "deny", "action": action(&[code])});
        assert_eq!(permitted(&json!({"type": "permit", "provision": [nested]}), &[plain()]), [false], "{code}");
    }
}
