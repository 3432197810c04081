//! Teams in a draft: who is in which as it would leave them, and the rows that a written CareTeam or Group brings.

use super::draft::Draft;
use crate::consent::{
    ActorReference, Consent, Grantee, TeamMember, TeamRow, Teams, member_reference, named_teams, team_members,
};
use crate::error::{Failure, Issue};
use crate::storage::write_set::{Method, ResourceKey, TeamMemberRow};

impl Draft<'_> {
    /// The teams that the Consents of a record name, as the draft would leave them. A decision on a Group rests on the epoch of
    /// its organisation's compartment, as one on the record rests on the record's.
    ///
    /// # Errors
    /// The database is away.
    pub async fn teams(&mut self, compartment: &str, consents: &[Consent]) -> Result<Teams, Failure> {
        let named = named_teams(consents);
        if named.is_empty() {
            return Ok(Teams::default());
        }
        let custodian =
            self.record(compartment).await?.map(|record| record.facts.custodian.clone()).unwrap_or_default();
        if named.iter().any(|team| team.as_str().starts_with("group/")) {
            self.record(&custodian).await?;
        }
        let mut rows = Vec::new();
        for team in named {
            let is_pending = |(_, dropped): &(String, String)| *dropped == team.as_str();
            if self.set.dropped_teams.iter().any(is_pending) {
                let pending =
                    self.set.team_members.iter().filter(|row| row.team == team.as_str() && row.role.is_empty());
                rows.extend(pending.map(TeamMemberRow::as_decided));
            } else {
                rows.extend(self.app.store.team_rows(team.as_str()).await?);
            }
        }
        Ok(Teams { record: compartment.to_owned(), custodian, rows })
    }

    /// The team that an actor of a Consent of this record names: a CareTeam of the record, or a Group of the organisation that
    /// holds it. Another's answers as none.
    ///
    /// # Errors
    /// The database is away.
    pub async fn team(&mut self, compartment: &str, actor: ActorReference<'_>) -> Result<Option<Grantee>, Failure> {
        let (resource_type, id, place) = match actor {
            ActorReference::CareTeam(id) => ("CareTeam", id, compartment.to_owned()),
            ActorReference::Group(id) => {
                let Some(record) = self.record(compartment).await? else { return Ok(None) };
                ("Group", id, record.facts.custodian.clone())
            }
            _ => return Ok(None),
        };
        let key = ResourceKey { compartment: place, resource_type, id: id.to_owned() };
        let Some(stored) = self.content(&key).await? else { return Ok(None) };
        // A Group that only describes whom it means has no members, so nothing of it could be enforced.
        let is_descriptive = resource_type == "Group" && stored.content.value["actual"] != true;
        Ok(team_of(&key).filter(|_| !is_descriptive))
    }

    /// After a CareTeam or Group was put or deleted: its members become rows, and whatever was decided on them moves.
    ///
    /// # Errors
    /// 422 where a period cannot be read; the database is away.
    pub async fn put_team(&mut self, key: &ResourceKey) -> Result<(), Failure> {
        let Some(team) = team_of(key) else { return Ok(()) };
        let members = match self.pending(key.resource_type, &key.id) {
            Some(resource) if resource.method != Method::Delete => {
                let registered = |literal: &str| self.caller.registry.grantee(&member_reference(self.local(literal))?);
                team_members(&resource.value, &registered).map_err(unreadable)?
            }
            _ => Vec::new(),
        };
        self.move_record(&key.compartment).await?;
        self.set.team_members.retain(|row| row.team != team.as_str());
        self.set.dropped_teams.push((key.compartment.clone(), team.to_string()));
        self.set.team_members.extend(members.iter().map(|member| row(key, &team, member)));
        Ok(())
    }
}

/// The team that a resource is, if it is one.
fn team_of(key: &ResourceKey) -> Option<Grantee> {
    match key.resource_type {
        "CareTeam" => Some(Grantee::care_team(&key.id)),
        "Group" => Some(Grantee::group(&key.id)),
        _ => None,
    }
}

fn row(key: &ResourceKey, team: &Grantee, member: &TeamMember) -> TeamMemberRow {
    TeamMemberRow {
        compartment: key.compartment.clone(),
        team: team.to_string(),
        member: member.member.to_string(),
        role: member.law.map_or("", |law| law.0),
        from_ms: member.period.from_ms,
        until_ms: member.period.until_ms,
    }
}

impl TeamMemberRow {
    /// The row as a decision takes it.
    fn as_decided(&self) -> TeamRow {
        TeamRow {
            compartment: self.compartment.clone(),
            team: Grantee::stored(self.team.clone()),
            member: Grantee::stored(self.member.clone()),
            period: crate::consent::Period { from_ms: self.from_ms, until_ms: self.until_ms },
        }
    }
}

fn unreadable(issues: Vec<crate::consent::ConsentIssue>) -> Failure {
    let issue = |issue: crate::consent::ConsentIssue| Issue::at(issue.expression, issue.code.as_str(), issue.details);
    Failure::Unprocessable(issues.into_iter().map(issue).collect())
}
