//! Record 52: how the person's document was read, against the service before it, in either layout.

use super::Checker;
use crate::billing::Date;
use crate::billing::check_digits::agreement_holds;
use crate::billing::records::{OldReadingRecord, ReadingRecord};
use crate::billing::value::PatientNumber;

/// Checks record 52.
pub(super) fn reading(checker: &mut Checker, reading: &ReadingRecord) {
    agrees(checker, reading.code, reading.first_day, reading.patient, reading.provider);
    let (kind, medium) = (reading.reading.as_str(), reading.medium.as_str());
    let is_manual = kind == "4";
    checker.note_if(kind.is_empty(), "520904");
    checker.note_if(!kind.is_empty() && !matches!(kind, "1" | "2" | "3" | "4" | "A"), "520903");
    // The lists of documents that are published contradict each other: every character that one of them has is taken.
    let is_known = medium.is_empty() || matches!(medium, "A") || medium.bytes().all(|byte| byte.is_ascii_digit());
    checker.note_if(!is_known, "521003");
    checker.note_if(is_manual && reading.manual_reason == 0, "520304");
    checker.note_if(!is_manual && reading.manual_reason != 0, "520310");
    checker.note_if(matches!(reading.manual_reason, 7 | 9), "520303");
    let is_free = is_manual || reading.manual_reason == 3;
    checker.note_if(!is_free && reading.read.is_none(), "520604");
    checker.note_if(!is_free && reading.read.is_none() && reading.read_time == 0, "521204");
    checker.note_if(medium == "7" && reading.vignette_reason == 0, "521104");
    checker.note_if(medium != "7" && reading.vignette_reason != 0, "521110");
    let agreement = reading.agreement.as_str();
    if !agreement.is_empty() && !agreement_holds(&format!("{agreement:0>20}")) {
        checker.own("wellgate-agreement", None);
    }
}

/// Checks record 52 in the layout of months before 2017.
pub(super) fn old_reading(checker: &mut Checker, reading: &OldReadingRecord) {
    agrees(checker, reading.code, reading.first_day, reading.patient, reading.provider);
}

fn agrees(checker: &mut Checker, code: u32, day: Option<Date>, patient: PatientNumber, provider: u64) {
    let Some(open) = &checker.invoice else { return };
    let Some(service) = &open.service else { return };
    let differs = [
        (code != service.code, "520412"),
        (day != service.first_day, "520512"),
        (patient != open.head.patient, "520812"),
        (provider != service.provider, "521512"),
    ];
    for (is_wrong, code) in differs {
        checker.note_if(is_wrong, code);
    }
}
