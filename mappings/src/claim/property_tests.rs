//! Whatever an element holds: a reader says what is wrong and never fails.

use proptest::prelude::*;

use serde_json::Value;

use super::tests::{example, known};
use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9:/#.-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-zA-Z]{1,6}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every element of the example, as a JSON pointer.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, child)| pointers(child, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, child)| pointers(child, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_element_makes_the_readers_fail_otherwise_than_by_an_issue(seed in any::<prop::sample::Index>(), value in any_json()) {
        for mut resource in [example("Claim", 0), example("Claim", 1), example("Coverage", 0), example("CoverageEligibilityRequest", 0)] {
            let mut found = Vec::new();
            pointers(&resource, "", &mut found);
            let pointer = seed.get(&found).clone();
            if let Some(place) = resource.pointer_mut(&pointer) {
                *place = value.clone();
            }
            let is_told = |issues: Option<Vec<ElementIssue>>| issues.is_none_or(|issues| !issues.is_empty());
            prop_assert!(is_told(from_claim(&resource, &known).err()));
            prop_assert!(is_told(from_preauthorization(&resource, &known).err()));
            prop_assert!(is_told(from_coverage(&resource).err()));
            prop_assert!(is_told(from_eligibility_request(&resource).err()));
            references_of_claim(&resource);
        }
    }
}
