//! What is looked up of third-party billing: always of one organisation, always with a limit.

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Row};

use super::{ClaimLineRow, InsuredPersonRow, ROWS_MAX};
use crate::clock::{format_instant, parse_instant};
use crate::storage::rows::{Cell, integers, json, texts};
use crate::storage::{Database, StorageError, Store, read};

/// Numbers of invoices in one statement.
const INVOICES_AT_ONCE: usize = 1_000;

/// Which lines are asked for; what is empty or 0 is left open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineFilter {
    /// Who is paid.
    pub third_party: String,
    /// Of these states; any where it is empty.
    pub states: Vec<&'static str>,
    /// Of this channel.
    pub channel: String,
    /// Billed in this month, `YYYYMM`.
    pub month: i64,
    /// Of this payer.
    pub payer: i64,
    /// In this sending.
    pub sending: String,
    /// Of this person.
    pub person: String,
    /// With a first day before this one, `2026-03-01`.
    pub before: String,
}

/// How many lines there are of a kind, and for how much: signed, so that a credit note takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineCount {
    /// The state.
    pub state: String,
    /// `YYYYMM`.
    pub month: i64,
    /// The channel.
    pub channel: String,
    /// The mutuality or care fund.
    pub payer: i64,
    /// How many.
    pub lines: i64,
    /// Asked for.
    pub amount_cents: i64,
    /// Paid.
    pub paid_cents: i64,
}

/// Where a line stands in its sending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinePlace {
    /// The payer: they ascend.
    pub payer: i64,
    /// 0 for a credit note, 1 for anything else: credit notes come first.
    pub rank: i64,
    /// For whom.
    pub person: String,
    /// What it corrects or takes back; may be empty.
    pub corrects: String,
    /// The line.
    pub id: String,
}

/// A line that may be a twin of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwinCandidate {
    /// The line of which it may be one.
    pub line: String,
    /// Its id.
    pub id: String,
    /// Its first day.
    pub first_day: String,
    /// Its last day.
    pub last_day: String,
    /// The rest of it as JSON.
    pub detail: String,
}

/// No stay that is billed by itself is longer: it is of a month.
const STAY_DAYS_MAX: i64 = 100;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The day on which a stay may have begun that lasts until this one; the day itself where it is none.
fn days_before(day: &str) -> String {
    let midnight_ms = parse_instant(&format!("{day}T00:00:00Z"));
    midnight_ms.map_or_else(
        || day.to_owned(),
        |midnight_ms| format_instant(midnight_ms - STAY_DAYS_MAX * DAY_MS).chars().take(10).collect(),
    )
}

/// Rows of a table of which one column is among these keys. Each key is looked up by itself, by a plan for the table as it is now: by one that
/// was made when it was empty, PostgreSQL goes through all of the compartment for each key.
macro_rules! by_keys {
    ($store:expr, ($columns:expr, $table:literal, $column:literal), $compartment:expr, $keys:expr, |$one:ident| $made:expr) => {
        match &$store.database {
            Database::Sqlite { reader, .. } => {
                let cells: Vec<Vec<Cell<'_>>> = $keys.iter().map(|key| vec![Cell::from(key.as_str())]).collect();
                let sql = format!(
                    concat!(
                        "SELECT {} FROM (SELECT DISTINCT json_extract(value, '$[0]') AS wanted FROM jsonb_each($2)) AS k \
                         CROSS JOIN ",
                        $table,
                        " WHERE compartment = $1 AND ",
                        $column,
                        " = k.wanted"
                    ),
                    $columns
                );
                let query = sqlx::query(AssertSqlSafe(sql)).bind($compartment).bind(json(&cells)?);
                query.fetch_all(reader).await?.iter().map(|$one| $made).collect()
            }
            Database::Postgres { pool } => {
                let sql = format!(
                    concat!(
                        "SELECT x.* FROM (SELECT DISTINCT UNNEST($2::text[]) AS wanted) AS k CROSS JOIN LATERAL (SELECT {} FROM ",
                        $table,
                        " WHERE compartment = $1 AND ",
                        $column,
                        " = k.wanted OFFSET 0) AS x"
                    ),
                    $columns
                );
                let query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind($compartment).bind($keys);
                query.fetch_all(pool).await?.iter().map(|$one| $made).collect()
            }
        }
    };
}

/// The condition of a filter, its values bound from `$2` on by [`bound!`]: what is left open compares a value with nothing alone, so that
/// only the columns that matter are looked at.
fn matching(filter: &LineFilter) -> String {
    let texts = [
        (&filter.third_party, "third_party = $2", "$2 = ''"),
        (&filter.channel, "channel = $3", "$3 = ''"),
        (&filter.sending, "sending = $4 AND sending <> ''", "$4 = ''"),
        (&filter.person, "person = $5", "$5 = ''"),
        (&filter.before, "first_day < $6", "$6 = ''"),
    ];
    let numbers = [(filter.month, "month = $7", "$7 = 0"), (filter.payer, "payer = $8", "$8 = 0")];
    let mut conditions = vec!["compartment = $1".to_owned()];
    conditions.extend(texts.map(|(value, meant, open)| if value.is_empty() { open } else { meant }.to_owned()));
    conditions.extend(numbers.map(|(value, meant, open)| if value == 0 { open } else { meant }.to_owned()));
    if !filter.states.is_empty() {
        // Words of this program alone: nothing of a client's text is in the statement.
        conditions.push(format!("state IN ('{}')", filter.states.join("', '")));
    }
    conditions.join(" AND ")
}

/// A statement with the values of a filter. It is planned for the table as it is now: a plan that was made when there was next to nothing in
/// it goes through all that there is.
macro_rules! bound {
    ($query:expr, $compartment:expr, $filter:expr) => {
        $query
            .persistent(false)
            .bind($compartment)
            .bind(&$filter.third_party)
            .bind(&$filter.channel)
            .bind(&$filter.sending)
            .bind(&$filter.person)
            .bind(&$filter.before)
            .bind($filter.month)
            .bind($filter.payer)
    };
}

impl Store {
    /// The sealed values of people who are billed for, those that there are.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn insured_people(
        &self,
        compartment: &str,
        ids: &[String],
    ) -> Result<Vec<InsuredPersonRow>, StorageError> {
        let columns = InsuredPersonRow::NAMES;
        Ok(by_keys!(self, (columns, "insured_person", "id"), compartment, ids, |row| InsuredPersonRow::read(row)))
    }

    /// Lines by their ids, those that there are, in no order.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn claim_lines_by_id(
        &self,
        compartment: &str,
        ids: &[String],
    ) -> Result<Vec<ClaimLineRow>, StorageError> {
        let columns = ClaimLineRow::NAMES;
        Ok(by_keys!(self, (columns, "claim_line", "id"), compartment, ids, |row| ClaimLineRow::read(row)))
    }

    /// The ids of all lines that are asked for, the oldest first. A month is looked for once, and then gone through by these.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn claim_line_ids(&self, compartment: &str, filter: &LineFilter) -> Result<Vec<String>, StorageError> {
        let sql = format!("SELECT id FROM claim_line WHERE {}", matching(filter));
        let mut ids: Vec<String> = read!(&self.database, |pool| {
            bound!(sqlx::query_scalar(AssertSqlSafe(sql)), compartment, filter).fetch_all(pool).await?
        });
        ids.sort_unstable();
        Ok(ids)
    }

    /// Who the lines are for that are asked for, each once.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn claim_people(&self, compartment: &str, filter: &LineFilter) -> Result<Vec<String>, StorageError> {
        let sql = format!("SELECT DISTINCT person FROM claim_line WHERE {}", matching(filter));
        let mut people: Vec<String> = read!(&self.database, |pool| {
            bound!(sqlx::query_scalar(AssertSqlSafe(sql)), compartment, filter).fetch_all(pool).await?
        });
        people.sort_unstable();
        Ok(people)
    }

    /// Up to so many lines after an id, by id.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn claim_lines(
        &self,
        compartment: &str,
        filter: &LineFilter,
        (after, count): (&str, u32),
    ) -> Result<Vec<ClaimLineRow>, StorageError> {
        let sql = format!(
            "SELECT {} FROM claim_line WHERE {} AND id > $9 ORDER BY id LIMIT CAST($10 AS BIGINT)",
            ClaimLineRow::NAMES,
            matching(filter)
        );
        read!(&self.database, |pool| {
            let query = bound!(sqlx::query(AssertSqlSafe(sql)), compartment, filter).bind(after);
            let rows = query.bind(i64::from(count.min(ROWS_MAX))).fetch_all(pool).await?;
            Ok(rows.iter().map(ClaimLineRow::read).collect())
        })
    }

    /// How many lines there are of each state, month, channel and payer, and for how much.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn claim_counts(&self, compartment: &str, filter: &LineFilter) -> Result<Vec<LineCount>, StorageError> {
        let sql = format!(
            "SELECT state, month, channel, payer, COUNT(*), \
             CAST(SUM(CASE WHEN kind = 3 THEN -amount_cents ELSE amount_cents END) AS BIGINT), \
             CAST(SUM(paid_cents) AS BIGINT) FROM claim_line WHERE {} \
             GROUP BY state, month, channel, payer ORDER BY month DESC, channel, payer, state LIMIT {ROWS_MAX}",
            matching(filter)
        );
        read!(&self.database, |pool| {
            let rows = bound!(sqlx::query(AssertSqlSafe(sql)), compartment, filter).fetch_all(pool).await?;
            let count = |row: &_| LineCount {
                state: Row::get(row, 0),
                month: Row::get(row, 1),
                channel: Row::get(row, 2),
                payer: Row::get(row, 3),
                lines: Row::get(row, 4),
                amount_cents: Row::get(row, 5),
                paid_cents: Row::get(row, 6),
            };
            Ok(rows.iter().map(count).collect())
        })
    }

    /// The lines of a sending, in the order of the file: payers ascend, credit notes first, then by person. All of them: a file has at most
    /// 999,999 records, and a place is small.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sending_places(&self, compartment: &str, sending: &str) -> Result<Vec<LinePlace>, StorageError> {
        let sql = "SELECT payer, CAST(CASE WHEN kind = 3 THEN 0 ELSE 1 END AS BIGINT), person, corrects, id FROM claim_line \
                   WHERE compartment = $1 AND id IN \
                   (SELECT id FROM claim_line WHERE compartment = $1 AND sending = $2 AND sending <> '')";
        let mut places: Vec<LinePlace> = Vec::new();
        // One row after the other: as the driver has them they are ten times as large.
        read!(&self.database, |pool| {
            let mut rows = sqlx::query(sql).persistent(false).bind(compartment).bind(sending).fetch(pool);
            while let Some(row) = rows.try_next().await? {
                let (payer, rank) = (row.get(0), row.get(1));
                places.push(LinePlace { payer, rank, person: row.get(2), corrects: row.get(3), id: row.get(4) });
            }
        });
        places.sort_unstable();
        Ok(places)
    }

    /// The credit notes of a sending, each with the line that it takes back.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn credit_notes(&self, compartment: &str, sending: &str) -> Result<Vec<(String, String)>, StorageError> {
        let sql = "SELECT id, corrects FROM claim_line WHERE compartment = $1 AND sending = $2 AND sending <> '' \
                   AND kind = 3 ORDER BY id";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(compartment).bind(sending).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
    }

    /// What may be a twin of one of these lines, as they are handed in: the same service to the same person by the same provider on days that
    /// meet, billed already, or also to be billed and older. By line, the oldest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn claim_twins(
        &self,
        compartment: &str,
        lines: &[ClaimLineRow],
    ) -> Result<Vec<TwinCandidate>, StorageError> {
        const COLUMNS: [&str; 7] = ["id", "person", "first_day", "last_day", "earliest", "provider", "corrects"];
        let meets = "b.compartment = $1 AND b.person = q.person AND b.code = q.code \
                    AND b.first_day >= q.earliest AND b.first_day <= q.last_day AND b.last_day >= q.first_day \
                    AND b.provider = q.provider AND b.id <> q.id AND b.id <> q.corrects AND b.kind <> 3 \
                    AND (b.state IN ('sealed', 'sent', 'accepted', 'paid', 'exported') \
                    OR (b.id < q.id AND b.state IN ('draft', 'ready')))";
        let wanted = "SELECT q.id, b.id, b.first_day, b.last_day, b.detail FROM";
        let billed: Vec<(&ClaimLineRow, String)> =
            lines.iter().filter(|line| line.kind != 3).map(|line| (line, days_before(&line.first_day))).collect();
        let cells: Vec<Vec<Cell<'_>>> = billed
            .iter()
            .map(|(line, earliest)| {
                let ClaimLineRow { id, person, code, first_day, last_day, provider, corrects, .. } = line;
                let texts = [id, person, first_day, last_day, earliest, provider, corrects];
                texts.map(|text| Cell::from(text.as_str())).into_iter().chain([Cell::from(*code)]).collect()
            })
            .collect();
        let read = |row: (String, String, String, String, String)| {
            let (line, id, first_day, last_day, detail) = row;
            TwinCandidate { line, id, first_day, last_day, detail }
        };
        let mut found: Vec<TwinCandidate> = match &self.database {
            Database::Sqlite { reader, .. } => {
                let columns = COLUMNS.iter().chain(&["code"]).enumerate();
                let columns: Vec<String> =
                    columns.map(|(n, name)| format!("json_extract(value, '$[{n}]') AS {name}")).collect();
                // By that index and in this order: by what it knows of a table that was small, SQLite may walk all of it for each line.
                let sql = format!(
                    "{wanted} (SELECT {} FROM jsonb_each($2)) AS q CROSS JOIN claim_line b INDEXED BY claim_line_twin WHERE {meets}",
                    columns.join(", ")
                );
                let query = sqlx::query_as(AssertSqlSafe(sql)).bind(compartment).bind(json(&cells)?);
                query.fetch_all(reader).await?.into_iter().map(read).collect()
            }
            Database::Postgres { pool } => {
                let arrays: Vec<String> = (2..9).map(|n| format!("${n}::text[]")).collect();
                let sql = format!(
                    "{wanted} UNNEST({}, $9::bigint[]) AS q({}, code) CROSS JOIN LATERAL \
                     (SELECT b.id, b.first_day, b.last_day, b.detail FROM claim_line b WHERE {meets} OFFSET 0) AS b",
                    arrays.join(", "),
                    COLUMNS.join(", ")
                );
                let mut query = sqlx::query_as(AssertSqlSafe(sql)).persistent(false).bind(compartment);
                for column in 0..COLUMNS.len() {
                    query = query.bind(texts(&cells, column));
                }
                let query = query.bind(integers(&cells, COLUMNS.len()));
                query.fetch_all(pool).await?.into_iter().map(read).collect()
            }
        };
        found.sort_unstable_by(|a, b| (&a.line, &a.id).cmp(&(&b.line, &b.id)));
        Ok(found)
    }

    /// The lines of a sending that are in these invoices.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn claim_lines_of_invoices(
        &self,
        (compartment, sending): (&str, &str),
        invoices: &[i64],
    ) -> Result<Vec<ClaimLineRow>, StorageError> {
        let mut lines = Vec::new();
        for invoices in invoices.chunks(INVOICES_AT_ONCE) {
            // Numbers alone: nothing of a partner's text is in the statement.
            let numbers: Vec<String> = invoices.iter().map(i64::to_string).collect();
            let sql = format!(
                "SELECT {} FROM claim_line WHERE compartment = $1 AND sending = $2 AND sending <> '' AND invoice IN ({})",
                ClaimLineRow::NAMES,
                numbers.join(", ")
            );
            lines.extend(read!(&self.database, |pool| {
                let query = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(sending);
                query.fetch_all(pool).await?.iter().map(ClaimLineRow::read).collect::<Vec<_>>()
            }));
        }
        Ok(lines)
    }

    /// Which of these sources have a line already.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn known_sources(&self, compartment: &str, keys: &[String]) -> Result<Vec<String>, StorageError> {
        Ok(by_keys!(self, ("source_key", "claim_line", "source_key"), compartment, keys, |row| row.get(0)))
    }

    /// How many units of these codes a person had from one day to another, both included, in lines older than one that still stand: what a
    /// limit of a year counts.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn claim_units(
        &self,
        (compartment, person): (&str, &str),
        codes: &[u32],
        (from, until, before): (&str, &str, &str),
    ) -> Result<i64, StorageError> {
        // Numbers alone: nothing of a client's text is in the statement.
        let codes: Vec<String> = codes.iter().map(u32::to_string).collect();
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(units), 0) AS BIGINT) FROM claim_line WHERE compartment = $1 AND id IN \
             (SELECT id FROM claim_line WHERE compartment = $1 AND person = $2 AND code IN ({}) \
             AND first_day >= $3 AND first_day <= $4) AND id <> $5 AND kind <> 3 \
             AND (id < $5 OR state IN ('sealed', 'sent', 'accepted', 'paid', 'exported')) \
             AND state NOT IN ('faulty', 'refused', 'corrected', 'uncollectable', 'credited', 'void')",
            codes.join(", ")
        );
        read!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(compartment).bind(person).bind(from).bind(until);
            Ok(query.bind(before).fetch_one(pool).await?.get(0))
        })
    }

    /// The lines that take the place of others, or take them back: pairs of the older and the newer, with the newer one's kind and state.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn claim_successors(&self, compartment: &str, ids: &[String]) -> Result<Vec<ClaimLineRow>, StorageError> {
        let columns = ClaimLineRow::NAMES;
        // Their index is of those only that correct something.
        Ok(by_keys!(self, (columns, "claim_line", "corrects <> '' AND corrects"), compartment, ids, |row| {
            ClaimLineRow::read(row)
        }))
    }
}
