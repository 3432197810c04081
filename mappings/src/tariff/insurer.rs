//! Mutualities and care funds: their numbers, federations and names, and where what is billed to them goes, by day.

use super::days::Period;
use super::reader::{FROM, LAST_DAY, REMARK, TableReader, period, texts};
use crate::billing::{Date, Language};
use crate::sheet::{Cells, Column, Issue, digits};

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The mutuality or care fund that pays: its number.
    pub payer: u16,
    /// The federation to which the file goes; of a care fund its own number.
    pub federation: u16,
}

const COLUMNS: [Column; 9] = [
    Column { field: "number", names: &["nummer", "numero"], is_required: true },
    Column { field: "federation", names: &["landsbond", "unionnationale", "union"], is_required: false },
    Column { field: "destination", names: &["bestemming"], is_required: false },
    FROM,
    LAST_DAY,
    Column { field: "name_nl", names: &["naamnl", "nomnl"], is_required: false },
    Column { field: "name_fr", names: &["naamfr", "nomfr"], is_required: false },
    Column { field: "name_en", names: &["naamen", "nomen"], is_required: false },
    REMARK,
];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    first: u16,
    last: u16,
    federation: Option<u16>,
    destination: Option<u16>,
    period: Period,
    texts: [String; 3],
}

/// The rows, in their order: the first that fits decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Insurers(Vec<Row>);

impl Insurers {
    pub(super) fn read(text: &[u8]) -> Result<Self, Vec<Issue>> {
        let mut reader = TableReader::open(text, &COLUMNS)?;
        let rows = reader.rows(row);
        reader.finish(rows.into_iter().map(|(_, row)| row).collect()).map(Self)
    }

    fn row(&self, number: u16, day: Date) -> Option<&Row> {
        self.0.iter().find(|row| (row.first..=row.last).contains(&number) && row.period.covers(day))
    }

    /// Where what is billed for a member goes; none where the number is not known on that day.
    pub(super) fn destination(&self, number: u16, day: Date) -> Option<Destination> {
        let row = self.row(number, day)?;
        let payer = row.destination.unwrap_or(number);
        Some(Destination { payer, federation: row.federation.unwrap_or(payer) })
    }

    /// The name, in a language.
    pub(super) fn name(&self, number: u16, day: Date, language: Language) -> Option<&str> {
        let index = Language::ALL.iter().position(|one| *one == language)?;
        let row = self.row(number, day)?;
        row.texts.get(index).map(String::as_str).filter(|text| !text.is_empty())
    }
}

/// `304`, or `100-199`.
fn numbers(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (three_digits(first.trim())?, three_digits(last.trim())?);
    (first <= last).then_some((first, last))
}

fn three_digits(text: &str) -> Option<u16> {
    digits(text).filter(|number| text.len() == 3 && *number > 0).and_then(|number| u16::try_from(number).ok())
}

fn row(cells: &mut Cells<'_>) -> Option<Row> {
    let numbers = cells.need("number", "wellgate-sheet-insurer", numbers);
    let federation = cells.read("federation", "wellgate-sheet-insurer", three_digits);
    let destination = cells.read("destination", "wellgate-sheet-insurer", three_digits);
    let period = period(cells)?;
    let (first, last) = numbers?;
    Some(Row { first, last, federation, destination, period, texts: texts(cells, ["name_nl", "name_fr", "name_en"]) })
}
