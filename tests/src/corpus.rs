//! The published examples: official FHIR, Belgian and IHE resources, and Synthea's made-up patients.
//!
//! They are not part of the project. `WELLGATE_CORPUS` names their folder, by default `shared/data` beside the project; without
//! it the tests that read it say so and pass.

use std::path::PathBuf;

use serde_json::Value;

use crate::{project, variable};

/// One file of the corpus.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its folder and name: `be-core/Patient-patient1.json`.
    pub name: String,
    /// Its bytes, as published.
    pub bytes: Vec<u8>,
}

impl Example {
    /// The resource in it.
    ///
    /// # Panics
    /// It is not JSON; every file that [`examples`] gives is.
    pub fn resource(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// The folder of the corpus; `None`, with a message, where there is none.
pub fn corpus() -> Option<PathBuf> {
    let folder = variable("WELLGATE_CORPUS").map_or_else(|| project().join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: no corpus at {}: set WELLGATE_CORPUS", folder.display());
    None
}

/// The JSON files of one folder of the corpus (`r4-examples`, `be-core`, `be-referral`, `ihe-pcf`, `synthea`, …), sorted by name;
/// none without a corpus.
///
/// # Panics
/// The corpus is there but has no such folder, or no JSON in it: then a test would hold for nothing.
pub fn examples(folder: &str) -> Vec<Example> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let path = corpus.join(folder);
    let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the folder can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    names.retain(|name| name.to_lowercase().ends_with(".json"));
    names.sort();
    assert!(!names.is_empty(), "no examples in {}", path.display());
    let read = |name: &String| std::fs::read(path.join(name)).expect("the file can be read");
    names.iter().map(|name| Example { name: format!("{folder}/{name}"), bytes: read(name) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_resources_in_the_order_of_their_names() {
        let examples = examples("be-core");
        assert!(examples.is_sorted_by_key(|example| example.name.clone()));
        for example in examples {
            assert!(example.resource()["resourceType"].is_string(), "{}", example.name);
        }
    }
}
