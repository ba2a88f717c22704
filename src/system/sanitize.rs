//! Text of hosts and programs for a terminal, which must not obey it, and for people, who must see
//! whose it is.

/// Colours and other complete escape sequences are left out; any other control character, and what
/// turns the direction of text, is shown as U+FFFD.
pub fn sanitized(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("\u{1b}[").and_then(behind_sequence) {
            rest = behind;
            continue;
        }
        shown.push(if (c.is_control() && c != '\t') || is_deceptive(c) { '\u{fffd}' } else { c });
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    shown
}

/// What turns the direction of text, or breaks a line where no line break stands.
pub fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Each line by itself: line breaks stay, for text that we have put together from lines.
pub fn sanitized_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(sanitized).collect();
    lines.join("\n")
}

/// What stands behind a control sequence whose beginning was taken off (ECMA-48, 5.4): parameters,
/// and then one final byte. `None` if it is none.
fn behind_sequence(text: &str) -> Option<&str> {
    let end = text.find(|c| !matches!(c, '\u{20}'..='\u{3f}'))?;
    let (_, from) = text.split_at(end);
    from.strip_prefix(|c| matches!(c, '\u{40}'..='\u{7e}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_finds_nothing_to_obey() {
        for (text, shown) in [
            ("plain\ttext, UTF-8: äß", "plain\ttext, UTF-8: äß"),
            ("\u{1b}[32mINFO\u{1b}[0m ready", "INFO ready"),
            ("\u{1b}[2J\u{1b}[1;1Hgone", "gone"),
            ("\u{1b}]0;title\u{7}", "\u{fffd}]0;title\u{fffd}"),
            ("\u{1b}[", "\u{fffd}["),
            ("\u{1b}[3", "\u{fffd}[3"),
            ("\u{1b}[3\u{1b}[0m!", "\u{fffd}[3!"),
            ("a\rb\u{8}c\u{9b}2J\u{7f}", "a\u{fffd}b\u{fffd}c\u{fffd}2J\u{fffd}"),
            ("user\u{202e}txt.exe", "user\u{fffd}txt.exe"),
            ("a\u{2028}b\u{200f}c\u{85}d", "a\u{fffd}b\u{fffd}c\u{fffd}d"),
        ] {
            assert_eq!(sanitized(text), shown, "{text:?}");
        }
    }
}
