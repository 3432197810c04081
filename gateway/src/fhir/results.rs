//! What a search is asked of its answer: includes within the caller's scope, parts of resources, and unknown parameters that a client
//! lets be left out.
//!
//! <https://hl7.org/fhir/R4/search.html#errors>. To leave a parameter out widens the answer, so it is done only where a client asks for it
//! (`Prefer: handling=lenient`), only for a name that nobody knows, and it is said: in the self link and in a warning.

use serde_json::json;

use super::bundle::Bundle;
use super::exchange::Exchange;
use super::search::refuse;
use crate::access::Caller;
use crate::auth::Interaction;
use crate::error::{Failure, Issue, warnings};
use crate::search::overlay::belongs;
use crate::search::result::{Pairs, View, is_unknown, result_parameters};
use crate::storage::include::Wanted;
use crate::storage::search::Page;

/// A search, taken apart.
#[derive(Debug)]
pub struct Asked {
    /// The parameters that are used, in links and in the name of the query.
    pub used: Pairs,
    /// Those of them that say what matches, in which order and on which page.
    pub criteria: Pairs,
    /// What comes along.
    pub wanted: Wanted,
    view: View,
    left_out: Vec<String>,
}

impl Asked {
    /// Takes a search over these types apart.
    ///
    /// # Errors
    /// 400 for what is not served, 403 for a type that is named and beyond the caller's scope.
    pub fn of(
        exchange: &Exchange,
        caller: &Caller,
        types: &[&'static str],
        pairs: &[(String, String)],
    ) -> Result<Self, Failure> {
        let mut used = pairs.to_vec();
        let mut left_out = Vec::new();
        if is_lenient(exchange) {
            used.retain(|(key, _)| {
                let is_used = !is_unknown(types, key);
                if !is_used {
                    left_out.push(key.chars().take(64).collect::<String>());
                }
                is_used
            });
        }
        let is_found = |name: &str| exchange.app.types.contains(name) && belongs(name).is_some();
        let parameters = result_parameters(types, &used, &is_found).map_err(refuse)?;
        let mut wanted = Wanted {
            types: std::collections::BTreeSet::new(),
            resources_max: exchange.app.limits.search_includes_max,
            rounds_max: exchange.app.limits.search_include_rounds_max,
            includes: parameters.includes,
        };
        if !wanted.includes.is_empty() {
            for named in wanted.includes.iter().flat_map(|include| &include.named) {
                may_search(caller, named, "_include")?;
            }
            let types = exchange.app.types.iter().copied();
            wanted.types =
                types.filter(|name| is_found(name) && caller.may(name, Interaction::Search).is_ok()).collect();
        }
        Ok(Self { used, criteria: parameters.others, wanted, view: parameters.view, left_out })
    }

    /// Puts a page into its Bundle: matches, what comes along, and what there is to say about the answer.
    pub fn put(&self, bundle: &mut Bundle, base: &str, page: &Page) {
        for seen in &page.matches {
            bundle.found(base, seen, "match", &self.view);
        }
        let of_included = self.view.of_included();
        for seen in &page.included {
            bundle.found(base, seen, "include", &of_included);
        }
        let mut said: Vec<Issue> = Vec::new();
        for name in &self.left_out {
            let details = "is not known here and was left out, so the answer may hold more than was asked";
            said.push(Issue::at(name.as_str(), "not-supported", details));
        }
        if page.is_cut {
            let details =
                "there may be more to include than this answer holds: ask for smaller pages, or for it by itself";
            said.push(Issue::at("_include", "incomplete", details));
        }
        if !said.is_empty() {
            bundle.entry(&format!("\"resource\":{},\"search\":{}", warnings(&said), json!({"mode": "outcome"})));
        }
    }
}

/// Holds the caller to the scope of a type that a parameter names.
///
/// # Errors
/// 403, with the type.
pub fn may_search(caller: &Caller, resource_type: &str, parameter: &str) -> Result<(), Failure> {
    caller.may(resource_type, Interaction::Search).map_err(|failure| match failure {
        Failure::Forbidden(issue) => {
            let details = format!("{resource_type}: {}", issue.details);
            Failure::Forbidden(Issue::at(parameter, issue.code, details))
        }
        other => other,
    })
}

/// Whether the client lets unknown parameters be left out.
fn is_lenient(exchange: &Exchange) -> bool {
    let values = exchange.headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';'])).map(str::trim);
    // The first that is said counts: https://www.rfc-editor.org/rfc/rfc7240#section-2
    let first = preferences.find_map(|preference| preference.strip_prefix("handling="));
    first == Some("lenient")
}
