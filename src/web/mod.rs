//! The fleet in a browser: a front door like `cli`, which only looks.
//!
//! Hosts are asked in the background (`rounds`), and the last answer of each is kept with its time
//! (`answers`). A page is made of what is kept, so none waits for a host: that holds for the end of a log, too
//! (`logs`). `server` takes connections, `guard` and `sessions` say who is let in and what a browser may do
//! with an answer, `visitor` what they may see and do, `routes` says what stands at which path, `pages` what people see there.
//!
//! Asking hosts is threads, as everywhere here. Only connections are tasks of an async runtime, in `server`
//! and `streams`: a page that stays open costs no thread.

mod acting;
mod address;
mod answers;
mod assets;
mod content;
mod counters;
mod diffs;
mod documents;
mod followed;
mod guard;
mod logs;
mod pages;
mod pulls;
mod query;
mod rounds;
mod routes;
mod rows;
mod server;
mod sessions;
mod site_on_host;
mod streams;
mod visitor;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::CommandError;
use crate::report::{Listening, Typed};
use crate::store::Store;
use crate::system::{Interrupt, SystemClock, users};
use crate::transport::SshSettings;

pub(crate) use address::Address;
pub(crate) use followed::Followed;
pub(crate) use visitor::Right;

use acting::{Proposals, Tools};
use answers::Answers;
use counters::Counters;
use diffs::Diffs;
use logs::Logs;
use pulls::Pulls;
use rounds::Turns;
use sessions::Sessions;

/// How the web view goes about it.
pub(crate) struct Settings {
    pub(crate) address: Address,
    /// How long after its last answer a host is asked again.
    pub(crate) every: Duration,
    /// How many hosts are asked at once.
    pub(crate) parallel: NonZeroUsize,
    /// The way to hosts.
    pub(crate) ssh: SshSettings,
    pub(crate) interrupt: Interrupt,
    /// What may be done from there.
    pub(crate) allowed: Vec<Right>,
    /// What was typed, for hints.
    pub(crate) typed: Arc<Typed>,
    /// What hosts pull from.
    pub(crate) store: Option<Box<dyn Store + Send + Sync>>,
}

/// What every page is made of.
struct Web {
    /// Who runs this, as records of runs call them.
    owner: String,
    answers: Answers,
    turns: Turns,
    proposals: Proposals,
    logs: Logs,
    diffs: Diffs,
    /// Without a store nobody has said anything.
    pulls: Pulls,
    sessions: Mutex<Sessions>,
    counters: Counters,
    clock: SystemClock,
}

/// Shows the fleet of an inventory until it is interrupted. `announce` is told where it is to be seen, and of
/// each new link.
pub(crate) fn serve(
    settings: Settings,
    followed: Followed,
    announce: &mut dyn FnMut(&Listening),
) -> Result<(), CommandError> {
    let Settings { address, every, parallel, ssh, interrupt, allowed, typed, store } = settings;
    let listener = address.listen()?;
    let tools = Tools {
        ssh: ssh.clone(),
        parallel,
        inventory: followed.named.clone(),
        called: followed.called.clone(),
        typed,
    };
    let answers = Answers::of(followed.work());
    let web = Arc::new(Web {
        owner: users::invoker(),
        diffs: Diffs::new(ssh.clone(), answers.news()),
        logs: Logs::new(ssh.clone(), answers.news()),
        pulls: Pulls::default(),
        answers,
        turns: Turns::default(),
        proposals: Proposals::new(tools, allowed),
        sessions: Mutex::new(Sessions::new(listener.cookie_name())?),
        counters: Counters::default(),
        clock: SystemClock::start(),
    });
    let rounds = rounds::Rounds { web: &web, ssh, interrupt: &interrupt, every };
    std::thread::scope(|scope| {
        // Whatever ends the server ends the threads: the scope waits for them.
        let _ends = EndsWith(interrupt.clone());
        rounds.begin(scope, parallel, followed)?;
        if let Some(store) = store {
            pulls::begin(scope, &web, store, (interrupt.clone(), every))?;
        }
        let served = server::run(&web, &listener, &interrupt, announce);
        web.proposals.end();
        served
    })
}

/// Raises the flag that all threads look at when it goes.
struct EndsWith(Interrupt);

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.0.raise();
    }
}
