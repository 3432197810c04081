//! A refusal to be registered: a Consent about a register and not about care.
//!
//! R4 has the scope `research` for what is about registers and studies. Such a Consent denies one register; it permits nobody anything
//! and keeps nobody from a record, so the rules of care never see it. What it says is enforced to the letter, or it is refused at
//! the door.
//!
//! <https://hl7.org/fhir/R4/valueset-consent-scope.html>

use serde_json::Value;

use super::issue::{ConsentIssue, Element, IssueCode};
use super::provision_reader::{ROLE_SYSTEM, code_of};
use super::reader::SCOPE_SYSTEM;

/// The system by which a Consent names a register.
pub const REGISTER_SYSTEM: &str = "https://wellgate.example/fhir/NamingSystem/register";
/// The register of treatment demands.
pub const TREATMENT_REGISTER: &str = "treatment-demand";

/// Whether a Consent is about a register and about nothing else: its scope is `research`.
pub(super) fn is_about_register(consent: &Value) -> bool {
    let codings = consent.pointer("/scope/coding").and_then(Value::as_array);
    codings.is_some_and(|codings| {
        !codings.is_empty()
            && codings.iter().all(|coding| {
                let says = |name: &str| coding.get(name).and_then(Value::as_str);
                says("system") == Some(SCOPE_SYSTEM) && says("code") == Some("research")
            })
    })
}

/// Whether a stored Consent refuses the register of treatment demands. One that is active and about a register refuses, whatever else
/// it says: what is not understood was not taken at the door, and is not a reason to register somebody.
pub fn refuses_registration(consent: &Value) -> bool {
    consent.get("status").and_then(Value::as_str) == Some("active") && is_about_register(consent)
}

/// Names everything by which a Consent about a register says more, or other, than that somebody refuses it.
pub(super) fn check(root: &Element, issues: &mut Vec<ConsentIssue>) {
    if let Some(rule) = root.member("policyRule") {
        rule.issue(issues, IssueCode::BusinessRule, "says nothing in a Consent about a register: leave it out");
    }
    let Some(provision) = root.member("provision") else {
        root.missing("provision", issues);
        return;
    };
    provision.refuse_unknown(&["id", "type", "actor"], issues);
    if provision.text("type", issues).is_some_and(|code| code != "deny") {
        let predicate = "must be deny: to be registered asks for no Consent, and a Consent can only refuse it";
        provision.member("type").iter().for_each(|kind| kind.issue(issues, IssueCode::BusinessRule, predicate));
    }
    let actors = provision.entries("actor", issues);
    let [actor] = actors.as_slice() else {
        let predicate = "must have one actor: the register";
        provision.issue(issues, IssueCode::BusinessRule, predicate);
        return;
    };
    actor.refuse_unknown(&["id", "role", "reference"], issues);
    let codings = actor.member("role").map(|role| role.entries("coding", issues)).unwrap_or_default();
    let is_recipient = matches!(codings.as_slice(), [coding] if code_of(coding, ROLE_SYSTEM) == Some("IRCP"));
    let named = |name: &str| actor.value.pointer(&format!("/reference/identifier/{name}")).and_then(Value::as_str);
    let is_register = named("system") == Some(REGISTER_SYSTEM) && named("value") == Some(TREATMENT_REGISTER);
    if !is_recipient || !is_register || actor.value.pointer("/reference/reference").is_some() {
        let predicate = format!(
            "must be IRCP, and the identifier {TREATMENT_REGISTER} of {REGISTER_SYSTEM}: no other register is known"
        );
        actor.issue(issues, IssueCode::BusinessRule, &predicate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::{ConsentId, Status, grants, read};
    use serde_json::json;

    fn refusal() -> Value {
        json!({
            "resourceType": "Consent", "status": "active", "patient": {"reference": "Patient/1"},
            "scope": {"coding": [{"system": SCOPE_SYSTEM, "code": "research"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "provision": {"type": "deny", "actor": [{
                "role": {"coding": [{"system": ROLE_SYSTEM, "code": "IRCP"}]},
                "reference": {"identifier": {"system": REGISTER_SYSTEM, "value": TREATMENT_REGISTER}}}]},
        })
    }

    fn named(consent: &Value) -> Vec<String> {
        let read = read(ConsentId("1".to_owned()), consent, &|_| None);
        read.err().unwrap_or_default().into_iter().map(|issue| issue.expression).collect()
    }

    #[test]
    fn a_refusal_of_the_register_is_no_rule_of_care() {
        let consent = read(ConsentId("1".to_owned()), &refusal(), &|_| None).expect("it is enforced");
        assert_eq!((consent.status, consent.provision.is_some()), (Status::Active, false));
        assert!(grants(&consent).is_empty(), "it permits nobody and denies nobody");
        assert!(refuses_registration(&refusal()));
    }

    #[test]
    fn a_refusal_that_is_withdrawn_or_about_care_does_not_refuse_the_register() {
        for status in ["inactive", "draft", "rejected", "entered-in-error"] {
            let mut consent = refusal();
            consent["status"] = json!(status);
            assert!(!refuses_registration(&consent), "{status}");
        }
        let mut care = refusal();
        care["scope"]["coding"][0]["code"] = json!("patient-privacy");
        assert!(!refuses_registration(&care));
        let mut both = refusal();
        both["scope"]["coding"] =
            json!([{"system": SCOPE_SYSTEM, "code": "research"}, {"system": SCOPE_SYSTEM, "code": "patient-privacy"}]);
        assert!(!refuses_registration(&both));
        assert_eq!(named(&both), ["Consent.scope", "Consent.provision.actor[0].reference"], "it is not kept as active");
    }

    #[test]
    fn a_consent_about_a_register_says_that_and_no_more() {
        let after = |pointer: &str, value: Value| {
            let mut consent = refusal();
            let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
            consent.pointer_mut(parent).expect("it is there")[name] = value;
            named(&consent)
        };
        assert_eq!(named(&refusal()), Vec::<String>::new());
        assert_eq!(after("/provision/type", json!("permit")), ["Consent.provision.type"]);
        assert_eq!(after("/provision/period", json!({"start": "2026"})), ["Consent.provision.period"]);
        assert_eq!(after("/provision/purpose", json!([])), ["Consent.provision.purpose"]);
        assert_eq!(after("/provision/provision", json!([{}])), ["Consent.provision.provision"]);
        assert_eq!(after("/policyRule", json!({})), ["Consent.policyRule"]);
        assert_eq!(
            after("/provision/actor/0/reference/identifier/value", json!("cancer")),
            ["Consent.provision.actor[0]"]
        );
        assert_eq!(after("/provision/actor/0/reference/identifier/system", json!("x")), ["Consent.provision.actor[0]"]);
        assert_eq!(
            after("/provision/actor/0/reference/reference", json!("Organization/1")),
            ["Consent.provision.actor[0]"]
        );
        assert_eq!(after("/provision/actor/0/role", json!({})), ["Consent.provision.actor[0]"]);
        let two = json!([refusal()["provision"]["actor"][0], refusal()["provision"]["actor"][0]]);
        assert_eq!(after("/provision/actor", two), ["Consent.provision"]);
        assert_eq!(after("/verification", json!([{"verified": false}])), ["Consent.verification[0]"]);
        let mut without = refusal();
        without.as_object_mut().expect("an object").remove("provision");
        assert_eq!(named(&without), ["Consent.provision"]);
    }
}
