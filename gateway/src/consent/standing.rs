//! Who needs no consent to read: the custodian of a record, the person whom it is about, an organisation in its own compartment, everyone in the directory,
//! and whoever a law obliges.

use super::permit::{Basis, LawRule, Permit};

/// How a caller stands to what it wants to read, before any Consent is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The caller's organisation holds the record.
    Custodian {
        /// The organisation released the record (it forwarded or closed) or holds it only in transit.
        is_closed_out: bool,
    },
    /// The caller is the person whom the record is about, signed in.
    Person,
    /// The resource lies in the compartment of the caller's own organisation.
    OwnCompartment,
    /// The resource belongs to the directory.
    Directory,
    /// A law demands this disclosure.
    Law {
        /// The rule of that law.
        rule: LawRule,
    },
    /// None of these: only a Consent can open the record.
    Stranger,
}

/// The permit of a caller who needs no consent; `None` where a Consent must be asked.
pub fn without_consent(standing: Standing) -> Option<Permit> {
    match standing {
        Standing::Stranger | Standing::Custodian { is_closed_out: true } => None,
        Standing::Custodian { is_closed_out: false } => Some(Permit::on(Basis::Custodian)),
        Standing::Person => Some(Permit::on(Basis::Person)),
        Standing::OwnCompartment => Some(Permit::on(Basis::OwnCompartment)),
        Standing::Directory => Some(Permit::on(Basis::Directory)),
        Standing::Law { rule } => Some(Permit::on(Basis::Law { rule })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_stranger_nor_a_custodian_without_sight_reads_without_consent() {
        assert_eq!(without_consent(Standing::Stranger), None);
        assert_eq!(without_consent(Standing::Custodian { is_closed_out: true }), None);
    }

    #[test]
    fn each_standing_is_recorded_as_its_own_basis() {
        for (standing, code) in [
            (Standing::Custodian { is_closed_out: false }, "custodian"),
            (Standing::Person, "person"),
            (Standing::OwnCompartment, "own-compartment"),
            (Standing::Directory, "directory"),
            (Standing::Law { rule: LawRule("tdi-register") }, "tdi-register"),
        ] {
            let permit = without_consent(standing).expect("this standing needs no consent");
            assert_eq!(permit.basis().code(), code);
        }
    }
}
