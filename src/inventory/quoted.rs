//! Texts as YAML, whoever writes them into an inventory.

use super::file;

/// How a text is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// Not, if it can do without.
    None,
    Single,
    Double,
}

/// A text as YAML.
pub(crate) fn quoted(text: &str, quotes: Quotes) -> String {
    let is_printable = !text.chars().any(char::is_control);
    let single = || format!("'{}'", text.replace('\'', "''"));
    // JSON's strings are YAML's.
    let double = || serde_json::Value::from(text).to_string();
    match quotes {
        Quotes::None if is_plain(text) => text.to_owned(),
        Quotes::Single if is_printable => single(),
        Quotes::None if is_printable && text.contains(['"', '\\']) => single(),
        Quotes::None | Quotes::Single | Quotes::Double => double(),
    }
}

/// Whether a text can do without quotes, for our reader and for one that follows YAML 1.1, where `yes` is
/// true and `1:30` a number.
fn is_plain(text: &str) -> bool {
    let is_text = |yaml: String| {
        let node = file::parse(&yaml).ok()?;
        let inner = node.children().into_iter().next_back()?.children().into_iter().next()?;
        Some(inner.text() == Some(text) && inner.at.end - inner.at.start == text.len())
    };
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "="];
    let looks_like_a_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.chars().all(|c| c.is_ascii_hexdigit() || "+-.:_xoXOT".contains(c));
    !words.contains(&text.to_ascii_lowercase().as_str())
        && !looks_like_a_number
        && is_text(format!("k: [{text}]")) == Some(true)
        && is_text(format!("k:\n- {text}\n")) == Some(true)
}

/// A text as YAML, without quotes if it can do without.
pub(crate) fn plain_or_quoted(text: &str) -> String {
    quoted(text, Quotes::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a text is, it is the same once it is read.
    #[test]
    fn quoted_text_reads_the_same() {
        for text in [
            "",
            " ",
            "a",
            "a: b",
            "- a",
            "#",
            "a #b",
            "'",
            "\"",
            "\\",
            "{",
            "]",
            "ä",
            "\t",
            "a\nb",
            "\u{85}",
            "%x",
            "@",
            "`",
            "1e3",
            "0x1F",
            "12:30",
            "2026-01-01",
            "!t",
            "&a",
            "|",
            ">",
            "?",
            "? a",
            "a:",
            ":a",
            "..",
            "---",
            "\u{feff}",
            "\u{2028}",
        ] {
            for quotes in [Quotes::None, Quotes::Single, Quotes::Double] {
                for yaml in [
                    format!("{{k: {}}}", quoted(text, quotes)),
                    format!("k: {}\n", quoted(text, quotes)),
                ] {
                    let node = file::parse(&yaml).map_err(|error| error.message).unwrap();
                    let value = node.children().into_iter().next_back().unwrap();
                    assert_eq!(value.text(), Some(text), "{yaml:?}");
                }
            }
        }
    }

    /// Nobody needs quotes around what any reader takes for a text.
    #[test]
    fn plain_text_has_no_quotes() {
        for plain in ["php artisan queue:work", "/usr/bin/celery -A shop worker", "a:b", "x#y"] {
            assert_eq!(plain_or_quoted(plain), plain);
        }
        for text in ["No", "1000", "1.10", "a: b", "a #b", "- x", "~", "a, b"] {
            assert_ne!(plain_or_quoted(text), text);
        }
    }
}
