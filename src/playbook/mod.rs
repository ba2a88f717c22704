//! The environment contract: a drop-in for DeployerPHP's `supervisor-sync.sh`.
//!
//! Everything comes from `DEPLOYER_*` variables; progress goes to stdout in lines that begin with
//! `→ `, warnings and errors to stderr with the script's own first lines, and the exit status is 0
//! or 1. What the script gets wrong is done right here and listed in docs/playbook.md.

mod environment;
mod messages;
mod supervisors;

use std::collections::BTreeSet;
use std::io::Write;

pub use environment::{Environment, Perms};

use crate::apply::{ApplyOptions, Outcome, SiteReport};
use crate::error::CommandError;
use crate::host::{ApplyRequest, ChosenSite, Goal, Reply, Request, Run, Target};
use crate::plan::{GroupAction, GroupView, Intent, PlanOptions, PlanView, Reason, harmless_lines};
use crate::system::result_file;

/// Which of the two playbooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Playbook {
    /// Make the site's programs match.
    Sync,
    /// Restart them after a deployment.
    Restart,
}

/// Where it writes.
pub struct Output<'a> {
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    /// Warnings wait until it is known whether there is an error: that one's line comes first.
    warnings: Vec<String>,
}

impl<'a> Output<'a> {
    /// Writes to these.
    pub fn new(stdout: &'a mut dyn Write, stderr: &'a mut dyn Write) -> Self {
        Self { stdout, stderr, warnings: Vec::new() }
    }

    /// A broken pipe must not stop a sync half-way: what cannot be written is dropped.
    fn arrow(&mut self, text: &str) {
        let _ = writeln!(self.stdout, "→ {}", harmless_lines(text));
    }

    fn warn(&mut self, text: &str) {
        self.warnings.push(harmless_lines(text));
    }

    fn tell_warnings(&mut self) {
        for text in self.warnings.drain(..) {
            let _ = writeln!(self.stderr, "Warning: {text}");
        }
    }

    fn fail(&mut self, first_line: &str, rest: &[String]) -> Failed {
        let _ = writeln!(self.stderr, "Error: {}", harmless_lines(first_line));
        for line in rest {
            let _ = writeln!(self.stderr, "{}", harmless_lines(line));
        }
        self.tell_warnings();
        Failed
    }
}

/// The error has been written; the exit status is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// Runs a playbook: `variable` reads the environment, `connect` opens the host for the
/// permissions that were asked for.
pub fn run(
    playbook: Playbook,
    variable: &dyn Fn(&str) -> Option<String>,
    connect: &mut dyn FnMut(Perms) -> Result<Box<dyn Target>, CommandError>,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    let environment = Environment::read(variable)
        .map_err(|problem| output.fail(&problem.first_line, &problem.rest))?;
    // Nothing is applied and then told as failed, as far as that can be known.
    result_file::check(&environment.output_file)
        .map_err(|source| no_result(&environment, &source, output, None))?;
    if !matches!(environment.distro.as_str(), "ubuntu" | "debian") {
        output.warn(&format!(
            "DEPLOYER_DISTRO is {}: only ubuntu and debian are tried",
            environment.distro
        ));
    }
    let mut host = connect(environment.perms)
        .map_err(|error| output.fail(&error.message, &messages::rest_of(&error)))?;
    let result = match playbook {
        Playbook::Sync => sync(&environment, host.as_mut(), output)?,
        Playbook::Restart => restart(&environment, host.as_mut(), output),
    };
    result_file::write(&environment.output_file, result.as_bytes()).map_err(|source| {
        let done = "everything else is done, only the result is missing";
        no_result(&environment, &source, output, Some(done))
    })?;
    output.tell_warnings();
    Ok(())
}

fn sync(
    environment: &Environment,
    host: &mut dyn Target,
    output: &mut Output<'_>,
) -> Result<String, Failed> {
    let apply = ApplyOptions { verify: false, rollback: true, record: true };
    let plan = PlanOptions { missing_code_is_a_warning: true, ..PlanOptions::default() };
    let report = ask(environment, host, output, "playbook sync", plan, apply);
    match report {
        Err(messages::Words { first_line, rest }) => Err(output.fail(&first_line, &rest)),
        Ok(report) => {
            for warning in &report.plan.warnings {
                output.warn(warning);
            }
            for trouble in &report.troubles {
                output.warn(&messages::trouble(trouble));
            }
            if let Some(messages::Words { first_line, rest }) = messages::failure(&report) {
                return Err(output.fail(&first_line, &rest));
            }
            if report.outcome == Outcome::Unchanged {
                messages::remark(&report.plan, output);
            }
            if report.plan.empty {
                output.arrow(&report.plan.summary());
            }
            let synced = environment.site.programs.len();
            Ok(format!("status: success\nsupervisors_synced: {synced}\n"))
        }
    }
}

/// The deployment itself has succeeded: whatever happens here is a warning.
fn restart(environment: &Environment, host: &mut dyn Target, output: &mut Output<'_>) -> String {
    let apply = ApplyOptions { verify: true, rollback: false, record: false };
    let plan = PlanOptions::of(Intent::Restart);
    let report = ask(environment, host, output, "playbook restart", plan, apply);
    let programs: Vec<String> = environment
        .site
        .programs
        .iter()
        .map(|program| format!("{}-{}", environment.site.domain, program.name))
        .collect();
    let failed: BTreeSet<&String> = match &report {
        Err(words) => {
            output.warn(&words.first_line);
            for line in &words.rest {
                output.warn(line);
            }
            programs.iter().collect()
        }
        Ok(report) => {
            for warning in &report.plan.warnings {
                output.warn(warning);
            }
            for trouble in &report.troubles {
                output.warn(&messages::trouble(trouble));
            }
            let fails = |program: &&String| restart_failed(report, program);
            if report.outcome == Outcome::Unchanged {
                messages::remark(&report.plan, output);
            }
            programs.iter().filter(fails).collect()
        }
    };
    for program in &failed {
        output.warn(&format!("Failed to restart {program}"));
    }
    if !failed.is_empty() {
        output.warn(&format!("{} supervisor program(s) failed to restart", failed.len()));
    }
    let stays = |program: &&String| {
        report.as_ref().is_ok_and(|report| stays_stopped(&report.plan, program))
    };
    let restarted = programs.iter().filter(|p| !failed.contains(p) && !stays(p)).count();
    format!("status: success\nsupervisors_restarted: {restarted}\n")
}

/// Whether a person had stopped the whole program: then a restart leaves it so.
fn stays_stopped(plan: &PlanView, program: &str) -> bool {
    let left = |view: &GroupView| {
        view.group == program
            && view.action == GroupAction::Leave
            && view.reason == Reason::StoppedByHand
    };
    plan.groups.iter().any(left) || plan.stopped.iter().any(|group| group == program)
}

fn restart_failed(report: &SiteReport, program: &str) -> bool {
    // The contract knows no separate instances: each program is one group of its full name.
    let of_program = |group: &str| group == program;
    let unknown = |view: &GroupView| {
        view.action == GroupAction::Leave
            && view.reason == Reason::NotKnown
            && of_program(&view.group)
    };
    let broke_down = report.failure().is_some() && report.troubles.is_empty();
    broke_down
        || report.troubles.iter().any(|trouble| of_program(&trouble.group))
        || report.plan.groups.iter().any(unknown)
}

fn ask(
    environment: &Environment,
    host: &mut dyn Target,
    output: &mut Output<'_>,
    purpose: &str,
    plan: PlanOptions,
    apply: ApplyOptions,
) -> Result<SiteReport, messages::Words> {
    let request = Request::Apply(Box::new(ApplyRequest {
        sites: vec![ChosenSite::whole(environment.site.clone())],
        goal: Goal::Inventory,
        plan,
        apply,
        shown: None,
        lock_wait: environment.lock_wait,
        run: Run::begin(purpose),
    }));
    let reply = host.ask(request, &mut |event| messages::tell(&event, output));
    match reply {
        Err(error) => Err(messages::Words::of(&error)),
        Ok(Reply::Applied { sites }) => match sites.into_iter().next() {
            Some(applied) => applied.report.map_err(|error| messages::at(&error, None)),
            None => Err(messages::Words::plain("the host answered for no site")),
        },
        Ok(_) => Err(messages::Words::plain("the host answered something else")),
    }
}

/// The result cannot be written, in the contract's words.
fn no_result(
    environment: &Environment,
    source: &std::io::Error,
    output: &mut Output<'_>,
    note: Option<&str>,
) -> Failed {
    let path = environment.output_file.display();
    let mut rest = vec![format!("Cause: {path}: {source}")];
    rest.extend(note.map(|note| format!("Hint: {note}")));
    rest.push(
        "Hint: name a new file, or one of your own: DEPLOYER_OUTPUT_FILE=$(mktemp)".to_owned(),
    );
    output.fail("Failed to write output file", &rest)
}
