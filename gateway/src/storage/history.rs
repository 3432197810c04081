//! vread and history: the versions of what the viewer sees now.
//!
//! A version is visible if its resource is visible now, so that a release or a withdrawal closes the past too, and if it would be
//! visible by its own facts: what was said of a person's sensitive matters stays closed when the newest version says less.

use std::fmt;

use sqlx::AssertSqlSafe;

use super::resource::{Seen, Shows, Touched, Unrecorded};
use super::sight::{LEVEL, VIEWER, Viewer, bind_viewer};
use super::write_set::VersionId;
use super::{StorageError, Store, read};

const COLUMNS: &str = "s.level, r.compartment, r.resource_type, r.id, r.version_id, r.last_updated_ms, r.author, r.method, \
                       r.deleted, CASE WHEN (s.level & 1) = 1 THEN r.body ELSE COALESCE(r.minimum, '') END AS body, \
                       CASE WHEN (s.level & 1) = 1 THEN COALESCE(r.holes, '') ELSE '' END AS holes";

/// `s`: the resources that the viewer sees; `h`: every version of them, as the viewer sees it.
fn versions(which: &str) -> String {
    let on = "r.compartment = s.compartment AND r.resource_type = s.resource_type AND r.id = s.id \
              AND ((s.level & 1) = 1 OR r.minimum IS NOT NULL OR r.deleted = 1)";
    format!(
        "{VIEWER}, every AS MATERIALIZED (SELECT r.compartment, r.resource_type, r.id, {LEVEL} AS level \
           FROM v CROSS JOIN resource r WHERE {which}), s AS (SELECT * FROM every WHERE level > 0), \
         h AS (SELECT {COLUMNS} FROM s JOIN resource r ON {on} \
           UNION ALL SELECT {COLUMNS} FROM v CROSS JOIN s JOIN resource_history r ON {on} \
             WHERE (s.level & 1) = 0 OR ({LEVEL} & 1) = 1) SELECT * FROM h "
    )
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// Versions before this place, newest first; none for the first page.
    pub before: Option<Place>,
    /// Versions of a page.
    pub count: u32,
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
        let sql = format!("{} WHERE version_id = $11", versions("r.resource_type = $9 AND r.id = $10"));
        read!(&self.database, |pool| {
            let query =
                bind_viewer!(sqlx::query(AssertSqlSafe(sql)), viewer).bind(resource_type).bind(id).bind(version.0);
            let row = query.fetch_optional(pool).await?;
            Ok(Unrecorded::new(row.as_ref().and_then(Seen::from_row)))
        })
    }

    /// The versions of one resource, newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn instance_history(
        &self,
        viewer: &Viewer,
        resource_type: &'static str,
        id: &str,
        page: HistoryPage,
    ) -> Result<Unrecorded<Versions>, StorageError> {
        let sql = format!(
            "{} WHERE version_id < $11 ORDER BY version_id DESC LIMIT CAST($12 AS BIGINT)",
            versions("r.resource_type = $9 AND r.id = $10")
        );
        read!(&self.database, |pool| {
            let query = bind_viewer!(sqlx::query(AssertSqlSafe(sql)), viewer)
                .bind(resource_type)
                .bind(id)
                .bind(page.before.map_or(i64::MAX, |place| place.version.0))
                .bind(i64::from(page.count) + 1);
            let rows = query.fetch_all(pool).await?;
            let more = rows.len() > usize::try_from(page.count).unwrap_or(usize::MAX);
            let shown = rows.len() - usize::from(more);
            let versions = rows[..shown].iter().filter_map(Seen::from_row).collect();
            Ok(Unrecorded::new(Versions { versions, more }))
        })
    }

    /// The versions of all resources of a type that the viewer sees, newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn type_history(
        &self,
        viewer: &Viewer,
        resource_type: &'static str,
        page: HistoryPage,
    ) -> Result<Unrecorded<Versions>, StorageError> {
        let sql = format!(
            "{} WHERE version_id < $10 OR (version_id = $10 AND id < $11) ORDER BY version_id DESC, id DESC LIMIT CAST($12 AS BIGINT)",
            versions("r.resource_type = $9")
        );
        let before = page.before.unwrap_or(Place { version: VersionId(i64::MAX), id: String::new() });
        read!(&self.database, |pool| {
            let query = bind_viewer!(sqlx::query(AssertSqlSafe(sql)), viewer)
                .bind(resource_type)
                .bind(before.version.0)
                .bind(before.id.as_str())
                .bind(i64::from(page.count) + 1);
            let rows = query.fetch_all(pool).await?;
            let more = rows.len() > usize::try_from(page.count).unwrap_or(usize::MAX);
            let shown = rows.len() - usize::from(more);
            let versions = rows[..shown].iter().filter_map(Seen::from_row).collect();
            Ok(Unrecorded::new(Versions { versions, more }))
        })
    }
}
