//! The fleet in a browser: a front door like `cli`, which only looks.
//!
//! Hosts are asked in the background (`rounds`), and the last answer of each is kept with its time
//! (`answers`). A page is made of what is kept, so none waits for a host: that holds for the end of a log, too
//! (`logs`). `server` takes connections, `guard` and `sessions` say who is let in and what a browser may do
//! with an answer, `visitor` what they may see and do, `routes` says what stands at which path, `pages` what people see there.
//!
//! Asking hosts is threads, as everywhere here. Only connections are tasks of an async runtime, in `server`
//! and `streams`: a page that stays open costs no thread.

mod accounts;
mod acting;
mod address;
mod answers;
mod assets;
mod attempts;
mod audit;
mod content;
mod counters;
mod diffs;
mod documents;
mod followed;
mod followed_files;
mod guard;
mod logs;
mod paged;
mod pages;
mod passwords;
mod pulls;
mod query;
mod rounds;
mod routes;
mod rows;
mod server;
mod sessions;
mod sign_in;
mod site_on_host;
mod streams;
mod tls;
mod visitor;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::CommandError;
use crate::report::{Audited, Listening, Typed};
use crate::store::Store;
use crate::system::{Interrupt, SystemClock, users};
use crate::transport::SshSettings;

pub(crate) use address::Address;
pub(crate) use followed::Followed;
pub(crate) use passwords::hashed;
pub(crate) use visitor::Right;

use accounts::Accounts;
use acting::{Proposals, Tools};
use answers::Answers;
use attempts::Attempts;
use audit::Audit;
use counters::Counters;
use diffs::Diffs;
use logs::Logs;
use pulls::Pulls;
use rounds::Turns;
use sessions::Sessions;
use sign_in::Desk;
use tls::Tls;

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
    /// The file of who may sign in by name; else a link signs in whoever runs this.
    pub(crate) auth: Option<PathBuf>,
    /// A certificate and its key, to speak TLS with.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Where what people do is noted.
    pub(crate) audit: Option<PathBuf>,
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
    /// Who may sign in by name.
    accounts: Option<Accounts>,
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
    desk: Desk,
    /// How often somebody has signed out.
    signed_out: AtomicU64,
    audit: Audit,
    /// What browsers speak TLS with.
    tls: Option<Tls>,
    /// The address that it listens on, where browsers can say that.
    listens_on: Option<String>,
    counters: Counters,
    clock: SystemClock,
}

impl Web {
    /// Whether browsers speak TLS to us.
    fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Changes with what anybody may see: what is followed ends then, and a browser that may comes again by itself.
    fn rights(&self) -> (u64, u64) {
        let signed_out = self.signed_out.load(Ordering::Relaxed);
        (self.accounts.as_ref().map_or(0, Accounts::version), signed_out)
    }
}

/// What is told while it serves.
pub(crate) enum News {
    /// Where it is to be seen, and each new link.
    Listening(Listening),
    /// Somebody has done something.
    Done(Audited),
    /// Something does not hold that was changed.
    Trouble(CommandError),
}

/// Shows the fleet of an inventory until it is interrupted.
pub(crate) fn serve(
    settings: Settings,
    followed: Followed,
    announce: &mut dyn FnMut(News),
) -> Result<(), CommandError> {
    let Settings {
        address,
        every,
        parallel,
        ssh,
        interrupt,
        auth,
        tls,
        audit,
        allowed,
        typed,
        store,
    } = settings;
    let accounts = auth.map(Accounts::read).transpose()?;
    let tls = tls.map(|(certificate, key)| tls::read(certificate, key)).transpose()?;
    let auth = accounts.as_ref().map(Accounts::now);
    let listener = address.listen(auth.as_deref(), tls.is_some())?;
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
        accounts,
        sessions: Mutex::new(Sessions::new(listener.cookie_name())?),
        attempts: Mutex::default(),
        desk: Desk::default(),
        signed_out: AtomicU64::default(),
        audit: Audit::new(audit)?,
        tls,
        listens_on: listener.own_name(),
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
