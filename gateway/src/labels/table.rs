//! The table by which resources are labelled: codes, kinds of resource, and the labels that they get.
//!
//! Its form is explained in the first lines of `gateway/tables/labels.txt`, which is the table of whoever configures no other.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use mappings::r4::structure::is_resource_type;
use serde_json::Value;

use super::label::{Label, LabelSet};

static BUILT_IN: LazyLock<Arc<LabelTable>> = LazyLock::new(|| {
    let table = LabelTable::read(include_str!("../../tables/labels.txt"));
    Arc::new(table.expect("the built-in table is read, or a test fails"))
});

/// A table of labels.
#[derive(Debug, Default)]
pub struct LabelTable {
    version: i64,
    systems: HashMap<String, Codes>,
    kinds: Vec<Kind>,
}

#[derive(Debug, Default, Clone)]
struct Codes {
    exact: HashMap<String, LabelSet>,
    prefixes: Vec<(String, LabelSet)>,
}

/// A resource type, or those of a type that have an element.
#[derive(Debug)]
struct Kind {
    resource_type: String,
    element: Option<String>,
    labels: LabelSet,
}

/// What the program knows of resources beside any table, see `about.rs`: raised when the facts of a version would come out otherwise
/// by the same table, so that stored ones are computed anew.
const REVISION: i64 = 2;
/// More than there will ever be of one version of a table.
const REVISIONS_MAX: i64 = 1_000;

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TableError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl LabelTable {
    /// The table that comes with the program.
    pub fn built_in() -> Arc<Self> {
        Arc::clone(&BUILT_IN)
    }

    /// The version that it names, at least 1.
    pub fn number(&self) -> i64 {
        self.version
    }

    /// The version that facts are marked with: of the table, and within it of what the program itself knows of resources. What
    /// was labelled by an older one counts as most restricted.
    pub fn version(&self) -> i64 {
        self.version * REVISIONS_MAX + REVISION
    }

    /// Reads a table.
    ///
    /// # Errors
    /// The first line that is not understood.
    pub fn read(text: &str) -> Result<Self, TableError> {
        let mut table = Self::default();
        let mut names: HashMap<&str, Vec<&str>> = HashMap::new();
        for (n, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
            let error = |problem| TableError { line: n + 1, problem };
            match words.as_slice() {
                [] => {}
                ["version", number] if table.version == 0 => {
                    let is_version = |version: &i64| (1..=i64::MAX / REVISIONS_MAX - 1).contains(version);
                    table.version = number.parse().ok().filter(is_version).ok_or_else(|| {
                        error("the version is a whole number from 1, and a later table has a higher one")
                    })?;
                }
                ["system", name, addresses @ ..] if !addresses.is_empty() => {
                    names.insert(name, addresses.to_vec());
                }
                ["code", name, code, labels @ ..] => {
                    let labels = labels_of(labels).map_err(error)?;
                    let addresses = names.get(name).ok_or_else(|| error("this system was not named before"))?;
                    for address in addresses {
                        table.systems.entry(plain_system(address)).or_default().add(code, labels);
                    }
                }
                ["type", kind, labels @ ..] => {
                    let labels = labels_of(labels).map_err(error)?;
                    let (resource_type, element) = kind.split_once('.').map_or((*kind, None), |(t, e)| (t, Some(e)));
                    if !is_resource_type(resource_type) {
                        return Err(error("this is no resource type of R4"));
                    }
                    let (resource_type, element) = (resource_type.to_owned(), element.map(str::to_owned));
                    table.kinds.push(Kind { resource_type, element, labels });
                }
                _ => return Err(error("a line begins with version (once), system, code or type")),
            }
        }
        if table.version == 0 {
            return Err(TableError { line: 1, problem: "the table names no version" });
        }
        Ok(table)
    }

    /// The labels that follow from what a resource says: its kind, and every Coding in it. What it says of its own
    /// sensitivity (`meta.security`) is not asked here.
    pub fn labels(&self, resource: &Value) -> LabelSet {
        let mut labels = self.of_kind(resource);
        for (name, value) in resource.as_object().into_iter().flatten() {
            if name != "meta" {
                self.visit(value, &mut labels);
            }
        }
        labels
    }

    fn of_kind(&self, resource: &Value) -> LabelSet {
        let resource_type = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        let is_met = |kind: &&Kind| {
            kind.resource_type == resource_type
                && kind.element.as_ref().is_none_or(|element| resource.get(element).is_some())
        };
        self.kinds.iter().filter(is_met).fold(LabelSet::NONE, |labels, kind| labels.union(kind.labels))
    }

    fn visit(&self, value: &Value, labels: &mut LabelSet) {
        match value {
            Value::Object(members) => {
                let text = |name: &str| members.get(name).and_then(Value::as_str);
                if let Some(code) = text("code") {
                    *labels = labels.union(self.of_code(text("system"), code));
                }
                if members.contains_key("resourceType") {
                    // A contained resource makes its container as sensitive as itself.
                    *labels = labels.union(self.of_kind(value));
                }
                members.values().for_each(|member| self.visit(member, labels));
            }
            Value::Array(values) => values.iter().for_each(|value| self.visit(value, labels)),
            _ => {}
        }
    }

    /// Of a Coding that names no system any that the table knows may be meant.
    fn of_code(&self, system: Option<&str>, code: &str) -> LabelSet {
        let code = plain_code(code);
        match system.map(plain_system).filter(|system| !system.is_empty()) {
            Some(system) => self.systems.get(&system).map_or(LabelSet::NONE, |codes| codes.of(&code)),
            // Words such as `final` are codes too: only what has the form of a class of a classification is taken for one.
            None if code.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => {
                self.systems.values().fold(LabelSet::NONE, |labels, codes| labels.union(codes.of(&code)))
            }
            None => LabelSet::NONE,
        }
    }
}

impl Codes {
    fn add(&mut self, code: &str, labels: LabelSet) {
        if let Some(prefix) = code.strip_suffix('*') {
            self.prefixes.push((plain_code(prefix), labels));
        } else {
            let known = self.exact.entry(plain_code(code)).or_insert(LabelSet::NONE);
            *known = known.union(labels);
        }
    }

    fn of(&self, code: &str) -> LabelSet {
        let exact = self.exact.get(code).copied().unwrap_or(LabelSet::NONE);
        let prefixes = self.prefixes.iter().filter(|(prefix, _)| code.starts_with(prefix.as_str()));
        prefixes.fold(exact, |labels, (_, more)| labels.union(*more))
    }
}

/// A code as it is compared: `f321` and `F32.1` are the same class of ICD-10, however a system writes it.
fn plain_code(code: &str) -> String {
    code.chars().filter(|one| !one.is_whitespace() && *one != '.').map(|one| one.to_ascii_uppercase()).collect()
}

/// The address of a code system as it is compared.
fn plain_system(address: &str) -> String {
    let address = address.trim().trim_end_matches('/').to_ascii_lowercase();
    address.strip_prefix("https://").map_or(address.clone(), |rest| format!("http://{rest}"))
}

fn labels_of(codes: &[&str]) -> Result<LabelSet, &'static str> {
    let labels = codes.iter().try_fold(LabelSet::NONE, |labels, code| Some(labels.with(Label::from_code(code)?)));
    labels.filter(|labels| !labels.is_empty()).ok_or("it ends with the labels, of those that are known")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn codes(resource: &Value) -> String {
        let labels = LabelTable::built_in().labels(resource).of_resource();
        labels.iter().map(Label::code).collect::<Vec<_>>().join(" ")
    }

    fn condition(system: &str, code: &str) -> Value {
        json!({"resourceType": "Condition", "code": {"coding": [{"system": system, "code": code}]}})
    }

    #[test]
    fn a_code_labels_the_resource_wherever_it_stands() {
        let icd = "http://hl7.org/fhir/sid/icd-10";
        for (code, labels) in [
            ("F32.1", "R PSY"),
            ("F10.2", "R ETHUD PSY"),
            ("F11", "R OPIOIDUD PSY"),
            ("F12", "R ETH PSY"),
            ("B20", "R HIV"),
            ("Z21", "R HIV"),
            ("T74.1", "R SDV"),
            ("J06.9", "N"),
        ] {
            assert_eq!(codes(&condition(icd, code)), labels, "{code}");
        }
        assert_eq!(codes(&condition("http://hl7.org/fhir/sid/icpc-2", "P76")), "R PSY");
        assert_eq!(codes(&condition("http://loinc.org", "44261-6")), "R PSY");
        assert_eq!(codes(&condition("urn:other", "F32")), "N");
        for (system, code) in
            [(icd, "f321"), (icd, " F32.1"), ("HTTPS://hl7.org/fhir/sid/ICD-10/", "F32"), ("", "F32.1")]
        {
            assert_eq!(codes(&condition(system, code)), "R PSY", "{system} {code}");
        }
        let without_system = |code: &str| json!({"resourceType": "Condition", "code": {"coding": [{"code": code}]}});
        assert_eq!(codes(&without_system("f32")), "R PSY");
        assert_eq!(
            (codes(&without_system("final")), codes(&without_system("J06.9"))),
            ("N".to_owned(), "N".to_owned())
        );
        let order = json!({"resourceType": "ServiceRequest",
            "reasonCode": [{"coding": [{"system": icd, "code": "F41"}]}]});
        assert_eq!(codes(&order), "R PSY");
        let container = json!({"resourceType": "List", "contained": [condition(icd, "F41")]});
        assert_eq!(codes(&container), "R PSY");
    }

    #[test]
    fn a_kind_of_resource_is_labelled_as_such() {
        assert_eq!(codes(&json!({"resourceType": "Communication"})), "R");
        assert_eq!(codes(&json!({"resourceType": "Encounter", "text": {}})), "R");
        assert_eq!(codes(&json!({"resourceType": "Encounter"})), "N");
        assert_eq!(codes(&json!({"resourceType": "Patient"})), "N");
    }

    #[test]
    fn a_table_that_is_not_understood_is_refused_by_its_line() {
        for (text, line) in [
            ("", 1),
            ("version 0", 1),
            ("version 1\nversion 2", 2),
            ("version 1\ncode icd-10 F* PSY", 2),
            ("version 1\nsystem s urn:s\ncode s F* SECRET", 3),
            ("version 1\nsystem s urn:s\ncode s F*", 3),
            ("version 1\ntype Nothing R", 2),
            ("version 1\nlabel Communication R", 2),
        ] {
            assert_eq!(LabelTable::read(text).map(|_| 0).map_err(|error| error.line), Err(line), "{text}");
        }
    }
}
