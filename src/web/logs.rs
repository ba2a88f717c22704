//! The ends of logs. A page shows the last that was read, and has it read again; whoever follows a log gets each
//! line as it comes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::api::{ChosenSite, LogsRequest};
use crate::error::CommandError;
use crate::event::{Event, LinePlace, LogLine};
use crate::fleet::{Fleet, HostWork};
use crate::inventory::{ProgramName, Programs, Site};
use crate::system::{Clock as _, Interrupt, SystemClock};
use crate::transport::SshSettings;

/// How many of the last lines are read.
pub(super) const LINES: u32 = 200;
/// A log that was read this many seconds ago is read again when somebody looks at it.
const FRESH: i64 = 3;
/// The same of what is around a line: it does not change, but that it goes.
const FRESH_AROUND: i64 = 60;
/// More logs than this are not kept: the one that was read first goes.
const KEPT: usize = 64;
/// More logs than this are not read at once, nor followed.
const AT_ONCE: usize = 32;

/// A program on a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LogKey {
    pub(super) host: String,
    pub(super) site: String,
    pub(super) program: String,
    /// A line of it, around which it is read; else its end is.
    pub(super) around: Option<LinePlace>,
}

/// The end of a log, or what is around a line, when it was read.
#[derive(Debug)]
pub(super) struct LogEnd {
    pub(super) at: Timestamp,
    pub(super) lines: Vec<LogLine>,
    /// Why there are no more, or none.
    pub(super) remarks: Vec<String>,
}

/// What is told of a log that is followed.
pub(super) enum Told<'l> {
    /// A line of it.
    Line(&'l LogLine),
    /// Something about it.
    Remark(&'l str),
    /// It is still followed.
    Alive,
    /// Nothing more will come.
    End,
}

/// The ends of logs that somebody has looked at.
pub(super) struct Logs {
    ssh: SshSettings,
    /// Tells pages that there is more.
    news: watch::Sender<u64>,
    kept: Arc<Mutex<HashMap<LogKey, Kept>>>,
    /// Threads that read one.
    readers: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Kept {
    end: Option<Arc<LogEnd>>,
    is_read: bool,
}

impl Logs {
    pub(super) fn new(ssh: SshSettings, news: watch::Sender<u64>) -> Self {
        Self { ssh, news, kept: Arc::default(), readers: Arc::default() }
    }

    /// The end that is known, and has it read again unless that was a moment ago. `None` if it was not read
    /// yet.
    pub(super) fn end(&self, work: &Arc<HostWork>, key: &LogKey) -> Option<Arc<LogEnd>> {
        let now = SystemClock::start().timestamp();
        let mut kept = lock(&self.kept);
        make_room(&mut kept, key);
        let entry = kept.entry(key.clone()).or_default();
        let end = entry.end.clone();
        let fresh = if key.around.is_some() { FRESH_AROUND } else { FRESH };
        let is_fresh = end.as_ref().is_some_and(|end| now.as_second() - end.at.as_second() < fresh);
        if !entry.is_read && !is_fresh {
            entry.is_read = self.read(work, key);
        }
        end
    }

    /// Has a thread read it; whether there is one.
    fn read(&self, work: &Arc<HostWork>, key: &LogKey) -> bool {
        let Some(reader) = Reader::begin(&self.readers) else { return false };
        let (kept, news) = (Arc::clone(&self.kept), self.news.clone());
        let (ssh, work, key) = (self.ssh.clone(), Arc::clone(work), key.clone());
        let read = move || {
            let _reader = reader;
            let end = read_end(ssh, &work, &key);
            let mut kept = lock(&kept);
            if let Some(entry) = kept.get_mut(&key) {
                *entry = Kept { end: Some(Arc::new(end)), is_read: false };
            }
            drop(kept);
            if key.around.is_some() {
                // Nobody follows it: the page has to hear of it.
                news.send_modify(|version| *version += 1);
            }
        };
        std::thread::Builder::new().spawn(read).is_ok()
    }

    /// Follows a log in a thread of its own, from its last lines on, until `each` says that it has had enough.
    /// `None` if too many are followed.
    pub(super) fn follow(
        &self,
        work: Arc<HostWork>,
        key: LogKey,
        grep: Option<String>,
        mut each: impl FnMut(Told<'_>) -> bool + Send + 'static,
    ) -> Option<()> {
        let reader = Reader::begin(&self.readers)?;
        let ssh = self.ssh.clone();
        let follow = move || {
            let _reader = reader;
            let interrupt = Interrupt::default();
            let request = |chosen| LogsRequest { grep, ..LogsRequest::last(chosen, LINES, true) };
            let told = ask(ssh, &work, &key, &interrupt, request, &mut |event| {
                let goes_on = match event {
                    Event::LogLine(line) => each(Told::Line(&line)),
                    Event::Warning { text, .. } => each(Told::Remark(&text)),
                    _ => each(Told::Alive),
                };
                if !goes_on {
                    interrupt.raise();
                }
            });
            let told = told.iter().map(|remark| Told::Remark(remark));
            for told in told.chain([Told::End]) {
                if interrupt.is_raised() || !each(told) {
                    break;
                }
            }
        };
        std::thread::Builder::new().spawn(follow).ok().map(|_| ())
    }
}

/// Counts a thread that reads a log.
struct Reader(Arc<AtomicUsize>);

impl Reader {
    fn begin(readers: &Arc<AtomicUsize>) -> Option<Self> {
        let reader = Self(Arc::clone(readers));
        (readers.fetch_add(1, Ordering::Relaxed) < AT_ONCE).then_some(reader)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock(kept: &Mutex<HashMap<LogKey, Kept>>) -> MutexGuard<'_, HashMap<LogKey, Kept>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_room(kept: &mut HashMap<LogKey, Kept>, key: &LogKey) {
    if kept.len() < KEPT || kept.contains_key(key) {
        return;
    }
    let oldest = kept.iter().min_by_key(|(_, kept)| kept.end.as_ref().map(|end| end.at));
    if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
        kept.remove(&oldest);
    }
}

fn read_end(ssh: SshSettings, work: &HostWork, key: &LogKey) -> LogEnd {
    let (mut lines, mut warnings) = (Vec::new(), Vec::new());
    let around = key.around;
    let request = |chosen| LogsRequest { around, ..LogsRequest::last(chosen, LINES, false) };
    let told = ask(ssh, work, key, &Interrupt::default(), request, &mut |event| match event {
        Event::LogLine(line) => lines.push(line),
        Event::Warning { text, .. } => warnings.push(text),
        _ => {}
    });
    warnings.extend(told);
    LogEnd { at: SystemClock::start().timestamp(), lines, remarks: warnings }
}

/// Asks, and returns what went wrong, in words.
fn ask(
    ssh: SshSettings,
    work: &HostWork,
    key: &LogKey,
    interrupt: &Interrupt,
    request: impl FnOnce(Vec<ChosenSite>) -> LogsRequest,
    events: &mut dyn FnMut(Event),
) -> Vec<String> {
    let Some(chosen) = chosen(work, key) else {
        return vec!["the inventory does not have it any more".to_owned()];
    };
    let fleet = Fleet { ssh, interrupt: interrupt.clone(), watcher: None };
    let asked = fleet.connect(&work.host).and_then(|mut host| {
        let host = host.as_mut();
        host.logs(request(vec![chosen]), events)
    });
    match asked {
        Ok(unreadable) => unreadable
            .into_iter()
            .map(|log| format!("cannot read {}: {}", log.path.display(), log.reason))
            .collect(),
        Err(error) => vec![in_a_line(&error)],
    }
}

fn in_a_line(error: &CommandError) -> String {
    error.to_string().replace('\n', "; ")
}

fn chosen(work: &HostWork, key: &LogKey) -> Option<ChosenSite> {
    let site: &Site = work.sites.iter().find(|site| site.domain.as_str() == key.site)?;
    let program = ProgramName::parse(&key.program).ok()?;
    Some(ChosenSite { site: site.clone(), programs: Programs::Only([program].into()) })
}
