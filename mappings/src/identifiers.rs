//! Belgian identification numbers: their systems, their form, their check digits.
//!
//! A wrong form is an error. Whether check digits hold is an answer and not an error: the official examples of HL7 Belgium
//! break them, so the gateway decides by configuration what to make of it.
//!
//! <https://www.ehealth.fgov.be/standards/fhir/core/> (be-core 2.1.2: naming systems, invariants be-inv-SSIN, -NIHDI, -CBE)

use std::fmt;

/// The system of a national number (SSIN, INSZ, NISS), BIS numbers included: they have no system of their own.
pub const SSIN_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin";
/// The system of a NIHDI (RIZIV, INAMI) number.
pub const NIHDI_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/nihdi";
/// The system of a NIHDI number of a professional. The profiles use [`NIHDI_SYSTEM`].
pub const NIHDI_PROFESSIONAL_SYSTEM: &str =
    "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/nihdi-professional";
/// The system of a NIHDI number of an organisation. The profiles use [`NIHDI_SYSTEM`].
pub const NIHDI_ORGANIZATION_SYSTEM: &str =
    "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/nihdi-organization";
/// The system of an enterprise number (CBE, KBO, BCE).
pub const CBE_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/cbe";
/// The system of an eHealth partner number.
pub const EHP_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ehp";
/// The system of the number of a mutuality.
pub const INSURANCE_NUMBER_SYSTEM: &str =
    "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/insurancenumber";
/// The system of a membership number at a mutuality. The official address spells it so.
pub const INSURANCE_MEMBERSHIP_SYSTEM: &str =
    "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/insurancymembership";
/// The system of the nomenclature of billing codes.
pub const NOMENCLATURE_SYSTEM: &str =
    "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/be-ns-nihdi-nomenclature";

/// The form of a number is wrong. The text never repeats the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Not the form of a national number.
    #[error("a national number (SSIN) is 11 digits, without dots or spaces")]
    Ssin,
    /// Not the form of a NIHDI number.
    #[error("a NIHDI number is 11 digits, or 8 in its older form, without dashes")]
    Nihdi,
    /// Not the form of an enterprise number.
    #[error("an enterprise number (CBE) is 10 digits, the first 0 or 1, without dots")]
    Cbe,
}

/// A national number: of the register, or BIS. It names a person, so it is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ssin(String);

impl Ssin {
    /// Reads a number.
    ///
    /// # Errors
    /// Not 11 digits.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if text.len() == 11 && is_digits(text) { Ok(Self(text.to_owned())) } else { Err(IdentifierError::Ssin) }
    }

    /// The 11 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the last two digits follow from the first nine. Someone born from 2000 on has a 2 in front of those nine; the
    /// number does not say so, so either will do. The date in it may be no date (unknown birthdays, BIS), so it is not looked at.
    pub fn check_digits_hold(&self) -> bool {
        let (first, check) = (number(&self.0[..9]), number(&self.0[9..]));
        check == 97 - first % 97 || check == 97 - (2_000_000_000 + first) % 97
    }
}

impl fmt::Debug for Ssin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ssin(***)")
    }
}

/// A number that NIHDI gave to a care provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nihdi(String);

impl Nihdi {
    /// Reads a number.
    ///
    /// # Errors
    /// Not 11 and not 8 digits.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if matches!(text.len(), 8 | 11) && is_digits(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdentifierError::Nihdi)
        }
    }

    /// The 11 or 8 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 8 digits that say who it is: six, and the two check digits, which tell apart numbers that share the six.
    pub fn provider(&self) -> &str {
        &self.0[..8]
    }

    /// The 3 digits of the qualification, in the form of 11.
    pub fn qualification(&self) -> Option<&str> {
        self.0.get(8..11)
    }

    /// Whether digits 7 and 8 follow from the first six, modulo 97 or, in newer numbers, 89.
    pub fn check_digits_hold(&self) -> bool {
        let (first, check) = (number(&self.0[..6]), number(&self.0[6..8]));
        check == 97 - first % 97 || check == 89 - first % 89
    }
}

/// An enterprise number of the Crossroads Bank for Enterprises.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cbe(String);

impl Cbe {
    /// Reads a number.
    ///
    /// # Errors
    /// Not 10 digits, or the first is neither 0 nor 1.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if text.len() == 10 && is_digits(text) && text.starts_with(['0', '1']) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdentifierError::Cbe)
        }
    }

    /// The 10 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the last two digits follow from the first eight.
    pub fn check_digits_hold(&self) -> bool {
        number(&self.0[8..]) == 97 - number(&self.0[..8]) % 97
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The value of a text that is known to be a few ASCII digits.
fn number(digits: &str) -> u64 {
    digits.bytes().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::{Cbe, IdentifierError, Nihdi, Ssin};

    #[test]
    fn known_national_and_bis_numbers_hold() {
        for text in ["85073003328", "17073003384", "98472899765", "01490700185", "61032004773", "73031805784"] {
            assert_eq!(Ssin::parse(text).map(|ssin| ssin.check_digits_hold()), Ok(true), "{text}");
        }
    }

    #[test]
    fn known_nihdi_numbers_hold_by_97_and_by_89() {
        for text in ["18749704477", "11530231003", "54263481527", "71000436000", "71040622000", "18749704"] {
            assert_eq!(Nihdi::parse(text).map(|nihdi| nihdi.check_digits_hold()), Ok(true), "{text}");
        }
        // 100000 modulo 89 is 53.
        assert_eq!(Nihdi::parse("10000036001").map(|nihdi| nihdi.check_digits_hold()), Ok(true));
    }

    #[test]
    fn known_enterprise_numbers_hold() {
        for text in ["0403019261", "0566988259", "0406798006"] {
            assert_eq!(Cbe::parse(text).map(|cbe| cbe.check_digits_hold()), Ok(true), "{text}");
        }
    }

    #[test]
    fn official_examples_with_wrong_check_digits_are_read_and_do_not_hold() {
        assert_eq!(Ssin::parse("79121137740").map(|ssin| ssin.check_digits_hold()), Ok(false));
        assert_eq!(Ssin::parse("70319666960").map(|ssin| ssin.check_digits_hold()), Ok(false));
        assert_eq!(Cbe::parse("0425222333").map(|cbe| cbe.check_digits_hold()), Ok(false));
        assert_eq!(Nihdi::parse("99999999999").map(|nihdi| nihdi.check_digits_hold()), Ok(false));
    }

    #[test]
    fn a_wrong_form_is_an_error() {
        for text in ["", "8507300332", "850730033281", "85.07.30-033.28", "8507300332a", "８５073003328"] {
            assert_eq!(Ssin::parse(text), Err(IdentifierError::Ssin), "{text}");
        }
        for text in ["187497044", "1-87497-04-477", ""] {
            assert_eq!(Nihdi::parse(text), Err(IdentifierError::Nihdi), "{text}");
        }
        for text in ["403019261", "2403019261", "0403.019.261"] {
            assert_eq!(Cbe::parse(text), Err(IdentifierError::Cbe), "{text}");
        }
    }

    #[test]
    fn a_national_number_is_not_shown_by_debug() {
        let shown = format!("{:?}", Ssin::parse("85073003328"));
        assert!(!shown.contains("850730"), "{shown}");
    }

    #[test]
    fn a_nihdi_number_has_a_provider_and_a_qualification() {
        let nihdi = Nihdi::parse("18749704477");
        assert_eq!(nihdi.as_ref().map(Nihdi::provider), Ok("18749704"));
        assert_eq!(nihdi.as_ref().map(Nihdi::qualification), Ok(Some("477")));
    }
}
