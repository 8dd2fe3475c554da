//! The `flowstage` binary.
fn main() {}
