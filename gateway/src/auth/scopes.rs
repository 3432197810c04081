//! SMART scopes: which interactions a token grants on which resource types.
//!
//! `system/` scopes are for an organisation's client, `patient/` and `user/` scopes for a person who signed in; each grants
//! nothing to the other. A scope that is not understood to the letter grants nothing, so a restriction is never lost.
//!
//! Specification: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>

use std::collections::BTreeMap;

/// What a client does with a resource, in the letters of SMART v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// Create.
    Create,
    /// Read, version read, and the history of one resource.
    Read,
    /// Update.
    Update,
    /// Delete.
    Delete,
    /// Search, and the history of a type.
    Search,
}

impl Interaction {
    const fn bit(self) -> u8 {
        match self {
            Self::Create => 1,
            Self::Read => 2,
            Self::Update => 4,
            Self::Delete => 8,
            Self::Search => 16,
        }
    }
}

/// The interactions that a token's scopes grant. Empty: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    every_type: u8,
    by_type: BTreeMap<String, u8>,
}

impl Scopes {
    /// Reads a token's `scope`: scopes separated by single spaces. What is not a plain system scope is left out.
    pub fn parse(scope: &str) -> Self {
        Self::of(scope, &["system/"])
    }

    /// Reads the scopes of a person who signed in: what is not a plain `patient/` or `user/` scope is left out.
    pub fn parse_of_person(scope: &str) -> Self {
        Self::of(scope, &["patient/", "user/"])
    }

    fn of(scope: &str, contexts: &[&str]) -> Self {
        let mut scopes = Self::default();
        let granted = scope.split(' ').filter_map(|one| contexts.iter().find_map(|context| granted_by(one, context)));
        for (resource_type, interactions) in granted {
            if resource_type == "*" {
                scopes.every_type |= interactions;
            } else {
                *scopes.by_type.entry(resource_type.to_owned()).or_default() |= interactions;
            }
        }
        scopes
    }

    /// What both grant.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let of = |scopes: &Self, name: &str| scopes.every_type | scopes.by_type.get(name).copied().unwrap_or_default();
        let every_type = self.every_type & other.every_type;
        let named = self.by_type.keys().chain(other.by_type.keys());
        let both = named.map(|name| (name.clone(), of(self, name) & of(other, name) & !every_type));
        Self { every_type, by_type: both.filter(|(_, granted)| *granted != 0).collect() }
    }

    /// The same as `system/` scopes, separated by spaces.
    pub fn of_system(&self) -> String {
        let every = Some(("*", self.every_type)).filter(|(_, granted)| *granted != 0);
        let of_types = self.by_type.iter().map(|(name, granted)| (name.as_str(), *granted));
        let texts =
            every.into_iter().chain(of_types).map(|(name, granted)| format!("system/{name}.{}", letters(granted)));
        texts.collect::<Vec<_>>().join(" ")
    }

    /// Whether the interaction is granted on the type.
    pub fn permits(&self, resource_type: &str, interaction: Interaction) -> bool {
        let of_type = self.by_type.get(resource_type).copied().unwrap_or_default();
        (self.every_type | of_type) & interaction.bit() != 0
    }

    /// Whether nothing at all is granted.
    pub fn is_empty(&self) -> bool {
        self.every_type == 0 && self.by_type.is_empty()
    }
}

/// The type (or `*`) and the interactions of `system/Type.letters` in the context `system/`; `None` for anything else.
fn granted_by<'s>(scope: &'s str, context: &str) -> Option<(&'s str, u8)> {
    let (resource_type, letters) = scope.strip_prefix(context)?.split_once('.')?;
    // A restriction such as `?category=x` would have to be enforced on every route; until it is, it grants nothing, and
    // it cannot pass here because `?` is no letter.
    let interactions = interactions_of(letters)?;
    let is_name = resource_type.starts_with(|first: char| first.is_ascii_uppercase())
        && resource_type.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (resource_type == "*" || is_name).then_some((resource_type, interactions))
}

fn letters(granted: u8) -> String {
    "cruds".chars().enumerate().filter(|(bit, _)| granted & (1 << bit) != 0).map(|(_, letter)| letter).collect()
}

/// The letters of `cruds`, each at most once and in that order, as SMART v2 demands; or the words of v1.
fn interactions_of(letters: &str) -> Option<u8> {
    use Interaction::{Create, Delete, Read, Search, Update};
    match letters {
        "read" => return Some(Read.bit() | Search.bit()),
        "write" => return Some(Create.bit() | Update.bit() | Delete.bit()),
        "*" => return interactions_of("cruds"),
        "" => return None,
        _ => {}
    }
    let mut rest = letters;
    let mut granted = 0;
    for (letter, interaction) in [('c', Create), ('r', Read), ('u', Update), ('d', Delete), ('s', Search)] {
        if let Some(after) = rest.strip_prefix(letter) {
            granted |= interaction.bit();
            rest = after;
        }
    }
    rest.is_empty().then_some(granted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Interaction; 5] =
        [Interaction::Create, Interaction::Read, Interaction::Update, Interaction::Delete, Interaction::Search];

    fn granted(scope: &str, resource_type: &str) -> String {
        let scopes = Scopes::parse(scope);
        let permitted = ALL.iter().zip("cruds".chars()).filter(|(one, _)| scopes.permits(resource_type, **one));
        permitted.map(|(_, letter)| letter).collect()
    }

    #[test]
    fn what_is_not_a_plain_system_scope_grants_nothing() {
        let refused = [
            "",
            " ",
            "*",
            "system",
            "system/Patient",
            "system/Patient.",
            "system/.rs",
            "system/Patient.sr",
            "system/Patient.rr",
            "system/Patient.rx",
            "system/Patient.CRUDS",
            "system/Patient.Read",
            "system/Patient.read.rs",
            "system/Patient.rs?_id=1",
            "system/Patient.read?_id=1",
            "system/Patient?_id=1.rs",
            "system/patient.rs",
            "system/Pat ient.rs",
            "system/**.rs",
            "System/Patient.rs",
            "patient/Patient.rs",
            "user/*.cruds",
            "xsystem/Patient.rs",
            "system/Patient.rs\n",
            "system/Patient.rs\tsystem/Patient.rs",
            "openid fhirUser offline_access launch/patient",
        ];
        for scope in refused {
            assert!(Scopes::parse(scope).is_empty(), "{scope:?}");
            assert_eq!(granted(scope, "Patient"), "", "{scope:?}");
        }
    }

    #[test]
    fn a_scope_grants_its_own_type_and_letters_only() {
        let granting = [
            ("system/Patient.rs", "Patient", "rs"),
            ("system/Patient.rs", "Consent", ""),
            ("system/Patient.rs", "PatientX", ""),
            ("system/Patient.c", "Patient", "c"),
            ("system/Patient.cruds", "Patient", "cruds"),
            ("system/Patient.cud", "Patient", "cud"),
            ("system/*.rs", "Task", "rs"),
            ("system/*.s", "*", "s"),
            ("system/*.s system/Task.u", "Task", "us"),
            ("system/Task.r  system/Task.u", "Task", "ru"),
            ("user/Task.cruds system/Task.r system/Task.s?_id=1", "Task", "r"),
        ];
        for (scope, resource_type, letters) in granting {
            assert_eq!(granted(scope, resource_type), letters, "{scope} on {resource_type}");
        }
    }

    #[test]
    fn the_scopes_of_a_person_and_of_a_system_are_strangers_to_each_other() {
        let person = Scopes::parse_of_person(
            "patient/*.rs patient/Consent.cu system/Patient.d user/Task.s patient/Task.c?_id=1",
        );
        for (resource_type, letters) in [("Patient", "rs"), ("Consent", "crus"), ("Task", "rs")] {
            let granted = ALL.iter().zip("cruds".chars()).filter(|(one, _)| person.permits(resource_type, **one));
            assert_eq!(granted.map(|(_, letter)| letter).collect::<String>(), letters, "{resource_type}");
        }
        assert!(Scopes::parse_of_person("system/*.cruds").is_empty());
        assert!(Scopes::parse("patient/*.cruds user/*.cruds").is_empty());
    }

    #[test]
    fn the_words_of_smart_v1_are_translated() {
        assert_eq!(granted("system/Patient.read", "Patient"), "rs");
        assert_eq!(granted("system/Patient.write", "Patient"), "cud");
        assert_eq!(granted("system/Patient.*", "Patient"), "cruds");
        assert_eq!(granted("system/*.*", "Patient"), "cruds");
    }

    #[test]
    fn what_two_grant_is_what_each_grants() {
        for (first, second, both) in [
            ("system/*.cruds", "system/*.rs", "system/*.rs"),
            ("system/*.rs", "system/Patient.cr system/Task.u", "system/Patient.r"),
            ("system/*.r system/Task.u", "system/*.r system/Task.cu", "system/*.r system/Task.u"),
            ("system/Patient.rs", "system/Task.rs", ""),
            ("system/Patient.rs", "", ""),
        ] {
            let (first, second) = (Scopes::parse(first), Scopes::parse(second));
            assert_eq!(
                (first.within(&second).of_system(), second.within(&first).of_system()),
                (both.to_owned(), both.to_owned())
            );
            assert_eq!(Scopes::parse(both), first.within(&second));
        }
    }

    proptest! {
        #[test]
        fn one_more_scope_never_takes_away(first in "(system/(Task|\\*)\\.[cruds]{1,5} ?){0,4}", more in "[ -~]{0,30}") {
            let (before, after) = (Scopes::parse(&first), Scopes::parse(&format!("{first} {more}")));
            for interaction in ALL {
                prop_assert!(!before.permits("Task", interaction) || after.permits("Task", interaction));
            }
        }
    }
}
