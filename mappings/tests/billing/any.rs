//! Any record and any file, by a seed that decides all of it.

use mappings::billing::{
    AccountLetter, Cents, Date, DocumentReading, Form, InsurerCommitment, Invoice, InvoiceType, Invoicing, Kind, Line,
    Patient, PatientIdentifier, Previous, Residence, Sending, ServiceLine, StayLine, Zone,
};
use mappings::identifiers::{Nihdi, Ssin};

use crate::sample::{day, month, sending};

/// A variable of the environment as a number.
pub(crate) fn variable(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "tests are told how much to do")]
    let value = std::env::var(name).ok();
    value.map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// A sequence of numbers by its seed: xorshift.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).expect("it fits"))).expect("it fits")
    }

    pub(crate) fn is(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.place(values.len())]
    }
}

const KINDS: [Kind; 14] = [
    Kind::Header,
    Kind::Invoice,
    Kind::Aid,
    Kind::Stay,
    Kind::Service,
    Kind::Commitment,
    Kind::OldReading,
    Kind::Reading,
    Kind::InvoiceTotal,
    Kind::SendingTotal,
    Kind::Recap,
    Kind::RecapTotal,
    Kind::Settlement,
    Kind::SettlementTotal,
];
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,-+'()?:";

/// A record in which every zone has something of its form, and no check digits yet.
pub(crate) fn record(chance: &mut Chance) -> (Kind, Vec<u8>) {
    let kind = chance.of(&KINDS);
    let mut bytes = Vec::new();
    for zone in &kind.layout().zones {
        bytes.extend(zone_of(zone, chance));
    }
    bytes[..2].copy_from_slice(kind.record_type().expect("it is a record").as_bytes());
    (kind, bytes)
}

fn zone_of(zone: &Zone, chance: &mut Chance) -> Vec<u8> {
    let digits = |chance: &mut Chance, count: usize| (0..count).map(|_| chance.of(b"0123456789")).collect::<Vec<_>>();
    match zone.form {
        Form::Zeros | Form::Fault | Form::Check => vec![b'0'; zone.length],
        Form::Blanks => vec![b' '; zone.length],
        Form::Sign => vec![chance.of(b"+-")],
        Form::Signed => [vec![chance.of(b"+-")], digits(chance, zone.length - 1)].concat(),
        Form::Day if chance.is(4) => vec![b'0'; 8],
        Form::Day => format!("20{:02}{:02}{:02}", chance.below(100), 1 + chance.below(12), 1 + chance.below(28)).into(),
        // No number of these zones is larger than its type: a code of insurability has six digits.
        Form::Number if zone.length == 10 && zone.field == "insurability" => {
            [vec![b'0'; 4], digits(chance, 6)].concat()
        }
        Form::Number if zone.field == "billed-year" => [vec![b'0'], digits(chance, 4)].concat(),
        Form::Number if zone.length == 2 || zone.length == 1 || zone.length > 2 => digits(chance, zone.length),
        Form::Number | Form::Code | Form::Nihdi => digits(chance, zone.length),
        Form::Padded => {
            let length = chance.place(zone.length + 1);
            let letters: Vec<u8> = (0..length).map(|_| LETTERS[chance.place(52)]).collect();
            [vec![b'0'; zone.length - length], letters].concat()
        }
        Form::Text => {
            let length = chance.place(zone.length + 1);
            let letters: Vec<u8> = (0..length).map(|_| chance.of(LETTERS)).collect();
            [letters, vec![b' '; zone.length - length]].concat()
        }
    }
}

fn with_check(first: u64, digits: usize, modulus: u64) -> String {
    format!("{first:0digits$}{:02}", modulus - first % modulus)
}

fn nihdi(chance: &mut Chance) -> Nihdi {
    let first = 100_000 + chance.below(900_000);
    let modulus = chance.of(&[97, 89]);
    Nihdi::parse(&format!("{}{:03}", with_check(first, 6, modulus), chance.below(1000))).expect("it has 11 digits")
}

fn ssin(chance: &mut Chance) -> Ssin {
    let first = chance.below(100) * 10_000_000 + (1 + chance.below(12)) * 100_000 + 10_000 + 1 + chance.below(997);
    let check = if chance.is(2) { 97 - first % 97 } else { 97 - (2_000_000_000 + first) % 97 };
    Ssin::parse(&format!("{first:09}{check:02}")).expect("it has 11 digits")
}

fn code(chance: &mut Chance) -> u32 {
    let first = 10_000 + u32::try_from(chance.below(90_000)).expect("it fits");
    // The codes of days and of shares go by rules of their own.
    let code = first * 10 + first % 7;
    if [767_443, 767_465, 768_025].contains(&code) { 101_032 } else { code }
}

fn on(chance: &mut Chance) -> Date {
    day(&format!("2026-09-{:02}", 1 + chance.below(20)))
}

fn cents(chance: &mut Chance, below: u64) -> Cents {
    Cents(i64::try_from(chance.below(below)).expect("it fits"))
}

fn reference(chance: &mut Chance) -> String {
    format!("R{:x}", chance.number())
}

fn service_line(chance: &mut Chance) -> ServiceLine {
    let first_day = on(chance);
    let provider = nihdi(chance);
    ServiceLine {
        code: code(chance),
        first_day,
        last_day: first_day,
        units: u16::try_from(1 + chance.below(99)).expect("it fits"),
        amount: cents(chance, 10_000_000),
        patient_share: cents(chance, 100_000),
        supplement: if chance.is(3) { cents(chance, 10_000) } else { Cents(0) },
        account: AccountLetter::A,
        provider,
        provider_norm: chance.of(&[0, 1, 2, 5, 9]),
        service: 990,
        place: chance.is(4).then(|| nihdi(chance)),
        prescriber: chance.is(3).then(|| (nihdi(chance), first_day, 1)),
        share_code: chance.of(&[0, 1, 2]),
        time: u16::try_from(chance.below(24) * 100 + chance.below(60)).expect("it fits"),
        reference: reference(chance),
        commitment: chance.is(3).then(|| InsurerCommitment { reference: reference(chance), informed: first_day }),
        reading: chance.is(3).then(|| DocumentReading {
            read: Some((first_day, 1_030)),
            reading: "1".to_owned(),
            medium: "1".to_owned(),
            serial: reference(chance).chars().take(15).collect(),
            ..DocumentReading::default()
        }),
        rare: None,
    }
}

fn stay_line(chance: &mut Chance, agreed: Date) -> StayLine {
    let first_day = on(chance);
    let has_share = chance.is(2);
    StayLine {
        code: if has_share { 768_025 } else { code(chance) },
        first_day,
        last_day: first_day,
        units: 1,
        amount: cents(chance, 1_000_000),
        patient_share: Cents(0),
        supplement: Cents(0),
        indicative_cost: cents(chance, 1_000_000),
        account: AccountLetter::A,
        norm: 0,
        service: 770,
        place: None,
        convention: Some(nihdi(chance)),
        relative_code: code(chance),
        share_code: 0,
        agreed: Some(agreed),
        reference: reference(chance),
        share_record: has_share.then(|| (chance.of(&[767_443, 767_465]), cents(chance, 10_000))),
    }
}

fn invoice(number: u64, destination: u16, is_credit: bool, chance: &mut Chance) -> Invoice {
    let agreed = day("2026-08-20");
    let invoice_type = chance.of(&[
        InvoiceType::Ambulatory,
        InvoiceType::ResidentialRehabilitation,
        InvoiceType::AmbulatoryRehabilitation,
        InvoiceType::Other,
    ]);
    let (is_stay, is_rehabilitation) = match invoice_type {
        InvoiceType::ResidentialRehabilitation => (true, true),
        InvoiceType::AmbulatoryRehabilitation => (false, true),
        _ => (false, false),
    };
    let mut lines = Vec::new();
    for _ in 0..=chance.below(3) {
        if is_rehabilitation {
            lines.push(Line::Stay(stay_line(chance, agreed)));
        }
    }
    for _ in 0..chance.below(4) + u64::from(!is_rehabilitation) {
        lines.push(Line::Service(service_line(chance)));
    }
    let previous = Previous {
        invoice: 1 + chance.below(1_000_000),
        sending: 1 + u16::try_from(chance.below(999)).expect("it fits"),
        destination,
        month: month(202_601 + u32::try_from(chance.below(9)).expect("it fits")),
        payment_a: if is_credit { String::new() } else { reference(chance) },
        payment_b: String::new(),
    };
    let invoicing = match (is_credit, chance.is(4)) {
        (true, _) => Invoicing::CreditNote(previous),
        (false, true) => Invoicing::Correction(previous),
        (false, false) => Invoicing::Original,
    };
    Invoice {
        number,
        invoice_type,
        invoicing,
        patient: Patient {
            identifier: PatientIdentifier::Ssin(ssin(chance)),
            sex: 1 + u8::try_from(chance.below(2)).expect("it fits"),
            affiliation: destination,
            destination,
            ct1: u16::try_from(chance.below(1000)).expect("it fits"),
            ct2: u16::try_from(chance.below(1000)).expect("it fits"),
        },
        residence: is_rehabilitation.then(|| Residence {
            institution: nihdi(chance),
            admitted: is_stay.then(|| (day("2026-09-01"), 900)),
            discharged: (is_stay && chance.is(2)).then(|| (day("2026-09-30"), 1_200)),
            admission: 0,
            service: if is_stay { 770 } else { 0 },
        }),
        rehabilitation_agreed: is_rehabilitation.then_some(agreed),
        treatment_reason: chance.of(&[0, 50, 60, 70, 80, 90]),
        is_prescription_lifted: chance.is(9),
        date: Some(day("2026-10-01")),
        reference: reference(chance),
        lines,
    }
}

/// A sending and its invoices in their order: right by every check.
pub(crate) fn file(chance: &mut Chance) -> (Sending, Vec<Invoice>) {
    let federation = chance.of(&[1, 2, 3, 4, 5, 6, 9]);
    let count = 1 + chance.below(12);
    let mut invoices: Vec<Invoice> = (1..=count)
        .map(|number| {
            let destination = federation * 100 + u16::try_from(1 + chance.below(30)).expect("it fits");
            let is_credit = chance.is(4);
            invoice(number, destination, is_credit, chance)
        })
        .collect();
    invoices.sort_by_key(Invoice::order);
    let sending = Sending {
        number: 1 + u16::try_from(chance.below(999)).expect("it fits"),
        reference: chance.below(100_000_000_000_000),
        recap: chance.below(1_000_000),
        ..sending()
    };
    (sending, invoices)
}
