//! The inventory's text: from a span to a line that can be shown, with the secrets masked.

use std::ops::Range;

use super::file::{Node, Span};
use super::problem::Place;
use super::secrets;
use super::suggest::shown;

/// How many characters of a long line are shown on either side of the marked place.
const WINDOW: usize = 100;

/// What is shown in place of a secret.
const MASK: &str = "***";

/// The text of one inventory, with what must not be shown of it.
pub(super) struct Source<'t> {
    pub(super) name: &'t str,
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    /// The values of `environment`, sorted; `None` while there is no tree to take them from.
    secrets: Option<Vec<Span>>,
    /// The keys whose values are no secrets.
    keys: Vec<&'static str>,
}

impl<'t> Source<'t> {
    pub(super) fn new(name: &'t str, text: &'t str, keys: Vec<&'static str>) -> Self {
        let lines = std::iter::once(0)
            .chain(
                text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(index, _)| index + 1),
            )
            .collect();
        Self { name, text, lines, secrets: None, keys }
    }

    /// Notes the secrets of the tree; from here on only they are masked.
    pub(super) fn hide_secrets(&mut self, root: &Node) {
        self.secrets = Some(secrets::of(root, self.text, &self.keys));
    }

    /// The text of a scalar exactly as typed.
    pub(super) fn slice(&self, span: Span) -> &'t str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The line of a span, from 1.
    pub(super) fn line_of(&self, span: Span) -> u32 {
        u32::try_from(self.line_index(span)).map_or(u32::MAX, |index| index.saturating_add(1))
    }

    /// A key for a message: in backquotes, or as "this one" if it may hold a secret.
    pub(super) fn named(&self, key: &Node) -> String {
        let secrets = self.secrets.as_deref().unwrap_or_default();
        let first = secrets.partition_point(|secret| secret.end <= key.defined.start);
        let hidden = secrets.get(first).is_some_and(|secret| secret.start < key.defined.end);
        match key.text() {
            Some(name) if !hidden => format!("`{}`", shown(name)),
            _ => "this one".to_owned(),
        }
    }

    /// Whether a part of the line is masked although nothing is known: the file is no YAML.
    pub(super) fn may_be_a_secret(&self, at: Span) -> bool {
        let index = self.line_index(at);
        self.secrets.is_none() && self.unparsed_mask(index, self.line(index)).is_some()
    }

    fn line_index(&self, span: Span) -> usize {
        self.lines.partition_point(|start| *start <= span.start).saturating_sub(1)
    }

    /// The line at `index` without its end, as a span.
    fn line(&self, index: usize) -> Span {
        let start = self.lines.get(index).copied().unwrap_or(self.text.len());
        let end = self.lines.get(index + 1).copied().unwrap_or(self.text.len());
        let line = self.slice(Span { start, end });
        Span { start, end: start + line.trim_end_matches(['\n', '\r']).len() }
    }

    /// The place of a span as it can be shown: its line, masked, cropped and without control
    /// characters.
    pub(super) fn place(&self, at: Span, label: Option<String>) -> Place {
        let index = self.line_index(at);
        let line = self.line(index);
        let start = at.start.clamp(line.start, line.end);
        let before = self.slice(Span { start: line.start, end: start });
        let column = before.chars().count() + 1;
        let mark = start..at.end.clamp(start, line.end);
        let mut masks = self.masks(index, line);
        masks.extend(self.comment(line, &mark));
        let (text, caret) = self.shown(line, mark, masks);
        Place {
            line: self.line_of(at),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            text,
            label,
            caret,
        }
    }

    /// Every line as a whole, masked and without control characters.
    pub(super) fn masked_lines(&self) -> Vec<String> {
        (0..self.lines.len()).map(|index| self.masked_line(index)).collect()
    }

    fn masked_line(&self, index: usize) -> String {
        let line = self.line(index);
        let text = self.slice(line);
        let mut masks = self.masks(index, line);
        if text.trim_start().starts_with('#') {
            // A comment may be prose, or a setting that was there before.
            let setting = text.contains([':', '=']).then(|| self.unparsed_mask(index, line));
            masks.extend(setting.flatten());
        } else {
            masks.extend(self.comment(line, &(line.start..line.start)));
        }
        masks.sort_by_key(|mask| mask.start);
        let (mut shown, mut from) = (String::new(), line.start);
        for mask in masks.into_iter().filter(|mask| mask.start < mask.end) {
            let start = mask.start.max(from);
            if start < mask.end.min(line.end) {
                shown.push_str(self.slice(Span { start: from, end: start }));
                shown.push_str(MASK);
                from = mask.end.min(line.end);
            }
        }
        shown.push_str(self.slice(Span { start: from, end: line.end }));
        shown.chars().map(printable).collect()
    }

    /// The window of `line` around `mark`, with the mark's place in it.
    fn shown(
        &self,
        line: Span,
        mark: Range<usize>,
        mut masks: Vec<Span>,
    ) -> (String, Range<usize>) {
        let before = self.slice(Span { start: line.start, end: mark.start });
        let after = self.slice(Span { start: mark.start, end: line.end });
        let first =
            before.char_indices().rev().nth(WINDOW).map_or(line.start, |(i, _)| line.start + i);
        let last = after.char_indices().nth(2 * WINDOW).map_or(line.end, |(i, _)| mark.start + i);
        masks.retain(|mask| mask.start < last && first < mask.end);
        let mut text = String::from(if first > line.start { "…" } else { "" });
        let (mut caret, mut caret_end) = (None, 0);
        let (mut mask_begin, mut masked_to) = (0, 0);
        for (offset, c) in self.slice(Span { start: first, end: last }).char_indices() {
            let offset = first + offset;
            let mut begin = text.len();
            if offset < masked_to {
                begin = mask_begin;
            } else if let Some(secret) = masks.iter().find(|s| (s.start..s.end).contains(&offset)) {
                text.push_str(MASK);
                (mask_begin, masked_to) = (begin, secret.end);
            } else {
                text.push(printable(c));
            }
            if offset >= mark.start {
                caret.get_or_insert(begin);
            }
            if offset < mark.end {
                caret_end = text.len();
            }
        }
        let start = caret.unwrap_or(text.len());
        let end = caret_end.max(start);
        if last < line.end {
            text.push('…');
        }
        (text, start..end)
    }

    /// What to mask in a line of a file that is no YAML.
    fn unparsed_mask(&self, index: usize, line: Span) -> Option<Span> {
        let above = (0..index).rev().map(|above| self.slice(self.line(above)));
        let offset = secrets::in_unparsed_line(self.slice(line), above, &self.keys)?;
        Some(Span { start: line.start + offset, end: line.end })
    }

    /// What to mask in a line: the secrets the tree knows of; if the file is no YAML and so there
    /// is no tree, whatever looks like a line of `environment`.
    fn masks(&self, index: usize, line: Span) -> Vec<Span> {
        let Some(secrets) = &self.secrets else {
            return self.unparsed_mask(index, line).into_iter().collect();
        };
        let first = secrets.partition_point(|secret| secret.end <= line.start);
        let here = secrets[first..].iter().take_while(|secret| secret.start < line.end);
        let mut masks: Vec<Span> = here.copied().collect();
        if let Some(end) = masks.last().map(|secret| secret.end) {
            let rest = Span { start: end.min(line.end), end: line.end };
            masks.extend(self.slice(rest).find('#').map(|at| Span { start: end + at, ..rest }));
        }
        masks
    }

    /// A comment that could be a setting, for it could be a secret that was there before. Nothing
    /// is marked inside a comment, so it begins behind the mark; but an empty mark stands where a
    /// value is missing, and that can be behind one.
    fn comment(&self, line: Span, mark: &Range<usize>) -> Option<Span> {
        let start = if mark.is_empty() { line.start } else { mark.end };
        let rest = self.slice(Span { start, end: line.end });
        let (at, _) = rest
            .match_indices('#')
            .find(|(at, _)| rest[..*at].chars().next_back().is_none_or(char::is_whitespace))?;
        rest[at..].contains([':', '=']).then_some(Span { start: start + at, end: line.end })
    }
}

/// Blanks for tabs; a sign for what would move or hide text on a terminal.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}
