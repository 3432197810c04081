//! `ClaimResponse`: what became of a Claim, item by item.

use serde_json::{Value, json};

use super::{
    ADJUDICATION_SYSTEM, AGREEMENT_SYSTEM, DECISION_SYSTEM, ERROR_SYSTEM, Insurer, R4_ADJUDICATION_SYSTEM,
    SEVERITY_SYSTEM,
};
use crate::billing::{Cents, Date, Language, Severity, explain};
use crate::identifiers::{NIHDI_SYSTEM, Nihdi};

const CLAIM_TYPE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/claim-type";

/// How far a Claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// It waits, or is on its way.
    Queued,
    /// Everything is paid, or the agreement is decided.
    Complete,
    /// Nothing is paid: all of it was refused.
    Error,
    /// A part is paid, a part is not or still open.
    Partial,
}

impl ClaimOutcome {
    /// Its code in R4.
    pub fn code(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Partial => "partial",
        }
    }
}

/// An error that an insurer, or our own check, found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The code as it came.
    pub code: String,
    /// What it does; none where its letter is not known.
    pub severity: Option<Severity>,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedLine {
    /// Its number in the Claim.
    pub sequence: u32,
    /// What the insurer was asked.
    pub submitted: Cents,
    /// What it would pay by the tariff; none where that is not known.
    pub eligible: Option<Cents>,
    /// What it pays; none before it said so.
    pub benefit: Option<Cents>,
    /// What it refused; none before it said so.
    pub refused: Option<Cents>,
    /// The patient's share; none where it is not known.
    pub share: Option<Cents>,
    /// Why, in the order in which it was said; may be empty.
    pub errors: Vec<LineError>,
    /// The insurer's own words, with no number of a person in them.
    pub comment: Option<String>,
}

/// A decision on an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementDecision {
    /// The kind of agreement, as it was asked.
    pub kind: String,
    /// The decision, a code of the mutualities' list: `agreement`, `partialAgreement`, `refusal`, `intreatment`.
    pub decision: String,
    /// The insurer's reference of it.
    pub reference: Option<String>,
    /// From when to when it holds.
    pub period: Option<(Date, Option<Date>)>,
}

/// What became of a Claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedClaim {
    /// `Claim/<id>`.
    pub claim: String,
    /// `Patient/<id>`.
    pub patient: String,
    /// The type of the Claim, a code of claim-type.
    pub claim_type: String,
    /// When this was written, a FHIR dateTime.
    pub created: String,
    /// Who decides.
    pub insurer: Insurer,
    /// Who billed.
    pub third_party: Nihdi,
    /// How far it is.
    pub outcome: ClaimOutcome,
    /// How it was paid, by the insurer's reference; none where nothing was.
    pub payment: Option<String>,
    /// The decision, of a request for an agreement alone.
    pub agreement: Option<AgreementDecision>,
    /// What became of each item, in the order of the Claim.
    pub lines: Vec<DecidedLine>,
}

/// Writes a `ClaimResponse`, without an id. The words for errors are in a language; codes stand as they came.
pub fn to_claim_response(decided: &DecidedClaim, language: Language) -> Value {
    let mut response = json!({
        "resourceType": "ClaimResponse",
        "language": language.code(),
        "status": "active",
        "type": coded(CLAIM_TYPE_SYSTEM, &decided.claim_type),
        "use": if decided.agreement.is_some() { "preauthorization" } else { "claim" },
        "patient": {"reference": decided.patient},
        "created": decided.created,
        "insurer": decided.insurer.reference(),
        "requestor": {"identifier": {"system": NIHDI_SYSTEM, "value": decided.third_party.as_str()}},
        "request": {"reference": decided.claim},
        "outcome": decided.outcome.code(),
    });
    if let Some(agreement) = &decided.agreement {
        agreed(&mut response, agreement);
    }
    let mut notes = Vec::new();
    let items: Vec<Value> =
        decided.lines.iter().map(|line| item(line, decided.agreement.as_ref(), &mut notes)).collect();
    let errors: Vec<Value> = decided.lines.iter().flat_map(|line| errors(line, language)).collect();
    if !items.is_empty() {
        response["item"] = Value::Array(items);
    }
    if decided.agreement.is_none() && !decided.lines.is_empty() {
        response["total"] = totals(&decided.lines);
    }
    if let Some(payment) = decided.payment.as_ref().and_then(|payment| paid(payment, &decided.lines)) {
        response["payment"] = payment;
    }
    for (name, values) in [("processNote", notes), ("error", errors)] {
        if !values.is_empty() {
            response[name] = Value::Array(values);
        }
    }
    response
}

fn coded(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

fn agreed(response: &mut Value, agreement: &AgreementDecision) {
    response["subType"] = coded(AGREEMENT_SYSTEM, &agreement.kind);
    if let Some(reference) = &agreement.reference {
        response["preAuthRef"] = json!(reference);
    }
    if let Some((first, last)) = agreement.period {
        response["preAuthPeriod"] = json!({"start": first.to_string()});
        if let Some(last) = last {
            response["preAuthPeriod"]["end"] = json!(last.to_string());
        }
    }
}

fn amounts(line: &DecidedLine) -> [(&'static str, &'static str, Option<Cents>); 5] {
    [
        (R4_ADJUDICATION_SYSTEM, "submitted", Some(line.submitted)),
        (R4_ADJUDICATION_SYSTEM, "eligible", line.eligible),
        (R4_ADJUDICATION_SYSTEM, "copay", line.share),
        (R4_ADJUDICATION_SYSTEM, "benefit", line.benefit),
        (ADJUDICATION_SYSTEM, "refused", line.refused),
    ]
}

fn item(line: &DecidedLine, agreement: Option<&AgreementDecision>, notes: &mut Vec<Value>) -> Value {
    let adjudication: Vec<Value> = match agreement {
        Some(agreement) => vec![json!({"category": coded(DECISION_SYSTEM, &agreement.decision)})],
        None => amounts(line)
            .into_iter()
            .filter_map(|(system, code, cents)| Some(json!({"category": coded(system, code), "amount": money(cents?)})))
            .collect(),
    };
    let mut item = json!({"itemSequence": line.sequence});
    if let Some(comment) = &line.comment {
        let number = notes.len() + 1;
        notes.push(json!({"number": number, "text": comment}));
        item["noteNumber"] = json!([number]);
    }
    item["adjudication"] = Value::Array(adjudication);
    item
}

fn errors(line: &DecidedLine, language: Language) -> Vec<Value> {
    let error = |error: &LineError| {
        let said = explain(&error.code, language);
        let mut codings = vec![json!({"system": ERROR_SYSTEM, "code": error.code})];
        if let Some(severity) = error.severity {
            let (letter, words) = (severity.letter(), severity.words(language));
            codings.push(json!({"system": SEVERITY_SYSTEM, "code": letter, "display": words}));
        }
        let mut code = json!({"coding": codings});
        let text = match (said.text, said.zone) {
            (Some(text), Some(zone)) => Some(format!("{text} ({zone})")),
            (text, zone) => text.or_else(|| zone.map(str::to_owned)),
        };
        if let Some(text) = text {
            code["text"] = json!(text);
        }
        json!({"itemSequence": line.sequence, "code": code})
    };
    line.errors.iter().map(error).collect()
}

/// The sums of what every item has: what some lack would be a sum of nothing known.
fn totals(lines: &[DecidedLine]) -> Value {
    let sums = (0..5).filter_map(|index| {
        let cents: Option<i64> = lines.iter().map(|line| amounts(line)[index].2.map(|cents| cents.0)).sum();
        let (system, code, _) = amounts(lines.first()?)[index];
        Some(json!({"category": coded(system, code), "amount": money(Cents(cents?))}))
    });
    Value::Array(sums.collect())
}

fn paid(reference: &str, lines: &[DecidedLine]) -> Option<Value> {
    let cents: i64 = lines.iter().filter_map(|line| line.benefit).map(|cents| cents.0).sum();
    (cents != 0).then(|| {
        json!({
            "type": coded("http://terminology.hl7.org/CodeSystem/ex-paymenttype", "complete"),
            "amount": money(Cents(cents)),
            "identifier": {"value": reference},
        })
    })
}

/// Euro with two decimals. Cents are whole up to thousands of millions of euro, where a double is exact to the cent.
pub(super) fn money(cents: Cents) -> Value {
    let sign = if cents.0 < 0 { "-" } else { "" };
    let magnitude = cents.0.unsigned_abs();
    let text = format!("{sign}{}.{:02}", magnitude / 100, magnitude % 100);
    let value: serde_json::Number = text.parse().unwrap_or_else(|_| serde_json::Number::from(0));
    json!({"value": value, "currency": "EUR"})
}
