//! Sight decided once for what it cannot tell apart: of a record with a thousand normal observations, for one of them.
//!
//! A class is named by all that [`LEVEL`] looks at of a resource. When it is of counts where the record has rules about the time of data
//! (the index `access_grant_of_period` has these). Where the very resource may count (what has a minimum, and any of a record with rules
//! that name resources), the id is in the name, so such a resource is a class of its own.
//!
//! On PostgreSQL alone: sight costs it some fifty microseconds, and SQLite four, which is what finding out the class costs there.

use super::sight::LEVEL;

/// Whether the record of resource row `r` has rules about the time of data.
macro_rules! timed {
    () => {
        "EXISTS (SELECT 1 FROM access_grant p WHERE p.compartment = r.compartment \
           AND (p.data_from_ms > -9223372036854775807 - 1 OR p.data_until_ms < 9223372036854775807))"
    };
}

/// Whether it has rules that name resources.
macro_rules! named {
    () => {
        "EXISTS (SELECT 1 FROM access_grant_data q WHERE q.compartment = r.compartment)"
    };
}

/// The class of resource row `r` within its record and type.
pub(super) const CLASS: &str = concat!(
    "r.labels || ' ' || r.label_version || CASE WHEN ",
    timed!(),
    " THEN ' ' || r.data_from_ms || ' ' || r.data_until_ms ELSE '' END || CASE WHEN r.minimum IS NOT NULL OR ",
    named!(),
    " THEN ' ' || r.id ELSE '' END"
);

/// Whether resource row `l` is there and of the class of `r`: then [`LEVEL`] is the same for both.
pub(super) const LIKE_L: &str = concat!(
    "COALESCE(l.compartment = r.compartment AND l.resource_type = r.resource_type AND l.labels = r.labels \
       AND l.label_version = r.label_version AND l.minimum IS NULL AND r.minimum IS NULL \
       AND (l.data_from_ms = r.data_from_ms AND l.data_until_ms = r.data_until_ms OR NOT ",
    timed!(),
    ") AND NOT ",
    named!(),
    ", 1 = 0)"
);

/// Common table expressions, the last of them `s`: `compartment`, `resource_type`, `id`, `last_updated_ms` and `level` of each row `r` of `from`,
/// which has the viewer `v` in it. Nothing is joined by the class: of few rows expected PostgreSQL would go through all pairs.
pub(super) fn levels(is_sqlite: bool, from: &str) -> String {
    let keys = "r.compartment, r.resource_type, r.id, r.last_updated_ms";
    if is_sqlite {
        return format!("s AS MATERIALIZED (SELECT {keys}, {LEVEL} AS level FROM {from})");
    }
    format!(
        "f AS MATERIALIZED (SELECT {keys}, {CLASS} AS class FROM {from}), \
         g AS MATERIALIZED (SELECT f.*, ROW_NUMBER() OVER (PARTITION BY f.compartment, f.resource_type, f.class ORDER BY f.id) AS place FROM f), \
         h AS MATERIALIZED (SELECT g.*, CASE WHEN g.place = 1 THEN (SELECT {LEVEL} FROM v CROSS JOIN resource r \
           WHERE r.compartment = g.compartment AND r.resource_type = g.resource_type AND r.id = g.id) END AS own_level FROM g), \
         s AS MATERIALIZED (SELECT h.compartment, h.resource_type, h.id, h.last_updated_ms, \
           MAX(h.own_level) OVER (PARTITION BY h.compartment, h.resource_type, h.class) AS level FROM h)"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{CLASS, LEVEL, LIKE_L};

    /// The columns of row `r` that a text names.
    fn columns(text: &str) -> BTreeSet<&str> {
        let mut columns = BTreeSet::new();
        for (at, _) in text.match_indices("r.") {
            let is_row = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let name = &text[at + 2..];
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            if is_row {
                columns.insert(&name[..end]);
            }
        }
        columns
    }

    #[test]
    fn a_class_is_named_by_all_that_sight_looks_at() {
        let mut named = columns(CLASS);
        // Classes are of one record and type; atoms are asked by rules that name resources only, and so must any new use of atoms or id be.
        named.extend(["compartment", "resource_type", "atoms"]);
        assert_eq!(columns(LEVEL), named);
        // What may be known by its id is like no other.
        named.extend(["minimum"]);
        named.retain(|column| !["id", "atoms"].contains(column));
        assert_eq!(columns(LIKE_L), named);
    }
}
