//! A registration that leads inside (49) is refused where it is made, not only where it is used.

use std::process::Output;

use wellgate_tests::program::wellgate;
use wellgate_tests::vault::with_vault;

#[test]
fn attack_49_a_registration_that_leads_inside_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let config = directory.path().join("wellgate.toml");
    let database = directory.path().join("wellgate.sqlite");
    let text = format!(
        "[server]\nbase_url = \"https://gateway.example/fhir\"\n[database]\nurl = \"sqlite:{}\"\n[auth]\naudience = \"x\"\n\
         signing_key_file = \"none.pem\"\n[outbound]\nprivate = [\"http://10.1.2.3:8080\"]\n",
        database.display()
    );
    std::fs::write(&config, text).expect("a file can be written");
    let run = |arguments: &[&str]| -> Output {
        let mut command = wellgate();
        with_vault(&mut command, directory.path());
        command.args(&arguments[..2]).arg("--config").arg(&config).args(&arguments[2..]);
        command.output().expect("the program is built")
    };
    let organization = ["organization", "add", "--id", "elp", "--name", "Elp", "--kind", "elp"];
    let added = run(&organization);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let add = |url: &str| {
        let client =
            ["client", "add", "--id", "c", "--organization", "elp", "--purpose", "TREAT", "--scope", "system/*.rs"];
        run(&[&client[..], &["--jwks-url", url]].concat())
    };
    for url in [
        "https://169.254.169.254/keys",
        "https://127.1/keys",
        "http://keys.example.org/",
        "https://u:p@keys.example.org/",
    ] {
        let refused = add(url);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains("--jwks-url"), "{url}: {told}");
    }
    for url in ["https://keys.example.org/jwks.json", "http://10.1.2.3:8080/jwks.json"] {
        assert!(add(url).status.success(), "{url}");
    }
}
