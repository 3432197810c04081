//! vread and history: the versions of what the viewer sees now.
//!
//! A version is visible if its resource is visible now, so that a release or a withdrawal closes the past too, and if it would be
//! visible by its own facts: what was said of a person's sensitive matters stays closed when the newest version says less.

use std::fmt;

use sqlx::AssertSqlSafe;

use super::resource::{Seen, Shows, Touched, Unrecorded};
use super::sight::{CANDIDATES, LEVEL, VIEWER, Viewer, bind_viewer};
use super::write_set::VersionId;
use super::{StorageError, Store, read};

const COLUMNS: &str = "s.level, r.compartment, r.resource_type, r.id, r.version_id, r.last_updated_ms, r.author, r.method, \
                       r.deleted, CASE WHEN (s.level & 1) = 1 THEN r.body ELSE COALESCE(r.minimum, '') END AS body, \
                       CASE WHEN (s.level & 1) = 1 THEN COALESCE(r.holes, '') ELSE '' END AS holes";

/// `s`: the resources that the viewer sees; `h`: every version of them, as the viewer sees it. `before` are further tables that `which` names.
fn versions(before: &str, which: &str) -> String {
    let on = "r.compartment = s.compartment AND r.resource_type = s.resource_type AND r.id = s.id \
              AND ((s.level & 1) = 1 OR r.minimum IS NOT NULL OR r.deleted = 1)";
    format!(
        "{VIEWER}{before}, every AS MATERIALIZED (SELECT r.compartment, r.resource_type, r.id, {LEVEL} AS level \
           FROM v CROSS JOIN resource r WHERE {which}), s AS (SELECT * FROM every WHERE level > 0), \
         h AS (SELECT {COLUMNS} FROM s JOIN resource r ON {on} \
           UNION ALL SELECT {COLUMNS} FROM v CROSS JOIN s JOIN resource_history r ON {on} \
             WHERE (s.level & 1) = 0 OR ({LEVEL} & 1) = 1)"
    )
}

/// Of which resources a history is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// One.
    Instance(&'static str, &'a str),
    /// All of a type.
    Type(&'static str),
    /// All of these types.
    System(&'a [&'static str]),
}

impl Scope<'_> {
    /// The tables and the condition of [`versions`], over the parameters 9 and 10.
    fn sql(&self) -> (String, &'static str) {
        match self {
            Self::Instance(..) => (String::new(), "r.resource_type = $9 AND r.id = $10"),
            Self::Type(_) => (String::new(), "r.resource_type = $9 AND CAST($10 AS TEXT) = ''"),
            // Who sees little does not pay for what others hold.
            Self::System(_) => (
                format!(", k AS MATERIALIZED (SELECT DISTINCT compartment FROM ({CANDIDATES}) AS candidate)"),
                "r.compartment IN (SELECT compartment FROM k) AND $9 LIKE '%,' || r.resource_type || ',%' \
                 AND CAST($10 AS TEXT) = ''",
            ),
        }
    }

    fn bound(&self) -> (String, String) {
        match self {
            Self::Instance(resource_type, id) => ((*resource_type).to_owned(), (*id).to_owned()),
            Self::Type(resource_type) => ((*resource_type).to_owned(), String::new()),
            Self::System(types) => (format!(",{},", types.join(",")), String::new()),
        }
    }
}

/// Where a page of a history ends. Two resources may have the same version, so the id belongs to it: a page that ends
/// between them would lose one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last version of the page.
    pub version: VersionId,
    /// The id of its resource.
    pub id: String,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.version, self.id)
    }
}

impl Place {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, id) = text.split_once(' ')?;
        Some(Self { version: VersionId::parse(version)?, id: id.to_owned() })
    }
}

impl Seen {
    /// The place at which a page ends that this is the last of.
    pub fn place(&self) -> Place {
        Place { version: self.version, id: self.key.id.clone() }
    }
}

/// Which page of a history is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// Versions before this place, newest first; none for the first page.
    pub before: Option<Place>,
    /// Versions of a page.
    pub count: u32,
    /// Versions that were written at this moment or later, UTC milliseconds.
    pub since_ms: Option<i64>,
    /// Versions that were current at some moment from the first to the last of these milliseconds, as far as the viewer sees what came after
    /// them.
    pub during_ms: Option<(i64, i64)>,
}

/// The rows of a page, over the parameters from 11 on; of those that were current in a time, where one is asked.
fn rows_of(page: &HistoryPage) -> String {
    // A deletion was never current; it is told where it happened in that time.
    let (from, current) = if page.during_ms.is_some() {
        (
            "(SELECT h.*, LEAD(h.last_updated_ms) OVER (PARTITION BY h.compartment, h.resource_type, h.id \
               ORDER BY h.version_id) AS next_ms FROM h) AS t",
            "t.last_updated_ms <= CAST($16 AS BIGINT) AND (t.next_ms IS NULL OR t.next_ms > CAST($15 AS BIGINT)) \
             AND (t.deleted = 0 OR t.last_updated_ms >= CAST($15 AS BIGINT))",
        )
    } else {
        ("h AS t", "CAST($15 AS BIGINT) <= CAST($16 AS BIGINT)")
    };
    format!(
        " SELECT t.* FROM {from} WHERE (t.version_id < $11 OR (t.version_id = $11 AND t.id < $12)) \
         AND t.last_updated_ms >= CAST($14 AS BIGINT) AND {current} \
         ORDER BY t.version_id DESC, t.id DESC LIMIT CAST($13 AS BIGINT)"
    )
}

/// A page of versions, newest first.
#[derive(Debug)]
pub struct Versions {
    /// The versions.
    pub versions: Vec<Seen>,
    /// Whether older ones follow.
    pub more: bool,
}

impl Shows for Versions {
    fn touched(&self) -> Vec<Touched> {
        self.versions.touched()
    }

    fn shown(&mut self) -> Vec<&mut Seen> {
        self.versions.shown()
    }
}

impl Store {
    /// One version of a resource that the viewer sees.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn vread(
        &self,
        viewer: &Viewer,
        resource_type: &'static str,
        id: &str,
        version: VersionId,
    ) -> Result<Unrecorded<Option<Seen>>, StorageError> {
        let which = versions("", "r.resource_type = $9 AND r.id = $10");
        let sql = format!("{which} SELECT * FROM h WHERE version_id = $11");
        read!(&self.database, |pool| {
            let query =
                bind_viewer!(sqlx::query(AssertSqlSafe(sql)), viewer).bind(resource_type).bind(id).bind(version.0);
            let row = query.fetch_optional(pool).await?;
            Ok(Unrecorded::new(row.as_ref().and_then(Seen::from_row)))
        })
    }

    /// The versions of the resources of a scope that the viewer sees, newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn history(
        &self,
        viewer: &Viewer,
        scope: &Scope<'_>,
        page: HistoryPage,
    ) -> Result<Unrecorded<Versions>, StorageError> {
        let (tables, which) = scope.sql();
        let sql = versions(&tables, which) + &rows_of(&page);
        let (of, id) = scope.bound();
        let before = page.before.unwrap_or(Place { version: VersionId(i64::MAX), id: String::new() });
        let (from_ms, until_ms) = page.during_ms.unwrap_or((i64::MIN, i64::MAX));
        read!(&self.database, |pool| {
            let query = bind_viewer!(sqlx::query(AssertSqlSafe(sql)), viewer)
                .bind(of.as_str())
                .bind(id.as_str())
                .bind(before.version.0)
                .bind(before.id.as_str())
                .bind(i64::from(page.count) + 1)
                .bind(page.since_ms.unwrap_or(i64::MIN))
                .bind(from_ms)
                .bind(until_ms);
            let rows = query.fetch_all(pool).await?;
            let more = rows.len() > usize::try_from(page.count).unwrap_or(usize::MAX);
            let shown = rows.len() - usize::from(more);
            let versions = rows[..shown].iter().filter_map(Seen::from_row).collect();
            Ok(Unrecorded::new(Versions { versions, more }))
        })
    }
}
