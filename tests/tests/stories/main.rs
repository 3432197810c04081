//! The stories: a running gateway, told over HTTP what EHRs tell it, on both databases.

/// Any file of invoices that is right, as the library's own tests make it.
#[path = "../../../mappings/tests/billing/any.rs"]
#[expect(dead_code, reason = "the tests of the library use more of it")]
mod any;
mod authorization;
mod billing;
mod billing_books;
mod billing_fhir;
mod blindness;
mod client_certificates;
mod conflicts;
mod crisis;
mod criteria;
mod data;
mod deliveries;
mod emergency;
mod everything;
mod evidence;
mod explanation;
mod export;
mod forged;
mod ihe;
mod import;
mod intake;
mod labels;
mod machine_clients;
mod matching;
mod outbound;
mod partners;
mod people;
mod persons;
mod practitioners;
mod r4;
mod referral;
mod refusal;
mod rest;
mod restricted_scopes;
mod results;
#[path = "../../../mappings/tests/billing/sample.rs"]
#[expect(dead_code, reason = "the tests of the library use more of it")]
mod sample;
mod sealed;
mod search;
mod subscriptions;
mod terminology;
mod token;
mod transaction;
mod transport;
mod treatment;
mod validation;
mod whose_word;
mod withdrawal;
mod words;
