//! Treatment demands: what a treatment centre registers of the treatments that begin, beside the dossier and independent of its custody.
//!
//! The record is written with the response from which it is read, in the same write set, into the organisation's own compartment. What
//! it may say is decided in `mappings`; whether the person refuses it, in `consent`. Care is not touched by either.

mod contact;
mod payload;
mod refusal;
mod respond;
mod year;

pub use payload::{KIND, PARTNER, payload, settled};
pub use refusal::on_consent;
pub use respond::{on_encounter, on_response};
pub use year::{Year, batch_file, report};

use mappings::identifiers::{SSIN_SYSTEM, Ssin};
use mappings::tdi::{Date, Pseudonym};
use serde_json::Value;

use crate::access::Draft;
use crate::clock::format_instant;
use crate::consent::{LawRule, TREATMENT_REGISTER};
use crate::error::Failure;
use crate::storage::Store;
use crate::storage::write_set::ResourceKey;

/// On what it rests that a treatment is registered.
const REGISTER_RULE: LawRule = LawRule("treatment-register");
/// The type under which deliveries and the trail name a record of the register: it is no resource of its own.
const RESOURCE_TYPE: &str = "Basic";
/// A day begins in Belgium up to so long before it does in UTC.
const AHEAD_MS: i64 = 2 * 60 * 60 * 1000;

/// The keyed name of a dossier in the register.
fn subject(store: &Store, compartment: &str) -> String {
    store.veil(&format!("treatment {compartment}"))
}

/// The day in Belgium; in winter from an hour before midnight on the next, which only makes a rule about today milder.
///
/// # Errors
/// The clock is out of the calendar.
pub fn today(now_ms: i64) -> Result<Date, Failure> {
    Date::of_date_time(&format_instant(now_ms + AHEAD_MS)).ok_or(Failure::Internal("the clock is out of the calendar"))
}

/// What stands for the person of a dossier at the register; none where there is no number, or none whose check digits hold.
async fn pseudonym(draft: &Draft<'_>, compartment: &str) -> Result<Option<Pseudonym>, Failure> {
    let key = ResourceKey { compartment: compartment.to_owned(), resource_type: "Patient", id: compartment.to_owned() };
    let Some(patient) = draft.content(&key).await? else { return Ok(None) };
    let identifiers = patient.content.value.get("identifier").and_then(Value::as_array).cloned().unwrap_or_default();
    let numbers = identifiers.iter().filter(|one| one.get("system").and_then(Value::as_str) == Some(SSIN_SYSTEM));
    let number = numbers.filter_map(|one| Ssin::parse(one.get("value")?.as_str()?).ok()).find(Ssin::check_digits_hold);
    let bytes = number.and_then(|number| draft.app.store.pseudonym(TREATMENT_REGISTER, number.as_str()));
    Ok(bytes.map(|bytes| Pseudonym::of_bytes(&bytes)))
}
