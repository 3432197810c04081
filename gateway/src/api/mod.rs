//! What describes the FHIR interface to people and to their tools: pages at `/api`, and a collection for Postman. Both are made from the
//! `CapabilityStatement` as it is served, so that nothing is written twice and nothing is told that the statement does not tell anyone.

pub mod collection;
pub mod description;
pub mod page;

/// Where the pages begin.
pub const PATH: &str = "/api";
/// Where the collection is.
pub const COLLECTION_PATH: &str = "/api/postman.json";
/// Where the style of the pages is.
pub const STYLE_PATH: &str = "/api/api.css";
