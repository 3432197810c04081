//! The contact that a response is about: its Encounter, and the `EpisodeOfCare` of which that is part.

use mappings::tdi::{Contact, ReadIssue, contact_of_encounter, contact_of_episode_of_care};
use serde_json::Value;

use crate::access::Draft;
use crate::error::{Failure, Issue};
use crate::storage::write_set::ResourceKey;

/// Reads the contact with which the treatment begins. Where the Encounter is of an `EpisodeOfCare`, that says when it began.
///
/// # Errors
/// 422 where there is none in this record, or one that is not registered.
pub(super) async fn contact_of(draft: &Draft<'_>, compartment: &str, response: &Value) -> Result<Contact, Failure> {
    let reference = response.pointer("/encounter/reference").and_then(Value::as_str).unwrap_or_default();
    let encounter = found(draft, compartment, "Encounter", reference).await?.ok_or_else(|| {
        let details = "must be the Encounter of this record with which the treatment begins";
        Failure::content("QuestionnaireResponse.encounter", "required", details)
    })?;
    let episode = encounter.pointer("/episodeOfCare/0/reference").and_then(Value::as_str).unwrap_or_default();
    let contact = contact_of_encounter(&encounter).map_err(|issues| unprocessable(&issues))?;
    match found(draft, compartment, "EpisodeOfCare", episode).await? {
        None => Ok(contact),
        Some(episode) => {
            let started = contact_of_episode_of_care(&episode).map_err(|issues| unprocessable(&issues))?.started;
            Ok(Contact { started, ..contact })
        }
    }
}

/// The issues of a resource that cannot be registered, as the answer has them.
pub(super) fn unprocessable(issues: &[ReadIssue]) -> Failure {
    let issue = |issue: &ReadIssue| Issue::at(issue.expression.clone(), issue.code, issue.details.clone());
    Failure::Unprocessable(issues.iter().map(issue).collect())
}

async fn found(
    draft: &Draft<'_>,
    compartment: &str,
    resource_type: &'static str,
    reference: &str,
) -> Result<Option<Value>, Failure> {
    let Some((kind, id)) = draft.local(reference).split_once('/') else { return Ok(None) };
    if kind != resource_type {
        return Ok(None);
    }
    let key = ResourceKey { compartment: compartment.to_owned(), resource_type, id: id.to_owned() };
    Ok(draft.content(&key).await?.map(|stored| stored.content.value))
}
