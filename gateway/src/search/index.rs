//! The rows by which a resource is found. They are written with it; a search reads nothing else.
//!
//! <https://hl7.org/fhir/R4/search.html>. A value that has not the form of its type gives no row: the structure is checked elsewhere.

use mappings::r4::time::Moment;
use serde_json::Value;

use super::parameters::{SearchParameter, SearchType, parameter, parameters};
use super::path::without_version;
use super::text::{exact, fold};

/// The most rows of one resource. What is beyond is not found by; a Group of thousands is not searched by member.
pub const ROWS_MAX: usize = 500;

/// One row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRow {
    /// The parameter's name, or `name:identifier` for an identifier within a reference.
    pub parameter: &'static str,
    /// The system of a token; empty where it has none, and for all else.
    pub system: String,
    /// The code, the reference, the folded string or the URI; empty for a date.
    pub value: String,
    /// The first millisecond of a date, in UTC; `i64::MIN` where it is open.
    pub low_ms: Option<i64>,
    /// The last millisecond of a date, itself included; `i64::MAX` where it is open.
    pub high_ms: Option<i64>,
}

/// The rows of a resource, each once and at most [`ROWS_MAX`].
pub fn index(resource_type: &str, resource: &Value) -> Vec<IndexRow> {
    let mut rows = Rows { rows: Vec::new() };
    for parameter in parameters(resource_type) {
        for path in &parameter.paths {
            path.visit(resource, &mut |found| rows.add(parameter, path.kind, found));
        }
    }
    rows.rows
}

struct Rows {
    rows: Vec<IndexRow>,
}

impl Rows {
    fn add(&mut self, parameter: &'static SearchParameter, kind: &str, found: &Value) {
        match parameter.search_type {
            SearchType::Token => self.token(parameter.name, kind, found),
            SearchType::Reference => self.reference(parameter, found),
            SearchType::Date => self.date(parameter.name, kind, found),
            SearchType::String => self.string(parameter.name, kind, found),
            SearchType::Uri => self.text(parameter.name, "", found.as_str()),
        }
    }

    fn push(&mut self, row: IndexRow) {
        // A resource has a few dozen rows: to look through them is cheaper than to hash.
        if self.rows.len() < ROWS_MAX && !self.rows.contains(&row) {
            self.rows.push(row);
        }
    }

    fn text(&mut self, parameter: &'static str, system: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.push(IndexRow { parameter, system: exact(system), value: exact(value), low_ms: None, high_ms: None });
        }
    }

    fn token(&mut self, parameter: &'static str, kind: &str, found: &Value) {
        match kind {
            "CodeableConcept" => items(found.get("coding")).iter().for_each(|coding| {
                self.text(parameter, text_of(coding, "system"), Some(text_of(coding, "code")));
            }),
            "Coding" => self.text(parameter, text_of(found, "system"), Some(text_of(found, "code"))),
            "Identifier" => self.text(parameter, text_of(found, "system"), Some(text_of(found, "value"))),
            "ContactPoint" => self.text(parameter, "", Some(text_of(found, "value"))),
            "boolean" => self.text(parameter, "", found.as_bool().map(|value| if value { "true" } else { "false" })),
            _ => self.text(parameter, "", found.as_str()),
        }
    }

    fn reference(&mut self, parameter: &'static SearchParameter, found: &Value) {
        if let Some(canonical) = found.as_str() {
            // Who leaves the version out means any version.
            self.text(parameter.name, "", Some(canonical));
            self.text(parameter.name, "", canonical.split_once('|').map(|(address, _)| address));
            return;
        }
        let literal = found.get("reference").and_then(Value::as_str);
        // A contained resource is found within its container only.
        self.text(parameter.name, "", literal.filter(|literal| !literal.starts_with('#')).map(without_version));
        if let Some(identifier) = found.get("identifier") {
            let value = Some(text_of(identifier, "value"));
            self.text(&parameter.identifier_name, text_of(identifier, "system"), value);
        }
    }

    fn date(&mut self, parameter: &'static str, kind: &str, found: &Value) {
        let interval = match kind {
            "Period" => period(found),
            "Timing" => timing(found),
            _ => moment(Some(found)).map(|moment| (moment.low_ms, moment.high_ms)),
        };
        if let Some((low_ms, high_ms)) = interval {
            let (system, value) = (String::new(), String::new());
            self.push(IndexRow { parameter, system, value, low_ms: Some(low_ms), high_ms: Some(high_ms) });
        }
    }

    fn string(&mut self, parameter: &'static str, kind: &str, found: &Value) {
        let parts: &[&str] = match kind {
            "HumanName" => &["text", "family", "given", "prefix", "suffix"],
            "Address" => &["text", "line", "city", "district", "state", "postalCode", "country"],
            _ => return self.folded(parameter, found),
        };
        for part in parts {
            match found.get(part) {
                Some(Value::Array(values)) => values.iter().for_each(|value| self.folded(parameter, value)),
                Some(value) => self.folded(parameter, value),
                None => {}
            }
        }
    }

    fn folded(&mut self, parameter: &'static str, found: &Value) {
        let value = fold(found.as_str().unwrap_or_default());
        if !value.is_empty() {
            self.push(IndexRow { parameter, system: String::new(), value, low_ms: None, high_ms: None });
        }
    }
}

fn text_of<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn moment(value: Option<&Value>) -> Option<Moment> {
    Moment::parse(value?.as_str()?)
}

/// A Period that lacks a side is open there; one that has neither says nothing.
fn period(value: &Value) -> Option<(i64, i64)> {
    let (start, end) = (moment(value.get("start")), moment(value.get("end")));
    if start.is_none() && end.is_none() {
        return None;
    }
    Some((start.map_or(i64::MIN, |start| start.low_ms), end.map_or(i64::MAX, |end| end.high_ms)))
}

/// The outer bounds of a Timing: of its events and of the period in which it repeats.
fn timing(value: &Value) -> Option<(i64, i64)> {
    let events = items(value.get("event")).iter().filter_map(|event| moment(Some(event)));
    let bounds = value.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")).and_then(period);
    events
        .map(|event| (event.low_ms, event.high_ms))
        .chain(bounds)
        .reduce(|left, right| (left.0.min(right.0), left.1.max(right.1)))
}

/// Makes references by the gateway's own address into `Type/id`: what a client writes either way is the same resource.
pub fn localize(resource_type: &str, rows: &mut [IndexRow], base: &str) {
    let is_reference = |row: &IndexRow| {
        parameter(resource_type, row.parameter).is_some_and(|found| found.search_type == SearchType::Reference)
    };
    for row in rows.iter_mut().filter(|row| row.value.starts_with(base)) {
        if is_reference(row) {
            row.value = local(&row.value, base).to_owned();
        }
    }
}

/// A reference without the gateway's own base URL (`base`, without a slash at its end), if it begins so.
pub fn local<'r>(reference: &'r str, base: &str) -> &'r str {
    reference.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(reference)
}

#[cfg(test)]
mod tests {
    use super::{ROWS_MAX, index};
    use serde_json::{Value, json};

    /// The rows of one parameter, as `system|value` or `low..high`.
    fn rows(resource: &Value, parameter: &str) -> Vec<String> {
        let resource_type = resource["resourceType"].as_str().expect("a type");
        let rows = index(resource_type, resource);
        let of_parameter = rows.iter().filter(|row| row.parameter == parameter);
        of_parameter
            .map(|row| match (row.low_ms, row.high_ms) {
                (Some(low), Some(high)) => format!("{low}..{high}"),
                _ => format!("{}|{}", row.system, row.value),
            })
            .collect()
    }

    #[test]
    fn tokens_have_a_system_where_their_type_has_one() {
        let patient = json!({ "resourceType": "Patient", "active": true, "gender": "female",
            "identifier": [{ "system": "s", "value": "1" }, { "value": "2" }, { "system": "s" }],
            "telecom": [{ "system": "phone", "value": "+32" }, { "system": "email", "value": "a@b" }],
            "communication": [{ "language": { "coding": [{ "system": "l", "code": "nl" }, { "code": "fr" }], "text": "x" } }],
            "meta": { "tag": [{ "system": "t", "code": "c" }, { "system": "t", "code": "c" }] } });
        assert_eq!(rows(&patient, "active"), ["|true"]);
        assert_eq!(rows(&patient, "gender"), ["|female"]);
        assert_eq!(rows(&patient, "identifier"), ["s|1", "|2"]);
        assert_eq!(rows(&patient, "phone"), ["|+32"]);
        assert_eq!(rows(&patient, "telecom"), ["|+32", "|a@b"]);
        assert_eq!(rows(&patient, "language"), ["l|nl", "|fr"]);
        assert_eq!(rows(&patient, "_tag"), ["t|c"]);
    }

    #[test]
    fn references_are_literal_without_version_and_identifiers_are_apart() {
        let request = json!({ "resourceType": "ServiceRequest",
            "subject": { "reference": "Patient/1/_history/3", "identifier": { "system": "s", "value": "v" } },
            "requester": { "reference": "#contained" },
            "performer": [{ "reference": "https://example.org/Organization/9" }, { "identifier": { "value": "w" } }],
            "instantiatesCanonical": ["https://example.org/plan|2"] });
        assert_eq!(rows(&request, "subject"), ["|Patient/1"]);
        assert_eq!(rows(&request, "patient"), ["|Patient/1"]);
        assert_eq!(rows(&request, "subject:identifier"), ["s|v"]);
        assert_eq!(rows(&request, "requester"), Vec::<String>::new());
        assert_eq!(rows(&request, "performer"), ["|https://example.org/Organization/9"]);
        assert_eq!(rows(&request, "performer:identifier"), ["|w"]);
        let canonical = ["|https://example.org/plan|2", "|https://example.org/plan"];
        assert_eq!(rows(&request, "instantiates-canonical"), canonical);
    }

    #[test]
    fn dates_cover_their_precision_and_open_sides() {
        let encounter = |period: Value| json!({ "resourceType": "Encounter", "period": period });
        assert_eq!(rows(&encounter(json!({ "start": "1970-01-01", "end": "1970-01-01" })), "date"), ["0..86399999"]);
        assert_eq!(rows(&encounter(json!({ "start": "1970-01-01T00:00:00Z" })), "date"), [format!("0..{}", i64::MAX)]);
        assert_eq!(rows(&encounter(json!({ "end": "1970" })), "date"), [format!("{}..31535999999", i64::MIN)]);
        assert_eq!(rows(&encounter(json!({})), "date"), Vec::<String>::new());
        let timing =
            json!({ "event": ["1970-01-02", "1970-01-01"], "repeat": { "boundsPeriod": { "end": "1970-01-03" } } });
        let request = json!({ "resourceType": "ServiceRequest", "occurrenceTiming": timing });
        assert_eq!(rows(&request, "occurrence"), [format!("{}..259199999", i64::MIN)]);
        let patient = json!({ "resourceType": "Patient", "birthDate": "1970-02-30" });
        assert_eq!(rows(&patient, "birthdate"), Vec::<String>::new());
    }

    #[test]
    fn strings_are_folded_and_names_and_addresses_taken_apart() {
        let patient = json!({ "resourceType": "Patient",
            "name": [{ "text": "Zoë  Claes", "family": "Claes", "given": ["Zoë", null] }],
            "address": [{ "line": ["Kerkstraat 1"], "city": "Gent", "postalCode": "9000" }] });
        assert_eq!(rows(&patient, "name"), ["|zoe claes", "|claes", "|zoe"]);
        assert_eq!(rows(&patient, "given"), ["|zoe"]);
        assert_eq!(rows(&patient, "address"), ["|kerkstraat 1", "|gent", "|9000"]);
    }

    #[test]
    fn a_resource_has_a_limited_number_of_rows() {
        let identifiers: Vec<_> = (0..2 * ROWS_MAX).map(|n| json!({ "value": n.to_string() })).collect();
        let patient = json!({ "resourceType": "Patient", "identifier": identifiers });
        assert_eq!(index("Patient", &patient).len(), ROWS_MAX);
    }
}
