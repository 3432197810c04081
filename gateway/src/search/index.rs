//! The rows by which a resource is found. They are written with it; a search reads nothing else.
//!
//! <https://hl7.org/fhir/R4/search.html>. A value that has not the form of its type gives no row: the structure is checked elsewhere.

use mappings::r4::time::Moment;
use serde_json::Value;

use super::number::place;
use super::parameters::{SearchParameter, SearchType, parameter, parameters};
use super::path::without_version;
use super::text::{exact, fold, written};

/// The most rows of one resource. What is beyond is not found by; a Group of thousands is not searched by member.
pub const ROWS_MAX: usize = 500;

/// One row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRow {
    /// The parameter's name; `name:identifier` for an identifier within a reference, `name:text` for the words beside a code or a
    /// reference, `name:of-type` for the type of an identifier.
    pub parameter: &'static str,
    /// The system of a token or of a unit; `=` and a string as it was written where that is not the folded one; else empty.
    pub system: String,
    /// The code, the reference, the folded string, the URI or the unit; empty for a date and a number.
    pub value: String,
    /// The first millisecond of a date, in UTC, or the least [`place`] of a number; `i64::MIN` where it is open.
    pub low_ms: Option<i64>,
    /// The last of them, itself included; `i64::MAX` where it is open.
    pub high_ms: Option<i64>,
    /// The item of the outermost list on the way in which it was found, from 1; 0 where there is none, or nobody asks for it. What is
    /// to hold of one item (a composite, an identifier of a type) has rows of the same.
    pub part: i64,
}

/// The rows of a resource, each once and at most [`ROWS_MAX`].
pub fn index(resource_type: &str, resource: &Value) -> Vec<IndexRow> {
    let mut rows = Rows { rows: Vec::new(), part: 0 };
    for parameter in parameters(resource_type).filter(|parameter| parameter.joined.is_empty()) {
        for path in &parameter.paths {
            path.visit(resource, &mut |found, part| {
                rows.part = if parameter.has_parts { part } else { 0 };
                rows.add(parameter, path.kind, found);
            });
        }
    }
    rows.rows
}

struct Rows {
    rows: Vec<IndexRow>,
    /// Where the rows are found that are added.
    part: i64,
}

impl Rows {
    fn add(&mut self, parameter: &'static SearchParameter, kind: &str, found: &Value) {
        match parameter.search_type {
            SearchType::Token => self.token(parameter, kind, found),
            SearchType::Reference => self.reference(parameter, found),
            SearchType::Date => self.date(parameter.name, kind, found),
            SearchType::String => self.string(parameter.name, kind, found),
            SearchType::Uri => self.text(parameter.name, "", found.as_str()),
            SearchType::Number => self.number(parameter.name, found),
            SearchType::Quantity => self.quantity(parameter.name, kind, found),
            // By the rows of its components.
            SearchType::Composite => {}
        }
    }

    fn push(&mut self, parameter: &'static str, (system, value): (String, String), interval: Option<(i64, i64)>) {
        let (low_ms, high_ms) = interval.unzip();
        let row = IndexRow { parameter, system, value, low_ms, high_ms, part: self.part };
        // A resource has a few dozen rows: to look through them is cheaper than to hash.
        if self.rows.len() < ROWS_MAX && !self.rows.contains(&row) {
            self.rows.push(row);
        }
    }

    fn text(&mut self, parameter: &'static str, system: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.push(parameter, (exact(system), exact(value)), None);
        }
    }

    fn token(&mut self, parameter: &'static SearchParameter, kind: &str, found: &Value) {
        let name = parameter.name;
        match kind {
            "CodeableConcept" => {
                for coding in items(found.get("coding")) {
                    self.coding(parameter, coding);
                }
                self.words(parameter, found.get("text"));
            }
            "Coding" => self.coding(parameter, found),
            "Identifier" => {
                self.text(name, text_of(found, "system"), Some(text_of(found, "value")));
                let Some(kind) = found.get("type") else { return };
                for coding in items(kind.get("coding")) {
                    self.text(&parameter.type_name, text_of(coding, "system"), Some(text_of(coding, "code")));
                }
                self.words(parameter, kind.get("text"));
            }
            "ContactPoint" => self.text(name, "", Some(text_of(found, "value"))),
            "boolean" => self.text(name, "", found.as_bool().map(|value| if value { "true" } else { "false" })),
            _ => self.text(name, "", found.as_str()),
        }
    }

    fn coding(&mut self, parameter: &'static SearchParameter, coding: &Value) {
        self.text(parameter.name, text_of(coding, "system"), Some(text_of(coding, "code")));
        self.words(parameter, coding.get("display"));
    }

    /// What stands beside a code or a reference, for people.
    fn words(&mut self, parameter: &'static SearchParameter, words: Option<&Value>) {
        let part = std::mem::take(&mut self.part);
        let value = fold(words.and_then(Value::as_str).unwrap_or_default());
        if !value.is_empty() {
            self.push(&parameter.text_name, (String::new(), value), None);
        }
        self.part = part;
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
        self.words(parameter, found.get("display"));
    }

    fn date(&mut self, parameter: &'static str, kind: &str, found: &Value) {
        let interval = match kind {
            "Period" => period(found),
            "Timing" => timing(found),
            _ => moment(Some(found)).map(|moment| (moment.low_ms, moment.high_ms)),
        };
        if interval.is_some() {
            self.push(parameter, (String::new(), String::new()), interval);
        }
    }

    fn number(&mut self, parameter: &'static str, found: &Value) {
        if let Some(number) = found.as_f64().map(place) {
            self.push(parameter, (String::new(), String::new()), Some((number, number)));
        }
    }

    fn quantity(&mut self, parameter: &'static str, kind: &str, found: &Value) {
        let (interval, unit) = match kind {
            "Range" => (range(found), found.get("low").or_else(|| found.get("high"))),
            _ => (amount(found), Some(found)),
        };
        let (Some(_), Some(unit)) = (interval, unit) else { return };
        if let Some(currency) = unit.get("currency").and_then(Value::as_str) {
            self.push(parameter, (CURRENCIES.to_owned(), exact(currency)), interval);
            return;
        }
        let (code, written) = (text_of(unit, "code"), text_of(unit, "unit"));
        if !code.is_empty() || written.is_empty() {
            self.push(parameter, (exact(text_of(unit, "system")), exact(code)), interval);
        }
        // A unit is also sought as people write it.
        if !written.is_empty() && written != code {
            self.push(parameter, (String::new(), exact(written)), interval);
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
        let text = found.as_str().unwrap_or_default();
        let value = fold(text);
        if !value.is_empty() {
            self.push(parameter, (written(text, &value), value), None);
        }
    }
}

/// The system of the codes of currencies.
const CURRENCIES: &str = "urn:iso:std:iso:4217";

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

/// The place of an amount; where it says only that it is below or above a number, all places on that side.
fn amount(value: &Value) -> Option<(i64, i64)> {
    let at = value.get("value").and_then(Value::as_f64).map(place)?;
    Some(match text_of(value, "comparator") {
        "<" => (i64::MIN, at - 1),
        "<=" => (i64::MIN, at),
        ">" => (at + 1, i64::MAX),
        ">=" => (at, i64::MAX),
        _ => (at, at),
    })
}

/// A Range that lacks a side is open there; one that has neither says nothing.
fn range(value: &Value) -> Option<(i64, i64)> {
    let (low, high) = (value.get("low").and_then(amount), value.get("high").and_then(amount));
    if low.is_none() && high.is_none() {
        return None;
    }
    Some((low.map_or(i64::MIN, |low| low.0), high.map_or(i64::MAX, |high| high.1)))
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
    use super::{ROWS_MAX, index, place};
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
        assert_eq!(rows(&patient, "language:text"), ["|x"]);
        assert_eq!(rows(&patient, "_tag"), ["t|c"]);
    }

    #[test]
    fn an_identifier_has_its_type_in_the_same_part() {
        let of = |code: &str| json!({ "coding": [{ "system": "t", "code": code }], "text": code });
        let patient = json!({ "resourceType": "Patient",
            "identifier": [{ "value": "1", "type": of("MR") }, { "system": "s", "value": "1", "type": of("NI") }] });
        let parts = |parameter: &str| -> Vec<(String, i64)> {
            let rows = index("Patient", &patient).into_iter().filter(|row| row.parameter == parameter);
            rows.map(|row| (row.value, row.part)).collect()
        };
        assert_eq!(parts("identifier"), [("1".to_owned(), 1), ("1".to_owned(), 2)]);
        assert_eq!(parts("identifier:of-type"), [("MR".to_owned(), 1), ("NI".to_owned(), 2)]);
        assert_eq!(parts("identifier:text"), [("mr".to_owned(), 0), ("ni".to_owned(), 0)]);
    }

    #[test]
    fn quantities_have_a_unit_as_code_and_as_written_and_stand_on_one_side_of_a_comparator() {
        let quantity = |quantity: Value| {
            let observation = json!({ "resourceType": "Observation", "valueQuantity": quantity });
            let rows = index("Observation", &observation).into_iter().filter(|row| row.parameter == "value-quantity");
            rows.map(|row| (row.system, row.value, row.low_ms, row.high_ms)).collect::<Vec<_>>()
        };
        let row = |system: &str, value: &str, low, high| (system.to_owned(), value.to_owned(), Some(low), Some(high));
        let at = place(5.4);
        let mg = json!({ "value": 5.4, "unit": "milligram", "system": "u", "code": "mg" });
        assert_eq!(quantity(mg), [row("u", "mg", at, at), row("", "milligram", at, at)]);
        assert_eq!(quantity(json!({ "value": 5.4 })), [row("", "", at, at)]);
        assert_eq!(quantity(json!({ "value": 5.4, "unit": "mg", "code": "mg" })), [row("", "mg", at, at)]);
        assert_eq!(quantity(json!({ "value": 5.4, "comparator": "<" })), [row("", "", i64::MIN, at - 1)]);
        assert_eq!(quantity(json!({ "value": 5.4, "comparator": ">=" })), [row("", "", at, i64::MAX)]);
        assert_eq!(quantity(json!({ "unit": "mg" })), []);
        let invoice = json!({ "resourceType": "Invoice", "totalNet": { "value": 12.5, "currency": "EUR" } });
        let net = index("Invoice", &invoice).into_iter().find(|row| row.parameter == "totalnet").expect("a row");
        assert_eq!((net.system.as_str(), net.value.as_str()), ("urn:iso:std:iso:4217", "EUR"));
        let condition = json!({ "resourceType": "Condition",
            "onsetRange": { "low": { "value": 30, "code": "a" }, "high": { "value": 40, "code": "a" } } });
        let onset = index("Condition", &condition).into_iter().find(|row| row.parameter == "onset-age").expect("a row");
        assert_eq!((onset.low_ms, onset.high_ms), (Some(place(30.0)), Some(place(40.0))));
    }

    #[test]
    fn the_components_of_an_observation_keep_their_code_and_value_together() {
        let code = |code: &str| json!({ "coding": [{ "code": code }] });
        let observation = json!({ "resourceType": "Observation", "code": code("bp"),
            "component": [{ "code": code("sys"), "valueQuantity": { "value": 120 } },
                          { "code": code("dia"), "valueQuantity": { "value": 80 } }] });
        let parts = |parameter: &str| -> Vec<i64> {
            let rows = index("Observation", &observation).into_iter().filter(|row| row.parameter == parameter);
            rows.map(|row| row.part).collect()
        };
        assert_eq!((parts("code"), parts("value-quantity"), parts("combo-code")), (vec![0], vec![], vec![]));
        assert_eq!((parts("component-code"), parts("component-value-quantity")), (vec![1, 2], vec![1, 2]));
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
        assert_eq!(rows(&patient, "name"), ["=Zoë  Claes|zoe claes", "=Claes|claes", "=Zoë|zoe"]);
        assert_eq!(rows(&patient, "given"), ["=Zoë|zoe"]);
        assert_eq!(rows(&patient, "address"), ["=Kerkstraat 1|kerkstraat 1", "=Gent|gent", "|9000"]);
    }

    #[test]
    fn a_resource_has_a_limited_number_of_rows() {
        let identifiers: Vec<_> = (0..2 * ROWS_MAX).map(|n| json!({ "value": n.to_string() })).collect();
        let patient = json!({ "resourceType": "Patient", "identifier": identifiers });
        assert_eq!(index("Patient", &patient).len(), ROWS_MAX);
    }
}
