//! Which message a file is, and what each returned record says of its errors.

use super::layout::{Kind, RECORD_LENGTH, RETURNED_LENGTH};
use super::segments::{DetailZones, Segment200, Segment300, Segment300Error, Segment300Stub};
use super::value::{Signed, Value};
use super::zones::ZoneError;

/// Which message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// 920000: the invoice file, sent.
    InvoiceFile,
    /// 931000: received, and taken for treatment.
    Receipt,
    /// 920999: refused for its form; nothing was booked.
    TechnicalRefusal,
    /// 920098: taken, with what is wrong for information.
    Information,
    /// 920099: rejected for a blocking error or too many errors; nothing was booked.
    Rejection,
    /// 920900: settled, with the records that are refused.
    Settlement,
    /// Another: its six characters as they came. It is kept and shown, never dropped.
    Unknown(String),
}

impl Message {
    /// Every message that is known.
    pub const KNOWN: [Self; 6] = [
        Self::InvoiceFile,
        Self::Receipt,
        Self::TechnicalRefusal,
        Self::Information,
        Self::Rejection,
        Self::Settlement,
    ];

    /// The message with this name.
    pub fn of(name: &[u8]) -> Self {
        let known = Self::KNOWN.into_iter().find(|known| known.number().to_string().as_bytes() == name);
        known.unwrap_or_else(|| Self::Unknown(name.escape_ascii().to_string()))
    }

    /// Its number; 0 for an unknown one.
    pub fn number(&self) -> u32 {
        match self {
            Self::InvoiceFile => 920_000,
            Self::Receipt => 931_000,
            Self::TechnicalRefusal => 920_999,
            Self::Information => 920_098,
            Self::Rejection => 920_099,
            Self::Settlement => 920_900,
            Self::Unknown(_) => 0,
        }
    }

    /// The segment that follows segment 200; none for an unknown message.
    pub(super) fn second(&self) -> Option<Kind> {
        match self {
            Self::InvoiceFile | Self::TechnicalRefusal => Some(Kind::Segment300),
            Self::Receipt => Some(Kind::Segment300Stub),
            Self::Information | Self::Rejection | Self::Settlement => Some(Kind::Segment300Error),
            Self::Unknown(_) => None,
        }
    }

    /// How long its records are: with what is wrong in an answer that returns them.
    pub(super) fn record_length(&self) -> usize {
        match self {
            Self::Information | Self::Rejection | Self::Settlement => RETURNED_LENGTH,
            _ => RECORD_LENGTH,
        }
    }
}

/// The segment 300 of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Second {
    /// Of a file that is sent, or refused for its form.
    Sending(Segment300),
    /// Of an answer that returns records.
    Answer(Segment300Error),
    /// Of a receipt.
    Stub(Segment300Stub),
}

impl Second {
    pub(super) fn read(kind: Kind, bytes: &[u8]) -> Result<Self, ZoneError> {
        match kind {
            Kind::Segment300Error => Segment300Error::read(bytes).map(Self::Answer),
            Kind::Segment300Stub => Segment300Stub::read(bytes).map(Self::Stub),
            _ => Segment300::read(bytes).map(Self::Sending),
        }
    }

    /// The month that is billed, as `YYYYMM`, where it says one.
    pub fn billed_month(&self) -> Option<u32> {
        match self {
            Self::Sending(segment) => Some(segment.billed_month),
            Self::Answer(segment) => Some(segment.billed_month),
            Self::Stub(_) => None,
        }
    }
}

/// What begins a message. A segment that is not of its form is kept as the zone that is not: the records behind it are read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which message.
    pub message: Message,
    /// Segment 200.
    pub first: Result<Segment200, ZoneError>,
    /// Segment 300; none of an unknown message.
    pub second: Option<Result<Second, ZoneError>>,
    /// The characters of both segments as they came.
    pub raw: Vec<u8>,
}

/// One error of a returned record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnedError {
    /// The letter of its weight, as it came.
    pub letter: String,
    /// Its code: six letters or digits, as they came.
    pub code: String,
}

/// What an answer says of a record that it returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Up to three errors; may be empty.
    pub errors: Vec<ReturnedError>,
    /// What the insurer makes of the amount; none where it says none.
    pub result: Option<Signed>,
    /// The insurer's words; may be empty.
    pub comment: String,
    /// All its zones.
    pub zones: DetailZones,
}

impl Detail {
    /// Reads the 450 characters behind a returned record.
    ///
    /// # Errors
    /// A character that is no printable ASCII.
    pub fn read(bytes: &[u8]) -> Result<Self, ZoneError> {
        let zones = DetailZones::read(bytes)?;
        let said = [
            (&zones.error_kind_1, &zones.error_code_1),
            (&zones.error_kind_2, &zones.error_code_2),
            (&zones.error_kind_3, &zones.error_code_3),
        ];
        let errors = said.into_iter().filter(|(_, code)| !code.bytes().all(|byte| byte == b'0'));
        let errors =
            errors.map(|(letter, code)| ReturnedError { letter: letter.clone(), code: code.clone() }).collect();
        let result = Signed::read(zones.result.as_bytes());
        Ok(Self { errors, result, comment: zones.comment.clone(), zones })
    }
}
