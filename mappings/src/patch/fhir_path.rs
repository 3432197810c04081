//! The little of `FHIRPath` by which a patch names its place: names, indexes, `first()`, `where(name = value)`, `extension('url')`.
//!
//! Whatever else the language has is refused by its name, so that no path means something else here than elsewhere.
//! <https://hl7.org/fhir/R4/fhirpath.html>

use crate::json::tree::{Step, Tree};
use crate::r4::structure::types::{Holds, Type};

/// The longest path that is read.
const PATH_BYTES_MAX: usize = 1_000;
/// The most characters of a path that an error repeats.
const QUOTED_MAX: usize = 60;

/// A path that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// The elements of a name.
    Name(String),
    /// The one at a position of all that was found.
    Index(usize),
    /// Those in which the element at these names has the value.
    Where(Vec<String>, Literal),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Literal {
    Text(String),
    /// A number, `true` or `false`, as in JSON.
    Other(String),
}

/// A place in a resource, and what stands there by the definitions.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) steps: Vec<Step>,
    /// The type of an object; none of a primitive value.
    pub(super) holds: Option<Type>,
}

impl Path {
    /// Reads a path; the error says what of it is not served.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.len() > PATH_BYTES_MAX {
            return Err(format!("a path has at most {PATH_BYTES_MAX} bytes"));
        }
        Reader { rest: text.trim() }.path().map(Self)
    }

    /// The path without its last part, and that part, where it is a name: the list in which something is inserted.
    pub(super) fn list(&self) -> Option<(Self, &str)> {
        match self.0.split_last()? {
            (Part::Name(name), before) => Some((Self(before.to_vec()), name)),
            _ => None,
        }
    }

    /// Every place of a resource to which it leads.
    pub(super) fn places(&self, resource: &Tree) -> Vec<Place> {
        let name = resource.member("resourceType").and_then(Tree::as_text).unwrap_or_default();
        let root = Place { steps: Vec::new(), holds: Type::of_resource(&name) };
        // A path may begin with the type of the resource, or with its elements.
        let begins_with_type = matches!(self.0.first(), Some(Part::Name(first)) if *first == name);
        let mut places = vec![root];
        for part in &self.0[usize::from(begins_with_type)..] {
            places = match part {
                Part::Name(name) => places.iter().flat_map(|place| place.children(resource, name)).collect(),
                Part::Index(index) => places.get(*index).cloned().into_iter().collect(),
                Part::Where(names, literal) => {
                    places.into_iter().filter(|place| place.has(resource, names, literal)).collect()
                }
            };
        }
        places
    }
}

impl Place {
    /// The elements of a name in an object, the items of a list each on its own.
    fn children(&self, resource: &Tree, name: &str) -> Vec<Self> {
        let (Some(object), Some(of)) = (resource.at(&self.steps), self.holds) else { return Vec::new() };
        let mut found = Vec::new();
        for name in of.names(name) {
            let Some(value) = object.member(name) else { continue };
            let holds = of.element(name).and_then(|element| match element.holds {
                Holds::Object(of) => Some(of),
                Holds::Primitive(_) | Holds::Resource => None,
            });
            let at = |step: Option<Step>| {
                let mut steps = self.steps.clone();
                steps.push(Step::Key(name.to_owned()));
                steps.extend(step);
                Self { steps, holds }
            };
            match value {
                Tree::Array(items) => found.extend((0..items.len()).map(|n| at(Some(Step::Index(n))))),
                _ => found.push(at(None)),
            }
        }
        found
    }

    fn has(&self, resource: &Tree, names: &[String], literal: &Literal) -> bool {
        let mut places = vec![self.clone()];
        for name in names {
            places = places.iter().flat_map(|place| place.children(resource, name)).collect();
        }
        let mut values = places.iter().filter_map(|place| resource.at(&place.steps));
        values.any(|value| match literal {
            Literal::Text(text) => value.as_text().as_deref() == Some(text),
            Literal::Other(other) => value.equals(&Tree::Scalar(other.clone())),
        })
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn path(&mut self) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        loop {
            let name = self.name()?;
            if self.takes('(') {
                parts.extend(self.function(&name)?);
            } else {
                parts.push(Part::Name(name));
            }
            while self.takes('[') {
                let index = self.until(']')?;
                let index =
                    index.trim().parse().map_err(|_| format!("'[{}]' is no position in a list", cut(&index)))?;
                parts.push(Part::Index(index));
            }
            if self.rest.is_empty() {
                return Ok(parts);
            }
            if !self.takes('.') {
                return Err(format!("'{}' is not served in the path of a patch", cut(self.rest)));
            }
        }
    }

    fn function(&mut self, name: &str) -> Result<Vec<Part>, String> {
        match name {
            "first" => {
                self.close("first")?;
                Ok(vec![Part::Index(0)])
            }
            "extension" => {
                let url = self.literal()?;
                self.close("extension")?;
                Ok(vec![Part::Name("extension".to_owned()), Part::Where(vec!["url".to_owned()], url)])
            }
            "where" => {
                let mut names = vec![self.name()?];
                while self.takes('.') {
                    names.push(self.name()?);
                }
                self.skip();
                if !self.takes('=') || self.rest.starts_with('=') {
                    return Err("where() takes one comparison here: where(name = 'value')".to_owned());
                }
                let literal = self.literal()?;
                self.close("where")?;
                Ok(vec![Part::Where(names, literal)])
            }
            other => Err(format!("the function {}() is not served in the path of a patch", cut(other))),
        }
    }

    fn close(&mut self, function: &str) -> Result<(), String> {
        self.skip();
        if self.takes(')') { Ok(()) } else { Err(format!("{function}() takes less than that in the path of a patch")) }
    }

    fn literal(&mut self) -> Result<Literal, String> {
        self.skip();
        if !self.takes('\'') {
            let end = self.rest.find([')', ' ']).unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            let is_one = matches!(word, "true" | "false") || word.parse::<f64>().is_ok_and(f64::is_finite);
            if !is_one {
                return Err(format!("'{}' is no text in single quotes, number, true or false", cut(word)));
            }
            self.rest = rest;
            return Ok(Literal::Other(word.to_owned()));
        }
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\'' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Literal::Text(text));
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('\'' | '"' | '\\' | '/' | '`'))) => text.push(escaped),
                    _ => return Err("of the escapes \\' and \\\\ are served in the path of a patch".to_owned()),
                },
                _ => text.push(character),
            }
        }
        Err("a text in the path does not end".to_owned())
    }

    fn name(&mut self) -> Result<String, String> {
        self.skip();
        let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let end = self.rest.find(|character| !is_of_name(character)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(format!("the name of an element must stand before '{}'", cut(self.rest)));
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn until(&mut self, end: char) -> Result<String, String> {
        let (text, rest) = self.rest.split_once(end).ok_or_else(|| format!("a '{end}' is missing in the path"))?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn takes(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

/// The beginning of a client's own text, as an error repeats it.
fn cut(text: &str) -> String {
    text.chars().take(QUOTED_MAX).collect()
}
