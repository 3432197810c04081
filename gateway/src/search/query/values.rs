//! What a criterion asks: conditions on rows of the index, and on resources that are found by others.

use super::Criterion;
use crate::search::words::Sought;

/// The values of a criterion; one of them must be found. All but the last six are conditions on a row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Systems and codes.
    Token(Vec<Token>),
    /// `Type/id`, absolute addresses or canonicals: equal to the row's value.
    Reference(Vec<String>),
    /// Conditions on the row's interval; of a number as well.
    Date(Vec<DateCondition>),
    /// Numbers with a unit.
    Quantity(Vec<Quantity>),
    /// Folded beginnings of the row's value.
    String(Vec<String>),
    /// `:exact`: strings as they are folded and as they were written.
    Exact(Vec<(String, String)>),
    /// `:contains`: folded parts of the row's value.
    Contains(Vec<String>),
    /// Equal to the row's value.
    Uri(Vec<String>),
    /// `:below`: the row's value, or what is before one of its slashes.
    Below(Vec<String>),
    /// `:in`: systems and codes of the set with this address, which whoever asks puts in its place.
    InValueSet {
        /// The address, or `ValueSet/id`.
        url: String,
        /// Whether the rows have codes without their system, as elements have that are bound to one.
        is_bare: bool,
    },
    /// `:missing=false`: whatever it is.
    Any,
    /// Criteria of which one holds.
    Either(Vec<Criterion>),
    /// Criteria that all hold of one item.
    Together(Vec<Vec<Criterion>>),
    /// Criteria on the same resource, of one of these lists all.
    Alternatives(Vec<Vec<Criterion>>),
    /// A reference to a resource that the searcher sees and another criterion finds: one of these ends of a chain.
    Chained(Vec<ChainEnd>),
    /// `:not` and `:missing=true`: no row is like that.
    None(Box<Values>),
    /// `_has`: a resource that the searcher sees, and another criterion finds, refers to it.
    Has {
        /// The type that refers.
        of: &'static str,
        /// The parameter of its reference.
        reference: &'static str,
        /// How it is found.
        found: Box<Criterion>,
    },
    /// Words of the narrative, or of the whole.
    Words(Sought),
    /// `_id`, where it is not the first thing that is asked; whether these or all others.
    Id {
        /// In any order.
        ids: Vec<String>,
        /// All others.
        is_not: bool,
    },
}

/// One end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    /// The type that is referred to.
    pub target: &'static str,
    /// How it is found.
    pub found: Criterion,
}

/// A number with a unit that is sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// Which numbers.
    pub number: DateCondition,
    /// The system of the unit; nothing for any.
    pub system: Option<String>,
    /// Its code, or the unit as it is written; nothing for any.
    pub unit: Option<String>,
}

impl Criterion {
    /// Hands over the values of this criterion and of those within it.
    pub fn each<'c>(&'c self, visit: &mut dyn FnMut(&'c Values)) {
        fn each<'c>(values: &'c Values, visit: &mut dyn FnMut(&'c Values)) {
            visit(values);
            match values {
                Values::None(values) => each(values, visit),
                Values::Either(criteria) => criteria.iter().for_each(|one| one.each(visit)),
                Values::Together(alternatives) | Values::Alternatives(alternatives) => {
                    alternatives.iter().flatten().for_each(|one| one.each(visit));
                }
                Values::Chained(ends) => ends.iter().for_each(|end| end.found.each(visit)),
                Values::Has { found, .. } => found.each(visit),
                _ => {}
            }
        }
        each(&self.values, visit);
    }

    /// The same, to change them.
    pub fn each_mut(&mut self, visit: &mut dyn FnMut(&mut Values)) {
        fn each(values: &mut Values, visit: &mut dyn FnMut(&mut Values)) {
            visit(values);
            match values {
                Values::None(values) => each(values, visit),
                Values::Either(criteria) => criteria.iter_mut().for_each(|one| one.each_mut(visit)),
                Values::Together(alternatives) | Values::Alternatives(alternatives) => {
                    alternatives.iter_mut().flatten().for_each(|one| one.each_mut(visit));
                }
                Values::Chained(ends) => ends.iter_mut().for_each(|end| end.found.each_mut(visit)),
                Values::Has { found, .. } => found.each_mut(visit),
                _ => {}
            }
        }
        each(&mut self.values, visit);
    }

    /// Hands over each parameter that is asked, by the type that has it; without the part that a modifier adds to its name.
    pub fn each_parameter<'t>(&self, resource_type: &'t str, visit: &mut dyn FnMut(&'t str, &'static str)) {
        let name = self.parameter.split_once(':').map_or(self.parameter, |(name, _)| name);
        match &self.values {
            Values::Has { of, reference, found } => {
                visit(of, reference);
                found.each_parameter(of, visit);
            }
            Values::Together(alternatives) => {
                visit(resource_type, name);
                alternatives.iter().flatten().for_each(|one| one.each_parameter(resource_type, visit));
            }
            Values::Alternatives(alternatives) => {
                alternatives.iter().flatten().for_each(|one| one.each_parameter(resource_type, visit));
            }
            Values::Chained(ends) => {
                visit(resource_type, name);
                for end in ends {
                    end.found.each_parameter(end.target, visit);
                }
            }
            _ => visit(resource_type, name),
        }
    }

    /// Whether it asks for identifiers: by law attendance is told and no number, so nothing is found by one either.
    pub fn is_of_identifier(&self) -> bool {
        self.parameter.ends_with("identifier")
    }

    /// Whether it finds so little that a search best begins with it: ids, identifiers, references.
    pub fn is_narrow(&self) -> bool {
        match &self.values {
            Values::Reference(_) => true,
            Values::Id { is_not, .. } => !is_not,
            Values::Chained(ends) => ends.iter().all(|end| end.found.is_narrow()),
            Values::Has { found, .. } => found.is_narrow(),
            Values::None(_) | Values::Any => false,
            _ => self.is_of_identifier(),
        }
    }

    /// Leaves out the ends of chains to types that are not allowed.
    ///
    /// # Errors
    /// The first type without which nothing is left of a chain, or by which it goes back.
    pub fn keep_allowed(&mut self, is_allowed: &dyn Fn(&'static str) -> bool) -> Result<(), &'static str> {
        match &mut self.values {
            Values::Has { of, found, .. } => {
                if !is_allowed(of) {
                    return Err(*of);
                }
                found.keep_allowed(is_allowed)
            }
            Values::Chained(ends) => {
                let first = ends.first().map_or("", |end| end.target);
                let mut refused = None;
                ends.retain_mut(|end| {
                    let kept =
                        if is_allowed(end.target) { end.found.keep_allowed(is_allowed) } else { Err(end.target) };
                    kept.map_err(|target| refused = refused.or(Some(target))).is_ok()
                });
                if ends.is_empty() { Err(refused.unwrap_or(first)) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

/// A token that is sought. One of system and code is always given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// `system|…`
    pub system: TokenSystem,
    /// `…|code`; nothing for any code of the system.
    pub code: Option<String>,
}

/// The system of a token that is sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSystem {
    /// `code`: any, or none.
    Any,
    /// `|code`: the row has no system.
    None,
    /// `system|code` or `system|`
    Is(String),
}

/// A comparison of the interval that is sought (V) with that of a row (R). Both ends of both are included. Numbers are compared by
/// their places ([`crate::search::number`]) in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateCondition {
    /// How.
    pub comparison: Comparison,
    /// The first millisecond of V, in UTC; or its first place.
    pub low_ms: i64,
    /// The last millisecond of V, or its last place.
    pub high_ms: i64,
}

/// The prefixes of a date or a number.
///
/// # Source
/// <https://hl7.org/fhir/R4/search.html#prefix>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`: V contains R.
    Equal,
    /// `ne`: V does not contain R.
    NotEqual,
    /// `gt`: a part of R is after V.
    Greater,
    /// `lt`: a part of R is before V.
    Less,
    /// `ge`: `gt` or `eq`.
    GreaterOrEqual,
    /// `le`: `lt` or `eq`.
    LessOrEqual,
    /// `sa`: R is all after V.
    StartsAfter,
    /// `eb`: R is all before V.
    EndsBefore,
    /// `ap`: R meets V, which has been widened by its own length on both sides.
    Approximate,
}

impl DateCondition {
    /// Whether a row with this interval fulfils the condition. What the store asks in SQL is held to this.
    pub fn is_met(&self, low_ms: i64, high_ms: i64) -> bool {
        let contains = self.low_ms <= low_ms && high_ms <= self.high_ms;
        match self.comparison {
            Comparison::Equal => contains,
            Comparison::NotEqual => !contains,
            Comparison::Greater => high_ms > self.high_ms,
            Comparison::Less => low_ms < self.low_ms,
            Comparison::GreaterOrEqual => high_ms > self.high_ms || contains,
            Comparison::LessOrEqual => low_ms < self.low_ms || contains,
            Comparison::StartsAfter => low_ms > self.high_ms,
            Comparison::EndsBefore => high_ms < self.low_ms,
            Comparison::Approximate => low_ms <= self.high_ms && high_ms >= self.low_ms,
        }
    }
}
