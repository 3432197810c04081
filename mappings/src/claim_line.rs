//! What was done, as whoever claims it says: the same from a sheet and from a FHIR Claim.

use crate::billing::Date;
use crate::identifiers::Nihdi;
use crate::tariff::Stated;

/// One thing that was done and is to be billed. It names no person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The code, six digits.
    pub code: u32,
    /// The first day.
    pub first_day: Date,
    /// The last day, not before the first.
    pub last_day: Date,
    /// How many, at least one.
    pub units: u16,
    /// Who did it: eleven digits.
    pub provider: Nihdi,
    /// Amounts that are stated, for all units; none is below zero.
    pub stated: Stated,
    /// Who prescribed it, and when.
    pub prescriber: Option<(Nihdi, Date)>,
    /// Where it was done.
    pub place: Option<Nihdi>,
    /// The convention under which it was done.
    pub convention: Option<Nihdi>,
    /// The class of tariff.
    pub relative_code: Option<u32>,
    /// The time as `HHMM`.
    pub time: Option<u16>,
    /// The day of the agreement.
    pub agreed: Option<Date>,
    /// The day of the admission, of residential rehabilitation.
    pub admitted: Option<Date>,
}
