//! What a line says beside its columns, what is wrong with it, and why it was refused: JSON in the row.

use mappings::billing::{Cents, Date, Severity};
use mappings::claim_line::Service;
use mappings::identifiers::Nihdi;
use mappings::tariff::{Contact, Priced, RecordKind, Stated};
use serde::{Deserialize, Serialize};

use super::day;
use crate::storage::StorageError;
use crate::storage::billing::ClaimLineRow;

/// The contact that a line was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContactDetail {
    /// `Encounter.class.code`.
    pub class: String,
    /// The codes of `Encounter.type`.
    pub types: Vec<String>,
    /// How long it was.
    pub minutes: Option<u32>,
}

/// What a line says beside its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LineDetail {
    /// The amount that it brought, cents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_amount: Option<i64>,
    /// The patient's share that it brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_share: Option<i64>,
    /// The supplement that it brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_supplement: Option<i64>,
    /// Who prescribed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prescriber: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prescribed: Option<String>,
    /// Where it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The convention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convention: Option<String>,
    /// The class of tariff that it brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative_code: Option<u32>,
    /// The time, `HHMM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u16>,
    /// The day of the agreement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<String>,
    /// The day of the admission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admitted: Option<String>,
    /// The contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactDetail>,
    /// As it was priced: which record (30 or 50); 0 where it was not.
    pub record: u8,
    /// The type of invoice.
    pub invoice_type: u8,
    /// The code of the service.
    pub service: u16,
    /// The class of tariff.
    pub tariff_class: u32,
    /// The code of a record of its own for the patient's share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_record: Option<u32>,
}

impl LineDetail {
    /// What a service says, before it is priced.
    pub(super) fn of(service: &Service, contact: Option<ContactDetail>) -> Self {
        let Service { stated, prescriber, place, convention, relative_code, time, agreed, admitted, .. } = service;
        Self {
            stated_amount: stated.amount.map(|cents| cents.0),
            stated_share: stated.share.map(|cents| cents.0),
            stated_supplement: stated.supplement.map(|cents| cents.0),
            prescriber: prescriber.as_ref().map(|(nihdi, _)| nihdi.as_str().to_owned()),
            prescribed: prescriber.as_ref().map(|(_, on)| day(*on)),
            place: place.as_ref().map(|nihdi| nihdi.as_str().to_owned()),
            convention: convention.as_ref().map(|nihdi| nihdi.as_str().to_owned()),
            relative_code: *relative_code,
            time: *time,
            agreed: agreed.map(day),
            admitted: admitted.map(day),
            contact,
            ..Self::default()
        }
    }

    /// With what the price says.
    pub(super) fn priced(&mut self, priced: &Priced) {
        self.record = if priced.record == RecordKind::Stay { 30 } else { 50 };
        self.invoice_type = priced.invoice_type.digit();
        self.service = priced.service;
        self.tariff_class = self.relative_code.unwrap_or(priced.relative_code);
        self.share_record = priced.share_record;
    }

    /// The amounts that it brought.
    pub(super) fn stated(&self) -> Stated {
        Stated {
            amount: self.stated_amount.map(Cents),
            share: self.stated_share.map(Cents),
            supplement: self.stated_supplement.map(Cents),
        }
    }

    /// Of a line.
    ///
    /// # Errors
    /// It is not what was written.
    pub fn read(line: &ClaimLineRow) -> Result<Self, StorageError> {
        Self::of_json(&line.detail)
    }

    /// Of what a row has.
    ///
    /// # Errors
    /// It is not what was written.
    pub(super) fn of_json(text: &str) -> Result<Self, StorageError> {
        serde_json::from_str(text).map_err(|_| StorageError::Corrupt("the detail of a claim line"))
    }

    /// Which record it is; of one without a price that is not known, and a service is the stricter.
    pub(super) fn kind(&self) -> RecordKind {
        if self.record == 30 { RecordKind::Stay } else { RecordKind::Service }
    }

    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl ContactDetail {
    pub(super) fn asked<'c>(&'c self, types: &'c [&'c str]) -> Contact<'c> {
        Contact { class: &self.class, types, minutes: self.minutes }
    }
}

/// A number that was checked when it was taken in; none where it is none.
pub(super) fn nihdi(text: Option<&String>) -> Option<Nihdi> {
    text.and_then(|text| Nihdi::parse(text).ok())
}

/// A day that was checked when it was taken in.
pub(super) fn date(text: Option<&String>) -> Option<Date> {
    text.and_then(|text| Date::parse(text))
}

/// One thing that is wrong with a line or a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The official code, or one of ours; `mappings::billing::explain` has its words.
    pub code: String,
    /// The letter of its weight.
    pub severity: String,
    /// What it is about where the code does not say: another line, an amount. Nothing about a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
}

impl Finding {
    /// A finding by its code.
    pub(super) fn new(code: impl Into<String>, severity: Severity, about: impl Into<String>) -> Self {
        Self { code: code.into(), severity: severity.letter().to_owned(), about: about.into() }
    }

    /// Whether the line or file cannot be sent with it.
    pub fn blocks(&self) -> bool {
        Severity::of_letter(&self.severity).is_none_or(|severity| severity >= Severity::Record)
    }

    /// Whether it takes the whole invoice, with every line of it.
    pub(super) fn takes_invoice(&self) -> bool {
        Severity::of_letter(&self.severity).is_some_and(|severity| severity >= Severity::Invoice)
    }

    /// Those of a row.
    ///
    /// # Errors
    /// They are not what was written.
    pub fn read(text: &str) -> Result<Vec<Self>, StorageError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_str(text).map_err(|_| StorageError::Corrupt("findings of billing"))
    }

    pub(super) fn write(findings: &[Self]) -> String {
        if findings.is_empty() { String::new() } else { serde_json::to_string(findings).unwrap_or_default() }
    }
}

/// Why an insurer refused a line: in codes. Its words are in the answer alone, which is sealed: they may name somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The errors, as they came: the letter of the weight is the insurer's own.
    pub errors: Vec<Finding>,
}

impl Refusal {
    /// Of a row; none where it was not refused.
    ///
    /// # Errors
    /// It is not what was written.
    pub fn read(text: &str) -> Result<Option<Self>, StorageError> {
        if text.is_empty() {
            return Ok(None);
        }
        serde_json::from_str(text).map(Some).map_err(|_| StorageError::Corrupt("a refusal of billing"))
    }

    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
