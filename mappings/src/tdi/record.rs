//! One treatment demand: its answers, the pseudonym, and the form in which it is kept.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::date::Date;
use super::link;
use super::table::{Item, Kind, Table, When};

/// The letters of a pseudonym; so it is never taken for a number.
const PSEUDONYM_LETTERS: usize = 64;
/// A reference is at most so long.
const REFERENCE_BYTES_MAX: usize = 64;
/// The code of a unit is at most so long.
const UNIT_BYTES_MAX: usize = 40;
/// Digits in a row, whatever stands between them, that may be a national number.
const NUMBER_DIGITS: usize = 9;

/// What stands for a person at the register: 64 letters from a to p, made by whoever has the number and the key. Never a number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pseudonym(String);

impl Pseudonym {
    /// The pseudonym of 32 bytes, such as those of a keyed hash.
    pub fn of_bytes(bytes: &[u8; 32]) -> Self {
        let letter = |nibble: u8| char::from(b'a' + nibble);
        Self(bytes.iter().flat_map(|byte| [letter(byte >> 4), letter(byte & 15)]).collect())
    }

    /// Reads one; none where it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == PSEUDONYM_LETTERS && text.bytes().all(|byte| (b'a'..=b'p').contains(&byte));
        is_one.then(|| Self(text.to_owned()))
    }

    /// The letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pseudonym(***)")
    }
}

/// Our reference of a record: 1 to 64 letters, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference(String);

impl Reference {
    /// Reads one; none where it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = (1..=REFERENCE_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_one.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What answers an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// One code.
    Code(String),
    /// Codes in the order of the table, each once.
    Codes(Vec<String>),
    /// A whole number.
    Whole(i64),
    /// A day.
    Date(Date),
    /// The code of a unit.
    Unit(String),
}

impl Answer {
    /// The codes of the answer; empty where it is no choice.
    pub fn codes(&self) -> Vec<&str> {
        match self {
            Self::Code(code) => vec![code],
            Self::Codes(codes) => codes.iter().map(String::as_str).collect(),
            Self::Whole(_) | Self::Date(_) | Self::Unit(_) => Vec::new(),
        }
    }

    /// One code of an item.
    ///
    /// # Errors
    /// The item does not know it.
    pub(super) fn of_code(item: &Item, code: &str) -> Result<Self, &'static str> {
        let code = item.code(code).ok_or("this code is not one of the item's")?.code.clone();
        Ok(if item.kind == Kind::Choices { Self::Codes(vec![code]) } else { Self::Code(code) })
    }

    /// Codes of an item with several.
    ///
    /// # Errors
    /// The item does not know one, or one stands twice, or there is none.
    pub(super) fn of_codes(item: &Item, codes: &[&str]) -> Result<Self, &'static str> {
        if codes.is_empty() || !codes.iter().all(|code| item.code(code).is_some()) {
            return Err("a code is not one of the item's, or there is none");
        }
        let sorted: Vec<String> = item
            .codes
            .iter()
            .filter(|known| codes.contains(&known.code.as_str()))
            .map(|known| known.code.clone())
            .collect();
        if sorted.len() == codes.len() { Ok(Self::Codes(sorted)) } else { Err("a code stands twice") }
    }

    /// A number within an item's bounds.
    ///
    /// # Errors
    /// It lies outside.
    pub(super) fn of_whole(item: &Item, number: i64) -> Result<Self, &'static str> {
        match item.kind {
            Kind::Whole { min, max } if (min..=max).contains(&number) => Ok(Self::Whole(number)),
            _ => Err("this is no whole number within the bounds of the item"),
        }
    }

    /// The code of a unit: short, and nothing in which a number of a person could stand.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn of_unit(text: &str) -> Result<Self, &'static str> {
        // It begins with a letter or a digit, so no spreadsheet takes it for a formula.
        let is_code = (1..=UNIT_BYTES_MAX).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if is_code && digits < NUMBER_DIGITS {
            Ok(Self::Unit(text.to_owned()))
        } else {
            Err("the code of a unit is 1 to 40 letters, digits, -, _ and ., with fewer than 9 digits")
        }
    }
}

/// Why a record cannot be made of what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{item}: {problem}")]
pub struct RecordError {
    /// The link id of the item, or the member.
    pub item: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl RecordError {
    pub(super) fn new(item: &str, problem: &'static str) -> Self {
        Self { item: item.to_owned(), problem }
    }
}

/// One treatment demand. It names nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreatmentDemand {
    reference: Reference,
    corrects: Option<Reference>,
    table_version: String,
    started: Date,
    pseudonym: Option<Pseudonym>,
    answers: BTreeMap<String, Answer>,
}

impl TreatmentDemand {
    /// A record of these answers.
    ///
    /// # Errors
    /// The first day is missing, a record corrects itself, or an answer is of no item that is asked.
    pub fn new(
        table: &Table,
        reference: Reference,
        pseudonym: Option<Pseudonym>,
        answers: BTreeMap<String, Answer>,
    ) -> Result<Self, RecordError> {
        for link_id in answers.keys() {
            if !table.item(link_id).is_some_and(Item::is_asked) {
                return Err(RecordError::new(link_id, "this is no item of the table that is asked"));
            }
        }
        let Some(Answer::Date(started)) = answers.get(link::TREATMENT_START) else {
            return Err(RecordError::new(link::TREATMENT_START, "a record has a first day"));
        };
        let (started, table_version) = (*started, table.version().to_owned());
        Ok(Self { reference, corrects: None, table_version, started, pseudonym, answers })
    }

    /// The record as one that takes the place of an earlier one.
    ///
    /// # Errors
    /// A record does not correct itself.
    pub fn correcting(mut self, earlier: Reference) -> Result<Self, RecordError> {
        if earlier == self.reference {
            return Err(RecordError::new("corrects", "a record does not correct itself"));
        }
        self.corrects = Some(earlier);
        Ok(self)
    }

    /// Our reference.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The record whose place it takes.
    pub fn corrects(&self) -> Option<&Reference> {
        self.corrects.as_ref()
    }

    /// The first day of the episode: what counts is decided by it.
    pub fn started(&self) -> Date {
        self.started
    }

    /// What stands for the person.
    pub fn pseudonym(&self) -> Option<&Pseudonym> {
        self.pseudonym.as_ref()
    }

    /// The version of the table by which it was read.
    pub fn table_version(&self) -> &str {
        &self.table_version
    }

    /// The answer to an item.
    pub fn answer(&self, link_id: &str) -> Option<&Answer> {
        self.answers.get(link_id)
    }

    /// The answers by link id.
    pub fn answers(&self) -> &BTreeMap<String, Answer> {
        &self.answers
    }

    /// The code that answers an item with one code.
    pub fn code(&self, link_id: &str) -> Option<&str> {
        match self.answers.get(link_id) {
            Some(Answer::Code(code)) => Some(code),
            _ => None,
        }
    }

    /// The number that answers an item.
    pub fn whole(&self, link_id: &str) -> Option<i64> {
        match self.answers.get(link_id) {
            Some(Answer::Whole(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether an item is asked, given the first day and the other answers.
    pub fn is_asked(&self, item: &Item) -> bool {
        let decides = |when: &When| self.code(&when.link_id).is_some_and(|code| when.codes.iter().any(|of| of == code));
        item.is_asked() && item.validity.covers(self.started) && item.when.as_ref().is_none_or(decides)
    }

    /// The unit within the centre; empty where it is not answered.
    pub fn unit(&self) -> &str {
        match self.answers.get(link::UNIT) {
            Some(Answer::Unit(unit)) => unit,
            _ => "",
        }
    }

    /// Whether each stay is an episode of its own, however soon it follows.
    pub fn is_residential(&self) -> bool {
        self.code(link::CENTRE_TYPE) == Some("inpatient")
    }

    /// The form in which it is kept.
    pub fn to_value(&self) -> Value {
        let answers: Map<String, Value> =
            self.answers.iter().map(|(link_id, answer)| (link_id.clone(), plain(answer))).collect();
        json!({
            "reference": self.reference.as_str(),
            "corrects": self.corrects.as_ref().map(Reference::as_str),
            "tableVersion": self.table_version,
            "pseudonym": self.pseudonym.as_ref().map(Pseudonym::as_str),
            "answers": answers,
        })
    }

    /// Reads what [`TreatmentDemand::to_value`] wrote.
    ///
    /// # Errors
    /// The first member that the table does not understand, or that is not one of ours.
    pub fn from_value(table: &Table, value: &Value) -> Result<Self, RecordError> {
        let members = value.as_object().ok_or_else(|| RecordError::new("record", "it is no object"))?;
        if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(RecordError::new(name, "this is no member of a record"));
        }
        if members.get("tableVersion").and_then(Value::as_str) != Some(table.version()) {
            return Err(RecordError::new("tableVersion", "the record is of another version of the table"));
        }
        let answers = members.get("answers").and_then(Value::as_object);
        let mut read = BTreeMap::new();
        for (link_id, answer) in answers.ok_or_else(|| RecordError::new("answers", "they are missing"))? {
            let item = table.item(link_id).ok_or_else(|| RecordError::new(link_id, "this is no item of the table"))?;
            let answer = of_plain(item, answer).map_err(|problem| RecordError::new(link_id, problem))?;
            read.insert(link_id.clone(), answer);
        }
        let reference = member(members, "reference", Reference::parse)?;
        let reference = reference.ok_or_else(|| RecordError::new("reference", "a record has a reference"))?;
        let record = Self::new(table, reference, member(members, "pseudonym", Pseudonym::parse)?, read)?;
        match member(members, "corrects", Reference::parse)? {
            Some(earlier) => record.correcting(earlier),
            None => Ok(record),
        }
    }
}

const MEMBERS: [&str; 5] = ["reference", "corrects", "tableVersion", "pseudonym", "answers"];

/// A member that is absent, null, or read by `parse`.
pub(super) fn member<T>(
    members: &Map<String, Value>,
    name: &str,
    parse: fn(&str) -> Option<T>,
) -> Result<Option<T>, RecordError> {
    let wrong = || RecordError::new(name, "it is not of the form that it must have");
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => parse(text).map(Some).ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}

fn plain(answer: &Answer) -> Value {
    match answer {
        Answer::Code(text) | Answer::Unit(text) => json!(text),
        Answer::Codes(codes) => json!(codes),
        Answer::Whole(number) => json!(number),
        Answer::Date(day) => json!(day.to_string()),
    }
}

fn of_plain(item: &Item, value: &Value) -> Result<Answer, &'static str> {
    const FORM: &str = "the answer is not of the item's kind";
    match (item.kind, value) {
        (Kind::Choice, Value::String(code)) => Answer::of_code(item, code),
        (Kind::Choices, Value::Array(codes)) => {
            let codes: Option<Vec<&str>> = codes.iter().map(Value::as_str).collect();
            Answer::of_codes(item, &codes.ok_or(FORM)?)
        }
        (Kind::Whole { .. }, Value::Number(number)) => Answer::of_whole(item, number.as_i64().ok_or(FORM)?),
        (Kind::Date, Value::String(day)) => Date::parse(day).map(Answer::Date).ok_or(FORM),
        (Kind::Unit, Value::String(unit)) => Answer::of_unit(unit),
        _ => Err(FORM),
    }
}
