//! Profiles: what the `StructureDefinitions`, `ValueSets` and `CodeSystems` of packages ask beyond base R4, compiled once into rules.
//!
//! <https://hl7.org/fhir/R4/profiling.html>. A snapshot is read as it is; a differential without one adds to the rules of its base.
//! Base R4 itself is [`crate::r4::structure`]'s. What is written in a package and not checked is listed with the profile, never passed
//! over in silence.

mod check;
mod compile;
mod definition;
mod discriminator;
mod extensions;
mod rules;
mod slicing;
mod terminology;
mod values;

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

pub use compile::compile;

use crate::r4::issue::ContentIssue;
use rules::{Context, Rules};
use terminology::ValueSet;

/// A file of a package.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is from, for errors.
    pub name: String,
    /// What is in it.
    pub resource: Value,
}

/// How much a package may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most definitions, value sets and code systems of all packages together.
    pub definitions_max: usize,
    /// The most elements of one definition.
    pub elements_max: usize,
    /// The most codes of one value set.
    pub codes_max: usize,
}

/// What is wrong with a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {message}")]
pub struct PackageError {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
}

/// A profile, ready to be checked.
#[derive(Debug)]
pub struct Profile {
    /// Its canonical URL.
    pub url: String,
    /// Its version, if it has one.
    pub version: Option<String>,
    /// Its name for people.
    pub name: String,
    /// The type that it constrains.
    pub constrains: String,
    /// What it asks and is not checked, each with its element.
    pub unchecked: Vec<String>,
    root: Rules,
    contexts: Vec<Context>,
}

/// All profiles of all packages.
#[derive(Debug, Default)]
pub struct Profiles {
    list: Vec<Profile>,
    /// By URL, and by URL with version.
    by_url: HashMap<String, usize>,
    value_sets: Vec<ValueSet>,
    /// Other names of profiles.
    aliases: HashMap<String, String>,
}

impl Profiles {
    /// The same profiles, known by further names: each URL stands for another.
    #[must_use]
    pub fn with_aliases(mut self, aliases: impl IntoIterator<Item = (String, String)>) -> Self {
        self.aliases.extend(aliases);
        self
    }

    /// The profile of a canonical, with or without `|version`, by its own name or an alias.
    pub fn find(&self, canonical: &str) -> Option<&Profile> {
        let index = self.by_url.get(canonical).or_else(|| {
            let url = canonical.split('|').next().unwrap_or_default();
            self.by_url.get(self.aliases.get(canonical).or_else(|| self.aliases.get(url))?)
        });
        index.map(|index| &self.list[*index])
    }

    /// Every profile, as the packages have them.
    pub fn all(&self) -> impl Iterator<Item = &Profile> {
        self.list.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The profiles of resources that are loaded, as canonicals.
    pub fn of_resources(&self) -> BTreeSet<&str> {
        let is_of_resource = |profile: &&Profile| crate::r4::structure::is_resource_type(&profile.constrains);
        self.list.iter().filter(is_of_resource).map(|profile| profile.url.as_str()).collect()
    }

    /// Holds a resource to a profile. The resource is to be checked against base R4 too: a profile does not repeat it.
    pub fn check(&self, profile: &Profile, resource: &Value) -> Vec<ContentIssue> {
        check::check(self, profile, resource)
    }

    /// Holds each extension of a resource whose definition is loaded to that definition, and to where it may be.
    pub fn check_extensions(&self, resource: &Value) -> Vec<ContentIssue> {
        if self.list.iter().any(|profile| profile.constrains == "Extension") {
            extensions::check(self, resource)
        } else {
            Vec::new()
        }
    }
}

/// The keys of the rules about profiles. Stable: programs may tell issues apart by them.
pub mod rule {
    /// The resource is not of the profile's type.
    pub const RESOURCE_TYPE: &str = "profile-resource-type";
    /// Fewer of an element than the profile asks for.
    pub const MIN: &str = "profile-min";
    /// More of an element than the profile takes.
    pub const MAX: &str = "profile-max";
    /// Fewer in a slice than the profile asks for.
    pub const SLICE_MIN: &str = "profile-slice-min";
    /// More in a slice than the profile takes.
    pub const SLICE_MAX: &str = "profile-slice-max";
    /// An item that belongs to no slice where only slices are taken.
    pub const CLOSED: &str = "profile-slicing-closed";
    /// Slices in another order.
    pub const ORDER: &str = "profile-slicing-order";
    /// Not the value that is fixed.
    pub const FIXED: &str = "profile-fixed";
    /// Not what the pattern asks for.
    pub const PATTERN: &str = "profile-pattern";
    /// A type that the profile does not take.
    pub const TYPE: &str = "profile-type";
    /// A value that fulfils none of the profiles of its type.
    pub const TYPE_PROFILE: &str = "profile-type-profile";
    /// A reference to a type that the profile does not take.
    pub const TARGET: &str = "profile-target";
    /// A code outside the value set of the profile.
    pub const BINDING: &str = "profile-binding";
    /// A text that is too long.
    pub const LENGTH: &str = "profile-max-length";
    /// An extension where its definition does not have it.
    pub const CONTEXT: &str = "extension-context";
    /// The profile takes more work than is done.
    pub const COSTLY: &str = "profile-too-costly";
    /// Every key.
    pub const ALL: [&str; 16] = [
        RESOURCE_TYPE,
        MIN,
        MAX,
        SLICE_MIN,
        SLICE_MAX,
        CLOSED,
        ORDER,
        FIXED,
        PATTERN,
        TYPE,
        TYPE_PROFILE,
        TARGET,
        BINDING,
        LENGTH,
        CONTEXT,
        COSTLY,
    ];
}
