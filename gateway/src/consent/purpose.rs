//! The purposes of use for which a record may be read, and sets of them as a bit mask.
//!
//! Source: the value set `http://terminology.hl7.org/ValueSet/v3-PurposeOfUse` as bound by FHIR R4 (4.0.1).

/// The code system of all purposes.
pub const PURPOSE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// Append-only: the position of a code is its bit in stored access grants, so a code is never moved or removed.
/// The value set's abstract root (`PurposeOfUse`) is left out: nobody acts for it.
const CODES: [&str; 59] = [
    "TREAT",
    "ETREAT",
    "BTG",
    "ERTREAT",
    "COC",
    "POPHLTH",
    "CLINTRL",
    "HPAYMT",
    "CLMATTCH",
    "COVAUTH",
    "COVERAGE",
    "ELIGDTRM",
    "ELIGVER",
    "ENROLLM",
    "MILDCRG",
    "REMITADV",
    "HOPERAT",
    "CAREMGT",
    "DONAT",
    "FRAUD",
    "GOV",
    "HACCRED",
    "HCOMPL",
    "HDECD",
    "HDIRECT",
    "HDM",
    "HLEGAL",
    "HOUTCOMS",
    "HPRGRP",
    "HQUALIMP",
    "HSYSADMIN",
    "LABELING",
    "METAMGT",
    "MEMADMIN",
    "MILCDM",
    "PATADMIN",
    "PATSFTY",
    "PERFMSR",
    "RECORDMGT",
    "SYSDEV",
    "HTEST",
    "TRAIN",
    "HMARKT",
    "HRESCH",
    "BIORCH",
    "CLINTRCH",
    "CLINTRCHNPC",
    "CLINTRCHPC",
    "PRECLINTRCH",
    "DSRCH",
    "POARCH",
    "TRANSRCH",
    "PATRQT",
    "FAMRQT",
    "PWATRNY",
    "SUPNWK",
    "PUBHLTH",
    "DISASTER",
    "THREAT",
];

/// One purpose of use: the code for which a caller asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Purpose(u8);

impl Purpose {
    /// `TREAT`.
    pub const TREATMENT: Self = Self(0);

    /// Whether this is `BTG` or `ETREAT`: purposes that only an emergency session gives, and no registration or token.
    pub fn is_emergency(self) -> bool {
        matches!(self.code(), "BTG" | "ETREAT")
    }

    /// The purpose with exactly this code of [`PURPOSE_SYSTEM`], if it is known.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::all().find(|purpose| purpose.code() == code)
    }

    /// The code.
    pub fn code(self) -> &'static str {
        CODES[usize::from(self.0)]
    }

    /// All purposes, in the order of their bits.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).take(CODES.len()).map(Self)
    }
}

/// A set of purposes, a bit a code.
///
/// A set holds exactly the codes that were named. The value set's hierarchy is not followed: a Consent for `TREAT` does not
/// let break-glass (`BTG`) in, though that code stands below it. Someone who did not name a purpose did not agree to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PurposeSet(i64);

impl PurposeSet {
    /// Every purpose, also those that later versions append: what a provision without a purpose is about.
    pub const ANY: Self = Self(i64::MAX);
    /// No purpose.
    pub const NONE: Self = Self(0);

    /// The mask as it is stored: never negative, zero for no purpose.
    pub fn bits(self) -> i64 {
        self.0
    }

    /// The set for a stored mask.
    pub fn from_bits(bits: i64) -> Self {
        Self(bits & i64::MAX)
    }

    /// Whether the set holds this purpose.
    pub fn contains(self, purpose: Purpose) -> bool {
        self.0 & (1 << purpose.0) != 0
    }

    /// This set and one purpose more.
    #[must_use]
    pub fn with(self, purpose: Purpose) -> Self {
        Self(self.0 | (1 << purpose.0))
    }

    /// The purposes that are in both sets.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set holds no purpose.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// All purposes, those together that none of these sets tells apart: one of each list stands for the others. Every purpose
/// stands in exactly one list.
pub fn classes(sets: impl Iterator<Item = PurposeSet>) -> Vec<Vec<Purpose>> {
    let mut distinct: Vec<PurposeSet> = Vec::new();
    for set in sets {
        if !distinct.contains(&set) {
            distinct.push(set);
        }
    }
    let mut classes: Vec<Vec<Purpose>> = Vec::new();
    for purpose in Purpose::all() {
        let is_alike = |class: &&mut Vec<Purpose>| {
            class.first().is_some_and(|one| distinct.iter().all(|set| set.contains(*one) == set.contains(purpose)))
        };
        match classes.iter_mut().find(is_alike) {
            Some(class) => class.push(purpose),
            None => classes.push(vec![purpose]),
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_below_another_in_the_value_set_is_not_covered_by_it() {
        let treatment = Purpose::from_code("TREAT").expect("TREAT is in the table");
        let set = PurposeSet::NONE.with(treatment);
        for purpose in Purpose::all().filter(|purpose| *purpose != treatment) {
            assert!(!set.contains(purpose), "TREAT covers {}", purpose.code());
        }
    }

    #[test]
    fn an_unknown_or_abstract_code_is_no_purpose() {
        for code in ["PurposeOfUse", "treat", "FooBar", ""] {
            assert_eq!(Purpose::from_code(code), None, "{code}");
        }
    }

    #[test]
    fn any_purpose_holds_every_code_and_fits_a_positive_bigint() {
        assert!(Purpose::all().all(|purpose| PurposeSet::ANY.contains(purpose)));
        assert!(PurposeSet::ANY.bits() > 0);
        assert!(CODES.len() <= 63, "a purpose more would need the sign bit");
    }

    #[test]
    fn two_purposes_are_those_of_an_emergency_and_treatment_is_none() {
        let codes: Vec<_> = Purpose::all().filter(|purpose| purpose.is_emergency()).map(Purpose::code).collect();
        assert_eq!((codes, Purpose::TREATMENT.code()), (vec!["ETREAT", "BTG"], "TREAT"));
    }

    #[test]
    fn purposes_that_no_set_tells_apart_stand_together() {
        let purpose = |code| Purpose::from_code(code).expect("the code is in the table");
        let (treatment, payment) = (purpose("TREAT"), purpose("HPAYMT"));
        let sets = [PurposeSet::ANY, PurposeSet::NONE.with(treatment), PurposeSet::NONE.with(treatment).with(payment)];
        let classes = classes(sets.into_iter());
        assert_eq!(classes.len(), 3);
        assert_eq!(classes[0], [treatment]);
        assert!(classes.contains(&vec![payment]));
        assert_eq!(classes.iter().map(Vec::len).sum::<usize>(), Purpose::all().count());
    }

    #[test]
    fn every_code_stands_once_in_the_table() {
        for purpose in Purpose::all() {
            assert_eq!(Purpose::from_code(purpose.code()), Some(purpose));
        }
    }

    #[test]
    fn stored_bits_keep_their_meaning() {
        for (code, bit) in [("TREAT", 0), ("BTG", 2), ("HPAYMT", 7), ("HRESCH", 43), ("THREAT", 58)] {
            let purpose = Purpose::from_code(code).expect("the code is in the table");
            assert_eq!(PurposeSet::NONE.with(purpose).bits(), 1 << bit, "{code}");
        }
    }
}
