//! Emergency sessions: how they begin, end and are judged, who may look them up, and the mark on every access under them.
//!
//! What a session opens stands in `sight`, with every other way to a resource.

use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Row};

use super::audit::{is_open_to_practitioner, is_told_of_record};
use super::resource::{Shows, Touched, Unrecorded};
use super::rows::Kind::{Integer, Text};
use super::rows::{Cell, Fat, Rows};
use super::sight::{Level, VIEWER, Viewer, bind_viewer, of_viewer};
use super::write_set::WriteSet;
use super::{StorageError, Store, read};
use crate::audit::AuditEvent;
use crate::consent::{Basis, Purpose, PurposeSet};

/// One emergency session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The record that it opens.
    pub compartment: String,
    /// Time-ordered id.
    pub id: String,
    /// `organization/<id>` that opened it.
    pub organization: String,
    /// `practitioner/<id>` who is accountable.
    pub practitioner: String,
    /// The client that asked.
    pub client: String,
    /// The one bit of `BTG` or `ETREAT`.
    pub purpose: i64,
    /// Why, in words; empty for whoever may not read it.
    pub reason: String,
    /// The first moment, UTC milliseconds.
    pub from_ms: i64,
    /// The first moment after, UTC milliseconds.
    pub until_ms: i64,
}

/// What the custodian found of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The record.
    pub compartment: String,
    /// The session.
    pub session_id: String,
    /// `justified` or `unjustified`.
    pub verdict: String,
    /// `organization/<id>` that found so.
    pub by: String,
    /// Why, in words; empty for whoever may not read it.
    pub text: String,
    /// UTC milliseconds.
    pub at_ms: i64,
}

/// A session as somebody may look it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSeen {
    /// The session.
    pub session: Session,
    /// When somebody ended it before its time.
    pub ended_ms: Option<i64>,
    /// The verdict, once there is one.
    pub verdict: Option<Verdict>,
    /// Whether the viewer holds the record with sight; otherwise it opened the session, and the texts are left out.
    pub is_held: bool,
}

/// Which sessions are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionStatus {
    /// All.
    #[default]
    Any,
    /// Those that last.
    Open,
    /// Those that are over.
    Ended,
    /// Those without a verdict.
    Unreviewed,
}

/// A page of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// One session.
    pub id: Option<String>,
    /// In which state.
    pub status: SessionStatus,
    /// Sessions before this id, newest first.
    pub before: Option<String>,
    /// Sessions of a page; one more is answered to tell whether there is a next.
    pub count: u32,
}

/// A row that begins with the columns of a session, in the order of its fields.
macro_rules! session {
    ($row:expr) => {
        Session {
            compartment: Row::get($row, 0),
            id: Row::get($row, 1),
            organization: Row::get($row, 2),
            practitioner: Row::get($row, 3),
            client: Row::get($row, 4),
            purpose: Row::get($row, 5),
            reason: Row::get($row, 6),
            from_ms: Row::get($row, 7),
            until_ms: Row::get($row, 8),
        }
    };
}

impl Shows for Vec<SessionSeen> {
    fn touched(&self) -> Vec<Touched> {
        let mut touched: Vec<Touched> = Vec::new();
        for seen in self {
            let one = Touched {
                compartment: seen.session.compartment.clone(),
                resource_type: "Patient".to_owned(),
                resource_id: seen.session.compartment.clone(),
                version_id: 0,
                level: if seen.is_held { Level::Held } else { Level::Minimum },
            };
            if !touched.contains(&one) {
                touched.push(one);
            }
        }
        touched
    }
}

pub(super) static PUT_SESSION: LazyLock<Fat> = LazyLock::new(|| {
    let columns = [
        ("compartment", Text),
        ("id", Text),
        ("organization", Text),
        ("practitioner", Text),
        ("client", Text),
        ("purpose", Integer),
        ("reason", Text),
        ("from_ms", Integer),
        ("until_ms", Integer),
        ("verdict", Text),
        ("verdict_by", Text),
        ("verdict_text", Text),
    ];
    Fat::insert("emergency_session", &columns, "")
});
/// A session that is over stays so: the first end counts.
pub(super) static END_SESSION: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE emergency_session SET ended_ms = q.ended_ms FROM ",
        &[("compartment", Text), ("id", Text), ("ended_ms", Integer)],
        " WHERE emergency_session.compartment = q.compartment AND emergency_session.id = q.id \
         AND emergency_session.ended_ms IS NULL",
    )
});
/// A verdict is given once.
pub(super) static PUT_VERDICT: LazyLock<Fat> = LazyLock::new(|| {
    let columns = [
        ("compartment", Text),
        ("id", Text),
        ("verdict", Text),
        ("verdict_by", Text),
        ("verdict_text", Text),
        ("verdict_ms", Integer),
    ];
    Fat::over(
        "UPDATE emergency_session SET verdict = q.verdict, verdict_by = q.verdict_by, verdict_text = q.verdict_text, \
         verdict_ms = q.verdict_ms FROM ",
        &columns,
        " WHERE emergency_session.compartment = q.compartment AND emergency_session.id = q.id \
         AND emergency_session.verdict = ''",
    )
});

pub(super) fn session_rows(set: &WriteSet) -> Rows<'_> {
    fn row(session: &Session) -> Vec<Cell<'_>> {
        vec![
            session.compartment.as_str().into(),
            session.id.as_str().into(),
            session.organization.as_str().into(),
            session.practitioner.as_str().into(),
            session.client.as_str().into(),
            session.purpose.into(),
            session.reason.as_str().into(),
            session.from_ms.into(),
            session.until_ms.into(),
            "".into(),
            "".into(),
            "".into(),
        ]
    }
    set.sessions.iter().map(row).collect()
}

pub(super) fn ended_rows(set: &WriteSet) -> Rows<'_> {
    let ended = set.ended_sessions.iter();
    ended
        .map(|(compartment, id, at_ms)| vec![compartment.as_str().into(), id.as_str().into(), (*at_ms).into()])
        .collect()
}

pub(super) fn verdict_rows(set: &WriteSet) -> Rows<'_> {
    fn row(verdict: &Verdict) -> Vec<Cell<'_>> {
        vec![
            verdict.compartment.as_str().into(),
            verdict.session_id.as_str().into(),
            verdict.verdict.as_str().into(),
            verdict.by.as_str().into(),
            verdict.text.as_str().into(),
            verdict.at_ms.into(),
        ]
    }
    set.verdicts.iter().map(row).collect()
}

/// A session is looked up by the custodian of its record, where no closure shuts it out, and by the organisation that opened
/// it: there by whoever opened it, and whom nothing keeps from the record. What was written in words is for the custodian.
fn seen() -> String {
    let open = concat!(
        "NOT EXISTS (SELECT 1 FROM closure x WHERE x.compartment = y.compartment AND ",
        of_viewer!("x.grantee"),
        ")"
    );
    let told = is_told_of_record("y.compartment");
    let unhidden = is_open_to_practitioner("y.compartment");
    format!(
        "SELECT y.*, CAST(CASE WHEN EXISTS (SELECT 1 FROM record c WHERE c.compartment = y.compartment \
           AND c.custodian = v.organization) AND {open} AND {told} THEN 1 ELSE 0 END AS BIGINT) AS is_held, \
         CAST(CASE WHEN y.organization = v.organization \
           AND (y.practitioner = v.practitioner OR {unhidden}) THEN 1 ELSE 0 END AS BIGINT) AS is_own, v.now_ms \
         FROM v CROSS JOIN emergency_session y"
    )
}

impl SessionSeen {
    /// Whether the session lasts.
    pub fn is_open(&self, now_ms: i64) -> bool {
        self.ended_ms.is_none() && now_ms < self.session.until_ms
    }
}

impl SessionStatus {
    fn sql(self) -> &'static str {
        match self {
            Self::Any => "1 = 1",
            Self::Open => "ended_ms IS NULL AND now_ms < until_ms",
            Self::Ended => "(ended_ms IS NOT NULL OR now_ms >= until_ms)",
            Self::Unreviewed => "verdict = ''",
        }
    }
}

impl Store {
    /// The sessions that the viewer may look up, newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn emergency_sessions(
        &self,
        viewer: &Viewer,
        filter: &SessionFilter,
    ) -> Result<Unrecorded<Vec<SessionSeen>>, StorageError> {
        Ok(Unrecorded::new(self.sessions_seen(viewer, filter).await?))
    }

    /// One session that the viewer may look up, to decide on.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn emergency_session(&self, viewer: &Viewer, id: &str) -> Result<Option<SessionSeen>, StorageError> {
        let filter = SessionFilter { id: Some(id.to_owned()), count: 1, ..SessionFilter::default() };
        Ok(self.sessions_seen(viewer, &filter).await?.pop())
    }

    /// The record that a session opened, whoever asks: for the trail of a refusal only.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn record_of_session(&self, id: &str) -> Result<Option<String>, StorageError> {
        let sql = "SELECT compartment FROM emergency_session WHERE id = $1";
        read!(&self.database, |pool| Ok(sqlx::query_scalar(sql).bind(id).fetch_optional(pool).await?))
    }

    async fn sessions_seen(&self, viewer: &Viewer, filter: &SessionFilter) -> Result<Vec<SessionSeen>, StorageError> {
        let seen = seen();
        let sql = format!(
            "{VIEWER} SELECT compartment, id, organization, practitioner, client, purpose, \
             CASE WHEN is_held = 1 THEN reason ELSE '' END AS reason, from_ms, until_ms, ended_ms, verdict, verdict_by, \
             CASE WHEN is_held = 1 THEN verdict_text ELSE '' END AS verdict_text, verdict_ms, is_held FROM ({seen}) AS seen \
             WHERE (is_held = 1 OR is_own = 1) AND ($9 = '' OR id = $9) AND ($10 = '' OR id < $10) AND {} \
             ORDER BY id DESC LIMIT CAST($11 AS BIGINT)",
            filter.status.sql()
        );
        read!(&self.database, |pool| {
            let query = bind_viewer!(sqlx::query(AssertSqlSafe(sql)), viewer)
                .bind(filter.id.as_deref().unwrap_or_default())
                .bind(filter.before.as_deref().unwrap_or_default())
                .bind(i64::from(filter.count) + 1);
            let rows = query.fetch_all(pool).await?;
            let seen = |row: &_| {
                let session = session!(row);
                let verdict = Row::get::<Option<i64>, _>(row, 13).map(|at_ms| Verdict {
                    compartment: session.compartment.clone(),
                    session_id: session.id.clone(),
                    verdict: Row::get(row, 10),
                    by: Row::get(row, 11),
                    text: Row::get(row, 12),
                    at_ms,
                });
                let is_held = Row::get::<i64, _>(row, 14) == 1;
                SessionSeen { session, ended_ms: Row::get(row, 9), verdict, is_held }
            };
            Ok(rows.iter().map(seen).collect())
        })
    }

    /// The sessions of an organisation that last at `now_ms`, without their reasons: they bound how many more may begin.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn open_sessions(&self, organization: &str, now_ms: i64) -> Result<Vec<Session>, StorageError> {
        let sql = "SELECT compartment, id, organization, practitioner, client, purpose, '' AS reason, from_ms, until_ms \
                   FROM emergency_session WHERE organization = $1 AND ended_ms IS NULL AND until_ms > $2 ORDER BY id";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(organization).bind(now_ms).fetch_all(pool).await?;
            let session = |row: &_| session!(row);
            Ok(rows.iter().map(session).collect())
        })
    }

    /// Writes the purpose and the id of the session into each event of an access that rests on one.
    ///
    /// Of a practitioner's sessions on a record one lasts at a time, so the last that had begun is it, also where it was ended
    /// between the access and this mark. Without it there is no mark, and then no answer.
    pub(super) async fn mark_emergencies(&self, events: &mut [AuditEvent]) -> Result<(), StorageError> {
        let sql = "SELECT id, purpose FROM emergency_session WHERE compartment = $1 AND organization = $2 \
                   AND practitioner = $3 AND from_ms <= $4 ORDER BY id DESC LIMIT 1";
        let is_unmarked = |event: &&mut AuditEvent| event.basis == Basis::Emergency.code() && event.case_id.is_empty();
        for event in events.iter_mut().filter(is_unmarked) {
            let found: Option<(String, i64)> = read!(&self.database, |pool| {
                let query = sqlx::query_as(sql).bind(&event.compartment).bind(&event.organization);
                query.bind(&event.practitioner).bind(event.recorded_ms).fetch_optional(pool).await?
            });
            let (id, bits) =
                found.ok_or(StorageError::Corrupt("an access rests on an emergency session that is not there"))?;
            let purpose = purpose_of(bits).ok_or(StorageError::Corrupt("the purpose of an emergency session"))?;
            purpose.code().clone_into(&mut event.purpose);
            event.case_id = id;
        }
        Ok(())
    }
}

/// The purpose that a session's one bit stands for.
pub fn purpose_of(bits: i64) -> Option<Purpose> {
    Purpose::all().find(|purpose| PurposeSet::NONE.with(*purpose).bits() == bits)
}
