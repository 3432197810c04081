//! Treatment demands: whose they are, and what moves them.

use gateway::storage::treatment::{TreatmentCentre, TreatmentDemandRow, TreatmentRows};

use crate::world::{NOW_MS, set, stores};

fn demand(compartment: &str, id: &str, subject: &str, state: &str) -> TreatmentDemandRow {
    let [compartment, id, subject, state] = [compartment, id, subject, state].map(str::to_owned);
    TreatmentDemandRow {
        source: format!("source-{id}"),
        pseudonym: format!("pseudonym-{subject}"),
        started_on: "2026-03-01".to_owned(),
        last_seen_on: "2026-03-01".to_owned(),
        residential: true,
        reference: String::new(),
        record: "{}".to_owned(),
        findings: "[\"x\"]".to_owned(),
        created_ms: NOW_MS,
        sent_ms: 0,
        compartment,
        id,
        subject,
        state,
    }
}

fn ids(rows: &[TreatmentDemandRow]) -> Vec<(&str, &str)> {
    rows.iter().map(|row| (row.id.as_str(), row.state.as_str())).collect()
}

#[tokio::test]
async fn a_treatment_demand_is_its_organisations_own_and_found_by_dossier_and_by_pseudonym() {
    for (kind, _, store) in stores().await {
        let demands = vec![
            demand("organization/a", "1", "s", "valid"),
            demand("organization/a", "2", "t", "draft"),
            demand("organization/b", "3", "s", "valid"),
            TreatmentDemandRow { started_on: "2025-12-31".to_owned(), ..demand("organization/a", "4", "u", "valid") },
        ];
        let first = demands[0].clone();
        store.apply(set!(treatment: TreatmentRows { demands, ..TreatmentRows::default() },)).await.expect("new");
        let of = async |subject: &str, pseudonym: &str| {
            store.treatment_demands_of("organization/a", subject, pseudonym).await.expect("it answers")
        };
        assert_eq!(of("s", "").await, [first], "{kind}");
        assert_eq!(ids(&of("x", "pseudonym-t").await), [("2", "draft")], "{kind}");
        assert!(of("x", "").await.is_empty(), "{kind}: no pseudonym is nobody's");
        let unsent = store.unsent_treatment_demands("s").await.expect("it answers");
        assert_eq!(ids(&unsent), [("1", "valid"), ("3", "valid")], "{kind}: a refusal reaches every organisation");
        let year = async |after: &str, count: u32| {
            let rows = store.treatment_year("organization/a", 2026, (after, count)).await.expect("it answers");
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(
            (year("", 9).await, year("", 1).await, year("1", 9).await),
            (vec!["1".to_owned(), "2".to_owned()], vec!["1".to_owned()], vec!["2".to_owned()]),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn what_was_sent_is_not_refused_and_what_was_refused_is_not_sent() {
    for (kind, _, store) in stores().await {
        let demands = ["valid", "draft", "refused", "valid"];
        let demands: Vec<_> =
            (1..).zip(demands).map(|(n, state)| demand("organization/a", &n.to_string(), "s", state)).collect();
        store.apply(set!(treatment: TreatmentRows { demands, ..TreatmentRows::default() },)).await.expect("new");
        let take = async |id: &str, reference: &str| {
            store.take_treatment_demand("organization/a", id, (reference, NOW_MS + 1)).await.expect("it answers")
        };
        let taken = take("1", "d-1").await.expect("it is complete");
        assert_eq!(
            (taken.state.as_str(), taken.reference.as_str(), taken.sent_ms),
            ("submitted", "d-1", NOW_MS + 1),
            "{kind}"
        );
        assert!(
            take("2", "d-2").await.is_none() && take("3", "d-3").await.is_none() && take("9", "d-9").await.is_none()
        );
        let ended = ["1", "2", "4"].map(|id| ("organization/a".to_owned(), id.to_owned(), "refused")).to_vec();
        store.apply(set!(treatment: TreatmentRows { ended, ..TreatmentRows::default() },)).await.expect("it is told");
        let rows = store.treatment_demands_of("organization/a", "s", "").await.expect("it answers");
        assert_eq!(ids(&rows), [("1", "submitted"), ("2", "refused"), ("3", "refused"), ("4", "refused")], "{kind}");
        assert_eq!(
            (rows[3].record.as_str(), rows[3].pseudonym.as_str(), rows[3].findings.as_str()),
            ("", "", "[]"),
            "{kind}"
        );
        assert!(take("4", "d-4").await.is_none(), "{kind}");
        let settle = async |reference: &str, state: &'static str| {
            store.settle_treatment_demand("organization/a", "1", reference, (state, "[]")).await.expect("it answers")
        };
        assert!(!settle("d-0", "accepted").await, "{kind}: an earlier attempt");
        assert!(settle("d-1", "rejected").await, "{kind}");
        assert!(!settle("d-1", "accepted").await, "{kind}: it was settled");
        let again = take("1", "d-5").await.expect("what was rejected may be sent again");
        assert_eq!(
            (again.reference.as_str(), again.sent_ms),
            ("d-5", NOW_MS + 1),
            "{kind}: late is counted from the first"
        );
        assert!(settle("d-5", "accepted").await, "{kind}");
        assert!(take("1", "d-6").await.is_none(), "{kind}: never twice");
        let ended = vec![("organization/a".to_owned(), "1".to_owned(), "superseded")];
        store.apply(set!(treatment: TreatmentRows { ended, ..TreatmentRows::default() },)).await.expect("it is told");
        assert_eq!(store.treatment_demands_of("organization/a", "s", "").await.expect("it answers").len(), 3, "{kind}");
    }
}

#[tokio::test]
async fn an_episode_goes_on_to_the_last_contact_and_never_back() {
    for (kind, _, store) in stores().await {
        let demands = vec![demand("organization/a", "1", "s", "valid")];
        store.apply(set!(treatment: TreatmentRows { demands, ..TreatmentRows::default() },)).await.expect("new");
        let see = async |days: &[&str]| {
            let seen =
                days.iter().map(|day| ("organization/a".to_owned(), "1".to_owned(), (*day).to_owned())).collect();
            store
                .apply(set!(treatment: TreatmentRows { seen, ..TreatmentRows::default() },))
                .await
                .expect("it is told");
            store.treatment_demands_of("organization/a", "s", "").await.expect("it answers").remove(0).last_seen_on
        };
        assert_eq!(see(&["2026-03-10", "2026-03-20", "2026-03-15"]).await, "2026-03-20", "{kind}");
        assert_eq!(see(&["2026-03-19"]).await, "2026-03-20", "{kind}");
        assert_eq!(see(&["2026-03-21", "2026-03-21"]).await, "2026-03-21", "{kind}");
    }
}

#[tokio::test]
async fn a_treatment_centre_is_registered_changed_and_taken_off() {
    for (kind, _, store) in stores().await {
        let centre = |kinds: &[&str], register_id: &str| TreatmentCentre {
            organization_id: "a".to_owned(),
            centre_types: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            register_id: register_id.to_owned(),
        };
        for row in [centre(&["outpatient"], ""), centre(&["outpatient", "inpatient"], "1001")] {
            store.put_treatment_centre(&row).await.expect("it is registered");
            let found = store.treatment_centres().await.expect("it answers");
            assert_eq!(found.as_slice(), std::slice::from_ref(&row), "{kind}");
            assert_eq!(store.registry().await.expect("it answers").treatment_centres, [row], "{kind}");
        }
        store.put_treatment_centre(&centre(&[], "")).await.expect("it is taken off");
        assert!(store.treatment_centres().await.expect("it answers").is_empty(), "{kind}");
    }
}
