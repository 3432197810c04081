//! Sight decided once for what it cannot tell apart: of a record with a thousand normal observations, for one of them.
//!
//! A class is named by all that [`LEVEL`] looks at of a resource. Where it may look at the very resource (what has a minimum, and
//! any of a record with rules that name resources), the id is in the name, so such a resource is a class of its own.

use super::sight::LEVEL;

/// The class of a resource row within its record and type.
macro_rules! class {
    ($row:literal) => {
        concat!(
            $row,
            ".labels || ' ' || ",
            $row,
            ".label_version || ' ' || ",
            $row,
            ".data_from_ms || ' ' || ",
            $row,
            ".data_until_ms || CASE WHEN ",
            $row,
            ".minimum IS NOT NULL OR EXISTS (SELECT 1 FROM access_grant_data q WHERE q.compartment = ",
            $row,
            ".compartment) THEN ' ' || ",
            $row,
            ".id ELSE '' END"
        )
    };
}

/// The class of resource row `r` within its record and type.
pub(super) const CLASS: &str = class!("r");

/// Whether resource row `l` is there and of the class of `r`: then [`LEVEL`] is the same for both.
pub(super) const LIKE_L: &str = concat!(
    "COALESCE(l.compartment = r.compartment AND l.resource_type = r.resource_type AND ",
    class!("l"),
    " = ",
    class!("r"),
    ", 1 = 0)"
);

/// Common table expressions: `f`, the keys, `last_updated_ms` and class of each row `r` of `from`, and `h`, the `level` of each class
/// for the viewer `v`.
pub(super) fn levels(from: &str) -> String {
    format!(
        "f AS MATERIALIZED (SELECT r.compartment, r.resource_type, r.id, r.last_updated_ms, {CLASS} AS class FROM {from}), \
         g AS MATERIALIZED (SELECT f.compartment, f.resource_type, f.class, MIN(f.id) AS id FROM f \
           GROUP BY f.compartment, f.resource_type, f.class), \
         h AS MATERIALIZED (SELECT g.compartment, g.resource_type, g.class, {LEVEL} AS level FROM v CROSS JOIN g CROSS JOIN resource r \
           WHERE r.compartment = g.compartment AND r.resource_type = g.resource_type AND r.id = g.id)"
    )
}

/// Whether row `h` is the class of row `f`.
pub(super) const OF_CLASS: &str =
    "h.compartment = f.compartment AND h.resource_type = f.resource_type AND h.class = f.class";

/// `s`: each row of `f` and its level.
pub(super) fn seen_rows() -> String {
    format!(
        "s AS (SELECT f.compartment, f.resource_type, f.id, f.last_updated_ms, h.level FROM f JOIN h ON {OF_CLASS})"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{CLASS, LEVEL};

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
        // Classes are of one record and type; atoms are asked by rules that name resources only.
        named.extend(["compartment", "resource_type", "atoms"]);
        assert_eq!(columns(LEVEL), named);
    }
}
