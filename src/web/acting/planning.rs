//! Makes a plan of what was asked for, and reads the inventory for that as a command would.

use sha2::{Digest as _, Sha256};

use super::super::Web;
use super::super::visitor::Visitor;
use super::asked::{Asked, Deed};
use super::proposal::{Fingerprints, HostState, Proposal, Written};
use super::proposals::Tools;
use crate::error::CommandError;
use crate::fleet::rollout::Rules;
use crate::fleet::{
    Emptied, Fleet, HostWork, LookOutcome, Prune, SavedPlan, chosen, going, history_of, plans_of,
    selected_with_leavers, ways,
};
use crate::inventory::edit::{Assignment, Change, Edit, EditError};
use crate::inventory::{self, Inventory, Loaded, Problems, no_sites};
use crate::report::{
    EditView, HostPage, Mode, PlanFormat, Plans, Screen, Transcript, describe_failure, histories,
    nothing_to_take_back, show_problems, show_taken_back,
};
use crate::system::bytes::hex;

/// What people and machines are told.
pub(super) struct Screens {
    pub(super) text: Screen,
    pub(super) documents: Screen,
}

/// What a plan is made of.
pub(super) struct Ready {
    pub(super) work: Vec<HostWork>,
    pub(super) loaded: Loaded,
    /// With the edit, if it is one.
    pub(super) inventory: Inventory,
    /// The inventory's text after the edit.
    pub(super) edited: Option<String>,
}

impl Screens {
    pub(super) fn of(written: &Written, tools: &Tools) -> Self {
        let screen = |transcript: &Transcript, mode| {
            Screen::written_to(transcript.clone(), mode, tools.typed.clone())
        };
        Self {
            text: screen(&written.text, Mode::Text),
            documents: screen(&written.documents, Mode::Json),
        }
    }

    pub(super) fn error(&mut self, error: &CommandError) {
        self.text.error(None, error);
        self.documents.error(None, error);
    }

    fn both(&mut self, mut show: impl FnMut(&mut Screen)) {
        show(&mut self.text);
        show(&mut self.documents);
    }
}

/// Makes the plan, and says what there is to confirm.
pub(super) fn plan(web: &Web, proposal: &Proposal, visitor: &Visitor) {
    let tools = &web.proposals.tools;
    let mut screens = Screens::of(&proposal.plan, tools);
    let planned = ready(web, proposal, visitor, &mut screens)
        .and_then(|ready| plans(tools, proposal, &ready, &mut screens))
        .and_then(|(status, shown)| Ok((status, fingerprint(&shown)?, shown)));
    match planned {
        Ok((_, fingerprint, shown)) if !shown.is_empty() && !proposal.interrupt.is_raised() => {
            proposal.planned(fingerprint, shown);
        }
        Ok((status, ..)) => proposal.ended(status),
        Err(error) => {
            screens.error(&error);
            proposal.ended(error.kind.exit_status());
        }
    }
}

/// Reads the inventory, and selects what is meant of what somebody may see.
pub(super) fn ready(
    web: &Web,
    proposal: &Proposal,
    visitor: &Visitor,
    screens: &mut Screens,
) -> Result<Ready, CommandError> {
    let (tools, asked) = (&web.proposals.tools, &proposal.asked);
    check_names(web, visitor, asked)?;
    let loaded = inventory::load(tools.inventory.as_deref())?;
    let (name, folder) = (loaded.name(), loaded.folder());
    let sees_all = visitor.sees_all();
    // They quote the inventory, which has other sites, too.
    let refusal = |problems: Problems, screens: &mut Screens| {
        if sees_all {
            screens.both(|screen| show_problems(&problems, screen));
        }
        problems.refusal()
    };
    let (inventory, edited) = match asked.deed {
        Deed::Scale(processes) => {
            let edited = edit(asked, processes)?.make(&name, &loaded.text, &folder);
            let edited = edited.map_err(|error| match error {
                EditError::Refused(error) => error,
                EditError::Problems(problems) => refusal(problems, screens),
            })?;
            (edited.inventory, Some(edited.text))
        }
        _ => {
            let read = inventory::read_beside(&name, &loaded.text, &folder);
            (read.map_err(|problems| refusal(problems, screens))?, None)
        }
    };
    let mut work = match asked.deed {
        Deed::Rollback(_) => taken_back(web, proposal, visitor, &inventory, screens)?,
        _ => HostWork::of(asked.selector()?.select(&inventory)?.with_sites()?),
    };
    keep_seen(web, visitor, &mut work);
    if work.is_empty() {
        return Err(no_sites());
    }
    Ok(Ready { work, loaded, inventory, edited })
}

/// What is named has to be there for this visitor: what is said of a name that is not would offer others. Only who
/// sees every site edits the file that has them all.
fn check_names(web: &Web, visitor: &Visitor, asked: &Asked) -> Result<(), CommandError> {
    let hosts = web.answers.hosts_for(visitor);
    let Asked { deed, host, site, program: _ } = asked;
    if !host.is_empty() && hosts.iter().all(|one| one.name() != host) {
        return Err(CommandError::refused(format!("there is no host `{host}` here")));
    }
    if !site.is_empty() && hosts.iter().all(|one| !one.knows(site)) {
        return Err(CommandError::refused(format!("there is no site `{site}` here")));
    }
    if matches!(deed, Deed::Scale(_)) && !visitor.sees_all() {
        let message = "the inventory is of all sites, and you see only some of them";
        return Err(CommandError::refused(message));
    }
    Ok(())
}

fn edit(asked: &Asked, processes: u32) -> Result<Edit, CommandError> {
    let set = Assignment::set("numprocs", &processes.to_string()).map_err(CommandError::refused)?;
    let (site, program) = (asked.site.clone(), asked.program.clone());
    Ok(Edit { site, program, change: Change::Set(vec![set]) })
}

/// What goes back, where a run is taken back.
fn taken_back(
    web: &Web,
    proposal: &Proposal,
    visitor: &Visitor,
    inventory: &Inventory,
    screens: &mut Screens,
) -> Result<Vec<HostWork>, CommandError> {
    let (tools, asked) = (&web.proposals.tools, &proposal.asked);
    let called = tools.called.as_ref();
    let selector = asked.selector()?;
    let (nothing, unseen) = (&Prune::Nothing, Emptied::Unseen);
    let mut work = selected_with_leavers(inventory, called, &selector, nothing, unseen)?;
    // Sites that left a host are of it as a whole.
    if !visitor.sees_all() {
        work.iter_mut().for_each(|work| work.leaving = None);
    }
    keep_seen(web, visitor, &mut work);
    let fleet = fleet(tools, proposal);
    let answered = fleet.on_each(&work, Rules::all(tools.parallel), &history_of);
    let mut answers = LookOutcome::default();
    let found = work.iter().zip(answered).collect();
    let histories = histories(found, &mut answers, &mut screens.text)?;
    let back = chosen(asked.takes_back(), &histories)?;
    let sites = ways(&histories, back.id);
    screens.both(|screen| {
        show_taken_back(&back, &sites, &mut LookOutcome::default(), screen);
    });
    match going(&work, &sites)? {
        work if work.is_empty() => Err(nothing_to_take_back(&back, &sites)),
        work => Ok(work),
    }
}

/// Keeps of it what is shown here, to this visitor.
fn keep_seen(web: &Web, visitor: &Visitor, work: &mut Vec<HostWork>) {
    for work in work.iter_mut() {
        let shown = web.answers.host_for(visitor, work.name());
        work.sites
            .retain(|site| shown.as_ref().is_some_and(|host| host.knows(site.domain.as_str())));
    }
    work.retain(|work| !work.sites.is_empty() || work.leaving.is_some());
}

/// The way to hosts, on which whoever stops the proposal is heard.
pub(super) fn fleet(tools: &Tools, proposal: &Proposal) -> Fleet {
    Fleet { ssh: tools.ssh.clone(), interrupt: proposal.interrupt.clone(), watcher: None }
}

/// Asks each host for its plans and shows them: the exit status, and the plans that there is something to do for.
fn plans(
    tools: &Tools,
    proposal: &Proposal,
    ready: &Ready,
    screens: &mut Screens,
) -> Result<(u8, Fingerprints), CommandError> {
    let Ready { work, loaded, edited, .. } = ready;
    if let Some(after) = edited {
        show_edit(loaded, after, &proposal.asked, screens, |view, screen| view.show_diff(screen));
    }
    proposal.hosts(work.iter().map(|work| work.name().to_owned()));
    let (goal, options) = proposal.asked.goal();
    let asides = (screens.text.asides(), screens.documents.asides());
    let mut plans = (Plans::new(PlanFormat::Text), Plans::new(PlanFormat::Text));
    let mut shown = Fingerprints::new();
    fleet(tools, proposal).on_each_in_turn(
        work,
        Rules::all(tools.parallel),
        &|work, host| {
            proposal.host(work.name(), HostState::AtWork, None);
            let planned = plans_of(host, work, goal, options.clone())?;
            proposal.host(work.name(), HostState::Planned, None);
            let text = HostPage::of(work.name(), &planned, asides.0());
            let documents = HostPage::of(work.name(), &planned, asides.1());
            let kept = SavedPlan::fingerprints(&planned).filter(|_| planned.have_something_to_do());
            Ok((text, documents, kept))
        },
        &mut |work, answer| {
            let (text, documents) = match answer {
                Ok((text, documents, kept)) => {
                    shown.extend(kept.map(|kept| (work.name().to_owned(), kept)));
                    (Ok(text), Ok(documents))
                }
                Err(error) => {
                    let why = describe_failure(&error);
                    proposal.host(work.name(), HostState::Failed, Some(why));
                    (Err(error.clone()), Err(error))
                }
            };
            plans.0.add(work, text, &mut screens.text);
            plans.1.add(work, documents, &mut screens.documents);
        },
    );
    plans.1.end(false, &mut screens.documents);
    Ok((plans.0.end(false, &mut screens.text), shown))
}

/// Shows something of the edit of the inventory.
pub(super) fn show_edit(
    loaded: &Loaded,
    after: &str,
    asked: &Asked,
    screens: &mut Screens,
    show: impl Fn(&EditView<'_>, &mut Screen),
) {
    let name = loaded.name();
    let view = EditView {
        inventory: &name,
        site: &asked.site,
        program: &asked.program,
        before: &loaded.text,
        after,
        inventory_only: false,
    };
    screens.both(|screen| show(&view, screen));
}

/// One word for all plans: whoever confirms says which were shown.
fn fingerprint(shown: &Fingerprints) -> Result<String, CommandError> {
    let text = serde_json::to_vec(shown).map_err(|source| {
        CommandError::refused("cannot write the fingerprints as JSON").caused_by(&source)
    })?;
    Ok(hex(&Sha256::digest(&text)))
}
