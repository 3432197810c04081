//! Billing as FHIR R4: how a person is insured (Coverage), what is claimed (Claim), what became of it (`ClaimResponse`), and whether somebody
//! is insured (`CoverageEligibilityRequest` and `-Response`).
//!
//! The profiles are ours: `docs/fhir-billing.md`, element by element. Systems and ideas of `hl7.fhir.be.mycarenet` are used where they fit.
//! What is read becomes plain values, or every error with its element; what would be lost in the file is refused, never dropped.
//!
//! This module resolves no reference and knows no tariff: numbers behind references are handed in.

mod agreement;
mod coverage;
mod eligibility;
mod encounter;
mod place;
mod read;
mod response;

use crate::identifiers::INSURANCE_NUMBER_SYSTEM;

pub use agreement::{AgreementRequest, AskedAgreement, from_preauthorization};
pub use coverage::{InsuredBy, from_coverage, to_coverage};
pub use eligibility::{
    Eligibility, EligibilityAsked, EligibilityError, from_eligibility_request, to_eligibility_response,
};
pub use encounter::{BillableContact, from_encounter};
pub use read::{ClaimedLine, ReadClaim, from_claim, references_of_claim};
pub use response::{AgreementDecision, ClaimOutcome, DecidedClaim, DecidedLine, LineError, to_claim_response};

/// The system of the numbers of care funds.
pub const CARE_FUND_SYSTEM: &str = "https://wellgate.example/fhir/NamingSystem/care-fund";
/// The code system of insurability code 1.
pub const CT1_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/mycarenet/CodeSystem/be-cs-holder-code-1";
/// The code system of insurability code 2.
pub const CT2_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/mycarenet/CodeSystem/be-cs-holder-code-2";
/// The patient's share in an item, as Money.
pub const SHARE_EXTENSION: &str =
    "https://www.ehealth.fgov.be/standards/fhir/mycarenet/StructureDefinition/be-ext-mycarenet-item-patientfee";
/// What the patient pays above the share, as Money.
pub const SUPPLEMENT_EXTENSION: &str = "https://wellgate.example/fhir/StructureDefinition/item-supplement";
/// The categories of `Claim.supportingInfo`: `prescribed`, `agreed`, `admitted`, `convention`, `relative-code`.
pub const INFORMATION_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/claim-information";
/// The roles in `Claim.careTeam`: `prescriber`; anybody else is who did it.
pub const ROLE_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/claim-role";
/// The error codes of answers, as they came.
pub const ERROR_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/invoice-error";
/// The letters that say what an error does.
pub const SEVERITY_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/invoice-error-severity";
/// The amount that was refused, among the categories of adjudication.
pub const ADJUDICATION_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/adjudication";
/// The categories of adjudication of R4.
pub const R4_ADJUDICATION_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/adjudication";
/// The kinds of agreement.
pub const AGREEMENT_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/mycarenet/CodeSystem/agreement-types";
/// The decisions on an agreement.
pub const DECISION_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/mycarenet/CodeSystem/decision-values";

/// What is wrong with a resource, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementIssue {
    /// The element, such as `Claim.item[2].servicedDate`.
    pub expression: String,
    /// A code of issue-type: `required`, `value`, `invariant`, `not-supported`, `business-rule`.
    pub code: &'static str,
    /// What is wrong and the way out; it never repeats the value.
    pub details: String,
}

/// Who insures: of which kind, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Insurer {
    /// A mutuality.
    Mutuality(u16),
    /// A care fund of the Flemish social protection.
    CareFund(u16),
}

impl Insurer {
    /// The system of its number.
    pub fn system(self) -> &'static str {
        match self {
            Self::Mutuality(_) => INSURANCE_NUMBER_SYSTEM,
            Self::CareFund(_) => CARE_FUND_SYSTEM,
        }
    }

    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::Mutuality(number) | Self::CareFund(number) => number,
        }
    }

    /// The insurer of an identifier; none where the system or the number is none of these.
    fn of(system: &str, value: &str) -> Option<Self> {
        let is_number = value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_digit());
        let number =
            Some(value).filter(|_| is_number).and_then(|value| value.parse().ok()).filter(|number| *number > 0)?;
        match system {
            INSURANCE_NUMBER_SYSTEM => Some(Self::Mutuality(number)),
            CARE_FUND_SYSTEM => Some(Self::CareFund(number)),
            _ => None,
        }
    }

    fn reference(self) -> serde_json::Value {
        serde_json::json!({"identifier": {"system": self.system(), "value": format!("{:03}", self.number())}})
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod response_tests;
#[cfg(test)]
mod tests;
