//! The person who signed in: as whom the token names them, and what they may do in a record at this moment.
//!
//! A person is nobody's organisation: the identity of a person matches no custodian, grantee, pool or closure, because none of
//! these is ever written with a person's prefix.

use super::Draft;
use super::caller::Caller;
use crate::auth::FhirUser;
use crate::consent::{Representation, RepresentationScope};
use crate::error::{Failure, Issue};
use crate::storage::{StorageError, Store};

/// How a person is named in the trail of a record that is not theirs: that somebody looked is the record's business, who it
/// was is not. The person's own trail has the same request with the name.
pub const UNNAMED: &str = "person";

/// The purposes for which a person asks: for oneself, and as one of the family.
const PURPOSES: [&str; 2] = ["PATRQT", "FAMRQT"];

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    identity: String,
    record: Option<String>,
    is_patient: bool,
}

impl Person {
    /// Finds the record of whom a token names. What may be done in it is not decided here.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn of(user: &FhirUser, store: &Store) -> Result<Self, StorageError> {
        Ok(match user {
            FhirUser::Patient(id) => {
                Self { identity: format!("patient/{id}"), record: Some(id.clone()), is_patient: true }
            }
            FhirUser::RelatedPerson(id) => {
                let located = store.locate("RelatedPerson", id).await?;
                let record = located.map(|located| located.key.compartment);
                Self { identity: format!("related-person/{id}"), record, is_patient: false }
            }
        })
    }

    /// `patient/<id>` or `related-person/<id>`: also the name of the person's own compartment.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether the record is about this person.
    pub fn is_patient_of(&self, compartment: &str) -> bool {
        self.is_patient && self.record.as_deref() == Some(compartment)
    }

    /// The name under which the person stands in the trail of a compartment.
    pub fn name_in(&self, compartment: &str) -> &str {
        let is_own = compartment == self.identity || self.record.as_deref() == Some(compartment);
        if is_own { &self.identity } else { UNNAMED }
    }
}

/// Holds a token to what its client is registered for: a person's app speaks for people and nobody else does.
///
/// # Errors
/// [`Failure::Forbidden`].
pub fn belongs_to_app(claims: &crate::auth::TokenClaims, is_person_app: bool) -> Result<(), Failure> {
    let forbidden = |details: &str| Err(Failure::Forbidden(Issue::new("forbidden", details)));
    match (&claims.fhir_user, is_person_app) {
        (None, true) => forbidden("this client is an app for people who sign in: its tokens name one in fhir_user"),
        (Some(_), false) => forbidden("this client is not registered as an app for people who sign in"),
        (Some(_), true) if claims.practitioner_id.is_some() => {
            forbidden("a token names a person who signed in or a practitioner, not both")
        }
        (Some(_), true) if !claims.scopes.is_empty() => {
            forbidden("a person has no system/ scopes: ask for patient/ or user/ scopes")
        }
        (Some(_), true) if !PURPOSES.contains(&claims.purpose.as_str()) => {
            forbidden("a person asks for PATRQT or FAMRQT")
        }
        (None, false) | (Some(_), true) => Ok(()),
    }
}

impl Caller {
    /// What the person who signed in may do in a record, as the draft's moment has it; nothing for anybody else.
    async fn representation_at(&self, store: &Store, compartment: &str) -> Result<Representation, StorageError> {
        let Some(person) = self.person() else { return Ok(Representation::default()) };
        if person.is_patient_of(compartment) {
            return Ok(Representation::of_oneself());
        }
        let scopes = store.representation(compartment, person.identity(), self.now_ms).await?;
        Ok(Representation::of(scopes.iter().filter_map(|code| RepresentationScope::from_code(code)).collect()))
    }
}

impl Draft<'_> {
    /// What the person who signed in may do in a record. The draft rests on the record's epoch, which moves whenever a
    /// RelatedPerson of it changes: so what a representation let through is decided again where it was taken back meanwhile.
    ///
    /// # Errors
    /// The database is away.
    pub async fn representation(&mut self, compartment: &str) -> Result<Representation, Failure> {
        // The epoch is read first: what changes after it is noticed.
        if self.caller.person().is_none() || self.record(compartment).await?.is_none() {
            return Ok(Representation::default());
        }
        Ok(self.caller.representation_at(&self.app.store, compartment).await?)
    }
}
