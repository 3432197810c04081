//! The made-up organisations of a sandbox: a small Flanders.

use crate::registry::{put_organization, put_pool, put_practitioner};
use crate::storage::registry::{Client, Organization, Pool, Practitioner};
use crate::storage::{StorageError, Store};

/// Id, name, kind, pool.
const ORGANIZATIONS: &[(&str, &str, &str, Option<&str>)] = &[
    ("edpbw-noord", "EDPBW Noord", "edpbw", None),
    ("edpbw-zuid", "EDPBW Zuid", "edpbw", None),
    ("elp-linde", "ELP-praktijk De Linde", "elp", Some("elp-gent")),
    ("elp-beuk", "ELP-praktijk De Beuk", "elp", Some("elp-gent")),
    ("cgg-leie", "CGG Leie", "cgg", Some("cgg-oost-vlaanderen")),
    ("cgg-schelde", "CGG Schelde", "cgg", Some("cgg-oost-vlaanderen")),
    ("co-prev", "Co-prev", "coprev", None),
    ("mutualiteit", "De Mutualiteit", "mutuality", None),
    ("huisarts-dok", "Huisartsenpraktijk Dok", "gp", None),
];

/// Id, name, kind, region.
const POOLS: &[(&str, &str, &str, &str)] = &[
    ("elp-gent", "Eerstelijnspsychologen Gent", "elp", "Gent"),
    ("cgg-oost-vlaanderen", "Centra geestelijke gezondheidszorg Oost-Vlaanderen", "cgg", "Oost-Vlaanderen"),
];

/// Id, name, organisation.
const PRACTITIONERS: &[(&str, &str, &str)] = &[
    ("psycholoog-an", "An Voorbeeld", "elp-linde"),
    ("psycholoog-bert", "Bert Voorbeeld", "elp-beuk"),
    ("arts-carla", "Carla Voorbeeld", "edpbw-noord"),
];

/// The purposes for which every client of a sandbox is registered.
pub(super) const PURPOSES: &[&str] = &["TREAT", "HPAYMT", "HOPERAT"];

/// Registers all of them, unless the last is in the directory: a sandbox that is killed on the way begins again.
pub(super) async fn register(store: &Store, now_ms: i64) -> Result<(), StorageError> {
    let last = PRACTITIONERS.last().map_or("", |(id, ..)| id);
    if store.locate("Practitioner", last).await?.is_some() {
        return Ok(());
    }
    for (id, name, kind, region) in POOLS {
        let [id, name, kind, region] = [id, name, kind, region].map(|text| (*text).to_owned());
        put_pool(store, &Pool { id, name, kind, region }, now_ms).await?;
    }
    for (id, name, kind, pool) in ORGANIZATIONS {
        let organization = Organization {
            id: (*id).to_owned(),
            name: (*name).to_owned(),
            kind: (*kind).to_owned(),
            cbe: None,
            nihdi: None,
            active: true,
        };
        let pools: Vec<String> = pool.iter().map(|pool| (*pool).to_owned()).collect();
        put_organization(store, &organization, &pools, now_ms).await?;
        let client = Client {
            id: client_id(id),
            organization_id: (*id).to_owned(),
            purposes: PURPOSES.iter().map(|purpose| (*purpose).to_owned()).collect(),
            active: true,
        };
        store.put_client(&client).await?;
    }
    for (id, name, organization) in PRACTITIONERS {
        let [id, name, organization_id] = [id, name, organization].map(|text| (*text).to_owned());
        put_practitioner(store, &Practitioner { id, name, organization_id, active: true }, now_ms).await?;
    }
    Ok(())
}

/// The client of a sandbox organisation.
pub(super) fn client_id(organization_id: &str) -> String {
    format!("{organization_id}-ehr")
}
