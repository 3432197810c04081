//! The walk over a resource along the table.
//!
//! The place is a list on the stack and is written out for an issue only: a resource that is right costs no allocation.
//! The walk goes as deep as the value; [`crate::json::parse`] has limited that.

use serde_json::{Map, Value};

use super::nearest::nearest;
use super::reference::{Target, target_type};
use super::table::{Content, Element, Node, Table};
use super::{ContentIssue, ISSUES_MAX, IssueCode, suggestion};
use crate::r4::issue::rule;
use crate::r4::place::{Place, short};
use crate::r4::primitive::Primitive;

/// A value set of at most so many codes is listed whole.
const LISTED_CODES_MAX: usize = 12;

pub(super) fn check(resource: &Value) -> Vec<ContentIssue> {
    let mut checker = Checker { table: Table::of_r4(), container: resource.as_object(), issues: Vec::new() };
    checker.resource(resource, None, false);
    checker.issues
}

struct Checker<'v> {
    table: &'static Table,
    /// The resource in whose `contained` a local reference is looked up.
    container: Option<&'v Map<String, Value>>,
    issues: Vec<ContentIssue>,
}

impl<'v> Checker<'v> {
    fn issue(&mut self, place: &Place<'_>, (code, rule): (IssueCode, &'static str), details: impl Into<String>) {
        if !self.is_full() {
            let expression = place.expression();
            self.issues.push(ContentIssue { expression, code, rule: rule.into(), details: details.into() });
        }
    }

    /// No more is looked at then: a hostile body costs no more than an honest one.
    fn is_full(&self) -> bool {
        self.issues.len() >= ISSUES_MAX
    }

    fn resource(&mut self, value: &'v Value, place: Option<&Place<'_>>, is_contained: bool) {
        let resource_type = value.get("resourceType");
        let name = resource_type.and_then(Value::as_str).unwrap_or("Resource");
        let root = Place::root(name);
        let place = place.unwrap_or(&root);
        let Some(members) = value.as_object() else {
            let details = "this must be a resource: a JSON object";
            return self.issue(place, (IssueCode::Structure, rule::JSON_FORM), details);
        };
        let Some(node) = self.table.resource(name) else {
            let types = self.table.nodes().iter().filter(|node| node.is_resource).map(|node| node.path);
            let details = match (resource_type.and_then(Value::as_str), nearest(name, types)) {
                (None, _) => "a resource needs a 'resourceType' with the name of its type".to_owned(),
                (Some(_), Some(near)) => format!("this is no resource type of R4; did you mean '{near}'?"),
                (Some(_), None) => "this is no resource type of R4".to_owned(),
            };
            return self.issue(&place.child("resourceType"), (IssueCode::Structure, rule::RESOURCE_TYPE), details);
        };
        if is_contained && members.contains_key("contained") {
            let details = "dom-2: a contained resource contains none itself; put it beside this one";
            self.issue(&place.child("contained"), (IssueCode::Invariant, rule::NESTED), details);
        }
        let outer = self.container;
        if !is_contained {
            self.container = Some(members);
        }
        self.object(node, members, place);
        self.container = outer;
    }

    fn object(&mut self, node: &Node, members: &'v Map<String, Value>, place: &Place<'_>) {
        let seen = self.members(node, members, place);
        self.whole(node, members, seen, place);
    }

    /// Each member for itself. Answers a bit for every slot that was there.
    fn members(&mut self, node: &Node, members: &'v Map<String, Value>, place: &Place<'_>) -> u128 {
        let has_siblings = members.keys().any(|key| key.starts_with('_'));
        let mut seen = 0_u128;
        for (key, value) in members {
            if self.is_full() {
                break;
            }
            if node.is_resource && key == "resourceType" {
                continue;
            }
            let of_sibling = key.strip_prefix('_');
            let name = of_sibling.unwrap_or(key);
            let element = node.element(name).filter(|element| of_sibling.is_none() || element.is_primitive());
            let Some(element) = element else {
                self.unknown(node, key, place);
                continue;
            };
            let (value, sibling) = match of_sibling {
                Some(name) if members.contains_key(name) => continue,
                Some(_) => (None, Some(value)),
                None if has_siblings => (Some(value), members.get(&format!("_{key}"))),
                None => (Some(value), None),
            };
            let bit = 1 << element.slot;
            if element.is_choice && seen & bit != 0 {
                let slot = node.slots[usize::from(element.slot)];
                let details = format!("'{slot}' may be there once, in one type: keep one of them");
                self.issue(&place.child(name), (IssueCode::Structure, rule::CHOICE), details);
            }
            seen |= bit;
            self.element(element, value, sibling, &place.child(name));
        }
        seen
    }

    /// The rules about all members of an object together.
    fn whole(&mut self, node: &Node, members: &Map<String, Value>, seen: u128, place: &Place<'_>) {
        let mut missing = node.required & !seen;
        while missing != 0 {
            let slot = node.slots[missing.trailing_zeros() as usize];
            missing &= missing - 1;
            let details = match slot.strip_suffix("[x]") {
                Some(stem) => format!("'{slot}' is required: give it in one of its types, '{stem}…'"),
                None => format!("'{slot}' is required: add it"),
            };
            self.issue(&place.child(slot.trim_end_matches("[x]")), (IssueCode::Required, rule::MIN), details);
        }
        let has_content = members.keys().any(|key| key != "id");
        if !node.is_resource && !has_content {
            let details = "ele-1: an element has a value or children; leave it out where it has neither";
            self.issue(place, (IssueCode::Invariant, rule::ELEMENT), details);
        }
        if node.path == "Extension" && has_content {
            let has_value = members.keys().any(|key| key.trim_start_matches('_').starts_with("value"));
            if has_value == members.contains_key("extension") {
                let details = "ext-1: an extension has either a value or extensions, and one of the two";
                self.issue(place, (IssueCode::Invariant, rule::EXTENSION), details);
            }
        }
    }

    fn unknown(&mut self, node: &Node, key: &str, place: &Place<'_>) {
        let advice = suggestion(node, key.trim_start_matches('_')).unwrap_or_else(|| "leave it out".to_owned());
        let details = match node.element(key.trim_start_matches('_')) {
            Some(_) if !key.starts_with("__") => "only a primitive element has such a sibling: leave it out".to_owned(),
            _ => format!("{} has no such element; {advice}", node.path),
        };
        self.issue(&place.child(key), (IssueCode::Structure, rule::UNKNOWN_ELEMENT), details);
    }

    /// An element in full: single or repeating, with its `_` sibling where it is primitive.
    fn element(&mut self, element: &Element, value: Option<&'v Value>, sibling: Option<&'v Value>, place: &Place<'_>) {
        if element.is_primitive() && (element.repeats || sibling.is_some()) {
            return self.primitives(element, value, sibling, place);
        }
        match value {
            Some(Value::Array(items)) if element.repeats => {
                if items.is_empty() {
                    self.empty(place);
                }
                for (position, item) in items.iter().enumerate() {
                    self.item(element, item, &place.at(position));
                }
            }
            Some(Value::Array(_)) => {
                self.must_be_single(place);
            }
            Some(item) if element.repeats => {
                self.must_be_array(place);
                self.item(element, item, place);
            }
            Some(item) => self.item(element, item, place),
            None => {}
        }
    }

    fn must_be_array(&mut self, place: &Place<'_>) {
        let details = "this element repeats: put its value in [ ], even a single one";
        self.issue(place, (IssueCode::Structure, rule::JSON_FORM), details);
    }

    fn must_be_single(&mut self, place: &Place<'_>) {
        let details = "this element does not repeat: give its value without [ ]";
        self.issue(place, (IssueCode::Structure, rule::MAX), details);
    }

    fn empty(&mut self, place: &Place<'_>) {
        self.issue(place, (IssueCode::Structure, rule::JSON_FORM), "an array must not be empty: leave it out");
    }

    fn item(&mut self, element: &Element, value: &'v Value, place: &Place<'_>) {
        match (element.content, value) {
            (_, Value::Null) => {
                self.issue(place, (IssueCode::Structure, rule::JSON_FORM), "null is no value: leave the element out");
            }
            (Content::Primitive(primitive), value) => self.primitive(element, primitive, value, place),
            (Content::Resource, value) => self.resource(value, Some(place), place.name == "contained"),
            (Content::Node(index), Value::Object(members)) => {
                let node = self.table.node(index);
                self.object(node, members, place);
                self.bound_concept(element, node, members, place);
                self.narrowed(element, node, members, place);
            }
            (Content::Node(index), _) => {
                let details = format!("this must be a {}: a JSON object", self.table.node(index).path);
                self.issue(place, (IssueCode::Structure, rule::JSON_FORM), details);
            }
        }
    }

    /// What a definition says of a Reference or a Quantity beyond its type.
    fn narrowed(&mut self, element: &Element, node: &Node, members: &'v Map<String, Value>, place: &Place<'_>) {
        if element.is_simple_quantity && members.contains_key("comparator") {
            let details = "sqty-1: a quantity of this element is exact: leave the comparator out";
            self.issue(&place.child("comparator"), (IssueCode::Invariant, rule::SIMPLE_QUANTITY), details);
        }
        if node.path != "Reference" {
            return;
        }
        let is_permitted =
            |found: &str| element.targets.is_none_or(|targets| targets.split(',').any(|one| one == found));
        match target_type(members, self.container) {
            Target::Missing => {
                let details = "ref-1: nothing of this id is contained: add it to 'contained', or correct the reference";
                self.issue(place, (IssueCode::NotFound, rule::CONTAINED), details);
            }
            Target::Of(found) if !is_permitted(found) && self.table.resource(found).is_some() => {
                let targets = element.targets.unwrap_or_default().replace(',', ", ");
                let details = format!("a reference to {found} is not taken here; refer to one of {targets}");
                self.issue(place, (IssueCode::Value, rule::TARGET), details);
            }
            Target::Of(_) | Target::Unknown => {}
        }
    }

    fn primitive(&mut self, element: &Element, primitive: Primitive, value: &Value, place: &Place<'_>) {
        if !primitive.permits(value) {
            let found = match value {
                Value::Array(_) | Value::Object(_) => String::new(),
                Value::String(text) if text.is_empty() => " and not empty".to_owned(),
                Value::String(text) => short(text).map_or_else(String::new, |text| format!(", not '{text}'")),
                other => format!(", not {other}"),
            };
            let details = format!("this must be {}{found}", primitive.form());
            return self.issue(place, (IssueCode::Value, rule::PRIMITIVE), details);
        }
        let (Some(value_set), Some(code)) = (self.table.value_set(element), value.as_str()) else { return };
        if !value_set.has_code(code) {
            let found = short(code).map_or_else(|| "this code".to_owned(), |code| format!("'{code}'"));
            let details =
                format!("{found} is not in the required value set; {}", codes_advice(value_set.codes(), code));
            self.issue(place, (IssueCode::CodeInvalid, rule::BINDING), details);
        }
    }

    /// A concept with a required binding has a coding from the value set. One that says only by an extension why it has none passes.
    fn bound_concept(&mut self, element: &Element, node: &Node, members: &Map<String, Value>, place: &Place<'_>) {
        let Some(value_set) = self.table.value_set(element).filter(|_| node.path == "CodeableConcept") else { return };
        let codings = members.get("coding").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let text =
            |coding: &'static str| move |value: &Value| value.get(coding).and_then(Value::as_str).map(str::to_owned);
        let is_bound = codings.iter().any(|coding| match (text("system")(coding), text("code")(coding)) {
            (Some(system), Some(code)) => value_set.has_coding(&system, &code),
            _ => false,
        });
        if is_bound || (codings.is_empty() && members.contains_key("extension")) {
            return;
        }
        let code = codings.first().and_then(text("code")).unwrap_or_default();
        let details =
            format!("a coding of the required value set is needed; {}", codes_advice(value_set.codes(), &code));
        self.issue(&place.child("coding"), (IssueCode::CodeInvalid, rule::BINDING), details);
    }

    /// A primitive element that repeats or has a `_` sibling: values and siblings belong together by position.
    fn primitives(
        &mut self,
        element: &Element,
        value: Option<&'v Value>,
        sibling: Option<&'v Value>,
        place: &Place<'_>,
    ) {
        if !element.repeats {
            return self.pair(element, value, sibling, place);
        }
        if [value, sibling].into_iter().flatten().any(|found| !found.is_array()) {
            self.must_be_array(place);
            return self.pair(element, value, sibling, place);
        }
        let (values, siblings) = (items(value), items(sibling));
        if [value, sibling].into_iter().flatten().any(|array| items(Some(array)).is_empty()) {
            self.empty(place);
        }
        if !values.is_empty() && !siblings.is_empty() && values.len() != siblings.len() {
            let details = "the array and its '_' sibling have an item for each other: fill up with null";
            self.issue(place, (IssueCode::Structure, rule::SIBLING), details);
        }
        for position in 0..values.len().max(siblings.len()) {
            let value = values.get(position).filter(|value| !value.is_null());
            let sibling = siblings.get(position).filter(|sibling| !sibling.is_null());
            let place = place.at(position);
            if value.is_none() && sibling.is_none() {
                let details = "null on both sides is no value: leave the item out";
                self.issue(&place, (IssueCode::Structure, rule::SIBLING), details);
            } else {
                self.pair(element, value, sibling, &place);
            }
        }
    }

    /// One value with the id and the extensions of its sibling.
    fn pair(&mut self, element: &Element, value: Option<&'v Value>, sibling: Option<&'v Value>, place: &Place<'_>) {
        if let Some(value) = value {
            if value.is_array() {
                self.must_be_single(place);
            } else {
                self.item(element, value, place);
            }
        }
        let Some(sibling) = sibling else { return };
        let (Some(node), Some(members)) = (self.table.node_at("Element"), sibling.as_object()) else {
            let details = "the '_' sibling of this element must be an object with an 'id' or an 'extension'";
            return self.issue(place, (IssueCode::Structure, rule::SIBLING), details);
        };
        if value.is_some() && !members.is_empty() {
            // With a value beside it, an id alone is content enough.
            self.members(node, members, place);
        } else {
            self.object(node, members, place);
        }
    }
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Which codes to use instead.
fn codes_advice(codes: impl Iterator<Item = &'static str>, code: &str) -> String {
    let codes: Vec<_> = codes.collect();
    match nearest(code, codes.iter().copied()) {
        _ if codes.len() <= LISTED_CODES_MAX => format!("use one of {}", codes.join(", ")),
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("use one of its {} codes", codes.len()),
    }
}

impl Element {
    fn is_primitive(&self) -> bool {
        matches!(self.content, Content::Primitive(_))
    }
}
