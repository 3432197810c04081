//! Zones and error codes in words: Dutch, French, English, and what a code does to what was sent.
//!
//! The words are ours (`mappings/tables/billing-words.txt`, whose first lines explain its form). A code that is not there is shown as it
//! is, with the words for its zone where the layouts have one.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::layout::{Form, Kind, Zone};
use crate::tdi::Language;

static WORDS: LazyLock<Words> = LazyLock::new(|| read(include_str!("../../tables/billing-words.txt")));

/// What an error does to what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// S: told, and settled all the same.
    Soft,
    /// E: a signal that somebody should look at.
    Signal,
    /// R: the record is refused.
    Record,
    /// F: the invoice is refused.
    Invoice,
    /// B: the whole sending is refused.
    Blocking,
}

impl Severity {
    /// All of them, the lightest first.
    pub const ALL: [Self; 5] = [Self::Soft, Self::Signal, Self::Record, Self::Invoice, Self::Blocking];

    /// Its official letter.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Soft => "S",
            Self::Signal => "E",
            Self::Record => "R",
            Self::Invoice => "F",
            Self::Blocking => "B",
        }
    }

    /// The severity with this letter.
    pub fn of_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.letter() == letter)
    }

    /// What it does, in words.
    pub fn words(self, language: Language) -> &'static str {
        let key = format!("severity {}", self.letter());
        WORDS.text(&key, language).unwrap_or_default()
    }
}

/// A code in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The code as it came.
    pub code: String,
    /// What is wrong, in words; none where the code is not known.
    pub text: Option<String>,
    /// The words for the zone that it names; none where the layouts have none.
    pub zone: Option<&'static str>,
    /// What it does; none where it is not known. An answer's own letter counts before it.
    pub severity: Option<Severity>,
}

/// Says a code in words. Six characters are a code of a record, `302-20` one of a segment's zone.
pub fn explain(code: &str, language: Language) -> Explanation {
    let zone = zone_of(code).and_then(|(_, zone)| zone_words(zone, language));
    let text = WORDS.text(&format!("code {code}"), language).map(str::to_owned);
    let ending = code.get(code.len().saturating_sub(2)..).unwrap_or_default();
    let general = || {
        let text = WORDS.text(&format!("ending {ending}"), language)?;
        zone.map(|zone| text.replace("{zone}", zone))
    };
    Explanation { code: code.to_owned(), text: text.or_else(general), zone, severity: severity(code) }
}

/// The words for what stands in a zone; none for a reserved one that has no words of its own.
pub fn zone_words(zone: &Zone, language: Language) -> Option<&'static str> {
    let field = if matches!(zone.form, Form::Zeros | Form::Blanks) { "reserved" } else { zone.field };
    WORDS.text(&format!("zone {field}"), language)
}

/// The kind of record and the zone that a code names.
pub fn zone_of(code: &str) -> Option<(Kind, &'static Zone)> {
    if let Some((number, _)) = code.split_once('-') {
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.layout().name.starts_with(['2', '3', '9']));
        return kinds.filter(|kind| *kind != Kind::SendingTotal).find_map(|kind| {
            let zone = kind.layout().zones.iter().find(|zone| zone.numbers == number)?;
            Some((kind, zone))
        });
    }
    let kind = Kind::of_record(code.as_bytes(), false).filter(|_| code.len() == 6)?;
    kind.layout().zone_by_number(code.get(2..4)?).map(|zone| (kind, zone))
}

/// What a code does: as the catalogue says, or as codes of its kind do. None where nothing is known of it.
pub fn severity(code: &str) -> Option<Severity> {
    if let Some(known) = WORDS.severities.get(code) {
        return Some(*known);
    }
    if code.contains('-') {
        return Some(Severity::Blocking);
    }
    let (record, ending) = (code.get(..2)?, code.get(4..).filter(|ending| ending.len() == 2)?);
    zone_of(code)?;
    match ending {
        "01" | "04" | "05" | "06" | "09" => Some(Severity::Blocking),
        "02" if matches!(code.get(2..4), Some("98" | "99")) => Some(Severity::Blocking),
        "02" | "03" | "12" => Some(match record {
            "10" | "90" => Severity::Blocking,
            "20" | "25" | "80" => Severity::Invoice,
            _ => Severity::Record,
        }),
        _ => None,
    }
}

#[derive(Debug, Default)]
struct Words {
    texts: HashMap<&'static str, [&'static str; 3]>,
    severities: HashMap<&'static str, Severity>,
}

impl Words {
    fn text(&self, key: &str, language: Language) -> Option<&'static str> {
        let place = Language::ALL.iter().position(|one| *one == language)?;
        self.texts.get(key).map(|texts| texts[place])
    }
}

fn read(table: &'static str) -> Words {
    let mut words = Words::default();
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let parts: Vec<&'static str> = line.split(" | ").collect();
        let [key, texts @ ..] = parts.as_slice() else { continue };
        let texts = match (key.strip_prefix("code "), texts) {
            (Some(code), [letter, texts @ ..]) => {
                let severity = Severity::of_letter(letter).expect("a code of the catalogue has its letter");
                words.severities.insert(code, severity);
                texts
            }
            _ => texts,
        };
        let [nl, fr, en] = texts else { panic!("not in three languages: {line}") };
        assert!(words.texts.insert(key, [nl, fr, en]).is_none(), "twice in the catalogue: {key}");
    }
    words
}
