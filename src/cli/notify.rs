//! `notify --test`, and what comes before and after each verb that changes servers.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::Context;
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{FleetOutcome, Order};
use crate::front::{After, Around, messages};
use crate::inventory::NoticeKind;
use crate::notify::{Commands, News, Seen};
use crate::report::{Screen, show_sent, warn_unsent};

#[derive(Debug, Args)]
pub(super) struct NotifyArguments {
    /// Send a notification of this kind, or one of each, to whoever wants to hear it; it says that it is a test
    #[arg(long, required = true, num_args = 0..=1, value_name = "EVENT", default_missing_value = "all")]
    #[arg(value_parser = PossibleValuesParser::new(["all"].into_iter().chain(NoticeKind::WORDS.iter().copied())))]
    test: String,
}

pub(super) fn run(
    context: &Context,
    arguments: &NotifyArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    context.inventory(screen)?;
    let Some(commands) = context.commands().filter(|commands| commands.notices.tells()) else {
        return Err(CommandError::refused("the inventory names nobody under `notify`")
            .hint("add one: notify: [{command: ./tell-us}]"));
    };
    let kinds = match NoticeKind::from_word(&arguments.test) {
        Some(kind) => vec![kind],
        None => NoticeKind::WORDS.iter().filter_map(|word| NoticeKind::from_word(word)).collect(),
    };
    let news: Vec<News> = kinds.into_iter().map(News::sample).collect();
    let sent = commands.tell(&messages(&news, None));
    let ended = if sent.failed.is_empty() { 0 } else { ErrorKind::Refused.exit_status() };
    show_sent(&sent, screen);
    Ok(ended)
}

impl Context {
    /// The commands of the inventory that was read.
    fn commands(&self) -> Option<Commands<'_>> {
        let (notices, folder) = self.notices.get()?;
        Some(Commands { notices, folder, interrupt: &self.fleet.interrupt })
    }

    fn around(&self) -> Option<Around<'_>> {
        let inventory = self.inventory.get().map_or("", |inventory| inventory.path.as_str());
        Some(Around { commands: self.commands()?, inventory })
    }

    /// Whether something comes before the first server is changed.
    pub(super) fn has_hook_before(&self, order: &Order) -> bool {
        self.around().is_some_and(|around| around.has_hook_before(order))
    }

    /// The first server is about to be changed.
    pub(super) fn before_changes(&self, order: &Order) -> Result<(), CommandError> {
        self.around().map_or(Ok(()), |around| around.before(order))
    }

    /// Each server has ended: tells what came of it, and returns the exit status.
    pub(super) fn after_run(
        &self,
        order: &Order,
        ends: FleetOutcome,
        screen: &mut Screen,
    ) -> Result<u8, CommandError> {
        let Some(around) = self.around() else { return Ok(ends.exit_status()) };
        let After { status, hook, sent } = around.after(order, ends);
        warn_unsent(&sent, screen);
        hook.iter().for_each(|error| screen.error(None, error));
        status
    }

    /// Tells what is different from when it was last looked at.
    pub(super) fn tell_drift(&self, seen: Vec<Seen>, screen: &mut Screen) {
        if let Some(around) = self.around() {
            warn_unsent(&around.tell_drift(seen), screen);
        }
    }
}
