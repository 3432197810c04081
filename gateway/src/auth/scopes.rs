//! SMART scopes: which interactions a token grants on which resource types.
//!
//! `system/` scopes are for an organisation's client, `patient/` and `user/` scopes for a person who signed in; each grants
//! nothing to the other. A scope that is not understood to the letter grants nothing, so a restriction is never lost. What a scope
//! with a restriction grants is asked for by a name of its own: whoever asks only whether something is permitted is told no.
//! Restrictions are taken as they are written; those that no search keeps are taken out by [`Scopes::keeping`].
//!
//! Specification: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>

pub mod restriction;

use std::collections::BTreeMap;

use restriction::{RESTRICTIONS_MAX, RESTRICTIONS_READ_MAX, Restricted};

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
    /// In order, each once.
    restricted: Vec<Restricted>,
}

impl Scopes {
    /// Reads a token's `scope`: scopes separated by single spaces. What is no system scope is left out.
    pub fn parse(scope: &str) -> Self {
        let restricted = scope.split(' ').filter_map(restricted_by).take(RESTRICTIONS_READ_MAX).collect();
        Self::of(scope, &["system/"]).restricted_to(restricted)
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

    /// The same with what is granted under a restriction, as far as that is not granted without one, or under a wider one.
    fn restricted_to(mut self, restricted: Vec<Restricted>) -> Self {
        let mut restricted: Vec<Restricted> = restricted
            .into_iter()
            .map(|one| Restricted { interactions: one.interactions & !self.whole(&one.resource_type), ..one })
            .filter(|one| one.interactions != 0)
            .collect();
        restricted.sort();
        restricted.dedup();
        // Of two that cover each other the first stays.
        let is_needless = |one: &Restricted| {
            restricted.iter().any(|other| other != one && other.covers(one) && (other < one || !one.covers(other)))
        };
        self.restricted = restricted.iter().filter(|one| !is_needless(one)).cloned().collect();
        self
    }

    /// The same without the restrictions that are not kept, by their type and query, and those beyond the limit: what they grant is
    /// not granted.
    #[must_use]
    pub fn keeping(mut self, is_kept: impl Fn(&str, &str) -> bool) -> Self {
        self.restricted.retain(|one| is_kept(&one.resource_type, &one.query));
        self.restricted.truncate(RESTRICTIONS_MAX);
        self
    }

    /// What is granted on all of a type.
    fn whole(&self, resource_type: &str) -> u8 {
        self.every_type | self.by_type.get(resource_type).copied().unwrap_or_default()
    }

    /// What both grant.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let every_type = self.every_type & other.every_type;
        let named = self.by_type.keys().chain(other.by_type.keys());
        let both = named.map(|name| (name.clone(), self.whole(name) & other.whole(name) & !every_type));
        let by_type = both.filter(|(_, granted)| *granted != 0).collect();
        // Of what one grants under a restriction, what the other grants without, or under another.
        let first = |scopes: &Self| scopes.restricted.iter().take(RESTRICTIONS_MAX).cloned().collect::<Vec<_>>();
        let (ours, theirs) = (first(self), first(other));
        let of_whole = |restricted: &[Restricted], scopes: &Self| -> Vec<Restricted> {
            let within = |one: &Restricted| one.interactions & scopes.whole(&one.resource_type);
            restricted.iter().map(|one| Restricted { interactions: within(one), ..one.clone() }).collect()
        };
        let mut restricted = of_whole(&ours, other);
        restricted.extend(of_whole(&theirs, self));
        for one in &ours {
            restricted.extend(theirs.iter().filter_map(|another| one.and(another)));
        }
        let mut both = Self { every_type, by_type, restricted: Vec::new() }.restricted_to(restricted);
        both.restricted.truncate(RESTRICTIONS_MAX);
        both
    }

    /// The same as `system/` scopes, separated by spaces.
    pub fn of_system(&self) -> String {
        let every = Some(("*", self.every_type)).filter(|(_, granted)| *granted != 0);
        let of_types = self.by_type.iter().map(|(name, granted)| (name.as_str(), *granted));
        let texts =
            every.into_iter().chain(of_types).map(|(name, granted)| format!("system/{name}.{}", letters(granted)));
        let restricted = self
            .restricted
            .iter()
            .map(|one| format!("system/{}.{}?{}", one.resource_type, letters(one.interactions), one.query));
        texts.chain(restricted).collect::<Vec<_>>().join(" ")
    }

    /// Whether the interaction is granted on all of the type.
    pub fn permits(&self, resource_type: &str, interaction: Interaction) -> bool {
        self.whole(resource_type) & interaction.bit() != 0
    }

    /// The searches of which one finds a resource on which the interaction is granted, where it is not granted on all of the type;
    /// none where it is granted on nothing. Only a read of what is current and a search of the type may ask: nothing else keeps to them.
    pub fn restrictions(&self, resource_type: &str, interaction: Interaction) -> Vec<&str> {
        let grants =
            |one: &&Restricted| one.resource_type == resource_type && one.interactions & interaction.bit() != 0;
        self.restricted.iter().filter(grants).map(|one| one.query.as_str()).collect()
    }

    /// Whether nothing at all is granted.
    pub fn is_empty(&self) -> bool {
        self.every_type == 0 && self.by_type.is_empty() && self.restricted.is_empty()
    }
}

/// What `system/Type.letters?query` grants; none for anything else.
fn restricted_by(scope: &str) -> Option<Restricted> {
    let (whole, query) = scope.split_once('?')?;
    let (resource_type, letters) = whole.strip_prefix("system/")?.split_once('.')?;
    let is_v2 = letters.bytes().all(|letter| b"cruds".contains(&letter));
    let interactions = interactions_of(letters).filter(|_| is_v2 && is_type_name(resource_type))?;
    Restricted::read(resource_type, interactions, query)
}

/// The type (or `*`) and the interactions of `system/Type.letters` in the context `system/`; `None` for anything else.
fn granted_by<'s>(scope: &'s str, context: &str) -> Option<(&'s str, u8)> {
    let (resource_type, letters) = scope.strip_prefix(context)?.split_once('.')?;
    // With a restriction such as `?category=x` it cannot pass here: `?` is no letter.
    let interactions = interactions_of(letters)?;
    (resource_type == "*" || is_type_name(resource_type)).then_some((resource_type, interactions))
}

fn is_type_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
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
            "system/Patient.read?gender=male",
            "system/Patient.cud?gender=male",
            "system/Patient.sr?gender=male",
            "system/Patient.rs?",
            "system/Patient.rs?gender",
            "system/Patient.rs?gender=",
            "system/Patient.rs?=male",
            "system/Patient.rs?gender=male&&gender=female",
            "system/Patient.rs?gender=male&",
            "system/*.rs?gender=male",
            "patient/Patient.rs?gender=male",
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
    fn a_restriction_grants_reading_and_searching_and_only_where_it_is_asked_for() {
        let scopes = Scopes::parse("system/Observation.cruds?category=laboratory system/Task.r?status=ready,requested");
        assert_eq!(
            scopes.of_system(),
            "system/Observation.rs?category=laboratory system/Task.r?status=ready,requested"
        );
        for interaction in ALL {
            assert!(!scopes.permits("Observation", interaction) && !scopes.permits("Task", interaction));
        }
        assert_eq!(scopes.restrictions("Observation", Interaction::Search), ["category=laboratory"]);
        assert_eq!(scopes.restrictions("Task", Interaction::Read), ["status=ready,requested"]);
        assert!(scopes.restrictions("Task", Interaction::Search).is_empty());
        assert!(scopes.restrictions("Observation", Interaction::Update).is_empty());
        assert!(scopes.restrictions("Patient", Interaction::Read).is_empty());
        // What is granted on all of a type needs no restriction.
        let scopes = Scopes::parse("system/Task.rs?status=ready system/Task.s");
        assert_eq!(scopes.of_system(), "system/Task.s system/Task.r?status=ready");
        // Nor is one that another covers.
        let scopes =
            Scopes::parse("system/Task.rs?code=b&status=ready system/Task.rs?status=ready&code=b system/Task.r?code=b");
        assert_eq!(scopes.of_system(), "system/Task.r?code=b system/Task.rs?code=b&status=ready");
    }

    #[test]
    fn of_many_restrictions_some_are_kept_and_those_that_are_not_push_none_out() {
        let many = |name: &str| (0..30).map(|n| format!("system/Task.r?{name}={n}")).collect::<Vec<_>>().join(" ");
        let scopes = Scopes::parse(&[many("a"), many("code")].join(" "));
        assert_eq!(scopes.restrictions("Task", Interaction::Read).len(), RESTRICTIONS_READ_MAX);
        let kept = scopes.keeping(|resource_type, query| resource_type == "Task" && query.starts_with("code="));
        assert_eq!(kept.restrictions("Task", Interaction::Read).len(), RESTRICTIONS_MAX);
        assert_eq!(kept.within(&kept), kept, "what is asked and registered is granted");
        assert!(!Scopes::parse("system/Task.r?code=1").is_empty());
        assert!(Scopes::parse("system/Task.r?code=1").keeping(|_, _| false).is_empty());
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
            ("system/*.rs", "system/Task.rs?code=a", "system/Task.rs?code=a"),
            ("system/*.r", "system/Task.rs?code=a system/Task.s?code=b", "system/Task.r?code=a"),
            ("system/Task.cruds", "system/Task.c system/Task.rs?code=a", "system/Task.c system/Task.rs?code=a"),
            ("system/Task.rs?code=a", "system/Task.r?code=a", "system/Task.r?code=a"),
            ("system/Task.rs?code=a", "system/Observation.rs?code=a", ""),
            ("system/Task.rs?code=a", "system/Task.cud", ""),
        ] {
            let (first, second) = (Scopes::parse(first), Scopes::parse(second));
            assert_eq!(
                (first.within(&second).of_system(), second.within(&first).of_system()),
                (both.to_owned(), both.to_owned())
            );
            assert_eq!(Scopes::parse(both), first.within(&second));
        }
        let (first, second) = ("system/Task.rs?code=a", "system/Task.r?status=ready");
        let both = Scopes::parse(first).within(&Scopes::parse(second));
        assert_eq!(both.restrictions("Task", Interaction::Read), ["code=a&status=ready"], "both must hold");
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
