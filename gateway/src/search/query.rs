//! What a search asks, read from its parameters and refused where it is not served: to ignore a parameter would widen the answer.
//!
//! <https://hl7.org/fhir/R4/search.html>. Not served, and refused by name: `:above` and `:below` but of addresses, `_filter`, `_query`; and `_text` and `_content`
//! where they are not switched on. What shapes the answer is read in [`super::result`], and refused here: a condition has no answer.

mod criteria;
mod forms;
mod modifiers;
mod values;

use super::compartment::Within;
use super::index::local;
use super::parameters::{SearchParameter, SearchType, parameter};
pub use modifiers::modifiers;
pub use values::{ChainEnd, Comparison, DateCondition, Quantity, Token, TokenSystem, Values};

/// The parameters that search words of the narrative and of the whole.
pub const FULL_TEXT: [&str; 2] = ["_text", "_content"];

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
    /// The most links of one chain.
    pub chain_depth_max: usize,
    /// The most links of all chains: each has sight joined to it, once for every type that it may lead to.
    pub chain_links_max: usize,
    /// The most codes of a value set that is named.
    pub value_set_codes_max: usize,
    /// The most words of one `_text` or `_content`.
    pub words_max: usize,
    /// Whether these are served.
    pub full_text: bool,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            count_default: 50,
            count_max: 500,
            criteria_max: 50,
            values_max: 100,
            sort_max: 5,
            chain_depth_max: 3,
            chain_links_max: 8,
            value_set_codes_max: 500,
            words_max: 20,
            full_text: false,
        }
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
    /// The parameter of the index rows: its name, perhaps with `:identifier` or `:text` after it; or `_id`, `_lastUpdated`, `_has`, `_list`,
    /// `_text`, `_content`, and `_scope` for the restriction of a token.
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
    /// A date, string, token, number or quantity parameter.
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
    #[error("it has no such modifier")]
    Modifier,
    /// A chain to a type that is not served.
    #[error("it leads to {0}, which is not served")]
    NotSearched(&'static str),
    /// A parameter that is not written as it has to be.
    #[error("is written {0}")]
    Form(&'static str),
    /// A chain with more links than the limit.
    #[error("a chain may have {0} links")]
    TooDeep(usize),
    /// Chains with more links than the limit, all together.
    #[error(
        "the chains of a search may have {0} links all together, one for each type that a reference may be to: name the type"
    )]
    TooManyLinks(usize),
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
    let mut query = Query { count: limits.count_default.min(limits.count_max), ..Query::everything() };
    let mut reader = criteria::Reader { limits, links: 0 };
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
            reader.criterion(resource_type, key, value).map(|criterion| query.add(criterion))
        };
        added.map_err(|fault| fault.of(key))?;
    }
    if query.summary_count {
        query.count = 0;
    }
    Ok(query)
}

impl Query {
    /// Without criteria; whoever asks says how long a page is.
    pub fn everything() -> Self {
        Self {
            ids: None,
            last_updated: Vec::new(),
            criteria: Vec::new(),
            sort: Vec::new(),
            count: 0,
            total: TotalMode::None,
            summary_count: false,
            cursor: None,
            within: None,
        }
    }

    /// The query with references by the gateway's own address as `Type/id`, in which form they are indexed.
    #[must_use]
    pub fn localized(mut self, base: &str) -> Self {
        for criterion in &mut self.criteria {
            criterion.each_mut(&mut |values| {
                let Values::Reference(references) = values else { return };
                for reference in references {
                    *reference = local(reference, base).to_owned();
                }
            });
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

    /// What is asked of every resource has columns of its own, and is no criterion over the index.
    fn add(&mut self, criterion: Criterion) {
        match (criterion.parameter, criterion.values) {
            ("_id", Values::Id { mut ids, is_not: false }) => {
                if let Some(known) = &self.ids {
                    ids.retain(|id| known.contains(id));
                }
                self.ids = Some(ids);
            }
            ("_lastUpdated", Values::Date(dates)) => self.last_updated.push(dates),
            (parameter, values) => self.criteria.push(Criterion { parameter, values }),
        }
    }
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
                .filter(|found| {
                    !matches!(found.search_type, SearchType::Reference | SearchType::Uri | SearchType::Composite)
                })
                .map(SortKey::Parameter)
                .ok_or(SearchFault::Value(
                    "_id, _lastUpdated, or date, string, token, number or quantity parameters of this type",
                ))?,
        };
        Ok(Sort { key, descending })
    };
    keys.into_iter().map(key).collect()
}

#[cfg(test)]
mod tests;
