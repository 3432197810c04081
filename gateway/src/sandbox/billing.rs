//! The made-up third party of a sandbox: a centre that bills, so that its office can be tried.

use crate::billing::BillingParty;
use crate::storage::{StorageError, Store};

/// Who bills, and under which number: its check digits hold, and it is nobody's.
const CENTRE: &str = "organization/cgg-leie";
const NUMBER: &str = "71000436000";

/// Registers it, in place of what was registered under the number.
pub(super) async fn register(store: &Store) -> Result<(), StorageError> {
    let party = BillingParty {
        nihdi: NUMBER.to_owned(),
        enterprise: "0123456749".to_owned(),
        iban: "BE71096123456769".to_owned(),
        bic: "GKCCBEBB".to_owned(),
        sector: "ambulatory".to_owned(),
        contact_name: "Voorbeeld".to_owned(),
        contact_first_name: "Guy".to_owned(),
        contact_phone: 3_290_000_000,
        ..BillingParty::default()
    };
    let record = serde_json::to_string(&party).map_err(|_| StorageError::Corrupt("a third party"))?;
    store.put_billing_party((CENTRE, NUMBER), &record).await
}
