//! As what people act who sign in at the gateway, and what each role may do. What is not in the table is refused.
//!
//! A role only ever narrows: what the organisation and the practitioner may see is decided for them as for any other caller.

use super::scopes::{Interaction, Scopes};

/// As what somebody acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PersonRole {
    /// Treats people.
    CareProvider,
    /// Registers people, and hands out the codes by which patients find their record.
    Intake,
    /// Bills.
    Billing,
    /// Watches over waiting times at Co-prev, without any dossier.
    Supervisor,
    /// The data-protection officer of an organisation: who accessed what, and why, without reading it.
    Dpo,
    /// Runs the gateway.
    Operator,
    /// Whom a record is about: never registered, but linked by a code.
    Patient,
}

/// Whether a role may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// No.
    Refused,
    /// Yes, in a session.
    InSession,
    /// Yes, once the person signed in afresh a short while ago.
    AfterStepUp,
}

/// A row of the table.
struct Row {
    purpose: &'static str,
    /// SMART scopes: the types and interactions.
    scope: &'static str,
    scope_after_step_up: &'static str,
    /// Operations and Bundles, by the code that the trail has for them.
    acts: &'static [&'static str],
    acts_after_step_up: &'static [&'static str],
}

macro_rules! directory {
    () => {
        "system/Organization.rs system/OrganizationAffiliation.rs system/Practitioner.rs system/PractitionerRole.rs \
         system/HealthcareService.rs system/Location.rs system/Endpoint.rs"
    };
}

/// The interactions that the scopes decide on, as the trail calls them.
const INTERACTIONS: [&str; 11] = [
    "read",
    "vread",
    "create",
    "update",
    "patch",
    "delete",
    "search-type",
    "search-system",
    "history-instance",
    "history-type",
    "history-system",
];

impl PersonRole {
    /// Every role.
    pub const ALL: [Self; 7] =
        [Self::CareProvider, Self::Intake, Self::Billing, Self::Supervisor, Self::Dpo, Self::Operator, Self::Patient];

    /// The code under which it is registered.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CareProvider => "care-provider",
            Self::Intake => "intake",
            Self::Billing => "billing",
            Self::Supervisor => "supervisor",
            Self::Dpo => "dpo",
            Self::Operator => "operator",
            Self::Patient => "patient",
        }
    }

    /// The role of a code; none for one that this version does not know.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// The table.
    const fn row(self) -> Row {
        match self {
            Self::CareProvider => Row {
                purpose: "TREAT",
                scope: "system/*.cruds",
                scope_after_step_up: "",
                acts: &[
                    "batch",
                    "transaction",
                    "access-log",
                    "everything",
                    "match",
                    "dossier",
                    "meta",
                    "lookup",
                    "validate-code",
                    "explain",
                    "who-can-see",
                    "conflicts",
                    "withdraw",
                    "end-break-glass",
                    "emergency-sessions",
                    "review-emergency",
                    "crisis-disclosure",
                    "crisis-disclosures",
                    "link-code",
                    "unlink",
                    "validate",
                ],
                acts_after_step_up: &["break-glass"],
            },
            Self::Intake => Row {
                purpose: "PATADMIN",
                scope: concat!(
                    "system/Patient.crus system/RelatedPerson.crus system/Coverage.crus \
                     system/CoverageEligibilityRequest.crus system/CoverageEligibilityResponse.rs system/Task.rs ",
                    directory!()
                ),
                scope_after_step_up: "",
                acts: &["batch", "transaction", "link-code", "unlink", "validate"],
                acts_after_step_up: &[],
            },
            Self::Billing => Row {
                purpose: "HPAYMT",
                scope: concat!(
                    "system/Patient.rs system/Coverage.crus system/CoverageEligibilityRequest.crus \
                     system/CoverageEligibilityResponse.rs system/Claim.crus system/ClaimResponse.rs ",
                    directory!()
                ),
                scope_after_step_up: "",
                acts: &[
                    "batch",
                    "transaction",
                    "billing-view",
                    "billing-prepare",
                    "billing-import",
                    "billing-correct",
                    "validate",
                ],
                // What sends, moves money or gives up a claim to it, and what hands out names or numbers as a file.
                acts_after_step_up: &[
                    "billing-seal",
                    "billing-resend",
                    "billing-write-off",
                    "billing-credit",
                    "billing-export",
                    "billing-download",
                ],
            },
            Self::Supervisor => Row {
                purpose: "HQUALIMP",
                scope: directory!(),
                scope_after_step_up: "",
                acts: &[],
                acts_after_step_up: &[],
            },
            Self::Operator => Row {
                purpose: "HSYSADMIN",
                scope: directory!(),
                scope_after_step_up: "",
                acts: &["delivery-list", "delivery-show"],
                // What is released or repeated may carry a dossier away.
                acts_after_step_up: &["delivery-release", "delivery-abandon", "delivery-rerun"],
            },
            Self::Dpo => Row {
                purpose: "HCOMPL",
                scope: directory!(),
                // Any type may be asked for, and sight shows the trail alone: a dossier answers as one that never was.
                scope_after_step_up: "system/*.rs system/AuditEvent.u",
                acts: &[],
                acts_after_step_up: &["access-log", "explain", "who-can-see", "emergency-sessions", "review-emergency"],
            },
            Self::Patient => Row {
                purpose: "PATRQT",
                scope: "patient/*.rs patient/Consent.cu",
                scope_after_step_up: "",
                acts: &["batch", "transaction", "access-log", "everything", "dossier", "meta", "withdraw", "validate"],
                acts_after_step_up: &[],
            },
        }
    }

    /// The purpose for which it asks.
    pub const fn purpose(self) -> &'static str {
        self.row().purpose
    }

    /// Whether whoever has it is a practitioner: what keeps a practitioner from a record is then found for them too.
    pub const fn needs_practitioner(self) -> bool {
        matches!(self, Self::CareProvider | Self::Intake | Self::Billing)
    }

    /// Whether it may do this with a type.
    pub fn may(self, resource_type: &str, interaction: Interaction) -> Admission {
        let row = self.row();
        let of =
            |scope: &str| if self == Self::Patient { Scopes::parse_of_person(scope) } else { Scopes::parse(scope) };
        if of(row.scope).permits(resource_type, interaction) {
            Admission::InSession
        } else if of(row.scope_after_step_up).permits(resource_type, interaction) {
            Admission::AfterStepUp
        } else {
            Admission::Refused
        }
    }

    /// Whether it may ask for this, by the code that the trail has for it. Of an interaction the type decides.
    pub fn admits(self, act: &str) -> Admission {
        let row = self.row();
        if INTERACTIONS.contains(&act) || row.acts.contains(&act) {
            Admission::InSession
        } else if row.acts_after_step_up.contains(&act) {
            Admission::AfterStepUp
        } else {
            Admission::Refused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Interaction::{Create, Delete, Read, Search, Update};

    const EACH: [Interaction; 5] = [Create, Read, Update, Delete, Search];

    #[test]
    fn whoever_reads_no_dossier_is_granted_no_type_of_one() {
        let of_care =
            ["Patient", "Observation", "Encounter", "Condition", "Consent", "ServiceRequest", "Task", "AuditEvent"];
        for role in [PersonRole::Supervisor, PersonRole::Operator] {
            for (resource_type, interaction) in of_care.into_iter().flat_map(|name| EACH.map(|each| (name, each))) {
                assert_eq!(role.may(resource_type, interaction), Admission::Refused, "{role:?} {resource_type}");
            }
        }
        for role in [PersonRole::Intake, PersonRole::Billing] {
            for resource_type in ["Observation", "Encounter", "Condition", "Consent", "ServiceRequest", "AuditEvent"] {
                assert!(
                    EACH.iter().all(|each| role.may(resource_type, *each) == Admission::Refused),
                    "{resource_type}"
                );
            }
        }
    }

    #[test]
    fn an_officer_for_data_protection_writes_nothing_but_a_verdict_and_does_nothing_without_step_up() {
        for resource_type in mappings::r4::structure::resource_types() {
            for interaction in EACH {
                let may = PersonRole::Dpo.may(resource_type, interaction);
                let is_reading = matches!(interaction, Read | Search);
                let is_directory = PersonRole::Operator.may(resource_type, interaction) != Admission::Refused;
                let is_verdict = resource_type == "AuditEvent" && interaction == Update;
                let expected = match () {
                    () if is_directory => Admission::InSession,
                    () if is_reading || is_verdict => Admission::AfterStepUp,
                    () => Admission::Refused,
                };
                assert_eq!(may, expected, "{resource_type} {interaction:?}");
            }
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_refused() {
        for role in PersonRole::ALL {
            for act in ["", "everything ", "export", "export-file", "sign-in", "break-glass "] {
                assert_eq!(role.admits(act), Admission::Refused, "{role:?} {act}");
            }
            for interaction in EACH {
                assert_eq!(role.may("", interaction), role.may("Nonsense", interaction), "{role:?}");
            }
        }
        assert_eq!(PersonRole::CareProvider.admits("break-glass"), Admission::AfterStepUp);
        let others = PersonRole::ALL.into_iter().filter(|role| *role != PersonRole::CareProvider);
        for role in others {
            assert_eq!(role.admits("break-glass"), Admission::Refused, "{role:?}");
        }
        assert_eq!(PersonRole::from_code("Dpo"), None);
    }

    #[test]
    fn every_scope_of_the_table_is_understood_to_the_letter() {
        for role in PersonRole::ALL {
            let row = role.row();
            for scope in [row.scope, row.scope_after_step_up].into_iter().flat_map(str::split_whitespace) {
                let of_person = !Scopes::parse_of_person(scope).is_empty();
                assert_eq!(of_person, role == PersonRole::Patient, "{role:?} {scope}");
                assert!(of_person || !Scopes::parse(scope).is_empty(), "{role:?} {scope}");
            }
            assert_eq!(PersonRole::from_code(role.code()), Some(role));
        }
    }
}
