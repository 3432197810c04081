//! What inserting and selecting the same rows takes: many rows a statement, prepared, one commit for as many as an import takes in at once.

use std::io;
use std::time::Instant;

use gateway::storage::Store;
use gateway::storage::billing::{ClaimLineRow, LineFilter};
use sqlx::{PgPool, QueryBuilder, Row as _, SqlitePool};

/// Rows of a statement, and of a page.
const PAGE: usize = 500;
/// Rows of a commit.
const AT_ONCE: usize = 1_000;
const COLUMNS: &str = "compartment, id, person, third_party, channel, payer, month, first_day, last_day, code, units, amount_cents, share_cents, \
     supplement_cents, provider, detail, state, findings, source, source_key, sending, invoice, kind, corrects, paid_cents, refusal, decided_by, \
     decided_why, created_ms, changed_ms";
/// The table without its name, and what is found by it.
const TABLE: [&str; 6] = [
    "CREATE TABLE bench_line AS SELECT * FROM claim_line WHERE id = ''",
    "CREATE UNIQUE INDEX bench_line_id ON bench_line (compartment, id)",
    "CREATE UNIQUE INDEX bench_line_source ON bench_line (compartment, source_key)",
    "CREATE INDEX bench_line_state ON bench_line (compartment, state, month, channel, payer)",
    "CREATE INDEX bench_line_sending ON bench_line (compartment, sending, invoice) WHERE sending <> ''",
    "CREATE INDEX bench_line_twin ON bench_line (compartment, person, code, first_day)",
];

/// How many seconds the rows of an organisation take, inserted into a table of the same columns and indexes, and selected again.
pub(crate) async fn measure(store: &Store, url: &str, compartment: &str) -> io::Result<f64> {
    let mut rows: Vec<ClaimLineRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.id.clone()).unwrap_or_default();
        let page = store.claim_lines(compartment, &LineFilter::default(), (&after, 2_000)).await;
        let page = page.map_err(io::Error::other)?;
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
    if url.starts_with("sqlite:") { of_sqlite(url, &rows).await } else { of_postgres(url, &rows).await }
        .map_err(io::Error::other)
}

macro_rules! floor {
    ($name:ident, $pool:ty, $database:ty) => {
        async fn $name(url: &str, rows: &[ClaimLineRow]) -> Result<f64, sqlx::Error> {
            let pool = <$pool>::connect(url).await?;
            for sql in TABLE {
                sqlx::query(sql).execute(&pool).await?;
            }
            let begun = Instant::now();
            for rows in rows.chunks(AT_ONCE) {
                let mut tx = pool.begin().await?;
                for rows in rows.chunks(PAGE) {
                    let mut insert = QueryBuilder::<$database>::new(format!("INSERT INTO bench_line ({COLUMNS}) "));
                    insert.push_values(rows, |mut values, row| {
                        values.push_bind(&row.compartment).push_bind(&row.id).push_bind(&row.person);
                        values
                            .push_bind(&row.third_party)
                            .push_bind(&row.channel)
                            .push_bind(row.payer)
                            .push_bind(row.month);
                        values
                            .push_bind(&row.first_day)
                            .push_bind(&row.last_day)
                            .push_bind(row.code)
                            .push_bind(row.units);
                        values.push_bind(row.amount_cents).push_bind(row.share_cents).push_bind(row.supplement_cents);
                        values
                            .push_bind(&row.provider)
                            .push_bind(&row.detail)
                            .push_bind(&row.state)
                            .push_bind(&row.findings);
                        values.push_bind(&row.source).push_bind(&row.source_key).push_bind(&row.sending);
                        values
                            .push_bind(row.invoice)
                            .push_bind(row.kind)
                            .push_bind(&row.corrects)
                            .push_bind(row.paid_cents);
                        values.push_bind(&row.refusal).push_bind(&row.decided_by).push_bind(&row.decided_why);
                        values.push_bind(row.created_ms).push_bind(row.changed_ms);
                    });
                    insert.build().execute(&mut *tx).await?;
                }
                tx.commit().await?;
            }
            let (mut after, mut read) = (String::new(), 0);
            loop {
                let sql = "SELECT * FROM bench_line WHERE id > $1 ORDER BY compartment, id LIMIT 500";
                let page = sqlx::query(sql).bind(&after).fetch_all(&pool).await?;
                let Some(last) = page.last() else { break };
                after = last.get("id");
                // Every value is taken out, as whoever checks a line needs it.
                read += page
                    .iter()
                    .map(|row| row.get::<String, _>("detail").len() + row.get::<String, _>("person").len())
                    .sum::<usize>();
            }
            let took = begun.elapsed().as_secs_f64();
            pool.close().await;
            if read == 0 { Err(sqlx::Error::RowNotFound) } else { Ok(took) }
        }
    };
}

floor!(of_sqlite, SqlitePool, sqlx::Sqlite);
floor!(of_postgres, PgPool, sqlx::Postgres);
