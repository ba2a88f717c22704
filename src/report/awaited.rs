//! One thing that is waited for, in words.

use std::time::Duration;

use crate::error::cut;
use crate::event::{Event, Rolling, WaitingFor};
use crate::inventory::Domain;
use crate::system::sanitized;

/// Something that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) what: Awaited,
    pub(super) since: Duration,
    /// When it counts as failed, where that is known.
    pub(super) until: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Awaited {
    Process {
        site: Domain,
        name: String,
        to: WaitingFor,
        rolling: Option<Rolling>,
    },
    /// supervisord, which reads so many files.
    Reading(usize),
    /// Somebody else's apply.
    Holder(String),
}

impl Wait {
    pub(super) fn is_for_process(&self) -> bool {
        matches!(self.what, Awaited::Process { .. })
    }

    pub(super) fn is_of(&self, of: &Domain) -> bool {
        matches!(&self.what, Awaited::Process { site, .. } if site == of)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.what == other.what
    }

    /// What stands in one line.
    pub(super) fn group(&self) -> String {
        match &self.what {
            Awaited::Process { name, .. } => {
                let group = name.split_once(':').map_or(name.as_str(), |(group, _)| group);
                sanitized(&cut(group))
            }
            what => what.subject(),
        }
    }

    pub(super) fn left(&self, now: Duration) -> Option<String> {
        Some(spent(self.until?.saturating_sub(now)))
    }
}

impl Awaited {
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Process { name, .. } => sanitized(&cut(name)),
            Self::Reading(files) => format!("supervisord to read {files} files"),
            Self::Holder(holder) => format!("{} to end", sanitized(&cut(holder))),
        }
    }

    pub(super) fn doing(&self) -> &'static str {
        match self {
            Self::Process { to: WaitingFor::Stop, .. } => "stopping",
            Self::Process { to: WaitingFor::Health, .. } => "coming up",
            Self::Process { to: WaitingFor::Probe, .. } => "probed",
            Self::Reading(_) | Self::Holder(_) => "waiting",
        }
    }

    pub(super) fn rolling(&self) -> Option<Rolling> {
        match self {
            Self::Process { rolling, .. } => *rolling,
            Self::Reading(_) | Self::Holder(_) => None,
        }
    }
}

/// What an event says is waited for.
pub(super) fn waits_of(event: &Event, now: Duration) -> Vec<Wait> {
    let until = |seconds: u64| now.saturating_add(Duration::from_secs(seconds));
    match event {
        Event::Waiting { site, until: to, processes, rolling } => {
            let mut waits = Vec::new();
            for process in processes {
                let (site, name, to) = (site.clone(), process.name.clone(), *to);
                let what = Awaited::Process { site, name, to, rolling: *rolling };
                waits.push(Wait { what, since: now, until: Some(until(process.seconds_left)) });
            }
            waits
        }
        Event::Reading { files, seconds } => {
            let (what, until) = (Awaited::Reading(*files), seconds.map(until));
            vec![Wait { what, since: now, until }]
        }
        Event::LockHeld { holder, seconds } => {
            let (what, until) = (Awaited::Holder(holder.clone()), seconds.map(until));
            vec![Wait { what, since: now, until }]
        }
        _ => Vec::new(),
    }
}

/// How long something took in all: `0.4 s`, `12 s`.
pub(super) fn took(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        _ => spent(time),
    }
}

/// `12 s`, `3 min 5 s`, `1 h 4 min`.
pub(super) fn spent(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
