//! What is handed over to be written: a sending, its invoices, their lines, as plain values of the domain.
//!
//! Amounts are cents as they were invoiced, also in a credit note: the writer gives it its negative signs. Whether the values are
//! allowed, the checks say; here only what cannot be said at all has no place.

use super::records::ServiceRecord;
use super::value::Cents;
use super::{Date, PatientNumber};
use crate::identifiers::{Cbe, Nihdi, Ssin};

/// A month of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: u16,
    month: u8,
}

impl Month {
    /// A month, 1 to 12, of a year, 1 to 9999; none where there is no such month.
    pub fn new(year: u16, month: u8) -> Option<Self> {
        Date::new(year, month, 1).map(Self::of)
    }

    /// The month in which a day lies.
    pub fn of(day: Date) -> Self {
        Self { year: day.year(), month: day.month() }
    }

    /// Reads `YYYYMM` as a number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::new(u16::try_from(number / 100).ok()?, u8::try_from(number % 100).ok()?)
    }

    /// The year.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// `YYYYMM` as a number.
    pub fn number(self) -> u32 {
        u32::from(self.year) * 100 + u32::from(self.month)
    }
}

/// Whether a file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// It does.
    Production,
    /// It is a trial.
    Test,
}

/// What kind of file it is (record 10, zone 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// By eFact: one file a day.
    EFact,
    /// Of a medical house that is paid by fixed prices.
    MedicalHouse,
    /// Another, as to a care fund.
    Other,
}

/// Who sends (segment 300, zone 308).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sector {
    /// A hospital.
    Hospital,
    /// Ambulatory care.
    Ambulatory,
    /// Both.
    Mixed,
}

/// An account that is paid into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The IBAN, capitals and digits without blanks.
    pub iban: String,
    /// The BIC, 8 or 11 characters.
    pub bic: String,
}

/// Whom the insurer asks. Names may have diacritics and are cut to their zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Last name.
    pub name: String,
    /// First name.
    pub first_name: String,
    /// Telephone, at most ten digits; 0 for none.
    pub phone: u64,
}

/// One file to one federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Whether it counts.
    pub environment: Environment,
    /// Its number, 1 to 999, unique for the third party in the year.
    pub number: u16,
    /// The sender's numeric reference, at most 14 digits, by which answers name the file.
    pub reference: u64,
    /// The month that is billed.
    pub month: Month,
    /// The day on which the file is made.
    pub created: Date,
    /// What kind of file it is.
    pub content: Content,
    /// Who sends.
    pub sector: Sector,
    /// Who is paid: 11 digits.
    pub third_party: Nihdi,
    /// The code of the third party's profession, three digits; 0 for none.
    pub profession: u16,
    /// The enterprise that is paid.
    pub enterprise: Cbe,
    /// The number of accreditation by CIN/NIC; 0 for none.
    pub accreditation: u64,
    /// The account that is paid into.
    pub account_a: Account,
    /// The second account, of hospitals alone.
    pub account_b: Option<Account>,
    /// Whom the insurer asks.
    pub contact: Contact,
    /// Our name of the file, at most 13 allowed characters.
    pub file_reference: String,
    /// Our reference in the records of the sending, at most 25 allowed characters.
    pub establishment_reference: String,
    /// The number of the collective invoice in the totals; 0 for none.
    pub recap: u64,
}

/// Who an invoice is for, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatientIdentifier {
    /// By national number.
    Ssin(Ssin),
    /// By membership number: newborns and people insured abroad alone.
    Membership(PatientNumber),
}

/// Who an invoice is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
    /// The number.
    pub identifier: PatientIdentifier,
    /// Male or female as the mutuality knows it: 1 or 2.
    pub sex: u8,
    /// The mutuality of affiliation. Written as 000 for the federations 2, 4 and 5.
    pub affiliation: u16,
    /// The mutuality that pays.
    pub destination: u16,
    /// Insurability code 1, three digits.
    pub ct1: u16,
    /// Insurability code 2, three digits.
    pub ct2: u16,
}

/// The type of an invoice (record 20, zone 10). The official names of 4, 5, 6 and 9 are not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvoiceType {
    /// 1: a stay in a hospital.
    Hospital,
    /// 3: ambulatory care.
    Ambulatory,
    /// 4: a fixed price for a stay.
    StayPrice,
    /// 5: residential rehabilitation.
    ResidentialRehabilitation,
    /// 6: ambulatory rehabilitation.
    AmbulatoryRehabilitation,
    /// 9: other.
    Other,
}

impl InvoiceType {
    /// Its digit.
    pub fn digit(self) -> u8 {
        match self {
            Self::Hospital => 1,
            Self::Ambulatory => 3,
            Self::StayPrice => 4,
            Self::ResidentialRehabilitation => 5,
            Self::AmbulatoryRehabilitation => 6,
            Self::Other => 9,
        }
    }
}

/// The invoice that is corrected or credited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its number.
    pub invoice: u64,
    /// The number of the sending in which it was.
    pub sending: u16,
    /// The mutuality that it went to.
    pub destination: u16,
    /// The month that was billed.
    pub month: Month,
    /// The mutuality's payment reference of account A, of a correction alone; at most 22 characters.
    pub payment_a: String,
    /// The same of account B.
    pub payment_b: String,
}

/// How an invoice stands to earlier ones (record 20, zone 11). The kinds 2 and 4 have no published meaning: [`super::InvoiceHead`] can
/// say them, this cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invoicing {
    /// It is the first.
    Original,
    /// It takes the place of one that was refused.
    Correction(Previous),
    /// It takes back one that was paid.
    CreditNote(Previous),
}

/// A stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residence {
    /// The institution: 11 digits.
    pub institution: Nihdi,
    /// The day of admission, and the time as `HHMM`; none where the type of invoice has none.
    pub admitted: Option<(Date, u16)>,
    /// The day of discharge, and the time as `HHMM`.
    pub discharged: Option<(Date, u16)>,
    /// The number of the admission; 0 for none.
    pub admission: u64,
    /// The code of the service of admission; 0 for none.
    pub service: u16,
}

/// One invoice for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Its number, at most 12 digits, unique in the file.
    pub number: u64,
    /// Its type.
    pub invoice_type: InvoiceType,
    /// How it stands to earlier ones.
    pub invoicing: Invoicing,
    /// Who it is for.
    pub patient: Patient,
    /// The stay, of the types that have one.
    pub residence: Option<Residence>,
    /// The day of the agreement on rehabilitation, of the types 5 and 6 alone.
    pub rehabilitation_agreed: Option<Date>,
    /// The reason of treatment: 0, 50, 60, 70, 80 or 90.
    pub treatment_reason: u16,
    /// Whether prescription was stopped by registered letter.
    pub is_prescription_lifted: bool,
    /// The day of the invoice.
    pub date: Option<Date>,
    /// Our reference, at most 25 allowed characters: by it an answer is led back to what was invoiced.
    pub reference: String,
    /// What is invoiced, in its order; not empty.
    pub lines: Vec<Line>,
}

impl Invoice {
    /// Where it stands in a file: by destination, credit notes first, then by number.
    pub fn order(&self) -> (u16, u8, u64) {
        let is_debit = !matches!(self.invoicing, Invoicing::CreditNote(_));
        (self.patient.destination, u8::from(is_debit), self.number)
    }
}

/// One line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Days or a fixed price.
    Stay(StayLine),
    /// A service.
    Service(ServiceLine),
}

/// Which account a line is paid into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountLetter {
    /// The first.
    #[default]
    A,
    /// The second.
    B,
}

/// Days of a stay or a fixed price (record 30), and the patient's share in them where it has a record of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StayLine {
    /// The code, six digits.
    pub code: u32,
    /// The first day.
    pub first_day: Date,
    /// The last day.
    pub last_day: Date,
    /// How many days or fixed prices.
    pub units: u16,
    /// What the insurer pays.
    pub amount: Cents,
    /// What the patient pays.
    pub patient_share: Cents,
    /// What the patient pays above that.
    pub supplement: Cents,
    /// What the stay costs by way of information.
    pub indicative_cost: Cents,
    /// Which account is paid into.
    pub account: AccountLetter,
    /// The day norm (0 for none): invoices of type 1 alone.
    pub norm: u8,
    /// The code of the service; 990 where there is none.
    pub service: u16,
    /// Where it was done.
    pub place: Option<Nihdi>,
    /// The number of the convention, or of the institution of stay.
    pub convention: Option<Nihdi>,
    /// The class of tariff, six digits; 0 for none.
    pub relative_code: u32,
    /// How the patient's share is paid: 0 to 4.
    pub share_code: u8,
    /// The day of the agreement.
    pub agreed: Option<Date>,
    /// Our reference, at most 25 allowed characters.
    pub reference: String,
    /// The patient's share as a record of its own: its code, and what the insurer pays less and the patient pays instead.
    pub share_record: Option<(u32, Cents)>,
}

/// A service (record 50).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLine {
    /// The code, six digits.
    pub code: u32,
    /// The first day.
    pub first_day: Date,
    /// The last day.
    pub last_day: Date,
    /// How many.
    pub units: u16,
    /// What the insurer pays.
    pub amount: Cents,
    /// What the patient pays.
    pub patient_share: Cents,
    /// What the patient pays above that.
    pub supplement: Cents,
    /// Which account is paid into.
    pub account: AccountLetter,
    /// Who did it: 11 digits.
    pub provider: Nihdi,
    /// How the provider stands to the service: 1, 2, 4, 5 or 9; 0 for none.
    pub provider_norm: u8,
    /// The code of the service; 990 for ambulatory care.
    pub service: u16,
    /// Where it was done.
    pub place: Option<Nihdi>,
    /// Who prescribed it, when, and how (0 to 6, 9).
    pub prescriber: Option<(Nihdi, Date, u8)>,
    /// How the patient's share is paid: 0 to 4.
    pub share_code: u8,
    /// The time as `HHMM`; 0 for none.
    pub time: u16,
    /// Our reference, at most 25 allowed characters.
    pub reference: String,
    /// The insurer's promise to pay.
    pub commitment: Option<InsurerCommitment>,
    /// How the person's document was read.
    pub reading: Option<DocumentReading>,
    /// Zones that few need, such as tooth and implant: taken from here where the line has no field of its own.
    pub rare: Option<Box<ServiceRecord>>,
}

/// The insurer's promise to pay (record 51). Its amount is that of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsurerCommitment {
    /// Its reference, at most 48 characters.
    pub reference: String,
    /// The day on which it was told.
    pub informed: Date,
}

/// How the person's document was read (record 52).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentReading {
    /// The day, and the time as `HHMM`; none where it was not read by a machine.
    pub read: Option<(Date, u16)>,
    /// The type of reading: `1` chip, `2` bar code, `3` data matrix, `4` by hand, `A` itsme. Of the older layout as it is.
    pub reading: String,
    /// The type of document: `1` eID, `2` ISI, `3` ISI+, `4` Kids-ID, `5` foreigner's card, `6` itsme, `7` vignette, `0` unknown.
    pub medium: String,
    /// Why it was done by hand; 0 for none.
    pub manual_reason: u8,
    /// Why a vignette was used; 0 for none.
    pub vignette_reason: u8,
    /// The document's serial number, at most 15 characters.
    pub serial: String,
    /// The number of a document of justification, at most 25 digits.
    pub document: String,
    /// The number of the agreement, 20 digits; empty for none.
    pub agreement: String,
}
