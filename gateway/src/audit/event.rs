//! One audit event as the columns that are stored: who, what, when, why and with which outcome.

use uuid::Uuid;

/// How an access ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused: consent, role, scope or content (AuditEvent.outcome 8 or 4).
    Refused,
}

impl Outcome {
    /// The code of `AuditEvent.outcome`; a refusal is a serious failure, as in BALP's authorization pattern.
    pub fn code(self) -> &'static str {
        match self {
            Self::Success => "0",
            Self::Refused => "8",
        }
    }
}

/// One line of the trail. Texts are empty where they do not apply; none holds content of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// The record touched; a refusal without a record is kept in the caller's own compartment.
    pub compartment: String,
    /// Time-ordered id of the event.
    pub id: String,
    /// UTC milliseconds.
    pub recorded_ms: i64,
    /// `C`, `R`, `U`, `D` or `E` (`AuditEvent.action`).
    pub action: &'static str,
    /// A code of restful-interaction (`read`, `search-type`, …) or of the referral (`place`, `pick-up`, …).
    pub subtype: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// The code of the rule that refused; empty on success.
    pub reason: String,
    /// `organization/<id>` of the caller.
    pub organization: String,
    /// The calling client's id.
    pub client: String,
    /// `practitioner/<id>`, `person/<id>` of a member of staff who is none, or empty.
    pub practitioner: String,
    /// The purpose of use.
    pub purpose: String,
    /// On what the access rested: `custodian`, `consent`, `directory`, …; empty on a refusal.
    pub basis: &'static str,
    /// The type asked for.
    pub resource_type: String,
    /// The id asked for; empty for a search.
    pub resource_id: String,
    /// The version shown or written; 0 where none.
    pub version_id: i64,
    /// The request's id, for finding the log line.
    pub request_id: String,
    /// The emergency session or crisis disclosure that it is part of; empty otherwise.
    pub case_id: String,
    /// The IP address from which it was asked; empty where the gateway acts by itself.
    pub network: String,
    /// The names of a search's parameters, each once, with `&` between: never a value, which may name others. Of an operator's act, what it
    /// was about: `name=value`, encoded as a form.
    pub query: String,
    /// The ids of the Consents on which a refusal rests, with a space between.
    pub consents: String,
}

/// Who did something, in the words of the trail.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// `organization/<id>`, or what a person is called.
    pub organization: String,
    /// The client.
    pub client: String,
    /// `practitioner/<id>`, `person/<id>` of a member of staff who is none, or empty.
    pub practitioner: String,
    /// The purpose of use.
    pub purpose: String,
    /// The IP address; empty where the gateway acts by itself.
    pub network: String,
}

impl Actor {
    /// The organisation under whose name the gateway itself acts, and whoever runs it.
    pub const GATEWAY: &'static str = "organization/wellgate";

    /// The gateway itself, or its operator.
    pub fn gateway() -> Self {
        Self {
            organization: Self::GATEWAY.to_owned(),
            client: "wellgate".to_owned(),
            purpose: "HOPERAT".to_owned(),
            ..Self::default()
        }
    }
}

impl AuditEvent {
    /// An event about something that was done in a compartment. It is about no resource and is its own request, unless more is said.
    pub fn done(
        (action, subtype): (&'static str, &'static str),
        actor: Actor,
        (compartment, basis): (&str, &'static str),
        now_ms: i64,
    ) -> Self {
        let Actor { organization, client, practitioner, purpose, network } = actor;
        let id = Self::fresh_id();
        Self {
            compartment: compartment.to_owned(),
            id: id.clone(),
            recorded_ms: now_ms,
            action,
            subtype,
            outcome: Outcome::Success,
            reason: String::new(),
            organization,
            client,
            practitioner,
            purpose,
            basis,
            resource_type: String::new(),
            resource_id: String::new(),
            version_id: 0,
            request_id: id,
            case_id: String::new(),
            network,
            query: String::new(),
            consents: String::new(),
        }
    }

    /// The same event, about a resource.
    #[must_use]
    pub fn about(self, resource_type: &str, id: &str) -> Self {
        Self { resource_type: resource_type.to_owned(), resource_id: id.to_owned(), ..self }
    }

    /// The same act, refused for a reason.
    #[must_use]
    pub fn refused(self, reason: &str) -> Self {
        Self { outcome: Outcome::Refused, reason: reason.to_owned(), basis: "", ..self }
    }

    /// Whether it says who, what, about whom and with which application; when, it always says.
    ///
    /// # Source
    /// Belgian eHealth platform, management of security logs: who, what, when, and how.
    pub fn is_complete(&self) -> bool {
        let said = [self.organization.as_str(), self.client.as_str(), self.compartment.as_str(), self.id.as_str()];
        said.iter().all(|text| !text.is_empty()) && !self.action.is_empty() && !self.subtype.is_empty()
    }

    /// The same event of a search that asked by these parameters.
    #[must_use]
    pub fn asking(self, names: &str) -> Self {
        Self { query: names.to_owned(), ..self }
    }

    /// The same refusal, resting on these Consents.
    #[must_use]
    pub fn resting_on(self, consents: &[String]) -> Self {
        Self { consents: consents.join(" "), ..self }
    }

    /// A fresh time-ordered id.
    pub fn fresh_id() -> String {
        Uuid::now_v7().simple().to_string()
    }
}

/// A stored audit event, ready to be made into a FHIR `AuditEvent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// The record touched.
    pub compartment: String,
    /// Its id.
    pub id: String,
    /// UTC milliseconds.
    pub recorded_ms: i64,
    /// `AuditEvent.action`.
    pub action: String,
    /// The interaction or the act of a referral.
    pub subtype: String,
    /// `AuditEvent.outcome`.
    pub outcome: String,
    /// Why it was refused.
    pub reason: String,
    /// `organization/<id>`.
    pub organization: String,
    /// The client.
    pub client: String,
    /// `practitioner/<id>`, `person/<id>` of a member of staff who is none, or empty.
    pub practitioner: String,
    /// The purpose of use.
    pub purpose: String,
    /// On what the access rested.
    pub basis: String,
    /// The type touched.
    pub resource_type: String,
    /// The id touched.
    pub resource_id: String,
    /// The version, 0 where none.
    pub version_id: i64,
    /// The request.
    pub request_id: String,
    /// The emergency session or crisis disclosure that it is part of; empty otherwise.
    pub case_id: String,
    /// From where; empty where unknown.
    pub network: String,
    /// The names of a search's parameters.
    pub query: String,
    /// The Consents on which a refusal rests.
    pub consents: String,
}
