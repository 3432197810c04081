//! The columns of a sheet of lines, and a row of it as values.

use super::{ImportedLine, ImportedPerson};
use crate::billing::Date;
use crate::claim_line::Service;
use crate::identifiers::Nihdi;
use crate::sheet::{Cells, Column, digits};
use crate::tariff::{Insured, Stated};

pub(super) const COLUMNS: [Column; 26] = [
    required("ssin", &["rijksregisternummer", "insz", "rrn", "numeronational", "niss", "nationalnumber"]),
    optional("name", &["naam", "nom"]),
    optional("sex", &["geslacht", "sexe"]),
    optional("mutuality", &["ziekenfonds", "mutualiteit", "mutualite", "organismeassureur"]),
    optional("ct1", &["cg1", "codetitulaire1"]),
    optional("ct2", &["cg2", "codetitulaire2"]),
    optional("care_fund", &["zorgkas", "caissedesoins"]),
    required("day", &["datum", "dag", "eerstedag", "date", "jour", "premierjour", "firstday"]),
    optional("last_day", &["laatstedag", "tot", "totenmet", "dernierjour", "jusquau", "jusquauinclus"]),
    optional("time", &["uur", "tijdstip", "heure"]),
    required(
        "code",
        &["prestatiecode", "nomenclatuurcode", "prestatie", "codedeprestation", "prestation", "nomenclature"],
    ),
    optional("units", &["aantal", "eenheden", "nombre", "unites", "quantity"]),
    required(
        "provider",
        &[
            "zorgverlener",
            "verstrekker",
            "riziv",
            "rizivnummer",
            "prestataire",
            "inami",
            "numeroinami",
            "nihdi",
            "nihdinumber",
        ],
    ),
    optional("third_party", &["derdebetaler", "facturerende", "tierspayant"]),
    optional("amount", &["bedrag", "montant"]),
    optional(
        "share",
        &["persoonlijkaandeel", "aandeel", "remgeld", "ticketmoderateur", "interventionpersonnelle", "patientsshare"],
    ),
    optional("supplement", &[]),
    optional("prescriber", &["voorschrijver", "prescripteur"]),
    optional("prescribed", &["voorschriftdatum", "datumvoorschrift", "datedeprescription"]),
    optional("place", &["plaats", "lieu"]),
    optional("convention", &["conventie", "overeenkomst", "conventionnumber"]),
    optional("relative_code", &["betrekkelijkeverstrekking", "prestationrelative"]),
    optional("agreed", &["akkoorddatum", "datumakkoord", "dateaccord"]),
    optional("admitted", &["opnamedatum", "datumopname", "dateadmission"]),
    optional("reference", &["referentie", "kenmerk"]),
    optional("remark", &["opmerking", "remarque"]),
];

const fn required(field: &'static str, names: &'static [&'static str]) -> Column {
    Column { field, names, is_required: true }
}

const fn optional(field: &'static str, names: &'static [&'static str]) -> Column {
    Column { field, names, is_required: false }
}

/// The most units: zone 22 has four digits.
const UNITS_DIGITS_MAX: usize = 4;
const REFERENCE_CHARACTERS_MAX: usize = 60;

/// What a row says; none where something is wrong, which its cells have noted.
pub(super) fn line(cells: &mut Cells<'_>) -> Option<ImportedLine> {
    let person = person(cells);
    let days = days(cells);
    let code = cells.need_code("code");
    let units = units(cells);
    let provider = needed_nihdi(cells);
    let stated =
        Stated { amount: cells.amount("amount"), share: cells.amount("share"), supplement: cells.amount("supplement") };
    let prescriber = prescriber(cells);
    let place = cells.nihdi("place");
    let convention = cells.nihdi("convention");
    let relative_code = cells.code("relative_code");
    let time = cells.read("time", "wellgate-sheet-time", time);
    let agreed = cells.date("agreed");
    let admitted = cells.date("admitted");
    let third_party = cells.nihdi("third_party");
    let is_short = |text: &str| text.chars().count() <= REFERENCE_CHARACTERS_MAX;
    let reference =
        cells.read("reference", "wellgate-sheet-cell-too-long", |text| is_short(text).then(|| text.to_owned()));
    let (first_day, last_day) = days?;
    let (code, units, provider) = (code?, units?, provider?);
    let service = Service {
        code,
        first_day,
        last_day,
        units,
        provider,
        stated,
        prescriber,
        place,
        convention,
        relative_code,
        time,
        agreed,
        admitted,
    };
    Some(ImportedLine { person: person?, service, third_party, reference })
}

fn person(cells: &mut Cells<'_>) -> Option<ImportedPerson> {
    let ssin = cells.ssin("ssin");
    let sex = cells.read("sex", "wellgate-sheet-sex", sex);
    let affiliation = cells.read("mutuality", "wellgate-sheet-insurer", three_digits);
    let care_fund = cells.read("care_fund", "wellgate-sheet-insurer", three_digits);
    let (ct1, ct2) = (insurability(cells, "ct1"), insurability(cells, "ct2"));
    // Zone 27 has both: one alone would be filled up with zeros.
    for (field, other) in [("ct1", "ct2"), ("ct2", "ct1")] {
        if cells.text(field).is_empty() && !cells.text(other).is_empty() {
            cells.note(field, "wellgate-sheet-together");
        }
    }
    let name = Some(cells.text("name").to_owned()).filter(|name| !name.is_empty());
    Some(ImportedPerson { ssin: ssin?, name, sex, insured: Insured { affiliation, ct1, ct2, care_fund } })
}

fn insurability(cells: &mut Cells<'_>, field: &str) -> Option<u16> {
    let read = |text: &str| digits(text).filter(|_| text.len() == 3).and_then(|code| u16::try_from(code).ok());
    cells.read(field, "wellgate-sheet-number", read)
}

fn days(cells: &mut Cells<'_>) -> Option<(Date, Date)> {
    let first = cells.need("day", "wellgate-sheet-date", crate::sheet::date);
    let is_one_day = cells.text("last_day").is_empty();
    let last = if is_one_day { first } else { cells.date("last_day") };
    let (first, last) = (first?, last?);
    if last < first {
        cells.note("last_day", "wellgate-sheet-days");
        return None;
    }
    Some((first, last))
}

/// One where the sheet does not say.
fn units(cells: &mut Cells<'_>) -> Option<u16> {
    if cells.text("units").is_empty() {
        return Some(1);
    }
    let read = |text: &str| {
        let units = digits(text).filter(|units| text.len() <= UNITS_DIGITS_MAX && *units > 0)?;
        u16::try_from(units).ok()
    };
    cells.read("units", "wellgate-sheet-number", read)
}

fn needed_nihdi(cells: &mut Cells<'_>) -> Option<Nihdi> {
    if cells.text("provider").is_empty() {
        return cells.need("provider", "wellgate-sheet-nihdi", |_| None);
    }
    cells.nihdi("provider")
}

/// Who prescribed and when: the file has room for both or none.
fn prescriber(cells: &mut Cells<'_>) -> Option<(Nihdi, Date)> {
    for (field, other) in [("prescriber", "prescribed"), ("prescribed", "prescriber")] {
        if cells.text(field).is_empty() && !cells.text(other).is_empty() {
            cells.note(field, "wellgate-sheet-together");
        }
    }
    let who = cells.nihdi("prescriber");
    who.zip(cells.date("prescribed"))
}

fn sex(text: &str) -> Option<u8> {
    match text.to_lowercase().as_str() {
        "m" | "h" | "1" | "man" | "mannelijk" | "homme" | "masculin" | "male" => Some(1),
        "v" | "f" | "2" | "vrouw" | "vrouwelijk" | "femme" | "féminin" | "female" => Some(2),
        _ => None,
    }
}

fn three_digits(text: &str) -> Option<u16> {
    digits(text).filter(|number| text.len() == 3 && *number > 0).and_then(|number| u16::try_from(number).ok())
}

/// `14:30`, `14h30`, `14u30` or `1430`, as `HHMM`.
fn time(text: &str) -> Option<u16> {
    let (hours, minutes) = match text.split_once([':', 'h', 'u', 'H', 'U']) {
        Some((hours, minutes)) if matches!(hours.len(), 1 | 2) && minutes.len() == 2 => (hours, minutes),
        None if text.len() == 4 && text.is_ascii() => text.split_at(2),
        _ => return None,
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then(|| u16::try_from(hours * 100 + minutes).ok()).flatten()
}
