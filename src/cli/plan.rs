//! `plan`: what an apply would do.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Context;
use super::agree::PlanLook;
use super::fleet::ParallelArguments;
use super::selected::{PruneArguments, WantedArguments};
use crate::api::Goal;
use crate::error::CommandError;
use crate::fleet::{Emptied, SavedPlan};
use crate::plan::{Override, PlanOptions, Running};
use crate::report::{PlanFormat, Screen};
use crate::system::Disk;
use crate::system::files::{FileContent, replace};
use crate::system::shell;

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    selection: WantedArguments,
    #[command(flatten)]
    what: WhatArguments,
    #[command(flatten)]
    prune: PruneArguments,
    #[command(flatten)]
    files: FileArguments,
    /// How it is shown
    #[arg(long, value_enum, default_value = "text", conflicts_with = "json")]
    format: PlanFormat,
    /// Save the plan there, too: `apply FILE` does what was shown and nothing else
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with status 3 if there is something to do
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    parallel: ParallelArguments,
}

/// What a plan depends on; the same for `plan` and `apply`.
#[derive(Debug, Args)]
pub(super) struct WhatArguments {
    /// Restart every program, each exactly once, also those that do not change
    #[arg(long)]
    restart: bool,
    /// Restart nothing: the next restart takes a change up. What is not wanted any more stops
    #[arg(long, conflicts_with = "restart")]
    no_restart: bool,
    /// Start what somebody had stopped, too, unless it has autostart=false
    #[arg(long)]
    start_stopped: bool,
    /// Remove the logs of programs that are removed, too, with what rotation has made of them; they do
    /// not come back
    #[arg(long)]
    purge_logs: bool,
    /// Go on in spite of this
    #[arg(long = "allow", value_name = "REFUSAL")]
    overrides: Vec<Override>,
}

/// How much is shown of files.
#[derive(Debug, Args)]
pub(super) struct FileArguments {
    /// Show each file that changes with its unified diff
    #[arg(long)]
    diff: bool,
}

impl FileArguments {
    pub(super) fn show(&self, screen: &mut Screen) {
        if self.diff {
            screen.show_diffs();
        }
    }
}

impl WhatArguments {
    pub(super) fn options(&self) -> PlanOptions {
        let running = match (self.restart, self.no_restart) {
            (true, _) => Running::RestartAll,
            (false, true) => Running::Leave,
            (false, false) => Running::RestartChanged,
        };
        PlanOptions {
            start_stopped: self.start_stopped,
            purge_logs: self.purge_logs,
            overrides: self.overrides.clone(),
            ..PlanOptions::apply(running)
        }
    }
}

pub(super) fn run(
    context: &Context,
    arguments: &PlanArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let prune = arguments.prune.prune();
    let selector = arguments.selection.selector()?;
    let work = context.selected_with_leavers(&selector, &prune, Emptied::Goes, screen)?;
    let options = arguments.what.options();
    arguments.files.show(screen);
    let inventory = context.inventory.get().cloned();
    let mut saved = SavedPlan::new(inventory, selector, prune, options.clone());
    let look = PlanLook {
        format: arguments.format,
        saved: arguments.out.as_ref().map(|_| &mut saved),
        tells_changes: arguments.exit_code,
    };
    let (what, rules) = ((Goal::Inventory, &options), arguments.parallel.rules());
    let status = context.show_plans(&work, what, rules, look, screen)?;
    if let Some(path) = &arguments.out {
        save(path, &saved, screen)?;
    }
    Ok(status)
}

/// Puts a plan where it was asked for, whole or not at all.
fn save(path: &Path, plan: &SavedPlan, screen: &mut Screen) -> Result<(), CommandError> {
    let content = FileContent { bytes: plan.text()?.into(), mode: 0o644, owner: None };
    replace(&Disk, path, &content).map_err(|source| {
        CommandError::refused(format!("cannot write {}", path.display()))
            .caused_by_io(&source, path)
    })?;
    let file = shell::path(path);
    screen.complain(&format!("Saved; to do this and nothing else: supervisor-sync apply {file}"));
    Ok(())
}
