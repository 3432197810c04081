//! No public function of the store goes without a test on both databases.

use std::fmt::Write as _;
use std::path::Path;

use wellgate_tests::project;

fn text_of(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("the folder is part of the project") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            text.push_str(&text_of(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let _ = writeln!(text, "{}", std::fs::read_to_string(path).expect("a source is text"));
        }
    }
    text
}

/// The names of public functions: the words after `pub async fn`.
fn functions(source: &str) -> Vec<&str> {
    let names = source.split("pub async fn ").skip(1);
    names.filter_map(|rest| rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()).collect()
}

#[test]
fn every_public_function_of_the_store_is_called_by_these_tests() {
    let source = text_of(&project().join("gateway/src/storage"));
    let tests = text_of(&project().join("tests/tests/storage"));
    let functions = functions(&source);
    assert!(functions.len() > 30, "only {} functions were found: do they begin otherwise now?", functions.len());
    let is_called = |name: &&str| [".", "::"].iter().any(|before| tests.contains(&format!("{before}{name}(")));
    let missing: Vec<&str> = functions.into_iter().filter(|name| !is_called(name)).collect();
    assert!(missing.is_empty(), "without a test in tests/tests/storage: {missing:?}");
}
