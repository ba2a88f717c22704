//! `playbook restart`: after a deployment each program runs the new release. Whatever goes wrong is a
//! warning, since the deployment itself has succeeded.

use std::collections::BTreeSet;

use super::environment::PartialEnvironment;
use super::messages::{self, Words};
use super::{ApplyEnd, Connect, Output, PlaybookEnvironment, ask, warn_of_distro};
use crate::apply::{ApplyOptions, Outcome, SiteReport};
use crate::plan::{GroupAction, GroupView, Intent, PlanOptions, PlanView, Reason};
use crate::system::result_file;

pub(super) fn run(
    variable: &dyn Fn(&str) -> Option<String>,
    connect: &mut Connect<'_>,
    output: &mut Output<'_>,
) {
    let PartialEnvironment { output_file, environment, problems, unreadable } =
        PartialEnvironment::read(variable);
    for problem in &problems {
        output.warn_of(problem);
    }
    let end = match &environment {
        Some(environment) => restart(environment, connect, output),
        None => End::default(),
    };
    for program in &end.failed {
        output.warn(&format!("Failed to restart {program}"));
    }
    let End { restarted, goes_on, .. } = &end;
    let result = format!("status: success\nsupervisors_restarted: {restarted}\n{goes_on}");
    if let Some(path) = output_file
        && let Err(source) = result_file::write(&path, result.as_bytes())
    {
        output.warn(&format!("Failed to write output file: {}: {source}", path.display()));
    }
    match end.failed.len() + unreadable {
        0 => output.tell_warnings(),
        failed => {
            output.close_with_warning(&format!("{failed} supervisor program(s) failed to restart"))
        }
    }
}

/// What came of it.
#[derive(Default)]
struct End {
    /// How many programs were restarted.
    restarted: usize,
    /// The full names of those that could not be.
    failed: BTreeSet<String>,
    /// What the result has of a restart that goes on.
    goes_on: String,
}

fn restart(
    environment: &PlaybookEnvironment,
    connect: &mut Connect<'_>,
    output: &mut Output<'_>,
) -> End {
    warn_of_distro(environment, output);
    let site = &environment.site;
    let programs: BTreeSet<String> = site.group_names().collect();
    if programs.is_empty() {
        return End::default();
    }
    let apply = ApplyOptions { verify: true, rollback: false, record: false };
    let plan = PlanOptions::of(Intent::Restart);
    let asked = connect(environment.perms, environment.deadline)
        .map_err(|error| Words::of(&error))
        .and_then(|mut host| {
            ask(environment, host.as_mut(), output, "playbook restart", (plan, apply))
        });
    let report = match asked {
        Ok(ApplyEnd::Ended(report)) => report,
        Ok(ApplyEnd::GoesOn(goes_on)) => {
            let restarted = programs.iter().filter(|program| goes_on.has_started(program)).count();
            let goes_on = goes_on.tell(environment, output);
            return End { restarted, goes_on, ..End::default() };
        }
        Err(words) => {
            warn(&words, output);
            return End { failed: programs, ..End::default() };
        }
    };
    for warning in &report.plan.warnings {
        output.warn(warning);
    }
    for trouble in &report.troubles {
        output.warn(&messages::trouble(trouble));
    }
    // Each trouble says by itself what failed.
    if report.troubles.is_empty()
        && let Some(words) = messages::failure(&report)
    {
        warn(&words, output);
    }
    if report.outcome == Outcome::Unchanged {
        messages::remark(&report.plan, output);
    }
    let mut end = End::default();
    for program in programs {
        if has_failed(&report, &program) {
            end.failed.insert(program);
        } else if is_started(&report.plan, &program) {
            end.restarted += 1;
        } else if !stays_stopped(&report.plan, &program) {
            output.arrow(&format!("Note: {program} is not restarted: it was never started"));
        }
    }
    end
}

fn warn(words: &Words, output: &mut Output<'_>) {
    output.warn(&words.first_line);
    for line in &words.rest {
        output.warn(line);
    }
}

/// Whether its processes were to be started. The contract knows no separate instances: each program is
/// one group of its full name.
fn is_started(plan: &PlanView, program: &str) -> bool {
    plan.groups.iter().filter(|view| view.group == program).any(|view| match &view.action {
        GroupAction::Restart { .. } | GroupAction::Start { .. } => true,
        GroupAction::Add { start } | GroupAction::Replace { start } => *start || view.autostart,
        GroupAction::Remove | GroupAction::Stop { .. } | GroupAction::Leave => false,
    })
}

/// Whether a person had stopped the whole program: then a restart leaves it so.
fn stays_stopped(plan: &PlanView, program: &str) -> bool {
    left_alone(plan, program).any(|view| view.reason == Reason::StoppedByHand)
        || plan.stopped.iter().any(|group| group == program)
}

fn has_failed(report: &SiteReport, program: &str) -> bool {
    let broke_down = report.failure().is_some() && report.troubles.is_empty();
    broke_down
        || report.troubles.iter().any(|trouble| trouble.group == program)
        || left_alone(&report.plan, program)
            .any(|view| matches!(view.reason, Reason::NotKnown | Reason::Anothers))
}

fn left_alone<'p>(plan: &'p PlanView, program: &'p str) -> impl Iterator<Item = &'p GroupView> {
    let groups = plan.groups.iter().filter(move |view| view.group == program);
    groups.filter(|view| view.action == GroupAction::Leave)
}
