//! Teams: the members of a CareTeam or a Group, as far as the operator registered them, and who is in which at a moment.
//!
//! <https://hl7.org/fhir/R4/careteam.html>, <https://hl7.org/fhir/R4/group.html>. A team counts for permits where it lies in the
//! record itself or belongs to the organisation that holds the record now: an earlier custodian lets nobody in by editing its
//! Group. A deny counts whichever team it names.

use serde_json::Value;

use super::grantee::{ActorReference, Grantee};
use super::issue::{ConsentIssue, IssueCode};
use super::period::{Period, from_date_time};
use super::permit::LawRule;
use super::provision::Consent;

/// The code system of what a participant of a CareTeam is here beyond a member of it.
pub const CARE_TEAM_ROLE_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/care-team-role";

/// Mandated treatment: a justice assistant in the CareTeam sees by law whether the person attends. Its name is the code of the
/// participant's role, and the basis in the trail.
pub const MANDATED_TREATMENT: LawRule = LawRule("mandated-treatment");

/// One member of a team, for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamMember {
    /// `practitioner/<id>` or `organization/<id>`.
    pub member: Grantee,
    /// The rule of law by which they take part; none for those who are of the team.
    pub law: Option<LawRule>,
    /// When.
    pub period: Period,
}

/// The members of a CareTeam or Group: those that `registered` knows by a literal reference. Anything else matches nobody. A
/// CareTeam that is not active, and a Group that is not actual, has none.
///
/// # Errors
/// A period that cannot be read: whom it lets in, or keeps out, would not be certain.
pub fn team_members(
    resource: &Value,
    registered: &dyn Fn(&str) -> Option<Grantee>,
) -> Result<Vec<TeamMember>, Vec<ConsentIssue>> {
    let text = |name: &str| resource.get(name).and_then(Value::as_str);
    let (list, reference, whole) = match text("resourceType") {
        Some("CareTeam") if text("status") == Some("active") => {
            ("participant", "/member/reference", period(resource, "CareTeam")?)
        }
        Some("Group") if resource.get("actual").and_then(Value::as_bool) == Some(true) => {
            ("member", "/entity/reference", Period::ALWAYS)
        }
        _ => return Ok(Vec::new()),
    };
    let resource_type = text("resourceType").unwrap_or_default();
    let mut members: Vec<TeamMember> = Vec::new();
    for (n, entry) in resource.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
        let period = period(entry, &format!("{resource_type}.{list}[{n}]"))?.intersect(whole);
        let is_inactive = entry.get("inactive").and_then(Value::as_bool) == Some(true);
        let member = entry.pointer(reference).and_then(Value::as_str).and_then(registered);
        let Some(member) = member.filter(|_| !is_inactive && !period.is_empty()) else { continue };
        let member = TeamMember { member, law: law(entry), period };
        if !members.contains(&member) {
            members.push(member);
        }
    }
    Ok(members)
}

/// Who may be a member, of what a literal reference names: a practitioner or an organisation.
pub fn member_reference(literal: &str) -> Option<ActorReference<'_>> {
    let (resource_type, id) = literal.split_once('/').filter(|(_, id)| !id.is_empty() && !id.contains('/'))?;
    match resource_type {
        "Practitioner" => Some(ActorReference::Practitioner(id)),
        "PractitionerRole" => Some(ActorReference::PractitionerRole(id)),
        "Organization" => Some(ActorReference::Organization(id)),
        _ => None,
    }
}

/// The teams that the provisions of a Consent name by literal reference, as they are written.
pub fn team_references(consent: &Value) -> Vec<ActorReference<'_>> {
    let Some(root) = consent.get("provision") else { return Vec::new() };
    let nested = root.get("provision").and_then(Value::as_array).into_iter().flatten();
    let provisions = std::iter::once(root).chain(nested);
    let actors = provisions.filter_map(|provision| provision.get("actor").and_then(Value::as_array)).flatten();
    actors
        .filter_map(|actor| actor.pointer("/reference/reference").and_then(Value::as_str)?.split_once('/'))
        .filter_map(|(resource_type, id)| match resource_type {
            "CareTeam" => Some(ActorReference::CareTeam(id)),
            "Group" => Some(ActorReference::Group(id)),
            _ => None,
        })
        .collect()
}

fn law(participant: &Value) -> Option<LawRule> {
    let roles = participant.get("role").and_then(Value::as_array).into_iter().flatten();
    let mut codings = roles.filter_map(|role| role.get("coding").and_then(Value::as_array)).flatten();
    let is_mandated = |coding: &Value| {
        coding.get("system").and_then(Value::as_str) == Some(CARE_TEAM_ROLE_SYSTEM)
            && coding.get("code").and_then(Value::as_str) == Some(MANDATED_TREATMENT.0)
    };
    codings.any(is_mandated).then_some(MANDATED_TREATMENT)
}

fn period(element: &Value, expression: &str) -> Result<Period, Vec<ConsentIssue>> {
    let side = |name: &str| {
        let Some(text) = element.pointer(&format!("/period/{name}")) else { return Ok(None) };
        text.as_str().and_then(from_date_time).map(Some).ok_or_else(|| {
            vec![ConsentIssue {
                expression: format!("{expression}.period.{name}"),
                code: IssueCode::Value,
                details: "must be a date, or a date and time with seconds and a zone".to_owned(),
            }]
        })
    };
    let from_ms = side("start")?.map_or(i64::MIN, |start| start.from_ms);
    let until_ms = side("end")?.map_or(i64::MAX, |end| end.until_ms);
    Ok(Period { from_ms, until_ms })
}

/// A stored member, with where its team lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamRow {
    /// The record of a CareTeam, `organization/<id>` of a Group.
    pub compartment: String,
    /// `careteam/<id>` or `group/<id>`.
    pub team: Grantee,
    /// `practitioner/<id>` or `organization/<id>`.
    pub member: Grantee,
    /// When.
    pub period: Period,
}

/// The teams that the Consents of one record name, with their members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Teams {
    /// The record.
    pub record: String,
    /// `organization/<id>` that holds it now.
    pub custodian: String,
    /// The members; those who take part by law only are not among them.
    pub rows: Vec<TeamRow>,
}

/// The identities of a caller with the teams that they are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identities {
    /// By which a permit or a deny may mean the caller.
    pub grantees: Vec<Grantee>,
    /// By which only a deny may: teams of an earlier custodian.
    pub former_teams: Vec<Grantee>,
}

impl Teams {
    /// Adds to identities the teams that they are in at a moment.
    pub fn identities(&self, mut grantees: Vec<Grantee>, at_ms: i64) -> Identities {
        let mut former_teams = Vec::new();
        let rows = self.rows.iter().filter(|row| row.period.contains(at_ms));
        let rows: Vec<&TeamRow> = rows.filter(|row| grantees.contains(&row.member)).collect();
        for row in rows {
            let counts = row.compartment == self.record || row.compartment == self.custodian;
            let teams = if counts { &mut grantees } else { &mut former_teams };
            if !teams.contains(&row.team) {
                teams.push(row.team.clone());
            }
        }
        Identities { grantees, former_teams }
    }
}

/// The teams that Consents name, each once.
pub fn named_teams(consents: &[Consent]) -> Vec<Grantee> {
    let roots = consents.iter().filter_map(|consent| consent.provision.as_ref());
    let provisions = roots.flat_map(|root| std::iter::once(root).chain(&root.nested));
    let mut teams: Vec<Grantee> =
        provisions.filter_map(|provision| provision.actors.as_ref()).flatten().cloned().collect();
    teams.retain(Grantee::is_team);
    teams.sort();
    teams.dedup();
    teams
}
