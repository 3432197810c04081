//! The requests of the FHIR interface as a collection of Postman, which Bruno and others read as well.
//!
//! <https://schema.getpostman.com/json/collection/v2.1.0/collection.json>: the base URL and the token are variables, ids are variables of a
//! path, and the parameters of a search wait, switched off.

use serde_json::{Value, json};

use super::description::{Call, Description, FORM, Subject};

const SCHEMA: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";

/// The collection.
pub fn collection(described: &Description) -> Value {
    let system = folder("System", &described.system);
    let types = described.types.iter().map(|served| folder(&served.name, served));
    let folders: Vec<Value> = std::iter::once(system).chain(types).collect();
    json!({
        "info": {"name": "Wellgate FHIR R4", "version": described.version, "schema": SCHEMA},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [
            {"key": "base_url", "value": described.base, "type": "string"},
            {"key": "token", "value": "", "type": "string"}
        ],
        "item": folders,
    })
}

fn folder(name: &str, subject: &Subject) -> Value {
    let interactions = subject.interactions.iter().map(|(code, calls)| (code.clone(), calls));
    let operations = subject.operations.iter().map(|operation| (format!("${}", operation.name), &operation.calls));
    let item = |(name, calls): (String, &Vec<Call>)| -> Vec<Value> {
        calls.iter().map(|call| request(&name, call, subject)).collect()
    };
    json!({"name": name, "item": interactions.chain(operations).flat_map(item).collect::<Vec<_>>()})
}

fn request(name: &str, call: &Call, subject: &Subject) -> Value {
    let media_type = call.body.as_ref().map(|(media_type, _)| ("Content-Type", *media_type));
    let prefer = call.is_asynchronous.then_some(("Prefer", "respond-async"));
    let header = |(key, value): (&str, &str)| json!({"key": key, "value": value});
    let is_search = name.starts_with("search-");
    let query = if is_search && call.method == "GET" { parameters(subject) } else { Vec::new() };
    let mut request = json!({
        "method": call.method,
        "header": media_type.into_iter().chain(prefer).map(header).collect::<Vec<_>>(),
        "url": url(call, &query),
    });
    match &call.body {
        Some((FORM, _)) => request["body"] = json!({"mode": "urlencoded", "urlencoded": parameters(subject)}),
        Some((_, body)) => {
            request["body"] = json!({"mode": "raw", "raw": body, "options": {"raw": {"language": "json"}}});
        }
        None => {}
    }
    json!({"name": format!("{} {name}", call.method), "request": request, "response": []})
}

/// The address, with ids in the form in which Postman asks for them.
fn url(call: &Call, query: &[Value]) -> Value {
    let path = call.path.replace("[id]", ":id").replace("[vid]", ":vid");
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let variable = |part: &&str| part.strip_prefix(':').map(|key| json!({"key": key, "value": ""}));
    let raw = std::iter::once("{{base_url}}").chain(parts.iter().copied()).collect::<Vec<_>>().join("/");
    let mut url = json!({"raw": raw, "host": ["{{base_url}}"], "path": parts});
    let variables: Vec<Value> = parts.iter().filter_map(variable).collect();
    for (name, values) in [("variable", variables.as_slice()), ("query", query)] {
        if !values.is_empty() {
            url[name] = json!(values);
        }
    }
    url
}

/// What a search takes, each switched off: whoever asks chooses.
fn parameters(subject: &Subject) -> Vec<Value> {
    let named = subject.parameters.iter().map(|one| {
        let description = format!("{} {}", one.search_type, one.modifiers.join(" "));
        json!({"key": one.name, "value": one.sample, "disabled": true, "description": description.trim_end()})
    });
    let includes = subject.includes.iter().map(|(by, value)| json!({"key": by, "value": value, "disabled": true}));
    named.chain(includes).collect()
}
