//! Starting and stopping programs as they are: a plan without files. Pure.

use std::collections::BTreeMap;

use super::group::is_up;
use super::loaded::{is_perhaps_former, stop_seconds};
use super::sections::Sections;
use super::{GroupAction, GroupChange, Reason, SitePlan};
use crate::actual::{ActualDaemon, ActualSite};
use crate::desired::{DesiredGroup, DesiredSite};
use crate::inventory::{Autorestart, Programs};
use crate::supervisord::{ProcessInfo, ProcessState};

/// What is done to the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Start,
    Stop,
}

/// Plans it for these programs of a site.
pub(super) fn plan_control(
    control: Control,
    programs: &Programs,
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    actual: &ActualSite,
) -> SitePlan {
    let mut plan = SitePlan::without_changes(desired.domain.clone());
    let sections = Sections::read(&plan, actual, &daemon.read_by());
    // Groups of the last apply that the inventory has no more (fewer separate instances) are still
    // the program's, and stop with it.
    let recorded = actual.record.iter().flat_map(|record| &record.groups);
    let left_over = recorded.filter(|_| control == Control::Stop);
    let groups: BTreeMap<&String, &DesiredGroup> = left_over.chain(&desired.groups).collect();
    for (name, wanted) in groups {
        if !programs.have(&wanted.program) {
            continue;
        }
        let group = Group { name, wanted, daemon };
        let running = group.named(is_up);
        if !running.is_empty() {
            plan.ran.insert(name.clone(), running);
        }
        let failing = group.named(|process| process.state == ProcessState::Backoff);
        if !failing.is_empty() {
            plan.failing.insert(name.clone(), failing);
        }
        let is_anothers = actual.is_anothers(name, daemon);
        let change = match control {
            Control::Start if is_anothers => Some((GroupAction::Leave, Reason::Anothers)),
            Control::Stop if is_anothers => {
                plan.warnings.push(format!("{name} is left alone: it is not this site's"));
                None
            }
            Control::Start => group.start(&mut plan.warnings),
            Control::Stop => group.stop(),
        };
        let Some((action, reason)) = change else {
            plan.unchanged.push(name.clone());
            continue;
        };
        let stop_seconds = stop_seconds(name, Some(wanted), daemon, actual, &sections);
        let desired = Some(wanted.clone());
        let stop_signals = sections.stop_signals(name, !is_perhaps_former(daemon, name));
        let change =
            GroupChange { desired, ..GroupChange::new(action, reason, stop_seconds, stop_signals) };
        plan.groups.insert(name.clone(), change);
    }
    plan
}

struct Group<'a> {
    name: &'a String,
    wanted: &'a DesiredGroup,
    daemon: &'a ActualDaemon,
}

impl Group<'_> {
    fn named(&self, which: impl Fn(&ProcessInfo) -> bool) -> Vec<String> {
        let processes = self.daemon.groups.get(self.name).map_or(&[][..], Vec::as_slice);
        processes.iter().filter(|p| which(p)).map(|p| p.name.clone()).collect()
    }

    fn pending(&self, of: fn(&crate::supervisord::Reload) -> &Vec<String>) -> bool {
        self.daemon.reread.as_ref().is_ok_and(|reread| of(reread).contains(self.name))
    }

    fn start(&self, warnings: &mut Vec<String>) -> Option<(GroupAction, Reason)> {
        if !self.daemon.groups.contains_key(self.name) {
            return Some(match self.pending(|reread| &reread.added) {
                true => (GroupAction::Add { start: true }, Reason::StartAsked),
                false => (GroupAction::Leave, Reason::NotKnown),
            });
        }
        let processes = self.named(|process| !is_up(process));
        if processes.is_empty() {
            return None;
        }
        let newer = self.pending(|reread| &reread.changed);
        if newer && self.named(is_up).is_empty() {
            return Some((GroupAction::Replace { start: true }, Reason::FileNewer));
        }
        if newer {
            warnings.push(format!(
                "{} has a newer file, which a start does not take up while others of its processes \
                 run; a restart does",
                self.name
            ));
        }
        Some((GroupAction::Start { processes }, Reason::StartAsked))
    }

    fn stop(&self) -> Option<(GroupAction, Reason)> {
        let processes = self.named(|process| match process.state {
            ProcessState::Stopped | ProcessState::Fatal | ProcessState::Unknown => false,
            ProcessState::Exited => self.comes_up_again(process),
            ProcessState::Starting
            | ProcessState::Running
            | ProcessState::Backoff
            | ProcessState::Stopping => true,
        });
        (!processes.is_empty()).then_some((GroupAction::Stop { processes }, Reason::StopAsked))
    }

    /// Whether supervisord starts this exited process again at its next turn.
    fn comes_up_again(&self, process: &ProcessInfo) -> bool {
        match self.wanted.autorestart {
            Autorestart::Always => true,
            Autorestart::Never => false,
            Autorestart::Unexpected => !u8::try_from(process.exitstatus)
                .is_ok_and(|status| self.wanted.exitcodes.contains(&status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{DaemonFacts, render};
    use crate::inventory::{
        CommandLine, Domain, Format, Paths, Program, ProgramName, Run, Site, UserName,
    };
    use crate::supervisord::Reload;
    use ProcessState::{Backoff, Exited, Fatal, Running, Stopped, Stopping};

    fn desired(autorestart: Autorestart) -> DesiredSite {
        let run = Run::Command(CommandLine::parse("sleep 1").unwrap());
        let program = |name| Program {
            autorestart,
            numprocs: 2,
            ..Program::new(ProgramName::parse(name).unwrap(), run.clone())
        };
        let site = Site {
            domain: Domain::parse("a.com").unwrap(),
            user: UserName::parse("deployer").unwrap(),
            format: Format::Hardened,
            config_files: Default::default(),
            config_suffix: Default::default(),
            configs: Vec::new(),
            groups: Vec::new(),
            paths: Paths::default(),
            programs: vec![program("one"), program("two")],
        };
        render(&site, &DaemonFacts::default()).unwrap()
    }

    fn process(name: &str, state: ProcessState) -> ProcessInfo {
        ProcessInfo {
            group: "a.com-one".into(),
            name: name.into(),
            state,
            pid: 0,
            start: 1,
            stop: 0,
            now: 2,
            exitstatus: 0,
            spawnerr: String::new(),
        }
    }

    /// The plan for `one`, of which the processes `a` and `b` are in these states.
    fn planned(control: Control, states: &[ProcessState], reread: Reload) -> SitePlan {
        let processes: Vec<ProcessInfo> =
            ["a", "b"].iter().zip(states).map(|(name, state)| process(name, *state)).collect();
        let groups = if states.is_empty() {
            BTreeMap::new()
        } else {
            BTreeMap::from([("a.com-one".to_owned(), processes)])
        };
        let daemon = ActualDaemon {
            version: "4.2.5".into(),
            reads_private_files: true,
            reread: Ok(reread),
            groups,
            ..ActualDaemon::default()
        };
        let one = Programs::Only([ProgramName::parse("one").unwrap()].into());
        let desired = desired(Autorestart::Unexpected);
        plan_control(control, &one, &desired, &daemon, &ActualSite::default())
    }

    fn action(plan: &SitePlan) -> Option<&GroupAction> {
        assert!(!plan.groups.contains_key("a.com-two"), "it was not asked for");
        plan.groups.get("a.com-one").map(|change| &change.action)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_not_up_starts() {
        let plan = |states: &[_]| planned(Control::Start, states, Reload::default());
        for (states, processes) in [
            ([Stopped, Running], &["a"][..]),
            ([Stopping, Fatal], &["a", "b"]),
            ([Exited, Backoff], &["a"]),
        ] {
            let wanted = GroupAction::Start { processes: names(processes) };
            assert_eq!(action(&plan(&states)), Some(&wanted), "{states:?}");
        }
        let up = plan(&[Running, Backoff]);
        assert!(up.is_empty() && up.unchanged == ["a.com-one"]);
    }

    /// A newer file is taken up unless something runs on the former one.
    #[test]
    fn newer_file_is_taken_up_when_down() {
        let newer = || Reload { changed: names(&["a.com-one"]), ..Reload::default() };
        let down = planned(Control::Start, &[Stopped, Fatal], newer());
        assert_eq!(action(&down), Some(&GroupAction::Replace { start: true }));
        let partly = planned(Control::Start, &[Stopped, Running], newer());
        assert_eq!(action(&partly), Some(&GroupAction::Start { processes: names(&["a"]) }));
        assert!(partly.warnings[0].contains("a.com-one has a newer file"), "{partly:?}");
    }

    #[test]
    fn unloaded_group_loads_from_its_file() {
        let added = Reload { added: names(&["a.com-one"]), ..Reload::default() };
        let plan = planned(Control::Start, &[], added);
        assert_eq!(action(&plan), Some(&GroupAction::Add { start: true }));
        let plan = planned(Control::Start, &[], Reload::default());
        assert_eq!(plan.groups["a.com-one"].reason, Reason::NotKnown);
        assert!(plan.is_empty());
    }

    #[test]
    fn everything_up_or_starting_stops() {
        let plan = |states: &[_]| planned(Control::Stop, states, Reload::default());
        for (states, processes) in [
            ([Running, Stopped], &["a"][..]),
            ([Backoff, Stopping], &["a", "b"]),
            ([Fatal, Running], &["b"]),
        ] {
            let wanted = GroupAction::Stop { processes: names(processes) };
            let plan = plan(&states);
            assert_eq!(action(&plan), Some(&wanted), "{states:?}");
            assert_eq!(plan.groups["a.com-one"].stop_seconds, 3600);
        }
        // Ended as expected: nothing starts it again.
        assert!(plan(&[Exited, Stopped]).is_empty());
        assert!(planned(Control::Stop, &[], Reload::default()).is_empty());
    }
}
