//! How sites ended, in words: of each as soon as it has.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Mode, Screen};
use crate::api::{AppliedSite, Run, RunId};
use crate::apply::{Outcome, ProgramTrouble};
use crate::error::{CommandError, ErrorKind};
use crate::event::SiteEnd;
use crate::inventory::{Domain, Site};
use crate::plan::{Intent, PlanOptions};

/// Tells how sites ended, each once.
#[derive(Debug, Default)]
pub(super) struct SiteEnds {
    /// The run that they end.
    run: Option<RunId>,
    /// What was allowed, as it is typed: a command that goes on with it needs it, too.
    allowed: String,
    /// Whether sites are given back.
    releases: bool,
    /// The sites that are removed, by host.
    removed: BTreeSet<(String, Domain)>,
    /// What was told before the host had ended.
    told: BTreeMap<(String, Domain), SiteEnd>,
}

/// How an apply, a restart, a start or a stop ended on a host.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct AppliedDocument<'a> {
    /// The run that it was, by which `history` lists what it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a RunId>,
    sites: &'a [AppliedSite],
}

impl SiteEnds {
    /// How the sites of such an order end.
    pub(super) fn of(run: &Run, options: &PlanOptions) -> Self {
        let allowed = options.overrides.iter().map(|one| format!(" --allow {}", one.as_str()));
        let releases = options.intent == Intent::Release;
        let run = Some(run.id);
        Self { run, allowed: allowed.collect(), releases, ..Self::default() }
    }

    /// These sites are removed from a host, which is what is said of them when that is done.
    pub(super) fn removes(&mut self, host: &str, sites: &[Site]) {
        self.removed.extend(sites.iter().map(|site| (host.to_owned(), site.domain.clone())));
    }

    /// A site has ended, and others of its host may be at work still.
    pub(super) fn tell_at_once(
        &mut self,
        host: &str,
        several: bool,
        end: &SiteEnd,
        screen: &mut Screen,
    ) {
        self.tell_end(host, several, end, screen);
        self.told.insert((host.to_owned(), end.site.clone()), end.clone());
    }

    /// A host has ended. What was told of its sites is not told again.
    pub(super) fn tell(
        &mut self,
        host: &str,
        several: bool,
        sites: &[AppliedSite],
        screen: &mut Screen,
    ) {
        screen.document("applied", Some(host), &AppliedDocument { run: self.run.as_ref(), sites });
        for applied in sites {
            let site = &applied.site;
            if let Ok(report) = &applied.report
                && report.outcome == Outcome::Unchanged
            {
                let text = format!("Site {site}: {}", report.plan.summary());
                tell_well(host, several, &text, screen);
            }
            if let Some(end) = applied.end()
                && self.told.get(&(host.to_owned(), site.clone())) != Some(&end)
            {
                self.tell_end(host, several, &end, screen);
            }
        }
    }

    fn tell_end(&self, host: &str, several: bool, end: &SiteEnd, screen: &mut Screen) {
        let SiteEnd { site, revision, failure, troubles } = end;
        if screen.mode() == Mode::Json {
            return;
        }
        for trouble in troubles {
            screen.trouble(trouble);
        }
        let is_removed = self.removed.contains(&(host.to_owned(), site.clone()));
        let how = match (failure, revision) {
            (Some(error), _) => {
                let error = self.to_type(site, without_told(error, troubles));
                screen.error(several.then_some(host), &error);
                let text = format!("Site {site}: {}", ended(error.kind));
                return tell_in_a_line(host, several, &text, screen);
            }
            (None, Some(_)) if is_removed => "removed".to_owned(),
            (None, Some(_)) if self.releases => "given back".to_owned(),
            (None, Some(revision)) => format!("applied as revision {revision}"),
            (None, None) => "done".to_owned(),
        };
        tell_well(host, several, &format!("Site {site}: {how}"), screen);
    }

    /// The error with commands that do what was asked here.
    fn to_type(&self, site: &Domain, mut error: CommandError) -> CommandError {
        let again = format!("supervisor-sync apply --site {site}");
        for hint in &mut error.hints {
            *hint = hint.replace(&again, &format!("{again}{}", self.allowed));
        }
        error
    }
}

/// The same of one that is as wanted.
fn tell_well(host: &str, several: bool, end: &str, screen: &mut Screen) {
    if !screen.is_quiet() {
        tell_in_a_line(host, several, end, screen);
    }
}

/// How a site ended, in a line; of many hosts the summary is the result.
fn tell_in_a_line(host: &str, several: bool, end: &str, screen: &mut Screen) {
    match several {
        true => screen.complain_words(&format!("{host}: {end}")),
        false => screen.print_words(&format!("{end}\n")),
    }
}

/// The failure without the causes that were told above, program by program.
fn without_told(error: &CommandError, troubles: &[ProgramTrouble]) -> CommandError {
    let mut error = error.clone();
    let told: Vec<String> =
        troubles.iter().map(|t| format!("{} {}", t.process, t.reason)).collect();
    error.causes.retain(|cause| !told.contains(cause));
    error
}

fn ended(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Refused | ErrorKind::Usage => "not applied, nothing was changed",
        ErrorKind::RolledBack => "rolled back, it is as it was",
        ErrorKind::Stuck => "failed, see above for what is left",
        ErrorKind::Locked => "not applied, another apply is under way",
        ErrorKind::Interrupted => "interrupted",
        ErrorKind::Partial => "partly applied",
    }
}
