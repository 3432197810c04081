//! `[billing]`: third-party billing: what is billed for how much, and how often a file may go.

use std::path::PathBuf;

use super::keys::Fallback::{Absent, Value};
use super::keys::Form::{Integer, Text};
use super::keys::{Key, key};
use super::reader::Reader;

/// Among which files there is one a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneFileADay {
    /// Of one third party to one federation.
    Federation,
    /// Of one third party, wherever it goes.
    Provider,
    /// As many as one likes.
    Unlimited,
}

/// `[billing]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingConfig {
    /// Whether files count: `false` makes them trials.
    pub is_production: bool,
    /// Among which files there is one a day.
    pub one_file_a_day: OneFileADay,
    /// Days before prescription from which it is warned.
    pub warn_days: u16,
    /// Years after which what came to its end may be removed.
    pub retention_years: u16,
    /// Who bills what by which channel; as shipped where there is none.
    pub channels_file: Option<PathBuf>,
    /// Codes and amounts; none are shipped.
    pub tariffs_file: Option<PathBuf>,
    /// The mutualities; as shipped where there is none.
    pub mutualities_file: Option<PathBuf>,
    /// The care funds; none are shipped.
    pub care_funds_file: Option<PathBuf>,
    /// Which codes of insurability pay which share; as shipped where there is none.
    pub insurability_file: Option<PathBuf>,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "billing",
        "environment",
        Text,
        Value("test"),
        "`test`: files say that they are trials; `production`: they count, and are paid.",
    ),
    key(
        "billing",
        "one_file_a_day",
        Text,
        Value("federation"),
        "Insurers refuse a second eFact file of a day (100724). Whether that means one to each federation or one in all is not \
         published: `federation`, `provider`, or `unlimited`.",
    ),
    key(
        "billing",
        "prescription_warning_days",
        Integer(0, 700),
        Value("90"),
        "Days before the two years are over from which the work list warns of a line that is not paid.",
    ),
    key(
        "billing",
        "retention_years",
        Integer(7, 100),
        Value("7"),
        "Years for which lines that were paid, written off or taken out are kept, with their files and answers. After them \
         `wellgate billing purge` removes them; by itself nothing goes.",
    ),
    key(
        "billing",
        "channels_file",
        Text,
        Absent,
        "CSV file that says who bills what by which channel, in place of the one that is shipped (docs/tariffs.md).",
    ),
    key(
        "billing",
        "tariffs_file",
        Text,
        Absent,
        "CSV file with codes and amounts by day (docs/tariffs.md). None is shipped: without it nothing has a price but what says its own.",
    ),
    key(
        "billing",
        "mutualities_file",
        Text,
        Absent,
        "CSV file with the mutualities and their federations, in place of the one that is shipped.",
    ),
    key("billing", "care_funds_file", Text, Absent, "CSV file with the care funds and their numbers. None is shipped."),
    key(
        "billing",
        "insurability_file",
        Text,
        Absent,
        "CSV file that says which codes of insurability pay the lower share, in place of the one that is shipped.",
    ),
];

pub(super) fn read(reader: &mut Reader) -> BillingConfig {
    let file = |reader: &mut Reader, key: &str| reader.optional_text(key).map(PathBuf::from);
    BillingConfig {
        is_production: match reader.text("billing.environment").as_str() {
            "production" => true,
            "test" => false,
            _ => {
                reader.fail("billing.environment", "is test or production");
                false
            }
        },
        one_file_a_day: match reader.text("billing.one_file_a_day").as_str() {
            "provider" => OneFileADay::Provider,
            "unlimited" => OneFileADay::Unlimited,
            "federation" => OneFileADay::Federation,
            _ => {
                reader.fail("billing.one_file_a_day", "is federation, provider or unlimited");
                OneFileADay::Federation
            }
        },
        warn_days: u16::try_from(reader.integer("billing.prescription_warning_days")).unwrap_or(u16::MAX),
        retention_years: u16::try_from(reader.integer("billing.retention_years")).unwrap_or(u16::MAX),
        channels_file: file(reader, "billing.channels_file"),
        tariffs_file: file(reader, "billing.tariffs_file"),
        mutualities_file: file(reader, "billing.mutualities_file"),
        care_funds_file: file(reader, "billing.care_funds_file"),
        insurability_file: file(reader, "billing.insurability_file"),
    }
}
