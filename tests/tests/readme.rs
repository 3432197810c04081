//! The examples of the README and of the page for testers: run in order, in one shell, against a sandbox, and held to what the page says they answer.
//!
//! A block marked ```` ```sh tested ```` is taken as it stands. A line `# → words` holds the output since the one before: a number
//! comes first where the status is told, and is the last line; every other word is found in the output.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use wellgate_tests::program::wellgate;
use wellgate_tests::project;

const EXPECTED: &str = "# → ";
const MARK: &str = "@@ the page expects: ";

/// A sandbox that ends with the test.
struct Sandbox {
    process: Child,
    _directory: tempfile::TempDir,
    root: String,
}

impl Sandbox {
    fn start() -> Self {
        let mut command = wellgate();
        // It is killed, so it cannot clean up behind itself.
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("the program can be run");
        let output = process.stdout.take().expect("its output is a pipe");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        let root = line.trim_end().rsplit(' ').next().and_then(|url| url.strip_suffix("/sandbox"));
        Self {
            process,
            _directory: directory,
            root: root.expect("the line ends with the address of /sandbox").to_owned(),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The marked blocks as one script that prints each expectation where it stands.
fn script(page: &str) -> String {
    let mut script = String::new();
    let mut is_tested = false;
    for line in page.lines() {
        if let Some(info) = line.strip_prefix("```") {
            is_tested = !is_tested && info == "sh tested";
        } else if is_tested && let Some(words) = line.strip_prefix(EXPECTED) {
            assert!(!words.contains('\''), "an expectation is quoted with '");
            let _ = writeln!(script, "printf '\\n%s\\n' '{MARK}{words}'");
        } else if is_tested {
            script.push_str(line);
            script.push('\n');
        }
    }
    script
}

/// What is wrong with the output of one expectation.
fn failures(output: &str, words: &str) -> Vec<String> {
    let last = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let is_missing = |(n, word): &(usize, &str)| {
        let is_status = *n == 0 && word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
        if is_status { last != *word } else { !output.contains(*word) }
    };
    words.split(' ').enumerate().filter(is_missing).map(|(_, word)| format!("no {word} in: {output}")).collect()
}

/// Runs the examples of a page.
fn answers_as_it_says(page: &str) {
    let page = std::fs::read_to_string(project().join(page)).expect("the project has the page");
    let script = script(&page);
    let sandbox = Sandbox::start();
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).env("ROOT", &sandbox.root).stdin(Stdio::null());
    let ran = bash.output().expect("bash and curl are installed");
    let output = String::from_utf8_lossy(&ran.stdout);
    let mut failed = Vec::new();
    let mut since = String::new();
    let mut expectations = 0;
    for line in output.lines() {
        if let Some(words) = line.strip_prefix(MARK) {
            expectations += 1;
            failed.extend(failures(&since, words));
            since.clear();
        } else {
            since.push_str(line);
            since.push('\n');
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(ran.status.success(), "{output}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(expectations, script.matches(MARK).count(), "every example was run");
    assert!(expectations > 10, "the page has examples");
}

#[test]
fn the_examples_of_the_readme_answer_as_it_says() {
    answers_as_it_says("README.md");
}

#[test]
fn the_examples_for_testers_answer_as_they_say() {
    answers_as_it_says("docs/testers.md");
}

#[test]
fn a_wrong_status_or_a_missing_word_is_seen() {
    assert_eq!(failures("{\"code\":\"x\"}\n200\n", "200 x").len(), 0);
    assert_eq!(failures("{\"code\":\"200\"}\n404\n", "200 code").len(), 1);
    assert_eq!(failures("{}\n404\n", "404 not-found").len(), 1);
}
