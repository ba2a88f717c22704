//! `setup`: installs and starts what the selected hosts need, and says what is left to a person.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::Context;
use super::fleet::{Answers, ParallelArguments, folded, named, not_reached};
use super::selected::SelectionArguments;
use crate::error::{CommandError, ErrorKind};
use crate::fleet::rollout::Told;
use crate::report::{Screen, harmless};
use crate::setup::{Level, Remark, Report, Step};

#[derive(Debug, Args)]
pub(super) struct SetupArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    parallel: ParallelArguments,
}

/// What machines get. A failure is a document of its own, of the kind `error`.
#[derive(Serialize)]
struct Document<'a> {
    done: &'a [Step],
    left: &'a [Remark],
    failures: usize,
}

pub(super) fn run(
    context: &Context,
    arguments: &SetupArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected_hosts(&arguments.selection, screen)?;
    let several = work.len() > 1;
    let mut answers = Answers::default();
    let mut reports = BTreeMap::new();
    context.on_each_telling(
        &work,
        arguments.parallel.rules(),
        &|work, host, events| host.set_up(work.sites.clone(), events),
        &mut |told| match told {
            Told::Event(place, event) => {
                if let Some(work) = work.get(place) {
                    screen.event(work.host.name.as_str(), several, &event);
                }
            }
            Told::Ended(place, report) => _ = reports.insert(place, report),
            Told::NotReached(place, why) => _ = reports.insert(place, Err(not_reached(why))),
            Told::FewThreads(_) | Told::Begun(_) => {}
        },
    );
    let mut texts = Vec::new();
    for (on_host, report) in work.iter().zip(reports.values()) {
        let name = on_host.host.name.as_str();
        match report {
            Ok(report) => {
                tell_failures(name, report, &mut answers, screen);
                let Report { done, left, failures } = report;
                let document = Document { done, left, failures: failures.len() };
                screen.document("setup", Some(name), &document);
                texts.push((name, text(report)));
            }
            Err(error) => answers.tell(name, error, screen),
        }
    }
    for (hosts, text) in folded(texts) {
        screen.print(&format!("{}: {text}", named(&hosts)));
    }
    Ok(answers.exit_status().unwrap_or(0))
}

fn tell_failures(host: &str, report: &Report, answers: &mut Answers, screen: &mut Screen) {
    for error in &report.failures {
        screen.error(Some(host), error);
    }
    match report.failures.is_empty() {
        true => answers.count(),
        false => answers.fail(ErrorKind::Refused),
    }
}

fn text(report: &Report) -> String {
    let mut text = match (report.done.is_empty(), report.failures.len()) {
        (true, 0) => "nothing to do\n".to_owned(),
        (true, failures) => format!("not ready, {failures} error(s), nothing was done\n"),
        (false, 0) => "ready\n".to_owned(),
        (false, failures) => format!("not ready, {failures} error(s)\n"),
    };
    for step in &report.done {
        text.push_str(&format!("  + {}\n", step.done()));
    }
    for remark in &report.left {
        let mark = match remark.level {
            Level::Warning => "!",
            Level::Note => " ",
        };
        let site = remark.site.as_ref().map_or_else(String::new, |site| format!("{site}: "));
        text.push_str(&format!("  {mark} {site}{}\n", harmless(&remark.text)));
        if let Some(hint) = &remark.hint {
            text.push_str(&format!("      {}\n", harmless(hint)));
        }
    }
    text
}
