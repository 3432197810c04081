//! The CapabilityStatement: made once from the same tables that serve the requests.
//!
//! <https://hl7.org/fhir/R4/capabilitystatement.html>

use serde_json::{Value, json};

use crate::app::AppState;
use crate::clock::format_instant;
use crate::search::overlay::belongs;
use crate::search::parameters::parameters;

/// Parameters that every type has, answered from columns rather than from the index.
const COMMON: &[(&str, &str)] = &[("_id", "token"), ("_lastUpdated", "date")];

/// The statement as text, for a gateway that started at `started_ms`.
pub fn statement(app: &AppState, started_ms: i64) -> String {
    let resources: Vec<Value> = app.types.iter().copied().map(resource).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": format_instant(started_ms),
        "kind": "instance",
        "software": {"name": "Wellgate", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "Wellgate: referrals that move only where a Consent lets them", "url": app.base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{
            "mode": "server",
            "security": {
                "cors": false,
                "description": "A bearer token of the configured issuer, with SMART v2 system scopes, or patient scopes for a person who signed in; consent is enforced in every answer."
            },
            "resource": resources,
            "interaction": [{"code": "transaction"}, {"code": "batch"}]
        }]
    })
    .to_string()
}

fn resource(resource_type: &'static str) -> Value {
    let is_trail = resource_type == "AuditEvent";
    let codes: &[&str] = if is_trail {
        &["read", "search-type"]
    } else if belongs(resource_type).is_none() {
        &[]
    } else {
        &["read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type"]
    };
    let interactions: Vec<Value> = codes.iter().map(|code| json!({"code": code})).collect();
    let mut search: Vec<Value> = Vec::new();
    if is_trail {
        for (name, search_type) in [("patient", "reference"), ("date", "date"), ("outcome", "token"), ("_id", "token")]
        {
            search.push(json!({"name": name, "type": search_type}));
        }
    } else {
        search.extend(COMMON.iter().map(|(name, search_type)| json!({"name": name, "type": search_type})));
        let named = parameters(resource_type)
            .map(|parameter| json!({"name": parameter.name, "type": parameter.search_type.as_str()}));
        search.extend(named);
    }
    json!({
        "type": resource_type,
        "interaction": interactions,
        "versioning": if is_trail { "no-version" } else { "versioned-update" },
        "readHistory": !is_trail,
        "updateCreate": false,
        "conditionalCreate": !is_trail,
        "searchParam": search,
    })
}
