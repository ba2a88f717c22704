//! What a command prints, for who reads along elsewhere than on a terminal.

use std::sync::{Arc, Mutex, PoisonError};

/// More than this is not kept, in bytes: a plan of a large fleet is no page.
const KEPT: usize = 1024 * 1024;

/// Text that grows. Its clones are the same text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transcript(Arc<Mutex<Written>>);

#[derive(Debug, Default)]
struct Written {
    text: String,
    is_cut: bool,
}

impl Transcript {
    /// What was written until now, and whether there was more than is kept.
    pub(crate) fn read(&self) -> (String, bool) {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (written.text.clone(), written.is_cut)
    }

    pub(super) fn add(&self, text: &str) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.is_cut |= written.text.len() + text.len() > KEPT;
        if !written.is_cut {
            written.text.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcript_is_bounded() {
        let transcript = Transcript::default();
        transcript.clone().add("one\n");
        assert_eq!(transcript.read(), ("one\n".to_owned(), false));
        transcript.add(&"x".repeat(KEPT));
        transcript.add("two\n");
        assert_eq!(transcript.read(), ("one\n".to_owned(), true));
    }
}
