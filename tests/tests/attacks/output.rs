//! What is answered (48, 49): stored text is given back as data and never as a page, an error repeats no markup, and no URL in a
//! resource is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway::storage::registry::{Client, ClientKeys};
use serde_json::json;
use tokio::net::TcpListener;
use wellgate_tests::caller::Answer;
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::machine::{MachineKey, ask, assertion, url};
use wellgate_tests::resources::{consent, patient, permit};
use wellgate_tests::stories;

const MARKUP: &str = "<script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>";

fn is_data(name: &str, answer: &Answer) {
    let told = |header: &str| answer.header(header).to_owned();
    assert!(told("content-type").contains("json"), "{name}: {answer}");
    assert_eq!(told("x-content-type-options"), "nosniff", "{name}");
    assert_eq!(told("content-security-policy"), "default-src 'none'; frame-ancestors 'none'", "{name}");
    assert_eq!(told("cache-control"), "no-store", "{name}");
    assert_eq!(told("referrer-policy"), "no-referrer", "{name}");
}

async fn attack_48_markup_comes_back_as_data_and_as_it_was_sent(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut hostile = patient();
    hostile["name"][0]["family"] = json!(MARKUP);
    hostile["photo"] = json!([{"url": "javascript:alert(1)"}]);
    let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"javascript:alert(1)\" onclick=\"x\">x</a><base href=\"http://x\"/></div>";
    hostile["text"] = json!({"status": "generated", "div": div});
    let created = elp.post("Patient", &hostile).await.expect(201);
    is_data("create", &created);
    let read = elp.get(format!("Patient/{}", created.id())).await.expect(200);
    is_data("read", &read);
    assert_eq!((&read.json["name"][0]["family"], &read.json["text"]["div"]), (&json!(MARKUP), &json!(div)));
    is_data("search", &elp.get("Patient").await.expect(200));
}

async fn attack_48_an_error_repeats_no_markup(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let query = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let mut wrong = patient();
    wrong[MARKUP] = json!(1);
    let mut coded = patient();
    coded["gender"] = json!(MARKUP);
    let mut typed = patient();
    typed["resourceType"] = json!(MARKUP);
    let person = elp.create(&patient()).await;
    let mut given = consent(&person, &permit(&[MARKUP]));
    given["status"] = json!(MARKUP);
    let answers = [
        elp.get(format!("Patient?{query}=1")).await,
        elp.get(format!("Patient?birthdate={query}")).await,
        elp.get(format!("Patient?_sort={query}")).await,
        elp.get(format!("Patient?gender:{query}=1")).await,
        elp.get(format!("{query}/{query}")).await,
        elp.get(format!("Patient/{query}")).await,
        elp.post("Patient", &wrong).await,
        elp.post("Patient", &coded).await,
        elp.post("Patient", &typed).await,
        elp.post("Consent", &given).await,
        elp.post("", &json!({"resourceType": "Bundle", "type": MARKUP, "entry": []})).await,
        elp.post_bytes("Patient", format!("{{\"{MARKUP}\": 1, \"{MARKUP}\": 2}}")).await,
        elp.post_with("Patient", &patient(), &[("if-none-exist", "<script>=1")]).await,
        elp.get_with("Patient", &[("accept", "text/html")]).await,
        ask(&gateway, MARKUP, MARKUP).await,
        wellgate_tests::machine::post_form(&gateway, "oauth/token", &[(MARKUP, "1"), (MARKUP, "2")]).await,
    ];
    for (n, answer) in answers.iter().enumerate() {
        assert!((400..500).contains(&answer.status), "{n}: {answer}");
        is_data(&n.to_string(), answer);
        let text = answer.told();
        assert!(!text.contains('<') && !text.contains("\\u003c"), "{n}: {text}");
    }
}

/// A server inside, and how often somebody connected to it.
async fn inside() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (port, asked) = (listener.local_addr().expect("bound").port(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::AcqRel);
            drop(stream);
        }
    });
    (port, asked)
}

fn production() -> Options {
    Options { is_production: true, ..Options::default() }
}

async fn attack_49_no_url_of_a_resource_or_a_registration_is_asked_inside(gateway: Gateway) {
    let (port, asked) = inside().await;
    let elp = gateway.as_("elp-1");
    let mut person = patient();
    let target = format!("http://127.0.0.1:{port}/x");
    person["photo"] = json!([{"url": target}]);
    person["meta"] = json!({"profile": [target]});
    person["extension"] = json!([{"url": target, "valueUri": target}]);
    elp.create(&person).await;
    elp.create(&json!({"resourceType": "Endpoint", "status": "active", "address": target,
        "connectionType": {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "hl7-fhir-rest"},
        "payloadType": [{"text": "x"}]})).await;
    let key = MachineKey::fresh(jsonwebtoken::Algorithm::ES384, "k-1");
    for (n, host) in ["http://127.0.0.1", "https://127.0.0.1", "https://localhost", "https://[::1]", "https://0x7f.1"]
        .iter()
        .enumerate()
    {
        let id = format!("elp-1-backend-{n}");
        let keys = Some(ClientKeys::Url(format!("{host}:{port}/jwks.json")));
        let (organization_id, purposes) = ("elp-1".to_owned(), vec!["TREAT".to_owned()]);
        let scopes = "system/*.rs".to_owned();
        let client =
            Client { id: id.clone(), organization_id, purposes, active: true, person_app: false, keys, scopes };
        gateway.app.store.put_client(&client).await.expect("it is registered");
        gateway.app.forget_registry();
        let refused = ask(&gateway, &key.sign(&assertion(&gateway, &id)), "system/*.rs").await.expect(401);
        assert_eq!(refused.json["error"], "invalid_client", "{host}");
        assert!(!refused.told().contains("address"), "the client is not told why");
    }
    assert_eq!(asked.load(Ordering::Acquire), 0, "nobody connected");
}

async fn attack_48_every_answer_has_its_headers(gateway: Gateway) {
    for path in ["fhir/metadata", "healthz", "readyz", "metrics", "oauth/jwks", "nowhere", "fhir/Patient"] {
        let answer = gateway.http.get(url(&gateway, path)).send().await.expect("it answers");
        for header in ["x-content-type-options", "content-security-policy", "cache-control", "referrer-policy"] {
            assert!(answer.headers().contains_key(header), "{path}: {header}");
        }
    }
}

mod at_all {
    use super::*;
    stories!(
        with defaults;
        attack_48_markup_comes_back_as_data_and_as_it_was_sent,
        attack_48_an_error_repeats_no_markup,
        attack_48_every_answer_has_its_headers,
    );

    fn defaults() -> Options {
        Options::default()
    }
}

stories!(with production; attack_49_no_url_of_a_resource_or_a_registration_is_asked_inside);
