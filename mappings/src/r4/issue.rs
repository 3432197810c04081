//! What is wrong with a resource, in the words of an `OperationOutcome`, whoever finds it.

use std::borrow::Cow;

/// One thing that is wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentIssue {
    /// The element, such as `Patient.name[0].use`.
    pub expression: String,
    /// The kind of fault.
    pub code: IssueCode,
    /// The rule that is broken, by the key under which `docs/validation.md` has it.
    pub rule: Cow<'static, str>,
    /// What is wrong and the way out. Repeats a bad value only where it is short.
    pub details: String,
}

/// The kind of a [`ContentIssue`].
///
/// # Source
/// <https://hl7.org/fhir/R4/valueset-issue-type.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueCode {
    /// An element that does not exist, or in the wrong JSON form.
    Structure,
    /// A required element is missing.
    Required,
    /// A primitive value that its type does not take, or not the value that a profile fixes.
    Value,
    /// A code outside a required value set.
    CodeInvalid,
    /// A rule of the standard about several elements.
    Invariant,
    /// An extension where it may not be.
    Extension,
    /// What is named cannot be found.
    NotFound,
    /// More than is looked at.
    TooCostly,
}

impl IssueCode {
    /// The code in an `OperationOutcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::CodeInvalid => "code-invalid",
            Self::Invariant => "invariant",
            Self::Extension => "extension",
            Self::NotFound => "not-found",
            Self::TooCostly => "too-costly",
        }
    }
}

/// The keys of the rules about structure. Stable: programs may tell issues apart by them.
pub mod rule {
    /// Not a JSON object, or not the JSON form that the element has.
    pub const JSON_FORM: &str = "json-form";
    /// `resourceType` is missing or unknown.
    pub const RESOURCE_TYPE: &str = "resource-type";
    /// The type has no such element.
    pub const UNKNOWN_ELEMENT: &str = "unknown-element";
    /// A required element is missing.
    pub const MIN: &str = "cardinality-min";
    /// An element that does not repeat has an array.
    pub const MAX: &str = "cardinality-max";
    /// A choice is given in two types.
    pub const CHOICE: &str = "choice-once";
    /// The value has not the form of its primitive type.
    pub const PRIMITIVE: &str = "primitive-form";
    /// A value and its `_` sibling do not belong together.
    pub const SIBLING: &str = "primitive-sibling";
    /// A code is not in the required value set.
    pub const BINDING: &str = "required-binding";
    /// A reference to a type that the element does not take.
    pub const TARGET: &str = "reference-target";
    /// A reference to something contained that is not there.
    pub const CONTAINED: &str = "ref-1";
    /// A `SimpleQuantity` has no comparator.
    pub const SIMPLE_QUANTITY: &str = "sqty-1";
    /// An element has a value or children.
    pub const ELEMENT: &str = "ele-1";
    /// An extension has a value or extensions.
    pub const EXTENSION: &str = "ext-1";
    /// What is contained contains nothing.
    pub const NESTED: &str = "dom-2";
    /// The invariants take more work than is done.
    pub const COSTLY: &str = "too-costly";
}
