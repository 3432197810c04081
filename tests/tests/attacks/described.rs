//! Everything that the gateway's `OpenAPI` description promises, asked well and badly: an answer has a status and a type that the
//! description names, and none is a fault of the gateway's.

use reqwest::{Client, Method, Response};
use serde_json::{Map, Value};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::stories;

/// Values that no parameter has.
fn hostile() -> Vec<String> {
    let mut values: Vec<String> = [
        "",
        " ",
        "\0",
        "\u{1f}",
        "null",
        "[]",
        "{}",
        "-1",
        "1e999",
        "true",
        "' or 1=1--",
        "%00",
        "../../etc/passwd",
        "\u{202e}",
        "é",
        "<script>",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "a.b.c",
        "eyJhbGciOiJub25lIn0.e30.",
    ]
    .map(str::to_owned)
    .to_vec();
    values.push("x".repeat(40_000));
    values.push("x".repeat(200_000));
    values
}

fn form(fields: &[(&str, String)]) -> String {
    reqwest::Url::parse_with_params("http://x/", fields)
        .map(|url| url.query().unwrap_or_default().to_owned())
        .expect("a form")
}

/// The bodies that are sent where a form is described: a good one, and each parameter left out, twice, and as it must not be.
fn bodies(schema: &Value) -> Vec<String> {
    let properties = schema["properties"].as_object().expect("it has parameters");
    let example = |schema: &Value| {
        let known = [&schema["const"], &schema["examples"][0]];
        known.iter().find_map(|value| value.as_str()).unwrap_or("x").to_owned()
    };
    let good: Vec<(&str, String)> = properties.iter().map(|(name, schema)| (name.as_str(), example(schema))).collect();
    let mut bodies = vec![form(&good), String::new(), "&&&===".to_owned(), "%".to_owned(), "a".repeat(100_000)];
    for n in 0..good.len() {
        let mut without = good.clone();
        let one = without.remove(n);
        bodies.push(form(&without));
        bodies.push(form(&[good.clone(), vec![one.clone()]].concat()));
        for value in hostile() {
            let mut wrong = without.clone();
            wrong.push((one.0, value));
            bodies.push(form(&wrong));
        }
    }
    bodies
}

async fn holds(answer: Response, responses: &Map<String, Value>, asked: &str) {
    let status = answer.status().as_u16().to_string();
    let described = responses.get(&status).unwrap_or_else(|| panic!("{asked}: {status} is not described"));
    let media_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().to_owned();
    assert!(described["content"].get(&media_type).is_some(), "{asked}: {status} is {media_type}");
    let body = answer.bytes().await.expect("the whole answer");
    if media_type == "application/json" {
        let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{asked}: {status} is no JSON"));
        assert!(body.is_object(), "{asked}");
    }
}

/// Sends a request. One that is refused before all of it was read ends its connection, which may be seen before the answer is: then it is
/// sent once more.
async fn sent(request: reqwest::RequestBuilder, asked: &str) -> Response {
    for _ in 0..5 {
        if let Ok(answer) = request.try_clone().expect("its body is bytes").send().await {
            return answer;
        }
    }
    panic!("{asked}: no answer")
}

/// Asks everything that is described at a root; answers how many requests that took.
pub(crate) async fn everything_is_as_described(http: &Client, root: &str) -> usize {
    let described: Value =
        http.get(format!("{root}/openapi.json")).send().await.expect("it answers").json().await.expect("JSON");
    let mut asked = 0;
    for (path, operations) in described["paths"].as_object().expect("it has paths") {
        let operations = operations.as_object().expect("it has operations");
        for (method, operation) in operations {
            let responses = operation["responses"].as_object().expect("it has answers");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let content = operation["requestBody"]["content"].as_object();
            let (media_type, bodies) = match content.and_then(|content| content.iter().next()) {
                None => (None, vec![String::new()]),
                Some((media_type, body)) if media_type.ends_with("urlencoded") => {
                    (Some(media_type), bodies(&body["schema"]))
                }
                Some((media_type, _)) => {
                    let sets = [
                        "",
                        "{}",
                        "[]",
                        "{\"keys\": 1}",
                        "{\"keys\": []}",
                        "{\"keys\": [{}]}",
                        "\0",
                        "{\"keys\": [{\"kty\": \"EC\"}]}",
                    ];
                    (Some(media_type), sets.map(str::to_owned).into_iter().chain(hostile()).collect())
                }
            };
            let paths: Vec<String> = if path.contains('{') {
                ["nobody", "%00", "..%2f", "%F0%9F%98%80"].map(|id| path.replace("{id}", id)).to_vec()
            } else {
                vec![path.clone(), format!("{path}?x=1"), format!("{path}?{}", "a=b&".repeat(500))]
            };
            for (path, body) in paths.iter().flat_map(|path| bodies.iter().map(move |body| (path, body))) {
                let mut request = http.request(method.clone(), format!("{root}{path}"));
                if let Some(media_type) = media_type {
                    request = request.header("content-type", media_type).body(body.clone());
                }
                let short = format!("{method} {path} {}", body.chars().take(80).collect::<String>());
                holds(sent(request, &short).await, responses, &short).await;
                asked += 1;
            }
            if media_type.is_some() {
                for wrong in ["text/plain", "application/xml", "nonsense", ""] {
                    let request =
                        http.request(method.clone(), format!("{root}{}", paths[0])).header("content-type", wrong);
                    let asked_as = format!("{method} {path} as {wrong}");
                    holds(sent(request.body("x"), &asked_as).await, responses, &asked_as).await;
                    asked += 1;
                }
            }
        }
        let undescribed = |method: &Method| !operations.contains_key(method.as_str().to_ascii_lowercase().as_str());
        for method in [Method::DELETE, Method::PATCH, Method::TRACE].into_iter().filter(undescribed) {
            let answer = http
                .request(method.clone(), format!("{root}{}", path.replace("{id}", "x")))
                .send()
                .await
                .expect("it answers");
            assert_eq!(answer.status(), 405, "{method} {path}");
            asked += 1;
        }
    }
    asked
}

/// Where people sign in, what a program asks of a session is described as well.
async fn what_is_described_of_sessions_is_answered_as_described(gateway: Gateway) {
    let root = gateway.base.trim_end_matches("/fhir");
    let described: Value =
        gateway.http.get(format!("{root}/openapi.json")).send().await.expect("it answers").json().await.expect("JSON");
    for path in ["/session", "/sign-in/jwks", "/admin/deliveries"] {
        assert!(described["paths"][path]["get"].is_object(), "{path}");
    }
    assert!(everything_is_as_described(&gateway.http, root).await > 500);
}

async fn what_is_described_is_answered_as_described(gateway: Gateway) {
    let asked = everything_is_as_described(&gateway.http, gateway.base.trim_end_matches("/fhir")).await;
    assert!(asked > 500, "{asked}");
}

stories!(what_is_described_is_answered_as_described);

mod sessions {
    use super::what_is_described_of_sessions_is_answered_as_described;
    use wellgate_tests::gateway::Options;

    fn with_people() -> Options {
        Options { has_people: true, ..Options::default() }
    }

    wellgate_tests::stories!(with with_people; what_is_described_of_sessions_is_answered_as_described);
}
