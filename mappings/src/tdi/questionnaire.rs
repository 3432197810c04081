//! The form of the register as a Questionnaire of R4, made from the table for a day and a language.
//!
//! <https://hl7.org/fhir/R4/questionnaire.html>

use serde_json::{Value, json};

use super::date::Date;
use super::table::{Item, Kind, Language, Table};

/// The canonical address of the Questionnaire; its version is the table's.
pub const QUESTIONNAIRE_URL: &str = "https://wellgate.example/fhir/Questionnaire/tdi";

/// The system of the codes of an item: each item has one of its own, for the same code says another thing elsewhere.
pub fn code_system(item: &Item) -> String {
    format!("https://wellgate.example/fhir/CodeSystem/tdi-{}", item.link_id)
}

/// Whether a canonical reference is to our Questionnaire, in the version of this table or in none.
pub fn is_ours(table: &Table, canonical: &str) -> bool {
    match canonical.split_once('|') {
        Some((url, version)) => url == QUESTIONNAIRE_URL && version == table.version(),
        None => canonical == QUESTIONNAIRE_URL,
    }
}

/// The Questionnaire as it is asked of treatments that begin on a day.
pub fn questionnaire(table: &Table, day: Date, language: Language) -> Value {
    let titles = [
        (Language::Nl, "Registratie van de behandelingsvraag (TDI)"),
        (Language::Fr, "Enregistrement de la demande de traitement (TDI)"),
        (Language::En, "Registration of a treatment demand (TDI)"),
    ];
    let title = titles.iter().find(|(of, _)| *of == language).map(|(_, title)| *title);
    let groups: Vec<Value> = table
        .groups()
        .iter()
        .map(|group| {
            let items: Vec<Value> = table.asked(group, day).map(|item| question(table, item, day, language)).collect();
            json!({"linkId": group.link_id, "text": group.texts.text(language), "type": "group", "item": items})
        })
        .filter(|group| group["item"].as_array().is_some_and(|items| !items.is_empty()))
        .collect();
    json!({
        "resourceType": "Questionnaire",
        "id": format!("tdi-{}", language.code()),
        "language": language.code(),
        "url": QUESTIONNAIRE_URL,
        "version": table.version(),
        "name": "TreatmentDemand",
        "title": title,
        "status": "active",
        "subjectType": ["Patient"],
        "effectivePeriod": {"start": day.to_string()},
        "item": groups,
    })
}

fn question(table: &Table, item: &Item, day: Date, language: Language) -> Value {
    let mut question = json!({
        "linkId": item.link_id,
        "code": [{"system": "https://wellgate.example/fhir/CodeSystem/tdi-field", "code": item.field}],
        "text": item.texts.text(language),
        "type": kind(item.kind),
        "required": item.is_required,
    });
    if let Some(when) = &item.when {
        let decides = table.item(&when.link_id).map(code_system);
        let conditions: Vec<Value> = when
            .codes
            .iter()
            .map(|code| json!({"question": when.link_id, "operator": "=", "answerCoding": {"system": decides, "code": code}}))
            .collect();
        if conditions.len() > 1 {
            question["enableBehavior"] = json!("any");
        }
        question["enableWhen"] = json!(conditions);
    }
    if item.kind == Kind::Choices {
        question["repeats"] = json!(true);
    }
    if let Kind::Whole { min, max } = item.kind {
        let bound = |name: &str, value: i64| json!({"url": format!("http://hl7.org/fhir/StructureDefinition/{name}"), "valueInteger": value});
        question["extension"] = json!([bound("minValue", min), bound("maxValue", max)]);
    }
    let options: Vec<Value> = item
        .codes
        .iter()
        .filter(|code| code.validity.covers(day))
        .map(|code| {
            json!({"valueCoding": {"system": code_system(item), "code": code.code, "display": code.texts.text(language)}})
        })
        .collect();
    if !options.is_empty() {
        question["answerOption"] = json!(options);
    }
    question
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Choice | Kind::Choices => "choice",
        Kind::Whole { .. } => "integer",
        Kind::Date => "date",
        Kind::Unit | Kind::Pseudonym => "string",
    }
}
