//! What an expression says of an element.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

use super::item::{BYTES_A_STEP, Item, Node, Scalar, order};
use super::parser::{Operator, Tree};
use super::{Resources, Steps};

/// It cannot be said: what was given does not fit, or there are no steps left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown;

pub(super) type Found<'v> = Vec<Item<'v>>;

/// An evaluation under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evaluation<'v, 's> {
    pub(super) within: Resources<'v>,
    pub(super) context: Node<'v>,
    pub(super) steps: &'s Steps,
}

/// What a collection says as a condition: one thing that is no `false` says yes.
pub(super) fn truth(found: &[Item<'_>]) -> Option<bool> {
    match found {
        [only] => only.scalar().map(|value| value != Scalar::Boolean(false)),
        _ => None,
    }
}

pub(super) fn said(answer: Option<bool>) -> Found<'static> {
    answer.map(Item::Boolean).into_iter().collect()
}

/// The one that is there; none where there is nothing.
pub(super) fn single<'i, 'v>(found: &'i [Item<'v>]) -> Result<Option<&'i Item<'v>>, Unknown> {
    match found {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(Unknown),
    }
}

fn number(found: &[Item<'_>]) -> Result<Option<f64>, Unknown> {
    match single(found)?.map(Item::scalar) {
        Some(Some(Scalar::Number(number))) => Ok(Some(number)),
        Some(Some(_)) => Err(Unknown),
        Some(None) | None => Ok(None),
    }
}

/// A whole number from 0 as a position or a length.
pub(super) fn position(found: &[Item<'_>]) -> Result<Option<usize>, Unknown> {
    let Some(number) = number(found)? else { return Ok(None) };
    format!("{number:.0}").parse().map(Some).map_err(|_| Unknown)
}

#[expect(clippy::cast_precision_loss, reason = "no collection has so many items")]
pub(super) fn count(length: usize) -> Item<'static> {
    Item::Number(length as f64)
}

/// Those that are of a type, or may be where that is not known.
fn of_type<'v>(found: Found<'v>, name: &str, if_unknown: bool) -> Found<'v> {
    let is_of = |item: &Item<'v>| match item {
        Item::Node(node) => node.is_of(name).unwrap_or(if_unknown),
        other => is_value_of(other, name),
    };
    found.into_iter().filter(is_of).collect()
}

impl<'v> Evaluation<'v, '_> {
    /// Whether an expression holds of the element that it is about.
    pub(super) fn holds(&self, tree: &Tree) -> Option<bool> {
        self.condition(tree, &[Item::Node(self.context)])
    }

    pub(super) fn condition(&self, tree: &Tree, this: &[Item<'v>]) -> Option<bool> {
        self.find(tree, this).ok().and_then(|found| truth(&found))
    }

    pub(super) fn step(&self, count: usize) -> Result<(), Unknown> {
        if self.steps.take(1 + count) { Ok(()) } else { Err(Unknown) }
    }

    pub(super) fn find(&self, tree: &Tree, this: &[Item<'v>]) -> Result<Found<'v>, Unknown> {
        self.step(0)?;
        Ok(match tree {
            Tree::This => this.to_vec(),
            Tree::Nothing => Vec::new(),
            Tree::Text(text) => vec![Item::Text(Cow::Owned(text.clone()))],
            Tree::Number(number) => vec![Item::Number(*number)],
            Tree::Boolean(boolean) => vec![Item::Boolean(*boolean)],
            Tree::Resource => vec![Item::Node(self.within.own)],
            Tree::RootResource => vec![Item::Node(self.within.root)],
            Tree::Context => vec![Item::Node(self.context)],
            Tree::Child(of, name) => self.named(&self.find(of, this)?, name)?,
            // What does not say what it is, is what the writer took it for.
            Tree::Root(name) => of_type(this.to_vec(), name, true),
            Tree::Item(of, index) => {
                let index = position(&self.find(index, this)?)?;
                index.and_then(|index| self.find(of, this).ok()?.into_iter().nth(index)).into_iter().collect()
            }
            Tree::Negative(of) => {
                number(&self.find(of, this)?)?.map(|number| Item::Number(-number)).into_iter().collect()
            }
            Tree::Is(of, name) => said(match single(&self.find(of, this)?)? {
                Some(Item::Node(node)) => node.is_of(name),
                Some(other) => Some(is_value_of(other, name)),
                None => None,
            }),
            Tree::As(of, name) => of_type(self.find(of, this)?, name, false),
            Tree::Both(operator, left, right) => self.both(*operator, (left, right), this)?,
            Tree::Pattern(of, pattern, replacement) => {
                let found = self.find(of, this)?;
                let Some(text) = single(&found)?.and_then(Item::text) else { return Ok(Vec::new()) };
                self.step(text.len().saturating_mul(1 + pattern.0.as_str().len() / BYTES_A_STEP))?;
                match replacement {
                    None => vec![Item::Boolean(pattern.0.is_match(&text))],
                    Some(by) => {
                        let by = self.text(by, this)?.unwrap_or_default();
                        vec![Item::Text(Cow::Owned(pattern.0.replace_all(&text, &*by).into_owned()))]
                    }
                }
            }
            Tree::Call(of, function, given) => {
                let found = self.find(of, this)?;
                self.call(*function, found, given, this)?
            }
        })
    }

    pub(super) fn named(&self, of: &[Item<'v>], name: &str) -> Result<Found<'v>, Unknown> {
        let mut found = Vec::new();
        for item in of {
            if let Item::Node(node) = item {
                node.named(name, &mut found);
            }
        }
        self.step(found.len())?;
        Ok(found)
    }

    /// Each once.
    pub(super) fn distinct(&self, found: Found<'v>) -> Result<Found<'v>, Unknown> {
        let mut keys = HashSet::new();
        let mut each = Vec::new();
        for item in found {
            self.step(item.weight())?;
            if keys.insert(item.key()) {
                each.push(item);
            }
        }
        Ok(each)
    }

    /// Whether two collections are equal; none where one of them is empty, or has an element without a value.
    fn is_equal(&self, left: &[Item<'v>], right: &[Item<'v>]) -> Result<Option<bool>, Unknown> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut is_known = true;
        for (left, right) in left.iter().zip(right) {
            self.step(left.weight())?;
            match (left.scalar(), right.scalar()) {
                (Some(left), Some(right)) if left != right => return Ok(Some(false)),
                (Some(_), Some(_)) => {}
                _ => is_known = false,
            }
        }
        Ok(is_known.then_some(true))
    }

    /// Whether the one is among the others; nothing where there is no one.
    fn is_among(&self, one: &[Item<'v>], others: &[Item<'v>]) -> Result<Found<'v>, Unknown> {
        let Some(one) = single(one)? else { return Ok(Vec::new()) };
        let Some(scalar) = one.scalar() else { return Ok(Vec::new()) };
        self.step(one.weight().saturating_mul(others.len()))?;
        Ok(said(Some(others.iter().any(|other| other.scalar() == Some(scalar)))))
    }

    pub(super) fn text(&self, tree: &Tree, this: &[Item<'v>]) -> Result<Option<String>, Unknown> {
        let found = self.find(tree, this)?;
        self.step(found.iter().map(Item::weight).sum())?;
        Ok(single(&found)?.and_then(Item::text).map(Cow::into_owned))
    }

    fn both(&self, operator: Operator, (left, right): (&Tree, &Tree), this: &[Item<'v>]) -> Result<Found<'v>, Unknown> {
        // What cannot be said on one side may not matter.
        let sides = || (self.condition(left, this), self.condition(right, this));
        let logical = match operator {
            Operator::And => match sides() {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Operator::Or => either(self.condition(left, this), || self.condition(right, this)),
            Operator::Implies => either(self.condition(left, this).map(|holds| !holds), || self.condition(right, this)),
            Operator::Xor => match sides() {
                (Some(left), Some(right)) => Some(left != right),
                _ => None,
            },
            _ => return self.values(operator, self.find(left, this)?, self.find(right, this)?),
        };
        Ok(said(logical))
    }

    fn values(&self, operator: Operator, mut left: Found<'v>, right: Found<'v>) -> Result<Found<'v>, Unknown> {
        self.step(left.len() + right.len())?;
        if matches!(operator, Operator::Concatenate | Operator::Plus) {
            self.step(left.iter().chain(&right).map(Item::weight).sum())?;
        }
        let ordered = |is_so: fn(Ordering) -> bool| -> Result<Found<'v>, Unknown> {
            let both = (single(&left)?.and_then(Item::scalar), single(&right)?.and_then(Item::scalar));
            let (Some(left), Some(right)) = both else { return Ok(Vec::new()) };
            Ok(said(order(left, right).map(is_so)))
        };
        Ok(match operator {
            Operator::Equal => said(self.is_equal(&left, &right)?),
            Operator::NotEqual => said(self.is_equal(&left, &right)?.map(|equal| !equal)),
            Operator::Less => ordered(Ordering::is_lt)?,
            Operator::LessOrEqual => ordered(Ordering::is_le)?,
            Operator::Greater => ordered(Ordering::is_gt)?,
            Operator::GreaterOrEqual => ordered(Ordering::is_ge)?,
            Operator::In => self.is_among(&left, &right)?,
            Operator::Contains => self.is_among(&right, &left)?,
            Operator::Union => {
                left.extend(right);
                self.distinct(left)?
            }
            Operator::Concatenate => {
                let text = |found: &[Item<'v>]| -> Result<String, Unknown> {
                    Ok(single(found)?.and_then(Item::text).map(Cow::into_owned).unwrap_or_default())
                };
                vec![Item::Text(Cow::Owned(text(&left)? + &text(&right)?))]
            }
            Operator::Plus if matches!(single(&left)?.and_then(Item::scalar), Some(Scalar::Text(_))) => {
                let (left, right) = (single(&left)?.and_then(Item::text), single(&right)?.and_then(Item::text));
                left.zip(right)
                    .map(|(left, right)| Item::Text(Cow::Owned(format!("{left}{right}"))))
                    .into_iter()
                    .collect()
            }
            _ => {
                let (Some(left), Some(right)) = (number(&left)?, number(&right)?) else { return Ok(Vec::new()) };
                let result = match operator {
                    Operator::Plus => left + right,
                    Operator::Minus => left - right,
                    Operator::Times => left * right,
                    Operator::Divide => left / right,
                    Operator::WholeDivide => (left / right).trunc(),
                    _ => left % right,
                };
                // By zero there is no result.
                Some(result).filter(|result| result.is_finite()).map(Item::Number).into_iter().collect()
            }
        })
    }
}

fn either(left: Option<bool>, right: impl FnOnce() -> Option<bool>) -> Option<bool> {
    if left == Some(true) {
        return left;
    }
    match (left, right()) {
        (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// Whether a value that was worked out is of a type.
fn is_value_of(item: &Item<'_>, name: &str) -> bool {
    let own = match item {
        Item::Boolean(_) => "boolean",
        Item::Number(number) if number.fract() == 0.0 => "integer",
        Item::Number(_) => "decimal",
        Item::Text(_) => "string",
        Item::Node(_) => return false,
    };
    own.eq_ignore_ascii_case(name)
}
