//! The third-party invoice file (message 920000) and its answers: written, checked before it is sent, and read.
//!
//! A [`Sending`] and its [`Invoice`]s go through a [`FileWriter`] into a file whose order, totals, control numbers and check digits
//! are right; a [`Checker`] holds a finished file to every rule that can be known before it is sent, each with its official code;
//! a [`FileReader`] reads files and answers of any size. Amounts are whole cents, days are days, text is ASCII.
//!
//! Layouts are data (`mappings/tables/billing.txt`), and so are the words for zones and codes (`billing-words.txt`). What is
//! uncertain about the standard, and how it was decided, is in `docs/billing-file.md`.
//!
//! This module knows no claim, no consent and no database, and never the time: who asks hands all of that in.

mod check_digits;
mod checks;
mod heads;
mod layout;
mod lines;
mod messages;
mod reader;
mod records;
mod segments;
mod sending;
mod sums;
mod text;
mod value;
mod words;
mod writer;
mod zones;

pub use crate::tdi::{Date, Language};
pub use check_digits::{
    Control, ControlRule, agreement_holds, code_holds, enterprise_holds, iban_holds, nihdi_holds, record_check,
    ssin_holds,
};
pub use checks::{Checker, Checks, Finding, Report};
pub use layout::{Form, Kind, Layout, RECORD_LENGTH, RETURNED_LENGTH, Zone};
pub use messages::{Detail, Head, Message, ReturnedError, Second};
pub use reader::{FileReader, NEW_READINGS_FROM, RawRecord, ReadError, ReadLimits, Record};
pub use records::{
    AidRecord, CommitmentRecord, Header, InvoiceHead, InvoiceTotal, OldReadingRecord, ReadingRecord, SendingTotal,
    ServiceRecord, StayRecord,
};
pub use segments::{
    DetailZones, Recap, RecapTotal, Segment200, Segment300, Segment300Error, Segment300Stub, SegmentFault, Settlement,
    SettlementTotal, segment_faults,
};
pub use sending::{
    Account, AccountLetter, Contact, Content, DocumentReading, Environment, InsurerCommitment, Invoice, InvoiceType,
    Invoicing, Line, Month, Patient, PatientIdentifier, Previous, Residence, Sector, Sending, ServiceLine, StayLine,
};
pub use sums::Totals;
pub use text::{fitted, is_allowed, transliterate};
pub use value::{Cents, Padded, PatientNumber, Sign, Signed};
pub use words::{Explanation, Severity, explain, severity, zone_of, zone_words};
pub use writer::{FileWriter, WriteError, Written};
pub use zones::ZoneError;
