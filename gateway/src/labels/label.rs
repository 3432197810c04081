//! The security labels that are known, and sets of them as a bit mask.
//!
//! Source: v3-Confidentiality and the sensitivities of v3-ActCode, <https://terminology.hl7.org>, as the profile Privacy Consent
//! on FHIR 1.1.1 uses them.

/// The code system of confidentiality.
pub const CONFIDENTIALITY_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
/// The code system of sensitivities.
pub const ACT_CODE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// Append-only: the position of a code is its bit in stored facts and access grants, so a code is never moved or removed.
///
/// Of confidentiality the three that a health record has: normal, restricted, very restricted. What is less than normal (`U`,
/// `L`, `M`) counts as normal.
const CODES: [&str; 22] = [
    "N", "R", "V", "ETH", "ETHUD", "OPIOIDUD", "PSY", "SDV", "HIV", "SEX", "BH", "SUD", "STD", "MH", "PSYTHPN", "COGN",
    "DVD", "EMOTDIS", "GDIS", "PREGNANT", "TBOO", "VIO",
];
/// How many of them, from the first, are of confidentiality.
const CONFIDENTIALITIES: u8 = 3;

/// What stands below a label in the code system, at any depth: a rule that names the label names these too.
const BELOW: [(&str, &[&str]); 4] = [
    ("ETH", &["SUD", "ETHUD", "OPIOIDUD"]),
    ("SUD", &["ETHUD", "OPIOIDUD"]),
    ("PSY", &["PSYTHPN"]),
    ("BH", &["MH", "PSY", "PSYTHPN", "COGN", "DVD", "EMOTDIS", "ETH", "SUD", "ETHUD", "OPIOIDUD"]),
];

/// One known security label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(u8);

impl Label {
    /// The label of a Coding, if it is known.
    pub fn from_coding(system: &str, code: &str) -> Option<Self> {
        Self::from_code(code).filter(|label| label.system() == system)
    }

    /// The label with this code: no code is in both systems.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::all().find(|label| label.code() == code)
    }

    /// The code.
    pub fn code(self) -> &'static str {
        CODES[usize::from(self.0)]
    }

    /// The code system.
    pub fn system(self) -> &'static str {
        if self.0 < CONFIDENTIALITIES { CONFIDENTIALITY_SYSTEM } else { ACT_CODE_SYSTEM }
    }

    /// All labels, in the order of their bits.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).take(CODES.len()).map(Self)
    }
}

/// A set of labels, a bit a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LabelSet(i64);

impl LabelSet {
    /// No label.
    pub const NONE: Self = Self(0);
    /// Every label, also those that later versions append: what is not labelled yet, and what a rule without labels is about.
    pub const EVERY: Self = Self(-1);

    /// The mask as it is stored.
    pub fn bits(self) -> i64 {
        self.0
    }

    /// The set for a stored mask.
    pub fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// This set and one label more.
    #[must_use]
    pub fn with(self, label: Label) -> Self {
        Self(self.0 | (1 << label.0))
    }

    /// What is in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set has this label.
    pub fn contains(self, label: Label) -> bool {
        self.0 & (1 << label.0) != 0
    }

    /// Whether the sets have a label in common.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set has no label.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The labels of the set that are known.
    pub fn iter(self) -> impl Iterator<Item = Label> {
        Label::all().filter(move |label| self.contains(*label))
    }

    /// The set that a rule names which names these: each with what stands below it.
    #[must_use]
    pub fn with_those_below(self) -> Self {
        let below = BELOW.iter().filter(|(code, _)| Label::from_code(code).is_some_and(|label| self.contains(label)));
        below.flat_map(|(_, codes)| *codes).filter_map(|code| Label::from_code(code)).fold(self, Self::with)
    }

    /// What a permit that names this set leaves closed: every sensitivity that it does not name, and very restricted. Later
    /// labels are among them.
    #[must_use]
    pub fn uncovered(self) -> Self {
        const NAMED_BY_CONFIDENTIALITY: i64 = 0b11;
        Self(!self.0 & !NAMED_BY_CONFIDENTIALITY)
    }

    /// The labels of a resource that has these: at least one confidentiality. What is sensitive is restricted, and what is very
    /// restricted is restricted too.
    #[must_use]
    pub fn of_resource(self) -> Self {
        const NORMAL: i64 = 0b1;
        const RESTRICTED: i64 = 0b10;
        let beyond_normal = self.0 & !NORMAL;
        if beyond_normal == 0 { Self(NORMAL) } else { Self(beyond_normal | RESTRICTED) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(codes: &[&str]) -> LabelSet {
        codes.iter().filter_map(|code| Label::from_code(code)).fold(LabelSet::NONE, LabelSet::with)
    }

    #[test]
    fn stored_bits_keep_their_meaning() {
        for (code, bit) in [("N", 0), ("R", 1), ("V", 2), ("ETH", 3), ("PSY", 6), ("HIV", 8), ("SUD", 11), ("VIO", 21)]
        {
            assert_eq!(set(&[code]).bits(), 1 << bit, "{code}");
        }
        assert!(CODES.len() < 63, "a label more would need the sign bit");
    }

    #[test]
    fn a_code_of_the_other_system_is_no_label() {
        assert_eq!(Label::from_coding(ACT_CODE_SYSTEM, "R"), None);
        assert_eq!(Label::from_coding(CONFIDENTIALITY_SYSTEM, "PSY"), None);
        assert_eq!(Label::from_coding(ACT_CODE_SYSTEM, "psy"), None);
        for label in Label::all() {
            assert_eq!(Label::from_coding(label.system(), label.code()), Some(label));
        }
    }

    #[test]
    fn a_resource_has_a_confidentiality_and_is_restricted_where_it_is_sensitive() {
        assert_eq!(LabelSet::NONE.of_resource(), set(&["N"]));
        assert_eq!(set(&["N", "PSY"]).of_resource(), set(&["R", "PSY"]));
        assert_eq!(set(&["V"]).of_resource(), set(&["R", "V"]));
    }

    #[test]
    fn a_permit_leaves_closed_what_it_does_not_name() {
        let every_sensitivity = LabelSet(!0b11);
        assert_eq!(set(&["N"]).uncovered(), every_sensitivity);
        assert!(set(&["R"]).uncovered().meets(set(&["V"])));
        assert!(!set(&["PSY"]).uncovered().meets(set(&["PSY", "R", "N"])));
        assert_eq!(LabelSet::EVERY.uncovered(), LabelSet::NONE);
    }

    #[test]
    fn a_label_names_what_stands_below_it_and_nothing_above() {
        assert_eq!(set(&["ETH"]).with_those_below(), set(&["ETH", "SUD", "ETHUD", "OPIOIDUD"]));
        assert_eq!(set(&["ETHUD"]).with_those_below(), set(&["ETHUD"]));
        for (above, below) in BELOW {
            for code in below {
                let named = set(&[code]).with_those_below();
                assert_eq!(
                    set(&[above]).with_those_below().union(named),
                    set(&[above]).with_those_below(),
                    "{above} {code}"
                );
            }
        }
    }
}
