//! The functions that are fuzzed stand with the tests, which replay the corpus through them.

#[path = "../../tests/it/replay/targets.rs"]
mod targets;

/// Feeds a target, by its name.
///
/// # Panics
///
/// If there is none of that name, and when something was found.
pub fn run(name: &str, bytes: &[u8]) {
    let found = targets::TARGETS.iter().find(|(target, _)| *target == name);
    let (_, target) = found.expect("there is a target of this name");
    target(bytes);
}
