//! Contradictions between Consents.

use gateway::storage::write_set::ConflictRow;

use crate::world::{NOW_MS, beginning, set, stores};

fn conflict(compartment: &str, id: &str) -> ConflictRow {
    let [permit_consent, deny_consent, grantee] = ["permit-1", "deny-1", "organization/x"].map(str::to_owned);
    let (compartment, id) = (compartment.to_owned(), id.to_owned());
    ConflictRow { compartment, id, permit_consent, deny_consent, grantee, detected_ms: NOW_MS }
}

#[tokio::test]
async fn a_contradiction_lasts_until_it_is_ended_and_is_its_records_own() {
    for (kind, _, store) in stores().await {
        let begun = beginning("r", "a", Vec::new());
        store.apply(set!(conflicts: vec![conflict("r", "1"), conflict("r", "2")]; begun)).await.expect("new");
        store
            .apply(set!(conflicts: vec![conflict("other", "3")]; beginning("other", "b", Vec::new())))
            .await
            .expect("new");
        let ended = ("r".to_owned(), "1".to_owned(), NOW_MS + 5);
        store.apply(set!(resolved_conflicts: vec![ended],)).await.expect("it is ended");
        let lasting = store.consent_conflicts("r", false).await.expect("it answers");
        assert_eq!(lasting.iter().map(|one| &*one.id).collect::<Vec<_>>(), ["2"], "{kind}");
        let all = store.consent_conflicts("r", true).await.expect("it answers");
        assert_eq!(all.iter().map(|one| one.resolved_ms).collect::<Vec<_>>(), [Some(NOW_MS + 5), None], "{kind}");
        assert_eq!((&*all[0].permit_consent, &*all[0].deny_consent), ("permit-1", "deny-1"), "{kind}");
        assert_eq!((&*all[0].grantee, all[0].detected_ms), ("organization/x", NOW_MS), "{kind}");
    }
}
