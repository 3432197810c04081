//! The storage held to its contract: every public function, on both databases, with the same assertions.
//!
//! What takes long is run as a sample here, with a fixed seed; `tests/long` runs the whole and keeps the results.

mod audit;
mod backups;
mod billing;
mod conflicts;
mod consent_join;
mod contention;
mod covered;
mod criteria;
mod deliveries;
mod emergency;
mod evidence;
mod exports;
mod facts;
mod history;
mod intake;
mod migrations;
mod moment;
mod older_keys;
mod opening;
mod operator;
mod outage;
mod people;
mod persons;
mod power_cut;
mod program;
mod races;
mod registry;
mod reindex;
mod relabel;
mod restored;
mod results;
mod sealed;
mod sealing;
mod search;
mod simulation;
mod standby;
mod subscriptions;
mod teams;
mod treatment;
mod values;
mod vault;
mod words;
mod world;
mod write_sets;
