//! The values of a criterion, by search type.
//!
//! <https://hl7.org/fhir/R4/search.html#escaping>: a backslash takes from `,`, `|`, `$` and itself their meaning. The values are
//! cut and folded as the index does it.

use std::borrow::Cow;

use mappings::r4::primitive::is_id;
use mappings::r4::structure::is_resource_type;
use mappings::r4::time::Moment;

use super::{Criterion, SearchFault};
use crate::search::parameters::SearchParameter;
use crate::search::text::{exact, fold};

/// The values of a criterion; one of them must be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Systems and codes.
    Token(Vec<Token>),
    /// `Type/id`, absolute addresses or canonicals: equal to the row's value.
    Reference(Vec<String>),
    /// Conditions on the row's interval.
    Date(Vec<DateCondition>),
    /// Folded beginnings of the row's value.
    String(Vec<String>),
    /// Equal to the row's value.
    Uri(Vec<String>),
    /// `Type/id` of a resource that the searcher sees and another criterion finds.
    Chained {
        /// The type.
        target: &'static str,
        /// How it is found.
        found: Box<Criterion>,
    },
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

/// A comparison of the interval that is sought (V) with that of a row (R). Both ends of both are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateCondition {
    /// How.
    pub comparison: Comparison,
    /// The first millisecond of V, in UTC.
    pub low_ms: i64,
    /// The last millisecond of V.
    pub high_ms: i64,
}

/// The prefixes of a date.
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

/// The alternatives of a value, still escaped.
pub(super) fn alternatives(value: &str, values_max: usize) -> Result<Vec<&str>, SearchFault> {
    let alternatives: Vec<_> = split(value, ',').take(values_max + 1).collect();
    if alternatives.len() > values_max {
        return Err(SearchFault::TooMany(values_max));
    }
    if alternatives.iter().any(|alternative| alternative.is_empty()) {
        return Err(SearchFault::Value("given: an empty one is not ignored"));
    }
    Ok(alternatives)
}

pub(super) fn tokens(alternatives: &[&str]) -> Result<Vec<Token>, SearchFault> {
    let token = |text: &&str| {
        let mut parts = split(text, '|');
        let token = match (parts.next().unwrap_or_default(), parts.next()) {
            ("", Some("")) => return Err(TOKEN_FORM),
            (code, None) => Token { system: TokenSystem::Any, code: Some(exact(&unescape(code))) },
            ("", Some(code)) => Token { system: TokenSystem::None, code: Some(exact(&unescape(code))) },
            (system, Some(code)) => Token {
                system: TokenSystem::Is(exact(&unescape(system))),
                code: Some(exact(&unescape(code))).filter(|code| !code.is_empty()),
            },
        };
        if parts.next().is_some() { Err(TOKEN_FORM) } else { Ok(token) }
    };
    alternatives.iter().map(token).collect()
}

const TOKEN_FORM: SearchFault = SearchFault::Value("code, system|code, |code or system|");

pub(super) fn dates(alternatives: &[&str]) -> Result<Vec<DateCondition>, SearchFault> {
    alternatives.iter().map(|text| date(text).ok_or(DATE_FORM)).collect()
}

const DATE_FORM: SearchFault = SearchFault::Value(
    "a date such as 2024-02 or 2024-02-29T10:15:00Z, after eq, ne, gt, lt, ge, le, sa, eb, ap or nothing",
);

fn date(text: &str) -> Option<DateCondition> {
    let prefix = text.get(..2).filter(|prefix| prefix.bytes().all(|byte| byte.is_ascii_lowercase()));
    let comparison = match prefix {
        None | Some("eq") => Comparison::Equal,
        Some("ne") => Comparison::NotEqual,
        Some("gt") => Comparison::Greater,
        Some("lt") => Comparison::Less,
        Some("ge") => Comparison::GreaterOrEqual,
        Some("le") => Comparison::LessOrEqual,
        Some("sa") => Comparison::StartsAfter,
        Some("eb") => Comparison::EndsBefore,
        Some("ap") => Comparison::Approximate,
        Some(_) => return None,
    };
    let moment = Moment::parse(text.get(prefix.map_or(0, str::len)..)?)?;
    // The standard leaves the width to the server; it recommends a tenth of the distance to now, but a query knows no clock.
    let margin = if comparison == Comparison::Approximate { moment.high_ms - moment.low_ms + 1 } else { 0 };
    Some(DateCondition { comparison, low_ms: moment.low_ms - margin, high_ms: moment.high_ms + margin })
}

pub(super) fn strings(alternatives: &[&str]) -> Result<Vec<String>, SearchFault> {
    let string = |text: &&str| {
        let folded = fold(&unescape(text));
        // White space or accents alone would be the beginning of every value.
        if folded.is_empty() { Err(SearchFault::Value("a text")) } else { Ok(folded) }
    };
    alternatives.iter().map(string).collect()
}

pub(super) fn uris(alternatives: &[&str]) -> Vec<String> {
    alternatives.iter().map(|text| exact(&unescape(text))).collect()
}

/// Addresses as they are; `Type/id`; an id alone stands for each type that the parameter or the modifier allows.
pub(super) fn references(
    parameter: &SearchParameter,
    modifier: Option<&str>,
    alternatives: &[&str],
) -> Result<Vec<String>, SearchFault> {
    let targets = match modifier {
        None => parameter.targets.as_slice(),
        Some(target) if is_resource_type(target) && parameter.has_target(target) => &[target],
        Some(_) => return Err(SearchFault::Modifier),
    };
    let mut references = Vec::new();
    for text in alternatives {
        let text = unescape(text);
        if text.contains("://") || text.starts_with("urn:") {
            references.push(exact(&text));
        } else if let Some((target, id)) = text.split_once('/') {
            if !is_resource_type(target) || !is_id(id) || modifier.is_some_and(|modifier| modifier != target) {
                return Err(REFERENCE_FORM);
            }
            references.push(text.into_owned());
        } else if !is_id(&text) {
            return Err(REFERENCE_FORM);
        } else if targets.is_empty() {
            return Err(SearchFault::Value("Type/id or an absolute address: this reference may be to any type"));
        } else {
            references.extend(targets.iter().map(|target| format!("{target}/{text}")));
        }
    }
    Ok(references)
}

const REFERENCE_FORM: SearchFault = SearchFault::Value("an id, Type/id or an absolute address");

impl SearchParameter {
    fn has_target(&self, target: &str) -> bool {
        self.targets.is_empty() || self.targets.contains(&target)
    }
}

/// The parts between the separators that are not escaped.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_escaped = false;
    text.split(move |letter| {
        let is_separator = letter == separator && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        is_separator
    })
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_escape = letter == '\\' && matches!(letters.peek(), Some(',' | '|' | '$' | '\\'));
        plain.push(if is_escape { letters.next().unwrap_or(letter) } else { letter });
    }
    Cow::Owned(plain)
}
