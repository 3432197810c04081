//! The records that a line of an invoice becomes.

use super::reader::Record;
use super::records::{CommitmentRecord, InvoiceHead, OldReadingRecord, ReadingRecord, ServiceRecord, StayRecord};
use super::sending::{AccountLetter, DocumentReading, Line, ServiceLine, StayLine};
use super::value::{Cents, Padded, Signed};
use super::writer::WriteError;
use crate::identifiers::Nihdi;

/// A NIHDI number as the 11 digits that zones hold.
pub(super) fn number_of(nihdi: &Nihdi) -> Result<u64, WriteError> {
    let digits = Some(nihdi.as_str()).filter(|digits| digits.len() == 11);
    digits.and_then(|digits| digits.parse().ok()).ok_or(WriteError::Nihdi)
}

fn number_or_none(nihdi: Option<&Nihdi>) -> Result<u64, WriteError> {
    nihdi.map_or(Ok(0), number_of)
}

/// The records of a line, in their order. In a credit note every sign is the other one, also of nothing.
pub(super) fn line_records(
    line: &Line,
    head: &InvoiceHead,
    is_credit: bool,
    has_old_readings: bool,
) -> Result<Vec<Record>, WriteError> {
    match line {
        Line::Stay(line) => stay_records(line, head, is_credit),
        Line::Service(line) => service_records(line, head, is_credit, has_old_readings),
    }
}

fn signed(cents: Cents, is_credit: bool) -> Signed {
    let signed = Signed::of(cents);
    if is_credit { signed.reversed() } else { signed }
}

fn account(letter: AccountLetter) -> u8 {
    u8::from(letter == AccountLetter::B)
}

fn stay_records(line: &StayLine, head: &InvoiceHead, is_credit: bool) -> Result<Vec<Record>, WriteError> {
    let stay = StayRecord {
        norm: line.norm,
        code: line.code,
        first_day: Some(line.first_day),
        last_day: Some(line.last_day),
        affiliation: head.affiliation,
        patient: head.patient,
        sex: head.sex,
        account: account(line.account),
        service: line.service,
        place: number_or_none(line.place.as_ref())?,
        convention: number_or_none(line.convention.as_ref())?,
        relative_code: line.relative_code,
        amount: signed(line.amount, is_credit),
        units: signed(Cents(i64::from(line.units)), is_credit),
        indicative_cost: signed(line.indicative_cost, is_credit),
        patient_share: signed(line.patient_share, is_credit),
        supplement: signed(line.supplement, is_credit),
        reference: line.reference.clone(),
        share_code: line.share_code,
        agreed: line.agreed,
        ..StayRecord::default()
    };
    let share = line.share_record.map(|(code, cents)| StayRecord {
        code,
        // The insurer pays so much less: the two signs are opposite, in this record alone.
        amount: signed(cents, is_credit).reversed(),
        patient_share: signed(cents, is_credit),
        indicative_cost: signed(Cents(0), is_credit).reversed(),
        supplement: signed(Cents(0), is_credit).reversed(),
        ..stay.clone()
    });
    Ok([stay].into_iter().chain(share).map(Record::Stay).collect())
}

fn service_records(
    line: &ServiceLine,
    head: &InvoiceHead,
    is_credit: bool,
    has_old_readings: bool,
) -> Result<Vec<Record>, WriteError> {
    let rare = line.rare.as_deref().cloned().unwrap_or_default();
    let prescriber = line.prescriber.as_ref();
    let service = ServiceRecord {
        code: line.code,
        first_day: Some(line.first_day),
        last_day: Some(line.last_day),
        affiliation: head.affiliation,
        patient: head.patient,
        sex: head.sex,
        account: account(line.account),
        service: line.service,
        place: number_or_none(line.place.as_ref())?,
        provider: number_of(&line.provider)?,
        provider_norm: line.provider_norm,
        amount: signed(line.amount, is_credit),
        prescribed: prescriber.map(|(_, day, _)| *day),
        units: signed(Cents(i64::from(line.units)), is_credit),
        prescriber: number_or_none(prescriber.map(|(nihdi, _, _)| nihdi))?,
        prescriber_norm: prescriber.map_or(0, |(_, _, norm)| *norm),
        patient_share: signed(line.patient_share, is_credit),
        supplement: signed(line.supplement, is_credit),
        reference: line.reference.clone(),
        share_code: line.share_code,
        time: line.time,
        ..rare
    };
    let commitment = line.commitment.as_ref().map(|commitment| CommitmentRecord {
        sequence: 0,
        code: service.code,
        first_day: service.first_day,
        patient: service.patient,
        provider: service.provider,
        amount: service.amount,
        insurability: head.insurability,
        commitment: commitment.reference.clone(),
        informed: Some(commitment.informed),
    });
    let reading = line.reading.as_ref().map(|reading| {
        if has_old_readings {
            Record::OldReading(old_reading_record(reading, &service))
        } else {
            Record::Reading(reading_record(reading, &service))
        }
    });
    Ok([Record::Service(service)].into_iter().chain(commitment.map(Record::Commitment)).chain(reading).collect())
}

fn reading_record(reading: &DocumentReading, service: &ServiceRecord) -> ReadingRecord {
    ReadingRecord {
        sequence: 0,
        manual_reason: reading.manual_reason,
        code: service.code,
        first_day: service.first_day,
        read: reading.read.map(|(day, _)| day),
        patient: service.patient,
        reading: Padded::new(&reading.reading),
        medium: Padded::new(&reading.medium),
        vignette_reason: reading.vignette_reason,
        read_time: reading.read.map_or(0, |(_, time)| time),
        provider: service.provider,
        serial: reading.serial.clone(),
        document: Padded::new(&reading.document),
        device: 0,
        agreement: Padded::new(&reading.agreement),
    }
}

fn old_reading_record(reading: &DocumentReading, service: &ServiceRecord) -> OldReadingRecord {
    OldReadingRecord {
        sequence: 0,
        code: service.code,
        first_day: service.first_day,
        read: reading.read.map(|(day, _)| day),
        patient: service.patient,
        medium: reading.medium.clone(),
        reading: reading.reading.clone(),
        read_time: reading.read.map_or(0, |(_, time)| time),
        provider: service.provider,
    }
}
