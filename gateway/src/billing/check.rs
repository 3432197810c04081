//! A month is checked: every line by the tariffs of its day, by the rules of the file, and against what was billed before.

use std::collections::{BTreeMap, HashMap};
use std::io::sink;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mappings::billing::{Checks, Date, Environment, FileWriter, Report, WriteError};
use mappings::tariff::{Billed, twin, twin_code};

use super::detail::{Finding, LineDetail};
use super::party::BillingParty;
use super::people::InsuredPerson;
use super::refusing::Refusing;
use super::states::LineState;
use super::{Books, PAGE, day, file};
use crate::access::caller::Act;
use crate::audit::AuditEvent;
use crate::error::Failure;
use crate::storage::StorageError;
use crate::storage::billing::{ClaimLineRow, LineChange, LineFilter, SendingRow, TwinCandidate};
use crate::storage::write_set::WriteSet;

/// A month was checked.
pub(super) const CHECK: Act = Act::new("U", "billing-check");

/// How far a check is: lines done, of so many. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<(AtomicU64, AtomicU64)>);

impl Progress {
    /// Done, and of how many; 0 of 0 before it is known.
    pub fn so_far(&self) -> (u64, u64) {
        (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed))
    }

    fn expect(&self, lines: u64) {
        self.0.1.store(lines, Ordering::Relaxed);
    }

    fn done(&self, lines: usize) {
        self.0.0.fetch_add(u64::try_from(lines).unwrap_or(0), Ordering::Relaxed);
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Lines that were looked at.
    pub lines: u64,
    /// Those that can be sent.
    pub ready: u64,
    /// Those that have to be mended.
    pub faulty: u64,
    /// What is wrong with the third party itself: nothing can be sent before the operator mended it.
    pub whole: Vec<Finding>,
}

/// What a look at lines found.
#[derive(Default)]
pub(super) struct Looked {
    /// The lines as they are to be.
    pub(super) changes: Vec<LineChange>,
    /// What is wrong with the file as such.
    whole: Vec<Finding>,
    /// What the trails say of lines that people have stopped.
    pub(super) stopped: Vec<AuditEvent>,
}

/// Why there is no file of a line: what is wrong with it, and what with the third party.
type NoFile = (Vec<Finding>, Vec<Finding>);

/// The states of what a check looks at.
const OPEN: [&str; 3] = [LineState::Draft.code(), LineState::Faulty.code(), LineState::Ready.code()];

impl Books<'_> {
    /// Checks every line of a third party and month that has not been sent, of whatever channel.
    ///
    /// # Errors
    /// 422 where the third party is not registered; the database is away: what was checked stays checked.
    pub async fn check(&self, third_party: &str, month: i64, progress: &Progress) -> Result<Checked, Failure> {
        let party = self.party(third_party).await?;
        let states = OPEN.to_vec();
        let filter = LineFilter { third_party: third_party.to_owned(), states, month, ..LineFilter::default() };
        let ids = self.app.store.claim_line_ids(&self.compartment, &filter).await?;
        progress.expect(u64::try_from(ids.len()).unwrap_or(u64::MAX));
        let mut checked = Checked::default();
        for ids in ids.chunks(usize::try_from(PAGE).unwrap_or(1)) {
            self.check_lines(ids, &party, &mut checked).await?;
            progress.done(ids.len());
        }
        let (ready, faulty) = (checked.ready.to_string(), checked.faulty.to_string());
        let said = [("month", month.to_string()), ("ready", ready), ("faulty", faulty)];
        let said: Vec<(&str, &str)> = said.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.app.store.record_only(vec![self.event(CHECK, &said)]).await?;
        Ok(checked)
    }

    /// Checks these lines, as far as they are open, and writes what was found.
    pub(super) async fn check_lines(
        &self,
        ids: &[String],
        party: &BillingParty,
        checked: &mut Checked,
    ) -> Result<(), Failure> {
        let (found, whole) = self
            .decided(|| {
                Box::pin(async move {
                    let mut set = WriteSet::default();
                    let mut found = (0_u64, 0_u64);
                    let lines = self.app.store.claim_lines_by_id(&self.compartment, ids).await?;
                    let lines = lines.into_iter().filter(|line| OPEN.contains(&line.state.as_str()));
                    let looked = self.looked_at(lines.collect(), party, BTreeMap::new()).await?;
                    for change in &looked.changes {
                        if change.line.state == LineState::Ready.code() { found.0 += 1 } else { found.1 += 1 }
                    }
                    set.billing.changed = looked.changes;
                    set.audit = looked.stopped;
                    Ok((set, (found, looked.whole)))
                })
            })
            .await?;
        checked.lines += found.0 + found.1;
        checked.ready += found.0;
        checked.faulty += found.1;
        for finding in whole {
            if !checked.whole.contains(&finding) {
                checked.whole.push(finding);
            }
        }
        Ok(())
    }

    /// Each line with what was found of it, and what is wrong with the file as such; these people as they are to be.
    pub(super) async fn looked_at(
        &self,
        mut lines: Vec<ClaimLineRow>,
        party: &BillingParty,
        new: BTreeMap<String, InsuredPerson>,
    ) -> Result<Looked, Failure> {
        lines.sort_by(|a, b| a.id.cmp(&b.id));
        let mut people: Vec<String> = lines.iter().map(|line| line.person.clone()).collect();
        people.sort_unstable();
        people.dedup();
        let mut people: BTreeMap<String, InsuredPerson> = self.people(&people).await?.into_iter().collect();
        people.extend(new);
        let mut twins: HashMap<String, Vec<TwinCandidate>> = HashMap::new();
        for candidate in self.app.store.claim_twins(&self.compartment, &lines).await? {
            twins.entry(candidate.line.clone()).or_default().push(candidate);
        }
        let previous = self.previous_of(&lines).await?;
        let refusing = self.refusing(&people).await?;
        let Looked { mut changes, mut whole, mut stopped } = Looked::default();
        for mut line in lines {
            let mut before = line.clone();
            let was = LineState::from_code(&line.state).map_or("", LineState::code);
            let has_stopped = Refusing::has_stopped(&line);
            // A credit note says what was invoiced, whatever the tariff is now.
            let mut findings = if line.kind == 3 { Vec::new() } else { self.price(&mut line, &people).await? };
            if let Some(refusing) = refusing.get(&line.person).filter(|_| Refusing::stops(&line)) {
                findings.push(Refusing::finding());
                stopped.extend((!has_stopped).then(|| self.stopped(&line, refusing)));
            }
            let detail = LineDetail::read(&line)?;
            if let Some(twin) = twin_of(&line, &detail, twins.get(&line.id).map_or(&[], Vec::as_slice))? {
                let code = twin_code(detail.kind());
                let severity = mappings::billing::severity(code).unwrap_or(mappings::billing::Severity::Record);
                findings.push(Finding::new(code, severity, twin));
            }
            if detail.record != 0 {
                let person = people.get(&line.person).cloned().unwrap_or_default();
                let earlier = previous.get(&line.id).cloned();
                match self.report(&line, detail, &person, (party, earlier))? {
                    Ok(report) => sort(&report, &mut findings, &mut whole),
                    Err((of_line, of_file)) => {
                        findings.extend(of_line);
                        whole.extend(of_file);
                    }
                }
            }
            let is_faulty = findings.iter().any(Finding::blocks);
            let state = if is_faulty { LineState::Faulty } else { LineState::Ready };
            state.code().clone_into(&mut line.state);
            line.findings = Finding::write(&findings);
            line.changed_ms = self.now_ms();
            before.state.clone_from(&line.state);
            before.findings.clone_from(&line.findings);
            before.changed_ms = line.changed_ms;
            changes.push(LineChange { is_only_checked: line == before, line, was });
        }
        Ok(Looked { changes, whole, stopped })
    }

    /// What the rules of the file say of one line, in a file of its own; or why there is none: because of the line, or of the third party.
    fn report(
        &self,
        line: &ClaimLineRow,
        detail: LineDetail,
        person: &InsuredPerson,
        (party, previous): (&BillingParty, Option<mappings::billing::Previous>),
    ) -> Result<Result<Report, NoFile>, Failure> {
        let today = self.today()?;
        let row = SendingRow {
            id: line.id.clone(),
            number: 1,
            reference: 1,
            channel: line.channel.clone(),
            month: line.month,
            created_on: day(today),
            ..SendingRow::default()
        };
        let sending = party.sending(&row, today, self.environment())?;
        let invoice = match file::invoice(&[(line.clone(), detail)], person, (previous, 1, today)) {
            Ok(invoice) => invoice,
            Err(findings) => return Ok(Err((findings, Vec::new()))),
        };
        let mut writer = match FileWriter::new(sink(), sending, self.checks(today)) {
            Ok(writer) => writer,
            // Where not even the begin can be written, every line of every file would say so.
            Err(error) => return Ok(Err((Vec::new(), vec![not_written(&error)]))),
        };
        let written = writer.invoice(&invoice).and_then(|()| writer.finish());
        Ok(written.map(|(_, written)| written.report).map_err(|error| (vec![not_written(&error)], Vec::new())))
    }

    /// The checks of a day, which know by the operator's tariffs what is a share of its own.
    pub(super) fn checks(&self, today: Date) -> Checks {
        let mut checks = Checks::on(today);
        checks.share_codes.extend(self.app.tariffs.tariffs().iter().filter_map(|tariff| tariff.share_record));
        checks.share_codes.sort_unstable();
        checks.share_codes.dedup();
        checks
    }

    pub(super) fn environment(&self) -> Environment {
        if self.app.billing.is_production { Environment::Production } else { Environment::Test }
    }
}

/// The line that is the same service as this one, among those that may be.
fn twin_of(
    line: &ClaimLineRow,
    detail: &LineDetail,
    candidates: &[TwinCandidate],
) -> Result<Option<String>, StorageError> {
    const WRONG: StorageError = StorageError::Corrupt("a claim line");
    let code = u32::try_from(line.code).map_err(|_| WRONG)?;
    // Person, provider and code are the same already.
    let billed = |id, (first_day, last_day): (&str, &str), detail: &LineDetail| {
        Ok::<_, StorageError>(Billed {
            id,
            person: &line.person,
            provider: &line.provider,
            code,
            first_day: Date::parse(first_day).ok_or(WRONG)?,
            last_day: Date::parse(last_day).ok_or(WRONG)?,
            time: detail.time.unwrap_or(0),
            record: detail.kind(),
        })
    };
    let line = billed(line.id.as_str(), (&line.first_day, &line.last_day), detail)?;
    for one in candidates {
        let detail = LineDetail::of_json(&one.detail)?;
        let earlier = billed(&one.id, (&one.first_day, &one.last_day), &detail)?;
        if twin(&line, None, [&earlier]).is_some() {
            return Ok(Some(one.id.clone()));
        }
    }
    Ok(None)
}

/// A value that has no room in its zone.
pub(super) fn not_written(error: &WriteError) -> Finding {
    Finding::new("wellgate-not-writable", mappings::billing::Severity::Invoice, error.to_string())
}

/// Puts what was found to the line, or to the file: what is about its begin and end concerns every line.
fn sort(report: &Report, findings: &mut Vec<Finding>, whole: &mut Vec<Finding>) {
    for found in &report.findings {
        let finding = Finding::new(found.code.clone(), found.severity, "");
        let is_of_line = ["20", "25", "30", "50", "51", "52", "80"].iter().any(|record| found.code.starts_with(record))
            && found.code.len() == 6
            || !found.reference.is_empty();
        // A signal about the file is about that of one line alone, which is not the file that is sent.
        if !is_of_line && !finding.blocks() {
            continue;
        }
        let list = if is_of_line { &mut *findings } else { &mut *whole };
        if !list.contains(&finding) {
            list.push(finding);
        }
    }
}
