//! Certificates of clients: tokens that are good with their certificate alone. Who gets a connection stands in `transport.rs`.

use std::path::PathBuf;

use gateway::config::{ClientCertificates, TlsFiles};
use gateway::storage::registry::{Client, ClientKeys};
use jsonwebtoken::Algorithm;
use reqwest::StatusCode;
use serde_json::{Value, json};
use wellgate_tests::certificates::Certificates;
use wellgate_tests::gateway::{Gateway, tls_client};
use wellgate_tests::machine::{MachineKey, assertion};
use wellgate_tests::stories;

const ID: &str = "elp-1-backend";

fn made() -> Certificates {
    let made = Certificates::default();
    made.issuer("ca");
    made.issued("server", "ca", "serverAuth", "2");
    made.issued("client", "ca", "clientAuth", "2").issued("second", "ca", "clientAuth", "2");
    made
}

fn files(made: &Certificates) -> TlsFiles {
    let clients = Some(ClientCertificates { ca: made.certificate("ca"), are_required: false });
    TlsFiles { certificate: made.certificate("server"), key: made.key("server"), clients }
}

fn client(made: &Certificates, name: Option<&str>) -> reqwest::Client {
    let read = |file: PathBuf| std::fs::read(file).expect("it was made");
    tls_client(&read(made.certificate("ca")), name.map(|name| made.identity(name)).as_deref())
}

async fn a_token_given_over_a_certificate_is_good_with_that_certificate_alone(gateway: Gateway) {
    let made = made();
    let root = gateway.over_tls(&files(&made)).await;
    let key = MachineKey::fresh(Algorithm::ES384, "k1");
    let registered = Client {
        id: ID.to_owned(),
        organization_id: "elp-1".to_owned(),
        purposes: vec!["TREAT".to_owned()],
        active: true,
        person_app: false,
        keys: Some(ClientKeys::Inline(MachineKey::set(&[&key]))),
        scopes: "system/*.rs".to_owned(),
    };
    gateway.app.store.put_client(&registered).await.expect("a client is registered");
    gateway.app.forget_registry();

    let own = client(&made, Some("client"));
    let text = key.sign(&assertion(&gateway, ID));
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "system/*.rs"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", text.as_str()),
    ];
    let given = own.post(format!("{root}/oauth/token")).form(&form).send().await.expect("an answer");
    assert_eq!(given.status(), StatusCode::OK);
    let given: Value = serde_json::from_slice(&given.bytes().await.expect("a body")).expect("JSON");
    let token = given["access_token"].as_str().expect("a token");
    let reads = async |client: &reqwest::Client, root: &str| {
        let request = client.get(format!("{root}/fhir/Organization/elp-1")).bearer_auth(token);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(reads(&own, &root).await, 200);
    assert_eq!(reads(&own, &format!("{root}/")).await, 200, "also where a slash too many is forgiven");
    assert_eq!(reads(&client(&made, Some("second")), &root).await, 401, "with another certificate");
    assert_eq!(reads(&client(&made, None), &root).await, 401, "without any");
    let plain = gateway.base.trim_end_matches("/fhir").to_owned();
    assert_eq!(reads(&gateway.http, &plain).await, 401, "over plain HTTP");

    // What cannot be checked confirms nothing.
    for cnf in
        [json!({}), json!({"jkt": "x"}), json!({"x5t#S256": 7}), json!({"x5t#S256": "x", "jkt": "x"}), json!("x")]
    {
        let mut claims = gateway.token_claims("elp-1");
        claims["cnf"] = cnf;
        let bearer = gateway.signed(&claims);
        gateway.as_("elp-1").with_bearer(&bearer).get("Organization/elp-1").await.expect(401);
    }
}

stories!(a_token_given_over_a_certificate_is_good_with_that_certificate_alone,);
