//! The tables together: what the operator keeps, and what we ship where there is none.

use std::fmt;

use super::channel::{Channel, Channels};
use super::insurability::{Class, Insurability};
use super::insurer::{Destination, Insurers};
use super::price_issue::PriceIssue;
use super::tariffs::{Contact, LimitWindow, Tariff, Tariffs};
use crate::billing::{Date, Language};
use crate::identifiers::Nihdi;
use crate::sheet::Issue;

const CHANNELS: &[u8] = include_bytes!("../../tables/channels.csv");
const MUTUALITIES: &[u8] = include_bytes!("../../tables/mutualities.csv");
const INSURABILITY: &[u8] = include_bytes!("../../tables/insurability.csv");
const SANDBOX_TARIFFS: &[u8] = include_bytes!("../../tables/sandbox-tariffs.csv");
const SANDBOX_CARE_FUNDS: &[u8] = include_bytes!("../../tables/sandbox-care-funds.csv");

/// The operator's files; each none where what we ship is to be taken. Of tariffs and care funds we ship nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'a> {
    /// Who bills what by which channel.
    pub channels: Option<&'a [u8]>,
    /// What it costs.
    pub tariffs: Option<&'a [u8]>,
    /// Mutualities.
    pub mutualities: Option<&'a [u8]>,
    /// Care funds of the Flemish social protection, in the form of the mutualities.
    pub care_funds: Option<&'a [u8]>,
    /// What insurability codes mean for the price.
    pub insurability: Option<&'a [u8]>,
}

/// What is wrong in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableIssue {
    /// The table, named as its field in [`Files`].
    pub table: &'static str,
    /// Where and what.
    pub issue: Issue,
}

impl TableIssue {
    /// Which table, where and what, in words.
    pub fn text(&self, language: Language) -> String {
        format!("{}, {}", self.table, self.issue.text(language))
    }
}

impl fmt::Display for TableIssue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text(Language::En))
    }
}

/// The tables by which lines are priced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    channels: Channels,
    tariffs: Tariffs,
    mutualities: Insurers,
    care_funds: Insurers,
    insurability: Insurability,
}

impl Tables {
    /// Reads the operator's files, and what we ship where there is none.
    ///
    /// # Errors
    /// What is wrong in any of them, by row and column; not empty. Nothing of any of them counts then.
    pub fn read(files: &Files<'_>) -> Result<Self, Vec<TableIssue>> {
        let mut issues = Vec::new();
        let channels = kept("channels", Channels::read(files.channels.unwrap_or(CHANNELS)), &mut issues);
        let knows_scheme = |scheme: &str| channels.knows(scheme);
        let tariffs = files.tariffs.map(|text| kept("tariffs", Tariffs::read(text, &knows_scheme), &mut issues));
        let mutualities = kept("mutualities", Insurers::read(files.mutualities.unwrap_or(MUTUALITIES)), &mut issues);
        let care_funds = files.care_funds.map(|text| kept("care_funds", Insurers::read(text), &mut issues));
        let insurability =
            kept("insurability", Insurability::read(files.insurability.unwrap_or(INSURABILITY)), &mut issues);
        let (tariffs, care_funds) = (tariffs.unwrap_or_default(), care_funds.unwrap_or_default());
        if issues.is_empty() {
            Ok(Self { channels, tariffs, mutualities, care_funds, insurability })
        } else {
            Err(issues)
        }
    }

    /// The tables of the sandbox: its tariffs and care funds are made up.
    ///
    /// # Panics
    /// Never: a test holds that they are right.
    pub fn sandbox() -> Self {
        let files = Files { tariffs: Some(SANDBOX_TARIFFS), care_funds: Some(SANDBOX_CARE_FUNDS), ..Files::default() };
        Self::read(&files).expect("the tables of the sandbox are right: a test holds it")
    }

    /// Every tariff, in the order of the file.
    pub fn tariffs(&self) -> &[Tariff] {
        self.tariffs.all()
    }

    /// The tariff of a code on a day: at most one counts.
    pub fn tariff(&self, code: u32, day: Date) -> Option<&Tariff> {
        self.tariffs.of_code(code).find(|tariff| tariff.period.covers(day))
    }

    /// Whether the code has a tariff on any day.
    pub(super) fn has_code(&self, code: u32) -> bool {
        self.tariffs.of_code(code).next().is_some()
    }

    /// The tariff by which a contact is billed. Tariffs that name a type of the contact go before those for any type.
    ///
    /// # Errors
    /// [`PriceIssue::NoTariff`] where none is for such a contact and provider, [`PriceIssue::Ambiguous`] where several are.
    pub fn of_contact(&self, contact: &Contact<'_>, provider: &Nihdi, day: Date) -> Result<&Tariff, PriceIssue> {
        let fits = |tariff: &&Tariff| {
            tariff.period.covers(day) && tariff.is_for(provider) && tariff.encounter.applies(contact)
        };
        let found: Vec<&Tariff> = self.tariffs.all().iter().filter(fits).collect();
        let names_type = |tariff: &&&Tariff| !tariff.encounter.types.is_empty();
        let has_named = found.iter().any(|tariff| names_type(&tariff));
        let mut meant = found.iter().filter(|tariff| !has_named || names_type(tariff)).copied();
        match (meant.next(), meant.next()) {
            (Some(tariff), None) => Ok(tariff),
            (Some(_), Some(_)) => Err(PriceIssue::Ambiguous),
            (None, _) => Err(PriceIssue::NoTariff),
        }
    }

    /// Where the units are counted that the limit of a code speaks of; none where it has no limit on that day.
    pub fn limit_of(&self, code: u32, day: Date) -> Option<LimitWindow> {
        let limit = self.tariff(code, day)?.limit.as_ref()?;
        Some(self.tariffs.window(limit, code, day))
    }

    /// Where what is billed for a member of a mutuality goes; none where its number is not known on that day.
    pub fn mutuality(&self, number: u16, day: Date) -> Option<Destination> {
        self.mutualities.destination(number, day)
    }

    /// The same of a care fund.
    pub fn care_fund(&self, number: u16, day: Date) -> Option<Destination> {
        self.care_funds.destination(number, day)
    }

    /// What a mutuality or care fund is called; none where it has no name in that language.
    pub fn insurer_name(&self, number: u16, day: Date, language: Language) -> Option<&str> {
        let name = self.mutualities.name(number, day, language);
        name.or_else(|| self.care_funds.name(number, day, language))
    }

    pub(super) fn channel(&self, tariff: &Tariff, provider: &Nihdi, day: Date) -> Option<Channel> {
        self.channels.channel(&tariff.scheme, provider.qualification().unwrap_or_default(), day)
    }

    pub(super) fn class(&self, ct1: u16, ct2: u16, day: Date) -> Option<Class> {
        self.insurability.class(ct1, ct2, day)
    }
}

fn kept<T: Default>(table: &'static str, read: Result<T, Vec<Issue>>, issues: &mut Vec<TableIssue>) -> T {
    read.unwrap_or_else(|found| {
        issues.extend(found.into_iter().map(|issue| TableIssue { table, issue }));
        T::default()
    })
}
