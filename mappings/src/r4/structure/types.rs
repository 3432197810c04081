//! The types of R4 as a walk along their elements: what may stand where, and under which name.

use super::table::{Content, Node, Table};
use crate::r4::primitive::Primitive;

/// A resource type, a data type or a backbone element.
#[derive(Clone, Copy)]
pub struct Type(&'static Node);

/// One element of a type, under its name in JSON.
#[derive(Clone, Copy)]
pub struct ElementType {
    /// The name in JSON.
    pub name: &'static str,
    /// Whether it is a list.
    pub repeats: bool,
    /// What it holds.
    pub holds: Holds,
}

/// What an element holds.
#[derive(Clone, Copy)]
pub enum Holds {
    /// A primitive value.
    Primitive(Primitive),
    /// An object of this type.
    Object(Type),
    /// Any resource.
    Resource,
}

impl Type {
    /// A resource type.
    pub fn of_resource(name: &str) -> Option<Self> {
        Table::of_r4().resource(name).map(Self)
    }

    /// A type of this name, or the backbone element of this path.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Table::of_r4().node_at(name).map(Self)
    }

    /// What an element of this path holds, as far as it is no choice.
    pub(crate) fn at(path: &str) -> Option<Holds> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let mut holds = Holds::Object(Self::named(first)?);
        for name in rest.split('.').filter(|name| !name.is_empty()) {
            let Holds::Object(of) = holds else { return None };
            holds = of.element(name)?.holds;
        }
        Some(holds)
    }

    /// Its name, of a backbone element its path.
    pub fn name(self) -> &'static str {
        self.0.path
    }

    /// The element of a name in JSON, a choice spelt with its type.
    pub fn element(self, name: &str) -> Option<ElementType> {
        self.0.element(name).map(|element| ElementType {
            name: &element.name,
            repeats: element.repeats,
            holds: match element.content {
                Content::Primitive(primitive) => Holds::Primitive(primitive),
                Content::Node(index) => Holds::Object(Self(Table::of_r4().node(index))),
                Content::Resource => Holds::Resource,
            },
        })
    }

    /// The names in JSON that an element of this name may have: its own, or those of a choice.
    pub fn names(self, name: &str) -> Vec<&'static str> {
        let elements = self.0.elements().iter();
        let is_meant = |slot: &str| slot == name || slot.strip_suffix("[x]") == Some(name);
        elements
            .filter(|element| is_meant(self.0.slots[usize::from(element.slot)]))
            .map(|element| &*element.name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Holds, Type};
    use crate::r4::primitive::Primitive;

    #[test]
    fn a_walk_follows_the_definitions() {
        let patient = Type::of_resource("Patient").expect("it is one");
        let name = patient.element("name").expect("it has names");
        assert!(name.repeats);
        let Holds::Object(human_name) = name.holds else { panic!("a name is an object") };
        assert_eq!(human_name.name(), "HumanName");
        assert!(human_name.element("given").is_some_and(|given| given.repeats));
        let birth = patient.element("birthDate").expect("it has one");
        assert!(matches!(birth.holds, Holds::Primitive(Primitive::Date)) && !birth.repeats);
        assert_eq!(patient.names("deceased"), ["deceasedBoolean", "deceasedDateTime"]);
        assert_eq!(patient.names("birthDate"), ["birthDate"]);
        assert!(patient.names("deceasedBoolean").is_empty() && patient.element("deceased").is_none());
        assert!(Type::of_resource("HumanName").is_none());
    }
}
