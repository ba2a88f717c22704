//! A message of a host as a paragraph of ours.

use crate::error::cut;
use crate::system::sanitized;

/// A message of a host: cut to what people read, and with every line but the first indented, so that
/// none of them passes for a line of ours or of another host.
pub(crate) fn paragraph(text: &str) -> String {
    let text = cut(text);
    let lines: Vec<String> = text.trim_end().split('\n').map(sanitized).collect();
    lines.join("\n      ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No line of a message begins where ours do.
    #[test]
    fn message_lines_are_indented() {
        assert_eq!(paragraph("one\nweb1: two\r\n"), "one\n      web1: two");
        assert!(paragraph(&"x".repeat(100_000)).len() < 10_000);
    }
}
