//! One fault at a time in a file that is right: each is found under its official code.

use crate::sample::{SEGMENTS, check, codes, nth, of_records, put, records, sample, seal};
use mappings::billing::Severity::{Blocking, Invoice, Record};
use mappings::billing::{Form, Kind, Severity, severity};

/// Type of record, which of them, field, what is put there, the code that is found, and what it does.
type Fault = (&'static str, usize, &'static str, &'static str, &'static str, Severity);

/// Which records 50: 0 is of the credit note, 1 has a commitment and a reading, 2 is plain. Invoice 2 is residential rehabilitation.
#[rustfmt::skip]
const FAULTS: [Fault; 97] = [
    ("10", 0, "sequence", "000002", "100110", Blocking),
    ("10", 0, "accounts", "7", "100303", Blocking),
    ("10", 0, "accounts", "1", "100314", Blocking),
    ("10", 0, "version", "0001998", "100403", Blocking),
    ("10", 0, "sending", "5x9", "100701", Blocking),
    ("10", 0, "sending", "000", "100703", Blocking),
    ("10", 0, "old-account-a", "000000000001", "100504", Blocking),
    ("10", 0, "content", "050", "101303", Blocking),
    ("10", 0, "third-party", "077200222000", "101402", Blocking),
    ("10", 0, "third-party", "177200221000", "101404", Blocking),
    ("10", 0, "billed-year", "12026", "102204", Blocking),
    ("10", 0, "billed-month", "13", "102303", Blocking),
    ("10", 0, "billed-month", "12", "102310", Blocking),
    ("10", 0, "billed-year", "02027", "102210", Blocking),
    ("10", 0, "created", "20260931", "102501", Blocking),
    ("10", 0, "created", "20261003", "102510", Blocking),
    ("10", 0, "created", "20260801", "102311", Blocking),
    ("10", 0, "enterprise", "0820563482", "102702", Blocking),
    ("10", 0, "enterprise", "0000000000", "102710", Blocking),
    ("10", 0, "bic-a", "           ", "103110", Blocking),
    ("10", 0, "bic-a", "GK1CBEBB   ", "103103", Blocking),
    ("10", 0, "iban-a", "BE68539007547035                  ", "103602", Blocking),
    ("10", 0, "iban-a", "                                  ", "103610", Blocking),
    ("10", 0, "bic-b", "GKCCBEBB   ", "100315", Blocking),
    ("20", 1, "patient", "0090010100153", "200802", Invoice),
    ("20", 1, "patient", "0000000000000", "200810", Invoice),
    ("20", 1, "patient", "0090010100123", "200812", Invoice),
    ("20", 1, "sex", "3", "200903", Invoice),
    ("20", 1, "invoice-type", "2", "201003", Invoice),
    ("20", 1, "invoicing-kind", "7", "201103", Invoice),
    ("20", 1, "third-party", "018334780004", "201412", Invoice),
    ("20", 1, "institution", "077200221000", "201511", Invoice),
    ("20", 1, "treatment-reason", "0055", "201703", Invoice),
    ("20", 1, "insurability", "1000110110", "202704", Blocking),
    ("20", 1, "admitted", "20260901", "200511", Invoice),
    ("20", 1, "rehabilitation-agreed", "20260901", "202011", Invoice),
    ("20", 1, "invoice", "000000000001", "202420", Blocking),
    ("20", 1, "invoice", "000000000000", "202403", Blocking),
    ("20", 1, "previous-sending", "508", "203411", Invoice),
    ("20", 1, "patient-flag", "2", "203203", Invoice),
    ("20", 1, "invoice-date", "20261003", "204710", Invoice),
    ("20", 1, "destination", "10 ", "201801", Blocking),
    ("20", 1, "affiliation", "319", "200710", Invoice),
    ("20", 0, "previous-invoice", "000000000000", "202910", Invoice),
    ("20", 0, "previous-month", "000000", "204112", Invoice),
    ("20", 0, "previous-month", "202610", "204111", Invoice),
    ("20", 0, "previous-payment-a", "REF                   ", "203811", Invoice),
    ("20", 2, "admitted", "00000000", "200510", Invoice),
    ("20", 2, "admission-hour", "0002560", "200403", Invoice),
    ("20", 2, "admission-hour", "1000900", "200404", Blocking),
    ("20", 2, "discharged", "20260801", "200610", Invoice),
    ("20", 2, "institution", "000000000000", "201510", Invoice),
    ("20", 2, "rehabilitation-agreed", "00000000", "202010", Invoice),
    ("20", 2, "rehabilitation-agreed", "20260925", "200621", Invoice),
    ("20", 2, "admission-service", "771", "201304", Blocking),
    ("20", 2, "destination", "099", "201812", Blocking),
    ("30", 0, "norm", "1", "300314", Record),
    ("30", 0, "code", "0768026", "300402", Record),
    ("30", 0, "code", "1768025", "300404", Blocking),
    ("30", 0, "first-day", "20260831", "300511", Record),
    ("30", 0, "last-day", "20260921", "300613", Record),
    ("30", 0, "last-day", "20260831", "300612", Record),
    ("30", 0, "convention", "077200222000", "301502", Record),
    ("30", 0, "amount", " 00000123450", "301905", Blocking),
    ("30", 0, "amount", "+0000012-450", "301906", Blocking),
    ("30", 0, "agreed", "20260821", "304712", Record),
    ("30", 1, "patient-share", "-000005000", "302711", Record),
    ("30", 1, "amount", "+00000005000", "301910", Record),
    ("30", 1, "patient-share", "+000005001", "301941", Record),
    ("30", 1, "units", "+0009", "302210", Record),
    ("50", 0, "units", "+0001", "502248", Record),
    ("50", 0, "amount", "+00000001942", "201140", Invoice),
    ("50", 1, "first-day", "20261003", "500510", Record),
    ("50", 1, "last-day", "20260901", "500612", Record),
    ("50", 1, "first-day", "20240901", "500546", Record),
    ("50", 1, "affiliation", "131", "500712", Record),
    ("50", 1, "patient", "0090010100123", "500812", Invoice),
    ("50", 1, "sex", "1", "500912", Record),
    ("50", 1, "account", "1", "501110", Blocking),
    ("50", 1, "provider", "018334781004", "501502", Record),
    ("50", 1, "provider-norm", "3", "501603", Record),
    ("50", 1, "units", "-0001", "502212", Record),
    ("50", 1, "patient-share", "-000000150", "502712", Record),
    ("50", 1, "supplement", "-000000000", "503012", Record),
    ("50", 1, "share-code", "3", "503310", Record),
    ("50", 1, "prescribed", "00000000", "502011", Record),
    ("50", 1, "prescriber", "000000000000", "502012", Record),
    ("50", 1, "prescribed", "20260903", "502014", Record),
    ("51", 0, "amount", "+00000001943", "511912", Record),
    ("51", 0, "informed", "20261103", "515525", Record),
    ("52", 0, "reading", "0", "520904", Record),
    ("52", 0, "manual-reason", "1", "520310", Record),
    ("52", 0, "read", "00000000", "520604", Record),
    ("80", 1, "amount-a", "+00000004143", "801910", Invoice),
    ("80", 1, "patient-share", "+000000299", "802710", Invoice),
    ("80", 1, "control", "00", "809802", Blocking),
    ("90", 0, "amount-a", "+00000120651", "901910", Blocking),
];

#[test]
fn each_fault_is_found_under_its_official_code() {
    let right = records(&sample());
    let mut missed = Vec::new();
    for (digits, n, field, text, code, weight) in FAULTS {
        let mut wrong = right.clone();
        let place = nth(&wrong, digits, n);
        put(&mut wrong[place], field, text);
        let report = check(&of_records(&wrong));
        let found = report.findings.iter().find(|finding| finding.code == code);
        if found.is_none_or(|found| found.severity != weight) || severity(code) != Some(weight) {
            missed.push(format!("{digits} {field} {text}: {code} {weight:?} not in {:?}", codes(&report)));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_zone_that_repeats_another_is_held_to_it() {
    let right = records(&sample());
    for (digits, n, field, text, code) in [
        ("51", 0, "code", "0567011", "510412"),
        ("51", 0, "first-day", "20260901", "510512"),
        ("51", 0, "patient", "0090010100123", "510812"),
        ("51", 0, "provider", "018749704477", "511512"),
        ("51", 0, "insurability", "0000120120", "512712"),
        ("52", 0, "code", "0567011", "520412"),
        ("52", 0, "first-day", "20260901", "520512"),
        ("52", 0, "patient", "0090010100123", "520812"),
        ("52", 0, "provider", "018749704477", "521512"),
        ("80", 2, "admission-hour", "0000901", "800412"),
        ("80", 2, "admitted", "20260902", "800512"),
        ("80", 2, "discharged", "20260919", "800612"),
        ("80", 1, "affiliation", "131", "800712"),
        ("80", 1, "patient", "0090010100123", "800812"),
        ("80", 1, "sex", "1", "800912"),
        ("80", 1, "invoice-type", "9", "801012"),
        ("80", 2, "admission-service", "780", "801312"),
        ("80", 1, "third-party", "018334780004", "801412"),
        ("80", 1, "treatment-reason", "0050", "801712"),
        ("80", 1, "destination", "131", "801812"),
        ("80", 2, "discharge-hour", "01631", "802212"),
        ("80", 1, "invoice", "000000000009", "802412"),
        ("80", 1, "patient-flag", "0", "803212"),
        ("80", 1, "supplement", "+000000001", "803010"),
        ("80", 1, "amount-b", "+00000000001", "801510"),
        ("90", 0, "sending", "508", "900712"),
        ("90", 0, "third-party", "018334780004", "901412"),
        ("90", 0, "billed-year", "02025", "902212"),
        ("90", 0, "billed-month", "08", "902312"),
        ("90", 0, "enterprise", "0403019261", "902712"),
        ("90", 0, "bic-a", "GEBABEBB   ", "903112"),
        ("90", 0, "iban-a", "NL91ABNA0417164300                ", "903612"),
        ("90", 0, "amount-b", "+00000000001", "901510"),
        ("90", 0, "control", "01", "909802"),
        ("95", 0, "amount-a", "00000002201", "404-41"),
        ("95", 0, "amount-b", "00000000001", "406-15"),
        ("95", 0, "amount-total", "00000002201", "408-41"),
        ("95", 0, "records", "00000001", "409-41"),
        ("95", 0, "control", "01", "410-02"),
        ("95", 0, "sign-a", "x", "404-40"),
        ("95", 0, "destination", "120", "401-21"),
        ("96", 0, "destination", "299", "501-21"),
        ("96", 0, "records", "00000001", "509-41"),
        ("96", 0, "control", "01", "510-02"),
    ] {
        let mut wrong = right.clone();
        let place = nth(&wrong, digits, n);
        put(&mut wrong[place], field, text);
        let report = check(&of_records(&wrong));
        assert!(report.has(code), "{digits} {field}: {code} not in {:?}", codes(&report));
    }
}

#[test]
fn any_sign_that_is_turned_is_found_though_check_digits_count_both_alike() {
    let right = records(&sample());
    let mut turned = 0;
    for place in 0..right.len() {
        let kind = Kind::of_record(&right[place], false).expect("it has a layout");
        for zone in kind.layout().zones.iter().filter(|zone| matches!(zone.form, Form::Signed | Form::Sign)) {
            let mut wrong = right.clone();
            let sign = &mut wrong[place][zone.start];
            *sign = if *sign == b'+' { b'-' } else { b'+' };
            let report = check(&of_records(&wrong));
            assert!(!report.is_clean(), "{kind:?} {} of record {place}: {:?}", zone.numbers, codes(&report));
            turned += 1;
        }
    }
    assert!(turned > 50, "{turned}");
}

#[test]
fn a_fault_of_a_segment_is_found_under_the_code_of_its_zone() {
    let right = sample();
    for (at, text, code) in [
        (8, "09", "201-20"),
        (12, "13", "202-03"),
        (12, "12", "304-21"),
        (20, "x", "204-01"),
        (67 + 13, "20261003", "302-20"),
        (67 + 13, "20010101", "302-21"),
        (67 + 13, "20260931", "302-01"),
        (67 + 23, "#", "303-09"),
        (67 + 132, "04", "308-03"),
        (67 + 136, "03", "309-03"),
        (67 + 8, "510", "wellgate-segment-differs"),
    ] {
        let mut wrong = right.clone();
        wrong[at..at + text.len()].copy_from_slice(text.as_bytes());
        let report = check(&wrong);
        assert!(report.has(code), "{code} not in {:?}", codes(&report));
    }
}

/// Whether the standard itself counts two characters alike in its check digits.
fn are_alike(one: u8, other: u8) -> bool {
    let counts_as_other = |byte: u8| !byte.is_ascii_alphanumeric() && byte != b' ';
    one.eq_ignore_ascii_case(&other) || (counts_as_other(one) && counts_as_other(other))
}

#[test]
fn any_one_character_that_is_changed_is_found_but_for_a_mark_in_a_text() {
    let right = sample();
    let totals = right[SEGMENTS..].chunks(350).position(|record| record.starts_with(b"95")).expect("it has totals");
    // Every place of a record comes up in one record or another.
    for at in (SEGMENTS..SEGMENTS + 350 * totals).step_by(11) {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        let place = (at - SEGMENTS) % 350;
        let kind = Kind::of_record(&right[at - place..], false).expect("it has a layout");
        let zones = &kind.layout().zones;
        let zone =
            zones.iter().find(|zone| (zone.start..zone.start + zone.length).contains(&place)).expect("it has one");
        let may_pass = zone.form == Form::Text && are_alike(right[at], wrong[at]);
        assert!(may_pass || !check(&wrong).findings.is_empty(), "{kind:?} {} at {place}", zone.numbers);
    }
}

#[test]
fn the_references_of_a_finding_lead_back_to_the_line() {
    let mut wrong = records(&sample());
    let place = nth(&wrong, "50", 2);
    put(&mut wrong[place], "sex", "1");
    seal(&mut wrong[place]);
    let report = check(&of_records(&wrong));
    let finding = report.findings.first().expect("it is found");
    assert_eq!((finding.code.as_str(), finding.reference.as_str()), ("500912", "LINE-567011"));
    assert_eq!(finding.record, Some(u64::try_from(place).expect("it fits")));
}
