//! What a clerk decides about a line: mend it, send it again, give it up, take it back, take it out.

use std::collections::BTreeMap;

use mappings::billing::Date;
use mappings::identifiers::Nihdi;

use super::detail::LineDetail;
use super::draft::month_of;
use super::party::BillingParty;
use super::people::InsuredPerson;
use super::states::LineState;
use super::{Books, day, fresh_id};
use crate::access::caller::Act;
use crate::error::{Failure, Issue};
use crate::storage::StorageError;
use crate::storage::billing::{ClaimLineRow, InsuredPersonRow, LineChange};
use crate::storage::write_set::WriteSet;

const CORRECT: Act = Act::new("U", "billing-correct");
const WRITE_OFF: Act = Act::new("U", "billing-write-off");
const CREDIT: Act = Act::new("C", "billing-credit");
const TAKE_OUT: Act = Act::new("U", "billing-take-out");
const EXPORT: Act = Act::new("E", "billing-portal");
/// Lines that are decided on together.
const LINES_MAX: usize = 2_000;
/// The longest reason.
const REASON_CHARACTERS: std::ops::RangeInclusive<usize> = 4..=500;

/// What is to be different; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct Correction {
    /// The code.
    pub code: Option<u32>,
    /// The day, or the first of a period.
    pub first_day: Option<Date>,
    /// The last day of a period.
    pub last_day: Option<Date>,
    /// How many.
    pub units: Option<u16>,
    /// Who did it.
    pub provider: Option<Nihdi>,
    /// Who prescribed it, and when.
    pub prescriber: Option<(Nihdi, Date)>,
    /// For whom it was; what it leaves open stays as it is known of that person.
    pub person: Option<InsuredPerson>,
}

impl Correction {
    /// Whether it leaves everything as it is.
    fn is_none(&self) -> bool {
        let Self { code, first_day, last_day, units, provider, prescriber, person } = self;
        code.is_none()
            && first_day.is_none()
            && last_day.is_none()
            && units.is_none()
            && provider.is_none()
            && prescriber.is_none()
            && person.is_none()
    }

    fn apply(&self, line: &mut ClaimLineRow, person: Option<&str>) -> Result<(), StorageError> {
        let mut detail = LineDetail::read(line)?;
        if let Some(code) = self.code {
            line.code = i64::from(code);
            // Another service has another price.
            (detail.stated_amount, detail.stated_share, detail.stated_supplement) = (None, None, None);
        }
        if let Some(first_day) = self.first_day {
            line.first_day = day(first_day);
            line.last_day = day(self.last_day.unwrap_or(first_day));
            line.month = month_of(self.last_day.unwrap_or(first_day));
        }
        if let Some(units) = self.units {
            line.units = i64::from(units);
        }
        if let Some(provider) = &self.provider {
            provider.as_str().clone_into(&mut line.provider);
        }
        if let Some((prescriber, on)) = &self.prescriber {
            detail.prescriber = Some(prescriber.as_str().to_owned());
            detail.prescribed = Some(day(*on));
        }
        if let Some(person) = person {
            person.clone_into(&mut line.person);
        }
        line.detail = detail.write();
        Ok(())
    }
}

impl Books<'_> {
    /// Mends a line that was not sent, or makes another in the place of one that was refused, and checks it at once. Answers the line that goes on:
    /// ready, or faulty with what is still wrong.
    ///
    /// # Errors
    /// 404 for a line of nobody; 422 for one that is under way or has come to its end; the database is away.
    pub async fn correct(&self, id: &str, correction: &Correction) -> Result<ClaimLineRow, Failure> {
        let (person, row) = self.corrected_person(correction).await?;
        self.decided(|| {
            let (person, row) = (&person, &row);
            Box::pin(async move {
                let mut line = self.line(id).await?;
                let mut set = WriteSet::default();
                set.billing.people.extend(row.clone());
                let party = self.party(&line.third_party).await?;
                let state = state_of(&line)?;
                let person = person.as_deref();
                if line.kind == 3 && !correction.is_none() {
                    return Err(wrong_state("a credit note says what was invoiced: it goes as it is, or is taken out"));
                }
                if state.is_open() {
                    correction.apply(&mut line, person)?;
                    let checked = self.checked(line, (&party, correction.person.as_ref()), &mut set).await?;
                    set.audit.push(self.event(CORRECT, &[("line", id)]));
                    set.billing.changed.push(LineChange::of(checked.clone(), state.code()));
                    return Ok((set, checked));
                }
                if state != LineState::Refused {
                    return Err(wrong_state(
                        "it is under way, or has come to its end: only a refused one is sent again",
                    ));
                }
                if line.kind == 3
                    && (self.line(&line.corrects).await?.state != "paid" || self.is_taken_back(&line.corrects).await?)
                {
                    return Err(wrong_state("what it takes back was taken back by another"));
                }
                let mut next = self.successor(&line, if line.kind == 3 { 3 } else { 1 });
                correction.apply(&mut next, person)?;
                let next = self.checked(next, (&party, correction.person.as_ref()), &mut set).await?;
                set.audit.push(self.event(CORRECT, &[("line", id), ("by", &next.id)]));
                set.billing.changed.push(self.decided_on(line, LineState::Corrected, ""));
                set.billing.lines.push(next.clone());
                Ok((set, next))
            })
        })
        .await
    }

    /// The person of a correction as they are kept from then on.
    async fn corrected_person(
        &self,
        correction: &Correction,
    ) -> Result<(Option<String>, Option<InsuredPersonRow>), Failure> {
        let Some(person) = correction.person.clone() else { return Ok((None, None)) };
        let Some((id, person)) = self.known([person]).await?.into_iter().next() else { return Ok((None, None)) };
        let row = self.person_row(&id, &person).await?;
        Ok((Some(id), Some(row)))
    }

    /// Gives up refused lines.
    ///
    /// # Errors
    /// 422 without a reason, or for a line that is not refused: then none is given up; 404 for a line of nobody.
    pub async fn write_off(&self, ids: &[String], reason: &str) -> Result<(), Failure> {
        let may = |state| state == LineState::Refused;
        self.end(ids, (may, "only a refused line is given up"), (WRITE_OFF, LineState::Uncollectable, reason)).await
    }

    /// Takes out lines that were not sent.
    ///
    /// # Errors
    /// As [`Books::write_off`].
    pub async fn take_out(&self, ids: &[String], reason: &str) -> Result<(), Failure> {
        self.end(
            ids,
            (LineState::is_open, "it was sent: a credit note takes it back"),
            (TAKE_OUT, LineState::Void, reason),
        )
        .await
    }

    /// Notes that sessions were handed over for the portal of psychologists.
    ///
    /// # Errors
    /// As [`Books::write_off`].
    pub async fn exported(&self, ids: &[String]) -> Result<(), Failure> {
        let may = |state| state == LineState::Ready;
        self.end(ids, (may, "only what is ready is handed over"), (EXPORT, LineState::Exported, "mhc-portal")).await
    }

    async fn end(
        &self,
        ids: &[String],
        (may, objection): (fn(LineState) -> bool, &'static str),
        (act, state, reason): (Act, LineState, &str),
    ) -> Result<(), Failure> {
        check_reason(reason)?;
        if ids.len() > LINES_MAX {
            return Err(Failure::TooLarge(format!("at most {LINES_MAX} lines at once")));
        }
        self.decided(|| {
            Box::pin(async move {
                let lines = self.app.store.claim_lines_by_id(&self.compartment, ids).await?;
                if lines.len() != ids.len() {
                    return Err(Failure::NotFound);
                }
                let mut set = WriteSet::default();
                for line in lines {
                    if !may(state_of(&line)?) || (state == LineState::Exported && line.channel != "mhc-portal") {
                        return Err(wrong_state(objection));
                    }
                    set.billing.changed.push(self.decided_on(line, state, reason));
                }
                let count = ids.len().to_string();
                set.audit
                    .push(self.event(act, &[("lines", &count), ("first", ids.first().map_or("", String::as_str))]));
                Ok((set, ()))
            })
        })
        .await
    }

    /// Takes back a line that was paid: a credit note of it, which goes with the next file. Answers the credit note.
    ///
    /// # Errors
    /// 422 without a reason, or for a line that was not paid or is being taken back already; 404 for a line of nobody.
    pub async fn credit(&self, id: &str, reason: &str) -> Result<ClaimLineRow, Failure> {
        check_reason(reason)?;
        self.decided(|| {
            Box::pin(async move {
                let line = self.line(id).await?;
                if state_of(&line)? != LineState::Paid || line.kind == 3 {
                    return Err(wrong_state("only what was paid is taken back"));
                }
                if self.is_taken_back(id).await? {
                    return Err(wrong_state("it is being taken back already"));
                }
                let party = self.party(&line.third_party).await?;
                let mut note = self.successor(&line, 3);
                (note.decided_by, note.decided_why) = (self.actor_name(), reason.to_owned());
                let mut set = WriteSet::default();
                let note = self.checked(note, (&party, None), &mut set).await?;
                set.audit.push(self.event(CREDIT, &[("line", id), ("by", &note.id)]));
                set.billing.lines.push(note.clone());
                Ok((set, note))
            })
        })
        .await
    }

    /// Whether a credit note of a line stands.
    async fn is_taken_back(&self, id: &str) -> Result<bool, Failure> {
        let later = self.app.store.claim_successors(&self.compartment, &[id.to_owned()]).await?;
        let stands = |one: &ClaimLineRow| {
            one.kind == 3 && !matches!(one.state.as_str(), "void" | "refused" | "corrected" | "uncollectable")
        };
        Ok(later.iter().any(stands))
    }

    /// One line of this organisation.
    ///
    /// # Errors
    /// 404.
    pub async fn line(&self, id: &str) -> Result<ClaimLineRow, Failure> {
        let lines = self.app.store.claim_lines_by_id(&self.compartment, &[id.to_owned()]).await?;
        lines.into_iter().next().ok_or(Failure::NotFound)
    }

    /// A line that takes the place of another, or takes it back.
    fn successor(&self, line: &ClaimLineRow, kind: i64) -> ClaimLineRow {
        ClaimLineRow {
            id: fresh_id(),
            state: LineState::Draft.code().to_owned(),
            findings: String::new(),
            source: if kind == 3 { "credit" } else { "correction" }.to_owned(),
            source_key: None,
            sending: String::new(),
            invoice: 0,
            kind,
            // A refused credit note takes back the same line once more.
            corrects: if kind == 3 && line.kind == 3 { line.corrects.clone() } else { line.id.clone() },
            paid_cents: 0,
            refusal: String::new(),
            decided_by: self.actor_name(),
            decided_why: String::new(),
            created_ms: self.now_ms(),
            changed_ms: self.now_ms(),
            ..line.clone()
        }
    }

    /// A line as a check leaves it; the person as they are to be, where they change with it.
    async fn checked(
        &self,
        line: ClaimLineRow,
        (party, person): (&BillingParty, Option<&InsuredPerson>),
        set: &mut WriteSet,
    ) -> Result<ClaimLineRow, Failure> {
        let mut people = BTreeMap::new();
        if let Some(person) = person {
            people = self.known([person.clone()]).await?;
        }
        let looked = self.looked_at(vec![line], party, people).await?;
        set.audit.extend(looked.stopped);
        looked.changes.into_iter().next().map(|change| change.line).ok_or(Failure::Internal("a line was not checked"))
    }

    fn decided_on(&self, mut line: ClaimLineRow, state: LineState, reason: &str) -> LineChange {
        let was = LineState::from_code(&line.state).map_or("", LineState::code);
        state.code().clone_into(&mut line.state);
        (line.decided_by, line.decided_why) = (self.actor_name(), reason.to_owned());
        line.changed_ms = self.now_ms();
        LineChange::of(line, was)
    }
}

fn state_of(line: &ClaimLineRow) -> Result<LineState, StorageError> {
    LineState::from_code(&line.state).ok_or(StorageError::Corrupt("a claim line"))
}

fn wrong_state(details: &'static str) -> Failure {
    Failure::Unprocessable(vec![Issue::at("state", "business-rule", details)])
}

fn check_reason(reason: &str) -> Result<(), Failure> {
    if REASON_CHARACTERS.contains(&reason.trim().chars().count()) && !crate::vault::has_number(reason) {
        return Ok(());
    }
    let details = "say why, in 4 to 500 characters, without a number of a person";
    Err(Failure::Unprocessable(vec![Issue::at("reason", "required", details)]))
}
