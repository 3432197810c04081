//! The operator's commands about third-party billing.

use clap::ValueEnum as _;

use super::CommandError;
use super::acts::{OperatorAct, PURGE, REGISTER};
use crate::billing::BillingParty;
use crate::cli::{BillingAction, BillingPartyArguments};
use crate::clock::{Clock, format_instant, parse_instant};
use crate::config::Config;
use crate::gateway::{self, StartError};
use crate::storage::Store;

/// Registers who is paid, or removes what is older than it is kept.
///
/// # Errors
/// The database cannot be reached, the organisation is unknown, or a number is none.
pub async fn billing(config: Config, action: BillingAction) -> Result<(), CommandError> {
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let done = match action {
        BillingAction::Party(party) => put_party(&store, party).await,
        BillingAction::Purge(purge) => remove_old(&store, (config.billing.retention_years, purge.yes)).await,
    };
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

/// Removes what came to its end before its years, or says what would go.
async fn remove_old(store: &Store, (years, is_meant): (u16, bool)) -> Result<(), CommandError> {
    let before_ms = years_before(Clock::System.now_ms(), years)
        .ok_or_else(|| CommandError::Failed("the clock is out of the calendar".to_owned()))?;
    let day: String = format_instant(before_ms).chars().take(10).collect();
    let parties = store.billing_parties("").await.map_err(StartError::Storage)?;
    let mut compartments: Vec<String> = parties.into_iter().map(|(compartment, ..)| compartment).collect();
    compartments.dedup();
    println!("Kept for {years} years: what came to its end before {day} goes.");
    for compartment in compartments {
        let organization = compartment.trim_start_matches("organization/");
        let count = store.count_old_lines(&compartment, before_ms).await.map_err(StartError::Storage)?;
        if !is_meant {
            println!("{organization}: {count} lines would go.");
            continue;
        }
        let act = OperatorAct {
            act: PURGE,
            organization: Some(organization),
            about: ("Organization", organization),
            details: &[("before", &day), ("lines", &count.to_string())],
        };
        act.keep(store).await?;
        let purged = store.purge_billing(&compartment, before_ms).await.map_err(StartError::Storage)?;
        let (lines, sendings, messages, people) = (purged.lines, purged.sendings, purged.messages, purged.people);
        println!(
            "{organization}: {lines} lines, {sendings} sendings, {messages} answers, {people} people are removed."
        );
    }
    Ok(())
}

/// The begin of the day so many years before.
fn years_before(now_ms: i64, years: u16) -> Option<i64> {
    let today = format_instant(now_ms);
    let (year, rest) = (today.get(..4)?.parse::<u16>().ok()?.checked_sub(years)?, today.get(4..10)?);
    let begin = |rest: &str| parse_instant(&format!("{year:04}{rest}T00:00:00Z"));
    // There was no such day in a common year.
    begin(rest).or_else(|| begin("-02-28"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_counted_by_the_calendar() {
        let of = |day: &str| {
            let now_ms = parse_instant(&format!("{day}T13:14:15Z")).expect("a moment");
            years_before(now_ms, 7).map(format_instant)
        };
        assert_eq!(of("2033-03-01").as_deref(), Some("2026-03-01T00:00:00.000Z"));
        assert_eq!(of("2028-02-29").as_deref(), Some("2021-02-28T00:00:00.000Z"));
    }
}
