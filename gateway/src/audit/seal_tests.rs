//! The chain as a rule by itself: whatever is changed in a stretch of events or in a seal over it is found, and named.

use proptest::prelude::*;

use super::check::{Check, ERASURE, LAG_MS_MAX, Report, Trust};
use super::event::StoredEvent;
use super::seal::{Entry, Head, Seal, Stretch, TrailRow, Value, commitment, is_marked, marks};
use super::seal_key::{SealKey, SealPublicKey};

const NOW_MS: i64 = 1_772_366_400_000;

fn key() -> SealKey {
    SealKey::read(SealKey::generate().expect("there is randomness").as_bytes()).expect("a key")
}

fn event(n: i64) -> StoredEvent {
    let text = |text: &str| text.to_owned();
    StoredEvent {
        compartment: format!("record-{n}"),
        id: format!("{:032x}", n + 1),
        recorded_ms: NOW_MS + n,
        action: text("R"),
        subtype: text("read"),
        outcome: text("0"),
        reason: text(""),
        organization: text("organization/a"),
        client: text("a-ehr"),
        practitioner: text(""),
        purpose: text("TREAT"),
        basis: text("consent"),
        resource_type: text("Patient"),
        resource_id: format!("record-{n}"),
        version_id: 1,
        request_id: text("request"),
        case_id: text(""),
        network: text(""),
        query: text(""),
        consents: text(""),
    }
}

fn row(key: &SealKey, event: StoredEvent, (chain, sequence): (i64, i64)) -> TrailRow {
    let mark = marks(key, [event.columns()].into_iter()).expect("there is randomness").remove(0);
    TrailRow { event, chain, sequence, mark }
}

/// A chain of so many events, under seals of three each.
fn trail(key: &SealKey, events: i64) -> (Vec<TrailRow>, Vec<Seal>) {
    let rows: Vec<TrailRow> = (0..events).map(|n| row(key, event(n), (7, n + 1))).collect();
    let mut seals: Vec<Seal> = Vec::new();
    for rows in rows.chunks(3) {
        let stretch = Stretch {
            chain: 7,
            first_sequence: rows[0].sequence,
            entries: rows.iter().map(|row| Entry::of(key, row)).collect(),
            recorded_ms: (rows[0].event.recorded_ms, rows[rows.len() - 1].event.recorded_ms),
        };
        let head = seals.last().map(Seal::head);
        seals.push(Seal::over(key, head.as_ref(), &stretch, NOW_MS + 1_000));
    }
    (rows, seals)
}

fn trust(key: &SealKey) -> Trust {
    Trust { keys: vec![key.public().clone()], ..Trust::default() }
}

fn checked(trust: Trust, rows: &[TrailRow], seals: &[Seal]) -> Report {
    let act = |row: &&TrailRow| row.event.subtype == ERASURE;
    let erasures = rows.iter().filter(act).map(|row| (row.event.id.clone(), row.event.resource_id.clone()));
    let mut check = Check::new(trust, erasures);
    for seal in seals {
        if check.seal(seal) {
            let stretch = seal.first_sequence..=seal.last_sequence;
            let mut rows: Vec<TrailRow> =
                rows.iter().filter(|row| row.chain == seal.chain && stretch.contains(&row.sequence)).cloned().collect();
            rows.sort_by_key(|row| row.sequence);
            check.rows(seal, &rows);
        }
    }
    let sealed_to = check.sealed_to(7);
    let rest: Vec<TrailRow> = rows.iter().filter(|row| row.sequence > sealed_to).cloned().collect();
    check.unsealed(7, &rest);
    check.end()
}

#[test]
fn a_key_is_read_as_openssl_writes_it_and_signs_what_its_public_key_verifies() {
    let key = key();
    let public = SealPublicKey::read_all(key.public().to_pem().as_bytes()).expect("its own PEM");
    assert_eq!(public, [key.public().clone()]);
    let signature = key.sign("a text");
    assert!(public[0].verifies("a text", &signature));
    assert!(!public[0].verifies("another text", &signature) && !public[0].verifies("a text", "no base64"));
    assert!(SealKey::read(b"no key").is_err() && SealPublicKey::read_all(b"").is_err());
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("SealKey({})", key.public().id()), "a secret is never shown");
    // openssl genpkey -algorithm ed25519; openssl pkey -pubout
    let made = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let made = SealKey::read(made.as_bytes()).expect("RFC 8410, section 10.3");
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    assert_eq!(made.public().to_pem(), public);
}

#[test]
fn a_trail_as_it_was_sealed_is_clean_and_its_unsealed_end_is_counted() {
    let key = key();
    let (mut rows, seals) = trail(&key, 7);
    let report = checked(trust(&key), &rows, &seals);
    assert_eq!((report.findings.len(), report.sealed, report.seals, report.unsealed), (0, 7, 3, 0));
    rows.push(row(&key, event(7), (7, 8)));
    let report = checked(Trust { secret: Some(key.clone()), ..trust(&key) }, &rows, &seals);
    assert_eq!((report.findings.len(), report.unsealed), (0, 1));
}

#[test]
fn an_unsealed_end_is_no_hiding_place() {
    let key = key();
    let (rows, seals) = trail(&key, 3);
    let old = StoredEvent { recorded_ms: NOW_MS - LAG_MS_MAX, ..event(3) };
    let old = [rows.clone(), vec![row(&key, old, (7, 4))]].concat();
    assert!(checked(trust(&key), &old, &seals).findings[0].contains("is not sealed"));
    let mut forged = rows.clone();
    forged.push(TrailRow { mark: "AAAA".to_owned(), ..row(&key, event(3), (7, 4)) });
    let secret = Trust { secret: Some(key.clone()), ..trust(&key) };
    assert!(checked(secret, &forged, &seals).findings[0].contains("no gateway left it so"));
    let late = StoredEvent { recorded_ms: NOW_MS + LAG_MS_MAX + 10, ..event(3) };
    let long = [rows.clone(), vec![row(&key, event(3), (7, 4)), row(&key, late, (7, 5))]].concat();
    assert!(checked(trust(&key), &long, &seals).findings[0].contains("the sealer stood still"));
    let hole = [rows, vec![row(&key, event(4), (7, 5))]].concat();
    assert!(checked(trust(&key), &hole, &seals).findings[0].contains("between 3 and 5 of chain 7: is gone"));
}

#[test]
fn an_erasure_needs_an_act_that_is_sealed_itself() {
    let key = key();
    let (mut rows, mut seals) = trail(&key, 6);
    let act = StoredEvent { subtype: ERASURE.to_owned(), resource_id: rows[1].event.id.clone(), ..event(6) };
    let act = row(&key, act, (7, 7));
    let stretch = Stretch {
        chain: 7,
        first_sequence: 7,
        entries: vec![Entry::of(&key, &act)],
        recorded_ms: (NOW_MS, NOW_MS + 10),
    };
    let head = seals[1].head();
    seals.push(Seal::over(&key, Some(&head), &stretch, NOW_MS + 1_000));
    rows.push(act.clone());
    let gone = rows.remove(1);
    let report = checked(trust(&key), &rows, &seals);
    assert_eq!((report.findings.len(), report.erased, report.sealed), (0, 1, 6), "{report:?}");
    rows.pop();
    assert!(checked(trust(&key), &rows, &seals).findings[0].contains(&gone.event.id), "the act is gone as well");
    rows.push(TrailRow { sequence: 8, ..act });
    let report = checked(trust(&key), &rows, &seals[..2]);
    assert!(report.erased == 0 && report.findings.iter().any(|found| found.contains("is not proven")), "{report:?}");
}

#[test]
fn nothing_of_an_event_can_be_guessed_without_its_salt() {
    let key = key();
    let [one, other] = [0, 1].map(|_| row(&key, event(1), (7, 1)));
    assert_ne!(one.mark, other.mark);
    assert_ne!(Entry::of(&key, &one).commitment, Entry::of(&key, &other).commitment);
}

#[test]
fn a_head_is_read_as_it_is_written() {
    let head = Head { number: 12, hash: "ab".repeat(32) };
    assert_eq!(head.to_string().parse(), Ok(head));
    for wrong in ["", "12", "12:", "0:00", ":ab", "-1:ab", "12:zz"] {
        assert!(wrong.parse::<Head>().is_err(), "{wrong}");
    }
}

/// The same columns, with what is said in them cut otherwise.
#[test]
fn two_events_that_read_alike_one_after_the_other_have_other_commitments() {
    let one = StoredEvent { reason: "ab".to_owned(), organization: "c".to_owned(), ..event(1) };
    let other = StoredEvent { reason: "a".to_owned(), organization: "bc".to_owned(), ..event(1) };
    assert_ne!(commitment(&one.columns(), (7, 1), "m"), commitment(&other.columns(), (7, 1), "m"));
    let moved = StoredEvent { reason: String::new(), organization: "abc".to_owned(), ..event(1) };
    assert_ne!(commitment(&one.columns(), (7, 1), "m"), commitment(&moved.columns(), (7, 1), "m"));
    assert!(one.columns().iter().any(|(name, value)| *name == "reason" && *value == Value::Text("ab")));
}

proptest! {
    #[test]
    fn whatever_is_done_to_a_row_is_found_and_the_first_is_named(at in 0_usize..10, other in 0_usize..10, how in 0..7) {
        let key = key();
        let (mut rows, seals) = trail(&key, 10);
        let id = rows[at].event.id.clone();
        let mut named = id.clone();
        match how {
            0 => drop(rows.remove(at)),
            1 => rows[at].event.recorded_ms ^= 1 << other,
            2 => rows[at].event.client.push('x'),
            3 => rows[at].mark = marks(&key, [rows[at].event.columns()].into_iter()).expect("randomness").remove(0),
            4 => rows.push(TrailRow { event: StoredEvent { id: "f".repeat(32), ..event(0) }, ..rows[at].clone() }),
            _ => {
                prop_assume!(at != other);
                let (one, two) = (rows[at].event.clone(), rows[other].event.clone());
                named = rows[at.min(other)].event.id.clone();
                (rows[at].event, rows[other].event) = (two, one);
                // Each with its own mark, too: nothing but their order is another then.
                if how == 6 {
                    let (one, two) = (rows[at].mark.clone(), rows[other].mark.clone());
                    (rows[at].mark, rows[other].mark) = (two, one);
                }
            }
        }
        let found = checked(trust(&key), &rows, &seals).findings;
        prop_assert!(!found.is_empty());
        prop_assert!(found[0].contains(&named) || found[0].contains(&"f".repeat(32)), "{:?}", found);
    }

    #[test]
    fn whatever_is_done_to_a_seal_is_found_and_it_is_named(at in 0_usize..4, how in 0..9) {
        let key = key();
        let (rows, mut seals) = trail(&key, 12);
        let seal = &mut seals[at];
        match how {
            0 => seal.chain += 1,
            1 => seal.last_sequence += 1,
            2 => seal.first_ms -= 1,
            3 => seal.sealed_ms += 1,
            4 => seal.key_id = "0".repeat(16),
            5 => seal.previous = "0".repeat(64),
            6 => seal.entries = seal.entries.replacen('A', "B", 1),
            7 => seal.signature = key.sign("another text"),
            // All of it anew, but for the signature.
            _ => { seal.sealed_ms += 1; seal.hash = seal.computed_hash(); }
        }
        prop_assume!(how != 6 || seals[at].computed_hash() != seals[at].hash);
        let found = checked(trust(&key), &rows, &seals).findings;
        prop_assert!(found.first().is_some_and(|found| found.starts_with(&format!("seal {}:", at + 1))), "{:?}", found);
    }

    #[test]
    fn a_seal_that_is_removed_is_found_unless_it_is_the_last(at in 0_usize..3) {
        let key = key();
        let (rows, mut seals) = trail(&key, 12);
        let published = seals[3].head();
        seals.remove(at);
        let found = checked(trust(&key), &rows, &seals).findings;
        prop_assert!(found[0].starts_with(&format!("seal {}: is gone", at + 1)), "{:?}", found);
        let (rows, seals) = trail(&key, 9);
        prop_assert!(checked(trust(&key), &rows, &seals).is_clean());
        let report = checked(Trust { head: Some(published), ..trust(&key) }, &rows, &seals);
        prop_assert!(report.findings[0].starts_with("seal 4: is gone"), "{:?}", report.findings);
    }

    #[test]
    fn a_mark_is_good_for_its_event_and_its_key_alone(at in 0_usize..6, other in 0_usize..6) {
        let (key, another) = (key(), key());
        let (rows, _) = trail(&key, 6);
        prop_assert!(is_marked(&key, &rows[at]) && !is_marked(&another, &rows[at]));
        prop_assume!(at != other);
        let exchanged = TrailRow { mark: rows[other].mark.clone(), ..rows[at].clone() };
        prop_assert!(!is_marked(&key, &exchanged));
    }
}
