//! Record 20, that what goes together in it is there, and record 80, that repeats and sums it.

use std::collections::HashSet;

use super::envelope::is_hospital;
use super::{Checker, OpenInvoice};
use crate::billing::check_digits::ssin_holds;
use crate::billing::records::{AidRecord, InvoiceHead, InvoiceTotal};
use crate::billing::sending::Month;
use crate::billing::sums::Sums;
use crate::billing::value::{Cents, Sign};

/// An invoice has three records, and a file a million at most.
const INVOICES_MAX: usize = 333_334;

/// Checks record 20, and begins an invoice.
pub(super) fn head(checker: &mut Checker, head: &InvoiceHead) {
    checker.note_if(head.patient.0 == 0, "200810");
    checker.note_if(head.patient.0 != 0 && head.patient_flag == 1 && !ssin_holds(head.patient.0), "200802");
    let is_other = checker.header.as_ref().is_some_and(|header| header.third_party != head.third_party);
    checker.note_if(is_other, "201412");
    let is_medical_house = checker.header.as_ref().is_some_and(|header| header.content == 30);
    checker.note_if(is_medical_house && !matches!(head.invoicing_kind, 1 | 3 | 4), "201110");
    destination(checker, head);
    number(checker, head);
    stay(checker, head);
    previous(checker, head);
    dates(checker, head);
    checker.invoice = Some(OpenInvoice {
        head: head.clone(),
        sums: Sums { records: 1, ..Sums::default() },
        service: None,
        stay: None,
        lines: HashSet::new(),
        is_all_negative: true,
    });
}

fn destination(checker: &mut Checker, head: &InvoiceHead) {
    let is_credit = head.invoicing_kind == 3;
    match checker.last_destination {
        Some(last) if head.destination < last => checker.note("201812"),
        Some(last) if head.destination == last => {
            if is_credit && checker.has_debit {
                checker.own("wellgate-credit-order", None);
            }
        }
        _ => checker.has_debit = false,
    }
    if checker.last_destination.is_some_and(|last| last / 100 != head.destination / 100) {
        checker.own("wellgate-federation", None);
    }
    checker.has_debit |= !is_credit;
    checker.last_destination = Some(head.destination);
    checker.note_if(head.destination < 100, "201803");
    // The federations 2, 4 and 5 have their members with them, not with a mutuality.
    let is_federation = matches!(head.destination / 100, 2 | 4 | 5);
    checker.note_if(is_federation && head.affiliation != 0, "200711");
    checker.note_if(!is_federation && head.affiliation / 100 != head.destination / 100, "200710");
}

/// Of a file with as many records as there are sequence numbers, every number is kept.
fn number(checker: &mut Checker, head: &InvoiceHead) {
    checker.note_if(head.invoice == 0, "202403");
    if checker.invoices.len() >= INVOICES_MAX {
        checker.own("wellgate-twins-unknown", None);
    } else if !checker.invoices.insert(head.invoice) {
        checker.note("202420");
    }
}

fn stay(checker: &mut Checker, head: &InvoiceHead) {
    let is_stay = matches!(head.invoice_type, 1 | 4 | 5);
    let is_rehabilitation = matches!(head.invoice_type, 5 | 6);
    let has_institution = head.institution != 0;
    checker.note_if(is_stay && head.admitted.is_none(), "200510");
    checker.note_if(!is_stay && head.admitted.is_some(), "200511");
    checker.note_if(!is_stay && head.admission_hour != 0, "200411");
    checker.note_if(head.admission_hour != 0 && head.admitted.is_none(), "200412");
    checker.note_if(!is_stay && head.discharged.is_some(), "200611");
    checker.note_if(!is_stay && head.discharge_hour != 0, "202211");
    checker.note_if(head.discharge_hour != 0 && head.discharged.is_none(), "202212");
    checker.note_if((is_stay || is_rehabilitation) && !has_institution, "201510");
    checker.note_if(!is_stay && !is_rehabilitation && has_institution, "201511");
    checker.note_if(is_rehabilitation && head.rehabilitation_agreed.is_none(), "202010");
    checker.note_if(!is_rehabilitation && head.rehabilitation_agreed.is_some(), "202011");
    if let Some(discharged) = head.discharged {
        checker.note_if(head.admitted.is_some_and(|admitted| discharged < admitted), "200610");
        checker.note_if(head.rehabilitation_agreed.is_some_and(|agreed| discharged < agreed), "200621");
    }
    let is_own = head.invoice_type == 1 && head.third_party == head.institution;
    checker.note_if(is_own && head.admission == 0, "201910");
}

fn previous(checker: &mut Checker, head: &InvoiceHead) {
    let is_again = head.invoicing_kind != 0;
    for (is_there, missing, surplus) in [
        (head.previous_invoice != 0, "202910", "202911"),
        (head.previous_sending != 0, "203410", "203411"),
        (head.previous_destination != 0, "203710", "203711"),
        (head.previous_month != 0, "204112", "204113"),
    ] {
        checker.note_if(is_again && !is_there, missing);
        checker.note_if(!is_again && is_there, surplus);
    }
    let is_correction = head.invoicing_kind == 1;
    let has_payment = !head.previous_payment_a.is_empty();
    checker.note_if(is_correction && !has_payment, "203810");
    checker.note_if(!is_correction && has_payment, "203811");
    checker.note_if(!is_correction && !head.previous_payment_b.is_empty(), "204911");
    if head.previous_month == 0 {
        return;
    }
    let Some(month) = Month::from_number(head.previous_month) else {
        checker.note("204103");
        return;
    };
    checker.note_if(month > Month::of(checker.checks.today), "204110");
    let billed = checker.header.as_ref().and_then(|header| Month::new(header.billed_year, header.billed_month));
    checker.note_if(billed.is_some_and(|billed| month > billed), "204111");
}

fn dates(checker: &mut Checker, head: &InvoiceHead) {
    checker.note_if(head.invoice_date.is_some_and(|day| day > checker.checks.today), "204710");
    checker.note_if(head.invoice_date.is_none() && is_dated(head.third_party), "204708");
}

/// Hospitals and centres of rehabilitation date their invoices.
fn is_dated(third_party: u64) -> bool {
    let is_centre = matches!(third_party / 1_000_000_000, 71 | 72) && third_party % 1_000 == 799;
    is_centre || is_hospital(third_party)
}

/// Checks record 25 against record 20.
pub(super) fn aid(checker: &mut Checker, aid: &AidRecord) {
    let Some((patient, destination, invoice)) =
        checker.invoice.as_ref().map(|open| (open.head.patient, open.head.destination, open.head.invoice))
    else {
        return;
    };
    checker.note_if(aid.patient.0 == 0, "250810");
    checker.note_if(aid.patient.0 != 0 && aid.patient != patient, "250812");
    checker.note_if(aid.destination != 690 || destination != 690, "251803");
    checker.note_if(aid.invoice != invoice, "252403");
}

/// Checks record 80, and ends the invoice.
pub(super) fn total(checker: &mut Checker, total: &InvoiceTotal) {
    super::lines::open_day(checker);
    let Some(mut open) = checker.invoice.take() else { return };
    repeats(checker, &open.head, total);
    let sums = open.sums;
    checker.note_if(total.amount_a.cents() != Cents(sums.a), "801910");
    checker.note_if(total.amount_b.cents() != Cents(sums.b), "801510");
    checker.note_if(total.patient_share.cents() != Cents(sums.share), "802710");
    checker.note_if(total.supplement.cents() != Cents(sums.supplement), "803010");
    checker.note_if(total.control != sums.all.number(), "809802");
    let sign = if open.head.invoicing_kind == 3 { Sign::Minus } else { Sign::Plus };
    for amount in [total.amount_a, total.amount_b, total.patient_share, total.supplement] {
        checker.sign(amount, sign);
    }
    checker.sign(total.advance_a, Sign::Plus);
    let is_negative = total.amount_a.sign == Sign::Minus;
    checker.note_if(open.head.invoicing_kind == 3 && !(open.is_all_negative && is_negative), "201140");
    checker.note_if(total.invoice_date.is_none() && is_hospital(total.third_party), "802010");
    checker.note_if(
        total.invoice_date.is_none() && is_dated(total.third_party) && !is_hospital(total.third_party),
        "802011",
    );
    checker.totals.0 = checker.totals.0.saturating_add(total.amount_a.cents().0);
    checker.totals.1 = checker.totals.1.saturating_add(total.amount_b.cents().0);
    open.sums.records += 1;
    let destination = checker.destinations.entry(open.head.destination).or_default();
    if destination.add_all(&open.sums).is_none() || checker.open.add_all(&open.sums).is_none() {
        checker.own("wellgate-amount", None);
    }
}

fn repeats(checker: &mut Checker, head: &InvoiceHead, total: &InvoiceTotal) {
    for (is_same, code) in [
        (head.admission_hour == total.admission_hour, "800412"),
        (head.admitted == total.admitted, "800512"),
        (head.discharged == total.discharged, "800612"),
        (head.affiliation == total.affiliation, "800712"),
        (head.patient == total.patient, "800812"),
        (head.sex == total.sex, "800912"),
        (head.invoice_type == total.invoice_type, "801012"),
        (head.admission_service == total.admission_service, "801312"),
        (head.third_party == total.third_party, "801412"),
        (head.treatment_reason == total.treatment_reason, "801712"),
        (head.destination == total.destination, "801812"),
        (head.discharge_hour == total.discharge_hour, "802212"),
        (head.invoice == total.invoice, "802412"),
        (head.patient_flag == total.patient_flag, "803212"),
    ] {
        checker.note_if(!is_same, code);
    }
    checker.note_if(head.patient != total.patient, "200812");
}
