//! The trail: who reads it, by what, page by page; and the counts of refusals.

use gateway::audit::Outcome;
use gateway::storage::Store;
use gateway::storage::audit::EventFilter;
use gateway::storage::sight::Viewer;
use gateway::storage::write_set::Closure;

use crate::world::{NOW_MS, beginning, event, recorded, set, stores, viewer};

/// Twelve events of record `r` (held by `a`) a minute apart, every third a refusal; one of `other` (held by `b`).
async fn trail(store: &Store) -> Vec<String> {
    for (compartment, custodian) in [("r", "a"), ("other", "b")] {
        store.apply(beginning(compartment, custodian, Vec::new())).await.expect("new");
    }
    let mut events = Vec::new();
    for n in 0..12 {
        let outcome = if n % 3 == 0 { Outcome::Refused } else { Outcome::Success };
        events.push(event("r", NOW_MS + n * 60_000, outcome));
    }
    let ids = events.iter().map(|event| event.id.clone()).collect();
    events.push(event("other", NOW_MS, Outcome::Success));
    store.record_only(events).await.expect("the trail can be written");
    ids
}

/// The ids that a filter leaves, newest first. The trail is looked at from outside a record, so that looking adds nothing.
async fn matching(store: &Store, viewer: &Viewer, filter: &EventFilter) -> Vec<String> {
    let count = store.count_audit_events(viewer, filter).await.expect("it answers");
    let found = store.audit_events(viewer, filter).await.expect("it answers");
    let elsewhere = |_: &gateway::storage::resource::Touched| event("elsewhere", NOW_MS, Outcome::Success);
    let events = store.record(found, elsewhere, Vec::new()).await.expect("the trail can be written");
    if filter.before.is_none() && events.len() <= usize::try_from(filter.count).expect("a count") {
        assert_eq!(u64::try_from(events.len()).ok(), Some(count), "the count is the number of events");
    }
    events.into_iter().map(|event| event.id).collect()
}

fn all() -> EventFilter {
    EventFilter { compartment: Some("r".to_owned()), count: 100, ..EventFilter::default() }
}

#[tokio::test]
async fn the_custodian_reads_the_trail_of_its_records_and_nobody_else_does() {
    for (kind, _, store) in stores().await {
        let mut ids = trail(&store).await;
        ids.reverse();
        assert_eq!(matching(&store, &viewer("a"), &all()).await, ids, "{kind}");
        assert!(matching(&store, &viewer("b"), &all()).await.is_empty(), "{kind}");
        let every = EventFilter { compartment: None, ..all() };
        assert_eq!(matching(&store, &viewer("a"), &every).await, ids, "{kind}");
        assert_eq!(matching(&store, &viewer("b"), &every).await.len(), 1, "{kind}: only of the records that it holds");
        assert!(matching(&store, &viewer("c"), &every).await.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn whoever_is_shut_out_of_a_record_is_shut_out_of_its_trail_also_as_member_of_a_pool() {
    for (kind, _, store) in stores().await {
        trail(&store).await;
        store.put_members("a", &["p".to_owned()]).await.expect("it is written");
        for grantee in ["organization/a", "pool/p"] {
            let [compartment, grantee, cause] = ["r", grantee, "task/1"].map(str::to_owned);
            let closure = Closure { compartment, grantee, cause, since_ms: NOW_MS };
            store.apply(set!(closures: vec![closure.clone()], )).await.expect("written");
            assert!(matching(&store, &viewer("a"), &all()).await.is_empty(), "{kind} {}", closure.grantee);
            let lifted_causes = vec![(closure.compartment, closure.cause)];
            store.apply(set!(lifted_causes,)).await.expect("written");
            assert_eq!(matching(&store, &viewer("a"), &all()).await.len(), 12, "{kind}");
        }
    }
}

#[tokio::test]
async fn the_trail_is_filtered_by_id_time_and_outcome() {
    for (kind, _, store) in stores().await {
        let ids = trail(&store).await;
        let viewer = viewer("a");
        let one = EventFilter { id: Some(ids[4].clone()), ..all() };
        assert_eq!(matching(&store, &viewer, &one).await, [ids[4].clone()], "{kind}");
        let from = EventFilter { from_ms: Some(NOW_MS + 60_000), until_ms: Some(NOW_MS + 3 * 60_000), ..all() };
        assert_eq!(
            matching(&store, &viewer, &from).await,
            [ids[2].clone(), ids[1].clone()],
            "{kind}: the end is excluded"
        );
        let refused = EventFilter { outcome: Some("8".to_owned()), ..all() };
        assert_eq!(matching(&store, &viewer, &refused).await.len(), 4, "{kind}");
        let other = EventFilter { outcome: Some("8' OR '1' = '1".to_owned()), ..all() };
        assert!(matching(&store, &viewer, &other).await.is_empty(), "{kind}: a value is bound, never spliced");
    }
}

#[tokio::test]
async fn pages_of_the_trail_join_without_gap_or_repeat() {
    for (kind, _, store) in stores().await {
        let mut expected = trail(&store).await;
        expected.reverse();
        for count in 1..7_u32 {
            let size = usize::try_from(count).expect("a few");
            let mut filter = EventFilter { count, ..all() };
            let mut pages = Vec::new();
            loop {
                let mut page = matching(&store, &viewer("a"), &filter).await;
                let more = page.len() > size;
                page.truncate(size);
                pages.extend(page);
                if !more {
                    break;
                }
                filter.before = pages.last().cloned();
            }
            assert_eq!(pages, expected, "{kind} {count}");
        }
    }
}

#[tokio::test]
async fn an_event_reads_back_as_it_was_written() {
    for (kind, _, store) in stores().await {
        trail(&store).await;
        let mut written = event("r", NOW_MS, Outcome::Refused);
        "organization/007".clone_into(&mut written.organization);
        "0815".clone_into(&mut written.resource_id);
        store.record_only(vec![written.clone()]).await.expect("the trail can be written");
        let filter = EventFilter { id: Some(written.id.clone()), ..all() };
        let found = store.audit_events(&viewer("a"), &filter).await.expect("it answers");
        let events = recorded(&store, found).await;
        let event = events.first().expect("it is there");
        assert_eq!((event.organization.as_str(), event.resource_id.as_str()), ("organization/007", "0815"), "{kind}");
        assert_eq!((event.outcome.as_str(), event.reason.as_str()), ("8", "no-consent"), "{kind}");
        assert_eq!((event.recorded_ms, event.version_id, event.basis.as_str()), (NOW_MS, 1, "consent"), "{kind}");
    }
}

#[tokio::test]
async fn refusals_are_counted_by_minute_and_reason() {
    for (kind, _, store) in stores().await {
        for (minute_ms, reason, refusals) in
            [(0, "expired", 5), (60_000, "expired", 2), (60_000, "expired", 3), (60_000, "none", 1)]
        {
            store.count_refusals(minute_ms, reason, refusals).await.expect("it is counted");
        }
        let counts = |since_ms| store.refusal_counts(since_ms);
        let expected =
            |counts: &[(&str, i64)]| counts.iter().map(|(reason, n)| ((*reason).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(counts(0).await.expect("it answers"), expected(&[("expired", 10), ("none", 1)]), "{kind}");
        assert_eq!(counts(60_000).await.expect("it answers"), expected(&[("expired", 5), ("none", 1)]), "{kind}");
        assert_eq!(counts(60_001).await.expect("it answers"), expected(&[]), "{kind}");
    }
}

#[tokio::test]
async fn an_event_comes_back_with_its_network_its_query_and_its_consents() {
    for (kind, _, store) in stores().await {
        store.apply(beginning("r", "a", Vec::new())).await.expect("new");
        let asked = event("r", NOW_MS, Outcome::Refused).asking("patient&status");
        store.record_only(vec![asked]).await.expect("the trail can be written");
        let found = store.audit_events(&viewer("a"), &all()).await.expect("it answers");
        let events = recorded(&store, found).await;
        let one = &events[0];
        let told = (&*one.network, &*one.query, &*one.consents);
        assert_eq!(told, ("192.0.2.1", "patient&status", "consent-1 consent-2"), "{kind}");
    }
}
