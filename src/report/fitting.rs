//! Text that has to fit into so many columns.

use unicode_width::UnicodeWidthStr as _;

/// A text that takes no more than so many columns: what is left out is in its middle, since the end of a
/// process's name tells it from its brothers.
pub(super) fn shortened(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let (head, tail) = (taken(text.chars(), room - room / 2), taken(text.chars().rev(), room / 2));
    let tail: String = tail.chars().rev().collect();
    format!("{head}…{tail}")
}

/// The beginning of a text that has no room for all of it.
pub(super) fn cut_off(text: &str, columns: usize) -> String {
    columns.checked_sub(1).map_or(String::new(), |room| taken(text.chars(), room) + "…")
}

/// As many of these characters as take no more than so many columns.
fn taken(characters: impl Iterator<Item = char>, columns: usize) -> String {
    let mut text = String::new();
    for character in characters {
        text.push(character);
        if text.width() > columns {
            text.pop();
            break;
        }
    }
    text
}
