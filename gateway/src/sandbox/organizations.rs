//! The made-up organisations of a sandbox: a small Flanders.

use super::partners::Partners;
use crate::registry::{put_organization, put_pool, put_practitioner};
use crate::storage::channel::{Channel, ChannelKind};
use crate::storage::registry::{Client, Organization, Pool, Practitioner};
use crate::storage::{StorageError, Store};

/// Id, name, kind, pool.
const ORGANIZATIONS: &[(&str, &str, &str, Option<&str>)] = &[
    ("edpbw-noord", "EDPBW Noord", "edpbw", Some("edpbw-oost-vlaanderen")),
    ("edpbw-zuid", "EDPBW Zuid", "edpbw", Some("edpbw-west-vlaanderen")),
    ("elp-linde", "ELP-praktijk De Linde", "elp", Some("elp-gent")),
    ("elp-beuk", "ELP-praktijk De Beuk", "elp", Some("elp-gent")),
    ("cgg-leie", "CGG Leie", "cgg", Some("cgg-oost-vlaanderen")),
    ("cgg-schelde", "CGG Schelde", "cgg", Some("cgg-oost-vlaanderen")),
    ("co-prev", "Co-prev", "coprev", None),
    ("mutualiteit", "De Mutualiteit", "mutuality", None),
    ("huisarts-dok", "Huisartsenpraktijk Dok", "gp", None),
    ("justitiehuis-gent", "Justitiehuis Gent", "other", None),
];

/// The enterprise numbers by which the sandbox's Co-prev names its prevention services.
const CBES: &[(&str, &str)] = &[("edpbw-noord", "0000000196"), ("edpbw-zuid", "0000000295")];

/// Id, name, kind, region.
const POOLS: &[(&str, &str, &str, &str)] = &[
    ("edpbw-oost-vlaanderen", "Preventiediensten Oost-Vlaanderen", "edpbw", "Oost-Vlaanderen"),
    ("edpbw-west-vlaanderen", "Preventiediensten West-Vlaanderen", "edpbw", "West-Vlaanderen"),
    ("elp-gent", "Eerstelijnspsychologen Gent", "elp", "Oost-Vlaanderen"),
    ("cgg-oost-vlaanderen", "Centra geestelijke gezondheidszorg Oost-Vlaanderen", "cgg", "Oost-Vlaanderen"),
];

/// Id, name, organisation, NIHDI number, role.
const PRACTITIONERS: &[(&str, &str, &str, Option<&str>, &str)] = &[
    ("psycholoog-an", "An Voorbeeld", "elp-linde", Some("19110101801"), "care"),
    ("psycholoog-bert", "Bert Voorbeeld", "elp-beuk", None, "care"),
    ("arts-carla", "Carla Voorbeeld", "edpbw-noord", None, "care"),
    ("psycholoog-dirk", "Dirk Voorbeeld", "cgg-leie", None, "care"),
    ("psycholoog-els", "Els Voorbeeld", "cgg-leie", None, "care"),
    ("onthaal-fien", "Fien Voorbeeld", "cgg-leie", None, "administration"),
    ("boekhouding-guy", "Guy Voorbeeld", "cgg-leie", None, "accounting"),
    ("justitieassistent-hilde", "Hilde Voorbeeld", "justitiehuis-gent", None, "justice"),
];

/// The purposes for which every client of a sandbox is registered.
pub(super) const PURPOSES: &[&str] = &["TREAT", "HPAYMT", "HOPERAT"];

/// The organisation that runs the app for people who sign in, and that app.
pub(super) const PORTAL: (&str, &str, &str) = ("portaal", "Patiëntenportaal", "portaal-app");
/// The purposes for which people ask.
pub(super) const PERSON_PURPOSES: &[&str] = &["PATRQT", "FAMRQT"];

/// Registers all of them, unless the last is in the directory: a sandbox that is killed on the way begins again.
pub(super) async fn register(store: &Store, now_ms: i64) -> Result<(), StorageError> {
    let last = PRACTITIONERS.last().map_or("", |(id, ..)| id);
    if store.locate("PractitionerRole", last).await?.is_some() {
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
            cbe: CBES.iter().find(|one| one.0 == *id).map(|one| one.1.to_owned()),
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
            person_app: false,
            keys: None,
            scopes: String::new(),
        };
        store.put_client(&client).await?;
    }
    register_portal(store, now_ms).await?;
    for (id, name, organization, nihdi, role) in PRACTITIONERS {
        let [id, name, organization_id, role] = [id, name, organization, role].map(|text| (*text).to_owned());
        let nihdi = nihdi.map(str::to_owned);
        put_practitioner(store, &Practitioner { id, name, organization_id, nihdi, role, active: true }, now_ms).await?;
    }
    Ok(())
}

/// One practice has a record system of its own and an officer with a mailbox: the simulated ones, wherever they listen now. What a
/// tester registered instead stays.
pub(super) async fn tell(store: &Store, partners: &Partners) -> Result<(), StorageError> {
    let ehr = partners.url("ehr").unwrap_or_default();
    let is_simulated = |channel: &Channel| channel.address.starts_with("http://127.0.0.1:");
    let known = store.channels().await?;
    for (partner, kind, address) in
        [("organization/elp-linde", ChannelKind::Ehr, ehr), ("dpo/elp-linde", ChannelKind::Mail, "dpo@linde.example")]
    {
        if known.iter().all(|channel| channel.partner != partner || is_simulated(channel)) {
            store.put_channel(&Channel { partner: partner.to_owned(), kind, address: address.to_owned() }).await?;
        }
    }
    Ok(())
}

async fn register_portal(store: &Store, now_ms: i64) -> Result<(), StorageError> {
    let (id, name, client) = PORTAL;
    let organization = Organization {
        id: id.to_owned(),
        name: name.to_owned(),
        kind: "other".to_owned(),
        cbe: None,
        nihdi: None,
        active: true,
    };
    put_organization(store, &organization, &[], now_ms).await?;
    let client = Client {
        id: client.to_owned(),
        organization_id: id.to_owned(),
        purposes: PERSON_PURPOSES.iter().map(|purpose| (*purpose).to_owned()).collect(),
        active: true,
        person_app: true,
        keys: None,
        scopes: String::new(),
    };
    store.put_client(&client).await
}

/// The client of a sandbox organisation.
pub(super) fn client_id(organization_id: &str) -> String {
    format!("{organization_id}-ehr")
}
