//! A file is made: it takes its number and its lines in one write set, is written from them, and is sealed or void.
//!
//! A gateway may die at any point: what it left half made has its number and its lines, and the next one makes the same file of them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::detail::Finding;
use super::send::{KIND, RESOURCE_TYPE, partner_of};
use super::states::{LineState, SendingState};
use super::written::Made;
use super::{Books, PAGE, day, fresh_id};
use crate::access::caller::Act;
use crate::app::App;
use crate::audit::Actor;
use crate::config::OneFileADay;
use crate::error::{Failure, Issue};
use crate::storage::billing::{ClaimLineRow, LineChange, LineFilter, MovedLines, SendingRow, TakenLines};
use crate::storage::delivery::NewDelivery;
use crate::storage::write_set::{VersionId, WriteSet};

/// A file takes its number.
const NUMBER: Act = Act::new("C", "billing-number");
/// A file is sealed: from now on it leaves.
const SEAL: Act = Act::new("E", "billing-seal");
/// A number stays unused.
const VOID: Act = Act::new("E", "billing-void");
/// Numbers of a third party in a year.
const NUMBER_MAX: i64 = 999;
/// A file that nobody has gone on with for so long was left by a gateway that died.
const LEFT_MS: i64 = 60_000;

/// What a file is to be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who is paid: 11 digits.
    pub third_party: String,
    /// `efact` or `vsb`.
    pub channel: String,
    /// The federation or care fund.
    pub federation: i64,
    /// The month that is billed, `YYYYMM`: what is ready of earlier months goes along.
    pub month: i64,
}

/// What is ready for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyFile {
    /// By which it is made.
    pub wanted: Wanted,
    /// The payers in it.
    pub payers: Vec<i64>,
    /// How many lines.
    pub lines: i64,
    /// What is asked for.
    pub amount_cents: i64,
    /// Whether it may be made today.
    pub may_today: bool,
}

impl Books<'_> {
    /// Makes a file of everything that is ready, and lets it leave. Answers the sending: sealed, or void where something was found that the check had not.
    ///
    /// # Errors
    /// 422 with code 100724 where a file of today is enough, 100721 where the numbers of the year are used up, or where nothing is ready; the
    /// database is away: then the file is made later.
    pub async fn seal(&self, wanted: &Wanted) -> Result<SendingRow, Failure> {
        self.party(&wanted.third_party).await?;
        self.stop_those_who_refuse(wanted).await?;
        let sending = self.decided(|| Box::pin(self.numbered(wanted))).await?;
        self.finish(sending).await
    }

    /// What somebody does not want an insurer to be told any more gets no number.
    async fn stop_those_who_refuse(&self, wanted: &Wanted) -> Result<(), Failure> {
        let ready = self.ready(&wanted.third_party, wanted.month).await?.into_iter().find(|one| one.wanted == *wanted);
        for payer in ready.into_iter().flat_map(|ready| ready.payers) {
            let filter = LineFilter {
                third_party: wanted.third_party.clone(),
                channel: wanted.channel.clone(),
                states: vec![LineState::Ready.code()],
                payer,
                ..LineFilter::default()
            };
            self.stop_refused(&filter).await?;
        }
        Ok(())
    }

    /// Whether a file may be made today.
    ///
    /// # Errors
    /// The database is away.
    pub async fn may_seal_today(&self, wanted: &Wanted) -> Result<bool, Failure> {
        let federation = match self.app.billing.one_file_a_day {
            OneFileADay::Unlimited => return Ok(true),
            OneFileADay::Federation => Some(wanted.federation),
            OneFileADay::Provider => None,
        };
        if wanted.channel != "efact" {
            return Ok(true);
        }
        let today = day(self.today()?);
        let of = (wanted.channel.as_str(), today.as_str());
        Ok(self.app.store.sendings_of_day(&wanted.third_party, of, federation).await? == 0)
    }

    /// The files that can be made of what is ready in a month and before: one for each federation and care fund.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ready(&self, third_party: &str, month: i64) -> Result<Vec<ReadyFile>, Failure> {
        let filter = LineFilter {
            third_party: third_party.to_owned(),
            states: vec![LineState::Ready.code()],
            ..LineFilter::default()
        };
        let mut files: Vec<ReadyFile> = Vec::new();
        for count in self.app.store.claim_counts(&self.compartment, &filter).await? {
            let Some(federation) = self.federation(&count.channel, count.payer)? else { continue };
            if count.month > month {
                continue;
            }
            let wanted = Wanted { third_party: third_party.to_owned(), channel: count.channel, federation, month };
            let at = files.iter().position(|file| file.wanted == wanted).unwrap_or(files.len());
            if at == files.len() {
                let may_today = self.may_seal_today(&wanted).await?;
                files.push(ReadyFile { wanted, payers: Vec::new(), lines: 0, amount_cents: 0, may_today });
            }
            let Some(file) = files.get_mut(at) else { continue };
            if !file.payers.contains(&count.payer) {
                file.payers.push(count.payer);
            }
            file.lines += count.lines;
            file.amount_cents += count.amount_cents;
        }
        files.sort_by(|a, b| (&a.wanted.channel, a.wanted.federation).cmp(&(&b.wanted.channel, b.wanted.federation)));
        Ok(files)
    }

    /// The federation or care fund to which a payer's lines go in one file; none for a channel that has no files.
    ///
    /// # Errors
    /// The clock is out of the calendar.
    pub fn federation(&self, channel: &str, payer: i64) -> Result<Option<i64>, Failure> {
        let (Ok(number), today) = (u16::try_from(payer), self.today()?) else { return Ok(None) };
        let destination = match channel {
            "efact" => self.app.tariffs.mutuality(number, today),
            "vsb" => self.app.tariffs.care_fund(number, today),
            _ => None,
        };
        Ok(destination.map(|destination| i64::from(destination.federation)))
    }

    /// Gives the file its number and its lines.
    async fn numbered(&self, wanted: &Wanted) -> Result<(WriteSet, SendingRow), Failure> {
        let refused =
            |code: &'static str, details: &str| Failure::Unprocessable(vec![Issue::at(code, "business-rule", details)]);
        if !self.may_seal_today(wanted).await? {
            return Err(refused("100724", "one file a day: the next can be made tomorrow"));
        }
        let ready = self.ready(&wanted.third_party, wanted.month).await?.into_iter().find(|one| one.wanted == *wanted);
        let Some(ready) = ready else {
            return Err(refused("sending", "nothing is ready for it: check the month first"));
        };
        let (today, now_ms) = (self.today()?, self.now_ms());
        let again = self.refused_before(wanted).await?;
        let mut sending = if let Some(sending) = again {
            SendingRow {
                attempt: sending.attempt + 1,
                remark: String::new(),
                accepted_cents: 0,
                refused_cents: 0,
                ..sending
            }
        } else {
            let year = i64::from(today.year());
            let number = self.app.store.next_sending_number(&wanted.third_party, year).await?;
            if number > NUMBER_MAX {
                return Err(refused("100721", "the 999 numbers of this year are used up"));
            }
            SendingRow {
                compartment: self.compartment.clone(),
                id: fresh_id(),
                third_party: wanted.third_party.clone(),
                year,
                number,
                channel: wanted.channel.clone(),
                federation: wanted.federation,
                month: wanted.month,
                created_ms: now_ms,
                attempt: 1,
                ..SendingRow::default()
            }
        };
        sending.reference = reference(now_ms);
        sending.created_on = day(today);
        sending.changed_ms = now_ms;
        SendingState::Sealing.code().clone_into(&mut sending.state);
        let mut set = WriteSet::default();
        set.billing.sendings.push(sending.clone());
        set.billing.taken = ready
            .payers
            .iter()
            .map(|payer| TakenLines {
                compartment: self.compartment.clone(),
                sending: sending.id.clone(),
                third_party: wanted.third_party.clone(),
                channel: wanted.channel.clone(),
                month_max: wanted.month,
                payer: *payer,
                now_ms,
            })
            .collect();
        set.audit.push(self.about(NUMBER, &sending));
        Ok((set, sending))
    }

    /// A file to a care fund that was refused for its form goes again under its number.
    async fn refused_before(&self, wanted: &Wanted) -> Result<Option<SendingRow>, Failure> {
        if wanted.channel == "efact" {
            return Ok(None);
        }
        let refused = [SendingState::RefusedTechnical.code()];
        let sendings = self.app.store.sendings(&self.compartment, &refused, ("", PAGE)).await?;
        let is_same = |one: &SendingRow| {
            one.third_party == wanted.third_party
                && one.channel == wanted.channel
                && one.federation == wanted.federation
                && one.month == wanted.month
        };
        Ok(sendings.into_iter().find(is_same))
    }

    fn about(&self, act: Act, sending: &SendingRow) -> crate::audit::AuditEvent {
        let (number, federation) = (format!("{}-{}", sending.year, sending.number), sending.federation.to_string());
        let lines = sending.lines.to_string();
        let said = [
            ("sending", sending.id.as_str()),
            ("number", &number),
            ("federation", &federation),
            ("channel", &sending.channel),
            ("lines", &lines),
        ];
        let event = self.event(act, &said);
        crate::audit::AuditEvent { purpose: "HPAYMT".to_owned(), ..event }
    }

    /// Writes the file of a sending that has its number, and seals it, or makes it void.
    ///
    /// # Errors
    /// The database is away: then it is made later.
    pub(super) async fn finish(&self, sending: SendingRow) -> Result<SendingRow, Failure> {
        let party = self.party(&sending.third_party).await?;
        let made = self.write(&sending, &party).await?;
        self.decided(|| {
            let (sending, made) = (&sending, &made);
            Box::pin(async move {
                let now = self.app.store.sending(&self.compartment, &sending.id).await?;
                let now = now.ok_or(Failure::Internal("a sending is gone"))?;
                if now.state != SendingState::Sealing.code() || now.attempt != sending.attempt {
                    // Another was faster, with the same lines and so the same file.
                    return Ok((WriteSet::default(), now));
                }
                self.sealed(now, made).await
            })
        })
        .await
    }

    async fn sealed(&self, mut sending: SendingRow, made: &Made) -> Result<(WriteSet, SendingRow), Failure> {
        let (mut set, now_ms) = (WriteSet::default(), self.now_ms());
        sending.changed_ms = now_ms;
        sending.lines = made.lines;
        if made.faults.is_empty() {
            SendingState::Sealed.code().clone_into(&mut sending.state);
            sending.invoices = made.invoices;
            sending.requested_cents = made.requested_cents;
            sending.file_bytes = made.bytes;
            sending.file_hash.clone_from(&made.hash);
            sending.parts.clone_from(&made.parts);
            sending.delivery = Uuid::now_v7().simple().to_string();
            set.deliveries.push(NewDelivery {
                compartment: self.compartment.clone(),
                id: sending.delivery.clone(),
                partner: partner_of(&sending.channel, sending.federation),
                kind: KIND.into(),
                resource_type: RESOURCE_TYPE,
                resource_id: sending.id.clone(),
                version: VersionId(sending.attempt),
                due_ms: now_ms,
            });
            set.billing.totals.clone_from(&made.totals);
            set.audit.push(self.about(SEAL, &sending));
        } else {
            SendingState::Void.code().clone_into(&mut sending.state);
            let whole: Vec<Finding> = made.faults.iter().map(|(_, finding)| finding.clone()).take(100).collect();
            sending.remark = Finding::write(&whole);
            set.billing.changed = self.to_blame(&made.faults).await?;
            set.audit = self.stopped_of(&set.billing.changed).await?;
            set.billing.moved.push(MovedLines {
                compartment: self.compartment.clone(),
                sending: sending.id.clone(),
                was: LineState::Sealed.code(),
                state: LineState::Ready.code(),
                now_ms,
            });
            set.audit.push(self.about(VOID, &sending));
        }
        set.billing.sendings.push(sending.clone());
        Ok((set, sending))
    }

    /// The lines that keep a file from being sent, out of it again.
    async fn to_blame(&self, faults: &[(Option<String>, Finding)]) -> Result<Vec<LineChange>, Failure> {
        let mut findings: BTreeMap<&str, Vec<Finding>> = BTreeMap::new();
        for (line, finding) in faults {
            if let Some(line) = line {
                findings.entry(line).or_default().push(finding.clone());
            }
        }
        let ids: Vec<String> = findings.keys().map(|id| (*id).to_owned()).collect();
        let lines = self.app.store.claim_lines_by_id(&self.compartment, &ids).await?;
        let change = |mut line: ClaimLineRow| {
            line.findings = findings.get(line.id.as_str()).map(|found| Finding::write(found)).unwrap_or_default();
            LineState::Faulty.code().clone_into(&mut line.state);
            (line.sending, line.invoice, line.changed_ms) = (String::new(), 0, self.now_ms());
            LineChange::of(line, LineState::Sealed.code())
        };
        Ok(lines.into_iter().map(change).collect())
    }
}

/// 14 digits that no other file has: the time, and a digit at random. Where two meet, the second decides again.
fn reference(now_ms: i64) -> i64 {
    let [random, ..] = *Uuid::new_v4().as_bytes();
    now_ms.saturating_mul(10).saturating_add(i64::from(random % 10))
}

/// Goes on with what a gateway that died left half made. Answers how many there were.
///
/// # Errors
/// The database is away.
pub(crate) async fn finish_left(app: &App) -> Result<usize, Failure> {
    let left = app.store.unfinished_sendings(app.clock.now_ms() - LEFT_MS).await?;
    for sending in &left {
        let books = Books::new(app, sending.compartment.clone(), Actor::gateway());
        // One that cannot be finished does not keep the others, nor the answers of insurers, waiting.
        if let Err(failure) = books.finish(sending.clone()).await {
            tracing::error!(
                sending.id,
                status = failure.status().as_u16(),
                "a file of billing that was left half made cannot be finished"
            );
        }
    }
    Ok(left.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_fourteen_digits() {
        assert_eq!(reference(1_772_366_400_000).to_string().len(), 14);
    }
}
