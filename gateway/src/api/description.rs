//! The `CapabilityStatement` read as a client's developer reads it: what can be asked of each type, and how each request is written.
//!
//! <https://hl7.org/fhir/R4/capabilitystatement.html>, <https://hl7.org/fhir/R4/http.html>

use serde_json::{Value, json};

use crate::fhir::capabilities::{operations, parameters};

/// What a gateway serves.
#[derive(Debug)]
pub struct Description {
    /// The base URL.
    pub base: String,
    /// The version of the program.
    pub version: String,
    /// What is asked of the whole system: a subject without a name.
    pub system: Subject,
    /// The served types, as they are stated.
    pub types: Vec<Subject>,
}

/// A type, or the system.
#[derive(Debug)]
pub struct Subject {
    /// The type; empty for the system.
    pub name: String,
    /// The interactions, each with its requests.
    pub interactions: Vec<(String, Vec<Call>)>,
    /// The search parameters.
    pub parameters: Vec<Parameter>,
    /// The operations.
    pub operations: Vec<Operation>,
    /// Values of `_include` and then of `_revinclude`, with the parameter that takes each.
    pub includes: Vec<(&'static str, String)>,
    /// What else is stated, by its element: versioning, conditional interactions, profiles.
    pub facts: Vec<(&'static str, String)>,
}

/// A search parameter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    pub search_type: String,
    /// Its modifiers, each with its colon.
    pub modifiers: Vec<String>,
    /// A value of the form that it takes.
    pub sample: String,
}

/// An operation.
#[derive(Debug)]
pub struct Operation {
    /// The name, without the sign.
    pub name: String,
    /// The canonical address of its definition.
    pub definition: String,
    /// Its requests.
    pub calls: Vec<Call>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: &'static str,
    /// From the base on: `Patient/[id]`; empty for the base itself.
    pub path: String,
    /// What is sent: the media type and the least that may be there.
    pub body: Option<(&'static str, String)>,
    /// Whether the answer comes later.
    pub is_asynchronous: bool,
}

const FHIR_JSON: &str = "application/fhir+json";
/// The media type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

impl Description {
    /// Reads a statement; what it has not is empty.
    pub fn of(statement: &Value) -> Self {
        let rest = &statement["rest"][0];
        Self {
            base: text(&statement["implementation"]["url"]),
            version: text(&statement["software"]["version"]),
            system: subject(rest),
            types: list(&rest["resource"]).map(subject).collect(),
        }
    }

    /// The system, where no type is named, or a type.
    pub fn subject(&self, name: &str) -> Option<&Subject> {
        if name.is_empty() { Some(&self.system) } else { self.types.iter().find(|served| served.name == name) }
    }
}

impl Subject {
    /// A search by a parameter.
    pub fn search(&self, name: &str, value: &str) -> Call {
        Call::new("GET", format!("{}?{name}={value}", self.name))
    }

    /// Whether it is searched.
    pub fn is_searched(&self) -> bool {
        self.interactions.iter().any(|(code, _)| code.starts_with("search-"))
    }
}

impl Call {
    fn new(method: &'static str, path: String) -> Self {
        Self { method, path, body: None, is_asynchronous: false }
    }

    fn with_body(self, media_type: &'static str, body: String) -> Self {
        Self { body: Some((media_type, body)), ..self }
    }

    /// The request by `curl`, with the base URL, the token and the ids as variables of the shell.
    pub fn curl(&self) -> String {
        let mut command = "curl".to_owned();
        if self.method != "GET" {
            command = format!("{command} -X {}", self.method);
        }
        command += " -H \"Authorization: Bearer $TOKEN\"";
        if self.is_asynchronous {
            command += " -H 'Prefer: respond-async'";
        }
        if let Some((media_type, body)) = &self.body {
            command = format!("{command} -H 'Content-Type: {media_type}' -d '{body}'");
        }
        let path = self.path.replace('$', "\\$").replace("[id]", "$ID").replace("[vid]", "$VERSION");
        let slash = if path.is_empty() || path.starts_with('?') { "" } else { "/" };
        format!("{command} \"$BASE{slash}{path}\"")
    }
}

fn subject(stated: &Value) -> Subject {
    let name = text(&stated["type"]);
    let parameters = search_parameters(&stated["searchParam"]);
    let form = parameters.first().map(|first| format!("{}={}", first.name, first.sample)).unwrap_or_default();
    let interactions = list(&stated["interaction"]).map(|one| text(&one["code"]));
    let interactions = interactions.map(|code| (calls(&code, &name, &form), code)).map(|(calls, code)| (code, calls));
    let includes = [("_include", "searchInclude"), ("_revinclude", "searchRevInclude")];
    let includes = includes.iter().flat_map(|(by, element)| list(&stated[*element]).map(|value| (*by, text(value))));
    Subject {
        interactions: interactions.collect(),
        operations: list(&stated["operation"]).map(|one| operation(one, &name)).collect(),
        includes: includes.collect(),
        facts: facts(stated),
        parameters,
        name,
    }
}

/// The requests of an interaction; none for one that the standard has not.
fn calls(code: &str, name: &str, form: &str) -> Vec<Call> {
    let at = |method: &'static str, rest: &str| Call::new(method, format!("{name}{rest}"));
    let resource = || json!({"resourceType": name}).to_string();
    let bundle = || json!({"resourceType": "Bundle", "type": code, "entry": []}).to_string();
    match code {
        "read" => vec![at("GET", "/[id]")],
        "vread" => vec![at("GET", "/[id]/_history/[vid]")],
        "update" => vec![at("PUT", "/[id]").with_body(FHIR_JSON, resource())],
        "patch" => vec![at("PATCH", "/[id]").with_body("application/json-patch+json", "[]".to_owned())],
        "delete" => vec![at("DELETE", "/[id]")],
        "history-instance" => vec![at("GET", "/[id]/_history")],
        "history-type" => vec![at("GET", "/_history")],
        "history-system" => vec![at("GET", "_history")],
        "create" => vec![at("POST", "").with_body(FHIR_JSON, resource())],
        "search-type" => vec![at("GET", ""), at("POST", "/_search").with_body(FORM, form.to_owned())],
        "search-system" => vec![at("GET", ""), at("POST", "_search").with_body(FORM, form.to_owned())],
        "transaction" | "batch" => vec![at("POST", "").with_body(FHIR_JSON, bundle())],
        _ => Vec::new(),
    }
}

fn search_parameters(stated: &Value) -> Vec<Parameter> {
    let said = |one: &Value, of: &str| -> Vec<String> {
        let said = one["documentation"].as_str().and_then(|said| said.strip_prefix(of));
        said.into_iter().flat_map(|said| said.split(parameters::BETWEEN)).map(str::to_owned).collect()
    };
    let sample = |one: &Value| {
        let components = said(one, parameters::COMPONENTS);
        if components.is_empty() {
            return sample(one["type"].as_str().unwrap_or_default(), &said(one, parameters::MODIFIERS));
        }
        let part = |name: &String| {
            let of = list(stated)
                .find(|other| other["name"] == **name)
                .map_or("", |other| other["type"].as_str().unwrap_or_default());
            sample(of, &[])
        };
        components.iter().map(part).collect::<Vec<_>>().join("$")
    };
    let read = |one: &Value| Parameter {
        name: text(&one["name"]),
        search_type: text(&one["type"]),
        modifiers: said(one, parameters::MODIFIERS),
        sample: sample(one),
    };
    list(stated).map(read).collect()
}

/// A value of the form that a type of parameter takes; a reference is to the first type that it may be to.
fn sample(search_type: &str, modifiers: &[String]) -> String {
    let is_type = |name: &&str| name.starts_with(char::is_uppercase);
    match search_type {
        "date" => "2026-01-01",
        "number" | "quantity" => "1",
        "reference" => {
            let target = modifiers.iter().filter_map(|modifier| modifier.strip_prefix(':')).find(is_type);
            return format!("{}/1", target.unwrap_or("Patient"));
        }
        "string" => "a",
        "uri" => "https://example.org",
        "special" => "Patient",
        _ => "code",
    }
    .to_owned()
}

fn operation(stated: &Value, resource_type: &str) -> Operation {
    let name = text(&stated["name"]);
    let said = stated["documentation"].as_str().unwrap_or_default();
    let ways = said.split(operations::BETWEEN).filter_map(|way| way.split_once(" [base]/"));
    let sent = match (&*name, resource_type) {
        ("validate", "") => json!({"resourceType": "Patient"}),
        ("validate", _) => json!({"resourceType": resource_type}),
        _ => json!({"resourceType": "Parameters", "parameter": []}),
    };
    let is_asynchronous = matches!(&*name, "export" | "import");
    let call = |methods: &str, path: &str| -> Vec<Call> {
        let of = |method: &'static str| Call { is_asynchronous, ..Call::new(method, path.to_owned()) };
        let asked = methods.contains("GET").then(|| of("GET"));
        let sent = methods.contains("POST").then(|| of("POST").with_body(FHIR_JSON, sent.to_string()));
        asked.into_iter().chain(sent).collect()
    };
    let calls = ways.flat_map(|(methods, path)| call(methods, path)).collect();
    Operation { calls, definition: text(&stated["definition"]), name }
}

fn facts(stated: &Value) -> Vec<(&'static str, String)> {
    let elements = [
        "versioning",
        "conditionalCreate",
        "conditionalRead",
        "conditionalUpdate",
        "conditionalDelete",
        "supportedProfile",
    ];
    let said = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    elements.into_iter().filter_map(|element| stated.get(element).map(|value| (element, said(value)))).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_by_curl_leaves_nothing_to_the_shell_but_its_own_variables() {
        let call = Call::new("GET", "Patient/[id]/$everything".to_owned());
        assert_eq!(call.curl(), r#"curl -H "Authorization: Bearer $TOKEN" "$BASE/Patient/$ID/\$everything""#);
        let call = Call::new("POST", String::new()).with_body(FHIR_JSON, "{}".to_owned());
        assert_eq!(
            call.curl(),
            r#"curl -X POST -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/fhir+json' -d '{}' "$BASE""#
        );
    }

    #[test]
    fn what_a_statement_says_of_modifiers_components_and_calls_is_read_again() {
        let statement = json!({"rest": [{"resource": [{
            "type": "Observation",
            "interaction": [{"code": "read"}],
            "searchParam": [
                {"name": "code", "type": "token", "documentation": "modifiers: :missing, :not"},
                {"name": "value-quantity", "type": "quantity"},
                {"name": "subject", "type": "reference", "documentation": "modifiers: :missing, :Group"},
                {"name": "code-value-quantity", "type": "composite", "documentation": "components: code, value-quantity"}
            ],
            "operation": [{"name": "export", "documentation": "GET or POST [base]/Group/[id]/$export"}]
        }]}]});
        let described = Description::of(&statement);
        let [observation] = &described.types[..] else { panic!("one type") };
        assert_eq!(observation.parameters[0].modifiers, [":missing", ":not"]);
        let samples: Vec<&str> = observation.parameters.iter().map(|one| one.sample.as_str()).collect();
        assert_eq!(samples, ["code", "1", "Group/1", "code$1"]);
        let calls: Vec<_> = observation.operations[0].calls.iter().map(|call| (call.method, &*call.path)).collect();
        assert_eq!(calls, [("GET", "Group/[id]/$export"), ("POST", "Group/[id]/$export")]);
        assert!(observation.operations[0].calls[0].is_asynchronous && !observation.is_searched());
    }
}
