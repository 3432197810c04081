//! The values of a criterion as they are written, by search type.
//!
//! <https://hl7.org/fhir/R4/search.html#escaping>: a backslash takes from `,`, `|`, `$` and itself their meaning. The values are
//! cut and folded as the index does it.

use std::borrow::Cow;

use mappings::r4::primitive::is_id;
use mappings::r4::structure::is_resource_type;
use mappings::r4::time::Moment;

use super::{Comparison, DateCondition, Quantity, SearchFault, Token, TokenSystem, Values};
use crate::search::number::sought;
use crate::search::parameters::SearchParameter;
use crate::search::text::{exact, fold, written};

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

/// The comparison by the prefix of a value, and what follows it.
fn comparison(text: &str) -> Option<(Comparison, &str)> {
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
    Some((comparison, text.get(prefix.map_or(0, str::len)..)?))
}

fn date(text: &str) -> Option<DateCondition> {
    let (comparison, text) = comparison(text)?;
    let moment = Moment::parse(text)?;
    // The standard leaves the width to the server; it recommends a tenth of the distance to now, but a query knows no clock.
    let margin = if comparison == Comparison::Approximate { moment.high_ms - moment.low_ms + 1 } else { 0 };
    Some(DateCondition { comparison, low_ms: moment.low_ms - margin, high_ms: moment.high_ms + margin })
}

pub(super) fn numbers(alternatives: &[&str]) -> Result<Vec<DateCondition>, SearchFault> {
    alternatives.iter().map(|text| number(text).ok_or(NUMBER_FORM)).collect()
}

const NUMBER_FORM: SearchFault =
    SearchFault::Value("a number such as 100, 5.40 or 1.2e-3, after eq, ne, gt, lt, ge, le, sa, eb, ap or nothing");

fn number(text: &str) -> Option<DateCondition> {
    let (comparison, text) = comparison(text)?;
    let sought = sought(text)?;
    let (low_ms, high_ms) = match comparison {
        Comparison::Equal | Comparison::NotEqual => sought.equal,
        Comparison::Approximate => sought.about,
        _ => (sought.exact, sought.exact),
    };
    Some(DateCondition { comparison, low_ms, high_ms })
}

/// `number`, `number|system|code`, or `number||code` where the code may also be the unit as it is written.
pub(super) fn quantities(alternatives: &[&str]) -> Result<Vec<Quantity>, SearchFault> {
    let quantity = |text: &&str| {
        let parts: Vec<String> = split(text, '|').map(|part| exact(&unescape(part))).collect();
        let given = |part: &String| Some(part.clone()).filter(|part| !part.is_empty());
        let (number_text, system, unit) = match parts.as_slice() {
            [number] => (number, None, None),
            [number, system, unit] => (number, given(system), given(unit)),
            _ => return Err(QUANTITY_FORM),
        };
        let number = number(number_text).ok_or(NUMBER_FORM)?;
        Ok(Quantity { number, system, unit })
    };
    alternatives.iter().map(quantity).collect()
}

const QUANTITY_FORM: SearchFault = SearchFault::Value("a number, number|system|code or number||code");

/// The parts of a value of a composite, one for each of its components.
pub(super) fn parts(text: &str, components: usize) -> Result<Vec<&str>, SearchFault> {
    let parts: Vec<&str> = split(text, '$').collect();
    if parts.len() == components && parts.iter().all(|part| !part.is_empty()) {
        Ok(parts)
    } else {
        Err(SearchFault::Value("a value for each component, with $ between"))
    }
}

/// `system|code|value` of an identifier of a type: what is sought of the type, and of the identifier.
pub(super) fn of_type(text: &str) -> Result<(Token, Token), SearchFault> {
    let parts: Vec<String> = split(text, '|').map(|part| exact(&unescape(part))).collect();
    match parts.as_slice() {
        [system, code, value] if !code.is_empty() && !value.is_empty() => {
            let system = if system.is_empty() { TokenSystem::Any } else { TokenSystem::Is(system.clone()) };
            let of_type = Token { system, code: Some(code.clone()) };
            Ok((of_type, Token { system: TokenSystem::Any, code: Some(value.clone()) }))
        }
        _ => Err(SearchFault::Value("system|code|value: the type of an identifier, and its value")),
    }
}

/// The address of one value set, or its `ValueSet/id`.
pub(super) fn value_set(parameter: &SearchParameter, alternatives: &[&str]) -> Result<Values, SearchFault> {
    match alternatives {
        [url] => Ok(Values::InValueSet { url: exact(&unescape(url)), is_bare: parameter.is_bare() }),
        _ => Err(SearchFault::Value("the address of one ValueSet")),
    }
}

/// Whether `:missing` is asked to be true.
pub(super) fn is_missing(alternatives: &[&str]) -> Result<bool, SearchFault> {
    match alternatives {
        ["true"] => Ok(true),
        ["false"] => Ok(false),
        _ => Err(SearchFault::Value("true or false")),
    }
}

/// Ids, each once.
pub(super) fn ids(alternatives: &[&str]) -> Result<Vec<String>, SearchFault> {
    if !alternatives.iter().all(|id| is_id(id)) {
        return Err(SearchFault::Value("an id of 1 to 64 letters, digits, '-' and '.'"));
    }
    let mut ids: Vec<String> = alternatives.iter().map(|id| (*id).to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

pub(super) fn exact_strings(alternatives: &[&str]) -> Result<Vec<(String, String)>, SearchFault> {
    let folded = strings(alternatives)?;
    let with_written = |(text, folded): (&&str, String)| {
        let written = written(&unescape(text), &folded);
        (folded, written)
    };
    Ok(alternatives.iter().zip(folded).map(with_written).collect())
}

/// `:below`: addresses without the slash at their end.
pub(super) fn below(alternatives: &[&str]) -> Result<Vec<String>, SearchFault> {
    let address = |text: &String| text.contains("://").then(|| text.trim_end_matches('/').to_owned()).ok_or(URL_FORM);
    uris(alternatives).iter().map(address).collect()
}

/// `:above`: the addresses and all that are above them, with and without a slash at their end.
pub(super) fn above(alternatives: &[&str]) -> Result<Vec<String>, SearchFault> {
    let mut found = Vec::new();
    for text in uris(alternatives) {
        let begin = text.find("://").ok_or(URL_FORM)? + 3;
        let slashes = text.match_indices('/').map(|(at, _)| at).filter(|at| *at >= begin);
        for end in slashes.chain([text.len()]) {
            found.extend([text[..end].to_owned(), format!("{}/", &text[..end])]);
        }
    }
    found.sort_unstable();
    found.dedup();
    if found.len() > ABOVE_MAX { Err(SearchFault::TooMany(ABOVE_MAX)) } else { Ok(found) }
}

/// The most addresses above those that are sought.
const ABOVE_MAX: usize = 500;
const URL_FORM: SearchFault = SearchFault::Value("an address with a scheme, such as https://example.org/fhir");

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
    /// Whether it may refer to this type.
    pub(super) fn has_target(&self, target: &str) -> bool {
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
