//! One group of an update whose processes are stopping.

use std::collections::BTreeSet;
use std::time::Duration;

use super::again::StopRequest;
use super::work::{GroupWork, StopFirst};
use super::{Look, Teller};
use crate::event::{ProcessChange, Waited};
use crate::supervisord::{ProcessInfo, ProcessState};

/// What a process may take beyond its `stopwaitsecs`: supervisord looks once a second, then the
/// kernel has to end it.
const STOP_MARGIN: Duration = Duration::from_secs(5);
/// How long supervisord may take to start a group that was added before it counts as not starting.
const SETTLE: Duration = Duration::from_secs(5);

/// A group that something of is to stop.
#[derive(Debug)]
pub(super) struct Stopping {
    pub(super) item: GroupWork,
    stage: StopStage,
    deadline: Duration,
    /// The processes that were seen up and asked to stop.
    asked: BTreeSet<String>,
    told_stopped: BTreeSet<String>,
}

/// Where it has got to.
#[derive(Debug)]
enum StopStage {
    /// Its processes stop before it is changed.
    Before,
    /// It came back, and those of its processes stop again that are to stay stopped.
    Settling { until: Duration },
}

/// What a look says of it.
pub(super) enum StopSeen {
    /// Not all of its processes are down.
    StillUp,
    /// They are: it can be changed.
    Down,
    /// It has settled, and nothing is left to do.
    Settled,
    /// It has had its time.
    Late,
}

impl Stopping {
    /// Has its processes stop, from `began` on.
    pub(super) fn before(item: GroupWork, began: Duration) -> Self {
        Self::new(item, StopStage::Before, began)
    }

    /// Has those processes stop again that supervisord starts and that are to stay stopped.
    pub(super) fn settling(item: GroupWork, now: Duration) -> Self {
        Self::new(item, StopStage::Settling { until: now + SETTLE }, now + SETTLE)
    }

    fn new(item: GroupWork, stage: StopStage, from: Duration) -> Self {
        let seconds = Duration::from_secs(u64::from(item.stop_seconds));
        let deadline = from + seconds + STOP_MARGIN;
        Self { item, stage, deadline, asked: BTreeSet::new(), told_stopped: BTreeSet::new() }
    }

    /// Whether its time is not over.
    pub(super) fn has_time(&self, now: Duration) -> bool {
        now < self.deadline
    }

    /// Sees its processes: `stops` gets those to ask to stop.
    pub(super) fn look(
        &mut self,
        look: &Look,
        stops: &mut Vec<StopRequest>,
        teller: &mut Teller<'_>,
    ) -> StopSeen {
        let processes = look.group(&self.item.group).iter();
        let concerned: Vec<&ProcessInfo> =
            processes.filter(|process| self.concerns(&process.name)).collect();
        let how = match self.stage {
            StopStage::Before => self.item.stop_signal,
            StopStage::Settling { .. } => self.item.stop_again_signal,
        };
        for process in concerned.iter().filter(|process| process.state.is_running()) {
            if self.item.stop != StopFirst::WaitOnly {
                stops.push(StopRequest::new(process, how));
            }
            self.asked.insert(process.name.clone());
        }
        for process in concerned.iter().filter(|process| process.state.is_stopped()) {
            if self.asked.contains(&process.name) && self.told_stopped.insert(process.name.clone())
            {
                teller.process(process.display_name(), ProcessChange::Stopped);
            }
        }
        match (self.is_through(&concerned, look.now), &self.stage) {
            (true, StopStage::Before) => StopSeen::Down,
            (true, StopStage::Settling { .. }) => StopSeen::Settled,
            (false, _) if look.now >= self.deadline => StopSeen::Late,
            (false, _) => StopSeen::StillUp,
        }
    }

    /// The way back of a group that has not stopped in time: what of it is down starts as it is, and
    /// the namespecs of the rest. `None` if this is no way back.
    pub(super) fn without_late(&self, look: &Look) -> Option<(GroupWork, Vec<String>)> {
        if !self.item.starts_anyway {
            return None;
        }
        let processes = look.group(&self.item.group).iter();
        let late: Vec<&ProcessInfo> = processes.filter(|p| !p.state.is_stopped()).collect();
        let mut item = GroupWork { remove: false, add: false, ..self.item.clone() };
        item.start.retain(|name| late.iter().all(|process| process.name != *name));
        Some((item, late.into_iter().map(ProcessInfo::namespec).collect()))
    }

    /// Its processes that are waited for, unless it only settles.
    pub(super) fn waited(&self, look: &Look) -> Vec<Waited> {
        if matches!(self.stage, StopStage::Settling { .. }) {
            return Vec::new();
        }
        let seconds_left = self.deadline.saturating_sub(look.now).as_secs();
        let processes = look.group(&self.item.group).iter();
        let waited = processes.filter(|p| self.concerns(&p.name) && !p.state.is_stopped());
        waited.map(|p| Waited { name: p.display_name(), seconds_left }).collect()
    }

    /// Whether this process of the group is to stop in the present stage.
    fn concerns(&self, process: &str) -> bool {
        match (&self.stage, &self.item.stop) {
            (StopStage::Settling { .. }, _) => self.item.keep_stopped.iter().any(|n| n == process),
            (StopStage::Before, StopFirst::Everything | StopFirst::WaitOnly) => true,
            (StopStage::Before, StopFirst::These(names)) => {
                names.iter().any(|name| name == process)
            }
            (StopStage::Before, StopFirst::Nothing) => false,
        }
    }

    fn is_through(&self, concerned: &[&ProcessInfo], now: Duration) -> bool {
        let down = concerned.iter().all(|process| process.state.is_stopped());
        if self.item.stop == StopFirst::WaitOnly && matches!(self.stage, StopStage::Before) {
            return concerned.iter().all(|process| process.state != ProcessState::Stopping);
        }
        match self.stage {
            StopStage::Before => down,
            // supervisord starts them about a second after the group came: not before that.
            StopStage::Settling { until } => {
                down && (now >= until
                    || concerned.iter().all(|process| self.asked.contains(&process.name)))
            }
        }
    }
}
