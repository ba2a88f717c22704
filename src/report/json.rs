//! A JSON document as a line that a terminal does not obey. What it would obey is escaped, so that the
//! text is the same once it is read.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::system::is_deceptive;

/// The document, without its line break.
pub(super) fn line(content: &impl Serialize) -> serde_json::Result<String> {
    let mut line = Vec::new();
    content.serialize(&mut Serializer::with_formatter(&mut line, Escaping))?;
    String::from_utf8(line).map_err(serde::ser::Error::custom)
}

/// serde_json escapes the control characters below U+0020 and no other.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| c.is_control() || is_deceptive(*c)) {
            writer.write_all(fragment.get(from..at).unwrap_or_default().as_bytes())?;
            write!(writer, "\\u{:04x}", u32::from(c))?;
            from = at + c.len_utf8();
        }
        writer.write_all(fragment.get(from..).unwrap_or_default().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let text = "a\u{9b}2J\u{202e}b\u{7f}\u{2028}\u{1b}\n\u{200f}\u{2069}ä \"";
        let line = line(&[text]).unwrap();
        let expected = r#"["a\u009b2J\u202eb\u007f\u2028\u001b\n\u200f\u2069ä \""]"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<[String; 1]>(&line).unwrap(), [text]);
    }
}
