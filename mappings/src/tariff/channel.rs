//! Who bills what by which channel, by day.

use super::days::Period;
use super::reader::{FROM, LAST_DAY, QUALIFICATIONS, REMARK, TableReader, as_word};
use crate::sheet::{Cells, Column, Issue};

/// The way by which what was done is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// A file 920000 to the mutuality.
    Efact,
    /// A file to the person's care fund of the Flemish social protection.
    Vsb,
    /// The portal for mental health care of the mutualities: a clerk enters it there by our list.
    MhcPortal,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Efact, Self::Vsb, Self::MhcPortal];

    /// Its stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Efact => "efact",
            Self::Vsb => "vsb",
            Self::MhcPortal => "mhc-portal",
        }
    }

    /// The channel with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.code() == code)
    }
}

const COLUMNS: [Column; 6] = [
    Column { field: "scheme", names: &["regeling", "regime"], is_required: true },
    Column { field: "channel", names: &["kanaal", "canal"], is_required: true },
    QUALIFICATIONS,
    FROM,
    LAST_DAY,
    REMARK,
];

/// One row: the first that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChannelRow {
    /// The scheme; empty for tariffs that name none.
    scheme: String,
    qualifications: Vec<String>,
    period: Period,
    channel: Channel,
}

/// The rows, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Channels(Vec<ChannelRow>);

impl Channels {
    pub(super) fn read(text: &[u8]) -> Result<Self, Vec<Issue>> {
        let mut reader = TableReader::open(text, &COLUMNS)?;
        let rows = reader.rows(row);
        reader.finish(rows.into_iter().map(|(_, row)| row).collect()).map(Self)
    }

    /// Whether any row names the scheme.
    pub(super) fn knows(&self, scheme: &str) -> bool {
        self.0.iter().any(|row| row.scheme == scheme)
    }

    /// The channel of a scheme on a day, for a provider with this qualification.
    pub(super) fn channel(&self, scheme: &str, qualification: &str, day: crate::billing::Date) -> Option<Channel> {
        let fits = |row: &&ChannelRow| {
            let is_meant = row.qualifications.is_empty() || row.qualifications.iter().any(|one| one == qualification);
            row.scheme == scheme && is_meant && row.period.covers(day)
        };
        self.0.iter().find(fits).map(|row| row.channel)
    }
}

fn row(cells: &mut Cells<'_>) -> Option<ChannelRow> {
    // `-` is the scheme of tariffs that name none.
    let scheme = cells
        .need("scheme", "wellgate-sheet-word", |text| if text == "-" { Some(String::new()) } else { as_word(text) });
    let channel = cells.need("channel", "wellgate-sheet-choice", Channel::from_code);
    let qualifications = super::reader::qualifications(cells);
    let period = super::reader::period(cells)?;
    Some(ChannelRow { scheme: scheme?, qualifications: qualifications?, period, channel: channel? })
}
