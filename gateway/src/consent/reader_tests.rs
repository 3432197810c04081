//! What an active Consent may not say, element by element, and what it may.

use serde_json::{Value, json};

use super::arbitrary::registered;
use super::{ACTORS_MAX, Consent, ConsentId, ConsentIssue, NESTED_PROVISIONS_MAX, Status, grants, read};

const ROLE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const POLICY_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PURPOSE_SYSTEM: &str = super::PURPOSE_SYSTEM;

fn consent(provision: &Value) -> Value {
    json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/1"},
        "provision": provision,
    })
}

fn actor(reference: &Value) -> Value {
    json!({"role": {"coding": [{"system": ROLE_SYSTEM, "code": "IRCP"}]}, "reference": reference})
}

fn read_here(consent: &Value) -> Result<Consent, Vec<ConsentIssue>> {
    read(ConsentId("1".to_owned()), consent, &registered)
}

/// The expression and code of every issue.
fn issues(consent: &Value) -> Vec<String> {
    let issues = read_here(consent).err().unwrap_or_default();
    issues.iter().map(|issue| format!("{} {}", issue.expression, issue.code.as_str())).collect()
}

fn assert_refused(cases: Vec<(Value, &str)>) {
    for (consent, issue) in cases {
        assert_eq!(issues(&consent), [issue], "{consent}");
    }
}

#[test]
fn an_element_of_a_provision_that_is_not_enforced_is_refused_at_the_root_and_nested() {
    for name in ["code", "_type", "unheardOf"] {
        let root = json!({"type": "permit", name: [{}]});
        assert_eq!(issues(&consent(&root)), [format!("Consent.provision.{name} business-rule")]);
        let nested = json!({"type": "permit", "provision": [{"type": "permit"}, {"type": "deny", name: [{}]}]});
        assert_eq!(issues(&consent(&nested)), [format!("Consent.provision.provision[1].{name} business-rule")]);
    }
}

#[test]
fn a_modifier_extension_is_refused_wherever_it_stands() {
    let mut cases = Vec::new();
    for (pointer, expression) in [
        ("", "Consent"),
        ("/scope/coding/0", "Consent.scope.coding[0]"),
        ("/patient", "Consent.patient"),
        ("/provision", "Consent.provision"),
        ("/provision/actor/0", "Consent.provision.actor[0]"),
        ("/provision/actor/0/reference", "Consent.provision.actor[0].reference"),
    ] {
        let reference = json!({"reference": "Organization/a"});
        let mut modified = consent(&json!({"type": "permit", "actor": [actor(&reference)]}));
        let members = modified.pointer_mut(pointer).and_then(Value::as_object_mut).expect("the pointer is right");
        members.insert("modifierExtension".to_owned(), json!([{"url": "https://example.org/not"}]));
        cases.push((modified, format!("{expression}.modifierExtension business-rule")));
    }
    assert_refused(cases.iter().map(|(consent, issue)| (consent.clone(), issue.as_str())).collect());
}

#[test]
fn an_actor_who_is_not_a_registered_recipient_is_refused() {
    let identifier = |system: &str, value: &str| json!({"identifier": {"system": system, "value": value}});
    for reference in [
        json!({"reference": "Organization/unknown"}),
        json!({"reference": "Organization/a/_history/1"}),
        json!({"reference": "https://elsewhere.example/Organization/a"}),
        json!({"reference": "Group/a"}),
        json!({"reference": "#a"}),
        json!({"reference": 1}),
        json!({"display": "Everyone"}),
        identifier("https://example.org/invented", "elp"),
        identifier(super::ORGANIZATION_KIND_SYSTEM, "*"),
        json!({"reference": "Organization/a", "type": "Practitioner"}),
        json!({"reference": "Organization/a", "type": 1}),
        json!({"reference": "Organization/a", "identifier": {"system": super::ORGANIZATION_KIND_SYSTEM, "value": "elp"}}),
    ] {
        let provision = json!({"type": "permit", "actor": [actor(&reference)]});
        assert_eq!(issues(&consent(&provision)), ["Consent.provision.actor[0].reference value"], "{reference}");
    }
}

#[test]
fn a_registration_that_answers_everyone_is_not_believed() {
    let provision = json!({"type": "permit", "actor": [actor(&json!({"reference": "Organization/a"}))]});
    let everyone = |_: &super::ActorReference<'_>| Some(super::Grantee::everyone());
    assert!(read(ConsentId("1".to_owned()), &consent(&provision), &everyone).is_err());
}

#[test]
fn a_role_that_is_not_only_a_recipients_is_refused() {
    let coding = |code: &str| json!({"system": ROLE_SYSTEM, "code": code});
    for role in [
        json!({"coding": [coding("CST")]}),
        json!({"coding": [coding("IRCP"), coding("AUT")]}),
        json!({"coding": [{"code": "IRCP"}]}),
        json!({"text": "recipient"}),
    ] {
        let actor = json!({"role": role, "reference": {"reference": "Organization/a"}});
        let issues = issues(&consent(&json!({"type": "permit", "actor": [actor]})));
        assert_eq!(issues, ["Consent.provision.actor[0].role business-rule"], "{role}");
    }
}

#[test]
fn a_purpose_period_or_type_that_is_not_understood_is_refused() {
    let purpose = |system: &str, code: &str| json!([{"system": system, "code": code}]);
    assert_refused(vec![
        (
            consent(&json!({"type": "permit", "purpose": purpose(PURPOSE_SYSTEM, "PurposeOfUse")})),
            "Consent.provision.purpose[0] value",
        ),
        (
            consent(&json!({"type": "permit", "purpose": purpose("urn:other", "TREAT")})),
            "Consent.provision.purpose[0] value",
        ),
        (consent(&json!({"type": "permit", "purpose": [{"code": "TREAT"}]})), "Consent.provision.purpose[0] value"),
        (consent(&json!({"type": "permit", "purpose": []})), "Consent.provision.purpose structure"),
        (consent(&json!({"type": "permit", "actor": []})), "Consent.provision.actor structure"),
        (consent(&json!({"type": "permit", "actor": null})), "Consent.provision.actor structure"),
        (consent(&json!({"type": "permit", "period": {}})), "Consent.provision.period structure"),
        (consent(&json!({"type": "permit", "period": {"start": "soon"}})), "Consent.provision.period.start value"),
        (
            consent(&json!({"type": "permit", "period": {"start": "2026-02", "end": "2026-01"}})),
            "Consent.provision.period invariant",
        ),
        (consent(&json!({"type": "maybe"})), "Consent.provision.type value"),
        (consent(&json!({"type": "permit", "provision": [{}]})), "Consent.provision.provision[0].type required"),
        (
            consent(&json!({"type": "permit", "provision": [{"type": "deny", "provision": [{"type": "permit"}]}]})),
            "Consent.provision.provision[0].provision business-rule",
        ),
    ]);
}

#[test]
fn a_nested_provision_that_can_never_apply_is_refused() {
    let purpose = |code: &str| json!([{"system": PURPOSE_SYSTEM, "code": code}]);
    assert_refused(vec![
        (
            consent(&json!({
                "type": "permit", "period": {"end": "2025"}, "provision": [{"type": "deny", "period": {"start": "2026"}}],
            })),
            "Consent.provision.provision[0] invariant",
        ),
        (
            consent(&json!({
                "type": "deny", "purpose": purpose("TREAT"), "provision": [{"type": "permit", "purpose": purpose("BTG")}],
            })),
            "Consent.provision.provision[0] invariant",
        ),
    ]);
}

#[test]
fn a_root_without_a_type_is_refused_where_its_meaning_is_not_certain() {
    let named = actor(&json!({"reference": "Organization/a"}));
    let uncertain = [
        json!({}),
        json!({"period": {"end": "2030"}}),
        json!({"actor": [named]}),
        json!({"actor": [named], "provision": [{"type": "permit"}]}),
        json!({"purpose": [{"system": PURPOSE_SYSTEM, "code": "TREAT"}], "provision": [{"type": "permit"}]}),
    ];
    for provision in uncertain {
        for policy in [None, Some("OPTIN"), Some("OPTOUT")] {
            let mut consent = consent(&provision);
            if let Some(code) = policy {
                consent["policyRule"] = json!({"coding": [{"system": POLICY_SYSTEM, "code": code}]});
            }
            assert_eq!(issues(&consent), ["Consent.provision.type business-rule"], "{provision} under {policy:?}");
        }
    }
}

#[test]
fn what_stands_around_the_provision_is_refused_where_it_changes_the_meaning() {
    let with = |name: &str, value: Value| {
        let mut consent = consent(&json!({"type": "permit"}));
        consent[name] = value;
        consent
    };
    let without = |name: &str| {
        let mut consent = consent(&json!({"type": "permit"}));
        consent.as_object_mut().expect("a Consent is an object").remove(name);
        consent
    };
    let coded = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    let both =
        json!({"coding": [{"system": POLICY_SYSTEM, "code": "OPTIN"}, {"system": POLICY_SYSTEM, "code": "OPTOUT"}]});
    assert_refused(vec![
        (
            with("scope", coded("http://terminology.hl7.org/CodeSystem/consentscope", "treatment")),
            "Consent.scope business-rule",
        ),
        (with("scope", coded("urn:other", "patient-privacy")), "Consent.scope business-rule"),
        (with("scope", json!({"text": "privacy"})), "Consent.scope business-rule"),
        (with("policyRule", coded(POLICY_SYSTEM, "OPTINR")), "Consent.policyRule business-rule"),
        (with("policyRule", coded(POLICY_SYSTEM, "OPTOUTE")), "Consent.policyRule business-rule"),
        (with("policyRule", coded("urn:other", "OPTIN")), "Consent.policyRule business-rule"),
        (with("policyRule", json!({"text": "as agreed"})), "Consent.policyRule business-rule"),
        (with("policyRule", both), "Consent.policyRule business-rule"),
        (with("verification", json!([{"verified": false}])), "Consent.verification[0] business-rule"),
        (with("implicitRules", json!("https://example.org/rules")), "Consent.implicitRules business-rule"),
        (with("decision", json!("deny")), "Consent.decision business-rule"),
        (with("status", json!("valid")), "Consent.status value"),
        (with("patient", json!({"reference": "Group/1"})), "Consent.patient value"),
        (without("scope"), "Consent.scope required"),
        (without("patient"), "Consent.patient required"),
        (without("status"), "Consent.status required"),
        (without("provision"), "Consent.provision required"),
    ]);
}

#[test]
fn nested_provisions_and_actors_have_a_limit_and_the_first_beyond_it_is_named() {
    let nested = vec![json!({"type": "deny"}); NESTED_PROVISIONS_MAX + 2];
    let actors = vec![actor(&json!({"reference": "Organization/a"})); ACTORS_MAX + 2];
    assert_refused(vec![
        (consent(&json!({"type": "permit", "provision": nested})), "Consent.provision.provision[50] business-rule"),
        (consent(&json!({"type": "permit", "actor": actors})), "Consent.provision.actor[8] business-rule"),
    ]);
    assert!(read_here(&consent(&json!({"type": "permit", "actor": actors[..ACTORS_MAX]}))).is_ok());
}

#[test]
fn all_issues_are_reported_at_once() {
    let mut consent = consent(&json!({"type": "permit", "code": [{}], "provision": [{"type": "deny", "code": [{}]}]}));
    consent["scope"] = json!({"text": "?"});
    let issues = issues(&consent);
    assert_eq!(issues.len(), 3, "{issues:?}");
}

#[test]
fn a_consent_that_is_not_active_is_read_whatever_it_says_but_never_enforced() {
    for status in ["draft", "proposed", "rejected", "inactive", "entered-in-error"] {
        let mut consent = consent(&json!({"type": "permit", "securityLabel": [{}]}));
        consent["status"] = json!(status);
        let read = read_here(&consent).expect("it is not enforced");
        assert_eq!(read.provision, None, "what is not certain explains nothing");
        assert!(grants(&read).is_empty());
        consent.as_object_mut().expect("a Consent is an object").remove("patient");
        assert_eq!(issues(&consent), ["Consent.patient required"], "{status}");
    }
}

#[test]
fn what_is_understood_is_read() {
    let kind =
        json!({"identifier": {"system": super::ORGANIZATION_KIND_SYSTEM, "value": "cgg"}, "type": "Organization"});
    let mut consent = consent(&json!({
        "period": {"start": "2026-01-01", "end": "2026-03"},
        "provision": [
            {"type": "permit", "actor": [actor(&kind)], "purpose": [{"system": PURPOSE_SYSTEM, "code": "TREAT"}]},
            {"type": "deny", "actor": [actor(&json!({"reference": "Practitioner/p"}))]},
        ],
    }));
    consent["policyRule"] = json!({"coding": [{"system": POLICY_SYSTEM, "code": "OPTIN"}]});
    let read = read_here(&consent).expect("all of it is enforced");
    assert_eq!(read.status, Status::Active);
    assert_eq!(read.patient, "Patient/1");
    let rows: Vec<_> = grants(&read)
        .iter()
        .map(|grant| format!("{} {} {} {}", grant.rule, grant.effect.code(), grant.grantee, grant.purposes))
        .collect();
    assert_eq!(rows, ["1 permit kind/cgg 1".to_owned(), format!("2 deny practitioner/p {}", i64::MAX)]);
    // From the first millisecond of January to the last of March 2026.
    assert!(
        grants(&read).iter().all(|grant| (grant.from_ms, grant.until_ms) == (1_767_225_600_000, 1_775_001_600_000))
    );
}

#[test]
fn labels_classes_data_and_actions_that_are_not_understood_are_refused() {
    let coding = |system: &str, code: &str| json!([{"system": system, "code": code}]);
    let concept = |code: &str| json!([{"coding": coding("http://terminology.hl7.org/CodeSystem/consentaction", code)}]);
    let data = |meaning: &str, reference: &str| json!([{"meaning": meaning, "reference": {"reference": reference}}]);
    let confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    let types = "http://hl7.org/fhir/resource-types";
    for (name, value, issue) in [
        ("securityLabel", coding(confidentiality, "M"), "securityLabel[0] value"),
        ("securityLabel", coding(POLICY_SYSTEM, "R"), "securityLabel[0] value"),
        ("securityLabel", coding("urn:other", "PSY"), "securityLabel[0] value"),
        ("securityLabel", json!([]), "securityLabel structure"),
        ("class", coding(types, "Nothing"), "class[0] value"),
        ("class", coding("urn:ietf:bcp:13", "application/hl7-cda+xml"), "class[0] value"),
        ("dataPeriod", json!({}), "dataPeriod structure"),
        ("dataPeriod", json!({"start": "2026-02", "end": "2026-01"}), "dataPeriod invariant"),
        ("data", data("parts", "Encounter/1"), "data[0] value"),
        ("data", data("related", "#1"), "data[0].reference value"),
        ("data", data("related", "https://elsewhere.example/Encounter/1"), "data[0].reference value"),
        ("data", data("related", "Encounter/1,by|Practitioner/x"), "data[0].reference value"),
        ("data", json!([{"meaning": "related"}]), "data[0].reference required"),
        ("action", concept("erase"), "action[0] value"),
        ("action", json!([{"text": "read"}]), "action[0] value"),
    ] {
        let root = consent(&json!({"type": "permit", name: value}));
        assert_eq!(issues(&root), [format!("Consent.provision.{issue}")]);
        let nested = consent(&json!({"type": "permit", "provision": [{"type": "deny", name: value}]}));
        assert_eq!(issues(&nested), [format!("Consent.provision.provision[0].{issue}")]);
        let without_type = consent(&json!({name: value, "provision": [{"type": "permit"}]}));
        assert!(issues(&without_type).contains(&"Consent.provision.type business-rule".to_owned()), "{name}");
    }
    let expected = "Consent.provision.action business-rule";
    assert_eq!(issues(&consent(&json!({"type": "deny", "action": concept("correct")}))), [expected]);
    let inherited = json!({"type": "permit", "action": concept("collect"), "provision": [{"type": "deny"}]});
    assert_eq!(issues(&consent(&inherited)), ["Consent.provision.provision[0].action business-rule"]);
}
