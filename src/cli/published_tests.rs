//! What is published of the command line: a page of each verb in docs/reference, as the command line is.
//! `UPDATE_DOCS=1 cargo test --lib published` writes them anew.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use super::{Cli, GLOBAL, command};
use crate::error::ErrorKind;
use crate::inventory::published_tests::assert_published;

/// How a text of the command line stands in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

/// An argument as it is typed: `` `-y`, `--yes` ``, `` `--on HOST` ``.
fn typed(argument: &Arg) -> String {
    let values: Vec<String> =
        argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let takes_value = argument.get_action().takes_values();
    let value = if takes_value { values.join(" ") } else { String::new() };
    if argument.is_positional() {
        return format!("`{value}`").replace('|', "\\|");
    }
    let long =
        argument.get_long().map(|long| format!("`--{long} {value}").trim_end().to_owned() + "`");
    let short = argument.get_short().map(|short| format!("`-{short}`"));
    let forms: Vec<String> = short.into_iter().chain(long).collect();
    forms.join(", ").replace('|', "\\|")
}

/// What an argument means, with its default and its values where the text does not say them.
fn meaning(argument: &Arg) -> String {
    let mut text = cell(&argument.get_help().map(ToString::to_string).unwrap_or_default());
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() && argument.get_action().takes_values() {
        write!(text, ": {}", values.join(", ")).unwrap();
    }
    let defaults: Vec<String> = argument
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        write!(text, " [default: {}]", defaults.join(", ")).unwrap();
    }
    text
}

fn table(first: &str, arguments: &[&Arg]) -> String {
    let mut text = format!("| {first} | meaning |\n|---|---|\n");
    for argument in arguments {
        writeln!(text, "| {} | {} |", typed(argument), meaning(argument)).unwrap();
    }
    text
}

/// A verb, below a heading of this depth.
fn described(verb: &mut Command, path: &str, depth: usize) -> String {
    let heading = "#".repeat(depth);
    let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = verb.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let mut text = format!("{heading} {path}\n\n{about}.\n\n```text\n{usage}\n```\n");
    text += &arguments(verb);
    if let Some(examples) = verb.get_after_help() {
        let examples = examples.to_string();
        let examples = examples.trim().trim_start_matches("Examples:").trim_matches('\n');
        text += &format!("\n{heading}# Examples\n\n```text\n{}\n```\n", unindented(examples));
    }
    let below: Vec<Command> =
        verb.get_subcommands().filter(|one| one.get_name() != "help").cloned().collect();
    for mut one in below {
        let path = format!("{path} {}", one.get_name());
        text += &format!("\n{}", described(&mut one, &path, depth + 1));
    }
    text
}

/// A table of what a verb takes by itself: what has no dashes, and its options heading by heading.
fn arguments(verb: &Command) -> String {
    let own: Vec<&Arg> = verb
        .get_arguments()
        .filter(|one| !one.is_hide_set() && one.get_help_heading() != Some(GLOBAL))
        .filter(|one| !["help", "version"].contains(&one.get_id().as_str()))
        .collect();
    let (positional, options): (Vec<&Arg>, Vec<&Arg>) =
        own.into_iter().partition(|one| one.is_positional());
    let mut headings = vec![None];
    for option in &options {
        if !headings.contains(&option.get_help_heading()) {
            headings.push(option.get_help_heading());
        }
    }
    let mut tables = vec![("argument".to_owned(), positional)];
    for heading in headings {
        let of = options.iter().copied().filter(|one| one.get_help_heading() == heading);
        tables.push((heading.unwrap_or("option").to_lowercase(), of.collect()));
    }
    tables.retain(|(_, arguments)| !arguments.is_empty());
    tables.iter().map(|(name, arguments)| format!("\n{}", table(name, arguments))).collect()
}

/// Without the blanks that each line begins with.
fn unindented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let indent = lines.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let lines: Vec<&str> =
        text.lines().map(|line| line.get(indent..).unwrap_or("").trim_end()).collect();
    lines.join("\n")
}

/// In the order of `--help`.
fn verbs() -> Vec<Command> {
    let mut command = command();
    command.build();
    let in_order = Cli::command();
    let verbs = in_order.get_subcommands().filter(|verb| !verb.is_hide_set());
    verbs.filter_map(|verb| command.find_subcommand(verb.get_name()).cloned()).collect()
}

#[test]
fn verbs_are_published() {
    let mut index = "# Every verb\n\nWhat `supervisor-sync VERB --help` says, and `man supervisor-sync-VERB`.\n\n\
                     | verb | what it does |\n|---|---|\n"
        .to_owned();
    for mut verb in verbs() {
        let name = verb.get_name().to_owned();
        assert_published(&format!("reference/{name}.md"), &described(&mut verb, &name, 1));
        let about = cell(&verb.get_about().unwrap().to_string());
        writeln!(index, "| [{name}]({name}.md) | {about} |").unwrap();
    }
    let command = command();
    let global: Vec<&Arg> = command.get_arguments().filter(|one| one.is_global_set()).collect();
    write!(index, "\nEvery verb takes:\n\n{}", table("option", &global)).unwrap();
    index += "\nWhat each one's [exit status](../exit-codes.md) means, and the [documents](documents.md) of `--json`.\n";
    assert_published("reference/verbs.md", &index);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "looks at the project's own documents")]
fn no_page_is_of_a_verb_that_is_gone() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference");
    let known: Vec<String> = verbs().iter().map(|verb| format!("{}.md", verb.get_name())).collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_other = ["verbs.md", "documents.md"].contains(&name.as_str());
        assert!(is_other || known.contains(&name), "docs/reference/{name}");
    }
}

#[test]
fn exit_statuses_are_explained() {
    let page = include_str!("../../docs/exit-codes.md");
    let kinds = [
        ErrorKind::Refused,
        ErrorKind::Usage,
        ErrorKind::RolledBack,
        ErrorKind::Stuck,
        ErrorKind::Partial,
        ErrorKind::Locked,
        ErrorKind::Interrupted,
    ];
    for kind in kinds {
        let name = serde_json::to_value(kind).unwrap();
        let status = kind.exit_status();
        assert!(page.contains(&format!("\n| {status} | ")), "status {status}");
        let documented = format!("`{}` (", name.as_str().unwrap());
        assert!(page.contains(&documented), "{name} of status {status}");
        assert!(
            page.contains(&format!("({status})")) || page.contains(&format!("(status {status})"))
        );
    }
}
