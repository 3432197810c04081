//! As what a practitioner is registered, and which types that leaves them to see, inside their organisation and elsewhere.
//!
//! A resource is shown whole or not at all. So a type whose free text tells of care is not in a list, however useful its dates
//! would be: an Encounter has remarks, a ServiceRequest its reason, a Task the feedback.

/// The code system of the roles for which the operator registers practitioners.
pub const PRACTITIONER_ROLE_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/practitioner-role";

/// As what the operator registered a practitioner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PractitionerRole {
    /// Who treats: no type is held back.
    Care,
    /// Who registers people and appointments.
    Administration,
    /// Who bills.
    Accounting,
    /// A justice assistant: as [`Care`](Self::Care), and by law the attendance of mandated treatments.
    Justice,
    /// Who watches over how records are used, such as a data-protection officer: the trail, and nothing of a record.
    Oversight,
}

/// Who they are, how to reach them and who is insured where; and that something waits, without what.
const ADMINISTRATION: &[&str] = &[
    "Patient",
    "RelatedPerson",
    "Appointment",
    "AppointmentResponse",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
];
const ADMINISTRATION_MINIMUM: &[&str] = &["Task"];

/// What a claim is made from, and what became of it.
const ACCOUNTING: &[&str] = &[
    "Patient",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "Claim",
    "ClaimResponse",
    "ExplanationOfBenefit",
    "Account",
    "ChargeItem",
    "Invoice",
    "PaymentNotice",
    "PaymentReconciliation",
];

/// The types that a role is limited to: what it sees whole, and what it sees the minimum of.
struct Types {
    whole: &'static [&'static str],
    minimum: &'static [&'static str],
}

impl PractitionerRole {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Care, Self::Administration, Self::Accounting, Self::Justice, Self::Oversight];

    /// The code under which it is registered.
    pub fn code(self) -> &'static str {
        match self {
            Self::Care => "care",
            Self::Administration => "administration",
            Self::Accounting => "accounting",
            Self::Justice => "justice",
            Self::Oversight => "oversight",
        }
    }

    /// The role of a code; none for one that this version does not know.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// Whether it sees resources of a type whole, where its organisation does. The directory is seen by everyone.
    pub fn sees(self, resource_type: &str) -> bool {
        self.types().is_none_or(|types| types.whole.contains(&resource_type))
    }

    /// Whether it sees the minimum of a type, where its organisation does.
    pub fn sees_minimum(self, resource_type: &str) -> bool {
        self.types().is_none_or(|types| types.minimum.contains(&resource_type))
    }

    /// Whether it may place, pick up, forward or end a referral.
    pub fn may_refer(self) -> bool {
        self.types().is_none()
    }

    /// The limit as storage joins it: each type between commas, one of which only the minimum is seen as `Type:minimum`; empty
    /// for no limit.
    pub fn limit(self) -> String {
        let Some(types) = self.types() else { return String::new() };
        let whole = types.whole.iter().map(|name| format!("{name},"));
        let minimum = types.minimum.iter().map(|name| format!("{name}:minimum,"));
        std::iter::once(",".to_owned()).chain(whole).chain(minimum).collect()
    }

    fn types(self) -> Option<Types> {
        match self {
            Self::Care | Self::Justice => None,
            Self::Administration => Some(Types { whole: ADMINISTRATION, minimum: ADMINISTRATION_MINIMUM }),
            Self::Accounting => Some(Types { whole: ACCOUNTING, minimum: &[] }),
            Self::Oversight => Some(Types { whole: &["AuditEvent"], minimum: &[] }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PractitionerRole;

    #[test]
    fn what_tells_of_care_is_for_those_who_treat() {
        let of_care =
            ["Encounter", "EpisodeOfCare", "Condition", "Observation", "ServiceRequest", "Consent", "CareTeam"];
        for role in [PractitionerRole::Administration, PractitionerRole::Accounting] {
            for resource_type in of_care.into_iter().chain(["Task", "Communication", "AuditEvent", "Group", "Binary"]) {
                assert!(!role.sees(resource_type), "{resource_type}");
                assert!(role.limit().split(',').all(|name| name != resource_type), "{resource_type}");
            }
            assert!(!role.sees_minimum("Communication") && !role.may_refer());
        }
        assert!(PractitionerRole::Administration.sees_minimum("Task"));
        assert!(!PractitionerRole::Accounting.sees_minimum("Task"));
    }

    #[test]
    fn who_watches_over_records_sees_their_trail_and_nothing_of_them() {
        let role = PractitionerRole::Oversight;
        let seen: Vec<_> = mappings::r4::structure::resource_types().filter(|name| role.sees(name)).collect();
        assert_eq!((seen, role.limit().as_str(), role.may_refer()), (vec!["AuditEvent"], ",AuditEvent,", false));
        assert!(mappings::r4::structure::resource_types().all(|name| !role.sees_minimum(name)));
    }

    #[test]
    fn a_role_without_a_limit_says_nothing_and_an_unknown_code_is_no_role() {
        assert_eq!(PractitionerRole::Care.limit(), "");
        assert_eq!(PractitionerRole::Justice.limit(), "");
        assert_eq!(PractitionerRole::from_code("director"), None);
        for role in PractitionerRole::ALL {
            assert_eq!(PractitionerRole::from_code(role.code()), Some(role));
        }
    }

    #[test]
    fn every_type_of_a_limit_exists() {
        for role in PractitionerRole::ALL {
            for name in role.limit().split(',').filter(|name| !name.is_empty()) {
                let name = name.strip_suffix(":minimum").unwrap_or(name);
                assert!(mappings::r4::structure::is_resource_type(name), "{name}");
            }
        }
    }
}
