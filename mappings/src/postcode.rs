//! In which province a Belgian postcode lies.
//!
//! Postcodes are given out by province, in ranges that have not moved since 1969; a range also holds the codes of single firms and offices,
//! which no list of municipalities has. So the ranges are the table, and a test holds it to the published lists.

use crate::postcode::Province::{
    Antwerp, Brussels, EastFlanders, FlemishBrabant, Hainaut, Liege, Limburg, Luxembourg, Namur, WalloonBrabant,
    WestFlanders,
};

/// The state of the table.
pub const AS_OF: &str = "2026-11-01";

/// A province, or Brussels, which is none and is counted with them here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is named by its name")]
pub enum Province {
    Brussels,
    WalloonBrabant,
    FlemishBrabant,
    Antwerp,
    Limburg,
    Liege,
    Namur,
    Hainaut,
    Luxembourg,
    WestFlanders,
    EastFlanders,
}

/// First and last postcode of a range, both in it.
const RANGES: [(u16, u16, Province); 13] = [
    (1000, 1299, Brussels),
    (1300, 1499, WalloonBrabant),
    (1500, 1999, FlemishBrabant),
    (2000, 2999, Antwerp),
    (3000, 3499, FlemishBrabant),
    (3500, 3999, Limburg),
    (4000, 4999, Liege),
    (5000, 5999, Namur),
    (6000, 6599, Hainaut),
    (6600, 6999, Luxembourg),
    (7000, 7999, Hainaut),
    (8000, 8999, WestFlanders),
    (9000, 9999, EastFlanders),
];

/// Code of ISO 3166-2, and the names in Dutch, French and English.
const NAMES: [(Province, &str, [&str; 3]); 11] = [
    (Brussels, "BE-BRU", ["Brussel", "Bruxelles", "Brussels"]),
    (WalloonBrabant, "BE-WBR", ["Waals-Brabant", "Brabant wallon", "Walloon Brabant"]),
    (FlemishBrabant, "BE-VBR", ["Vlaams-Brabant", "Brabant flamand", "Flemish Brabant"]),
    (Antwerp, "BE-VAN", ["Antwerpen", "Anvers", "Antwerp"]),
    (Limburg, "BE-VLI", ["Limburg", "Limbourg", "Limburg"]),
    (Liege, "BE-WLG", ["Luik", "Liège", "Liège"]),
    (Namur, "BE-WNA", ["Namen", "Namur", "Namur"]),
    (Hainaut, "BE-WHT", ["Henegouwen", "Hainaut", "Hainaut"]),
    (Luxembourg, "BE-WLX", ["Luxemburg", "Luxembourg", "Luxembourg"]),
    (WestFlanders, "BE-VWV", ["West-Vlaanderen", "Flandre occidentale", "West Flanders"]),
    (EastFlanders, "BE-VOV", ["Oost-Vlaanderen", "Flandre orientale", "East Flanders"]),
];

impl Province {
    /// All of them, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|row| row.0)
    }

    /// The province of a postcode: four digits, and nothing around them. None where there is no such postcode.
    pub fn of_postcode(postcode: &str) -> Option<Self> {
        if postcode.len() != 4 || !postcode.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: u16 = postcode.parse().ok()?;
        RANGES.iter().find(|(first, last, _)| (*first..=*last).contains(&number)).map(|range| range.2)
    }

    /// The province that a text names: by its code, or in one of the languages of the country or English.
    pub fn named(text: &str) -> Option<Self> {
        let is_name = |name: &str| name.to_lowercase() == text.trim().to_lowercase();
        NAMES.iter().find(|row| is_name(row.1) || row.2.into_iter().any(is_name)).map(|row| row.0)
    }

    /// The code of ISO 3166-2, such as `BE-VOV`.
    pub fn code(self) -> &'static str {
        NAMES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// The ranges of its postcodes, first and last, in order.
    pub fn ranges(self) -> impl Iterator<Item = (u16, u16)> {
        RANGES.iter().filter(move |range| range.2 == self).map(|range| (range.0, range.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_postcode_lies_in_one_province_or_does_not_exist() {
        for number in 0..10_000_u16 {
            let inside = RANGES.iter().filter(|(first, last, _)| (*first..=*last).contains(&number)).count();
            assert_eq!(inside, usize::from(number >= 1_000), "{number}");
            assert_eq!(Province::of_postcode(&format!("{number:04}")).is_some(), number >= 1_000, "{number}");
        }
    }

    #[test]
    fn what_is_no_postcode_is_in_no_province() {
        for text in ["", "900", "90000", " 9000", "9000 ", "B-9000", "+900", "0000", "0999", "９０００", "90.0", "9e30"]
        {
            assert_eq!(Province::of_postcode(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_province_is_named_by_its_code_and_in_every_language() {
        for province in Province::all() {
            assert_eq!(Province::named(province.code()), Some(province));
        }
        for (text, province) in [
            ("oost-vlaanderen", EastFlanders),
            ("Flandre orientale", EastFlanders),
            ("Liège", Liege),
            ("be-bru", Brussels),
        ] {
            assert_eq!(Province::named(text), Some(province), "{text}");
        }
        for text in ["", "Gent", "Vlaanderen", "BE"] {
            assert_eq!(Province::named(text), None, "{text}");
        }
    }
}
