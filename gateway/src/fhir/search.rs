//! The search interaction, by GET and by POST.
//!
//! <https://hl7.org/fhir/R4/http.html#search>

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::answer::json;
use super::audit_event;
use super::bundle::Bundle;
use super::exchange::{Exchange, Target, is_json_format};
use super::results::Asked;
use super::value_set;
use crate::access::Caller;
use crate::access::caller::{Act, Reach};
use crate::audit::seal::hex;
use crate::auth::Interaction;
use crate::auth::scopes::restriction::RESTRICTIONS_MAX;
use crate::consent::PurposeSet;
use crate::error::{Failure, Issue};
use crate::search::compartment::{Within, membership};
use crate::search::query::{
    Criterion, Query, QueryLimits, SearchError, SearchFault, SortKey, TotalMode, Values, parse,
};
use crate::search::restriction::is_kept;
use crate::search::result::Pairs;
use crate::storage::resource::Seen;
use crate::storage::search::Key;
use crate::storage::sight::Viewer;
use crate::storage::types::OfType;

/// The act of a search, for the trail.
pub const SEARCH: Act = Act::new("E", "search-type");
/// The act of a search over several types, for the trail.
pub const SYSTEM_SEARCH: Act = Act::new("E", "search-system");

/// `GET [base]/[type]?…`
pub async fn search_by_get(exchange: Exchange, resource_type: String) -> Response<Body> {
    let pairs = exchange.uri.query().map(pairs_of).unwrap_or_default();
    search(exchange, resource_type, async move |_| Ok(pairs)).await
}

/// `POST [base]/[type]/_search`: parameters of the address and of the form together.
pub async fn search_by_post(exchange: Exchange, resource_type: String, body: Body) -> Response<Body> {
    search(exchange, resource_type, async move |exchange: &Exchange| pairs_of_form(exchange, body).await).await
}

/// The parameters of an address and of the form that was sent to it.
///
/// # Errors
/// 415 for what is no form, and what is wrong with a body.
pub async fn pairs_of_form(exchange: &Exchange, body: Body) -> Result<Pairs, Failure> {
    let mut pairs = exchange.uri.query().map(pairs_of).unwrap_or_default();
    if !is_form(&exchange.headers) {
        return Err(Failure::UnsupportedMediaType);
    }
    let bytes = exchange.bytes(body).await?;
    let form = std::str::from_utf8(&bytes).map_err(|_| bad_request("the form is not UTF-8"))?;
    pairs.extend(pairs_of(form));
    if pairs.iter().any(|(name, format)| name == "_format" && !is_json_format(format)) {
        return Err(Failure::NotAcceptable);
    }
    Ok(pairs)
}

async fn search(
    exchange: Exchange,
    resource_type: String,
    pairs: impl AsyncFnOnce(&Exchange) -> Result<Pairs, Failure>,
) -> Response<Body> {
    let target = Target::new(SEARCH, &resource_type, "");
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            let reach = caller.reach(resource_type, Interaction::Search)?;
            let restriction = restriction(exchange, resource_type, &reach)?;
            let pairs = pairs(exchange).await?;
            if resource_type == "AuditEvent" {
                return audit_event::search(exchange, caller, &pairs).await;
            }
            let bundle =
                page(exchange, caller, &Scope { restriction, ..Scope::of_type(resource_type) }, &pairs).await?;
            Ok(json(StatusCode::OK, bundle))
        })
        .await
}

/// What is searched, and under which address.
#[derive(Debug)]
pub struct Scope {
    /// As the trail calls it.
    pub act: Act,
    /// From the base on; empty for the whole system.
    pub path: String,
    /// The types, each of which the caller may search.
    pub types: Vec<&'static str>,
    /// The compartment to which it is limited: its type and id.
    pub compartment: Option<(&'static str, String)>,
    /// To what the token's scopes restrict it, of the one type that is searched.
    pub restriction: Option<Criterion>,
}

impl Scope {
    /// All of one type.
    fn of_type(resource_type: &'static str) -> Self {
        let (path, types) = (resource_type.to_owned(), vec![resource_type]);
        Self { act: SEARCH, path, types, compartment: None, restriction: None }
    }
}

/// The searchset Bundle for the parameters of a query about one type.
///
/// # Errors
/// As [`page`].
pub async fn searchset(
    exchange: &Exchange,
    caller: &Caller,
    resource_type: &'static str,
    pairs: &[(String, String)],
) -> Result<String, Failure> {
    page(exchange, caller, &Scope::of_type(resource_type), pairs).await
}

/// What a caller's reach asks of whatever is shown, as one more criterion; none where it is all of the type.
///
/// # Errors
/// 403 where no search of it can be kept: another issuer granted what is not searched so, or it is sealed here.
pub fn restriction(exchange: &Exchange, resource_type: &str, reach: &Reach<'_>) -> Result<Option<Criterion>, Failure> {
    let Reach::Within(searches) = reach else { return Ok(None) };
    let kept = searches.iter().filter(|search| is_kept(resource_type, search)).take(RESTRICTIONS_MAX);
    let read = |search: &&str| criteria(exchange, resource_type, &pairs_of(search)).ok().map(|query| query.criteria);
    let alternatives: Vec<Vec<Criterion>> = kept.filter_map(read).collect();
    if alternatives.is_empty() {
        let details = "the search restriction of the token's scope cannot be kept here";
        return Err(Failure::Forbidden(Issue::new("forbidden", details)));
    }
    Ok(Some(Criterion { parameter: "_scope", values: Values::Alternatives(alternatives) }))
}

/// The searchset Bundle for the parameters of a query.
///
/// # Errors
/// 400 for a parameter that is not served, and for a cursor that is not this caller's and query's; 403 beyond the caller's scope.
pub async fn page(
    exchange: &Exchange,
    caller: &Caller,
    scope: &Scope,
    pairs: &[(String, String)],
) -> Result<String, Failure> {
    let asked = Asked::of(exchange, caller, &scope.types, pairs)?;
    let mut queries = queries(exchange, scope, &asked.criteria)?;
    for (_, query) in &mut queries {
        *query = within_reach(exchange, caller, query.clone()).await?;
        query.criteria.extend(scope.restriction.clone());
    }
    let pairs = &asked.used;
    let name = name_of(&scope.path, pairs);
    // Where nothing is searched, nothing is asked of the page either.
    let first = queries.first().map(|(_, query)| query);
    let after = first.and_then(|query| query.cursor.as_deref());
    let after = after.map(|cursor| open(exchange, caller, &name, cursor)).transpose()?;
    let with_total = first.is_none_or(|query| query.total != TotalMode::None || query.summary_count);
    let viewer = caller.viewer();
    let store = &exchange.app.store;
    let found = {
        let (place, how) = ((after.as_deref(), exchange.app.limits.answer_bytes_max), (with_total, &asked.wanted));
        match queries.as_slice() {
            [(of, query)] => store.search_including(&viewer, of, query, place, how).await?,
            _ => store.search_types(&viewer, &queries, place, how).await?,
        }
    };
    // The search itself is one event of the caller's own trail; each record found has its own.
    let query_names = names_of(pairs);
    let of_one = if let [one] = scope.types.as_slice() { *one } else { "" };
    let further = vec![caller.shown(scope.act, &own(caller, of_one)).asking(&query_names)];
    let page = store.record(found, |touched| caller.shown(scope.act, touched).asking(&query_names), further).await?;
    let next = page.next.as_ref().map(|keys| {
        let place = serde_json::to_string(keys).unwrap_or_default();
        exchange.app.cursor_key.seal(&caller.bound_to(&name), &place)
    });
    let mut bundle = Bundle::new("searchset", page.total, &links(exchange, &scope.path, pairs, next.as_deref()));
    asked.put(&mut bundle, exchange.base(), &page);
    Ok(bundle.finish())
}

/// What is asked of each type. One order holds for all of them.
fn queries(exchange: &Exchange, scope: &Scope, pairs: &[(String, String)]) -> Result<Vec<OfType>, Failure> {
    let mut queries: Vec<OfType> = Vec::with_capacity(scope.types.len());
    let mut pairs = pairs.to_vec();
    // By it the types were chosen.
    pairs.retain(|(name, _)| name != "_type" || scope.act.subtype != SYSTEM_SEARCH.subtype);
    for &resource_type in &scope.types {
        let mut query = criteria(exchange, resource_type, &pairs)?;
        if let Some((of, id)) = &scope.compartment {
            // Who asks names a type that is in it.
            let Some(membership) = membership(of, resource_type) else { continue };
            query.within = Some(Within { reference: format!("{of}/{id}"), membership });
        }
        let is_by_number = |query: &Query| query.sort.iter().map(|sort| sort.key.is_by_number()).collect::<Vec<_>>();
        if queries.first().is_some_and(|(_, first)| is_by_number(first) != is_by_number(&query)) {
            let fault = SearchFault::Value("by parameters that mean the same for every type that is searched");
            return Err(refuse(SearchError { parameter: "_sort".to_owned(), fault }));
        }
        queries.push((resource_type, query));
    }
    Ok(queries)
}

/// The names of a query's parameters, each once: what the trail keeps of it. The values may name persons of other records.
pub fn names_of(pairs: &[(String, String)]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in pairs.iter().filter(|(name, _)| name != "_cursor") {
        if !names.contains(&&**name) {
            names.push(name);
        }
    }
    names.join("&")
}

/// The event of a search as such, in the caller's own compartment.
pub fn own(caller: &Caller, resource_type: &str) -> crate::storage::resource::Touched {
    crate::storage::resource::Touched {
        compartment: caller.organization(),
        resource_type: resource_type.to_owned(),
        resource_id: String::new(),
        version_id: 0,
        level: crate::storage::sight::Level::Held,
    }
}

/// The resources that a conditional interaction's criteria find among what the caller holds, two at most: more than one is one too many.
/// They are recorded like those of any search.
///
/// # Errors
/// The database is away.
pub async fn matches_of(
    exchange: &Exchange,
    caller: &Caller,
    resource_type: &'static str,
    query: &Query,
) -> Result<Vec<Seen>, Failure> {
    let store = &exchange.app.store;
    let query = within_reach(exchange, caller, Query { count: 2, ..query.clone() }).await?;
    // For no purpose no Consent permits anything: an identifier is an organisation's own, and never meets what another holds.
    let viewer = Viewer { purpose: PurposeSet::NONE.bits(), ..caller.viewer() };
    let found = store.search(&viewer, resource_type, &query, (None, usize::MAX), false).await?;
    let page = store.record(found, |touched| caller.shown(SEARCH, touched), Vec::new()).await?;
    Ok(page.matches)
}

/// Reads the criteria of a conditional interaction; answers them with a name by which equal ones are equal.
///
/// # Errors
/// 400 where a parameter is not served, or nothing is asked.
pub fn condition(exchange: &Exchange, resource_type: &str, text: &str) -> Result<(Query, String), Failure> {
    let pairs = pairs_of(text.strip_prefix('?').unwrap_or(text));
    let query = criteria(exchange, resource_type, &pairs)?;
    if query.criteria.is_empty() && query.ids.is_none() {
        return Err(bad_request("a conditional interaction needs at least one search parameter"));
    }
    Ok((query, name_of(resource_type, &pairs)))
}

/// Decoded pairs of a query string or form.
pub fn pairs_of(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// A query by a short name: the hash of its type and parameters, the cursor apart.
pub fn name_of(resource_type: &str, pairs: &[(String, String)]) -> String {
    let mut hash = Sha256::new();
    hash.update(resource_type);
    for (name, value) in pairs.iter().filter(|(name, _)| name != "_cursor") {
        hash.update([0]);
        hash.update(name);
        hash.update([1]);
        hash.update(value);
    }
    hex(&hash.finalize())
}

/// The links of a page, at a path from the base on.
pub fn links(
    exchange: &Exchange,
    path: &str,
    pairs: &[(String, String)],
    next: Option<&str>,
) -> Vec<(&'static str, String)> {
    let base = exchange.base();
    let link = |cursor: Option<&str>| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.iter().filter(|(name, _)| name != "_cursor"));
        if let Some(cursor) = cursor {
            query.append_pair("_cursor", cursor);
        }
        let query = query.finish();
        let address = format!("{base}/{path}");
        let address = address.trim_end_matches('/');
        if query.is_empty() { address.to_owned() } else { format!("{address}?{query}") }
    };
    let own = pairs.iter().find(|(name, _)| name == "_cursor").map(|(_, cursor)| cursor.as_str());
    let mut links = vec![("self", link(own))];
    if let Some(next) = next {
        links.push(("next", link(Some(next))));
    }
    links
}

/// Reads a query, and refuses what only sealed values could answer.
fn criteria(exchange: &Exchange, resource_type: &str, pairs: &[(String, String)]) -> Result<Query, Failure> {
    let query = parse(resource_type, pairs, limits(exchange)).map_err(refuse)?.localized(exchange.base());
    let Some(keys) = exchange.app.store.keys() else { return Ok(query) };
    let is_hidden = |name: &&str| keys.sealed().hides(resource_type, name);
    let sorted = query.sort.iter().filter_map(|sort| match sort.key {
        SortKey::Parameter(parameter) => Some(parameter.name),
        _ => None,
    });
    let mut hidden = None;
    for criterion in &query.criteria {
        criterion.each_parameter(resource_type, &mut |of, name| {
            if keys.sealed().hides(of, name) {
                hidden = hidden.or(Some(name));
            }
        });
    }
    // Sealed identifiers have an order, and it means nothing.
    let hidden = hidden.or_else(|| sorted.into_iter().find(|name| is_hidden(name) || *name == "identifier"));
    match hidden {
        Some(name) => Err(refuse(SearchError { parameter: name.to_owned(), fault: SearchFault::Sealed })),
        None => Ok(query),
    }
}

/// The query as far as its chains lead to types that are served and that the caller may search, and with the codes of the value
/// sets that it names.
async fn within_reach(exchange: &Exchange, caller: &Caller, mut query: Query) -> Result<Query, Failure> {
    let is_served = |target: &'static str| exchange.app.types.contains(&target);
    let is_allowed = |target| is_served(target) && caller.may(target, Interaction::Search).is_ok();
    for criterion in &mut query.criteria {
        if let Err(target) = criterion.keep_allowed(&is_allowed) {
            if is_served(target) {
                caller.may(target, Interaction::Search)?;
            }
            let parameter = criterion.parameter.to_owned();
            return Err(refuse(SearchError { parameter, fault: SearchFault::NotSearched(target) }));
        }
    }
    value_set::resolve(exchange, caller, query, limits(exchange)).await
}

fn open(exchange: &Exchange, caller: &Caller, name: &str, cursor: &str) -> Result<Vec<Key>, Failure> {
    let place = exchange.app.cursor_key.open(&caller.bound_to(name), cursor);
    place
        .and_then(|place| serde_json::from_str(&place).ok())
        .ok_or_else(|| bad_request("this page does not belong to this search: begin again without _cursor"))
}

fn limits(exchange: &Exchange) -> QueryLimits {
    let limits = &exchange.app.limits;
    QueryLimits {
        count_default: limits.search_count_default,
        count_max: limits.search_count_max,
        chain_depth_max: limits.search_chain_depth_max,
        chain_links_max: limits.search_chain_links_max,
        full_text: exchange.app.store.full_text(),
        ..QueryLimits::default()
    }
}

/// What is wrong with a search, as the client is told.
pub fn refuse(error: SearchError) -> Failure {
    let code = match error.fault {
        SearchFault::Unknown
        | SearchFault::NotSupported(_)
        | SearchFault::NotSearched(_)
        | SearchFault::Modifier
        | SearchFault::Sealed => "not-supported",
        SearchFault::TooMany(_) | SearchFault::TooDeep(_) | SearchFault::TooManyLinks(_) => "too-costly",
        SearchFault::Value(_) | SearchFault::Form(_) | SearchFault::Repeated => "value",
    };
    let details = error.to_string();
    Failure::BadRequest(vec![Issue::at(error.parameter, code, details)])
}

fn bad_request(details: &str) -> Failure {
    Failure::BadRequest(vec![Issue::new("invalid", details)])
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim() == "application/x-www-form-urlencoded"
}
