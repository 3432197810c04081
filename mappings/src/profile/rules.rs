//! The compiled form of a profile: for each element only what it asks beyond base R4.

use serde_json::Value;

use crate::fhir_path::Expression;

/// What is asked of one item of an element.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rules {
    /// Exactly this value.
    pub(super) fixed: Option<Value>,
    /// At least what is in this value.
    pub(super) pattern: Option<Value>,
    /// A code of this value set.
    pub(super) binding: Option<usize>,
    /// One of these types; empty: any that base R4 takes.
    pub(super) types: Vec<TypeRule>,
    /// The most characters.
    pub(super) length_max: Option<usize>,
    /// What is asked of several elements together.
    pub(super) invariants: Vec<Invariant>,
    /// What is asked of the elements within.
    pub(super) children: Vec<Child>,
}

impl Rules {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is asked of several elements together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invariant {
    pub(super) key: String,
    /// In words.
    pub(super) human: String,
    pub(super) expression: Expression,
    /// The name or path of the type of the element; empty where it is one of several.
    pub(super) kind: String,
}

/// One type that is taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TypeRule {
    /// Its name.
    pub(super) code: String,
    /// One of these profiles is to be fulfilled; empty: none.
    pub(super) profiles: Vec<usize>,
    /// For a Reference: the types that it may be to; empty: any.
    pub(super) targets: Vec<String>,
}

/// An element within another.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Child {
    /// Its name; of a choice, without the type.
    pub(super) name: String,
    pub(super) is_choice: bool,
    pub(super) group: Group,
}

/// Items that belong together: those of an element, or those of a slice.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Group {
    pub(super) min: usize,
    /// None: any number.
    pub(super) max: Option<usize>,
    pub(super) rules: Rules,
    pub(super) slicing: Option<Slicing>,
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.min == 0 && self.max.is_none() && self.rules.is_empty() && self.slicing.is_none()
    }
}

/// How items are told apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slicing {
    /// Whether an item must belong to a slice.
    pub(super) is_closed: bool,
    /// Whether the slices come in their order.
    pub(super) is_ordered: bool,
    pub(super) slices: Vec<Slice>,
}

/// Some of the items.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slice {
    pub(super) name: String,
    /// An item belongs to it if all of these say so.
    pub(super) matchers: Vec<Matcher>,
    pub(super) group: Group,
}

/// By what an item is known to belong to a slice: something at a path from it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matcher {
    pub(super) path: Vec<Step>,
    pub(super) asks: Asks,
}

/// What must be found at the path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asks {
    /// Something that fulfils these.
    Value(Box<Rules>),
    /// Something, or nothing.
    Exists(bool),
    /// Something of one of these types.
    Type(Vec<String>),
    /// Something that fulfils one of these profiles.
    Profile(Vec<usize>),
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// To the element of this name; of a choice, in any type.
    Child(String),
    /// To the extension of this URL.
    Extension(String),
    /// Stays, where the value is of this type.
    OfType(String),
}

/// Where an extension may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Context {
    /// On this element or type.
    Element(String),
    /// Within the extension of this URL.
    Extension(String),
    /// Somewhere that is not evaluated.
    Other,
}
