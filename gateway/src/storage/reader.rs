//! Reads by id, many readers' questions in one statement: the waiting ones are asked together.
//!
//! A statement costs a hop to the database whatever it asks; under load a hop answers up to [`GROUP_MAX`] readers. Each
//! question carries its own viewer, and sight is joined per question.
//!
//! SQLite is asked on the connection that writes: every commit empties the page caches of all others, and a read waits for the
//! commit of its event all the same.

use std::sync::Arc;

use sqlx::{PgPool, Row, SqlitePool};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::resource::Seen;
use super::rows::{Cell, Rows, integers, json, texts};
use super::sight::{LEVEL, Viewer};
use super::{Database, StorageError, is_about_one, keep_running};

/// Questions that one statement takes at most.
const GROUP_MAX: usize = 128;
/// Tasks that ask PostgreSQL; on two cores more would only take turns. SQLite has one, for its one connection.
const READERS: usize = 2;

struct Question {
    viewer: Viewer,
    resource_type: &'static str,
    id: String,
    answer: oneshot::Sender<Result<Option<Seen>, StorageError>>,
}

/// The way to the reader tasks.
#[derive(Clone)]
pub(super) struct Reader {
    queue: mpsc::UnboundedSender<Question>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Reader")
    }
}

impl Reader {
    pub(super) fn start(database: &Database) -> Self {
        let (queue, questions) = mpsc::unbounded_channel();
        let questions = Arc::new(Mutex::new(questions));
        let sql: Arc<str> = match database {
            Database::Sqlite { .. } => sqlite_text().into(),
            Database::Postgres { .. } => postgres_text().into(),
        };
        let readers = if matches!(database, Database::Sqlite { .. }) { 1 } else { READERS };
        for _ in 0..readers {
            let (database, sql, questions) = (database.clone(), Arc::clone(&sql), Arc::clone(&questions));
            keep_running(move || run(database.clone(), Arc::clone(&sql), Arc::clone(&questions)));
        }
        Self { queue }
    }

    pub(super) async fn ask(
        &self,
        viewer: Viewer,
        resource_type: &'static str,
        id: String,
    ) -> Result<Option<Seen>, StorageError> {
        let (answer, answered) = oneshot::channel();
        let question = Question { viewer, resource_type, id, answer };
        self.queue.send(question).map_err(|_| StorageError::Busy)?;
        answered.await.map_err(|_| StorageError::Busy)?
    }
}

async fn run(database: Database, sql: Arc<str>, questions: Arc<Mutex<mpsc::UnboundedReceiver<Question>>>) {
    loop {
        let mut group = Vec::with_capacity(GROUP_MAX);
        if questions.lock().await.recv_many(&mut group, GROUP_MAX).await == 0 {
            return;
        }
        let mut answers = ask(&database, &sql, &group).await;
        if group.len() > 1
            && matches!(answers.first(), Some(Err(StorageError::Unavailable(error))) if is_about_one(error))
        {
            // What one of them asks must not fail the others.
            answers.clear();
            for question in &group {
                answers.append(&mut ask(&database, &sql, std::slice::from_ref(question)).await);
            }
        }
        for (question, answer) in group.into_iter().zip(answers) {
            let _ = question.answer.send(answer);
        }
    }
}

/// Asks the questions in one statement; an answer to each, in their order.
async fn ask(database: &Database, sql: &Arc<str>, group: &[Question]) -> Vec<Result<Option<Seen>, StorageError>> {
    let asked: Rows<'_> = group.iter().map(question_row).collect();
    let found = match database {
        Database::Sqlite { writer, .. } => ask_sqlite(writer, sql, &asked).await,
        Database::Postgres { pool } => ask_postgres(pool, sql, &asked).await,
    };
    match found {
        Ok(found) => {
            let mut answers: Vec<_> = group.iter().map(|_| Ok(None)).collect();
            for (n, seen) in found {
                if let Some(answer) = answers.get_mut(n) {
                    *answer = Ok(Some(seen));
                }
            }
            answers
        }
        Err(error) => {
            let error = Arc::new(error);
            group.iter().map(|_| Err(StorageError::Unavailable(Arc::clone(&error)))).collect()
        }
    }
}

fn question_row(question: &Question) -> Vec<Cell<'_>> {
    let viewer = &question.viewer;
    vec![
        viewer.organization.as_str().into(),
        viewer.practitioner.as_str().into(),
        viewer.kind.as_str().into(),
        viewer.purpose.into(),
        viewer.now_ms.into(),
        viewer.person.as_str().into(),
        viewer.types.as_str().into(),
        viewer.label_version.into(),
        question.resource_type.into(),
        question.id.as_str().into(),
    ]
}

fn sqlite_text() -> String {
    let columns = [
        "organization",
        "practitioner",
        "kind",
        "purpose",
        "now_ms",
        "person",
        "types",
        "label_version",
        "resource_type",
        "id",
    ];
    let extract: Vec<String> =
        columns.iter().enumerate().map(|(n, name)| format!("json_extract(value, '$[{n}]') AS {name}")).collect();
    text(&format!("SELECT key AS n, {} FROM jsonb_each($1)", extract.join(", ")))
}

fn postgres_text() -> String {
    text(
        "SELECT n - 1 AS n, organization, practitioner, kind, purpose, now_ms, person, types, label_version, resource_type, id \
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[], \
           $9::text[], $10::text[]) WITH ORDINALITY \
         AS q(organization, practitioner, kind, purpose, now_ms, person, types, label_version, resource_type, id, n)",
    )
}

fn text(questions: &str) -> String {
    format!(
        "WITH v AS MATERIALIZED ({questions}), \
         s AS MATERIALIZED (SELECT v.n, r.*, {LEVEL} AS level FROM v CROSS JOIN resource r \
           WHERE r.resource_type = v.resource_type AND r.id = v.id) \
         SELECT n, compartment, resource_type, id, version_id, last_updated_ms, author, method, deleted, level, \
         CASE WHEN (level & 1) = 1 THEN body ELSE minimum END AS body, \
         CASE WHEN (level & 1) = 1 THEN COALESCE(holes, '') ELSE '' END AS holes FROM s WHERE level > 0"
    )
}

async fn ask_sqlite(pool: &SqlitePool, sql: &Arc<str>, asked: &Rows<'_>) -> Result<Vec<(usize, Seen)>, sqlx::Error> {
    let query = sqlx::query(sqlx::AssertSqlSafe(Arc::clone(sql))).bind(json(asked)?);
    let rows = query.fetch_all(pool).await?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((usize::try_from(row.get::<i64, _>(0)).ok()?, Seen::from_row(row)?)))
        .collect())
}

async fn ask_postgres(pool: &PgPool, sql: &Arc<str>, asked: &Rows<'_>) -> Result<Vec<(usize, Seen)>, sqlx::Error> {
    let query = sqlx::query(sqlx::AssertSqlSafe(Arc::clone(sql)))
        .bind(texts(asked, 0))
        .bind(texts(asked, 1))
        .bind(texts(asked, 2))
        .bind(integers(asked, 3))
        .bind(integers(asked, 4))
        .bind(texts(asked, 5))
        .bind(texts(asked, 6))
        .bind(integers(asked, 7))
        .bind(texts(asked, 8))
        .bind(texts(asked, 9));
    let rows = query.fetch_all(pool).await?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((usize::try_from(row.get::<i64, _>(0)).ok()?, Seen::from_row(row)?)))
        .collect())
}
