//! The inventory's text: from a span to a line that can be shown, with the secrets masked.

use super::file::{Node, Span, Value};
use super::problem::Place;
use super::suggest::nearest;

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
    /// The keys of an inventory: where one begins a line, an `environment` above it has ended.
    keys: &'t [&'t str],
}

impl<'t> Source<'t> {
    pub(super) fn new(name: &'t str, text: &'t str, keys: &'t [&'t str]) -> Self {
        let lines = std::iter::once(0)
            .chain(
                text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(index, _)| index + 1),
            )
            .collect();
        Self { name, text, lines, secrets: None, keys }
    }

    /// Notes each value under a key that is, or was probably meant to be, `environment`.
    pub(super) fn hide_secrets(&mut self, root: &Node) {
        let mut secrets = Vec::new();
        self.collect_secrets(root, false, &mut secrets);
        secrets.sort_by_key(|span| (span.start, span.end));
        secrets.dedup();
        self.secrets = Some(secrets);
    }

    fn collect_secrets(&self, node: &Node, inside: bool, secrets: &mut Vec<Span>) {
        match &node.value {
            Value::Map(entries) => {
                // `environment:` without a value: what follows is probably indented too little.
                let mut after_empty = false;
                for (key, value) in entries {
                    let name = key.text().unwrap_or_default();
                    // In a flow map `{A:secret}` is one key, without a value.
                    if let (true, Some(colon)) = (inside, name.find([':', '='])) {
                        let start = (key.defined.start + colon + 1).min(key.defined.end);
                        secrets.push(Span { start, end: key.defined.end });
                    }
                    let known = self.keys.contains(&name);
                    let stray = (after_empty && !known) || is_variable(name);
                    let environment = is_environment(name);
                    self.collect_secrets(value, inside || environment || stray, secrets);
                    after_empty |= environment && matches!(value.value, Value::Null);
                }
            }
            Value::List(items) => {
                for item in items {
                    self.collect_secrets(item, inside, secrets);
                }
            }
            Value::Null => {}
            Value::Bool(_) | Value::Number | Value::Text(_) => {
                let Span { start, .. } = node.defined;
                let end = start + self.slice(node.defined).trim_end().len();
                if inside && start < end {
                    secrets.push(Span { start, end });
                }
            }
        }
    }

    /// The text of a scalar exactly as typed.
    pub(super) fn slice(&self, span: Span) -> &'t str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The line of a span, from 1.
    pub(super) fn line_of(&self, span: Span) -> u32 {
        u32::try_from(self.line_index(span)).map_or(u32::MAX, |index| index.saturating_add(1))
    }

    /// Whether the place is in a line of `environment`, as far as the text alone shows it.
    pub(super) fn looks_like_a_secret(&self, at: Span) -> bool {
        self.looks_secret(self.line_index(at))
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
        let masks = self.masks(index, line);
        let (text, caret) = self.shown(line, start..at.end.clamp(start, line.end), &masks);
        Place {
            line: self.line_of(at),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            text,
            label,
            caret,
        }
    }

    /// The window of `line` around `mark`, with the mark's place in it.
    fn shown(
        &self,
        line: Span,
        mark: std::ops::Range<usize>,
        masks: &[Span],
    ) -> (String, std::ops::Range<usize>) {
        let before = self.slice(Span { start: line.start, end: mark.start });
        let after = self.slice(Span { start: mark.start, end: line.end });
        let first =
            before.char_indices().rev().nth(WINDOW).map_or(line.start, |(i, _)| line.start + i);
        let last = after.char_indices().nth(2 * WINDOW).map_or(line.end, |(i, _)| mark.start + i);
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

    /// What to mask in a line: the secrets the tree knows of; if the file is no YAML and so there
    /// is no tree, whatever looks like a line of `environment`.
    fn masks(&self, index: usize, line: Span) -> Vec<Span> {
        let Some(secrets) = &self.secrets else {
            return if self.looks_secret(index) { vec![self.value_of(line)] } else { Vec::new() };
        };
        let first = secrets.partition_point(|secret| secret.end <= line.start);
        let here = secrets[first..].iter().take_while(|secret| secret.start < line.end);
        let mut masks: Vec<Span> = here.copied().collect();
        // A comment behind a secret is most often the secret that was there before.
        if let Some(end) = masks.iter().map(|secret| secret.end).max()
            && let Some(comment) =
                self.slice(Span { start: end.min(line.end), end: line.end }).find('#')
        {
            masks.push(Span { start: end + comment, end: line.end });
        }
        masks
    }

    /// What is behind the first colon of a line, or all of it but the indentation.
    fn value_of(&self, line: Span) -> Span {
        let text = self.slice(line);
        let begin = text.find(':').map_or_else(|| indentation(text), |colon| colon + 1);
        let value = text.get(begin..).unwrap_or_default();
        Span { start: line.start + begin + value.len() - value.trim_start().len(), end: line.end }
    }

    /// Whether the line belongs to an `environment` by its text alone: the last line that begins
    /// with a key of ours is `environment`, or a line above with less indentation is.
    fn looks_secret(&self, index: usize) -> bool {
        let mut by_key = None;
        let mut least = usize::MAX;
        for above in (0..=index).rev().take(10_000) {
            let text = self.slice(self.line(above));
            let content = text.trim_start_matches([' ', '-']);
            if content.trim().is_empty() {
                continue;
            }
            let indent = text.len() - content.len();
            let key = content.split(':').next().unwrap_or_default().trim_matches(['"', '\'', ' ']);
            let environment = is_environment(key);
            if by_key.is_none() && (environment || self.keys.contains(&key)) {
                by_key = Some(environment);
            }
            if environment && (above == index || indent < least) {
                return true;
            }
            least = least.min(indent);
            if by_key == Some(true) || (least == 0 && by_key.is_some()) {
                break;
            }
        }
        by_key == Some(true)
    }
}

/// Whether a key is `environment` or was meant to be.
fn is_environment(key: &str) -> bool {
    matches!(key, "environment" | "env" | "envs")
        || ((7..=16).contains(&key.len()) && nearest(key, ["environment"]).is_some())
}

/// Whether a key is written as environment variables are. Such a key belongs to no map of an
/// inventory but `environment`, so wherever it is, its value is a secret.
fn is_variable(key: &str) -> bool {
    key.len() > 1
        && key.starts_with(|c: char| c.is_ascii_uppercase())
        && key.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn indentation(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '-']).len()
}

fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}
