//! Each extension held to its definition, wherever it is: a profile need not name it.

use serde_json::{Map, Value};

use super::check::{Checker, Item};
use super::rules::Context;
use super::{Profile, Profiles, rule};
use crate::r4::issue::{ContentIssue, IssueCode};
use crate::r4::place::{Place, short};
use crate::r4::structure::{ISSUES_MAX, type_within};

pub(super) fn check(profiles: &Profiles, resource: &Value) -> Vec<ContentIssue> {
    let mut walk = Walk { profiles, whole: resource, issues: Vec::new() };
    walk.resource(resource, None);
    walk.issues
}

/// An element, as contexts name it.
#[derive(Clone, Copy)]
struct Element<'e> {
    place: &'e Place<'e>,
    /// Its type, or the path of a backbone element; none where it is primitive.
    kind: Option<&'e str>,
    /// Its path from the resource, without positions.
    path: &'e str,
    /// The extension that it is, by its URL.
    extension: Option<&'e str>,
}

struct Walk<'p, 'v> {
    profiles: &'p Profiles,
    whole: &'v Value,
    issues: Vec<ContentIssue>,
}

impl<'v> Walk<'_, 'v> {
    fn resource(&mut self, value: &'v Value, place: Option<&Place<'_>>) {
        let Some(name) = value.get("resourceType").and_then(Value::as_str) else { return };
        let root = Place::root(name);
        let place = place.unwrap_or(&root);
        if let Some(members) = value.as_object() {
            self.members(members, Element { place, kind: Some(name), path: name, extension: None });
        }
    }

    fn members(&mut self, members: &'v Map<String, Value>, element: Element<'_>) {
        for (key, value) in members {
            if self.issues.len() >= ISSUES_MAX {
                return;
            }
            let name = key.strip_prefix('_').unwrap_or(key);
            match value {
                Value::Object(_) => self.element((name, None), value, element),
                Value::Array(items) => {
                    for (position, item) in items.iter().enumerate() {
                        self.element((name, Some(position)), item, element);
                    }
                }
                _ => {}
            }
        }
    }

    fn element(&mut self, (name, position): (&str, Option<usize>), value: &'v Value, parent: Element<'_>) {
        let Some(members) = value.as_object() else { return };
        let place = parent.place.child(name);
        let place = position.map_or(place, |position| place.at(position));
        if matches!(name, "extension" | "modifierExtension") {
            let url = members.get("url").and_then(Value::as_str);
            if let Some(profile) =
                url.and_then(|url| self.profiles.find(url)).filter(|one| one.constrains == "Extension")
            {
                self.extension(profile, value, &place, parent);
            }
            return self.members(
                members,
                Element { place: &place, kind: Some("Extension"), path: "Extension", extension: url },
            );
        }
        if members.contains_key("resourceType") {
            return self.resource(value, Some(&place));
        }
        let kind = parent.kind.and_then(|kind| type_within(kind, name));
        let path = format!("{}.{name}", parent.path);
        self.members(members, Element { place: &place, kind, path: &path, extension: None });
    }

    fn extension(&mut self, profile: &Profile, value: &'v Value, place: &Place<'_>, parent: Element<'_>) {
        let is_permitted =
            profile.contexts.is_empty() || profile.contexts.iter().any(|context| permits(context, parent));
        if !is_permitted {
            let at = short(parent.path).unwrap_or("this element");
            let details =
                format!("the definition of this extension ({}) does not have it on {at}: leave it out", profile.name);
            self.issues.push(ContentIssue {
                expression: place.expression(),
                code: IssueCode::Extension,
                rule: rule::CONTEXT.into(),
                details,
            });
        }
        let mut checker = Checker::new(self.profiles, profile, self.whole);
        checker.rules(&profile.root, &Item::of(value), place);
        self.issues.append(&mut checker.issues);
    }
}

/// Whether an extension may be on an element.
///
/// # Source
/// <https://hl7.org/fhir/R4/defining-extensions.html#context>
fn permits(context: &Context, on: Element<'_>) -> bool {
    match context {
        Context::Extension(url) => on.extension == Some(url),
        Context::Other => true,
        Context::Element(name) => match name.as_str() {
            "Element" => true,
            "Resource" | "DomainResource" => !on.path.contains('.') && on.extension.is_none(),
            "BackboneElement" => on.kind.is_some_and(|kind| kind.contains('.')),
            // Of a primitive element its place is known, and its type is not asked.
            name => {
                on.path == name || on.kind == Some(name) || (on.kind.is_none() && !name.contains('.') && is_lower(name))
            }
        },
    }
}

fn is_lower(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_lowercase())
}
