//! Who may be named by a Consent: identities that the operator registered, and nobody else.

use std::fmt;

/// The identifier system under which a whole kind of organisation is named as an actor, for instance `elp` or `cgg`.
pub const ORGANIZATION_KIND_SYSTEM: &str = "https://wellgate.example/fhir/NamingSystem/organization-kind";

/// Whom a rule is about: `organization/<id>`, `practitioner/<id>`, `kind/<code>`, or `*` for everyone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grantee(String);

impl Grantee {
    /// One registered organisation.
    pub fn organization(id: &str) -> Self {
        Self(format!("organization/{id}"))
    }

    /// One registered practitioner.
    pub fn practitioner(id: &str) -> Self {
        Self(format!("practitioner/{id}"))
    }

    /// All organisations that the operator registered under this kind.
    pub fn kind(code: &str) -> Self {
        Self(format!("kind/{code}"))
    }

    /// A grantee as it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Everyone: what a provision without an actor is about.
    pub fn everyone() -> Self {
        Self("*".to_owned())
    }

    /// The text under which the grantee is stored and joined.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a rule for this grantee is about a caller with these identities.
    pub fn covers(&self, identities: &[Grantee]) -> bool {
        self.is_everyone() || identities.contains(self)
    }

    pub(super) fn is_everyone(&self) -> bool {
        self.0 == "*"
    }

    /// The resource type that `Reference.type` must name, if it names one, for an actor resolved to this grantee.
    pub(super) fn resource_type(&self) -> Option<&'static str> {
        let (prefix, _) = self.0.split_once('/')?;
        match prefix {
            "organization" | "kind" => Some("Organization"),
            "practitioner" => Some("Practitioner"),
            _ => None,
        }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An actor as a Consent names it, before the operator's registration says who that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorReference<'a> {
    /// A literal reference `Organization/<id>`.
    Organization(&'a str),
    /// A literal reference `Practitioner/<id>`.
    Practitioner(&'a str),
    /// A logical reference: a CBE or NIHDI number, or a kind under [`ORGANIZATION_KIND_SYSTEM`].
    Identifier {
        /// The identifier's system.
        system: &'a str,
        /// The identifier's value.
        value: &'a str,
    },
}
