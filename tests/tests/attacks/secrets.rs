//! What the program writes down about itself: at its most talkative, after everything went right and wrong, its log, its metrics and its
//! errors hold no token, no key, no password, no name and no number of a person.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use wellgate_tests::machine::MachineKey;
use wellgate_tests::program::wellgate;

use crate::described::everything_is_as_described;

/// A number that has the form of a Belgian national number.
const NUMBER: &str = "90061500196";
const NAME: &str = "Voorbeeldnaam";
const PASSWORD: &str = "seeded-password";
const CLIENT: &str = "elp-linde-ehr";

/// A running sandbox, ended when it is dropped.
struct Program {
    child: Child,
    root: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(directory: &Path, database_url: Option<&str>, format: &str) -> Program {
    let mut command = wellgate();
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--data"]).arg(directory);
    command.env("WELLGATE_LOG_LEVEL", "trace").env("WELLGATE_LOG_FORMAT", format).env("RUST_LOG", "trace");
    // All that is described is asked wrongly: more often than one address may.
    command.env("WELLGATE_LIMITS_UNAUTHENTICATED_PER_MINUTE_MAX", "0");
    command.envs(database_url.map(|url| ("WELLGATE_DATABASE_URL", url)));
    let log = File::create(directory.join("log")).expect("a file can be made");
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program is built");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("it is text");
    let root = line.split_whitespace().find_map(|word| word.strip_suffix("/fhir,")).expect("it says where it is");
    Program { child, root: root.to_owned() }
}

#[expect(clippy::disallowed_methods, reason = "a client from outside, as any EHR's")]
fn http() -> Client {
    Client::builder().no_proxy().build().expect("a client can be built")
}

async fn text(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.expect("it answers");
    (answer.status().as_u16(), answer.text().await.expect("it is text"))
}

/// Whatever a client may do right and wrong; answers the secrets that it used.
async fn everything_is_tried(root: &str, http: &Client) -> Vec<String> {
    let key = MachineKey::fresh(jsonwebtoken::Algorithm::ES384, "k-1");
    let keys = http.put(format!("{root}/sandbox/clients/{CLIENT}/jwks")).body(MachineKey::set(&[&key]));
    assert_eq!(text(keys).await.0, 200);
    let now = std::time::UNIX_EPOCH.elapsed().expect("it is later").as_secs();
    let assertion = |jti: &str, exp: u64| {
        let aud = format!("{root}/oauth/token");
        key.sign(&json!({"iss": CLIENT, "sub": CLIENT, "aud": aud, "exp": exp, "jti": jti,
            "extensions": {"hl7-b2b": {"version": "1", "purpose_of_use": ["TREAT"]}}}))
    };
    let ask = |path: &str, assertion: &str, more: &[(&str, &str)]| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let mut form = vec![("client_assertion_type", kind), ("client_assertion", assertion)];
        form.extend_from_slice(more);
        http.post(format!("{root}/oauth/{path}")).form(&form)
    };
    let grant = [("grant_type", "client_credentials"), ("scope", "system/*.cruds")];
    let mut secrets = vec![
        assertion("1", now + 200),
        assertion("2", now - 999),
        assertion("3", now + 200),
        assertion("4", now + 200),
    ];
    let (status, given) = text(ask("token", &secrets[0], &grant)).await;
    assert_eq!(status, 200, "{given}");
    let token =
        serde_json::from_str::<Value>(&given).expect("JSON")["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(text(ask("token", &secrets[0], &grant)).await.0, 401, "shown twice");
    assert_eq!(text(ask("token", &secrets[1], &grant)).await.0, 401, "ended");
    assert_eq!(text(ask("introspect", &secrets[2], &[("token", &token)])).await.0, 200);
    let fhir = |request: RequestBuilder| request.bearer_auth(&token).header("content-type", "application/fhir+json");
    let person = json!({"resourceType": "Patient", "name": [{"family": NAME}],
        "identifier": [{"system": "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin", "value": NUMBER}]});
    assert_eq!(text(fhir(http.post(format!("{root}/fhir/Patient"))).body(person.to_string())).await.0, 201);
    let broken = person.to_string().replace("\"name\"", "\"nmae\"");
    assert_eq!(text(fhir(http.post(format!("{root}/fhir/Patient"))).body(broken)).await.0, 422);
    assert_eq!(text(fhir(http.post(format!("{root}/fhir/Patient"))).body(format!("{{{NAME} {NUMBER}"))).await.0, 400);
    for path in [
        format!("Patient?identifier={NUMBER}"),
        format!("Patient?family={NAME}"),
        format!("Patient?{NAME}={NUMBER}"),
        format!("Patient/{NUMBER}"),
        format!("{NAME}/{NUMBER}/_history/{NUMBER}"),
    ] {
        let (_, told) = text(fhir(http.get(format!("{root}/fhir/{path}")))).await;
        assert!(!told.contains(&token));
    }
    assert_eq!(
        text(http.get(format!("{root}/fhir/Patient?name={NAME}")).bearer_auth(format!("{token}x"))).await.0,
        401
    );
    assert_eq!(text(ask("revoke", &secrets[3], &[("token", &token)])).await.0, 200);
    secrets.push(token);
    // A signature is enough to know a token by, and its claims say what it is about.
    let parts: Vec<String> =
        secrets.iter().flat_map(|jwt| jwt.split('.').skip(1).map(str::to_owned).collect::<Vec<_>>()).collect();
    secrets.extend(parts);
    secrets.extend([NUMBER, NAME].map(str::to_owned));
    secrets
}

async fn nothing_of_it_is_written(database_url: Option<String>, format: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let program = start(directory.path(), database_url.as_deref(), format);
    let http = http();
    let mut secrets = everything_is_tried(&program.root, &http).await;
    let url = database_url.and_then(|url| reqwest::Url::parse(&url).ok());
    secrets.extend(url.and_then(|url| url.password().map(str::to_owned)));
    everything_is_as_described(&http, &program.root).await;
    let (_, metrics) = text(http.get(format!("{}/metrics", program.root))).await;
    drop(program);
    let key = std::fs::read(directory.path().join("issuer-key.pkcs8")).expect("a sandbox has a key");
    secrets.extend([BASE64_STANDARD.encode(&key), BASE64_URL_SAFE_NO_PAD.encode(&key), "PRIVATE".to_owned()]);
    let log = std::fs::read_to_string(directory.path().join("log")).expect("it wrote a log");
    assert!(log.lines().count() > 100, "it is talkative: {}", log.lines().count());
    for secret in secrets {
        for (name, text) in [("log", &log), ("metrics", &metrics)] {
            let line = text.lines().find(|line| line.contains(&secret));
            assert!(line.is_none(), "the {name} holds {secret}: {line:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_line_holds_a_token_a_key_a_password_a_name_or_a_number() {
    nothing_of_it_is_written(None, "json").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_line_on_postgres_holds_a_token_a_key_a_password_a_name_or_a_number() {
    let Some(url) = wellgate_tests::postgres::database_url() else { return };
    assert!(reqwest::Url::parse(&url).is_ok_and(|url| url.password().is_some()), "the test server asks for one");
    nothing_of_it_is_written(Some(url), "human").await;
}

#[test]
fn a_database_that_is_away_is_told_without_its_password() {
    let mut command: Command = wellgate();
    command.args(["sandbox", "--listen", "127.0.0.1:0"]).env("WELLGATE_LOG_LEVEL", "trace");
    command.env("WELLGATE_DATABASE_URL", format!("postgres://wellgate:{PASSWORD}@127.0.0.1:1/wellgate"));
    let output = command.output().expect("the program is built");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success() && !told.is_empty(), "{told}");
    assert!(!told.contains(PASSWORD), "{told}");
}

#[tokio::test]
async fn no_debug_text_holds_a_secret() {
    let url = format!("postgres://wellgate:{PASSWORD}@127.0.0.1:1/wellgate");
    let settings = gateway::storage::StoreSettings::new(url);
    let gateway = wellgate_tests::gateway::Gateway::start(
        &wellgate_tests::sqlite::database_url(),
        wellgate_tests::gateway::Options::default(),
    )
    .await;
    let texts = [format!("{settings:?}"), format!("{:?}", gateway.app)];
    let key = format!("{:?}", gateway::auth::Issuer::generate_key().expect("a key"));
    let beginning = &key[..40];
    for text in texts {
        assert!(!text.contains(PASSWORD), "{text}");
        // Every key of this kind begins with the same bytes.
        assert!(!text.contains(beginning), "{text}");
    }
}
