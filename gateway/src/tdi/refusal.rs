//! A refusal to be registered: what has not left yet does not leave, and nothing of it is kept but its day.

use serde_json::Value;

use super::{RESOURCE_TYPE, subject};
use crate::access::Draft;
use crate::consent::refuses_registration;
use crate::error::Failure;
use crate::storage::write_set::{Method, ResourceKey};

/// Whether a Consent of the record refuses the register, as the draft would leave it.
///
/// # Errors
/// The database is away, or a stored Consent is not JSON: then nothing is registered.
pub(super) async fn is_refused(draft: &Draft<'_>, compartment: &str) -> Result<bool, Failure> {
    let is_pending = |id: &str| draft.pending("Consent", id).is_some();
    let of_record = draft.resources().iter().filter(|resource| resource.key.compartment == compartment);
    let mut written = of_record.filter(|resource| resource.key.resource_type == "Consent");
    if written.any(|resource| resource.method != Method::Delete && refuses_registration(&resource.value)) {
        return Ok(true);
    }
    for stored in draft.app.store.consents_and_patient(compartment).await? {
        if stored.key.resource_type != "Consent" || is_pending(&stored.key.id) {
            continue;
        }
        let consent: Value =
            serde_json::from_str(&stored.body).map_err(|_| Failure::Internal("a stored Consent is not JSON"))?;
        if refuses_registration(&consent) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// After a Consent of a record was put: one that refuses the register ends whatever of this record has not been sent, whoever
/// registered it.
///
/// # Errors
/// The database is away.
pub async fn on_consent(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    if !draft.pending("Consent", &key.id).is_some_and(|consent| refuses_registration(&consent.value)) {
        return Ok(());
    }
    let subject = subject(&draft.app.store, &key.compartment);
    for row in draft.app.store.unsent_treatment_demands(&subject).await? {
        draft.set.voided_deliveries.push(ResourceKey {
            compartment: row.compartment.clone(),
            resource_type: RESOURCE_TYPE,
            id: row.id.clone(),
        });
        draft.set.treatment.ended.push((row.compartment, row.id, "refused"));
    }
    Ok(())
}
