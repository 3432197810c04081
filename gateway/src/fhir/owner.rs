//! To which record a resource belongs, resolved as the caller sees it.
//!
//! A reference to an invisible record answers as an unresolved one.

use serde_json::Value;

use crate::access::Draft;
use crate::consent::{Belongs as Owner, Interaction, PractitionerFacts, WriteFacts};
use crate::error::Failure;
use crate::referral::intake;
use crate::search::overlay::{Belongs, belongs, owner_references};
use crate::storage::sight::DIRECTORY;
use crate::storage::write_set::{Method, ResourceKey};

/// The compartment of a resource that is about to be created, for the caller.
///
/// # Errors
/// 422 where the owning reference is missing, does not resolve, or names two records.
pub async fn compartment(
    draft: &mut Draft<'_>,
    resource_type: &str,
    id: &str,
    value: &Value,
) -> Result<String, Failure> {
    match belongs(resource_type) {
        None => Err(Failure::MethodNotAllowed),
        Some(Belongs::Directory) => Ok(DIRECTORY.to_owned()),
        Some(Belongs::Own) => Ok(draft.caller.organization()),
        Some(Belongs::IsRecord) => Ok(id.to_owned()),
        Some(Belongs::Record(path)) => {
            let expression = format!("{resource_type}.{path}");
            let mut found = None;
            for reference in owner_references(resource_type, value) {
                if let Some(patient) = draft.local(&reference).strip_prefix("Patient/") {
                    one(&mut found, patient.to_owned(), &expression)?;
                }
            }
            let patient = found.ok_or_else(|| missing(&expression, "Patient"))?;
            // An intake is about a record, and is not of it: it can still be ended when the record has gone on.
            let kept = (resource_type == "Task").then(|| intake::keeps(draft, value)).flatten();
            if let Some(own) = &kept
                && draft.app.store.intake(own, id).await?.is_some()
            {
                return Ok(own.clone());
            }
            let record = resolve(draft, "Patient", &patient, &expression).await?;
            Ok(kept.unwrap_or(record))
        }
        Some(Belongs::Through(path)) => through(draft, resource_type, path, value).await,
    }
}

/// What belongs through another resource lies where that lies; without one it is the organisation's own.
async fn through(draft: &mut Draft<'_>, resource_type: &str, path: &str, value: &Value) -> Result<String, Failure> {
    let expression = format!("{resource_type}.{path}");
    let mut found = None;
    for reference in owner_references(resource_type, value) {
        let local = draft.local(&reference).to_owned();
        let Some((target_type, id)) = local.split_once('/') else { return Err(unresolved(&expression)) };
        let mut compartment = resolve(draft, target_type, id, &expression).await?;
        if compartment == DIRECTORY {
            // What is guarded by an entry of the directory is not for everyone who reads the directory.
            compartment = draft.caller.organization();
        }
        one(&mut found, compartment, &expression)?;
    }
    Ok(found.unwrap_or_else(|| draft.caller.organization()))
}

fn one(found: &mut Option<String>, compartment: String, expression: &str) -> Result<(), Failure> {
    if found.as_ref().is_some_and(|found| *found != compartment) {
        let details = "a resource belongs to one record, and this names two: send one for each";
        return Err(Failure::content(expression, "business-rule", details));
    }
    *found = Some(compartment);
    Ok(())
}

/// The compartment of a resource that exists for the caller, as the draft would leave it.
///
/// # Errors
/// 422 where it does not resolve.
pub(super) async fn resolve(
    draft: &mut Draft<'_>,
    resource_type: &str,
    id: &str,
    expression: &str,
) -> Result<String, Failure> {
    if let Some(pending) = draft.pending(resource_type, id) {
        let is_there = pending.method != Method::Delete;
        return if is_there { Ok(pending.key.compartment.clone()) } else { Err(unresolved(expression)) };
    }
    let Some(resource_type) = crate::search::parameters::type_name(resource_type) else {
        return Err(unresolved(expression));
    };
    if !mappings::r4::primitive::is_id(id) {
        return Err(unresolved(expression));
    }
    let is_held = resource_type == "Patient" && draft.record(id).await?.is_some() && draft.holds(id);
    if is_held && !draft.caller.is_practitioner() {
        // The usual case needs no further look: the caller holds the record, and nobody in it is kept from anything.
        return Ok(id.to_owned());
    }
    if resource_type == "Patient" && !draft.representation(id).await?.is_none() {
        // Who may give the person's word without reading the record still knows whose record it is.
        return Ok(id.to_owned());
    }
    let found = draft.app.store.visible_compartment(draft.caller.viewer(), resource_type, id).await?;
    found.ok_or_else(|| unresolved(expression))
}

fn unresolved(expression: &str) -> Failure {
    Failure::content(expression, "value", "this reference does not resolve")
}

fn missing(expression: &str, target: &str) -> Failure {
    Failure::content(expression, "required", format!("it says to whose record this belongs: reference a {target}"))
}

/// What narrows for the caller's practitioner what their organisation may write in a record.
///
/// # Errors
/// The database is away.
pub async fn practitioner(draft: &Draft<'_>, key: &ResourceKey) -> Result<Option<PractitionerFacts>, Failure> {
    if !draft.caller.is_practitioner() {
        return Ok(None);
    }
    let begins_record =
        key.resource_type == "Patient" && draft.app.store.record_facts(&key.compartment).await?.is_none();
    let is_kept_from = !begins_record && draft.is_kept_from(&key.compartment).await?;
    Ok(Some(PractitionerFacts { role: draft.caller.role(), is_kept_from }))
}

/// How the caller stands to a resource that it wants to write. Organisations are written `organization/<id>` throughout.
#[derive(Debug)]
pub enum Part {
    /// The directory, and whose entry it is.
    Directory(String),
    /// The compartment of an organisation.
    Own(String),
    /// A record that would begin.
    New,
    /// A record that is held.
    Record {
        /// By whom.
        custodian: String,
        /// Whether the caller signed in as the person, or for the person, and may give the person's word by this write.
        is_person: bool,
        /// Whether a closure shuts the caller out.
        is_closed: bool,
        /// Whether the caller's organisation first wrote the resource.
        recorded_by_caller: bool,
    },
}

impl Part {
    /// Gathers how the caller stands to the resource at `key`; `exists` tells an update from a create.
    ///
    /// # Errors
    /// The database is away.
    pub async fn of(
        draft: &mut Draft<'_>,
        key: &ResourceKey,
        exists: bool,
        interaction: Interaction,
    ) -> Result<Self, Failure> {
        let organization = draft.caller.organization();
        let recorder = if exists { draft.app.store.recorder(key).await? } else { None };
        if key.compartment == DIRECTORY {
            return Ok(Self::Directory(recorder.unwrap_or(organization)));
        }
        if key.compartment.starts_with("organization/") || key.compartment == organization {
            return Ok(Self::Own(key.compartment.clone()));
        }
        if key.resource_type == "Patient" && !exists {
            return Ok(Self::New);
        }
        let Some(record) = draft.record(&key.compartment).await? else { return Err(Failure::NotFound) };
        let facts = record.facts.clone();
        // Whoever acted for a person may do so no longer; to have recorded it gives a person nothing more.
        let is_organization = draft.caller.person().is_none();
        Ok(Self::Record {
            is_person: draft.representation(&key.compartment).await?.speaks_in(interaction),
            is_closed: draft.is_closed(&facts),
            custodian: facts.custodian,
            recorded_by_caller: is_organization && recorder.as_deref() == Some(&*organization),
        })
    }

    /// The facts as the rules take them; a person is of no organisation.
    pub fn facts<'p>(
        &'p self,
        caller_organization: Option<&'p str>,
        practitioner: Option<PractitionerFacts>,
    ) -> WriteFacts<'p> {
        let belongs = match self {
            Self::Directory(owner) => Owner::Directory { owner: Some(owner) },
            Self::Own(organization) => Owner::Own { organization },
            Self::New => Owner::NewRecord,
            Self::Record { custodian, is_person, is_closed, recorded_by_caller } => Owner::Record {
                custodian,
                caller_is_person: *is_person,
                caller_is_closed_out: *is_closed,
                // Pick-up moves custody, so an owner of a Task writes as custodian; its Task goes by the workflow.
                caller_owns_active_task: false,
                is_callers_task: false,
                recorded_by_caller: *recorded_by_caller,
            },
        };
        WriteFacts { caller_organization, belongs, practitioner }
    }
}
