//! `notify --test`, and what comes before and after each verb that changes servers.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::Context;
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{FleetOutcome, Order};
use crate::host::LocalHost;
use crate::inventory::NoticeKind;
use crate::notify::{
    Commands, Message, News, NotWell, Remembered, Seen, Sent, news_of_drift, news_of_run,
};
use crate::report::{Screen, show_sent, warn_unsent};
use crate::system::{Clock as _, SystemClock};

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

    /// Whether something comes before the first server is changed.
    pub(super) fn has_hook_before(&self, order: &Order) -> bool {
        let commands = self.commands().filter(|_| order.apply.record);
        commands.is_some_and(|commands| commands.notices.before.is_some())
    }

    /// The first server is about to be changed.
    pub(super) fn before_changes(&self, order: &Order) -> Result<(), CommandError> {
        match self.commands() {
            Some(commands) if order.apply.record => {
                commands.before(&order.run.id.to_string(), &order.run.command)
            }
            _ => Ok(()),
        }
    }

    /// Each server has ended: tells what came of it, and returns the exit status.
    pub(super) fn after_run(
        &self,
        order: &Order,
        ends: FleetOutcome,
        screen: &mut Screen,
    ) -> Result<u8, CommandError> {
        let (status, was_done) = (ends.exit_status(), ends.was_done());
        let Some(commands) = self.commands() else { return Ok(status) };
        let run = order.run.id.to_string();
        self.tell(&commands, Some(&run), |not_well| news_of_run(ends.ended, not_well), screen);
        if !(was_done && order.apply.record) {
            return Ok(status);
        }
        match commands.after(&run, &order.run.command, status) {
            Err(error) if status == 0 => Err(error.of_kind(ErrorKind::Partial)),
            Err(error) => {
                screen.error(None, &error);
                Ok(status)
            }
            Ok(()) => Ok(status),
        }
    }

    /// Tells what is different from when it was last looked at.
    pub(super) fn tell_drift(&self, seen: Vec<Seen>, screen: &mut Screen) {
        if let Some(commands) = self.commands() {
            self.tell(&commands, None, |not_well| news_of_drift(seen, not_well), screen);
        }
    }

    /// What cannot be told, or noted, is said: it is no failure of what was done.
    fn tell(
        &self,
        commands: &Commands<'_>,
        run: Option<&str>,
        news: impl FnOnce(&mut NotWell) -> Vec<News>,
        screen: &mut Screen,
    ) {
        if !commands.notices.tells() {
            return;
        }
        let inventory = self.inventory.get().map_or("", |inventory| inventory.path.as_str());
        let mut failed = Vec::new();
        // A timer's root has no home.
        let state = LocalHost::state_of_user().unwrap_or_else(LocalHost::default_state_base);
        let news = match Remembered::of(&state, inventory) {
            Ok(mut remembered) => {
                let news = news(&mut remembered.not_well);
                failed.extend(remembered.keep(inventory).err());
                news
            }
            Err(error) => {
                failed.push(error);
                news(&mut NotWell::new())
            }
        };
        let Sent { sent, failed: unsent } = commands.tell(&messages(&news, run));
        failed.extend(unsent);
        warn_unsent(&Sent { sent, failed }, screen);
    }
}

fn messages(news: &[News], run: Option<&str>) -> Vec<Message> {
    let at = SystemClock::start().timestamp().to_string();
    news.iter().filter_map(|news| news.message(run, &at).ok()).collect()
}
