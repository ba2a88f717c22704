//! The runs, newest first, with what became of each site.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::colour::STRONG;
use super::names::{folded, named};
use super::{Colour, Page, Screen};
use crate::api::{Run, RunEnd, RunId, Settled, SettledHow, SiteHistory};
use crate::error::{CommandError, cut};
use crate::fleet::{HostWork, LookOutcome};
use crate::inventory::{Domain, no_sites};
use crate::system::sanitized;

/// What is on record of the sites of a host: their revisions, and runs that left none.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct HistoryDocument<'a> {
    pub(super) sites: &'a [SiteHistory],
}

/// A run with the sites it was about.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RunView<'w> {
    #[serde(flatten)]
    pub(crate) run: Run,
    sites: Vec<SiteView<'w>>,
}

/// What became of a site on a host. There is one for each revision of each: it holds what is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SiteView<'w> {
    host: &'w str,
    site: Cow<'w, Domain>,
    outcome: SiteOutcome,
    /// What was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// How many files of others became the site's in it; revision 0 is what they were.
    #[serde(skip_serializing_if = "is_zero")]
    taken_over: usize,
    /// Whether that is the newest revision there.
    present: bool,
    /// Why, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// What became of it, if it was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<Settled>,
    /// Whether the inventory does not have the site any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    left: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum SiteOutcome {
    Applied,
    /// It was applied, and taken back by a later run.
    TakenBack,
    #[serde(untagged)]
    Otherwise(RunEnd),
}

/// The runs of all hosts, newest first, with what became of each site.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Runs<'a> {
    pub(super) runs: &'a [RunView<'a>],
}

/// The runs of all hosts, newest first.
#[cfg(feature = "web")]
pub(crate) fn runs_of<'w>(
    histories: impl IntoIterator<Item = (&'w HostWork, &'w [SiteHistory])>,
) -> Vec<RunView<'w>> {
    let mut all = BTreeMap::new();
    for (work, sites) in histories {
        sites.iter().for_each(|site| add(runs(work, site), &mut all));
    }
    all.into_values().collect()
}

fn add<'w>(runs: Vec<(Run, SiteView<'w>)>, all: &mut BTreeMap<Reverse<RunId>, RunView<'w>>) {
    for (run, site) in runs {
        let view = all.entry(Reverse(run.id));
        view.or_insert_with(|| RunView { run, sites: Vec::new() }).sites.push(site);
    }
}

/// The histories of all hosts.
#[derive(Default)]
pub(crate) struct Histories<'w> {
    answers: LookOutcome,
    runs: BTreeMap<Reverse<RunId>, RunView<'w>>,
    none_yet: Vec<(&'w str, Domain)>,
}

impl<'w> Histories<'w> {
    /// The history of the next host, or why there is none.
    pub(crate) fn add(
        &mut self,
        work: &'w HostWork,
        answer: Result<HostHistory<'w>, CommandError>,
        screen: &mut Screen,
    ) {
        let HostHistory { page, answers, runs, without } = match answer {
            Ok(history) => history,
            Err(error) => return screen.unanswered(work.name(), &error, &mut self.answers),
        };
        screen.show(page);
        self.answers.add(answers);
        self.none_yet.extend(without);
        add(runs, &mut self.runs);
    }

    /// Shows them and returns the exit status; an error if there are no sites at all (`expects_none`: the
    /// inventory has none).
    pub(crate) fn end(self, expects_none: bool, screen: &mut Screen) -> Result<u8, CommandError> {
        let Self { answers, runs, none_yet } = self;
        let is_without = expects_none && runs.is_empty() && none_yet.is_empty();
        if is_without && answers.are_complete() {
            return Err(no_sites());
        }
        let runs: Vec<RunView<'_>> = runs.into_values().collect();
        screen.document("runs", None, &Runs { runs: &runs });
        for run in &runs {
            screen.print_painted(&text(run, screen.colour()));
        }
        for (host, site) in none_yet {
            screen.print(&format!("Site {site} on {host}: nothing was applied yet\n"));
        }
        Ok(answers.exit_status())
    }
}

/// What a host has answered, as it is shown.
pub(crate) struct HostHistory<'w> {
    page: Page,
    answers: LookOutcome,
    runs: Vec<(Run, SiteView<'w>)>,
    /// The sites that nothing was applied to yet.
    without: Vec<(&'w str, Domain)>,
}

impl<'w> HostHistory<'w> {
    /// `aside` is what the page is written on.
    pub(crate) fn of(work: &'w HostWork, sites: &[SiteHistory], mut aside: Screen) -> Self {
        let (host, mut answers) = (work.name(), LookOutcome::default());
        if !sites.is_empty() {
            aside.document("history", Some(host), &HistoryDocument { sites });
        }
        sites.iter().for_each(|site| count(host, site, &mut answers, &mut aside));
        let runs = sites.iter().flat_map(|site| runs(work, site)).collect();
        let mut without = Vec::new();
        for SiteHistory { site, revisions, outcomes, .. } in sites {
            if outcomes.is_empty() && revisions.as_ref().is_ok_and(Vec::is_empty) {
                without.push((host, site.clone()));
            }
        }
        Self { page: aside.into_page(), answers, runs, without }
    }
}

/// Counts a site that has answered, and tells of one that has not.
pub(super) fn count(
    host: &str,
    history: &SiteHistory,
    answers: &mut LookOutcome,
    screen: &mut Screen,
) {
    match &history.revisions {
        Ok(_) => answers.count(),
        Err(error) => screen.unanswered(host, error, answers),
    }
}

/// The runs of a site on a host, and what became of it in each.
fn runs<'w>(work: &'w HostWork, history: &SiteHistory) -> Vec<(Run, SiteView<'w>)> {
    let host = work.name();
    let known = work.sites.iter().map(|site| &site.domain).find(|one| **one == history.site);
    let site = known.map_or_else(|| Cow::Owned(history.site.clone()), Cow::Borrowed);
    let left = history.paths.is_some();
    let revisions = history.revisions.as_deref().unwrap_or_default();
    let taken_back: BTreeSet<RunId> =
        revisions.iter().filter_map(|one| one.origin.run().takes_back).collect();
    let present = revisions.last().map(|one| one.number);
    let mut recorded = BTreeSet::new();
    let mut runs = Vec::new();
    let zero = revisions.iter().find(|one| one.number == 0);
    let taken = zero.map(|zero| (zero.origin.run().id, zero.files));
    for revision in revisions.iter().filter(|one| one.number > 0) {
        let run = revision.origin.run();
        recorded.insert(run.id);
        let failed = history.outcomes.iter().find(|outcome| outcome.run.id == run.id);
        let outcome = match failed {
            _ if taken_back.contains(&run.id) => SiteOutcome::TakenBack,
            Some(failed) => SiteOutcome::Otherwise(failed.end),
            None => SiteOutcome::Applied,
        };
        let number = Some(revision.number);
        let view = SiteView {
            host,
            site: site.clone(),
            outcome,
            revision: number,
            taken_over: taken.filter(|(by, _)| *by == run.id).map_or(0, |(_, files)| files),
            present: present == number,
            cause: failed.and_then(|failed| failed.cause.clone()),
            settled: None,
            left,
        };
        runs.push((run, view));
    }
    for ended in history.outcomes.iter().filter(|ended| !recorded.contains(&ended.run.id)) {
        let view = SiteView {
            host,
            site: site.clone(),
            outcome: SiteOutcome::Otherwise(ended.end),
            revision: None,
            taken_over: 0,
            present: false,
            cause: ended.cause.clone(),
            settled: ended.settled,
            left,
        };
        runs.push((ended.run.clone(), view));
    }
    runs
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn text(view: &RunView<'_>, colour: Colour) -> String {
    let id = view.run.id.to_string();
    let line = described(&view.run);
    let rest = line.strip_prefix(&id).unwrap_or(&line);
    let mut text = format!("{}{rest}\n", colour.paint(STRONG, &id));
    for (hosts, line) in view.ends() {
        let _ = writeln!(text, "  {}  {}", sanitized(&hosts), colour.words(&sanitized(&line)));
    }
    text
}

impl RunView<'_> {
    /// Hosts, and what became of a site there, in words; hosts of which the same is told together.
    pub(crate) fn ends(&self) -> Vec<(String, String)> {
        let line = |site: &SiteView<'_>| {
            let left = if site.left { ", not in the inventory" } else { "" };
            format!("{}{left}: {}", site.site, words(site))
        };
        let lines = self.sites.iter().map(|site| (site.host, line(site))).collect();
        folded(lines).into_iter().map(|(hosts, line)| (named(&hosts), line)).collect()
    }

    /// Whether it failed anywhere.
    #[cfg(feature = "web")]
    pub(crate) fn has_failed(&self) -> bool {
        self.sites.iter().any(SiteView::has_failed)
    }

    /// What became of each site on each host.
    #[cfg(feature = "web")]
    pub(crate) fn sites(&self) -> impl Iterator<Item = RunSite<'_>> {
        self.sites.iter().map(|site| RunSite {
            host: site.host,
            site: &site.site,
            // The host is not asked for what the inventory does not have any more.
            revision: site.revision.filter(|_| !site.left),
            has_failed: site.has_failed(),
            words: words(site),
        })
    }
}

/// What became of a site on a host in a run.
#[cfg(feature = "web")]
pub(crate) struct RunSite<'v> {
    pub(crate) host: &'v str,
    pub(crate) site: &'v Domain,
    /// The revision that it has left, if the inventory still has the site.
    pub(crate) revision: Option<u64>,
    pub(crate) has_failed: bool,
    /// `revision 3, present`.
    pub(crate) words: String,
}

#[cfg(feature = "web")]
impl SiteView<'_> {
    fn has_failed(&self) -> bool {
        match self.outcome {
            SiteOutcome::Applied | SiteOutcome::TakenBack => false,
            SiteOutcome::Otherwise(end) => !matches!(end, RunEnd::Restarted | RunEnd::UnderWay),
        }
    }
}

/// `20261124-223512-4f3a  apply by deployer on desk, commit 1a2b3c4d5e6f (dirty): why`
pub(super) fn described(run: &Run) -> String {
    let mut text = format!("{}  {} by {}", run.id, shown(&run.command), shown(&run.user));
    if !run.host.is_empty() {
        let _ = write!(text, " on {}", shown(&run.host));
    }
    if let Some(commit) = &run.commit {
        let hash: String = commit.hash.chars().take(12).collect();
        let dirty = if commit.dirty { " (dirty)" } else { "" };
        let _ = write!(text, ", commit {}{dirty}", shown(&hash));
    }
    if let Some(message) = &run.message {
        let _ = write!(text, ": {}", shown(message));
    }
    text
}

fn shown(text: &str) -> String {
    sanitized(&cut(text))
}

fn words(site: &SiteView<'_>) -> String {
    let mut text = match site.revision {
        Some(revision) => format!("revision {revision}"),
        None => String::new(),
    };
    let ended = match site.outcome {
        SiteOutcome::Applied => "",
        SiteOutcome::TakenBack => "taken back",
        SiteOutcome::Otherwise(end) => end_in_words(end),
    };
    let taken = match site.taken_over {
        0 => String::new(),
        1 => "1 file taken over (revision 0)".to_owned(),
        files => format!("{files} files taken over (revision 0)"),
    };
    for part in [taken.as_str(), ended, if site.present { "present" } else { "" }] {
        if !part.is_empty() {
            let separator = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{separator}{part}");
        }
    }
    if let Some(Settled { by, how }) = site.settled {
        let how = match how {
            SettledHow::Undone => "undone",
            SettledHow::Finished => "finished",
            SettledHow::TakenBack => "taken back",
        };
        let _ = write!(text, ", {how} by run {by}");
    }
    if let Some(cause) = &site.cause {
        let _ = write!(text, ": {}", shown(cause));
    }
    text
}

fn end_in_words(end: RunEnd) -> &'static str {
    match end {
        RunEnd::Restarted => "restarted",
        RunEnd::RolledBack => "failed and rolled back",
        RunEnd::Kept => "failed and left",
        RunEnd::Stuck => "failed, not everything could be put back",
        RunEnd::Interrupted => "interrupted",
        RunEnd::UnderWay => "under way",
    }
}

/// A run as the first line of what it changed.
pub(crate) fn run_in_a_line(run: &Run) -> String {
    described(run)
}
