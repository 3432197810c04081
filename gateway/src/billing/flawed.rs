//! What came into an inbox and is not believed: nothing of it counts, and it is not confirmed, but the clerk sees that it came.

use sha2::{Digest, Sha256};

use super::Books;
use super::answer::ANSWER;
use super::detail::Finding;
use crate::audit::seal::hex;
use crate::error::Failure;
use crate::storage::billing::BillingMessageRow;
use crate::storage::write_set::WriteSet;
use mappings::billing::Severity;

/// What is remarked of it.
const FLAWED: &str = "wellgate-answer-flawed";

impl Books<'_> {
    /// Notes that a message is not believed: with the hash that it states, which may be that of a sound one, and why. It comes again and
    /// again, and is noted once; answers whether it was new.
    ///
    /// # Errors
    /// The database is away.
    pub async fn note_flawed(
        &self,
        (third_party, partner): (&str, &str),
        (stated, cause): (&str, &str),
    ) -> Result<bool, Failure> {
        // A name of its own: under the one that it states the sound one is kept.
        let hash = hex(&Sha256::digest(format!("flawed {third_party} {partner} {stated} {cause}").as_bytes()));
        let name = cause.rsplit('.').next().unwrap_or(cause);
        self.decided(|| {
            let hash = hash.clone();
            Box::pin(async move {
                let mut set = WriteSet::default();
                if self.app.store.billing_message(&self.compartment, &hash).await?.is_some() {
                    return Ok((set, false));
                }
                set.audit
                    .push(self.event(ANSWER, &[("message", name), ("from", partner), ("outcome", "not-believed")]));
                set.billing.messages.push(BillingMessageRow {
                    compartment: self.compartment.clone(),
                    hash,
                    third_party: third_party.to_owned(),
                    partner: partner.to_owned(),
                    name: name.to_owned(),
                    state: "unknown".to_owned(),
                    remark: Finding::write(&[Finding::new(FLAWED, Severity::Signal, "")]),
                    received_ms: self.now_ms(),
                    ..BillingMessageRow::default()
                });
                Ok((set, true))
            })
        })
        .await
    }
}
