//! Where the parts of a YAML text begin and end. The parser tells where scalars stand and where lists and
//! maps begin; the rest is found between them, where nothing but signs, blanks and comments can be.

use crate::inventory::file::{Node, Span, Value};

/// The text between two places; nothing if there is none.
pub(super) fn slice(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or_default()
}

/// The place of the next character that is no blank, no line break and in no comment.
pub(super) fn next_sign(text: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = slice(text, at, text.len());
        at += rest.len() - rest.trim_start().len();
        let starts_comment = slice(text, at, text.len()).starts_with('#')
            && slice(text, 0, at).chars().next_back().is_none_or(char::is_whitespace);
        if !starts_comment {
            return at;
        }
        at = line_end(text, at);
    }
}

/// The beginning of the line of a place.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    slice(text, 0, at).rfind('\n').map_or(0, |newline| newline + 1)
}

/// The end of the line of a place, before its line break.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let rest = slice(text, at, text.len());
    let line = rest.split('\n').next().unwrap_or_default();
    at + line.strip_suffix('\r').unwrap_or(line).len()
}

/// The beginning of the next line; the end of the text where there is none.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    slice(text, at, text.len()).find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// How far a place is from the beginning of its line.
pub(super) fn column(text: &str, at: usize) -> usize {
    slice(text, line_start(text, at), at).trim_start_matches('\u{feff}').chars().count()
}

/// Whether nothing but blanks is before a place in its line.
pub(super) fn begins_line(text: &str, at: usize) -> bool {
    slice(text, line_start(text, at), at).trim_start_matches('\u{feff}').trim().is_empty()
}

/// Whether nothing but blanks and a comment is behind a place in its line.
pub(super) fn ends_line(text: &str, at: usize) -> bool {
    let rest = slice(text, at, line_end(text, at));
    rest.trim().is_empty() || (rest.trim_start().starts_with('#') && rest.starts_with([' ', '\t']))
}

/// How the line of a place ends; where it is the last, how the one before it does.
pub(super) fn line_break(text: &str, at: usize) -> &'static str {
    let line = slice(text, 0, next_line(text, at));
    let before = line.rfind('\n').and_then(|newline| text.get(..newline));
    if before.is_some_and(|before| before.ends_with('\r')) { "\r\n" } else { "\n" }
}

/// Whether it comes from somewhere else: an alias, or a key that a merge (`<<`) brings.
pub(super) fn is_alias(node: &Node) -> bool {
    node.at != node.defined
}

/// Whether a list or map is written in brackets or braces.
pub(super) fn is_flow(node: &Node, text: &str) -> bool {
    matches!(node.value, Value::List(_) | Value::Map(_))
        && matches!(slice(text, node.at.start, node.at.end), "[" | "{")
}

/// The end of a node's text, without blanks; `None` if it cannot be told.
pub(super) fn end_of(node: &Node, text: &str) -> Option<usize> {
    if is_alias(node) {
        return Some(node.at.end);
    }
    let Span { start, end } = node.at;
    match &node.value {
        Value::Null | Value::Bool(_) | Value::Number | Value::Text(_) => {
            Some(start + slice(text, start, end).trim_end().len())
        }
        Value::List(_) | Value::Map(_) => {
            let last = last_end(node, text)?;
            if is_flow(node, text) { closing(text, last) } else { Some(last) }
        }
    }
}

/// The end of the last element of a list or map; right behind the bracket where there is none.
pub(super) fn last_end(node: &Node, text: &str) -> Option<usize> {
    let mut last = node.at.end;
    match &node.value {
        Value::List(items) => {
            for item in items {
                last = last.max(end_of(item, text)?);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                last = last.max(entry_end(key, value, text)?);
            }
        }
        _ => {}
    }
    Some(last)
}

/// The end of a key with its value.
pub(super) fn entry_end(key: &Node, value: &Node, text: &str) -> Option<usize> {
    if is_alias(key) {
        return Some(key.at.end);
    }
    let behind_key = colon(key, text).map_or(key.at.end, |colon| colon + 1);
    match &value.value {
        Value::Null if value.at.start >= value.at.end => Some(behind_key),
        _ => Some(end_of(value, text)?.max(behind_key)),
    }
}

/// The colon behind a key.
pub(super) fn colon(key: &Node, text: &str) -> Option<usize> {
    let at = next_sign(text, key.at.end);
    slice(text, at, text.len()).starts_with(':').then_some(at)
}

/// The end of a list or map in brackets, of which the last element ends at `last`.
fn closing(text: &str, last: usize) -> Option<usize> {
    let mut at = next_sign(text, last);
    if slice(text, at, text.len()).starts_with(',') {
        at = next_sign(text, at + 1);
    }
    slice(text, at, text.len()).starts_with([']', '}']).then_some(at + 1)
}

/// The dash of an item that begins at `item`, where the one before it, or the list's key, ends at `from`.
pub(super) fn dash(text: &str, from: usize, item: usize) -> Option<usize> {
    let mut at = next_sign(text, from);
    // An anchor or a tag of the list.
    while slice(text, at, item).starts_with(['&', '!']) {
        let word = slice(text, at, item).split(char::is_whitespace).next()?;
        at = next_sign(text, at + word.len());
    }
    (at < item && slice(text, at, item).starts_with('-')).then_some(at)
}
