//! Where a referral goes that names nobody: by the employer of the person, else by where the person lives, else by whom intake asks.
//!
//! Pure: what Co-prev answered and who takes part come in as arguments. Whatever comes in there is one outcome, and where a rule does not lead to
//! exactly one room, a person decides and nothing is guessed. That a Consent permits the room is decided elsewhere, as for every referral.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mappings::co_prev::{Employment, Lookup, PreventionService};
use mappings::postcode::Province;

use super::intake_words::{Ground, Need};

/// The kind of the organisations that are prevention services.
pub const PREVENTION_SERVICE: &str = "edpbw";

/// What is known of a referral without a target.
#[derive(Clone, Debug)]
pub struct Intake<'i> {
    /// Whether the person is self-employed: then there is no employer to look for.
    pub is_self_employed: bool,
    /// Where somebody who is self-employed wants to go, if that was said.
    pub step: Option<Step>,
    /// Whether the person permits that the employer is looked up. What was not said is no.
    pub permits_lookup: bool,
    /// Whether there is a national number to look up.
    pub has_number: bool,
    /// Of where the person lives, as it was written.
    pub postcode: Option<&'i str>,
    /// What came of the lookup until now.
    pub asked: Asked<'i>,
    /// The id of a choice that the person made among those that were offered.
    pub chosen: Option<&'i str>,
}

/// The two steps of care to which somebody comes without an employer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// First-line psychologists.
    Elp,
    /// A centre for mental health.
    Cgg,
}

/// What came of asking Co-prev.
#[derive(Clone, Debug)]
pub enum Asked<'i> {
    /// Nobody asked.
    NotYet,
    /// It answered.
    Answered(&'i Lookup),
    /// It does not answer, since a moment.
    Away {
        /// When it was asked for the first time.
        since_ms: i64,
    },
    /// It will not answer this question, however often it is asked.
    Refused,
}

/// When it is decided, and how long a partner that is away is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'m> {
    /// Now.
    pub now_ms: i64,
    /// The day of now, `YYYY-MM-DD`.
    pub today: &'m str,
    /// How long is waited.
    pub wait_ms_max: i64,
}

/// Who takes part: the registry, as far as it matters here.
#[derive(Clone, Debug, Default)]
pub struct Rooms<'r> {
    /// The prevention services that are active.
    pub services: Vec<Service<'r>>,
    /// The pools that have a member.
    pub pools: Vec<Pool<'r>>,
}

/// A registered prevention service.
#[derive(Clone, Debug)]
pub struct Service<'r> {
    /// The id of the organisation.
    pub organization: &'r str,
    /// Its enterprise number.
    pub cbe: Option<&'r str>,
    /// The code by which Co-prev names it.
    pub code: Option<&'r str>,
}

/// A registered pool.
#[derive(Clone, Debug)]
pub struct Pool<'r> {
    /// Its id.
    pub id: &'r str,
    /// Its name.
    pub name: &'r str,
    /// The kind of its members.
    pub kind: &'r str,
    /// The region that it serves: the code or the name of a province.
    pub region: &'r str,
}

/// A waiting room, as the storage names it: `organization/<id>` or `pool/<id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room(pub String);

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Co-prev is asked, now.
    LookUp,
    /// Co-prev is asked again, until a moment at the latest.
    Wait {
        /// When it is decided without an answer.
        until_ms: i64,
    },
    /// It goes to a room.
    Route(Room, Ground),
    /// A person decides: it stays with intake.
    Person(Need, Vec<Choice>),
}

/// One of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// By which it is chosen.
    pub id: String,
    /// What the person reads: the employer, or the pool. A partner's text, without markup.
    pub name: String,
    /// Where it leads; none where nobody there takes part, and intake has to see further.
    pub room: Option<Room>,
}

impl Decision {
    /// Whether the national number is still needed. Where it is not, its key can be destroyed.
    pub fn needs_number(&self) -> bool {
        matches!(self, Self::LookUp | Self::Wait { .. })
    }

    /// The code under which the decision is recorded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::LookUp => "look-up",
            Self::Wait { .. } => "wait",
            Self::Route(_, ground) => ground.code(),
            Self::Person(need, _) => need.code(),
        }
    }
}

/// Decides where a referral without a target goes.
pub fn decide(intake: &Intake<'_>, rooms: &Rooms<'_>, moment: Moment<'_>) -> Decision {
    let decision = undecided(intake, rooms, moment);
    let Decision::Person(_, choices) = &decision else { return decision };
    // Only what is offered now can be chosen: an offer of yesterday may lead nowhere today.
    let mut chosen = choices.iter().filter(|choice| Some(choice.id.as_str()) == intake.chosen);
    match (chosen.next().and_then(|choice| choice.room.clone()), chosen.next()) {
        (Some(room), None) => Decision::Route(room, Ground::Chosen),
        _ => decision,
    }
}

fn undecided(intake: &Intake<'_>, rooms: &Rooms<'_>, moment: Moment<'_>) -> Decision {
    if intake.is_self_employed {
        return self_employed(intake, rooms);
    }
    if !intake.permits_lookup {
        return Decision::Person(Need::PermissionRefused, Vec::new());
    }
    match &intake.asked {
        Asked::Answered(lookup) => by_employer(intake, lookup, rooms, moment.today),
        Asked::Refused => Decision::Person(Need::LookupRefused, Vec::new()),
        Asked::NotYet | Asked::Away { .. } if !intake.has_number => Decision::Person(Need::NoNumber, Vec::new()),
        Asked::NotYet => Decision::LookUp,
        Asked::Away { since_ms } => {
            let until_ms = since_ms.saturating_add(moment.wait_ms_max);
            if moment.now_ms < until_ms {
                return Decision::Wait { until_ms };
            }
            by_province(intake, rooms, &[PREVENTION_SERVICE], Ground::ProvinceUnanswered)
        }
    }
}

/// Without an employer: straight to first-line psychologists or to a centre for mental health of the province.
fn self_employed(intake: &Intake<'_>, rooms: &Rooms<'_>) -> Decision {
    match intake.step {
        Some(Step::Elp) => by_province(intake, rooms, &["elp"], Ground::SelfEmployed),
        Some(Step::Cgg) => by_province(intake, rooms, &["cgg"], Ground::SelfEmployed),
        // Which of the two it should be is care, and no rule of routing.
        None => match in_province(intake, rooms, &["elp", "cgg"]) {
            Ok(found) if found.is_empty() => Decision::Person(Need::NoRoom, Vec::new()),
            Ok(found) => Decision::Person(Need::StepOpen, found.into_iter().map(pool_choice).collect()),
            Err(need) => Decision::Person(need, Vec::new()),
        },
    }
}

fn by_employer(intake: &Intake<'_>, lookup: &Lookup, rooms: &Rooms<'_>, today: &str) -> Decision {
    let employments = distinct(lookup.active_on(today));
    match employments.as_slice() {
        [] => by_province(intake, rooms, &[PREVENTION_SERVICE], Ground::Province),
        [employment] => match service_room(employment, rooms) {
            Ok(room) => Decision::Route(room, Ground::Employer),
            Err(need) => Decision::Person(need, Vec::new()),
        },
        several => {
            let choices = several.iter().map(|employment| employment_choice(employment, rooms)).collect();
            Decision::Person(Need::SeveralEmployments, choices)
        }
    }
}

/// Contracts of one employer with one service are one employment, for there is nothing to choose between them.
fn distinct<'l>(employments: impl Iterator<Item = &'l Employment>) -> Vec<&'l Employment> {
    let mut seen = BTreeSet::new();
    employments.filter(|employment| seen.insert(choice_id(employment))).collect()
}

fn choice_id(employment: &Employment) -> String {
    let service = employment.service.as_ref();
    let service = service.map_or("", |service| service.cbe.as_deref().unwrap_or(&service.code));
    format!("{}:{service}", employment.employer_cbe)
}

fn employment_choice(employment: &Employment, rooms: &Rooms<'_>) -> Choice {
    let service = employment.service.as_ref().map_or("", |service| service.name.as_str());
    let name = match (employment.employer_name.as_str(), service) {
        ("", _) => employment.employer_cbe.clone(),
        (employer, "") => employer.to_owned(),
        (employer, service) => format!("{employer} ({service})"),
    };
    Choice { id: choice_id(employment), name, room: service_room(employment, rooms).ok() }
}

/// The room of the one registered service that an employment names.
///
/// # Errors
/// There is none, or more than one.
fn service_room(employment: &Employment, rooms: &Rooms<'_>) -> Result<Room, Need> {
    let named = employment.service.as_ref().ok_or(Need::ServiceUnknown)?;
    let mut found = rooms.services.iter().filter(|service| is_named(named, service));
    match (found.next(), found.next()) {
        (Some(service), None) => Ok(Room(format!("organization/{}", service.organization))),
        (Some(_), Some(_)) => Err(Need::ServiceAmbiguous),
        (None, _) => Err(Need::ServiceTakesNoPart),
    }
}

/// By its enterprise number, or by its code where the numbers do not say otherwise.
fn is_named(named: &PreventionService, service: &Service<'_>) -> bool {
    match (named.cbe.as_deref(), service.cbe) {
        (Some(named), Some(registered)) => named == registered,
        _ => !named.code.is_empty() && service.code == Some(named.code.as_str()),
    }
}

fn by_province(intake: &Intake<'_>, rooms: &Rooms<'_>, kinds: &[&str], ground: Ground) -> Decision {
    let found = match in_province(intake, rooms, kinds) {
        Ok(found) => found,
        Err(need) => return Decision::Person(need, Vec::new()),
    };
    match found.as_slice() {
        [] => Decision::Person(Need::NoRoom, Vec::new()),
        [pool] => Decision::Route(pool_room(pool), ground),
        _ => Decision::Person(Need::SeveralRooms, found.into_iter().map(pool_choice).collect()),
    }
}

/// The pools of these kinds that serve the province of the person.
///
/// # Errors
/// Nobody knows which province that is.
fn in_province<'r>(intake: &Intake<'_>, rooms: &'r Rooms<'r>, kinds: &[&str]) -> Result<Vec<&'r Pool<'r>>, Need> {
    let postcode = intake.postcode.ok_or(Need::NoPostcode)?;
    let province = Province::of_postcode(postcode).ok_or(Need::PostcodeUnknown)?;
    let serves = |pool: &&Pool<'_>| kinds.contains(&pool.kind) && Province::named(pool.region) == Some(province);
    Ok(rooms.pools.iter().filter(serves).collect())
}

fn pool_room(pool: &Pool<'_>) -> Room {
    Room(format!("pool/{}", pool.id))
}

fn pool_choice(pool: &Pool<'_>) -> Choice {
    let room = pool_room(pool);
    Choice { id: room.0.clone(), name: pool.name.to_owned(), room: Some(room) }
}

/// Every outcome with its meaning, as the documentation shows it.
pub fn markdown() -> String {
    let mut text = String::from("| code | outcome | when |\n|---|---|---|\n");
    for ground in Ground::ALL {
        let _ = writeln!(text, "| `{}` | goes to a room | {} |", ground.code(), ground.meaning());
    }
    for need in Need::ALL {
        let offers = if need.offers() { "a person chooses" } else { "stays with intake" };
        let _ = writeln!(text, "| `{}` | {offers} | {} |", need.code(), need.meaning());
    }
    text
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
