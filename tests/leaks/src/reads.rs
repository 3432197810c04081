//! Questions about one resource that only read, for each type that twins have.

use reqwest::Method;
use serde_json::json;

use crate::capabilities::{Capabilities, TypeServed};
use crate::client::Request;
use crate::criteria::targets;

/// Asked also where no operation is claimed. `$break-glass` is not among them: it asks for an access, and may get it.
const OPERATIONS: [&str; 8] =
    ["everything", "meta", "explain", "who-can-see", "lastn", "withdraw", "dossier", "validate-code"];
const NOT_ASKED: [&str; 1] = ["break-glass"];

fn of_each(capabilities: &Capabilities, requests: impl Fn(&str) -> Vec<Request>) -> Vec<Request> {
    targets(capabilities).into_iter().flat_map(requests).collect()
}

/// `GET [type]/[id]`, and addresses that look like it.
pub fn read(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let mut requests: Vec<Request> = ["", "?_pretty=true", "?_summary=true", "?_elements=id", "/", "/unknown"]
            .iter()
            .map(|further| Request::get(format!("{name}/@{name}@{further}")))
            .collect();
        // The id under each other type is unknown too.
        requests.extend(targets(capabilities).iter().map(|other| Request::get(format!("{other}/@{name}@"))));
        requests
    })
}

/// Methods beside those of FHIR.
pub fn methods(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let ways = ["", "/_history", "/_history/@VERSION@", "/$everything"];
        let methods = [Method::HEAD, Method::OPTIONS, Method::POST, Method::TRACE];
        let path = |way: &str| format!("{name}/@{name}@{}", way.replace("VERSION", &format!("{name}.version")));
        ways.iter().flat_map(|way| methods.iter().map(|method| Request::new(method.clone(), path(way)))).collect()
    })
}

/// Conditional reads, with the true version and others.
pub fn not_modified(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let tags =
            [format!("W/\"@{name}.version@\""), format!("\"@{name}.version@\""), "*".to_owned(), "W/\"1\"".to_owned()];
        let dates = ["Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 21 Oct 2095 07:28:00 GMT"];
        let mut requests = Vec::new();
        for path in [format!("{name}/@{name}@"), format!("{name}/@{name}@/_history/@{name}.version@")] {
            for tag in &tags {
                requests.push(Request::get(&path).with("if-none-match", tag));
                requests.push(Request::get(&path).with("if-match", tag));
                requests.push(Request::new(Method::HEAD, &path).with("if-none-match", tag));
            }
            requests.extend(dates.map(|date| Request::get(&path).with("if-modified-since", date)));
        }
        requests
    })
}

/// The true version, the first, and no version.
pub fn vread(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let versions = [format!("@{name}.version@"), "1".to_owned(), "0".to_owned(), "none".to_owned()];
        versions.iter().map(|version| Request::get(format!("{name}/@{name}@/_history/{version}"))).collect()
    })
}

/// A history of one resource, with what narrows it.
pub fn instance_history(capabilities: &Capabilities) -> Vec<Request> {
    of_each(capabilities, |name| {
        let queries =
            ["", "?_count=1", "?_count=0", "?_since=2000-01-01T00:00:00Z", "?_since=2095-01-01T00:00:00Z", "?_at=2026"];
        queries.iter().map(|query| Request::get(format!("{name}/@{name}@/_history{query}"))).collect()
    })
}

/// Other formats, by header and by parameter.
pub fn formats(capabilities: &Capabilities) -> Vec<Request> {
    let formats =
        ["application/fhir+xml", "application/fhir+json", "text/html", "*/*", "application/json;q=0.1", "xml", "ttl"];
    of_each(capabilities, |name| {
        let paths = [format!("{name}/@{name}@"), format!("{name}?_id=@{name}@"), format!("{name}/@{name}@/_history")];
        let mut requests = Vec::new();
        for path in &paths {
            for format in formats {
                requests.push(Request::get(path).with("accept", format));
                let join = if path.contains('?') { '&' } else { '?' };
                requests.push(Request::get(format!("{path}{join}_format={}", crate::client::encode(format))));
            }
        }
        requests
    })
}

/// Operations on instances, types and the system, by GET and by POST.
pub fn operations(capabilities: &Capabilities) -> Vec<Request> {
    let parameters = json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": "Patient/@Patient@"}},
    ]});
    let mut requests = of_each(capabilities, |name| {
        let claimed =
            capabilities.served(name).map(|served: &TypeServed| served.operations.clone()).unwrap_or_default();
        let names = OPERATIONS.iter().map(|name| (*name).to_owned()).chain(claimed);
        let names = names.filter(|operation| !NOT_ASKED.contains(&operation.as_str()));
        names
            .flat_map(|operation| {
                let instance = format!("{name}/@{name}@/${operation}");
                let on_type = format!("{name}/${operation}?patient=Patient/@Patient@");
                [
                    Request::get(&instance),
                    Request::post(&instance, &parameters),
                    Request::get(&on_type),
                    Request::post(format!("{name}/${operation}"), &parameters),
                ]
            })
            .collect()
    });
    for operation in &capabilities.operations {
        requests.push(Request::get(format!("${operation}?patient=Patient/@Patient@")));
        requests.push(Request::post(format!("${operation}"), &parameters));
    }
    requests
}

/// The Consent that excludes the viewer, and searches that would find it.
pub fn consents(_: &Capabilities) -> Vec<Request> {
    let by = [
        "patient=Patient/@Patient@",
        "patient=@Patient@",
        "patient:Patient=@Patient@",
        "_id=@Consent@",
        "identifier=@mark@",
    ];
    let and = ["", "&status=active", "&status=inactive", "&_total=accurate", "&_summary=count", "&_sort=-_lastUpdated"];
    let mut requests: Vec<Request> =
        by.iter().flat_map(|by| and.iter().map(move |and| Request::get(format!("Consent?{by}{and}")))).collect();
    requests.extend(
        ["", "/_history", "/_history/@Consent.version@"].map(|way| Request::get(format!("Consent/@Consent@{way}"))),
    );
    requests
}

/// Events and provenance about what is hidden.
pub fn trail(capabilities: &Capabilities) -> Vec<Request> {
    let mut requests = Vec::new();
    for name in targets(capabilities) {
        for by in ["patient", "entity", "patient:Patient", "_id"] {
            for and in ["", "&outcome=8", "&_total=accurate", "&_summary=count", "&_count=1"] {
                let value = if by == "_id" || by.ends_with("Patient") {
                    format!("@{name}@")
                } else {
                    format!("{name}/@{name}@")
                };
                requests.push(Request::get(format!("AuditEvent?{by}={value}{and}")));
            }
        }
        requests.push(Request::get(format!("AuditEvent/@{name}@")));
        requests.push(Request::get(format!("Provenance?target={name}/@{name}@")));
        requests.push(Request::get(format!("Provenance?target={name}/@{name}@&_total=accurate")));
    }
    requests
}
