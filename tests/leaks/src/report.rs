//! What a run found: figures by channel, and every kind of difference with an example.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::channels::CHANNELS;
use crate::compare::DECLARED;

/// Examples that are kept of each channel; all are counted.
const EXAMPLES_MAX: usize = 10;

/// A question that was answered in two ways.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The question.
    pub asked: String,
    /// Of which twin, or when.
    pub of: String,
    /// Around the place where the answers part.
    pub answered: String,
    /// The same of the other answer.
    pub otherwise: String,
}

/// One channel of a run.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Comparisons.
    pub checks: usize,
    /// Comparisons that were not equal.
    pub differences: usize,
    /// Some of them.
    pub examples: Vec<Difference>,
    /// Answers by status, of the side that never was or of the time before.
    pub statuses: BTreeMap<u16, usize>,
    /// Figures and remarks.
    pub note: String,
    /// Whether the server claims to offer this.
    pub is_offered: bool,
}

/// A whole run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// By the name of the channel.
    pub channels: BTreeMap<&'static str, Found>,
    /// Checks by type in the address.
    pub types: BTreeMap<String, usize>,
    /// Types that the server lets clients create in a record, of which the kit has no data.
    pub without_data: Vec<String>,
}

impl Report {
    /// The channel of this name.
    pub fn channel(&mut self, name: &'static str) -> &mut Found {
        self.channels.entry(name).or_default()
    }

    /// Counts one comparison; keeps it where it is a difference.
    pub fn check(&mut self, name: &'static str, path: &str, difference: Option<Difference>) {
        let of_type = path.split(['/', '?']).next().unwrap_or_default().to_owned();
        *self.types.entry(of_type).or_default() += 1;
        let found = self.channel(name);
        found.checks += 1;
        if let Some(difference) = difference {
            found.differences += 1;
            if found.examples.len() < EXAMPLES_MAX {
                found.examples.push(difference);
            }
        }
    }

    /// All comparisons.
    pub fn checks(&self) -> usize {
        self.channels.values().map(|found| found.checks).sum()
    }

    /// All that were not equal.
    pub fn differences(&self) -> usize {
        self.channels.values().map(|found| found.differences).sum()
    }

    /// For people: a line a channel, then the examples.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, found) in self.in_order() {
            let statuses: Vec<String> =
                found.statuses.iter().map(|(status, count)| format!("{status}×{count}")).collect();
            let offered = if found.is_offered { "" } else { "  (not offered)" };
            let (checks, differences) = (found.checks, found.differences);
            let line = format!(
                "{name:22} {checks:7} checks {differences:5} differences{offered}  {}  {}",
                statuses.join(" "),
                found.note
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for (name, found) in self.in_order() {
            for example in &found.examples {
                let _ = writeln!(
                    text,
                    "\nDIFFERENCE in {name}, {}: {}\n--- answered\n{}\n--- and otherwise\n{}",
                    example.of, example.asked, example.answered, example.otherwise
                );
            }
        }
        for name in &self.without_data {
            let _ = writeln!(text, "no data of type {name}: it was not made, and asked for only by what others have");
        }
        text + &format!("seed {}: {} checks, {} differences\n", self.seed, self.checks(), self.differences())
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let channels: Vec<Value> = self.in_order().map(|(name, found)| channel_json(name, found)).collect();
        json!({
            "seed": self.seed, "checks": self.checks(), "differences": self.differences(), "channels": channels,
            "checksByType": self.types, "typesWithoutData": self.without_data, "declaredFields": DECLARED,
        })
    }

    fn in_order(&self) -> impl Iterator<Item = (&'static str, &Found)> {
        CHANNELS.iter().filter_map(|channel| Some((channel.name, self.channels.get(channel.name)?)))
    }
}

fn channel_json(name: &str, found: &Found) -> Value {
    let examples: Vec<Value> = found
        .examples
        .iter()
        .map(|example| {
            json!({"asked": example.asked, "of": example.of, "answered": example.answered, "otherwise": example.otherwise})
        })
        .collect();
    let statuses: BTreeMap<String, usize> =
        found.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
    json!({
        "channel": name, "offered": found.is_offered, "checks": found.checks, "differences": found.differences,
        "statuses": statuses, "note": found.note, "examples": examples,
    })
}
