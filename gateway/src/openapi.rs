//! The description of what is not FHIR and no page: tokens, sessions, health, metrics and the sandbox's own, as `OpenAPI` 3.1. The FHIR interface describes itself,
//! by its CapabilityStatement.
//!
//! The table is the one source: tests take every request from it, and hold every answer to it. <https://spec.openapis.org/oas/v3.1.1>

use serde_json::{Map, Value, json};

use crate::api::COLLECTION_PATH;
use crate::app::App;

/// Where it is served.
pub const PATH: &str = "/openapi.json";

/// When an operation is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Always,
    /// Where the gateway gives tokens.
    WithTokens,
    /// Where people sign in.
    WithPeople,
    InSandbox,
}

/// What is sent.
#[derive(Clone, Copy)]
enum Sent {
    Nothing,
    Form(&'static [Field]),
    /// A JWK Set, and the id of a client in the path.
    Keys,
    /// A fault, and the name of a partner in the path.
    Fault,
    /// A wish for an answer, and the name of a partner in the path.
    Wish,
    /// Why an operator decides so, and the id of a delivery in the path.
    Reason,
}

/// A parameter of a form: its name, whether it must be there, and an example, which is the only value where it ends in `!`.
struct Field(&'static str, bool, &'static str);

struct Operation {
    path: &'static str,
    method: &'static str,
    there: There,
    summary: &'static str,
    sent: Sent,
    media_type: &'static str,
    /// Beside 200.
    statuses: &'static [u16],
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer!";
const TOKEN: &[Field] = &[
    Field("grant_type", true, "client_credentials!"),
    Field("scope", true, "system/Patient.rs"),
    Field("client_assertion_type", true, ASSERTION_TYPE),
    Field("client_assertion", true, "header.claims.signature"),
    Field("client_id", false, "linde-ehr"),
];
const ABOUT_A_TOKEN: &[Field] = &[
    Field("token", true, "header.claims.signature"),
    Field("client_assertion_type", true, ASSERTION_TYPE),
    Field("client_assertion", true, "header.claims.signature"),
];
const SANDBOX_TOKEN: &[Field] = &[
    Field("client_id", true, "elp-linde-ehr"),
    Field("scope", false, "system/*.rs"),
    Field("purpose", false, "TREAT"),
    Field("practitioner", false, "psy-1"),
    Field("fhir_user", false, "Patient/1"),
];
/// What every form may be answered beside what it asks for.
const OF_FORMS: &[u16] = &[400, 401, 408, 413, 415, 429, 503];
const OF_READS: &[u16] = &[413, 415, 429, 503];
const OF_ADMIN: &[u16] = &[400, 401, 403, 404, 406, 408, 409, 412, 413, 415, 422, 428, 429, 503];
const OF_SESSION: &[u16] = &[401, 413, 415, 429, 503];

const OPERATIONS: &[Operation] = &[
    read("/healthz", There::Always, "The process lives.", TEXT, &[]),
    read("/readyz", There::Always, "A request would be answered now.", TEXT, &[503]),
    read("/metrics", There::Always, "Metrics, in the format of Prometheus.", TEXT, &[]),
    read(PATH, There::Always, "This description.", JSON, &[]),
    read(
        COLLECTION_PATH,
        There::Always,
        "The requests of the FHIR interface, as a Postman collection.",
        JSON,
        OF_READS,
    ),
    read("/.well-known/smart-configuration", There::WithTokens, "How a client gets a token.", JSON, OF_READS),
    read("/fhir/.well-known/smart-configuration", There::WithTokens, "The same.", JSON, OF_READS),
    read("/oauth/jwks", There::WithTokens, "The keys by which the gateway's tokens are verified.", JSON, OF_READS),
    form("/oauth/token", There::WithTokens, "Gives a token to a client that proves who it is.", TOKEN),
    form("/oauth/introspect", There::WithTokens, "What a token of the client's is good for (RFC 7662).", ABOUT_A_TOKEN),
    form("/oauth/revoke", There::WithTokens, "Takes a token of the client's back (RFC 7009).", ABOUT_A_TOKEN),
    read("/session", There::WithPeople, "Who is signed in by the cookie that is sent.", JSON, OF_SESSION),
    read(
        "/sign-in/jwks",
        There::WithPeople,
        "The keys by which the gateway proves itself to the provider.",
        JSON,
        OF_READS,
    ),
    Operation {
        path: "/admin/deliveries",
        method: "get",
        there: There::WithPeople,
        summary: "What must leave the gateway, the oldest first, for an operator who signed in: by state and partner, in pages.",
        sent: Sent::Nothing,
        media_type: JSON,
        statuses: OF_ADMIN,
    },
    delivery("get", "/admin/deliveries/{id}", "One delivery.", Sent::Nothing),
    delivery("post", "/admin/deliveries/{id}/release", "Lets a delivery leave now.", Sent::Reason),
    delivery("post", "/admin/deliveries/{id}/abandon", "Gives a delivery up.", Sent::Reason),
    delivery("post", "/admin/deliveries/{id}/rerun", "Sends once more what had ended.", Sent::Reason),
    read("/sandbox", There::InSandbox, "Who is made up here.", JSON, OF_READS),
    form("/sandbox/token", There::InSandbox, "A token for anyone, without a proof.", SANDBOX_TOKEN),
    Operation {
        path: "/sandbox/clients/{id}/jwks",
        method: "put",
        there: There::InSandbox,
        summary: "Registers the public keys of a client, to get tokens in the real way.",
        sent: Sent::Keys,
        media_type: JSON,
        statuses: &[400, 404, 408, 413, 415, 429, 503],
    },
    read("/sandbox/report", There::InSandbox, "Which scenarios the client of each tester has passed.", JSON, OF_READS),
    Operation {
        path: "/sandbox/report",
        method: "delete",
        there: There::InSandbox,
        summary: "Forgets what was seen of all clients.",
        sent: Sent::Nothing,
        media_type: JSON,
        statuses: OF_READS,
    },
    partner("get", FAULTS, "The faults that wait at a partner.", Sent::Nothing),
    partner("post", FAULTS, "Makes a partner fail.", Sent::Fault),
    partner("delete", FAULTS, "Clears the faults of a partner.", Sent::Nothing),
    partner("get", ANSWERS, "The wishes that wait at an insurer.", Sent::Nothing),
    partner("post", ANSWERS, "Tells an insurer what to answer.", Sent::Wish),
    partner("delete", ANSWERS, "Clears the wishes of an insurer.", Sent::Nothing),
    partner("get", "/sandbox/partners/{id}/inbox", "What waits at an insurer to be fetched.", Sent::Nothing),
    partner("get", "/sandbox/partners/{id}/received", "What really arrived at a partner.", Sent::Nothing),
    Operation {
        path: "/sandbox/reset",
        method: "post",
        there: There::InSandbox,
        summary: "Clears faults and memory of every partner; what is in the gateway stays.",
        sent: Sent::Nothing,
        media_type: JSON,
        statuses: OF_READS,
    },
];
const FAULTS: &str = "/sandbox/partners/{id}/faults";
const ANSWERS: &str = "/sandbox/partners/{id}/answers";

const fn read(
    path: &'static str,
    there: There,
    summary: &'static str,
    media_type: &'static str,
    statuses: &'static [u16],
) -> Operation {
    Operation { path, method: "get", there, summary, sent: Sent::Nothing, media_type, statuses }
}

const fn form(path: &'static str, there: There, summary: &'static str, fields: &'static [Field]) -> Operation {
    Operation { path, method: "post", there, summary, sent: Sent::Form(fields), media_type: JSON, statuses: OF_FORMS }
}

const fn partner(method: &'static str, path: &'static str, summary: &'static str, sent: Sent) -> Operation {
    let statuses = &[400, 404, 408, 413, 415, 429, 503];
    Operation { path, method, there: There::InSandbox, summary, sent, media_type: JSON, statuses }
}

const fn delivery(method: &'static str, path: &'static str, summary: &'static str, sent: Sent) -> Operation {
    Operation { path, method, there: There::WithPeople, summary, sent, media_type: JSON, statuses: OF_ADMIN }
}

/// The description of an assembled gateway.
pub fn document(app: &App, is_sandbox: bool) -> Value {
    let is_there = |operation: &&Operation| match operation.there {
        There::Always => true,
        There::WithTokens => app.tokens.is_some(),
        There::WithPeople => app.people.is_some(),
        There::InSandbox => is_sandbox,
    };
    let mut paths = json!({});
    for operation in OPERATIONS.iter().filter(is_there) {
        paths[operation.path][operation.method] = described(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Wellgate, beside FHIR", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "Apache-2.0"}},
        "servers": [{"url": app.base_url.trim_end_matches("/fhir")}],
        "paths": paths,
    })
}

fn described(operation: &Operation) -> Value {
    let answer = |status: u16| {
        // Whoever runs the gateway is refused as a client of the FHIR interface is: by an OperationOutcome.
        let is_outcome = operation.path.starts_with("/admin/") && status != 200;
        let media_type = if is_outcome { "application/fhir+json" } else { operation.media_type };
        let schema = if media_type == TEXT { json!({"type": "string"}) } else { json!({"type": "object"}) };
        (status.to_string(), json!({"description": meaning(status), "content": {media_type: {"schema": schema}}}))
    };
    let answers: Map<String, Value> =
        std::iter::once(200).chain(operation.statuses.iter().copied()).map(answer).collect();
    let mut described = json!({"summary": operation.summary, "responses": answers});
    let body = |media_type: &str, schema: Value| json!({"required": true, "content": {media_type: {"schema": schema}}});
    if operation.path.contains("{id}") {
        let id = json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}});
        described["parameters"] = json!([id]);
    }
    if operation.path == "/admin/deliveries" {
        let named = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
        described["parameters"] = ["state", "partner", "count", "after"].map(named).into_iter().collect();
    }
    match operation.sent {
        Sent::Nothing => {}
        Sent::Form(fields) => described["requestBody"] = body("application/x-www-form-urlencoded", schema(fields)),
        Sent::Keys => {
            let keys = json!({"type": "array", "items": {"type": "object"}});
            let schema = json!({"type": "object", "required": ["keys"], "properties": {"keys": keys}});
            described["requestBody"] = body(JSON, schema);
        }
        Sent::Reason => {
            let version = json!({"name": "If-Match", "in": "header", "required": true, "schema": {"type": "string"}});
            let form_token =
                json!({"name": "X-CSRF-Token", "in": "header", "required": true, "schema": {"type": "string"}});
            if let Some(parameters) = described["parameters"].as_array_mut() {
                parameters.extend([version, form_token]);
            }
            let properties = json!({"reason": {"type": "string", "minLength": 4, "maxLength": 500}});
            let schema = json!({"type": "object", "required": ["reason"], "properties": properties});
            described["requestBody"] = body(JSON, schema);
        }
        Sent::Wish => {
            let properties = json!({"answer": {"type": "string"}, "files": {}});
            let schema = json!({"type": "object", "required": ["answer"], "properties": properties});
            described["requestBody"] = body(JSON, schema);
        }
        Sent::Fault => {
            let properties =
                json!({"fault": {"type": "string"}, "value": {}, "calls": {}, "retryAfter": {"type": "integer"}});
            let schema = json!({"type": "object", "required": ["fault"], "properties": properties});
            described["requestBody"] = body(JSON, schema);
        }
    }
    described
}

fn schema(fields: &[Field]) -> Value {
    let property = |Field(name, _, example): &Field| {
        let schema = match example.strip_suffix('!') {
            Some(only) => json!({"type": "string", "const": only}),
            None => json!({"type": "string", "examples": [example]}),
        };
        ((*name).to_owned(), schema)
    };
    let properties: Map<String, Value> = fields.iter().map(property).collect();
    let required: Vec<&str> = fields.iter().filter(|field| field.1).map(|field| field.0).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

const fn meaning(status: u16) -> &'static str {
    match status {
        200 => "Done.",
        400 => "Something is missing, wrong or there twice.",
        401 => "Who asks is not known, or does not prove it.",
        403 => "Whoever asks does not do this.",
        404 => "There is none.",
        406 => "Only JSON is served.",
        409 => "Others decided at this moment.",
        412 => "It has moved since the version in If-Match.",
        422 => "It is in no state for that, or no reason is given.",
        428 => "If-Match is needed.",
        408 => "The body did not arrive in time.",
        413 => "The body is too long.",
        415 => "The body comes packed.",
        429 => "Too often: repeat after the time in Retry-After.",
        _ => "Not now: repeat after the time in Retry-After.",
    }
}
