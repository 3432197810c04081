//! How complete a year of an organisation is: totals of every item, what is missing, what was refused, what came late.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::date::Date;
use super::record::TreatmentDemand;
use super::rules::is_late;
use super::table::{Item, Language, Table};

/// The totals of one item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemTotals {
    /// Records in which something is known.
    pub answered: u64,
    /// Records that say that it is not known.
    pub not_known: u64,
    /// Records without an answer, though it is asked.
    pub missing: u64,
    /// Records in which it is not asked, given the other answers.
    pub not_asked: u64,
    /// How often each code was given.
    pub codes: BTreeMap<String, u64>,
}

impl ItemTotals {
    /// Not known or missing, in thousands of the records in which it is asked; rounded down. 0 where it is asked in none.
    pub fn missing_per_thousand(&self) -> u64 {
        let unknown = self.not_known + self.missing;
        (unknown * 1_000).checked_div(self.answered + unknown).unwrap_or_default()
    }
}

/// The report of a year, to which records are added one by one.
#[derive(Clone, Debug)]
pub struct CompletenessReport<'t> {
    table: &'t Table,
    year: u16,
    on: Date,
    records: u64,
    unsent: u64,
    late: u64,
    refused: u64,
    items: BTreeMap<String, ItemTotals>,
}

impl<'t> CompletenessReport<'t> {
    /// An empty report of a year, made on a day.
    pub fn new(table: &'t Table, year: u16, on: Date) -> Self {
        let items = table.items().iter().filter(|item| item.is_asked());
        let items = items.map(|item| (item.link_id.clone(), ItemTotals::default())).collect();
        Self { table, year, on, records: 0, unsent: 0, late: 0, refused: 0, items }
    }

    /// Adds a record that counts, with the day on which it was first sent; what was not sent is late as soon as the deadline has
    /// passed. Answers whether it is of the year: another is not counted.
    #[must_use]
    pub fn add(&mut self, record: &TreatmentDemand, sent: Option<Date>) -> bool {
        if record.started().year() != self.year {
            return false;
        }
        self.records += 1;
        self.unsent += u64::from(sent.is_none());
        self.late += u64::from(is_late(record.started(), sent.unwrap_or(self.on)));
        for item in self.table.items().iter().filter(|item| item.is_asked()) {
            if let Some(totals) = self.items.get_mut(&item.link_id) {
                count(totals, record, item);
            }
        }
        true
    }

    /// Counts treatments whose registration the person refused: nothing else is known of them.
    pub fn add_refused(&mut self, count: u64) {
        self.refused += count;
    }

    /// Records of the year.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Records that came after the deadline, or are still to come after it.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// The totals of an item.
    pub fn item(&self, link_id: &str) -> Option<&ItemTotals> {
        self.items.get(link_id)
    }

    /// The report as JSON, in the order of the table.
    pub fn to_value(&self, language: Language) -> Value {
        let items: Vec<Value> = self
            .table
            .items()
            .iter()
            .filter_map(|item| self.items.get(&item.link_id).map(|totals| (item, totals)))
            .map(|(item, totals)| {
                json!({
                    "item": item.link_id,
                    "text": item.texts.text(language),
                    "answered": totals.answered,
                    "notKnown": totals.not_known,
                    "missing": totals.missing,
                    "notAsked": totals.not_asked,
                    "missingPerThousand": totals.missing_per_thousand(),
                    "codes": totals.codes,
                })
            })
            .collect();
        json!({
            "year": self.year,
            "madeOn": self.on.to_string(),
            "version": self.table.version(),
            "records": self.records,
            "refused": self.refused,
            "unsent": self.unsent,
            "late": self.late,
            "items": items,
        })
    }
}

fn count(totals: &mut ItemTotals, record: &TreatmentDemand, item: &Item) {
    let Some(answer) = record.answer(&item.link_id) else {
        if record.is_asked(item) {
            totals.missing += 1;
        } else {
            totals.not_asked += 1;
        }
        return;
    };
    if item.is_unknown(answer) {
        totals.not_known += 1;
    } else {
        totals.answered += 1;
    }
    for code in answer.codes() {
        *totals.codes.entry(code.to_owned()).or_default() += 1;
    }
}
