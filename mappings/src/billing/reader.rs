//! Reads a file of any size, sent or answered, one record at a time in a buffer of one record.
//!
//! What is not understood is handed on as it came: an unknown message, a record without a layout, a record whose values are not of
//! their form. Only what cannot be cut into records is an error.

use std::fmt;
use std::io::{self, BufRead};

use super::layout::{Kind, RECORD_LENGTH, RETURNED_LENGTH};
use super::messages::{Detail, Head, Message, Second};
use super::records::{
    AidRecord, CommitmentRecord, Header, InvoiceHead, InvoiceTotal, OldReadingRecord, ReadingRecord, SendingTotal,
    ServiceRecord, StayRecord,
};
use super::segments::{Recap, RecapTotal, Segment200, Settlement, SettlementTotal};
use super::zones::ZoneError;

/// The first month, `YYYYMM`, whose records 52 have the newer layout: from then on the error list knows zones that the older has not.
pub const NEW_READINGS_FROM: u32 = 201_701;

/// What a reader is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// How many records a file may have.
    pub records_max: u64,
    /// The first month whose records 52 have the newer layout.
    pub new_readings_from: u32,
}

impl Default for ReadLimits {
    fn default() -> Self {
        // A sequence number has six digits.
        Self { records_max: 1_000_000, new_readings_from: NEW_READINGS_FROM }
    }
}

/// Why a file is not read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed.
    #[error("the file could not be read: {0}")]
    Source(#[from] io::Error),
    /// The file ends within a segment or record.
    #[error("the file ends {found} characters into the {wanted} that begin at character {at}")]
    Truncated {
        /// Where the segment or record begins, counted from 0.
        at: u64,
        /// How many characters it has.
        wanted: usize,
        /// How many are there.
        found: usize,
    },
    /// More records than the limit.
    #[error("the file has more than {0} records")]
    TooLong(u64),
}

/// One record as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the record of its name")]
pub enum Record {
    Header(Header),
    Invoice(InvoiceHead),
    Aid(AidRecord),
    Stay(StayRecord),
    Service(ServiceRecord),
    Commitment(CommitmentRecord),
    Reading(ReadingRecord),
    OldReading(OldReadingRecord),
    InvoiceTotal(InvoiceTotal),
    SendingTotal(SendingTotal),
    Recap(Recap),
    RecapTotal(RecapTotal),
    Settlement(Settlement),
    SettlementTotal(SettlementTotal),
}

impl Record {
    /// Reads the characters of a kind of record; none for the kinds that are segments.
    ///
    /// # Errors
    /// The first zone that is not of its form.
    pub fn read(kind: Kind, bytes: &[u8]) -> Option<Result<Self, ZoneError>> {
        Some(match kind {
            Kind::Header => Header::read(bytes).map(Self::Header),
            Kind::Invoice => InvoiceHead::read(bytes).map(Self::Invoice),
            Kind::Aid => AidRecord::read(bytes).map(Self::Aid),
            Kind::Stay => StayRecord::read(bytes).map(Self::Stay),
            Kind::Service => ServiceRecord::read(bytes).map(Self::Service),
            Kind::Commitment => CommitmentRecord::read(bytes).map(Self::Commitment),
            Kind::Reading => ReadingRecord::read(bytes).map(Self::Reading),
            Kind::OldReading => OldReadingRecord::read(bytes).map(Self::OldReading),
            Kind::InvoiceTotal => InvoiceTotal::read(bytes).map(Self::InvoiceTotal),
            Kind::SendingTotal => SendingTotal::read(bytes).map(Self::SendingTotal),
            Kind::Recap => Recap::read(bytes).map(Self::Recap),
            Kind::RecapTotal => RecapTotal::read(bytes).map(Self::RecapTotal),
            Kind::Settlement => Settlement::read(bytes).map(Self::Settlement),
            Kind::SettlementTotal => SettlementTotal::read(bytes).map(Self::SettlementTotal),
            _ => return None,
        })
    }

    /// Its characters.
    ///
    /// # Errors
    /// The first value that does not fit into its zone.
    pub fn write(&self) -> Result<Vec<u8>, ZoneError> {
        match self {
            Self::Header(record) => record.write(),
            Self::Invoice(record) => record.write(),
            Self::Aid(record) => record.write(),
            Self::Stay(record) => record.write(),
            Self::Service(record) => record.write(),
            Self::Commitment(record) => record.write(),
            Self::Reading(record) => record.write(),
            Self::OldReading(record) => record.write(),
            Self::InvoiceTotal(record) => record.write(),
            Self::SendingTotal(record) => record.write(),
            Self::Recap(record) => record.write(),
            Self::RecapTotal(record) => record.write(),
            Self::Settlement(record) => record.write(),
            Self::SettlementTotal(record) => record.write(),
        }
    }
}

/// One record as it came. Its characters name a person, so `Debug` never shows them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawRecord<'b> {
    bytes: &'b [u8],
    /// Its place behind the segments, counted from 0.
    pub index: u64,
    /// What it is; none for a type without a layout.
    pub kind: Option<Kind>,
}

impl<'b> RawRecord<'b> {
    /// A record of 350 characters that was just written.
    pub(super) fn written(bytes: &'b [u8], index: u64, has_old_readings: bool) -> Self {
        Self { bytes, index, kind: Kind::of_record(bytes, has_old_readings) }
    }

    /// The record itself: 350 characters, or 800 of a settlement.
    pub fn bytes(&self) -> &'b [u8] {
        let is_settlement = matches!(self.kind, Some(Kind::Settlement | Kind::SettlementTotal));
        if is_settlement { self.bytes } else { &self.bytes[..RECORD_LENGTH] }
    }

    /// The record as a value; none for a type without a layout.
    ///
    /// # Errors
    /// The first zone that is not of its form.
    pub fn read(&self) -> Option<Result<Record, ZoneError>> {
        Record::read(self.kind?, self.bytes())
    }

    /// What an answer says of it; none in a file that is sent, and of a settlement, which is an answer itself.
    ///
    /// # Errors
    /// A character that is no printable ASCII.
    pub fn detail(&self) -> Option<Result<Detail, ZoneError>> {
        let is_returned = self.bytes.len() == RETURNED_LENGTH && self.bytes().len() == RECORD_LENGTH;
        is_returned.then(|| Detail::read(&self.bytes[RECORD_LENGTH..]))
    }
}

impl fmt::Debug for RawRecord<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RawRecord")
            .field("index", &self.index)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Reads one file.
pub struct FileReader<R> {
    input: R,
    head: Head,
    limits: ReadLimits,
    has_old_readings: bool,
    buffer: Box<[u8; RETURNED_LENGTH]>,
    at: u64,
    count: u64,
}

impl<R: BufRead> FileReader<R> {
    /// Reads what begins a file.
    ///
    /// # Errors
    /// The source failed, or the file ends within its segments.
    pub fn new(mut input: R, limits: ReadLimits) -> Result<Self, ReadError> {
        let mut buffer = Box::new([0; RETURNED_LENGTH]);
        let length = Kind::Segment200.layout().length;
        whole(&mut input, &mut buffer[..length], 0)?;
        let message = Message::of(&buffer[..6]);
        let first = Segment200::read(&buffer[..length]);
        let mut raw = buffer[..length].to_vec();
        let mut second = None;
        if let Some(kind) = message.second() {
            let of_second = &mut buffer[..kind.layout().length];
            whole(&mut input, of_second, position(raw.len()))?;
            second = Some(Second::read(kind, of_second));
            raw.extend_from_slice(of_second);
        }
        let month = second.as_ref().and_then(|second| second.as_ref().ok()).and_then(Second::billed_month);
        let has_old_readings = month.is_some_and(|month| month < limits.new_readings_from);
        let at = position(raw.len());
        let head = Head { message, first, second, raw };
        Ok(Self { input, head, limits, has_old_readings, buffer, at, count: 0 })
    }

    /// What begins the file.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The next record; none at the end, and none of an unknown message, whose rest [`Self::rest`] gives.
    ///
    /// # Errors
    /// The source failed, the file ends within a record, or it has more records than the limit. Nothing is read after an error.
    pub fn next_record(&mut self) -> Result<Option<RawRecord<'_>>, ReadError> {
        if matches!(self.head.message, Message::Unknown(_)) || self.input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        if self.count == self.limits.records_max {
            return Err(ReadError::TooLong(self.limits.records_max));
        }
        let length = self.head.message.record_length();
        whole(&mut self.input, &mut self.buffer[..length], self.at)?;
        self.at += position(length);
        self.count += 1;
        let bytes = &self.buffer[..length];
        let kind = Kind::of_record(bytes, self.has_old_readings);
        let kind = kind.filter(|kind| kind.layout().length <= length);
        Ok(Some(RawRecord { bytes, index: self.count - 1, kind }))
    }

    /// What has not been read: the whole body of an unknown message, to be kept as it is.
    pub fn rest(self) -> R {
        self.input
    }
}

fn position(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Fills the buffer, or says how much of it there was.
fn whole(input: &mut impl BufRead, buffer: &mut [u8], at: u64) -> Result<(), ReadError> {
    let mut found = 0;
    while found < buffer.len() {
        match input.read(&mut buffer[found..]) {
            Ok(0) => return Err(ReadError::Truncated { at, wanted: buffer.len(), found }),
            Ok(count) => found += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
