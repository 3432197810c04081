//! The operations (`$name`), a file each in the folder beside this one, and what they have in common.
//!
//! <https://hl7.org/fhir/R4/operations.html>

pub mod access_log;
pub mod asynchronous;
pub mod break_glass;
mod compartment;
pub mod conflicts;
pub mod crisis_disclosure;
pub mod dossier;
pub mod emergency;
pub mod everything;
pub mod explain;
pub mod export;
pub mod import;
pub mod link_code;
pub mod matching;
pub mod meta;
pub mod review_emergency;
pub mod subscription;
pub mod terminology;
pub mod validate;
mod value_set;
pub mod who_can_see;
pub mod withdraw;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::answer::json as json_answer;
use super::content::read_of_type;
use super::exchange::{Exchange, Target};
use super::search::pairs_of;
use crate::access::caller::Act;
use crate::access::{Caller, Draft};
use crate::audit::AuditEvent;
use crate::error::{Failure, Issue};
use crate::storage::facts::RecordFacts;
use crate::storage::resource::Touched;
use crate::storage::sight::Level;
use crate::storage::write_set::ResourceKey;
use mappings::r4::primitive::is_id;

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

    /// Reads what an operation was asked, by the query, by a body, or by both; each parameter at most once.
    ///
    /// # Errors
    /// As [`Parameters::read`]; 400 for a parameter that is not among `known`: what is not understood is not ignored.
    pub async fn asked(exchange: &Exchange, body: Body, known: &[&str]) -> Result<Self, Failure> {
        let bytes = exchange.bytes(body).await?;
        let bytes = if bytes.is_empty() { bytes } else { exchange.body(Body::from(bytes)).await? };
        let mut parameters = Self::read(&bytes, exchange.app.limits.nesting_max)?;
        let pairs = exchange.uri.query().map(pairs_of).unwrap_or_default();
        let sent = pairs.into_iter().filter(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"));
        parameters.0.extend(sent.map(|(name, value)| json!({"name": name, "valueString": value})));
        let mut seen: Vec<&str> = Vec::new();
        for member in &parameters.0 {
            let name = member.get("name").and_then(Value::as_str).unwrap_or_default();
            let details = if seen.contains(&name) {
                Some("may be given once".to_owned())
            } else {
                (!known.contains(&name)).then(|| format!("is not served here: {} are", known.join(", ")))
            };
            if let Some(details) = details {
                let expression = format!("Parameters.parameter:{}", name.chars().take(64).collect::<String>());
                return Err(Failure::BadRequest(vec![Issue::at(expression, "not-supported", details)]));
            }
            seen.push(name);
        }
        Ok(parameters)
    }

    /// The id in a parameter `Type/<id>`, sent as a reference or as a text; none where it is absent.
    ///
    /// # Errors
    /// 422 where it is no such reference.
    pub fn id_of<'p>(&'p self, name: &str, resource_type: &str) -> Result<Option<&'p str>, Failure> {
        let Some(reference) = self.reference(name).or_else(|| self.text(name)) else { return Ok(None) };
        let id = reference.strip_prefix(resource_type).and_then(|rest| rest.strip_prefix('/'));
        id.filter(|id| is_id(id)).map(Some).ok_or_else(|| {
            let details = format!("must be a reference of the form {resource_type}/<id>");
            Failure::content(format!("Parameters.parameter:{name}"), "value", details)
        })
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

    /// A member that is true or false, sent as such or as a text; absent is false, and none is neither.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.all(name).next() {
            None => Some(false),
            Some(member) => member.get("valueBoolean").and_then(Value::as_bool).or_else(|| match self.text(name) {
                Some("true") => Some(true),
                Some("false") => Some(false),
                _ => None,
            }),
        }
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

/// The Patient resource of a record.
pub fn patient_key(patient: &str) -> ResourceKey {
    ResourceKey { compartment: patient.to_owned(), resource_type: "Patient", id: patient.to_owned() }
}

/// A record for an operation that is its custodian's, with what would be read of it.
///
/// # Errors
/// 404 where the caller does not hold the record with sight, or its practitioner is kept from it or does not see Consents: as if
/// there were none.
pub async fn held<'d>(
    draft: &'d mut Draft<'_>,
    target: &mut Target,
    patient: &str,
) -> Result<&'d RecordFacts, Failure> {
    "Patient".clone_into(&mut target.resource_type);
    patient.clone_into(&mut target.id);
    draft.record(patient).await?;
    // A data-protection officer is told about a record, and reads nothing of it.
    let is_told = draft.caller.role().sees("Consent") || draft.caller.is_dpo();
    let is_seen = draft.holds(patient) && is_told;
    if !is_seen || draft.is_kept_from(patient).await? {
        return Err(Failure::NotFound);
    }
    draft.record(patient).await?.map(|record| &record.facts).ok_or(Failure::NotFound)
}

/// Answers a Parameters resource after it is on record that something of the record was shown.
///
/// # Errors
/// The trail cannot be written: then nothing is shown.
pub async fn show(
    exchange: &Exchange,
    caller: &Caller,
    act: Act,
    patient: &str,
    members: Vec<Value>,
) -> Result<Response<Body>, Failure> {
    on_record(exchange, caller, act, patient).await?;
    Ok(parameters(&members))
}

/// Puts it on record that something is done about the record: before it is, for what is nowhere on record is not done.
///
/// # Errors
/// The trail cannot be written.
pub async fn on_record(exchange: &Exchange, caller: &Caller, act: Act, patient: &str) -> Result<(), Failure> {
    Ok(exchange.app.store.record_only(vec![shown(caller, act, patient)]).await?)
}

/// A Parameters resource with these members, of what is on record.
pub fn parameters(members: &[Value]) -> Response<Body> {
    let parameters = json!({"resourceType": "Parameters", "parameter": members});
    json_answer(StatusCode::OK, parameters.to_string())
}

fn shown(caller: &Caller, act: Act, patient: &str) -> AuditEvent {
    let touched = Touched {
        compartment: patient.to_owned(),
        resource_type: "Patient".to_owned(),
        resource_id: patient.to_owned(),
        version_id: 0,
        level: Level::Held,
    };
    caller.shown(act, &touched)
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
