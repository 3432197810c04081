//! What a search asks, read from its parameters and refused where it is not served: to ignore a parameter would widen the answer.
//!
//! <https://hl7.org/fhir/R4/search.html>. Not served yet, and refused by name: `:missing` and other modifiers but `:identifier` and
//! a type, chains but those of [`CHAINS`], `_has`, `_text`, `_content`, `_filter`, `_list`. What shapes the answer is read in
//! [`super::result`], and refused here: a condition has no answer.

mod values;

use mappings::r4::primitive::is_id;

use super::compartment::Within;
use super::index::local;
use super::parameters::{SearchParameter, SearchType, parameter};
pub use values::{Comparison, DateCondition, Token, TokenSystem, Values};

/// A parameter of a reference, a dot, and a parameter of what is referenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// The type that is searched.
    pub resource_type: &'static str,
    /// As it is written.
    pub key: &'static str,
    /// The parameter of the reference.
    pub reference: &'static str,
    /// The type that is referenced.
    pub target: &'static str,
    /// The parameter of that type.
    pub parameter: &'static str,
    /// How its values are written.
    pub search_type: SearchType,
}

/// The chains that are served: what IHE ITI-108 asks for.
pub const CHAINS: &[Chain] = &[Chain {
    resource_type: "Consent",
    key: "patient.identifier",
    reference: "patient",
    target: "Patient",
    parameter: "identifier",
    search_type: SearchType::Token,
}];

/// How much a query may ask. Each OR value and each repeat is work for the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// The page size where `_count` is left out.
    pub count_default: u32,
    /// The largest page; a larger `_count` means this one.
    pub count_max: u32,
    /// The most criteria, `_id` and `_lastUpdated` among them.
    pub criteria_max: usize,
    /// The most values of one criterion.
    pub values_max: usize,
    /// The most sort keys.
    pub sort_max: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { count_default: 50, count_max: 500, criteria_max: 50, values_max: 100, sort_max: 5 }
    }
}

/// A search on one resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The ids that `_id` leaves, each once; nothing where it is not asked, and none where repeats exclude each other.
    pub ids: Option<Vec<String>>,
    /// `_lastUpdated`: of each list one must hold.
    pub last_updated: Vec<Vec<DateCondition>>,
    /// All must hold.
    pub criteria: Vec<Criterion>,
    /// By what the answer is sorted, the first key first; empty where the server chooses.
    pub sort: Vec<Sort>,
    /// The size of a page; zero where only the number is asked.
    pub count: u32,
    /// Whether the answer says how many there are.
    pub total: TotalMode,
    /// Whether only the number is asked: `_summary=count` or `_count=0`.
    pub summary_count: bool,
    /// `_cursor`, as the server gave it in a link: not looked at here.
    pub cursor: Option<String>,
    /// The compartment to which it is limited; none where the request names none.
    pub within: Option<Within>,
}

/// A parameter with the values of which one must be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criterion {
    /// The parameter of the index rows: its name, or `name:identifier`.
    pub parameter: &'static str,
    /// Never empty.
    pub values: Values,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub key: SortKey,
    /// The last first.
    pub descending: bool,
}

/// By what an answer can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// `_id`
    Id,
    /// `_lastUpdated`
    LastUpdated,
    /// A date, string or token parameter.
    Parameter(&'static SearchParameter),
}

impl SortKey {
    /// Whether it orders by a number, as moments are kept, and not by a text.
    pub fn is_by_number(self) -> bool {
        match self {
            Self::Id => false,
            Self::LastUpdated => true,
            Self::Parameter(parameter) => parameter.search_type == SearchType::Date,
        }
    }
}

/// Whether an answer says how many resources there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalMode {
    /// No.
    None,
    /// Exactly.
    Accurate,
    /// As exactly as is cheap.
    Estimate,
}

/// A search that is refused. The parameter is named; its value is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("search parameter '{parameter}': {fault}")]
pub struct SearchError {
    /// As the client wrote it, cut where it is long.
    pub parameter: String,
    /// What is wrong.
    pub fault: SearchFault,
}

/// What is wrong with a search parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchFault {
    /// The type has no such parameter, or one that is not served.
    #[error("is not served for this resource type; the CapabilityStatement lists those that are")]
    Unknown,
    /// A feature of the standard that is not served.
    #[error("{0} are not supported")]
    NotSupported(&'static str),
    /// A modifier that the parameter does not have here.
    #[error("this modifier is not supported")]
    Modifier,
    /// The values are kept sealed.
    #[error("what it asks for is kept sealed: it is found by the whole value of an identifier only")]
    Sealed,
    /// A value has not the form that is expected.
    #[error("the value must be {0}")]
    Value(&'static str),
    /// A parameter that may be there once.
    #[error("may be given once")]
    Repeated,
    /// More criteria, values or sort keys than the limit.
    #[error("at most {0} are allowed")]
    TooMany(usize),
}

impl SearchFault {
    pub(super) fn of(self, parameter: &str) -> SearchError {
        SearchError { parameter: parameter.chars().take(64).collect(), fault: self }
    }
}

/// Reads the decoded pairs of a query string or a form, for one resource type. Repeats of a parameter must all hold; the
/// values of one, separated by commas, are alternatives.
///
/// # Errors
/// The first parameter that is unknown, not served, or has a value that cannot be read.
pub fn parse(resource_type: &str, pairs: &[(String, String)], limits: QueryLimits) -> Result<Query, SearchError> {
    let mut query = Query {
        ids: None,
        last_updated: Vec::new(),
        criteria: Vec::new(),
        sort: Vec::new(),
        count: limits.count_default.min(limits.count_max),
        total: TotalMode::None,
        summary_count: false,
        cursor: None,
        within: None,
    };
    let mut criteria = 0;
    let mut once: Vec<&str> = Vec::new();
    for (key, value) in pairs {
        let added = if matches!(key.as_str(), "_count" | "_sort" | "_total" | "_summary" | "_cursor") {
            if once.contains(&key.as_str()) {
                return Err(SearchFault::Repeated.of(key));
            }
            once.push(key);
            query.control(resource_type, key, value, limits)
        } else if matches!(key.as_str(), "_format" | "_pretty") {
            // How the answer is written, which is for whoever writes it.
            Ok(())
        } else {
            criteria += 1;
            if criteria > limits.criteria_max {
                return Err(SearchFault::TooMany(limits.criteria_max).of(key));
            }
            query.criterion(resource_type, key, value, limits)
        };
        added.map_err(|fault| fault.of(key))?;
    }
    if query.summary_count {
        query.count = 0;
    }
    Ok(query)
}

impl Query {
    /// The query with references by the gateway's own address as `Type/id`, in which form they are indexed.
    #[must_use]
    pub fn localized(mut self, base: &str) -> Self {
        for criterion in &mut self.criteria {
            if let Values::Reference(references) = &mut criterion.values {
                for reference in references {
                    *reference = local(reference, base).to_owned();
                }
            }
        }
        self
    }

    /// A parameter that says how to answer, and not what.
    fn control(&mut self, resource_type: &str, key: &str, value: &str, limits: QueryLimits) -> Result<(), SearchFault> {
        match (key, value) {
            ("_count", _) => {
                let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                if !is_number {
                    return Err(SearchFault::Value("a whole number from 0"));
                }
                // A number too large to read is larger than the limit.
                self.count = value.parse().unwrap_or(u32::MAX).min(limits.count_max);
                self.summary_count |= self.count == 0;
            }
            ("_sort", _) => self.sort = sort(resource_type, value, limits)?,
            ("_total", "none") => self.total = TotalMode::None,
            ("_total", "accurate") => self.total = TotalMode::Accurate,
            ("_total", "estimate") => self.total = TotalMode::Estimate,
            ("_total", _) => return Err(SearchFault::Value("none, estimate or accurate")),
            ("_summary", "count") => self.summary_count = true,
            ("_summary", "false") => {}
            ("_summary", _) => return Err(SearchFault::Value("count or false: other summaries are not supported")),
            _ => self.cursor = Some(value.to_owned()),
        }
        Ok(())
    }

    fn criterion(
        &mut self,
        resource_type: &str,
        key: &str,
        value: &str,
        limits: QueryLimits,
    ) -> Result<(), SearchFault> {
        if let Some(chain) = CHAINS.iter().find(|chain| chain.resource_type == resource_type && chain.key == key) {
            self.criteria.push(chained(chain, value, limits)?);
            return Ok(());
        }
        let (name, modifier) = key.split_once(':').map_or((key, None), |(name, modifier)| (name, Some(modifier)));
        refuse_unsupported(name, modifier)?;
        if value.contains('\0') {
            return Err(SearchFault::Value("text without the character U+0000"));
        }
        let alternatives = values::alternatives(value, limits.values_max)?;
        match name {
            "_id" | "_lastUpdated" if modifier.is_some() => Err(SearchFault::Modifier),
            "_id" => self.narrow_ids(&alternatives),
            "_lastUpdated" => {
                self.last_updated.push(values::dates(&alternatives)?);
                Ok(())
            }
            _ => {
                let parameter = parameter(resource_type, name).ok_or(SearchFault::Unknown)?;
                self.criteria.push(criterion(parameter, modifier, &alternatives)?);
                Ok(())
            }
        }
    }

    fn narrow_ids(&mut self, alternatives: &[&str]) -> Result<(), SearchFault> {
        if !alternatives.iter().all(|id| is_id(id)) {
            return Err(SearchFault::Value("an id of 1 to 64 letters, digits, '-' and '.'"));
        }
        let mut ids: Vec<String> = alternatives.iter().map(|id| (*id).to_owned()).collect();
        ids.sort_unstable();
        ids.dedup();
        if let Some(known) = &self.ids {
            ids.retain(|id| known.contains(id));
        }
        self.ids = Some(ids);
        Ok(())
    }
}

fn refuse_unsupported(name: &str, modifier: Option<&str>) -> Result<(), SearchFault> {
    match name {
        "_has" => return Err(SearchFault::NotSupported("reverse chains")),
        "_include" | "_revinclude" => return Err(SearchFault::NotSupported("includes")),
        "_elements" | "_contained" | "_containedType" => return Err(SearchFault::NotSupported("parts of resources")),
        "_text" | "_content" | "_filter" | "_list" | "_query" => {
            return Err(SearchFault::NotSupported("searches of this kind"));
        }
        _ => {}
    }
    if name.contains('.') || modifier.is_some_and(|modifier| modifier.contains('.')) {
        return Err(SearchFault::NotSupported("chains"));
    }
    Ok(())
}

/// The criterion of a reference to what another criterion finds.
fn chained(chain: &'static Chain, value: &str, limits: QueryLimits) -> Result<Criterion, SearchFault> {
    if value.contains('\0') {
        return Err(SearchFault::Value("text without the character U+0000"));
    }
    let alternatives = values::alternatives(value, limits.values_max)?;
    let found = parameter(chain.target, chain.parameter).ok_or(SearchFault::Unknown)?;
    let found = Box::new(criterion(found, None, &alternatives)?);
    Ok(Criterion { parameter: chain.reference, values: Values::Chained { target: chain.target, found } })
}

fn criterion(
    parameter: &'static SearchParameter,
    modifier: Option<&str>,
    alternatives: &[&str],
) -> Result<Criterion, SearchFault> {
    let values = match (parameter.search_type, modifier) {
        (SearchType::Reference, Some("identifier")) => {
            let values = Values::Token(values::tokens(alternatives)?);
            return Ok(Criterion { parameter: &parameter.identifier_name, values });
        }
        (SearchType::Reference, target) => Values::Reference(values::references(parameter, target, alternatives)?),
        (_, Some(_)) => return Err(SearchFault::Modifier),
        (SearchType::Token, None) => Values::Token(values::tokens(alternatives)?),
        (SearchType::Date, None) => Values::Date(values::dates(alternatives)?),
        (SearchType::String, None) => Values::String(values::strings(alternatives)?),
        (SearchType::Uri, None) => Values::Uri(values::uris(alternatives)),
    };
    Ok(Criterion { parameter: parameter.name, values })
}

fn sort(resource_type: &str, value: &str, limits: QueryLimits) -> Result<Vec<Sort>, SearchFault> {
    let keys: Vec<_> = value.split(',').collect();
    if keys.len() > limits.sort_max {
        return Err(SearchFault::TooMany(limits.sort_max));
    }
    let key = |written: &str| {
        let (name, descending) = written.strip_prefix('-').map_or((written, false), |name| (name, true));
        let key = match name {
            "_id" => SortKey::Id,
            "_lastUpdated" => SortKey::LastUpdated,
            _ => parameter(resource_type, name)
                .filter(|found| !matches!(found.search_type, SearchType::Reference | SearchType::Uri))
                .map(SortKey::Parameter)
                .ok_or(SearchFault::Value("_id, _lastUpdated, or date, string or token parameters of this type"))?,
        };
        Ok(Sort { key, descending })
    };
    keys.into_iter().map(key).collect()
}

#[cfg(test)]
mod tests;
