//! Reads values by the table of keys, from a file and from variables, and gathers everything that is wrong.
//!
//! A read that fails leaves its error here and gives a stand-in, so that one pass finds all errors; whoever reads asks
//! [`Reader::finish`] before using what was read.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use toml::{Table, Value};

use super::ConfigError;
use super::keys::{self, Fallback, Form, Key};

/// The values that were given, by path, and the errors so far.
pub(super) struct Reader {
    values: BTreeMap<String, Value>,
    errors: Vec<ConfigError>,
    read: BTreeSet<String>,
}

impl Reader {
    /// Takes the file's table and the `WELLGATE_` variables; a variable wins.
    pub(super) fn new(file: Table, environment: &BTreeMap<String, String>) -> Self {
        let mut reader = Self { values: BTreeMap::new(), errors: Vec::new(), read: BTreeSet::new() };
        for (section, entries) in file {
            reader.take_section(&section, entries);
        }
        for (variable, text) in environment.iter().filter(|(variable, _)| is_ours(variable)) {
            reader.take_variable(variable, text);
        }
        reader
    }

    fn take_section(&mut self, section: &str, entries: Value) {
        if !keys::sections().contains(&section) {
            self.fail(section, format!("unknown section; there are {}", keys::sections().join(", ")));
            return;
        }
        let Value::Table(entries) = entries else {
            self.fail(section, format!("is a section: write [{section}] and its keys below"));
            return;
        };
        for (name, value) in entries {
            let path = format!("{section}.{name}");
            if keys::find(&path).is_some() {
                self.values.insert(path, value);
            } else {
                let known: Vec<&str> = keys::all().filter(|key| key.section == section).map(|key| key.name).collect();
                self.fail(&path, format!("unknown key; [{section}] has {}", known.join(", ")));
            }
        }
    }

    fn take_variable(&mut self, variable: &str, text: &str) {
        let Some(key) = keys::all().find(|key| key.variable() == variable) else {
            self.fail(variable, "unknown variable; docs/configuration.md lists them".to_owned());
            return;
        };
        match from_text(key.form, text) {
            Some(value) => {
                self.values.insert(key.path(), value);
            }
            None => self.fail(&key.path(), format!("{variable} is not a whole number")),
        }
    }

    /// Leaves an error at a key.
    pub(super) fn fail(&mut self, key: &str, message: impl Into<String>) {
        self.errors.push(ConfigError { key: key.to_owned(), message: message.into() });
    }

    /// Whether a value was given, right or wrong.
    pub(super) fn is_given(&self, path: &str) -> bool {
        self.values.contains_key(path)
    }

    /// A text that may be absent.
    pub(super) fn optional_text(&mut self, path: &str) -> Option<String> {
        match self.value(path)? {
            Value::String(text) if text.is_empty() => {
                self.fail(path, "is empty; leave the key out instead");
                None
            }
            Value::String(text) => Some(text),
            _ => {
                self.fail(path, "is a text: put it in quotes");
                None
            }
        }
    }

    /// A text that the table requires or has a default for; empty after an error.
    pub(super) fn text(&mut self, path: &str) -> String {
        self.optional_text(path).unwrap_or_default()
    }

    /// A text of which `T` knows the form; `expected` says it for people. The value itself is not repeated in the
    /// error.
    pub(super) fn parsed<T: FromStr>(&mut self, path: &str, expected: &str) -> Option<T> {
        let text = self.optional_text(path)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fail(path, format!("is {expected}"));
        }
        parsed
    }

    /// A whole number that may be absent, within the bounds of the table.
    pub(super) fn optional_integer(&mut self, path: &str) -> Option<u32> {
        let value = self.value(path)?;
        let Some(&Key { form: Form::Integer(min, max), .. }) = keys::find(path) else {
            self.fail(path, "is not an integer key");
            return None;
        };
        match value.as_integer() {
            Some(number) if (min..=max).contains(&number) => u32::try_from(number).ok(),
            Some(number) => {
                self.fail(path, format!("is between {min} and {max}, not {number}"));
                None
            }
            None => {
                self.fail(path, "is a whole number, without quotes");
                None
            }
        }
    }

    /// A whole number that the table has a default for; zero after an error.
    pub(super) fn integer(&mut self, path: &str) -> u32 {
        self.optional_integer(path).unwrap_or_default()
    }

    /// A list of texts, without empty ones.
    pub(super) fn list(&mut self, path: &str) -> Vec<String> {
        let Some(value) = self.value(path) else {
            return Vec::new();
        };
        let texts: Option<Vec<String>> = value
            .as_array()
            .and_then(|items| items.iter().map(|item| item.as_str().map(|text| text.trim().to_owned())).collect());
        if texts.is_none() {
            self.fail(path, "is a list of texts: [\"…\", \"…\"]");
        }
        texts.unwrap_or_default().into_iter().filter(|text| !text.is_empty()).collect()
    }

    /// Everything that was wrong, in the order in which it was found.
    pub(super) fn finish<T>(self, read: T) -> Result<T, Vec<ConfigError>> {
        if self.errors.is_empty() { Ok(read) } else { Err(self.errors) }
    }

    /// The paths that were asked for.
    #[cfg(test)]
    pub(super) fn read_paths(&self) -> &BTreeSet<String> {
        &self.read
    }

    /// What was given, else the table's default. `None` for an absent one; then a required key leaves an error.
    fn value(&mut self, path: &str) -> Option<Value> {
        let first_time = self.read.insert(path.to_owned());
        if let Some(value) = self.values.get(path) {
            return Some(value.clone());
        }
        let Some(key) = keys::find(path) else {
            self.fail(path, "is not in the table of keys");
            return None;
        };
        match key.fallback {
            Fallback::Value(text) => from_text(key.form, text),
            Fallback::Absent => None,
            Fallback::Required => {
                if first_time {
                    self.fail(path, "is required");
                }
                None
            }
        }
    }
}

/// Whether a variable is meant for the gateway: Kubernetes sets `WELLGATE_SERVICE_HOST`, `WELLGATE_PORT_8080_TCP` and
/// the like in every container beside a service called `wellgate`.
fn is_ours(variable: &str) -> bool {
    let Some(rest) = variable.strip_prefix(super::VARIABLE_PREFIX) else {
        return false;
    };
    !rest.starts_with("SERVICE_") && rest != "PORT" && !rest.starts_with("PORT_")
}

fn from_text(form: Form, text: &str) -> Option<Value> {
    match form {
        Form::Text => Some(Value::String(text.to_owned())),
        Form::Integer(..) => text.trim().parse().ok().map(Value::Integer),
        Form::List => Some(Value::Array(text.split(',').map(|item| Value::String(item.trim().to_owned())).collect())),
    }
}
