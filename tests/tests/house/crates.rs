//! The outer arrows: what a crate must not have among its dependencies, however deep.

use std::process::Command;

use wellgate_tests::project;

/// A crate, and the beginnings of names of what must not be below it.
const FORBIDDEN: [(&str, &[&str]); 2] = [
    // Pure: no input or output, no tasks.
    ("mappings", &["tokio", "sqlx", "reqwest", "hyper", "mio", "gateway", "connectors"]),
    // The network, and nothing that is decided or stored here.
    ("connectors", &["sqlx", "libsqlite3", "gateway", "axum"]),
];

pub(crate) fn violations() -> Vec<String> {
    FORBIDDEN.iter().flat_map(|(name, forbidden)| forbidden_in(name, &tree(name), forbidden)).collect()
}

/// What Cargo would build for the crate itself, one name a line; tests of a crate may use more.
fn tree(name: &str) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "tree",
        "--package",
        name,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--offline",
        "--locked",
    ]);
    let output = cargo.current_dir(project()).output().expect("the Cargo that built this is still there");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("names are UTF-8")
}

fn forbidden_in(name: &str, tree: &str, forbidden: &[&str]) -> Vec<String> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    let is_forbidden = |dependency: &&str| forbidden.iter().any(|start| dependency.starts_with(start));
    names.into_iter().filter(is_forbidden).map(|dependency| format!("{name} depends on {dependency}")).collect()
}

#[test]
fn a_forbidden_dependency_is_found_at_any_depth() {
    let tree = "mappings v0.1.0 (/somewhere)\nserde v1.0.0\nsqlx-core v0.9.0\n\nserde v1.0.0 (*)\ntokio-util v0.7.0\n";
    assert_eq!(
        forbidden_in("mappings", tree, FORBIDDEN[0].1),
        ["mappings depends on sqlx-core", "mappings depends on tokio-util"]
    );
}

#[test]
fn the_tree_of_a_crate_begins_with_itself() {
    assert!(tree("mappings").starts_with("mappings "));
}
