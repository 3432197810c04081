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

/// A token of the sandbox's first prevention service, in a file.
fn token_of(sandbox: &Sandbox, folder: &Path) -> std::path::PathBuf {
    let form = ["-s", "-d", "client_id=edpbw-noord-ehr"];
    let asked = Command::new("curl").args(form).arg(format!("{}/sandbox/token", sandbox.root)).output();
    let answer: serde_json::Value = serde_json::from_slice(&asked.expect("curl is there").stdout).expect("JSON");
    let path = folder.join("token");
    std::fs::write(&path, answer["access_token"].as_str().expect("a token")).expect("a file can be written");
    path
}

#[test]
fn files_are_loaded_by_a_command_and_what_is_not_taken_is_told_by_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start();
    let token = token_of(&sandbox, folder.path());
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder can be made");
    // By name the contacts come first, and they refer to a person who comes later, by an id that only the files have.
    let contact = |n: u8, status: &str| {
        format!(
            r#"{{"resourceType":"Encounter","id":"e{n}","status":"{status}","class":{{"code":"VR"}},"subject":{{"reference":"Patient/p1"}}}}"#
        )
    };
    let contacts =
        [contact(1, "finished"), contact(2, "wrong"), "no json".to_owned(), contact(3, "finished")].join("\n");
    std::fs::write(data.join("a-contacts.ndjson"), contacts).expect("a file can be written");
    let person = r#"{"resourceType":"Patient","id":"p1","name":[{"family":"Testpersoon"}]}"#;
    std::fs::write(data.join("b-people.ndjson"), person).expect("a file can be written");
    let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"fullUrl":"urn:uuid:6d2eba67-5b4a-403f-a29f-e6da3f1ea963","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
        {"resource":{"resourceType":"Encounter","status":"planned","class":{"code":"VR"},
         "subject":{"reference":"urn:uuid:6d2eba67-5b4a-403f-a29f-e6da3f1ea963"}},"request":{"method":"POST","url":"Encounter"}}]}"#;
    std::fs::write(data.join("c-dossier.json"), bundle).expect("a file can be written");
    let url = format!("{}/fhir", sandbox.root);
    let loaded = program::wellgate()
        .args(["load", "--url", &url, "--token-file"])
        .args([&token, &data])
        .output()
        .expect("the program starts");
    let (said, told) = (String::from_utf8_lossy(&loaded.stdout), String::from_utf8_lossy(&loaded.stderr));
    assert!(!loaded.status.success(), "{said}{told}");
    assert_eq!(said.trim_end(), "5 resources are loaded.", "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].contains("a-contacts.ndjson, line 3: this is not JSON"), "{told}");
    assert!(lines[1].contains("a-contacts.ndjson, line 2: 422 ") && lines[1].contains("status"), "{told}");
    assert!(lines[2].ends_with("2 were not taken: see above"), "{told}");
    let token = std::fs::read_to_string(token).expect("it is there");
    assert!(!told.contains(&token) && !said.contains(&token));
    let asked = Command::new("curl")
        .args(["-s", "-H", &format!("Authorization: Bearer {token}")])
        .arg(format!("{url}/Encounter?status=finished&_summary=count"))
        .output()
        .expect("curl is there");
    assert!(
        String::from_utf8_lossy(&asked.stdout).contains("\"total\":2"),
        "{}",
        String::from_utf8_lossy(&asked.stdout)
    );
}

#[test]
fn a_browser_signs_in_at_the_demo_provider_and_out() {
    in_a_browser("sign-in.mjs", "signed in and out");
}

#[test]
fn a_billing_clerk_gets_through_a_month_in_a_browser_by_the_keyboard_and_within_wcag() {
    in_a_browser("billing.mjs", "billed");
}

#[test]
fn the_pages_of_the_api_are_within_wcag_in_every_language() {
    in_a_browser("api.mjs", "looked at");
}

/// Plays a script in Chromium on a sandbox; at its end it says so.
fn in_a_browser(script: &str, said_at_the_end: &str) {
    let folder = project().join("tests/clients");
    if !is_there("node") || !is_there("npm") || !is_there("chromium") {
        println!("SKIPPED: no Node.js, or no Chromium: tests/setup installs them");
        return;
    }
    install(&folder);
    let sandbox = Sandbox::start();
    let output = Command::new("node").arg(folder.join(script)).arg(&sandbox.root).output().expect("node is there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim_end(), said_at_the_end);
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
