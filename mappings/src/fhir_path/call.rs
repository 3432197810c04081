//! The functions: what each makes of what was found before it.

use std::borrow::Cow;
use std::collections::HashSet;

use super::evaluate::{Evaluation, Found, Unknown, count, position, said, single, truth};
use super::function::Function;
use super::item::{Item, Scalar};
use super::parser::Tree;

impl<'v> Evaluation<'v, '_> {
    /// What a function makes of what was found before it.
    pub(super) fn call(
        &self,
        function: Function,
        found: Found<'v>,
        given: &[Tree],
        this: &[Item<'v>],
    ) -> Result<Found<'v>, Unknown> {
        self.step(found.len())?;
        let of_each = |tree: &Tree| -> Vec<Option<bool>> {
            found.iter().map(|item| self.condition(tree, std::slice::from_ref(item))).collect()
        };
        let other = || given.first().map_or(Ok(Vec::new()), |tree| self.find(tree, this));
        Ok(match function {
            Function::Exists => {
                let exists = match given.first() {
                    Some(criterion) => of_each(criterion).contains(&Some(true)),
                    None => !found.is_empty(),
                };
                said(Some(exists))
            }
            Function::Empty => said(Some(found.is_empty())),
            Function::Not => said(truth(&found).map(|holds| !holds)),
            Function::All => {
                // One of which nothing can be said is none of which it does not hold.
                said(given.first().map(|criterion| !of_each(criterion).contains(&Some(false))))
            }
            Function::AllTrue => said(Some(found.iter().all(|item| item.scalar() == Some(Scalar::Boolean(true))))),
            Function::AnyTrue => said(Some(found.iter().any(|item| item.scalar() == Some(Scalar::Boolean(true))))),
            Function::Count => vec![count(found.len())],
            Function::HasValue => said(Some(found.iter().any(|item| item.text().is_some()))),
            Function::Value => found.into_iter().filter(|item| item.text().is_some()).collect(),
            Function::IsDistinct => {
                let length = found.len();
                said(Some(self.distinct(found)?.len() == length))
            }
            Function::Distinct => self.distinct(found)?,
            Function::Where => {
                let Some(criterion) = given.first() else { return Err(Unknown) };
                let holds = |item: &Item<'v>| self.condition(criterion, std::slice::from_ref(item)) == Some(true);
                found.into_iter().filter(holds).collect()
            }
            Function::Select => {
                let Some(projection) = given.first() else { return Err(Unknown) };
                let mut selected = Vec::new();
                for item in &found {
                    selected.extend(self.find(projection, std::slice::from_ref(item))?);
                }
                selected
            }
            Function::Iif => {
                let [condition, then, otherwise @ ..] = given else { return Err(Unknown) };
                match (self.condition(condition, &found), otherwise.first()) {
                    (Some(true), _) => self.find(then, &found)?,
                    (_, Some(otherwise)) => self.find(otherwise, &found)?,
                    (_, None) => Vec::new(),
                }
            }
            Function::Trace => found,
            Function::First => found.into_iter().take(1).collect(),
            Function::Last => found.into_iter().last().into_iter().collect(),
            Function::Tail => found.into_iter().skip(1).collect(),
            Function::Skip => found.into_iter().skip(position(&other()?)?.ok_or(Unknown)?).collect(),
            Function::Take => found.into_iter().take(position(&other()?)?.ok_or(Unknown)?).collect(),
            Function::Single => single(&found)?.cloned().into_iter().collect(),
            Function::Children => self.children(&found)?,
            Function::Descendants => {
                let (mut all, mut level) = (Vec::new(), self.children(&found)?);
                while !level.is_empty() {
                    let next = self.children(&level)?;
                    all.append(&mut level);
                    level = next;
                }
                all
            }
            Function::Extension => {
                let url = given.first().map_or(Ok(None), |tree| self.text(tree, this))?.ok_or(Unknown)?;
                let has_url = |item: &Item<'v>| match item {
                    Item::Node(node) => node.value.and_then(|value| value.get("url")?.as_str()) == Some(&url),
                    _ => false,
                };
                self.named(&found, "extension")?.into_iter().filter(has_url).collect()
            }
            Function::Combine | Function::Union | Function::Intersect | Function::Exclude | Function::SubsetOf => {
                self.sets(function, found, other()?)?
            }
            _ => self.of_text(function, &found, given, this)?,
        })
    }

    fn children(&self, of: &[Item<'v>]) -> Result<Found<'v>, Unknown> {
        let mut found = Vec::new();
        for item in of {
            if let Item::Node(node) = item {
                node.children(&mut found);
            }
        }
        self.step(found.len())?;
        Ok(found)
    }

    fn sets(&self, function: Function, mut found: Found<'v>, other: Found<'v>) -> Result<Found<'v>, Unknown> {
        if matches!(function, Function::Combine | Function::Union) {
            self.step(other.len())?;
            found.extend(other);
            return if function == Function::Union { self.distinct(found) } else { Ok(found) };
        }
        if !found.is_empty() {
            self.step(found.iter().chain(&other).map(Item::weight).sum())?;
        }
        let keys: HashSet<String> =
            if found.is_empty() { HashSet::new() } else { other.iter().map(Item::key).collect() };
        let is_in = |item: &Item<'v>| keys.contains(&item.key());
        Ok(match function {
            Function::Intersect => self.distinct(found.into_iter().filter(is_in).collect())?,
            Function::Exclude => found.into_iter().filter(|item| !is_in(item)).collect(),
            _ => said(Some(found.iter().all(is_in))),
        })
    }

    /// The functions of one text.
    fn of_text(
        &self,
        function: Function,
        found: &[Item<'v>],
        given: &[Tree],
        this: &[Item<'v>],
    ) -> Result<Found<'v>, Unknown> {
        let Some(text) = single(found)?.and_then(Item::text) else { return Ok(Vec::new()) };
        self.step(text.len())?;
        let by = |n: usize| given.get(n).map_or(Ok(None), |tree| self.text(tree, this));
        let owned = |text: String| vec![Item::Text(Cow::Owned(text))];
        Ok(match function {
            Function::Length => vec![count(text.chars().count())],
            Function::Lower => owned(text.to_lowercase()),
            Function::Upper => owned(text.to_uppercase()),
            Function::ToText => owned(text.into_owned()),
            Function::ToInteger => {
                let whole = text.parse::<f64>().ok().filter(|_| text.parse::<i64>().is_ok());
                whole.map(Item::Number).into_iter().collect()
            }
            Function::Contains => said(by(0)?.map(|part| text.contains(&part))),
            Function::StartsWith => said(by(0)?.map(|part| text.starts_with(&part))),
            Function::EndsWith => said(by(0)?.map(|part| text.ends_with(&part))),
            Function::IndexOf => {
                let Some(part) = by(0)? else { return Ok(Vec::new()) };
                match text.find(&part) {
                    Some(at) => vec![count(text[..at].chars().count())],
                    None => vec![Item::Number(-1.0)],
                }
            }
            Function::Replace => match (by(0)?, by(1)?) {
                (Some(part), Some(other)) => owned(text.replace(&part, &other)),
                _ => Vec::new(),
            },
            Function::Substring => {
                let at = |n: usize| given.get(n).map_or(Ok(None), |tree| position(&self.find(tree, this)?));
                let Some(start) = at(0)? else { return Ok(Vec::new()) };
                owned(text.chars().skip(start).take(at(1)?.unwrap_or(usize::MAX)).collect())
            }
            _ => return Err(Unknown),
        })
    }
}
