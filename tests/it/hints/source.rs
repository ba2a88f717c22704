//! The commands that the source has in what it says, and those that tests follow.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "reads the source")]

use std::path::{Path, PathBuf};

use super::COMMAND;

/// Programs of the system that a hint can say to type. Not those that change the machine on which tests run, or
/// ask what only a server has: apt, dpkg, systemctl, journalctl, useradd, visudo, chown, ssh-keygen, logrotate,
/// ssh, and supervisorctl, which asks the supervisord of `/etc`.
const TOOLS: [&str; 9] = ["cat", "chmod", "df", "echo", "findmnt", "grep", "less", "mkdir", "mv"];

/// A command in a sentence; `{}` stands for whatever is filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// What stands before it, from the end of another command on.
    pub(super) lead: String,
    /// The command itself, up to the end of the sentence.
    pub(super) command: String,
}

impl Said {
    /// Whether a test that follows `hint` follows this.
    pub(super) fn is_in(&self, hint: &Said) -> bool {
        let is_lead = match hint.lead.is_empty() {
            true => self.lead.is_empty(),
            false => self.lead.ends_with(&hint.lead),
        };
        is_lead && self.command.starts_with(&hint.command)
    }

    pub(super) fn text(&self) -> String {
        format!("{}{}", self.lead, self.command)
    }
}

/// Every command in what the source says, with its file.
pub(super) fn said() -> Vec<(String, Said)> {
    let mut all = Vec::new();
    for (file, text) in sources("src") {
        if file.ends_with("tests.rs") {
            continue;
        }
        // Between the two may stand another attribute.
        let tests = text.find("\nmod tests {").and_then(|at| text[..at].rfind("#[cfg(test)]"));
        for literal in literals(&text[..tests.unwrap_or(text.len())]) {
            all.extend(commands(&literal).into_iter().map(|said| (file.clone(), said)));
        }
    }
    all
}

/// The hints that tests follow.
pub(super) fn followed() -> Vec<Said> {
    let mut all = Vec::new();
    for (file, text) in sources("tests/it") {
        if file.contains("hints/source.rs") {
            continue;
        }
        for (at, mark) in text.match_indices("Hint(") {
            let behind = text[at + mark.len()..].trim_start();
            let literal = literals(behind).into_iter().next().filter(|_| behind.starts_with('"'));
            all.extend(literal.as_deref().map(split));
        }
    }
    all
}

/// A hint as a test names it: its command begins behind the last colon, or at our name behind that.
pub(super) fn split(hint: &str) -> Said {
    let at = hint.rfind(": ").map_or(0, |at| at + 2);
    let is_tool = TOOLS.iter().any(|tool| hint[at..].starts_with(&format!("{tool} ")));
    let at = at + hint[at..].find(COMMAND).filter(|_| !is_tool).unwrap_or(0);
    Said { lead: hint[..at].to_owned(), command: hint[at..].to_owned() }
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// The string literals of a text of Rust, without comments, and with `{}` for each value.
fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in joined(text).lines() {
        let mut rest = line;
        while let Some(at) = rest.find(['"', '\'']).filter(|at| !rest[..*at].contains("//")) {
            let (quote, behind) = (&rest[at..at + 1], &rest[at + 1..]);
            if quote == "'" {
                // A character, or the name of a lifetime.
                let length = behind.chars().take(1).map(char::len_utf8).sum::<usize>();
                let is_character = behind.get(length..).is_some_and(|end| end.starts_with('\''));
                let skipped = match behind.strip_prefix('\\') {
                    Some(escaped) => 2 + escaped.get(1..).and_then(|e| e.find('\'')).unwrap_or(0),
                    None if is_character => length + 1,
                    None => 0,
                };
                rest = behind.get(skipped..).unwrap_or_default();
                continue;
            }
            let end = end_of_literal(behind);
            found.push(filled(&behind[..end]));
            rest = behind.get(end + 1..).unwrap_or_default();
        }
    }
    found
}

/// The text with literals of several lines in one, as the compiler has them.
fn joined(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        match line.trim_end().strip_suffix('\\') {
            Some(begun) if lines.ends_with('\n') || lines.is_empty() => lines.push_str(begun),
            Some(begun) => lines.push_str(begun.trim_start()),
            None if lines.ends_with('\n') || lines.is_empty() => {
                lines.push_str(line);
                lines.push('\n');
            }
            None => {
                lines.push_str(line.trim_start());
                lines.push('\n');
            }
        }
    }
    lines
}

fn end_of_literal(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// The literal with `{}` in place of each value, and its escapes read.
fn filled(literal: &str) -> String {
    let text = regex_lite::Regex::new(r"\{[a-z_0-9.]*(:[^}]*)?\}").unwrap();
    text.replace_all(literal, "{}").replace("\\n", "\n").replace("\\\"", "\"")
}

/// The commands of a literal: of ours each, of the system the first.
fn commands(literal: &str) -> Vec<Said> {
    let verbs: Vec<String> = supervisor_sync::cli::command()
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    let is_ours = |rest: &str| {
        let word: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
        rest.starts_with("{}") || verbs.contains(&word)
    };
    let mut found = Vec::new();
    let mut from = 0;
    for (at, _) in literal.match_indices(COMMAND) {
        if !is_ours(&literal[at + COMMAND.len()..]) {
            continue;
        }
        let ends = ["; ", "`", ", or", ") ", "), ", "\n"];
        let end = ends.iter().filter_map(|end| literal[at..].find(end)).min();
        let end = end.map_or(literal.len(), |end| at + end);
        let lead = literal[from..at].trim_start_matches(['\n', ',', ';', ' ']).to_owned();
        found.push(Said { lead, command: literal[at..end].trim_end().to_owned() });
        from = end;
    }
    if found.is_empty() {
        let begins = [": ", "; ", "&& "].map(|before| TOOLS.map(|tool| format!("{before}{tool} ")));
        let inside = begins.iter().flatten().filter_map(|begin| {
            let before = begin.find(' ')? + 1;
            Some(literal.find(begin)? + before)
        });
        let first = TOOLS.iter().any(|tool| literal.starts_with(&format!("{tool} "))).then_some(0);
        if let Some(at) = inside.chain(first).min() {
            let (lead, command) = literal.split_at(at);
            found.push(Said { lead: lead.to_owned(), command: command.to_owned() });
        }
    }
    found
}

#[test]
fn commands_are_found_in_literals() {
    let source = "fn f<'a>() -> char { // \"supervisor-sync plan\"\n    '\"';\n    \
                  x(\"see: supervisor-sync plan --on {name}, or finish it: supervisor-sync apply; \\\n        \
                  then go\");\n    y(\"move it: mv {0} {0}.old\");\n    \"install supervisor-sync there\"\n}\n";
    let said = |lead: &str, command: &str| Said { lead: lead.into(), command: command.into() };
    let found: Vec<Said> = literals(source).iter().flat_map(|literal| commands(literal)).collect();
    let expected = [
        said("see: ", "supervisor-sync plan --on {}"),
        said("or finish it: ", "supervisor-sync apply"),
        said("move it: ", "mv {} {}.old"),
    ];
    assert_eq!(found, expected);
    assert!(found[1].is_in(&split("finish it: supervisor-sync apply")));
    assert!(!found[1].is_in(&split("supervisor-sync apply")), "other words, another hint");
    assert!(!found[0].is_in(&split("see: supervisor-sync plan --site")), "other flags");
}
