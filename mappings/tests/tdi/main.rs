//! The register of treatment demands: what goes in as a response comes out as a record, a submission and a line, and nothing else does.

mod golden;
mod refusals;
mod register;
mod round_trip;
mod rules;
mod sample;
mod year;
