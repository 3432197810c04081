//! The codes of a `ValueSet` that a search names: those that it lists itself, where the caller may read it.
//!
//! <https://hl7.org/fhir/R4/search.html#modifiers>, `:in` and `:not-in`. There is no terminology service here: a set that is made of
//! others, of filters or of whole systems is refused.

use serde_json::Value;

use super::exchange::Exchange;
use super::search::{SEARCH, refuse};
use crate::access::Caller;
use crate::auth::Interaction;
use crate::error::Failure;
use crate::search::query::{Query, QueryLimits, SearchError, SearchFault, Token, TokenSystem, Values, parse};

const TYPE: &str = "ValueSet";
const FORM: SearchFault = SearchFault::Value(
    "the address of one ValueSet that you may read here, that lists its codes, and no more of them than the limit",
);

/// The query with the codes of the sets that it names.
///
/// # Errors
/// 400 where a set is not served, not there, or does not list its codes; 403 where the scope does not allow to search for it.
pub(super) async fn resolve(
    exchange: &Exchange,
    caller: &Caller,
    mut query: Query,
    limits: QueryLimits,
) -> Result<Query, Failure> {
    let mut named: Vec<(String, String)> = Vec::new();
    for criterion in &query.criteria {
        criterion.each(&mut |values| {
            if let Values::InValueSet { url, .. } = values {
                named.push((criterion.parameter.to_owned(), url.clone()));
            }
        });
    }
    let mut known: Vec<(String, Vec<Token>)> = Vec::new();
    for (parameter, url) in named {
        if known.iter().any(|(other, _)| *other == url) {
            continue;
        }
        let refused = |fault| refuse(SearchError { parameter: parameter.clone(), fault });
        if !exchange.app.types.contains(&TYPE) {
            return Err(refused(SearchFault::NotSearched(TYPE)));
        }
        caller.may(TYPE, Interaction::Search)?;
        let set = read(exchange, caller, &url).await?;
        let codes = set.as_ref().and_then(|set| codes(set, limits.value_set_codes_max));
        known.push((url, codes.ok_or_else(|| refused(FORM))?));
    }
    for criterion in &mut query.criteria {
        criterion.each_mut(&mut |values| {
            let Values::InValueSet { url, is_bare } = values else { return };
            let codes = known.iter().find(|(other, _)| other == url).map(|(_, codes)| codes.clone());
            let mut codes = codes.unwrap_or_default();
            if *is_bare {
                for code in &mut codes {
                    code.system = TokenSystem::None;
                }
            }
            *values = Values::Token(codes);
        });
    }
    Ok(query)
}

/// The one set of this address, or with this `Type/id`, that the caller sees.
async fn read(exchange: &Exchange, caller: &Caller, url: &str) -> Result<Option<Value>, Failure> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let asked = match (url.strip_prefix("ValueSet/"), url.split_once('|')) {
        (Some(id), _) => vec![pair("_id", id)],
        (None, Some((url, version))) => vec![pair("url", &escaped(url)), pair("version", &escaped(version))],
        (None, None) => vec![pair("url", &escaped(url))],
    };
    let Ok(query) = parse(TYPE, &asked, QueryLimits { count_default: 2, ..QueryLimits::default() }) else {
        return Ok(None);
    };
    let store = &exchange.app.store;
    let found = store.search(&caller.viewer(), TYPE, &query, (None, usize::MAX), false).await?;
    let page = store.record(found, |touched| caller.shown(SEARCH, touched), Vec::new()).await?;
    let [seen] = page.matches.as_slice() else { return Ok(None) };
    Ok(serde_json::from_str(&seen.body).ok())
}

fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|letter| matches!(letter, ',' | '|' | '$' | '\\').then_some('\\').into_iter().chain([letter]))
        .collect()
}

/// The codes that a set lists; none where it is made otherwise, or has more than the limit.
fn codes(set: &Value, codes_max: usize) -> Option<Vec<Token>> {
    let compose = set.get("compose")?;
    let mut codes = listed(compose.get("include")?)?;
    if let Some(exclude) = compose.get("exclude") {
        let excluded = listed(exclude)?;
        codes.retain(|code| !excluded.contains(code));
    }
    (!codes.is_empty() && codes.len() <= codes_max).then_some(codes)
}

fn listed(parts: &Value) -> Option<Vec<Token>> {
    let mut codes = Vec::new();
    for part in parts.as_array()? {
        if part.get("filter").is_some() || part.get("valueSet").is_some() {
            return None;
        }
        let system = part.get("system")?.as_str()?;
        for concept in part.get("concept")?.as_array()? {
            let code = concept.get("code")?.as_str()?.to_owned();
            codes.push(Token { system: TokenSystem::Is(system.to_owned()), code: Some(code) });
        }
    }
    Some(codes)
}

#[cfg(test)]
mod tests {
    use super::codes;
    use serde_json::{Value, json};

    fn listed(compose: &Value) -> Option<Vec<String>> {
        let codes = codes(&json!({"resourceType": "ValueSet", "compose": compose}), 3)?;
        Some(codes.into_iter().filter_map(|token| token.code).collect())
    }

    #[test]
    fn a_set_is_what_it_lists_without_what_it_excludes() {
        let list = |codes: &[&str]| {
            let concepts: Vec<Value> = codes.iter().map(|code| json!({"code": code})).collect();
            json!([{"system": "s", "concept": concepts}])
        };
        let of = |codes: &[&str]| Some(codes.iter().map(|code| (*code).to_owned()).collect());
        assert_eq!(listed(&json!({"include": list(&["a", "b"])})), of(&["a", "b"]));
        assert_eq!(listed(&json!({"include": list(&["a", "b"]), "exclude": list(&["a"])})), of(&["b"]));
        for compose in [
            json!({}),
            json!({"include": list(&["a", "b", "c", "d"])}),
            json!({"include": list(&[])}),
            json!({"include": [{"system": "s"}]}),
            json!({"include": [{"valueSet": ["http://other.example"]}]}),
            json!({"include": [{"system": "s", "filter": [{"property": "concept", "op": "is-a", "value": "a"}]}]}),
            json!({"include": list(&["a", "b"]), "exclude": [{"system": "s"}]}),
        ] {
            assert_eq!(listed(&compose), None, "{compose}");
        }
    }
}
