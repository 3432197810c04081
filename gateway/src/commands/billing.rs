//! The operator's commands about third-party billing.

use clap::ValueEnum as _;

use super::CommandError;
use super::acts::{OperatorAct, REGISTER};
use crate::billing::BillingParty;
use crate::cli::{BillingAction, BillingPartyArguments};
use crate::config::Config;
use crate::gateway::{self, StartError};
use crate::storage::Store;

/// Registers who is paid.
///
/// # Errors
/// The database cannot be reached, the organisation is unknown, or a number is none.
pub async fn billing(config: Config, action: BillingAction) -> Result<(), CommandError> {
    let BillingAction::Party(party) = action;
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let done = put_party(&store, party).await;
    store.close().await;
    done
}

async fn put_party(store: &Store, asked: BillingPartyArguments) -> Result<(), CommandError> {
    let rows = store.registry().await.map_err(StartError::Storage)?;
    if rows.organizations.iter().all(|row| row.id != asked.organization) {
        return Err(CommandError::Wrong(format!("no organisation '{}' is registered", asked.organization)));
    }
    let sector = asked.sector.to_possible_value().map(|value| value.get_name().to_owned());
    let party = BillingParty {
        nihdi: asked.nihdi,
        enterprise: asked.cbe,
        iban: asked.iban.split_whitespace().collect::<String>().to_uppercase(),
        bic: asked.bic.to_uppercase(),
        sector: sector.unwrap_or_default(),
        profession: asked.profession,
        accreditation: asked.accreditation,
        contact_name: asked.contact_name,
        contact_first_name: asked.contact_first_name,
        contact_phone: asked.contact_phone,
    };
    if let Some(wrong) = party.fault() {
        return Err(CommandError::Wrong(wrong.to_owned()));
    }
    let compartment = format!("organization/{}", asked.organization);
    let others = store.billing_parties("").await.map_err(StartError::Storage)?;
    if others.iter().any(|(of, number, _)| *number == party.nihdi && *of != compartment) {
        let text = "another organisation is paid under this number: insurers would answer one for the other";
        return Err(CommandError::Wrong(text.to_owned()));
    }
    let act = OperatorAct {
        act: REGISTER,
        organization: Some(&asked.organization),
        about: ("Organization", &asked.organization),
        details: &[("third-party", &party.nihdi)],
    };
    act.keep(store).await?;
    let record = serde_json::to_string(&party).map_err(|error| CommandError::Failed(error.to_string()))?;
    store.put_billing_party((&compartment, &party.nihdi), &record).await.map_err(StartError::Storage)?;
    println!("{} is paid for Organization/{}.", party.nihdi, asked.organization);
    Ok(())
}
