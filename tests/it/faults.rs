//! Promise: an apply that fails restores files and programs, or says exactly what it could not.
//! Every single operation on the disk and every single call to supervisord fails once.

#![expect(clippy::disallowed_methods, reason = "changes the host as a person would")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a check that fails fails the test")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use crate::fake::Lost;
use rustix::io::Errno;
use supervisor_sync::apply::{FailedAt, Outcome};
use supervisor_sync::event::{Event, WaitingFor};
use supervisor_sync::inventory::{Program, RestartPolicy, Site};
use supervisor_sync::plan::{PlanOptions, Running};
use supervisor_sync::records::journal::{JournaledFile, PathContent};
use supervisor_sync::records::{Journal, JournalPhase};
use supervisor_sync::supervisord::{Call, Fault, FaultCode, ProcessState};
use supervisor_sync::system::Interrupt;
use supervisor_sync::system::files::FileContent;

use crate::simulated::{
    Bridge, Failing, FaultyFiles, Host, Look, Order, idle, origin, program, with,
};

/// A host that lives: applied once, then used and touched by people.
struct Scenario {
    host: Host,
    site: Site,
    /// What it looks like before anything fails.
    before: Look,
}

impl Scenario {
    fn new() -> Self {
        let host = Host::new();
        let former = host.site(vec![
            program("keep", "runs"),
            program("change", "runs one"),
            program("gone", "drains-2"),
            program("hand", "runs one"),
            idle(program("idle", "runs one")),
            program("link", "runs"),
            program("mode", "runs"),
        ]);
        let applied = host.apply(&former);
        assert!(matches!(applied.report.unwrap().outcome, Outcome::Applied { .. }));
        host.by_hand(Call::StopProcess("example.com-hand:example.com-hand".to_owned()));
        host.by_hand(Call::StartProcess("example.com-idle:example.com-idle".to_owned()));
        let (link, elsewhere) = (host.conf("link"), host.at("elsewhere.conf"));
        std::fs::rename(&link, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        let open = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(host.conf("mode"), open).unwrap();
        let kept = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(host.conf("change"), kept).unwrap();
        std::fs::remove_dir_all(host.at("log")).unwrap();
        let site = host.site(vec![
            program("keep", "runs"),
            with(program("change", "drains-1 two"), |program| program.numprocs = 2),
            program("hand", "runs two"),
            idle(program("idle", "runs two")),
            program("link", "runs"),
            program("mode", "runs"),
            program("new", "runs"),
            idle(program("new-idle", "runs")),
        ]);
        let before = host.look();
        assert_eq!(before.up.len(), 6, "{:?}", before.up);
        Self { host, site, before }
    }

    /// Whatever the run said of itself is true.
    fn check(&self, outcome: &Result<Outcome, FailedAt>, context: &str) {
        let now = self.host.look();
        match outcome {
            Ok(Outcome::Applied { .. }) => self.check_wanted(context),
            Ok(Outcome::RolledBack { .. } | Outcome::Refused { .. }) | Err(_) => {
                // The former files need the log folder as well: supervisord refused them without it.
                let mut now = now;
                now.files.retain(|path, _| path != "log" && !path.starts_with("log/"));
                assert_eq!(now, self.before, "{context}");
                // A disk that also refuses to remove keeps the half of a journal, which the next
                // one takes the place of.
                let left = self.host.leftovers();
                let harmless = |path: &String| path.starts_with("state/") && path.ends_with('~');
                assert!(left.iter().all(harmless), "{context}: {left:?}");
            }
            Ok(Outcome::Stuck { undo_errors, cause }) => {
                self.check_told(&now, &format!("{undo_errors:?} {cause:?}"), context);
            }
            other => panic!("{context}: {other:?}"),
        }
    }

    /// Every file and process that is neither as it was nor as wanted is named.
    fn check_told(&self, now: &Look, told: &str, context: &str) {
        if told.contains("files and programs are as wanted") {
            return self.check_files_and_processes(context);
        }
        let paths = now.files.keys().chain(self.before.files.keys()).collect::<BTreeSet<_>>();
        for path in
            paths.into_iter().filter(|path| !path.ends_with('~') && !path.starts_with("log"))
        {
            if now.files.get(path) != self.before.files.get(path) {
                assert!(told.contains(path.as_str()), "{context}: {path} is not in {told}");
            }
        }
        for process in self.before.up.difference(&now.up) {
            let (group, _) = process.split_once(':').unwrap();
            let lost = told.contains("lost supervisord")
                || told.contains("could not be seen")
                || told.contains("supervisord's memory");
            assert!(told.contains(group) || lost, "{context}: {process} is not in {told}");
        }
    }

    fn check_wanted(&self, context: &str) {
        self.check_files_and_processes(context);
        assert_eq!(self.host.leftovers(), [""; 0], "{context}");
        let plan = self.host.plan(&self.site);
        assert!(plan.empty, "{context}: {plan:?}");
    }

    fn check_files_and_processes(&self, context: &str) {
        let now = self.host.look();
        let up = [
            "change:example.com-change_00",
            "change:example.com-change_01",
            "idle:example.com-idle",
            "keep:example.com-keep",
            "link:example.com-link",
            "mode:example.com-mode",
            "new:example.com-new",
        ];
        let up: BTreeSet<String> = up.iter().map(|name| format!("example.com-{name}")).collect();
        assert_eq!(now.up, up, "{context}");
        let down = ["hand:example.com-hand", "new-idle:example.com-new-idle"];
        let down: BTreeSet<String> =
            down.iter().map(|name| format!("example.com-{name}")).collect();
        assert_eq!(now.down, down, "{context}");
        assert!(!self.host.conf("gone").exists() && self.host.at("log/deep").is_dir(), "{context}");
        assert!(self.host.conf("link").symlink_metadata().unwrap().is_file(), "{context}");
        let mode = |name| self.host.conf(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("mode"), mode("change")), (0o644, 0o640), "{context}");
    }

    /// A run without a fault makes it good.
    fn converge(&self, context: &str) {
        let applied = self.host.apply(&self.site);
        let outcome = applied.report.unwrap_or_else(|error| panic!("{context}: {error:?}")).outcome;
        let done = matches!(outcome, Outcome::Applied { .. } | Outcome::Unchanged);
        assert!(done, "{context}: {outcome:?}");
        self.check_wanted(context);
    }

    fn run(&self, files: &FaultyFiles, bridge: &mut Bridge) -> Result<Outcome, FailedAt> {
        let applied = self.host.apply_with(&self.site, files, bridge, &Order::default());
        applied.report.map(|report| report.outcome).map_err(|error| error.at)
    }
}

/// Runs the scenario with a disk that fails so, for every n, and returns how the runs ended.
fn every_operation(failing: fn(usize) -> Failing) -> Vec<&'static str> {
    let mut ends = Vec::new();
    for n in 1.. {
        let scenario = Scenario::new();
        let error = if n % 2 == 0 { Errno::NOSPC } else { Errno::IO };
        let files = FaultyFiles::new(Some(failing(n)), error);
        let outcome = scenario.run(&files, &mut Bridge::of(&scenario.host));
        let failed = files.failed.borrow().clone();
        let context = format!("{:?} ({})", failing(n), failed.first().map_or("", |f| f.as_str()));
        scenario.check(&outcome, &format!("{context}: {outcome:?}"));
        scenario.converge(&format!("{context}, then converging from {outcome:?}"));
        ends.push(match outcome {
            Ok(Outcome::Applied { .. }) => "applied",
            Ok(Outcome::RolledBack { .. }) => "rolled back",
            Ok(Outcome::Stuck { .. }) => "stuck",
            Ok(_) => "refused",
            Err(_) => "not begun",
        });
        if failed.is_empty() {
            break;
        }
    }
    ends
}

fn count(ends: &[&str], end: &str) -> usize {
    ends.iter().filter(|one| **one == end).count()
}

#[test]
fn each_disk_operation_fails_once() {
    let ends = every_operation(Failing::Once);
    assert_eq!(ends.last(), Some(&"applied"));
    assert!(count(&ends, "rolled back") > 25, "{ends:?}");
    assert!(count(&ends, "not begun") > 10, "{ends:?}");
    // Only what comes after the programs are as wanted: the revision and the journal.
    assert!(count(&ends, "stuck") < 12, "{ends:?}");
}

#[test]
fn disk_fails_for_good() {
    let ends = every_operation(Failing::From);
    assert_eq!(ends.last(), Some(&"applied"));
    assert!(count(&ends, "stuck") > 20, "{ends:?}");
    assert!(count(&ends, "rolled back") > 1, "{ends:?}");
}

#[test]
fn each_batch_is_lost() {
    for lost in [Lost::Request, Lost::Answer] {
        let mut rolled_back = 0;
        for n in 1.. {
            let scenario = Scenario::new();
            let mut bridge = Bridge::of(&scenario.host);
            bridge.lost = Some((n, lost));
            let outcome = scenario.run(&FaultyFiles::sound(), &mut bridge);
            let context = format!("{lost:?} of batch {n}: {outcome:?}");
            scenario.check(&outcome, &context);
            scenario.converge(&format!("converging after {context}"));
            rolled_back += usize::from(matches!(outcome, Ok(Outcome::RolledBack { .. })));
            if bridge.batches < n {
                assert!(matches!(outcome, Ok(Outcome::Applied { .. })));
                break;
            }
        }
        assert!(rolled_back > 5, "{lost:?}: {rolled_back}");
    }
}

#[test]
fn each_call_answers_each_fault_once() {
    let faults = [
        FaultCode::CantReread,
        FaultCode::StillRunning,
        FaultCode::BadName,
        FaultCode::AlreadyAdded,
        FaultCode::ShutdownState,
        FaultCode::SpawnError,
        FaultCode::Failed,
        FaultCode::NotRunning,
    ];
    for code in faults {
        for n in 1.. {
            let scenario = Scenario::new();
            let mut bridge = Bridge::of(&scenario.host);
            bridge.fault = Box::new(move |number, call| {
                // That a group is not there when it is, or the reverse: no supervisord says so.
                let lies = match code {
                    FaultCode::BadName => matches!(call, Call::RemoveProcessGroup(_)),
                    FaultCode::AlreadyAdded => matches!(call, Call::AddProcessGroup(_)),
                    _ => false,
                };
                (number == n && !lies).then(|| Fault::new(code, "x"))
            });
            let outcome = scenario.run(&FaultyFiles::sound(), &mut bridge);
            let context = format!("{code:?} of call {n}: {outcome:?}");
            scenario.check(&outcome, &context);
            scenario.converge(&format!("converging after {context}"));
            if bridge.calls < n {
                assert!(matches!(outcome, Ok(Outcome::Applied { .. })));
                break;
            }
        }
    }
}

/// A call that is refused for good is rolled back, or told where that cannot be.
#[test]
fn permanently_refused_call_rolls_back() {
    type Which = fn(&Call) -> bool;
    let calls: [(&str, FaultCode, Which); 5] = [
        ("reread", FaultCode::CantReread, |call| *call == Call::ReloadConfig),
        ("stop", FaultCode::Failed, |call| matches!(call, Call::StopProcess(_))),
        ("remove", FaultCode::StillRunning, |call| matches!(call, Call::RemoveProcessGroup(_))),
        ("add", FaultCode::BadName, |call| matches!(call, Call::AddProcessGroup(_))),
        ("start", FaultCode::NotExecutable, |call| matches!(call, Call::StartProcess(_))),
    ];
    for (name, code, which) in calls {
        let scenario = Scenario::new();
        let mut bridge = Bridge::of(&scenario.host);
        // The very first reread is the baseline.
        bridge.fault =
            Box::new(move |n, call| (n > 4 && which(call)).then(|| Fault::new(code, "for good")));
        let outcome = scenario.run(&FaultyFiles::sound(), &mut bridge);
        assert!(!matches!(outcome, Ok(Outcome::Applied { .. })), "{name}: {outcome:?}");
        scenario.check(&outcome, &format!("{name}: {outcome:?}"));
        scenario.converge(&format!("converging after {name}: {outcome:?}"));
    }
}

#[test]
fn refused_reread_quotes_supervisord() {
    let scenario = Scenario::new();
    let mut bridge = Bridge::of(&scenario.host);
    let words = "Invalid user name nobody-here in section 'program:x'";
    let is_second = std::cell::Cell::new(0);
    bridge.fault = Box::new(move |_, call| {
        is_second.set(is_second.get() + usize::from(*call == Call::ReloadConfig));
        (*call == Call::ReloadConfig && is_second.get() == 2)
            .then(|| Fault::new(FaultCode::CantReread, words))
    });
    let outcome = scenario.run(&FaultyFiles::sound(), &mut bridge);
    let Ok(Outcome::RolledBack { cause }) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(cause.at, FailedAt::Reread);
    assert!(cause.error.to_string().contains(words), "{}", cause.error);
    scenario.check(&outcome, "refused reread");
}

/// Interrupts the apply as soon as processes drain: from then on it is as if it had been killed.
fn interrupt_while_draining(host: &Host, site: &Site, order: &Order) {
    let interrupt = host.interrupt.clone();
    let mut stop_at_drain = |event| {
        if matches!(event, Event::Waiting { until: WaitingFor::Stop, .. }) {
            interrupt.raise();
        }
    };
    let request = order.request(std::slice::from_ref(site));
    let applied =
        host.with(&FaultyFiles::sound(), &mut Bridge::of(host), &mut stop_at_drain, |instance| {
            instance.apply(&[&request.sites[0]], &request, &origin()).pop().unwrap()
        });
    let outcome = applied.report.unwrap().outcome;
    assert!(matches!(outcome, Outcome::Interrupted { .. }), "{outcome:?}");
    host.pass(20);
}

fn applied(host: &mut Host, programs: Vec<Program>) -> Site {
    host.interrupt = Interrupt::default();
    let site = host.site(programs);
    let outcome = host.apply(&site).report.unwrap().outcome;
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    assert_eq!(host.leftovers(), [""; 0]);
    site
}

fn up(host: &Host) -> Vec<String> {
    let short = |name: &String| name.rsplit_once(':').unwrap().1.replace("example.com-", "");
    host.look().up.iter().map(short).collect()
}

#[test]
fn interrupted_removal_is_completed() {
    let mut host = Host::new();
    applied(&mut host, vec![program("gone", "drains-5"), program("keep", "runs")]);
    let site = host.site(vec![program("keep", "runs")]);
    interrupt_while_draining(&host, &site, &Order::default());
    assert!(host.look().down.contains("example.com-gone:example.com-gone"));
    applied(&mut host, vec![program("keep", "runs")]);
    assert_eq!((up(&host), host.look().down.len()), (vec!["keep".to_owned()], 0));
}

/// A restart in between forgets nothing of an interrupted sync.
#[test]
fn restart_forgets_no_interrupted_sync() {
    let mut host = Host::new();
    applied(&mut host, vec![program("gone", "drains-5"), program("w", "drains-5 one")]);
    let site = host.site(vec![program("w", "drains-5 two"), program("new", "runs")]);
    interrupt_while_draining(&host, &site, &Order::default());
    host.interrupt = Interrupt::default();
    // It knows of one program alone: the rest of the site is not its business.
    let part = host.site(vec![program("w", "drains-5 two")]);
    let sound = FaultyFiles::sound();
    let restarted = host.apply_with(&part, &sound, &mut Bridge::of(&host), &Order::restart());
    assert_eq!(restarted.report.unwrap().outcome, Outcome::Applied { revision: None });
    assert!(up(&host).contains(&"w".to_owned()), "{:?}", up(&host));
    // The next sync wants none of what the interrupted one wrote, and knows all of it.
    applied(&mut host, vec![program("other", "runs")]);
    assert_eq!((up(&host), host.look().down.len()), (vec!["other".to_owned()], 0));
    let left: Vec<String> =
        host.look().files.into_keys().filter(|f| f.ends_with(".conf")).collect();
    assert_eq!(
        left,
        ["conf.d/example.com-other.conf", "logrotate.d/supervisor-example.com-other.conf"]
    );
}

/// A failure while finishing an interrupted apply leaves it to be finished.
#[test]
fn failed_finish_stays_to_be_finished() {
    let mut host = Host::new();
    applied(&mut host, vec![program("gone", "drains-5"), program("w", "drains-5 one")]);
    let site = host.site(vec![program("w", "drains-5 two"), program("new", "runs")]);
    interrupt_while_draining(&host, &site, &Order::default());
    host.interrupt = Interrupt::default();
    let failing = host.site(vec![program("w", "exits-0-1"), program("new", "runs")]);
    let outcome = host.apply(&failing).report.unwrap().outcome;
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome:?}");
    assert!(host.plan(&site).interrupted.is_some());
    assert!(up(&host).contains(&"w".to_owned()), "what ran before the interruption runs again");
    applied(&mut host, vec![]);
    assert_eq!((up(&host).len(), host.look().down.len()), (0, 0));
}

/// What it has stopped starts again also when restarts are deferred.
#[test]
fn interrupted_restart_starts_what_it_stopped() {
    let mut host = Host::new();
    let deferred =
        |command| with(program("w", command), |program| program.restart = RestartPolicy::Deferred);
    applied(&mut host, vec![deferred("drains-5 one")]);
    let site = host.site(vec![deferred("drains-5 one")]);
    let restart = PlanOptions::apply(Running::RestartAll);
    interrupt_while_draining(&host, &site, &Order { plan: restart, ..Order::default() });
    assert!(up(&host).is_empty());
    applied(&mut host, vec![deferred("drains-5 two")]);
    assert_eq!(up(&host), ["w"]);
}

#[test]
fn draining_process_starts_when_ended() {
    let mut host = Host::new();
    let programs = || vec![program("w", "drains-9")];
    applied(&mut host, programs());
    let site = host.site(programs());
    let restart = PlanOptions::apply(Running::RestartAll);
    let interrupt = host.interrupt.clone();
    let mut raise = |event| {
        if matches!(event, Event::Waiting { .. }) {
            interrupt.raise();
        }
    };
    let request = Order { plan: restart, ..Order::default() }.request(&[site]);
    let sound = FaultyFiles::sound();
    host.with(&sound, &mut Bridge::of(&host), &mut raise, |instance| {
        instance.apply(&[&request.sites[0]], &request, &origin());
    });
    let process = "example.com-w:example.com-w";
    assert_eq!(host.process(process).state, ProcessState::Stopping);
    applied(&mut host, programs());
    assert_eq!(host.process(process).state, ProcessState::Running);
}

#[test]
fn manual_stop_survives_interruption() {
    let mut host = Host::new();
    let programs = |text: &str| {
        vec![with(program("w", &format!("drains-5 {text}")), |program| program.numprocs = 2)]
    };
    applied(&mut host, programs("one"));
    host.by_hand(Call::StopProcess("example.com-w:example.com-w_01".to_owned()));
    host.pass(10);
    interrupt_while_draining(&host, &host.site(programs("two")), &Order::default());
    applied(&mut host, programs("two"));
    assert_eq!(up(&host), ["w_00"]);
}

/// A restart that was lost half way is finished by the next run.
#[test]
fn lost_restart_is_finished() {
    for n in 4..9 {
        for lost in [Lost::Request, Lost::Answer] {
            let mut host = Host::new();
            let site = applied(&mut host, vec![program("a", "drains-2"), program("b", "runs")]);
            let mut bridge = Bridge::of(&host);
            bridge.lost = Some((n, lost));
            let sound = FaultyFiles::sound();
            let _ = host.apply_with(&site, &sound, &mut bridge, &Order::restart());
            host.pass(20);
            let outcome = host.apply(&site).report.unwrap().outcome;
            assert_eq!(up(&host), ["a", "b"], "{lost:?} of batch {n}: {outcome:?}");
        }
    }
}

/// A fault for a list of processes is not an empty list: it would mean that nothing runs.
#[test]
fn fault_is_no_empty_list() {
    for n in 1.. {
        let mut host = Host::new();
        let site = applied(&mut host, vec![program("w", "drains-2")]);
        let started = host.process("example.com-w:example.com-w").pid;
        let restart = PlanOptions::apply(Running::RestartAll);
        let order = Order { plan: restart, ..Order::default() };
        let mut bridge = Bridge::of(&host);
        bridge.fault = Box::new(move |number, call| {
            let is_look = matches!(call, Call::GetAllProcessInfo | Call::GetProcessInfo(_));
            (number == n && is_look).then(|| Fault::new(FaultCode::Failed, "not now"))
        });
        let applied = host.apply_with(&site, &FaultyFiles::sound(), &mut bridge, &order);
        let outcome = applied.report.map(|report| report.outcome);
        let restarted = host.process("example.com-w:example.com-w").pid != started;
        if matches!(outcome, Ok(Outcome::Applied { .. })) {
            assert!(restarted, "call {n}: {outcome:?}");
        }
        assert_eq!(up(&host), ["w"], "call {n}: {outcome:?}");
        if bridge.calls < n {
            break;
        }
    }
}

/// A restart that was asked for is not lost on a change that supervisord does not see.
#[test]
fn restart_outlives_invisible_change() {
    let mut host = Host::new();
    let site = applied(&mut host, vec![program("w", "runs")]);
    let started = host.process("example.com-w:example.com-w").pid;
    let text = std::fs::read_to_string(host.conf("w")).unwrap();
    let section = text.lines().next().unwrap();
    // The same options in other words, read before by supervisord.
    let spaced = text.replace("autostart=true", "autostart =  true");
    std::fs::write(host.conf("w"), format!("{spaced}; {section}\n")).unwrap();
    let restart = PlanOptions::apply(Running::RestartAll);
    let order = Order { plan: restart, ..Order::default() };
    let sound = FaultyFiles::sound();
    let report = host.apply_with(&site, &sound, &mut Bridge::of(&host), &order).report.unwrap();
    assert!(matches!(report.outcome, Outcome::Applied { .. }), "{report:?}");
    assert_ne!(host.process("example.com-w:example.com-w").pid, started);
}

#[test]
fn anybody_puts_back_half_written_files() {
    let mut host = Host::new();
    let site = applied(&mut host, vec![program("w", "runs one")]);
    let other = host.site_of("other.com", vec![]);
    let former = host.look();
    // Killed after the swap, with a file that supervisord refuses.
    let broken = std::fs::read_to_string(host.conf("w")).unwrap().replace("runs one", "");
    let content = |text: &str| {
        PathContent::File(FileContent { bytes: text.into(), mode: 0o644, owner: None })
    };
    let before = std::fs::read_to_string(host.conf("w")).unwrap();
    let mut journal = Journal::new(site.domain.clone(), origin());
    journal.files.push(JournaledFile {
        path: host.conf("w"),
        before: content(&before),
        after: content(&broken),
    });
    host.state().begin(&FaultyFiles::sound(), &journal, JournalPhase::Files).unwrap();
    std::fs::write(host.conf("w"), &broken).unwrap();

    let plan = host.plan(&site);
    assert_eq!(plan.refusals, []);
    assert!(plan.interrupted.unwrap().ends_with("the next apply undoes it first"));
    assert!(host.plan(&other).notes.concat().contains("is undone first"));
    assert_ne!(host.look(), former, "a plan changes nothing");
    // Nothing to do for it, and yet it cleans up.
    let outcome = host.apply(&other).report.unwrap().outcome;
    assert_eq!(outcome, Outcome::Unchanged);
    assert_eq!((host.look(), host.leftovers()), (former, vec![]));
}
