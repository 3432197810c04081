//! Small files of invoices of a made-up centre, as the library writes them.

use mappings::billing::{
    Account, AccountLetter, Cents, Checks, Contact, Content, Date, Environment, FileWriter, Invoice, InvoiceType,
    Invoicing, Line, Month, Patient, PatientIdentifier, Sector, Sending, ServiceLine, StayLine,
};
use mappings::billing::{Residence, Written};
use mappings::identifiers::{Cbe, Nihdi, Ssin};

/// The centre.
pub const THIRD_PARTY: &str = "77200221000";

/// What a file is told apart by.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// Its number in the year.
    pub number: u16,
    /// Its 14 digits.
    pub reference: u64,
    /// The month that it bills, `YYYYMM`.
    pub month: u32,
}

/// The file with a number, of February 2026.
pub fn named(number: u16) -> Name {
    Name { number, reference: 20_260_000_000_000 + u64::from(number), month: 202_602 }
}

/// The day on which stories begin.
///
/// # Panics
/// Never.
pub fn today() -> Date {
    day("2026-03-01")
}

fn day(text: &str) -> Date {
    Date::parse(text).expect("it is a day")
}

fn nihdi(text: &str) -> Nihdi {
    Nihdi::parse(text).expect("it is a NIHDI number")
}

/// The head of a file.
///
/// # Panics
/// There is no such month.
pub fn sending(name: Name) -> Sending {
    Sending {
        environment: Environment::Test,
        number: name.number,
        reference: name.reference,
        month: Month::from_number(name.month).expect("a month"),
        created: today(),
        content: Content::Other,
        sector: Sector::Ambulatory,
        third_party: nihdi(THIRD_PARTY),
        profession: 0,
        enterprise: Cbe::parse("0820563481").expect("a CBE number"),
        accreditation: 0,
        account_a: Account { iban: "BE68539007547034".to_owned(), bic: "GKCCBEBB".to_owned() },
        account_b: None,
        contact: Contact { name: "Peeters".to_owned(), first_name: "An".to_owned(), phone: 32_470_000 },
        file_reference: format!("F-{}", name.number),
        establishment_reference: "CENTRE".to_owned(),
        recap: 0,
    }
}

fn invoice(number: u64, destination: u16, lines: Vec<Line>) -> Invoice {
    let first = 850_101_000 + number;
    let ssin = Ssin::parse(&format!("{first:09}{:02}", 97 - first % 97)).expect("11 digits");
    Invoice {
        number,
        invoice_type: InvoiceType::Ambulatory,
        invoicing: Invoicing::Original,
        patient: Patient {
            identifier: PatientIdentifier::Ssin(ssin),
            sex: 1,
            affiliation: destination,
            destination,
            ct1: 110,
            ct2: 110,
        },
        residence: None,
        rehabilitation_agreed: None,
        treatment_reason: 0,
        is_prescription_lifted: false,
        date: Some(today()),
        reference: format!("INV-{number}"),
        lines,
    }
}

/// An invoice of services, each with its cents; the lines are called `L-<number of the invoice>-<from 1>`.
pub fn services(number: u64, destination: u16, cents: &[i64]) -> Invoice {
    let line = |(at, cents): (usize, &i64)| {
        Line::Service(ServiceLine {
            code: 101_032,
            first_day: day(&format!("2026-02-{:02}", at + 1)),
            last_day: day(&format!("2026-02-{:02}", at + 1)),
            units: 1,
            amount: Cents(*cents),
            patient_share: Cents(150),
            supplement: Cents(0),
            account: AccountLetter::A,
            provider: nihdi("18334780004"),
            provider_norm: 1,
            service: 990,
            place: None,
            prescriber: None,
            share_code: 0,
            time: 0,
            reference: format!("L-{number}-{}", at + 1),
            commitment: None,
            reading: None,
            rare: None,
        })
    };
    invoice(number, destination, cents.iter().enumerate().map(line).collect())
}

/// An invoice of ambulatory rehabilitation: ten days at 1,234.50 and the patient's share of 50.00 in them.
pub fn rehabilitation(number: u64, destination: u16) -> Invoice {
    let stay = StayLine {
        code: 768_025,
        first_day: day("2026-02-01"),
        last_day: day("2026-02-10"),
        units: 10,
        amount: Cents(123_450),
        patient_share: Cents(0),
        supplement: Cents(0),
        indicative_cost: Cents(140_000),
        account: AccountLetter::A,
        norm: 0,
        service: 770,
        place: Some(nihdi(THIRD_PARTY)),
        convention: Some(nihdi(THIRD_PARTY)),
        relative_code: 0,
        share_code: 0,
        agreed: Some(day("2026-01-20")),
        reference: format!("STAY-{number}"),
        share_record: Some((767_443, Cents(5_000))),
    };
    Invoice {
        invoice_type: InvoiceType::AmbulatoryRehabilitation,
        residence: Some(Residence {
            institution: nihdi(THIRD_PARTY),
            admitted: None,
            discharged: None,
            admission: 0,
            service: 0,
        }),
        rehabilitation_agreed: Some(day("2026-01-20")),
        ..invoice(number, destination, vec![Line::Stay(stay)])
    }
}

/// A file of these invoices, and its totals.
///
/// # Panics
/// They cannot be written.
pub fn file(name: Name, invoices: &[Invoice]) -> (String, Written) {
    let mut writer = FileWriter::new(Vec::new(), sending(name), Checks::on(today())).expect("it is begun");
    for invoice in invoices {
        writer.invoice(invoice).expect("it is written");
    }
    let (bytes, written) = writer.finish().expect("it is ended");
    (String::from_utf8(bytes).expect("it is ASCII"), written)
}
