//! What a viewer sees, as SQL: the one predicate that every read, search, count, page and history joins.
//!
//! Three ways lead to a resource: it is of the directory; its record is held by the viewer's organisation; a Consent in
//! force permits the viewer and none denies it. A closure (release, transit, waiting room) shuts the latter two. What is
//! left then is the minimum of single resources, by a row of `sight`. The twin of the consent part is
//! `consent::evaluate`, and a property test holds the two together.

use super::about::{covers, has_atom, labels, means, meets, of_type};

/// Who looks: the identities that grants and custody are joined with, all of them registered by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// `organization/<id>`.
    pub organization: String,
    /// `practitioner/<id>`, or empty.
    pub practitioner: String,
    /// `kind/<code>`.
    pub kind: String,
    /// One bit of a purpose set: the purpose of use of this request.
    pub purpose: i64,
    /// The moment of the request, UTC milliseconds.
    pub now_ms: i64,
    /// The person who signed in: `patient/<compartment>`, `related-person/<id>`, or empty where an organisation asks.
    pub person: String,
    /// The types to which the caller's role is limited, each between commas (`,Patient,Coverage,`); empty for no limit.
    pub types: String,
    /// The version of the label table in use: what was labelled by an older one counts as most restricted.
    pub label_version: i64,
}

/// The compartment of what belongs to no person: organisations, practitioners, questionnaires.
pub const DIRECTORY: &str = "directory";

/// Binds `$1` to `$8` as the viewer; every query with a sight begins so.
pub(super) const VIEWER: &str = "WITH v AS (SELECT CAST($1 AS TEXT) AS organization, CAST($2 AS TEXT) AS practitioner, \
     CAST($3 AS TEXT) AS kind, CAST($4 AS BIGINT) AS purpose, CAST($5 AS BIGINT) AS now_ms, CAST($6 AS TEXT) AS person, \
     CAST($7 AS TEXT) AS types, CAST($8 AS BIGINT) AS label_version)";

/// How many parameters a [`Viewer`] binds.
pub(super) const VIEWER_PARAMETERS: usize = 8;

/// Who, what for and when.
macro_rules! matches {
    ($row:literal) => {
        concat!(
            $row,
            ".grantee IN (v.organization, v.practitioner, v.kind, '*') AND (",
            $row,
            ".purposes & v.purpose) <> 0 AND ",
            $row,
            ".from_ms <= v.now_ms AND v.now_ms < ",
            $row,
            ".until_ms"
        )
    };
}

/// A permit, or an exception of a deny that matches too; and no deny without a matching exception of the same Consent.
macro_rules! permitted {
    () => {
        concat!(
            "(EXISTS (SELECT 1 FROM access_grant g WHERE g.compartment = r.compartment AND g.effect <> 'deny' AND ",
            matches!("g"),
            " AND ",
            covers!("g"),
            " AND (g.effect = 'permit' OR EXISTS (SELECT 1 FROM access_grant o WHERE o.compartment = g.compartment \
                AND o.consent_id = g.consent_id AND o.effect = 'deny' AND o.rule = g.excepts AND ",
            matches!("o"),
            " AND ",
            meets!("o"),
            "))) AND NOT EXISTS (SELECT 1 FROM access_grant d WHERE d.compartment = r.compartment AND d.effect = 'deny' AND ",
            matches!("d"),
            " AND ",
            meets!("d"),
            " AND NOT EXISTS (SELECT 1 FROM access_grant e WHERE e.compartment = d.compartment \
                AND e.consent_id = d.consent_id AND e.effect = 'exception' AND e.excepts = d.rule AND ",
            matches!("e"),
            " AND ",
            covers!("e"),
            ")))"
        )
    };
}

/// A column that names the viewer's organisation, or a pool that it is a member of.
macro_rules! of_viewer {
    ($column:literal) => {
        concat!(
            "(",
            $column,
            " = v.organization OR ",
            $column,
            " IN (SELECT m.pool FROM pool_member m WHERE m.organization = v.organization))"
        )
    };
}

pub(super) use of_viewer;

/// The types that have a minimum. Search holds its criteria to the minimum's own index rows for these only, so a minimum of
/// another type is shown to nobody.
macro_rules! with_minimum {
    () => {
        "('Task', 'Communication')"
    };
}

/// Whether resources of a type may have a minimum.
pub(super) fn has_minimum(resource_type: &str) -> bool {
    with_minimum!().contains(&format!("'{resource_type}'"))
}

/// No closure shuts the viewer out of the record.
macro_rules! open {
    () => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM closure x WHERE x.compartment = r.compartment AND ",
            of_viewer!("x.grantee"),
            ")"
        )
    };
}

/// As custodian.
macro_rules! held {
    () => {
        concat!(
            open!(),
            " AND EXISTS (SELECT 1 FROM record c WHERE c.compartment = r.compartment AND c.custodian = v.organization)"
        )
    };
}

/// By a Consent, all of it.
macro_rules! disclosed {
    () => {
        concat!("r.resource_type <> 'Consent' AND r.minimum IS NULL AND ", open!(), " AND ", permitted!())
    };
}

/// The minimum of a single Task or Communication.
macro_rules! minimum {
    () => {
        concat!(
            "r.minimum IS NOT NULL AND r.resource_type IN ",
            with_minimum!(),
            " AND EXISTS (SELECT 1 FROM sight s WHERE s.compartment = r.compartment \
                AND s.resource_type = r.resource_type AND s.id = r.id AND ",
            of_viewer!("s.grantee"),
            " AND (s.requires_consent = 0 OR ",
            permitted!(),
            "))"
        )
    };
}

/// The ways to a resource, the first that is open counts: a line each.
macro_rules! level {
    () => {
        concat!(
            // PostgreSQL takes a small number for an INTEGER, and reads come as BIGINT.
            "CAST(CASE WHEN r.compartment = 'directory' THEN 1",
            concat!(" WHEN ", held!(), " THEN 1"),
            concat!(" WHEN ", disclosed!(), " THEN 5"),
            concat!(" WHEN ", minimum!(), " THEN 2"),
            " ELSE 0 END AS BIGINT)"
        )
    };
}

/// How viewer `v` sees resource row `r`: the codes of [`Level`]. A Consent is read by the record's custodian only: it names
/// whom the patient excluded. What has a minimum (the Tasks and the feedback of a referral) is read whole by the custodian only.
pub(super) const LEVEL: &str = level!();

/// Whether the Consents let viewer `v` read version `r` by its own facts: for versions of what [`LEVEL`] says is permitted.
pub(super) const PERMITTED: &str = concat!("(r.minimum IS NULL AND ", permitted!(), ")");

/// How a viewer sees a resource. Bit 1: the whole; bit 2: the minimum; so that index rows join by a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All of it, as custodian or in the directory.
    Held,
    /// All of it, by a Consent.
    Permitted,
    /// What the gateway shows of it to a waiting room or a past sender.
    Minimum,
}

impl Level {
    pub(super) fn from_code(code: i64) -> Option<Self> {
        match code {
            1 => Some(Self::Held),
            5 => Some(Self::Permitted),
            2 => Some(Self::Minimum),
            _ => None,
        }
    }
}

/// Binds the columns of a [`Viewer`] to a query.
macro_rules! bind_viewer {
    ($query:expr, $viewer:expr) => {
        $query
            .bind($viewer.organization.as_str())
            .bind($viewer.practitioner.as_str())
            .bind($viewer.kind.as_str())
            .bind($viewer.purpose)
            .bind($viewer.now_ms)
            .bind($viewer.person.as_str())
            .bind($viewer.types.as_str())
            .bind($viewer.label_version)
    };
}
pub(super) use bind_viewer;
