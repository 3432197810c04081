//! Scopes with a search restriction: `system/Observation.rs?category=laboratory`.
//!
//! Such a scope is for reading and searching of what a search with the same parameters finds, and nothing else: no history, no version, no
//! include, no chain, no write. So wherever a grant is asked that is not this one, it counts for nothing. Here it is only read and
//! compared; whether a search keeps it is for whoever knows what is searched.
//!
//! Specification: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters>

use super::Interaction;

/// The most that are kept of one set of scopes: each is work for every read and search. What is beyond grants nothing.
pub const RESTRICTIONS_MAX: usize = 10;
/// The most that are read of one.
pub(super) const RESTRICTIONS_READ_MAX: usize = 50;
/// The most parameters of one.
const PARAMETERS_MAX: usize = 10;

/// What a scope with a restriction grants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Restricted {
    pub(super) resource_type: String,
    /// Of [`Interaction::Read`] and [`Interaction::Search`].
    pub(super) interactions: u8,
    /// The search that finds what is granted: `name=value`, several joined by `&`, all of which must hold.
    pub(super) query: String,
}

impl Restricted {
    /// What is granted on a type under a restriction that is written as one: `name=value`, several joined by `&`.
    pub(super) fn read(resource_type: &str, interactions: u8, query: &str) -> Option<Self> {
        let interactions = interactions & (Interaction::Read.bit() | Interaction::Search.bit());
        let parts = query.split('&').count();
        let is_pair =
            |part: &str| part.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty());
        let is_read = interactions != 0 && parts <= PARAMETERS_MAX && query.split('&').all(is_pair);
        is_read.then(|| Self { resource_type: resource_type.to_owned(), interactions, query: query.to_owned() })
    }

    /// Whether it grants all that another grants.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.resource_type == other.resource_type
            && self.interactions & other.interactions == other.interactions
            && self.query.split('&').all(|part| other.query.split('&').any(|other| other == part))
    }

    /// What both grant.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        let interactions = self.interactions & other.interactions;
        if self.resource_type != other.resource_type || interactions == 0 {
            return None;
        }
        let mut parts: Vec<&str> = self.query.split('&').collect();
        for part in other.query.split('&').filter(|part| self.query.split('&').all(|known| known != *part)) {
            parts.push(part);
        }
        (parts.len() <= PARAMETERS_MAX).then(|| Self {
            resource_type: self.resource_type.clone(),
            interactions,
            query: parts.join("&"),
        })
    }
}
