//! Emergency access: what a session opens, and what the patient may switch off.
//!
//! No permit is needed, for an emergency is where nobody could ask for one. But what the patient refused beforehand holds: a
//! deny that covers the purpose of the session. A deny without purposes covers every purpose.

use super::decide::{Decision, Reason, Request, denies};
use super::grantee::Grantee;
use super::permit::{Basis, LawRule, Permit};
use super::provision::Consent;
use super::purpose::Purpose;
use crate::labels::ResourceFacts;

/// The rule under which a custodian tells a third party what professional secrecy would keep, to avert a grave danger: a
/// conflict of duties (necessity; article 458 of the Belgian Criminal Code and its case law).
pub const CONFLICT_OF_DUTIES: LawRule = LawRule("conflict-of-duties");

/// Decides whether an emergency opens a resource to a caller; the request's purpose is that of the emergency.
///
/// Any deny denies, else the answer is yes: without a permit.
pub fn emergency(request: Request, facts: &ResourceFacts, consents: &[Consent], at_ms: i64) -> Decision {
    if request.purpose.is_emergency() && !denies(request, facts, consents, at_ms) {
        Decision::Permit(Permit::on(Basis::Emergency))
    } else {
        Decision::Deny(Reason::Excluded)
    }
}

/// A session, as far as the rule asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencySession {
    /// The organisation that opened it.
    pub organization: Grantee,
    /// The practitioner who is accountable for it.
    pub practitioner: Grantee,
    /// `BTG` or `ETREAT`.
    pub purpose: Purpose,
    /// The first moment, in UTC milliseconds.
    pub from_ms: i64,
    /// The first moment after, in UTC milliseconds.
    pub until_ms: i64,
    /// Whether somebody ended it before its time.
    pub is_ended: bool,
}

impl EmergencySession {
    /// Whether the session lets a request for treatment read a resource: the in-memory twin of the SQL.
    ///
    /// The decision is taken at each read, for the session's purpose: a Consent that was written since counts.
    pub fn opens(&self, request: Request, facts: &ResourceFacts, consents: &[Consent], at_ms: i64) -> bool {
        let is_its_caller = [&self.organization, &self.practitioner].iter().all(|one| request.grantees.contains(one));
        let is_open = !self.is_ended && self.from_ms <= at_ms && at_ms < self.until_ms;
        let request_in_emergency = Request { purpose: self.purpose, ..request };
        is_its_caller
            && is_open
            && request.purpose == Purpose::TREATMENT
            && matches!(emergency(request_in_emergency, facts, consents, at_ms), Decision::Permit(_))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::arbitrary::plain;
    use super::super::{ActorReference, ConsentId, read};
    use super::*;

    fn purpose(code: &str) -> Purpose {
        Purpose::from_code(code).expect("the code is in the table")
    }

    fn consent(status: &str, provision: &Value) -> Consent {
        let value = json!({
            "resourceType": "Consent", "status": status, "patient": {"reference": "Patient/1"}, "provision": provision,
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "category": [{"text": "test"}],
        });
        let registered = |actor: &ActorReference<'_>| match actor {
            ActorReference::Organization(id) => Some(Grantee::organization(id)),
            _ => None,
        };
        read(ConsentId("c".to_owned()), &value, &registered).expect("a Consent that is enforced")
    }

    fn coded(code: &str) -> Value {
        json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code}])
    }

    fn opens(code: &str, consents: &[Consent]) -> bool {
        let grantees = [Grantee::organization("gp"), Grantee::practitioner("p")];
        let request = Request { grantees: &grantees, former_teams: &[], purpose: purpose(code) };
        matches!(emergency(request, &plain(), consents, 1_000), Decision::Permit(_))
    }

    #[test]
    fn a_purpose_that_is_no_emergency_opens_nothing() {
        assert!(!opens("TREAT", &[]) && !opens("HPAYMT", &[]));
        assert!(opens("BTG", &[]) && opens("ETREAT", &[]));
    }

    #[test]
    fn a_deny_without_purposes_switches_emergencies_off_and_one_for_treatment_does_not() {
        assert!(!opens("BTG", &[consent("active", &json!({"type": "deny"}))]));
        assert!(opens("BTG", &[consent("inactive", &json!({"type": "deny"}))]));
        assert!(opens("BTG", &[consent("active", &json!({"type": "deny", "purpose": coded("TREAT")}))]));
        let only_break_glass = consent("active", &json!({"type": "deny", "purpose": coded("BTG")}));
        assert!(!opens("BTG", std::slice::from_ref(&only_break_glass)) && opens("ETREAT", &[only_break_glass]));
    }

    #[test]
    fn an_exception_for_break_glass_leaves_it_open_as_in_the_example_of_ihe() {
        let dissent = json!({"type": "deny", "provision": [{"type": "permit", "purpose": coded("BTG")}]});
        let dissent = consent("active", &dissent);
        assert!(opens("BTG", std::slice::from_ref(&dissent)) && !opens("ETREAT", std::slice::from_ref(&dissent)));
        // An exception belongs to the deny of its own Consent.
        assert!(!opens("BTG", &[dissent, consent("active", &json!({"type": "deny"}))]));
    }

    #[test]
    fn a_session_is_for_its_own_practitioner_of_its_own_organisation_while_it_lasts() {
        let session = EmergencySession {
            organization: Grantee::organization("gp"),
            practitioner: Grantee::practitioner("p"),
            purpose: purpose("BTG"),
            from_ms: 1_000,
            until_ms: 2_000,
            is_ended: false,
        };
        let opens = |session: &EmergencySession, grantees: &[Grantee], code: &str, at_ms: i64| {
            session.opens(Request { grantees, former_teams: &[], purpose: purpose(code) }, &plain(), &[], at_ms)
        };
        let own = [Grantee::organization("gp"), Grantee::practitioner("p")];
        let refused: [(&[Grantee], &str, i64); 7] = [
            (&own, "TREAT", 999),
            (&own, "TREAT", 2_000),
            (&own, "HPAYMT", 1_000),
            (&own, "BTG", 1_000),
            (&own[..1], "TREAT", 1_000),
            (&[Grantee::organization("gp"), Grantee::practitioner("q")], "TREAT", 1_000),
            (&[Grantee::organization("other"), Grantee::practitioner("p")], "TREAT", 1_000),
        ];
        for (grantees, code, at_ms) in refused {
            assert!(!opens(&session, grantees, code, at_ms), "{grantees:?} {code} {at_ms}");
        }
        assert!(opens(&session, &own, "TREAT", 1_000) && opens(&session, &own, "TREAT", 1_999));
        let ended = EmergencySession { is_ended: true, ..session };
        assert!(!opens(&ended, &own, "TREAT", 1_000));
    }
}
