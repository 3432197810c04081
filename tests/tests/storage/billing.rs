//! The books of third-party billing: whose they are, what moves a line, and that a number is given once.

use gateway::storage::StorageError;
use gateway::storage::billing::{
    BillingMessageRow, BillingRows, ClaimLineRow, InsuredPersonRow, LineChange, LineFilter, MovedLines, NumberedLine,
    PartWriter, Purged, SendingRow, SendingTotalRow, TakenLines,
};

use crate::vault::{NUMBER, safes};
use crate::world::{NOW_MS, ask, set, stores};

const OWN: &str = "organization/a";
const PARTY: &str = "71000436000";

fn line(id: &str, person: &str, payer: i64, state: &str) -> ClaimLineRow {
    let [id, person, state] = [id, person, state].map(str::to_owned);
    ClaimLineRow {
        compartment: OWN.to_owned(),
        source_key: Some(format!("source-{id}")),
        id,
        person,
        third_party: PARTY.to_owned(),
        channel: "efact".to_owned(),
        payer,
        month: 202_603,
        first_day: "2026-03-01".to_owned(),
        last_day: "2026-03-01".to_owned(),
        code: 990_010,
        units: 1,
        amount_cents: 4_250,
        share_cents: 1_200,
        provider: "12345625004".to_owned(),
        detail: "{}".to_owned(),
        state,
        source: "import".to_owned(),
        created_ms: NOW_MS,
        changed_ms: NOW_MS,
        ..ClaimLineRow::default()
    }
}

fn sending(id: &str, number: i64, state: &str) -> SendingRow {
    SendingRow {
        compartment: OWN.to_owned(),
        id: id.to_owned(),
        third_party: PARTY.to_owned(),
        year: 2026,
        number,
        reference: 20_260_000_000_000 + number,
        channel: "efact".to_owned(),
        federation: 100,
        month: 202_603,
        state: state.to_owned(),
        created_on: "2026-04-01".to_owned(),
        created_ms: NOW_MS,
        changed_ms: NOW_MS,
        attempt: 1,
        ..SendingRow::default()
    }
}

fn taken(sending: &str, payer: i64) -> TakenLines {
    TakenLines {
        compartment: OWN.to_owned(),
        sending: sending.to_owned(),
        third_party: PARTY.to_owned(),
        channel: "efact".to_owned(),
        month_max: 202_603,
        payer,
        now_ms: NOW_MS,
    }
}

fn moved(sending: &str, was: &'static str, state: &'static str) -> MovedLines {
    MovedLines { compartment: OWN.to_owned(), sending: sending.to_owned(), was, state, now_ms: NOW_MS + 1 }
}

fn ids(lines: &[ClaimLineRow]) -> Vec<String> {
    let mut ids: Vec<String> = lines.iter().map(|line| line.id.clone()).collect();
    ids.sort();
    ids
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn lines_are_their_organisations_own_and_no_source_is_taken_in_twice() {
    for (kind, _, store) in stores().await {
        let other = ClaimLineRow { compartment: "organization/b".to_owned(), ..line("1", "p", 131, "ready") };
        let lines = vec![line("1", "p", 131, "ready"), line("2", "q", 319, "faulty"), other];
        store.apply(set!(billing: BillingRows { lines, ..BillingRows::default() },)).await.expect("new");
        let again = ClaimLineRow { source_key: Some("source-1".to_owned()), ..line("9", "p", 131, "ready") };
        store.apply(set!(billing: BillingRows { lines: vec![again], ..BillingRows::default() },)).await.expect("known");

        let of = async |filter: &LineFilter, after: &str, count: u32| {
            ids(&store.claim_lines(OWN, filter, (after, count)).await.expect("it answers"))
        };
        assert_eq!(of(&LineFilter::default(), "", 9).await, ["1", "2"], "{kind}");
        assert_eq!(of(&LineFilter::default(), "", 1).await, ["1"], "{kind}");
        assert_eq!(of(&LineFilter::default(), "1", 9).await, ["2"], "{kind}");
        for (filter, expected) in [
            (LineFilter { states: vec!["ready", "draft"], ..LineFilter::default() }, vec!["1"]),
            (LineFilter { states: vec!["read"], ..LineFilter::default() }, vec![]),
            (LineFilter { payer: 319, ..LineFilter::default() }, vec!["2"]),
            (LineFilter { person: "p".to_owned(), ..LineFilter::default() }, vec!["1"]),
            (LineFilter { before: "2026-03-01".to_owned(), ..LineFilter::default() }, vec![]),
            (LineFilter { before: "2026-03-02".to_owned(), ..LineFilter::default() }, vec!["1", "2"]),
            (LineFilter { month: 202_604, ..LineFilter::default() }, vec![]),
            (LineFilter { channel: "vsb".to_owned(), ..LineFilter::default() }, vec![]),
            (LineFilter { third_party: "1".to_owned(), ..LineFilter::default() }, vec![]),
            (LineFilter { sending: "s".to_owned(), ..LineFilter::default() }, vec![]),
        ] {
            assert_eq!(of(&filter, "", 9).await, expected, "{kind}: {filter:?}");
            assert_eq!(store.claim_line_ids(OWN, &filter).await.expect("it answers"), expected, "{kind}: {filter:?}");
        }
        for (filter, expected) in [
            (LineFilter::default(), vec!["p", "q"]),
            (LineFilter { payer: 319, ..LineFilter::default() }, vec!["q"]),
            (LineFilter { states: vec!["sent"], ..LineFilter::default() }, vec![]),
        ] {
            assert_eq!(store.claim_people(OWN, &filter).await.expect("it answers"), expected, "{kind}: {filter:?}");
        }
        let found = store.claim_lines_by_id(OWN, &named(&["1", "9", "x"])).await.expect("it answers");
        assert_eq!(found, [line("1", "p", 131, "ready")], "{kind}");
        let known = store.known_sources(OWN, &named(&["source-2", "source-9"])).await.expect("it answers");
        assert_eq!(known, ["source-2"], "{kind}");
        let counts = store.claim_counts(OWN, &LineFilter::default()).await.expect("it answers");
        let told: Vec<_> =
            counts.iter().map(|one| (one.state.as_str(), one.payer, one.lines, one.amount_cents)).collect();
        assert_eq!(told, [("ready", 131, 1, 4_250), ("faulty", 319, 1, 4_250)], "{kind}");
    }
}

#[tokio::test]
async fn a_line_changes_only_from_the_state_that_was_looked_at() {
    for (kind, _, store) in stores().await {
        let lines = vec![line("1", "p", 131, "ready")];
        store.apply(set!(billing: BillingRows { lines, ..BillingRows::default() },)).await.expect("new");
        let change = |was: &'static str, state: &str| {
            let line = ClaimLineRow { decided_why: "because".to_owned(), ..line("1", "p", 131, state) };
            set!(billing: BillingRows { changed: vec![LineChange::of(line, was)], ..BillingRows::default() },)
        };
        store.apply(change("draft", "void")).await.expect("it is written");
        let state = async || store.claim_lines_by_id(OWN, &named(&["1"])).await.expect("it answers")[0].state.clone();
        assert_eq!(state().await, "ready", "{kind}");
        store.apply(change("ready", "void")).await.expect("it is written");
        assert_eq!(state().await, "void", "{kind}");

        // What was only checked keeps all else as it is, and is held to its state as well.
        let checked = |was: &'static str, state: &str| {
            let findings = "[\"found\"]".to_owned();
            let line = ClaimLineRow { findings, changed_ms: 9, amount_cents: 1, ..line("1", "q", 319, state) };
            let change = LineChange { is_only_checked: true, ..LineChange::of(line, was) };
            set!(billing: BillingRows { changed: vec![change], ..BillingRows::default() },)
        };
        let stored = async || store.claim_lines_by_id(OWN, &named(&["1"])).await.expect("it answers").remove(0);
        let before = stored().await;
        store.apply(checked("ready", "faulty")).await.expect("it is written");
        assert_eq!(stored().await, before, "{kind}");
        store.apply(checked("void", "faulty")).await.expect("it is written");
        let [state, findings] = ["faulty", "[\"found\"]"].map(str::to_owned);
        assert_eq!(stored().await, ClaimLineRow { state, findings, changed_ms: 9, ..before }, "{kind}");
    }
}

#[tokio::test]
async fn twins_limits_and_successors_are_found_across_files() {
    for (kind, _, store) in stores().await {
        let correction = ClaimLineRow { kind: 1, corrects: "1".to_owned(), ..line("3", "p", 131, "draft") };
        let credit = ClaimLineRow { kind: 3, corrects: "1".to_owned(), ..line("4", "p", 131, "draft") };
        let other_day = ClaimLineRow { first_day: "2026-03-02".to_owned(), ..line("5", "p", 131, "draft") };
        let lines = vec![line("1", "p", 131, "paid"), line("2", "p", 131, "draft"), correction, credit, other_day];
        store.apply(set!(billing: BillingRows { lines, ..BillingRows::default() },)).await.expect("new");
        let all = store.claim_lines(OWN, &LineFilter::default(), ("", 9)).await.expect("it answers");
        let twins = async |lines: &[ClaimLineRow]| {
            let found = store.claim_twins(OWN, lines).await.expect("it answers");
            found.into_iter().map(|one| format!("{} {}", one.line, one.id)).collect::<Vec<_>>()
        };
        // What a correction takes the place of is no twin of it, but the line between is.
        assert_eq!(twins(&all).await, ["2 1", "3 2"], "{kind}");
        // As they are to be, not as they are stored; and what was billed stands, however young it is.
        let moved = ClaimLineRow { first_day: "2026-03-01".to_owned(), ..all[4].clone() };
        assert_eq!(twins(&[moved]).await, ["5 1", "5 2", "5 3"], "{kind}");
        let older = line("0", "p", 131, "draft");
        assert_eq!(twins(std::slice::from_ref(&older)).await, ["0 1"], "{kind}");
        // Days of a stay meet wherever they overlap.
        let [first_day, last_day] = ["2026-02-20", "2026-03-01"].map(str::to_owned);
        let stay = ClaimLineRow { first_day, last_day, ..older.clone() };
        assert_eq!(twins(std::slice::from_ref(&stay)).await, ["0 1"], "{kind}");
        let before = ClaimLineRow { last_day: "2026-02-28".to_owned(), ..stay };
        assert_eq!(twins(&[before, ClaimLineRow { code: 1, ..older }]).await, Vec::<String>::new(), "{kind}");
        let units = async |codes: &[u32], until: &str, before: &str| {
            store.claim_units((OWN, "p"), codes, ("2026-01-01", until, before)).await.expect("it answers")
        };
        assert_eq!(units(&[990_010, 1], "2026-12-31", "9").await, 4, "{kind}: a credit note is no use");
        assert_eq!(units(&[990_010], "2026-03-01", "9").await, 3, "{kind}");
        assert_eq!(units(&[990_010], "2026-12-31", "2").await, 1, "{kind}: what is younger does not count");
        assert_eq!(units(&[1], "2026-12-31", "9").await, 0, "{kind}");
        let later = store.claim_successors(OWN, &named(&["1"])).await.expect("it answers");
        assert_eq!(ids(&later), ["3", "4"], "{kind}");
    }
}

#[tokio::test]
async fn a_sending_takes_what_is_ready_for_it_and_its_lines_go_on_with_it() {
    for (kind, _, store) in stores().await {
        let late = ClaimLineRow { month: 202_604, ..line("3", "p", 131, "ready") };
        let credit = ClaimLineRow { kind: 3, corrects: "8".to_owned(), ..line("5", "q", 131, "ready") };
        let lines = vec![
            line("1", "q", 131, "ready"),
            line("2", "p", 101, "ready"),
            late,
            line("4", "p", 319, "ready"),
            credit,
            line("6", "p", 131, "faulty"),
            line("8", "q", 131, "paid"),
        ];
        store.apply(set!(billing: BillingRows { lines, ..BillingRows::default() },)).await.expect("new");
        let rows = BillingRows {
            sendings: vec![sending("s", 1, "sealing")],
            taken: vec![taken("s", 101), taken("s", 131)],
            ..<_>::default()
        };
        store.apply(set!(billing: rows,)).await.expect("it is taken");
        let places = store.sending_places(OWN, "s").await.expect("it answers");
        let order: Vec<&str> = places.iter().map(|place| place.id.as_str()).collect();
        assert_eq!(order, ["2", "5", "1"], "{kind}: payers ascend, credit notes first");
        let number = |id: &str, invoice: i64| NumberedLine {
            compartment: OWN.to_owned(),
            id: id.to_owned(),
            sending: "s".to_owned(),
            invoice,
        };
        let elsewhere = NumberedLine { sending: "t".to_owned(), ..number("1", 9) };
        let numbered = vec![number("2", 1), number("5", 2), number("1", 3), number("6", 4), elsewhere];
        store.apply(set!(billing: BillingRows { numbered, ..<_>::default() },)).await.expect("they are numbered");
        let of = store.claim_lines_of_invoices((OWN, "s"), &[2, 3, 4]).await.expect("it answers");
        assert_eq!(ids(&of), ["1", "5"], "{kind}: one that is in no file has no number");

        let notes = store.credit_notes(OWN, "s").await.expect("it answers");
        assert_eq!(notes, [("5".to_owned(), "8".to_owned())], "{kind}");
        let total = SendingTotalRow {
            compartment: OWN.to_owned(),
            sending: "s".to_owned(),
            payer: 131,
            requested_cents: 4_250,
            ..SendingTotalRow::default()
        };
        let rows = BillingRows {
            totals: vec![total.clone()],
            moved: vec![moved("s", "sealed", "paid")],
            credited: vec![(OWN.to_owned(), "8".to_owned(), NOW_MS + 1), (OWN.to_owned(), "3".to_owned(), NOW_MS + 1)],
            ..BillingRows::default()
        };
        store.apply(set!(billing: rows,)).await.expect("it is settled");
        let lines = store.claim_lines(OWN, &LineFilter::default(), ("", 99)).await.expect("it answers");
        let told: Vec<_> = lines.iter().map(|one| (one.id.as_str(), one.state.as_str(), one.paid_cents)).collect();
        let expected = [
            ("1", "paid", 4_250),
            ("2", "paid", 4_250),
            ("3", "ready", 0),
            ("4", "ready", 0),
            ("5", "paid", -4_250),
            ("6", "faulty", 0),
            // What the credit note took back.
            ("8", "credited", 0),
        ];
        assert_eq!(told, expected, "{kind}");
        assert_eq!(store.sending_totals(OWN, "s").await.expect("it answers"), [total], "{kind}");

        let rows =
            BillingRows { sendings: vec![sending("t", 2, "sealing")], taken: vec![taken("t", 131)], ..<_>::default() };
        store.apply(set!(billing: rows,)).await.expect("nothing is left for it");
        assert!(store.sending_places(OWN, "t").await.expect("it answers").is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn what_was_not_sent_can_go_again() {
    for (kind, _, store) in stores().await {
        let lines = vec![line("1", "p", 131, "ready")];
        let rows = BillingRows { lines, sendings: vec![sending("s", 1, "sealing")], ..BillingRows::default() };
        store.apply(set!(billing: rows,)).await.expect("new");
        store
            .apply(set!(billing: BillingRows { taken: vec![taken("s", 131)], ..<_>::default() },))
            .await
            .expect("taken");
        let rows = BillingRows { moved: vec![moved("s", "sealed", "ready")], ..BillingRows::default() };
        store.apply(set!(billing: rows,)).await.expect("it goes back");
        let lines = store.claim_lines(OWN, &LineFilter::default(), ("", 9)).await.expect("it answers");
        assert_eq!((lines[0].state.as_str(), lines[0].sending.as_str(), lines[0].invoice), ("ready", "", 0), "{kind}");
    }
}

#[tokio::test]
async fn a_number_is_given_once_for_a_third_party_in_a_year() {
    for (kind, _, store) in stores().await {
        assert_eq!(store.next_sending_number(PARTY, 2026).await.expect("it answers"), 1, "{kind}");
        let put = async |one: SendingRow| {
            let rows = BillingRows { sendings: vec![one], ..BillingRows::default() };
            store.apply(set!(billing: rows,)).await
        };
        put(sending("1", 1, "sealing")).await.expect("new");
        let twice = SendingRow { reference: 1, ..sending("2", 1, "sealing") };
        assert!(matches!(put(twice).await, Err(StorageError::Moved)), "{kind}: the same number");
        let twice = SendingRow { reference: sending("1", 1, "").reference, ..sending("2", 2, "sealing") };
        assert!(matches!(put(twice).await, Err(StorageError::Moved)), "{kind}: the same reference");
        put(SendingRow { year: 2027, reference: 2, ..sending("3", 1, "sent") }).await.expect("another year");
        put(SendingRow { changed_ms: NOW_MS + 9, ..sending("4", 7, "sealing") }).await.expect("new");
        assert_eq!(store.next_sending_number(PARTY, 2026).await.expect("it answers"), 8, "{kind}");

        let found = store.sending_by_reference(PARTY, 2).await.expect("it answers").expect("it is there");
        assert_eq!((found.id.as_str(), found.year), ("3", 2027), "{kind}");
        assert!(store.sending_by_reference("0", 2).await.expect("it answers").is_none(), "{kind}");
        assert!(store.sending("organization/b", "3").await.expect("it answers").is_none(), "{kind}: not theirs");
        assert_eq!(store.sending(OWN, "1").await.expect("it answers"), Some(sending("1", 1, "sealing")), "{kind}");
        let listed = async |states: &[&str], before: &str, count: u32| {
            let rows = store.sendings(OWN, states, (before, count)).await.expect("it answers");
            rows.into_iter().map(|one| one.id).collect::<Vec<_>>()
        };
        assert_eq!(listed(&[], "", 9).await, ["4", "3", "1"], "{kind}: the newest first");
        assert_eq!(listed(&["sealing"], "", 9).await, ["4", "1"], "{kind}");
        assert_eq!(listed(&[], "4", 1).await, ["3"], "{kind}");
        let left = store.unfinished_sendings(NOW_MS + 9).await.expect("it answers");
        assert_eq!(
            left.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(),
            ["1"],
            "{kind}: somebody is at the other"
        );
        let of_day = async |federation: Option<i64>| {
            store.sendings_of_day(PARTY, ("efact", "2026-04-01"), federation).await.expect("it answers")
        };
        assert_eq!((of_day(None).await, of_day(Some(100)).await, of_day(Some(300)).await), (3, 3, 0), "{kind}");
        let addresses = store.billing_addresses().await.expect("it answers");
        assert_eq!(addresses.iter().map(|one| one.federation).collect::<Vec<_>>(), [100], "{kind}");
    }
}

#[tokio::test]
async fn answers_and_third_parties_are_kept_by_organisation() {
    for (kind, _, store) in stores().await {
        let message = |hash: &str, sending: &str, state: &str| BillingMessageRow {
            compartment: OWN.to_owned(),
            hash: hash.to_owned(),
            third_party: PARTY.to_owned(),
            partner: "mutuality/100".to_owned(),
            name: "931000".to_owned(),
            sending: sending.to_owned(),
            state: state.to_owned(),
            remark: String::new(),
            received_ms: NOW_MS,
        };
        let messages = vec![message("a", "s", "applied"), message("b", "", "unknown"), message("c", "s", "applied")];
        store.apply(set!(billing: BillingRows { messages, ..<_>::default() },)).await.expect("they are kept");
        let of = async |sending: &str, state: &str| {
            let found = store.billing_messages(OWN, (sending, state)).await.expect("it answers");
            found.into_iter().map(|one| one.hash).collect::<Vec<_>>()
        };
        assert_eq!((of("s", "").await, of("", "unknown").await), (named(&["a", "c"]), named(&["b"])), "{kind}");
        assert!(of("s", "unknown").await.is_empty(), "{kind}");
        let one = store.billing_message(OWN, "b").await.expect("it answers");
        assert_eq!(one, Some(message("b", "", "unknown")), "{kind}");
        assert!(store.billing_message("organization/b", "b").await.expect("it answers").is_none(), "{kind}");

        store.put_billing_party((OWN, PARTY), "{}").await.expect("it is registered");
        store.put_billing_party((OWN, PARTY), "{\"iban\":\"x\"}").await.expect("it changes");
        store.put_billing_party(("organization/b", "1"), "{}").await.expect("it is registered");
        let own = store.billing_parties(OWN).await.expect("it answers");
        assert_eq!(own, [(OWN.to_owned(), PARTY.to_owned(), "{\"iban\":\"x\"}".to_owned())], "{kind}");
        assert_eq!(store.billing_parties("").await.expect("it answers").len(), 2, "{kind}");
    }
}

#[tokio::test]
async fn people_and_files_are_sealed_and_no_number_is_on_the_disk() {
    for safe in safes().await {
        let (kind, store) = (safe.kind, &safe.store);
        let sealed = store.seal_text("a/InsuredPerson/p", NUMBER, NOW_MS).await.expect("it is sealed");
        let part = store.seal_text("a/Sending/s", &format!("20{NUMBER}"), NOW_MS).await.expect("it is sealed");
        let row =
            InsuredPersonRow { compartment: OWN.to_owned(), id: "p".to_owned(), sealed: sealed.clone(), changed_ms: 1 };
        let before = InsuredPersonRow { sealed: part.clone(), ..row.clone() };
        // Twice in one write set: the last counts.
        let people = vec![before, row.clone()];
        store.apply(set!(billing: BillingRows { people, ..<_>::default() },)).await.expect("kept");
        for (number, text) in [(0, "x"), (1, &part), (2, "y")] {
            store.put_billing_part((OWN, "s"), (1, number), text).await.expect("it is kept");
        }
        store.put_billing_part((OWN, "s"), (1, 0), &sealed).await.expect("it takes the place");
        store.drop_billing_parts((OWN, "s"), (1, 2)).await.expect("it is gone");
        let get = async |attempt: i64, number: i64| {
            store.billing_part((OWN, "s"), (attempt, number)).await.expect("it answers")
        };
        assert_eq!((get(1, 0).await, get(1, 2).await, get(2, 0).await), (Some(sealed.clone()), None, None), "{kind}");
        let found = store.insured_people(OWN, &named(&["p", "q"])).await.expect("it answers");
        assert_eq!(found, [row], "{kind}");
        assert!(store.insured_people("organization/b", &named(&["p"])).await.expect("it answers").is_empty(), "{kind}");
        let opened = store.open_texts(&[&part, &sealed]).await.expect("they open");
        assert_eq!(opened, [format!("20{NUMBER}"), NUMBER.to_owned()], "{kind}");
        assert_eq!(store.open_text(&sealed).await.expect("it opens"), NUMBER, "{kind}");
        let mut disk = String::new();
        for column in
            ["MAX(sealed) FROM insured_person", "MAX(sealed) FROM billing_part", "MIN(sealed) FROM billing_part"]
        {
            disk.push_str(&ask(&safe.settings.url, &format!("SELECT {column}")).await);
        }
        assert!(disk.contains(&sealed), "{kind}: it was looked at");
        assert!(!disk.contains(NUMBER), "{kind}");
    }
}

#[test]
fn what_is_written_comes_out_in_parts_and_whole() {
    use std::io::Write as _;
    let mut writer = PartWriter::default();
    let mut out = Vec::new();
    for n in 0..10_000_u32 {
        writer.write_all(format!("{n:0350}").as_bytes()).expect("it is in memory");
        if let Some(part) = writer.full() {
            assert!(part.len() < 1024 * 1024);
            out.extend(part);
        }
    }
    out.extend(writer.rest());
    assert_eq!(out.len(), 3_500_000);
    assert!(out.ends_with(format!("{:0350}", 9_999).as_bytes()));
}

#[tokio::test]
async fn what_is_older_than_its_years_goes_with_what_was_its_own_and_nothing_else() {
    const BEFORE_MS: i64 = NOW_MS + 1;
    for (kind, _, store) in stores().await {
        let of = |sending: &str, line: ClaimLineRow| ClaimLineRow { sending: sending.to_owned(), ..line };
        let young = |line: ClaimLineRow| ClaimLineRow { changed_ms: BEFORE_MS, ..line };
        let corrected = |id: &str| of("a", line(id, "p", 131, "corrected"));
        let correcting = |id: &str, of_id: &str, state: &str| ClaimLineRow {
            kind: 1,
            corrects: of_id.to_owned(),
            ..of("b", line(id, "p", 131, state))
        };
        let lines = vec![
            of("a", line("1", "gone", 131, "paid")),
            line("2", "gone", 131, "void"),
            // What still waits for somebody stays, however old it is, and so does what it takes the place of.
            of("c", line("3", "q", 131, "refused")),
            corrected("4"),
            correcting("5", "4", "paid"),
            of("d", line("6", "p", 131, "corrected")),
            young(correcting("7", "6", "paid")),
            young(of("e", line("8", "p", 131, "paid"))),
        ];
        let person = |id: &str| InsuredPersonRow {
            compartment: OWN.to_owned(),
            id: id.to_owned(),
            sealed: "sealed".to_owned(),
            changed_ms: NOW_MS,
        };
        let file = |id: &str, number: i64, state: &str| SendingRow {
            parts: format!("file {id}"),
            ..sending(id, number, state)
        };
        let message = |hash: &str, sending: &str| BillingMessageRow {
            compartment: OWN.to_owned(),
            hash: hash.to_owned(),
            sending: sending.to_owned(),
            received_ms: NOW_MS,
            ..BillingMessageRow::default()
        };
        let total = |sending: &str| SendingTotalRow {
            compartment: OWN.to_owned(),
            sending: sending.to_owned(),
            payer: 131,
            ..SendingTotalRow::default()
        };
        let billing = BillingRows {
            people: ["gone", "p", "q"].map(person).to_vec(),
            lines,
            sendings: vec![
                file("a", 1, "settled"),
                file("b", 2, "partly-settled"),
                file("c", 3, "partly-settled"),
                file("d", 4, "settled"),
                file("e", 5, "settled"),
                file("f", 6, "sent"),
            ],
            totals: vec![total("a"), total("c")],
            messages: vec![message("1", "a"), message("2", "c"), message("3", "")],
            ..BillingRows::default()
        };
        store.apply(set!(billing: billing,)).await.expect("it is written");
        for owner in ["file a", "file c", "1", "2", "3"] {
            store.put_billing_part((OWN, owner), (1, 0), "sealed").await.expect("it is written");
        }

        assert_eq!(store.count_old_lines(OWN, BEFORE_MS).await.expect("it answers"), 4, "{kind}");
        assert_eq!(store.count_old_lines("organization/b", BEFORE_MS).await.expect("it answers"), 0, "{kind}");
        let nothing = store.purge_billing("organization/b", BEFORE_MS).await.expect("it is done");
        assert_eq!(nothing, Purged::default(), "{kind}");
        let purged = store.purge_billing(OWN, BEFORE_MS).await.expect("it is done");
        assert_eq!(purged, Purged { lines: 4, sendings: 1, messages: 1, people: 1 }, "{kind}");
        let rest = store.claim_lines(OWN, &LineFilter::default(), ("", 9)).await.expect("it answers");
        assert_eq!(ids(&rest), ["3", "6", "7", "8"], "{kind}");
        let left = store.sendings(OWN, &[], ("", 9)).await.expect("it answers");
        let left: Vec<&str> = left.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(left, ["f", "e", "d", "c", "b"], "{kind}");
        for (owner, is_left) in [("file a", false), ("file c", true), ("1", false), ("2", true), ("3", false)] {
            let part = store.billing_part((OWN, owner), (1, 0)).await.expect("it answers");
            assert_eq!(part.is_some(), is_left, "{kind}: {owner}");
        }
        for (sending, totals) in [("a", 0), ("c", 1)] {
            assert_eq!(store.sending_totals(OWN, sending).await.expect("it answers").len(), totals, "{kind}");
            assert_eq!(store.billing_messages(OWN, (sending, "")).await.expect("it answers").len(), totals, "{kind}");
        }
        let people = store.insured_people(OWN, &named(&["gone", "p", "q"])).await.expect("it answers");
        assert_eq!(people.len(), 2, "{kind}");
        assert_eq!(store.purge_billing(OWN, BEFORE_MS).await.expect("it is done"), Purged::default(), "{kind}: once");
    }
}
