//! `Patient/<id>/$who-can-see`: who may read a record now, for what and until when, for whoever holds it.
//!
//! Each registered organisation is asked about as `Consent/$explain` asks about one: by the decision, and not from the access grants.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::{Parameters, held, patient_key, show};
use crate::access::caller::Act;
use crate::access::inquiry::{Finding, Party, before_consents};
use crate::access::{Caller, Draft};
use crate::app::Registry;
use crate::auth::Interaction;
use crate::clock::format_instant;
use crate::consent::{
    Basis, Consent, Decision, Grantee, Identities, PractitionerRole, Purpose, Request, Status, Teams, classes, decide,
};
use crate::error::{Failure, Issue};
use crate::fhir::exchange::{Exchange, Target};
use crate::labels::ResourceFacts;
use crate::storage::facts::RecordFacts;
use crate::storage::registry::Organization;
use mappings::r4::primitive::is_id;

const ACT: Act = Act::new("E", "who-can-see");
/// How many moments to come are asked about for the end of a permit. Where there are more, `until` is left out.
const MOMENTS_MAX: usize = 50;
/// The most organisations that one answer looks at: each is asked about for every purpose that a Consent tells apart.
const ORGANIZATIONS_MAX: u32 = 100;

/// What is the same for everyone who is asked about.
struct Ground<'g> {
    registry: &'g Registry,
    facts: &'g RecordFacts,
    consents: &'g [Consent],
    /// The teams that they name.
    teams: Teams,
    /// What is asked for: the Patient resource.
    about: ResourceFacts,
    /// Purposes that no Consent tells apart stand together.
    classes: Vec<Vec<Purpose>>,
    now_ms: i64,
    /// The moments to come at which a period begins or ends.
    moments: BTreeSet<i64>,
}

/// `GET` or `POST [base]/Patient/[id]/$who-can-see`
///
/// Organisations come by id, `_count` of them are looked at, and `next` says after which one to ask again.
pub async fn who_can_see(exchange: Exchange, id: String, body: Body) -> Response<Body> {
    let target = Target::new(ACT, "Patient", &id);
    exchange
        .answer_naming(target, async |exchange, caller, target| {
            caller.may("Patient", Interaction::Read)?;
            caller.may("Consent", Interaction::Read)?;
            let asked = Parameters::asked(exchange, body, &["_count", "after"]).await?;
            let mut draft = Draft::new(&exchange.app, caller);
            let facts = held(&mut draft, target, &id).await?.clone();
            let (count, after) = page(exchange, &asked)?;
            let consents = draft.consents(&id).await?;
            let teams = draft.teams(&id, &consents).await?;
            let about = draft.facts(&patient_key(&id), &consents).await?;
            let ground = Ground::of(caller, &facts, &consents, teams, about);
            let members = members(exchange, &ground, &id, (count, after)).await?;
            show(exchange, caller, ACT, &id, members).await
        })
        .await
}

fn page<'a>(exchange: &Exchange, asked: &'a Parameters) -> Result<(usize, &'a str), Failure> {
    let limits = &exchange.app.limits;
    let wrong = |name: &str, details: &str| {
        Failure::BadRequest(vec![Issue::at(format!("Parameters.parameter:{name}"), "value", details)])
    };
    let count = match asked.text("_count") {
        None => limits.search_count_default,
        Some(text) => text
            .parse::<u32>()
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| wrong("_count", "must be a whole number from 1"))?,
    };
    let after = asked.text("after").unwrap_or_default();
    if !after.is_empty() && !is_id(after) {
        return Err(wrong("after", "must be what an answer had in next"));
    }
    Ok((usize::try_from(count.min(ORGANIZATIONS_MAX)).unwrap_or(usize::MAX), after))
}

async fn members(
    exchange: &Exchange,
    ground: &Ground<'_>,
    id: &str,
    (count, after): (usize, &str),
) -> Result<Vec<Value>, Failure> {
    let mut members = vec![json!({"name": "at", "valueInstant": format_instant(ground.now_ms)})];
    let organizations = ground.registry.organizations();
    let organizations: Vec<&Organization> = organizations.filter(|organization| &*organization.id > after).collect();
    let (page, rest) = organizations.split_at(count.min(organizations.len()));
    for &organization in page {
        // Who is disabled is not answered at all.
        if !organization.active {
            continue;
        }
        let of_organization = ground.access(&Party { organization, practitioner: None });
        if !of_organization.is_empty() {
            let mut parts =
                vec![who("Organization", &organization.id), json!({"name": "kind", "valueCode": organization.kind})];
            parts.extend(of_organization.iter().cloned());
            members.push(json!({"name": "viewer", "part": parts}));
        }
        // Whoever works there may do as much as the organisation, unless a Consent names them.
        for practitioner in ground.registry.practitioners_of(&organization.id) {
            let member = Party { organization, practitioner: Some(practitioner) };
            let mut own = ground.access(&member);
            if !own.is_empty() {
                let (kept, is_whole) = ground.kept(exchange, &member, id).await?;
                if is_whole {
                    own.clear();
                }
                own.extend(kept);
            }
            if own != of_organization {
                let mut parts = vec![who("Practitioner", &practitioner.id), of(&organization.id)];
                parts.extend(own);
                members.push(json!({"name": "viewer", "part": parts}));
            }
        }
    }
    members.extend(ground.facts.closures.iter().map(|(grantee, cause)| {
        let cause = if cause == "release" { "released" } else { "waiting" };
        json!({"name": "closure", "part": [
            {"name": "of", "valueString": grantee}, {"name": "cause", "valueCode": cause},
        ]})
    }));
    if let Some(last) = page.last().filter(|_| !rest.is_empty()) {
        members.push(json!({"name": "next", "valueString": last.id}));
    }
    Ok(members)
}

fn who(resource_type: &str, id: &str) -> Value {
    json!({"name": "who", "valueReference": {"reference": format!("{resource_type}/{id}")}})
}

fn of(organization_id: &str) -> Value {
    json!({"name": "of", "valueReference": {"reference": format!("Organization/{organization_id}")}})
}

impl<'g> Ground<'g> {
    fn of(
        caller: &'g Caller,
        facts: &'g RecordFacts,
        consents: &'g [Consent],
        teams: Teams,
        about: ResourceFacts,
    ) -> Self {
        let active = || consents.iter().filter(|consent| consent.status == Status::Active);
        let provisions = || {
            active()
                .filter_map(|consent| consent.provision.as_ref())
                .flat_map(|root| std::iter::once(root).chain(&root.nested))
        };
        let moments = provisions().flat_map(|provision| [provision.period.from_ms, provision.period.until_ms]);
        let of_teams = teams.rows.iter().flat_map(|row| [row.period.from_ms, row.period.until_ms]);
        let moments = moments.chain(of_teams);
        Self {
            registry: &caller.registry,
            facts,
            consents,
            classes: classes(provisions().filter_map(|provision| provision.purposes)),
            now_ms: caller.now_ms,
            moments: moments.filter(|ms| *ms > caller.now_ms && *ms < i64::MAX).collect(),
            teams,
            about,
        }
    }

    /// The members that say what a party may read; none where it may read nothing.
    fn access(&self, party: &Party) -> Vec<Value> {
        match before_consents(self.registry, self.facts, party) {
            Some(Finding::Standing(permit)) => {
                return vec![json!({"name": "basis", "valueCode": permit.basis().code()})];
            }
            Some(_) => return Vec::new(),
            None => {}
        }
        let grantees = party.grantees(self.registry);
        let permits = self.classes.iter().filter_map(|class| {
            let consents = self.permitting(&grantees, *class.first()?, self.now_ms)?;
            Some(json!({"name": "permit", "part": self.permit(&grantees, class, &consents)}))
        });
        permits.collect()
    }

    /// For what purposes a practitioner is kept from the record that their organisation may see, and whether for all of those.
    async fn kept(&self, exchange: &Exchange, member: &Party<'_>, id: &str) -> Result<(Vec<Value>, bool), Failure> {
        let grantees = member.grantees(self.registry);
        let (mut kept, mut is_whole) = (Vec::new(), true);
        let role = member.practitioner.and_then(|one| PractitionerRole::from_code(&one.role));
        let is_of_role = role.is_some_and(|role| role.sees("Patient"));
        for class in &self.classes {
            let Some(purpose) = class.first() else { continue };
            let finding = match before_consents(self.registry, self.facts, member) {
                Some(settled) => settled,
                None => Finding::Consents(self.decision(&grantees, *purpose, self.now_ms)),
            };
            if !finding.is_permitted() {
                continue;
            }
            // Of another organisation the Consents themselves say whom they keep out, so only a role is left to ask about.
            if matches!(finding, Finding::Consents(_)) && is_of_role {
                return Ok((Vec::new(), false));
            }
            match member.as_practitioner(&exchange.app, (*purpose, self.now_ms), &patient_key(id), finding).await? {
                Finding::Kept(refusal) => {
                    let mut parts = vec![json!({"name": "reason", "valueCode": refusal.code()})];
                    parts.extend(class.iter().map(|one| json!({"name": "purpose", "valueCode": one.code()})));
                    kept.push(json!({"name": "kept", "part": parts}));
                }
                _ => is_whole = false,
            }
        }
        Ok((kept, is_whole))
    }

    fn permit(&self, grantees: &[Grantee], class: &[Purpose], consents: &[String]) -> Vec<Value> {
        let mut parts: Vec<Value> =
            class.iter().map(|purpose| json!({"name": "purpose", "valueCode": purpose.code()})).collect();
        let is_over =
            |ms: &&i64| class.first().is_none_or(|purpose| self.permitting(grantees, *purpose, **ms).is_none());
        let ends = self.moments.iter().take(MOMENTS_MAX).find(is_over);
        parts.extend(ends.map(|ms| json!({"name": "until", "valueInstant": format_instant(*ms)})));
        parts.extend(
            consents
                .iter()
                .map(|id| json!({"name": "consent", "valueReference": {"reference": format!("Consent/{id}")}})),
        );
        parts
    }

    /// The Consents that permit these and the teams that they are in; none where the decision is no.
    fn permitting(&self, grantees: &[Grantee], purpose: Purpose, at_ms: i64) -> Option<Vec<String>> {
        match self.decision(grantees, purpose, at_ms) {
            Decision::Permit(permit) => match permit.basis() {
                Basis::Consent { consents } => Some(consents.iter().map(|id| id.0.clone()).collect()),
                _ => Some(Vec::new()),
            },
            Decision::Deny(_) => None,
        }
    }

    fn decision(&self, grantees: &[Grantee], purpose: Purpose, at_ms: i64) -> Decision {
        let Identities { grantees, former_teams } = self.teams.identities(grantees.to_vec(), at_ms);
        let request = Request { grantees: &grantees, former_teams: &former_teams, purpose };
        decide(request, &self.about, self.consents, at_ms)
    }
}
