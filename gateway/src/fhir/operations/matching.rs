//! `Patient/$match`: who of those whom the caller sees may be the person that is described, by identifier and by demographics, scored.
//!
//! <https://hl7.org/fhir/R4/patient-operation-match.html>. Candidates are found by the very searches that the caller could make, so nobody
//! is found who is not seen; what is kept sealed is found by its whole value, or by nothing.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{Parameters, missing};
use crate::access::Caller;
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::error::Failure;
use crate::fhir::answer::json as json_answer;
use crate::fhir::bundle::Bundle;
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::{condition, own};
use crate::search::query::Query;
use crate::search::text::fold;
use crate::storage::resource::Seen;

const MATCH: Act = Act::new("E", "match");

/// Identifiers of the description that are looked for.
const IDENTIFIERS_MAX: usize = 10;
/// Candidates of each search.
const CANDIDATES_MAX: u32 = 50;
/// Matches that are answered where it is not said.
const COUNT_DEFAULT: usize = 10;
const GRADE: &str = "http://hl7.org/fhir/StructureDefinition/match-grade";

/// What each element that agrees is worth; what was not described is worth nothing either way.
const WEIGHTS: [(Element, f64); 6] = [
    (Element::Family, 0.30),
    (Element::BirthDate, 0.30),
    (Element::Given, 0.20),
    (Element::Telecom, 0.10),
    (Element::Gender, 0.05),
    (Element::PostalCode, 0.05),
];
/// Demographics alone never make it certain.
const BY_DEMOGRAPHICS_MAX: f64 = 0.95;
/// What a description without an identifier must be worth at least.
const DESCRIBED_MIN: f64 = 0.5;
/// What agrees by an identifier and differs in a date of birth.
const CONTRADICTED: f64 = 0.6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Family,
    Given,
    BirthDate,
    Gender,
    Telecom,
    PostalCode,
}

/// `POST [base]/Patient/$match`
pub async fn find(exchange: Exchange, body: Body) -> Response<Body> {
    exchange
        .answer(Target::new(MATCH, "Patient", ""), async |exchange, caller| {
            let resource_type = exchange.served("Patient")?;
            caller.may(resource_type, Interaction::Search)?;
            let asked = Asked::read(exchange, body).await?;
            let mut matches = Vec::new();
            for candidate in candidates(exchange, caller, &asked.described).await? {
                let value: Value = serde_json::from_str(&candidate.body)
                    .map_err(|_| Failure::Internal("a stored resource is not JSON"))?;
                matches.push((score(&asked.described, &value), candidate));
            }
            let mut bundle = Bundle::new("searchset", None, &[]);
            for (score, seen) in chosen(matches, &asked) {
                let url = json!(format!("{}/Patient/{}", exchange.base(), seen.key.id));
                let found =
                    json!({"extension": [{"url": GRADE, "valueCode": grade(score)}], "mode": "match", "score": score});
                bundle.entry(&format!("\"fullUrl\":{url},\"resource\":{},\"search\":{found}", seen.body));
            }
            Ok(json_answer(StatusCode::OK, bundle.finish()))
        })
        .await
}

/// The description, and how much is wanted.
struct Asked {
    described: Value,
    only_certain: bool,
    count: usize,
}

impl Asked {
    async fn read(exchange: &Exchange, body: Body) -> Result<Self, Failure> {
        let bytes = exchange.body(body).await?;
        let parameters = Parameters::read(&bytes, exchange.app.limits.nesting_max)?;
        parameters.are_only(&["resource", "onlyCertainMatches", "count"], &[])?;
        let described = parameters.all("resource").next().and_then(|member| member.get("resource")).cloned();
        let described = described.filter(|described| described["resourceType"] == "Patient");
        let flag = parameters.flag("onlyCertainMatches");
        let only_certain = flag.ok_or_else(|| wrong("onlyCertainMatches", "is true or false"))?;
        let count = match parameters.all("count").next() {
            None => COUNT_DEFAULT,
            Some(member) => {
                let number = member.get("valueInteger").and_then(Value::as_u64).filter(|number| *number > 0);
                let number = number.ok_or_else(|| wrong("count", "is a whole number from 1"))?;
                usize::try_from(number.min(exchange.app.limits.search_count_max.into())).unwrap_or(COUNT_DEFAULT)
            }
        };
        Ok(Self { described: described.ok_or_else(|| missing("resource"))?, only_certain, count })
    }
}

fn wrong(name: &str, details: &str) -> Failure {
    Failure::content(format!("Parameters.parameter:{name}"), "value", details)
}

/// Everybody whom one of the searches finds, each once, on record as found.
async fn candidates(exchange: &Exchange, caller: &Caller, described: &Value) -> Result<Vec<Seen>, Failure> {
    let store = &exchange.app.store;
    store.record_only(vec![caller.shown(MATCH, &own(caller, "Patient"))]).await?;
    let mut found: Vec<Seen> = Vec::new();
    for query in questions(exchange, described) {
        let limit = (None, exchange.app.limits.answer_bytes_max);
        let page = store.search(&caller.viewer(), "Patient", &query, limit, false).await?;
        let page = store.record(page, |touched| caller.shown(MATCH, touched), Vec::new()).await?;
        found.extend(page.matches);
    }
    found.sort_by(|one, other| one.key.id.cmp(&other.key.id));
    found.dedup_by(|one, other| one.key.id == other.key.id);
    Ok(found)
}

/// The searches: each identifier, and what of demographics goes together. One that only sealed values could answer is left out.
fn questions(exchange: &Exchange, described: &Value) -> Vec<Query> {
    let mut asked: Vec<Vec<(&str, String)>> = Vec::new();
    for identifier in described["identifier"].as_array().into_iter().flatten().take(IDENTIFIERS_MAX) {
        if let Some(value) = identifier["value"].as_str() {
            let system = identifier["system"].as_str().map(|system| format!("{}|", escaped(system)));
            asked.push(vec![("identifier", format!("{}{}", system.unwrap_or_default(), escaped(value)))]);
        }
    }
    let first = |element| texts(described, element).into_iter().next();
    let (family, given, birth) = (first(Element::Family), first(Element::Given), first(Element::BirthDate));
    let pair = |one: (&'static str, &Option<String>), other: (&'static str, &Option<String>)| {
        Some(vec![(one.0, escaped(one.1.as_deref()?)), (other.0, escaped(other.1.as_deref()?))])
    };
    asked.extend(pair(("family", &family), ("birthdate", &birth)));
    asked.extend(pair(("family", &family), ("given", &given)));
    asked.extend(pair(("given", &given), ("birthdate", &birth)));
    asked.extend(first(Element::Telecom).map(|value| vec![("telecom", escaped(&value))]));
    let query = |pairs: Vec<(&str, String)>| {
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let (query, _) = condition(exchange, "Patient", &text).ok()?;
        Some(Query { count: CANDIDATES_MAX, ..query })
    };
    asked.into_iter().filter_map(query).collect()
}

/// A value in which no character means anything but itself.
fn escaped(value: &str) -> String {
    value
        .chars()
        .flat_map(|one| matches!(one, ',' | '|' | '$' | '\\').then_some('\\').into_iter().chain([one]))
        .collect()
}

/// The best that may be, as many as were asked for. Of several that are certain none is, where only that is wanted.
fn chosen(mut matches: Vec<(f64, Seen)>, asked: &Asked) -> Vec<(f64, Seen)> {
    matches.retain(|(score, _)| grade(*score) != "certainly-not");
    if asked.only_certain {
        matches.retain(|(score, _)| grade(*score) == "certain");
        if matches.len() > 1 {
            matches.clear();
        }
    }
    matches.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    matches.truncate(asked.count);
    matches
}

/// How well a person agrees with a description, from 0 to 1.
fn score(described: &Value, person: &Value) -> f64 {
    let (mut worth, mut agreed) = (0.0, 0.0);
    for (element, weight) in WEIGHTS {
        let sent = texts(described, element);
        if sent.is_empty() {
            continue;
        }
        worth += weight;
        let known = texts(person, element);
        if sent.iter().any(|one| known.contains(one)) {
            agreed += weight;
        }
    }
    let births = (texts(described, Element::BirthDate), texts(person, Element::BirthDate));
    let is_contradicted = !births.0.is_empty() && !births.1.is_empty() && births.0 != births.1;
    if shares_identifier(described, person) {
        return if is_contradicted { CONTRADICTED } else { 1.0 };
    }
    // Whoever describes little has said little.
    if worth < DESCRIBED_MIN { 0.0 } else { (agreed / worth).min(BY_DEMOGRAPHICS_MAX) }
}

fn grade(score: f64) -> &'static str {
    match score {
        score if score > BY_DEMOGRAPHICS_MAX => "certain",
        score if score >= 0.8 => "probable",
        score if score >= 0.5 => "possible",
        _ => "certainly-not",
    }
}

fn shares_identifier(described: &Value, person: &Value) -> bool {
    let pairs = |of: &Value| -> Vec<(String, String)> {
        let all = of["identifier"].as_array().into_iter().flatten();
        all.filter_map(|one| Some((one["system"].as_str()?.to_owned(), one["value"].as_str()?.to_owned()))).collect()
    };
    let known = pairs(person);
    pairs(described).iter().any(|pair| known.contains(pair))
}

/// The values of an element, folded as a search folds them.
fn texts(person: &Value, element: Element) -> Vec<String> {
    let of = |list: &Value, member: &str| -> Vec<String> {
        let values = list.as_array().into_iter().flatten().map(|one| one[member].clone());
        let values = values.flat_map(|value| value.as_array().cloned().unwrap_or_else(|| vec![value]));
        values.filter_map(|value| value.as_str().map(fold)).collect()
    };
    let one = |member: &str| person[member].as_str().map(fold).into_iter().collect();
    let texts: Vec<String> = match element {
        Element::Family => of(&person["name"], "family"),
        Element::Given => of(&person["name"], "given"),
        Element::BirthDate => one("birthDate"),
        Element::Gender => one("gender"),
        Element::Telecom => of(&person["telecom"], "value"),
        Element::PostalCode => of(&person["address"], "postalCode"),
    };
    texts.into_iter().filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{escaped, grade, score};

    fn person() -> Value {
        json!({"identifier": [{"system": "urn:test", "value": "TEST-1"}],
            "name": [{"family": "Testpersoon", "given": ["Ann", "Marie"]}], "gender": "female", "birthDate": "1990-06-15",
            "telecom": [{"value": "ann@example.org"}], "address": [{"postalCode": "9000"}]})
    }

    #[test]
    fn an_identifier_alone_is_certain_unless_the_date_of_birth_differs() {
        let by = json!({"identifier": [{"system": "urn:test", "value": "TEST-1"}]});
        assert_eq!(grade(score(&by, &person())), "certain");
        let other = json!({"identifier": [{"system": "urn:other", "value": "TEST-1"}]});
        assert_eq!(grade(score(&other, &person())), "certainly-not");
        let mut contradicted = by;
        contradicted["birthDate"] = json!("1991-06-15");
        assert_eq!(grade(score(&contradicted, &person())), "possible");
    }

    #[test]
    fn demographics_are_never_certain_and_little_of_them_is_nothing() {
        let mut all = person();
        all["identifier"] = json!([]);
        assert_eq!(grade(score(&all, &person())), "probable");
        let half = json!({"name": [{"family": "TESTPERSOON", "given": ["Ann"]}], "birthDate": "1980-01-01"});
        assert_eq!(grade(score(&half, &person())), "possible");
        for little in [json!({"gender": "female"}), json!({"name": [{"family": "Testpersoon"}]}), json!({})] {
            assert_eq!(grade(score(&little, &person())), "certainly-not", "{little}");
        }
        let other = json!({"name": [{"family": "Andere", "given": ["Bo"]}], "birthDate": "1990-06-15"});
        assert_eq!(grade(score(&other, &person())), "certainly-not");
    }

    #[test]
    fn a_value_is_searched_for_as_it_is() {
        assert_eq!(escaped("a,b|c$d\\e"), "a\\,b\\|c\\$d\\\\e");
    }
}
