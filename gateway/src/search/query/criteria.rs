//! What is to be found: parameters with their modifiers, and chains of them in both directions.
//!
//! <https://hl7.org/fhir/R4/search.html#modifiers>, <https://hl7.org/fhir/R4/search.html#chaining>. A modifier that the standard does
//! not give to a type of parameter, or that is not served, is refused: to ignore it would change the question.

use super::forms;
use super::values::{ChainEnd, Values};
use super::{Criterion, FULL_TEXT, QueryLimits, SearchFault};
use crate::search::overlay::belongs;
use crate::search::parameters::{SearchParameter, SearchType, parameter, type_name};
use crate::search::words::Sought;

/// Reads the criteria of one query.
pub(super) struct Reader {
    pub(super) limits: QueryLimits,
    /// How many links the chains of the query have so far, all together.
    pub(super) links: usize,
}

impl Reader {
    /// Reads a parameter of a type, with whatever follows its name.
    pub(super) fn criterion(&mut self, resource_type: &str, key: &str, value: &str) -> Result<Criterion, SearchFault> {
        if value.contains('\0') {
            return Err(SearchFault::Value("text without the character U+0000"));
        }
        self.read(resource_type, key, value, 0)
    }

    fn read(&mut self, resource_type: &str, key: &str, value: &str, depth: usize) -> Result<Criterion, SearchFault> {
        if let Some(rest) = key.strip_prefix("_has:") {
            return self.reverse(resource_type, rest, value, depth);
        }
        if let Some((reference, rest)) = key.split_once('.') {
            return self.chain(resource_type, (reference, rest), value, depth);
        }
        let (name, modifier) = key.split_once(':').map_or((key, None), |(name, modifier)| (name, Some(modifier)));
        refuse_unsupported(name, self.limits.full_text)?;
        if let Some(name) = of_full_text(name) {
            return self.words(name, modifier, value);
        }
        let alternatives = forms::alternatives(value, self.limits.values_max)?;
        match name {
            "_id" => of_id(modifier, &alternatives),
            "_lastUpdated" => of_last_updated(modifier, &alternatives),
            // A List that has it among its items.
            "_list" if modifier.is_none() => {
                let found = self.reverse(resource_type, "List:item:_id", value, depth)?;
                Ok(Criterion { parameter: "_list", ..found })
            }
            _ => of_parameter(resource_type, name, modifier, &alternatives),
        }
    }

    /// Words that must all be there; a comma separates them as every sign does.
    fn words(&self, name: &'static str, modifier: Option<&str>, value: &str) -> Result<Criterion, SearchFault> {
        if modifier.is_some() {
            return Err(SearchFault::Modifier);
        }
        let sought = Sought::read(value).ok_or(SearchFault::Value("words, or a phrase between two quotes"))?;
        if sought.count() > self.limits.words_max {
            return Err(SearchFault::TooMany(self.limits.words_max));
        }
        Ok(Criterion { parameter: name, values: Values::Words(sought) })
    }

    fn link(&mut self, depth: usize) -> Result<(), SearchFault> {
        self.links += 1;
        if depth >= self.limits.chain_depth_max {
            return Err(SearchFault::TooDeep(self.limits.chain_depth_max));
        }
        if self.links > self.limits.chain_links_max {
            return Err(SearchFault::TooManyLinks(self.limits.chain_links_max));
        }
        Ok(())
    }

    /// `reference.…` or `reference:Type.…`: what it refers to is found by the rest.
    fn chain(
        &mut self,
        resource_type: &str,
        (reference, rest): (&str, &str),
        value: &str,
        depth: usize,
    ) -> Result<Criterion, SearchFault> {
        let (name, target) = reference.split_once(':').map_or((reference, None), |(name, target)| (name, Some(target)));
        let parameter = reference_of(resource_type, name)?;
        let targets = match target {
            None => parameter.targets.clone(),
            Some(target) => {
                vec![type_name(target).filter(|target| parameter.has_target(target)).ok_or(SearchFault::Modifier)?]
            }
        };
        let (mut ends, mut refused) = (Vec::new(), None);
        for target in targets {
            // Of the types that a reference may be to, those that have the parameter.
            let is_meant = belongs(target).is_some();
            let found = if is_meant { self.end(target, rest, value, depth) } else { Err(SearchFault::Unknown) };
            match found {
                Ok(found) => ends.push(ChainEnd { target, found }),
                Err(SearchFault::Unknown) => refused = refused.or(Some(SearchFault::Unknown)),
                Err(fault) => return Err(fault),
            }
        }
        if ends.is_empty() {
            let untyped =
                SearchFault::Value("asked of one type, as subject:Patient.name: this reference may be to any");
            return Err(refused.unwrap_or(untyped));
        }
        Ok(Criterion { parameter: parameter.name, values: Values::Chained(ends) })
    }

    fn end(&mut self, target: &str, rest: &str, value: &str, depth: usize) -> Result<Criterion, SearchFault> {
        let links = self.links;
        self.link(depth)?;
        let found = self.read(target, rest, value, depth + 1);
        if found.is_err() {
            self.links = links;
        }
        found
    }

    /// `_has:Type:reference:…`: what refers to it is found by the rest.
    fn reverse(
        &mut self,
        resource_type: &str,
        rest: &str,
        value: &str,
        depth: usize,
    ) -> Result<Criterion, SearchFault> {
        const FORM: SearchFault = SearchFault::Form("_has:Type:reference:parameter");
        let mut parts = rest.splitn(3, ':');
        let (Some(of), Some(reference), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(FORM);
        };
        let of = type_name(of).filter(|of| belongs(of).is_some()).ok_or(SearchFault::Unknown)?;
        let parameter = reference_of(of, reference)?;
        if !parameter.has_target(resource_type) {
            return Err(SearchFault::Unknown);
        }
        self.link(depth)?;
        let found = Box::new(self.read(of, rest, value, depth + 1)?);
        Ok(Criterion { parameter: "_has", values: Values::Has { of, reference: parameter.name, found } })
    }
}

fn reference_of(resource_type: &str, name: &str) -> Result<&'static SearchParameter, SearchFault> {
    let found = parameter(resource_type, name).ok_or(SearchFault::Unknown)?;
    if found.search_type != SearchType::Reference {
        return Err(SearchFault::NotSupported("chains over what is no reference"));
    }
    if found.is_canonical() {
        return Err(SearchFault::NotSupported("chains over canonical addresses"));
    }
    Ok(found)
}

/// The parameters that search words.
fn of_full_text(name: &str) -> Option<&'static str> {
    FULL_TEXT.into_iter().find(|of| *of == name)
}

fn refuse_unsupported(name: &str, full_text: bool) -> Result<(), SearchFault> {
    match name {
        "_include" | "_revinclude" => Err(SearchFault::NotSupported("includes")),
        "_elements" | "_contained" | "_containedType" => Err(SearchFault::NotSupported("parts of resources")),
        "_filter" | "_query" => Err(SearchFault::NotSupported("searches of this kind")),
        _ if !full_text && of_full_text(name).is_some() => Err(SearchFault::NotSupported("searches of this kind")),
        "_has" => Err(SearchFault::Form("_has:Type:reference:parameter")),
        _ => Ok(()),
    }
}

fn of_id(modifier: Option<&str>, alternatives: &[&str]) -> Result<Criterion, SearchFault> {
    let (ids, is_not) = match modifier {
        None => (forms::ids(alternatives)?, false),
        Some("not") => (forms::ids(alternatives)?, true),
        // Every resource has one.
        Some("missing") => (Vec::new(), !forms::is_missing(alternatives)?),
        Some(_) => return Err(SearchFault::Modifier),
    };
    Ok(Criterion { parameter: "_id", values: Values::Id { ids, is_not } })
}

fn of_last_updated(modifier: Option<&str>, alternatives: &[&str]) -> Result<Criterion, SearchFault> {
    match modifier {
        None => Ok(Criterion { parameter: "_lastUpdated", values: Values::Date(forms::dates(alternatives)?) }),
        Some("missing") => of_id(modifier, alternatives),
        Some(_) => Err(SearchFault::Modifier),
    }
}

fn of_parameter(
    resource_type: &str,
    name: &str,
    modifier: Option<&str>,
    alternatives: &[&str],
) -> Result<Criterion, SearchFault> {
    let parameter = parameter(resource_type, name).ok_or(SearchFault::Unknown)?;
    if !parameter.joined.is_empty() {
        return either(resource_type, parameter, modifier, alternatives);
    }
    let search_type = parameter.search_type;
    let (name, values) = match (search_type, modifier) {
        (SearchType::Composite, None) => (parameter.name, composite(resource_type, parameter, alternatives)?),
        (SearchType::Composite, Some(_)) => return Err(SearchFault::Modifier),
        (_, Some("missing")) => {
            let is_missing = forms::is_missing(alternatives)?;
            let values = if is_missing { Values::None(Box::new(Values::Any)) } else { Values::Any };
            (parameter.name, values)
        }
        (SearchType::Token, Some("not")) => {
            (parameter.name, Values::None(Box::new(Values::Token(forms::tokens(alternatives)?))))
        }
        (SearchType::Token, Some("of-type")) => (parameter.name, of_type(parameter, alternatives)?),
        (SearchType::Token | SearchType::Reference, Some("text")) => {
            (parameter.text_name.as_str(), Values::String(forms::strings(alternatives)?))
        }
        (SearchType::Token, Some("in")) => (parameter.name, forms::value_set(parameter, alternatives)?),
        (SearchType::Token, Some("not-in")) => {
            (parameter.name, Values::None(Box::new(forms::value_set(parameter, alternatives)?)))
        }
        (SearchType::Token | SearchType::Reference, Some("above" | "below")) => {
            return Err(SearchFault::NotSupported("hierarchies of codes and resources"));
        }
        (SearchType::Reference, Some("identifier")) => {
            (parameter.identifier_name.as_str(), Values::Token(forms::tokens(alternatives)?))
        }
        (SearchType::Reference, target) => {
            (parameter.name, Values::Reference(forms::references(parameter, target, alternatives)?))
        }
        (SearchType::String, Some("exact")) => (parameter.name, Values::Exact(forms::exact_strings(alternatives)?)),
        (SearchType::String, Some("contains")) => (parameter.name, Values::Contains(forms::strings(alternatives)?)),
        (SearchType::Uri, Some("below")) => (parameter.name, Values::Below(forms::below(alternatives)?)),
        (SearchType::Uri, Some("above")) => (parameter.name, Values::Uri(forms::above(alternatives)?)),
        (_, Some(_)) => return Err(SearchFault::Modifier),
        (SearchType::Token, None) => (parameter.name, Values::Token(forms::tokens(alternatives)?)),
        (SearchType::Date, None) => (parameter.name, Values::Date(forms::dates(alternatives)?)),
        (SearchType::Number, None) => (parameter.name, Values::Date(forms::numbers(alternatives)?)),
        (SearchType::Quantity, None) => (parameter.name, Values::Quantity(forms::quantities(alternatives)?)),
        (SearchType::String, None) => (parameter.name, Values::String(forms::strings(alternatives)?)),
        (SearchType::Uri, None) => (parameter.name, Values::Uri(forms::uris(alternatives))),
    };
    Ok(Criterion { parameter: name, values })
}

/// What others find between them; none of them, where none is to be found.
fn either(
    resource_type: &str,
    parameter: &'static SearchParameter,
    modifier: Option<&str>,
    alternatives: &[&str],
) -> Result<Criterion, SearchFault> {
    let (mut criteria, mut is_none) = (Vec::new(), false);
    for name in &parameter.joined {
        let Criterion { parameter, values } = of_parameter(resource_type, name, modifier, alternatives)?;
        let values = match values {
            Values::None(values) => {
                is_none = true;
                *values
            }
            values => values,
        };
        criteria.push(Criterion { parameter, values });
    }
    let either = Values::Either(criteria);
    let values = if is_none { Values::None(Box::new(either)) } else { either };
    Ok(Criterion { parameter: parameter.name, values })
}

/// The components of a composite, each with the part of the value that is for it.
fn composite(
    resource_type: &str,
    parameter: &'static SearchParameter,
    alternatives: &[&str],
) -> Result<Values, SearchFault> {
    let alternative = |text: &&str| {
        let parts = forms::parts(text, parameter.components.len())?;
        let of_part = |(component, part): (&&str, &str)| of_parameter(resource_type, component, None, &[part]);
        parameter.components.iter().zip(parts).map(of_part).collect::<Result<Vec<Criterion>, _>>()
    };
    Ok(Values::Together(alternatives.iter().map(alternative).collect::<Result<_, _>>()?))
}

/// An identifier and its type, of one item.
fn of_type(parameter: &'static SearchParameter, alternatives: &[&str]) -> Result<Values, SearchFault> {
    if !parameter.is_identifier() {
        return Err(SearchFault::Modifier);
    }
    let alternative = |text: &&str| {
        let (of_type, identifier) = forms::of_type(text)?;
        let identifier = Criterion { parameter: parameter.name, values: Values::Token(vec![identifier]) };
        Ok(vec![identifier, Criterion { parameter: &parameter.type_name, values: Values::Token(vec![of_type]) }])
    };
    Ok(Values::Together(alternatives.iter().map(alternative).collect::<Result<_, _>>()?))
}
