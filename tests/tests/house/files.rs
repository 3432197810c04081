//! Rules for single files: purpose, length, name, and what must never be written into one.

use crate::source::File;

const LINES_MAX: usize = 450;

/// Longer files, each with the reason why it stays one.
const LONG: [(&str, &str); 0] = [];

/// What is written as code: it has a length to keep. Tables and lock files are made by programs.
const CODE: [&str; 7] = ["rs", "py", "sql", "js", "mjs", "css", "html"];

/// Names that say nothing of what a file is about.
const NOTHING: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"];

pub(crate) fn without_purpose(file: &File) -> Vec<String> {
    if file.extension() != "rs" || file.text.starts_with("//!") {
        return Vec::new();
    }
    vec![file.violation(1, "begins with `//!` and a sentence on what lives here")]
}

pub(crate) fn too_long(file: &File) -> Vec<String> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    // A table of cases is read a case at a time.
    let is_test = file.path.contains("tests/") || name.ends_with("tests.rs");
    let is_listed = LONG.iter().any(|(path, _)| *path == file.path);
    let lines = file.text.lines().count();
    if !CODE.contains(&file.extension()) || is_test || is_listed || lines <= LINES_MAX {
        return Vec::new();
    }
    vec![file.violation(lines, &format!("has more than {LINES_MAX} lines: divide it by concern"))]
}

pub(crate) fn named_after_nothing(file: &File) -> Vec<String> {
    let parts = file.path.split('/').map(|part| part.split('.').next().unwrap_or_default());
    let empty = parts.filter(|part| NOTHING.contains(part));
    empty.map(|part| file.violation(1, &format!("`{part}` says nothing: name it after its concern"))).collect()
}

/// Folders of the machines that the project is written on; it lies elsewhere on everyone else's.
pub(crate) fn machine_paths(file: &File) -> Vec<String> {
    // In two pieces, so that this file does not hold what it looks for.
    let folders = [concat!("/", "work"), concat!("/", "root")];
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    // `https://example.org/work`, `../work` and `$HOME/work` are other places.
    let is_longer_before = |character: char| is_name(character) || matches!(character, '.' | '/' | '}' | '~' | '*');
    let holds = |line: &str, folder: &str| {
        line.match_indices(folder).any(|(start, _)| {
            let before = line[..start].chars().next_back();
            let after = line[start + folder.len()..].chars().next();
            !before.is_some_and(is_longer_before) && !after.is_some_and(is_name)
        })
    };
    let mut violations = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        if folders.iter().any(|folder| holds(line, folder)) {
            violations.push(file.violation(number, "names a folder of one machine"));
        }
    }
    violations
}

/// Keys, tokens and passwords in what people copy from: documents, samples and container files.
pub(crate) fn secrets(file: &File) -> Vec<String> {
    let is_setting = matches!(file.extension(), "toml" | "yaml" | "yml" | "env") || file.path.starts_with("docker/");
    if !is_setting && file.extension() != "md" {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let is_secret = line.contains("PRIVATE KEY-----")
            || holds_token(line)
            || holds_password_in_url(line)
            || (is_setting && sets_password(line));
        if is_secret {
            violations.push(file.violation(number, "holds a secret: take it from a variable or a file"));
        }
    }
    violations
}

/// A signed token: base64 of `{"`, and a dot after its header.
fn holds_token(line: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    line.match_indices("eyJ").any(|(start, _)| {
        let header = line[start..].bytes().take_while(|byte| is_base64(*byte)).count();
        header > 16 && line[start + header..].starts_with('.')
    })
}

/// `://name:password@`, unless the password is a placeholder.
fn holds_password_in_url(line: &str) -> bool {
    line.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ', '"', '\'', '`']).next().unwrap_or_default();
        let credentials = authority.rsplit_once('@').map(|(credentials, _)| credentials);
        credentials
            .and_then(|credentials| credentials.split_once(':'))
            .is_some_and(|(_, password)| !is_placeholder(password))
    })
}

/// `password = "…"`, `POSTGRES_PASSWORD: …`
fn sets_password(line: &str) -> bool {
    let line = line.trim().trim_start_matches("- ");
    let Some((key, value)) = line.split_once(['=', ':']) else { return false };
    let key = key.trim().to_lowercase();
    let value = value.trim().trim_matches(['"', '\'']);
    let is_named = ["password", "secret", "passphrase"].iter().any(|name| key.ends_with(name)) && !key.starts_with('#');
    is_named && !is_placeholder(value)
}

/// Empty, `PASSWORD`, `${PASSWORD}`, `<password>`, `…`
fn is_placeholder(value: &str) -> bool {
    value.starts_with(['$', '<', '…', '*'])
        || value.chars().all(|character| character.is_uppercase() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_refused(check: fn(&File) -> Vec<String>, path: &str, text: &str) {
        assert_eq!(check(&File::new(path, text)).len(), 1, "{path}: {text}");
    }

    fn assert_allowed(check: fn(&File) -> Vec<String>, path: &str, text: &str) {
        assert_eq!(check(&File::new(path, text)), Vec::<String>::new(), "{path}: {text}");
    }

    #[test]
    fn a_file_without_a_purpose_is_found() {
        assert_refused(without_purpose, "tests/src/a.rs", "use std::fs;");
        assert_refused(without_purpose, "tests/src/a.rs", "\n//! Late.");
        assert_allowed(without_purpose, "tests/src/a.rs", "//! Early.");
        assert_allowed(without_purpose, "tests/run", "#!");
    }

    #[test]
    fn a_long_file_is_found() {
        let long = "line\n".repeat(LINES_MAX + 1);
        assert_refused(too_long, "gateway/src/fhir/read.rs", &long);
        assert_refused(too_long, "mappings/tables/generate.py", &long);
        assert_allowed(too_long, "gateway/src/fhir/read.rs", &"line\n".repeat(LINES_MAX));
        for path in
            ["gateway/src/consent/decide_tests.rs", "gateway/tables/a.txt", "tests/tests/story.rs", "Cargo.lock"]
        {
            assert_allowed(too_long, path, &long);
        }
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        for path in ["gateway/src/utils.rs", "tests/helpers/mod.rs", "docs/common.md", "tests/misc"] {
            assert_refused(named_after_nothing, path, "");
        }
        assert_allowed(named_after_nothing, "docs/common-questions.md", "");
    }

    #[test]
    fn a_folder_of_one_machine_is_found() {
        for text in [concat!("cd /", "work/main"), concat!("\"/", "root\""), concat!("see /", "work.")] {
            assert_refused(machine_paths, "README.md", text);
        }
        let elsewhere =
            ["https://example.org/work/a", "../work", "/workspace", "\"$HOME/work\"", "network/roots", "/root-level"];
        for text in elsewhere {
            assert_allowed(machine_paths, "README.md", text);
        }
    }

    #[test]
    fn a_secret_is_found() {
        for text in [
            concat!("-----BEGIN ", "PRIVATE KEY-----"),
            concat!("Authorization: Bearer ", "eyJhbGciOiJFUzI1NiJ9", ".eyJpc3MiOiJ4In0.abc"),
            "postgres://wellgate:hunter2@database/wellgate",
        ] {
            assert_refused(secrets, "README.md", text);
            assert_refused(secrets, "docker/compose.yaml", text);
            assert_allowed(secrets, "gateway/src/auth/tests.rs", text);
        }
        for text in ["POSTGRES_PASSWORD: hunter2", "- POSTGRES_PASSWORD=hunter2", "password = \"hunter2\""] {
            assert_refused(secrets, "docker/compose.yaml", text);
        }
        for text in [
            "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set it}",
            "postgres://USER:PASSWORD@HOST/NAME",
            "postgres://wellgate:${POSTGRES_PASSWORD}@postgres/wellgate",
            "https://example.org:8080/a@b",
            "password = \"\"",
        ] {
            assert_allowed(secrets, "docker/compose.yaml", text);
        }
    }
}
