//! What the layouts alone tell of a record: digits where digits belong, signs, days, check digits, values that a zone takes.

use super::Checker;
use crate::billing::check_digits::{code_holds, nihdi_holds, record_check};
use crate::billing::layout::{Form, Kind, Layout, Zone, day, digits};
use crate::billing::text::is_allowed;

/// Values that a zone takes; another is not allowed (`…03`).
#[rustfmt::skip]
const ALLOWED: [(&[Kind], &str, &[u64]); 15] = {
    use Kind::{Header, Invoice, InvoiceTotal, Service, Stay};
    [
        (&[Header], "accounts", &[0, 1]),
        (&[Header], "version", &[1_999, 9_991_999]),
        (&[Header], "content", &[0, 30, 40]),
        (&[Invoice, InvoiceTotal, Stay, Service], "sex", &[1, 2]),
        (&[Invoice, InvoiceTotal], "invoice-type", &[1, 3, 4, 5, 6, 9]),
        (&[Invoice], "invoicing-kind", &[0, 1, 2, 3, 4]),
        (&[Invoice, InvoiceTotal], "treatment-reason", &[0, 50, 60, 70, 80, 90]),
        (&[Invoice, InvoiceTotal], "patient-flag", &[0, 1]),
        (&[Stay, Service], "account", &[0, 1]),
        (&[Stay, Service], "share-code", &[0, 1, 2, 3, 4]),
        (&[Service], "provider-norm", &[0, 1, 2, 4, 5, 9]),
        (&[Service], "prescriber-norm", &[0, 1, 2, 3, 4, 5, 6, 9]),
        (&[Service], "identical", &[0, 1, 2, 3, 4]),
        (&[Service], "conventioned", &[0, 1, 9]),
        (&[Kind::SendingTotal, Header], "billed-month", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ]
};

/// How many digits of a zone, from the left, are always zero (`…04`), beside those of every code and NIHDI number.
const LEADING: [(&str, usize); 7] = [
    ("admission-hour", 3),
    ("discharge-hour", 1),
    ("billed-year", 1),
    ("insurability", 4),
    ("treatment-reason", 2),
    ("site", 2),
    ("care-association", 1),
];

/// Times `HHMM` at the right of their zones; another is not allowed (`…03`).
const TIMES: [&str; 4] = ["admission-hour", "discharge-hour", "time", "read-time"];

/// Checks the zones of the segments that begin a file.
pub(super) fn segments(checker: &mut Checker, raw: &[u8]) {
    let length = Kind::Segment200.layout().length;
    for (kind, bytes) in [(Kind::Segment200, raw.get(..length)), (Kind::Segment300, raw.get(length..))] {
        for zone in &kind.layout().zones {
            let said = zone.of(bytes.unwrap_or_default());
            let fault = match zone.form {
                Form::Number if digits(said).is_none() => "01",
                Form::Day if day(said).is_err() => "01",
                Form::Text if !is_text(said) => "09",
                _ => continue,
            };
            checker.note(&format!("{}-{fault}", zone.number()));
        }
    }
}

/// Checks the zones of a record.
pub(super) fn record(checker: &mut Checker, kind: Kind, bytes: &[u8]) {
    let layout = kind.layout();
    for zone in &layout.zones {
        let said = zone.of(bytes);
        if let Some(ending) = wrong(zone, said) {
            note(checker, kind, layout, zone, ending);
        } else if let Some(ending) = odd(kind, zone, said) {
            checker.note(&code(layout, zone, ending));
        }
    }
    if let Some(check) = layout.zones.last().filter(|zone| zone.form == Form::Check) {
        let is_right = digits(check.of(bytes)) == Some(u64::from(record_check(bytes)));
        checker.note_if(!is_right, &code(layout, check, "02"));
    }
}

fn code(layout: &Layout, zone: &Zone, ending: &str) -> String {
    format!("{}{:0>2}{ending}", &layout.name[..2], zone.number())
}

fn note(checker: &mut Checker, kind: Kind, layout: &Layout, zone: &Zone, ending: &str) {
    if matches!(kind, Kind::Recap | Kind::RecapTotal) {
        checker.note(&recap_code(layout, zone, ending));
        return;
    }
    match zone.fault {
        _ if zone.form == Form::Text => checker.own("wellgate-characters", None),
        Some("own") => checker.own("wellgate-reserved", None),
        Some(ending) => checker.note(&code(layout, zone, ending)),
        None => checker.note(&code(layout, zone, ending)),
    }
}

/// A sign has no code of its own in a segment: the amount behind it has.
fn recap_code(layout: &Layout, zone: &Zone, ending: &str) -> String {
    let at = layout.zones.iter().position(|one| one == zone).unwrap_or(0);
    let of = if zone.form == Form::Sign { layout.zones.get(at + 1).unwrap_or(zone) } else { zone };
    format!("{}-{}", of.number(), if zone.form == Form::Sign { "40" } else { ending })
}

fn is_text(said: &[u8]) -> bool {
    std::str::from_utf8(said).is_ok_and(is_allowed)
}

/// The ending of the code of a zone that is not of its form.
fn wrong(zone: &Zone, said: &[u8]) -> Option<&'static str> {
    match zone.form {
        // Longer numbers than can be counted are looked at digit by digit.
        Form::Number | Form::Code | Form::Nihdi if !said.iter().all(u8::is_ascii_digit) => Some("01"),
        Form::Day if day(said).is_err() => Some("01"),
        Form::Zeros if said.iter().any(|byte| *byte != b'0') => Some("01"),
        Form::Sign if !matches!(said, b"+" | b"-") => Some("05"),
        Form::Signed => match said.split_first() {
            Some((b'+' | b'-', rest)) if rest.iter().all(u8::is_ascii_digit) => None,
            Some((b'+' | b'-', rest)) if rest.iter().any(|byte| matches!(byte, b'+' | b'-')) => Some("06"),
            Some((b'+' | b'-', _)) => Some("01"),
            _ => Some("05"),
        },
        Form::Text if !is_text(said) => Some("09"),
        _ => None,
    }
}

/// The ending of the code of a zone of the right form with a value that it does not take.
fn odd(kind: Kind, zone: &Zone, said: &[u8]) -> Option<&'static str> {
    let value = digits(said).unwrap_or(0);
    let is_zero = |count: usize| said.iter().take(count).all(|byte| *byte == b'0');
    match zone.form {
        Form::Code | Form::Nihdi if !is_zero(1) => return Some("04"),
        Form::Code if value != 0 && !code_holds(u32::try_from(value).unwrap_or(u32::MAX)) => return Some("02"),
        Form::Nihdi if value != 0 && !nihdi_holds(value) && kind != Kind::Reading => return Some("02"),
        Form::Number => {}
        _ => return None,
    }
    if let Some((_, count)) = LEADING.iter().find(|(field, _)| *field == zone.field)
        && !is_zero(*count)
    {
        return Some("04");
    }
    let is_service = matches!(zone.field, "service" | "admission-service");
    if is_service && !value.is_multiple_of(10) && value != 2 {
        return Some("04");
    }
    let (hours, minutes) = (value % 10_000 / 100, value % 100);
    if TIMES.contains(&zone.field) && (hours > 24 || minutes > 59 || (hours == 24 && minutes > 0)) {
        return Some("03");
    }
    let allowed = ALLOWED.iter().find(|(kinds, field, _)| *field == zone.field && kinds.contains(&kind));
    allowed.filter(|(_, _, values)| !values.contains(&value)).map(|_| "03")
}
