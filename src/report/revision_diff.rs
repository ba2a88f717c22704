//! What a revision, or the revisions of a run, changed on hosts.

use std::fmt::Write as _;

use serde::Serialize;

use super::colour::{BAD, GOOD, ODD};
use super::names::{folded, named};
use super::{Colour, Screen};
use crate::api::{GroupsDiff, Run, SiteDiff};
use crate::error::CommandError;
use crate::fleet::{HostWork, LookOutcome};
use crate::system::{sanitized, sanitized_lines};

/// What a revision changed on a host.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct DiffDocument<'a> {
    sites: Vec<&'a SiteDiff>,
}

/// What a revision of this number changed.
pub(crate) struct NumberedDiff {
    pub(crate) number: u64,
    pub(crate) of_site: SiteDiff,
}

/// Shows what a revision changed on each host, and returns the exit status.
pub(crate) fn show_revision_diffs(
    diffs: Vec<(&HostWork, Result<Vec<NumberedDiff>, CommandError>)>,
    screen: &mut Screen,
) -> u8 {
    let mut answers = LookOutcome::default();
    let mut texts = Vec::new();
    for (work, diffs) in diffs {
        match diffs {
            Ok(sites) => {
                let documents: Vec<&SiteDiff> = sites.iter().map(|diff| &diff.of_site).collect();
                screen.document("diff", Some(work.name()), &DiffDocument { sites: documents });
                texts.extend(sites.into_iter().map(|site| (work.name(), site)));
            }
            Err(error) => screen.unanswered(work.name(), &error, &mut answers),
        }
    }
    show_diffs(texts, &mut answers, screen);
    answers.exit_status()
}

/// The error for a run of which no revision is left.
pub(crate) fn no_revision_of(run: &Run) -> CommandError {
    CommandError::refused(format!("run {} has left no revision of these sites", run.id))
        .because("it changed no file, or was not applied, or its revisions are no longer kept")
        .hint("see what became of it: supervisor-sync history")
}

/// A line for each program: its sign has its word behind it.
fn in_words(groups: &GroupsDiff, colour: Colour) -> String {
    let GroupsDiff { added, changed, removed } = groups;
    let mut text = String::new();
    for (sign, style, names, what) in [
        ("+", GOOD, added, "added"),
        ("~", ODD, changed, "changed"),
        ("-", BAD, removed, "removed"),
    ] {
        let sign = colour.paint(style, sign);
        for name in names {
            let _ = writeln!(text, "  {sign} {}: {what}", sanitized(name));
        }
    }
    text
}

/// The diffs, those that are the same on several hosts once.
fn show_diffs(diffs: Vec<(&str, NumberedDiff)>, answers: &mut LookOutcome, screen: &mut Screen) {
    let (mut texts, colour) = (Vec::new(), screen.colour());
    for (host, NumberedDiff { number, of_site }) in diffs {
        let SiteDiff { site, diff, groups } = of_site;
        match diff {
            Ok(diff) if diff.is_empty() => {
                answers.count();
                let text = format!("{site}: revision {number} changed no file\n");
                texts.push((host, sanitized_lines(&text)));
            }
            Ok(diff) => {
                answers.count();
                let programs = in_words(&groups.unwrap_or_default(), colour);
                let diff = sanitized_lines(&diff);
                let lines = diff.lines().map(|line| colour.diff_line(line) + "\n");
                texts.push((host, programs + &lines.collect::<String>()));
            }
            Err(error) => screen.unanswered(host, &error, answers),
        }
    }
    for (hosts, text) in folded(texts) {
        screen.print_painted(&format!("{}:\n{text}", sanitized(&named(&hosts))));
    }
}
