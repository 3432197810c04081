//! The caller of a request: what its token says, as far as the operator registered it.

mod at_this_moment;
mod scope;

pub use scope::Reach;

use std::sync::Arc;

use axum::http::{HeaderMap, Method, header};

use super::person::{Person, belongs_to_app};
use super::session::InSession;
use crate::app::{App, Registry};
use crate::audit::{Actor, AuditEvent};
use crate::auth::{PeerCertificate, PersonRole, Scopes, TokenClaims, TokenError};
use crate::consent::{Basis, Grantee, MANDATED_TREATMENT, PractitionerRole, Purpose, PurposeSet};
use crate::error::{Failure, Issue};
use crate::storage::registry::Organization;
use crate::storage::resource::Touched;
use crate::storage::sight::{DIRECTORY, Level, Viewer};

/// Who asks, for whom, and what for. Nothing of it is merely claimed.
#[derive(Clone, Debug)]
pub struct Caller {
    claims: Arc<TokenClaims>,
    person: Option<Person>,
    kind: String,
    role: PractitionerRole,
    purpose: Purpose,
    /// The request's id, for the trail.
    pub request_id: String,
    /// The IP address from which the request came, for the trail; empty where the gateway acts by itself.
    pub network: String,
    /// The moment of the request, UTC milliseconds.
    pub now_ms: i64,
    /// Who is registered, as of this request.
    pub registry: Arc<Registry>,
    label_version: i64,
    in_session: Option<Box<InSession>>,
}

/// The basis of what a data-protection officer is shown: their task, and no custody or Consent.
const OVERSIGHT_RULE: &str = "oversight";

/// What happened, for [`Caller::event`].
#[derive(Clone, Copy, Debug)]
pub struct Act {
    /// `AuditEvent.action`.
    pub action: &'static str,
    /// `AuditEvent.subtype`.
    pub subtype: &'static str,
}

impl Act {
    /// An act by its two codes.
    pub const fn new(action: &'static str, subtype: &'static str) -> Self {
        Self { action, subtype }
    }
}

impl Caller {
    /// Reads and checks the bearer token of a request, or without one the cookie of a session.
    ///
    /// # Errors
    /// [`Failure::Unauthenticated`] without a token that holds; [`Failure::Forbidden`] where the token's client,
    /// organisation, practitioner or purpose is not what the operator registered.
    pub async fn of(
        app: &App,
        headers: &HeaderMap,
        (method, certificate): (&Method, Option<&PeerCertificate>),
        request_id: String,
    ) -> Result<Self, Failure> {
        let now_ms = app.clock.now_ms();
        if !headers.contains_key(header::AUTHORIZATION) {
            // Apart, so that a request with a token does not carry the room for it.
            return Box::pin(Self::by_session(app, (method, headers), request_id)).await;
        }
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or(Failure::Unauthenticated { expired: false })?;
        let claims = app.verifiers.verify(bearer.trim(), now_ms).map_err(|error| {
            tracing::debug!(reason = %error, "a token was refused");
            Failure::Unauthenticated { expired: error == TokenError::Expired }
        })?;
        // A token that was stolen is good for nobody without the key of the certificate.
        if claims
            .certificate
            .as_deref()
            .is_some_and(|bound| certificate.map(PeerCertificate::thumbprint) != Some(bound))
        {
            return Err(Failure::Unauthenticated { expired: false });
        }
        let registry = app.registry().await?;
        if claims.token_id.as_deref().is_some_and(|id| registry.is_revoked(id)) {
            return Err(Failure::Unauthenticated { expired: true });
        }
        let mut caller = Self::registered(claims, registry, request_id, now_ms, app.labels.version())?;
        if let Some(user) = &caller.claims.fhir_user {
            caller.person = Some(Person::of(user, &app.store).await?);
        }
        Ok(caller)
    }

    fn registered(
        claims: Arc<TokenClaims>,
        registry: Arc<Registry>,
        request_id: String,
        now_ms: i64,
        label_version: i64,
    ) -> Result<Self, Failure> {
        let forbidden = |details: &str| Failure::Forbidden(Issue::new("forbidden", details));
        let client = registry
            .client(&claims.client_id)
            .ok_or_else(|| forbidden("this client is not registered, or disabled: ask the operator"))?;
        let organization = registry
            .organization(&claims.organization_id)
            .filter(|organization| organization.id == client.organization_id)
            .ok_or_else(|| forbidden("this client is not registered for the organisation in its token"))?;
        if !client.purposes.contains(&claims.purpose) {
            return Err(forbidden("this client is not registered for the purpose of use in its token"));
        }
        let purpose = Purpose::from_code(&claims.purpose)
            .ok_or_else(|| forbidden("the purpose of use in the token is not a code of v3-PurposeOfUse"))?;
        if purpose.is_emergency() {
            // Whatever stands in the registry: an emergency is a session with a reason and an end.
            return Err(forbidden("an emergency is no purpose of a token: open a session by Patient/$break-glass"));
        }
        let role = role(&claims, &registry)
            .ok_or_else(|| forbidden("the practitioner in the token is not registered for this organisation"))?;
        belongs_to_app(&claims, client.person_app)?;
        let kind = organization.kind.clone();
        Ok(Self {
            claims,
            person: None,
            kind,
            role,
            purpose,
            request_id,
            network: String::new(),
            now_ms,
            registry,
            label_version,
            in_session: None,
        })
    }

    /// Whoever signed in, by what is registered of them.
    pub(super) async fn in_session(
        app: &App,
        (claims, role): (TokenClaims, PractitionerRole),
        in_session: InSession,
        (registry, request_id, now_ms): (Arc<Registry>, String, i64),
    ) -> Result<Self, Failure> {
        let purpose =
            Purpose::from_code(&claims.purpose).ok_or(Failure::Internal("a role asks for no known purpose"))?;
        let person = match &claims.fhir_user {
            Some(user) => Some(Person::of(user, &app.store).await?),
            None => None,
        };
        let kind = registry.organization(&claims.organization_id).map(|row| row.kind.clone()).unwrap_or_default();
        Ok(Self {
            claims: Arc::new(claims),
            person,
            kind,
            role,
            purpose,
            request_id,
            network: String::new(),
            now_ms,
            registry,
            label_version: app.labels.version(),
            in_session: Some(Box::new(in_session)),
        })
    }

    /// The same caller, whose request is refused whatever it asks.
    pub(super) fn barred_by(mut self, failure: Option<Failure>) -> Self {
        if let (Some(in_session), Some(Failure::Refused { reason, issue, .. })) = (&mut self.in_session, failure) {
            in_session.barred = Some((reason, issue.details));
        }
        self
    }

    /// Holds the request to what the role of the session admits; a token has its scopes instead.
    ///
    /// # Errors
    /// [`Failure::Refused`].
    pub fn admits(&self, act: Act) -> Result<(), Failure> {
        let Some(in_session) = &self.in_session else { return Ok(()) };
        if let Some((reason, details)) = &in_session.barred {
            return Err(Failure::refused(reason, details.clone(), None));
        }
        in_session.admission(in_session.role.admits(act.subtype))
    }

    /// On what it rests that a custodian's caller acts on a record.
    pub fn standing(&self) -> &'static str {
        if self.is_dpo() { OVERSIGHT_RULE } else { Basis::Custodian.code() }
    }

    /// Whether a data-protection officer asks, who is told about a record without reading it.
    pub fn is_dpo(&self) -> bool {
        self.in_session.as_ref().is_some_and(|session| session.role == PersonRole::Dpo)
    }

    /// Whether it is somebody who runs the gateway, signed in.
    pub fn is_operator(&self) -> bool {
        self.in_session.as_ref().is_some_and(|session| session.role == PersonRole::Operator)
    }

    /// The gateway itself, for what it does without a request: expiry. It reads nothing by consent: whatever the table, all of it would
    /// count as most restricted.
    pub fn gateway(registry: Arc<Registry>, now_ms: i64) -> Self {
        Self::without_request(registry, ("wellgate", "gateway", "HOPERAT"), i64::MAX, now_ms)
    }

    /// An organisation to which something is sent: what it may be sent is what it could read at this moment.
    pub fn recipient(app: &App, registry: &Arc<Registry>, organization: &Organization, now_ms: i64) -> Self {
        let identity = (organization.id.as_str(), organization.kind.as_str(), "TREAT");
        Self::without_request(Arc::clone(registry), identity, app.labels.version(), now_ms)
    }

    fn without_request(
        registry: Arc<Registry>,
        (organization_id, kind, purpose): (&str, &str, &str),
        label_version: i64,
        now_ms: i64,
    ) -> Self {
        let claims = TokenClaims {
            client_id: "wellgate".to_owned(),
            organization_id: organization_id.to_owned(),
            practitioner_id: None,
            fhir_user: None,
            purpose: purpose.to_owned(),
            scopes: Scopes::default(),
            person_scopes: Scopes::default(),
            expires_at_ms: now_ms,
            token_id: None,
            certificate: None,
        };
        let purpose = Purpose::from_code(purpose).unwrap_or_else(|| unreachable!("the purpose is a known code"));
        Self {
            claims: Arc::new(claims),
            person: None,
            kind: kind.to_owned(),
            role: PractitionerRole::Care,
            purpose,
            request_id: AuditEvent::fresh_id(),
            network: String::new(),
            now_ms,
            registry,
            label_version,
            in_session: None,
        }
    }

    /// The id of the calling client.
    pub fn client_id(&self) -> &str {
        &self.claims.client_id
    }

    /// Whose idempotency keys and pages are meant: a client's, or those of one person.
    pub fn key_owner(&self) -> String {
        match (&self.person, &self.in_session) {
            // A client's id has no space in it.
            (Some(person), _) => format!("{} {}", self.claims.client_id, person.identity()),
            (None, Some(session)) => format!("{} person/{}", self.claims.client_id, session.person),
            (None, None) => self.claims.client_id.clone(),
        }
    }

    /// The person who signed in; none where an organisation calls.
    pub fn person(&self) -> Option<&Person> {
        self.person.as_ref()
    }

    /// The id of the organisation that it speaks for; empty for a person, who is of no organisation and no pool.
    pub fn organization_id(&self) -> &str {
        if self.person.is_some() { "" } else { &self.claims.organization_id }
    }

    /// `organization/<id>`, for a person `patient/<id>` or `related-person/<id>`: also the name of the caller's own
    /// compartment, and of the author of what it writes.
    pub fn organization(&self) -> String {
        match &self.person {
            Some(person) => person.identity().to_owned(),
            None => format!("organization/{}", self.claims.organization_id),
        }
    }

    /// The caller as an organisation of the rules of writing; none for a person.
    pub fn acting_organization(&self) -> Option<String> {
        self.person.is_none().then(|| self.organization())
    }

    /// All identities by which a rule may mean the caller; none for a person, whom no rule means.
    pub fn grantees(&self) -> Vec<Grantee> {
        if self.person.is_some() {
            return Vec::new();
        }
        let mut grantees = vec![Grantee::organization(self.organization_id()), Grantee::kind(&self.kind)];
        grantees.extend(self.claims.practitioner_id.as_deref().map(Grantee::practitioner));
        grantees
    }

    /// As what the practitioner who signed in is registered; without a practitioner it limits nothing.
    pub fn role(&self) -> PractitionerRole {
        self.role
    }

    /// Whether a practitioner signed in, who may see less than the organisation does.
    pub fn is_practitioner(&self) -> bool {
        self.claims.practitioner_id.is_some()
    }

    /// The purpose of this request.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The caller as the storage joins it.
    pub fn viewer(&self) -> Viewer {
        if let Some(person) = &self.person {
            return Viewer {
                organization: person.identity().to_owned(),
                practitioner: String::new(),
                kind: String::new(),
                // For no purpose no Consent permits anything, not even one that permits everybody.
                purpose: PurposeSet::NONE.bits(),
                now_ms: self.now_ms,
                person: person.identity().to_owned(),
                types: String::new(),
                label_version: 0,
            };
        }
        let practitioner = self.claims.practitioner_id.as_deref();
        Viewer {
            organization: self.organization(),
            practitioner: practitioner.map(|id| Grantee::practitioner(id).to_string()).unwrap_or_default(),
            kind: Grantee::kind(&self.kind).to_string(),
            purpose: PurposeSet::NONE.with(self.purpose).bits(),
            now_ms: self.now_ms,
            person: String::new(),
            types: self.role.limit(),
            label_version: self.label_version,
        }
    }

    /// What a page's cursor is bound to: who asks, as whom, what for, and which query.
    pub fn bound_to(&self, query: &str) -> String {
        let viewer = self.viewer();
        [&self.key_owner(), &viewer.organization, &viewer.practitioner, self.purpose.code(), query].join("\u{1f}")
    }

    /// An event of the trail about something that was done.
    pub fn event(&self, act: Act, basis: &'static str, touched: &Touched) -> AuditEvent {
        let is_directory = touched.compartment == DIRECTORY;
        // The directory is no record's business: its events are kept with the caller's own.
        let compartment = if is_directory { self.organization() } else { touched.compartment.clone() };
        let named = self.person.as_ref().map(|person| person.name_in(&compartment).to_owned());
        let actor = Actor {
            organization: named.unwrap_or_else(|| self.organization()),
            client: self.claims.client_id.clone(),
            practitioner: self.viewer_practitioner(),
            purpose: self.claims.purpose.clone(),
            network: self.network.clone(),
        };
        let event = AuditEvent::done((act.action, act.subtype), actor, (&compartment, basis), self.now_ms);
        AuditEvent {
            version_id: touched.version_id,
            request_id: self.request_id.clone(),
            ..event.about(&touched.resource_type, &touched.resource_id)
        }
    }

    /// An event of the trail about something that was shown.
    pub fn shown(&self, act: Act, touched: &Touched) -> AuditEvent {
        let basis = match touched.level {
            Level::Permitted => "consent",
            Level::Law => MANDATED_TREATMENT.0,
            Level::Emergency => Basis::Emergency.code(),
            Level::Minimum => "minimum",
            Level::Held if touched.compartment == DIRECTORY => Basis::Directory.code(),
            Level::Held if self.person.is_some() => Basis::Person.code(),
            Level::Person => Basis::Person.code(),
            Level::Held => self.standing(),
        };
        self.event(act, basis, touched)
    }

    /// An event of the trail about a refusal. Without a record it is kept in the caller's own compartment.
    pub fn refusal(
        &self,
        act: Act,
        reason: &str,
        compartment: Option<&str>,
        resource_type: &str,
        id: &str,
    ) -> AuditEvent {
        let touched = Touched {
            compartment: compartment.map_or_else(|| self.organization(), str::to_owned),
            resource_type: resource_type.to_owned(),
            resource_id: id.to_owned(),
            version_id: 0,
            level: Level::Held,
        };
        self.event(act, "", &touched).refused(reason)
    }

    /// `practitioner/<id>`, or `person/<id>` for a member of staff who is none.
    fn viewer_practitioner(&self) -> String {
        let member = self.in_session.as_ref().map(|session| session.person.as_str()).filter(|id| !id.is_empty());
        match (self.claims.practitioner_id.as_deref(), member) {
            (Some(id), _) => Grantee::practitioner(id).to_string(),
            (None, Some(id)) => format!("person/{id}"),
            (None, None) => String::new(),
        }
    }
}

/// The role of the practitioner in a token, who must be registered for its organisation; a role that this version does not
/// know limits in ways that it cannot keep, so it is none.
fn role(claims: &TokenClaims, registry: &Registry) -> Option<PractitionerRole> {
    let Some(id) = &claims.practitioner_id else { return Some(PractitionerRole::Care) };
    let practitioner = registry.practitioner(id).filter(|row| row.organization_id == claims.organization_id)?;
    PractitionerRole::from_code(&practitioner.role)
}
