//! The proof: what a host says it would do right after the import is nothing to any process.

use std::path::{Path, PathBuf};

use super::candidate::{Candidate, Setting, refused};
use super::draft::{Draft, Text};
use crate::api::{ChosenSite, Goal, PlannedSite, Target};
use crate::error::CommandError;
use crate::plan::{FileChangeKind, GroupView, PlanOptions, PlanView, Reason, Refusal};

/// What speaks against a file, or against the whole.
struct Objection {
    path: Option<PathBuf>,
    reason: String,
}

/// Has the host plan the candidate, and takes what would not stay as it is in another way, or not at all,
/// until its plan changes no process, and no text that is to stay.
pub(crate) fn prove(
    host: &mut dyn Target,
    draft: &mut Draft,
    setting: &Setting<'_>,
    text: Text,
) -> Result<Candidate, CommandError> {
    loop {
        let candidate = Candidate::of(draft, setting).map_err(|problems| refused(&problems))?;
        let mut sites = Vec::new();
        for site in &draft.sites {
            sites.extend(candidate.site(&site.domain).cloned().map(ChosenSite::whole));
        }
        if sites.is_empty() {
            return Ok(candidate);
        }
        let plans = host.plan(sites, Goal::Inventory, PlanOptions::default())?;
        let objections = objections(&plans, draft, text)?;
        if objections.is_empty() {
            return Ok(candidate);
        }
        let mut helped = false;
        for Objection { path, reason } in &objections {
            helped |= path.as_ref().is_some_and(|path| draft.demote(path, None, reason));
        }
        if !helped {
            let reasons = objections.into_iter().map(|objection| objection.reason);
            let error =
                CommandError::refused("the plan after the import would not leave all as it is");
            return Err(reasons.fold(error, CommandError::because));
        }
    }
}

fn objections(
    plans: &[PlannedSite],
    draft: &Draft,
    text: Text,
) -> Result<Vec<Objection>, CommandError> {
    let mut found = Vec::new();
    for planned in plans {
        let plan = planned.plan.as_ref().map_err(Clone::clone)?;
        found.extend(plan.refusals.iter().map(|refusal| of_refusal(refusal, plan, draft)));
        for file in &plan.files {
            // What a link leads to was held against what would be written.
            let keeps_text = matches!(
                file.change,
                FileChangeKind::Permissions | FileChangeKind::Owner | FileChangeKind::ReplaceLink
            );
            let may_change = text == Text::MayChange && file.change == FileChangeKind::Replace;
            if !keeps_text && !may_change {
                let reason = format!("{} would not stay as it is", file.path.display());
                found.push(Objection { path: Some(file.path.clone()), reason });
            }
        }
        for group in plan.groups.iter().filter(|group| group.action.acts()) {
            let path = path_of(&group.group, draft);
            found.push(Objection { path, reason: reason_of(group) });
        }
    }
    Ok(found)
}

/// The file that defines a group.
fn path_of(group: &str, draft: &Draft) -> Option<PathBuf> {
    let mut files = draft.files().map(|(_, file)| file);
    let file = files.find(|file| file.sections.iter().any(|name| name == group));
    file.map(|file| file.path.clone())
}

fn reason_of(group: &GroupView) -> String {
    let name = &group.group;
    match &group.reason {
        Reason::New | Reason::NotLoaded => {
            format!("supervisord has not loaded {name} yet: supervisorctl update {name}")
        }
        Reason::FileNewer => format!(
            "supervisord runs {name} as it was before its file changed: supervisorctl update {name}"
        ),
        Reason::EveryProgram { .. } => {
            format!("supervisord runs {name} by another configuration than its files have by now")
        }
        Reason::Changed { options } => {
            format!("{name} would be restarted, because of {}", options.join(", "))
        }
        _ => format!("{name} would be restarted"),
    }
}

fn of_refusal(refusal: &Refusal, plan: &PlanView, draft: &Draft) -> Objection {
    let of_program = |programs: &[String]| {
        let site = draft.sites.iter().find(|site| site.domain == plan.site)?;
        let mut files = site.files.iter();
        let file = files.find(|file| {
            let mut names = file.sections.iter();
            names.any(|name| {
                let own = super::draft::program_name(&site.domain, name);
                programs.contains(&own)
            })
        });
        file.map(|file| file.path.clone())
    };
    let path = match refusal {
        Refusal::ClaimedBySite { path, .. }
        | Refusal::ForeignFile { path, .. }
        | Refusal::NotAFile { path, .. }
        | Refusal::UnreadableSecrets { path }
        | Refusal::NotIncluded { path } => Some(path.clone()),
        Refusal::DefinedElsewhere { group: name, .. } | Refusal::TakenIn { program: name, .. } => {
            path_of(name, draft)
        }
        Refusal::MissingUser { programs, .. } | Refusal::MissingCode { programs, .. } => {
            of_program(programs)
        }
        Refusal::BrokenConfig { .. }
        | Refusal::MissingFolder { .. }
        | Refusal::NoSuchProcess { .. }
        | Refusal::OldSupervisord { .. } => None,
    };
    Objection { path, reason: refusal.message() }
}

/// Whether a file is one of those that are looked for: by its path, or by its name alone.
pub(crate) fn is_named(path: &Path, names: &[PathBuf]) -> bool {
    names.iter().any(|name| name == path || path.file_name() == Some(name.as_os_str()))
}
