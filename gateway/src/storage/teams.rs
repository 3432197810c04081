//! Teams as a decision needs them, and whether a practitioner is kept from a record that their organisation sees.

use sqlx::{AssertSqlSafe, Row};

use super::sight::{OPEN_TO_PRACTITIONER, VIEWER, Viewer, bind_viewer};
use super::{StorageError, Store, read};
use crate::consent::{Grantee, Period, TeamRow};

impl Store {
    /// The members of a team, wherever it lies, at any time; without those who take part by law only.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn team_rows(&self, team: &str) -> Result<Vec<TeamRow>, StorageError> {
        let sql = "SELECT compartment, team, member, from_ms, until_ms FROM team_member WHERE team = $1 AND role = '' \
                   ORDER BY compartment, member, from_ms";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(team).fetch_all(pool).await?;
            let row = |row: &_| TeamRow {
                compartment: Row::get(row, 0),
                team: Grantee::stored(Row::get(row, 1)),
                member: Grantee::stored(Row::get(row, 2)),
                period: Period { from_ms: Row::get(row, 3), until_ms: Row::get(row, 4) },
            };
            Ok(rows.iter().map(row).collect())
        })
    }

    /// Whether something keeps the viewer's practitioner from a record as a whole: a deny that names them, or a care team that
    /// they are not in. It says nothing of what their organisation sees.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn is_kept_from(&self, viewer: &Viewer, compartment: &str) -> Result<bool, StorageError> {
        let sql = format!(
            "{VIEWER} SELECT 1 FROM v CROSS JOIN resource r WHERE r.compartment = $9 AND r.resource_type = 'Patient' \
             AND r.id = $9 AND {OPEN_TO_PRACTITIONER}"
        );
        read!(&self.database, |pool| {
            let query = bind_viewer!(sqlx::query(AssertSqlSafe(sql)), viewer).bind(compartment);
            Ok(query.fetch_optional(pool).await?.is_none())
        })
    }
}
