//! The profiles that an operator loads, and those that a resource is held to when it is written.
//!
//! What a profile asks is `mappings::profile`'s business; here is which one counts. Nothing here knows who asks.

mod packages;

use std::collections::BTreeMap;

use mappings::profile::{Limits, Profile, Profiles, compile};
use mappings::r4::issue::ContentIssue;
use serde_json::Value;

pub use packages::PackagesError;

use crate::config::{ProfileChecks, ValidationConfig};

/// The profiles at hand.
#[derive(Debug)]
pub struct Validation {
    profiles: Profiles,
    on_write: ProfileChecks,
    /// The profiles that are required of a type.
    required: BTreeMap<String, Vec<String>>,
}

/// The canonicals in `meta.profile`, loaded or not.
pub fn claimed(resource: &Value) -> Vec<&str> {
    let listed = resource.pointer("/meta/profile").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).collect()
}

impl Validation {
    /// Reads and compiles the packages of a configuration.
    ///
    /// # Errors
    /// Names the file, or the key, that is wrong.
    pub fn load(config: &ValidationConfig) -> Result<Self, PackagesError> {
        let sources = match &config.packages {
            Some(folder) => packages::read(folder, config.package_bytes_max)?,
            None => Vec::new(),
        };
        let limits = Limits {
            definitions_max: config.definitions_max,
            elements_max: config.elements_max,
            codes_max: config.codes_max,
        };
        let profiles = compile(&sources, limits)?.with_aliases(config.aliases.iter().cloned());
        for (_, url) in &config.aliases {
            if profiles.find(url).is_none() {
                return Err(PackagesError::Unknown { key: "validation.aliases", url: url.clone() });
            }
        }
        let mut required: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for url in &config.required {
            let unknown = || PackagesError::Unknown { key: "validation.required", url: url.clone() };
            let profile = profiles.find(url).ok_or_else(unknown)?;
            required.entry(profile.constrains.clone()).or_default().push(url.clone());
        }
        Ok(Self { profiles, on_write: config.profiles, required })
    }

    /// Every profile that is loaded.
    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The canonicals of the loaded profiles of a type.
    pub fn of_type<'v>(&'v self, resource_type: &'v str) -> impl Iterator<Item = &'v str> {
        self.profiles
            .all()
            .filter(move |profile| profile.constrains == resource_type)
            .map(|profile| profile.url.as_str())
    }

    /// What a write is refused for: the profiles that count on writing, and the extensions that are defined.
    pub fn on_write(&self, resource: &Value) -> Vec<ContentIssue> {
        if self.on_write == ProfileChecks::Off {
            return Vec::new();
        }
        let mut held = claimed(resource);
        if self.on_write == ProfileChecks::Required {
            let required =
                resource.get("resourceType").and_then(Value::as_str).and_then(|name| self.required.get(name));
            held.extend(required.into_iter().flatten().map(String::as_str));
        }
        self.issues(&held, resource)
    }

    /// What a resource is not, of profiles that are loaded, and of the definitions of its extensions.
    pub fn issues(&self, canonicals: &[&str], resource: &Value) -> Vec<ContentIssue> {
        let mut issues = self.of_profiles(canonicals, resource);
        issues.extend(self.profiles.check_extensions(resource));
        issues
    }

    /// What a resource is not, of profiles that are loaded; the others say nothing.
    pub fn of_profiles(&self, canonicals: &[&str], resource: &Value) -> Vec<ContentIssue> {
        let mut held: Vec<&Profile> = Vec::new();
        for profile in canonicals.iter().filter_map(|canonical| self.profiles.find(canonical)) {
            if held.iter().all(|other| !std::ptr::eq(*other, profile)) {
                held.push(profile);
            }
        }
        held.into_iter().flat_map(|profile| self.profiles.check(profile, resource)).collect()
    }
}
