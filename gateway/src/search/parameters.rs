//! The search parameters of R4 that the gateway serves, from the generated table.
//!
//! <https://hl7.org/fhir/R4/searchparameter-registry.html>. `mappings/tables/generate.py` writes the table; the form of the text is
//! explained in its first lines. `_id` and `_lastUpdated` are not in it: the store answers them from columns.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use mappings::r4::structure::{is_resource_type, resource_types};

use super::path::Path;

static TABLE: LazyLock<HashMap<&'static str, Vec<SearchParameter>>> =
    LazyLock::new(|| read(include_str!("../../tables/search-parameters.txt")));

/// The name under which the table has the parameters of every type.
const EVERY_TYPE: &str = "Resource";

/// How a parameter's values are written and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SearchType {
    /// A system and a code or value.
    Token,
    /// A resource or a canonical address.
    Reference,
    /// A moment or an interval.
    Date,
    /// The beginning of a text.
    String,
    /// An address, whole.
    Uri,
    /// A number.
    Number,
    /// A number with a unit.
    Quantity,
    /// Several parameters of the type, of which one item fulfils all.
    Composite,
}

impl SearchType {
    /// The code in a `CapabilityStatement`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Date => "date",
            Self::String => "string",
            Self::Uri => "uri",
            Self::Number => "number",
            Self::Quantity => "quantity",
            Self::Composite => "composite",
        }
    }

    fn from_str(text: &str) -> Option<Self> {
        [
            Self::Token,
            Self::Reference,
            Self::Date,
            Self::String,
            Self::Uri,
            Self::Number,
            Self::Quantity,
            Self::Composite,
        ]
        .into_iter()
        .find(|search_type| search_type.as_str() == text)
    }
}

/// One parameter of one resource type.
#[derive(Debug, PartialEq, Eq)]
pub struct SearchParameter {
    /// The name in a query.
    pub name: &'static str,
    /// How its values are written and compared.
    pub search_type: SearchType,
    /// The types that a reference may be to, by name; empty is any.
    pub targets: Vec<&'static str>,
    /// Of a composite: the names of the parameters of the same type that it is made of.
    pub components: Vec<&'static str>,
    /// Of one that finds what two or more others of the type find between them: their names. It has no rows of its own.
    pub(super) joined: Vec<&'static str>,
    /// Empty for a composite: it is found by the rows of its components.
    pub(super) paths: Vec<Path>,
    /// `name:identifier`, under which the identifiers within references are indexed.
    pub(super) identifier_name: String,
    /// `name:text`, under which the words beside codes and references are indexed.
    pub(super) text_name: String,
    /// `name:of-type`, under which the types of identifiers are indexed.
    pub(super) type_name: String,
    /// Whether its rows say in which item they were found: the components of composites, and identifiers with their types.
    pub(super) has_parts: bool,
}

impl SearchParameter {
    /// The names under which the index has its rows.
    pub fn row_names(&self) -> Vec<&'static str> {
        if self.joined.is_empty() { vec![self.name] } else { self.joined.clone() }
    }

    /// Whether it finds identifiers, which may have a type.
    pub(super) fn is_identifier(&self) -> bool {
        self.paths.iter().any(|path| path.kind == "Identifier")
    }

    /// Whether it finds codes that stand without their system.
    pub(super) fn is_bare(&self) -> bool {
        self.paths.iter().all(|path| path.kind == "code")
    }

    /// Whether it refers to definitions by their addresses, and not to resources by their ids.
    pub(super) fn is_canonical(&self) -> bool {
        self.paths.iter().any(|path| path.kind != "Reference")
    }
}

/// The name of a resource type as a static text, so that a type is one pointer wherever it goes; none for what R4 has not.
pub fn type_name(name: &str) -> Option<&'static str> {
    static NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| resource_types().collect());
    NAMES.get(name).copied()
}

/// The parameter of this name, whether of the type itself or of every type.
pub fn parameter(resource_type: &str, name: &str) -> Option<&'static SearchParameter> {
    let of = |owner: &str| {
        let parameters = TABLE.get(owner)?;
        let found = parameters.binary_search_by(|parameter| parameter.name.cmp(name)).ok()?;
        parameters.get(found)
    };
    if !is_resource_type(resource_type) {
        return None;
    }
    of(resource_type).or_else(|| of(EVERY_TYPE))
}

/// The parameters of a type, those of every type first; none where R4 has no such type.
pub fn parameters(resource_type: &str) -> impl Iterator<Item = &'static SearchParameter> {
    let owners = if is_resource_type(resource_type) { &[EVERY_TYPE, resource_type][..] } else { &[] };
    let lists: Vec<_> = owners.iter().filter_map(|owner| TABLE.get(*owner)).collect();
    lists.into_iter().flatten()
}

fn read(text: &'static str) -> HashMap<&'static str, Vec<SearchParameter>> {
    let mut table: HashMap<&'static str, Vec<SearchParameter>> = HashMap::new();
    let mut owner = EVERY_TYPE;
    for line in text.lines() {
        if let Some(resource_type) = line.strip_prefix("T ") {
            owner = resource_type;
        } else if let Some(line) = line.strip_prefix(' ') {
            table.entry(owner).or_default().push(read_parameter(line));
        }
    }
    for parameters in table.values_mut() {
        let components: HashSet<&str> =
            parameters.iter().flat_map(|parameter| parameter.components.iter().copied()).collect();
        for parameter in parameters.iter_mut() {
            parameter.has_parts |= components.contains(parameter.name);
        }
        let joined: Vec<Vec<&'static str>> = parameters.iter().map(|one| joined(one, parameters)).collect();
        parameters.iter_mut().zip(joined).for_each(|(parameter, joined)| parameter.joined = joined);
        parameters.sort_by_key(|parameter| parameter.name);
    }
    table
}

/// The parameters that find between them exactly what this one finds; empty where there are none.
fn joined(parameter: &SearchParameter, all: &[SearchParameter]) -> Vec<&'static str> {
    let is_part = |other: &&SearchParameter| {
        other.search_type == parameter.search_type
            && !other.paths.is_empty()
            && other.paths.len() < parameter.paths.len()
            && other.paths.iter().all(|path| parameter.paths.contains(path))
    };
    let parts: Vec<&SearchParameter> = all.iter().filter(is_part).collect();
    let found: usize = parts.iter().map(|part| part.paths.len()).sum();
    let is_whole = parameter.paths.iter().all(|path| parts.iter().any(|part| part.paths.contains(path)));
    let are_alike = parts.iter().all(|part| part.targets == parameter.targets);
    if is_whole && are_alike && found == parameter.paths.len() {
        parts.iter().map(|part| part.name).collect()
    } else {
        Vec::new()
    }
}

fn read_parameter(line: &'static str) -> SearchParameter {
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (name, search_type, found_at, targets) = (word(), word(), word(), word());
    let search_type = SearchType::from_str(search_type).expect("the table has the search types that are served");
    let is_composite = search_type == SearchType::Composite;
    let paths: Vec<Path> = found_at.split('|').filter(|_| !is_composite).map(Path::read).collect();
    SearchParameter {
        name,
        search_type,
        targets: targets.split(',').filter(|target| !target.is_empty()).collect(),
        joined: Vec::new(),
        components: found_at.split('$').filter(|_| is_composite).collect(),
        has_parts: paths.iter().any(|path| path.kind == "Identifier"),
        paths,
        identifier_name: format!("{name}:identifier"),
        text_name: format!("{name}:text"),
        type_name: format!("{name}:of-type"),
    }
}

#[cfg(test)]
mod tests {
    use super::{SearchType, TABLE, parameter, parameters};
    use mappings::r4::structure::{is_element, is_resource_type};

    #[test]
    fn a_parameter_is_found_by_type_and_name() {
        let patient = parameter("ServiceRequest", "patient").expect("a served parameter");
        assert_eq!((patient.search_type, patient.targets.as_slice()), (SearchType::Reference, &["Patient"][..]));
        assert!(parameter("ServiceRequest", "_tag").is_some());
        assert!(parameter("Binary", "_tag").is_some());
        for (resource_type, name) in [("ServiceRequest", "nothing"), ("Nothing", "_tag"), ("Resource", "_tag")] {
            assert!(parameter(resource_type, name).is_none(), "{resource_type} {name}");
        }
        assert_eq!(parameters("Nothing").count(), 0);
        assert!(parameters("Task").any(|parameter| parameter.name == "owner"));
    }

    #[test]
    fn what_others_find_between_them_has_no_rows_of_its_own() {
        let joined = |of: &'static str| parameters(of).filter(|one| !one.joined.is_empty()).map(|one| one.name);
        let combined = ["combo-code", "combo-data-absent-reason", "combo-value-concept", "combo-value-quantity"];
        assert_eq!(joined("Observation").collect::<Vec<_>>(), combined);
        let code = parameter("Observation", "combo-code").expect("a parameter");
        assert_eq!(code.row_names(), ["code", "component-code"]);
        assert_eq!(joined("Patient").count() + joined("Consent").count(), 0);
    }

    #[test]
    fn every_path_and_every_target_of_the_table_exists() {
        for (owner, parameters) in TABLE.iter() {
            // What every type has is checked on one of them.
            let resource_type = if *owner == "Resource" { "Patient" } else { owner };
            for parameter in parameters {
                for path in &parameter.paths {
                    let names: Vec<_> = path.steps.iter().map(super::super::path::Step::name).collect();
                    let element = format!("{resource_type}.{}", names.join("."));
                    assert!(is_element(&element), "{owner} {}: {element}", parameter.name);
                }
                assert!(parameter.targets.iter().all(|target| is_resource_type(target)), "{owner} {}", parameter.name);
                let is_composite = parameter.search_type == SearchType::Composite;
                assert_eq!((parameter.paths.is_empty(), parameter.components.len() > 1), (is_composite, is_composite));
                for component in &parameter.components {
                    let found = super::parameter(resource_type, component).expect("a component is a parameter");
                    assert!(found.has_parts && found.components.is_empty(), "{owner} {}", parameter.name);
                }
            }
        }
    }
}
