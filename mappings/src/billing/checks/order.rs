//! Which record follows which, and that each has the next number.

use super::Checker;
use crate::billing::layout::{Kind, digits};

/// What came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing: the file begins.
    Nothing,
    /// A record without a layout, behind which anything may come.
    Unknown,
    /// A record, with its sequence number where that is one.
    Record(Kind, Option<u64>),
}

/// What may come before a kind of record, what may come behind it, and the codes of either.
struct Rule {
    kind: Kind,
    before: &'static [Kind],
    behind: &'static [Kind],
    codes: (&'static str, &'static str),
}

const READINGS: [Kind; 2] = [Kind::Reading, Kind::OldReading];

#[rustfmt::skip]
const RULES: [Rule; 8] = {
    use Kind::{Aid, Commitment, Header, Invoice, InvoiceTotal, OldReading, Reading, SendingTotal, Service, Stay};
    [
        Rule { kind: Invoice, before: &[Header, InvoiceTotal], behind: &[Aid, Stay, Service], codes: ("200110", "200111") },
        Rule { kind: Aid, before: &[Invoice], behind: &[Stay, Service], codes: ("250110", "250111") },
        Rule { kind: Stay, before: &[Invoice, Aid, Stay], behind: &[Stay, Service, InvoiceTotal], codes: ("300110", "300111") },
        Rule { kind: Service, before: &[Invoice, Aid, Stay, Service, Commitment, Reading, OldReading],
            behind: &[Service, Commitment, Reading, OldReading, InvoiceTotal], codes: ("500110", "500111") },
        Rule { kind: Commitment, before: &[Service], behind: &[Service, Reading, OldReading, InvoiceTotal], codes: ("510110", "510111") },
        Rule { kind: Reading, before: &[Service, Commitment], behind: &[Service, InvoiceTotal], codes: ("520110", "520111") },
        Rule { kind: InvoiceTotal, before: &[Stay, Service, Commitment, Reading, OldReading],
            behind: &[Invoice, SendingTotal], codes: ("800110", "800111") },
        Rule { kind: SendingTotal, before: &[InvoiceTotal], behind: &[Kind::Recap, Kind::RecapTotal], codes: ("900110", "900111") },
    ]
};

fn rule(kind: Kind) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.kind == kind || (READINGS.contains(&kind) && rule.kind == Kind::Reading))
}

/// Checks where a record stands.
pub(super) fn check(checker: &mut Checker, kind: Kind, bytes: &[u8]) {
    let is_total = matches!(kind, Kind::Recap | Kind::RecapTotal);
    let sequence = if is_total { None } else { bytes.get(2..8).and_then(digits) };
    checker.has_sending_total |= kind == Kind::SendingTotal;
    let before = std::mem::replace(&mut checker.before, Before::Record(kind, sequence));
    match before {
        Before::Nothing => checker.note_if(kind != Kind::Header || sequence != Some(1), "100110"),
        Before::Unknown => {}
        Before::Record(last, last_sequence) => {
            followed(checker, last, kind);
            let follows = last_sequence.zip(sequence).is_none_or(|(last, this)| this == last + 1);
            if !follows {
                let code = if kind == Kind::Header {
                    "100203".to_owned()
                } else {
                    format!("{}0210", kind.record_type().unwrap_or_default())
                };
                checker.note(&code);
            }
        }
    }
}

fn followed(checker: &mut Checker, last: Kind, kind: Kind) {
    match (last, kind) {
        (Kind::Header, Kind::Invoice)
        | (Kind::SendingTotal | Kind::Recap, Kind::Recap)
        | (Kind::Recap, Kind::RecapTotal) => return,
        (Kind::Header, _) | (_, Kind::Header) => {
            checker.note_if(last == Kind::Header, "100111");
            checker.note_if(kind == Kind::Header, "100110");
            return;
        }
        (Kind::Recap | Kind::RecapTotal, _) | (_, Kind::Recap | Kind::RecapTotal) if last != Kind::SendingTotal => {
            checker.own("wellgate-recap-order", None);
        }
        _ => {}
    }
    if let Some(rule) = rule(last) {
        checker.note_if(!rule.behind.contains(&kind), rule.codes.1);
    }
    if let Some(rule) = rule(kind) {
        checker.note_if(!rule.before.contains(&last), rule.codes.0);
    }
}

/// Checks that the file ends as it should.
pub(super) fn end(checker: &mut Checker) {
    checker.note_if(!checker.has_sending_total, "900104");
}
