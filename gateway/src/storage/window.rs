//! A page in the order of ids, of one record or for a viewer of few: the first matches by their keys alone, and then how they are seen.
//!
//! Sight is asked for little more than the page takes. On PostgreSQL that is done in the very statement by which every resource is read,
//! together with what others ask at that moment; a match that was changed in between sends the search the long way.

use std::collections::HashMap;
use std::fmt::Write as _;

use sqlx::{PgPool, Row, SqlitePool};

use super::class::CLASS;
use super::reader::GROUP_MAX;
use super::resource::Seen;
use super::search::{Conditions, Key, Statement, Way, bind_statement, conditions, is_narrow, record};
use super::sight::{CANDIDATES, LEVEL, VIEWER, Viewer, bind_viewer, candidate};
use super::{Database, StorageError, Store};
use crate::search::query::Query;

/// Up to so many records a page is looked for in those of the viewer; with more it is quicker to go through the type in the order
/// of ids and to stop when the page is full.
const FEW_RECORDS: usize = 1_000;

/// What was found this way.
pub(super) enum Window {
    /// The page, and where the next begins.
    Page(Vec<Seen>, Option<Vec<Key>>),
    /// It has to be looked for in another way; whether the viewer's records are few.
    Elsewhere { few: bool },
}

/// What a page is taken from.
struct Found {
    /// What the viewer sees of the first matches, in the order of ids.
    matches: Vec<Seen>,
    /// Whether there are no matches beyond those that were looked at.
    is_all: bool,
}

/// A match whose sight is not known yet.
struct Candidate {
    compartment: String,
    id: String,
    version_id: i64,
    bytes: usize,
    class: String,
}

/// How much a page takes.
#[derive(Clone, Copy)]
struct Size {
    /// Matches, and one that tells that there are more.
    matches: usize,
    /// Matches that are looked at: a few more, where not all of a record is seen.
    looked_at: usize,
    /// Bytes of bodies.
    bytes_max: usize,
    /// Whether it is taken from one record, that the search names.
    is_of_record: bool,
}

impl Store {
    /// The page after the keyset `after`, of as many matches as the query says, or as fit into `bytes_max`, but one at least.
    pub(super) async fn window(
        &self,
        viewer: &Viewer,
        resource_type: &'static str,
        query: &Query,
        after: Option<&[Key]>,
        bytes_max: usize,
    ) -> Result<Window, StorageError> {
        let of_record = record(resource_type, query);
        let is_of_record = of_record.is_some();
        if !query.sort.is_empty() || (is_narrow(query) && !is_of_record) {
            return Ok(Window::Elsewhere { few: true });
        }
        let count = usize::try_from(query.count).unwrap_or(usize::MAX);
        let mut statement = self.statement();
        let mut conditions = conditions(&mut statement, Way::Records, resource_type, query);
        // Criteria on what may be seen as a minimum are held to how it is seen.
        if is_of_record && conditions.is_held_to_sight {
            return Ok(Window::Elsewhere { few: true });
        }
        let looked_at = if conditions.is_held_to_sight { 0 } else { 1 + count + count / 4 };
        let size = Size { matches: count + 1, looked_at, bytes_max, is_of_record };
        if let Some(record) = of_record {
            // A record of which the viewer sees nothing takes no longer than one that is not there, whatever lies in it.
            let bound = statement.text(record);
            let _ = write!(conditions.inner, " AND EXISTS ({})", candidate(&bound));
        }
        if let Some([Key::Text(id)]) = after {
            conditions.inner = format!("{} AND r.id > {}", conditions.inner, statement.text(id));
        }
        let found = match &self.database {
            Database::Sqlite { reader, .. } => on_sqlite(reader, statement, viewer, &conditions, size).await?,
            Database::Postgres { pool } => {
                let found = candidates(pool, statement, viewer, &conditions, size).await?;
                match found {
                    Some(candidates) => self.seen(viewer, resource_type, candidates, size).await?,
                    None => None,
                }
            }
        };
        let Some(Found { mut matches, is_all }) = found else { return Ok(Window::Elsewhere { few: false }) };
        // Whether there is more is said of what is seen, so what was not looked at has to be.
        let more = matches.len() > count;
        if !more && !is_all {
            return Ok(Window::Elsewhere { few: true });
        }
        matches.truncate(count);
        let next = matches.last().filter(|_| more).map(|last| vec![Key::Text(last.key.id.clone())]);
        Ok(Window::Page(matches, next))
    }

    /// What the viewer sees of candidates, as far as the page takes.
    async fn seen(
        &self,
        viewer: &Viewer,
        resource_type: &'static str,
        candidates: Vec<Candidate>,
        size: Size,
    ) -> Result<Option<Found>, StorageError> {
        let is_all = candidates.len() < size.looked_at;
        let mut candidates = candidates.into_iter().peekable();
        let mut matches: Vec<Seen> = Vec::new();
        let mut bytes = 0;
        loop {
            let mut asked = Vec::new();
            while matches.len() + asked.len() < size.matches && bytes < size.bytes_max && asked.len() < GROUP_MAX {
                let Some(candidate) = candidates.next() else { break };
                bytes += candidate.bytes;
                asked.push(candidate);
            }
            if asked.is_empty() {
                break;
            }
            let ids = asked.iter().map(|asked| asked.id.clone()).zip(leaders(&asked)).collect();
            let found = self.reader.ask_all(viewer.clone(), resource_type, ids).await?;
            for (asked, seen) in asked.iter().zip(found) {
                match seen.filter(|seen| !seen.deleted && seen.key.compartment == asked.compartment) {
                    Some(seen) if seen.version.0 == asked.version_id => matches.push(seen),
                    Some(_) => return Ok(Some(Found { matches: Vec::new(), is_all: false })),
                    None => bytes -= asked.bytes,
                }
            }
        }
        Ok(Some(Found { matches, is_all: is_all && candidates.peek().is_none() }))
    }
}

/// For each candidate the first of its class, where that is another one.
fn leaders(asked: &[Candidate]) -> Vec<Option<usize>> {
    let mut first = HashMap::new();
    let class = asked.iter().map(|candidate| (candidate.compartment.as_str(), candidate.class.as_str()));
    class.enumerate().map(|(n, class)| Some(*first.entry(class).or_insert(n)).filter(|&leader| leader != n)).collect()
}

/// The keys of the first matches as `w`, of the viewer's records or of the one that the search names, and the number of these as `n`;
/// `found` finds the keys in records `k`.
fn first_keys(size: Size, found: &str) -> String {
    if size.is_of_record {
        return format!("{VIEWER}, n AS (SELECT CAST(1 AS BIGINT) AS n), w AS MATERIALIZED ({found})");
    }
    format!(
        "{VIEWER}, c AS MATERIALIZED (SELECT compartment FROM ({CANDIDATES}) AS every LIMIT {}), \
         n AS MATERIALIZED (SELECT COUNT(*) AS n FROM c), k AS MATERIALIZED (SELECT DISTINCT compartment FROM c), \
         w AS MATERIALIZED ({found})",
        FEW_RECORDS + 1
    )
}

/// The first candidates, in the order of ids; none where the viewer's records are not few. What was deleted is among them.
async fn candidates(
    pool: &PgPool,
    mut statement: Statement,
    viewer: &Viewer,
    conditions: &Conditions,
    size: Size,
) -> Result<Option<Vec<Candidate>>, StorageError> {
    let Conditions { inner, resource_type, .. } = conditions;
    let limit = statement.integer(i64::try_from(size.looked_at).unwrap_or(i64::MAX));
    // Each record ends after as many.
    let in_one =
        format!("SELECT r.compartment, r.id FROM resource r WHERE {inner} ORDER BY r.id LIMIT CAST({limit} AS BIGINT)");
    let in_each = format!(
        "SELECT f.compartment, f.id FROM n CROSS JOIN k CROSS JOIN LATERAL (SELECT r.compartment, r.id FROM resource r \
           WHERE r.compartment = k.compartment AND {inner} ORDER BY r.id LIMIT CAST({limit} AS BIGINT)) AS f \
         WHERE n.n <= {FEW_RECORDS} ORDER BY f.id LIMIT CAST({limit} AS BIGINT)"
    );
    let keys = first_keys(size, if size.is_of_record { &in_one } else { &in_each });
    statement.text = format!(
        "{keys} SELECT n.n, f.* FROM n LEFT JOIN (SELECT r.compartment, r.id, r.version_id, \
           CAST(OCTET_LENGTH(r.body) AS BIGINT) AS bytes, {CLASS} AS class FROM w JOIN resource r \
             ON r.compartment = w.compartment AND r.id = w.id AND r.resource_type = {resource_type}) AS f ON true ORDER BY f.id"
    );
    let rows = bind_statement!(statement, viewer).fetch_all(pool).await?;
    if !are_few(rows.first().map(|row| row.get(0))) {
        return Ok(None);
    }
    let candidate = |row: &sqlx::postgres::PgRow| {
        Some(Candidate {
            compartment: row.get::<Option<String>, _>(1)?,
            id: row.get(2),
            version_id: row.get(3),
            bytes: usize::try_from(row.get::<i64, _>(4)).unwrap_or(usize::MAX),
            class: row.get(5),
        })
    };
    Ok(Some(rows.iter().filter_map(candidate).collect()))
}

/// The first matches and how they are seen, in one statement: a second would cost more than it saves.
async fn on_sqlite(
    pool: &SqlitePool,
    mut statement: Statement,
    viewer: &Viewer,
    conditions: &Conditions,
    size: Size,
) -> Result<Option<Found>, StorageError> {
    let Conditions { inner, resource_type, .. } = conditions;
    let limit = statement.integer(i64::try_from(size.looked_at).unwrap_or(i64::MAX));
    let bytes_max = statement.integer(i64::try_from(size.bytes_max).unwrap_or(i64::MAX));
    let records = if size.is_of_record {
        "resource r WHERE".to_owned()
    } else {
        format!("n CROSS JOIN k CROSS JOIN resource r WHERE n.n <= {FEW_RECORDS} AND r.compartment = k.compartment AND")
    };
    let keys = first_keys(
        size,
        &format!("SELECT r.compartment, r.id FROM {records} {inner} ORDER BY r.id LIMIT CAST({limit} AS BIGINT)"),
    );
    // The planner keeps the order of a CROSS JOIN, and a window of bytes before each keeps long pages out of memory.
    statement.text = format!(
        "{keys}, s AS MATERIALIZED (SELECT r.compartment, r.resource_type, r.id, r.version_id, r.last_updated_ms, r.author, r.method, \
             r.deleted, r.body, r.minimum, r.holes, {LEVEL} AS level, \
             SUM(OCTET_LENGTH(r.body)) OVER (ORDER BY r.id) - OCTET_LENGTH(r.body) AS bytes \
           FROM v CROSS JOIN w CROSS JOIN resource r \
             WHERE r.compartment = w.compartment AND r.id = w.id AND r.resource_type = {resource_type}) \
         SELECT n.n, s.compartment, s.resource_type, s.id, s.version_id, s.last_updated_ms, s.author, s.method, s.deleted, s.level, \
           s.bytes >= {bytes_max} AS is_beyond, \
           CASE WHEN s.bytes >= {bytes_max} THEN '' WHEN (s.level & 1) = 1 THEN s.body ELSE s.minimum END AS body, \
           CASE WHEN (s.level & 1) = 1 THEN COALESCE(s.holes, '') ELSE '' END AS holes \
         FROM n LEFT JOIN s ON 1 = 1 ORDER BY s.id"
    );
    let rows = bind_statement!(statement, viewer).fetch_all(pool).await?;
    if !are_few(rows.first().map(|row| row.get(0))) {
        return Ok(None);
    }
    let (mut matches, mut looked_at, mut is_whole) = (Vec::new(), 0, true);
    for row in rows.iter().filter(|row| row.get::<Option<String>, _>("id").is_some()) {
        looked_at += 1;
        if row.get::<i64, _>("is_beyond") != 0 {
            is_whole = false;
            continue;
        }
        matches.extend(Seen::from_row(row).filter(|seen| !seen.deleted));
    }
    matches.truncate(size.matches);
    Ok(Some(Found { is_all: is_whole && looked_at < size.looked_at, matches }))
}

fn are_few(records: Option<i64>) -> bool {
    records.and_then(|records| usize::try_from(records).ok()).is_some_and(|records| records <= FEW_RECORDS)
}
