//! Questions about sets: what they find may be explained by the permitted twin alone, whatever else there is.

use crate::capabilities::{Capabilities, TypeServed};
use crate::client::Request;
use crate::criteria::{own, shared};
use crate::searches::include_parameters;

/// Types whose sets grow by asking: the viewer's own trail.
const GROWING: [&str; 1] = ["AuditEvent"];

fn each(capabilities: &Capabilities, further: impl Fn(&TypeServed) -> Vec<String>) -> Vec<Request> {
    let mut requests = Vec::new();
    let types = capabilities.types.iter().filter(|served| !GROWING.contains(&served.name.as_str()));
    for served in types.filter(|served| served.offers("search-type")) {
        let further = further(served);
        for criterion in shared(served) {
            requests.extend(further.iter().map(|further| Request::get(joined(&served.name, &[&criterion, further]))));
        }
    }
    requests
}

fn joined(name: &str, parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().filter(|part| !part.is_empty()).copied().collect();
    if parts.is_empty() { name.to_owned() } else { format!("{name}?{}", parts.join("&")) }
}

fn fixed(further: &[&str]) -> Vec<String> {
    further.iter().map(|further| (*further).to_owned()).collect()
}

/// By a value that all twins have, and by those of the permitted one.
pub fn matches(capabilities: &Capabilities) -> Vec<Request> {
    let mut requests = each(capabilities, |_| vec![String::new()]);
    for served in capabilities.types.iter().filter(|served| !GROWING.contains(&served.name.as_str())) {
        requests.extend(own(capabilities, served).iter().map(|own| Request::get(joined(&served.name, &[own]))));
    }
    requests
}

/// With a total, or nothing but one.
pub fn totals(capabilities: &Capabilities) -> Vec<Request> {
    each(capabilities, |_| fixed(&["_total=accurate", "_total=estimate", "_summary=count"]))
}

/// In pages of one and two, walked to the end.
pub fn pages(capabilities: &Capabilities) -> Vec<Request> {
    each(capabilities, |_| fixed(&["_count=1", "_count=2&_total=accurate"]))
}

/// In each order.
pub fn order(capabilities: &Capabilities) -> Vec<Request> {
    each(capabilities, |served| {
        let names = served.parameters.iter().map(|(name, _)| name);
        names.flat_map(|name| [format!("_sort={name}&_count=1"), format!("_sort=-{name}")]).collect()
    })
}

/// By the time of the last change.
pub fn since(capabilities: &Capabilities) -> Vec<Request> {
    each(capabilities, |_| fixed(&["_lastUpdated=ge2000-01-01&_total=accurate", "_sort=-_lastUpdated&_count=1"]))
}

/// The history of a type and of the system.
pub fn history(capabilities: &Capabilities) -> Vec<Request> {
    let types = capabilities.types.iter().map(|served| served.name.as_str()).filter(|name| !GROWING.contains(name));
    let queries = ["", "?_count=1", "?_count=2", "?_since=2000-01-01T00:00:00Z", "?_at=2026"];
    let addresses = types.map(|name| format!("{name}/_history")).chain(["_history".to_owned()]);
    addresses.flat_map(|address| queries.map(|query| Request::get(format!("{address}{query}")))).collect()
}

/// Over several types, and over all.
pub fn of_the_system(capabilities: &Capabilities) -> Vec<Request> {
    let names = capabilities.types.iter().map(|served| served.name.as_str()).filter(|name| !GROWING.contains(name));
    let further = ["_total=accurate", "_summary=count", "_count=2&_total=accurate", "_sort=-_lastUpdated&_count=1"];
    let types = names.map(|name| format!("?_type=Patient,{name}")).chain(["?_lastUpdated=ge2000-01-01".to_owned()]);
    types.flat_map(|types| further.map(|further| Request::get(format!("{types}&{further}")))).collect()
}

/// With what matches refer to and what refers to them.
pub fn includes(capabilities: &Capabilities) -> Vec<Request> {
    each(capabilities, |served| {
        let mut further = include_parameters(served, "_include", &served.includes);
        further.extend(include_parameters(served, "_revinclude", &served.reverse_includes));
        further.iter().map(|further| further.trim_start_matches('&').to_owned()).collect()
    })
}
