//! The YAML exactly as typed, with the place of each value; no meaning.
//!
//! The file is read into one generic tree rather than into structs. A tree takes whatever is there,
//! so the only errors of this step are the parser's own, `resolve` can report every other problem
//! at once, and a foreign key can be passed over without having a type for it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Spanned};

/// How deep lists and maps may nest. An inventory needs seven levels; the limit keeps the reader's
/// recursion, and that of everything that walks the tree, far from the end of the stack.
pub(super) const DEEPEST: usize = 32;

/// How many values, keys and brackets the file may have: about 10,000 sites of ten programs.
const MOST_EVENTS: usize = 2_000_000;

/// How many values may come out of YAML aliases, which can repeat each other a billionfold.
const MOST_REPEATED: usize = 200_000;

/// A part of the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One value with its place. It has no `Debug`: values of `environment` are secrets.
pub(super) struct Node {
    pub(super) value: Value,
    /// Where it is used: for an alias, where `*name` stands.
    pub(super) at: Span,
    /// Where its text is: for an alias, at the anchor.
    pub(super) defined: Span,
}

/// A value by YAML's own kinds.
pub(super) enum Value {
    Null,
    Bool(bool),
    /// Its text is in the source, at `defined`: `1.10` must not become `1.1`.
    Number,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar that is written as text, such as a key.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements below this node: the keys and values of a map, the items of a list.
    pub(super) fn children(&self) -> Vec<&Self> {
        match &self.value {
            Value::List(items) => items.iter().collect(),
            Value::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            _ => Vec::new(),
        }
    }
}

/// Why the text is not one YAML document, with the place if the parser knows it.
pub(super) struct SyntaxError {
    /// In words, never with a piece of the text in them that is longer than one character.
    pub(super) message: String,
    /// What can be done about it.
    pub(super) help: Option<String>,
    pub(super) at: Span,
}

/// Reads `text` into a tree. Repeated keys are kept, each with its place, for the caller to refuse.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MOST_REPEATED,
        },
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_events: MOST_EVENTS,
            max_nodes: MOST_EVENTS,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| in_our_words(&error, text))
}

fn in_our_words(error: &serde_saphyr::Error, text: &str) -> SyntaxError {
    use serde_saphyr::Error;
    let at = error.location().map_or(Span::default(), |location| place_of(location, text));
    let mut error = error.without_snippet();
    while let Error::AliasError { error: inner, .. } = error {
        error = inner.without_snippet();
    }
    let (message, help) = match error {
        Error::MultipleDocuments { .. } => (
            "this is a second YAML document, and an inventory is one".to_owned(),
            Some("remove the line `---`, or keep the second part in a file of its own".to_owned()),
        ),
        Error::Budget { .. } => too_large(),
        Error::AliasReplayLimitExceeded { .. } => (
            "the aliases (`*name`) repeat more than an inventory can hold".to_owned(),
            Some(format!("at most {MOST_REPEATED} values may come out of aliases")),
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            ("this alias is inside the value that it names".to_owned(), None)
        }
        other => in_parsers_words(&other.render()),
    };
    SyntaxError { message, help, at }
}

fn too_large() -> (String, Option<String>) {
    (
        "the file is larger or nested deeper than an inventory can be".to_owned(),
        Some(format!("at most {DEEPEST} levels and {MOST_EVENTS} values are read")),
    )
}

/// The parser's message without the place at its end, which is shown in our own way.
fn in_parsers_words(message: &str) -> (String, Option<String>) {
    let first = message.lines().next().unwrap_or_default();
    match first.split(" at line ").next().unwrap_or_default() {
        // How it says that brackets nest too deep; the other limits have an error of their own.
        "recursion limit exceeded" => too_large(),
        words => (format!("not valid YAML: {words}"), None),
    }
}

/// The byte span of a location. The parser's own errors carry characters only.
fn place_of(location: serde_saphyr::Location, text: &str) -> Span {
    if let Some(span) = byte_span(location) {
        return span;
    }
    let offset = usize::try_from(location.span().offset()).unwrap_or(usize::MAX);
    let start = text.char_indices().nth(offset).map_or(text.len(), |(index, _)| index);
    Span { start, end: start.saturating_add(1).min(text.len()) }
}

fn byte_span(location: serde_saphyr::Location) -> Option<Span> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    Some(Span { start, end: start.saturating_add(length) })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            at: byte_span(spanned.referenced).unwrap_or_default(),
            defined: byte_span(spanned.defined).unwrap_or_default(),
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Takes whatever comes.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in one line, with the source text of each scalar.
    fn shown(text: &str, node: &Node) -> String {
        let all = |nodes: Vec<&Node>| {
            nodes.into_iter().map(|node| shown(text, node)).collect::<Vec<_>>().join(" ")
        };
        let source = &text[node.defined.start..node.defined.end];
        match &node.value {
            Value::Null => "null".into(),
            Value::Bool(value) => format!("bool:{value}"),
            Value::Number => format!("number:{source}"),
            Value::Text(value) => format!("{value:?}"),
            Value::List(_) => format!("[{}]", all(node.children())),
            Value::Map(_) => format!("{{{}}}", all(node.children())),
        }
    }

    fn tree(text: &str) -> String {
        match parse(text) {
            Ok(node) => shown(text, &node),
            Err(error) => format!("error at {}: {}", error.at.start, error.message),
        }
    }

    #[test]
    fn value_keeps_kind_with_text() {
        for (text, expected) in [
            ("a: 1.10", r#"{"a" number:1.10}"#),
            ("a: 0644", r#"{"a" "0644"}"#),
            ("a: 1_000", r#"{"a" "1_000"}"#),
            ("a: yes", r#"{"a" "yes"}"#),
            ("a: true", r#"{"a" bool:true}"#),
            ("a: '4'", r#"{"a" "4"}"#),
            ("a: .nan", r#"{"a" ".nan"}"#),
            ("a:", r#"{"a" null}"#),
            ("a: &x 7\nb: *x", r#"{"a" number:7 "b" number:7}"#),
            ("a: {x: 1}\na: 2", r#"{"a" {"x" number:1} "a" number:2}"#),
            (
                "a: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}",
                r#"{"a" {"x" number:1 "y" number:2} "c" {"y" number:3 "x" number:1}}"#,
            ),
            ("? [k]\n: v", r#"{["k"] "v"}"#),
            ("a: |\n  x\n  y\n", r#"{"a" "x\ny\n"}"#),
            ("", "null"),
            ("\u{feff}ä: ö", r#"{"ä" "ö"}"#),
        ] {
            assert_eq!(tree(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_alias_has_two_places() {
        let text = "a: &x secret\nb: *x\n";
        let Value::Map(entries) = parse(text).ok().unwrap().value else { panic!("a map") };
        let alias = &entries[1].1;
        assert_eq!(&text[alias.at.start..alias.at.end], "*x");
        assert_eq!(&text[alias.defined.start..alias.defined.end], "secret");
    }

    #[test]
    fn malformed_yaml_is_explained_in_place() {
        for (text, expected) in [
            (
                "ä: b: c",
                "error at 5: not valid YAML: mapping values are not allowed in this context",
            ),
            ("a: 'x\n", "error at 3: not valid YAML: unclosed quote"),
            (
                "a: 1\n---\nb: 2\n",
                "error at 9: this is a second YAML document, and an inventory is one",
            ),
            ("a: &a [*a]", "error at 7: this alias is inside the value that it names"),
            ("a: *b", "error at 3: not valid YAML: alias references unknown anchor"),
        ] {
            assert_eq!(tree(text), expected, "{text:?}");
        }
    }

    /// Aliases are, too: a few lines of them can stand for more than the memory holds.
    #[test]
    fn nesting_is_bounded() {
        let flow = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
        let block = (0..40).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
        let bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned()
            + &(1..9)
                .map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(",")))
                .collect::<String>();
        for text in [flow, block, bomb, "[".repeat(100_000), "- ".repeat(100_000)] {
            assert!(parse(&text).is_err(), "{}", &text[..60]);
        }
    }
}
