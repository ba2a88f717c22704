//! What must not be shown of an inventory: the values of `environment`, also where it is mistyped,
//! indented wrongly, or in a file that is no YAML. So the rule is the other way round: shown are the
//! values of known keys only, and of those not what looks like a password.

use super::file::{Node, Span, Value};
use super::suggest::{near_miss, nearest};
use crate::system::passwords::passwords;

/// How far above a line its `environment` is looked for.
const MOST_LINES_ABOVE: usize = 10_000;

/// Beyond this many unknown keys each counts as secret, without a comparison with the known ones.
const MOST_UNKNOWN: usize = 2000;

/// What can stand around a key in YAML, or in front of one that is a comment.
const NOT_KEY: [char; 8] = [' ', '\t', '-', '#', '?', '"', '\'', '\r'];

/// The secrets of a tree, by their places in the text, in order and disjoint. `keys` are those of
/// an inventory.
pub(super) fn of(root: &Node, text: &str, keys: &[&str]) -> Vec<Span> {
    let mut search = Search { text, keys, found: Vec::new(), unknown: 0 };
    search.top(root);
    disjoint(search.found)
}

/// The same spans, in order and with overlapping ones joined.
fn disjoint(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}

struct Search<'t> {
    text: &'t str,
    keys: &'t [&'t str],
    found: Vec<Span>,
    /// How many unknown keys were met.
    unknown: usize,
}

impl Search<'_> {
    /// A variable of `environment` that is not indented is a key of the top level, where no known key
    /// has a text that a mistyped one would be worth showing for.
    fn top(&mut self, root: &Node) {
        self.node(root, false);
        let Value::Map(entries) = &root.value else { return };
        for (key, value) in entries {
            let known = key.text().is_some_and(|name| self.keys.contains(&name));
            if !known && value.children().is_empty() {
                self.before_value(key, value);
                self.node(value, true);
            }
        }
    }

    fn node(&mut self, node: &Node, inside: bool) {
        match &node.value {
            Value::Map(entries) => self.map(entries, inside),
            Value::List(items) => {
                for item in items {
                    self.node(item, inside);
                }
            }
            Value::Bool(_) | Value::Number | Value::Text(_) if inside => self.hide(node.defined),
            Value::Text(_) => {
                let Span { start, end } = node.defined;
                let text = self.text.get(start..end).unwrap_or_default();
                let found = passwords(text).into_iter();
                let found = found.map(|at| Span { start: start + at.start, end: start + at.end });
                found.for_each(|span| self.hide(span));
            }
            _ => {}
        }
    }

    fn map(&mut self, entries: &[(Node, Node)], inside: bool) {
        for (key, value) in entries {
            let name = key.text().unwrap_or_default();
            let secret = inside || !self.is_shown(name);
            if secret {
                self.before_value(key, value);
            }
            // `{&A: secret}` makes the secret a key, without a value; variables are in capitals.
            // So does `{A: x,secret}`, where none has a colon behind it.
            let variable = !name.is_empty()
                && !name.contains(|c: char| c.is_ascii_lowercase() || c.is_whitespace())
                && self.has_colon(key);
            if inside && name.contains(char::is_whitespace) {
                self.hide(key.defined);
            }
            if inside && !variable && matches!(value.value, Value::Null) {
                self.hide(key.defined);
            }
            // In a flow map `{A:secret}` is one key, without a value.
            if let (true, Some(colon)) = (inside, name.find([':', '='])) {
                let start = (key.defined.start + colon + 1).min(key.defined.end);
                self.hide(Span { start, end: key.defined.end });
            }
            self.node(value, secret);
        }
    }

    /// Whether values of this key are shown. Of an unknown key they are not, because a variable of
    /// `environment` becomes one when it is indented wrongly; but of a mistyped one they are.
    fn is_shown(&mut self, key: &str) -> bool {
        if self.keys.contains(&key) {
            return !is_environment(key);
        }
        self.unknown += 1;
        self.unknown <= MOST_UNKNOWN
            && !is_environment(key)
            && key.contains(|c: char| c.is_ascii_lowercase())
            && near_miss(key, self.keys.iter().copied()).is_some()
    }

    /// Whether a key is written as one: with a colon behind it.
    fn has_colon(&self, key: &Node) -> bool {
        let rest = self.text.get(key.defined.end..).unwrap_or_default();
        rest.trim_start_matches([' ', '\t']).starts_with(':')
    }

    /// Between a key and its value there can be an anchor or a tag: a secret that begins with `&`
    /// or `!`. Without a value it is all that there is.
    fn before_value(&mut self, key: &Node, value: &Node) {
        let from = key.defined.end;
        let rest = self.text.get(from..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let Some(colon) = line.find(':') else { return };
        let end = if matches!(value.value, Value::Null) {
            from + line.len()
        } else {
            value.defined.start.min(from + line.len())
        };
        let start = from + colon + 1;
        if start <= end {
            self.hide(Span { start, end });
        }
        // Masks nothing, but marks the line as one whose comment is masked.
        self.found.push(Span { start: from, end: from });
    }

    /// Notes a span without the blanks around it.
    fn hide(&mut self, span: Span) {
        let text = self.text.get(span.start..span.end).unwrap_or_default();
        let start = span.start + text.len() - text.trim_start().len();
        let end = span.start + text.trim_end().len();
        if start < end {
            self.found.push(Span { start, end });
        }
    }
}

/// What to mask in the last of `lines` when the file is no YAML: the offset in that line at which
/// it begins. Without a tree nothing is sure, so only values of known keys are shown: what is behind
/// an unknown key, behind `environment` or below it is masked.
pub(super) fn in_unparsed_line<'t>(
    line: &'t str,
    above: impl Iterator<Item = &'t str>,
    keys: &[&str],
) -> Option<usize> {
    let password = passwords(line).first().map(|found| found.start);
    let unknown = behind_unknown_key(line, above, keys);
    unknown.into_iter().chain(password).min()
}

fn behind_unknown_key<'t>(
    line: &'t str,
    above: impl Iterator<Item = &'t str>,
    keys: &[&str],
) -> Option<usize> {
    let below = is_below_environment(line, above);
    let mut word = 0;
    for (offset, c) in line.char_indices() {
        match c {
            ':' if below || !is_shown(&line[word..offset], keys) => {
                return Some(line.len() - line[offset + 1..].trim_start().len());
            }
            ':' | '{' | '[' | ',' => word = offset + 1,
            _ => {}
        }
    }
    let first = line.trim_start_matches(NOT_KEY).split([' ', ':']).next().unwrap_or_default();
    let shown = !below && is_shown(first, keys);
    (!shown).then(|| line.len() - line.trim_start_matches([' ', '-']).len())
}

/// Whether the value of a key may be shown.
fn is_shown(key: &str, keys: &[&str]) -> bool {
    let key = key.trim_matches(NOT_KEY);
    keys.contains(&key) && !is_environment(key)
}

/// Whether a line above, with less indentation than all lines between, is `environment`. `above`
/// goes upwards.
fn is_below_environment<'t>(line: &'t str, above: impl Iterator<Item = &'t str>) -> bool {
    let mut least = match line.trim_start_matches(NOT_KEY) {
        "" => usize::MAX,
        content => line.len() - content.len(),
    };
    for text in above.take(MOST_LINES_ABOVE) {
        let content = text.trim_start_matches(NOT_KEY);
        if content.is_empty() {
            continue;
        }
        let indent = text.len() - content.len();
        let key = content.split(':').next().unwrap_or_default().trim_matches(NOT_KEY);
        if indent < least && is_environment(key) {
            return true;
        }
        least = least.min(indent);
        if least == 0 {
            return false;
        }
    }
    false
}

/// Whether a key is `environment` or was meant to be, or holds a whole supervisor config, in which one can be.
fn is_environment(key: &str) -> bool {
    matches!(key, "environment" | "env" | "envs" | "text")
        || ((7..=16).contains(&key.len()) && nearest(key, ["environment"]).is_some())
}
