//! JSON as it was written: the members of an object with the bytes of their values, for comparing what was sent and answered.

use std::fmt::Formatter;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The members of a resource in their order, each value byte for byte; without `id` and `meta`, which are the gateway's.
///
/// # Panics
/// It is not a JSON object.
pub fn content(json: &[u8]) -> Vec<(String, String)> {
    // A byte order mark is no part of the JSON; some of the published examples begin with one.
    let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
    let Members(mut members) = serde_json::from_slice(json).expect("a resource is a JSON object");
    members.retain(|(name, _)| name != "id" && name != "meta");
    members
}

#[cfg(test)]
mod tests {
    use super::content;

    #[test]
    fn numbers_escapes_and_white_space_stay_as_they_were_written() {
        let members = content(br#"{"id":"1","value": 1.00, "text" :"\u00e9","list":[ 1 ],"meta":{}}"#);
        let text: Vec<String> = members.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(text, ["value=1.00", r#"text="\u00e9""#, "list=[ 1 ]"]);
    }
}
