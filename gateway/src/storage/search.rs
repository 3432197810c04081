//! Search: criteria over index rows, joined with sight before the page is cut, counted by the very same predicate.
//!
//! Nothing is filtered afterwards: totals, pages and orders are those of what the viewer may see.

use std::fmt::Write as _;

use sqlx::Row;

use super::class::levels;
use super::compartment::within_sql;
use super::criterion::{Asked, date_sql, ids_sql};
use super::resource::{Seen, Shows, Touched, Unrecorded};
use super::sight::{CANDIDATES, LEVEL, Level, VIEWER, VIEWER_PARAMETERS, Viewer, bind_viewer, has_minimum};
use super::window::Window;
use super::{Database, StorageError, Store, read};
use crate::search::overlay::record_of;
use crate::search::parameters::SearchType;
use crate::search::query::{Criterion, Query, Sort, SortKey};

/// A value of the keyset at which a page ends.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// Of a date or time.
    Integer(i64),
    /// Of a string, token or id.
    Text(String),
}

/// A page of what was found.
#[derive(Debug)]
pub struct Page {
    /// The matches, in order.
    pub matches: Vec<Seen>,
    /// What comes along beside them, each resource once and none of the matches.
    pub included: Vec<Seen>,
    /// Whether a limit cut what comes along.
    pub is_cut: bool,
    /// Where the next page begins; none on the last.
    pub next: Option<Vec<Key>>,
    /// How many there are in all, where it was asked.
    pub total: Option<u64>,
    /// Records that the total tells something about, beside those of the matches.
    counted: Vec<Touched>,
}

impl Page {
    pub(super) fn new(
        matches: Vec<Seen>,
        next: Option<Vec<Key>>,
        (total, counted): (Option<u64>, Vec<Touched>),
    ) -> Self {
        Self { matches, included: Vec::new(), is_cut: false, next, total, counted }
    }
}

impl Shows for Page {
    fn touched(&self) -> Vec<Touched> {
        let mut touched = self.matches.touched();
        for other in self.included.touched().into_iter().chain(self.counted.iter().cloned()) {
            if !other.is_told_by(&touched) {
                touched.push(other);
            }
        }
        touched
    }

    fn shown(&mut self) -> Vec<&mut Seen> {
        self.matches.iter_mut().chain(&mut self.included).collect()
    }
}

/// The last code point: nothing that is stored sorts after it.
pub(super) const LAST: &str = "\u{10FFFF}";
/// Where a search begins. The answer is the same either way, for sight is joined to every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// With what a criterion finds, or with the whole type in the order of ids.
    Type,
    /// With the records of which the viewer may see something: a viewer of little does not pay for what others hold.
    Records,
}

/// Whether sight is looked up for all rows, before anything else: then once for each class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Once {
    /// Where a criterion or the viewer's records leave little, and where all is counted.
    Yes,
    /// Row by row, until the page is full.
    No,
}

/// A statement under construction: its text and what is bound to it after the viewer.
#[derive(Default)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) bound: Vec<Key>,
    /// Where among `bound` the next value may be that is bound again.
    pub(super) next: usize,
    /// Whether it is for SQLite: words are looked up in another way there.
    pub(super) is_sqlite: bool,
}

impl Statement {
    fn bind(&mut self, value: Key) -> String {
        if self.bound.get(self.next) != Some(&value) {
            self.bound.push(value);
            self.next = self.bound.len() - 1;
        }
        self.next += 1;
        format!("${}", self.next + VIEWER_PARAMETERS)
    }

    pub(super) fn text(&mut self, value: &str) -> String {
        self.bind(Key::Text(value.to_owned()))
    }

    pub(super) fn integer(&mut self, value: i64) -> String {
        self.bind(Key::Integer(value))
    }
}

/// Binds the viewer and the values of a [`Statement`] to its text.
macro_rules! bind_statement {
    ($statement:expr, $viewer:expr) => {{
        let mut sql = bind_viewer!(sqlx::query(sqlx::AssertSqlSafe($statement.text)), $viewer);
        for value in $statement.bound {
            sql = match value {
                Key::Text(text) => sql.bind(text),
                Key::Integer(number) => sql.bind(number),
            };
        }
        sql
    }};
}
pub(super) use bind_statement;

impl Store {
    /// What a query finds for a viewer, after the keyset `after` of an earlier page. A page has as many matches as the query
    /// says, or as fit into `bytes_max`, but one at least.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn search(
        &self,
        viewer: &Viewer,
        resource_type: &'static str,
        query: &Query,
        place: (Option<&[Key]>, usize),
        with_total: bool,
    ) -> Result<Unrecorded<Page>, StorageError> {
        Ok(Unrecorded::new(self.found(viewer, resource_type, query, place, with_total).await?))
    }

    /// The same, for whatever of the storage adds to it before it is recorded.
    pub(super) async fn found(
        &self,
        viewer: &Viewer,
        resource_type: &'static str,
        query: &Query,
        (after, bytes_max): (Option<&[Key]>, usize),
        with_total: bool,
    ) -> Result<Page, StorageError> {
        let query = &*self.sealed_query(query).await?;
        let counted = if with_total { Some(self.count(viewer, resource_type, query).await?) } else { None };
        let (total, counted) = counted.map_or((None, Vec::new()), |(total, touched)| (Some(total), touched));
        if query.count == 0 {
            return Ok(Page::new(Vec::new(), None, (total, counted)));
        }
        let few = match self.window(viewer, resource_type, query, after, bytes_max).await? {
            Window::Page(matches, next) => return Ok(Page::new(matches, next, (total, counted))),
            Window::Elsewhere { few } => few,
        };
        let keys = sort_keys(&query.sort);
        let way = if is_narrow(query) || (query.sort.is_empty() && !few) { Way::Type } else { Way::Records };
        // In the order of ids a page ends as soon as it is full.
        let once = if way == Way::Type && !is_narrow(query) { Once::No } else { Once::Yes };
        let mut statement = self.statement();
        visible(&mut statement, (way, once), resource_type, query, &keys);
        page(&mut statement, query, &keys, after, bytes_max);
        let (matches, next) = self.page(viewer, statement, query, &keys).await?;
        Ok(Page::new(matches, next, (total, counted)))
    }

    /// A statement without a text.
    pub(super) fn statement(&self) -> Statement {
        Statement { is_sqlite: matches!(self.database, Database::Sqlite { .. }), ..Statement::default() }
    }

    /// The matches of a page, and where the next begins.
    pub(super) async fn page(
        &self,
        viewer: &Viewer,
        statement: Statement,
        query: &Query,
        keys: &[OrderKey],
    ) -> Result<(Vec<Seen>, Option<Vec<Key>>), StorageError> {
        read!(&self.database, |pool| {
            let mut rows = bind_statement!(statement, viewer).fetch_all(pool).await?;
            let count = usize::try_from(query.count).unwrap_or(usize::MAX);
            let in_all = rows.first().map_or(0, |row| row.get::<i64, _>("in_all"));
            rows.truncate(count);
            let more = in_all > i64::try_from(rows.len()).unwrap_or(i64::MAX);
            let next = rows
                .last()
                .filter(|_| more)
                .map(|row| keys.iter().enumerate().map(|(n, key)| key_of(row, n, key)).collect());
            let matches = rows.iter().filter_map(Seen::from_row).collect();
            Ok((matches, next))
        })
    }

    /// The number of matches, and the records that it tells something about which the viewer does not hold.
    async fn count(
        &self,
        viewer: &Viewer,
        resource_type: &'static str,
        query: &Query,
    ) -> Result<(u64, Vec<Touched>), StorageError> {
        let mut statement = self.statement();
        let way = if is_narrow(query) { Way::Type } else { Way::Records };
        let once = if way == Way::Records || is_narrow(query) { Once::Yes } else { Once::No };
        visible(&mut statement, (way, once), resource_type, query, &[]);
        self.counted(viewer, statement, resource_type).await
    }

    /// The same, of what a statement has as `t`.
    pub(super) async fn counted(
        &self,
        viewer: &Viewer,
        mut statement: Statement,
        resource_type: &str,
    ) -> Result<(u64, Vec<Touched>), StorageError> {
        statement.text.push_str(
            " SELECT '' AS compartment, CAST(0 AS BIGINT) AS level, COUNT(*) FROM t WHERE level = 1 \
             UNION ALL SELECT compartment, level, COUNT(*) FROM t WHERE level <> 1 GROUP BY compartment, level",
        );
        read!(&self.database, |pool| {
            let rows = bind_statement!(statement, viewer).fetch_all(pool).await?;
            let total: i64 = rows.iter().map(|row| row.get::<i64, _>(2)).sum();
            let touched = |row: &_| {
                Some(Touched {
                    compartment: Row::get(row, 0),
                    resource_type: resource_type.to_owned(),
                    resource_id: String::new(),
                    version_id: 0,
                    level: Level::from_code(Row::get(row, 1))?,
                })
            };
            Ok((u64::try_from(total).unwrap_or_default(), rows.iter().filter_map(touched).collect()))
        })
    }
}

/// Whether a criterion finds so little that a search best begins with it: ids, identifiers, references.
pub(super) fn is_narrow(query: &Query) -> bool {
    query.ids.is_some() || query.within.is_some() || query.criteria.iter().any(Criterion::is_narrow)
}

/// The one record in which all matches lie, where a criterion says so.
pub(super) fn record<'q>(resource_type: &str, query: &'q Query) -> Option<&'q str> {
    query.criteria.iter().find_map(|criterion| record_of(resource_type, criterion))
}

/// A sort key as the statement uses it.
pub(super) struct OrderKey {
    pub(super) expression: String,
    pub(super) descending: bool,
    pub(super) is_integer: bool,
}

fn key_of<'r, R: Row>(row: &'r R, n: usize, key: &OrderKey) -> Key
where
    String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    usize: sqlx::ColumnIndex<R>,
{
    // The page selects its keys first.
    if key.is_integer { Key::Integer(row.get(n)) } else { Key::Text(row.get(n)) }
}

/// The keys by which a page is ordered; the id is always the last, so that the order is total.
pub(super) fn sort_keys(sort: &[Sort]) -> Vec<OrderKey> {
    let mut keys = Vec::new();
    for Sort { key, descending } in sort {
        keys.push(match key {
            SortKey::Id => OrderKey { expression: "s.id".to_owned(), descending: *descending, is_integer: false },
            SortKey::LastUpdated => {
                OrderKey { expression: "s.last_updated_ms".to_owned(), descending: *descending, is_integer: true }
            }
            SortKey::Parameter(parameter) => {
                let is_integer =
                    matches!(parameter.search_type, SearchType::Date | SearchType::Number | SearchType::Quantity);
                let value = match (is_integer, descending) {
                    (true, false) => "MIN(i.low_ms)",
                    (true, true) => "MAX(i.high_ms)",
                    (false, false) => "MIN(i.value)",
                    (false, true) => "MAX(i.value)",
                };
                // What has no value comes last, whichever way.
                let missing = match (is_integer, descending) {
                    (true, false) => i64::MAX.to_string(),
                    (true, true) => format!("({} - 1)", i64::MIN + 1),
                    (false, false) => format!("'{LAST}'"),
                    (false, true) => "''".to_owned(),
                };
                let names = match parameter.row_names().as_slice() {
                    [name] => format!("= '{name}'"),
                    names => format!("IN ('{}')", names.join("', '")),
                };
                let expression = format!(
                    "COALESCE((SELECT {value} FROM search_index i WHERE i.compartment = s.compartment \
                     AND i.resource_type = s.resource_type AND i.id = s.id AND i.parameter {names} \
                     AND (i.sight & s.level) <> 0), {missing})"
                );
                OrderKey { expression, descending: *descending, is_integer }
            }
        });
    }
    keys.push(OrderKey { expression: "s.id".to_owned(), descending: false, is_integer: false });
    keys
}

/// What a match has to meet, beside being there: as a resource row `r`, before it is known how it is seen, and as a row of `s`
/// afterwards.
pub(super) struct Conditions {
    /// The parameter that has the type.
    pub(super) resource_type: String,
    pub(super) inner: String,
    pub(super) outer: String,
    /// Whether it also depends on how a match is seen.
    pub(super) is_held_to_sight: bool,
}

pub(super) fn conditions(
    statement: &mut Statement,
    way: Way,
    resource_type: &'static str,
    query: &Query,
) -> Conditions {
    let resource_type_bound = statement.text(resource_type);
    let mut inner = format!("r.resource_type = {resource_type_bound}");
    if let Some(ids) = &query.ids {
        let list = ids_sql(statement, ids);
        let _ = write!(inner, " AND r.id IN ({list})");
    }
    for alternatives in &query.last_updated {
        let any: Vec<String> = alternatives
            .iter()
            .map(|date| date_sql(statement, date, "r.last_updated_ms", "r.last_updated_ms"))
            .collect();
        let _ = write!(inner, " AND ({})", any.join(" OR "));
    }
    let mut asked = Asked::default();
    if let Some(record) = record(resource_type, query) {
        let bound = statement.text(record);
        let _ = write!(inner, " AND r.compartment = {bound}");
        asked.record = Some(bound);
    }
    if let Some(within) = &query.within {
        let (by_row, by_seen) = within_sql(statement, &resource_type_bound, within);
        let _ = write!(inner, " AND {by_row}");
        // What of the whole is not in the minimum must not be found by it.
        if has_minimum(resource_type) {
            let _ = write!(asked.outer, " AND {by_seen}");
        }
    }
    for criterion in &query.criteria {
        asked.add(statement, way, (resource_type, resource_type_bound.as_str()), criterion);
    }
    inner.push_str(&asked.inner);
    let is_held_to_sight = !asked.outer.is_empty();
    Conditions {
        resource_type: resource_type_bound,
        inner,
        outer: format!("s.level > 0{}", asked.outer),
        is_held_to_sight,
    }
}

/// `t`: the keys of every match that the viewer sees, with the sort keys `k0 …`.
fn visible(
    statement: &mut Statement,
    (way, once): (Way, Once),
    resource_type: &'static str,
    query: &Query,
    keys: &[OrderKey],
) {
    let Conditions { inner, outer, .. } = conditions(statement, way, resource_type, query);
    let inner = format!("{inner} AND r.deleted = 0");
    let mut columns = "s.compartment, s.resource_type, s.id, s.level".to_owned();
    for (n, key) in keys.iter().enumerate() {
        let _ = write!(columns, ", {} AS k{n}", key.expression);
    }
    // SQLite keeps the order of a CROSS JOIN.
    let (records, from) = match way {
        Way::Type => (String::new(), format!("v CROSS JOIN resource r WHERE {inner}")),
        Way::Records => (
            format!(", k AS MATERIALIZED (SELECT DISTINCT compartment FROM ({CANDIDATES}) AS every)"),
            format!("v CROSS JOIN k CROSS JOIN resource r WHERE r.compartment = k.compartment AND {inner}"),
        ),
    };
    // Row by row, until the page is full; or each class of them once, and all of them.
    let seen = match once {
        Once::No => format!(
            "s AS (SELECT r.compartment, r.resource_type, r.id, r.last_updated_ms, {LEVEL} AS level FROM {from})"
        ),
        Once::Yes => levels(statement.is_sqlite, &from),
    };
    statement.text = format!("{VIEWER}{records}, {seen}, t AS (SELECT {columns} FROM s WHERE {outer})");
}

/// The page of `t` after a keyset.
pub(super) fn page(
    statement: &mut Statement,
    query: &Query,
    keys: &[OrderKey],
    after: Option<&[Key]>,
    bytes_max: usize,
) {
    let mut keyset = "1 = 1".to_owned();
    if let Some(after) = after.filter(|after| after.len() == keys.len()) {
        let bound: Vec<String> = after.iter().map(|value| statement.bind(value.clone())).collect();
        // (k0 > a0) OR (k0 = a0 AND k1 > a1) OR …
        let mut ways = Vec::new();
        for (n, key) in keys.iter().enumerate() {
            let mut way: Vec<String> = (0..n).map(|m| format!("k{m} = {}", bound[m])).collect();
            way.push(format!("k{n} {} {}", if key.descending { "<" } else { ">" }, bound[n]));
            ways.push(format!("({})", way.join(" AND ")));
        }
        keyset = format!("({})", ways.join(" OR "));
    }
    let names = (0..keys.len()).map(|n| format!("k{n}")).collect::<Vec<_>>().join(", ");
    let order = |(n, key): (usize, &OrderKey)| format!("k{n}{}", if key.descending { " DESC" } else { "" });
    let order = keys.iter().enumerate().map(order).collect::<Vec<_>>().join(", ");
    let limit = statement.integer(i64::from(query.count) + 1);
    let bytes_max = statement.integer(i64::try_from(bytes_max).unwrap_or(i64::MAX));
    // `p` the keys of the page and of one more; `b` how many bytes come before each; then the bodies of those that fit.
    let _ = write!(
        statement.text,
        ", p AS (SELECT * FROM t WHERE {keyset} ORDER BY {order} LIMIT CAST({limit} AS BIGINT)), \
         b AS (SELECT p.*, COUNT(*) OVER () AS in_all, SUM(LENGTH(r.body)) OVER (ORDER BY {order}) - LENGTH(r.body) AS bytes \
           FROM p JOIN resource r ON {same}) \
         SELECT {names}, r.compartment, r.resource_type, r.id, r.version_id, r.last_updated_ms, r.author, r.method, r.deleted, \
         p.level, p.in_all, CASE WHEN (p.level & 1) = 1 THEN r.body ELSE r.minimum END AS body, \
         CASE WHEN (p.level & 1) = 1 THEN COALESCE(r.holes, '') ELSE '' END AS holes \
         FROM b AS p JOIN resource r ON {same} WHERE p.bytes < {bytes_max} ORDER BY {order}",
        same = "r.compartment = p.compartment AND r.resource_type = p.resource_type AND r.id = p.id"
    );
}
