//! Reads the operator's file of tariffs.

use std::collections::HashMap;

use super::reader::{
    FROM, LAST_DAY, QUALIFICATIONS, REMARK, TableReader, as_word, period, qualifications, texts, words,
};
use super::tariffs::{Amounts, EncounterRule, Limit, RecordKind, Tariff, Window};
use crate::billing::{Cents, InvoiceType};
use crate::sheet::{Cells, Column, Issue};

const COLUMNS: [Column; 26] = [
    Column { field: "code", names: &["prestatiecode"], is_required: true },
    column("name_nl", &["naamnl", "omschrijvingnl", "nomnl"]),
    column("name_fr", &["naamfr", "libellefr", "nomfr"]),
    column("name_en", &["naamen", "nomen"]),
    FROM,
    LAST_DAY,
    column("scheme", &["regeling", "regime"]),
    Column { field: "record", names: &["enregistrement"], is_required: true },
    Column { field: "invoice_type", names: &["factuurtype", "typefacture", "typedefacture"], is_required: true },
    column("amount", &["bedrag", "montant"]),
    column("share", &["persoonlijkaandeel", "aandeel", "interventionpersonnelle", "ticketmoderateur"]),
    column("amount_increased", &["bedragvt", "montantbim"]),
    column("share_increased", &["aandeelvt", "interventionpersonnellebim", "ticketmoderateurbim"]),
    column("supplement", &[]),
    column("units_max", &["maximum", "maxaantal", "nombremax"]),
    column("window", &["periode"]),
    column("limit_group", &["groep", "groupe"]),
    QUALIFICATIONS,
    column("share_record", &["codeaandeel", "codeintervention"]),
    column("service", &["dienst"]),
    column("relative_code", &["betrekkelijkeverstrekking", "prestationrelative"]),
    column("encounter_classes", &["contactklassen", "classesdecontact"]),
    column("encounter_types", &["contacttypes", "typesdecontact"]),
    column("minutes_min", &["minutenmin"]),
    column("minutes_max", &["minutenmax"]),
    REMARK,
];

const fn column(field: &'static str, names: &'static [&'static str]) -> Column {
    Column { field, names, is_required: false }
}

/// The service of care that is not given within an institution (record 50, zone 13).
const AMBULATORY_SERVICE: u16 = 990;
const INVOICE_TYPES: [InvoiceType; 6] = [
    InvoiceType::Hospital,
    InvoiceType::Ambulatory,
    InvoiceType::StayPrice,
    InvoiceType::ResidentialRehabilitation,
    InvoiceType::AmbulatoryRehabilitation,
    InvoiceType::Other,
];

pub(super) fn read(text: &[u8], knows_scheme: &dyn Fn(&str) -> bool) -> Result<Vec<Tariff>, Vec<Issue>> {
    let mut reader = TableReader::open(text, &COLUMNS)?;
    let rows = reader.rows(|cells| row(cells, knows_scheme));
    for number in overlapping(&rows) {
        reader.note(number, "from", "wellgate-sheet-overlap");
    }
    for number in of_two_limits(&rows) {
        reader.note(number, "limit_group", "wellgate-sheet-limit-group");
    }
    reader.finish(rows.into_iter().map(|(_, tariff)| tariff).collect())
}

/// The rows whose code has a price on some day already.
fn overlapping(rows: &[(u64, Tariff)]) -> Vec<u64> {
    let mut seen: HashMap<u32, Vec<&Tariff>> = HashMap::new();
    let mut numbers = Vec::new();
    for (number, tariff) in rows {
        let earlier = seen.entry(tariff.code).or_default();
        if earlier.iter().any(|one| one.period.overlaps(tariff.period)) {
            numbers.push(*number);
        }
        earlier.push(tariff);
    }
    numbers
}

/// The rows that give their group another limit, for some day on which an earlier row of it counts.
fn of_two_limits(rows: &[(u64, Tariff)]) -> Vec<u64> {
    let mut seen: HashMap<&str, Vec<&Tariff>> = HashMap::new();
    let mut numbers = Vec::new();
    for (number, tariff) in rows {
        let Some(limit) = tariff.limit.as_ref().filter(|limit| !limit.group.is_empty()) else { continue };
        let earlier = seen.entry(&limit.group).or_default();
        if earlier.iter().any(|one| one.period.overlaps(tariff.period) && one.limit.as_ref() != Some(limit)) {
            numbers.push(*number);
        }
        earlier.push(tariff);
    }
    numbers
}

fn row(cells: &mut Cells<'_>, knows_scheme: &dyn Fn(&str) -> bool) -> Option<Tariff> {
    let code = cells.need_code("code");
    let scheme = cells.read("scheme", "wellgate-sheet-scheme", |text| as_word(text).filter(|word| knows_scheme(word)));
    let record = cells.need("record", "wellgate-sheet-record", |text| match text {
        "30" => Some(RecordKind::Stay),
        "50" => Some(RecordKind::Service),
        _ => None,
    });
    let invoice_type = cells.need("invoice_type", "wellgate-sheet-invoice-type", |text| {
        INVOICE_TYPES.into_iter().find(|one| one.digit().to_string() == text)
    });
    let normal = amounts(cells, "amount", "share");
    let increased = amounts(cells, "amount_increased", "share_increased");
    if increased.is_some() && cells.text("amount").is_empty() {
        cells.note("amount", "wellgate-sheet-required");
    }
    let supplement = cells.amount("supplement").unwrap_or(Cents(0));
    let limit = limit(cells);
    let qualifications = qualifications(cells);
    let share_record = cells.code("share_record");
    if share_record.is_some() && record == Some(RecordKind::Service) {
        cells.note("share_record", "wellgate-sheet-share-record");
    }
    let service = cells.number_to("service", 3).unwrap_or(AMBULATORY_SERVICE);
    let relative_code = cells.number_to("relative_code", 6).unwrap_or(0);
    let encounter = encounter(cells);
    let period = period(cells)?;
    Some(Tariff {
        code: code?,
        texts: texts(cells, ["name_nl", "name_fr", "name_en"]),
        period,
        scheme: scheme.unwrap_or_default(),
        record: record?,
        invoice_type: invoice_type?,
        normal,
        increased,
        supplement,
        limit,
        qualifications: qualifications?,
        share_record,
        service,
        relative_code,
        encounter,
    })
}

/// What the insurer pays and what the patient pays: both or neither, so that nothing is free because a cell was forgotten.
fn amounts(cells: &mut Cells<'_>, amount: &str, share: &str) -> Option<Amounts> {
    let is_given = [amount, share].map(|field| !cells.text(field).is_empty());
    match is_given {
        [true, false] => cells.note(share, "wellgate-sheet-required"),
        [false, true] => cells.note(amount, "wellgate-sheet-required"),
        _ => {}
    }
    let (amount, share) = (cells.amount(amount), cells.amount(share));
    Some(Amounts { amount: amount?, share: share? })
}

fn limit(cells: &mut Cells<'_>) -> Option<Limit> {
    let units_max = cells.number_to("units_max", 6);
    let window = cells.read("window", "wellgate-sheet-choice", |text| match text {
        "calendar-year" => Some(Window::CalendarYear),
        "twelve-months" => Some(Window::TwelveMonths),
        _ => None,
    });
    let group = cells.read("limit_group", "wellgate-sheet-word", as_word);
    if units_max.is_none() && (window.is_some() || group.is_some()) && cells.text("units_max").is_empty() {
        cells.note("units_max", "wellgate-sheet-required");
    }
    if units_max.is_some() && cells.text("window").is_empty() {
        cells.note("window", "wellgate-sheet-required");
    }
    Some(Limit { units_max: units_max?, window: window?, group: group.unwrap_or_default() })
}

fn encounter(cells: &mut Cells<'_>) -> EncounterRule {
    let rule = EncounterRule {
        classes: words(cells.text("encounter_classes")),
        types: words(cells.text("encounter_types")),
        minutes_min: cells.number_to("minutes_min", 4),
        minutes_max: cells.number_to("minutes_max", 4),
    };
    let has_minutes = rule.minutes_min.is_some() || rule.minutes_max.is_some();
    if has_minutes && !rule.is_given() {
        cells.note("encounter_classes", "wellgate-sheet-required");
    }
    if rule.minutes_min.zip(rule.minutes_max).is_some_and(|(least, most)| least > most) {
        cells.note("minutes_max", "wellgate-sheet-number");
    }
    rule
}
