//! The stories: a running gateway, told over HTTP what EHRs tell it, on both databases.

mod authorization;
mod blindness;
mod client_certificates;
mod conflicts;
mod crisis;
mod data;
mod emergency;
mod evidence;
mod explanation;
mod forged;
mod ihe;
mod labels;
mod machine_clients;
mod people;
mod persons;
mod practitioners;
mod referral;
mod refusal;
mod rest;
mod sealed;
mod search;
mod token;
mod transaction;
mod transport;
mod whose_word;
mod withdrawal;
