//! A sealed file leaves: what a delivery carries, and what follows for the books from what came of it.

use serde_json::{Value, json};

use super::Books;
use super::detail::Finding;
use super::states::{LineState, SendingState};
use crate::access::caller::Act;
use crate::app::App;
use crate::audit::seal::hex;
use crate::audit::{Actor, AuditEvent};
use crate::error::Failure;
use crate::queue::{Next, State};
use crate::storage::StorageError;
use crate::storage::billing::{MovedLines, SendingRow};
use crate::storage::delivery::Delivery;
use crate::storage::write_set::{Precondition, WriteSet};
use mappings::billing::Severity;
use sha2::{Digest, Sha256};

/// A file leaves.
const SEND: Act = Act::new("R", "billing-send");
/// What the delivery of a file is called.
pub const KIND: &str = "invoice-file";
/// The type under which deliveries and the trail name a sending: it is no resource of its own.
pub(super) const RESOURCE_TYPE: &str = "Basic";

/// The partner to whom a file of a channel and federation goes: `mutuality/300` or `care-fund/701`.
pub fn partner_of(channel: &str, federation: i64) -> String {
    let kind = if channel == "efact" { "mutuality" } else { "care-fund" };
    format!("{kind}/{federation}")
}

/// What is sent: the very file that was sealed. None where it must not leave: it has left, or was made void.
///
/// # Errors
/// The database or the key store is away.
pub async fn payload(app: &App, delivery: &Delivery) -> Result<Option<Value>, Failure> {
    let store = &app.store;
    let Some(sending) = store.sending(&delivery.compartment, &delivery.resource_id).await? else { return Ok(None) };
    if sending.state != SendingState::Sealed.code() || delivery.version_id != sending.attempt {
        return Ok(None);
    }
    let mut content = String::with_capacity(usize::try_from(sending.file_bytes).unwrap_or(0));
    let mut part = 0;
    while let Some(text) = file_part(app, &sending, part).await? {
        content.push_str(&text);
        part += 1;
    }
    if hex(&Sha256::digest(content.as_bytes())) != sending.file_hash {
        return Err(StorageError::Corrupt("a sealed file").into());
    }
    // On record before it leaves, whatever comes of it.
    let (number, lines) = (format!("{}-{}", sending.year, sending.number), sending.lines.to_string());
    let said = [("sending", sending.id.as_str()), ("number", &number), ("to", &delivery.partner), ("lines", &lines)];
    let books = Books::new(app, sending.compartment.clone(), Actor::gateway());
    let event = AuditEvent { purpose: "HPAYMT".to_owned(), ..books.event(SEND, &said) };
    store.record_only(vec![event]).await?;
    Ok(Some(json!({
        "federation": sending.federation,
        "thirdParty": sending.third_party,
        "inputReference": format!("{:014}", sending.reference),
        "content": content,
    })))
}

/// One part of the file that was sent, from 0 on; none after the last.
///
/// # Errors
/// The database or the key store is away.
async fn file_part(app: &App, sending: &SendingRow, part: i64) -> Result<Option<String>, Failure> {
    let of = (sending.compartment.as_str(), sending.parts.as_str());
    match app.store.billing_part(of, (sending.attempt, part)).await? {
        None => Ok(None),
        Some(sealed) => Ok(Some(app.store.open_text(&sealed).await?)),
    }
}

impl Books<'_> {
    /// One part of the very file of a sending, from 0 on; none after the last.
    ///
    /// # Errors
    /// The database or the key store is away.
    pub async fn file_part(&self, sending: &SendingRow, part: i64) -> Result<Option<String>, Failure> {
        file_part(self.app, sending, part).await
    }
}

/// What follows from what came of a delivery, put into the write set that settles it.
///
/// # Errors
/// The database is away.
pub async fn delivered(app: &App, delivery: &Delivery, next: &Next, set: &mut WriteSet) -> Result<(), Failure> {
    if delivery.kind != KIND || !matches!(next.state, State::Delivered | State::Rejected) {
        return Ok(());
    }
    let name = format!("billing {}", delivery.compartment);
    let epoch = app.store.guard_epoch(&name).await?;
    let Some(mut sending) = app.store.sending(&delivery.compartment, &delivery.resource_id).await? else {
        return Ok(());
    };
    // An answer may have been faster, or the file was made anew.
    if sending.state != SendingState::Sealed.code() || delivery.version_id != sending.attempt {
        return Ok(());
    }
    let now_ms = app.clock.now_ms();
    let (state, follows) = if next.state == State::Delivered {
        (SendingState::Sent, LineState::Sent)
    } else {
        let code = next.cause.as_ref().map(|cause| cause.code.clone()).unwrap_or_default();
        sending.remark = Finding::write(&[Finding::new("wellgate-not-taken", Severity::Blocking, code)]);
        (SendingState::RefusedTechnical, LineState::Ready)
    };
    state.code().clone_into(&mut sending.state);
    sending.changed_ms = now_ms;
    set.preconditions.push(Precondition::Guard { name, epoch });
    set.billing.moved.push(MovedLines {
        compartment: sending.compartment.clone(),
        sending: sending.id.clone(),
        was: LineState::Sealed.code(),
        state: follows.code(),
        now_ms,
    });
    set.billing.sendings.push(sending);
    Ok(())
}
