//! Reads by id, many readers' questions in one statement: the waiting ones are asked together.
//!
//! A statement costs a hop to the database whatever it asks; under load a hop answers up to [`GROUP_MAX`] readers. Each
//! question carries its own viewer, and sight is joined per question; what is of the class of an earlier one of the same question
//! (`class.rs`) is seen as that one.
//!
//! SQLite is asked on the connection that writes: every commit empties the page caches of all others, and a read waits for the
//! commit of its event all the same.

use std::sync::Arc;

use sqlx::{PgPool, Row, SqlitePool};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::class::LIKE_L;
use super::resource::Seen;
use super::rows::{Cell, Rows, integers, json, texts};
use super::sight::{LEVEL, Viewer};
use super::{Database, StorageError, is_about_one, keep_running};

/// With so many resources a statement takes no further question.
pub(super) const GROUP_MAX: usize = 128;
/// Tasks that ask PostgreSQL; on two cores more would only take turns. SQLite has one, for its one connection.
const READERS: usize = 2;

/// An id, and which earlier one of the same question it seems to be of the same class as.
pub(super) type Asked = (String, Option<usize>);

type Answer = Result<Vec<Option<Seen>>, StorageError>;

struct Question {
    viewer: Viewer,
    resource_type: &'static str,
    ids: Vec<Asked>,
    answer: oneshot::Sender<Answer>,
}

/// The statements.
#[derive(Clone)]
struct Sql {
    /// Each is asked by itself.
    each: Arc<str>,
    /// Some are of the class of others.
    alike: Arc<str>,
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
        let questions_sql = match database {
            Database::Sqlite { .. } => sqlite_questions(),
            Database::Postgres { .. } => POSTGRES_QUESTIONS.to_owned(),
        };
        let sql = Sql { each: each(&questions_sql).into(), alike: alike(&questions_sql).into() };
        let readers = if matches!(database, Database::Sqlite { .. }) { 1 } else { READERS };
        for _ in 0..readers {
            let (database, sql, questions) = (database.clone(), sql.clone(), Arc::clone(&questions));
            keep_running(move || run(database.clone(), sql.clone(), Arc::clone(&questions)));
        }
        Self { queue }
    }

    pub(super) async fn ask(
        &self,
        viewer: Viewer,
        resource_type: &'static str,
        id: String,
    ) -> Result<Option<Seen>, StorageError> {
        Ok(self.ask_all(viewer, resource_type, vec![(id, None)]).await?.pop().flatten())
    }

    /// What the viewer sees of several resources, in their order, all at the same moment.
    pub(super) async fn ask_all(&self, viewer: Viewer, resource_type: &'static str, ids: Vec<Asked>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let question = Question { viewer, resource_type, ids, answer };
        self.queue.send(question).map_err(|_| StorageError::Busy)?;
        answered.await.map_err(|_| StorageError::Busy)?
    }
}

#[cfg(feature = "testing")]
impl super::Store {
    /// How the viewer sees each of several resources of a type, with which earlier one each is said to be of one class: so that tests can say
    /// what is not so.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn levels_alike(
        &self,
        viewer: Viewer,
        resource_type: &'static str,
        ids: Vec<(String, Option<usize>)>,
    ) -> Result<Vec<Option<super::sight::Level>>, StorageError> {
        let found = self.reader.ask_all(viewer, resource_type, ids).await?;
        Ok(found.into_iter().map(|seen| seen.map(|seen| seen.level)).collect())
    }
}

async fn run(database: Database, sql: Sql, questions: Arc<Mutex<mpsc::UnboundedReceiver<Question>>>) {
    loop {
        // The other readers wait for questions meanwhile, not for the answers to these.
        let group = next(&mut *questions.lock().await).await;
        let Some(group) = group else { return };
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

/// The questions that wait, as many as one statement takes; none where nobody will ask any more.
async fn next(questions: &mut mpsc::UnboundedReceiver<Question>) -> Option<Vec<Question>> {
    let mut group = vec![questions.recv().await?];
    let mut ids = group[0].ids.len();
    while ids < GROUP_MAX
        && let Ok(question) = questions.try_recv()
    {
        ids += question.ids.len();
        group.push(question);
    }
    Some(group)
}

/// Asks the questions in one statement; an answer to each, in their order.
async fn ask(database: &Database, sql: &Sql, group: &[Question]) -> Vec<Answer> {
    let mut asked: Rows<'_> = Vec::new();
    for question in group {
        let first = asked.len();
        asked.extend(question.ids.iter().map(|id| question_row(question, id, first)));
    }
    let has_leaders = group.iter().any(|question| question.ids.iter().any(|(_, leader)| leader.is_some()));
    let sql = if has_leaders { &sql.alike } else { &sql.each };
    let found = match database {
        Database::Sqlite { writer, .. } => ask_sqlite(writer, sql, &asked).await,
        Database::Postgres { pool } => ask_postgres(pool, sql, &asked).await,
    };
    match found {
        Ok(found) => {
            let mut seen: Vec<Option<Seen>> = asked.iter().map(|_| None).collect();
            for (n, one) in found {
                if let Some(place) = seen.get_mut(n) {
                    *place = Some(one);
                }
            }
            let mut seen = seen.into_iter();
            group.iter().map(|question| Ok(seen.by_ref().take(question.ids.len()).collect())).collect()
        }
        Err(error) => {
            let error = Arc::new(error);
            group.iter().map(|_| Err(StorageError::Unavailable(Arc::clone(&error)))).collect()
        }
    }
}

/// One id of a question whose first id stands at `first`.
fn question_row<'q>(question: &'q Question, (id, leader): &'q Asked, first: usize) -> Vec<Cell<'q>> {
    let viewer = &question.viewer;
    let leader = leader.and_then(|leader| Some((leader, question.ids.get(leader)?.0.as_str())));
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
        id.as_str().into(),
        leader.and_then(|(n, _)| i64::try_from(first + n).ok()).into(),
        leader.map(|(_, id)| id).into(),
    ]
}

fn sqlite_questions() -> String {
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
        "leader",
        "leader_id",
    ];
    let extract: Vec<String> =
        columns.iter().enumerate().map(|(n, name)| format!("json_extract(value, '$[{n}]') AS {name}")).collect();
    format!("SELECT key AS n, {} FROM jsonb_each($1)", extract.join(", "))
}

const POSTGRES_QUESTIONS: &str = "SELECT n - 1 AS n, organization, practitioner, kind, purpose, now_ms, person, types, label_version, resource_type, id, \
       leader, leader_id \
     FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[], \
       $9::text[], $10::text[], $11::bigint[], $12::text[]) WITH ORDINALITY \
     AS q(organization, practitioner, kind, purpose, now_ms, person, types, label_version, resource_type, id, leader, leader_id, n)";

/// What is shown of rows `t` with their `level`.
const SHOWN: &str = "SELECT n, compartment, resource_type, id, version_id, last_updated_ms, author, method, deleted, level, \
     CASE WHEN (level & 1) = 1 THEN body ELSE minimum END AS body, \
     CASE WHEN (level & 1) = 1 THEN COALESCE(holes, '') ELSE '' END AS holes FROM t WHERE level > 0";

fn each(questions: &str) -> String {
    format!(
        "WITH v AS MATERIALIZED ({questions}), \
         t AS MATERIALIZED (SELECT v.n, r.*, {LEVEL} AS level FROM v CROSS JOIN resource r \
           WHERE r.resource_type = v.resource_type AND r.id = v.id) {SHOWN}"
    )
}

/// What is asked after its leader is held to be of the same class by the very same statement.
fn alike(questions: &str) -> String {
    format!(
        "WITH v AS MATERIALIZED ({questions}), \
         s AS MATERIALIZED (SELECT v.n, v.leader, r.*, CASE WHEN {LIKE_L} THEN NULL ELSE {LEVEL} END AS own_level \
           FROM v CROSS JOIN resource r LEFT JOIN resource l ON l.resource_type = v.resource_type AND l.id = v.leader_id \
           WHERE r.resource_type = v.resource_type AND r.id = v.id), \
         t AS (SELECT s.*, COALESCE(s.own_level, MAX(CASE WHEN s.leader IS NULL THEN s.own_level END) \
           OVER (PARTITION BY s.compartment, COALESCE(s.leader, s.n))) AS level FROM s) {SHOWN}"
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
        .bind(texts(asked, 9))
        .bind(integers(asked, 10))
        .bind(texts(asked, 11));
    let rows = query.fetch_all(pool).await?;
    Ok(rows
        .iter()
        .filter_map(|row| Some((usize::try_from(row.get::<i64, _>(0)).ok()?, Seen::from_row(row)?)))
        .collect())
}
