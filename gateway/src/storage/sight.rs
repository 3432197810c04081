//! What a viewer sees, as SQL: the one predicate that every read, search, count, page and history joins.
//!
//! Six ways lead to a resource: it is of the directory; its record is held by the viewer's organisation; its record is about
//! the person who signed in, or whom that one represents; a Consent in force permits the viewer and none denies it; an emergency
//! session of the viewer is open and no Consent denies that; a rule of law demands it. A closure (release, transit, waiting room)
//! shuts custody and Consent, and a practitioner may be kept from what their organisation sees. What is left then is the minimum of
//! single resources, by a row of `sight`. The twins are `consent::evaluate` and `consent::EmergencySession::opens`, and property
//! tests hold them together.

use super::about::{covers, has_atom, labels, means, meets, of_type};
use super::rules::{
    by_consent, denied, for_no_purpose, identities, in_force, in_team, means_viewer, of_record, permitted, teams,
};

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

/// The viewer's role, if it is limited, sees resources of this type.
macro_rules! of_role {
    () => {
        "(v.types = '' OR v.types LIKE '%,' || r.resource_type || ',%')"
    };
}

/// The viewer's role, if it is limited, sees the minimum of this type.
macro_rules! of_role_minimum {
    () => {
        "(v.types = '' OR v.types LIKE '%,' || r.resource_type || ':minimum,%')"
    };
}

/// Nothing keeps the very practitioner from what their organisation sees: no deny that names them, themselves or by a team,
/// and no care team of their organisation that they are not in. A caller without a practitioner is the organisation's system.
///
/// A deny of the organisation, its kind or everyone is no business of this: the custodian has the record by law.
macro_rules! open_to_practitioner {
    ($($about:expr)?) => {
        concat!(
            "(v.practitioner = '' OR (NOT ",
            denied!(person, "v.purpose" $(, $about)?),
            " AND ",
            of_care_team!(),
            "))"
        )
    };
}

/// Where practitioners of the custodian's are in a CareTeam of its record, only they are let in among their own, each in their
/// time; that all times have ended opens nothing. Who moved a record on leaves its team behind: it binds nobody elsewhere.
macro_rules! of_care_team {
    () => {
        "(NOT EXISTS (SELECT 1 FROM record c JOIN team_member t ON t.compartment = c.compartment \
            JOIN practitioner p ON p.id = SUBSTR(t.member, 14) \
            WHERE c.compartment = r.compartment AND c.custodian = v.organization AND t.team LIKE 'careteam/%' \
            AND t.member LIKE 'practitioner/%' AND t.role = '' AND 'organization/' || p.organization_id = v.organization) \
          OR EXISTS (SELECT 1 FROM team_member t WHERE t.compartment = r.compartment AND t.team LIKE 'careteam/%' \
            AND t.member = v.practitioner AND t.role = '' AND t.from_ms <= v.now_ms AND v.now_ms < t.until_ms))"
    };
}

/// What tells whether somebody attends, and not what for: contacts and episodes that are labelled as normal (`N`, the first bit) and
/// as nothing else.
macro_rules! attendance {
    () => {
        concat!("r.resource_type IN ('Encounter', 'EpisodeOfCare') AND ", labels!(), " = 1")
    };
}

/// By the rule of mandated treatment: a practitioner registered as justice assistant whom a CareTeam of the record has in that
/// part. It needs no Consent, and no deny and no closure ends it: the custodian does, by the CareTeam.
macro_rules! law {
    () => {
        concat!(
            "v.practitioner <> '' AND v.purpose <> 0 AND ",
            attendance!(),
            " AND EXISTS (SELECT 1 FROM team_member t JOIN practitioner p ON p.id = SUBSTR(t.member, 14) \
                WHERE t.compartment = r.compartment AND t.team LIKE 'careteam/%' AND t.member = v.practitioner \
                AND t.role = 'mandated-treatment' AND t.from_ms <= v.now_ms AND v.now_ms < t.until_ms \
                AND p.role = 'justice' AND p.active = 1)"
        )
    };
}

/// The record is the viewer's organisation's.
macro_rules! held {
    () => {
        "EXISTS (SELECT 1 FROM record c WHERE c.compartment = r.compartment AND c.custodian = v.organization)"
    };
}

/// As the person whom the record is about, or as somebody who at this moment may read for that person. No closure matters.
macro_rules! of_person {
    ($compartment:literal) => {
        concat!(
            "(v.person <> '' AND (v.person = 'patient/' || ",
            $compartment,
            " OR EXISTS (SELECT 1 FROM representative p WHERE p.compartment = ",
            $compartment,
            " AND p.related_person = v.person AND p.scope = 'read' AND p.from_ms <= v.now_ms AND v.now_ms < p.until_ms)))"
        )
    };
}

pub(super) use of_person;

/// By which way a resource may be open before a rule is asked, as `code`: 1 as custodian, 5 all of it by a Consent, 2 the minimum, 6
/// the minimum by a Consent, 0 none.
macro_rules! way {
    () => {
        concat!(
            "SELECT CASE WHEN ",
            of_role!(),
            " AND ",
            open!(),
            " AND (",
            held!(),
            " OR (r.minimum IS NULL AND r.resource_type <> 'Consent')) THEN CASE WHEN ",
            held!(),
            " THEN 1 ELSE 5 END WHEN r.minimum IS NOT NULL AND r.resource_type IN ",
            with_minimum!(),
            " AND ",
            of_role_minimum!(),
            // Two rows may show the same: one that needs no Consent suffices.
            " THEN COALESCE((SELECT 2 + 4 * MIN(s.requires_consent) FROM sight s WHERE s.compartment = r.compartment \
                AND s.resource_type = r.resource_type AND s.id = r.id AND ",
            of_viewer!("s.grantee"),
            "), 0) ELSE 0 END AS code LIMIT 1"
        )
    };
}

/// As custodian, by a Consent, or the minimum of a single Task or Communication: NULL where nothing of these is open.
macro_rules! decided {
    () => {
        concat!(
            "(SELECT CASE WHEN ",
            by_consent!(),
            " AND NOT ",
            permitted!(),
            " THEN NULL WHEN (",
            by_consent!(),
            " OR v.practitioner <> '') AND ",
            denied!(closed, "v.purpose"),
            " THEN NULL WHEN v.practitioner <> '' AND NOT ",
            of_care_team!(),
            " THEN NULL WHEN w.code = 6 THEN 2 ELSE w.code END FROM (",
            way!(),
            ") AS w WHERE w.code > 0)"
        )
    };
}

/// By an emergency session of this practitioner and organisation, all of it but what says whom the patient excluded and how a
/// referral goes. Only for treatment, which is bit 0: so nothing for the lookups that are made for no purpose at all.
macro_rules! emergency {
    () => {
        concat!(
            "v.practitioner <> '' AND (v.purpose & 1) <> 0 AND r.resource_type <> 'Consent' AND r.minimum IS NULL AND ",
            of_role!(),
            " AND EXISTS (SELECT 1 FROM emergency_session y WHERE y.compartment = r.compartment \
                AND y.organization = v.organization AND y.practitioner = v.practitioner AND y.ended_ms IS NULL \
                AND y.from_ms <= v.now_ms AND v.now_ms < y.until_ms AND NOT ",
            denied!(deny, "y.purpose"),
            ")"
        )
    };
}

/// The ways to a resource, the first that is open counts. No two of custodian, Consent and minimum lead to the same one, so the
/// rules of Consents are asked once for the three.
macro_rules! level {
    () => {
        concat!(
            // PostgreSQL takes a small number for an INTEGER, and reads come as BIGINT.
            "CAST(CASE WHEN r.compartment = 'directory' THEN 1",
            concat!(" WHEN ", of_person!("r.compartment"), " THEN 33"),
            concat!(" ELSE COALESCE(", decided!(), ","),
            concat!(" CASE WHEN ", emergency!(), " THEN 9"),
            concat!(" WHEN ", law!(), " THEN 17"),
            " ELSE 0 END) END AS BIGINT)"
        )
    };
}

/// How viewer `v` sees resource row `r`: the codes of [`Level`]. A Consent is read by the record's custodian and the
/// person only: it names whom the patient excluded. What has a minimum (the Tasks and the feedback of a referral) is read whole
/// by these two only.
pub(super) const LEVEL: &str = level!();

/// Whether nothing keeps the practitioner of viewer `v` from resource row `r`, see `open_to_practitioner`.
pub(super) const OPEN_TO_PRACTITIONER: &str = open_to_practitioner!();

/// The same for the trail of the record of Patient row `r`: a deny of any part of the record shuts all of it, for the trail names
/// what is hidden.
pub(super) const TRAIL_OPEN_TO_PRACTITIONER: &str = open_to_practitioner!("");

/// The ways by which viewer `v` may see something of a compartment: where the compartment is, and in what it is found.
macro_rules! ways {
    ($make:ident) => {
        $make!(
            ("'directory'", "FROM v WHERE 1 = 1"),
            ("c.compartment", "FROM v CROSS JOIN record c WHERE c.custodian = v.organization"),
            (
                "g.compartment",
                "FROM v CROSS JOIN access_grant g WHERE g.grantee IN (v.organization, v.practitioner, v.kind, '*') AND g.effect <> 'deny'"
            ),
            // By a team, and by law.
            (
                "g.compartment",
                "FROM v CROSS JOIN team_member m CROSS JOIN access_grant g \
                   WHERE m.member IN (v.organization, v.practitioner) AND g.grantee = m.team AND g.effect <> 'deny'"
            ),
            ("m.compartment", "FROM v CROSS JOIN team_member m WHERE m.member = v.practitioner"),
            (
                "y.compartment",
                "FROM v CROSS JOIN emergency_session y \
                   WHERE y.organization = v.organization AND y.ended_ms IS NULL AND y.until_ms > v.now_ms"
            ),
            ("SUBSTR(v.person, 9)", "FROM v WHERE v.person LIKE 'patient/%'"),
            ("p.compartment", "FROM v CROSS JOIN representative p WHERE p.related_person = v.person"),
            ("s.compartment", concat!("FROM v CROSS JOIN sight s WHERE ", of_viewer!("s.grantee")))
        )
    };
}

macro_rules! united {
    (($first:expr, $of_first:expr), $(($compartment:expr, $of:expr)),*) => {
        concat!("SELECT ", $first, " AS compartment ", $of_first, $(" UNION ALL SELECT ", $compartment, " ", $of),*)
    };
}

macro_rules! listed {
    ($($way:expr),*) => { [$($way),*] };
}

/// The compartments of which viewer `v` may see something, some of them more than once: whatever [`LEVEL`] lets through lies in one
/// of these. It decides nothing; it only saves looking at the rest.
pub(super) const CANDIDATES: &str = ways!(united);

/// A row or more where a compartment is one of [`CANDIDATES`], none else. It is looked for by each way: of all that a viewer may see PostgreSQL
/// would go through every one.
pub(super) fn candidate(compartment: &str) -> String {
    let ways = ways!(listed).map(|(of_way, from)| format!("SELECT 1 {from} AND {of_way} = {compartment}"));
    ways.join(" UNION ALL ")
}

/// How a viewer sees a resource. Bit 1: the whole; bit 2: the minimum; so that index rows join by a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All of it, as custodian or in the directory.
    Held,
    /// All of it, as the person whom it is about, or for that person.
    Person,
    /// All of it, by a Consent.
    Permitted,
    /// All of it, by an emergency session.
    Emergency,
    /// All of it, by the rule of law on mandated treatment.
    Law,
    /// What the gateway shows of it to a waiting room or a past sender.
    Minimum,
}

impl Level {
    pub(super) fn from_code(code: i64) -> Option<Self> {
        match code {
            1 => Some(Self::Held),
            33 => Some(Self::Person),
            5 => Some(Self::Permitted),
            9 => Some(Self::Emergency),
            17 => Some(Self::Law),
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
