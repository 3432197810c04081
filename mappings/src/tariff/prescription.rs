//! The two years within which a line must be with the insurer, and how many days of them are left.

use super::days::number;
use crate::billing::Date;

/// The term in months; as `billing/checks` has it.
const MONTHS: u16 = 24;

/// How a line stands to the term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is time.
    Open,
    /// The last days have begun.
    Soon,
    /// It has passed.
    Lapsed,
}

/// What is left of the term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prescription {
    /// The last day on which the line can be sent.
    pub last_day: Date,
    /// How many days are left, 0 on the last one; negative where it has passed.
    pub days_left: i64,
    /// What that means.
    pub standing: Standing,
}

/// What is left today of the term of a line, by the first day of what was done. `warn_days`: with as many left or fewer it is soon.
pub fn prescription(first_day: Date, today: Date, warn_days: u16) -> Prescription {
    let last_day = first_day.plus_months(MONTHS);
    let days_left = number(last_day) - number(today);
    let standing = match days_left {
        ..0 => Standing::Lapsed,
        left if left <= i64::from(warn_days) => Standing::Soon,
        _ => Standing::Open,
    };
    Prescription { last_day, days_left, standing }
}
