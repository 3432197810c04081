//! What begins a file and an invoice, and what ends an invoice, from the values that were handed over.

use super::layout::Kind;
use super::lines::number_of;
use super::messages::Message;
use super::records::{Header, InvoiceHead, InvoiceTotal};
use super::segments::{Segment200, Segment300};
use super::sending::{Content, Environment, Invoice, Invoicing, PatientIdentifier, Sector, Sending};
use super::sums::Sums;
use super::text::fitted;
use super::value::{Cents, PatientNumber, Sign, Signed};
use super::writer::WriteError;

/// Segment 200 of a file that is sent.
pub(super) fn segment_200(sending: &Sending) -> Segment200 {
    Segment200 {
        message: Message::InvoiceFile.number(),
        message_version: 2,
        environment: if sending.environment == Environment::Production { 12 } else { 92 },
        provider_reference: sending.reference,
        ..Segment200::default()
    }
}

/// Segment 300 of a file that is sent.
pub(super) fn segment_300(sending: &Sending, header: &Header) -> Segment300 {
    let [name, first_name] = [
        (&sending.contact.name, Kind::Segment300, "contact-name"),
        (&sending.contact.first_name, Kind::Segment300, "contact-first-name"),
    ]
    .map(|(text, kind, field)| fitted(text, kind.layout().zone(field).map_or(0, |zone| zone.length)));
    Segment300 {
        billed_month: sending.month.number(),
        sending: sending.number,
        created: Some(sending.created),
        file_reference: sending.file_reference.clone(),
        version: header.version,
        contact_name: name,
        contact_first_name: first_name,
        contact_phone: sending.contact.phone,
        sector: match sending.sector {
            Sector::Hospital => 1,
            Sector::Ambulatory => 3,
            Sector::Mixed => 9,
        },
        accounts: if sending.account_b.is_some() { 2 } else { 1 },
    }
}

/// Record 10.
pub(super) fn header(sending: &Sending) -> Result<Header, WriteError> {
    let (iban_b, bic_b) =
        sending.account_b.as_ref().map(|account| (account.iban.clone(), account.bic.clone())).unwrap_or_default();
    Ok(Header {
        accounts: u8::from(sending.account_b.is_some()),
        version: if sending.environment == Environment::Production { 1_999 } else { 9_991_999 },
        sending: sending.number,
        content: match sending.content {
            Content::EFact => 40,
            Content::MedicalHouse => 30,
            Content::Other => 0,
        },
        third_party: number_of(&sending.third_party)?,
        accreditation: sending.accreditation,
        profession: sending.profession,
        billed_year: sending.month.year(),
        billed_month: sending.month.month(),
        created: Some(sending.created),
        enterprise: sending.enterprise.as_str().parse().unwrap_or(0),
        reference: sending.establishment_reference.clone(),
        bic_a: sending.account_a.bic.clone(),
        iban_a: sending.account_a.iban.clone(),
        bic_b,
        iban_b,
        ..Header::default()
    })
}

/// Record 20.
pub(super) fn invoice_head(invoice: &Invoice, third_party: u64) -> Result<InvoiceHead, WriteError> {
    let patient = &invoice.patient;
    let (number, flag) = match &patient.identifier {
        PatientIdentifier::Ssin(ssin) => (PatientNumber(ssin.as_str().parse().unwrap_or(0)), 1),
        PatientIdentifier::Membership(number) => (*number, 0),
    };
    let (invoicing_kind, previous) = match &invoice.invoicing {
        Invoicing::Original => (0, None),
        Invoicing::Correction(previous) => (1, Some(previous)),
        Invoicing::CreditNote(previous) => (3, Some(previous)),
    };
    let mut head = InvoiceHead {
        // The federations 2, 4 and 5 have their members with them, not with a mutuality.
        affiliation: if matches!(patient.destination / 100, 2 | 4 | 5) { 0 } else { patient.affiliation },
        patient: number,
        sex: patient.sex,
        invoice_type: invoice.invoice_type.digit(),
        invoicing_kind,
        third_party,
        prescription_lifted: u8::from(invoice.is_prescription_lifted),
        treatment_reason: invoice.treatment_reason,
        destination: patient.destination,
        rehabilitation_agreed: invoice.rehabilitation_agreed,
        invoice: invoice.number,
        insurability: u32::from(patient.ct1) * 1_000 + u32::from(patient.ct2),
        reference: invoice.reference.clone(),
        patient_flag: flag,
        invoice_date: invoice.date,
        ..InvoiceHead::default()
    };
    if let Some(previous) = previous {
        head.previous_invoice = previous.invoice;
        head.previous_sending = previous.sending;
        head.previous_destination = previous.destination;
        head.previous_month = previous.month.number();
        head.previous_payment_a.clone_from(&previous.payment_a);
        head.previous_payment_b.clone_from(&previous.payment_b);
    }
    if let Some(residence) = &invoice.residence {
        head.institution = number_of(&residence.institution)?;
        head.admitted = residence.admitted.map(|(day, _)| day);
        head.admission_hour = residence.admitted.map_or(0, |(_, time)| u32::from(time));
        head.discharged = residence.discharged.map(|(day, _)| day);
        head.discharge_hour = residence.discharged.map_or(0, |(_, time)| u32::from(time));
        head.admission = residence.admission;
        head.admission_service = residence.service;
    }
    Ok(head)
}

/// An amount of nothing in a credit note is written with `-`, as everything in it.
fn total(cents: i64, is_credit: bool) -> Signed {
    let signed = Signed::of(Cents(cents));
    if cents == 0 && is_credit { Signed { sign: Sign::Minus, ..signed } } else { signed }
}

/// Record 80. In a credit note what is nothing is written with `-` too.
pub(super) fn invoice_total(head: &InvoiceHead, sums: &Sums, is_credit: bool) -> InvoiceTotal {
    InvoiceTotal {
        admission_hour: head.admission_hour,
        admitted: head.admitted,
        discharged: head.discharged,
        affiliation: head.affiliation,
        patient: head.patient,
        sex: head.sex,
        invoice_type: head.invoice_type,
        admission_service: head.admission_service,
        third_party: head.third_party,
        amount_b: total(sums.b, is_credit),
        treatment_reason: head.treatment_reason,
        destination: head.destination,
        amount_a: total(sums.a, is_credit),
        invoice_date: head.invoice_date,
        discharge_hour: head.discharge_hour,
        invoice: head.invoice,
        patient_share: total(sums.share, is_credit),
        reference: head.reference.clone(),
        supplement: total(sums.supplement, is_credit),
        patient_flag: head.patient_flag,
        control: sums.all.number(),
        ..InvoiceTotal::default()
    }
}
