//! Subscriptions beside their resources: who is told of what and where, and under which number each event was told.
//!
//! A number is taken by what is really told: of the last one nobody but the gateway knows until it has left, and where it did not leave
//! the next event has it. So numbers count nothing that a subscriber may not see.

use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Row};

use super::delivery::{COLUMNS, Delivery, delivery};
use super::rows::Kind::Text;
use super::rows::{Cell, Fat, Rows};
use super::write_set::WriteSet;
use super::{StorageError, Store, read, write};

/// What stands before the id of a subscription where it is the partner of a delivery.
pub const PARTNER: &str = "subscription/";
/// The kind of the delivery that asks an address whether it is one.
pub const HANDSHAKE: &str = "handshake";

/// The partner of what goes to a subscription of an organisation (`organization/<id>`).
pub fn partner(organization: &str, id: &str) -> String {
    format!("{PARTNER}{}/{id}", organization.trim_start_matches("organization/"))
}

/// The organisation (`organization/<id>`) and the subscription of such a partner; none where it is another.
pub fn subscription_of(partner: &str) -> Option<(String, &str)> {
    let (organization, id) = partner.strip_prefix(PARTNER)?.split_once('/')?;
    Some((format!("organization/{organization}"), id))
}

/// The id of a handshake, which goes before all that waits already: those of events begin with the time, and a zero.
pub fn handshake_id(fresh: &str) -> String {
    format!("0-{fresh}")
}

/// A subscription as the deliveries need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// The id of its resource.
    pub id: String,
    /// `organization/<id>` whose it is.
    pub organization: String,
    /// The kind of notice that it is told of.
    pub topic: String,
    /// The only room that it is told of; empty for every room.
    pub room: String,
    /// Where it is told.
    pub endpoint: String,
    /// `empty` or `id-only`.
    pub content: String,
    /// `requested`, `active`, `error` or `off`.
    pub state: String,
    /// What notifications are signed with, sealed.
    pub secret: String,
    /// The number of the last event that was told. A write set leaves it as it is.
    pub events: i64,
}

/// A subscription that is told of events, as the registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The id of the subscription.
    pub id: String,
    /// `organization/<id>`.
    pub organization: String,
    /// The kind of notice.
    pub topic: String,
    /// The only room; empty for every room.
    pub room: String,
}

/// An event that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionEvent {
    /// Its number, from 1.
    pub number: i64,
    /// The type it is about.
    pub resource_type: String,
    /// The resource it is about.
    pub resource_id: String,
    /// When it happened, UTC milliseconds.
    pub made_ms: i64,
}

/// What a write set changes of subscriptions.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionRows {
    /// Those that begin or are written anew.
    pub put: Vec<SubscriptionRow>,
    /// Those that are deleted, by id.
    pub dropped: Vec<String>,
    /// Id and state of those that the gateway moves.
    pub states: Vec<(String, &'static str)>,
    /// Deliveries that arrived: subscription and delivery. Its number is told from now on.
    pub told: Vec<(String, String)>,
    /// Deliveries whose last sending certainly did not arrive: subscription and delivery.
    pub not_sent: Vec<(String, String)>,
    /// Partners, see [`partner`], to whom nothing leaves of what waits.
    pub stopped: Vec<String>,
}

pub(super) static PUT_SUBSCRIPTION: LazyLock<Fat> = LazyLock::new(|| {
    let columns =
        ["id", "organization", "topic", "room", "endpoint", "content", "state", "secret"].map(|name| (name, Text));
    Fat::over(
        "INSERT INTO subscription (id, organization, topic, room, endpoint, content, state, secret, events) \
         SELECT id, organization, topic, room, endpoint, content, state, secret, 0 FROM ",
        &columns,
        " WHERE true ON CONFLICT (id) DO UPDATE SET topic = excluded.topic, room = excluded.room, endpoint = excluded.endpoint, \
         content = excluded.content, state = excluded.state, secret = excluded.secret",
    )
});

pub(super) static MOVE_SUBSCRIPTION: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE subscription SET state = q.state FROM ",
        &[("id", Text), ("state", Text)],
        " WHERE subscription.id = q.id",
    )
});

pub(super) static DROP_SUBSCRIPTION: LazyLock<Fat> =
    LazyLock::new(|| Fat::over("DELETE FROM subscription WHERE id IN (SELECT id FROM ", &[("id", Text)], ")"));

pub(super) static DROP_EVENTS: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over("DELETE FROM subscription_event WHERE subscription IN (SELECT id FROM ", &[("id", Text)], ")")
});

pub(super) static TELL_EVENT: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE subscription SET events = e.number FROM ",
        &[("id", Text), ("delivery", Text)],
        " JOIN subscription_event e ON e.subscription = q.id AND e.delivery = q.delivery \
         WHERE subscription.id = q.id AND subscription.events < e.number",
    )
});

pub(super) static KEEP_EVENT: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE subscription_event SET unsure = subscription_event.unsure - 1 FROM ",
        &[("id", Text), ("delivery", Text)],
        " WHERE subscription_event.subscription = q.id AND subscription_event.delivery = q.delivery \
         AND subscription_event.unsure > 0",
    )
});

/// As with what is overtaken: what a worker has at this moment may be on its way.
pub(super) static STOP_DELIVERIES: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE delivery SET cause = CASE WHEN asks = 1 OR state IN ('leased', 'uncertain') THEN 'perhaps-sent' ELSE 'stopped' END, \
         cause_text = '', state = 'void', fence = fence + 1 WHERE state IN ('waiting', 'leased', 'uncertain', 'held') \
         AND partner IN (SELECT partner FROM ",
        &[("partner", Text)],
        ")",
    )
});

pub(super) fn put_rows(set: &WriteSet) -> Rows<'_> {
    fn row(row: &SubscriptionRow) -> Vec<Cell<'_>> {
        let SubscriptionRow { id, organization, topic, room, endpoint, content, state, secret, events: _ } = row;
        [id, organization, topic, room, endpoint, content, state, secret].map(|text| text.as_str().into()).to_vec()
    }
    set.subscriptions.put.iter().map(row).collect()
}

pub(super) fn state_rows(set: &WriteSet) -> Rows<'_> {
    set.subscriptions.states.iter().map(|(id, state)| vec![id.as_str().into(), (*state).into()]).collect()
}

pub(super) fn dropped_rows(set: &WriteSet) -> Rows<'_> {
    set.subscriptions.dropped.iter().map(|id| vec![id.as_str().into()]).collect()
}

pub(super) fn told_rows(set: &WriteSet) -> Rows<'_> {
    pairs(&set.subscriptions.told)
}

pub(super) fn not_sent_rows(set: &WriteSet) -> Rows<'_> {
    pairs(&set.subscriptions.not_sent)
}

fn pairs(pairs: &[(String, String)]) -> Rows<'_> {
    pairs.iter().map(|(id, delivery)| vec![id.as_str().into(), delivery.as_str().into()]).collect()
}

pub(super) fn stopped_rows(set: &WriteSet) -> Rows<'_> {
    set.subscriptions.stopped.iter().map(|partner| vec![partner.as_str().into()]).collect()
}

const ROW: &str = "SELECT id, organization, topic, room, endpoint, content, state, secret, events FROM subscription ";

/// What goes to subscriptions and has not ended, word by word as in its index.
const OPEN: &str =
    "partner >= 'subscription/' AND partner < 'subscription0' AND state IN ('waiting', 'leased', 'uncertain')";

impl Store {
    /// One subscription.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn subscription(&self, id: &str) -> Result<Option<SubscriptionRow>, StorageError> {
        let sql = format!("{ROW} WHERE id = $1");
        read!(&self.database, |pool| {
            let row = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_optional(pool).await?;
            let row = row.map(|row| SubscriptionRow {
                id: row.get(0),
                organization: row.get(1),
                topic: row.get(2),
                room: row.get(3),
                endpoint: row.get(4),
                content: row.get(5),
                state: row.get(6),
                secret: row.get(7),
                events: row.get(8),
            });
            Ok(row)
        })
    }

    /// How many subscriptions an organisation has, in any state.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn count_subscriptions(&self, organization: &str) -> Result<i64, StorageError> {
        let sql = "SELECT COUNT(*) FROM subscription WHERE organization = $1";
        read!(&self.database, |pool| Ok(sqlx::query_scalar(sql).bind(organization).fetch_one(pool).await?))
    }

    /// Every subscription for which events are queued, by organisation.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn subscribers(&self) -> Result<Vec<Subscriber>, StorageError> {
        let sql = "SELECT id, organization, topic, room FROM subscription WHERE state IN ('requested', 'active') \
                   ORDER BY organization, id";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).fetch_all(pool).await?;
            let subscriber = |row: &_| Subscriber {
                id: Row::get(row, 0),
                organization: Row::get(row, 1),
                topic: Row::get(row, 2),
                room: Row::get(row, 3),
            };
            Ok(rows.iter().map(subscriber).collect())
        })
    }

    /// Up to so many events of a subscription that were told, from one number to another, both included, in their order.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn subscription_events(
        &self,
        id: &str,
        (from, until): (i64, i64),
        events_max: u32,
    ) -> Result<Vec<SubscriptionEvent>, StorageError> {
        let sql = "SELECT e.number, e.resource_type, e.resource_id, e.made_ms FROM subscription_event e \
                   JOIN subscription s ON s.id = e.subscription AND e.number <= s.events \
                   WHERE e.subscription = $1 AND e.number >= $2 AND e.number <= $3 ORDER BY e.number LIMIT CAST($4 AS BIGINT)";
        read!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(id).bind(from).bind(until).bind(i64::from(events_max));
            let rows = query.fetch_all(pool).await?;
            let event = |row: &_| SubscriptionEvent {
                number: Row::get(row, 0),
                resource_type: Row::get(row, 1),
                resource_id: Row::get(row, 2),
                made_ms: Row::get(row, 3),
            };
            Ok(rows.iter().map(event).collect())
        })
    }

    /// The number under which a delivery is told, immediately before it is: its own where it had one, that of an earlier delivery which
    /// certainly never arrived, or the next. None where there is no such subscription any more. Beyond `events_max` the oldest events
    /// are forgotten.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn number_event(&self, delivery: &Delivery, events_max: u32) -> Result<Option<i64>, StorageError> {
        let Some((_, id)) = subscription_of(&delivery.partner) else { return Ok(None) };
        // Written to be locked: a worker that slept through its lease may be here too.
        let lock = "UPDATE subscription SET events = events WHERE id = $1 RETURNING events";
        let known = "SELECT number, delivery, unsure FROM subscription_event \
                     WHERE subscription = $1 AND (delivery = $2 OR number > $3) ORDER BY number DESC";
        let put = "INSERT INTO subscription_event (subscription, number, delivery, resource_type, resource_id, made_ms, unsure) \
                   VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT (subscription, number) DO UPDATE SET \
                   delivery = excluded.delivery, resource_type = excluded.resource_type, resource_id = excluded.resource_id, \
                   made_ms = excluded.made_ms, unsure = CASE WHEN subscription_event.delivery = excluded.delivery \
                   THEN subscription_event.unsure + 1 ELSE 1 END";
        let spend = "UPDATE subscription SET events = $2 WHERE id = $1";
        let forget = "DELETE FROM subscription_event WHERE subscription = $1 AND number <= $2";
        write!(&self.database, |pool| {
            let mut tx = pool.begin().await?;
            let told: Option<i64> = sqlx::query_scalar(lock).bind(id).fetch_optional(&mut *tx).await?;
            let Some(told) = told else { return Ok(None) };
            let rows = sqlx::query(known).bind(id).bind(&delivery.id).bind(told).fetch_all(&mut *tx).await?;
            let in_hand: Vec<(i64, String, i64)> =
                rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
            let own = in_hand.iter().find(|(_, of, _)| *of == delivery.id);
            let number = match (own, in_hand.first()) {
                // Perhaps it was told: then this number is that event's for good.
                (None, Some((number, _, unsure))) if *unsure > 0 => {
                    sqlx::query(spend).bind(id).bind(number).execute(&mut *tx).await?;
                    number + 1
                }
                (Some((number, ..)), _) | (None, Some((number, ..))) => *number,
                (None, None) => told + 1,
            };
            sqlx::query(put)
                .bind(id)
                .bind(number)
                .bind(&delivery.id)
                .bind(&delivery.resource_type)
                .bind(&delivery.resource_id)
                .bind(delivery.made_ms)
                .execute(&mut *tx)
                .await?;
            sqlx::query(forget).bind(id).bind(number - i64::from(events_max)).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(Some(number))
        })
    }

    /// Takes the oldest delivery to a subscription for a worker, if it is due: nothing overtakes it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn lease_in_order(
        &self,
        partner: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Delivery>, StorageError> {
        // The condition stands in the UPDATE: of two workers that found the same row, the later finds it taken.
        let sql = format!(
            "UPDATE delivery SET asks = CASE WHEN state = 'waiting' THEN asks ELSE 1 END, \
             attempts = attempts + CASE WHEN state = 'waiting' AND asks = 0 THEN 1 ELSE 0 END, \
             state = 'leased', leased_until_ms = $3, due_ms = $3, fence = fence + 1 \
             WHERE {OPEN} AND due_ms <= $2 AND (compartment, id) IN (SELECT compartment, id FROM delivery \
             WHERE partner = $1 AND {OPEN} ORDER BY id LIMIT 1) RETURNING {COLUMNS}, NULL"
        );
        write!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(partner).bind(now_ms).bind(until_ms);
            let rows = query.fetch_all(pool).await?;
            Ok(rows.iter().map(delivery).collect())
        })
    }
}
