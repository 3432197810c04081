//! A second opinion on structure: what the typed model of `fhir-sdk` cannot read, our check must complain about.
//!
//! The model is R4B and drops what it does not know, so it is asked in this direction only, and only about types whose R4 and
//! R4B forms agree.

use std::path::PathBuf;

use fhir_sdk::r4b::resources::Resource;
use mappings::r4::structure::check;
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};

const TYPES: [&str; 8] =
    ["Patient", "Consent", "ServiceRequest", "Encounter", "Task", "Organization", "Practitioner", "Coverage"];
/// Changes tried on each example.
const CHANGES: usize = 40;

fn examples() -> Option<Vec<Value>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    #[expect(clippy::disallowed_methods, reason = "tests are told where the corpus is")]
    let folder = std::env::var_os("WELLGATE_CORPUS").map_or(beside, PathBuf::from).join("r4-examples");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: no examples at {}", folder.display());
        return None;
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let read = |path: &PathBuf| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
    let is_asked = |value: &Value| TYPES.iter().any(|name| value["resourceType"] == *name);
    Some(paths.iter().filter_map(read).filter(is_asked).collect())
}

/// Replaces one value somewhere within by one of another kind.
fn change(value: &mut Value, random: &mut TestRng) -> bool {
    let children: Vec<&mut Value> = match value {
        Value::Object(members) => {
            members.iter_mut().filter(|(name, _)| *name != "resourceType").map(|(_, child)| child).collect()
        }
        Value::Array(items) => items.iter_mut().collect(),
        _ => return false,
    };
    let count = children.len();
    let Some(chosen) = children.into_iter().nth(usize::try_from(random.next_u32()).unwrap_or(0) % count.max(1)) else {
        return false;
    };
    if !random.next_u32().is_multiple_of(3) && change(chosen, random) {
        return true;
    }
    *chosen = match random.next_u32() % 6 {
        0 => json!(7),
        1 => json!("neither a code nor a date"),
        2 => json!({"unheard": "of"}),
        3 => json!([["nested"]]),
        4 => json!(true),
        _ => Value::Null,
    };
    true
}

#[test]
fn what_the_typed_model_cannot_read_is_refused() {
    let Some(examples) = examples() else { return };
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let (mut tried, mut refused) = (0, 0);
    for example in &examples {
        assert_eq!(check(example), [], "{} {}", example["resourceType"], example["id"]);
        for _ in 0..CHANGES {
            let mut changed = example.clone();
            if !change(&mut changed, &mut random) {
                continue;
            }
            tried += 1;
            if serde_json::from_value::<Resource>(changed.clone()).is_err() {
                refused += 1;
                assert_ne!(check(&changed), [], "the typed model refuses this and we do not: {changed}");
            }
        }
    }
    println!("{tried} changes of {} examples, {refused} refused by both", examples.len());
    assert!(refused > 500, "too few refusals to say anything: {refused}");
}
