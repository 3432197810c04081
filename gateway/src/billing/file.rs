//! Invoices out of lines: one of each person, payer and earlier invoice. Pure.

use mappings::billing::{
    AccountLetter, Cents, Date, Invoice, InvoiceType, Invoicing, Line, Month, Patient, PatientIdentifier, Previous,
    Residence, ServiceLine, Severity, StayLine,
};
use mappings::identifiers::{Nihdi, Ssin};

use super::detail::{Finding, LineDetail, date, nihdi};
use super::people::InsuredPerson;
use crate::storage::StorageError;
use crate::storage::billing::ClaimLineRow;

const WRONG: StorageError = StorageError::Corrupt("a claim line");

/// The type of an invoice of residential rehabilitation.
const RESIDENTIAL: u8 = 5;

/// What lines of one invoice have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InvoiceKey {
    invoice_type: u8,
    convention: Option<String>,
    agreed: Option<String>,
    admitted: Option<String>,
    /// The sending and invoice that it corrects or takes back.
    previous: (i64, i64, i64),
}

impl InvoiceKey {
    pub(super) fn of(detail: &LineDetail, previous: Option<&Previous>) -> Self {
        let is_rehabilitation = matches!(detail.invoice_type, 5 | 6);
        Self {
            invoice_type: detail.invoice_type,
            convention: detail.convention.clone().filter(|_| is_rehabilitation),
            agreed: detail.agreed.clone().filter(|_| is_rehabilitation),
            admitted: detail.admitted.clone().filter(|_| detail.invoice_type == RESIDENTIAL),
            previous: previous.map_or((0, 0, 0), |one| {
                (i64::from(one.month.number()), i64::from(one.sending), i64::try_from(one.invoice).unwrap_or(0))
            }),
        }
    }
}

/// The invoice of lines that belong into one.
///
/// # Errors
/// What a person or a line lacks, as findings for the clerk.
pub(super) fn invoice(
    lines: &[(ClaimLineRow, LineDetail)],
    person: &InsuredPerson,
    (previous, number, on): (Option<Previous>, u64, Date),
) -> Result<Invoice, Vec<Finding>> {
    let fault = |code: &str| vec![Finding::new(code, Severity::Invoice, "")];
    let Some((first, detail)) = lines.first() else { return Err(fault("wellgate-no-lines")) };
    let ssin = Ssin::parse(&person.ssin).map_err(|_| fault("200801"))?;
    let destination = u16::try_from(first.payer).map_err(|_| fault("201803"))?;
    let patient = Patient {
        sex: person.sex.unwrap_or_else(|| sex(&ssin)),
        identifier: PatientIdentifier::Ssin(ssin),
        // A care fund is where its member belongs; the mutuality has nothing to do with it.
        affiliation: person.affiliation.filter(|_| first.channel == "efact").unwrap_or(destination),
        destination,
        ct1: person.ct1.unwrap_or(0),
        ct2: person.ct2.unwrap_or(0),
    };
    let invoicing = match (first.kind, previous) {
        (0, _) => Invoicing::Original,
        (3, Some(previous)) => Invoicing::CreditNote(previous),
        (_, Some(previous)) => Invoicing::Correction(previous),
        (_, None) => return Err(fault("wellgate-no-previous")),
    };
    let invoice_type = invoice_type(detail.invoice_type).ok_or_else(|| fault("201003"))?;
    let is_rehabilitation =
        matches!(invoice_type, InvoiceType::ResidentialRehabilitation | InvoiceType::AmbulatoryRehabilitation);
    let institution = nihdi(detail.convention.as_ref()).or_else(|| Nihdi::parse(&first.third_party).ok());
    let rest: Result<Vec<Line>, Vec<Finding>> =
        lines.iter().map(|(row, detail)| line(row, detail).map_err(|_| fault("wellgate-line"))).collect();
    Ok(Invoice {
        number,
        invoice_type,
        invoicing,
        patient,
        residence: institution.filter(|_| is_rehabilitation).map(|institution| Residence {
            institution,
            // Of ambulatory rehabilitation there is none.
            admitted: date(detail.admitted.as_ref()).filter(|_| detail.invoice_type == RESIDENTIAL).map(|day| (day, 0)),
            discharged: None,
            admission: 0,
            service: 0,
        }),
        rehabilitation_agreed: date(detail.agreed.as_ref()).filter(|_| is_rehabilitation),
        treatment_reason: 0,
        is_prescription_lifted: false,
        date: Some(on),
        reference: first.id.clone(),
        lines: rest?,
    })
}

/// By the number's serial: odd for men, even for women.
fn sex(ssin: &Ssin) -> u8 {
    let is_odd = ssin.as_str().as_bytes().get(8).is_some_and(|digit| digit % 2 == 1);
    if is_odd { 1 } else { 2 }
}

fn invoice_type(digit: u8) -> Option<InvoiceType> {
    use InvoiceType::{AmbulatoryRehabilitation, Hospital, Other, ResidentialRehabilitation, StayPrice};
    [Hospital, InvoiceType::Ambulatory, StayPrice, ResidentialRehabilitation, AmbulatoryRehabilitation, Other]
        .into_iter()
        .find(|one| one.digit() == digit)
}

fn line(row: &ClaimLineRow, detail: &LineDetail) -> Result<Line, StorageError> {
    let code = u32::try_from(row.code).map_err(|_| WRONG)?;
    let (first_day, last_day) = (Date::parse(&row.first_day).ok_or(WRONG)?, Date::parse(&row.last_day).ok_or(WRONG)?);
    let units = u16::try_from(row.units).map_err(|_| WRONG)?;
    let provider = Nihdi::parse(&row.provider).map_err(|_| WRONG)?;
    if detail.record == 30 {
        let has_share_record = detail.share_record.is_some();
        return Ok(Line::Stay(StayLine {
            code,
            first_day,
            last_day,
            units,
            // Where the patient's share has a record of its own, that takes it off again.
            amount: Cents(row.amount_cents + if has_share_record { row.share_cents } else { 0 }),
            patient_share: Cents(if has_share_record { 0 } else { row.share_cents }),
            supplement: Cents(row.supplement_cents),
            indicative_cost: Cents(0),
            account: AccountLetter::A,
            norm: 0,
            service: detail.service,
            place: nihdi(detail.place.as_ref()),
            convention: nihdi(detail.convention.as_ref()).or(Some(provider)),
            relative_code: detail.tariff_class,
            share_code: 0,
            agreed: date(detail.agreed.as_ref()),
            reference: row.id.clone(),
            share_record: detail.share_record.map(|code| (code, Cents(row.share_cents))),
        }));
    }
    let prescriber = nihdi(detail.prescriber.as_ref()).zip(date(detail.prescribed.as_ref()));
    Ok(Line::Service(ServiceLine {
        code,
        first_day,
        last_day,
        units,
        amount: Cents(row.amount_cents),
        patient_share: Cents(row.share_cents),
        supplement: Cents(row.supplement_cents),
        account: AccountLetter::A,
        provider,
        provider_norm: 1,
        service: detail.service,
        place: nihdi(detail.place.as_ref()),
        prescriber: prescriber.map(|(nihdi, on)| (nihdi, on, 1)),
        share_code: 0,
        time: detail.time.unwrap_or(0),
        reference: row.id.clone(),
        commitment: None,
        reading: None,
        rare: None,
    }))
}

/// What an earlier line is called by a later one.
pub(super) fn previous(
    old: &ClaimLineRow,
    sending: &crate::storage::billing::SendingRow,
    payment: &str,
) -> Option<Previous> {
    Some(Previous {
        invoice: u64::try_from(old.invoice).ok()?,
        sending: u16::try_from(sending.number).ok()?,
        destination: u16::try_from(old.payer).ok()?,
        month: Month::from_number(u32::try_from(sending.month).ok()?)?,
        payment_a: payment.to_owned(),
        payment_b: String::new(),
    })
}
