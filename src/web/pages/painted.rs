//! What is printed for a terminal, on a page: its colours become classes of the style sheet.

use maud::{Markup, html};

/// A stretch of text that looks the same.
struct Stretch<'t> {
    class: &'static str,
    text: &'t str,
}

/// The text with its colours. What comes from hosts was sanitized when it was printed, so every escape sequence
/// in it is one of ours.
pub(super) fn painted(text: &str) -> Markup {
    html! {
        @for Stretch { class, text } in stretches(text) {
            @if class.is_empty() { (text) } @else { span.(class) { (text) } }
        }
    }
}

fn stretches(text: &str) -> Vec<Stretch<'_>> {
    let mut stretches = Vec::new();
    let mut class = "";
    for (place, part) in text.split('\u{1b}').enumerate() {
        let text = match (place, part.strip_prefix('[').and_then(|rest| rest.split_once('m'))) {
            (0, _) => part,
            (_, Some((codes, text))) => {
                class = after(class, codes);
                text
            }
            (_, None) => part,
        };
        if !text.is_empty() {
            stretches.push(Stretch { class, text });
        }
    }
    stretches
}

/// The class after these codes. A colour stays where text becomes bold.
fn after(class: &'static str, codes: &str) -> &'static str {
    match codes {
        "31" => "is-bad",
        "32" => "is-good",
        "33" => "is-odd",
        "36" => "is-hint",
        "2" => "is-quiet",
        "1" if class.is_empty() => "is-strong",
        "1" => class,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Colour;

    #[test]
    fn colours_become_classes() {
        let text = Colour::Ansi.words("a failed <b>, RUNNING");
        let shown = painted(&text).into_string();
        assert_eq!(
            shown,
            "a <span class=\"is-bad\">failed</span> &lt;b&gt;, <span class=\"is-good\">RUNNING</span>"
        );
        let bold = painted("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m x").into_string();
        assert_eq!(bold, "<span class=\"is-bad\">error:</span> x");
        assert_eq!(painted("a\u{1b}x").into_string(), "ax");
        assert_eq!(
            painted("\u{1b}[1mweb1\u{1b}[0m").into_string(),
            "<span class=\"is-strong\">web1</span>"
        );
    }
}
