//! A registration that leads inside (49) is refused where it is made, not only where it is used.

use std::process::Output;

use wellgate_tests::program::wellgate;
use wellgate_tests::vault::with_vault;

#[test]
fn a_scope_whose_search_restriction_would_not_be_kept_is_refused_where_it_is_registered() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let run = |arguments: &[&str]| {
        let mut command = wellgate();
        with_vault(&mut command, directory.path()).args(arguments);
        command.env("WELLGATE_DATABASE_URL", format!("sqlite:{}", directory.path().join("wellgate.sqlite").display()));
        command.env("WELLGATE_SERVER_BASE_URL", "https://gateway.example/fhir").env("WELLGATE_AUTH_AUDIENCE", "x");
        command.env("WELLGATE_AUTH_SIGNING_KEY_FILE", "none.pem");
        let ended = command.output().expect("the program is built");
        (ended.status.success(), String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned())
    };
    assert!(run(&["organization", "add", "--id", "elp", "--name", "Elp", "--kind", "elp"]).0);
    let add = |scopes: &[&str]| {
        let client = ["client", "add", "--id", "c", "--organization", "elp", "--purpose", "TREAT"];
        let keys = ["--jwks-url", "https://keys.example.org/jwks.json"];
        let scopes: Vec<&str> = scopes.iter().flat_map(|scope| ["--scope", scope]).collect();
        run(&[&client[..], &keys, &scopes].concat())
    };
    for scopes in [
        &["system/Observation.rs?category:not=laboratory"][..],
        &["system/Observation.rs?subject=Patient/1"],
        &["system/*.rs?_tag=x"],
        &["system/Observation.cruds?category=laboratory"],
        &["system/Patient.rs", "system/Task.u?status=x"],
        &["system/Patient.rs?email=an@example.org"],
        &["system/Patient.rs?gender=male,"],
        &["system/Task.r?code=1"; 11],
    ] {
        let (is_registered, told) = add(scopes);
        assert!(!is_registered && told.contains("search restriction"), "{scopes:?}: {told}");
    }
    assert!(!run(&["client", "list"]).1.contains("elp"), "nothing of it is registered");
    assert!(add(&["system/Observation.rs?category=laboratory", "system/Patient.rs"]).0);
    assert!(run(&["client", "list"]).1.contains("system/Observation.rs?category=laboratory"));
}

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
