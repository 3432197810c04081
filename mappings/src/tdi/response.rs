//! A `QuestionnaireResponse` to our Questionnaire, read into answers, and written from them.
//!
//! Nothing is passed over: an item, an answer or an element that is not understood is an issue that names it.
//!
//! <https://hl7.org/fhir/R4/questionnaireresponse.html>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::date::Date;
use super::questionnaire::{code_system, is_ours};
use super::record::Answer;
use super::table::{Item, Kind, Language, Table};

/// Elements of a `QuestionnaireResponse` that the register does not ask about and that change no answer.
const BESIDE: [&str; 14] = [
    "resourceType",
    "id",
    "meta",
    "language",
    "text",
    "identifier",
    "basedOn",
    "partOf",
    "subject",
    "encounter",
    "authored",
    "author",
    "source",
    "questionnaire",
];
/// Issues that are listed; who has more sees them when these are mended.
const ISSUES_MAX: usize = 50;

/// One thing for which a resource is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadIssue {
    /// The element, items by their link id.
    pub expression: String,
    /// A code of `OperationOutcome.issue.code`.
    pub code: &'static str,
    /// What is wrong and the way out; it repeats no answer.
    pub details: String,
}

impl ReadIssue {
    pub(super) fn new(expression: &str, code: &'static str, details: &str) -> Self {
        Self { expression: expression.to_owned(), code, details: details.to_owned() }
    }
}

/// The answers of a response, by link id. The first day of the treatment is among them, and decides which items and codes count.
///
/// # Errors
/// Every item and element that is not understood.
pub fn answers_of_response(table: &Table, response: &Value) -> Result<BTreeMap<String, Answer>, Vec<ReadIssue>> {
    let mut reader = Reader { table, answers: BTreeMap::new(), issues: Vec::new() };
    reader.root(response);
    let Reader { answers, mut issues, .. } = reader;
    issues.truncate(ISSUES_MAX);
    if issues.is_empty() { Ok(answers) } else { Err(issues) }
}

struct Reader<'t> {
    table: &'t Table,
    answers: BTreeMap<String, Answer>,
    issues: Vec<ReadIssue>,
}

impl Reader<'_> {
    fn root(&mut self, response: &Value) {
        const NAME: &str = "QuestionnaireResponse";
        let Some(members) = response.as_object() else {
            return self.issue(NAME, "structure", "this is no resource");
        };
        if members.get("resourceType").and_then(Value::as_str) != Some(NAME) {
            self.issue("resourceType", "structure", "this is no QuestionnaireResponse");
        }
        if !members.get("questionnaire").and_then(Value::as_str).is_some_and(|url| is_ours(self.table, url)) {
            let details = "it answers another Questionnaire than that of the register, or another version of it";
            self.issue("QuestionnaireResponse.questionnaire", "value", details);
        }
        if !matches!(members.get("status").and_then(Value::as_str), Some("completed" | "amended")) {
            let details = "only a response that is completed or amended is registered";
            self.issue("QuestionnaireResponse.status", "business-rule", details);
        }
        for name in members.keys().filter(|name| !BESIDE.contains(&name.as_str())) {
            if name != "status" && name != "item" {
                self.not_understood(NAME, name);
            }
        }
        self.each(members.get("item"), "QuestionnaireResponse.item", Self::group);
    }

    fn group(&mut self, group: &Map<String, Value>, path: &str) {
        let link_id = group.get("linkId").and_then(Value::as_str).unwrap_or_default();
        let Some(known) = self.table.groups().iter().position(|known| known.link_id == link_id) else {
            return self.unknown(link_id, path);
        };
        let expression = where_link_id("QuestionnaireResponse", link_id);
        for name in group.keys().filter(|name| !["linkId", "text", "id", "item"].contains(&name.as_str())) {
            self.not_understood(&expression, name);
        }
        self.each(group.get("item"), &format!("{expression}.item"), |reader, item, path| {
            reader.item(known, item, path);
        });
    }

    fn item(&mut self, group: usize, item: &Map<String, Value>, path: &str) {
        let link_id = item.get("linkId").and_then(Value::as_str).unwrap_or_default();
        let table = self.table;
        let Some(known) = table.item(link_id).filter(|known| known.group == group && known.is_asked()) else {
            return self.unknown(link_id, path);
        };
        let expression =
            where_link_id(&where_link_id("QuestionnaireResponse", &table.group_of(known).link_id), link_id);
        for name in item.keys().filter(|name| !["linkId", "text", "id", "answer"].contains(&name.as_str())) {
            self.not_understood(&expression, name);
        }
        let mut answers = Vec::new();
        self.each(item.get("answer"), &format!("{expression}.answer"), |reader, answer, path| {
            match plain_answer(known, answer) {
                Ok(answer) => answers.push(answer),
                Err(details) => reader.issue(path, "value", details),
            }
        });
        if answers.is_empty() {
            return;
        }
        match together(known, answers) {
            Ok(answer) if !self.answers.contains_key(link_id) => {
                self.answers.insert(link_id.to_owned(), answer);
            }
            Ok(_) => self.issue(&expression, "business-rule", "the item stands twice"),
            Err(details) => self.issue(&expression, "value", details),
        }
    }

    /// Calls `read` for every object of a list; what is no object, or no list, is an issue.
    fn each(&mut self, list: Option<&Value>, path: &str, mut read: impl FnMut(&mut Self, &Map<String, Value>, &str)) {
        match list {
            None => {}
            Some(Value::Array(values)) => {
                for (n, value) in values.iter().enumerate() {
                    let path = format!("{path}[{n}]");
                    match value.as_object() {
                        Some(members) => read(self, members, &path),
                        None => self.issue(&path, "structure", "this is no object"),
                    }
                }
            }
            Some(_) => self.issue(path, "structure", "this is no list"),
        }
    }

    fn unknown(&mut self, link_id: &str, path: &str) {
        let is_name = !link_id.is_empty()
            && link_id.len() <= 64
            && link_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let named = if is_name { format!("'{link_id}' is") } else { "this is".to_owned() };
        self.issue(path, "not-found", &format!("{named} no item that stands here in the Questionnaire"));
    }

    fn not_understood(&mut self, parent: &str, name: &str) {
        let name = if name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            name
        } else {
            "…"
        };
        self.issue(&format!("{parent}.{name}"), "not-supported", "this element is not understood here: leave it out");
    }

    fn issue(&mut self, expression: &str, code: &'static str, details: &str) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(ReadIssue::new(expression, code, details));
        }
    }
}

fn where_link_id(parent: &str, link_id: &str) -> String {
    format!("{parent}.item.where(linkId='{link_id}')")
}

/// One answer, of whatever number there are.
fn plain_answer(item: &Item, answer: &Map<String, Value>) -> Result<Answer, &'static str> {
    let mut values = answer.iter().filter(|(name, _)| *name != "id");
    let (Some((name, value)), None) = (values.next(), values.next()) else {
        return Err("an answer is one value and nothing else");
    };
    match (item.kind, name.as_str(), value) {
        (Kind::Choice | Kind::Choices, "valueCoding", Value::Object(coding)) => {
            let known = ["system", "code", "display", "version"];
            if !coding.keys().all(|name| known.contains(&name.as_str())) {
                return Err("a coding here has system, code, version and display only");
            }
            if coding.get("system").and_then(Value::as_str) != Some(code_system(item).as_str()) {
                return Err("the system of the coding is not the item's");
            }
            Answer::of_code(item, coding.get("code").and_then(Value::as_str).unwrap_or_default())
        }
        (Kind::Whole { .. }, "valueInteger", Value::Number(number)) => {
            Answer::of_whole(item, number.as_i64().ok_or("this is no whole number")?)
        }
        (Kind::Date, "valueDate", Value::String(day)) => {
            Date::parse(day).map(Answer::Date).ok_or("the day must be given, with month and year")
        }
        (Kind::Unit, "valueString", Value::String(unit)) => Answer::of_unit(unit),
        _ => Err("the answer is not of the item's type"),
    }
}

/// The answers to one item as one.
fn together(item: &Item, mut answers: Vec<Answer>) -> Result<Answer, &'static str> {
    if item.kind == Kind::Choices {
        let codes: Vec<&str> = answers.iter().flat_map(Answer::codes).collect();
        return Answer::of_codes(item, &codes);
    }
    match (answers.pop(), answers.is_empty()) {
        (Some(answer), true) => Ok(answer),
        _ => Err("this item has one answer"),
    }
}

/// A response with these answers, as a client would send it.
pub fn to_response(table: &Table, answers: &BTreeMap<String, Answer>, language: Language) -> Value {
    let groups: Vec<Value> = table
        .groups()
        .iter()
        .filter_map(|group| {
            let of_group = table.items().iter().filter(|item| table.group_of(item) == group);
            let items: Vec<Value> = of_group
                .filter_map(|item| answers.get(&item.link_id).map(|answer| (item, answer)))
                .map(|(item, answer)| {
                    json!({"linkId": item.link_id, "text": item.texts.text(language), "answer": values(item, answer, language)})
                })
                .collect();
            (!items.is_empty()).then(|| json!({"linkId": group.link_id, "text": group.texts.text(language), "item": items}))
        })
        .collect();
    json!({
        "resourceType": "QuestionnaireResponse",
        "language": language.code(),
        "questionnaire": format!("{}|{}", super::QUESTIONNAIRE_URL, table.version()),
        "status": "completed",
        "item": groups,
    })
}

fn values(item: &Item, answer: &Answer, language: Language) -> Vec<Value> {
    match answer {
        Answer::Whole(number) => vec![json!({"valueInteger": number})],
        Answer::Date(day) => vec![json!({"valueDate": day.to_string()})],
        Answer::Unit(unit) => vec![json!({"valueString": unit})],
        Answer::Code(_) | Answer::Codes(_) => {
            let coding = |code: &str| {
                let display = item.code(code).map(|code| code.texts.text(language));
                json!({"valueCoding": {"system": code_system(item), "code": code, "display": display}})
            };
            answer.codes().into_iter().map(coding).collect()
        }
    }
}
