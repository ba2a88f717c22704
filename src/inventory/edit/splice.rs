//! Changes of a YAML text that leave everything else of it as it is: a key of a map, an item of a list.
//! Each takes the text with nodes of it and gives the new text; `None` if the place cannot be told.
//!
//! None of them has to be right for every YAML there is: what comes out is read again and compared with
//! what was asked for, so a style that is not foreseen here is refused and not spoiled.

use super::assignment::Typed;
use super::extent::{
    begins_line, colon, column, dash, end_of, ends_line, entry_end, is_alias, is_flow, last_end,
    line_break, line_end, line_start, next_line, next_sign, slice,
};
use crate::inventory::file::{Node, Value};
use crate::inventory::{Quotes, quoted};

/// An entry of a map: its key and its value.
pub(super) type Entry<'n> = (&'n Node, &'n Node);

/// The entry of this key.
pub(super) fn entry<'n>(map: &'n Node, key: &str) -> Option<Entry<'n>> {
    let Value::Map(entries) = &map.value else { return None };
    let found = entries.iter().find(|(name, _)| name.text() == Some(key));
    found.map(|(key, value)| (key, value))
}

/// The text with `new` in place of a part of it.
pub(super) fn spliced(text: &str, start: usize, end: usize, new: &str) -> String {
    format!("{}{new}{}", slice(text, 0, start), slice(text, end, text.len()))
}

/// The text with these lines below the line of `at`.
pub(super) fn with_lines_below(text: &str, at: usize, lines: &[String]) -> String {
    let newline = line_break(text, at);
    let place = next_line(text, at);
    let new = lines.join(newline);
    match slice(text, 0, place).ends_with('\n') {
        true => spliced(text, place, place, &format!("{new}{newline}")),
        // The last line of a file without a line break at its end, which stays so.
        false => spliced(text, place, place, &format!("{newline}{new}")),
    }
}

/// A value of an entry that is there becomes another one.
pub(super) fn with_value(text: &str, (key, value): Entry<'_>, new: &Typed) -> Option<String> {
    let behind_colon = colon(key, text)? + 1;
    let (start, end) = (value.at.start, end_of(value, text)?);
    let old = slice(text, start, end);
    let quotes = match old.chars().next() {
        Some('\'') => Quotes::Single,
        Some('"') => Quotes::Double,
        _ => Quotes::None,
    };
    let new = new.written(quotes);
    if start >= end {
        return Some(spliced(text, behind_colon, behind_colon, &format!(" {new}")));
    }
    if slice(text, behind_colon, start).contains('\n') {
        // A block, or a text of several lines, gives way as a whole.
        return Some(spliced(text, behind_colon, end, &format!(" {new}")));
    }
    Some(spliced(text, start, end, &new))
}

/// A map gets one more entry, as its last.
pub(super) fn with_entry(text: &str, map: &Node, key: &str, value: &str) -> Option<String> {
    let entry = format!("{}: {value}", key_like(text, map, key));
    if is_flow(map, text) {
        return with_flow_element(text, map, &entry);
    }
    let indent = " ".repeat(indent_of(text, map)?);
    Some(with_lines_below(text, last_end(map, text)?, &[format!("{indent}{entry}")]))
}

/// A map gets one more entry, which is a list with one item.
pub(super) fn with_list(
    text: &str,
    map: &Node,
    key: &str,
    style: ItemStyle,
    entry: &str,
) -> Option<String> {
    let ItemStyle::Block { offset, gap } = style else {
        return with_entry(text, map, key, &format!("[{{{entry}}}]"));
    };
    let indent = indent_of(text, map)?;
    let mut lines = vec![format!("{}{key}:", " ".repeat(indent))];
    lines.extend(gap.lines(indent + offset, entry));
    Some(with_lines_below(text, last_end(map, text)?, &lines))
}

/// A key, in quotes where all others of the map are.
fn key_like(text: &str, map: &Node, key: &str) -> String {
    let Value::Map(entries) = &map.value else { return key.to_owned() };
    let mut own = entries.iter().map(|(key, _)| key).filter(|key| !is_alias(key)).peekable();
    let is_json = own.peek().is_some()
        && own.all(|key| slice(text, key.at.start, key.at.end).starts_with('"'));
    quoted(key, if is_json { Quotes::Double } else { Quotes::None })
}

/// The column of the keys of a map in a block.
pub(super) fn indent_of(text: &str, map: &Node) -> Option<usize> {
    let Value::Map(entries) = &map.value else { return None };
    let own = || entries.iter().map(|(key, _)| key).filter(|key| !is_alias(key));
    // The first may stand behind an anchor in the line of its dash.
    let alone = own().find(|key| begins_line(text, key.at.start));
    let place = alone.map_or(map.at.start, |key| key.at.start);
    Some(column(text, place))
}

/// A list or map in brackets gets one more element, as its last.
pub(super) fn with_flow_element(text: &str, node: &Node, element: &str) -> Option<String> {
    let last = match node.children().last() {
        Some(_) => last_end(node, text)?,
        None => return Some(spliced(text, node.at.end, node.at.end, element)),
    };
    let first_of_last = match &node.value {
        Value::List(items) => items.last()?.at.start,
        _ => node.children().iter().rev().nth(1)?.at.start,
    };
    if !begins_line(text, first_of_last) {
        return Some(spliced(text, last, last, &format!(", {element}")));
    }
    let indent = slice(text, line_start(text, first_of_last), first_of_last);
    let sign = next_sign(text, last);
    let has_comma = slice(text, sign, text.len()).starts_with(',');
    if ends_line(text, if has_comma { sign + 1 } else { last }) {
        // Below the comment of the last one.
        let comma = if has_comma { "," } else { "" };
        let lines = [format!("{indent}{element}{comma}")];
        let text = if has_comma { text.to_owned() } else { spliced(text, last, last, ",") };
        return Some(with_lines_below(&text, last, &lines));
    }
    let newline = line_break(text, last);
    Some(spliced(text, last, last, &format!(",{newline}{indent}{element}")))
}

/// A map loses an entry. Its comment goes with it, comments in lines of their own stay.
pub(super) fn without_entry(text: &str, map: &Node, (key, value): Entry<'_>) -> Option<String> {
    let (start, end) = (key.at.start, entry_end(key, value, text)?);
    if is_flow(map, text) {
        return Some(without_flow_element(text, start, end));
    }
    if begins_line(text, start) {
        return without_lines(text, start, end);
    }
    // The first one, behind a dash.
    let (next, line_end) = (next_sign(text, end), line_end(text, end));
    match slice(text, line_end, next).trim().is_empty() && next < text.len() {
        true => Some(spliced(text, start, next, "")),
        false => {
            let behind_dash = slice(text, 0, start).trim_end().len();
            Some(spliced(text, behind_dash, line_end, ""))
        }
    }
}

/// The text without the lines from one place to another, if nothing else is in them.
fn without_lines(text: &str, start: usize, end: usize) -> Option<String> {
    let is_whole = begins_line(text, start) && ends_line(text, end);
    is_whole.then(|| {
        let (first, mut next) = (line_start(text, start), next_line(text, end));
        let mut from = first;
        let before = slice(text, 0, first);
        if next == text.len() && !slice(text, 0, next).ends_with('\n') {
            // No line break at the end of the file, so none of the line before.
            from = before.trim_end_matches(['\n', '\r']).len();
        } else if is_blank_line(text, next) {
            // Of the blank lines around it one is enough.
            let above = before.strip_suffix('\n').unwrap_or(before);
            let above = line_start(text, above.len());
            if above < first && slice(text, above, first).trim().is_empty() {
                next = next_line(text, next);
            }
        }
        spliced(text, from, next, "")
    })
}

/// Whether the line that begins here is blank; the end of the text is one.
fn is_blank_line(text: &str, at: usize) -> bool {
    at < text.len() && slice(text, at, line_end(text, at)).trim().is_empty()
}

/// The text without an element of a list or map in brackets.
fn without_flow_element(text: &str, start: usize, end: usize) -> String {
    let sign = next_sign(text, end);
    let comma_behind = slice(text, sign, text.len()).starts_with(',');
    let end = if comma_behind { sign + 1 } else { end };
    if begins_line(text, start) && ends_line(text, end) {
        return spliced(text, line_start(text, start), next_line(text, end), "");
    }
    if comma_behind {
        let rest = slice(text, end, text.len());
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        return spliced(text, start, end + blanks, "");
    }
    let before = slice(text, 0, start).trim_end();
    match before.strip_suffix(',') {
        Some(before) => spliced(text, before.len(), end, ""),
        None => spliced(text, start, end, ""),
    }
}

/// A list that is the value of `key` gets one more item, which is a map with this entry alone.
pub(super) fn with_item(
    text: &str,
    (key, list): Entry<'_>,
    style: ItemStyle,
    entry: &str,
) -> Option<String> {
    let braces = format!("{{{entry}}}");
    let Some(last) = list.children().last().copied() else {
        return with_first_item(text, (key, list), style, entry);
    };
    if is_flow(list, text) {
        return with_flow_element(text, list, &braces);
    }
    let items = list.children();
    let before = items.len().checked_sub(2).and_then(|before| items.get(before));
    let from = match before {
        Some(before) => end_of(before, text)?,
        None => colon(key, text)? + 1,
    };
    let dash = dash(text, from, last.at.start)?;
    let mut lines = match is_flow(last, text) {
        true => vec![format!("{}- {braces}", " ".repeat(column(text, dash)))],
        false => Gap::of(text, dash, last).lines(column(text, dash), entry),
    };
    let above = line_start(text, line_start(text, dash).saturating_sub(1));
    if before.is_some() && is_blank_line(text, above) {
        lines.insert(0, String::new());
    }
    let end = behind_comments(text, end_of(last, text)?, column(text, dash));
    Some(with_lines_below(text, end, &lines))
}

/// The end of the comments right below a place that stand further in than its item's dash: they are the
/// item's own.
fn behind_comments(text: &str, end: usize, dash: usize) -> usize {
    let mut last = end;
    loop {
        let next = next_line(text, last);
        let line = slice(text, next, line_end(text, next));
        let sign = line.trim_start();
        if !sign.starts_with('#') || line.len() - sign.len() <= dash {
            return last;
        }
        last = next;
    }
}

fn with_first_item(
    text: &str,
    (key, list): Entry<'_>,
    style: ItemStyle,
    entry: &str,
) -> Option<String> {
    let behind_colon = colon(key, text)? + 1;
    let (start, end) = (list.at.start, end_of(list, text)?);
    let ItemStyle::Block { offset, gap } = style else {
        let new = format!("[{{{entry}}}]");
        return Some(match start < end {
            true => spliced(text, start, end, &new),
            false => spliced(text, behind_colon, behind_colon, &format!(" {new}")),
        });
    };
    let text = match start < end {
        true => {
            let before = slice(text, behind_colon, start).trim_end().len();
            spliced(text, behind_colon + before, end, "")
        }
        false => text.to_owned(),
    };
    let lines = gap.lines(column(&text, key.at.start) + offset, entry);
    Some(with_lines_below(&text, behind_colon, &lines))
}

/// A list that is the value of `key` loses an item; without any it becomes `[]`.
pub(super) fn without_item(text: &str, (key, list): Entry<'_>, index: usize) -> Option<String> {
    let items = list.children();
    let item = items.get(index)?;
    let (start, end) = (item.at.start, end_of(item, text)?);
    if is_flow(list, text) {
        return Some(match items.len() {
            1 => spliced(text, list.at.start, end_of(list, text)?, "[]"),
            _ => without_flow_element(text, start, end),
        });
    }
    let before = index.checked_sub(1).and_then(|before| items.get(before));
    let behind_colon = colon(key, text)? + 1;
    let from = match before {
        Some(before) => end_of(before, text)?,
        None => behind_colon,
    };
    let without = without_lines(text, dash(text, from, start)?, end)?;
    Some(match items.len() {
        1 => spliced(&without, behind_colon, behind_colon, " []"),
        _ => without,
    })
}

/// How the items of a list are written.
#[derive(Debug, Clone, Copy)]
pub(super) enum ItemStyle {
    /// In brackets.
    Flow,
    /// In lines of their own, each behind a dash.
    Block {
        /// How far the dash is from the key above.
        offset: usize,
        gap: Gap,
    },
}

/// Where an item begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Gap {
    /// So many blanks behind the dash.
    Beside(usize),
    /// In the line below the dash, so far from it.
    Below(usize),
}

impl ItemStyle {
    /// That of the lists of this inventory; where there is none, as most people write it.
    pub(super) fn of_file(text: &str, root: &Node) -> Self {
        let sites = entry(root, "sites");
        let inner = sites.map(|(_, sites)| sites.children()).unwrap_or_default();
        let inner = inner.into_iter().map(|site| entry(site, "supervisors"));
        let lists = inner.chain([sites, entry(root, "servers")]).flatten();
        let usual = Self::Block { offset: 2, gap: Gap::Beside(1) };
        lists.filter_map(|list| Self::of_list(text, list)).next().unwrap_or(usual)
    }

    fn of_list(text: &str, (key, list): Entry<'_>) -> Option<Self> {
        let first = *list.children().first()?;
        if is_alias(list) || is_flow(list, text) {
            return None;
        }
        let dash = dash(text, colon(key, text)? + 1, first.at.start)?;
        let offset = column(text, dash).checked_sub(column(text, key.at.start))?;
        Some(Self::Block { offset, gap: Gap::of(text, dash, first) })
    }
}

impl Gap {
    fn of(text: &str, dash: usize, item: &Node) -> Self {
        let between = slice(text, dash + 1, item.at.start);
        if is_flow(item, text) {
            return Self::Beside(1);
        }
        if !between.is_empty() && between.bytes().all(|byte| byte == b' ') {
            return Self::Beside(between.len());
        }
        let indent = indent_of(text, item).and_then(|keys| keys.checked_sub(column(text, dash)));
        Self::Below(indent.filter(|indent| *indent > 0).unwrap_or(2))
    }

    /// The lines of an item whose dash is at this column.
    fn lines(self, column: usize, entry: &str) -> Vec<String> {
        let dash = format!("{}-", " ".repeat(column));
        match self {
            Self::Beside(blanks) => vec![format!("{dash}{}{entry}", " ".repeat(blanks))],
            Self::Below(indent) => vec![dash, format!("{}{entry}", " ".repeat(column + indent))],
        }
    }
}
