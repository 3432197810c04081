//! The made-up people of a sandbox: who may be chosen at its identity provider, and as what they are registered.

use crate::storage::people::{StaffMember, Subject};
use crate::storage::{StorageError, Store};

/// Somebody who may be chosen.
pub(super) struct DemoPerson {
    pub(super) subject: &'static str,
    pub(super) name: &'static str,
    /// Organisation, practitioner and roles of who works for one; patients are registered as nothing.
    pub(super) works: Option<(&'static str, Option<&'static str>, &'static str)>,
}

const fn person(
    subject: &'static str,
    name: &'static str,
    works: Option<(&'static str, Option<&'static str>, &'static str)>,
) -> DemoPerson {
    DemoPerson { subject, name, works }
}

/// All of them.
pub(super) const PEOPLE: &[DemoPerson] = &[
    person("an", "An Voorbeeld", Some(("elp-linde", Some("psycholoog-an"), "care-provider"))),
    person("bert", "Bert Voorbeeld", Some(("elp-beuk", Some("psycholoog-bert"), "care-provider"))),
    person("carla", "Carla Voorbeeld", Some(("edpbw-noord", Some("arts-carla"), "care-provider"))),
    person("dirk", "Dirk Voorbeeld", Some(("cgg-leie", Some("psycholoog-dirk"), "care-provider intake"))),
    person("fien", "Fien Voorbeeld", Some(("cgg-leie", Some("onthaal-fien"), "intake"))),
    person("guy", "Guy Voorbeeld", Some(("cgg-leie", Some("boekhouding-guy"), "billing"))),
    person("ines", "Ines Voorbeeld", Some(("co-prev", None, "supervisor"))),
    person("jan", "Jan Voorbeeld", Some(("edpbw-noord", None, "dpo"))),
    person("katrien", "Katrien Voorbeeld", Some(("elp-linde", None, "dpo"))),
    person("leo", "Leo Voorbeeld", Some(("co-prev", None, "operator"))),
    person("mia", "Mia Voorbeeld", None),
    person("noor", "Noor Voorbeeld", None),
];

/// Registers those who work for an organisation, once: what was changed since stays.
pub(super) async fn register(store: &Store, issuer: &str) -> Result<(), StorageError> {
    let known = store.staff().await?;
    for DemoPerson { subject, name, works } in PEOPLE {
        let Some((organization, practitioner, roles)) = works else { continue };
        // With another address the sandbox is another provider.
        if known.iter().any(|member| member.id == *subject && member.subject.issuer == issuer) {
            continue;
        }
        let member = StaffMember {
            id: (*subject).to_owned(),
            subject: Subject { issuer: issuer.to_owned(), id: (*subject).to_owned() },
            organization_id: (*organization).to_owned(),
            practitioner_id: practitioner.map(str::to_owned),
            name: (*name).to_owned(),
            roles: roles.split(' ').map(str::to_owned).collect(),
            active: true,
        };
        store.put_staff_member(&member).await?;
    }
    Ok(())
}
