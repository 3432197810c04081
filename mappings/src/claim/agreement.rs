//! Claim with `use` `preauthorization`: a request for an agreement, to a care fund or a mutuality.
//!
//! What is clinical in it is for the insurer's advising doctor alone: here it is only counted and referred to, never read.

use serde_json::Value;

use super::place::{Issues, Place};
use super::read::{HEAD, contained_nihdi, coverage, needed_day, needed_nihdi};
use super::{AGREEMENT_SYSTEM, ElementIssue, INFORMATION_SYSTEM};
use crate::billing::Date;
use crate::identifiers::Nihdi;

/// The category of attachments, of R4.
const CATEGORY_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/claiminformationcategory";
/// The most items, and the most attachments.
const PARTS_MAX: usize = 50;

/// One thing for which an agreement is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedAgreement {
    /// Its number in the Claim.
    pub sequence: u32,
    /// The billing code.
    pub code: u32,
    /// The first day that is asked for.
    pub first_day: Date,
    /// The last one; none where no end is asked for.
    pub last_day: Option<Date>,
}

/// A request for an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementRequest {
    /// `Patient/<id>`.
    pub patient: String,
    /// `Coverage/<id>` of the insurer that is asked.
    pub coverage: String,
    /// Who asks: eleven digits.
    pub third_party: Nihdi,
    /// The day on which it was made.
    pub created: Date,
    /// The kind of agreement, a code of the mutualities' list.
    pub kind: String,
    /// The convention under which care is given.
    pub convention: Option<Nihdi>,
    /// What is asked for; not empty.
    pub items: Vec<AskedAgreement>,
    /// `DocumentReference/<id>` of reports: for the advising doctor alone.
    pub attachments: Vec<String>,
    /// Whether it names diagnoses: for the advising doctor alone, so they are not here.
    pub has_diagnosis: bool,
}

/// Reads a Claim whose `use` is `preauthorization`. `nihdi_of`: as for [`super::from_claim`].
///
/// # Errors
/// Each element that is wrong.
pub fn from_preauthorization(
    claim: &Value,
    nihdi_of: &dyn Fn(&str) -> Option<Nihdi>,
) -> Result<AgreementRequest, Vec<ElementIssue>> {
    let mut issues = Issues::default();
    let place = issues.resource(claim, "Claim");
    let nihdi_of = |reference: &str| contained_nihdi(claim, reference).or_else(|| nihdi_of(reference));
    if place.text("status") != Some("active") {
        issues.add("Claim.status", "business-rule", "only an active Claim is sent");
    }
    if place.text("use") != Some("preauthorization") {
        issues.add("Claim.use", "not-supported", "an agreement is asked for with the use preauthorization");
    }
    issues.nothing_beside(&place, &[&HEAD[..], &["diagnosis"]].concat());
    let kind = kind(&place, &mut issues);
    let patient = issues.reference(&place, "patient");
    let created = needed_day(&place, "created", &mut issues);
    let third_party = needed_nihdi(&place, "provider", &mut issues, &nihdi_of);
    let coverage = coverage(&place, &mut issues);
    let items: Vec<AskedAgreement> =
        place.items("item").iter().take(PARTS_MAX + 1).filter_map(|item| asked(item, &mut issues)).collect();
    if place.items("item").is_empty() || items.len() > PARTS_MAX {
        issues.add("Claim.item", "invariant", "an agreement is asked for with 1 to 50 items");
    }
    let (convention, attachments) = information(&place, &mut issues);
    let has_diagnosis = place.value.get("diagnosis").is_some();
    let read = (|| {
        let (patient, coverage, third_party) = (patient?, coverage?, third_party?);
        let (created, kind) = (created?, kind?);
        Some(AgreementRequest {
            patient,
            coverage,
            third_party,
            created,
            kind,
            convention,
            items,
            attachments,
            has_diagnosis,
        })
    })();
    issues.finish(read)
}

fn kind(place: &Place<'_>, issues: &mut Issues) -> Option<String> {
    let is_known = place.at("/subType/coding/0/system") == Some(AGREEMENT_SYSTEM);
    let is_code = |code: &&str| {
        (1..=60).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let kind = place.at("/subType/coding/0/code").filter(|code| is_known && is_code(code));
    if kind.is_none() {
        issues.add("Claim.subType", "required", "the kind of agreement is needed: a code of agreement-types");
    }
    kind.map(str::to_owned)
}

fn asked(item: &Place<'_>, issues: &mut Issues) -> Option<AskedAgreement> {
    let sequence = item.positive("sequence");
    if sequence.is_none() {
        issues.add(format!("{}.sequence", item.path), "required", "an item has a number from 1");
    }
    issues.nothing_beside(item, &["id", "sequence", "productOrService", "servicedDate", "servicedPeriod"]);
    let code = super::read::code(item, issues);
    let (first_day, last_day) = match item.child("servicedPeriod") {
        Some(period) => {
            let (first, last) = (needed_day(&period, "start", issues), issues.day(&period, "end"));
            if first.zip(last).is_some_and(|(first, last)| last < first) {
                issues.add(period.path, "invariant", "the end lies before the start");
            }
            (first, last)
        }
        None => (needed_day(item, "servicedDate", issues), None),
    };
    Some(AskedAgreement { sequence: sequence?, code: code?, first_day: first_day?, last_day })
}

/// The convention, and the reports that are referred to.
fn information(place: &Place<'_>, issues: &mut Issues) -> (Option<Nihdi>, Vec<String>) {
    let (mut convention, mut attachments) = (None, Vec::new());
    for info in place.items("supportingInfo") {
        let category = (info.at("/category/coding/0/system"), info.at("/category/coding/0/code"));
        match category {
            (Some(INFORMATION_SYSTEM), Some("convention")) => {
                let number = info.text("valueString").and_then(|text| Nihdi::parse(text).ok());
                convention = number.filter(|nihdi| nihdi.qualification().is_some());
                if convention.is_none() {
                    issues.add(format!("{}.valueString", info.path), "value", "a convention has a number of 11 digits");
                }
            }
            (Some(CATEGORY_SYSTEM), Some("attachment")) => {
                let reference = info.at("/valueReference/reference");
                match reference.filter(|reference| reference.starts_with("DocumentReference/")) {
                    Some(reference) if attachments.len() < PARTS_MAX => attachments.push(reference.to_owned()),
                    _ => {
                        let details = "a report is a DocumentReference of its own: who may read it is decided there";
                        issues.add(format!("{}.valueReference", info.path), "not-supported", details);
                    }
                }
            }
            _ => issues.add(info.path, "not-supported", "this information has no place in a request: send it without"),
        }
    }
    (convention, attachments)
}
