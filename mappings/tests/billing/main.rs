//! The third-party invoice file: what is written is what is read, whatever is wrong is named, and nothing that comes from outside breaks it.

mod answers;
mod any;
mod faults;
mod hostile;
mod limits;
mod official;
mod order_faults;
mod round_trip;
mod sample;
mod vectors;
mod words;
