//! Official resources and lists, read by our mappings. They lie beside the project: see `WELLGATE_CORPUS`.

use std::path::PathBuf;

use mappings::billing::Date;
use mappings::claim::{CT1_SYSTEM, CT2_SYSTEM, from_claim, from_coverage, from_preauthorization, to_coverage};
use mappings::claim::{InsuredBy, Insurer};
use mappings::identifiers::Nihdi;
use mappings::tariff::{Asked, Insured, PriceIssue, Stated, Tables, price};
use serde_json::Value;

#[expect(clippy::disallowed_methods, reason = "a test has no configuration: whoever runs it says where the corpus is")]
fn corpus() -> Option<PathBuf> {
    std::env::var_os("WELLGATE_CORPUS").map(PathBuf::from)
}

fn resources(folder: &str, prefix: &str) -> Vec<Value> {
    let Some(corpus) = corpus() else {
        println!("skipped: set WELLGATE_CORPUS");
        return Vec::new();
    };
    let mut resources = Vec::new();
    for entry in std::fs::read_dir(corpus.join(folder)).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with(prefix) && path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read(&path).expect("it can be read");
            resources.push(serde_json::from_slice(&text).expect("it is JSON"));
        }
    }
    assert!(!resources.is_empty(), "{folder}/{prefix}");
    resources
}

#[test]
fn an_official_example_that_is_no_billing_of_ours_is_refused_with_its_elements() {
    for claim in resources("r4-examples", "claim-") {
        for issues in [from_claim(&claim, &|_| None).err(), from_preauthorization(&claim, &|_| None).err()] {
            assert!(issues.is_some_and(|issues| issues.iter().all(|issue| issue.expression.contains('.'))), "{claim}");
        }
    }
    for coverage in resources("r4-examples", "coverage-") {
        assert!(from_coverage(&coverage).is_err(), "{coverage}");
    }
}

fn codes(list: &str, system: &str) -> Vec<u16> {
    let lists = resources("be-defs", list);
    let Some(list) = lists.first() else { return Vec::new() };
    assert_eq!(list["url"], system);
    let concepts = list["concept"].as_array().expect("it has codes");
    concepts.iter().filter_map(|concept| concept["code"].as_str()?.parse().ok()).collect()
}

/// The price of a person with these codes says whether the table knows what they mean.
#[test]
fn every_published_pair_of_insurability_codes_is_carried_and_priced_or_left_to_a_clerk() {
    let tables = Tables::sandbox();
    let provider = Nihdi::parse("12345625527").expect("it is a number");
    let day = Date::parse("2026-03-02").expect("it is a day");
    let ct2 = codes("CodeSystem-be-cs-holder-code-2", CT2_SYSTEM);
    for ct1 in codes("CodeSystem-be-cs-holder-code-1", CT1_SYSTEM) {
        for ct2 in ct2.iter().copied() {
            let insured = InsuredBy {
                patient: "Patient/p".to_owned(),
                insurer: Insurer::Mutuality(131),
                membership: None,
                codes: Some((ct1, ct2)),
                first_day: None,
                last_day: None,
            };
            assert_eq!(from_coverage(&to_coverage(&insured)).as_ref(), Ok(&insured));
            let person = Insured { affiliation: Some(131), ct1: Some(ct1), ct2: Some(ct2), care_fund: None };
            let asked = Asked {
                code: 990_010,
                first_day: day,
                last_day: day,
                units: 1,
                provider: &provider,
                person,
                contact: None,
                used: 0,
                stated: Stated::default(),
            };
            let share = price(&tables, &asked).map(|priced| priced.share.0);
            let expected = match (ct1 % 10, ct2 % 10, ct2) {
                (1, 1, _) | (1, _, 0) => Ok(300),
                (0, 0, _) => Ok(1_200),
                _ => Err(vec![PriceIssue::UnknownInsurability]),
            };
            assert_eq!(share, expected, "{ct1}/{ct2}");
        }
    }
}
