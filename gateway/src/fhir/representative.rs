//! What a RelatedPerson entails once it is written: the rows by which somebody acts for the person of the record.
//!
//! `docs/persons.md` says who may do what.

use crate::access::Draft;
use crate::consent::{ConsentIssue, representation};
use crate::error::{Failure, Issue};
use crate::storage::representative::RepresentativeRow;
use crate::storage::write_set::ResourceKey;

/// Puts the rows of a RelatedPerson that the draft puts, in place of those that it had.
///
/// # Errors
/// 422 naming what is not understood; the database is away.
pub async fn write(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    let Some(resource) = draft.pending(key.resource_type, &key.id) else { return Ok(()) };
    let (scopes, period) = representation(&resource.value).map_err(|issues| {
        let issue = |issue: ConsentIssue| Issue::at(issue.expression, issue.code.as_str(), issue.details);
        Failure::Unprocessable(issues.into_iter().map(issue).collect())
    })?;
    end(draft, key).await?;
    draft.set.representatives.extend(scopes.into_iter().map(|scope| RepresentativeRow {
        compartment: key.compartment.clone(),
        related_person: name(key),
        scope: scope.code(),
        from_ms: period.from_ms,
        until_ms: period.until_ms,
    }));
    Ok(())
}

/// Drops the rows of a RelatedPerson. The record's epoch moves, so that nothing is written on what was just taken back.
///
/// # Errors
/// The database is away.
pub async fn end(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    draft.move_record(&key.compartment).await?;
    draft.set.dropped_representatives.push((key.compartment.clone(), name(key)));
    Ok(())
}

fn name(key: &ResourceKey) -> String {
    format!("related-person/{}", key.id)
}
