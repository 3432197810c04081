//! A translated invariant and what it says of an element: true, false, or nothing where what it asks about is not there.

use serde_json::Value;

use crate::r4::structure::is_data_type;
use crate::r4::time::Moment;

/// A translated expression, as `mappings/tables/generate.py` writes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Exists(Vec<Step>),
    /// There with a value, and not by an extension alone.
    HasValue(Vec<Step>),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Xor(Box<Expression>, Box<Expression>),
    Implies(Box<Expression>, Box<Expression>),
    /// One value, equal to one of these.
    In(Vec<Step>, Vec<Value>),
    Compared(Vec<Step>, Comparison, Operand),
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// To an element; of a choice, in any type.
    Child(String),
    /// Stays where this is true.
    Where(Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Path(Vec<Step>),
    Value(Value),
}

/// What is found at a path: a value, or none where the element is there by an extension alone.
type Found<'v> = Option<&'v Value>;

impl Expression {
    /// Reads a translation; none where it is not of the form.
    pub(super) fn read(written: &Value) -> Option<Self> {
        let [operator, operands @ ..] = written.as_array()?.as_slice() else { return None };
        let both = |operands: &[Value]| match operands {
            [left, right] => Some((Box::new(Self::read(left)?), Box::new(Self::read(right)?))),
            _ => None,
        };
        Some(match (operator.as_str()?, operands) {
            ("exists", [path]) => Self::Exists(steps(path)?),
            ("value", [path]) => Self::HasValue(steps(path)?),
            ("not", [of]) => Self::Not(Box::new(Self::read(of)?)),
            ("and", both_sides) => both(both_sides).map(|(left, right)| Self::And(left, right))?,
            ("or", both_sides) => both(both_sides).map(|(left, right)| Self::Or(left, right))?,
            ("xor", both_sides) => both(both_sides).map(|(left, right)| Self::Xor(left, right))?,
            ("implies", both_sides) => both(both_sides).map(|(left, right)| Self::Implies(left, right))?,
            ("is", [path, value]) => Self::In(steps(path)?, vec![value.clone()]),
            ("in", [path, values]) => Self::In(steps(path)?, values.as_array()?.clone()),
            (operator, [path, operand]) => {
                let comparison = match operator {
                    "<" => Comparison::Less,
                    "<=" => Comparison::LessOrEqual,
                    ">" => Comparison::Greater,
                    ">=" => Comparison::GreaterOrEqual,
                    _ => return None,
                };
                let operand = match operand {
                    Value::Array(_) => Operand::Path(steps(operand)?),
                    value => Operand::Value(value.clone()),
                };
                Self::Compared(steps(path)?, comparison, operand)
            }
            _ => return None,
        })
    }

    /// Whether it holds of an element; none where that cannot be said.
    pub(super) fn holds(&self, of: &Value) -> Option<bool> {
        match self {
            Self::Exists(path) => Some(!at(path, of).is_empty()),
            Self::HasValue(path) => Some(at(path, of).iter().any(Option::is_some)),
            Self::Not(of_what) => of_what.holds(of).map(|holds| !holds),
            Self::And(left, right) => match (left.holds(of), right.holds(of)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => either(left.holds(of), right.holds(of)),
            Self::Xor(left, right) => Some(left.holds(of)? != right.holds(of)?),
            Self::Implies(left, right) => either(left.holds(of).map(|holds| !holds), right.holds(of)),
            Self::In(path, values) => match at(path, of).as_slice() {
                [] | [None] => None,
                [Some(found)] => Some(values.contains(found)),
                _ => Some(false),
            },
            Self::Compared(path, comparison, operand) => {
                let left = only(&at(path, of))?;
                match operand {
                    Operand::Value(right) => compared(left, *comparison, right),
                    Operand::Path(path) => compared(left, *comparison, only(&at(path, of))?),
                }
            }
        }
    }
}

fn either(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn steps(written: &Value) -> Option<Vec<Step>> {
    let step = |written: &Value| match written {
        Value::String(name) => Some(Step::Child(name.clone())),
        condition => Some(Step::Where(Box::new(Expression::read(condition)?))),
    };
    written.as_array()?.iter().map(step).collect()
}

fn only<'v>(found: &[Found<'v>]) -> Option<&'v Value> {
    if let [Some(only)] = found { Some(only) } else { None }
}

/// Numbers, or dates and times as far as they are certain.
fn compared(left: &Value, comparison: Comparison, right: &Value) -> Option<bool> {
    if let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) {
        return Some(match comparison {
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
        });
    }
    let (left, right) = (Moment::parse(left.as_str()?)?, Moment::parse(right.as_str()?)?);
    let (earlier, later) = match comparison {
        Comparison::Less | Comparison::LessOrEqual => (left, right),
        Comparison::Greater | Comparison::GreaterOrEqual => (right, left),
    };
    // A day may be any moment of it: only what is certainly the wrong way round is.
    if earlier.low_ms > later.high_ms { Some(false) } else { None }
}

fn at<'v>(path: &[Step], of: &'v Value) -> Vec<Found<'v>> {
    let mut found: Vec<Found<'v>> = vec![Some(of)];
    for step in path {
        found = match step {
            Step::Child(name) => found.into_iter().flatten().flat_map(|value| children(value, name)).collect(),
            Step::Where(condition) => found
                .into_iter()
                .filter(|value| value.is_some_and(|value| condition.holds(value) == Some(true)))
                .collect(),
        };
    }
    found
}

fn children<'v>(value: &'v Value, name: &str) -> Vec<Found<'v>> {
    let mut found = Vec::new();
    let Some(members) = value.as_object() else { return found };
    for (key, value) in members {
        let bare = key.strip_prefix('_').unwrap_or(key);
        if !bare.strip_prefix(name).is_some_and(|ending| ending.is_empty() || is_data_type(ending)) {
            continue;
        }
        if bare.len() < key.len() {
            // With a value beside it, it was found already, or will be.
            found.extend((!members.contains_key(bare)).then_some(None));
            continue;
        }
        match value {
            Value::Array(items) => found.extend(items.iter().map(|item| Some(item).filter(|item| !item.is_null()))),
            value => found.push(Some(value)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Expression;

    #[track_caller]
    fn assert_holds(written: &Value, of: &Value, expected: Option<bool>) {
        let expression = Expression::read(written).expect("it is of the form");
        assert_eq!(expression.holds(of), expected, "{written} of {of}");
    }

    #[test]
    fn what_is_there_is_found_in_lists_in_choices_and_by_its_sibling() {
        let of = json!({"a": [{"b": 1}, {"b": 2}], "valueString": "x", "_c": {"id": "i"}, "d": [null], "valueable": 1});
        for (path, exists, has_value) in [
            (json!(["a", "b"]), true, true),
            (json!(["value"]), true, true),
            (json!(["c"]), true, false),
            (json!(["a", "c"]), false, false),
            (json!(["a", ["is", ["b"], 2], "b"]), true, true),
            (json!(["a", ["is", ["b"], 3]]), false, false),
        ] {
            assert_holds(&json!(["exists", path]), &of, Some(exists));
            assert_holds(&json!(["value", path]), &of, Some(has_value));
        }
    }

    #[test]
    fn what_cannot_be_said_is_neither_true_nor_false() {
        let of = json!({"code": "a", "many": ["a", "b"], "yes": true});
        let (is, is_not, unknown) =
            (json!(["is", ["code"], "a"]), json!(["is", ["code"], "b"]), json!(["is", ["none"], "a"]));
        assert_holds(&is, &of, Some(true));
        assert_holds(&is_not, &of, Some(false));
        assert_holds(&unknown, &of, None);
        assert_holds(&json!(["is", ["many"], "a"]), &of, Some(false));
        assert_holds(&json!(["in", ["code"], ["b", "a"]]), &of, Some(true));
        assert_holds(&json!(["is", ["yes"], true]), &of, Some(true));
        assert_holds(&json!(["or", unknown, is]), &of, Some(true));
        assert_holds(&json!(["or", unknown, is_not]), &of, None);
        assert_holds(&json!(["and", unknown, is_not]), &of, Some(false));
        assert_holds(&json!(["and", is, is]), &of, Some(true));
        assert_holds(&json!(["implies", is_not, is_not]), &of, Some(true));
        assert_holds(&json!(["implies", is, is_not]), &of, Some(false));
        assert_holds(&json!(["xor", is, is_not]), &of, Some(true));
        assert_holds(&json!(["xor", is, unknown]), &of, None);
        assert_holds(&json!(["not", unknown]), &of, None);
    }

    #[test]
    fn dates_are_in_the_wrong_order_where_that_is_certain() {
        let of = |start: &str, end: &str| json!({"start": start, "end": end, "count": 3});
        let ordered = json!(["<=", ["start"], ["end"]]);
        assert_holds(&ordered, &of("2024-02", "2024-01-31"), Some(false));
        assert_holds(&ordered, &of("2024-02", "2024-02-01"), None);
        assert_holds(&ordered, &of("2024-02-01", "2024-02"), None);
        assert_holds(&json!([">=", ["count"], 0]), &of("", ""), Some(true));
        assert_holds(&json!(["<", ["count"], 3]), &of("", ""), Some(false));
        assert!(Expression::read(&json!(["unheard", ["of"], 1])).is_none());
    }
}
