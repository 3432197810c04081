//! Tariffs: what a code costs, who may bill it, what it needs and how often, by day.

use std::collections::{BTreeSet, HashMap};

use super::days::{Period, twelve_months_before};
use crate::billing::{Cents, Date, InvoiceType, Language};
use crate::identifiers::Nihdi;
use crate::sheet::Issue;

/// Which record of the file a line becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Record 30: days of a stay, or a fixed price.
    Stay,
    /// Record 50: a service.
    Service,
}

/// What the insurer and the patient pay for one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    /// What the insurer pays.
    pub amount: Cents,
    /// What the patient pays.
    pub share: Cents,
}

/// Over which time units are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// From 1 January to 31 December.
    CalendarYear,
    /// The twelve months that end with the day.
    TwelveMonths,
}

/// How many units a person may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The most units.
    pub units_max: u32,
    /// Over which time.
    pub window: Window,
    /// The codes with this word are counted together; empty for the code alone.
    pub group: String,
}

/// Where the units are counted that a limit speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitWindow {
    /// The codes that count, in ascending order.
    pub codes: Vec<u32>,
    /// The first day.
    pub first_day: Date,
    /// The last day.
    pub last_day: Date,
    /// The most units of all of them together.
    pub units_max: u32,
}

/// The contacts that a tariff is for. With no class and no type it is for none, and is billed by its code alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncounterRule {
    /// Codes of `Encounter.class`, such as `AMB`; empty for any.
    pub classes: Vec<String>,
    /// Codes of `Encounter.type`, of which one must be there; empty for any.
    pub types: Vec<String>,
    /// The least minutes.
    pub minutes_min: Option<u32>,
    /// The most minutes.
    pub minutes_max: Option<u32>,
}

/// A contact, as far as tariffs look at it.
#[derive(Clone, Copy, Debug)]
pub struct Contact<'a> {
    /// The code of its class.
    pub class: &'a str,
    /// The codes of its types.
    pub types: &'a [&'a str],
    /// How long it took, where that is known.
    pub minutes: Option<u32>,
}

impl EncounterRule {
    /// Whether it speaks of contacts at all.
    pub fn is_given(&self) -> bool {
        !self.classes.is_empty() || !self.types.is_empty()
    }

    /// Whether a contact is one of those. A contact of unknown length is none where the length matters.
    pub fn applies(&self, contact: &Contact<'_>) -> bool {
        let is_of_class = self.classes.is_empty() || self.classes.iter().any(|class| class == contact.class);
        let is_of_type = self.types.is_empty() || self.types.iter().any(|one| contact.types.contains(&one.as_str()));
        let is_within = |limit: Option<u32>, holds: fn(u32, u32) -> bool| {
            limit.is_none_or(|limit| contact.minutes.is_some_and(|minutes| holds(minutes, limit)))
        };
        self.is_given()
            && is_of_class
            && is_of_type
            && is_within(self.minutes_min, |minutes, least| minutes >= least)
            && is_within(self.minutes_max, |minutes, most| minutes <= most)
    }
}

/// What a code costs, and under which conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// The code, six digits.
    pub code: u32,
    /// What it is called, in Dutch, French and English; empty where nobody wrote it.
    pub texts: [String; 3],
    /// The days on which it counts.
    pub period: Period,
    /// The scheme, which decides the channel; empty for none.
    pub scheme: String,
    /// Which record it becomes.
    pub record: RecordKind,
    /// The type of the invoice in which it stands.
    pub invoice_type: InvoiceType,
    /// The price of a unit; none where the line states it.
    pub normal: Option<Amounts>,
    /// The same for those with increased allowance; none where it is no other.
    pub increased: Option<Amounts>,
    /// What the patient pays above that.
    pub supplement: Cents,
    /// How often.
    pub limit: Option<Limit>,
    /// Who may bill it: qualifications in NIHDI numbers; empty for anybody.
    pub qualifications: Vec<String>,
    /// The code of the record in which the patient's share stands on its own; of record 30 alone.
    pub share_record: Option<u32>,
    /// The code of the service (zone 13).
    pub service: u16,
    /// The class of tariff (zones 17 and 18); 0 for none.
    pub relative_code: u32,
    /// The contacts that it is for.
    pub encounter: EncounterRule,
}

impl Tariff {
    /// What it is called, or its code.
    pub fn text(&self, language: Language) -> String {
        let index = Language::ALL.iter().position(|one| *one == language).unwrap_or(0);
        let given = self.texts.get(index).filter(|text| !text.is_empty());
        given.cloned().unwrap_or_else(|| format!("{:06}", self.code))
    }

    /// Whether a provider may bill it. A number of eight digits has no qualification and may bill what anybody may.
    pub fn is_for(&self, provider: &Nihdi) -> bool {
        let has = |one: &String| provider.qualification() == Some(one.as_str());
        self.qualifications.is_empty() || self.qualifications.iter().any(has)
    }
}

/// The tariffs, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tariffs {
    rows: Vec<Tariff>,
    by_code: HashMap<u32, Vec<usize>>,
    /// The codes that are counted together, by the word of their group.
    by_group: HashMap<String, BTreeSet<u32>>,
}

impl Tariffs {
    pub(super) fn read(text: &[u8], knows_scheme: &dyn Fn(&str) -> bool) -> Result<Self, Vec<Issue>> {
        super::tariff_reader::read(text, knows_scheme).map(Self::of)
    }

    fn of(rows: Vec<Tariff>) -> Self {
        let mut by_code: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut by_group: HashMap<String, BTreeSet<u32>> = HashMap::new();
        for (index, tariff) in rows.iter().enumerate() {
            by_code.entry(tariff.code).or_default().push(index);
            if let Some(limit) = tariff.limit.as_ref().filter(|limit| !limit.group.is_empty()) {
                by_group.entry(limit.group.clone()).or_default().insert(tariff.code);
            }
        }
        Self { rows, by_code, by_group }
    }

    pub(super) fn all(&self) -> &[Tariff] {
        &self.rows
    }

    pub(super) fn of_code(&self, code: u32) -> impl Iterator<Item = &Tariff> {
        self.by_code.get(&code).into_iter().flatten().map(|index| &self.rows[*index])
    }

    /// Where the units are counted that the limit of a tariff speaks of.
    pub(super) fn window(&self, limit: &Limit, code: u32, day: Date) -> LimitWindow {
        let (first_day, last_day) = match limit.window {
            Window::CalendarYear => {
                let of_year = |month, last| Date::new(day.year(), month, last).unwrap_or(day);
                (of_year(1, 1), of_year(12, 31))
            }
            Window::TwelveMonths => (twelve_months_before(day), day),
        };
        let together = self.by_group.get(&limit.group).into_iter().flatten().copied();
        let codes: BTreeSet<u32> = together.chain([code]).collect();
        let codes = codes.into_iter().collect();
        LimitWindow { codes, first_day, last_day, units_max: limit.units_max }
    }
}
