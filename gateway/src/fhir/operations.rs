//! The operations (`$name`), a file each in the folder beside this one, and what they have in common.
//!
//! <https://hl7.org/fhir/R4/operations.html>

pub mod access_log;
pub mod break_glass;
pub mod crisis_disclosure;
pub mod emergency;
pub mod review_emergency;

use serde_json::Value;

use super::content::read_of_type;
use crate::error::{Failure, Issue};

/// What an operation was sent: the members of a Parameters resource.
#[derive(Debug)]
pub struct Parameters(Vec<Value>);

impl Parameters {
    /// Reads a Parameters resource; an empty body has none.
    ///
    /// # Errors
    /// As [`read_of_type`].
    pub fn read(bytes: &[u8], depth_max: usize) -> Result<Self, Failure> {
        if bytes.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let mut value = read_of_type(bytes, "Parameters", depth_max)?.value;
        let members = value.get_mut("parameter").map(Value::take);
        Ok(Self(members.and_then(|members| members.as_array().cloned()).unwrap_or_default()))
    }

    /// Holds the parameters to these names, each sent once at most unless it is among those that repeat: what would be passed
    /// over is refused.
    ///
    /// # Errors
    /// 422 that says which member is not understood.
    pub fn are_only(&self, once: &[&str], repeating: &[&str]) -> Result<(), Failure> {
        for (n, member) in self.0.iter().enumerate() {
            let name = member.get("name").and_then(Value::as_str).unwrap_or_default();
            let is_repeat = once.contains(&name) && self.all(name).count() > 1;
            if is_repeat || !(once.contains(&name) || repeating.contains(&name)) {
                let details = "this parameter is not known here, or was sent twice";
                return Err(Failure::content(format!("Parameters.parameter[{n}].name"), "business-rule", details));
            }
        }
        Ok(())
    }

    /// Every member of this name.
    pub fn all<'p>(&'p self, name: &str) -> impl Iterator<Item = &'p Value> {
        let is_named = |member: &&Value| member.get("name").and_then(Value::as_str) == Some(name);
        self.0.iter().filter(is_named).collect::<Vec<_>>().into_iter()
    }

    /// The text of the first member of this name, whichever primitive type it was sent as; blank counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        let member = self.all(name).next()?.as_object()?;
        let (_, value) = member.iter().find(|(key, value)| key.starts_with("value") && value.is_string())?;
        value.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// The literal reference of the first member of this name.
    pub fn reference(&self, name: &str) -> Option<&str> {
        self.all(name).next()?.pointer("/valueReference/reference")?.as_str()
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// 422 that names the parameter.
    pub fn required(&self, name: &str) -> Result<&str, Failure> {
        self.text(name).ok_or_else(|| missing(name))
    }
}

/// The refusal of an operation that lacks a parameter.
pub fn missing(name: &str) -> Failure {
    let details = format!("the parameter {name} is required, and must not be blank");
    Failure::Unprocessable(vec![Issue::at(format!("Parameters.parameter:{name}"), "required", details)])
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    #[test]
    fn blank_texts_are_absent_and_other_types_are_no_texts() {
        let sent = br#"{"resourceType": "Parameters", "parameter": [{"name": "a", "valueString": "  "},
            {"name": "b", "valueInteger": 3}, {"name": "c", "valueCode": "x"},
            {"name": "d", "valueReference": {"reference": "Patient/1"}}]}"#;
        let parameters = Parameters::read(sent, 64).expect("well-formed");
        assert_eq!((parameters.text("a"), parameters.text("b"), parameters.text("c")), (None, None, Some("x")));
        assert_eq!(parameters.reference("d"), Some("Patient/1"));
        assert!(parameters.required("a").is_err());
        assert!(
            parameters.are_only(&["a", "b", "c", "d"], &[]).is_ok()
                && parameters.are_only(&["a", "b"], &["c"]).is_err()
        );
        assert!(Parameters::read(b"", 64).is_ok_and(|none| none.text("a").is_none()));
    }
}
