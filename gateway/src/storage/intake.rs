//! Intakes: referrals that name nobody, as long as it is looked for where they go.

use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Row};

use super::rows::Kind::{Integer, Text};
use super::rows::{Cell, Fat, Rows};
use super::write_set::WriteSet;
use super::{StorageError, Store, read, write};

/// How far an intake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntakeState {
    /// Co-prev is asked.
    Asking,
    /// Somebody has to choose, or to see further.
    Person,
    /// It went to a room, or was given up.
    Ended,
}

impl IntakeState {
    fn code(self) -> &'static str {
        match self {
            Self::Asking => "asking",
            Self::Person => "person",
            Self::Ended => "ended",
        }
    }

    fn from_code(code: &str) -> Self {
        match code {
            "asking" => Self::Asking,
            "person" => Self::Person,
            _ => Self::Ended,
        }
    }
}

/// One intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntakeRow {
    /// `organization/<id>` that looks.
    pub compartment: String,
    /// Its Task.
    pub task_id: String,
    /// The record of the person.
    pub record: String,
    /// How far it is.
    pub state: IntakeState,
    /// A mark of the write that brought the national number whose key is there yet; 0 where there is none.
    pub number: i64,
    /// When it began, UTC milliseconds.
    pub since_ms: i64,
    /// What Co-prev answered, as JSON; empty where it did not, or where it is decided.
    pub lookup: String,
}

pub(super) static PUT_INTAKE: LazyLock<Fat> = LazyLock::new(|| {
    let columns = [
        ("compartment", Text),
        ("task_id", Text),
        ("record", Text),
        ("state", Text),
        ("has_number", Integer),
        ("since_ms", Integer),
        ("lookup", Text),
    ];
    // A number that is there is forgotten only when its key was destroyed.
    let suffix = "ON CONFLICT (compartment, task_id) DO UPDATE SET state = excluded.state, lookup = excluded.lookup, \
                  has_number = CASE WHEN excluded.has_number <> 0 THEN excluded.has_number ELSE intake.has_number END";
    Fat::insert("intake", &columns, suffix)
});

pub(super) fn intake_rows(set: &WriteSet) -> Rows<'_> {
    fn row(row: &IntakeRow) -> Vec<Cell<'_>> {
        vec![
            row.compartment.as_str().into(),
            row.task_id.as_str().into(),
            row.record.as_str().into(),
            row.state.code().into(),
            row.number.into(),
            row.since_ms.into(),
            row.lookup.as_str().into(),
        ]
    }
    set.intakes.iter().map(row).collect()
}

const INTAKE: &str = "SELECT compartment, task_id, record, state, has_number, since_ms, lookup FROM intake ";

macro_rules! intake {
    ($row:expr) => {
        IntakeRow {
            compartment: $row.get(0),
            task_id: $row.get(1),
            record: $row.get(2),
            state: IntakeState::from_code(&$row.get::<String, _>(3)),
            number: $row.get(4),
            since_ms: $row.get(5),
            lookup: $row.get(6),
        }
    };
}

impl Store {
    /// An intake by its Task; none where it has ended and its number is gone.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn intake(&self, compartment: &str, task_id: &str) -> Result<Option<IntakeRow>, StorageError> {
        let sql = format!("{INTAKE} WHERE compartment = $1 AND task_id = $2");
        read!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(task_id);
            Ok(query.fetch_optional(pool).await?.map(|row| intake!(row)))
        })
    }

    /// Up to so many intakes that began before a moment and have not ended, the oldest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn intakes_before(&self, before_ms: i64, count: i64) -> Result<Vec<IntakeRow>, StorageError> {
        let sql = format!(
            "{INTAKE} WHERE since_ms < $1 AND state <> 'ended' ORDER BY since_ms, task_id LIMIT CAST($2 AS BIGINT)"
        );
        read!(&self.database, |pool| {
            let rows = sqlx::query(AssertSqlSafe(sql)).bind(before_ms).bind(count).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| intake!(row)).collect())
        })
    }

    /// Up to so many intakes of which nobody needs the national number any more.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn intakes_decided(&self, count: i64) -> Result<Vec<IntakeRow>, StorageError> {
        let sql = format!(
            "{INTAKE} WHERE (state = 'ended' OR (state = 'person' AND has_number <> 0)) ORDER BY since_ms, task_id LIMIT CAST($1 AS BIGINT)"
        );
        read!(&self.database, |pool| {
            let rows = sqlx::query(AssertSqlSafe(sql)).bind(count).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| intake!(row)).collect())
        })
    }

    /// Notes that the key of an intake's number is destroyed, unless another number came meanwhile; an intake that has ended is forgotten
    /// with it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn forget_intake_number(&self, row: &IntakeRow) -> Result<(), StorageError> {
        let (compartment, task_id) = (&row.compartment, &row.task_id);
        let forget = "UPDATE intake SET has_number = 0 WHERE compartment = $1 AND task_id = $2 AND has_number = $3 AND state <> 'asking'";
        let drop = "DELETE FROM intake WHERE compartment = $1 AND task_id = $2 AND state = 'ended' AND has_number = 0";
        write!(&self.database, |pool| {
            sqlx::query(forget).bind(compartment).bind(task_id).bind(row.number).execute(pool).await?;
            sqlx::query(drop).bind(compartment).bind(task_id).execute(pool).await?;
            Ok(())
        })
    }
}
