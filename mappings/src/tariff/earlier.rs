//! Nothing is billed twice: a line held against earlier ones.

use super::tariffs::RecordKind;
use crate::billing::Date;

/// A line that stands, as far as it matters here: not void, credited, corrected, or given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billed<'a> {
    /// Its id.
    pub id: &'a str,
    /// Who it is for, by whatever is the same for the same person.
    pub person: &'a str,
    /// The NIHDI number of who did it, or, of a stay, of where: whatever the file names.
    pub provider: &'a str,
    /// The code.
    pub code: u32,
    /// The first day.
    pub first_day: Date,
    /// The last day.
    pub last_day: Date,
    /// The time as `HHMM`, which tells two services of one day apart; 0 for none.
    pub time: u16,
    /// Which record it becomes.
    pub record: RecordKind,
}

/// The earlier line that is the same service to the same person by the same provider on the same day; none where there is none.
///
/// The line itself is no twin of itself, and neither is the one that it corrects. Days of stays are the same where they overlap; services of
/// one day are apart only where both have a time and it is not the same.
pub fn twin<'e, 'a>(
    line: &Billed<'_>,
    corrects: Option<&str>,
    earlier: impl IntoIterator<Item = &'e Billed<'a>>,
) -> Option<&'e Billed<'a>>
where
    'a: 'e,
{
    earlier.into_iter().find(|one| one.id != line.id && Some(one.id) != corrects && is_same(line, one))
}

fn is_same(line: &Billed<'_>, one: &Billed<'_>) -> bool {
    let is_apart_by_time = line.time != 0 && one.time != 0 && line.time != one.time;
    let has_time = line.record == RecordKind::Service && one.record == RecordKind::Service;
    (line.person, line.provider, line.code) == (one.person, one.provider, one.code)
        && line.first_day <= one.last_day
        && one.first_day <= line.last_day
        && !(has_time && is_apart_by_time)
}

/// The official code of a line that was billed already.
pub fn twin_code(record: RecordKind) -> &'static str {
    match record {
        RecordKind::Stay => "300544",
        RecordKind::Service => "500544",
    }
}
