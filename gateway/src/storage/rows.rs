//! Fat statements: many rows of one table in one statement, from one description for both databases.
//!
//! `SQLite` unpacks a JSON array (`jsonb_each`, which hands on each row in binary: `json_each` writes it as text, to be parsed
//! again for every column), PostgreSQL arrays (`UNNEST`): a statement a table whatever the number of rows, where a statement a
//! row costs ten times as much.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, SqliteConnection};

/// The type of a column, as far as binding cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
}

/// One value of a row; a text is lent by what is written or asked, for there are hundreds of them in a referral.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub(super) enum Cell<'a> {
    Text(&'a str),
    Integer(i64),
    Null(()),
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}
impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}
impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null(()), Into::into)
    }
}

/// A statement that gets its parameters.
pub(super) type PostgresQuery<'q> = Query<'q, Postgres, PgArguments>;

/// The rows of one statement, all of the same shape.
pub(super) type Rows<'a> = Vec<Vec<Cell<'a>>>;

/// A statement over rows: `head` consumes `tail`'s relation `q` whose columns are named.
pub(super) struct Fat {
    sqlite: Arc<str>,
    postgres: Arc<str>,
    /// Of the text for PostgreSQL, what stands before the parameters and after them.
    around: (String, String),
    kinds: Vec<Kind>,
    /// The only table that it reads and writes, where it is said.
    table: Option<&'static str>,
}

impl Fat {
    /// `INSERT INTO table (columns) SELECT … ` with `suffix` (an `ON CONFLICT` clause, or empty).
    pub(super) fn insert(table: &'static str, columns: &[(&str, Kind)], suffix: &str) -> Self {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        // SQLite reads "SELECT … ON CONFLICT" as a join without a WHERE clause between.
        let head = format!("INSERT INTO {table} ({names}) SELECT {names} FROM ");
        Self::over(&head, columns, &format!(" WHERE true {suffix}")).within(table)
    }

    /// `head` + the relation `q(columns)` + `tail`.
    pub(super) fn over(head: &str, columns: &[(&str, Kind)], tail: &str) -> Self {
        let mut sqlite = format!("{head}(SELECT ");
        for (n, (name, _)) in columns.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            let _ = write!(sqlite, "{comma}json_extract(value, '$[{n}]') AS {name}");
        }
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let _ = write!(sqlite, " FROM jsonb_each($1)) AS q{tail}");
        let around = (format!("{head}UNNEST("), format!(") AS q({}){tail}", names.join(", ")));
        let kinds = columns.iter().map(|(_, kind)| *kind).collect();
        let mut fat = Self { sqlite: sqlite.into(), postgres: "".into(), around, kinds, table: None };
        fat.postgres = fat.postgres_from(1).into();
        fat
    }

    /// Says that it reads and writes this table and no other.
    pub(super) fn within(mut self, table: &'static str) -> Self {
        self.table = Some(table);
        self
    }

    /// The only table that it reads and writes, where it is said.
    pub(super) fn table(&self) -> Option<&'static str> {
        self.table
    }

    /// How many parameters it has on PostgreSQL.
    pub(super) fn parameters(&self) -> usize {
        self.kinds.len()
    }

    /// The text for PostgreSQL, its parameters numbered from `first` on.
    pub(super) fn postgres_from(&self, first: usize) -> String {
        let (head, tail) = &self.around;
        let mut text = head.clone();
        for (n, kind) in self.kinds.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            let array = if *kind == Kind::Text { "text[]" } else { "bigint[]" };
            let _ = write!(text, "{comma}CAST(${} AS {array})", first + n);
        }
        text.push_str(tail);
        text
    }

    /// The rows as the parameters of a statement, after those that it has.
    pub(super) fn bind_postgres<'q>(&self, mut query: PostgresQuery<'q>, rows: &Rows<'q>) -> PostgresQuery<'q> {
        for (n, kind) in self.kinds.iter().enumerate() {
            query = match kind {
                Kind::Text => query.bind(texts(rows, n)),
                Kind::Integer => query.bind(integers(rows, n)),
            };
        }
        query
    }

    pub(super) async fn run_sqlite(
        &self,
        connection: &mut SqliteConnection,
        rows: &Rows<'_>,
    ) -> Result<u64, sqlx::Error> {
        let query = sqlx::query(AssertSqlSafe(Arc::clone(&self.sqlite))).bind(json(rows)?);
        Ok(query.execute(connection).await?.rows_affected())
    }

    pub(super) async fn run_postgres(
        &self,
        connection: &mut PgConnection,
        rows: &Rows<'_>,
    ) -> Result<u64, sqlx::Error> {
        let query = self.bind_postgres(sqlx::query(AssertSqlSafe(Arc::clone(&self.postgres))), rows);
        Ok(query.execute(connection).await?.rows_affected())
    }
}

/// The rows as the JSON text that `jsonb_each` unpacks.
pub(super) fn json(rows: &Rows<'_>) -> Result<String, sqlx::Error> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// Column `n` as a text array.
pub(super) fn texts<'a>(rows: &Rows<'a>, n: usize) -> Vec<Option<&'a str>> {
    rows.iter().map(|row| if let Cell::Text(text) = &row[n] { Some(*text) } else { None }).collect()
}

/// Column `n` as an integer array.
pub(super) fn integers(rows: &Rows<'_>, n: usize) -> Vec<Option<i64>> {
    rows.iter().map(|row| if let Cell::Integer(number) = &row[n] { Some(*number) } else { None }).collect()
}

macro_rules! fat {
    ($(#[$doc:meta])* $name:ident = $make:expr) => {
        $(#[$doc])*
        pub(super) static $name: LazyLock<Fat> = LazyLock::new(|| $make);
    };
}

use Kind::{Integer, Text};
/// The columns of a version: its key first, its facts last.
pub(super) const RESOURCE: &[(&str, Kind)] = &[
    ("compartment", Text),
    ("resource_type", Text),
    ("id", Text),
    ("version_id", Integer),
    ("last_updated_ms", Integer),
    ("author", Text),
    ("method", Text),
    ("deleted", Integer),
    ("body", Text),
    ("minimum", Text),
    ("holes", Text),
    ("labels", Integer),
    ("label_version", Integer),
    ("declared", Integer),
    ("data_from_ms", Integer),
    ("data_until_ms", Integer),
    ("atoms", Text),
];
const RESOURCE_KEY: &[(&str, Kind)] = &[("compartment", Text), ("resource_type", Text), ("id", Text)];

fat!(
    NEW_RECORD = Fat::insert(
        "record",
        &[("compartment", Text), ("custodian", Text), ("epoch", Integer), ("chain", Text), ("created_ms", Integer)],
        ""
    )
);
fat!(
    MOVE_RECORD = Fat::over(
        "UPDATE record SET custodian = q.custodian, epoch = q.epoch, chain = q.chain FROM ",
        &[("compartment", Text), ("custodian", Text), ("epoch", Integer), ("chain", Text)],
        " WHERE record.compartment = q.compartment"
    )
    .within("record")
);
fat!(
    /// Keeps the version that an update is about to replace.
    KEEP_VERSION = Fat::over(
        "INSERT INTO resource_history (compartment, resource_type, id, version_id, last_updated_ms, author, method, deleted, \
         body, minimum, holes, labels, label_version, declared, data_from_ms, data_until_ms, atoms) \
         SELECT r.compartment, r.resource_type, r.id, r.version_id, r.last_updated_ms, r.author, r.method, r.deleted, \
         r.body, r.minimum, r.holes, r.labels, r.label_version, r.declared, r.data_from_ms, r.data_until_ms, r.atoms FROM ",
        RESOURCE_KEY,
        " JOIN resource r ON r.compartment = q.compartment AND r.resource_type = q.resource_type AND r.id = q.id"
    )
);
fat!(
    /// A deletion is judged by the facts of what it deletes; what clients declared stays with every later version.
    PUT_RESOURCE = Fat::insert(
        "resource",
        RESOURCE,
        "ON CONFLICT (compartment, resource_type, id) DO UPDATE SET version_id = excluded.version_id, \
     last_updated_ms = excluded.last_updated_ms, author = excluded.author, method = excluded.method, \
     deleted = excluded.deleted, body = excluded.body, minimum = excluded.minimum, \
     holes = excluded.holes, \
     declared = resource.declared | excluded.declared, \
     labels = CASE WHEN excluded.deleted = 1 THEN resource.labels ELSE excluded.labels | resource.declared END, \
     label_version = CASE WHEN excluded.deleted = 1 THEN resource.label_version ELSE excluded.label_version END, \
     data_from_ms = CASE WHEN excluded.deleted = 1 THEN resource.data_from_ms ELSE excluded.data_from_ms END, \
     data_until_ms = CASE WHEN excluded.deleted = 1 THEN resource.data_until_ms ELSE excluded.data_until_ms END, \
     atoms = CASE WHEN excluded.deleted = 1 THEN resource.atoms ELSE excluded.atoms END"
    )
);
fat!(
    DROP_INDEX = Fat::over(
        "DELETE FROM search_index WHERE (compartment, resource_type, id) IN (SELECT compartment, resource_type, id FROM ",
        RESOURCE_KEY,
        ")"
    )
);
fat!(
    PUT_INDEX = Fat::insert(
        "search_index",
        &[
            ("compartment", Text),
            ("resource_type", Text),
            ("id", Text),
            ("ordinal", Integer),
            ("parameter", Text),
            ("system", Text),
            ("value", Text),
            ("low_ms", Integer),
            ("high_ms", Integer),
            ("part", Integer),
            ("sight", Integer)
        ],
        ""
    )
);
fat!(
    DROP_TEXT = Fat::over(
        "DELETE FROM text_index WHERE (compartment, resource_type, id) IN (SELECT compartment, resource_type, id FROM ",
        RESOURCE_KEY,
        ")"
    )
);
fat!(
    PUT_TEXT = Fat::insert(
        "text_index",
        &[
            ("compartment", Text),
            ("resource_type", Text),
            ("id", Text),
            ("sight", Integer),
            ("narrative", Text),
            ("content", Text)
        ],
        ""
    )
);
fat!(
    DROP_GRANTS = Fat::over(
        "DELETE FROM access_grant WHERE (compartment, consent_id) IN (SELECT compartment, consent_id FROM ",
        &[("compartment", Text), ("consent_id", Text)],
        ")"
    )
);
fat!(
    PUT_GRANT = Fat::insert(
        "access_grant",
        &[
            ("compartment", Text),
            ("consent_id", Text),
            ("rule", Integer),
            ("grantee", Text),
            ("effect", Text),
            ("excepts", Integer),
            ("purposes", Integer),
            ("from_ms", Integer),
            ("until_ms", Integer),
            ("labels", Integer),
            ("uncovered", Integer),
            ("data_from_ms", Integer),
            ("data_until_ms", Integer),
            ("types", Text),
            ("has_data", Integer)
        ],
        ""
    )
);
fat!(
    DROP_GRANT_DATA = Fat::over(
        "DELETE FROM access_grant_data WHERE (compartment, consent_id) IN (SELECT compartment, consent_id FROM ",
        &[("compartment", Text), ("consent_id", Text)],
        ")"
    )
);
fat!(
    PUT_GRANT_DATA = Fat::insert(
        "access_grant_data",
        &[
            ("compartment", Text),
            ("consent_id", Text),
            ("rule", Integer),
            ("meaning", Text),
            ("reference_type", Text),
            ("reference_id", Text)
        ],
        ""
    )
);
fat!(
    DROP_TEAM = Fat::over(
        "DELETE FROM team_member WHERE (compartment, team) IN (SELECT compartment, team FROM ",
        &[("compartment", Text), ("team", Text)],
        ")"
    )
);
fat!(
    PUT_TEAM_MEMBER = Fat::insert(
        "team_member",
        &[
            ("compartment", Text),
            ("team", Text),
            ("member", Text),
            ("role", Text),
            ("from_ms", Integer),
            ("until_ms", Integer)
        ],
        "ON CONFLICT (compartment, team, member, role, from_ms, until_ms) DO NOTHING"
    )
);
fat!(
    DROP_REPRESENTATIVE = Fat::over(
        "DELETE FROM representative WHERE (compartment, related_person) IN (SELECT compartment, related_person FROM ",
        &[("compartment", Text), ("related_person", Text)],
        ")"
    )
);
fat!(
    PUT_REPRESENTATIVE = Fat::insert(
        "representative",
        &[
            ("compartment", Text),
            ("related_person", Text),
            ("scope", Text),
            ("from_ms", Integer),
            ("until_ms", Integer)
        ],
        ""
    )
);
fat!(
    /// A closure is lifted by its cause, for whomever it was.
    LIFT_CLOSURE = Fat::over(
        "DELETE FROM closure WHERE (compartment, cause) IN (SELECT compartment, cause FROM ",
        &[("compartment", Text), ("cause", Text)],
        ")"
    )
);
fat!(
    /// A release is lifted for one grantee, when a later Consent names it again.
    LIFT_RELEASE = Fat::over(
        "DELETE FROM closure WHERE cause = 'release' AND (compartment, grantee) IN (SELECT compartment, grantee FROM ",
        &[("compartment", Text), ("grantee", Text)],
        ")"
    )
);
fat!(
    PUT_CLOSURE = Fat::insert(
        "closure",
        &[("compartment", Text), ("grantee", Text), ("cause", Text), ("since_ms", Integer)],
        "ON CONFLICT (compartment, grantee, cause) DO NOTHING"
    )
);
fat!(
    DROP_SIGHT = Fat::over(
        "DELETE FROM sight WHERE (compartment, resource_type, id, grantee) IN \
     (SELECT compartment, resource_type, id, grantee FROM ",
        &[("compartment", Text), ("resource_type", Text), ("id", Text), ("grantee", Text)],
        ")"
    )
);
fat!(
    PUT_SIGHT = Fat::insert(
        "sight",
        &[
            ("compartment", Text),
            ("resource_type", Text),
            ("id", Text),
            ("grantee", Text),
            ("requires_consent", Integer)
        ],
        "ON CONFLICT (compartment, resource_type, id, grantee) DO UPDATE SET requires_consent = excluded.requires_consent"
    )
);
fat!(
    PUT_TASK = Fat::insert(
        "referral_task",
        &[
            ("compartment", Text),
            ("id", Text),
            ("kind", Text),
            ("state", Text),
            ("requester", Text),
            ("room", Text),
            ("owner", Text),
            ("part_of", Text),
            ("predecessor", Text),
            ("service_request", Text),
            ("expires_ms", Integer)
        ],
        "ON CONFLICT (compartment, id) DO UPDATE SET state = excluded.state, owner = excluded.owner"
    )
);
fat!(
    PUT_GUARD = Fat::insert(
        "guard",
        &[("name", Text), ("epoch", Integer), ("touched_ms", Integer)],
        "ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, touched_ms = excluded.touched_ms"
    )
);
