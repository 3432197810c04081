//! The file of a year: comma-separated values, a line a record, in the order of the table's items.
//!
//! Nothing in it needs quotes: references, codes, numbers, days, and letters of a pseudonym. So a line is written and read on its own,
//! and a file is streamed.

use std::collections::BTreeMap;

use super::date::Date;
use super::record::{Answer, Pseudonym, RecordError, Reference, TreatmentDemand};
use super::table::{Item, Kind, Table};

/// What stands before the items.
const HEAD: [&str; 3] = ["REFERENCE", "CORRECTS", "VERSION"];
/// What stands between the codes of one item.
const BETWEEN: char = '|';

/// The first line of the file, with its end.
pub fn batch_header(table: &Table) -> String {
    let fields = table.items().iter().map(|item| item.field.as_str());
    line(HEAD.into_iter().chain(fields))
}

/// The line of a record, with its end.
pub fn batch_line(table: &Table, record: &TreatmentDemand) -> String {
    let mut columns = vec![
        record.reference().as_str().to_owned(),
        record.corrects().map(|earlier| earlier.as_str().to_owned()).unwrap_or_default(),
        record.table_version().to_owned(),
    ];
    columns.extend(table.items().iter().map(|item| match item.kind {
        Kind::Pseudonym => record.pseudonym().map(|pseudonym| pseudonym.as_str().to_owned()).unwrap_or_default(),
        _ => record.answer(&item.link_id).map(written).unwrap_or_default(),
    }));
    line(columns.iter().map(String::as_str))
}

fn line<'c>(columns: impl Iterator<Item = &'c str>) -> String {
    let columns: Vec<&str> = columns.collect();
    format!("{}\n", columns.join(","))
}

fn written(answer: &Answer) -> String {
    match answer {
        Answer::Code(text) | Answer::Unit(text) => text.clone(),
        Answer::Codes(codes) => codes.join(&BETWEEN.to_string()),
        Answer::Whole(number) => number.to_string(),
        Answer::Date(day) => day.to_string(),
    }
}

/// The record of a line.
///
/// # Errors
/// The first column that is not understood, or the number of columns.
pub fn from_batch_line(table: &Table, line: &str) -> Result<TreatmentDemand, RecordError> {
    let columns: Vec<&str> = line.trim_end_matches('\n').split(',').collect();
    let [reference, corrects, version, values @ ..] = columns.as_slice() else {
        return Err(RecordError::new("line", "it has too few columns"));
    };
    if values.len() != table.items().len() {
        return Err(RecordError::new("line", "it has not as many columns as the table has items"));
    }
    if *version != table.version() {
        return Err(RecordError::new("VERSION", "the record is of another version of the table"));
    }
    let mut answers = BTreeMap::new();
    let mut pseudonym = None;
    for (item, text) in table.items().iter().zip(values).filter(|(_, text)| !text.is_empty()) {
        let error = |problem| RecordError::new(&item.link_id, problem);
        if item.kind == Kind::Pseudonym {
            pseudonym = Some(Pseudonym::parse(text).ok_or_else(|| error("this is no pseudonym"))?);
        } else {
            answers.insert(item.link_id.clone(), read(item, text).map_err(error)?);
        }
    }
    let of_reference =
        |text: &str, name| Reference::parse(text).ok_or_else(|| RecordError::new(name, "this is no reference"));
    let record = TreatmentDemand::new(table, of_reference(reference, "REFERENCE")?, pseudonym, answers)?;
    if corrects.is_empty() { Ok(record) } else { record.correcting(of_reference(corrects, "CORRECTS")?) }
}

fn read(item: &Item, text: &str) -> Result<Answer, &'static str> {
    const FORM: &str = "the value is not of the item's kind";
    match item.kind {
        Kind::Choice => Answer::of_code(item, text),
        Kind::Choices => Answer::of_codes(item, &text.split(BETWEEN).collect::<Vec<_>>()),
        Kind::Whole { .. } => Answer::of_whole(item, text.parse().map_err(|_| FORM)?),
        Kind::Date => Date::parse(text).map(Answer::Date).ok_or(FORM),
        Kind::Unit => Answer::of_unit(text),
        Kind::Pseudonym => Err(FORM),
    }
}
