//! Search criteria made from the CapabilityStatement: every parameter of every type, with values taken from the data of the twins.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::capabilities::{Capabilities, TypeServed};
use crate::client::encode;
use crate::samples::{IN_A_RECORD, SYSTEM, consent, provision, sample};

/// One criterion: `name=value`, ready for a query.
pub type Criterion = String;

/// The special parameters that search words.
const WORDS: [&str; 2] = ["_text", "_content"];

/// Criteria whose values are a twin's own: its ids and its mark. What they find tells the twin from one that never was.
pub fn own(capabilities: &Capabilities, served: &TypeServed) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    let targets = targets(capabilities);
    for (name, search_type) in &served.parameters {
        match search_type.as_str() {
            "token" if name == "_id" => {
                let name_of = if is_made(&served.name) { &served.name } else { "Patient" };
                criteria.extend([format!("_id=@{name_of}@"), format!("_id=@{name_of}@,other")]);
            }
            "token" => {
                let identifier = encode(&format!("{SYSTEM}|@mark@"));
                criteria.extend([format!("{name}=@mark@"), format!("{name}={identifier}")]);
                criteria.extend([format!("{name}:not={identifier}"), format!("{name}:text=@mark@")]);
            }
            "string" => {
                criteria.push(format!("{name}=@mark@"));
                criteria.extend(["exact", "contains"].map(|modifier| format!("{name}:{modifier}=@mark@")));
            }
            "special" if WORDS.contains(&name.as_str()) => {
                criteria.push(format!("{name}=@mark@"));
                criteria.push(format!("{name}={}", encode("twin \"told @mark@\"")));
            }
            "quantity" => criteria.push(format!("{name}=ge0{}", encode("||@mark@"))),
            "composite" => criteria.push(format!("{name}={}", encode("@mark@$@mark@"))),
            "uri" => {
                let url = "https://leak-kit.example/@mark@";
                criteria.extend([format!("{name}={url}"), format!("{name}:below={url}")]);
            }
            "reference" => {
                criteria.push(format!("{name}:identifier={}", encode(&format!("{SYSTEM}|@mark@"))));
                for target in &targets {
                    criteria.push(format!("{name}={target}/@{target}@"));
                    criteria.push(format!("{name}=@{target}@"));
                    criteria.push(format!("{name}:{target}=@{target}@"));
                }
            }
            _ => {}
        }
    }
    criteria
}

/// Criteria whose values all twins have: what they find must be the permitted twin alone.
pub fn shared(served: &TypeServed) -> Vec<Criterion> {
    let values = values_of(&served.name);
    let mut criteria = vec![String::new()];
    for (name, search_type) in &served.parameters {
        criteria.extend(["true", "false"].map(|missing| format!("{name}:missing={missing}")));
        if WORDS.contains(&name.as_str()) {
            criteria.extend(
                ["twin", "twin%20told", "%22twin%20told%22", "told%20twin", "2026"]
                    .map(|words| format!("{name}={words}")),
            );
        }
        for value in values.get(search_type.as_str()).into_iter().flatten() {
            let value = encode(value);
            criteria.push(format!("{name}={value}"));
            match search_type.as_str() {
                "date" => {
                    let prefixes = ["ge", "lt", "ne", "ap", "sa"];
                    criteria.extend(prefixes.map(|prefix| format!("{name}={prefix}{value}")));
                }
                "number" | "quantity" => {
                    criteria.extend(["ge", "lt", "ne", "ap"].map(|prefix| format!("{name}={prefix}{value}")));
                }
                "token" => criteria.extend(["not", "text"].map(|modifier| format!("{name}:{modifier}={value}"))),
                "string" => {
                    criteria.extend(["exact", "contains"].map(|modifier| format!("{name}:{modifier}={value}")));
                }
                _ => {}
            }
        }
    }
    criteria
}

/// The types that twins have resources of.
pub fn targets(capabilities: &Capabilities) -> Vec<&str> {
    let names = capabilities.types.iter().map(|served| served.name.as_str());
    names.filter(|name| is_made(name)).collect()
}

/// Whether twins have a resource of a type.
pub fn is_made(name: &str) -> bool {
    name == "Consent" || IN_A_RECORD.contains(&name)
}

/// The values in the data of a type, by the type of the parameters that could find them.
fn values_of(resource_type: &str) -> BTreeMap<&'static str, Vec<String>> {
    let mut values: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let everything = consent("active", &provision("permit", "Organization/none", "TREAT"));
    let data = sample(resource_type).unwrap_or(everything);
    collect(&data, "", &mut values);
    values.entry("date").or_default().extend(["2000-01-01".to_owned(), "2026-01-10T09:30:00Z".to_owned()]);
    for list in values.values_mut() {
        list.retain(|value| !value.contains('@'));
        list.sort();
        list.dedup();
    }
    values
}

fn collect(value: &Value, name: &str, values: &mut BTreeMap<&'static str, Vec<String>>) {
    match value {
        Value::Object(members) => {
            if let (Some(system), Some(code)) = (members.get("system"), members.get("code")) {
                let token = format!("{}|{}", system.as_str().unwrap_or_default(), code.as_str().unwrap_or_default());
                values.entry("token").or_default().push(token);
            }
            for (name, value) in members {
                collect(value, name, values);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, values)),
        Value::Bool(is) => values.entry("token").or_default().push(is.to_string()),
        Value::Number(number) => {
            for search_type in ["number", "quantity"] {
                values.entry(search_type).or_default().push(number.to_string());
            }
        }
        Value::String(text) if name == "resourceType" || text.is_empty() => {}
        Value::String(text) => {
            let search_type = match text.as_bytes() {
                [first, ..] if first.is_ascii_digit() && text.contains('-') => "date",
                _ if name == "reference" => "reference",
                _ if text.contains("://") => "uri",
                _ if matches!(name, "code" | "status" | "gender" | "intent" | "type" | "use" | "outcome") => "token",
                _ => "string",
            };
            values.entry(search_type).or_default().push(text.clone());
        }
        Value::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_asked_by_a_mark_of_the_twin_and_by_what_all_twins_say() {
        let parameters = WORDS.map(|name| (name.to_owned(), "special".to_owned())).to_vec();
        let served = TypeServed { name: "Observation".to_owned(), parameters, ..TypeServed::default() };
        let own = own(&Capabilities::default(), &served);
        assert_eq!(own.len(), 4);
        assert!(
            own.iter().all(|criterion| criterion.contains("@mark@") || criterion.contains("%40mark%40")),
            "{own:?}"
        );
        for name in WORDS {
            assert!(shared(&served).contains(&format!("{name}=twin%20told")), "{name}");
        }
    }
}
