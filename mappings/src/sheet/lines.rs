//! Lines of a file, with limits, and the cells of a line.

use std::io::{BufRead, Read as _};

use super::{Limits, SheetError, refused};

/// A line without its end.
pub(super) enum Line<'l> {
    /// It is within the limit.
    Whole { number: u64, bytes: &'l [u8] },
    /// It is not, and was passed over.
    TooLong { number: u64 },
}

/// The lines of a source, one at a time out of one buffer.
pub(super) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    number: u64,
    bytes: u64,
    limits: Limits,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(source: R, limits: Limits) -> Self {
        Self { source, buffer: Vec::new(), number: 0, bytes: 0, limits }
    }

    /// The next line; none at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<Line<'_>>, SheetError> {
        let mut is_whole = true;
        let read = self.read_part()?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        while self.buffer.last() != Some(&b'\n') && self.buffer.len() > self.limits.line_bytes_max {
            is_whole = false;
            if self.read_part()? == 0 {
                break;
            }
        }
        let number = self.number;
        if !is_whole {
            return Ok(Some(Line::TooLong { number }));
        }
        while self.buffer.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            self.buffer.pop();
        }
        Ok(Some(Line::Whole { number, bytes: &self.buffer }))
    }

    /// Fills the buffer anew, with at most one byte more than a line may have.
    fn read_part(&mut self) -> Result<usize, SheetError> {
        self.buffer.clear();
        let most = u64::try_from(self.limits.line_bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        let read = self.source.by_ref().take(most).read_until(b'\n', &mut self.buffer)?;
        self.bytes += u64::try_from(read).unwrap_or(u64::MAX);
        if self.bytes > self.limits.bytes_max {
            return Err(refused(self.number + 1, "wellgate-sheet-too-large"));
        }
        Ok(read)
    }
}

/// The cells of a line, without their quotation marks.
pub(super) fn split(splitter: &mut csv_core::Reader, line: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    // Every mark has its second one: that which opens, closes or, within a cell, stands for one.
    if line.iter().fold(false, |is_open, byte| is_open != (*byte == b'"')) {
        return Err("wellgate-sheet-quotes");
    }
    splitter.reset();
    let mut text = vec![0; line.len() + 1];
    let mut ends = vec![0; line.len() + 2];
    let (mut fed, mut written, mut ended) = (0, 0, 0);
    loop {
        // Nothing fed means the end of the line.
        let (result, more_fed, more_written, more_ended) =
            splitter.read_record(&line[fed..], &mut text[written..], &mut ends[ended..]);
        (fed, written, ended) = (fed + more_fed, written + more_written, ended + more_ended);
        match result {
            csv_core::ReadRecordResult::InputEmpty => {}
            csv_core::ReadRecordResult::Record => break,
            _ => return if line.is_empty() { Ok(Vec::new()) } else { Err("wellgate-sheet-quotes") },
        }
    }
    // What is left behind a carriage return within the line would be a row of its own.
    if fed < line.len() {
        return Err("wellgate-sheet-character");
    }
    let starts = [0].into_iter().chain(ends[..ended].iter().copied());
    Ok(starts.zip(&ends[..ended]).map(|(start, end)| text[start..*end].to_vec()).collect())
}
