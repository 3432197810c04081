//! The codes of the trail in plain words, a catalogue a language, embedded in the program.
//!
//! A code without a text is shown as it is; a test holds the catalogues to every code that the gateway records.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A language in which the trail is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `nl`, the first.
    Dutch,
    /// `fr`
    French,
    /// `en`
    English,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 3] = [Self::Dutch, Self::French, Self::English];

    /// The code of BCP 47.
    pub fn code(self) -> &'static str {
        match self {
            Self::Dutch => "nl",
            Self::French => "fr",
            Self::English => "en",
        }
    }

    /// The language of exactly this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The first language of an `Accept-Language` that is spoken here, in the order in which it is written; else Dutch.
    pub fn preferred(accept_language: &str) -> Self {
        let primary = |range: &str| range.trim().split(['-', ';']).next().unwrap_or_default().to_ascii_lowercase();
        accept_language.split(',').find_map(|range| Self::from_code(&primary(range))).unwrap_or(Self::Dutch)
    }
}

type Texts = BTreeMap<String, BTreeMap<String, String>>;

/// The texts of one language.
#[derive(Debug, Default)]
pub struct Catalogue(Texts);

static CATALOGUES: LazyLock<[Catalogue; 3]> = LazyLock::new(|| {
    [
        include_str!("../../catalogues/nl.toml"),
        include_str!("../../catalogues/fr.toml"),
        include_str!("../../catalogues/en.toml"),
    ]
    .map(|text| Catalogue(toml::from_str(text).unwrap_or_default()))
});

impl Catalogue {
    /// The catalogue of a language.
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::Dutch => &CATALOGUES[0],
            Language::French => &CATALOGUES[1],
            Language::English => &CATALOGUES[2],
        }
    }

    /// The text of a code; the code itself where there is none.
    pub fn text<'t>(&'t self, kind: &str, code: &'t str) -> &'t str {
        self.find(kind, code).unwrap_or(code)
    }

    /// The text of a code, if there is one.
    pub fn find(&self, kind: &str, code: &str) -> Option<&str> {
        self.0.get(kind)?.get(code).map(String::as_str)
    }

    /// Every kind with its code, sorted.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(kind, codes)| codes.keys().map(move |code| (kind.as_str(), code.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_the_same_codes_and_a_text_for_each() {
        let first: Vec<_> = Catalogue::of(Language::Dutch).keys().collect();
        assert!(first.len() > 100, "the catalogue is read");
        for language in Language::ALL {
            let catalogue = Catalogue::of(language);
            assert_eq!(catalogue.keys().collect::<Vec<_>>(), first, "{language:?}");
            for (kind, code) in catalogue.keys() {
                let text = catalogue.text(kind, code);
                assert!(!text.trim().is_empty() && text.trim() == text, "{language:?} {kind}.{code}");
            }
        }
        assert_eq!(Catalogue::of(Language::Dutch).text("act", "unheard-of"), "unheard-of");
    }

    #[test]
    fn the_language_is_the_first_that_is_spoken_here() {
        for (asked, language) in [
            ("", Language::Dutch),
            ("de", Language::Dutch),
            ("fr-BE, nl;q=0.9", Language::French),
            ("de-DE,en;q=0.5", Language::English),
            ("NL-be", Language::Dutch),
            ("*", Language::Dutch),
        ] {
            assert_eq!(Language::preferred(asked), language, "{asked:?}");
        }
    }
}
