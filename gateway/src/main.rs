//! The `wellgate` command.
fn main() {}
