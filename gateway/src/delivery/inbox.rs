//! Answers of insurers are fetched: each is kept before it is confirmed, so that one that is lost on the way comes again.

use connectors::gen_async::{GenAsync, Incoming};
use tokio::sync::watch;

use super::worker::Worker;
use crate::audit::Actor;
use crate::billing::{Answer, Books, partner_of};
use crate::error::Failure;
use crate::storage::billing::BillingAddress;

/// Messages that are fetched at once, where the settings allow so many.
const MESSAGES_MAX: usize = 64;
/// Pages of one inbox that are fetched before the next inbox has its turn.
const PAGES_MAX: usize = 50;

impl Worker {
    /// Fetches and finishes, again and again, until it is told to stop. Where no insurer is configured only what was left half made is
    /// finished.
    pub async fn collect_always(self, mut stopping: watch::Receiver<bool>) {
        let every = self.partners.inbox_every();
        while !*stopping.borrow() {
            if let Err(failure) = self.collect().await {
                tracing::warn!(status = failure.status().as_u16(), "answers of insurers are fetched later");
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                stop = stopping.changed() => if stop.is_err() { return },
            }
        }
    }

    /// One round: finishes files that a gateway which died left half made, and fetches what insurers have for us. Answers how many answers
    /// were new.
    ///
    /// # Errors
    /// The database is away.
    pub async fn collect(&self) -> Result<usize, Failure> {
        crate::billing::finish_left(&self.app).await?;
        let mut new = 0;
        for address in self.app.store.billing_addresses().await? {
            let partner = partner_of(&address.channel, address.federation);
            let Some(connector) = self.partners.insurer(&partner) else { continue };
            match self.fetch(&connector, &address, &partner).await {
                Ok(count) => new += count,
                // One insurer that is away does not keep the others waiting.
                Err(failure) => tracing::warn!(
                    delivery.partner = partner,
                    status = failure.status().as_u16(),
                    "the inbox of an insurer is looked at later"
                ),
            }
        }
        Ok(new)
    }

    async fn fetch(&self, connector: &GenAsync, address: &BillingAddress, partner: &str) -> Result<usize, Failure> {
        let books = Books::new(&self.app, address.compartment.clone(), Actor::gateway());
        let federation = u16::try_from(address.federation).map_err(|_| Failure::Internal("a federation"))?;
        let (mut new, mut passed) = (0, 0);
        for _ in 0..PAGES_MAX {
            let fetched = connector.fetch_past(&address.third_party, federation, (MESSAGES_MAX, passed)).await;
            let fetched = fetched.map_err(|error| {
                tracing::info!(
                    delivery.partner = partner,
                    delivery.cause = error.cause.code,
                    "an inbox could not be read"
                );
                Failure::Unavailable
            })?;
            for flaw in &fetched.flawed {
                let (of, about) =
                    ((address.third_party.as_str(), partner), (flaw.hash.as_str(), flaw.cause.code.as_str()));
                if books.note_flawed(of, about).await? {
                    tracing::warn!(
                        delivery.partner = partner,
                        delivery.cause = flaw.cause.code,
                        "an answer is not believed"
                    );
                }
            }
            // They stay where they are, in front of whatever came after them.
            let is_further = fetched.flawed.len() > passed;
            passed = fetched.flawed.len();
            let mut kept = Vec::new();
            for Incoming { hash, message_name, content, reference } in fetched.messages {
                let answer = Answer {
                    hash: hash.clone(),
                    name: message_name,
                    third_party: address.third_party.clone(),
                    partner: partner.to_owned(),
                    reference,
                    content,
                };
                new += usize::from(books.keep(&answer).await? != crate::billing::Kept::Known);
                kept.push(hash);
            }
            if kept.is_empty() {
                if fetched.has_more && is_further {
                    continue;
                }
                break;
            }
            // Only now: what is not kept must come again.
            if let Err(error) = connector.confirm(&address.third_party, federation, &kept).await {
                tracing::info!(delivery.partner = partner, delivery.cause = error.cause.code, "answers come again");
                break;
            }
            if !fetched.has_more {
                break;
            }
        }
        Ok(new)
    }
}
