//! Records 30, 50 and 51: that they agree with their invoice, with each other, and with the calendar.

use super::Checker;
use crate::billing::Date;
use crate::billing::records::{CommitmentRecord, InvoiceHead, ServiceRecord, StayRecord};
use crate::billing::sending::Month;
use crate::billing::value::{PatientNumber, Sign, Signed};

/// Prescription: so many months after the service it is not paid any more.
const PRESCRIBED_MONTHS: u16 = 24;
/// The insurer's information counts so many months after the service.
const INFORMED_MONTHS: u16 = 2;
/// Lines of one invoice that are kept to find twins.
const LINES_MAX: usize = 10_000;

/// What makes two lines of an invoice the same: record, code, day, provider, time, and where on the body.
pub(super) type LineKey = (u8, u32, Option<Date>, u64, u16, (u8, u8, u8));

/// What records 30 and 50 have in common.
struct Line<'a> {
    record: &'static str,
    first_day: Option<Date>,
    last_day: Option<Date>,
    affiliation: u16,
    patient: PatientNumber,
    sex: u8,
    account: u8,
    amount: Signed,
    units: Signed,
    share: Signed,
    supplement: Signed,
    share_code: u8,
    is_share: bool,
    is_paid_ahead: bool,
    key: LineKey,
    head: &'a InvoiceHead,
}

/// Checks record 30.
pub(super) fn stay(checker: &mut Checker, stay: &StayRecord) {
    let Some(head) = checker.invoice.as_ref().map(|open| open.head.clone()) else { return };
    let is_share = checker.checks.share_codes.contains(&stay.code);
    let line = Line {
        record: "30",
        first_day: stay.first_day,
        last_day: stay.last_day,
        affiliation: stay.affiliation,
        patient: stay.patient,
        sex: stay.sex,
        account: stay.account,
        amount: stay.amount,
        units: stay.units,
        share: stay.patient_share,
        supplement: stay.supplement,
        share_code: stay.share_code,
        is_share,
        is_paid_ahead: false,
        key: (30, stay.code, stay.first_day, stay.convention, 0, (stay.norm, 0, 0)),
        head: &head,
    };
    common(checker, &line);
    checker.note_if(stay.norm != 0 && head.invoice_type != 1, "300314");
    checker.note_if(stay.indicative_cost.sign != stay.amount.sign, "302412");
    if is_share {
        checker.note_if(stay.patient_share.sign == stay.amount.sign, "302711");
        checker.sign(stay.supplement, stay.amount.sign);
        let is_unequal = stay.amount.magnitude != stay.patient_share.magnitude;
        checker.note_if(is_unequal && stay.share_code == 0, "301941");
        let day = checker.invoice.as_ref().and_then(|open| open.stay.clone());
        checker.note_if(day.as_ref().is_some_and(|day| day.amount.sign == stay.amount.sign), "301910");
        checker.note_if(day.is_some_and(|day| day.units != stay.units), "302210");
    } else {
        open_day(checker);
        if let Some(open) = &mut checker.invoice {
            open.is_all_negative &= is_minus(&[stay.amount, stay.units]);
        }
    }
    let is_other = head.rehabilitation_agreed.is_some() && stay.agreed.is_some();
    checker.note_if(is_other && stay.agreed != head.rehabilitation_agreed, "304712");
    checker.note_if(stay.site == 0 && stay.care_association != 0, "305111");
    if let Some(open) = &mut checker.invoice {
        open.stay = (!is_share).then(|| stay.clone());
    }
}

/// A day is followed by the patient's share in it.
pub(super) fn open_day(checker: &mut Checker) {
    let day = checker.invoice.as_mut().and_then(|open| open.stay.take());
    checker.note_if(day.is_some_and(|day| checker.checks.day_codes.contains(&day.code)), "300450");
}

/// Checks record 50.
pub(super) fn service(checker: &mut Checker, service: &ServiceRecord) {
    open_day(checker);
    let Some(head) = checker.invoice.as_ref().map(|open| open.head.clone()) else { return };
    let is_paid_ahead = checker.header.as_ref().is_some_and(|header| header.content == 30);
    let on_body = (service.tooth, service.limb, service.identical);
    let line = Line {
        record: "50",
        first_day: service.first_day,
        last_day: service.last_day,
        affiliation: service.affiliation,
        patient: service.patient,
        sex: service.sex,
        account: service.account,
        amount: service.amount,
        units: service.units,
        share: service.patient_share,
        supplement: service.supplement,
        share_code: service.share_code,
        is_share: false,
        is_paid_ahead,
        key: (50, service.code, service.first_day, service.provider, service.time, on_body),
        head: &head,
    };
    common(checker, &line);
    prescription(checker, &head, service);
    // A base value is never negative, whatever it is.
    checker.sign(Signed { magnitude: 0, ..service.base_value }, Sign::Plus);
    checker.note_if(service.provider_norm == 4 && service.assistant == 0, "504913");
    checker.note_if(service.provider_norm == 4 && service.assistant == service.provider, "504915");
    checker.note_if(service.site == 0 && service.care_association != 0, "505111");
    if let Some(open) = &mut checker.invoice {
        open.is_all_negative &= is_minus(&[service.amount, service.units]);
        open.service = Some(service.clone());
    }
}

fn prescription(checker: &mut Checker, head: &InvoiceHead, service: &ServiceRecord) {
    let is_prescribed = service.prescribed.is_some();
    let has_prescriber = service.prescriber != 0;
    checker.note_if(has_prescriber && !is_prescribed, "502011");
    checker.note_if(is_prescribed && (!has_prescriber || service.prescriber_norm == 3), "502012");
    let Some(prescribed) = service.prescribed else { return };
    checker.note_if(head.admitted.is_some_and(|admitted| prescribed < admitted), "502010");
    checker.note_if(head.discharged.is_some_and(|discharged| prescribed > discharged), "502013");
    checker.note_if(service.first_day.is_some_and(|day| prescribed > day), "502014");
}

fn is_minus(amounts: &[Signed]) -> bool {
    amounts.iter().all(|amount| amount.sign == Sign::Minus)
}

fn common(checker: &mut Checker, line: &Line<'_>) {
    agrees(checker, line);
    signs(checker, line);
    days(checker, line);
    let is_special = matches!(line.share_code, 3 | 4) && !matches!(line.head.invoice_type, 1 | 5);
    note_if(checker, line, is_special, "3310");
    let Some(open) = &mut checker.invoice else { return };
    let is_twin = open.lines.len() < LINES_MAX && !open.lines.insert(line.key);
    note_if(checker, line, is_twin, "0544");
}

/// Notes a code of the record that the line is: its last four characters are given.
fn note_if(checker: &mut Checker, line: &Line<'_>, is_wrong: bool, rest: &str) {
    if is_wrong {
        checker.note(&format!("{}{rest}", line.record));
    }
}

fn agrees(checker: &mut Checker, line: &Line<'_>) {
    let is_federation = matches!(line.head.destination / 100, 2 | 4 | 5);
    note_if(checker, line, !is_federation && line.affiliation != line.head.affiliation, "0712");
    note_if(checker, line, line.patient.0 == 0, "0810");
    note_if(checker, line, line.patient != line.head.patient, "0812");
    note_if(checker, line, line.sex != line.head.sex, "0912");
    let accounts = checker.header.as_ref().map_or(1, |header| header.accounts);
    note_if(checker, line, line.account > accounts, "1110");
}

fn signs(checker: &mut Checker, line: &Line<'_>) {
    let is_credit = line.head.invoicing_kind == 3;
    // What the insurer pays less is positive in a credit note: the record of the share alone is the other way round.
    note_if(checker, line, is_credit && !line.is_share && line.units.sign != Sign::Minus, "2248");
    if line.is_share {
        return;
    }
    note_if(checker, line, line.units.sign != line.amount.sign, "2212");
    note_if(checker, line, line.share.sign != line.amount.sign, "2712");
    note_if(checker, line, line.supplement.sign != line.amount.sign, "3012");
}

fn days(checker: &mut Checker, line: &Line<'_>) {
    let today = checker.checks.today;
    let latest = if line.is_paid_ahead { today.plus_months(1) } else { today };
    let (admitted, discharged) = (line.head.admitted, line.head.discharged);
    note_if(checker, line, line.first_day.is_none(), "0503");
    note_if(checker, line, line.last_day.is_none(), "0603");
    let (Some(first), Some(last)) = (line.first_day, line.last_day) else { return };
    note_if(checker, line, first > latest, "0510");
    note_if(checker, line, last > latest, "0610");
    note_if(checker, line, last < first, "0612");
    note_if(checker, line, admitted.is_some_and(|admitted| first < admitted), "0511");
    note_if(checker, line, admitted.is_some_and(|admitted| last < admitted), "0611");
    note_if(checker, line, discharged.is_some_and(|discharged| first > discharged), "0513");
    note_if(checker, line, discharged.is_some_and(|discharged| last > discharged), "0613");
    let is_late = line.head.invoice_date.is_some_and(|date| first > date);
    note_if(checker, line, is_late && !line.is_paid_ahead, "0516");
    let is_prescribed = first.plus_months(PRESCRIBED_MONTHS) < today;
    note_if(checker, line, is_prescribed && line.head.prescription_lifted == 0, "0546");
    let billed = checker.header.as_ref().and_then(|header| Month::new(header.billed_year, header.billed_month));
    note_if(checker, line, billed.is_some_and(|billed| months(first) > billed_months(billed) + 1), "0547");
}

fn months(day: Date) -> u32 {
    billed_months(Month::of(day))
}

fn billed_months(month: Month) -> u32 {
    u32::from(month.year()) * 12 + u32::from(month.month())
}

/// Checks record 51 against the service before it.
pub(super) fn commitment(checker: &mut Checker, commitment: &CommitmentRecord) {
    let Some((head, Some(service))) = checker.invoice.as_ref().map(|open| (open.head.clone(), open.service.clone()))
    else {
        return;
    };
    checker.note_if(commitment.code != service.code, "510412");
    checker.note_if(commitment.first_day != service.first_day, "510512");
    checker.note_if(commitment.patient != head.patient, "510812");
    checker.note_if(commitment.provider != service.provider, "511512");
    checker.note_if(commitment.amount != service.amount, "511912");
    checker.note_if(commitment.insurability != head.insurability, "512712");
    let (informed, day) = (commitment.informed, commitment.first_day);
    let is_late = informed.zip(day).is_some_and(|(informed, day)| informed > day.plus_months(INFORMED_MONTHS));
    checker.note_if(is_late, "515525");
}
