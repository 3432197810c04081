//! Whether somebody refuses that an insurer is told: asked when a line begins, at every check, and again before a file takes its lines.
//!
//! What third-party billing rests on is the law, and no Consent: but a person who says that nobody may be told for payment pays themselves.

use std::collections::{BTreeMap, BTreeSet};

use mappings::billing::Severity;

use super::check::{CHECK, Checked};
use super::detail::Finding;
use super::people::InsuredPerson;
use super::{BILLING_RULE, Books, PAGE};
use crate::access::{Caller, Draft};
use crate::audit::AuditEvent;
use crate::consent::{Consent, Decision, Grantee, Provision, ProvisionType, Purpose, Reason, Request, decide};
use crate::error::Failure;
use crate::labels::{Facts, ResourceFacts};
use crate::storage::billing::{ClaimLineRow, LineChange, LineFilter};

/// The purpose of whoever pays for care.
const PAYMENT: &str = "HPAYMT";
/// Who insures, as the operator registers kinds of organisations.
const KINDS: [&str; 2] = ["mutuality", "care-fund"];
/// What is wrong with a line of somebody who refuses it.
const REFUSED: &str = "wellgate-refused-by-person";

/// Where somebody refuses it.
#[derive(Clone, Debug)]
pub(super) struct Refusing {
    record: String,
    consents: Vec<String>,
}

impl Refusing {
    /// What is wrong with a line of theirs.
    pub(super) fn finding() -> Finding {
        Finding::new(REFUSED, Severity::Record, "")
    }

    /// Whether a line was stopped by it before.
    pub(super) fn has_stopped(line: &ClaimLineRow) -> bool {
        line.findings.contains(REFUSED)
    }

    /// Whether it stops a line: what a credit note takes back, the insurer was told already.
    pub(super) fn stops(line: &ClaimLineRow) -> bool {
        line.kind != 3
    }
}

/// Refuses to begin a line where a Consent of the record does.
///
/// # Errors
/// 403, resting on the Consents; the database is away.
pub(super) async fn refused(draft: &mut Draft<'_>, compartment: &str) -> Result<(), Failure> {
    let refusing = refusing(draft, compartment).await?;
    if refusing.is_empty() {
        return Ok(());
    }
    let details = "the person refuses that an insurer is told: they pay themselves";
    let refusal = Failure::refused(Reason::Excluded.code(), details, Some("Claim.patient".to_owned()));
    Err(refusal.about(compartment).resting_on(refusing))
}

/// The Consents of a record by which an insurer must not be told. A deny that names payment is meant; one for whatever purpose is about care,
/// and what the law asks is asked all the same.
async fn refusing(draft: &mut Draft<'_>, compartment: &str) -> Result<Vec<String>, Failure> {
    let consents = draft.consents(compartment).await?;
    let now_ms = draft.caller.now_ms;
    let facts = ResourceFacts::of("Patient", compartment, &Facts::UNKNOWN, draft.app.labels.version());
    let denies = |consents: &[Consent], grantees: &[Grantee]| {
        let Some(purpose) = Purpose::from_code(PAYMENT) else { return false };
        let request = Request { grantees, former_teams: &[], purpose };
        decide(request, &facts, consents, now_ms) == Decision::Deny(Reason::Excluded)
    };
    // Insurers as such, and each that takes part under its own name.
    let registry = &draft.caller.registry;
    let named = registry.organizations().filter(|one| KINDS.contains(&one.kind.as_str()));
    let mut insurers: Vec<Vec<Grantee>> = named.map(|one| registry.grantees(one)).collect();
    insurers.extend(KINDS.map(|kind| vec![Grantee::kind(kind)]));
    let is_meant = |consent: &&Consent| {
        let alone = std::slice::from_ref(*consent);
        is_about_payment(consent) && insurers.iter().any(|insurer| denies(alone, insurer))
    };
    Ok(consents.iter().filter(is_meant).map(|consent| consent.id.0.clone()).collect())
}

/// Whether a Consent names payment in a deny, or cannot be read any more: nothing is decided on half of what a person said.
fn is_about_payment(consent: &Consent) -> bool {
    let Some(root) = &consent.provision else { return false };
    let Some(payment) = Purpose::from_code(PAYMENT) else { return false };
    let names = |provision: &Provision| {
        provision.provision_type == Some(ProvisionType::Deny)
            && provision.purposes.is_some_and(|purposes| purposes.contains(payment))
    };
    *consent == Consent::denying(consent.id.clone()) || names(root) || root.nested.iter().any(names)
}

impl Books<'_> {
    /// Those among these people who refuse it now, in a record that something of theirs was billed from.
    pub(super) async fn refusing<'p>(
        &self,
        people: impl IntoIterator<Item = (&'p String, &'p InsuredPerson)>,
    ) -> Result<BTreeMap<String, Refusing>, Failure> {
        let mut found = BTreeMap::new();
        let recorded: Vec<(&String, &BTreeSet<String>)> = people
            .into_iter()
            .map(|(id, person)| (id, &person.records))
            .filter(|(_, records)| !records.is_empty())
            .collect();
        if recorded.is_empty() {
            return Ok(found);
        }
        let caller = Caller::gateway(self.app.registry().await?, self.now_ms());
        let mut draft = Draft::new(self.app, &caller);
        for (id, records) in recorded {
            for record in records {
                let consents = refusing(&mut draft, record).await?;
                if !consents.is_empty() {
                    found.insert(id.clone(), Refusing { record: record.clone(), consents });
                }
            }
        }
        Ok(found)
    }

    /// What the trail of the person's record says: that a line was stopped, and by which Consents.
    pub(super) fn stopped(&self, line: &ClaimLineRow, refusing: &Refusing) -> AuditEvent {
        let about = (refusing.record.as_str(), BILLING_RULE);
        let said = form_urlencoded::Serializer::new(String::new()).append_pair("line", &line.id).finish();
        let event = AuditEvent::done((CHECK.action, CHECK.subtype), self.actor.clone(), about, self.now_ms());
        let event = event.asking(&said).refused(Reason::Excluded.code()).resting_on(&refusing.consents);
        AuditEvent { organization: self.compartment.clone(), purpose: PAYMENT.to_owned(), ..event }
    }

    /// What the trails say of lines that were stopped while their file was written.
    ///
    /// # Errors
    /// The database or the key store is away.
    pub(super) async fn stopped_of(&self, changes: &[LineChange]) -> Result<Vec<AuditEvent>, Failure> {
        let lines: Vec<&ClaimLineRow> =
            changes.iter().map(|change| &change.line).filter(|line| Refusing::has_stopped(line)).collect();
        let people: BTreeSet<String> = lines.iter().map(|line| line.person.clone()).collect();
        let people = self.people(&people.into_iter().collect::<Vec<_>>()).await?;
        let refusing = self.refusing(&people).await?;
        Ok(lines.into_iter().filter_map(|line| Some(self.stopped(line, refusing.get(&line.person)?))).collect())
    }

    /// Stops what is ready and must not leave any more, of the lines that are asked for: of every month, where none is named.
    ///
    /// # Errors
    /// The database or the key store is away.
    pub async fn stop_refused(&self, filter: &LineFilter) -> Result<(), Failure> {
        let store = &self.app.store;
        let everybody = store.claim_people(&self.compartment, filter).await?;
        let page = usize::try_from(PAGE).unwrap_or(1);
        for people in everybody.chunks(page) {
            let people = self.people(people).await?;
            for person in self.refusing(&people).await?.into_keys() {
                let ids = store.claim_line_ids(&self.compartment, &LineFilter { person, ..filter.clone() }).await?;
                let mut stopped: BTreeMap<String, Vec<String>> = BTreeMap::new();
                for line in store.claim_lines_by_id(&self.compartment, &ids).await?.into_iter().filter(Refusing::stops)
                {
                    stopped.entry(line.third_party).or_default().push(line.id);
                }
                for (party, ids) in stopped {
                    self.check_lines(&ids, &self.party(&party).await?, &mut Checked::default()).await?;
                }
            }
        }
        Ok(())
    }
}
