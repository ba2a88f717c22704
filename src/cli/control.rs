//! `start` and `stop`: programs as they are, without an apply.

use clap::Args;

use super::Context;
use super::apply::Ends;
use super::programs::{OnHost, ProgramArguments};
use super::selected::unexpected;
use crate::apply::Outcome;
use crate::error::{CommandError, ErrorKind};
use crate::host::{AppliedSite, ControlRequest, Reply, Request, Target};
use crate::plan::Control;
use crate::report::Screen;

#[derive(Debug, Args)]
pub(super) struct StartArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    /// Do not watch what was started
    #[arg(long)]
    no_verify: bool,
    /// Seconds to wait for an apply on the same host
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_wait: u64,
}

#[derive(Debug, Args)]
pub(super) struct StopArguments {
    #[command(flatten)]
    selection: ProgramArguments,
    /// Seconds to wait for an apply on the same host
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_wait: u64,
}

/// One of the two as the command line has it.
struct Order {
    control: Control,
    verify: bool,
    lock_wait: u64,
}

pub(super) fn start(
    context: &Context,
    arguments: &StartArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let StartArguments { selection, no_verify, lock_wait } = arguments;
    let order = Order { control: Control::Start, verify: !no_verify, lock_wait: *lock_wait };
    carry_out(context, selection, &order, screen)
}

pub(super) fn stop(
    context: &Context,
    arguments: &StopArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let StopArguments { selection, lock_wait } = arguments;
    let order = Order { control: Control::Stop, verify: false, lock_wait: *lock_wait };
    carry_out(context, selection, &order, screen)
}

fn carry_out(
    context: &Context,
    selection: &ProgramArguments,
    order: &Order,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected_programs(selection, screen)?;
    let several = work.len() > 1;
    let mut ends = Ends::default();
    for on_host in &work {
        let name = on_host.host.name.as_str();
        let done = context
            .connect(&on_host.host)
            .and_then(|mut host| ask(host.as_mut(), on_host, several, order, screen));
        match done {
            Ok(sites) => {
                ends.tell(name, several, &sites, screen);
                if order.control == Control::Stop {
                    tell_of_stop(&sites, screen);
                }
            }
            Err(error) => {
                screen.error(Some(name), &error);
                ends.failed.push(error.kind);
            }
        }
        if context.interrupt.is_raised() {
            return Ok(ErrorKind::Interrupted.exit_status());
        }
    }
    Ok(ends.exit_status(work.len()))
}

fn ask(
    host: &mut dyn Target,
    on_host: &OnHost,
    several: bool,
    order: &Order,
    screen: &mut Screen,
) -> Result<Vec<AppliedSite>, CommandError> {
    let request = Request::Control(Box::new(ControlRequest {
        sites: on_host.sites.clone(),
        control: order.control,
        verify: order.verify,
        lock_wait: order.lock_wait,
    }));
    let name = on_host.host.name.as_str();
    match host.ask(request, &mut |event| screen.event(name, several, &event))? {
        Reply::Applied { sites } => Ok(sites),
        _ => Err(unexpected()),
    }
}

/// Nothing on the disk says that they are stopped: supervisord itself starts them again when it is
/// started, and an apply leaves them as they are.
fn tell_of_stop(sites: &[AppliedSite], screen: &mut Screen) {
    let stopped = |applied: &&AppliedSite| {
        let report = applied.report.as_ref();
        report.is_ok_and(|report| matches!(report.outcome, Outcome::Applied { .. }))
    };
    for applied in sites.iter().filter(stopped) {
        let site = &applied.site;
        screen.print(&format!(
            "They count as stopped by hand: an apply leaves them so. Start them: \
             supervisor-sync start --site {site}\n"
        ));
    }
}
