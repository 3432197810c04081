//! Crisis disclosures: what a custodian told a third party in a conflict of duties. Read by the custodian only.

use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Row};

use super::audit::is_told_of_record;
use super::resource::{Shows, Touched, Unrecorded};
use super::rows::Kind::{Integer, Text};
use super::rows::{Cell, Fat, Rows};
use super::sight::{Level, VIEWER, Viewer, bind_viewer, of_viewer};
use super::write_set::WriteSet;
use super::{StorageError, Store, read};

/// One disclosure. Its texts are patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// The record.
    pub compartment: String,
    /// Time-ordered id.
    pub id: String,
    /// `organization/<id>` that disclosed.
    pub organization: String,
    /// `practitioner/<id>`, or empty.
    pub practitioner: String,
    /// The client that recorded it.
    pub client: String,
    /// Who was told.
    pub recipient: String,
    /// Which duties stood against each other.
    pub conflict: String,
    /// Why the danger outweighed secrecy.
    pub proportionality: String,
    /// Why nothing less would do.
    pub subsidiarity: String,
    /// What was shared, a JSON array: references to versions, and descriptions.
    pub shared: String,
    /// UTC milliseconds.
    pub recorded_ms: i64,
}

impl Shows for Vec<Disclosure> {
    fn touched(&self) -> Vec<Touched> {
        let touched = |disclosure: &Disclosure| Touched {
            compartment: disclosure.compartment.clone(),
            resource_type: "Patient".to_owned(),
            resource_id: disclosure.compartment.clone(),
            version_id: 0,
            level: Level::Held,
        };
        // They are of one record.
        self.first().map(touched).into_iter().collect()
    }
}

pub(super) static PUT_DISCLOSURE: LazyLock<Fat> = LazyLock::new(|| {
    let columns = [
        ("compartment", Text),
        ("id", Text),
        ("organization", Text),
        ("practitioner", Text),
        ("client", Text),
        ("recipient", Text),
        ("conflict", Text),
        ("proportionality", Text),
        ("subsidiarity", Text),
        ("shared", Text),
        ("recorded_ms", Integer),
    ];
    Fat::insert("crisis_disclosure", &columns, "")
});

pub(super) fn disclosure_rows(set: &WriteSet) -> Rows<'_> {
    fn row(disclosure: &Disclosure) -> Vec<Cell<'_>> {
        vec![
            disclosure.compartment.as_str().into(),
            disclosure.id.as_str().into(),
            disclosure.organization.as_str().into(),
            disclosure.practitioner.as_str().into(),
            disclosure.client.as_str().into(),
            disclosure.recipient.as_str().into(),
            disclosure.conflict.as_str().into(),
            disclosure.proportionality.as_str().into(),
            disclosure.subsidiarity.as_str().into(),
            disclosure.shared.as_str().into(),
            disclosure.recorded_ms.into(),
        ]
    }
    set.disclosures.iter().map(row).collect()
}

impl Store {
    /// The disclosures of one record, newest first, before an id, and one more than `count` to tell whether there is a next.
    /// None for anyone but the custodian with sight.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn crisis_disclosures(
        &self,
        viewer: &Viewer,
        compartment: &str,
        (before, count): (Option<&str>, u32),
    ) -> Result<Unrecorded<Vec<Disclosure>>, StorageError> {
        let held = concat!(
            "EXISTS (SELECT 1 FROM record c WHERE c.compartment = k.compartment AND c.custodian = v.organization) \
             AND NOT EXISTS (SELECT 1 FROM closure x WHERE x.compartment = k.compartment AND ",
            of_viewer!("x.grantee"),
            ")"
        );
        let told = is_told_of_record("k.compartment");
        let sql = format!(
            "{VIEWER} SELECT k.compartment, k.id, k.organization, k.practitioner, k.client, k.recipient, k.conflict, \
             k.proportionality, k.subsidiarity, k.shared, k.recorded_ms FROM v CROSS JOIN crisis_disclosure k \
             WHERE k.compartment = $9 AND ($10 = '' OR k.id < $10) AND {held} AND {told} ORDER BY k.id DESC LIMIT CAST($11 AS BIGINT)"
        );
        read!(&self.database, |pool| {
            let query = bind_viewer!(sqlx::query(AssertSqlSafe(sql)), viewer)
                .bind(compartment)
                .bind(before.unwrap_or_default())
                .bind(i64::from(count) + 1);
            let rows = query.fetch_all(pool).await?;
            let disclosure = |row: &_| Disclosure {
                compartment: Row::get(row, 0),
                id: Row::get(row, 1),
                organization: Row::get(row, 2),
                practitioner: Row::get(row, 3),
                client: Row::get(row, 4),
                recipient: Row::get(row, 5),
                conflict: Row::get(row, 6),
                proportionality: Row::get(row, 7),
                subsidiarity: Row::get(row, 8),
                shared: Row::get(row, 9),
                recorded_ms: Row::get(row, 10),
            };
            Ok(Unrecorded::new(rows.iter().map(disclosure).collect()))
        })
    }
}
