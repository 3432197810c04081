//! The table of postcodes says what the published lists say.
//!
//! The lists are not part of the project. `WELLGATE_CORPUS` names the folder that they are in; without one this test says so and passes.

use std::path::{Path, PathBuf};

use mappings::postcode::Province;
use serde_json::Value;

#[test]
fn every_published_postcode_lies_in_the_province_of_the_table() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    #[expect(clippy::disallowed_methods, reason = "tests are told where the corpus is")]
    let folder = std::env::var_os("WELLGATE_CORPUS").map_or(beside, PathBuf::from).join("be-public");
    if !folder.is_dir() {
        println!("skipped: no corpus at {}; set WELLGATE_CORPUS", folder.display());
        return;
    }
    let read = |name: &str| -> Value {
        let bytes = std::fs::read(folder.join(name)).expect("the list is there");
        serde_json::from_slice(&bytes).expect("it is JSON")
    };
    for language in ["nl", "fr"] {
        let list = read(&format!("belgian_region_zipcode_mapping_{language}.json"));
        let mut postcodes = 0;
        for (code, of_province) in list.as_object().expect("provinces") {
            for (postcode, municipalities) in of_province.as_object().expect("postcodes") {
                let found = Province::of_postcode(postcode).map(Province::code);
                assert_eq!(found, Some(code.as_str()), "{postcode} {municipalities}");
                postcodes += 1;
            }
        }
        assert!(postcodes > 1_100, "{language}: the list is read");
    }
    let names = read("belgian_region_iso3166.json");
    for (code, in_languages) in names.as_object().expect("provinces") {
        for (language, name) in in_languages.as_object().expect("names") {
            let found = Province::named(name.as_str().expect("a name")).map(Province::code);
            assert_eq!(found, Some(code.as_str()), "{language}: {name}");
        }
    }
    assert_eq!(names.as_object().map(serde_json::Map::len), Some(Province::all().count()));
}
