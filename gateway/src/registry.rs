//! What the operator registers: rows by which callers and grantees are known, and the directory entries that show them.

use serde_json::{Value, json};

use crate::clock::format_instant;
use crate::consent::{Belongs, Interaction, PRACTITIONER_ROLE_SYSTEM, WriteFacts, may_write};
use crate::labels::{LabelTable, Source, facts};
use crate::search::index::index;
use crate::search::parameters::type_name;
use crate::storage::registry::{Organization, Pool, Practitioner};
use crate::storage::sight::DIRECTORY;
use crate::storage::write_set::{Method, NewVersion, Precondition, ResourceKey, VersionId, WriteSet};
use crate::storage::{StorageError, Store};
use mappings::identifiers::{CBE_SYSTEM, NIHDI_SYSTEM};

/// The system of Wellgate's kinds of organisation (the Belgian code systems have none for a CGG).
pub use crate::consent::ORGANIZATION_KIND_SYSTEM;

/// Registers an organisation with its pools, or changes what is registered, and shows it in the directory.
///
/// # Errors
/// [`StorageError`].
pub async fn put_organization(
    store: &Store,
    organization: &Organization,
    pools: &[String],
    now_ms: i64,
) -> Result<(), StorageError> {
    store.put_organization(organization, now_ms).await?;
    store.put_members(&organization.id, pools).await?;
    let mut identifiers = vec![json!({"system": ORGANIZATION_KIND_SYSTEM, "value": organization.kind})];
    identifiers.extend(organization.cbe.iter().map(|cbe| json!({"system": CBE_SYSTEM, "value": cbe})));
    identifiers.extend(organization.nihdi.iter().map(|nihdi| json!({"system": NIHDI_SYSTEM, "value": nihdi})));
    let resource = json!({
        "resourceType": "Organization",
        "id": organization.id,
        "identifier": identifiers,
        "active": organization.active,
        "type": [{"coding": [{"system": ORGANIZATION_KIND_SYSTEM, "code": organization.kind}]}],
        "name": organization.name,
    });
    show(store, &organization.id, "Organization", resource, now_ms).await
}

/// Registers a pool, or changes it, and shows it in the directory as a HealthcareService.
///
/// # Errors
/// [`StorageError`].
pub async fn put_pool(store: &Store, pool: &Pool, now_ms: i64) -> Result<(), StorageError> {
    store.put_pool(pool).await?;
    let resource = json!({
        "resourceType": "HealthcareService",
        "id": pool.id,
        "active": true,
        "type": [{"coding": [{"system": ORGANIZATION_KIND_SYSTEM, "code": pool.kind}]}],
        "name": pool.name,
        "comment": pool.region,
    });
    show(store, "", "HealthcareService", resource, now_ms).await
}

/// Registers a practitioner of an organisation, and shows them in the directory: as Practitioner, and as PractitionerRole of
/// the same id. Both are the operator's, for Consents and teams are about whom they name.
///
/// # Errors
/// [`StorageError`].
pub async fn put_practitioner(store: &Store, practitioner: &Practitioner, now_ms: i64) -> Result<(), StorageError> {
    store.put_practitioner(practitioner).await?;
    let nihdi = practitioner.nihdi.iter().map(|nihdi| json!({"system": NIHDI_SYSTEM, "value": nihdi}));
    let mut person = json!({
        "resourceType": "Practitioner",
        "id": practitioner.id,
        "active": practitioner.active,
        "name": [{"text": practitioner.name}],
    });
    if practitioner.nihdi.is_some() {
        person["identifier"] = nihdi.collect();
    }
    show(store, "", "Practitioner", person, now_ms).await?;
    let role = json!({
        "resourceType": "PractitionerRole",
        "id": practitioner.id,
        "active": practitioner.active,
        "practitioner": {"reference": format!("Practitioner/{}", practitioner.id)},
        "organization": {"reference": format!("Organization/{}", practitioner.organization_id)},
        "code": [{"coding": [{"system": PRACTITIONER_ROLE_SYSTEM, "code": practitioner.role}]}],
    });
    show(store, "", "PractitionerRole", role, now_ms).await
}

/// Writes the directory entry; one that the operator keeps itself has no owner, so that no client changes it.
async fn show(
    store: &Store,
    owner: &str,
    resource_type: &str,
    mut resource: Value,
    now_ms: i64,
) -> Result<(), StorageError> {
    let Some(resource_type) = type_name(resource_type) else { return Err(StorageError::Corrupt("resource type")) };
    let id = resource["id"].as_str().unwrap_or_default().to_owned();
    let belongs = Belongs::Directory { owner: Some(owner) };
    let part = WriteFacts { caller_organization: Some(owner), belongs, practitioner: None };
    let Ok(permit) = may_write(&part, resource_type, Interaction::Update) else {
        return Err(StorageError::Corrupt("a directory entry that its own organisation may not write"));
    };
    let previous = store.locate(resource_type, &id).await?.map(|located| located.version);
    let version = VersionId::after(previous, now_ms, 0);
    resource["meta"] = json!({"versionId": version.to_string(), "lastUpdated": format_instant(now_ms)});
    let key = ResourceKey { compartment: DIRECTORY.to_owned(), resource_type, id };
    let mut set = WriteSet::default();
    set.preconditions.extend(previous.map(|version| Precondition::Version { key: key.clone(), version }));
    let author = format!("organization/{owner}");
    // The directory belongs to no person, so no rule is ever held against these facts; they are kept as of everything.
    let source = Source { id: &key.id, author: &author, recorded_ms: now_ms, base_url: "" };
    let facts = facts(&LabelTable::built_in(), resource_type, &resource, source);
    let index = index(resource_type, &resource).into_iter().map(|row| (row, 1)).collect();
    set.write(
        &permit,
        NewVersion {
            key,
            version,
            last_updated_ms: now_ms,
            author,
            method: if previous.is_some() { Method::Put } else { Method::Post },
            body: resource.to_string(),
            minimum: None,
            holes: None,
            index,
            facts,
            replaces: previous.is_some(),
        },
    );
    store.apply(set).await
}
