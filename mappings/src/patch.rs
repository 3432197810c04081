//! Patches of a resource, applied to its text: what a patch does not name stays as it was written.
//!
//! JSON Patch (<https://www.rfc-editor.org/rfc/rfc6902>) and `FHIRPath` Patch (<https://hl7.org/fhir/R4/fhirpatch.html>), as the interaction
//! asks (<https://hl7.org/fhir/R4/http.html#patch>). A ready library would edit parsed values, and so change decimals that nobody named.

mod fhir_path;
mod json_patch;
mod parameters;

use crate::json::tree::Tree;
use crate::json::{JsonError, Limits, parse_list};

/// How much of a patch is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchLimits {
    /// The deepest nesting of its JSON.
    pub depth_max: usize,
    /// The most operations.
    pub operations_max: usize,
    /// The longest resource that may come of it.
    pub bytes_max: usize,
}

/// Why a patch is not applied. No variant repeats anything of the resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is not JSON that we take.
    #[error("{0}")]
    Json(JsonError),
    /// It is JSON, and no patch.
    #[error("{details}")]
    Malformed {
        /// The part of the patch.
        expression: String,
        /// What is wrong and the way out.
        details: String,
    },
    /// More operations, or a longer resource, than the limits allow.
    #[error("{0}")]
    TooMuch(String),
    /// Something of the path language, or of the form of a value, that is not served.
    #[error("{details}")]
    NotServed {
        /// The part of the patch.
        expression: String,
        /// What, by its name.
        details: String,
    },
    /// A `test` fails, or there is nothing where the patch leads.
    #[error("{details}")]
    DoesNotApply {
        /// The part of the patch.
        expression: String,
        /// Why.
        details: String,
    },
}

/// A patch that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    operations: Operations,
    bytes_max: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operations {
    Json(Vec<json_patch::Operation>),
    FhirPath(Vec<parameters::Operation>),
}

impl Patch {
    /// Reads a JSON Patch.
    ///
    /// # Errors
    /// What is no patch, and more operations than the limit.
    pub fn of_json(bytes: &[u8], limits: PatchLimits) -> Result<Self, PatchError> {
        let json = Limits { depth_max: limits.depth_max, ..Limits::default() };
        parse_list(bytes, json).map_err(PatchError::Json)?;
        let tree = Tree::read(std::str::from_utf8(bytes).unwrap_or_default());
        within(tree.items().len(), limits)?;
        let operations = Operations::Json(json_patch::read(&tree)?);
        Ok(Self { operations, bytes_max: limits.bytes_max })
    }

    /// Reads a `FHIRPath` Patch from a Parameters resource, whose structure was checked.
    ///
    /// # Errors
    /// What is no patch, and more operations than the limit.
    pub fn of_parameters(text: &str, limits: PatchLimits) -> Result<Self, PatchError> {
        let tree = Tree::read(text);
        within(tree.member("parameter").map_or(0, |parameters| parameters.items().len()), limits)?;
        let operations = Operations::FhirPath(parameters::read(&tree)?);
        Ok(Self { operations, bytes_max: limits.bytes_max })
    }

    /// The text of the resource after the patch, whole or not at all. What comes of it is a resource only where its structure says so: check it.
    ///
    /// # Errors
    /// [`PatchError::DoesNotApply`], [`PatchError::NotServed`], [`PatchError::TooMuch`].
    pub fn apply(&self, resource: &str) -> Result<String, PatchError> {
        let before = Tree::read(resource);
        let mut tree = before.clone();
        let mut room = Room(self.bytes_max.saturating_sub(tree.bytes()));
        match &self.operations {
            Operations::Json(operations) => {
                for (n, operation) in operations.iter().enumerate() {
                    json_patch::apply(&mut tree, operation, n, &mut room)?;
                }
            }
            Operations::FhirPath(operations) => {
                for (n, operation) in operations.iter().enumerate() {
                    parameters::apply(&mut tree, operation, n, &mut room)?;
                }
            }
        }
        keep_frame(&before, &tree)?;
        mind_narrative(&before, &mut tree)?;
        Ok(tree.write())
    }
}

/// How many bytes may still come to a resource. What is taken away gives none back, so that a patch ends whatever it says.
struct Room(usize);

impl Room {
    fn take(&mut self, value: &Tree) -> Result<(), PatchError> {
        let left = self.0.checked_sub(value.bytes());
        self.0 =
            left.ok_or_else(|| PatchError::TooMuch("the resource would be longer than is taken here".to_owned()))?;
        Ok(())
    }
}

fn within(operations: usize, limits: PatchLimits) -> Result<(), PatchError> {
    if operations > limits.operations_max {
        let details = format!("a patch has at most {} operations: send it in parts", limits.operations_max);
        return Err(PatchError::TooMuch(details));
    }
    Ok(())
}

/// Neither the type nor the id of a resource changes.
fn keep_frame(before: &Tree, after: &Tree) -> Result<(), PatchError> {
    for name in ["resourceType", "id"] {
        let is_kept = match (before.member(name), after.member(name)) {
            (Some(before), Some(after)) => before.equals(after),
            (before, after) => before.is_none() && after.is_none(),
        };
        if !is_kept {
            let details = format!("a patch leaves the {name} of a resource as it is");
            return Err(PatchError::DoesNotApply { expression: name.to_owned(), details });
        }
    }
    Ok(())
}

/// A text that tells of what was before would mislead whoever reads it: one that was made from the data goes, any other must be patched too.
///
/// <https://hl7.org/fhir/R4/http.html#patch>
fn mind_narrative(before: &Tree, after: &mut Tree) -> Result<(), PatchError> {
    let Some(text) = after.member("text").filter(|text| before.member("text") == Some(text)) else { return Ok(()) };
    if before.equals(after) {
        return Ok(());
    }
    match text.member("status").and_then(Tree::as_text).as_deref() {
        Some("empty") => {}
        Some("generated") => {
            if let Tree::Object(members) = after {
                members.retain(|(name, _)| name != "text");
            }
        }
        _ => {
            let details =
                "the text of this resource says more than its data: patch it too, or send the whole resource by PUT";
            return Err(PatchError::DoesNotApply { expression: "text".to_owned(), details: details.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
