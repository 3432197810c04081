//! Who signs in, their sessions, and the codes by which patients find their records.

use gateway::storage::people::{StaffMember, Subject};
use gateway::storage::sessions::PersonSession;

use crate::world::{NOW_MS, open, stores};

fn subject(id: &str) -> Subject {
    Subject { issuer: "https://login.example.org".to_owned(), id: id.to_owned() }
}

fn session(hash: &str, of: &str, begun_ms: i64) -> PersonSession {
    PersonSession {
        hash: hash.to_owned(),
        subject: subject(of),
        acts_as: "dpo".to_owned(),
        compartment: String::new(),
        begun_ms,
        seen_ms: begun_ms,
        until_ms: begun_ms + 1_000,
        stepped_up_ms: 0,
    }
}

#[tokio::test]
async fn whoever_is_registered_anew_has_no_session_of_before() {
    for (kind, _, store) in stores().await {
        let member = |id: &str, of: &str| StaffMember {
            id: id.to_owned(),
            subject: subject(of),
            organization_id: "007".to_owned(),
            practitioner_id: Some("0012".to_owned()),
            name: "An É".to_owned(),
            roles: ["care-provider", "dpo"].map(str::to_owned).to_vec(),
            active: true,
        };
        store.put_staff_member(&member("an", "1")).await.expect("it is written");
        store.put_staff_member(&member("bert", "2")).await.expect("it is written");
        assert_eq!(store.staff().await.expect("it answers"), [member("an", "1"), member("bert", "2")], "{kind}");
        assert!(store.put_staff_member(&member("carla", "1")).await.is_err(), "{kind}: one subject is one person");
        for (hash, of) in [("a", "1"), ("b", "2"), ("c", "3")] {
            store.begin_session(&session(hash, of, NOW_MS), None).await.expect("it begins");
        }
        // Another subject, no practitioner, no role: both who it was and who it is are out.
        let changed = StaffMember { practitioner_id: None, roles: Vec::new(), active: false, ..member("an", "3") };
        store.put_staff_member(&changed).await.expect("it is written");
        assert_eq!(store.staff().await.expect("it answers")[0], changed, "{kind}");
        assert!(store.session("a").await.expect("it answers").is_none(), "{kind}");
        assert!(store.session("b").await.expect("it answers").is_some(), "{kind}");
        assert!(store.session("c").await.expect("it answers").is_none(), "{kind}");
    }
}

#[tokio::test]
async fn a_session_begins_in_place_of_another_is_noted_changes_and_ends() {
    for (kind, url, store) in stores().await {
        let other = open(&url).await;
        store.begin_session(&session("a", "1", NOW_MS), None).await.expect("it begins");
        store.begin_session(&session("b", "1", NOW_MS + 1), Some("a")).await.expect("it begins");
        assert!(other.session("a").await.expect("it answers").is_none(), "{kind}");
        assert_eq!(
            other.session("b").await.expect("it answers"),
            Some((session("b", "1", NOW_MS + 1), true)),
            "{kind}"
        );
        store.touch_session("b", NOW_MS + 500).await.expect("it is written");
        store.touch_session("b", NOW_MS + 100).await.expect("it is written");
        store.act_as("b", "patient", "r").await.expect("it is written");
        let expected = PersonSession {
            acts_as: "patient".to_owned(),
            compartment: "r".to_owned(),
            seen_ms: NOW_MS + 500,
            ..session("b", "1", NOW_MS + 1)
        };
        assert_eq!(
            other.session("b").await.expect("it answers"),
            Some((expected.clone(), false)),
            "{kind}: not linked"
        );
        let of =
            async |now_ms, since_ms| other.sessions_of(&subject("1"), (now_ms, since_ms)).await.expect("it answers");
        assert_eq!(of(NOW_MS, NOW_MS).await, [expected], "{kind}");
        assert!(of(NOW_MS + 1_001, NOW_MS).await.is_empty() && of(NOW_MS, NOW_MS + 500).await.is_empty(), "{kind}");
        assert!(other.sessions_of(&subject("2"), (0, 0)).await.expect("it answers").is_empty(), "{kind}");
        store.end_session("b").await.expect("it ends");
        assert!(other.session("b").await.expect("it answers").is_none(), "{kind}");
    }
}

#[tokio::test]
async fn the_oldest_session_gives_way_and_those_that_ended_are_forgotten() {
    for (kind, _, store) in stores().await {
        store.begin_session(&session("other", "2", NOW_MS), None).await.expect("it begins");
        for n in 0..12 {
            store.begin_session(&session(&format!("s{n:02}"), "1", NOW_MS + n), None).await.expect("it begins");
        }
        let all = store.sessions_of(&subject("1"), (0, 0)).await.expect("it answers");
        let hashes: Vec<&str> = all.iter().map(|one| one.hash.as_str()).collect();
        assert_eq!((hashes.len(), hashes[0], hashes[9]), (10, "s11", "s02"), "{kind}");
        store.put_link_code("r", "h", NOW_MS + 1_004).await.expect("it is written");
        assert_eq!(store.forget_sessions(NOW_MS + 1_004, 0).await.expect("it answers"), 5, "{kind}: by their end");
        assert_eq!(store.forget_sessions(NOW_MS, NOW_MS + 6).await.expect("it answers"), 2, "{kind}: unused");
        store.end_sessions_of(&subject("1")).await.expect("they end");
        assert!(store.sessions_of(&subject("1"), (0, 0)).await.expect("it answers").is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn a_code_links_one_person_to_its_record_once() {
    for (kind, url, store) in stores().await {
        let other = open(&url).await;
        let (one, two) = (subject("1"), subject("2"));
        store.put_link_code("r", "old", NOW_MS + 10).await.expect("it is written");
        store.put_link_code("r", "new", NOW_MS + 10).await.expect("it is written");
        let take =
            async |hash: &str, claim: &str, now_ms| other.take_code(hash, claim, now_ms).await.expect("it answers");
        assert_eq!(take("old", "x", NOW_MS).await, None, "{kind}: it was replaced");
        assert_eq!(take("new", "x", NOW_MS + 10).await, None, "{kind}: it is over");
        let (first, second) = tokio::join!(store.take_code("new", "c1", NOW_MS), other.take_code("new", "c2", NOW_MS));
        let taken = [first.expect("it answers"), second.expect("it answers")];
        assert_eq!(taken.iter().filter(|taken| taken.is_some()).count(), 1, "{kind}: of two at once one has it");
        let (owner, claim, none) = if taken[0].is_some() { (one, "c1", two) } else { (two, "c2", one) };
        for (claim, now_ms) in [("new", NOW_MS), ("x", NOW_MS), (claim, NOW_MS + 10)] {
            assert!(!store.link(&owner, claim, now_ms).await.expect("it answers"), "{kind}: {claim}");
        }
        assert!(store.link(&owner, claim, NOW_MS).await.expect("it answers"), "{kind}");
        assert!(!store.link(&none, claim, NOW_MS).await.expect("it answers"), "{kind}: it is used up");
        store.put_link_code("s", "later", NOW_MS + 10).await.expect("it is written");
        assert_eq!(take("later", "c3", NOW_MS).await.as_deref(), Some("s"), "{kind}");
        assert!(store.link(&owner, "c3", NOW_MS + 1).await.expect("it answers"), "{kind}");
        assert_eq!(other.links(&owner).await.expect("it answers"), ["s", "r"], "{kind}: the last first");
        assert!(other.links(&none).await.expect("it answers").is_empty(), "{kind}");

        let mut own = session("a", &owner.id, NOW_MS);
        "r".clone_into(&mut own.compartment);
        store.begin_session(&own, None).await.expect("it begins");
        assert!(other.session("a").await.expect("it answers").is_some_and(|(_, is_linked)| is_linked), "{kind}");
        store.put_link_code("r", "unused", NOW_MS + 10).await.expect("it is written");
        assert_eq!(take("unused", "c4", NOW_MS).await.as_deref(), Some("r"), "{kind}");
        assert_eq!(store.unlink("r").await.expect("it answers"), 1, "{kind}");
        assert_eq!(other.links(&owner).await.expect("it answers"), ["s"], "{kind}");
        assert!(other.session("a").await.expect("it answers").is_none(), "{kind}");
        assert!(!store.link(&owner, "c4", NOW_MS).await.expect("it answers"), "{kind}: ended between the two");
    }
}

#[tokio::test]
async fn wrong_codes_are_counted_by_person_and_forgotten_with_time() {
    for (kind, _, store) in stores().await {
        let since_ms = NOW_MS - 1_000;
        for n in 1..=3 {
            store.count_link_failure(&subject("1"), since_ms, NOW_MS + n).await.expect("it is counted");
        }
        store.count_link_failure(&subject("2"), since_ms, NOW_MS).await.expect("it is counted");
        let failures = async |since_ms| store.link_failures(&subject("1"), since_ms).await.expect("it answers");
        assert_eq!((failures(since_ms).await, failures(NOW_MS + 1).await), (3, 0), "{kind}: from the first on");
        store.count_link_failure(&subject("1"), NOW_MS + 1, NOW_MS + 9).await.expect("it is counted");
        assert_eq!(failures(NOW_MS).await, 1, "{kind}");
    }
}
