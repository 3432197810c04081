//! The evidence: whoever alters the trail behind the gateway's back is found, and the first record that is amiss is named.

use gateway::audit::check::Trust;
use gateway::audit::seal_key::SealKey;
use gateway::evidence::Sealer;

use crate::sealed::{self, Sealed, column_names, sealed_trails};
use crate::world::{NOW_MS, ask};

#[tokio::test]
async fn a_trail_that_nobody_touched_is_proven() {
    for sealed in sealed_trails().await {
        let report = sealed.verify(sealed.trust()).await;
        assert_eq!(report.findings, [""; 0], "{}", sealed.kind);
        assert_eq!((report.sealed, report.seals, report.unsealed), (12, 3, 0), "{}", sealed.kind);
    }
}

#[tokio::test]
async fn a_change_in_any_column_of_an_event_is_found_and_the_event_named() {
    for sealed in sealed_trails().await {
        let columns = column_names(&sealed.url, "audit_event").await;
        assert!(columns.len() >= 23, "{columns:?}");
        for column in columns {
            let is_number = ["recorded_ms", "version_id", "chain", "sequence"].contains(&column.as_str());
            let other = if is_number { format!("{column} + 1") } else { format!("{column} || 'x'") };
            let id = &sealed.ids[5];
            let report =
                sealed.tampered(&[format!("UPDATE audit_event SET {column} = {other} WHERE id = '{id}'")]).await;
            assert!(report.findings[0].contains(id), "{} {column}: {:?}", sealed.kind, report.findings);
        }
    }
}

#[tokio::test]
async fn a_change_in_any_column_of_a_seal_is_found_and_the_seal_named() {
    for sealed in sealed_trails().await {
        for column in column_names(&sealed.url, "audit_seal").await {
            let is_number = column.ends_with("_ms") || column.ends_with("_sequence");
            let other = match column.as_str() {
                // Out of the way of the seal that has that number.
                "number" => "number + 100".to_owned(),
                _ if is_number || column == "chain" => format!("{column} + 1"),
                "entries" | "signature" => format!("'AAAA' || SUBSTR({column}, 5)"),
                _ => format!("'0' || SUBSTR({column}, 2)"),
            };
            // The second digit, where the first is that already.
            let sql = format!("UPDATE audit_seal SET {column} = {other} WHERE number = 2");
            let again = format!("UPDATE audit_seal SET {column} = '1' || SUBSTR({column}, 2) WHERE number = 2");
            let is_text = ["key_id", "previous", "hash"].contains(&column.as_str());
            let report = sealed.tampered(&if is_text { vec![sql, again] } else { vec![sql] }).await;
            // What starts with the digit that is put there was not changed.
            let first =
                ask(&sealed.url, &format!("SELECT CAST({column} AS TEXT) FROM audit_seal WHERE number = 2")).await;
            if is_text && first.starts_with('1') {
                continue;
            }
            assert!(report.findings[0].contains("seal 2"), "{} {column}: {:?}", sealed.kind, report.findings);
        }
    }
}

#[tokio::test]
async fn an_event_that_is_removed_put_in_or_swapped_is_found() {
    for sealed in sealed_trails().await {
        let [first, second] = [&sealed.ids[4], &sealed.ids[7]];
        let columns = column_names(&sealed.url, "audit_event").await.join(", ");
        let copied = |id: &str, changes: &[(&str, &str)]| {
            let mut values = format!(", {columns},");
            for (column, value) in changes.iter().chain(&[("id", "'0000000000000000000000000000beef'")]) {
                values = values.replace(&format!(", {column},"), &format!(", {value},"));
            }
            let values = values.trim_matches([',', ' ']);
            format!("INSERT INTO audit_event ({columns}) SELECT {values} FROM audit_event WHERE id = '{id}'")
        };
        let swapped = |column: &str| {
            let of = |id: &str| format!("(SELECT {column} FROM audit_event WHERE id = '{id}')");
            format!(
                "UPDATE audit_event SET {column} = CASE id WHEN '{first}' THEN {} ELSE {} END WHERE id IN ('{first}', '{second}')",
                of(second),
                of(first)
            )
        };
        let end = "(SELECT MAX(sequence) FROM audit_event)";
        let next = format!("{end} + 1");
        let old = (NOW_MS - 10 * 60_000).to_string();
        for (how, named, sql) in [
            ("removed", first.as_str(), format!("DELETE FROM audit_event WHERE id = '{first}'")),
            ("put into no chain", "beef", copied(first, &[("chain", "0")])),
            ("put into another's place", "beef", copied(first, &[("subtype", "'vread'")])),
            ("put before the first", "beef", copied(first, &[("sequence", "0")])),
            ("put at the end", "beef", copied(first, &[("sequence", &next)])),
            ("put at the end of a chain of its own", "beef", copied(first, &[("chain", "7"), ("sequence", "1")])),
            ("put far beyond the end", "what was between", copied(first, &[("sequence", &format!("{end} + 9"))])),
            ("put at the end as an old one", "beef", copied(first, &[("sequence", &next), ("recorded_ms", &old)])),
            ("swapped by place", first, swapped("sequence")),
            ("swapped by time", first, swapped("recorded_ms")),
            ("swapped by mark", first, swapped("mark")),
        ] {
            let report = sealed.tampered(&[sql]).await;
            assert!(
                report.findings.first().is_some_and(|found| found.contains(named)),
                "{} {how}: {report:?}",
                sealed.kind
            );
        }
        // Without the secret key an unsealed event is believed while it is fresh, and no longer.
        let fresh = copied(first, &[("sequence", &next)]);
        let public = Trust { secret: None, ..sealed.trust() };
        let report = sealed.tampered_as(&[fresh], public.clone()).await;
        assert_eq!((report.findings.len(), report.unsealed), (0, 1), "{}", sealed.kind);
        let stale = copied(first, &[("sequence", &next), ("recorded_ms", &old)]);
        let report = sealed.tampered_as(&[stale], public).await;
        assert!(report.findings[0].contains("beef"), "{} {report:?}", sealed.kind);
    }
}

#[tokio::test]
async fn a_seal_that_is_removed_is_found_and_a_tail_by_the_head_that_was_published() {
    for sealed in sealed_trails().await {
        for number in 1..3 {
            let report = sealed.tampered(&[format!("DELETE FROM audit_seal WHERE number = {number}")]).await;
            let found = &report.findings[0];
            assert!(found.starts_with(&format!("seal {number}: is gone")), "{} {report:?}", sealed.kind);
        }
        let swap = "UPDATE audit_seal SET number = CASE number WHEN 1 THEN 102 ELSE 101 END WHERE number < 3";
        let swap = [swap.to_owned(), "UPDATE audit_seal SET number = number - 100 WHERE number > 100".to_owned()];
        assert!(sealed.tampered(&swap).await.findings[0].contains("seal 1"), "{}", sealed.kind);

        let with_head = Trust { head: sealed.verify(sealed.trust()).await.head, ..sealed.trust() };
        assert!(sealed.verify(with_head.clone()).await.is_clean(), "{}", sealed.kind);
        let cut = [
            "DELETE FROM audit_event WHERE sequence > (SELECT first_sequence - 1 FROM audit_seal WHERE number = 3)"
                .to_owned(),
            "DELETE FROM audit_seal WHERE number = 3".to_owned(),
        ];
        let report = sealed.tampered_as(&cut, sealed.trust()).await;
        assert!(report.is_clean(), "{}: nothing inside tells that the end is gone", sealed.kind);
        let report = sealed.tampered_as(&cut, with_head.clone()).await;
        assert!(report.findings[0].starts_with("seal 3: is gone"), "{} {report:?}", sealed.kind);
        let all = ["DELETE FROM audit_event".to_owned(), "DELETE FROM audit_seal".to_owned()];
        assert_eq!(sealed.tampered(&all).await.findings, ["there is no seal at all"], "{}", sealed.kind);
    }
}

#[tokio::test]
async fn a_trail_that_was_sealed_anew_by_another_key_is_not_believed() {
    for sealed in sealed_trails().await {
        let head = sealed.verify(sealed.trust()).await.head;
        sealed::execute(&sealed.url, "DELETE FROM audit_seal").await;
        let pem = SealKey::generate().expect("there is randomness");
        let (other, _directory) = sealed::open_with_key(&sealed.url, &pem).await;
        Sealer::new(&other, None).expect("it has a key").pass(NOW_MS, true).await.expect("it seals");
        let report = sealed.verify(sealed.trust()).await;
        let key = SealKey::read(pem.as_bytes()).expect("a key");
        assert_eq!(
            report.findings[0],
            format!("seal 1: is signed by key {}, which is not given", key.public().id()),
            "{}",
            sealed.kind
        );
        // Who believes that key sees that it did not write these events.
        let trust = Trust { keys: vec![key.public().clone()], ..Trust::default() };
        let report = sealed.verify(trust.clone()).await;
        assert!(report.findings[0].contains(&sealed.ids[0]) && report.sealed == 0, "{} {report:?}", sealed.kind);
        let report = sealed.verify(Trust { head, ..trust }).await;
        assert!(!report.is_clean(), "{}", sealed.kind);
    }
}

#[tokio::test]
async fn a_time_that_is_asked_for_is_proven_alone_and_what_was_moved_into_it_is_found() {
    for sealed in sealed_trails().await {
        // Events are a second apart.
        let trust = Trust { recorded: Some((NOW_MS, NOW_MS + 4_000)), ..sealed.trust() };
        let report = sealed.verify(trust.clone()).await;
        assert_eq!((report.findings.len(), report.sealed, report.seals), (0, 4, 3), "{}: {report:?}", sealed.kind);
        let id = &sealed.ids[11];
        let outside = format!("UPDATE audit_event SET purpose = 'X' WHERE id = '{id}'");
        assert!(sealed.tampered_as(&[outside], trust.clone()).await.is_clean(), "{}", sealed.kind);
        let moved = format!("UPDATE audit_event SET recorded_ms = {NOW_MS} WHERE id = '{id}'");
        let report = sealed.tampered_as(&[moved], trust).await;
        assert_eq!(
            report.findings,
            ["of 5 events recorded in that time 4 stand where a seal looks"],
            "{}",
            sealed.kind
        );
    }
}

#[tokio::test]
async fn a_clean_trail_survives_a_copy() {
    let trails = sealed_trails().await;
    let first: &Sealed = trails.first().expect("SQLite is always there");
    let directory = tempfile::tempdir().expect("there is room");
    let copy = directory.path().join("copy.sqlite");
    sealed::execute(&first.url, &format!("VACUUM INTO '{}'", copy.display())).await;
    let report = sealed::verify(&format!("sqlite:{}", copy.display()), first.trust()).await;
    assert_eq!((report.findings.len(), report.sealed), (0, 12));
}
