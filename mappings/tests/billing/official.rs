//! The table of layouts and the codes against the published lists, where these are there.
//!
//! The lists are not part of the project. `WELLGATE_CORPUS` names their folder; without it these tests say so and pass.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mappings::billing::{Form, Kind, Zone, severity};

fn list(name: &str) -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    #[expect(clippy::disallowed_methods, reason = "tests are told where the corpus is")]
    let folder = std::env::var_os("WELLGATE_CORPUS").map_or(beside, PathBuf::from).join("billing");
    let text = std::fs::read_to_string(folder.join(name)).ok();
    if text.is_none() {
        println!("skipped: no {name} in {}; set WELLGATE_CORPUS", folder.display());
    }
    text
}

fn kind_of(name: &str) -> Kind {
    match name {
        "Segment200" => Kind::Segment200,
        "Segment300" => Kind::Segment300,
        "Segment300Error" => Kind::Segment300Error,
        "Segment300Stub" => Kind::Segment300Stub,
        "Record10" => Kind::Header,
        "Record20" => Kind::Invoice,
        "Record25" => Kind::Aid,
        "Record30" => Kind::Stay,
        "Record50" => Kind::Service,
        "Record51" => Kind::Commitment,
        "Record52" => Kind::OldReading,
        "Record80" => Kind::InvoiceTotal,
        "Record90" => Kind::SendingTotal,
        "Segment400Record95" => Kind::Recap,
        "Segment500Record96" => Kind::RecapTotal,
        "Segment400Record91" => Kind::Settlement,
        "Segment500Record92" => Kind::SettlementTotal,
        other => panic!("{other} is not in our table"),
    }
}

/// `N` or `A` as the list has it; some zones are of one type there and hold what is of the other.
fn may_be(zone: &Zone, letter: &str) -> bool {
    match zone.form {
        Form::Signed | Form::Padded => true,
        Form::Text | Form::Blanks | Form::Sign => letter == "A",
        _ => letter == "N",
    }
}

#[test]
fn every_zone_of_the_published_list_is_in_our_table_where_it_stands_there() {
    let Some(list) = list("zones.tsv") else { return };
    let mut kinds = BTreeSet::new();
    let mut differences = Vec::new();
    for line in list.lines().skip(1) {
        let [record, numbers, start, end, _, letter, label] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("a line has seven columns: {line}")
        };
        let kind = kind_of(record);
        kinds.insert(kind);
        let (start, end): (usize, usize) = (start.parse().expect("a place"), end.parse().expect("a place"));
        let numbers: String = numbers.split_whitespace().collect();
        // We read the discharge of record 20 as one day; the list has it in two parts.
        let is_part = record == "Record20" && matches!(numbers.as_str(), "6a" | "6b");
        let ours =
            kind.layout().zones.iter().find(|zone| zone.numbers == numbers || (is_part && zone.numbers == "6a,6b"));
        let is_same = ours.is_some_and(|ours| {
            let is_reserved = matches!(ours.form, Form::Zeros | Form::Blanks);
            let (begin, until) = (ours.start + 1, ours.start + ours.length);
            let is_place = if is_part { begin <= start && end <= until } else { (begin, until) == (start, end) };
            is_place && may_be(ours, letter) && is_reserved == label.starts_with("reserve")
        });
        if !is_same {
            differences.push(format!("{line}: {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(kinds.len(), 17);
    println!("{} zones compared", list.lines().count() - 1);
}

/// Every code that the catalogue or the form of a zone can give.
fn ours() -> BTreeSet<String> {
    let words = include_str!("../../tables/billing-words.txt");
    let of_words = words.lines().filter_map(|line| line.strip_prefix("code ")?.split_once(" | ").map(|(code, _)| code));
    let mut codes: BTreeSet<String> =
        of_words.filter(|code| code.len() == 6 && !code.contains('-')).map(str::to_owned).collect();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.record_type().is_some_and(|digits| digits < "91")) {
        for zone in &kind.layout().zones {
            let endings: &[&str] = match (zone.fault, zone.form) {
                (Some("own"), _) | (_, Form::Text | Form::Blanks | Form::Padded) => &[],
                (Some(ending), _) => &[ending],
                (None, Form::Check) => &["02"],
                (None, Form::Signed) => &["01", "05", "06"],
                (None, Form::Code) => &["01", "02", "04"],
                (None, Form::Nihdi) if kind != Kind::Reading => &["01", "02", "04"],
                _ => &["01"],
            };
            // The list has no words for the older record 52 but those of the newer.
            if kind == Kind::OldReading && zone.form != Form::Zeros {
                continue;
            }
            let digits = kind.record_type().unwrap_or_default();
            codes.extend(endings.iter().map(|ending| format!("{digits}{:0>2}{ending}", zone.number())));
        }
    }
    codes
}

#[test]
fn every_code_that_we_give_is_an_official_one_and_does_what_the_list_says() {
    let Some(list) = list("error-codes.json") else { return };
    let list: serde_json::Value = serde_json::from_str(&list).expect("the list is JSON");
    let mut letters: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in list.as_array().expect("it is a list") {
        let (Some(code), Some(letter)) = (entry["code"].as_str(), entry["type"].as_str()) else { panic!("{entry}") };
        letters.entry(code).or_default().insert(letter);
    }
    let mut differences = Vec::new();
    for code in ours() {
        let letter = severity(&code).map(mappings::billing::Severity::letter);
        match (letters.get(code.as_str()), letter) {
            (Some(official), Some(letter)) if official.contains(letter) => {}
            (official, letter) => differences.push(format!("{code}: {letter:?}, officially {official:?}")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    println!("{} codes compared", ours().len());
}
