//! Bundles as answers, put together from stored bytes: nothing is parsed again.

use std::fmt::Write as _;

use serde_json::json;

use super::answer::etag;
use crate::clock::format_instant;
use crate::search::result::View;
use crate::storage::resource::Seen;
use crate::storage::write_set::Method;

/// A Bundle under construction.
#[derive(Debug)]
pub struct Bundle {
    text: String,
    entries: usize,
}

impl Bundle {
    /// A Bundle of a type (`searchset`, `history`, …) with its links, each a relation and a URL.
    pub fn new(kind: &str, total: Option<u64>, links: &[(&str, String)]) -> Self {
        let mut text = format!("{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\"");
        if let Some(total) = total {
            let _ = write!(text, ",\"total\":{total}");
        }
        if !links.is_empty() {
            let links: Vec<_> = links.iter().map(|(relation, url)| json!({"relation": relation, "url": url})).collect();
            let _ = write!(text, ",\"link\":{}", json!(links));
        }
        Self { text, entries: 0 }
    }

    /// Adds an entry: its members as JSON text, without the braces.
    pub fn entry(&mut self, members: &str) {
        self.text.push_str(if self.entries == 0 { ",\"entry\":[" } else { "," });
        self.entries += 1;
        self.text.push('{');
        self.text.push_str(members);
        self.text.push('}');
    }

    /// Adds what a search found, as a `match` or as an `include`, as far as it is to be shown.
    pub fn found(&mut self, base: &str, seen: &Seen, mode: &str, view: &View) {
        let url = json!(format!("{base}/{}/{}", seen.key.resource_type, seen.key.id));
        let shown = view.of(&seen.body);
        self.entry(&format!("\"fullUrl\":{url},\"resource\":{shown},\"search\":{{\"mode\":\"{mode}\"}}"));
    }

    /// Adds a version of a history.
    pub fn version(&mut self, base: &str, seen: &Seen) {
        let (resource_type, id) = (seen.key.resource_type, &seen.key.id);
        let mut members = format!("\"fullUrl\":{}", json!(format!("{base}/{resource_type}/{id}")));
        if !seen.deleted {
            let _ = write!(members, ",\"resource\":{}", seen.body);
        }
        let url = if seen.method == Method::Post { resource_type.to_owned() } else { format!("{resource_type}/{id}") };
        let status = match seen.method {
            Method::Post => "201 Created",
            Method::Put => "200 OK",
            Method::Delete => "204 No Content",
        };
        let request = json!({"method": seen.method.verb(), "url": url});
        let response =
            json!({"status": status, "etag": etag(seen.version), "lastModified": format_instant(seen.last_updated_ms)});
        let _ = write!(members, ",\"request\":{request},\"response\":{response}");
        self.entry(&members);
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether it has no entry yet.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The Bundle as text.
    pub fn finish(mut self) -> String {
        self.text.push_str(if self.entries == 0 { "}" } else { "]}" });
        self.text
    }
}
