//! What is looked up of files, of what came back, and of who is paid.

use sqlx::{AssertSqlSafe, Row};

use super::{BillingMessageRow, ROWS_MAX, SendingRow, SendingTotalRow, spaced};
use crate::storage::{StorageError, Store, read, write};

/// Whose inbox at which insurer may have something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingAddress {
    /// `organization/<id>`.
    pub compartment: String,
    /// Who is paid.
    pub third_party: String,
    /// `efact` or `vsb`.
    pub channel: String,
    /// The federation or care fund.
    pub federation: i64,
}

impl Store {
    /// One sending; none where there is none.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sending(&self, compartment: &str, id: &str) -> Result<Option<SendingRow>, StorageError> {
        let sql = format!("SELECT {} FROM sending WHERE compartment = $1 AND id = $2", SendingRow::NAMES);
        read!(&self.database, |pool| {
            let row = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(id).fetch_optional(pool).await?;
            Ok(row.map(|row| SendingRow::read(&row)))
        })
    }

    /// The sending of a third party that answers name by this reference.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sending_by_reference(
        &self,
        third_party: &str,
        reference: i64,
    ) -> Result<Option<SendingRow>, StorageError> {
        let sql = format!("SELECT {} FROM sending WHERE third_party = $1 AND reference = $2", SendingRow::NAMES);
        read!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(third_party).bind(reference);
            Ok(query.fetch_optional(pool).await?.map(|row| SendingRow::read(&row)))
        })
    }

    /// Up to so many sendings in one of these states (any where there is none) before an id, the newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sendings(
        &self,
        compartment: &str,
        states: &[&str],
        (before, count): (&str, u32),
    ) -> Result<Vec<SendingRow>, StorageError> {
        let sql = format!(
            "SELECT {} FROM sending WHERE compartment = $1 AND ($2 = '' OR $2 LIKE '% ' || state || ' %') \
             AND ($3 = '' OR id < $3) ORDER BY id DESC LIMIT CAST($4 AS BIGINT)",
            SendingRow::NAMES
        );
        let states = spaced(states);
        read!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(states).bind(before);
            let rows = query.bind(i64::from(count.min(ROWS_MAX))).fetch_all(pool).await?;
            Ok(rows.iter().map(SendingRow::read).collect())
        })
    }

    /// Sendings of any organisation whose file is being written since before a moment: whoever wrote it may have died.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn unfinished_sendings(&self, before_ms: i64) -> Result<Vec<SendingRow>, StorageError> {
        let sql = format!(
            "SELECT {} FROM sending WHERE state = 'sealing' AND changed_ms < $1 ORDER BY id LIMIT {ROWS_MAX}",
            SendingRow::NAMES
        );
        read!(&self.database, |pool| {
            let rows = sqlx::query(AssertSqlSafe(sql)).bind(before_ms).fetch_all(pool).await?;
            Ok(rows.iter().map(SendingRow::read).collect())
        })
    }

    /// The number that the next file of a third party in a year gets, 1 and up.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn next_sending_number(&self, third_party: &str, year: i64) -> Result<i64, StorageError> {
        let sql = "SELECT COALESCE(MAX(number), 0) + 1 FROM sending WHERE third_party = $1 AND year = $2";
        read!(&self.database, |pool| {
            let row = sqlx::query(sql).bind(third_party).bind(year).fetch_one(pool).await?;
            Ok(row.get(0))
        })
    }

    /// How many files of a third party are of a day and were not void; to one federation, where one is named.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sendings_of_day(
        &self,
        third_party: &str,
        (channel, day): (&str, &str),
        federation: Option<i64>,
    ) -> Result<i64, StorageError> {
        let sql = "SELECT COUNT(*) FROM sending WHERE third_party = $1 AND channel = $2 AND created_on = $3 \
                   AND state <> 'void' AND ($4 = 0 OR federation = $4)";
        read!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(third_party).bind(channel).bind(day).bind(federation.unwrap_or(0));
            Ok(query.fetch_one(pool).await?.get(0))
        })
    }

    /// What each payer is asked for by a sending, and what it made of it, by payer.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sending_totals(&self, compartment: &str, sending: &str) -> Result<Vec<SendingTotalRow>, StorageError> {
        let sql = format!(
            "SELECT {} FROM sending_total WHERE compartment = $1 AND sending = $2 ORDER BY payer LIMIT {ROWS_MAX}",
            SendingTotalRow::NAMES
        );
        read!(&self.database, |pool| {
            let rows = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(sending).fetch_all(pool).await?;
            Ok(rows.iter().map(SendingTotalRow::read).collect())
        })
    }

    /// Wherever a file was sent: answers come there, also long after.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn billing_addresses(&self) -> Result<Vec<BillingAddress>, StorageError> {
        let sql = format!(
            "SELECT DISTINCT compartment, third_party, channel, federation FROM sending \
             WHERE state NOT IN ('void', 'sealing') ORDER BY 1, 2, 3, 4 LIMIT {ROWS_MAX}"
        );
        read!(&self.database, |pool| {
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(pool).await?;
            let address = |row: &_| BillingAddress {
                compartment: Row::get(row, 0),
                third_party: Row::get(row, 1),
                channel: Row::get(row, 2),
                federation: Row::get(row, 3),
            };
            Ok(rows.iter().map(address).collect())
        })
    }

    /// One answer by its hash; none where it never came.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn billing_message(
        &self,
        compartment: &str,
        hash: &str,
    ) -> Result<Option<BillingMessageRow>, StorageError> {
        let sql =
            format!("SELECT {} FROM billing_message WHERE compartment = $1 AND hash = $2", BillingMessageRow::NAMES);
        read!(&self.database, |pool| {
            let row = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(hash).fetch_optional(pool).await?;
            Ok(row.map(|row| BillingMessageRow::read(&row)))
        })
    }

    /// The answers about a sending, or those in a state that name none, the oldest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn billing_messages(
        &self,
        compartment: &str,
        (sending, state): (&str, &str),
    ) -> Result<Vec<BillingMessageRow>, StorageError> {
        let sql = format!(
            "SELECT {} FROM billing_message WHERE compartment = $1 AND sending = $2 AND ($3 = '' OR state = $3) \
             ORDER BY received_ms, hash LIMIT {ROWS_MAX}",
            BillingMessageRow::NAMES
        );
        read!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(sending).bind(state);
            Ok(query.fetch_all(pool).await?.iter().map(BillingMessageRow::read).collect())
        })
    }

    /// Registers who is paid, or changes what is registered: `record` is JSON.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_billing_party(
        &self,
        (compartment, third_party): (&str, &str),
        record: &str,
    ) -> Result<(), StorageError> {
        let sql = "INSERT INTO billing_party (compartment, third_party, record) VALUES ($1, $2, $3) \
                   ON CONFLICT (compartment, third_party) DO UPDATE SET record = excluded.record";
        write!(&self.database, |pool| {
            sqlx::query(sql).bind(compartment).bind(third_party).bind(record).execute(pool).await?;
            Ok(())
        })
    }

    /// Who is paid for an organisation, or for any where it is empty: compartment, number and record, by both.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn billing_parties(&self, compartment: &str) -> Result<Vec<(String, String, String)>, StorageError> {
        let sql = format!(
            "SELECT compartment, third_party, record FROM billing_party WHERE $1 = '' OR compartment = $1 \
             ORDER BY compartment, third_party LIMIT {ROWS_MAX}"
        );
        read!(&self.database, |pool| {
            let rows = sqlx::query(AssertSqlSafe(sql)).bind(compartment).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
        })
    }
}
