//! A record as it is submitted, in the form of HD4DP: a payload whose coded fields carry the ids of the register's code lists.
//!
//! <https://docs.healthdata.be> (HD4DP v2, application to application).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::date::Date;
use super::record::{Answer, Pseudonym, RecordError, Reference, TreatmentDemand, member};
use super::table::{Item, Kind, Table};

/// The name of the register's data collection.
pub const DATA_COLLECTION: &str = "BTDIR";

/// Who submits: the organisation and whom it names, never a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authors {
    /// The group of authors: the organisation.
    pub group: String,
    /// The author.
    pub author: String,
    /// A second one.
    pub coauthor: Option<String>,
}

/// A record as it is submitted.
pub fn submission(table: &Table, record: &TreatmentDemand, authors: &Authors) -> Value {
    let mut payload = Map::new();
    for item in table.items() {
        let value = match item.kind {
            Kind::Pseudonym => record.pseudonym().map(|pseudonym| json!(pseudonym.as_str())),
            _ => record.answer(&item.link_id).map(|answer| sent(item, answer)),
        };
        if let Some(value) = value {
            payload.insert(item.field.clone(), value);
        }
    }
    json!({
        "reference": record.reference().as_str(),
        "corrects": record.corrects().map(Reference::as_str),
        "dataCollection": DATA_COLLECTION,
        "version": record.table_version(),
        "meta": {"TX_AUTHOR_GR": authors.group, "TX_AUTHOR": authors.author, "TX_COAUTHOR": authors.coauthor},
        "STATUS": "submit",
        "payload": payload,
    })
}

fn sent(item: &Item, answer: &Answer) -> Value {
    let id = |code: &str| item.code(code).map(|code| code.list_id);
    match answer {
        Answer::Code(code) => json!(id(code)),
        Answer::Codes(codes) => json!(codes.iter().map(|code| id(code)).collect::<Vec<_>>()),
        Answer::Whole(number) => json!(number),
        Answer::Date(day) => json!(day.to_string()),
        Answer::Unit(unit) => json!(unit),
    }
}

/// The record of a submission.
///
/// # Errors
/// The first member that is not understood.
pub fn from_submission(table: &Table, submission: &Value) -> Result<TreatmentDemand, RecordError> {
    let members = submission.as_object().ok_or_else(|| RecordError::new("submission", "it is no object"))?;
    let says = |name: &str| members.get(name).and_then(Value::as_str);
    for (name, expected) in [("dataCollection", DATA_COLLECTION), ("version", table.version()), ("STATUS", "submit")] {
        if says(name) != Some(expected) {
            return Err(RecordError::new(name, "it is another than what is read here"));
        }
    }
    let payload = members.get("payload").and_then(Value::as_object);
    let payload = payload.ok_or_else(|| RecordError::new("payload", "it is missing"))?;
    let mut answers = BTreeMap::new();
    let mut pseudonym = None;
    for (field, value) in payload {
        let item =
            table.item_by_field(field).ok_or_else(|| RecordError::new(field, "this is no field of the table"))?;
        let error = |problem| RecordError::new(&item.link_id, problem);
        if item.kind == Kind::Pseudonym {
            pseudonym = member(payload, field, Pseudonym::parse)?;
        } else {
            answers.insert(item.link_id.clone(), of_sent(item, value).map_err(error)?);
        }
    }
    let reference = member(members, "reference", Reference::parse)?;
    let reference = reference.ok_or_else(|| RecordError::new("reference", "a record has a reference"))?;
    let record = TreatmentDemand::new(table, reference, pseudonym, answers)?;
    match member(members, "corrects", Reference::parse)? {
        Some(earlier) => record.correcting(earlier),
        None => Ok(record),
    }
}

fn of_sent(item: &Item, value: &Value) -> Result<Answer, &'static str> {
    const FORM: &str = "the value is not of the item's kind";
    let code = |value: &Value| value.as_u64().and_then(|id| item.code_by_list_id(id)).map(|code| code.code.as_str());
    match (item.kind, value) {
        (Kind::Choice, value) => Answer::of_code(item, code(value).ok_or("this id is not of the item's code list")?),
        (Kind::Choices, Value::Array(values)) => {
            let codes: Option<Vec<&str>> = values.iter().map(code).collect();
            Answer::of_codes(item, &codes.ok_or("an id is not of the item's code list")?)
        }
        (Kind::Whole { .. }, value) => Answer::of_whole(item, value.as_i64().ok_or(FORM)?),
        (Kind::Date, Value::String(day)) => Date::parse(day).map(Answer::Date).ok_or(FORM),
        (Kind::Unit, Value::String(unit)) => Answer::of_unit(unit),
        _ => Err(FORM),
    }
}
