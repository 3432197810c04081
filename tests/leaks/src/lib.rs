//! The leak kit: asks any FHIR R4 server that hides data whether its answers tell of it.
//!
//! It knows a base URL and two tokens, and nothing of the server. `docs/leak-kit.md` says what it asks and what must be answered.

pub mod capabilities;
pub mod channels;
pub mod client;
pub mod compare;
pub mod criteria;
pub mod exports;
pub mod random;
pub mod reads;
pub mod report;
pub mod run;
pub mod samples;
pub mod scenarios;
pub mod searches;
pub mod sets;
pub mod timing;
pub mod twins;
pub mod writes;
