//! What a page brings along, and searches over several types and within compartments.

use std::collections::BTreeSet;

use gateway::search::compartment::{Within, membership};
use gateway::search::include::include;
use gateway::search::parameters::type_name;
use gateway::search::query::Query;
use gateway::storage::Store;
use gateway::storage::include::Wanted;
use gateway::storage::search::{Key, Page};
use gateway::storage::sight::{Level, Viewer};
use gateway::storage::write_set::{NewVersion, Sight, WriteSet};
use serde_json::json;

use crate::world::{beginning, first, grant, indexed, key, put, query, recorded, row, set, stores, viewer};

fn wanted(searched: &[&'static str], includes: &[(&str, &str)]) -> Wanted {
    let read = |(key, value): &(&str, &str)| include(key, value, searched, &|_| true).expect("an include");
    let types = ["Patient", "Observation", "Task", "Encounter", "Organization"];
    Wanted {
        includes: includes.iter().map(read).collect(),
        types: types.into_iter().filter_map(type_name).collect::<BTreeSet<_>>(),
        resources_max: 10,
        rounds_max: 2,
    }
}

async fn including(store: &Store, viewer: &Viewer, of: &'static str, asked: &Query, wanted: &Wanted) -> Page {
    let found = store.search_including(viewer, of, asked, (None, usize::MAX), (true, wanted)).await;
    recorded(store, found.expect("the database answers")).await
}

fn included(page: &Page) -> Vec<String> {
    page.included.iter().map(|seen| format!("{}/{}", seen.key.resource_type, seen.key.id)).collect()
}

#[tokio::test]
async fn what_comes_along_is_what_the_viewer_sees_by_itself() {
    for (kind, _, store) in stores().await {
        let own = [
            first(key("r", "Patient", "r"), &json!({"resourceType": "Patient"})),
            first(
                key("r", "Observation", "o"),
                &json!({"resourceType": "Observation", "subject": {"reference": "Patient/r"},
                    "focus": [{"reference": "Patient/s"}, {"reference": "Patient/never"}, {"reference": "#x"}]}),
            ),
        ];
        store.apply(beginning("r", "a", own.to_vec())).await.expect("new");
        let other = first(key("s", "Patient", "s"), &json!({"resourceType": "Patient"}));
        store.apply(beginning("s", "b", vec![other])).await.expect("new");
        let wanted =
            wanted(&["Observation"], &[("_include", "Observation:subject"), ("_include", "Observation:focus")]);
        let asked = query("Observation", "");
        let page = including(&store, &viewer("a"), "Observation", &asked, &wanted).await;
        assert_eq!(
            (included(&page), page.total, page.is_cut),
            (vec!["Patient/r".to_owned()], Some(1), false),
            "{kind}"
        );
        store.apply(set!(grants: vec![grant("s", "c", 0, "permit", "organization/a")], )).await.expect("a permit");
        let page = including(&store, &viewer("a"), "Observation", &asked, &wanted).await;
        assert_eq!(included(&page), ["Patient/r", "Patient/s"], "{kind}");
        let levels: Vec<Level> = page.included.iter().map(|seen| seen.level).collect();
        assert_eq!(levels, [Level::Held, Level::Permitted], "{kind}: each as it is seen");
        let page = including(&store, &viewer("b"), "Observation", &asked, &wanted).await;
        assert!(page.matches.is_empty() && page.included.is_empty(), "{kind}");
        // As many references are followed, the one to nothing too.
        let small = Wanted { resources_max: 2, ..wanted };
        let page = including(&store, &viewer("a"), "Observation", &asked, &small).await;
        assert_eq!((page.included.len(), page.is_cut), (1, true), "{kind}: cut, and said");
    }
}

#[tokio::test]
async fn of_a_minimum_only_its_own_references_are_followed() {
    for (kind, _, store) in stores().await {
        let task = key("r", "Task", "t");
        let rows = vec![(row("patient", "", "Patient/r"), 1), (row("owner", "", "Organization/x"), 3)];
        let version = NewVersion { minimum: Some("{}".to_owned()), ..indexed(task.clone(), rows) };
        let patient = first(key("r", "Patient", "r"), &json!({"resourceType": "Patient"}));
        let mut begun = beginning("r", "a", vec![version, patient]);
        begun.sights.push(Sight { key: task, grantee: "organization/b".to_owned(), requires_consent: false });
        put(&mut begun, first(key("directory", "Organization", "x"), &json!({"resourceType": "Organization"})));
        store.apply(begun).await.expect("new");
        // The person lets everybody of this viewer's see the Patient, and still the minimum does not lead there.
        for (who, expected) in [("a", vec!["Organization/x", "Patient/r"]), ("b", vec!["Organization/x"])] {
            let forward = wanted(&["Task"], &[("_include", "Task:*")]);
            let page = including(&store, &viewer(who), "Task", &query("Task", ""), &forward).await;
            assert_eq!(included(&page), expected, "{kind}: {who}");
            let reverse = wanted(&["Organization"], &[("_revinclude", "Task:owner")]);
            let page = including(&store, &viewer(who), "Organization", &query("Organization", ""), &reverse).await;
            assert_eq!(included(&page), ["Task/t"], "{kind}: {who}");
            let body = if who == "b" { "{}" } else { "null" };
            assert_eq!(page.included[0].body, body, "{kind}: {who}");
        }
        let reverse = wanted(&["Patient"], &[("_revinclude", "Task:patient")]);
        let page = including(&store, &viewer("b"), "Patient", &query("Patient", ""), &reverse).await;
        assert!(page.included.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn a_search_over_types_is_the_searches_of_each_in_one_order() {
    for (kind, _, store) in stores().await {
        for (n, custodian) in ["a", "a", "b"].into_iter().enumerate() {
            let record = format!("r{n}");
            let subject = json!({"reference": format!("Patient/{record}")});
            let mut made = vec![first(key(&record, "Patient", &record), &json!({"resourceType": "Patient"}))];
            for m in 0..3 {
                let id = format!("{m}{n}");
                let date = format!("2026-01-0{}", 1 + (m + n) % 3);
                made.push(first(
                    key(&record, "Observation", &format!("o{id}")),
                    &json!({"resourceType": "Observation", "subject": subject, "effectiveDateTime": date}),
                ));
                made.push(first(
                    key(&record, "Encounter", &format!("e{id}")),
                    &json!({"resourceType": "Encounter", "subject": subject, "period": {"start": date, "end": date}}),
                ));
            }
            store.apply(beginning(&record, custodian, made)).await.expect("new");
        }
        let none = wanted(&[], &[]);
        for text in
            ["", "_sort=-_id", "_sort=date", "_sort=-date", "subject=Patient/r0&_sort=date", "subject=Patient/r2"]
        {
            let of = |name: &'static str| (name, query(name, &format!("{text}&_count=2")));
            let queries = [of("Encounter"), of("Observation")];
            let (mut found, mut after, mut pages) = (Vec::new(), None::<Vec<Key>>, 0);
            let total = loop {
                let place = (after.as_deref(), usize::MAX);
                let page = store.search_types(&viewer("a"), &queries, place, (true, &none)).await.expect("it answers");
                let page = recorded(&store, page).await;
                found.extend(page.matches.iter().map(|seen| seen.key.id.clone()));
                pages += 1;
                let Some(next) = page.next else { break page.total };
                after = Some(next);
            };
            let mut each = Vec::new();
            for name in ["Encounter", "Observation"] {
                each.extend(crate::world::found(&store, &viewer("a"), name, &format!("{text}&_count=500")).await);
            }
            assert_eq!(
                (total, pages),
                (u64::try_from(each.len()).ok(), each.len().div_ceil(2).max(1)),
                "{kind}: {text}"
            );
            if text == "_sort=-_id" {
                assert!(found.is_sorted_by(|left, right| left > right), "{kind}: {found:?}");
            }
            if text.is_empty() {
                assert!(found.is_sorted(), "{kind}: {found:?}");
            }
            found.sort();
            each.sort();
            assert_eq!(found, each, "{kind}: {text}: none missing, none twice, none of others");
        }
        let nothing =
            store.search_types(&viewer("a"), &[], (None, usize::MAX), (true, &none)).await.expect("it answers");
        assert_eq!(recorded(&store, nothing).await.total, Some(0), "{kind}");
    }
}

#[tokio::test]
async fn a_compartment_holds_what_refers_to_it_as_far_as_that_is_seen() {
    for (kind, _, store) in stores().await {
        let person = json!({"reference": "Patient/p"});
        let made = vec![
            first(key("r", "Observation", "by-subject"), &json!({"resourceType": "Observation", "subject": person})),
            first(
                key("r", "Observation", "by-performer"),
                &json!({"resourceType": "Observation", "performer": [person]}),
            ),
            first(key("r", "Observation", "by-focus"), &json!({"resourceType": "Observation", "focus": [person]})),
            first(key("r", "Encounter", "p"), &json!({"resourceType": "Encounter"})),
        ];
        store.apply(beginning("r", "a", made)).await.expect("new");
        let within = |of: &str, name: &'static str| {
            let membership = membership(of, name).expect("in the compartment");
            Query { within: Some(Within { reference: format!("{of}/p"), membership }), ..query(name, "") }
        };
        let none = wanted(&[], &[]);
        for (who, of, name, expected) in [
            ("a", "Patient", "Observation", vec!["by-performer", "by-subject"]),
            ("a", "Encounter", "Encounter", vec!["p"]),
            ("a", "Encounter", "Observation", vec![]),
            ("b", "Patient", "Observation", vec![]),
            ("b", "Encounter", "Encounter", vec![]),
        ] {
            let page = including(&store, &viewer(who), name, &within(of, name), &none).await;
            let mut found = crate::world::ids(&page);
            found.sort();
            assert_eq!(
                (found, page.total),
                (expected.iter().map(|id| (*id).to_owned()).collect(), u64::try_from(expected.len()).ok()),
                "{kind}: {who} {of} {name}"
            );
        }
        // Of a minimum only what it has makes it a member.
        let task = key("r", "Communication", "c");
        let rows = vec![(row("subject", "", "Patient/p"), 1), (row("recipient", "", "Patient/q"), 3)];
        let version = NewVersion { minimum: Some("{}".to_owned()), ..indexed(task.clone(), rows) };
        let mut added = WriteSet::default();
        put(&mut added, version);
        added.sights.push(Sight { key: task, grantee: "organization/b".to_owned(), requires_consent: false });
        store.apply(added).await.expect("new");
        for (who, id, finds) in [("a", "p", 1), ("b", "p", 0), ("a", "q", 1), ("b", "q", 1)] {
            let membership = membership("Patient", "Communication").expect("in the compartment");
            let within = Some(Within { reference: format!("Patient/{id}"), membership });
            let asked = Query { within, ..query("Communication", "") };
            let page = including(&store, &viewer(who), "Communication", &asked, &none).await;
            assert_eq!(page.matches.len(), finds, "{kind}: {who} of {id}");
        }
    }
}
