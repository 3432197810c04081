//! The entries of a batch or transaction, as they are asked.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::update::parse_if_match;
use crate::access::draft::Content;
use crate::error::Failure;
use crate::storage::write_set::VersionId;

/// What an entry asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A read or a search.
    Get,
    /// A create.
    Post,
    /// An update.
    Put,
    /// A patch.
    Patch,
    /// A deletion.
    Delete,
}

/// One entry.
#[derive(Debug)]
pub struct Entry<'b> {
    /// The address by which other entries refer to it.
    pub full_url: Option<String>,
    /// The resource as it was sent, byte for byte.
    pub resource: Option<&'b str>,
    /// What is asked.
    pub verb: Verb,
    /// The type in the URL.
    pub resource_type: String,
    /// The id in the URL; empty for a type.
    pub id: String,
    /// The query in the URL: of a search, or the criteria of a conditional update, patch or deletion.
    pub query: String,
    /// The criteria of a conditional create.
    pub if_none_exist: Option<String>,
    /// The version that a read knows.
    pub if_none_match: Option<String>,
    if_match: Option<String>,
}

#[derive(Deserialize)]
struct BundleText<'b> {
    #[serde(borrow, default)]
    entry: Vec<EntryText<'b>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryText<'b> {
    full_url: Option<String>,
    #[serde(borrow)]
    resource: Option<&'b RawValue>,
    request: Option<RequestText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestText {
    method: Option<String>,
    url: Option<String>,
    if_none_exist: Option<String>,
    if_none_match: Option<String>,
    if_match: Option<String>,
}

impl Entry<'_> {
    /// When it is decided: what others rest on comes first. Between stages it is settled what changed Consents entail, so one
    /// that is withdrawn gives back what waits before another is recorded.
    pub fn stage(&self) -> u8 {
        match (self.verb, self.resource_type.as_str()) {
            (Verb::Delete, _) => 0,
            (Verb::Post | Verb::Put | Verb::Patch, "Patient") => 1,
            (Verb::Put, "Consent") if self.is_withdrawal() => 2,
            // A Consent may name a team of the same Bundle.
            (Verb::Post | Verb::Put | Verb::Patch, "CareTeam" | "Group") => 3,
            (Verb::Post | Verb::Put | Verb::Patch, "Consent") => 4,
            (Verb::Post | Verb::Put | Verb::Patch, "Provenance" | "Binary") => 6,
            (Verb::Post | Verb::Put | Verb::Patch, "ServiceRequest") => 7,
            (Verb::Post | Verb::Put | Verb::Patch, "Task") => 8,
            (Verb::Post | Verb::Put | Verb::Patch, _) => 5,
            (Verb::Get, _) => 9,
        }
    }

    /// The criteria of a conditional create, update, patch or deletion.
    pub fn criteria(&self) -> Option<&str> {
        let of_address = (self.verb != Verb::Get && !self.query.is_empty()).then_some(self.query.as_str());
        of_address.or(self.if_none_exist.as_deref())
    }

    fn is_withdrawal(&self) -> bool {
        let resource = self.resource.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        resource.is_some_and(|consent| consent["status"] == "inactive")
    }

    /// The version that the entry rests on.
    ///
    /// # Errors
    /// 412 where it is not a version of ours.
    pub fn if_match(&self) -> Result<Option<VersionId>, Failure> {
        self.if_match.as_deref().map(|etag| parse_if_match(etag, "request.ifMatch")).transpose()
    }
}

/// Reads the entries of a Bundle.
///
/// # Errors
/// 413 over the limit. An entry whose request is not understood fails alone: 422 naming it.
pub fn entries(bundle: &Content, entries_max: usize) -> Result<Vec<Result<Entry<'_>, Failure>>, Failure> {
    let text: BundleText<'_> = serde_json::from_str(&bundle.text).map_err(|_| {
        Failure::content("Bundle.entry", "structure", "must be a list of entries, each with its request")
    })?;
    if text.entry.len() > entries_max {
        return Err(Failure::TooLarge(format!("a Bundle has at most {entries_max} entries: send it in parts")));
    }
    Ok(text.entry.into_iter().enumerate().map(|(n, entry)| read(n, entry)).collect())
}

fn read(n: usize, entry: EntryText<'_>) -> Result<Entry<'_>, Failure> {
    let at = |element: &str| format!("Bundle.entry[{n}].request{element}");
    let request = entry
        .request
        .ok_or_else(|| Failure::content(at(""), "required", "each entry says by its request what to do"))?;
    let verb = match request.method.as_deref() {
        Some("GET") => Verb::Get,
        Some("POST") => Verb::Post,
        Some("PUT") => Verb::Put,
        Some("PATCH") => Verb::Patch,
        Some("DELETE") => Verb::Delete,
        _ => {
            let details = "GET, POST, PUT, PATCH and DELETE are served here";
            return Err(Failure::content(at(".method"), "not-supported", details));
        }
    };
    let url = request.url.unwrap_or_default();
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let mut parts = path.trim_matches('/').split('/');
    let resource_type = parts.next().unwrap_or_default().to_owned();
    let id = parts.next().unwrap_or_default().to_owned();
    let fits = match verb {
        Verb::Get => true,
        Verb::Post => id.is_empty() && query.is_empty(),
        Verb::Put | Verb::Patch | Verb::Delete => id.is_empty() != query.is_empty(),
    };
    if parts.next().is_some() || resource_type.is_empty() || !fits {
        let details = "must be relative: Type for POST, Type/id or Type?… for GET, PUT, PATCH and DELETE";
        return Err(Failure::content(at(".url"), "value", details));
    }
    if request.if_none_exist.is_some() && verb != Verb::Post {
        return Err(Failure::content(at(".ifNoneExist"), "invariant", "belongs to POST only"));
    }
    if !id.is_empty() && !mappings::r4::primitive::is_id(&id) {
        return Err(Failure::content(at(".url"), "value", "the id in it is none"));
    }
    Ok(Entry {
        full_url: entry.full_url,
        resource: entry.resource.map(RawValue::get),
        verb,
        resource_type,
        id,
        query: query.to_owned(),
        if_none_exist: request.if_none_exist,
        if_none_match: request.if_none_match,
        if_match: request.if_match,
    })
}
