//! Who sends: segments 200 and 300, record 10, and that they say the same.

use super::Checker;
use crate::billing::check_digits::{enterprise_holds, iban_holds};
use crate::billing::records::Header;
use crate::billing::segments::{Segment200, Segment300};
use crate::billing::sending::Month;

/// The first month in which the number of the enterprise is mandatory.
const ENTERPRISE_FROM: u32 = 201_501;

/// Checks what begins a file.
pub(super) fn segments(checker: &mut Checker, first: &Segment200, second: &Segment300) {
    let created = second.created;
    checker.note_if(created.is_some_and(|created| created > checker.checks.today), "302-20");
    checker.note_if(created.is_none_or(|created| created.year() < 2002), "302-21");
    let is_test = match first.environment {
        12 => Some(false),
        92 => Some(true),
        _ => None,
    };
    checker.note_if(is_test.is_none(), "202-03");
    checker.note_if(!matches!(first.message_version, 1 | 2), "201-20");
    checker.note_if(is_test.is_some_and(|is_test| is_test != (second.version / 1_000_000 == 9)), "304-21");
    checker.note_if(!matches!(second.sector, 1 | 3 | 9), "308-03");
    checker.note_if(!matches!(second.accounts, 1 | 2), "309-03");
}

/// Checks record 10.
pub(super) fn header(checker: &mut Checker, header: &Header) {
    if checker.header.is_some() {
        return;
    }
    agrees(checker, header);
    checker.note_if(header.sending == 0, "100703");
    checker.note_if(header.old_account_a != 0, "100504");
    checker.note_if(header.old_account_b != 0, "100804");
    checker.note_if(header.paper != 0, "100911");
    checker.note_if(header.wants_settlement != 0, "101011");
    checker.note_if(header.third_party == 0, "101403");
    month(checker, header);
    let number = u32::from(header.billed_year) * 100 + u32::from(header.billed_month);
    checker.note_if(header.enterprise == 0 && number >= ENTERPRISE_FROM, "102710");
    checker.note_if(header.enterprise != 0 && !enterprise_holds(header.enterprise), "102702");
    account_a(checker, header);
    account_b(checker, header);
    checker.header = Some(header.clone());
}

/// Segment 300 says once more what record 10 says.
fn agrees(checker: &mut Checker, header: &Header) {
    let Some((_, second)) = &checker.segments else { return };
    let agrees = second.billed_month == u32::from(header.billed_year) * 100 + u32::from(header.billed_month)
        && second.sending == header.sending
        && second.created == header.created
        && second.version == header.version
        && second.accounts.saturating_sub(1) == header.accounts;
    if !agrees {
        checker.own("wellgate-segment-differs", None);
    }
}

fn month(checker: &mut Checker, header: &Header) {
    let today = checker.checks.today;
    // A medical house is paid ahead.
    let is_free = header.content == 30;
    if let Some(month) = Month::new(header.billed_year, header.billed_month).filter(|_| !is_free) {
        checker.note_if(month.year() > today.year(), "102210");
        checker.note_if(month > Month::of(today), "102310");
        checker.note_if(header.created.is_some_and(|created| month > Month::of(created)), "102311");
    }
    checker.note_if(header.created.is_none(), "102503");
    checker.note_if(header.created.is_some_and(|created| created > today), "102510");
}

fn account_a(checker: &mut Checker, header: &Header) {
    checker.note_if(header.bic_a.is_empty(), "103110");
    checker.note_if(!header.bic_a.is_empty() && !is_bic(&header.bic_a), "103103");
    checker.note_if(header.iban_a.is_empty(), "103610");
    checker.note_if(!header.iban_a.is_empty() && !iban_holds(&header.iban_a), "103602");
}

fn account_b(checker: &mut Checker, header: &Header) {
    let (has_bic, has_iban) = (!header.bic_b.is_empty(), !header.iban_b.is_empty());
    checker.note_if(header.accounts == 0 && has_iban, "100313");
    checker.note_if(header.accounts == 1 && !has_iban, "100314");
    checker.note_if(header.accounts == 0 && has_bic, "100315");
    checker.note_if(header.accounts == 1 && !has_bic, "100316");
    checker.note_if(has_bic && !is_bic(&header.bic_b), "104303");
    checker.note_if(has_iban && !iban_holds(&header.iban_b), "104902");
    let is_hospital = is_hospital(header.third_party);
    checker.note_if(header.accounts == 1 && !is_hospital, "100312");
    checker.note_if(has_bic && !is_hospital, "104312");
    checker.note_if(has_iban && !is_hospital, "104912");
}

/// A hospital's number is 71 or 72, six more digits, and 000.
pub(super) fn is_hospital(third_party: u64) -> bool {
    matches!(third_party / 1_000_000_000, 71 | 72) && third_party.is_multiple_of(1_000)
}

/// A BIC is four letters of the bank, two of the country, two of the place, and three of the branch or none.
fn is_bic(bic: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_uppercase();
    let is_either = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    matches!(bic.len(), 8 | 11) && bic.bytes().take(6).all(is_letter) && bic.bytes().skip(6).all(is_either)
}
