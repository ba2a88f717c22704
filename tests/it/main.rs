//! Integration tests against real parts.
fn main() {}
