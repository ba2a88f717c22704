//! What a check looks at: one section that makes processes, whoever wrote it, as supervisord reads it.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::shell::{self, Command};
use crate::supervisord::{Environment, GroupKind, defaults, ini, words};

/// A program, FastCGI program or event listener.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Its name in supervisord.
    pub(crate) name: String,
    /// Which of the three it is.
    pub(crate) kind: GroupKind,
    /// Its options by supervisord's names, as the file says them.
    pub(crate) options: BTreeMap<String, String>,
    /// How many processes it has.
    pub(crate) processes: u32,
    /// Whether `%(process_num)d` tells them apart: it does not between sections of their own.
    pub(crate) numbered: bool,
    /// Variables whose values stand in a file that is kept with the inventory.
    pub(crate) variables: Vec<(String, String)>,
    /// Where its health is asked, if that is an address: `localhost:8080`.
    pub(crate) probe: Option<String>,
    /// The script that it runs, where that could be read.
    pub(crate) script: Option<Script>,
    /// What its host says, where one was asked.
    pub(crate) host: Option<OnHost>,
    /// What it runs, once a check has asked.
    pub(crate) commands: OnceCell<Commands>,
}

/// A script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// Where it is.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
    /// Whether the command names the shell that runs it, so that its first line does not matter.
    pub(crate) is_argument: bool,
}

/// What only the host knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OnHost {
    /// Whether supervisord runs as root.
    pub(crate) is_root: bool,
    /// Why its command cannot be run: "is not on supervisord's PATH".
    pub(crate) no_command: Option<String>,
    /// Why its directory cannot be entered.
    pub(crate) no_directory: Option<String>,
}

/// The commands that are known of a subject.
#[derive(Debug, Clone, Default)]
pub(crate) struct Commands {
    /// The words of `command`.
    words: Vec<String>,
    /// Those of the script, or of what follows `sh -c`.
    shell: Option<Vec<Command>>,
}

impl Subject {
    /// One with these options.
    pub(crate) fn new(kind: GroupKind, name: &str, options: BTreeMap<String, String>) -> Self {
        let processes = options.get("numprocs").and_then(|text| text.trim().parse().ok());
        Self {
            name: name.to_owned(),
            kind,
            options,
            processes: processes.unwrap_or(defaults::NUMPROCS),
            numbered: true,
            variables: Vec::new(),
            probe: None,
            script: None,
            host: None,
            commands: OnceCell::new(),
        }
    }

    /// One of a file, whose variables are those that its own `environment` has.
    pub(crate) fn of_section(
        kind: GroupKind,
        name: &str,
        options: BTreeMap<String, String>,
    ) -> Self {
        let variables = options.get("environment").map(|value| Environment::variables_of(value));
        Self { variables: variables.unwrap_or_default(), ..Self::new(kind, name, options) }
    }

    /// What it says of an option.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(|text| text.trim())
    }

    /// Yes or no, as supervisord reads it.
    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        ini::boolean(self.option(name)?)
    }

    /// A number.
    pub(super) fn number(&self, name: &str, default: u32) -> u32 {
        self.option(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// Whether it runs once and is left as it ended.
    pub(super) fn runs_once(&self) -> bool {
        self.truth("autorestart") == Some(false) && self.number("startsecs", 1) == 0
    }

    /// The words of its command; none where supervisord could not tell them.
    pub(super) fn words(&self) -> &[String] {
        &self.commands().words
    }

    /// The commands of its script, or of what follows `sh -c`. `None` where no shell runs, or what it runs
    /// is not known.
    pub(super) fn shell(&self) -> Option<&[Command]> {
        self.commands().shell.as_deref()
    }

    /// The words of everything that it runs, as far as that is known, with the script's line.
    pub(super) fn all_commands(&self) -> Vec<(Option<u32>, &[String])> {
        let mut all = vec![(None, self.words())];
        let in_script = self.script.is_some();
        let of_shell = self.shell().unwrap_or_default().iter();
        all.extend(of_shell.map(|one| (in_script.then_some(one.line), one.words.as_slice())));
        all
    }

    /// What follows `sh -c`, with the shell's name.
    pub(super) fn inline(&self) -> Option<(&str, &str)> {
        inline(self.words())
    }

    fn commands(&self) -> &Commands {
        self.commands.get_or_init(|| {
            let command = self.option("command").unwrap_or_default().replace("%%", "%");
            let words = words::split(&command).unwrap_or_default();
            let shell = match &self.script {
                Some(script) => script.is_shell().then(|| shell::commands(&script.text)),
                None => inline(&words).map(|(_, text)| shell::commands(text)),
            };
            Commands { words, shell }
        })
    }
}

impl Script {
    /// Its first line's interpreter; `None` without `#!`.
    pub(super) fn interpreter(&self) -> Option<&str> {
        let line = self.text.lines().next()?.strip_prefix("#!")?;
        let mut words = line.split_whitespace();
        let first = base(words.next()?);
        match first {
            "env" => words.find(|word| !word.starts_with('-') && !word.contains('=')),
            first => Some(first),
        }
    }

    /// Whether a shell reads it. One without `#!` is read by `sh`.
    fn is_shell(&self) -> bool {
        const OTHERS: [&str; 6] = [".php", ".py", ".js", ".rb", ".pl", ".mjs"];
        match self.interpreter() {
            Some(interpreter) => is_shell(interpreter),
            None => !OTHERS.iter().any(|ending| self.path.ends_with(ending)),
        }
    }
}

fn inline(words: &[String]) -> Option<(&str, &str)> {
    let words = without_prefix(words);
    let shell = base(words.first()?);
    let behind = words.iter().skip(1);
    let options =
        behind.take_while(|word| word.starts_with('-') && !word.starts_with("--")).count();
    let has_c = words.iter().skip(1).take(options).any(|word| word.ends_with('c'));
    let text = words.get(1 + options)?;
    (is_shell(shell) && has_c).then_some((shell, text.as_str()))
}

/// Whether a program is a shell.
pub(super) fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh")
}

/// A command's name without its folder.
pub(super) fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// What is run in the end: without `env A=b`, `nice -n 10` and the like.
pub(super) fn without_prefix(words: &[String]) -> &[String] {
    const PREFIXES: [&str; 8] =
        ["env", "exec", "nice", "ionice", "stdbuf", "nohup", "time", "unbuffer"];
    let mut rest = words;
    while let Some((first, others)) = rest.split_first() {
        if !PREFIXES.contains(&base(first)) {
            break;
        }
        let mut skip = 0;
        while let Some(word) = others.get(skip) {
            let takes_next =
                matches!(word.as_str(), "-n" | "-c" | "-p" | "-u") && base(first) != "exec";
            match word.as_str() {
                _ if takes_next => skip += 2,
                word if word.starts_with('-') || word.contains('=') => skip += 1,
                _ => break,
            }
        }
        rest = others.get(skip..).unwrap_or_default();
    }
    rest
}

/// The value of an option: `--timeout=90`, or `--timeout 90`.
pub(super) fn value_of<'w>(words: &'w [String], names: &[&str]) -> Option<&'w str> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if names.contains(&word.as_str()) {
            return words.next().map(String::as_str);
        }
        let joined = word.split_once('=').filter(|(name, _)| names.contains(name));
        if let Some((_, value)) = joined {
            return Some(value);
        }
    }
    None
}

/// A subject by the text of its section.
#[cfg(test)]
pub(super) fn subject(section: &str) -> Subject {
    let text = match section.starts_with('[') {
        true => section.to_owned(),
        false => format!("[program:w]\n{section}\n"),
    };
    let ini = crate::supervisord::ini::parse(&text).unwrap();
    let section = &ini.sections[0];
    let header = crate::supervisord::GroupHeader::parse(&section.name).unwrap();
    let options = section.entries.iter().map(|entry| (entry.key.clone(), entry.value.clone()));
    Subject::new(header.kind, header.name, options.collect())
}

/// One that runs this script.
#[cfg(test)]
pub(super) fn subject_with(section: &str, script: &str) -> Subject {
    let script = Script { path: "w.sh".to_owned(), text: script.to_owned(), is_argument: false };
    Subject { script: Some(script), ..subject(section) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_inline_shell_is_found() {
        for (command, expected) in [
            ("sh -c 'a b'", Some(("sh", "a b"))),
            ("/bin/bash -lc \"a && b\"", Some(("bash", "a && b"))),
            ("env A=b nice -n 5 bash -e -c x", Some(("bash", "x"))),
            ("bash script.sh -c x", None),
            ("php -c x", None),
            ("sh", None),
        ] {
            assert_eq!(subject(&format!("command={command}")).inline(), expected, "{command}");
        }
    }

    #[test]
    fn interpreter_is_that_of_the_first_line() {
        for (text, expected) in [
            ("#!/bin/sh\n", Some("sh")),
            ("#!/usr/bin/env bash\n", Some("bash")),
            ("#!/usr/bin/env -S A=b php -q\n", Some("php")),
            ("#! /bin/dash -e\n", Some("dash")),
            ("echo x\n", None),
            ("", None),
        ] {
            let script = subject_with("command=x", text).script.unwrap();
            assert_eq!(script.interpreter(), expected, "{text:?}");
        }
    }
}
