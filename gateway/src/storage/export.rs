//! What exports hand out: the resources of a type in some records, a chunk at a time, each seen as it is at that moment.
//!
//! Records and keys are looked up without sight, which decides nothing and shows nothing; to every row of a chunk sight is joined when
//! it is read. So there is nothing between a withdrawal and the next chunk, and a chunk is all that is ever in memory.

use sqlx::{AssertSqlSafe, Row};

use super::resource::{Seen, Shows, Touched, Unrecorded};
use super::sight::{CANDIDATES, LEVEL, VIEWER, Viewer, bind_viewer};
use super::{Database, StorageError, Store, read};

/// Which resources are meant, whatever of them the viewer sees.
#[derive(Clone, Copy, Debug)]
pub struct Portion<'a> {
    /// Their type.
    pub resource_type: &'static str,
    /// Their records, in order.
    pub records: &'a [String],
    /// Those after this place: record and id, both empty at the beginning.
    pub after: (&'a str, &'a str),
    /// Changed after this moment.
    pub since_ms: i64,
    /// Already there at this moment.
    pub until_ms: i64,
    /// About some of the time from one moment to before another.
    pub about: (i64, i64),
}

impl<'a> Portion<'a> {
    /// All of a type in these records.
    pub fn of(resource_type: &'static str, records: &'a [String]) -> Self {
        Self {
            resource_type,
            records,
            after: ("", ""),
            since_ms: i64::MIN,
            until_ms: i64::MAX,
            about: (i64::MIN, i64::MAX),
        }
    }
}

/// How much is read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize {
    /// Resources that are looked at, seen or not.
    pub resources: u32,
    /// Bytes of bodies; one resource is read whatever its length.
    pub bytes: usize,
}

/// What the viewer sees of the next resources.
#[derive(Debug)]
pub struct Chunk {
    /// What is seen of them, in the order of records and ids.
    pub seen: Vec<Seen>,
    /// The place of the last that was looked at; none where there are no more.
    pub last: Option<(String, String)>,
}

impl Shows for Chunk {
    fn touched(&self) -> Vec<Touched> {
        self.seen.touched()
    }

    fn shown(&mut self) -> Vec<&mut Seen> {
        self.seen.shown()
    }
}

/// The keys of the next resources, as `w`: their number is that of the chunk, whoever looks.
fn keys(records: &str, what: &str) -> String {
    format!(
        "{VIEWER}, k AS ({records}), \
         w AS MATERIALIZED (SELECT r.compartment, r.resource_type, r.id FROM k CROSS JOIN resource r \
           WHERE r.compartment = k.compartment AND r.resource_type = $10 \
           AND (r.compartment > $11 OR (r.compartment = $11 AND r.id > $12)) AND r.last_updated_ms > $13 AND {what} \
           AND r.data_from_ms < $15 AND r.data_until_ms > $16 \
           ORDER BY r.compartment, r.id LIMIT CAST($17 AS BIGINT))"
    )
}

const COLUMNS: &str =
    "r.compartment, r.resource_type, r.id, r.version_id, r.last_updated_ms, r.author, r.method, r.deleted";
const SAME: &str = "r.compartment = w.compartment AND r.resource_type = w.resource_type AND r.id = w.id";

/// The next resources that are there. One that was changed since the moment of the export was there if an older version is.
fn present(records: &str) -> String {
    let keys = keys(
        records,
        "r.deleted = 0 AND (r.last_updated_ms <= $14 OR EXISTS (SELECT 1 FROM resource_history h \
           WHERE h.compartment = r.compartment AND h.resource_type = r.resource_type AND h.id = r.id AND h.last_updated_ms <= $14))",
    );
    format!(
        "{keys}, b AS MATERIALIZED (SELECT w.*, SUM(OCTET_LENGTH(r.body)) OVER (ORDER BY w.compartment, w.id) \
             - OCTET_LENGTH(r.body) AS bytes FROM w JOIN resource r ON {SAME}), \
         s AS MATERIALIZED (SELECT {COLUMNS}, r.body, r.minimum, r.holes, {LEVEL} AS level \
           FROM v CROSS JOIN b AS w CROSS JOIN resource r WHERE {SAME} AND w.bytes < $18) \
         SELECT {COLUMNS}, r.level, \
         CASE WHEN (r.level & 1) = 1 THEN r.body WHEN r.level = 0 THEN '' ELSE COALESCE(r.minimum, '') END AS body, \
         CASE WHEN (r.level & 1) = 1 THEN COALESCE(r.holes, '') ELSE '' END AS holes \
         FROM s AS r ORDER BY r.compartment, r.id"
    )
}

/// The next resources that were deleted. Who did not see what was deleted does not see that it was: the last version before is judged
/// as well, by its own facts.
fn gone(records: &str) -> String {
    let keys = keys(records, "r.deleted = 1 AND r.last_updated_ms <= $14");
    format!(
        "{keys}, s AS MATERIALIZED (SELECT {COLUMNS}, {LEVEL} AS level FROM v CROSS JOIN w CROSS JOIN resource r WHERE {SAME}), \
         p AS MATERIALIZED (SELECT r.compartment, r.id, {LEVEL} AS level FROM v CROSS JOIN s AS w CROSS JOIN resource_history r \
           WHERE w.level > 0 AND {SAME} AND r.deleted = 0 AND r.version_id = (SELECT MAX(h.version_id) FROM resource_history h \
             WHERE h.compartment = w.compartment AND h.resource_type = w.resource_type AND h.id = w.id)) \
         SELECT {COLUMNS}, CAST(CASE WHEN COALESCE(p.level, 0) > 0 THEN r.level ELSE 0 END AS BIGINT) AS level, '' AS body, '' AS holes \
         FROM s AS r LEFT JOIN p ON p.compartment = r.compartment AND p.id = r.id WHERE CAST($18 AS BIGINT) >= 0 ORDER BY r.compartment, r.id"
    )
}

/// Asks a statement of [`keys`] and reads its chunk; `records` is what the database takes for a list.
macro_rules! chunk {
    ($pool:expr, $sql:expr, ($viewer:expr, $records:expr, $portion:expr, $size:expr)) => {{
        let rows = bind_viewer!(sqlx::query(AssertSqlSafe($sql)), $viewer)
            .bind($records)
            .bind($portion.resource_type)
            .bind($portion.after.0)
            .bind($portion.after.1)
            .bind($portion.since_ms)
            .bind($portion.until_ms)
            .bind($portion.about.1)
            .bind($portion.about.0)
            .bind(i64::from($size.resources))
            .bind(i64::try_from($size.bytes).unwrap_or(i64::MAX))
            .fetch_all($pool)
            .await?;
        Chunk {
            seen: rows.iter().filter_map(Seen::from_row).collect(),
            last: rows.last().map(|row| (row.get("compartment"), row.get("id"))),
        }
    }};
}

impl Store {
    /// The next records, in their order, of which the viewer may see something. It decides nothing and is shown to nobody.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn records_to_look_at(
        &self,
        viewer: &Viewer,
        after: &str,
        count: u32,
    ) -> Result<Vec<String>, StorageError> {
        let sql = format!(
            "{VIEWER} SELECT DISTINCT compartment FROM ({CANDIDATES}) AS every WHERE compartment > $9 \
             ORDER BY compartment LIMIT CAST($10 AS BIGINT)"
        );
        read!(&self.database, |pool| {
            let query = bind_viewer!(sqlx::query(AssertSqlSafe(sql)), viewer).bind(after).bind(i64::from(count));
            Ok(query.fetch_all(pool).await?.iter().map(|row| row.get(0)).collect())
        })
    }

    /// The next resources of a portion, as far as the viewer sees them now.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn chunk(
        &self,
        viewer: &Viewer,
        portion: Portion<'_>,
        size: ChunkSize,
    ) -> Result<Unrecorded<Chunk>, StorageError> {
        self.portion(viewer, portion, size, present).await
    }

    /// The next resources of a portion that were deleted, as far as the viewer saw them before.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn deletions(
        &self,
        viewer: &Viewer,
        portion: Portion<'_>,
        size: ChunkSize,
    ) -> Result<Unrecorded<Chunk>, StorageError> {
        self.portion(viewer, portion, size, gone).await
    }

    async fn portion(
        &self,
        viewer: &Viewer,
        portion: Portion<'_>,
        size: ChunkSize,
        text: fn(&str) -> String,
    ) -> Result<Unrecorded<Chunk>, StorageError> {
        let chunk = match &self.database {
            Database::Sqlite { reader, .. } => {
                let records =
                    serde_json::to_string(portion.records).map_err(|error| sqlx::Error::Encode(error.into()))?;
                let sql = text("SELECT value AS compartment FROM json_each($9)");
                chunk!(reader, sql, (viewer, records, portion, size))
            }
            Database::Postgres { pool } => {
                let sql = text("SELECT compartment FROM UNNEST(CAST($9 AS text[])) AS q(compartment)");
                chunk!(pool, sql, (viewer, portion.records, portion, size))
            }
        };
        Ok(Unrecorded::new(chunk))
    }
}
