//! Who calls by a session: somebody who signed in, as what the operator registered them or whose record they proved to be theirs.
//!
//! Everything is looked up at each request: who is disabled, unlinked or lost a role has lost it. Nothing that the identity provider says
//! of them gives them anything.

use axum::http::{HeaderMap, Method, header};

use super::caller::Caller;
use crate::app::{App, People, Registry};
use crate::auth::browser::{cookie, is_own_page, secret_hash};
use crate::auth::{Admission, FhirUser, PersonRole, Scopes, TokenClaims};
use crate::consent::PractitionerRole;
use crate::error::{Failure, Issue};
use crate::storage::StorageError;
use crate::storage::people::StaffMember;
use crate::storage::sessions::PersonSession;

/// The cookie with a session's secret. A browser takes one of this name only from this very host, over TLS (or from the machine itself), for
/// every path of it.
pub const SESSION_COOKIE: &str = "__Host-wellgate";
/// The header in which a program in a page sends the session's form token.
pub const FORM_TOKEN_HEADER: &str = "x-csrf-token";
/// What stands in the trail as the client of those who call by a session.
pub const SESSION_CLIENT: &str = "wellgate-sign-in";
/// How often it is noted that a session is used.
const SEEN_EVERY_MS: i64 = 60_000;

/// Somebody who signed in.
#[derive(Clone, Debug)]
pub struct SignedInPerson {
    /// The session.
    pub session: PersonSession,
    /// As what the operator registered them, if as anything.
    pub staff: Option<StaffMember>,
    /// As what they act now; none where they may not, or not any more.
    pub role: Option<PersonRole>,
}

/// What a caller by a session is beside what a token would say.
#[derive(Clone, Debug)]
pub(super) struct InSession {
    /// The operator's id for a member of staff; empty for a patient.
    pub(super) person: String,
    pub(super) role: PersonRole,
    /// Whether they signed in afresh a short while ago.
    pub(super) is_stepped_up: bool,
    /// Why this request is not taken as theirs, if it is not.
    pub(super) barred: Option<Refusal>,
}

/// The refusal of a request that came with somebody's cookie: its reason, and what it means.
type Refusal = (&'static str, String);

impl InSession {
    /// What the table of roles says, for this session.
    ///
    /// # Errors
    /// [`Failure::Refused`].
    pub(super) fn admission(&self, admission: Admission) -> Result<(), Failure> {
        match admission {
            Admission::InSession => Ok(()),
            Admission::AfterStepUp if self.is_stepped_up => Ok(()),
            Admission::AfterStepUp => {
                let details = "sign in afresh first: GET /step-up";
                Err(Failure::refused("step-up-required", details, None))
            }
            Admission::Refused => {
                let details = "the role in which this person acts does not do this";
                Err(Failure::refused("not-for-role", details, None))
            }
        }
    }
}

/// Who is signed in by the cookie of a request; none without one that is good now.
///
/// # Errors
/// The database is away: then nobody is.
pub async fn signed_in(app: &App, headers: &HeaderMap) -> Result<Option<SignedInPerson>, StorageError> {
    let Some(people) = &app.people else { return Ok(None) };
    let Some(secret) = secret_of(headers) else { return Ok(None) };
    let now_ms = app.clock.now_ms();
    let Some((session, is_linked)) = app.store.session(&secret_hash(secret)).await? else { return Ok(None) };
    let is_over = now_ms >= session.until_ms || now_ms >= session.seen_ms.saturating_add(people.idle_ms());
    // A clock that was set back must not make a session last.
    if is_over || now_ms < session.begun_ms.saturating_sub(SEEN_EVERY_MS) {
        return Ok(None);
    }
    let registry = app.registry().await?;
    let staff = registry.staff_member_of(&session.subject);
    if now_ms >= session.seen_ms.saturating_add(SEEN_EVERY_MS) {
        app.store.touch_session(&session.hash, now_ms).await?;
    }
    let role = PersonRole::from_code(&session.acts_as).filter(|role| match role {
        PersonRole::Patient => is_linked && !session.compartment.is_empty(),
        role => staff.is_some_and(|member| acts(&registry, member, *role).is_some()),
    });
    Ok(Some(SignedInPerson { role, staff: staff.cloned(), session }))
}

fn secret_of(headers: &HeaderMap) -> Option<&str> {
    cookie(headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()), SESSION_COOKIE)
}

/// The hash of the session whose cookie a request has, good or not.
pub fn session_hash(headers: &HeaderMap) -> Option<String> {
    secret_of(headers).map(secret_hash)
}

/// What a role leaves of what a practitioner sees; none where the two do not go together.
pub fn practitioner_role(role: PersonRole, registered: PractitionerRole) -> Option<PractitionerRole> {
    use PractitionerRole::{Accounting, Administration, Care, Justice, Oversight};
    match (role, registered) {
        (PersonRole::CareProvider, Care | Justice) => Some(registered),
        (PersonRole::Intake, Care | Administration) => Some(Administration),
        (PersonRole::Billing, Care | Accounting) => Some(Accounting),
        (PersonRole::Dpo | PersonRole::Supervisor | PersonRole::Operator, _) => Some(Oversight),
        _ => None,
    }
}

/// As whom a member of staff acts in a role: the practitioner, where the role needs one, and what is left of what that one sees.
pub fn acts(registry: &Registry, member: &StaffMember, role: PersonRole) -> Option<(Option<String>, PractitionerRole)> {
    registry.organization(&member.organization_id)?;
    if !member.active || member.roles.iter().all(|code| code != role.code()) {
        return None;
    }
    if role == PersonRole::Dpo && member.practitioner_id.is_some() {
        // Who treats judges nobody's emergencies, least of all their own.
        return None;
    }
    if !role.needs_practitioner() {
        return Some((None, practitioner_role(role, PractitionerRole::Oversight)?));
    }
    let practitioner = registry.practitioner(member.practitioner_id.as_deref()?)?;
    let is_of_organization = practitioner.organization_id == member.organization_id;
    let limit = PractitionerRole::from_code(&practitioner.role).and_then(|one| practitioner_role(role, one))?;
    is_of_organization.then(|| (Some(practitioner.id.clone()), limit))
}

/// Why a request that rests on a cookie is not taken as the person's own; none where it is.
pub fn foreign(people: &People, (method, headers): (&Method, &HeaderMap), hash: &str) -> Option<Failure> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if !is_own_page(&people.root, text("origin"), text("sec-fetch-site")) {
        let details = "a page of another site sent this request with the cookie of the person who signed in here";
        return Some(Failure::refused("other-page", details, None));
    }
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let is_of_session = || people.key.is_form_of(hash, text(FORM_TOKEN_HEADER).unwrap_or_default());
    (!is_safe && !is_of_session()).then(|| {
        let details = "send the session's token in X-CSRF-Token: GET /session has it";
        Failure::refused("no-form-token", details, None)
    })
}

impl Caller {
    /// Whoever calls by the cookie of a session.
    ///
    /// # Errors
    /// [`Failure::Unauthenticated`] without a session that is good now; [`Failure::Forbidden`] for somebody who signed in and is nobody here.
    pub(super) async fn by_session(
        app: &App,
        (method, headers): (&Method, &HeaderMap),
        request_id: String,
    ) -> Result<Self, Failure> {
        let (Some(people), Some(_)) = (&app.people, secret_of(headers)) else {
            return Err(Failure::Unauthenticated { expired: false });
        };
        let signed_in = signed_in(app, headers).await?.ok_or(Failure::Unauthenticated { expired: true })?;
        let foreign = foreign(people, (method, headers), &signed_in.session.hash);
        let caller = Self::signed_in(app, people, signed_in, request_id).await?;
        Ok(caller.barred_by(foreign))
    }

    /// Somebody who signed in, as what they act.
    ///
    /// # Errors
    /// [`Failure::Forbidden`] where they act as nothing.
    pub async fn signed_in(
        app: &App,
        people: &People,
        SignedInPerson { session, staff, role }: SignedInPerson,
        request_id: String,
    ) -> Result<Self, Failure> {
        let nobody = || {
            let details = "whoever signed in has no role here: the operator registers who works for an organisation, and a patient \
                           gives the code of the own record at /account";
            Failure::Forbidden(Issue::new("forbidden", details))
        };
        let (registry, now_ms) = (app.registry().await?, app.clock.now_ms());
        let role = role.ok_or_else(nobody)?;
        let (organization, practitioner, limit, person) = if role == PersonRole::Patient {
            (String::new(), None, PractitionerRole::Care, String::new())
        } else {
            let member = staff.ok_or_else(nobody)?;
            let (practitioner, limit) = acts(&registry, &member, role).ok_or_else(nobody)?;
            (member.organization_id, practitioner, limit, member.id)
        };
        let claims = TokenClaims {
            client_id: SESSION_CLIENT.to_owned(),
            organization_id: organization,
            practitioner_id: practitioner,
            fhir_user: (role == PersonRole::Patient).then(|| FhirUser::Patient(session.compartment.clone())),
            purpose: role.purpose().to_owned(),
            // The table of roles decides instead.
            scopes: Scopes::default(),
            person_scopes: Scopes::default(),
            expires_at_ms: session.until_ms,
            token_id: None,
            certificate: None,
        };
        let is_stepped_up =
            session.stepped_up_ms > 0 && now_ms < session.stepped_up_ms.saturating_add(people.step_up_ms());
        let in_session = InSession { person, role, is_stepped_up, barred: None };
        Self::in_session(app, (claims, limit), in_session, (registry, request_id, now_ms)).await
    }
}
