//! Where each zone of a segment or record stands: read from the table `mappings/tables/billing.txt`, whose first lines explain its form.
//!
//! This module knows places and forms, and nothing of what a value means.

use std::sync::LazyLock;

use super::Date;

static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| read(include_str!("../../tables/billing.txt")));

/// Length of every record of a file that is sent.
pub const RECORD_LENGTH: usize = 350;
/// Length of every record of an answer that returns records.
pub const RETURNED_LENGTH: usize = 800;

/// What a segment or record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Segment 200: which message, from whom.
    Segment200,
    /// Segment 300 of a file that is sent.
    Segment300,
    /// Segment 300 of an answer that returns records.
    Segment300Error,
    /// Segment 300 of a receipt (931000).
    Segment300Stub,
    /// Record 10: who sends what.
    Header,
    /// Record 20: one invoice for one person.
    Invoice,
    /// Record 25: urgent medical aid (Mediprima).
    Aid,
    /// Record 30: days of a stay and fixed prices.
    Stay,
    /// Record 50: a service.
    Service,
    /// Record 51: the insurer's promise to pay for the service before it.
    Commitment,
    /// Record 52: how the person's document was read, for months from 2017 on.
    Reading,
    /// Record 52 for months before 2017.
    OldReading,
    /// Record 80: the totals of an invoice.
    InvoiceTotal,
    /// Record 90: the totals of the sending.
    SendingTotal,
    /// Record 95: the totals of a mutuality.
    Recap,
    /// Record 96: the totals of all mutualities.
    RecapTotal,
    /// Record 91: what a mutuality pays.
    Settlement,
    /// Record 92: what all mutualities pay.
    SettlementTotal,
    /// What an answer puts behind a record that it returns.
    Detail,
}

impl Kind {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 19] = [
        Self::Segment200,
        Self::Segment300,
        Self::Segment300Error,
        Self::Segment300Stub,
        Self::Header,
        Self::Invoice,
        Self::Aid,
        Self::Stay,
        Self::Service,
        Self::Commitment,
        Self::OldReading,
        Self::Reading,
        Self::InvoiceTotal,
        Self::SendingTotal,
        Self::Recap,
        Self::RecapTotal,
        Self::Settlement,
        Self::SettlementTotal,
        Self::Detail,
    ];

    /// The two digits with which a record of this kind begins; none for a segment. Which of the two layouts of record 52 is
    /// meant, the billed month decides.
    pub fn record_type(self) -> Option<&'static str> {
        let name = self.layout().name;
        name.get(..2)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with(['2', '3']))
            .or(match self {
                Self::Invoice => Some("20"),
                Self::Aid => Some("25"),
                Self::Stay => Some("30"),
                _ => None,
            })
    }

    /// The kind of record that begins with these two digits. Record 40 has none: its layout is not published.
    pub fn of_record(bytes: &[u8], has_old_readings: bool) -> Option<Self> {
        Some(match bytes.get(..2)? {
            b"10" => Self::Header,
            b"20" => Self::Invoice,
            b"25" => Self::Aid,
            b"30" => Self::Stay,
            b"50" => Self::Service,
            b"51" => Self::Commitment,
            b"52" if has_old_readings => Self::OldReading,
            b"52" => Self::Reading,
            b"80" => Self::InvoiceTotal,
            b"90" => Self::SendingTotal,
            b"95" => Self::Recap,
            b"96" => Self::RecapTotal,
            b"91" => Self::Settlement,
            b"92" => Self::SettlementTotal,
            _ => return None,
        })
    }

    /// Its layout.
    ///
    /// # Panics
    /// The table lacks the kind: a test holds that it does not.
    pub fn layout(self) -> &'static Layout {
        let place = Self::ALL.iter().position(|kind| *kind == self);
        place.and_then(|place| LAYOUTS.get(place)).expect("the table has every kind, or a test fails")
    }
}

/// The form of what stands in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Digits, zero padded on the left.
    Number,
    /// A day, `YYYYMMDD`, or zeros.
    Day,
    /// A nomenclature code: a zero, five digits and their check digit.
    Code,
    /// A NIHDI number: a zero and its eleven digits.
    Nihdi,
    /// A sign and an amount or a number of units.
    Signed,
    /// Letters and digits, zero padded on the left.
    Padded,
    /// Text, blank padded on the right.
    Text,
    /// A sign whose amount is the next zone.
    Sign,
    /// What the insurer found wrong with the zone before: two digits.
    Fault,
    /// Reserved: zeros.
    Zeros,
    /// Reserved: blanks.
    Blanks,
    /// The check digits of the record.
    Check,
}

/// One zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its numbers in the standard: `19`, `8a,8b`.
    pub numbers: &'static str,
    /// Our name of what stands there; empty where it is reserved.
    pub field: &'static str,
    /// Where it begins, counted from 0.
    pub start: usize,
    /// How many characters it has.
    pub length: usize,
    /// The form of what stands there.
    pub form: Form,
    /// The ending of the error code of a wrong form where it is not the usual one; `own` where the standard has no code.
    pub fault: Option<&'static str>,
}

impl Zone {
    /// The first of its numbers, without letters: `8` for `8a,8b`, as error codes say it.
    pub fn number(&self) -> &'static str {
        let end = self.numbers.find(|character: char| !character.is_ascii_digit()).unwrap_or(self.numbers.len());
        &self.numbers[..end]
    }

    /// What stands there.
    pub fn of<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(self.start..self.start + self.length).unwrap_or_default()
    }
}

/// The zones of one kind of segment or record, which cover it from the first to the last character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its name in the table.
    pub name: &'static str,
    /// How many characters it has.
    pub length: usize,
    /// Its zones, in their order.
    pub zones: Vec<Zone>,
    blank: Vec<u8>,
}

impl Layout {
    /// The zone in which a field stands.
    pub fn zone(&self, field: &str) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.field == field && !field.is_empty())
    }

    /// The zone with this first number, letters or not.
    pub fn zone_by_number(&self, number: &str) -> Option<&Zone> {
        let number = number.trim_start_matches('0');
        self.zones
            .iter()
            .find(|zone| zone.numbers.split(',').any(|one| one.trim_end_matches(['a', 'b', 'c']) == number))
    }

    /// The characters of one that says nothing: zeros, blanks and signs where they belong.
    pub(super) fn blank(&self) -> &[u8] {
        &self.blank
    }
}

/// A day as eight digits, or zeros.
pub(super) fn day(bytes: &[u8]) -> Result<Option<Date>, NotADay> {
    let value = digits(bytes).ok_or(NotADay)?;
    if value == 0 {
        return Ok(None);
    }
    let (year, month, day) =
        (u16::try_from(value / 10_000), u8::try_from(value / 100 % 100), u8::try_from(value % 100));
    let (Ok(year), Ok(month), Ok(day)) = (year, month, day) else { return Err(NotADay) };
    Date::new(year, month, day).map(Some).ok_or(NotADay)
}

/// Eight characters that are neither a day nor zeros.
#[derive(Debug)]
pub(super) struct NotADay;

/// The value of digits, at most 19 of them.
pub(super) fn digits(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { value.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

fn read(table: &'static str) -> Vec<Layout> {
    let mut layouts: Vec<Layout> = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some((name, length)) = line.strip_prefix("layout ").and_then(|rest| rest.split_once(' ')) {
            let length = length.parse().expect("the table says how long a layout is");
            layouts.push(Layout { name, length, zones: Vec::new(), blank: Vec::new() });
            continue;
        }
        let layout = layouts.last_mut().expect("the table begins with a layout");
        for entry in line.split(" | ") {
            let zone = zone(entry, layout.blank.len()).expect("a zone of the table is NUMBER LENGTH FORM [FIELD]");
            layout.blank.extend((0..zone.length).map(|place| empty(zone.form, place)));
            layout.zones.push(zone);
        }
    }
    layouts
}

fn zone(entry: &'static str, start: usize) -> Option<Zone> {
    let mut words = entry.split_whitespace();
    let (numbers, length, form) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let (form, fault) = form.split_once('=').map_or((form, None), |(form, fault)| (form, Some(fault)));
    let form = match form {
        "n" => Form::Number,
        "d" => Form::Day,
        "c" => Form::Code,
        "i" => Form::Nihdi,
        "+" => Form::Signed,
        "z" => Form::Padded,
        "a" => Form::Text,
        "s" => Form::Sign,
        "e" => Form::Fault,
        "-" => Form::Zeros,
        "_" => Form::Blanks,
        "k" => Form::Check,
        _ => return None,
    };
    Some(Zone { numbers, field: words.next().unwrap_or_default(), start, length, form, fault })
}

fn empty(form: Form, place: usize) -> u8 {
    match form {
        Form::Text | Form::Blanks => b' ',
        Form::Sign => b'+',
        Form::Signed if place == 0 => b'+',
        _ => b'0',
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Kind};

    #[test]
    fn the_table_has_every_kind_and_its_zones_cover_it() {
        for (kind, name) in Kind::ALL.into_iter().zip([
            "200", "300", "300error", "300stub", "10", "20", "25", "30", "50", "51", "52old", "52", "80", "90", "95",
            "96", "91", "92", "detail",
        ]) {
            let layout = kind.layout();
            assert_eq!(layout.name, name, "{kind:?}");
            assert_eq!(layout.zones.iter().map(|zone| zone.length).sum::<usize>(), layout.length, "{kind:?}");
            for zone in &layout.zones {
                let is_reserved = matches!(zone.form, Form::Zeros | Form::Blanks | Form::Fault);
                assert_eq!(zone.field.is_empty(), is_reserved, "{kind:?} {}", zone.numbers);
            }
        }
    }

    #[test]
    fn the_type_of_a_record_leads_to_its_kind_and_back() {
        for kind in Kind::ALL {
            match kind.record_type() {
                Some(digits) => assert_eq!(Kind::of_record(digits.as_bytes(), kind == Kind::OldReading), Some(kind)),
                None => assert!(format!("{kind:?}").starts_with("Segment") || kind == Kind::Detail, "{kind:?}"),
            }
        }
        assert_eq!(Kind::of_record(b"40", false), None);
    }
}
