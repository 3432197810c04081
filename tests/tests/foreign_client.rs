//! Clients that were written without us, in another language, against the built program: one plays the referral, and a browser signs in and bills.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use wellgate_tests::{program, project};

/// A sandbox that ends with the test.
struct Sandbox {
    process: Child,
    root: String,
}

impl Sandbox {
    fn start() -> Self {
        let mut wellgate = program::wellgate();
        wellgate.args(["sandbox", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stdin(Stdio::null());
        let mut process = wellgate.spawn().expect("the program starts");
        let output = process.stdout.take().expect("its output is a pipe");
        let mut said = BufReader::new(output).lines();
        let root = said.find_map(|line| {
            let line = line.expect("its output is text");
            let at = line.find("http://")?;
            Some(line[at..].split("/fhir").next()?.to_owned())
        });
        // Whatever it says further must not fill the pipe.
        std::thread::spawn(move || said.for_each(drop));
        Self { process, root: root.expect("it says where it listens") }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // It may have ended by itself, then the test has failed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn fhir_kit_client_plays_the_referral() {
    let folder = project().join("tests/clients");
    if !is_there("node") || !is_there("npm") {
        println!("SKIPPED: no Node.js: tests/setup installs it");
        return;
    }
    install(&folder);
    let sandbox = Sandbox::start();
    let output =
        Command::new("node").arg(folder.join("referral.mjs")).arg(&sandbox.root).output().expect("node is there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim_end(), "played");
}

#[test]
fn fhirpy_plays_the_referral() {
    let folder = project().join("tests/clients");
    let packages = folder.join("python_packages");
    if !Command::new("python3").args(["-m", "pip", "--version"]).output().is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: no Python with pip: tests/setup installs it");
        return;
    }
    // Exactly the versions of the list, and nothing of theirs is run for it.
    if !packages.join("fhirpy").is_dir() {
        let pip = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target"])
            .args([&packages, Path::new("-r"), &folder.join("requirements.txt")])
            .output()
            .expect("pip is there");
        assert!(pip.status.success(), "pip install: {}", String::from_utf8_lossy(&pip.stderr));
    }
    let sandbox = Sandbox::start();
    let output = Command::new("python3")
        .arg(folder.join("referral.py"))
        .arg(&sandbox.root)
        .env("PYTHONPATH", &packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("Python is there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim_end(), "played");
}

#[test]
fn a_browser_signs_in_at_the_demo_provider_and_out() {
    let folder = project().join("tests/clients");
    if !is_there("node") || !is_there("npm") || !is_there("chromium") {
        println!("SKIPPED: no Node.js, or no Chromium: tests/setup installs them");
        return;
    }
    install(&folder);
    let sandbox = Sandbox::start();
    let output =
        Command::new("node").arg(folder.join("sign-in.mjs")).arg(&sandbox.root).output().expect("node is there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim_end(), "signed in and out");
}

#[test]
fn a_billing_clerk_gets_through_a_month_in_a_browser_by_the_keyboard_and_within_wcag() {
    let folder = project().join("tests/clients");
    if !is_there("node") || !is_there("npm") || !is_there("chromium") {
        println!("SKIPPED: no Node.js, or no Chromium: tests/setup installs them");
        return;
    }
    install(&folder);
    let sandbox = Sandbox::start();
    let output =
        Command::new("node").arg(folder.join("billing.mjs")).arg(&sandbox.root).output().expect("node is there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim_end(), "billed");
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Exactly the versions of the lock file, and nothing of theirs is run for it.
fn install(folder: &Path) {
    // Of two tests that find something missing one installs, and the other waits.
    let lock = std::fs::File::create(std::env::temp_dir().join("wellgate-clients.lock")).expect("a file can be made");
    lock.lock().expect("a file can be locked");
    let packages = ["axe-core", "fhir-kit-client", "playwright-core"];
    if packages.iter().all(|name| folder.join("node_modules").join(name).join("package.json").is_file()) {
        return;
    }
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder)
        .output()
        .expect("npm is there");
    assert!(npm.status.success(), "npm ci: {}", String::from_utf8_lossy(&npm.stderr));
}
