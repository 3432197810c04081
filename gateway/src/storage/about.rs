//! What a rule is about, as SQL: whether grant row holds for resource row `r`, by the facts that stand beside it.
//!
//! A permit covers a resource, a deny meets it: `consent/about.rs` says the same of the provisions. Columns of `r` are those of
//! a version, so that an old version is judged by its own.

/// The labels of `r` as they count for viewer `v`: all of them where an older table labelled it.
macro_rules! labels {
    () => {
        "(CASE WHEN r.label_version < v.label_version THEN -1 ELSE r.labels END)"
    };
}

/// Whether the atoms of a row have one. Upper and lower case differ, which LIKE would not see on `SQLite`.
macro_rules! has_atom {
    ($atoms:literal, $kind:literal, $reference:literal) => {
        concat!("REPLACE(", $atoms, ", ',", $kind, "|' || ", $reference, " || ',', '') <> ", $atoms)
    };
}

/// Whether an entry of a rule's data means `r`. `$unknown` is whether a named resource whose own references are not known counts.
macro_rules! means {
    ($row:literal, $unknown:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM access_grant_data q WHERE q.compartment = ",
            $row,
            ".compartment AND q.consent_id = ",
            $row,
            ".consent_id AND q.rule = ",
            $row,
            ".rule AND ((q.meaning <> 'authoredby' AND q.reference_type = r.resource_type AND q.reference_id = r.id) \
               OR (q.meaning IN ('related', 'dependents') AND ",
            has_atom!("r.atoms", "refers", "q.reference_type || '/' || q.reference_id"),
            ") OR (q.meaning = 'authoredby' AND ",
            has_atom!("r.atoms", "by", "q.reference_type || '/' || q.reference_id"),
            ") OR (q.meaning = 'related' AND r.resource_type <> 'Patient' AND EXISTS (SELECT 1 FROM resource n \
                 WHERE n.compartment = r.compartment AND n.resource_type = q.reference_type AND n.id = q.reference_id AND (",
            $unknown,
            has_atom!("n.atoms", "refers", "r.resource_type || '/' || r.id"),
            ")))))"
        )
    };
}

macro_rules! of_type {
    ($row:literal) => {
        concat!(
            "(",
            $row,
            ".types = '' OR REPLACE(",
            $row,
            ".types, ',' || r.resource_type || ',', '') <> ",
            $row,
            ".types)"
        )
    };
}

/// Whether permit or exception `$row` covers `r`: all that `r` is must be named.
macro_rules! covers {
    ($row:literal) => {
        concat!(
            "(",
            labels!(),
            " & ",
            $row,
            ".labels) <> 0 AND (",
            labels!(),
            " & ",
            $row,
            ".uncovered) = 0 AND ",
            $row,
            ".data_from_ms <= r.data_from_ms AND r.data_until_ms <= ",
            $row,
            ".data_until_ms AND ",
            of_type!($row),
            " AND (",
            $row,
            ".has_data = 0 OR ",
            means!($row, ""),
            ")"
        )
    };
}

/// Whether deny `$row` meets `r`: any part of what `r` is suffices, and so does not knowing.
macro_rules! meets {
    ($row:literal) => {
        concat!(
            "(",
            labels!(),
            " & ",
            $row,
            ".labels) <> 0 AND ",
            $row,
            ".data_from_ms < r.data_until_ms AND r.data_from_ms < ",
            $row,
            ".data_until_ms AND ",
            of_type!($row),
            " AND (",
            $row,
            ".has_data = 0 OR r.atoms = '' OR ",
            means!($row, "n.atoms = '' OR "),
            ")"
        )
    };
}

pub(super) use {covers, has_atom, labels, means, meets, of_type};
