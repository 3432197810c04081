//! `wellgate deliveries`.

use std::sync::Arc;

use clap::ValueEnum as _;
use clap::builder::PossibleValue;

use super::CommandError;
use crate::access::Caller;
use crate::app::Registry;
use crate::cli::{Decided, DeliveriesAction, DeliveryState, Listed};
use crate::clock::{Clock, format_instant};
use crate::config::Config;
use crate::delivery;
use crate::gateway::{self, StartError};
use crate::queue::NEVER_MS;
use crate::storage::Store;
use crate::storage::delivery::Delivery;

/// How many deliveries are printed at once.
const PRINTED_MAX: u32 = 10_000;
const HOUR_MS: i64 = 3_600_000;

/// Shows deliveries, or decides about them.
///
/// # Errors
/// The database cannot be reached; an id is not known, or in no state for that.
pub async fn deliveries(config: Config, action: DeliveriesAction) -> Result<(), CommandError> {
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let now_ms = Clock::System.now_ms();
    let done = match action {
        DeliveriesAction::List(listed) => list(&store, &listed, now_ms).await,
        DeliveriesAction::Show(shown) => show(&store, &shown.id, now_ms).await,
        DeliveriesAction::Release(decided) => {
            let ids = ids(&store, decided).await?;
            decide(&store, &ids, delivery::Decided::Release, now_ms).await
        }
        DeliveriesAction::Abandon(decided) => {
            let ids = ids(&store, decided).await?;
            decide(&store, &ids, delivery::Decided::Abandon, now_ms).await
        }
        DeliveriesAction::Rerun(rerun) => decide(&store, &rerun.ids, delivery::Decided::Rerun, now_ms).await,
    };
    store.close().await;
    done
}

async fn list(store: &Store, listed: &Listed, now_ms: i64) -> Result<(), CommandError> {
    let value = listed.state.and_then(|state| state.to_possible_value());
    let state = value.as_ref().map(PossibleValue::get_name);
    let found = store.list_deliveries(state, listed.partner.as_deref(), PRINTED_MAX).await;
    let (deliveries, total) = found.map_err(StartError::Storage)?;
    if listed.state == Some(DeliveryState::Held) {
        match store.restoration().await.map_err(StartError::Storage)? {
            None => println!("This database was never restored, and nothing is held."),
            Some(restoration) => println!(
                "Restored on {} to the state of {}: {total} deliveries are held. Each waited in that state and may have left since.",
                format_instant(restoration.restored_ms),
                format_instant(restoration.taken_ms)
            ),
        }
    } else {
        println!("{total} deliveries.");
    }
    for delivery in &deliveries {
        println!("{}", line(delivery, now_ms));
    }
    if i64::try_from(deliveries.len()).is_ok_and(|printed| printed < total) {
        println!("… and more: narrow it by --state or --partner.");
    }
    Ok(())
}

/// One delivery: its id, its state, its cause and whom it is for, what it is about, and its age.
fn line(delivery: &Delivery, now_ms: i64) -> String {
    let Delivery { id, partner, kind, resource_type, resource_id, state, .. } = delivery;
    let order =
        delivery.service_request.as_ref().map(|order| format!(" of ServiceRequest/{order}")).unwrap_or_default();
    let hours = now_ms.saturating_sub(delivery.made_ms) / HOUR_MS;
    let (days, hours) = (hours / 24, hours % 24);
    let was = match delivery.held_from.as_str() {
        "" => String::new(),
        "waiting" => ", was waiting".to_owned(),
        was => format!(", was {was}, perhaps on its way then"),
    };
    let cause = if delivery.cause.is_empty() { String::new() } else { format!(", {}", delivery.cause) };
    format!(
        "{id}  {state}  {kind} to {partner}, about {resource_type}/{resource_id}{order}, {days} d {hours} h old{was}{cause}"
    )
}

async fn show(store: &Store, id: &str, now_ms: i64) -> Result<(), CommandError> {
    let delivery = known(store, id).await?;
    println!("{}", line(&delivery, now_ms));
    println!(
        "queued {}, sent {} times, asked about {} times",
        format_instant(delivery.made_ms),
        delivery.attempts,
        delivery.inquiries
    );
    if !delivery.cause_text.is_empty() {
        println!("{}: {}", delivery.cause, delivery.cause_text);
    }
    if !delivery.parent.is_empty() {
        println!("it repeats {}", delivery.parent);
    }
    println!("{}", what_follows(&delivery));
    Ok(())
}

fn what_follows(delivery: &Delivery) -> String {
    match delivery.state.as_str() {
        "waiting" if delivery.asks => format!("its partner is asked at {}, or when it has a channel", format_instant(delivery.due_ms)),
        "waiting" => format!("it is sent at {}, or when its partner has a channel", format_instant(delivery.due_ms)),
        "leased" => format!("a gateway has it until {}; then its partner is asked", format_instant(delivery.due_ms)),
        "uncertain" if delivery.due_ms == NEVER_MS => {
            "nobody knows whether it arrived, and its partner cannot be asked or does not answer: ask a person there, then abandon it, and rerun it if it \
             did not arrive"
                .to_owned()
        }
        "uncertain" => format!("its partner is asked at {}", format_instant(delivery.due_ms)),
        "held" => "nothing happens until you release or abandon it".to_owned(),
        _ if delivery.settled_ms == 0 => "it has ended".to_owned(),
        _ => format!("it ended at {}", format_instant(delivery.settled_ms)),
    }
}

async fn known(store: &Store, id: &str) -> Result<Delivery, CommandError> {
    let found = store.delivery(id).await.map_err(StartError::Storage)?;
    found.ok_or_else(|| CommandError::Wrong(format!("there is no delivery '{id}'")))
}

async fn ids(store: &Store, decided: Decided) -> Result<Vec<String>, CommandError> {
    if !decided.held {
        return Ok(decided.ids);
    }
    let (held, _) = store.list_deliveries(Some("held"), None, u32::MAX).await.map_err(StartError::Storage)?;
    Ok(held.into_iter().map(|delivery| delivery.id).collect())
}

async fn decide(store: &Store, ids: &[String], decided: delivery::Decided, now_ms: i64) -> Result<(), CommandError> {
    let registry = Arc::new(Registry::new(store.registry().await.map_err(StartError::Storage)?));
    let caller = Caller::gateway(registry, now_ms);
    for (done, id) in ids.iter().enumerate() {
        let wrong = |why: &str| CommandError::Wrong(format!("'{id}': {why}; {done} before it were decided on"));
        let found = store.delivery(id).await.map_err(StartError::Storage)?;
        let delivery = found.ok_or_else(|| wrong("there is no such delivery"))?;
        if let Some(objection) = decided.objection(&delivery) {
            return Err(wrong(objection));
        }
        let left = delivery::decide(store, &caller, &delivery, decided).await.map_err(StartError::Storage)?;
        let Some(left) = left else { return Err(wrong("it moved at this moment: look at it again")) };
        if left != *id {
            println!("{left} repeats {id}");
        }
    }
    let count = ids.len();
    match decided {
        delivery::Decided::Release => println!("{count} deliveries may leave; Consents are asked again before each."),
        delivery::Decided::Abandon => println!("{count} deliveries are given up."),
        delivery::Decided::Rerun => println!("{count} deliveries are sent again; Consents are asked before each."),
    }
    Ok(())
}
