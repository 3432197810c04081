//! A resource held to the rules of a profile.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::rules::{Asks, Child, Group, Invariant, Matcher, Rules, Slice, Slicing, Step, TypeRule};
use super::values::{has_pattern, is_same};
use super::{Profile, Profiles, rule};
use crate::fhir_path::{Node, Resources, Steps};
use crate::r4::issue::{ContentIssue, IssueCode};
use crate::r4::place::{Place, short};
use crate::r4::structure::{ISSUES_MAX, is_data_type, reference_type};

/// The most items that are looked at for one profile: slices within slices could take any time otherwise.
pub(super) const STEPS_MAX: usize = 500_000;

/// A value set of at most so many codes is listed whole.
const LISTED_CODES_MAX: usize = 12;

pub(super) fn check(profiles: &Profiles, profile: &Profile, resource: &Value) -> Vec<ContentIssue> {
    let name = resource.get("resourceType").and_then(Value::as_str).unwrap_or("Resource");
    let mut checker = Checker::new(profiles, profile, resource);
    let place = Place::root(name);
    if name == profile.constrains {
        checker.rules(&profile.root, &Item::of(resource), &place);
    } else {
        let details = format!("the profile {} is for {}: claim another, or none", profile.name, profile.constrains);
        checker.issue(&place, (IssueCode::Invariant, rule::RESOURCE_TYPE), details);
    }
    checker.issues
}

/// One value of an element: a primitive one may be there by its `_` sibling only.
#[derive(Clone, Copy)]
pub(super) struct Item<'v> {
    value: Option<&'v Value>,
    sibling: Option<&'v Value>,
    /// Its key in JSON.
    key: &'v str,
    position: Option<usize>,
    /// Of a choice: the end of the key, which is its type.
    chosen: Option<&'v str>,
}

impl<'v> Item<'v> {
    pub(super) fn of(value: &'v Value) -> Self {
        Self { value: Some(value), sibling: None, key: "", position: None, chosen: None }
    }

    fn members(&self) -> Option<&'v Map<String, Value>> {
        self.value.and_then(Value::as_object).or_else(|| self.sibling.and_then(Value::as_object))
    }

    /// The items of an element within.
    fn children(&self, name: &str, is_choice: bool) -> Vec<Item<'v>> {
        let mut found = Vec::new();
        let Some(members) = self.members() else { return found };
        if !is_choice {
            add(members, name, None, &mut found);
            return found;
        }
        for key in members.keys() {
            let bare = key.strip_prefix('_').unwrap_or(key);
            let is_second = bare.len() < key.len() && members.contains_key(bare);
            if let Some(kind) = bare.strip_prefix(name).filter(|kind| !is_second && is_data_type(kind)) {
                add(members, bare, Some(kind), &mut found);
            }
        }
        found
    }

    fn place<'p>(&'p self, parent: &'p Place<'p>) -> Place<'p> {
        let place = parent.child(self.key);
        self.position.map_or(place, |position| place.at(position))
    }

    /// Whether it is of a type, as far as its form tells.
    fn is_of(&self, code: &str) -> bool {
        if matches!(code, "Resource" | "DomainResource" | "Element") {
            return true;
        }
        if let Some(name) = self.value.and_then(|value| value.get("resourceType")).and_then(Value::as_str) {
            return name == code;
        }
        self.chosen.is_none_or(|kind| kind.eq_ignore_ascii_case(code))
    }
}

/// Adds the values of a member, each with its `_` sibling.
fn add<'v>(members: &'v Map<String, Value>, name: &str, chosen: Option<&'v str>, found: &mut Vec<Item<'v>>) {
    let value = members.get_key_value(name);
    // Only a primitive element has a sibling; most objects have none.
    let sibling = match value {
        Some((_, Value::Object(_))) => None,
        _ => members.get_key_value(format!("_{name}").as_str()),
    };
    let Some(key) = value.map(|(key, _)| key.as_str()).or_else(|| sibling.map(|(key, _)| &key[1..])) else { return };
    let (value, sibling) = (value.map(|(_, value)| value), sibling.map(|(_, sibling)| sibling));
    let items = |of: Option<&'v Value>| of.and_then(Value::as_array).map(Vec::as_slice);
    if items(value).is_none() && items(sibling).is_none() {
        found.push(Item { value: value.filter(|value| !value.is_null()), sibling, key, position: None, chosen });
        return;
    }
    let (values, siblings) = (items(value).unwrap_or_default(), items(sibling).unwrap_or_default());
    for position in 0..values.len().max(siblings.len()) {
        let value = values.get(position).filter(|value| !value.is_null());
        let sibling = siblings.get(position).filter(|sibling| !sibling.is_null());
        found.push(Item { value, sibling, key, position: Some(position), chosen });
    }
}

/// A walk over a resource along rules.
pub(super) struct Checker<'p, 'v> {
    profiles: &'p Profiles,
    profile: &'p Profile,
    /// The whole resource, for references to what it contains.
    whole: &'v Value,
    pub(super) issues: Vec<ContentIssue>,
    steps: usize,
    /// Of the invariants.
    looks: Steps,
    /// The resource that is looked at, and the one that contains it.
    within: Resources<'v>,
}

impl<'p, 'v> Checker<'p, 'v> {
    pub(super) fn new(profiles: &'p Profiles, profile: &'p Profile, whole: &'v Value) -> Self {
        let root = Node::of(whole);
        let within = Resources { own: root, root };
        Self { profiles, profile, whole, issues: Vec::new(), steps: 0, looks: Steps::new(), within }
    }

    fn issue(&mut self, place: &Place<'_>, (code, rule): (IssueCode, impl Into<Cow<'static, str>>), details: String) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(ContentIssue { expression: place.expression(), code, rule: rule.into(), details });
        }
    }

    /// Counts a step; false where there were too many.
    fn goes_on(&mut self, place: &Place<'_>) -> bool {
        self.steps += 1;
        if self.steps == STEPS_MAX {
            let details =
                format!("the profile {} takes more steps than are gone: check it elsewhere", self.profile.name);
            self.issue(place, (IssueCode::TooCostly, rule::COSTLY), details);
        }
        self.steps < STEPS_MAX
    }

    /// Holds one item to what is asked of it.
    pub(super) fn rules(&mut self, rules: &'p Rules, item: &Item<'v>, place: &Place<'_>) {
        if !self.goes_on(place) {
            return;
        }
        let outer = self.within;
        if let Some(value) = item.value.filter(|value| value.get("resourceType").is_some()) {
            let own = Node::of(value);
            self.within = Resources { own, root: if item.key == "contained" { outer.root } else { own } };
        }
        self.value(rules, item, place);
        if !rules.types.is_empty() {
            self.types(&rules.types, item, place);
        }
        for Child { name, is_choice, group } in &rules.children {
            let items = item.children(name, *is_choice);
            self.group(group, (name, None), &items, place);
        }
        self.within = outer;
    }

    fn value(&mut self, rules: &'p Rules, item: &Item<'v>, place: &Place<'_>) {
        let profile = &self.profile.name;
        if let Some(fixed) = rules.fixed.as_ref().filter(|fixed| !item.value.is_some_and(|value| is_same(value, fixed)))
        {
            let details = format!("{profile} fixes this value: give {}", shown(fixed));
            return self.issue(place, (IssueCode::Value, rule::FIXED), details);
        }
        let lacks = |pattern: &&Value| !item.value.is_some_and(|value| has_pattern(value, pattern));
        if let Some(pattern) = rules.pattern.as_ref().filter(lacks) {
            let details = format!("{profile} asks for a pattern here: give at least {}", shown(pattern));
            return self.issue(place, (IssueCode::Value, rule::PATTERN), details);
        }
        if let (Some(most), Some(text)) = (rules.length_max, item.value.and_then(Value::as_str))
            && text.chars().count() > most
        {
            let details = format!("{profile} takes {most} characters here at most: shorten it");
            self.issue(place, (IssueCode::Value, rule::LENGTH), details);
        }
        if let Some(index) = rules.binding {
            self.binding(index, item, place);
        }
        for invariant in &rules.invariants {
            self.invariant(invariant, item, place);
        }
    }

    fn invariant(&mut self, invariant: &'p Invariant, item: &Item<'v>, place: &Place<'_>) {
        let of = Node::element(item.value, item.sibling, item.chosen.map_or(&invariant.kind, |chosen| chosen));
        let within = self.within;
        if self.looks.are_over() {
            return;
        }
        let holds = invariant.expression.holds(of, within, &self.looks);
        if self.looks.are_over() {
            let details =
                format!("the invariants of {} take more steps than are gone: check it elsewhere", self.profile.name);
            return self.issue(place, (IssueCode::TooCostly, Cow::Borrowed(rule::COSTLY)), details);
        }
        if holds == Some(false) {
            let Invariant { key, human, .. } = invariant;
            let details = format!("{} asks here by its invariant {key}: {human}", self.profile.name);
            self.issue(place, (IssueCode::Invariant, Cow::Owned(key.clone())), details);
        }
    }

    /// A code, a Coding, a `CodeableConcept` or a Quantity of the value set; what says only why there is none passes.
    fn binding(&mut self, index: usize, item: &Item<'v>, place: &Place<'_>) {
        let value_set = &self.profiles.value_sets[index];
        let text = |value: &'v Value, name: &str| value.get(name).and_then(Value::as_str);
        let has = |coding: &'v Value| match (text(coding, "system"), text(coding, "code")) {
            (Some(system), Some(code)) => value_set.has_coding(system, code),
            _ => false,
        };
        let is_bound = match item.value {
            Some(Value::String(code)) => value_set.has_code(code),
            Some(value @ Value::Object(members)) => match members.get("coding").and_then(Value::as_array) {
                Some(codings) => codings.iter().any(has),
                None if members.contains_key("reference") || members.contains_key("extension") => true,
                None => has(value),
            },
            _ => true,
        };
        if is_bound {
            return;
        }
        let codes = value_set.codes();
        let advice = if value_set.is_enumerated() && codes.len() <= LISTED_CODES_MAX {
            format!("use one of {}", codes.join(", "))
        } else {
            "use a code of it, with its system".to_owned()
        };
        let details = format!("{} asks for a code of a value set here; {advice}", self.profile.name);
        self.issue(place, (IssueCode::CodeInvalid, rule::BINDING), details);
    }

    fn types(&mut self, types: &'p [TypeRule], item: &Item<'v>, place: &Place<'_>) {
        let of: Vec<&TypeRule> = types.iter().filter(|rule| item.is_of(&rule.code)).collect();
        if of.is_empty() {
            let mut codes: Vec<&str> = types.iter().map(|rule| rule.code.as_str()).collect();
            codes.dedup();
            let details = format!("{} does not take this type here: give {}", self.profile.name, codes.join(" or "));
            return self.issue(place, (IssueCode::Value, rule::TYPE), details);
        }
        let Some(value) = item.value else { return };
        self.target(&of, value, place);
        // A type without profiles takes any value of it.
        if of.iter().any(|rule| rule.profiles.is_empty()) {
            return;
        }
        let profiles: Vec<&'p Profile> =
            of.iter().flat_map(|rule| &rule.profiles).map(|index| &self.profiles.list[*index]).collect();
        if let [only] = profiles.as_slice() {
            let outer = std::mem::replace(&mut self.profile, only);
            self.rules(&only.root, item, place);
            self.profile = outer;
        } else if !profiles.iter().any(|profile| self.passes(&profile.root, item)) {
            let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
            let details = format!("this is as none of the profiles {} asks: correct it after one", names.join(", "));
            self.issue(place, (IssueCode::Invariant, rule::TYPE_PROFILE), details);
        }
    }

    fn target(&mut self, of: &[&TypeRule], value: &'v Value, place: &Place<'_>) {
        if of.iter().any(|rule| rule.targets.is_empty()) {
            return;
        }
        let Some(found) = reference_type(value, self.whole) else { return };
        let mut targets = of.iter().flat_map(|rule| &rule.targets);
        if targets.clone().all(|target| target != found) {
            let targets: Vec<&str> = targets.by_ref().map(String::as_str).collect();
            let (profile, targets) = (&self.profile.name, targets.join(", "));
            let details = format!("{profile} does not take a reference to {found} here; refer to one of {targets}");
            self.issue(place, (IssueCode::Value, rule::TARGET), details);
        }
    }

    /// Whether an item fulfils rules; nothing is noted of why it does not.
    fn passes(&mut self, rules: &'p Rules, item: &Item<'v>) -> bool {
        let noted = std::mem::take(&mut self.issues);
        self.rules(rules, item, &Place::root(""));
        let is_costly = self.issues.iter().any(|issue| issue.rule == rule::COSTLY);
        let found = std::mem::replace(&mut self.issues, noted);
        if is_costly {
            self.issues.extend(found.iter().find(|issue| issue.rule == rule::COSTLY).cloned());
        }
        found.is_empty()
    }

    /// Counts the items of an element or a slice, and holds each to what is asked.
    fn group(&mut self, group: &'p Group, (name, slice): (&str, Option<&str>), items: &[Item<'v>], place: &Place<'_>) {
        let (profile, count) = (&self.profile.name, items.len());
        let of = slice.map_or_else(String::new, |slice| format!(" in the slice {slice}"));
        if count < group.min {
            let details =
                format!("{profile} asks for {} of '{name}'{of}, and {count} are there: add what is missing", group.min);
            let rule = if slice.is_some() { rule::SLICE_MIN } else { rule::MIN };
            self.issue(&place.child(name), (IssueCode::Required, rule), details);
        }
        if let Some(most) = group.max.filter(|most| count > *most) {
            let profile = &self.profile.name;
            let details = match most {
                0 => format!("{profile} does not take '{name}'{of}: leave it out"),
                most => {
                    format!("{profile} takes {most} of '{name}'{of} at most, and {count} are there: leave some out")
                }
            };
            let rule = if slice.is_some() { rule::SLICE_MAX } else { rule::MAX };
            self.issue(&place.child(name), (IssueCode::Structure, rule), details);
        }
        if !group.rules.is_empty() {
            for item in items {
                self.rules(&group.rules, item, &item.place(place));
            }
        }
        if let Some(slicing) = &group.slicing {
            self.slicing(slicing, name, items, place);
        }
    }

    fn slicing(&mut self, slicing: &'p Slicing, name: &str, items: &[Item<'v>], place: &Place<'_>) {
        let mut sliced: Vec<Vec<Item<'v>>> = vec![Vec::new(); slicing.slices.len()];
        let mut last = 0;
        for item in items {
            let found = slicing.slices.iter().position(|slice| self.belongs(slice, item));
            match found {
                Some(index) => {
                    if slicing.is_ordered && index < last {
                        let slice = &slicing.slices[index].name;
                        let details = format!("{} has the slice {slice} earlier: order them so", self.profile.name);
                        self.issue(&item.place(place), (IssueCode::Structure, rule::ORDER), details);
                    }
                    last = last.max(index);
                    sliced[index].push(*item);
                }
                None if slicing.is_closed => {
                    let names: Vec<&str> = slicing.slices.iter().map(|slice| slice.name.as_str()).collect();
                    let (profile, names) = (&self.profile.name, names.join(", "));
                    let details =
                        format!("{profile} takes only its slices {names} here, and this is none: leave it out");
                    self.issue(&item.place(place), (IssueCode::Structure, rule::CLOSED), details);
                }
                None => {}
            }
        }
        for (slice, items) in slicing.slices.iter().zip(&sliced) {
            self.group(&slice.group, (name, Some(&slice.name)), items, place);
        }
    }

    fn belongs(&mut self, slice: &'p Slice, item: &Item<'v>) -> bool {
        slice.matchers.iter().all(|matcher| self.matches(matcher, item))
    }

    fn matches(&mut self, matcher: &'p Matcher, item: &Item<'v>) -> bool {
        let found = at(&matcher.path, *item);
        match &matcher.asks {
            Asks::Value(rules) => found.iter().any(|item| self.passes(rules, item)),
            Asks::Exists(exists) => found.is_empty() != *exists,
            Asks::Type(codes) => found.iter().any(|item| codes.iter().any(|code| item.is_of(code))),
            Asks::Profile(indexes) => {
                let profiles = self.profiles;
                let fulfils = |this: &mut Self, item: &Item<'v>| {
                    indexes.iter().any(|index| this.passes(&profiles.list[*index].root, item))
                };
                found.iter().any(|item| fulfils(self, item))
            }
        }
    }
}

/// What is at a path from an item.
fn at<'v>(path: &[Step], item: Item<'v>) -> Vec<Item<'v>> {
    let mut found = vec![item];
    for step in path {
        found = match step {
            Step::Child(name) => found.iter().flat_map(|item| named(item, name)).collect(),
            Step::OfType(code) => found.into_iter().filter(|item| item.is_of(code)).collect(),
            Step::Extension(url) => {
                let is_of = |item: &Item<'_>| {
                    item.value.and_then(|value| value.get("url")).and_then(Value::as_str) == Some(url)
                };
                found.iter().flat_map(|item| item.children("extension", false)).filter(is_of).collect()
            }
        };
    }
    found
}

/// The items of an element, or of a choice of this name.
fn named<'v>(item: &Item<'v>, name: &str) -> Vec<Item<'v>> {
    let exact = item.children(name, false);
    if exact.is_empty() { item.children(name, true) } else { exact }
}

/// A value of a profile as an issue repeats it.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 200 {
        text
    } else {
        short(value.as_str().unwrap_or_default()).unwrap_or("the value that it names").to_owned()
    }
}
