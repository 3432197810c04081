//! What must hold for every Consent, every caller and every moment.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::arbitrary::{Caller, Subject, Types, active_consent, caller, consent, moment, registered, subject, teams};
use super::{
    Basis, Consent, ConsentId, Decision, Grant, Reason, Status, Verdict, decide, evaluate, explain, grants, read,
};

fn consents() -> impl Strategy<Value = Vec<Consent>> {
    prop::collection::vec(consent(Types::Mixed).prop_map(|(_, consent)| consent), 0..4)
        .prop_map(|consents| consents.into_iter().enumerate().map(renumbered).collect())
}

fn renumbered((index, consent): (usize, Consent)) -> Consent {
    Consent { id: ConsentId(format!("{index}")), ..consent }
}

/// A moment and a caller at it, in the teams that they are in then.
fn asking() -> impl Strategy<Value = (Caller, i64)> {
    (caller(), teams(), moment()).prop_map(|(caller, teams, at_ms)| (caller.in_teams(&teams, at_ms), at_ms))
}

fn is_permitted(caller: &Caller, subject: &Subject, consents: &[Consent], at_ms: i64) -> bool {
    matches!(decide(caller.request(), &subject.now, consents, at_ms), Decision::Permit(_))
}

fn all_grants(consents: &[Consent]) -> Vec<(ConsentId, Grant)> {
    consents.iter().flat_map(|consent| grants(consent).into_iter().map(|grant| (consent.id.clone(), grant))).collect()
}

fn reversed_siblings(mut consent: Value) -> Value {
    if let Some(nested) = consent.pointer_mut("/provision/provision").and_then(Value::as_array_mut) {
        nested.reverse();
    }
    consent
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_a_consent_nothing_is_permitted((caller, at_ms) in asking(), subject in subject()) {
        prop_assert!(!is_permitted(&caller, &subject, &[], at_ms));
        prop_assert!(!evaluate(&[], &caller.request(), &subject.now, at_ms));
    }

    #[test]
    fn the_grants_permit_exactly_what_the_decision_permits(consents in consents(), (caller, at_ms) in asking(), subject in subject()) {
        let granted = evaluate(&all_grants(&consents), &caller.request(), &subject.now, at_ms);
        prop_assert_eq!(granted, is_permitted(&caller, &subject, &consents, at_ms));
    }

    #[test]
    fn a_consent_more_that_only_denies_never_permits_anything(
        mut consents in consents(), (_, deny) in active_consent(Types::OnlyDenies), (caller, at_ms) in asking(), subject in subject(),
    ) {
        let before = is_permitted(&caller, &subject, &consents, at_ms);
        consents.push(Consent { id: ConsentId("deny".to_owned()), ..deny });
        prop_assert!(before || !is_permitted(&caller, &subject, &consents, at_ms));
    }

    #[test]
    fn a_caller_who_is_excluded_stays_excluded_whatever_consent_is_added(
        mut consents in consents(), (_, more) in consent(Types::Mixed), (caller, at_ms) in asking(), subject in subject(),
    ) {
        let excluded = Decision::Deny(super::Reason::Excluded);
        let before = decide(caller.request(), &subject.now, &consents, at_ms);
        consents.push(Consent { id: ConsentId("more".to_owned()), ..more });
        prop_assert!(before != excluded || decide(caller.request(), &subject.now, &consents, at_ms) == excluded);
    }

    #[test]
    fn withdrawing_a_consent_that_only_permits_never_permits_anything(
        mut consents in consents(), (_, permit) in active_consent(Types::OnlyPermits), (caller, at_ms) in asking(), subject in subject(),
    ) {
        consents.push(Consent { id: ConsentId("permit".to_owned()), ..permit });
        let before = is_permitted(&caller, &subject, &consents, at_ms);
        if let Some(permit) = consents.last_mut() {
            permit.status = Status::Inactive;
        }
        prop_assert!(before || !is_permitted(&caller, &subject, &consents, at_ms));
    }

    #[test]
    fn an_explanation_is_of_the_very_decision(consents in consents(), (caller, at_ms) in asking(), subject in subject()) {
        let decision = decide(caller.request(), &subject.now, &consents, at_ms);
        let (explained, account) = explain(caller.request(), &subject.now, &consents, at_ms);
        prop_assert_eq!(&explained, &decision);
        let ids = |wanted: Verdict| account.iter().filter(move |one| one.verdict == wanted).map(|one| one.consent.clone());
        match decision {
            Decision::Permit(permit) => {
                prop_assert_eq!(ids(Verdict::Deny).count(), 0);
                let consents = ids(Verdict::Permit).collect();
                prop_assert_eq!(permit.basis(), &Basis::Consent { consents });
            }
            Decision::Deny(Reason::Excluded) => prop_assert!(ids(Verdict::Deny).count() > 0),
            Decision::Deny(reason) => {
                let silent = |verdict| if let Verdict::Silent(reason) = verdict { Some(reason) } else { None };
                let reasons: Vec<_> = account.iter().filter_map(|one| silent(one.verdict)).collect();
                prop_assert_eq!(reasons.len(), consents.len());
                prop_assert_eq!(reasons.into_iter().min().unwrap_or(Reason::NoConsent), reason);
            }
        }
    }

    #[test]
    fn each_consent_in_an_explanation_says_what_it_says_alone(
        consents in consents(), (caller, at_ms) in asking(), subject in subject(),
    ) {
        let (_, account) = explain(caller.request(), &subject.now, &consents, at_ms);
        prop_assert_eq!(account.len(), consents.len());
        for (consent, considered) in consents.iter().zip(account) {
            prop_assert_eq!(&considered.consent, &consent.id);
            prop_assert_eq!(considered.deciding.is_empty(), matches!(considered.verdict, Verdict::Silent(_)));
            let alone = match decide(caller.request(), &subject.now, std::slice::from_ref(consent), at_ms) {
                Decision::Permit(_) => Verdict::Permit,
                Decision::Deny(Reason::Excluded) => Verdict::Deny,
                Decision::Deny(reason) => Verdict::Silent(reason),
            };
            prop_assert_eq!(considered.verdict, alone);
        }
    }

    #[test]
    fn what_an_explanation_names_as_deciding_matched_in_every_element(
        consents in consents(), (caller, at_ms) in asking(), subject in subject(),
    ) {
        for considered in explain(caller.request(), &subject.now, &consents, at_ms).1 {
            for ordinal in considered.deciding {
                let mut looked = considered.looked.iter().filter(|looked| looked.ordinal == ordinal);
                prop_assert!(looked.clone().count() > 0 && looked.all(|looked| looked.holds));
            }
        }
    }

    #[test]
    fn the_order_of_consents_never_matters(mut consents in consents(), (caller, at_ms) in asking(), subject in subject()) {
        let before = decide(caller.request(), &subject.now, &consents, at_ms);
        consents.reverse();
        prop_assert_eq!(before, decide(caller.request(), &subject.now, &consents, at_ms));
    }

    #[test]
    fn the_order_of_siblings_never_matters((json, consent) in consent(Types::Mixed), (caller, at_ms) in asking(), subject in subject()) {
        let reversed = read(consent.id.clone(), &reversed_siblings(json), &registered).expect("only the order changed");
        let before = decide(caller.request(), &subject.now, &[consent], at_ms);
        prop_assert_eq!(before, decide(caller.request(), &subject.now, &[reversed], at_ms));
    }

    #[test]
    fn a_consent_that_is_not_active_has_no_grants((mut json, consent) in active_consent(Types::Mixed)) {
        for status in ["draft", "proposed", "rejected", "inactive", "entered-in-error"] {
            json["status"] = json!(status);
            let read = read(consent.id.clone(), &json, &registered).expect("only the status changed");
            prop_assert_eq!(grants(&read), vec![]);
        }
    }
}

#[test]
fn the_random_world_permits_and_denies_often_enough_to_test_anything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let world = (consents(), caller(), subject(), moment());
    let (mut permits, mut denies) = (0, 0);
    for _ in 0..500 {
        let (consents, caller, subject, at_ms) = world.new_tree(&mut runner).expect("the world can be made").current();
        match decide(caller.request(), &subject.now, &consents, at_ms) {
            Decision::Permit(_) => permits += 1,
            Decision::Deny(super::Reason::Excluded) => denies += 1,
            Decision::Deny(_) => {}
        }
    }
    assert!(permits > 50 && denies > 50, "{permits} permits and {denies} exclusions among 500");
}
