//! What the write of a Subscription entails: its secret is taken out and sealed, and its address is told by a handshake.

use std::collections::BTreeSet;

use mappings::json::spans::set_members;
use mappings::subscription::{Wanted, channel_without_secret, read};
use reqwest::Url;
use serde_json::Value;

use crate::access::Draft;
use crate::audit::AuditEvent;
use crate::consent::ConsentId;
use crate::error::Failure;
use crate::referral::subscribers;
use crate::routing::task::room;
use crate::storage::delivery::NewDelivery;
use crate::storage::subscription::{HANDSHAKE, SubscriptionRow, handshake_id, partner};
use crate::storage::write_set::{Method, Precondition, ResourceKey, VersionId};
use crate::vault::scope;

/// The kind of event that a Consent is not in force any more.
const CONSENT_WITHDRAWN: &str = "consent-withdrawn";

/// After a resource was put: a Subscription is told of by a handshake.
///
/// # Errors
/// 422 that names what is not served; the database is away.
pub(super) async fn follow(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    if key.resource_type != "Subscription" {
        return Ok(());
    }
    let Some(pending) = draft.pending(key.resource_type, &key.id) else { return Ok(()) };
    let (value, version) = (pending.value.clone(), pending.version);
    let wanted = read(&value).map_err(|wrong| Failure::content(wrong.expression, wrong.code, wrong.details))?;
    may_be_asked(draft, &wanted.endpoint)?;
    let stored = draft.app.store.subscription(&key.id).await?;
    if stored.is_none() {
        refuse_too_many(draft, &key.compartment).await?;
    }
    let secret = match (&wanted.secret, stored) {
        (Some(secret), _) => {
            draft
                .app
                .store
                .seal_text(&scope(&key.compartment, key.resource_type, &key.id), secret, draft.caller.now_ms)
                .await?
        }
        (None, Some(stored)) => stored.secret,
        (None, None) => {
            let details = "nothing leaves unsigned: give a subscription-secret, such as openssl rand -hex 32 makes";
            return Err(Failure::content("Subscription.channel.extension", "required", details));
        }
    };
    take_out_secret(draft, key, &value);
    let row = row(draft, key, &wanted, secret)?;
    // An earlier handshake may be under way to an earlier address.
    draft.set.voided_deliveries.push(key.clone());
    if wanted.is_off {
        draft.set.subscriptions.stopped.push(partner(&key.compartment, &key.id));
    } else {
        queue_handshake(draft, key, version);
    }
    draft.set.subscriptions.put.push(row);
    Ok(())
}

/// After a resource was deleted: a Subscription is told nothing more.
pub(super) fn end(draft: &mut Draft<'_>, key: &ResourceKey) {
    if key.resource_type == "Subscription" {
        draft.set.subscriptions.dropped.push(key.id.clone());
        draft.set.subscriptions.stopped.push(partner(&key.compartment, &key.id));
    }
}

/// After Consents of a record changed: who holds the record is told of those that are not in force any more.
///
/// # Errors
/// The database is away.
pub(super) async fn on_consents(
    draft: &mut Draft<'_>,
    compartment: &str,
    changed: &BTreeSet<ConsentId>,
) -> Result<(), Failure> {
    let Some(custodian) = draft.record(compartment).await?.map(|record| record.facts.custodian.clone()) else {
        return Ok(());
    };
    if draft.caller.registry.subscribers(&custodian, CONSENT_WITHDRAWN).next().is_none() {
        return Ok(());
    }
    for id in changed {
        let Some(pending) = draft.pending("Consent", &id.0) else { continue };
        let key = pending.key.clone();
        let is_over = pending.method == Method::Delete || !is_active(&pending.value);
        if !is_over || pending.previous.is_none() {
            continue;
        }
        let before = draft.app.store.locate("Consent", &id.0).await?.filter(|before| !before.deleted);
        let before: Value = before.and_then(|before| serde_json::from_str(&before.body).ok()).unwrap_or_default();
        if is_active(&before) {
            subscribers::tell(draft, &custodian, CONSENT_WITHDRAWN, &key);
        }
    }
    Ok(())
}

fn is_active(consent: &Value) -> bool {
    consent.get("status").and_then(Value::as_str) == Some("active")
}

/// Told when it is written, and not when something waits for it. What its name resolves to is looked at when it is asked.
fn may_be_asked(draft: &Draft<'_>, endpoint: &str) -> Result<(), Failure> {
    let wrong = |why: String| Failure::content("Subscription.channel.endpoint", "value", why);
    let url = Url::parse(endpoint).map_err(|_| wrong("is not an absolute URL".to_owned()))?;
    draft.app.guard.check(&url).map_err(|refusal| wrong(format!("is not asked: {refusal}")))
}

/// Of two requests at the same moment one is decided again.
async fn refuse_too_many(draft: &mut Draft<'_>, organization: &str) -> Result<(), Failure> {
    let name = format!("subscriptions/{organization}");
    let epoch = draft.app.store.guard_epoch(&name).await?;
    let guard = Precondition::Guard { name, epoch };
    if !draft.set.preconditions.contains(&guard) {
        draft.set.preconditions.push(guard);
    }
    let most = i64::from(draft.app.subscriptions.organization_max);
    let pending = i64::try_from(draft.set.subscriptions.put.len()).unwrap_or(i64::MAX);
    if draft.app.store.count_subscriptions(organization).await?.saturating_add(pending) >= most {
        let details = format!("an organisation has at most {most} subscriptions: delete one, or change it");
        return Err(Failure::content("Subscription", "too-costly", details));
    }
    Ok(())
}

fn take_out_secret(draft: &mut Draft<'_>, key: &ResourceKey, value: &Value) {
    let Some(channel) = channel_without_secret(value) else { return };
    if let Some(pending) = draft.resources_mut().iter_mut().find(|pending| pending.key == *key) {
        pending.text = set_members(&pending.text, &[("channel", &channel.to_string())]);
        pending.value["channel"] = channel;
    }
}

fn row(draft: &Draft<'_>, key: &ResourceKey, wanted: &Wanted, secret: String) -> Result<SubscriptionRow, Failure> {
    let known = room(&wanted.room).filter(|room| match room.split_once('/') {
        Some(("organization", id)) => draft.caller.registry.organization(id).is_some(),
        Some(("pool", id)) => draft.caller.registry.pool(id).is_some(),
        _ => false,
    });
    if known.is_none() && !wanted.room.is_empty() {
        let details = "the owner in the filter is no organisation or pool that the operator registered";
        return Err(Failure::content("Subscription.criteria.extension", "value", details));
    }
    Ok(SubscriptionRow {
        id: key.id.clone(),
        organization: key.compartment.clone(),
        topic: wanted.kind.to_owned(),
        room: known.unwrap_or_default(),
        endpoint: wanted.endpoint.clone(),
        content: wanted.content.to_owned(),
        state: if wanted.is_off { "off" } else { "requested" }.to_owned(),
        secret,
        events: 0,
    })
}

fn queue_handshake(draft: &mut Draft<'_>, key: &ResourceKey, version: VersionId) {
    draft.set.deliveries.push(NewDelivery {
        compartment: key.compartment.clone(),
        id: handshake_id(&AuditEvent::fresh_id()),
        partner: partner(&key.compartment, &key.id),
        kind: HANDSHAKE.into(),
        resource_type: key.resource_type,
        resource_id: key.id.clone(),
        version,
        due_ms: draft.caller.now_ms,
    });
}
