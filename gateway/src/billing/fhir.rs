//! Lines out of what EHRs write: a Claim says them, and a contact becomes one where a tariff is for such contacts. They go into the organisation's
//! own books with the resource, in the same write set, and stay there when the dossier moves on.
//!
//! A person may refuse it: then they pay themselves, and nothing goes to an insurer.

use mappings::billing::Date;
use mappings::claim::{
    BillableContact, ElementIssue, Insurer, ReadClaim, from_claim, from_coverage, from_encounter, references_of_claim,
};
use mappings::claim_line::Service;
use mappings::identifiers::{Nihdi, SSIN_SYSTEM, Ssin};
use mappings::tariff::{Stated, Tariff};
use serde_json::Value;

use super::detail::ContactDetail;
use super::draft::{DRAFT, NewLine, Source};
use super::people::InsuredPerson;
use super::refusing::refused;
use super::{BILLING_RULE, Books};
use crate::access::Draft;
use crate::audit::Actor;
use crate::error::{Failure, Issue};
use crate::storage::resource::Touched;
use crate::storage::sight::Level;
use crate::storage::write_set::ResourceKey;

/// Resources of a record among which its Coverages are looked for.
const RESOURCES_MAX: u32 = 2_000;

/// After a Claim was put: what it claims becomes lines of the organisation that bills. Of one without a third party nothing follows.
///
/// # Errors
/// 422 with each element that cannot be billed; 403 where the person refuses it; the database is away.
pub async fn on_claim(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    let Some(claim) = draft.pending("Claim", &key.id).map(|resource| resource.value.clone()) else { return Ok(()) };
    let says = |element: &str| claim.get(element).and_then(Value::as_str);
    let books = books(draft);
    let parties = books.parties().await?;
    if parties.is_empty() || says("use") != Some("claim") || says("status") != Some("active") {
        return Ok(());
    }
    let numbers: Vec<(String, Option<Nihdi>)> = references_of_claim(&claim)
        .into_iter()
        .map(|reference| {
            let number = number(draft, &reference);
            (reference, number)
        })
        .collect();
    let known = |reference: &str| numbers.iter().find(|(one, _)| one == reference).and_then(|(_, nihdi)| nihdi.clone());
    let read = from_claim(&claim, &known).map_err(|issues| unprocessable(&issues))?;
    if !parties.iter().any(|party| party.nihdi == read.third_party.as_str()) {
        let details = "the operator registers who is paid: wellgate billing party";
        return Err(Failure::content("Claim.provider", "business-rule", details));
    }
    refused(draft, &key.compartment).await?;
    let mut person = person(draft, &key.compartment).await?;
    let id = draft.local(&read.coverage).strip_prefix("Coverage/").unwrap_or_default().to_owned();
    let coverage = ResourceKey { compartment: key.compartment.clone(), resource_type: "Coverage", id };
    let Some(coverage) = draft.content(&coverage).await? else {
        let details = "must be a Coverage of the record of the Claim's patient";
        return Err(Failure::content("Claim.insurance.coverage", "value", details));
    };
    for line in &read.lines {
        let on = line.service.first_day;
        insured(&mut person, &coverage.content.value, on).map_err(|issues| unprocessable(&issues))?;
    }
    let ReadClaim { third_party, lines, .. } = read;
    let new = lines.into_iter().map(|line| NewLine {
        person: person.clone(),
        third_party: third_party.as_str().to_owned(),
        service: line.service,
        contact: None,
        source: Source::Claim,
        source_key: Some(format!("{} {}#{}", key.compartment, key.id, line.sequence)),
    });
    let new: Vec<NewLine> = new.collect();
    put(draft, &books, &new, key).await
}

/// After a contact was put: where a tariff is for such contacts, it becomes a line. What is missing for that is no fault of the contact, which is
/// kept all the same: a clerk bills it by hand then.
///
/// # Errors
/// The database is away.
pub async fn on_contact(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    let Some(encounter) = draft.pending("Encounter", &key.id).map(|resource| resource.value.clone()) else {
        return Ok(());
    };
    let books = books(draft);
    let parties = books.parties().await?;
    // Who does not hold the record must not find in its books who the person is.
    if !draft.holds(&key.compartment) {
        return Ok(());
    }
    // Of several third parties nobody is guessed.
    let [party] = parties.as_slice() else { return Ok(()) };
    let Ok(contact) = from_encounter(&encounter, &|reference| number(draft, reference)) else { return Ok(()) };
    let Some((service, detail)) = service(draft, &contact) else { return Ok(()) };
    match refused(draft, &key.compartment).await {
        Err(Failure::Refused { reason, .. }) => {
            // The contact stands; that it is not billed is on record.
            let touched = touched(draft, key);
            draft.set.audit.push(draft.caller.event(DRAFT, BILLING_RULE, &touched).refused(reason));
            return Ok(());
        }
        other => other?,
    }
    let Ok(mut person) = person(draft, &key.compartment).await else { return Ok(()) };
    for one in draft.app.store.keys_of_record(&key.compartment, RESOURCES_MAX).await? {
        let ("Coverage", id) = one else { continue };
        let coverage = ResourceKey { compartment: key.compartment.clone(), resource_type: "Coverage", id };
        if let Some(coverage) = draft.content(&coverage).await? {
            // One that is over or not understood insures nobody.
            let _ = insured(&mut person, &coverage.content.value, service.first_day);
        }
    }
    let new = NewLine {
        person,
        third_party: party.nihdi.clone(),
        service,
        contact: Some(detail),
        source: Source::Contact,
        source_key: Some(format!("{} {}", key.compartment, key.id)),
    };
    put(draft, &books, &[new], key).await
}

/// The books of whoever writes.
fn books<'a>(draft: &Draft<'a>) -> Books<'a> {
    Books::new(draft.app, draft.caller.organization(), Actor::gateway())
}

async fn put(draft: &mut Draft<'_>, books: &Books<'_>, new: &[NewLine], key: &ResourceKey) -> Result<(), Failure> {
    let (people, rows) = books.people_of(new).await?;
    let lines = books.drafted(new, &people).await?;
    if lines.is_empty() {
        return Ok(());
    }
    let touched = touched(draft, key);
    draft.set.audit.push(draft.caller.event(DRAFT, BILLING_RULE, &touched));
    draft.set.billing.people.extend(rows);
    draft.set.billing.lines.extend(lines);
    Ok(())
}

fn touched(draft: &Draft<'_>, key: &ResourceKey) -> Touched {
    Touched {
        compartment: key.compartment.clone(),
        resource_type: key.resource_type.to_owned(),
        resource_id: key.id.clone(),
        version_id: draft.pending(key.resource_type, &key.id).map_or(0, |resource| resource.version.0),
        level: Level::Held,
    }
}

/// The service of a contact by the tariff for such contacts; none where there is none, or nobody knows who did it.
fn service(draft: &Draft<'_>, contact: &BillableContact) -> Option<(Service, ContactDetail)> {
    let provider = contact.provider.clone()?;
    let detail = ContactDetail { class: contact.class.clone(), types: contact.types.clone(), minutes: contact.minutes };
    let types: Vec<&str> = contact.types.iter().map(String::as_str).collect();
    let tariff: &Tariff = draft.app.tariffs.of_contact(&detail.asked(&types), &provider, contact.first_day).ok()?;
    // Of what kind a contact was stays in the dossier, but for what the price rests on.
    let types = contact.types.iter().filter(|one| tariff.encounter.types.contains(one)).cloned().collect();
    let detail = ContactDetail { types, ..detail };
    let service = Service {
        code: tariff.code,
        first_day: contact.first_day,
        last_day: contact.last_day,
        units: 1,
        provider,
        stated: Stated::default(),
        prescriber: None,
        place: None,
        convention: None,
        relative_code: None,
        time: contact.time,
        admitted: None,
        agreed: None,
    };
    Some((service, detail))
}

/// The NIHDI number of somebody who is registered.
fn number(draft: &Draft<'_>, reference: &str) -> Option<Nihdi> {
    let registry = &draft.caller.registry;
    let number = match draft.local(reference).split_once('/')? {
        ("Practitioner", id) => registry.practitioner(id)?.nihdi.as_deref(),
        ("Organization", id) => registry.organization(id)?.nihdi.as_deref(),
        _ => None,
    };
    Nihdi::parse(number?).ok()
}

/// Who the record is about, as an insurer has to know them.
async fn person(draft: &Draft<'_>, compartment: &str) -> Result<InsuredPerson, Failure> {
    let key = ResourceKey { compartment: compartment.to_owned(), resource_type: "Patient", id: compartment.to_owned() };
    let patient = draft.content(&key).await?.map(|stored| stored.content.value).unwrap_or_default();
    let identifiers = patient.get("identifier").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let numbers = identifiers.iter().filter(|one| one.get("system").and_then(Value::as_str) == Some(SSIN_SYSTEM));
    let number = numbers.filter_map(|one| Ssin::parse(one.get("value")?.as_str()?).ok()).find(Ssin::check_digits_hold);
    let Some(number) = number else {
        let details = "the record's Patient has no national number whose check digits hold: no insurer knows who it is";
        return Err(Failure::content("Claim.patient", "business-rule", details));
    };
    let text = |pointer: &str| patient.pointer(pointer).and_then(Value::as_str);
    let name = text("/name/0/text").map(str::to_owned).or_else(|| {
        let family = text("/name/0/family")?;
        Some(text("/name/0/given/0").map_or_else(|| family.to_owned(), |given| format!("{given} {family}")))
    });
    let sex = match text("/gender") {
        Some("male") => Some(1),
        Some("female") => Some(2),
        _ => None,
    };
    let records = [compartment.to_owned()].into();
    Ok(InsuredPerson { ssin: number.as_str().to_owned(), name, sex, records, ..InsuredPerson::default() })
}

/// What a Coverage says of how somebody is insured.
fn insured(person: &mut InsuredPerson, coverage: &Value, on: Date) -> Result<(), Vec<ElementIssue>> {
    let by = from_coverage(coverage)?;
    if by.first_day.is_some_and(|first| on < first) || by.last_day.is_some_and(|last| on > last) {
        let details = "the Coverage is not of the day of the service: send the one that was";
        let expression = "Claim.insurance.coverage".to_owned();
        return Err(vec![ElementIssue { expression, code: "business-rule", details: details.to_owned() }]);
    }
    match by.insurer {
        Insurer::Mutuality(number) => {
            person.affiliation = Some(number);
            (person.ct1, person.ct2) = (by.codes.map(|codes| codes.0), by.codes.map(|codes| codes.1));
        }
        Insurer::CareFund(number) => person.care_fund = Some(number),
    }
    Ok(())
}

fn unprocessable(issues: &[ElementIssue]) -> Failure {
    let issue = |issue: &ElementIssue| Issue::at(issue.expression.clone(), issue.code, issue.details.clone());
    Failure::Unprocessable(issues.iter().map(issue).collect())
}
