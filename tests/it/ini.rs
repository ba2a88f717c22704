//! Our reading of the INI dialect against supervisord's own parser.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use supervisor_sync::supervisord::ini;

use crate::python;

/// Reads each text as supervisord reads a file: text mode, so every kind of line end is one.
const READ: &str = r"
import configparser, io, json, sys
from supervisor.options import UnhosedConfigParser
for line in sys.stdin:
    parser = UnhosedConfigParser()
    try:
        parser.read_file(io.StringIO(json.loads(line), newline=None))
        answer = {name: dict(options) for name, options in parser._sections.items()}
        if parser._defaults:
            answer['DEFAULT'] = dict(parser._defaults)
    except configparser.Error as error:
        answer = type(error).__name__
    print(json.dumps(answer))
";

const EXPAND: &str = r"
import json, sys
from supervisor.options import expand
for line in sys.stdin:
    try:
        answer = expand(json.loads(line), {'program_name': 'web', 'process_num': 7}, 'x')
    except ValueError:
        answer = None
    print(json.dumps(answer))
";

const TABLE: &[&str] = &[
    "",
    "\n\n",
    "\u{feff}",
    "\u{feff}[a]\nk=v\n",
    "\u{feff};c\n[a]\n",
    "k=v\n",
    "[a]\nk\n",
    "[a]\n=v\n",
    "[a]\n:v\n",
    "[a]\nk = v ; c\nl : w # c\nm:x=y\nn=x:y\n",
    "[a]\nK=1\nk=2\n[a]\nk=3\nj=4\n[b]\n",
    "[a]\r\nk=v\r\n  w\r\n\r\n  x\r\n",
    "[a]\rk=v\rl=w",
    "[a]\nk=v\n\n\n  w\n\n;c\n  #c\n\n  x\n\n[b]\n",
    "[a]\nk=\n\n v\nl=\n",
    "  [a]\n  k=v\n    w\n  l=x\n m=y\n",
    "[a]\n  k=v\n",
    "[a]\n k=v\n[b]\n  l=w\n",
    "[a]b]\nk=v\n[c] junk ; more\nl=w\n[ d ]\n",
    "[]\n",
    "[a]\n[]=v\n",
    "[]]\nk=v\n",
    "[a\nk=v\n",
    "[a;b]\nk=v\n",
    "[a ;b]\nk=v\n",
    "[DEFAULT]\nk=v\n[a]\nl=w\n[default]\nk=x\n",
    "[a]\nk=a#b #c ;d\n",
    "[a]\nk=a;b ;c #d\n",
    "[a]\nk=a ;b;c #d\n",
    "[a]\nk=a#b#c;d ;e\n",
    "[a]\nk=v\n\u{a0}w\n\u{1c}x\n",
    "[a]\nk\u{1f}=\u{1d}v\u{2028}\n",
    "[a]\nk=\"a ;b\"\nl='c\n  d'\n",
    "[a]\nk=v\n;\n  w\n",
    "[a]\nk=v\n =\n",
    "[a]\nÄ\u{130}=é\n",
    "[a]\nk=v\n\0=1\n",
    "[a]\nk=v\n[b]\n  w\n",
];

/// Texts of the pieces that matter to the parser. Most lines have a form it can read, since one
/// that it cannot read ends the comparison of the whole text.
fn texts() -> impl Strategy<Value = String> {
    let start = prop::sample::select(vec!["", "[s]\n", "[s]\nk=v\n", "[s]\n  k=v\n", "\u{feff}"]);
    let indent = prop::sample::select(vec!["", "", "", " ", "   ", "\t", "\u{a0}", "\u{1c}"]);
    let head = prop::sample::select(vec![
        "k=",
        "k=",
        "K :",
        "l=",
        "",
        "",
        ";",
        "#",
        "[s]",
        "[t]",
        "[DEFAULT]",
        "[u",
        "x",
    ]);
    let piece = prop::sample::select(vec![
        "[", "]", " ", "\t", "=", ":", ";", "#", " ;", " #", "a", "B", "%", "'", "\"", "\\",
        "\u{1c}", "\u{85}", "\u{b}", "\u{2028}", "é", "\u{130}", "Σ",
    ]);
    let end = prop::sample::select(vec!["\n", "\n", "\n", "\r\n", "\r", "\n\n"]);
    let line = (indent, head, prop::collection::vec(piece, 0..5), end)
        .prop_map(|(indent, head, pieces, end)| format!("{indent}{head}{}{end}", pieces.concat()));
    (start, prop::collection::vec(line, 0..7))
        .prop_map(|(start, lines)| start.to_owned() + &lines.concat())
}

/// `count` values, the same in every run; a failure prints the text itself.
fn generated<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Ours in the shape of the judge's answer: repeated sections merged, the last value of each key.
fn merged(ini: &ini::Ini) -> Value {
    let mut sections: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for section in &ini.sections {
        let merged = sections.entry(&section.name).or_default();
        for entry in &section.entries {
            merged.insert(&entry.key, ini.get(&section.name, &entry.key).unwrap());
        }
    }
    // Python cannot tell an empty [DEFAULT] from none.
    sections.retain(|name, options| *name != "DEFAULT" || !options.is_empty());
    json!(sections)
}

#[test]
fn text_is_read_as_supervisord_does() {
    let mut all: Vec<String> = TABLE.iter().map(|&text| text.to_owned()).collect();
    all.extend(generated(&texts(), 6000));
    let questions: Vec<Value> = all.iter().map(|text| json!(text)).collect();
    for python in python::interpreters() {
        let answers = python::ask(&python, READ, &questions);
        let mut readable = 0;
        for (text, theirs) in all.iter().zip(answers) {
            match (ini::parse(text), theirs) {
                (Err(_), Value::String(_)) => {}
                (Ok(ours), theirs) => {
                    assert_eq!(merged(&ours), theirs, "{python}: {text:?}");
                    readable += 1;
                }
                (Err(error), theirs) => panic!("{python}: {text:?}: {error}, read as {theirs}"),
            }
        }
        assert!(readable * 4 > all.len(), "too few of the texts are readable: {readable}");
    }
}

#[test]
fn expansion_matches_pythons() {
    let piece = prop::sample::select(vec![
        "%",
        "%%",
        "%(program_name)s",
        "%(process_num)02d",
        "%(process_num)",
        "%(",
        ")",
        "s",
        "d",
        "0",
        "12",
        ".",
        ".0s",
        ".3",
        "%(here)s",
        "%(program_name)",
        "a",
        " ",
    ]);
    let texts = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    let all = generated(&texts, 4000);
    let questions: Vec<Value> = all.iter().map(|text| json!(text)).collect();
    let names = |name: &str| match name {
        "program_name" => Some("web".to_owned()),
        "process_num" => Some("7".to_owned()),
        _ => None,
    };
    for python in python::interpreters() {
        for (text, theirs) in all.iter().zip(python::ask(&python, EXPAND, &questions)) {
            if let Ok(ours) = ini::expand(text, &names) {
                assert_eq!(json!(ours), theirs, "{python}: {text:?}");
            }
            let escaped = ini::expand(&ini::escape_percent(text), &names);
            assert_eq!(escaped.as_deref(), Ok(text.as_str()), "{text:?}");
        }
    }
}
