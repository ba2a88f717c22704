//! `setup`: installs and starts what the selected hosts need, and says what is left to a person.

use std::collections::BTreeMap;

use clap::Args;

use super::Context;
use super::fleet::ParallelArguments;
use super::selected::SelectionArguments;
use crate::error::CommandError;
use crate::fleet::not_reached;
use crate::fleet::rollout::HostProgress;
use crate::report::{Screen, show_setup};

#[derive(Debug, Args)]
pub(super) struct SetupArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    parallel: ParallelArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &SetupArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected_hosts(&arguments.selection, screen)?;
    let several = work.len() > 1;
    let mut reports = BTreeMap::new();
    context.fleet.on_each_with_progress(
        &work,
        arguments.parallel.rules(),
        &|work, host, events| host.set_up(work.sites.clone(), events),
        &mut |progress| match progress {
            HostProgress::Event(place, event) => {
                if let Some(work) = work.get(place) {
                    screen.event(work.name(), several, &event);
                }
            }
            HostProgress::Ended(place, report) => _ = reports.insert(place, report),
            HostProgress::NotReached(place, why) => {
                _ = reports.insert(place, Err(not_reached(why)))
            }
            HostProgress::FewThreads(_) | HostProgress::Started(_) => {}
        },
    );
    let reports = work.iter().zip(reports.into_values()).collect();
    Ok(show_setup(reports, screen))
}
