//! `meta.security`: what clients declare stays, what the gateway adds is marked and made anew with each version.

use serde_json::{Map, Value, json};

use super::label::{Label, LabelSet};

/// The mark of a Coding that the gateway added: it was not selected by a user.
const MARK: &str = "userSelected";

/// Takes over what a client declared, on its way into a new version: `meta.security` of the version before (with the labels that
/// earlier ones declared) and of what was sent. A client reads back the gateway's own labels and sends them again; those are no
/// declaration. Any other mark that it sends is.
pub fn keep_declared(resource: &mut Value, before: Option<&Value>, declared_before: LabelSet) {
    let marked_before: Vec<Value> =
        before.map(|before| codings(before).filter(is_marked).collect()).unwrap_or_default();
    let mut kept: Vec<Value> = Vec::new();
    let mut keep = |mut coding: Value| {
        if is_marked(&coding)
            && let Some(members) = coding.as_object_mut()
        {
            members.remove(MARK);
        }
        if kept.iter().all(|other| !is_same(other, &coding)) {
            kept.push(coding);
        }
    };
    let is_echo = |coding: &Value| is_marked(coding) && marked_before.iter().any(|other| is_same(other, coding));
    codings(resource).filter(|coding| !is_echo(coding)).for_each(&mut keep);
    let declared = before.into_iter().flat_map(codings).filter(|coding| !is_marked(coding));
    declared.filter(|coding| label_of(coding).is_some()).for_each(&mut keep);
    declared_before.iter().map(|label| json!({"system": label.system(), "code": label.code()})).for_each(&mut keep);
    put(resource, kept);
}

/// The labels that clients declared, in a resource that [`keep_declared`] went over.
pub fn declared(resource: &Value) -> LabelSet {
    let declared = codings(resource).filter(|coding| !is_marked(coding));
    declared.filter_map(|coding| label_of(&coding)).fold(LabelSet::NONE, LabelSet::with)
}

/// Makes the gateway's own labels in `meta.security` anew: each of `labels` that no client declared, but for `N`, which is what
/// has no label. What may be about anything is very restricted and says no more. True where something changed.
pub fn stamp(meta: &mut Value, labels: LabelSet) -> bool {
    let before: Vec<Value> = list(meta).cloned().collect();
    let mut after: Vec<Value> = before.iter().filter(|coding| !is_marked(coding)).cloned().collect();
    let is_open = labels == LabelSet::EVERY;
    for label in labels.iter().filter(|label| if is_open { label.code() == "V" } else { label.code() != "N" }) {
        if after.iter().all(|coding| label_of(coding) != Some(label)) {
            after.push(json!({"system": label.system(), "code": label.code(), MARK: false}));
        }
    }
    if before == after {
        return false;
    }
    set_list(meta, after);
    true
}

fn is_marked(coding: &Value) -> bool {
    coding.get(MARK) == Some(&Value::Bool(false))
}

fn is_same(left: &Value, right: &Value) -> bool {
    ["system", "code"].iter().all(|name| left.get(*name) == right.get(*name))
}

fn label_of(coding: &Value) -> Option<Label> {
    Label::from_coding(coding.get("system")?.as_str()?, coding.get("code")?.as_str()?)
}

fn codings(resource: &Value) -> impl Iterator<Item = Value> + '_ {
    resource.get("meta").into_iter().flat_map(list).cloned()
}

fn list(meta: &Value) -> impl Iterator<Item = &Value> {
    meta.get("security").and_then(Value::as_array).into_iter().flatten()
}

fn put(resource: &mut Value, codings: Vec<Value>) {
    let Some(members) = resource.as_object_mut() else { return };
    if codings.is_empty() && !members.contains_key("meta") {
        return;
    }
    let meta = members.entry("meta").or_insert_with(|| Value::Object(Map::new()));
    set_list(meta, codings);
}

fn set_list(meta: &mut Value, codings: Vec<Value>) {
    let Some(members) = meta.as_object_mut() else { return };
    if codings.is_empty() {
        members.remove("security");
    } else {
        members.insert("security".to_owned(), Value::Array(codings));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{ACT_CODE_SYSTEM, CONFIDENTIALITY_SYSTEM};

    fn coding(code: &str) -> Value {
        let system = if code.len() == 1 { CONFIDENTIALITY_SYSTEM } else { ACT_CODE_SYSTEM };
        json!({"system": system, "code": code})
    }

    fn marked(code: &str) -> Value {
        let mut coding = coding(code);
        coding[MARK] = json!(false);
        coding
    }

    fn with(codings: &[Value]) -> Value {
        json!({"resourceType": "Condition", "meta": {"security": codings}})
    }

    fn codes(set: LabelSet) -> Vec<&'static str> {
        set.iter().map(Label::code).collect()
    }

    #[test]
    fn what_a_client_declared_stays_whatever_it_sends_later() {
        let before = with(&[coding("HIV"), marked("R")]);
        for mut sent in [json!({"resourceType": "Condition"}), with(&[]), with(&[marked("HIV")]), with(&[coding("N")])]
        {
            keep_declared(&mut sent, Some(&before), LabelSet::NONE);
            assert!(codes(declared(&sent)).contains(&"HIV"), "{sent}");
        }
        let mut anew = json!({"resourceType": "Condition"});
        keep_declared(&mut anew, None, LabelSet::NONE.with(Label::from_code("SDV").expect("a label")));
        assert_eq!(codes(declared(&anew)), ["SDV"], "also after a deletion");
    }

    #[test]
    fn the_gateways_own_labels_are_no_declaration_when_they_come_back() {
        let before = with(&[marked("PSY"), marked("R")]);
        let mut sent = before.clone();
        keep_declared(&mut sent, Some(&before), LabelSet::NONE);
        assert_eq!(declared(&sent), LabelSet::NONE);
        assert_eq!(sent["meta"], json!({}));
        // A mark that the gateway did not set is a client's word.
        let mut sent = with(&[marked("PSY")]);
        keep_declared(&mut sent, None, LabelSet::NONE);
        assert_eq!(sent, with(&[coding("PSY")]));
    }

    #[test]
    fn the_gateways_labels_are_made_anew_and_others_kept() {
        let unknown = json!({"system": "urn:ward", "code": "7"});
        let mut meta = json!({"security": [unknown, coding("HIV"), marked("PSY")]});
        let labels = ["R", "HIV", "SDV"].iter().filter_map(|code| Label::from_code(code));
        let labels = labels.fold(LabelSet::NONE, LabelSet::with);
        assert!(stamp(&mut meta, labels));
        assert_eq!(meta, json!({"security": [unknown, coding("HIV"), marked("R"), marked("SDV")]}));
        assert!(!stamp(&mut meta, labels), "and stay as they are");
        let mut opaque = json!({});
        assert!(stamp(&mut opaque, LabelSet::EVERY));
        assert_eq!(opaque, json!({"security": [marked("V")]}));
        let mut normal = json!({});
        assert!(!stamp(&mut normal, LabelSet::NONE.of_resource()));
        assert_eq!(normal, json!({}), "what is normal carries no label");
    }
}
