//! How fast a file of third-party billing is read, checked and written, on one core:
//! `cargo run --release -p mappings --example billing_speed [INVOICES]`.

use std::io::{BufReader, Cursor};
use std::time::Instant;

use mappings::billing::{
    Account, AccountLetter, Cents, Checker, Checks, Contact, Content, Date, Environment, FileReader, FileWriter,
    Invoice, InvoiceType, Invoicing, Line, Month, Patient, PatientIdentifier, ReadLimits, Sector, Sending, ServiceLine,
};
use mappings::identifiers::{Cbe, Nihdi, Ssin};

const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(60_000), |text| text.parse())?;
    let today = Date::new(2026, 10, 2).ok_or("a day")?;
    let begun = Instant::now();
    let mut writer = FileWriter::new(Vec::new(), sending(today)?, Checks::on(today))?;
    for number in 1..=count {
        writer.invoice(&invoice(number, count, today)?)?;
    }
    let (file, written) = writer.finish()?;
    told("written and checked", &file, begun);
    println!("{} records, {} findings", written.file.records, written.report.findings.len());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let mut reader = FileReader::new(BufReader::new(Cursor::new(&file)), ReadLimits::default())?;
        let mut read = 0_u64;
        while let Some(raw) = reader.next_record()? {
            read += u64::from(raw.read().ok_or("a record without a layout")?.is_ok());
        }
        told(&format!("read as values ({read} records)"), &file, begun);
    }
    let begun = Instant::now();
    let mut reader = FileReader::new(BufReader::new(Cursor::new(&file)), ReadLimits::default())?;
    let mut checker = Checker::new(Checks::on(today));
    checker.head(reader.head());
    while let Some(raw) = reader.next_record()? {
        checker.record(raw);
    }
    told(&format!("read and checked ({} findings)", checker.finish().findings.len()), &file, begun);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
fn told(what: &str, file: &[u8], begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{what}: {:.0} MB/s", file.len() as f64 / 1e6 / seconds);
}

fn sending(today: Date) -> Result<Sending, Box<dyn std::error::Error>> {
    Ok(Sending {
        environment: Environment::Test,
        number: 1,
        reference: 1,
        month: Month::new(2026, 9).ok_or("a month")?,
        created: today,
        content: Content::EFact,
        sector: Sector::Ambulatory,
        third_party: Nihdi::parse("77200221000")?,
        profession: 0,
        enterprise: Cbe::parse("0820563481")?,
        accreditation: 0,
        account_a: Account { iban: "BE68539007547034".to_owned(), bic: "GKCCBEBB".to_owned() },
        account_b: None,
        contact: Contact::default(),
        file_reference: "SPEED".to_owned(),
        establishment_reference: "SPEED".to_owned(),
        recap: 0,
    })
}

fn invoice(number: u64, count: u64, today: Date) -> Result<Invoice, Box<dyn std::error::Error>> {
    let on = Date::new(2026, 9, 2).ok_or("a day")?;
    let line = |code, time| -> Result<Line, Box<dyn std::error::Error>> {
        Ok(Line::Service(ServiceLine {
            code,
            first_day: on,
            last_day: on,
            units: 1,
            amount: Cents(1_942),
            patient_share: Cents(150),
            supplement: Cents(0),
            account: AccountLetter::A,
            provider: Nihdi::parse("18334780004")?,
            provider_norm: 1,
            service: 990,
            place: None,
            prescriber: None,
            share_code: 0,
            time,
            reference: format!("LINE-{number}"),
            commitment: None,
            reading: None,
            rare: None,
        }))
    };
    // Five mutualities, ascending over the file.
    let destination = 101 + u16::try_from(number * 5 / (count + 1))?;
    let identifier = PatientIdentifier::Ssin(Ssin::parse("90010100123")?);
    Ok(Invoice {
        number,
        invoice_type: InvoiceType::Ambulatory,
        invoicing: Invoicing::Original,
        patient: Patient { identifier, sex: 2, affiliation: destination, destination, ct1: 110, ct2: 110 },
        residence: None,
        rehabilitation_agreed: None,
        treatment_reason: 0,
        is_prescription_lifted: false,
        date: Some(today),
        reference: format!("INVOICE-{number}"),
        lines: vec![line(101_032, 900)?, line(567_011, 1_000)?, line(101_032, 1_100)?],
    })
}
