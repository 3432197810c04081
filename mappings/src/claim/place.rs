//! A place in a resource: its value, and the path by which an error names it.

use serde_json::Value;

use super::{ElementIssue, Insurer};
use crate::billing::{Cents, Date};
use crate::identifiers::{NIHDI_ORGANIZATION_SYSTEM, NIHDI_PROFESSIONAL_SYSTEM, NIHDI_SYSTEM, Nihdi};

/// More errors than these help nobody.
const ISSUES_MAX: usize = 100;

/// An element that is there.
#[derive(Clone, Debug)]
pub(super) struct Place<'v> {
    pub(super) value: &'v Value,
    pub(super) path: String,
}

impl<'v> Place<'v> {
    pub(super) fn child(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name)?;
        Some(Self { value, path: format!("{}.{name}", self.path) })
    }

    /// The items of an array; of something else than an array there are none.
    pub(super) fn items(&self, name: &str) -> Vec<Self> {
        let items = self.value.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let place = |(n, value)| Self { value, path: format!("{}.{name}[{n}]", self.path) };
        items.iter().enumerate().map(place).collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<&'v str> {
        self.value.get(name).and_then(Value::as_str)
    }

    /// A text further down, by a JSON pointer.
    pub(super) fn at(&self, pointer: &str) -> Option<&'v str> {
        self.value.pointer(pointer).and_then(Value::as_str)
    }

    pub(super) fn positive(&self, name: &str) -> Option<u32> {
        let number = self.value.get(name).and_then(Value::as_u64)?;
        u32::try_from(number).ok().filter(|number| *number > 0)
    }
}

/// What is wrong, as it is found.
#[derive(Debug, Default)]
pub(super) struct Issues(pub(super) Vec<ElementIssue>);

impl Issues {
    pub(super) fn add(&mut self, expression: impl Into<String>, code: &'static str, details: &str) {
        let issue = ElementIssue { expression: expression.into(), code, details: details.to_owned() };
        // What several items refer to is wrong once.
        if self.0.len() < ISSUES_MAX && !self.0.contains(&issue) {
            self.0.push(issue);
        }
    }

    /// The resource, whose type must be this.
    pub(super) fn resource<'v>(&mut self, value: &'v Value, resource_type: &str) -> Place<'v> {
        if value.get("resourceType").and_then(Value::as_str) != Some(resource_type) {
            self.add("resourceType", "structure", &format!("this is no {resource_type}"));
        }
        Place { value, path: resource_type.to_owned() }
    }

    /// Whatever is not among what is read has no place in what is billed, and would be lost.
    pub(super) fn nothing_beside(&mut self, place: &Place<'_>, read: &[&str]) {
        for name in place.value.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !read.contains(&name.as_str()) {
                let details = "it has no place in what is billed: send the Claim without";
                self.add(format!("{}.{name}", place.path), "not-supported", details);
            }
        }
    }

    /// `Type/id` of a reference that must be there.
    pub(super) fn reference(&mut self, place: &Place<'_>, name: &str) -> Option<String> {
        let reference = place.child(name).and_then(|child| child.text("reference").map(str::to_owned));
        if reference.is_none() {
            self.add(format!("{}.{name}.reference", place.path), "required", "a reference is needed here");
        }
        reference
    }

    /// A day that must be whole.
    pub(super) fn day(&mut self, place: &Place<'_>, name: &str) -> Option<Date> {
        let text = place.text(name)?;
        let day = Date::of_date_time(text);
        if day.is_none() {
            self.add(format!("{}.{name}", place.path), "value", "a whole day is needed, such as 2026-03-01");
        }
        day
    }

    /// Money in euro, of whole cents and not below zero.
    pub(super) fn money(&mut self, place: &Place<'_>) -> Option<Cents> {
        if place.text("currency").is_some_and(|currency| currency != "EUR") {
            self.add(format!("{}.currency", place.path), "value", "amounts are in EUR");
            return None;
        }
        let cents = place.value.get("value").and_then(cents);
        if cents.is_none() {
            self.add(
                format!("{}.value", place.path),
                "value",
                "an amount is not below zero and has at most two decimals",
            );
        }
        cents
    }

    /// The NIHDI number behind a reference: its own identifier, or what is handed in for it.
    pub(super) fn nihdi(&mut self, place: &Place<'_>, nihdi_of: &dyn Fn(&str) -> Option<Nihdi>) -> Option<Nihdi> {
        let Some(identifier) = place.child("identifier") else {
            let found = place.text("reference").and_then(nihdi_of).filter(|nihdi| nihdi.qualification().is_some());
            if found.is_none() {
                let details = "a NIHDI number of 11 digits is needed: as identifier, or in the resource referred to";
                self.add(place.path.clone(), "required", details);
            }
            return found;
        };
        let number = nihdi_in(identifier.value);
        if number.is_none() {
            let details = "a NIHDI number of 11 digits whose check digits hold is needed";
            self.add(format!("{}.value", identifier.path), "value", details);
        }
        number
    }

    /// Who insures.
    pub(super) fn insurer(&mut self, place: &Place<'_>) -> Option<Insurer> {
        let (system, value) = (place.at("/identifier/system"), place.at("/identifier/value"));
        let insurer = system.zip(value).and_then(|(system, value)| Insurer::of(system, value));
        if insurer.is_none() {
            let details =
                "the insurer is named by the number of a mutuality or care fund: three digits, with their system";
            self.add(format!("{}.identifier", place.path), "value", details);
        }
        insurer
    }

    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<ElementIssue>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}

/// The NIHDI number of an Identifier, where it is one of eleven digits whose check digits hold.
pub(super) fn nihdi_in(identifier: &Value) -> Option<Nihdi> {
    let system = identifier.get("system").and_then(Value::as_str)?;
    let is_nihdi = [NIHDI_SYSTEM, NIHDI_PROFESSIONAL_SYSTEM, NIHDI_ORGANIZATION_SYSTEM].contains(&system);
    let number = identifier.get("value").and_then(Value::as_str).filter(|_| is_nihdi)?;
    Nihdi::parse(number).ok().filter(|nihdi| nihdi.qualification().is_some() && nihdi.check_digits_hold())
}

/// A decimal as whole cents. By its digits and not as a fraction: 0.29 is 29 cents.
fn cents(value: &Value) -> Option<Cents> {
    let text = value.as_number()?.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    // A whole number may come back with one zero behind the point.
    let fraction = fraction.trim_end_matches('0');
    let is_plain = [whole, fraction].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_plain || fraction.len() > 2 || !(1..=9).contains(&whole.len()) {
        return None;
    }
    format!("{whole}{fraction:0<2}").parse().ok().map(Cents)
}
