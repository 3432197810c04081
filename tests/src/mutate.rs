//! Inputs made out of others: bytes are changed, cut, repeated, and crossed with another input's, by a number that says which.

use std::path::Path;

use crate::project;

/// What the readers of our inputs look out for.
const PIECES: [&str; 40] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\u0061",
    "null",
    "true",
    "1e999",
    "-0",
    "0.1",
    "01",
    "\u{feff}",
    "\u{202e}",
    "\0",
    "%",
    "%00",
    "&",
    "=",
    ".",
    "..",
    "/",
    "|",
    "$",
    "\"resourceType\":",
    "\"id\":\"a\",",
    "\"a\":1,\"a\":2",
    "[[[[[[[[",
    "{\"a\":{\"a\":",
    "\"provision\":{",
    "\"type\":\"permit\",",
    "\"type\":\"deny\",",
    "_count=",
    "_sort=-",
    "eyJ",
];
/// No input grows beyond it, or a long run spends its time in one.
const BYTES_MAX: usize = 64 * 1024;

/// A sequence of numbers by its seed: xorshift, which is all the chance that this needs.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        // Of zero only zeros would follow.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.number() % end).unwrap_or(0)
    }
}

/// One of the inputs, with one to four changes.
///
/// # Panics
/// There are no inputs.
pub fn mutated(inputs: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = inputs[chance.below(inputs.len())].clone();
    for _ in 0..=chance.below(4) {
        change(&mut input, inputs, chance);
        input.truncate(BYTES_MAX);
    }
    input
}

fn change(input: &mut Vec<u8>, inputs: &[Vec<u8>], chance: &mut Chance) {
    let at = chance.below(input.len() + 1);
    let until = (at + chance.below(32)).min(input.len());
    let random = u8::try_from(chance.below(256)).unwrap_or(0);
    match chance.below(8) {
        0 => drop(input.drain(at..until)),
        1 => {
            let piece = input[at..until].repeat(1 + chance.below(4));
            drop(input.splice(at..at, piece));
        }
        2 if at < input.len() => input[at] = random,
        3 if at < input.len() => input[at] ^= 1 << chance.below(8),
        4 => {
            let other = &inputs[chance.below(inputs.len())];
            let from = chance.below(other.len() + 1);
            let piece = other[from..(from + chance.below(256)).min(other.len())].to_vec();
            drop(input.splice(at..until, piece));
        }
        5 => input.truncate(at),
        _ => {
            let piece = PIECES[chance.below(PIECES.len())].bytes();
            drop(input.splice(at..at, piece));
        }
    }
}

/// The inputs in a folder of `tests/seeds`: made by hand, or found by a long run.
///
/// # Panics
/// There are none.
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    let found = files(&project().join("tests/seeds").join(name));
    assert!(!found.is_empty(), "tests/seeds/{name} has inputs");
    found
}

/// The contents of the files in a folder, in the order of their names.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
    let mut paths: Vec<_> = entries.unwrap_or_default();
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}
