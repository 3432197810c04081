//! What is older than it has to be kept is removed: lines that came to their end, and then what was theirs alone.

use sqlx::{AssertSqlSafe, Row};

use super::ROWS_MAX;
use crate::storage::{StorageError, Store, read, write};

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Lines.
    pub lines: u64,
    /// Sendings, with their totals, files and answers.
    pub sendings: u64,
    /// Answers that named no sending.
    pub messages: u64,
    /// People of whom no line is left.
    pub people: u64,
}

/// A line at whose end nothing is open, since before `$2`; while one that takes its place or takes it back stays, it stays.
const OLD_LINE: &str = "l.compartment = $1 AND l.changed_ms < $2 \
    AND l.state IN ('paid', 'credited', 'corrected', 'uncollectable', 'exported', 'void') \
    AND NOT EXISTS (SELECT 1 FROM claim_line AS s WHERE s.compartment = l.compartment AND s.corrects = l.id AND s.corrects <> '' \
    AND NOT (s.changed_ms < $2 AND s.state IN ('paid', 'credited', 'corrected', 'uncollectable', 'exported', 'void')))";

/// The sendings at their end since before `$2`, of which no line is left.
const OLD_SENDINGS: &str = "SELECT o.id FROM sending AS o WHERE o.compartment = $1 AND o.changed_ms < $2 \
    AND o.state IN ('settled', 'partly-settled', 'void', 'refused-technical', 'refused-content') \
    AND NOT EXISTS (SELECT 1 FROM claim_line AS l WHERE l.compartment = o.compartment AND l.sending = o.id AND l.sending <> '')";

impl Store {
    /// How many lines came to their end before a moment.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn count_old_lines(&self, compartment: &str, before_ms: i64) -> Result<i64, StorageError> {
        let sql = format!("SELECT COUNT(*) FROM claim_line AS l WHERE {OLD_LINE}");
        read!(&self.database, |pool| {
            Ok(sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(before_ms).fetch_one(pool).await?.get(0))
        })
    }

    /// Removes lines that came to their end before a moment, and what is then of no line any more. One that is killed on the way is gone on
    /// with by the next.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn purge_billing(&self, compartment: &str, before_ms: i64) -> Result<Purged, StorageError> {
        let of = (compartment, before_ms);
        let lines = format!(
            "DELETE FROM claim_line WHERE compartment = $1 AND id IN \
             (SELECT l.id FROM claim_line AS l WHERE {OLD_LINE} ORDER BY l.id LIMIT {ROWS_MAX})"
        );
        let messages = format!("compartment = $1 AND sending IN ({OLD_SENDINGS})");
        let unnamed = "compartment = $1 AND sending = '' AND received_ms < $2";
        let hashes = |which: &str| format!("SELECT hash FROM billing_message WHERE {which}");
        let parts = |owners: &str| format!("DELETE FROM billing_part WHERE compartment = $1 AND owner IN ({owners})");
        let mut purged = Purged::default();
        loop {
            match self.removed(&lines, of).await? {
                0 => break,
                more => purged.lines += more,
            }
        }
        // The sending itself goes last: what is its own is found by it.
        let files =
            format!("SELECT parts FROM sending WHERE compartment = $1 AND parts <> '' AND id IN ({OLD_SENDINGS})");
        for statement in [
            parts(&files),
            parts(&hashes(&messages)),
            format!("DELETE FROM billing_message WHERE {messages}"),
            format!("DELETE FROM sending_total WHERE {messages}"),
        ] {
            self.removed(&statement, of).await?;
        }
        let sendings = format!("DELETE FROM sending WHERE compartment = $1 AND id IN ({OLD_SENDINGS})");
        purged.sendings = self.removed(&sendings, of).await?;
        self.removed(&parts(&hashes(unnamed)), of).await?;
        purged.messages = self.removed(&format!("DELETE FROM billing_message WHERE {unnamed}"), of).await?;
        let people = "DELETE FROM insured_person WHERE compartment = $1 AND changed_ms < $2 AND NOT EXISTS \
                      (SELECT 1 FROM claim_line AS l WHERE l.compartment = insured_person.compartment AND l.person = insured_person.id)";
        purged.people = self.removed(people, of).await?;
        Ok(purged)
    }

    async fn removed(&self, sql: &str, (compartment, before_ms): (&str, i64)) -> Result<u64, StorageError> {
        write!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql.to_owned())).bind(compartment).bind(before_ms);
            Ok(query.execute(pool).await?.rows_affected())
        })
    }
}
