//! Real data is indexed and finds its record: the Synthea bundles, from the hospital to the last observation.
//!
//! The corpus is not part of the project. `WELLGATE_CORPUS` names its folder; without one this test says so and passes.

use std::path::{Path, PathBuf};

use gateway::search::index::{ROWS_MAX, index};
use gateway::search::overlay::{Belongs, belongs, owner_references};
use serde_json::Value;

fn bundles() -> Vec<Value> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    #[expect(clippy::disallowed_methods, reason = "tests are told where the corpus is")]
    let folder = std::env::var_os("WELLGATE_CORPUS").map_or(beside, PathBuf::from).join("synthea");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no corpus at {}; set WELLGATE_CORPUS", folder.display());
        return Vec::new();
    };
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let texts = files.map(|path| std::fs::read(path).expect("the file can be read"));
    texts.map(|text| serde_json::from_slice(&text).expect("the file is JSON")).collect()
}

#[test]
fn every_synthea_resource_is_indexed_and_has_one_owner() {
    let (mut resources, mut rows) = (0, 0);
    for entry in bundles().iter().filter_map(|bundle| bundle["entry"].as_array()).flatten() {
        let resource = &entry["resource"];
        let resource_type = resource["resourceType"].as_str().expect("a resource has a type");
        match belongs(resource_type) {
            Some(Belongs::Record(_)) => assert_eq!(owner_references(resource_type, resource).len(), 1, "{resource}"),
            Some(Belongs::Through(_)) => assert!(!owner_references(resource_type, resource).is_empty(), "{resource}"),
            Some(Belongs::IsRecord | Belongs::Own | Belongs::Directory) => {}
            None => panic!("{resource_type} has no entry"),
        }
        let found = index(resource_type, resource);
        assert!(!found.is_empty() && found.len() <= ROWS_MAX, "{resource}");
        (resources, rows) = (resources + 1, rows + found.len());
    }
    println!("{resources} resources, {rows} rows");
}
