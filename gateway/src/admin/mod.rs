//! What whoever runs the gateway asks of it over HTTP: the same as by its commands, for a person who signed in with the role `operator`.
//!
//! Plain JSON, and an OperationOutcome where it is refused. No answer has anything about a patient in it.

pub mod deliveries;
