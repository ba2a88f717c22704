//! Texts as values of YAML.

/// Words that YAML, or a reader of it, takes for something else than a text.
const WORDS: [&str; 12] =
    ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "~", "none", "nan"];

/// A text as a value: as it stands where every reader takes it for that text, else in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let mut blank = true;
    let mut plain = begins && !is_word && !text.ends_with(' ');
    for c in text.chars() {
        // Between words one blank, and nothing that could begin a comment, a map or an anchor.
        plain &= is_plain(c) || (c == ' ' && !blank);
        plain &= !(blank && matches!(c, '-' | '+' | '.') && begins && text.starts_with(c));
        blank = c == ' ';
    }
    if plain { text.to_owned() } else { in_quotes(text) }
}

/// A number without quotes, else as [`quoted`].
pub(crate) fn quoted_unless_number(text: &str) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { text.to_owned() } else { quoted(text) }
}

/// In double quotes, whatever it is.
pub(crate) fn in_quotes(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_their_meaning() {
        for plain in [
            "php artisan queue:work",
            "a: b",
            "x #y",
            "- x",
            "true",
            "1.0",
            "",
            "*x",
            "a\"b\\c",
            "\u{1}",
        ] {
            let text = quoted(plain);
            let read: String = serde_json::from_str(&text).unwrap_or_else(|_| text.clone());
            assert_eq!(read, plain, "{text}");
        }
        assert_eq!(quoted("/usr/bin/celery -A shop worker"), "/usr/bin/celery -A shop worker");
        assert_eq!(quoted("php artisan queue:work"), "\"php artisan queue:work\"");
        assert_eq!(quoted("No"), "\"No\"");
        assert_eq!(quoted_unless_number("1000"), "1000");
    }
}
