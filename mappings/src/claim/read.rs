//! Claim with `use` `claim`: what was done, to be billed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use super::place::{Issues, Place, nihdi_in};
use super::{ElementIssue, INFORMATION_SYSTEM, ROLE_SYSTEM, SHARE_EXTENSION, SUPPLEMENT_EXTENSION};
use crate::billing::{Cents, Date};
use crate::claim_line::Service;
use crate::identifiers::{NOMENCLATURE_SYSTEM, Nihdi};
use crate::r4::time::is_date_time;
use crate::tariff::Stated;

/// The most items of a Claim.
const ITEMS_MAX: usize = 500;
/// The most units of an item: zone 22 has four digits.
const UNITS_MAX: u64 = 9_999;

/// Elements of every Claim that are read, or that say nothing that an insurer is to know.
pub(super) const HEAD: [&str; 21] = [
    "resourceType",
    "id",
    "meta",
    "language",
    "text",
    "contained",
    "identifier",
    "status",
    "type",
    "subType",
    "use",
    "patient",
    "billablePeriod",
    "created",
    "enterer",
    "insurer",
    "provider",
    "priority",
    "supportingInfo",
    "insurance",
    "item",
];
/// Elements of an item that are read.
const ITEM: [&str; 11] = [
    "id",
    "extension",
    "sequence",
    "careTeamSequence",
    "informationSequence",
    "productOrService",
    "servicedDate",
    "servicedPeriod",
    "quantity",
    "net",
    "encounter",
];
/// Elements of an item that are refused with a way out of their own.
const UNIT_PRICES: [&str; 3] = ["unitPrice", "factor", "detail"];

/// One item of a Claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedLine {
    /// Its number in the Claim.
    pub sequence: u32,
    /// What was done.
    pub service: Service,
    /// `Encounter/<id>` in which it was done.
    pub encounter: Option<String>,
}

/// What a Claim asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadClaim {
    /// `Patient/<id>`.
    pub patient: String,
    /// `Coverage/<id>` on which it is billed.
    pub coverage: String,
    /// Who bills: eleven digits.
    pub third_party: Nihdi,
    /// The day on which it was made.
    pub created: Date,
    /// System and value of its first identifier, by which it is known when it comes once more.
    pub identifier: Option<(String, String)>,
    /// Its items, in their order; not empty.
    pub lines: Vec<ClaimedLine>,
}

/// The references (`Type/id`) whose NIHDI numbers [`from_claim`] needs, in order and each once. What is contained is found in the Claim.
pub fn references_of_claim(claim: &Value) -> Vec<String> {
    let place = Place { value: claim, path: "Claim".to_owned() };
    let team = place.items("careTeam").into_iter().filter_map(|member| member.child("provider"));
    let own = ["provider", "facility"].into_iter().filter_map(|name| place.child(name));
    let is_asked = |place: &Place<'_>| place.value.get("identifier").is_none();
    let references: BTreeSet<String> = team
        .chain(own)
        .filter(is_asked)
        .filter_map(|place| place.text("reference").map(str::to_owned))
        .filter(|reference| !reference.starts_with('#'))
        .collect();
    references.into_iter().collect()
}

/// Reads a Claim whose `use` is `claim`. `nihdi_of` has the NIHDI number of a practitioner or organisation that is referred to.
///
/// # Errors
/// Each element that is wrong. A diagnosis is: what is billed is told by codes, and no insurer reads one in a file.
pub fn from_claim(claim: &Value, nihdi_of: &dyn Fn(&str) -> Option<Nihdi>) -> Result<ReadClaim, Vec<ElementIssue>> {
    let mut issues = Issues::default();
    let place = issues.resource(claim, "Claim");
    let nihdi_of = |reference: &str| contained_nihdi(claim, reference).or_else(|| nihdi_of(reference));
    head(&place, &mut issues);
    let patient = issues.reference(&place, "patient");
    let created = needed_day(&place, "created", &mut issues);
    let third_party = needed_nihdi(&place, "provider", &mut issues, &nihdi_of);
    let coverage = coverage(&place, &mut issues);
    let context = Context::read(&place, &mut issues, &nihdi_of, third_party.as_ref());
    let items = place.items("item");
    if items.is_empty() || items.len() > ITEMS_MAX {
        issues.add("Claim.item", "invariant", "a claim has from 1 to 500 items");
    }
    let mut sequences = HashSet::new();
    let mut lines = Vec::new();
    for item in items.iter().take(ITEMS_MAX) {
        let line = line(item, &context, &mut issues);
        if item.positive("sequence").is_some_and(|sequence| !sequences.insert(sequence)) {
            issues.add(format!("{}.sequence", item.path), "invariant", "this number stands twice");
        }
        lines.extend(line);
    }
    context.unnamed(&items, &mut issues);
    total(&place, &lines, &mut issues);
    let identifier = place.at("/identifier/0/system").zip(place.at("/identifier/0/value"));
    let identifier = identifier.map(|(system, value)| (system.to_owned(), value.to_owned()));
    let read = (|| {
        let (patient, coverage, third_party, created) = (patient?, coverage?, third_party?, created?);
        Some(ReadClaim { patient, coverage, third_party, created, identifier, lines })
    })();
    issues.finish(read)
}

fn head(place: &Place<'_>, issues: &mut Issues) {
    if place.text("status") != Some("active") {
        issues.add("Claim.status", "business-rule", "only an active Claim is billed");
    }
    if place.text("use") != Some("claim") {
        issues.add("Claim.use", "not-supported", "what was done is billed with the use claim");
    }
    for name in ["diagnosis", "procedure", "accident"] {
        if place.value.get(name).is_some() {
            let details = "billing has no place for it: send the Claim without";
            issues.add(format!("Claim.{name}"), "business-rule", details);
        }
    }
    let clinical = ["diagnosis", "procedure", "accident"];
    issues.nothing_beside(place, &[&HEAD[..], &["careTeam", "facility", "total"], &clinical].concat());
}

/// The number of a resource that the Claim contains.
pub(super) fn contained_nihdi(claim: &Value, reference: &str) -> Option<Nihdi> {
    let id = reference.strip_prefix('#')?;
    let contained = claim.get("contained").and_then(Value::as_array)?;
    let resource = contained.iter().find(|resource| resource["id"] == id)?;
    resource["identifier"].as_array()?.iter().find_map(nihdi_in)
}

pub(super) fn needed_day(place: &Place<'_>, name: &str, issues: &mut Issues) -> Option<Date> {
    if place.text(name).is_none() {
        issues.add(format!("{}.{name}", place.path), "required", "a day is needed here");
    }
    issues.day(place, name)
}

pub(super) fn needed_nihdi(
    place: &Place<'_>,
    name: &str,
    issues: &mut Issues,
    nihdi_of: &dyn Fn(&str) -> Option<Nihdi>,
) -> Option<Nihdi> {
    let Some(child) = place.child(name) else {
        issues.add(format!("{}.{name}", place.path), "required", "a NIHDI number is needed here");
        return None;
    };
    issues.nihdi(&child, nihdi_of)
}

pub(super) fn coverage(place: &Place<'_>, issues: &mut Issues) -> Option<String> {
    let insurance = place.items("insurance");
    let focal: Vec<&Place<'_>> = insurance.iter().filter(|one| one.value["focal"] == true).collect();
    let [focal] = focal.as_slice() else {
        issues.add("Claim.insurance", "invariant", "one insurance is focal: the one that is billed");
        return None;
    };
    issues.reference(focal, "coverage")
}

/// What items refer to by number.
struct Context<'v> {
    providers: BTreeMap<u32, Nihdi>,
    prescribers: BTreeMap<u32, Nihdi>,
    information: BTreeMap<u32, (Place<'v>, &'v str)>,
    third_party: Option<Nihdi>,
    place: Option<Nihdi>,
}

impl<'v> Context<'v> {
    fn read(
        claim: &Place<'v>,
        issues: &mut Issues,
        nihdi_of: &dyn Fn(&str) -> Option<Nihdi>,
        third_party: Option<&Nihdi>,
    ) -> Self {
        let (mut providers, mut prescribers, mut information) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for member in claim.items("careTeam") {
            let number = needed_nihdi(&member, "provider", issues, nihdi_of);
            let is_prescriber = member.at("/role/coding/0/system") == Some(ROLE_SYSTEM)
                && member.at("/role/coding/0/code") == Some("prescriber");
            let known = if is_prescriber { &mut prescribers } else { &mut providers };
            if let Some((sequence, number)) = member.positive("sequence").zip(number) {
                known.insert(sequence, number);
            }
        }
        for info in claim.items("supportingInfo") {
            let is_ours = info.at("/category/coding/0/system") == Some(INFORMATION_SYSTEM);
            let kind = info.at("/category/coding/0/code").filter(|_| is_ours);
            if let (Some(sequence), Some(kind)) = (info.positive("sequence"), kind) {
                information.insert(sequence, (info, kind));
            } else {
                let details = "this information has no place in what is billed: send the Claim without";
                issues.add(info.path, "not-supported", details);
            }
        }
        let place = claim.child("facility").and_then(|facility| issues.nihdi(&facility, nihdi_of));
        Self { providers, prescribers, information, third_party: third_party.cloned(), place }
    }

    /// Information that no item names would be lost.
    fn unnamed(&self, items: &[Place<'_>], issues: &mut Issues) {
        let named: HashSet<u32> = items.iter().flat_map(|item| numbers(item, "informationSequence")).collect();
        for (sequence, (info, _)) in &self.information {
            if !named.contains(sequence) {
                issues.add(info.path.clone(), "invariant", "no item names this information (informationSequence)");
            }
        }
    }
}

fn numbers(item: &Place<'_>, name: &str) -> Vec<u32> {
    let numbers = item.value.get(name).and_then(Value::as_array).into_iter().flatten();
    numbers.filter_map(Value::as_u64).filter_map(|number| u32::try_from(number).ok()).collect()
}

/// What items say beside their own elements.
#[derive(Default)]
struct Information {
    prescribed: Option<Date>,
    agreed: Option<Date>,
    admitted: Option<Date>,
    convention: Option<Nihdi>,
    relative_code: Option<u32>,
}

fn line(item: &Place<'_>, context: &Context<'_>, issues: &mut Issues) -> Option<ClaimedLine> {
    let sequence = item.positive("sequence");
    if sequence.is_none() {
        issues.add(format!("{}.sequence", item.path), "required", "an item has a number from 1");
    }
    issues.nothing_beside(item, &[&ITEM[..], &UNIT_PRICES].concat());
    let code = code(item, issues);
    let days = days(item, issues);
    let units = units(item, issues);
    let stated = stated(item, issues);
    let members = numbers(item, "careTeamSequence");
    let provider = provider(item, &members, context, issues);
    let information = information(item, context, issues);
    let prescriber = members.iter().find_map(|member| context.prescribers.get(member)).cloned();
    if prescriber.is_some() != information.prescribed.is_some() {
        let details = "who prescribed (careTeamSequence) and when (informationSequence) come together";
        issues.add(item.path.clone(), "invariant", details);
    }
    if item.value.get("detail").is_some() {
        issues.add(format!("{}.detail", item.path), "not-supported", "an item has no details: make each an item");
    }
    let encounter = item.at("/encounter/0/reference").map(str::to_owned);
    let (first_day, last_day, time) = days?;
    let service = Service {
        code: code?,
        first_day,
        last_day,
        units: units?,
        provider: provider?,
        stated,
        prescriber: prescriber.zip(information.prescribed),
        place: context.place.clone(),
        convention: information.convention,
        relative_code: information.relative_code,
        time,
        agreed: information.agreed,
        admitted: information.admitted,
    };
    Some(ClaimedLine { sequence: sequence?, service, encounter })
}

/// The billing code of an item: the one coding of the nomenclature.
pub(super) fn code(item: &Place<'_>, issues: &mut Issues) -> Option<u32> {
    let product = item.child("productOrService");
    let codings = product.as_ref().map_or_else(Vec::new, |product| product.items("coding"));
    let mut own = codings.iter().filter(|coding| coding.text("system") == Some(NOMENCLATURE_SYSTEM));
    let (Some(coding), None) = (own.next(), own.next()) else {
        let details = "one code of the NIHDI nomenclature is needed";
        issues.add(format!("{}.productOrService.coding", item.path), "required", details);
        return None;
    };
    let code = coding.text("code").and_then(six_digits);
    if code.is_none() {
        issues.add(format!("{}.code", coding.path), "value", "a billing code is six digits");
    }
    code
}

fn six_digits(text: &str) -> Option<u32> {
    let is_code = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    Some(text).filter(|_| is_code).and_then(|text| text.parse().ok()).filter(|code| *code > 0)
}

/// The first and the last day, and the time where the period has one.
fn days(item: &Place<'_>, issues: &mut Issues) -> Option<(Date, Date, Option<u16>)> {
    if item.value.get("servicedDate").is_some() {
        let day = issues.day(item, "servicedDate")?;
        return Some((day, day, None));
    }
    let Some(period) = item.child("servicedPeriod") else {
        issues.add(format!("{}.servicedDate", item.path), "required", "the day on which it was done is needed");
        return None;
    };
    let first = needed_day(&period, "start", issues);
    let last = needed_day(&period, "end", issues);
    let (first, last) = (first?, last?);
    if last < first {
        issues.add(period.path, "invariant", "the end lies before the start");
        return None;
    }
    // Of several days there is no one time.
    Some((first, last, period.text("start").and_then(time).filter(|_| first == last)))
}

/// `HHMM` of a time of day, as it was written.
pub(super) fn time(text: &str) -> Option<u16> {
    let clock = text.get(11..16).filter(|_| is_date_time(text))?;
    let (hours, minutes) = clock.split_once(':')?;
    Some(hours.parse::<u16>().ok()? * 100 + minutes.parse::<u16>().ok()?)
}

fn units(item: &Place<'_>, issues: &mut Issues) -> Option<u16> {
    let Some(quantity) = item.child("quantity") else { return Some(1) };
    let value = quantity.value.get("value").and_then(Value::as_f64);
    let is_whole = |value: &f64| value.fract() == 0.0 && (1.0..=9_999.0).contains(value);
    // A JSON number may be written with a fraction of nothing.
    let whole = value.filter(is_whole).and_then(|value| format!("{value:.0}").parse::<u64>().ok());
    let units = whole.filter(|units| *units <= UNITS_MAX).and_then(|units| u16::try_from(units).ok());
    if units.is_none() {
        issues.add(format!("{}.value", quantity.path), "value", "a whole number from 1 to 9999 is needed");
    }
    units
}

fn stated(item: &Place<'_>, issues: &mut Issues) -> Stated {
    for name in ["unitPrice", "factor"] {
        if item.value.get(name).is_some() {
            let details = "amounts are stated for the item as a whole: net, and extensions for what the patient pays";
            issues.add(format!("{}.{name}", item.path), "not-supported", details);
        }
    }
    let amount = item.child("net").and_then(|net| issues.money(&net));
    for extension in item.items("extension") {
        if !matches!(extension.text("url"), Some(SHARE_EXTENSION | SUPPLEMENT_EXTENSION)) {
            issues.add(extension.path, "not-supported", "this extension has no place in what is billed");
        }
    }
    let mut of_extension = |url: &str| {
        let extension = item.items("extension").into_iter().find(|one| one.text("url") == Some(url))?;
        let Some(money) = extension.child("valueMoney") else {
            issues.add(format!("{}.valueMoney", extension.path), "required", "an amount is needed here");
            return None;
        };
        issues.money(&money)
    };
    let (share, supplement) = (of_extension(SHARE_EXTENSION), of_extension(SUPPLEMENT_EXTENSION));
    Stated { amount, share, supplement }
}

/// Who did it: the member of the care team that the item names, the only member, or who bills.
fn provider(item: &Place<'_>, members: &[u32], context: &Context<'_>, issues: &mut Issues) -> Option<Nihdi> {
    let named: Vec<&Nihdi> = members.iter().filter_map(|member| context.providers.get(member)).collect();
    let only = if context.providers.len() == 1 { context.providers.values().next() } else { None };
    let found = match (named.as_slice(), only, context.providers.is_empty()) {
        ([one], _, _) => Some(*one),
        ([], Some(only), _) => Some(only),
        ([], None, true) => context.third_party.as_ref(),
        _ => {
            let details = "one member of the care team did it: name the one";
            issues.add(format!("{}.careTeamSequence", item.path), "invariant", details);
            None
        }
    };
    let known = |member: &u32| context.providers.contains_key(member) || context.prescribers.contains_key(member);
    if !members.iter().all(known) {
        issues.add(format!("{}.careTeamSequence", item.path), "value", "no member of the care team has this number");
    }
    found.cloned()
}

fn information(item: &Place<'_>, context: &Context<'_>, issues: &mut Issues) -> Information {
    let mut read = Information::default();
    for sequence in numbers(item, "informationSequence") {
        let Some((info, kind)) = context.information.get(&sequence) else {
            issues.add(format!("{}.informationSequence", item.path), "value", "no information has this number");
            continue;
        };
        match *kind {
            "prescribed" => read.prescribed = needed_day(info, "timingDate", issues),
            "agreed" => read.agreed = needed_day(info, "timingDate", issues),
            "admitted" => read.admitted = needed_day(info, "timingDate", issues),
            "convention" => {
                let number = info.text("valueString").and_then(|text| Nihdi::parse(text).ok());
                read.convention = number.filter(|nihdi| nihdi.qualification().is_some());
                if read.convention.is_none() {
                    issues.add(format!("{}.valueString", info.path), "value", "a convention has a number of 11 digits");
                }
            }
            "relative-code" => {
                read.relative_code = info.text("valueString").and_then(six_digits);
                if read.relative_code.is_none() {
                    issues.add(format!("{}.valueString", info.path), "value", "a class of tariff is six digits");
                }
            }
            _ => issues.add(format!("{}.category", info.path), "not-supported", "this information has no place here"),
        }
    }
    read
}

/// A total that is stated must be that of the items.
fn total(claim: &Place<'_>, lines: &[ClaimedLine], issues: &mut Issues) {
    let Some(stated) = claim.child("total").and_then(|total| issues.money(&total)) else { return };
    let amounts: Option<i64> = lines.iter().map(|line| line.service.stated.amount.map(|Cents(cents)| cents)).sum();
    if issues.0.is_empty() && amounts != Some(stated.0) {
        issues.add("Claim.total", "invariant", "the total is not the sum of the items' net amounts");
    }
}
