//! Where a check is within a resource, written out only where there is something to say.

use std::fmt::Write as _;

/// The most characters of a client's own text that an issue repeats.
const QUOTED_MAX: usize = 40;

/// Where the walk is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    pub(crate) name: &'p str,
    position: Option<usize>,
}

impl<'p> Place<'p> {
    /// The place of a resource.
    pub(crate) fn root(name: &'p str) -> Self {
        Self { parent: None, name, position: None }
    }

    /// The place as `FHIRPath`.
    pub(crate) fn expression(&self) -> String {
        let mut expression = String::new();
        self.write(&mut expression);
        expression
    }

    /// The place of an element within.
    pub(crate) fn child(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), name, position: None }
    }

    /// The place of one item of it.
    pub(crate) fn at(self, position: usize) -> Self {
        Self { position: Some(position), ..self }
    }

    fn write(&self, path: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(path);
            path.push('.');
        }
        match short(self.name) {
            Some(name) => path.push_str(name),
            None => path.push('…'),
        }
        if let Some(position) = self.position {
            // Writing to a string does not fail.
            let _ = write!(path, "[{position}]");
        }
    }
}

/// The text itself where it is short enough to be repeated.
pub(crate) fn short(text: &str) -> Option<&str> {
    (text.chars().nth(QUOTED_MAX).is_none()).then_some(text)
}
