//! Promise: what a hint says to type works as it is printed. Every command of every hint that the suite sees is
//! read by the real command line, and a test runs each that the source has, where it is printed.

#![expect(clippy::disallowed_methods, reason = "renames the inventory")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a harness that fails fails the test")]

mod situations;
mod source;

use crate::site::{Host, Invocation, Run};
use crate::verbs::wants;

/// How a command of ours begins.
const COMMAND: &str = "supervisor-sync ";

/// Fails the test if a command of a hint is none.
#[track_caller]
pub(crate) fn assert_typable(output: &str) {
    for words in commands(output) {
        let parsed = supervisor_sync::cli::command().try_get_matches_from(&words);
        if let Err(error) = parsed {
            assert!(!error.use_stderr(), "a hint says to type {words:?}: {error}");
        }
    }
}

/// The commands of the hints of an output, each as the words that a shell makes of it.
fn commands(output: &str) -> Vec<Vec<String>> {
    let verbs: Vec<String> = supervisor_sync::cli::command()
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    let mut commands = Vec::new();
    for line in output.lines().filter(|line| line.to_lowercase().contains("hint: ")) {
        let mut rest = line;
        while let Some(place) = rest.find(COMMAND) {
            rest = &rest[place + COMMAND.len()..];
            let words = words(rest);
            if words.first().is_some_and(|verb| verbs.contains(verb)) {
                commands.push(std::iter::once("supervisor-sync".to_owned()).chain(words).collect());
            }
        }
    }
    commands
}

/// The words up to the end of a command in a sentence.
pub(crate) fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), None::<String>, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            _ if is_quoted => word.get_or_insert_default().push(character),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            ' ' => words.extend(word.take()),
            ';' | '`' | '\u{1b}' => break,
            ',' | ')' if characters.peek().is_none_or(|next| *next == ' ') => break,
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[test]
fn commands_are_found_in_sentences() {
    let said = "web1: hint: see `supervisor-sync plan --on web1`, or supervisor-sync stop 'a b' -y; done\n\
                supervisor-sync nothing\nhint: install supervisor-sync there\n";
    let expected = [
        &["supervisor-sync", "plan", "--on", "web1"][..],
        &["supervisor-sync", "stop", "a b", "-y"],
    ];
    assert_eq!(commands(said), expected);
}

#[test]
#[should_panic(expected = "a hint says to type")]
fn hint_that_cannot_be_typed_is_found() {
    assert_typable("hint: do it: supervisor-sync stop --forever\n");
}

/// What the source says of a command: the words before it, and the command as far as it matters. `{}` stands for
/// what is filled in. Each that is written so in a test is one that is [followed](follow).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint(pub(crate) &'static str);

/// Does as this hint says that stands in what was `said`, where such an invocation runs. A command of ours is
/// agreed to, since nobody is there to be asked; one of the system is a shell's.
#[track_caller]
pub(crate) fn follow(invocation: impl Fn(&[&str]) -> Invocation, said: &str, hint: Hint) -> Run {
    let parts: Vec<String> = hint.0.split("{}").map(regex_lite::escape).collect();
    let found = regex_lite::Regex::new(&parts.join(r"[^\n]+?")).unwrap().find(said);
    let Some(found) = found else { panic!("no {hint:?} in: {said}") };
    let at = found.start() + source::split(found.as_str()).lead.len();
    let line = said[at..].lines().next().unwrap_or_default();
    let Some(ours) = line.strip_prefix(COMMAND) else {
        let end = ["; to ", "; or "].iter().filter_map(|end| line.find(end)).min();
        let shell = line.split_at(end.unwrap_or(line.len())).0;
        return invocation(&["-c", shell]).program(std::path::Path::new("/bin/sh")).run();
    };
    let mut words = words(ours);
    let command = supervisor_sync::cli::command();
    let verb = command.find_subcommand(&words[0]);
    let asks = verb.is_some_and(|verb| verb.get_arguments().any(|a| a.get_long() == Some("yes")));
    if asks && !words.contains(&"--yes".to_owned()) {
        words.insert(1, "--yes".to_owned());
    }
    invocation(&words.iter().map(String::as_str).collect::<Vec<_>>()).run()
}

impl Host {
    /// [`follow`], here.
    #[track_caller]
    pub(crate) fn follow(&self, said: &str, hint: Hint) -> Run {
        follow(|arguments| self.command(arguments), said, hint)
    }
}

/// What no test runs, by a part of it, and why not.
const NOT_RUN: [(&str, &str); 13] = [
    // Asked for on a terminal: verbs::edit::missing_parts_are_asked_for.
    ("take it out (supervisor-sync remove", "it asks which program"),
    ("add a program to it: supervisor-sync add", "it asks which program"),
    // verbs::setup runs it where apt is a script.
    ("what a server lacks: supervisor-sync setup", "it installs packages"),
    ("chmod 0440 /etc/sudoers.d", "it is for root, in /etc"),
    ("chown root: {} && chmod go-w {}", "it is for root, in /usr/local/bin"),
    ("chmod 600 {}", "ssh has another key in tests"),
    ("make room: df -h / /var; apt-get clean", "it is about this machine's own apt"),
    ("echo 'include {}' >>", "it is for root, in /etc/logrotate.conf"),
    ("put in by `supervisor-sync integrate", "it is a comment in a script"),
    ("grep -Eqsz", "it is a line of logrotate's configuration, which logrotate:: runs"),
    // Rare: the same commands are followed beside other words.
    ("see its runs: supervisor-sync history --site {}", "it needs a run between two readings"),
    ("the revision before it is gone; see those there are", "it needs 50 revisions"),
    ("see what is left to do: supervisor-sync plan", "it needs an agent of sudo that is killed"),
];

/// A command that is said anew fails this test, until a test follows it in the situation in which it is printed.
#[test]
fn every_hint_is_followed() {
    let followed = source::followed();
    let said = source::said();
    let mut open = Vec::new();
    for (file, said) in &said {
        let text = said.text();
        let is_form = said.command.split([' ', '=', '@']).any(is_form);
        let is_excused = NOT_RUN.iter().any(|(part, _)| text.contains(part));
        if !is_form && !is_excused && !followed.iter().any(|hint| said.is_in(hint)) {
            open.push(format!("{file}: {text}"));
        }
    }
    assert!(open.is_empty(), "no test follows:\n{}", open.join("\n"));
    assert!(said.len() > 80, "the source is somewhere else: {said:?}");
    for (part, why) in NOT_RUN {
        let is_said = said.iter().any(|(_, said)| said.text().contains(part));
        assert!(is_said, "nothing says {part:?}, which is not run since {why}");
    }
    for hint in &followed {
        assert!(said.iter().any(|(_, said)| said.is_in(hint)), "nobody says {hint:?}");
    }
}

/// What a person fills in: SITE, KEY.
fn is_form(word: &str) -> bool {
    word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase())
}

/// The first command of the hints of a run, as it is run.
fn first(said: &str) -> Vec<String> {
    let command = commands(said).into_iter().next();
    command.unwrap_or_else(|| panic!("no command: {said}")).split_off(1)
}

#[test]
fn main_hints_are_run_as_printed() {
    let host = or_skip!(Host::start());
    ["a.com", "b.com"].iter().for_each(|domain| host.deploy(domain).worker("w"));
    let site = |domain, more: &str| {
        format!(
            "  - {{domain: {domain}, server: here, supervisors: [{{program: w, script: w.sh}}{more}]}}\n"
        )
    };
    // Not the inventory that a command finds by itself.
    let both = |more| {
        host.inventory(&(site("a.com", more) + &site("b.com", "")));
        std::fs::rename(host.path("home/deployer.yml"), host.path("home/my file.yml")).unwrap();
    };
    both("");
    let mine = ["--inventory", "my file.yml"];
    host.run(&[&["apply", "--yes"], &mine[..]].concat()).ended(0);
    for (asked, status, ends) in [
        // Without a terminal.
        (&["stop", "--site", "a.com"][..], 2, 0),
        (&["start"], 2, 0),
        (&["apply", "--site", "b.com", "--restart", "--on", "here"], 2, 0),
        // Which of two sites.
        (&["history", "--diff", "1"], 2, 0),
        (&["rollback", "--to", "1", "--yes"], 2, 0),
        (&["scale", "a.com", "w"], 2, 1),
        // Not applied yet; an apply asks.
        (&["start", "new", "--on", "here"], 1, 2),
    ] {
        if asked[0] == "start" && ends == 2 {
            both(", {program: new, script: w.sh}");
        }
        let said = host.run(&[asked, &mine[..]].concat()).ended(status).stderr;
        let command = first(&said);
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        assert!(words.windows(2).any(|pair| pair == mine) || asked[0] == "scale", "{said}");
        host.run(&words).ended(ends);
    }
    host.run(&["plan"]).ended(1).complains("begin one: supervisor-sync init");
    wants(&host, &["program: w, script: w.sh"]);
    host.run(&["apply", "--yes", "--prune=gone.com"]).ended(1).complains("supervisor-sync plan");
}

#[test]
fn colours_go_by_what_was_asked_for() {
    let host = or_skip!(Host::start());
    let coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = host.command(arguments);
        variables.iter().for_each(|(name, value)| _ = command.env(name, value));
        command.run().stderr.contains('\u{1b}')
    };
    let plan = ["plan", "--inventory", "none.yml"];
    let always = [&plan[..], &["--color", "always"]].concat();
    let never = [&plan[..], &["--color=never"]].concat();
    for (arguments, variables, expected) in [
        (&plan[..], &[][..], false),
        (&always, &[], true),
        (&always, &[("NO_COLOR", "1"), ("TERM", "dumb")], true),
        (&never, &[("CLICOLOR_FORCE", "1"), ("FORCE_COLOR", "1")], false),
        (&plan, &[("CLICOLOR_FORCE", "1")], true),
        (&plan, &[("FORCE_COLOR", "1")], true),
        (&plan, &[("FORCE_COLOR", "0")], false),
        (&plan, &[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], false),
        // What is wrong with the command line, too.
        (&["plan", "--nope", "--color", "always"], &[], true),
        (&["plan", "--nope"], &[], false),
    ] {
        assert_eq!(coloured(arguments, variables), expected, "{arguments:?} {variables:?}");
    }
}

#[test]
fn state_words_have_colours() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    wants(&host, &["program: w, script: w.sh"]);
    let run = host.run(&["apply", "--yes", "--color", "always"]).ended(0);
    assert!(run.stderr.contains("a.com-w: \u{1b}[32mhealthy\u{1b}[0m"), "{}", run.stderr);
    assert!(run.stdout.contains("\u{1b}[32mapplied as revision\u{1b}[0m 1"), "{}", run.stdout);
    host.run(&["status", "--color", "always"]).ended(0).says("\u{1b}[32mRUNNING\u{1b}[0m");
    host.run(&["status", "--color", "never"]).ended(0).says("  RUNNING");
}
