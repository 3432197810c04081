//! From the rows of the books to what the pages show: names opened, numbers masked, codes in words.

use std::collections::{BTreeMap, HashMap};

use super::advice::wrong;
use super::desk::Desk;
use super::view::{Line, Message, Sending, StateSum, WorkItem, Wrong};
use super::words::{Words, masked};
use crate::billing::states::{LineState, SendingState};
use crate::billing::{Books, Finding, InsuredPerson, Refusal};
use crate::clock::format_instant;
use crate::error::Failure;
use crate::storage::billing::{BillingMessageRow, ClaimLineRow, LineCount, LineFilter, SendingRow};
use mappings::billing::Date;

/// Sendings that are looked at for what was refused: years of them.
const SENDINGS_MAX: u32 = 500;
/// After two years nothing can be asked for any more.
const PRESCRIBED_DAYS: i64 = 730;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// States in which a line can still be lost by waiting.
pub(super) const UNPAID: [LineState; 4] = [LineState::Draft, LineState::Faulty, LineState::Ready, LineState::Refused];
/// The portal of psychologists, which takes no file.
pub(super) const PORTAL: &str = "mhc-portal";
/// The channels, in the order in which they are offered.
pub(super) const CHANNELS: [&str; 3] = ["efact", "vsb", PORTAL];

impl Desk {
    /// The books of the organisation, for whoever stands here.
    pub(super) fn books(&self) -> Books<'_> {
        Books::new(&self.exchange.app, self.caller.organization(), self.actor())
    }

    /// The day after this one, in Belgium.
    pub(super) fn tomorrow(&self) -> Result<String, Failure> {
        Ok(later(self.books().today()?, 1))
    }

    /// Lines of which the first day is before this one are soon out of time, or are so already.
    pub(super) fn prescribing_before(&self) -> Result<String, Failure> {
        let warn_days = i64::from(self.exchange.app.billing.warn_days);
        Ok(later(self.books().today()?, warn_days - PRESCRIBED_DAYS))
    }

    /// A mutuality or care fund as it is shown: its number, and its name where that is known today.
    pub(super) fn insurer(&self, number: i64) -> String {
        let app = &self.exchange.app;
        let Some(short) = u16::try_from(number).ok().filter(|short| *short > 0) else { return String::new() };
        let name =
            self.books().today().ok().and_then(|today| {
                app.tariffs.insurer_name(short, today, self.shell.words.of_file()).map(str::to_owned)
            });
        name.map_or_else(|| number.to_string(), |name| format!("{number} {name}"))
    }

    /// Lines as they are shown.
    ///
    /// # Errors
    /// The database or the key store is away.
    pub(super) async fn lines(&self, rows: &[ClaimLineRow]) -> Result<Vec<Line>, Failure> {
        let mut ids: Vec<String> = rows.iter().map(|row| row.person.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let people = self.books().people(&ids).await?;
        let mut insurers: HashMap<i64, String> = HashMap::new();
        for row in rows {
            insurers.entry(row.payer).or_insert_with(|| self.insurer(row.payer));
        }
        let line = |row: &ClaimLineRow| {
            let person = people.get(&row.person).cloned().unwrap_or_default();
            let insurer = insurers.get(&row.payer).cloned().unwrap_or_default();
            self.line(row, &person, insurer)
        };
        rows.iter().map(line).collect()
    }

    fn line(&self, row: &ClaimLineRow, person: &InsuredPerson, payer: String) -> Result<Line, Failure> {
        let words = self.shell.words;
        let refusal = Refusal::read(&row.refusal)?.unwrap_or_default();
        let findings = Finding::read(&row.findings)?;
        let is_refused = !refusal.errors.is_empty();
        let told = if is_refused { &refusal.errors } else { &findings };
        let sign = if row.kind == 3 { -1 } else { 1 };
        let decided = (!row.decided_why.is_empty()).then(|| (self.name_of(&row.decided_by), row.decided_why.clone()));
        Ok(Line {
            id: row.id.clone(),
            person: person.name.clone().unwrap_or_else(|| words.t("no-name").to_owned()),
            number: masked(&person.ssin),
            payer,
            month: row.month,
            first_day: row.first_day.clone(),
            last_day: row.last_day.clone(),
            code: row.code,
            units: row.units,
            amount_cents: sign * row.amount_cents,
            share_cents: sign * row.share_cents,
            paid_cents: row.paid_cents,
            provider: row.provider.clone(),
            channel: row.channel.clone(),
            state: row.state.clone(),
            wrong: wrongs(words, told),
            sending: row.sending.clone(),
            corrects: row.corrects.clone(),
            source: row.source.clone(),
            decided,
        })
    }

    /// Who decided, as they are called.
    fn name_of(&self, identity: &str) -> String {
        self.caller.registry.name_of(identity).unwrap_or(identity).to_owned()
    }

    /// A sending as it is shown.
    pub(super) fn sending(&self, row: &SendingRow) -> Sending {
        Sending {
            id: row.id.clone(),
            number: row.number,
            year: row.year,
            reference: format!("{:014}", row.reference),
            third_party: row.third_party.clone(),
            federation: self.insurer(row.federation),
            channel: row.channel.clone(),
            month: row.month,
            state: row.state.clone(),
            created_on: row.created_on.clone(),
            lines: row.lines,
            invoices: row.invoices,
            requested_cents: row.requested_cents,
            accepted_cents: row.accepted_cents,
            refused_cents: row.refused_cents,
            has_file: row.file_bytes > 0,
        }
    }

    /// What waits for the clerk, the most urgent first, and how much there is in each state.
    ///
    /// # Errors
    /// The database is away.
    pub(super) async fn work(&self) -> Result<(Vec<WorkItem>, Vec<StateSum>), Failure> {
        let (store, compartment) = (&self.exchange.app.store, self.caller.organization());
        let counts = store.claim_counts(&compartment, &LineFilter::default()).await?;
        let late = LineFilter {
            states: UNPAID.map(LineState::code).to_vec(),
            before: self.prescribing_before()?,
            ..LineFilter::default()
        };
        let late = store.claim_counts(&compartment, &late).await?;
        let sendings = store.sendings(&compartment, &[], ("", SENDINGS_MAX)).await?;
        let unknown = store.billing_messages(&compartment, ("", "unknown")).await?;
        let of_state = |state: LineState| total(counts.iter().filter(|count| count.state == state.code()));
        let is_portal = |count: &&LineCount| count.channel == PORTAL;
        let ready = || counts.iter().filter(|count| count.state == LineState::Ready.code());
        let list = |state: &str| format!("/billing/lines?state={state}");
        let refused = unanswered(&sendings);
        let refused_cents = refused.iter().map(|sending| sending.requested_cents).sum();
        let items = [
            ("refused", of_state(LineState::Refused), list("refused")),
            ("refused-sendings", (len(refused.len()), refused_cents), "/billing/sendings".to_owned()),
            ("prescribing", total(late.iter()), list("prescribing")),
            ("faulty", of_state(LineState::Faulty), list("faulty")),
            ("unknown-messages", (len(unknown.len()), 0), "/billing/sendings#unknown".to_owned()),
            ("draft", of_state(LineState::Draft), "/billing/month".to_owned()),
            ("ready", total(ready().filter(|count| !is_portal(count))), "/billing/month#step-send".to_owned()),
            ("portal", total(ready().filter(is_portal)), format!("/billing/month?channel={PORTAL}#step-send")),
        ];
        let items = items.into_iter().filter(|(_, (count, _), _)| *count > 0);
        let items = items.map(|(code, (count, cents), to)| WorkItem { code, count, cents, to }).collect();
        let sums = LineState::ALL.into_iter().map(|state| {
            let (count, cents) = of_state(state);
            StateSum { state: state.code().to_owned(), count, cents }
        });
        Ok((items, sums.filter(|sum| sum.count > 0).collect()))
    }
}

/// An answer as it is shown.
pub(super) fn message(row: &BillingMessageRow) -> Message {
    let (kind, state, hash) = (row.name.clone(), row.state.clone(), row.hash.clone());
    Message { kind, state, received_ms: row.received_ms, hash }
}

/// Findings in words.
pub(super) fn wrongs(words: Words, findings: &[Finding]) -> Vec<Wrong> {
    let told = |finding: &Finding| {
        let other = if is_id(&finding.about) { finding.about.clone() } else { String::new() };
        Wrong { other, ..wrong(words, &finding.code, &finding.severity) }
    };
    findings.iter().map(told).collect()
}

/// How many findings of each code there are among these lines, the most frequent first.
pub(super) fn by_code(lines: &[Line]) -> Vec<(Wrong, i64)> {
    let mut found: BTreeMap<&str, (Wrong, i64)> = BTreeMap::new();
    for one in lines.iter().flat_map(|line| &line.wrong) {
        found.entry(&one.code).or_insert_with(|| (one.clone(), 0)).1 += 1;
    }
    let mut found: Vec<(Wrong, i64)> = found.into_values().collect();
    found.sort_by_key(|(_, count)| -count);
    found
}

/// Refused sendings after which no other went the same way: what was done about the rest needs nobody.
fn unanswered(sendings: &[SendingRow]) -> Vec<&SendingRow> {
    let refused = [SendingState::RefusedTechnical.code(), SendingState::RefusedContent.code()];
    let way = |one: &SendingRow| (one.third_party.clone(), one.channel.clone(), one.federation);
    // The newest comes first.
    let is_last = |(place, one): &(usize, &SendingRow)| {
        let later = sendings.iter().take(*place).filter(|later| later.state != SendingState::Void.code());
        later.into_iter().all(|later| way(later) != way(one))
    };
    let of_refused = sendings.iter().enumerate().filter(|(_, one)| refused.contains(&one.state.as_str()));
    of_refused.filter(is_last).map(|(_, one)| one).collect()
}

/// How many lines, and for how much.
pub(super) fn total<'c>(counts: impl Iterator<Item = &'c LineCount>) -> (i64, i64) {
    counts.fold((0, 0), |(lines, cents), count| (lines + count.lines, cents + count.amount_cents))
}

/// Whether a text has the form of an id of the books.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 25 && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// `2026-03` as 202603; none for what is no month.
pub(super) fn month_of(text: &str) -> Option<i64> {
    let (year, month) = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2)?;
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (year, month): (i64, i64) = Some((year, month))
        .filter(|(year, month)| is_digits(year) && is_digits(month))
        .and_then(|(year, month)| Some((year.parse().ok()?, month.parse().ok()?)))?;
    ((2_000..=2_099).contains(&year) && (1..=12).contains(&month)).then_some(year * 100 + month)
}

/// 202603 as `2026-03`.
pub(super) fn month_text(month: i64) -> String {
    format!("{:04}-{:02}", month / 100, month % 100)
}

/// So many days after a day, or before it.
fn later(day: Date, days: i64) -> String {
    let text = format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day());
    let Some(midnight_ms) = crate::clock::parse_instant(&format!("{text}T00:00:00Z")) else { return text };
    format_instant(midnight_ms + days * DAY_MS).chars().take(10).collect()
}

fn len(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_four_and_two_digits() {
        assert_eq!((month_of("2026-03"), month_of("2099-12")), (Some(202_603), Some(209_912)));
        for wrong in
            ["", "2026", "2026-3", "2026-13", "2026-00", "1999-12", "+026-03", "2026-é", "202603", "2026-03-01"]
        {
            assert_eq!(month_of(wrong), None, "{wrong}");
        }
        assert_eq!(month_text(202_603), "2026-03");
    }

    #[test]
    fn days_are_counted_over_the_ends_of_months_and_years() {
        let day = Date::new(2026, 12, 31).expect("a day");
        assert_eq!((later(day, 1), later(day, -730)), ("2027-01-01".to_owned(), "2024-12-31".to_owned()));
    }

    #[test]
    fn a_refused_sending_waits_until_another_goes_the_same_way() {
        let sending = |id: &str, state: &str, federation| SendingRow {
            id: id.to_owned(),
            state: state.to_owned(),
            federation,
            ..SendingRow::default()
        };
        let newest_first = [
            sending("5", "void", 100),
            sending("4", "sent", 300),
            sending("3", "refused-content", 300),
            sending("2", "refused-technical", 100),
            sending("1", "settled", 100),
        ];
        let ids: Vec<&str> = unanswered(&newest_first).iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["2"], "that to 300 was followed by another, and a void one is none");
    }
}
