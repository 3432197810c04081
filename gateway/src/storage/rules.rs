//! Which rules mean the viewer, as SQL: whether one permits viewer `v` resource row `r`, or denies it.
//!
//! The twin is `consent::evaluate`. What a rule is about is in `about.rs`; which way is open before a rule is asked, in `sight.rs`.

/// Way `w` of a resource needs a Consent, see `way` in `sight.rs`.
macro_rules! by_consent {
    () => {
        "(w.code & 4) <> 0"
    };
}

/// The viewer's identities, by which a rule may mean it: `permit` for what opens, `deny` for what closes, `person` for a deny of the
/// very practitioner, `closed` for a deny on way `w`, where on what is held it must mean the very practitioner. A record may have
/// thousands of rules: those of an identity are looked up.
macro_rules! identities {
    (person) => {
        concat!("(SELECT v.practitioner AS grantee UNION ALL ", teams!("v.practitioner", ""), ")")
    };
    (closed) => {
        concat!(
            "(SELECT v.practitioner AS grantee UNION ALL SELECT k.grantee FROM (SELECT v.organization AS grantee UNION ALL \
                SELECT v.kind UNION ALL SELECT '*') AS k WHERE ",
            by_consent!(),
            " UNION ALL ",
            teams!(concat!("v.practitioner, CASE WHEN ", by_consent!(), " THEN v.organization END"), ""),
            ")"
        )
    };
    ($as:tt) => {
        concat!(
            "(SELECT v.organization AS grantee UNION ALL SELECT v.practitioner UNION ALL SELECT v.kind UNION ALL SELECT '*' \
                UNION ALL ",
            teams!("v.organization, v.practitioner", of_record!($as)),
            ")"
        )
    };
}

/// The teams that rules of the record name and that one of these members of the viewer's is in. Teams sort from `careteam/…` to
/// `group/…` and nothing else lies between.
macro_rules! teams {
    ($members:expr, $where:expr) => {
        concat!(
            "SELECT t.grantee FROM access_grant t WHERE t.compartment || ' ' || t.grantee \
                BETWEEN r.compartment || ' careteam/' AND r.compartment || ' group0' AND ",
            in_team!("t", $members, $where)
        )
    };
}

/// One of these members is now in the team that the rule names; not one who takes part by law only.
macro_rules! in_team {
    ($row:literal, $members:expr, $where:expr) => {
        concat!(
            "EXISTS (SELECT 1 FROM team_member m WHERE m.team = ",
            $row,
            ".grantee AND m.member IN (",
            $members,
            ") AND m.role = '' AND m.from_ms <= v.now_ms AND v.now_ms < m.until_ms",
            $where,
            ")"
        )
    };
}

/// Which teams let in: a custodian's own Group counts for its own records; an earlier custodian lets nobody in any more.
macro_rules! of_record {
    (permit) => {
        " AND m.compartment IN (r.compartment, (SELECT c.custodian FROM record c WHERE c.compartment = r.compartment))"
    };
    (deny) => {
        ""
    };
}

/// A rule of the Consent of another rule means the viewer.
macro_rules! means_viewer {
    ($row:literal, $as:tt) => {
        concat!(
            "(",
            $row,
            ".grantee IN (v.organization, v.practitioner, v.kind, '*') OR ",
            in_team!($row, "v.organization, v.practitioner", of_record!($as)),
            ")"
        )
    };
}

/// The rule is in force for the purpose: that of the request, or of an emergency session. Who asks for no purpose at all (a
/// conditional create, which meets only what is held) is permitted nothing, and the very practitioner is kept out as for any.
macro_rules! in_force {
    ($row:literal, $as:tt, $purpose:literal) => {
        concat!(
            "(",
            for_no_purpose!($as, $purpose),
            "(",
            $row,
            ".purposes & ",
            $purpose,
            ") <> 0) AND ",
            $row,
            ".from_ms <= v.now_ms AND v.now_ms < ",
            $row,
            ".until_ms"
        )
    };
}

macro_rules! for_no_purpose {
    (permit, $purpose:literal) => {
        ""
    };
    (deny, $purpose:literal) => {
        ""
    };
    ($as:tt, $purpose:literal) => {
        concat!($purpose, " = 0 OR ")
    };
}

/// A deny for this purpose without a matching exception of the same Consent; `$about` is what it must meet.
macro_rules! denied {
    ($as:tt, $purpose:literal, $about:expr) => {
        concat!(
            "EXISTS (SELECT 1 FROM ",
            identities!($as),
            " AS i CROSS JOIN access_grant d WHERE d.compartment || ' ' || d.grantee = r.compartment || ' ' || i.grantee AND d.effect = 'deny' AND ",
            in_force!("d", $as, $purpose),
            $about,
            " AND NOT EXISTS (SELECT 1 FROM access_grant e WHERE e.compartment = d.compartment \
                AND e.consent_id = d.consent_id AND e.effect = 'exception' AND e.excepts = d.rule AND ",
            means_viewer!("e", permit),
            " AND ",
            in_force!("e", permit, $purpose),
            " AND ",
            covers!("e"),
            "))"
        )
    };
    ($as:tt, $purpose:literal) => {
        denied!($as, $purpose, concat!(" AND ", meets!("d")))
    };
}

/// A permit, or an exception of a deny that matches too.
macro_rules! permitted {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM ",
            identities!(permit),
            " AS i CROSS JOIN access_grant g WHERE g.compartment || ' ' || g.grantee = r.compartment || ' ' || i.grantee AND g.effect <> 'deny' AND ",
            in_force!("g", permit, "v.purpose"),
            " AND ",
            covers!("g"),
            " AND (g.effect = 'permit' OR EXISTS (SELECT 1 FROM access_grant o WHERE o.compartment = g.compartment \
                AND o.consent_id = g.consent_id AND o.effect = 'deny' AND o.rule = g.excepts AND ",
            means_viewer!("o", deny),
            " AND ",
            in_force!("o", deny, "v.purpose"),
            " AND ",
            meets!("o"),
            ")))"
        )
    };
}

pub(super) use {
    by_consent, denied, for_no_purpose, identities, in_force, in_team, means_viewer, of_record, permitted, teams,
};
