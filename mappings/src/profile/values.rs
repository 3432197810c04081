//! When a value is as a profile fixes it, or has what a pattern asks for.

use serde_json::Value;

/// Whether two values are the same; numbers by what they are, not by how they are written.
pub(super) fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| is_same(left, right)))
        }
        _ => left == right,
    }
}

/// Whether a value has all of a pattern: each member of it, and for each of its items one of the value's.
///
/// # Source
/// <https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_>
pub(super) fn has_pattern(value: &Value, pattern: &Value) -> bool {
    match (value, pattern) {
        (Value::Object(value), Value::Object(pattern)) => {
            pattern.iter().all(|(name, pattern)| value.get(name).is_some_and(|value| has_pattern(value, pattern)))
        }
        (Value::Array(value), Value::Array(pattern)) => {
            pattern.iter().all(|pattern| value.iter().any(|value| has_pattern(value, pattern)))
        }
        _ => is_same(value, pattern),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{has_pattern, is_same};

    #[test]
    fn a_pattern_asks_for_a_part_and_what_is_fixed_for_the_whole() {
        let concept = json!({"coding": [{"system": "s", "code": "b"}, {"system": "s", "code": "a", "display": "A"}], "text": "t"});
        let part = json!({"coding": [{"system": "s", "code": "a"}]});
        assert!(has_pattern(&concept, &part) && !has_pattern(&part, &concept));
        assert!(!has_pattern(&concept, &json!({"coding": [{"system": "other", "code": "a"}]})));
        assert!(is_same(&part, &part) && !is_same(&concept, &part));
        assert!(is_same(&json!({"value": 1.0}), &json!({"value": 1})) && !is_same(&json!(1), &json!("1")));
        assert!(!is_same(&json!([1]), &json!([1, 1])) && !is_same(&json!({"a": 1}), &json!({"b": 1})));
    }
}
