//! The stories: a running gateway, told over HTTP what EHRs tell it, on both databases.

/// Any file of invoices that is right, as the library's own tests make it.
#[path = "../../../mappings/tests/billing/any.rs"]
#[expect(dead_code, reason = "the tests of the library use more of it")]
mod any;
mod authorization;
mod billing;
mod billing_fhir;
mod blindness;
mod client_certificates;
mod conflicts;
mod crisis;
mod data;
mod deliveries;
mod emergency;
mod evidence;
mod explanation;
mod forged;
mod ihe;
mod intake;
mod labels;
mod machine_clients;
mod month;
mod outbound;
mod partners;
mod people;
mod persons;
mod practitioners;
mod referral;
mod refusal;
mod rest;
#[path = "../../../mappings/tests/billing/sample.rs"]
#[expect(dead_code, reason = "the tests of the library use more of it")]
mod sample;
mod sealed;
mod search;
mod subscriptions;
mod token;
mod transaction;
mod transport;
mod treatment;
mod validation;
mod whose_word;
mod withdrawal;
