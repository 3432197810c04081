//! Records 90, 95 and 96: that they say once more who sends, and sum what was sent.

use super::Checker;
use crate::billing::records::SendingTotal;
use crate::billing::segments::{Recap, RecapTotal};
use crate::billing::sums::Sums;
use crate::billing::value::{Cents, Sign, Signed};

/// Checks record 90.
pub(super) fn sending(checker: &mut Checker, total: &SendingTotal) {
    let sums = checker.open;
    let (a, b) = checker.totals;
    checker.note_if(total.sending == 0, "900703");
    checker.note_if(total.old_account_a != 0, "900504");
    checker.note_if(total.old_account_b != 0, "900804");
    checker.note_if(total.amount_a.cents() != Cents(a), "901910");
    checker.note_if(total.amount_a.cents() != Cents(sums.a), "901911");
    checker.note_if(total.amount_b.cents() != Cents(b), "901510");
    checker.note_if(total.amount_b.cents() != Cents(sums.b), "901511");
    checker.sign(total.amount_a, Sign::Plus);
    checker.sign(total.amount_b, Sign::Plus);
    checker.note_if(total.control != sums.all.number(), "909802");
    let Some(header) = checker.header.clone() else { return };
    for (is_same, code) in [
        (header.sending == total.sending, "900712"),
        (header.third_party == total.third_party, "901412"),
        (header.billed_year == total.billed_year, "902212"),
        (header.billed_month == total.billed_month, "902312"),
        (header.enterprise == total.enterprise, "902712"),
        (header.bic_a == total.bic_a, "903112"),
        (header.iban_a == total.iban_a, "903612"),
        (header.bic_b == total.bic_b, "904312"),
        (header.iban_b == total.iban_b, "904912"),
    ] {
        checker.note_if(!is_same, code);
    }
}

/// What records 95 and 96 say alike, with the zone numbers of theirs: `4` or `5` stands before each.
struct Said {
    amounts: [Signed; 4],
    records: u32,
    control: u8,
}

fn compare(checker: &mut Checker, segment: char, said: &Said, sums: &Sums, control: u8) {
    let [a, b, both, c] = said.amounts;
    for amount in said.amounts {
        checker.sign(amount, Sign::Plus);
    }
    checker.note_if(a.cents() != Cents(sums.a), &format!("{segment}04-41"));
    checker.note_if(b.cents() != Cents(sums.b), &format!("{segment}06-41"));
    checker.note_if(both.cents() != Cents(sums.a.saturating_add(sums.b)), &format!("{segment}08-41"));
    let has_one_account = checker.header.as_ref().is_some_and(|header| header.accounts == 0);
    checker.note_if(has_one_account && b.magnitude != 0, &format!("{segment}06-15"));
    checker.note_if(said.records != sums.records, &format!("{segment}09-41"));
    checker.note_if(said.control != control, &format!("{segment}10-02"));
    checker.note_if(c.magnitude != 0, &format!("{segment}12-15"));
}

/// Checks record 95 against the invoices of its mutuality.
pub(super) fn recap(checker: &mut Checker, recap: &Recap) {
    let Some(sums) = checker.destinations.get(&recap.destination).copied() else {
        checker.note("401-21");
        return;
    };
    checker.note_if(checker.recaps.contains(&recap.destination), "401-21");
    if checker.recaps.last().is_some_and(|last| *last > recap.destination) {
        checker.own("wellgate-recap-order", None);
    }
    let said = Said {
        amounts: [recap.amount_a, recap.amount_b, recap.amount_total, recap.amount_c],
        records: recap.records,
        control: recap.control,
    };
    let control = checker.control_of(&sums);
    compare(checker, '4', &said, &sums, control);
    // Records 95 of other mutualities are told above: this grows with those of the file alone.
    if checker.recaps.len() < checker.destinations.len() {
        checker.recaps.push(recap.destination);
    }
}

/// Checks record 96 against the file.
pub(super) fn recap_total(checker: &mut Checker, recap: &RecapTotal) {
    let federation = checker.destinations.keys().next().map(|destination| destination / 100 * 100 + 99);
    checker.note_if(federation != Some(recap.destination), "501-21");
    // The record of the begin and that of the end count as well.
    let mut sums = checker.open;
    sums.records = sums.records.saturating_add(2);
    let said = Said {
        amounts: [recap.amount_a, recap.amount_b, recap.amount_total, recap.amount_c],
        records: recap.records,
        control: recap.control,
    };
    compare(checker, '5', &said, &sums, sums.all.number());
    checker.has_recap_total = true;
}

/// Checks that every mutuality has its totals, and is not owed by the sender.
pub(super) fn end(checker: &mut Checker) {
    let destinations: Vec<(u16, i64)> =
        checker.destinations.iter().map(|(destination, sums)| (*destination, sums.a.saturating_add(sums.b))).collect();
    for (destination, sum) in destinations {
        if !checker.recaps.contains(&destination) {
            checker.own("wellgate-recap-missing", None);
        }
        if sum < 0 {
            checker.own("wellgate-negative-total", None);
        }
    }
    if !checker.has_recap_total {
        checker.own("wellgate-recap-missing", None);
    }
}
