//! How an answer is shaped: what it brings along, and how much it shows of each resource. None of it changes what matches.
//!
//! <https://hl7.org/fhir/R4/search.html#modifyingresults>

use std::borrow::Cow;

use mappings::r4::structure::summary::{Part, has_element, subset};

use super::include::{Include, include, is_include};
use super::parameters::parameter;
use super::query::{SearchError, SearchFault};

/// Pairs of a query, decoded.
pub type Pairs = Vec<(String, String)>;

/// The most includes of one search.
const INCLUDES_MAX: usize = 50;

/// Parameters of the standard beside those of a type. Whoever asks by one of these is never answered as if nothing had been asked.
const OF_THE_STANDARD: &[&str] = &[
    "_id",
    "_lastUpdated",
    "_tag",
    "_profile",
    "_security",
    "_source",
    "_text",
    "_content",
    "_list",
    "_has",
    "_type",
    "_query",
    "_filter",
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_summary",
    "_total",
    "_elements",
    "_contained",
    "_containedType",
    "_score",
    "_format",
    "_pretty",
    "_cursor",
];

/// How much is shown of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum View {
    /// All of it, byte for byte.
    #[default]
    Whole,
    /// `_summary=true`
    Summary,
    /// `_summary=text`
    Text,
    /// `_summary=data`
    Data,
    /// `_elements`
    Elements(Vec<String>),
}

impl View {
    /// What is shown of a resource, as text.
    pub fn of<'r>(&self, resource: &'r str) -> Cow<'r, str> {
        let part = match self {
            Self::Whole => return Cow::Borrowed(resource),
            Self::Summary => Part::Summary,
            Self::Text => Part::Text,
            Self::Data => Part::Data,
            Self::Elements(names) => Part::Elements(names),
        };
        Cow::Owned(subset(resource, part))
    }

    /// How much is shown of what comes along: elements are named of the types that are searched.
    #[must_use]
    pub fn of_included(&self) -> Self {
        if matches!(self, Self::Elements(_)) { Self::Whole } else { self.clone() }
    }
}

/// What a search asks of its answer, and what it asks beside that.
#[derive(Debug, PartialEq, Eq)]
pub struct ResultParameters {
    /// What comes along.
    pub includes: Vec<Include>,
    /// How much is shown.
    pub view: View,
    /// The other parameters, as they came.
    pub others: Pairs,
}

/// Takes the result parameters out of a search over these types.
///
/// # Errors
/// One that is not served, or that goes with none of the others.
pub fn result_parameters(
    types: &[&'static str],
    pairs: &[(String, String)],
    is_served: &dyn Fn(&str) -> bool,
) -> Result<ResultParameters, SearchError> {
    let mut includes: Vec<Include> = Vec::new();
    let mut others = Pairs::new();
    for (key, value) in pairs {
        if is_include(key) {
            includes.push(include(key, value, types, is_served).map_err(|fault| fault.of(key))?);
            if includes.len() > INCLUDES_MAX {
                return Err(SearchFault::TooMany(INCLUDES_MAX).of(key));
            }
        } else if key != "_elements" && (key != "_summary" || value == "count") {
            others.push((key.clone(), value.clone()));
        }
    }
    let view = view(types, pairs)?;
    if view == View::Text && !includes.is_empty() {
        return Err(SearchFault::Value("other than text where something is included").of("_summary"));
    }
    Ok(ResultParameters { includes, view, others })
}

/// How much of a resource is asked, by `_summary` and `_elements`; that only a number is asked is none of this.
///
/// # Errors
/// A value that there is not, one given twice, or both where they contradict each other.
pub fn view(types: &[&str], pairs: &[(String, String)]) -> Result<View, SearchError> {
    let summary = once(pairs, "_summary")?;
    let elements = once(pairs, "_elements")?;
    let of_summary = match summary {
        None | Some("false" | "count") => View::Whole,
        Some("true") => View::Summary,
        Some("text") => View::Text,
        Some("data") => View::Data,
        Some(_) => return Err(SearchFault::Value("true, text, data, count or false").of("_summary")),
    };
    let Some(elements) = elements else { return Ok(of_summary) };
    if of_summary != View::Whole {
        return Err(SearchFault::Value("left out where _summary says what is shown").of("_elements"));
    }
    let names: Vec<String> = elements.split(',').map(|name| name.trim().to_owned()).collect();
    let is_element = |name: &String| types.iter().any(|of| has_element(of, name));
    if names.iter().all(is_element) {
        return Ok(View::Elements(names));
    }
    Err(SearchFault::Value("names of elements at the root of the resource, separated by commas").of("_elements"))
}

/// Whether a parameter is neither of these types nor of the standard: what `handling=lenient` leaves out. A modifier or a chain of
/// one that is known is never unknown.
pub fn is_unknown(types: &[&str], key: &str) -> bool {
    let name = key.split([':', '.']).next().unwrap_or_default();
    !OF_THE_STANDARD.contains(&name) && types.iter().all(|of| parameter(of, name).is_none())
}

fn once<'p>(pairs: &'p [(String, String)], name: &str) -> Result<Option<&'p str>, SearchError> {
    let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(SearchFault::Repeated.of(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::{ResultParameters, View, is_unknown, result_parameters};
    use crate::search::query::{SearchError, SearchFault};

    fn read(query: &str) -> Result<ResultParameters, SearchError> {
        let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        result_parameters(&["Observation"], &pairs, &|_| true)
    }

    #[test]
    fn what_shapes_the_answer_is_taken_from_what_is_asked() {
        let query = "code=1&_include=Observation:subject&_summary=data&_count=2&_revinclude=Provenance:target";
        let found = read(query).expect("a search");
        assert_eq!((found.includes.len(), found.view), (2, View::Data));
        let others: Vec<_> = found.others.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(others, ["code", "_count"]);
        let counted = read("_summary=count&_elements=code,value").expect("a search");
        assert_eq!(counted.others, [("_summary".to_owned(), "count".to_owned())]);
        assert_eq!(counted.view, View::Elements(vec!["code".to_owned(), "value".to_owned()]));
        assert_eq!(read("_summary=false").expect("a search").view, View::Whole);
    }

    #[test]
    fn what_contradicts_itself_or_is_not_there_is_refused() {
        for (query, parameter) in [
            ("_summary=some", "_summary"),
            ("_summary=true&_summary=data", "_summary"),
            ("_summary=true&_elements=code", "_elements"),
            ("_elements=nothing", "_elements"),
            ("_elements=", "_elements"),
            ("_elements=code&_elements=status", "_elements"),
            ("_summary=text&_include=Observation:subject", "_summary"),
            ("_include=Observation:code", "_include"),
        ] {
            assert_eq!(read(query).expect_err(query).parameter, parameter, "{query}");
        }
        let many = ["_include=Observation:subject"; 51].join("&");
        assert_eq!(read(&many).expect_err("too many").fault, SearchFault::TooMany(50));
    }

    #[test]
    fn only_a_name_that_nobody_knows_is_unknown() {
        for known in
            ["code", "code:above", "subject.name", "_has:Observation:patient:code", "_filter", "_summary", "_tag"]
        {
            assert!(!is_unknown(&["Observation"], known), "{known}");
        }
        for unknown in ["nonsense", "nonsense:exact", "family", "_nonsense", ""] {
            assert!(is_unknown(&["Observation"], unknown), "{unknown}");
        }
        assert!(!is_unknown(&["Observation", "Patient"], "family"));
    }
}
