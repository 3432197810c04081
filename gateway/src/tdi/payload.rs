//! A treatment demand as it leaves: made at the moment of sending, of what may leave at that moment.

use connectors::delivery::Message;
use mappings::tdi::{Authors, Table, TreatmentDemand, submission};
use serde_json::{Value, json};

use crate::app::Registry;
use crate::storage::treatment::TreatmentDemandRow;
use crate::storage::{StorageError, Store};

/// The partner that is told.
pub const PARTNER: &str = "sciensano";
/// What it is told.
pub const KIND: &str = "treatment-demand";

/// The message of a delivery, by its id, about a treatment demand of an organisation's own compartment. From then on it counts as sent:
/// who refuses later comes too late. None where it must not leave: it is incomplete, refused, or accepted already, another took its
/// place, or the organisation does not submit any more.
///
/// # Errors
/// [`StorageError`]; a stored record that does not read.
pub async fn payload(
    store: &Store,
    registry: &Registry,
    (delivery_id, compartment, demand_id): (&str, &str, &str),
    now_ms: i64,
) -> Result<Option<Message>, StorageError> {
    let organization = compartment.strip_prefix("organization/").and_then(|id| registry.organization(id));
    let centre = organization.and_then(|organization| registry.treatment_centre(&organization.id));
    let Some(centre) = centre.filter(|centre| !centre.register_id.is_empty()) else { return Ok(None) };
    let Some(row) = store.take_treatment_demand(compartment, demand_id, (delivery_id, now_ms)).await? else {
        return Ok(None);
    };
    let table = Table::built_in();
    let record = record(&table, &row)?;
    let authors =
        Authors { group: centre.organization_id.clone(), author: centre.organization_id.clone(), coauthor: None };
    let mut submission = submission(&table, &record, &authors);
    // The register knows it by the delivery: a repeated one is another delivery, and is asked about by its own reference.
    submission["reference"] = Value::from(delivery_id);
    let body = json!({"organizationId": centre.register_id, "submission": submission});
    Ok(Some(Message { reference: delivery_id.to_owned(), kind: KIND.to_owned(), body }))
}

/// Notes what came of a delivery: accepted, or why the register refused it. Answers whether it counted; an answer to an earlier attempt
/// does not.
///
/// # Errors
/// [`StorageError`].
pub async fn settled(
    store: &Store,
    (delivery_id, compartment, demand_id): (&str, &str, &str),
    refused: Option<&str>,
) -> Result<bool, StorageError> {
    let (state, findings) = match refused {
        None => ("accepted", "[]".to_owned()),
        Some(code) => ("rejected", json!([{"code": code, "item": "register"}]).to_string()),
    };
    store.settle_treatment_demand(compartment, demand_id, delivery_id, (state, &findings)).await
}

pub(super) fn record(table: &Table, row: &TreatmentDemandRow) -> Result<TreatmentDemand, StorageError> {
    const WRONG: StorageError = StorageError::Corrupt("a treatment demand");
    let value: Value = serde_json::from_str(&row.record).map_err(|_| WRONG)?;
    TreatmentDemand::from_value(table, &value).map_err(|_| WRONG)
}
