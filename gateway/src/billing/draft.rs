//! Lines that begin: from contacts, Claims or an import, priced at once, and none twice.

use std::collections::{BTreeMap, HashSet};

use mappings::billing::Date;
use mappings::claim_line::Service;
use mappings::tariff::{Asked, Insured, price};

use super::detail::{ContactDetail, Finding, LineDetail, nihdi};
use super::people::InsuredPerson;
use super::states::LineState;
use super::{Books, day, fresh_id};
use crate::access::caller::Act;
use crate::error::Failure;
use crate::storage::StorageError;
use crate::storage::billing::{ClaimLineRow, InsuredPersonRow};
use crate::storage::write_set::WriteSet;

/// Lines are taken in.
pub(super) const DRAFT: Act = Act::new("C", "billing-draft");

/// What a line was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A contact.
    Contact,
    /// A Claim.
    Claim,
    /// A row of a file.
    Import,
}

impl Source {
    const fn code(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Claim => "claim",
            Self::Import => "import",
        }
    }
}

/// A line that is to begin.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// For whom.
    pub person: InsuredPerson,
    /// Who is paid: 11 digits.
    pub third_party: String,
    /// What was done.
    pub service: Service,
    /// In which contact, where that is known.
    pub contact: Option<ContactDetail>,
    /// What it is made from.
    pub source: Source,
    /// What names that among all of its kind: the same is taken in once. None where it has no name.
    pub source_key: Option<String>,
}

/// What became of lines that were handed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The new ones, in their order.
    pub ids: Vec<String>,
    /// How many were there already.
    pub known: u64,
    /// How many of the new ones have to be mended.
    pub faulty: u64,
}

impl Books<'_> {
    /// Takes lines in, all or none.
    ///
    /// # Errors
    /// 422 where a third party is not registered; the database is away.
    pub async fn take_in(&self, lines: &[NewLine]) -> Result<Taken, Failure> {
        let parties: HashSet<&str> = lines.iter().map(|line| line.third_party.as_str()).collect();
        for party in parties {
            self.party(party).await?;
        }
        let (people, people_rows) = self.people_of(lines).await?;
        self.decided(|| {
            let (people, people_rows) = (&people, &people_rows);
            Box::pin(async move {
                let mut set = WriteSet::default();
                let rows = self.drafted(lines, people).await?;
                let is_faulty = |row: &&ClaimLineRow| row.state == LineState::Faulty.code();
                let taken = Taken {
                    ids: rows.iter().map(|row| row.id.clone()).collect(),
                    known: u64::try_from(lines.len() - rows.len()).unwrap_or(u64::MAX),
                    faulty: u64::try_from(rows.iter().filter(is_faulty).count()).unwrap_or(u64::MAX),
                };
                let (added, already) = (rows.len().to_string(), taken.known.to_string());
                set.audit.push(self.event(DRAFT, &[("lines", &added), ("known", &already)]));
                set.billing.people.clone_from(people_rows);
                set.billing.lines = rows;
                Ok((set, taken))
            })
        })
        .await
    }

    /// The people of lines as they are kept from now on, and their rows.
    pub(super) async fn people_of(
        &self,
        lines: &[NewLine],
    ) -> Result<(BTreeMap<String, InsuredPerson>, Vec<InsuredPersonRow>), Failure> {
        let people = self.known(lines.iter().map(|line| line.person.clone())).await?;
        let mut rows = Vec::new();
        for (id, person) in &people {
            rows.push(self.person_row(id, person).await?);
        }
        Ok((people, rows))
    }

    /// The rows of lines, priced; without those that were taken in before.
    pub(super) async fn drafted(
        &self,
        lines: &[NewLine],
        people: &BTreeMap<String, InsuredPerson>,
    ) -> Result<Vec<ClaimLineRow>, Failure> {
        let mut rows = self.rows(lines);
        let keys: Vec<String> = rows.iter().filter_map(|row| row.source_key.clone()).collect();
        let mut known: HashSet<String> =
            self.app.store.known_sources(&self.compartment, &keys).await?.into_iter().collect();
        // Twice in one file is once as well.
        rows.retain(|row| row.source_key.as_ref().is_none_or(|key| known.insert(key.clone())));
        for row in &mut rows {
            self.price(row, people).await?;
        }
        Ok(rows)
    }

    fn rows(&self, lines: &[NewLine]) -> Vec<ClaimLineRow> {
        let (store, now_ms) = (&self.app.store, self.now_ms());
        let row = |line: &NewLine| {
            let NewLine { person, third_party, service, contact, source, source_key } = line;
            let key = source_key.as_ref().map(|key| store.veil(&format!("{} {key}", source.code())));
            ClaimLineRow {
                compartment: self.compartment.clone(),
                id: fresh_id(),
                person: person.id(store),
                third_party: third_party.clone(),
                month: month_of(service.last_day),
                first_day: day(service.first_day),
                last_day: day(service.last_day),
                code: i64::from(service.code),
                units: i64::from(service.units),
                provider: service.provider.as_str().to_owned(),
                detail: LineDetail::of(service, contact.clone()).write(),
                state: LineState::Draft.code().to_owned(),
                source: source.code().to_owned(),
                source_key: key,
                created_ms: now_ms,
                changed_ms: now_ms,
                ..ClaimLineRow::default()
            }
        };
        lines.iter().map(row).collect()
    }

    /// Prices a line by the table of its day. One that cannot be priced is faulty, and says why; its channel is then not known.
    pub(super) async fn price(
        &self,
        line: &mut ClaimLineRow,
        people: &BTreeMap<String, InsuredPerson>,
    ) -> Result<Vec<Finding>, Failure> {
        const WRONG: StorageError = StorageError::Corrupt("a claim line");
        let mut detail = LineDetail::read(line)?;
        let (first_day, last_day) =
            (Date::parse(&line.first_day).ok_or(WRONG)?, Date::parse(&line.last_day).ok_or(WRONG)?);
        let code = u32::try_from(line.code).map_err(|_| WRONG)?;
        let used = match self.app.tariffs.limit_of(code, first_day) {
            None => 0,
            Some(window) => {
                let days = (day(window.first_day), day(window.last_day));
                let of = (self.compartment.as_str(), line.person.as_str());
                let range = (days.0.as_str(), days.1.as_str(), line.id.as_str());
                self.app.store.claim_units(of, &window.codes, range).await?
            }
        };
        let person = people.get(&line.person).cloned().unwrap_or_default();
        let contact = detail.contact.clone();
        let types: Vec<&str> = contact.iter().flat_map(|contact| contact.types.iter().map(String::as_str)).collect();
        let provider = nihdi(Some(&line.provider)).ok_or(WRONG)?;
        let asked = Asked {
            code,
            first_day,
            last_day,
            units: u16::try_from(line.units).unwrap_or(u16::MAX),
            provider: &provider,
            person: Insured {
                affiliation: person.affiliation,
                ct1: person.ct1,
                ct2: person.ct2,
                care_fund: person.care_fund,
            },
            contact: contact.as_ref().map(|contact| contact.asked(&types)),
            used: u32::try_from(used).unwrap_or(u32::MAX),
            stated: detail.stated(),
        };
        let findings = match price(&self.app.tariffs, &asked) {
            Ok(priced) => {
                detail.priced(&priced);
                line.detail = detail.write();
                priced.channel.code().clone_into(&mut line.channel);
                line.payer = i64::from(priced.payer);
                line.amount_cents = priced.amount.0;
                line.share_cents = priced.share.0;
                line.supplement_cents = priced.supplement.0;
                Vec::new()
            }
            Err(issues) => issues.iter().map(|issue| Finding::new(issue.code(), issue.severity(), "")).collect(),
        };
        if !findings.is_empty() {
            LineState::Faulty.code().clone_into(&mut line.state);
            line.findings = Finding::write(&findings);
        }
        Ok(findings)
    }
}

/// `YYYYMM`.
pub(super) fn month_of(day: Date) -> i64 {
    i64::from(day.year()) * 100 + i64::from(day.month())
}
