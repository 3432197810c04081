//! A page in the order of ids, for a viewer of few records: the first matches by their keys alone, and then how they are seen.
//!
//! Sight is asked for no more matches than the page takes, in the very statement by which every resource is read, together with
//! what others ask at that moment. What the page shows is therefore decided after its keys were found, and a match that was
//! changed in between sends the search the long way.

use sqlx::Row;

use super::resource::Seen;
use super::search::{Conditions, Key, Statement, Way, bind_statement, conditions, is_narrow};
use super::sight::{CANDIDATES, VIEWER, Viewer, bind_viewer, has_minimum};
use super::{Database, StorageError, Store, read};
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

/// A match whose sight is not known yet.
struct Candidate {
    compartment: String,
    id: String,
    version_id: i64,
    bytes: usize,
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
        if !query.sort.is_empty() || is_narrow(query) {
            return Ok(Window::Elsewhere { few: true });
        }
        let count = usize::try_from(query.count).unwrap_or(usize::MAX);
        // A few more than the page takes, where not all of a record is seen. Criteria on what may be seen as a minimum are held to how it
        // is seen, so they go another way.
        let limit = if !query.criteria.is_empty() && has_minimum(resource_type) { 0 } else { 1 + count + count / 4 };
        let Some(candidates) = self.candidates(viewer, resource_type, query, after, limit).await? else {
            return Ok(Window::Elsewhere { few: false });
        };
        let is_all = candidates.len() < limit;
        let mut candidates = candidates.into_iter().peekable();
        let mut matches: Vec<Seen> = Vec::new();
        let mut bytes = 0;
        while matches.len() <= count && bytes < bytes_max && candidates.peek().is_some() {
            let mut asked = Vec::new();
            while matches.len() + asked.len() <= count && bytes < bytes_max {
                let Some(candidate) = candidates.next() else { break };
                bytes += candidate.bytes;
                asked.push(candidate);
            }
            let questions = asked.iter().map(|asked| self.reader.ask(viewer.clone(), resource_type, asked.id.clone()));
            for (asked, seen) in asked.iter().zip(futures_util::future::try_join_all(questions).await?) {
                let Some(seen) = seen else {
                    bytes -= asked.bytes;
                    continue;
                };
                if seen.version.0 != asked.version_id || seen.key.compartment != asked.compartment {
                    return Ok(Window::Elsewhere { few: true });
                }
                matches.push(seen);
            }
        }
        let more = matches.len() > count;
        // Whether there is more is said of what is seen, so what was not looked at has to be.
        if !more && (!is_all || candidates.peek().is_some()) {
            return Ok(Window::Elsewhere { few: true });
        }
        matches.truncate(count);
        let next = matches.last().filter(|_| more).map(|last| vec![Key::Text(last.key.id.clone())]);
        Ok(Window::Page(matches, next))
    }

    /// The first matches after a keyset, in the order of ids; none where the viewer's records are not few.
    async fn candidates(
        &self,
        viewer: &Viewer,
        resource_type: &'static str,
        query: &Query,
        after: Option<&[Key]>,
        limit: usize,
    ) -> Result<Option<Vec<Candidate>>, StorageError> {
        let mut statement = Statement::default();
        let Conditions { mut inner, .. } = conditions(&mut statement, Way::Records, resource_type, query);
        if let Some([Key::Text(id)]) = after {
            inner = format!("{inner} AND r.id > {}", statement.text(id));
        }
        let limit = statement.integer(i64::try_from(limit).unwrap_or(i64::MAX));
        let columns = "r.compartment, r.id, r.version_id, CAST(OCTET_LENGTH(r.body) AS BIGINT) AS bytes";
        // PostgreSQL ends each record after as many; SQLite goes through them, and would not know the order of a sub-query.
        let found = match &self.database {
            Database::Sqlite { .. } => format!(
                "SELECT {columns} FROM n CROSS JOIN k CROSS JOIN resource r \
                 WHERE n.n <= {FEW_RECORDS} AND r.compartment = k.compartment AND {inner} ORDER BY r.id LIMIT {limit}"
            ),
            Database::Postgres { .. } => format!(
                "SELECT f.* FROM n CROSS JOIN k CROSS JOIN LATERAL (SELECT {columns} FROM resource r \
                   WHERE r.compartment = k.compartment AND {inner} ORDER BY r.id LIMIT {limit}) AS f \
                 WHERE n.n <= {FEW_RECORDS} ORDER BY f.id LIMIT {limit}"
            ),
        };
        statement.text = format!(
            "{VIEWER}, c AS MATERIALIZED (SELECT compartment FROM ({CANDIDATES}) AS every LIMIT {}), \
             n AS MATERIALIZED (SELECT COUNT(*) AS n FROM c), k AS MATERIALIZED (SELECT DISTINCT compartment FROM c) \
             SELECT '' AS compartment, '' AS id, n AS version_id, CAST(0 AS BIGINT) AS bytes FROM n \
             UNION ALL SELECT * FROM ({found}) AS w",
            FEW_RECORDS + 1
        );
        let mut records = 0;
        let mut candidates = Vec::new();
        read!(&self.database, |pool| {
            for row in bind_statement!(statement, viewer).fetch_all(pool).await? {
                let number = row.get::<i64, _>("version_id");
                let id: String = row.get("id");
                if id.is_empty() {
                    records = usize::try_from(number).unwrap_or(usize::MAX);
                } else {
                    candidates.push(Candidate {
                        compartment: row.get("compartment"),
                        id,
                        version_id: number,
                        bytes: usize::try_from(row.get::<i64, _>("bytes")).unwrap_or(usize::MAX),
                    });
                }
            }
            // The parts of a union have no promised order.
            candidates.sort_unstable_by(|one, other| one.id.cmp(&other.id));
            Ok((records <= FEW_RECORDS).then_some(candidates))
        })
    }
}
