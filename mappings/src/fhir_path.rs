//! `FHIRPath` as invariants use it: read once, evaluated over a resource where it lies, without a copy of it.
//!
//! <https://hl7.org/fhirpath/N1/> and what FHIR adds to it, <https://hl7.org/fhir/R4/fhirpath.html>. Nothing is resolved and no terminology is
//! asked, so what needs these (`resolve`, `memberOf`, `htmlChecks`, `conformsTo`) is not served, and neither are quantities and today's
//! date. Who reads an expression is told by name what of it is not served. What cannot be said (of something that is not there, of two
//! dates of different precision) is neither true nor false.

mod call;
mod evaluate;
mod function;
mod item;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use std::cell::Cell;

pub(crate) use item::Node;

use evaluate::Evaluation;
use parser::Tree;

/// An expression that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression(Tree);

/// What of an expression is not served, or no `FHIRPath` at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not served")]
pub(crate) struct Unserved(String);

/// How much is looked at for one resource, whatever its size and however its expressions are nested.
#[derive(Debug)]
pub(crate) struct Steps(Cell<usize>);

/// The most elements that are looked at for one resource. Official examples take up to a third of it.
const STEPS_MAX: usize = 1_000_000;

impl Steps {
    pub(crate) fn new() -> Self {
        Self(Cell::new(STEPS_MAX))
    }

    /// Whether there were none left: what was asked last was not answered.
    pub(crate) fn are_over(&self) -> bool {
        self.0.get() == 0
    }

    fn take(&self, count: usize) -> bool {
        self.0.set(self.0.get().saturating_sub(count));
        !self.are_over()
    }
}

/// The resources in which an expression is evaluated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resources<'v> {
    /// `%resource`: the one in which the element stands.
    pub(crate) own: Node<'v>,
    /// `%rootResource`: the one that contains that, or the same.
    pub(crate) root: Node<'v>,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Names what of it is not served.
    pub(crate) fn read(text: &str) -> Result<Self, Unserved> {
        parser::read(text).map(Self).map_err(Unserved)
    }

    /// Whether it holds of an element; none where that cannot be said.
    pub(crate) fn holds<'v>(&self, of: Node<'v>, within: Resources<'v>, steps: &Steps) -> Option<bool> {
        let holds = Evaluation { within, context: of, steps }.holds(&self.0);
        // What was left out of it for want of steps may have changed it.
        holds.filter(|_| !steps.are_over())
    }
}
