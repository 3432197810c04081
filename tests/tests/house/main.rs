//! Holds the house: what `ARCHITECTURE.md` says about its structure is checked here on every file.
//!
//! Each rule is a function from a file to the violations in it, with a test that it can fail, in the file named after it.

mod catalogues;
mod crates;
mod files;
mod floors;
mod source;
mod sql;

use source::File;

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn assert_each(check: impl Fn(&File) -> Vec<String>) {
    let violations: Vec<String> = source::tracked().iter().flat_map(check).collect();
    assert_none(&violations);
}

#[test]
fn a_module_uses_only_lower_floors() {
    let files = source::tracked();
    let gateway: Vec<&File> = files.iter().filter(|file| file.path.starts_with("gateway/src/")).collect();
    assert!(gateway.len() > 20, "the gateway's files are found");
    let tests = source::test_only(&files);
    let violations = gateway.iter().filter(|file| !tests.covers(&file.path)).flat_map(|file| floors::violations(file));
    assert_none(&violations.collect::<Vec<_>>());
}

#[test]
fn sql_stands_in_storage_only() {
    assert_each(sql::violations);
}

#[test]
fn the_pure_crates_pull_in_no_input_or_output() {
    assert_none(&crates::violations());
}

#[test]
fn every_code_of_the_trail_has_a_text_in_every_language() {
    let files = source::tracked();
    let tests = source::test_only(&files);
    let gateway = files.iter().filter(|file| file.path.starts_with("gateway/src/") && !tests.covers(&file.path));
    assert_none(&gateway.flat_map(catalogues::without_text).collect::<Vec<_>>());
    assert_eq!(catalogues::purposes_without_text(), [""; 0]);
    for event in gateway::routing::Event::ALL {
        let text = gateway::audit::catalogue::Catalogue::of(gateway::audit::catalogue::Language::Dutch);
        assert!(text.find("act", event.code()).is_some(), "act.{}", event.code());
    }
}

#[test]
fn every_file_says_what_lives_in_it() {
    assert_each(files::without_purpose);
}

#[test]
fn a_file_is_one_concern_and_short() {
    assert_each(files::too_long);
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let files = source::tracked();
    let model = files.iter().find(|file| file.path == "docs/threat-model.md").expect("there is a threat model");
    let rows: Vec<&str> = model.text.lines().filter(|line| line.starts_with("| ")).collect();
    let last_cell = |row: &str| row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default().to_owned();
    let named: Vec<String> = rows
        .iter()
        .filter(|row| row.trim_start_matches("| ").starts_with(|first: char| first.is_ascii_digit()))
        .flat_map(|row| last_cell(row).split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(named.len() > 30, "the table of attacks is found");
    let is_there = |name: &str| {
        let definition = format!("fn {name}(");
        files.iter().any(|file| file.extension() == "rs" && file.text.contains(&definition))
    };
    let missing: Vec<String> =
        named.iter().filter(|name| !is_there(name)).map(|name| format!("no test `{name}`")).collect();
    assert_none(&missing);
}

/// SQLite looks at the value of a bare parameter behind LIMIT when it plans, and therefore plans anew at every run.
#[test]
fn no_statement_is_planned_anew_for_its_limit() {
    let files = source::tracked();
    let storage = files.iter().filter(|file| file.path.starts_with("gateway/src/storage/"));
    let bare = |line: &&str| line.contains("LIMIT $") || line.contains("LIMIT {limit}");
    let found: Vec<String> =
        storage.filter(|file| file.text.lines().any(|line| bare(&line))).map(|file| file.path.clone()).collect();
    assert_none(&found);
}

#[test]
fn no_file_is_named_after_nothing() {
    assert_each(files::named_after_nothing);
}

#[test]
fn no_file_knows_the_machine_that_it_was_written_on() {
    assert_each(files::machine_paths);
}

#[test]
fn documents_and_samples_hold_no_secret() {
    assert_each(files::secrets);
}
