//! What comes before and after whatever changes servers: the hooks of the inventory, and who is told.

use std::path::PathBuf;

use crate::error::{CommandError, ErrorKind};
use crate::fleet::{FleetOutcome, Order};
use crate::host::LocalHost;
use crate::inventory::Loaded;
use crate::notify::{
    Commands, Message, News, NotWell, Remembered, Seen, Sent, news_of_drift, news_of_run,
};
use crate::system::{Clock as _, SystemClock};

/// The commands of an inventory around a run.
pub(crate) struct Around<'a> {
    pub(crate) commands: Commands<'a>,
    /// The inventory as records call it: what has failed is remembered by it.
    pub(crate) inventory: &'a str,
}

/// What came of a run, once whoever is to be told was.
pub(crate) struct After {
    /// The exit status; an error where all went well but the hook behind it.
    pub(crate) status: Result<u8, CommandError>,
    /// Why the hook behind a run failed that had failed itself.
    pub(crate) hook: Option<CommandError>,
    /// What could not be told or noted: no failure of what was done.
    pub(crate) sent: Sent,
}

impl Around<'_> {
    /// Whether something comes before the first server is changed.
    pub(crate) fn has_hook_before(&self, order: &Order) -> bool {
        order.apply.record && self.commands.notices.before.is_some()
    }

    /// The first server is about to be changed.
    pub(crate) fn before(&self, order: &Order) -> Result<(), CommandError> {
        match order.apply.record {
            true => self.commands.before(&order.run.id.to_string(), &order.run.command),
            false => Ok(()),
        }
    }

    /// Each server has ended.
    pub(crate) fn after(&self, order: &Order, ends: FleetOutcome) -> After {
        let (status, was_done) = (ends.exit_status(), ends.was_done());
        let run = order.run.id.to_string();
        let sent = self.tell(Some(&run), |not_well| news_of_run(ends.ended, not_well));
        if !(was_done && order.apply.record) {
            return After { status: Ok(status), hook: None, sent };
        }
        let (status, hook) = match self.commands.after(&run, &order.run.command, status) {
            Err(error) if status == 0 => (Err(error.of_kind(ErrorKind::Partial)), None),
            Err(error) => (Ok(status), Some(error)),
            Ok(()) => (Ok(status), None),
        };
        After { status, hook, sent }
    }

    /// Tells what is different from when it was last looked at.
    pub(crate) fn tell_drift(&self, seen: Vec<Seen>) -> Sent {
        self.tell(None, |not_well| news_of_drift(seen, not_well))
    }

    fn tell(&self, run: Option<&str>, news: impl FnOnce(&mut NotWell) -> Vec<News>) -> Sent {
        if !self.commands.notices.tells() {
            return Sent::default();
        }
        let mut failed = Vec::new();
        let news = match Remembered::of(&state(), self.inventory) {
            Ok(mut remembered) => {
                let news = news(&mut remembered.not_well);
                failed.extend(remembered.keep(self.inventory).err());
                news
            }
            Err(error) => {
                failed.push(error);
                news(&mut NotWell::new())
            }
        };
        let Sent { sent, failed: unsent } = self.commands.tell(&messages(&news, run));
        failed.extend(unsent);
        Sent { sent, failed }
    }
}

/// Where the commands of an inventory run.
pub(crate) fn commands_folder(loaded: &Loaded) -> PathBuf {
    loaded.folder().join(".")
}

/// Where this machine keeps what it remembers. A timer's root has no home.
fn state() -> PathBuf {
    LocalHost::state_of_user().unwrap_or_else(LocalHost::default_state_base)
}

/// The messages of what is new.
pub(crate) fn messages(news: &[News], run: Option<&str>) -> Vec<Message> {
    let at = SystemClock::start().timestamp().to_string();
    news.iter().filter_map(|news| news.message(run, &at).ok()).collect()
}
