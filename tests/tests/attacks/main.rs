//! Attacks on a running gateway, each by the number that it has in the list of faults and attacks: what must not happen does not.

mod described;
mod fuzz;
mod output;
mod parsing;
mod rates;
mod registration;
mod repeats;
mod secrets;
mod transport;
