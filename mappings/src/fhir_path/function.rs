//! The functions that are served.

/// A function of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    All,
    AllTrue,
    AnyTrue,
    Children,
    Combine,
    Contains,
    Count,
    Descendants,
    Distinct,
    Empty,
    EndsWith,
    Exclude,
    Exists,
    Extension,
    First,
    HasValue,
    Iif,
    IndexOf,
    Intersect,
    IsDistinct,
    Last,
    Length,
    Lower,
    Matches,
    Not,
    Replace,
    ReplaceMatches,
    Select,
    Single,
    Skip,
    StartsWith,
    SubsetOf,
    Substring,
    Tail,
    Take,
    ToInteger,
    ToText,
    Trace,
    Union,
    Upper,
    Value,
    Where,
}

/// Each with the fewest and the most arguments that it takes.
const NAMED: &[(&str, Function, usize, usize)] = &[
    ("all", Function::All, 1, 1),
    ("allTrue", Function::AllTrue, 0, 0),
    ("anyTrue", Function::AnyTrue, 0, 0),
    ("children", Function::Children, 0, 0),
    ("combine", Function::Combine, 1, 1),
    ("contains", Function::Contains, 1, 1),
    ("count", Function::Count, 0, 0),
    ("descendants", Function::Descendants, 0, 0),
    ("distinct", Function::Distinct, 0, 0),
    ("empty", Function::Empty, 0, 0),
    ("endsWith", Function::EndsWith, 1, 1),
    ("exclude", Function::Exclude, 1, 1),
    ("exists", Function::Exists, 0, 1),
    ("extension", Function::Extension, 1, 1),
    ("first", Function::First, 0, 0),
    ("getValue", Function::Value, 0, 0),
    ("hasValue", Function::HasValue, 0, 0),
    ("iif", Function::Iif, 2, 3),
    ("indexOf", Function::IndexOf, 1, 1),
    ("intersect", Function::Intersect, 1, 1),
    ("isDistinct", Function::IsDistinct, 0, 0),
    ("last", Function::Last, 0, 0),
    ("length", Function::Length, 0, 0),
    ("lower", Function::Lower, 0, 0),
    ("matches", Function::Matches, 1, 1),
    ("not", Function::Not, 0, 0),
    ("replace", Function::Replace, 2, 2),
    ("replaceMatches", Function::ReplaceMatches, 2, 2),
    ("select", Function::Select, 1, 1),
    ("single", Function::Single, 0, 0),
    ("skip", Function::Skip, 1, 1),
    ("startsWith", Function::StartsWith, 1, 1),
    ("subsetOf", Function::SubsetOf, 1, 1),
    ("substring", Function::Substring, 1, 2),
    ("tail", Function::Tail, 0, 0),
    ("take", Function::Take, 1, 1),
    ("toInteger", Function::ToInteger, 0, 0),
    ("toString", Function::ToText, 0, 0),
    ("trace", Function::Trace, 1, 2),
    ("union", Function::Union, 1, 1),
    ("upper", Function::Upper, 0, 0),
    ("where", Function::Where, 1, 1),
];

impl Function {
    /// The function of a name that takes so many arguments.
    pub(super) fn named(name: &str, arguments: usize) -> Option<Self> {
        let is_meant = |(own, _, fewest, most): &&(&str, Self, usize, usize)| {
            *own == name && (*fewest..=*most).contains(&arguments)
        };
        NAMED.iter().find(is_meant).map(|(_, function, ..)| *function)
    }
}
