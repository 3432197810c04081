//! Reading resources as a viewer sees them, and the seal that what was read leaves only after it was recorded.

use sqlx::{ColumnIndex, Decode, Row, Type};

use super::sight::{Level, Viewer};
use super::write_set::{Method, ResourceKey, VersionId, WriteSet};
use super::{StorageError, Store};
use crate::audit::AuditEvent;
use crate::search::parameters::type_name;

/// One version of a resource as the viewer sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where it is kept.
    pub key: ResourceKey,
    /// Its version.
    pub version: VersionId,
    /// UTC milliseconds.
    pub last_updated_ms: i64,
    /// `organization/<id>` of whoever wrote the version.
    pub author: String,
    /// How the version came to be.
    pub method: Method,
    /// Whether the version is a deletion.
    pub deleted: bool,
    /// How the viewer sees it.
    pub level: Level,
    /// The bytes to show.
    pub body: String,
    /// Where the body has holes, as it is stored; they are filled when it is recorded, for whoever may have the values.
    pub(super) holes: String,
}

impl Seen {
    /// Reads a row with the named columns `compartment … level, body`.
    pub(super) fn from_row<'r, R>(row: &'r R) -> Option<Self>
    where
        R: Row,
        &'static str: ColumnIndex<R>,
        String: Decode<'r, R::Database> + Type<R::Database>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
    {
        Some(Self {
            key: ResourceKey {
                compartment: row.get("compartment"),
                resource_type: type_name(&row.get::<String, _>("resource_type"))?,
                id: row.get("id"),
            },
            version: VersionId(row.get("version_id")),
            last_updated_ms: row.get("last_updated_ms"),
            author: row.get("author"),
            method: Method::from_verb(&row.get::<String, _>("method"))?,
            deleted: row.get::<i64, _>("deleted") != 0,
            level: Level::from_code(row.get("level"))?,
            body: row.get("body"),
            holes: row.get("holes"),
        })
    }
}

/// What was read and not yet recorded: it can only be asked whether something is in it, and be recorded. So no answer leaves without its event.
#[derive(Debug)]
#[must_use]
pub struct Unrecorded<T>(T);

impl<T> Unrecorded<T> {
    pub(super) fn new(value: T) -> Self {
        Self(value)
    }
}

impl Unrecorded<Vec<Seen>> {
    /// Whether a resource is among it. Nothing of it is shown.
    pub fn has(&self, resource_type: &str, id: &str) -> bool {
        self.0.iter().any(|seen| seen.key.resource_type == resource_type && seen.key.id == id)
    }
}

/// What an answer shows, for the trail: one entry a record.
pub trait Shows {
    /// Every record of which something is shown, each once.
    fn touched(&self) -> Vec<Touched>;

    /// Every resource that is shown, to fill its holes.
    fn shown(&mut self) -> Vec<&mut Seen> {
        Vec::new()
    }
}

impl Shows for Option<Seen> {
    fn touched(&self) -> Vec<Touched> {
        self.iter().map(Touched::of).collect()
    }

    fn shown(&mut self) -> Vec<&mut Seen> {
        self.iter_mut().collect()
    }
}

impl Shows for Vec<Seen> {
    fn touched(&self) -> Vec<Touched> {
        let mut touched: Vec<Touched> = Vec::new();
        for seen in self {
            let one = Touched::of(seen);
            if !one.is_told_by(&touched) {
                touched.push(one);
            }
        }
        touched
    }

    fn shown(&mut self) -> Vec<&mut Seen> {
        self.iter_mut().collect()
    }
}

/// One resource that an answer shows, as its audit event names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The record.
    pub compartment: String,
    /// The type.
    pub resource_type: String,
    /// The id.
    pub resource_id: String,
    /// The version.
    pub version_id: i64,
    /// How it is seen.
    pub level: Level,
}

impl Touched {
    /// Whether others tell of the same record already. What an emergency opens has an event of its own.
    pub(super) fn is_told_by(&self, others: &[Self]) -> bool {
        let is_emergency = |one: &Self| one.level == Level::Emergency;
        others.iter().any(|other| other.compartment == self.compartment && is_emergency(other) == is_emergency(self))
    }

    /// The resource of a seen version.
    pub fn of(seen: &Seen) -> Self {
        Self {
            compartment: seen.key.compartment.clone(),
            resource_type: seen.key.resource_type.to_owned(),
            resource_id: seen.key.id.clone(),
            version_id: seen.version.0,
            level: seen.level,
        }
    }
}

impl Store {
    /// The current version of a resource, if it exists for the viewer (a deleted one is a seen deletion).
    ///
    /// # Errors
    /// [`StorageError`] where the database is away.
    pub async fn read(
        &self,
        viewer: Viewer,
        resource_type: &'static str,
        id: &str,
    ) -> Result<Unrecorded<Option<Seen>>, StorageError> {
        Ok(Unrecorded::new(self.reader.ask(viewer, resource_type, id.to_owned()).await?))
    }

    /// The current versions of several resources, as far as they exist for the viewer: what was deleted is left out.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn read_all(
        &self,
        viewer: &Viewer,
        resources: Vec<(&'static str, String)>,
    ) -> Result<Unrecorded<Vec<Seen>>, StorageError> {
        let asked = resources.into_iter().map(|(resource_type, id)| self.reader.ask(viewer.clone(), resource_type, id));
        let found = futures_util::future::try_join_all(asked).await?;
        Ok(Unrecorded::new(found.into_iter().flatten().filter(|seen| !seen.deleted).collect()))
    }

    /// The compartment of a resource that the viewer sees whole: what a reference to it resolves to. Nothing of it is shown.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn visible_compartment(
        &self,
        viewer: Viewer,
        resource_type: &'static str,
        id: &str,
    ) -> Result<Option<String>, StorageError> {
        let found = self.reader.ask(viewer, resource_type, id.to_owned()).await?;
        Ok(found.filter(|seen| !seen.deleted && seen.level != Level::Minimum).map(|seen| seen.key.compartment))
    }

    /// Whether the viewer sees all of a resource, also where its current version is a deletion. Nothing of it is shown.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sees_whole(
        &self,
        viewer: Viewer,
        resource_type: &'static str,
        id: &str,
    ) -> Result<bool, StorageError> {
        let level = self.level(viewer, resource_type, id).await?;
        Ok(level.is_some_and(|level| level != Level::Minimum))
    }

    /// How the viewer sees a resource, also where its current version is a deletion. Nothing of it is shown.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn level(
        &self,
        viewer: Viewer,
        resource_type: &'static str,
        id: &str,
    ) -> Result<Option<Level>, StorageError> {
        Ok(self.reader.ask(viewer, resource_type, id.to_owned()).await?.map(|seen| seen.level))
    }

    /// Makes an audit event of everything shown durable (and those of `further`), then lets the value out.
    ///
    /// # Errors
    /// [`StorageError`]: then there is no answer either.
    pub async fn record<T: Shows>(
        &self,
        mut value: Unrecorded<T>,
        event: impl Fn(&Touched) -> AuditEvent,
        further: Vec<AuditEvent>,
    ) -> Result<T, StorageError> {
        let mut audit = further;
        audit.extend(value.0.touched().iter().map(event));
        self.mark_emergencies(&mut audit).await?;
        if !audit.is_empty() {
            self.record_only(audit).await?;
        }
        let shown = value.0.shown();
        if shown.iter().any(|seen| !seen.holes.is_empty()) {
            Box::pin(self.fill_shown(shown)).await?;
        }
        Ok(value.0)
    }

    /// Makes audit events durable that show nothing: refusals.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn record_only(&self, audit: Vec<AuditEvent>) -> Result<(), StorageError> {
        self.writer.apply(WriteSet { audit, ..WriteSet::default() }, None).await
    }

    /// Applies a write set, whole or not at all.
    ///
    /// # Errors
    /// [`StorageError::Moved`] where a precondition does not hold any more, [`StorageError::KeyUsed`], or the database is
    /// away. Nothing was written then.
    pub async fn apply(&self, mut set: WriteSet) -> Result<(), StorageError> {
        if !set.versions.is_empty() {
            Box::pin(self.seal(&mut set)).await?;
            set.texts = self.texts_of(&set.versions);
        }
        let taken = self.handover.take(&mut set);
        self.writer.apply(set, taken).await
    }
}
