//! A search over several types at once: one order, one page, one number, and sight asked once for all of them.

use std::fmt::Write as _;

use super::class::levels;
use super::include::Wanted;
use super::resource::{Touched, Unrecorded};
use super::search::{Conditions, Key, OrderKey, Page, Statement, Way, conditions, is_narrow, page, sort_keys};
use super::sight::{CANDIDATES, VIEWER, Viewer};
use super::{StorageError, Store};
use crate::search::query::Query;

/// What is asked of one of the types.
pub type OfType = (&'static str, Query);

impl Store {
    /// What a query finds among several types for a viewer: as [`Store::search_including`]. The queries differ in what the same
    /// parameters mean for each type only: order and size of the page are those of the first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn search_types(
        &self,
        viewer: &Viewer,
        queries: &[OfType],
        (after, bytes_max): (Option<&[Key]>, usize),
        (with_total, wanted): (bool, &Wanted),
    ) -> Result<Unrecorded<Page>, StorageError> {
        let mut sealed: Vec<OfType> = Vec::with_capacity(queries.len());
        for (resource_type, query) in queries {
            sealed.push((*resource_type, self.sealed_query(query).await?.into_owned()));
        }
        let Some((_, first)) = sealed.first() else {
            return Ok(Unrecorded::new(Page::new(Vec::new(), None, (with_total.then_some(0), Vec::new()))));
        };
        let counted = if with_total { Some(self.count_types(viewer, &sealed).await?) } else { None };
        let (total, counted) = counted.map_or((None, Vec::new()), |(total, touched)| (Some(total), touched));
        if first.count == 0 {
            return Ok(Unrecorded::new(Page::new(Vec::new(), None, (total, counted))));
        }
        let mut keys = sort_keys(&first.sort);
        // Ids are unique within a type.
        keys.push(OrderKey { expression: "s.resource_type".to_owned(), descending: false, is_integer: false });
        let mut statement = self.statement();
        visible(&mut statement, &sealed, &keys);
        page(&mut statement, first, &keys, after, bytes_max);
        let (matches, next) = self.page(viewer, statement, first, &keys).await?;
        let mut found = Page::new(matches, next, (total, counted));
        self.bring(viewer, &mut found, bytes_max, wanted).await?;
        Ok(Unrecorded::new(found))
    }

    async fn count_types(&self, viewer: &Viewer, queries: &[OfType]) -> Result<(u64, Vec<Touched>), StorageError> {
        let mut statement = self.statement();
        visible(&mut statement, queries, &[]);
        self.counted(viewer, statement, "").await
    }
}

/// `t`: the keys of every match of every type that the viewer sees, with the sort keys `k0 …`.
fn visible(statement: &mut Statement, queries: &[OfType], keys: &[OrderKey]) {
    let (mut candidates, mut seen) = (Vec::new(), Vec::new());
    for (name, query) in queries {
        let way = if is_narrow(query) { Way::Type } else { Way::Records };
        let Conditions { resource_type, inner, outer, .. } = conditions(statement, way, name, query);
        let (from, record) = match way {
            Way::Type => ("", ""),
            Way::Records => ("k CROSS JOIN ", "r.compartment = k.compartment AND "),
        };
        candidates.push(format!(
            "SELECT r.compartment, r.resource_type, r.id FROM v CROSS JOIN {from}resource r WHERE {record}{inner} AND r.deleted = 0"
        ));
        seen.push(format!("(s.resource_type = {resource_type} AND {outer})"));
    }
    let mut columns = "s.compartment, s.resource_type, s.id, s.level".to_owned();
    for (n, key) in keys.iter().enumerate() {
        let _ = write!(columns, ", {} AS k{n}", key.expression);
    }
    // SQLite keeps the order of a CROSS JOIN.
    statement.text = format!(
        "{VIEWER}, k AS MATERIALIZED (SELECT DISTINCT compartment FROM ({CANDIDATES}) AS every), \
         c AS MATERIALIZED ({}), \
         {}, \
         t AS (SELECT {columns} FROM s WHERE {})",
        candidates.join(" UNION ALL "),
        levels(
            statement.is_sqlite,
            "v CROSS JOIN c CROSS JOIN resource r WHERE r.compartment = c.compartment AND r.resource_type = c.resource_type AND r.id = c.id"
        ),
        seen.join(" OR ")
    );
}
