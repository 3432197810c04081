//! Searches by a twin's own values: each parameter of each type, with each thing that shapes an answer, by each way to send it.

use serde_json::{Value, json};

use crate::capabilities::{Capabilities, TypeServed};
use crate::client::Request;
use crate::criteria::{is_made, own, targets};
use crate::samples::SYSTEM;

/// The searches of every type by its own criteria, each together with each of these further parameters.
fn each(capabilities: &Capabilities, further: impl Fn(&TypeServed) -> Vec<String>) -> Vec<String> {
    let mut queries = Vec::new();
    for served in capabilities.types.iter().filter(|served| served.offers("search-type")) {
        let further = further(served);
        for criterion in own(capabilities, served) {
            queries.extend(further.iter().map(|further| format!("{}?{criterion}{further}", served.name)));
        }
    }
    queries
}

fn fixed(further: &[&str]) -> Vec<String> {
    further.iter().map(|further| (*further).to_owned()).collect()
}

fn gets(queries: Vec<String>) -> Vec<Request> {
    queries.into_iter().map(Request::get).collect()
}

/// A criterion alone.
pub fn criteria(capabilities: &Capabilities) -> Vec<Request> {
    gets(each(capabilities, |_| vec![String::new()]))
}

/// With a total, or nothing but one.
pub fn totals(capabilities: &Capabilities) -> Vec<Request> {
    gets(each(capabilities, |_| {
        fixed(&["&_total=accurate", "&_total=estimate", "&_summary=count", "&_count=0&_total=accurate"])
    }))
}

/// In pages.
pub fn pages(capabilities: &Capabilities) -> Vec<Request> {
    gets(each(capabilities, |_| fixed(&["&_count=1", "&_count=1&_total=accurate", "&_offset=1", "&_page=2"])))
}

/// In each order.
pub fn order(capabilities: &Capabilities) -> Vec<Request> {
    gets(each(capabilities, |served| {
        let names = served.parameters.iter().map(|(name, _)| name);
        names.flat_map(|name| [format!("&_sort={name}"), format!("&_sort=-{name}&_total=accurate")]).collect()
    }))
}

/// Within a time.
pub fn last_updated(capabilities: &Capabilities) -> Vec<Request> {
    gets(each(capabilities, |_| {
        fixed(&[
            "&_lastUpdated=ge2000-01-01",
            "&_lastUpdated=lt2000-01-01",
            "&_lastUpdated=ge2000-01-01&_sort=-_lastUpdated&_total=accurate",
        ])
    }))
}

/// With a second criterion that much fulfils.
pub fn two_criteria(capabilities: &Capabilities) -> Vec<Request> {
    gets(each(capabilities, |served| {
        let names = served.parameters.iter().map(|(name, search_type)| (name, search_type.as_str()));
        names
            .filter_map(|(name, search_type)| match search_type {
                "token" if name == "_id" => Some("&_id=@Patient@".to_owned()),
                "token" => Some(format!("&{name}=active")),
                "date" => Some(format!("&{name}=ge2000-01-01")),
                "string" => Some(format!("&{name}=Twin")),
                "reference" => Some(format!("&{name}=Patient/@Patient@")),
                _ => None,
            })
            .collect()
    }))
}

/// In another form.
pub fn summaries(capabilities: &Capabilities) -> Vec<Request> {
    gets(each(capabilities, |_| {
        fixed(&["&_summary=true", "&_summary=text", "&_elements=id", "&_contained=true", "&_score=true"])
    }))
}

/// By POST, wholly in the form and half in the address.
pub fn by_form(capabilities: &Capabilities) -> Vec<Request> {
    let queries = each(capabilities, |_| fixed(&["", "&_total=accurate", "&_count=1"]));
    let form = |query: &String| {
        let (name, pairs) = query.split_once('?').unwrap_or((query, ""));
        let mut request = Request::new(reqwest::Method::POST, format!("{name}/_search"));
        request.body = Some(pairs.to_owned());
        request.with("content-type", "application/x-www-form-urlencoded")
    };
    queries.iter().map(form).collect()
}

/// With what a match refers to.
pub fn includes(capabilities: &Capabilities) -> Vec<Request> {
    gets(each(capabilities, |served| include_parameters(served, "_include", &served.includes)))
}

/// With what refers to a match.
pub fn reverse_includes(capabilities: &Capabilities) -> Vec<Request> {
    gets(each(capabilities, |served| {
        let mut further = include_parameters(served, "_revinclude", &served.reverse_includes);
        further.extend(fixed(&["&_revinclude=Provenance:target", "&_revinclude=Observation:subject"]));
        further
    }))
}

/// With what goes on from what is included, there and back.
pub fn iterated(capabilities: &Capabilities) -> Vec<Request> {
    gets(each(capabilities, |served| {
        let name = &served.name;
        vec![
            format!("&_include={name}:*&_include:iterate=Encounter:*&_include:iterate=Patient:*"),
            format!("&_include:iterate={name}:*&_revinclude:iterate=Provenance:target&_total=accurate"),
            "&_revinclude:iterate=Observation:*&_revinclude:iterate=Provenance:*&_include:iterate=Observation:*"
                .to_owned(),
        ]
    }))
}

/// Within each compartment that a twin has, over one type and over all.
pub fn compartments(capabilities: &Capabilities) -> Vec<Request> {
    let usual = ["Patient".to_owned()];
    let offered = &capabilities.compartments;
    let compartments = if offered.is_empty() { usual.as_slice() } else { offered };
    let mut queries = Vec::new();
    for of in compartments.iter().filter(|of| is_made(of)) {
        let types = capabilities.types.iter().map(|served| served.name.as_str()).chain(["*"]);
        for name in types {
            let further = [
                "",
                "?_total=accurate",
                "?_summary=count",
                "?_count=1&_sort=-_lastUpdated",
                "?_lastUpdated=ge2000-01-01",
            ];
            queries.extend(further.map(|further| format!("{of}/@{of}@/{name}{further}")));
            queries.push(format!("{of}/@{of}@/{name}?_include={name}:*&_revinclude=Provenance:target"));
        }
    }
    gets(queries)
}

/// Over the whole system and over some of its types.
pub fn of_the_system(capabilities: &Capabilities) -> Vec<Request> {
    let types = targets(capabilities);
    let mut queries = Vec::new();
    for name in &types {
        queries.push(format!("?_id=@{name}@&_total=accurate"));
        for other in &types {
            queries.push(format!("?_type={name},{other}&_id=@{name}@,@{other}@&_total=accurate"));
        }
        queries.push(format!("?_type={name},Observation&patient=Patient/@Patient@&_summary=count"));
        queries.push(format!("?_type=Encounter,{name}&patient=@Patient@&_sort=-_lastUpdated&_count=1"));
        queries.push(format!("?_type={name}&identifier=@mark@&_revinclude=Provenance:target"));
    }
    gets(queries)
}

/// The includes that a type claims, and two that it may not.
pub fn include_parameters(served: &TypeServed, name: &str, claimed: &[String]) -> Vec<String> {
    let mut further: Vec<String> = claimed.iter().map(|value| format!("&{name}={value}")).collect();
    further.extend([format!("&{name}=*"), format!("&{name}:iterate={}:subject", served.name)]);
    further
}

/// Over a reference to what it refers to.
pub fn chains(capabilities: &Capabilities) -> Vec<Request> {
    let mut queries = Vec::new();
    for (served, name) in references(capabilities) {
        queries.push(format!("{}?{name}.identifier=@mark@", served.name));
        queries.push(format!("{}?{name}:Patient.identifier=@mark@", served.name));
        queries.push(format!("{}?{name}:Patient._id=@Patient@", served.name));
        queries.push(format!("{}?{name}:Patient.name=@mark@&_total=accurate", served.name));
        queries.push(format!("{}?{name}:Patient._id=@Patient@&_id:not=none", served.name));
        queries.push(format!("{}?{name}:Patient.identifier:not=none&_id=@{}@", served.name, served.name));
    }
    gets(queries)
}

/// Back over what refers to it.
pub fn reverse_chains(capabilities: &Capabilities) -> Vec<Request> {
    let mut queries = Vec::new();
    for (served, name) in references(capabilities) {
        queries.push(format!("Patient?_has:{}:{name}:identifier=@mark@", served.name));
        queries.push(format!("Patient?_has:{}:{name}:_id=@{}@&_total=accurate", served.name, served.name));
        queries.push(format!("Patient?_has:{}:{name}:_id:not=none&_id=@Patient@", served.name));
    }
    gets(queries)
}

fn references(capabilities: &Capabilities) -> impl Iterator<Item = (&TypeServed, &str)> {
    capabilities.types.iter().flat_map(|served| {
        let references = served.parameters.iter().filter(|(_, search_type)| search_type == "reference");
        references.map(move |(name, _)| (served, name.as_str()))
    })
}

/// A Bundle of requests without bodies.
fn bundle(kind: &str, requests: &[(&str, String)]) -> Value {
    let entries: Vec<Value> =
        requests.iter().map(|(method, url)| json!({"request": {"method": method, "url": url}})).collect();
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

/// Reads and searches as entries of a batch, one and several.
pub fn in_batch(capabilities: &Capabilities) -> Vec<Request> {
    let reads = targets(capabilities);
    let mut requests: Vec<Request> =
        reads.iter().map(|name| Request::post("", &bundle("batch", &reads_of(name)))).collect();
    for query in each(capabilities, |_| fixed(&["", "&_total=accurate"])) {
        requests.push(Request::post("", &bundle("batch", &[("GET", query)])));
    }
    requests
}

/// The same in a transaction.
pub fn in_transaction(capabilities: &Capabilities) -> Vec<Request> {
    let mut requests = Vec::new();
    for name in targets(capabilities) {
        requests.extend(reads_of(name).into_iter().map(|read| Request::post("", &bundle("transaction", &[read]))));
    }
    for query in each(capabilities, |_| fixed(&["", "&_total=accurate"])) {
        requests.push(Request::post("", &bundle("transaction", &[("GET", query)])));
    }
    requests
}

fn reads_of(name: &str) -> [(&'static str, String); 4] {
    [
        ("GET", format!("{name}/@{name}@")),
        ("GET", format!("{name}/@{name}@/_history/@{name}.version@")),
        ("GET", format!("{name}?_id=@{name}@&_total=accurate")),
        ("HEAD", format!("{name}/@{name}@")),
    ]
}

/// The description of each twin, whole and in parts: by its identifier, by its mark, and by what all twins share.
pub fn matching(_: &Capabilities) -> Vec<Request> {
    let name = json!([{"family": "Twin", "given": ["Test @mark@"]}]);
    let identifier = json!([{"system": SYSTEM, "value": "@mark@"}]);
    let telecom = json!([{"system": "phone", "value": "@mark@"}]);
    let parts = [
        json!({"identifier": identifier}),
        json!({"identifier": identifier, "birthDate": "1990-06-15"}),
        json!({"name": name, "birthDate": "1990-06-15", "gender": "female"}),
        json!({"name": name, "telecom": telecom}),
        json!({"telecom": telecom, "birthDate": "1990-06-15", "name": name, "identifier": identifier}),
    ];
    let mut requests = Vec::new();
    for mut described in parts {
        described["resourceType"] = json!("Patient");
        for certain in [false, true] {
            let members = json!([{"name": "resource", "resource": described}, {"name": "onlyCertainMatches", "valueBoolean": certain}]);
            let parameters = json!({"resourceType": "Parameters", "parameter": members});
            requests.push(Request::post("Patient/$match", &parameters));
        }
    }
    requests
}
