//! Records that are missing, doubled or at a wrong place, and invoices in a wrong order.

use crate::sample::{
    ambulatory, check, check_with, checks, codes, day, invoices, nth, of_records, patient, put, records, sample,
    sending, service, written,
};
use mappings::billing::{
    Account, Cents, Checks, Content, FileWriter, Invoice, Invoicing, Line, Sending, ServiceLine, WriteError,
};

/// The file without a record, or with it once more, numbered anew.
fn renumbered(mut records: Vec<Vec<u8>>) -> Vec<u8> {
    for (place, record) in records.iter_mut().enumerate() {
        if !matches!(&record[..2], b"95" | b"96") {
            record[2..8].copy_from_slice(format!("{:06}", place + 1).as_bytes());
        }
    }
    of_records(&records)
}

#[test]
fn a_missing_record_is_found_by_what_stands_around_it() {
    for (digits, n, expected) in [
        ("10", 0, "100110"),
        ("20", 0, "100111"),
        ("20", 1, "800111"),
        ("50", 0, "200111"),
        ("50", 1, "510110"),
        ("80", 0, "200110"),
        ("80", 1, "500111"),
        ("80", 2, "900110"),
        ("90", 0, "900104"),
        ("30", 1, "300450"),
        ("95", 0, "wellgate-recap-missing"),
        ("96", 0, "wellgate-recap-missing"),
    ] {
        let mut without = records(&sample());
        let place = nth(&without, digits, n);
        without.remove(place);
        let report = check(&renumbered(without));
        assert!(report.has(expected), "without {digits} {n}: {expected} not in {:?}", codes(&report));
    }
}

#[test]
fn a_doubled_record_is_found() {
    for (digits, n, expected) in [
        ("10", 0, "100110"),
        ("20", 0, "200110"),
        ("50", 2, "500544"),
        ("51", 0, "510110"),
        ("52", 0, "520110"),
        ("80", 0, "800110"),
        ("90", 0, "900111"),
        ("95", 0, "401-21"),
    ] {
        let mut twice = records(&sample());
        let place = nth(&twice, digits, n);
        let copy = twice[place].clone();
        twice.insert(place, copy);
        let report = check(&renumbered(twice));
        assert!(report.has(expected), "{digits} twice: {expected} not in {:?}", codes(&report));
    }
}

#[test]
fn a_sequence_number_that_does_not_follow_is_found() {
    for (digits, expected) in [
        ("20", "200210"),
        ("30", "300210"),
        ("50", "500210"),
        ("51", "510210"),
        ("52", "520210"),
        ("80", "800210"),
        ("90", "900210"),
    ] {
        let mut wrong = records(&sample());
        let place = nth(&wrong, digits, 0);
        put(&mut wrong[place], "sequence", "000099");
        let report = check(&of_records(&wrong));
        assert!(report.has(expected), "{expected} not in {:?}", codes(&report));
    }
}

#[test]
fn a_record_without_a_layout_is_told_and_what_follows_is_read() {
    let mut strange = records(&sample());
    let place = nth(&strange, "50", 2);
    strange[place][..2].copy_from_slice(b"40");
    let report = check(&of_records(&strange));
    assert!(report.has("wellgate-unknown-record") && report.has("801910"), "{:?}", codes(&report));
}

fn refusal(invoices: &[Invoice]) -> Option<String> {
    let mut writer = FileWriter::new(Vec::new(), sending(), checks()).expect("it is begun");
    invoices.iter().find_map(|invoice| writer.invoice(invoice).err()).map(|error| error.to_string())
}

#[test]
fn the_writer_refuses_an_invoice_that_comes_too_late_or_goes_elsewhere() {
    let [credit, care, stay] = invoices().try_into().expect("there are three");
    assert!(refusal(&[stay.clone(), care.clone()]).is_some_and(|error| error.contains("too late")));
    assert!(refusal(&[care.clone(), credit]).is_some_and(|error| error.contains("too late")));
    let elsewhere = Invoice { patient: patient("90010100152", 319), ..care.clone() };
    assert!(refusal(&[care.clone(), elsewhere]).is_some_and(|error| error.contains("federation")));
    let empty = Invoice { lines: Vec::new(), ..care };
    assert!(refusal(&[empty]).is_some_and(|error| error.contains("lines")));
    let writer = FileWriter::new(Vec::new(), sending(), checks()).expect("it is begun");
    assert!(matches!(writer.finish(), Err(WriteError::NoInvoices)));
}

#[test]
fn the_order_of_invoices_is_by_mutuality_with_credit_notes_first() {
    let mut mixed = invoices();
    mixed.reverse();
    mixed.sort_by_key(Invoice::order);
    assert_eq!(mixed, invoices());
}

#[test]
fn a_credit_note_behind_a_debit_of_its_mutuality_is_found_in_a_file_of_others() {
    let file = records(&sample());
    let (first, second) = (nth(&file, "20", 0), nth(&file, "20", 1));
    let third = nth(&file, "20", 2);
    let swapped = [&file[..first], &file[second..third], &file[first..second], &file[third..]].concat();
    let report = check(&renumbered(swapped));
    assert_eq!(codes(&report), ["wellgate-credit-order"]);
}

#[test]
fn a_mutuality_that_would_have_to_pay_back_is_a_signal_and_blocks_nothing() {
    let (_, written) = written(sending(), &invoices()[..1]);
    assert_eq!(codes(&written.report), ["wellgate-negative-total"]);
    assert!(written.report.is_clean());
    assert_eq!(written.destinations[0].amount_a, Cents(-1_942));
}

#[test]
fn prescription_counts_two_years_to_the_day_and_not_where_it_was_lifted() {
    let of = |on: &str, is_lifted| {
        let line = Line::Service(service(101_032, 1_942, on));
        let invoice =
            Invoice { is_prescription_lifted: is_lifted, ..ambulatory(1, patient("90010100123", 101), vec![line]) };
        written(sending(), &[invoice]).1.report.has("500546")
    };
    assert!(!of("2024-10-02", false));
    assert!(of("2024-10-01", false));
    assert!(!of("2024-10-01", true));
}

#[test]
fn a_second_account_belongs_to_hospitals() {
    let two = |third_party: &str| {
        let account = Account { iban: "NL91ABNA0417164300".to_owned(), bic: "ABNANL2A".to_owned() };
        let sending = Sending { account_b: Some(account), third_party: crate::sample::nihdi(third_party), ..sending() };
        written(sending, &invoices()[1..2]).1.report
    };
    assert_eq!(codes(&two("71000436000")), Vec::<&str>::new());
    assert_eq!(codes(&two("77200221000")), ["100312", "104312", "104912"]);
}

#[test]
fn a_medical_house_is_paid_ahead_by_a_month_and_has_no_first_invoices() {
    let line = Line::Service(ServiceLine { ..service(101_032, 1_942, "2026-11-01") });
    let invoice = ambulatory(1, patient("90010100123", 101), vec![line]);
    let house = Sending { content: Content::MedicalHouse, month: crate::sample::month(202_610), ..sending() };
    assert_eq!(codes(&written(house, std::slice::from_ref(&invoice)).1.report), ["201110"]);
    let other = Sending { month: crate::sample::month(202_610), ..sending() };
    assert_eq!(codes(&written(other, &[invoice]).1.report), ["500510", "500610", "500516"]);
}

#[test]
fn a_correction_names_the_payment_that_it_corrects() {
    let of = |payment: &str| {
        let previous = mappings::billing::Previous { payment_a: payment.to_owned(), ..crate::sample::previous() };
        let mut invoice = invoices().remove(1);
        invoice.invoicing = Invoicing::Correction(previous);
        codes(&written(sending(), &[invoice]).1.report).iter().map(|code| (*code).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("PAID-2026-08"), Vec::<String>::new());
    assert_eq!(of(""), ["203810"]);
}

#[test]
fn the_federations_without_mutualities_are_written_without_affiliation() {
    let mut invoice = invoices().remove(1);
    invoice.patient = patient("90010100152", 509);
    let (file, written) = written(sending(), &[invoice]);
    assert_eq!(codes(&written.report), Vec::<&str>::new());
    let records = records(&file);
    assert_eq!(&records[nth(&records, "20", 0)][32..35], b"000");
    assert_eq!(written.file.destination, 599);
}

#[test]
fn what_was_right_yesterday_may_be_wrong_today() {
    let later = Checks { today: day("2028-09-03"), ..checks() };
    assert!(check_with(&sample(), later).has("500546"));
}
