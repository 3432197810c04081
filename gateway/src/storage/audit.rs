//! Reading the trail, and counting refusals of callers who did not say who they are.

use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Row};

use super::resource::{Shows, Touched, Unrecorded};
use super::rows::{Fat, Kind};
use super::sight::{
    Level, OPEN_TO_PRACTITIONER, TRAIL_OPEN_TO_PRACTITIONER, VIEWER, Viewer, bind_viewer, of_person, of_viewer,
};
use super::{StorageError, Store, read, write};
use crate::audit::event::StoredEvent;
use Kind::{Integer, Text};

/// Writes events with their places; the columns stand in `audit::seal` too.
pub(super) static PUT_AUDIT: LazyLock<Fat> = LazyLock::new(|| {
    Fat::insert(
        "audit_event",
        &[
            ("compartment", Text),
            ("id", Text),
            ("recorded_ms", Integer),
            ("action", Text),
            ("subtype", Text),
            ("outcome", Text),
            ("reason", Text),
            ("organization", Text),
            ("client", Text),
            ("practitioner", Text),
            ("purpose", Text),
            ("basis", Text),
            ("resource_type", Text),
            ("resource_id", Text),
            ("version_id", Integer),
            ("request_id", Text),
            ("case_id", Text),
            ("network", Text),
            ("query", Text),
            ("consents", Text),
            ("chain", Integer),
            ("sequence", Integer),
            ("mark", Text),
        ],
        "",
    )
});

/// The columns of event `a`, in the order in which [`stored_event`] takes them.
pub(super) const EVENT: &str = "a.compartment, a.id, a.recorded_ms, a.action, a.subtype, a.outcome, a.reason, a.organization, a.client, a.practitioner, \
     a.purpose, a.basis, a.resource_type, a.resource_id, a.version_id, a.request_id, a.case_id, a.network, a.query, a.consents";

/// The event of a row that begins with the columns of [`EVENT`].
macro_rules! stored_event {
    ($row:expr) => {{
        let row = $row;
        $crate::audit::event::StoredEvent {
            compartment: row.get(0),
            id: row.get(1),
            recorded_ms: row.get(2),
            action: row.get(3),
            subtype: row.get(4),
            outcome: row.get(5),
            reason: row.get(6),
            organization: row.get(7),
            client: row.get(8),
            practitioner: row.get(9),
            purpose: row.get(10),
            basis: row.get(11),
            resource_type: row.get(12),
            resource_id: row.get(13),
            version_id: row.get(14),
            request_id: row.get(15),
            case_id: row.get(16),
            network: row.get(17),
            query: row.get(18),
            consents: row.get(19),
        }
    }};
}
pub(super) use stored_event;

impl Shows for Vec<StoredEvent> {
    fn touched(&self) -> Vec<Touched> {
        let mut touched: Vec<Touched> = Vec::new();
        for event in self {
            if touched.iter().all(|other| other.compartment != event.compartment) {
                touched.push(Touched {
                    compartment: event.compartment.clone(),
                    resource_type: "AuditEvent".to_owned(),
                    resource_id: event.id.clone(),
                    version_id: 0,
                    level: Level::Held,
                });
            }
        }
        touched
    }
}

/// Which events of a trail are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// One record, or every one that the viewer holds.
    pub compartment: Option<String>,
    /// One event.
    pub id: Option<String>,
    /// From this moment on (UTC milliseconds).
    pub from_ms: Option<i64>,
    /// Before this moment.
    pub until_ms: Option<i64>,
    /// `0` or `8`.
    pub outcome: Option<String>,
    /// Events before this id, newest first.
    pub before: Option<String>,
    /// Events of a page; one more is answered to tell whether there is a next.
    pub count: u32,
}

/// A trail is read by the record's custodian, where no closure shuts it out and nothing keeps the very practitioner from the
/// record: who looked for whom is itself a disclosure.
const SEEN: &str = concat!(
    "EXISTS (SELECT 1 FROM record c WHERE c.compartment = a.compartment AND c.custodian = v.organization) \
     AND NOT EXISTS (SELECT 1 FROM closure x WHERE x.compartment = a.compartment AND ",
    of_viewer!("x.grantee"),
    ")"
);

/// Whether neither role nor exclusion keeps viewer `v` from what is told about a whole record: its trail, its emergencies. What belongs
/// to the organisation itself is nobody's record.
pub(super) fn is_told_of_record(compartment: &str) -> String {
    format!(
        "(v.types = '' OR v.types LIKE '%,AuditEvent,%') AND (v.practitioner = '' OR {compartment} = v.organization \
         OR {})",
        of_patient(compartment, TRAIL_OPEN_TO_PRACTITIONER)
    )
}

/// Whether nothing keeps the practitioner of viewer `v` from a record as a whole. It says nothing of what the organisation sees.
pub(super) fn is_open_to_practitioner(compartment: &str) -> String {
    format!("(v.practitioner = '' OR {})", of_patient(compartment, OPEN_TO_PRACTITIONER))
}

/// Whether a rule about Patient row `r` holds for the Patient of a record.
fn of_patient(compartment: &str, rule: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM resource r WHERE r.compartment = {compartment} AND r.resource_type = 'Patient' \
         AND r.id = {compartment} AND {rule})"
    )
}

/// The person reads the trail of the own record, or of that which is represented, and what is kept in the own compartment.
const SEEN_BY_PERSON: &str = concat!("(a.compartment = v.person OR ", of_person!("a.compartment"), ")");

fn matching(viewer: &Viewer, filter: &EventFilter) -> String {
    let is_person = !viewer.person.is_empty();
    let seen = if is_person { SEEN_BY_PERSON } else { SEEN };
    // Of a person no role and no practitioner is known, and so nothing keeps them.
    let mut sql = format!(" FROM v CROSS JOIN audit_event a WHERE {seen} AND {}", is_told_of_record("a.compartment"));
    if filter.compartment.is_some() {
        sql.push_str(" AND a.compartment = $9");
    } else if is_person {
        sql.push_str(
            " AND a.compartment IN (SELECT v.person UNION ALL SELECT $9 UNION ALL \
             SELECT p.compartment FROM representative p WHERE p.related_person = v.person)",
        );
    } else {
        sql.push_str(
            " AND $9 = '' AND a.compartment IN (SELECT c.compartment FROM record c WHERE c.custodian = v.organization)",
        );
    }
    sql.push_str(if filter.id.is_some() { " AND a.id = $10" } else { " AND $10 = ''" });
    sql.push_str(" AND a.recorded_ms >= $11 AND a.recorded_ms < $12");
    sql.push_str(if filter.outcome.is_some() { " AND a.outcome = $13" } else { " AND $13 = ''" });
    sql
}

/// Without a record asked for, a person's own is the first of those that are meant.
fn compartment<'f>(viewer: &'f Viewer, filter: &'f EventFilter) -> &'f str {
    let own = || viewer.person.strip_prefix("patient/").unwrap_or_default();
    filter.compartment.as_deref().unwrap_or_else(own)
}

macro_rules! bind_filter {
    ($query:expr, $viewer:expr, $filter:expr) => {
        bind_viewer!($query, $viewer)
            .bind(compartment($viewer, $filter))
            .bind($filter.id.as_deref().unwrap_or_default())
            .bind($filter.from_ms.unwrap_or(i64::MIN))
            .bind($filter.until_ms.unwrap_or(i64::MAX))
            .bind($filter.outcome.as_deref().unwrap_or_default())
    };
}

impl Store {
    /// The events that the viewer may see, newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn audit_events(
        &self,
        viewer: &Viewer,
        filter: &EventFilter,
    ) -> Result<Unrecorded<Vec<StoredEvent>>, StorageError> {
        let before = if filter.before.is_some() { " AND a.id < $14" } else { " AND $14 = ''" };
        let sql = format!(
            "{VIEWER} SELECT {EVENT}{}{before} ORDER BY a.id DESC LIMIT CAST($15 AS BIGINT)",
            matching(viewer, filter)
        );
        read!(&self.database, |pool| {
            let query = bind_filter!(sqlx::query(AssertSqlSafe(sql)), viewer, filter)
                .bind(filter.before.as_deref().unwrap_or_default())
                .bind(i64::from(filter.count) + 1);
            let rows = query.fetch_all(pool).await?;
            Ok(Unrecorded::new(rows.iter().map(|row| stored_event!(row)).collect()))
        })
    }

    /// How many events [`Store::audit_events`] would answer over all pages.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn count_audit_events(&self, viewer: &Viewer, filter: &EventFilter) -> Result<u64, StorageError> {
        let sql = format!("{VIEWER} SELECT COUNT(*){}", matching(viewer, filter));
        read!(&self.database, |pool| {
            let row = bind_filter!(sqlx::query(AssertSqlSafe(sql)), viewer, filter).fetch_one(pool).await?;
            Ok(u64::try_from(row.get::<i64, _>(0)).unwrap_or_default())
        })
    }

    /// Adds to the refusals of a minute: one row a minute and reason, however many there were.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn count_refusals(&self, minute_ms: i64, reason: &str, refusals: i64) -> Result<(), StorageError> {
        let sql = "INSERT INTO refusal_count (minute_ms, reason, refusals) VALUES ($1, $2, $3) \
                   ON CONFLICT (minute_ms, reason) DO UPDATE SET refusals = refusal_count.refusals + excluded.refusals";
        write!(&self.database, |pool| {
            sqlx::query(sql).bind(minute_ms).bind(reason).bind(refusals).execute(pool).await?;
            Ok(())
        })
    }

    /// The refusals counted since a moment, by reason.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn refusal_counts(&self, since_ms: i64) -> Result<Vec<(String, i64)>, StorageError> {
        let sql = "SELECT reason, CAST(SUM(refusals) AS BIGINT) FROM refusal_count WHERE minute_ms >= $1 \
                   GROUP BY reason ORDER BY reason";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(since_ms).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
    }
}
