//! `[validation]`: which profiles are loaded, and when a write is held to them.

use std::path::PathBuf;

use super::keys::Fallback::{Absent, Value};
use super::keys::Form::{Integer, List, Text};
use super::keys::{Key, key};
use super::reader::Reader;

/// `[validation]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationConfig {
    /// Where the packages are; none: none are loaded.
    pub packages: Option<PathBuf>,
    /// Which profiles a write is held to.
    pub profiles: ProfileChecks,
    /// Profiles that every resource of their type must fulfil.
    pub required: Vec<String>,
    /// Another name of a profile, and the profile.
    pub aliases: Vec<(String, String)>,
    /// Bytes of all packages together, unpacked.
    pub package_bytes_max: u64,
    /// Definitions, value sets and code systems of all packages together.
    pub definitions_max: usize,
    /// Elements of one definition.
    pub elements_max: usize,
    /// Codes of one value set.
    pub codes_max: usize,
}

/// Which profiles a write is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileChecks {
    /// To none.
    Off,
    /// To those that the resource claims and that are loaded.
    Claimed,
    /// To these, and to those that are required of its type.
    Required,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "validation",
        "packages",
        Text,
        Absent,
        "Folder with FHIR packages: `.tgz` files as npm packs them, or folders of JSON files. Their profiles, value sets and code \
         systems are read at the start (docs/validation.md). Without it only base R4 is checked.",
    ),
    key(
        "validation",
        "profiles",
        Text,
        Value("off"),
        "Which profiles a write is held to: `off`, `claimed` (those in `meta.profile` that are loaded), or `required` (these, and those \
         of `required`). `$validate` checks them in any case.",
    ),
    key(
        "validation",
        "required",
        List,
        Value(""),
        "Canonical URLs of loaded profiles that every resource of their type must fulfil, where `profiles` is `required`.",
    ),
    key(
        "validation",
        "aliases",
        List,
        Value(""),
        "Other names of profiles, each as `OTHER=URL`: a resource that claims the one is held to the other. For guides that have moved, as \
         the Belgian referral guide has.",
    ),
    key(
        "validation",
        "package_megabytes_max",
        Integer(1, 4_096),
        Value("256"),
        "Megabytes of all packages together, unpacked.",
    ),
    key(
        "validation",
        "definitions_max",
        Integer(1, 100_000),
        Value("20000"),
        "Definitions, value sets and code systems of all packages together.",
    ),
    key("validation", "elements_max", Integer(1, 100_000), Value("5000"), "Elements of one definition."),
    key("validation", "codes_max", Integer(1, 10_000_000), Value("100000"), "Codes of one value set."),
];

pub(super) fn read(reader: &mut Reader) -> ValidationConfig {
    let packages = reader.optional_text("validation.packages").map(PathBuf::from);
    let profiles = match reader.text("validation.profiles").as_str() {
        "off" => ProfileChecks::Off,
        "claimed" => ProfileChecks::Claimed,
        "required" => ProfileChecks::Required,
        _ => {
            reader.fail("validation.profiles", "is off, claimed or required");
            ProfileChecks::Off
        }
    };
    if profiles != ProfileChecks::Off && packages.is_none() {
        reader.fail("validation.profiles", "needs packages: without them no profile is known");
    }
    let required = reader.list("validation.required");
    if (profiles == ProfileChecks::Required) == required.is_empty() {
        reader.fail("validation.required", "belongs with profiles = \"required\", and is not empty then");
    }
    let aliases = reader.list("validation.aliases");
    let split = |alias: &String| alias.split_once('=').map(|(other, url)| (other.to_owned(), url.to_owned()));
    let pairs: Vec<_> = aliases.iter().filter_map(split).collect();
    if pairs.len() < aliases.len() {
        reader.fail("validation.aliases", "lists items of the form OTHER=URL");
    }
    let megabytes: u32 = reader.integer("validation.package_megabytes_max");
    let mut count = |key: &str| usize::try_from(reader.integer(key)).unwrap_or(usize::MAX);
    ValidationConfig {
        packages,
        profiles,
        required,
        aliases: pairs,
        package_bytes_max: u64::from(megabytes) * 1024 * 1024,
        definitions_max: count("validation.definitions_max"),
        elements_max: count("validation.elements_max"),
        codes_max: count("validation.codes_max"),
    }
}
