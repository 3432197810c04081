//! Operations as they are stated. R4 leaves to their definitions how they are called: here it stands in the documentation, in a form that
//! `api` reads again.

use serde_json::{Value, json};

use crate::search::overlay::belongs;

/// What parts one way of calling an operation from the next.
pub const BETWEEN: &str = ", ";

/// The operations of subscriptions are those of the backport.
const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription";
/// The operations that are of the standard itself.
const STANDARD: &[&str] = &["everything", "match", "lookup", "validate-code"];
const STANDARD_BASE: &str = "http://hl7.org/fhir/OperationDefinition";
/// The operations of Bulk Data.
const BULK_DATA: &str = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition";
/// Our own.
const OWN: &str = "https://wellgate.example/fhir/OperationDefinition";

const GET: &str = "GET";
const POST: &str = "POST";
const BOTH: &str = "GET or POST";
/// Of what it is called: of the type, of one resource, of either.
const TYPE: &[&str] = &[""];
const ONE: &[&str] = &["/[id]"];
const EITHER: &[&str] = &["", "/[id]"];

/// Type, name without the sign, methods, and of what.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const OPERATIONS: &[Row] = &[
    ("Consent", "explain", BOTH, TYPE),
    ("Consent", "withdraw", POST, ONE),
    ("Consent", "conflicts", BOTH, TYPE),
    ("Patient", "who-can-see", BOTH, ONE),
    ("CodeSystem", "lookup", BOTH, TYPE),
    ("ValueSet", "validate-code", BOTH, EITHER),
    ("ServiceRequest", "dossier", BOTH, ONE),
    ("Patient", "access-log", GET, ONE),
    ("Patient", "everything", BOTH, ONE),
    ("Patient", "match", POST, TYPE),
    ("Patient", "export", BOTH, TYPE),
    ("Group", "export", BOTH, ONE),
    ("Patient", "break-glass", POST, TYPE),
    ("Patient", "end-break-glass", POST, TYPE),
    ("Patient", "emergency-sessions", GET, TYPE),
    ("Patient", "review-emergency", POST, TYPE),
    ("Patient", "crisis-disclosure", POST, ONE),
    ("Patient", "crisis-disclosures", GET, ONE),
    ("Patient", "link-code", POST, ONE),
    ("Patient", "unlink", POST, ONE),
    ("Subscription", "status", BOTH, ONE),
    ("Subscription", "events", BOTH, ONE),
];
/// The operations of every type that is kept, and of every type.
const META: (&str, &str, &[&str]) = ("meta", BOTH, ONE);
const VALIDATE: (&str, &str, &[&str]) = ("validate", POST, EITHER);
/// The operations of the system.
const OF_SYSTEM: &[(&str, &str)] = &[("export", BOTH), ("validate", POST), ("import", POST)];

/// The operations of a type.
pub(super) fn of_type(resource_type: &'static str) -> Vec<Value> {
    let own = OPERATIONS.iter().copied().filter(|(of, ..)| *of == resource_type);
    let row = |(name, methods, on): (&'static str, _, _)| (resource_type, name, methods, on);
    let meta = belongs(resource_type).map(|_| row(META));
    own.chain(meta).chain([row(VALIDATE)]).map(stated).collect()
}

/// Those of the system.
pub(super) fn of_system() -> Vec<Value> {
    OF_SYSTEM.iter().map(|(name, methods)| stated(("", name, methods, TYPE))).collect()
}

fn stated((of, name, methods, on): Row) -> Value {
    let definition = match (of, name) {
        (_, "meta" | "validate") => format!("{STANDARD_BASE}/Resource-{name}"),
        ("Subscription", _) => format!("{BACKPORT}-{name}"),
        ("", "export") => format!("{BULK_DATA}/export"),
        (_, "export") => format!("{BULK_DATA}/{}-export", of.to_lowercase()),
        ("", _) => format!("{OWN}/{name}"),
        _ if STANDARD.contains(&name) => format!("{STANDARD_BASE}/{of}-{name}"),
        _ => format!("{OWN}/{of}-{name}"),
    };
    let at = |on: &&str| {
        if of.is_empty() { format!("{methods} [base]/${name}") } else { format!("{methods} [base]/{of}{on}/${name}") }
    };
    let calls: Vec<String> = on.iter().map(at).collect();
    json!({"name": name, "definition": definition, "documentation": calls.join(BETWEEN)})
}
