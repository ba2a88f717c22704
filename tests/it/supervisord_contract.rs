//! What we rely on about supervisord, held against the real one and the one in memory alike.

#![expect(clippy::disallowed_methods, reason = "reads what a process has written")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

use std::cell::RefCell;
use std::time::Duration;

use crate::fake::{Autorestart, Behaviour, FakeSupervisord, GroupConfig, ProcessConfig};
use supervisor_sync::supervisord::{
    Answer, Call, Fault, FaultCode, ProcessInfo, ProcessState, Reload, Supervisord as _,
};

mod hosts;

use hosts::{FakeHost, Host, RealHost};

use crate::daemon::reread;

macro_rules! contract {
    ($($name:ident)*) => {
        mod fake {
            $(#[test]
            fn $name() {
                super::$name(&mut super::FakeHost(super::FakeSupervisord::new()));
            })*
        }
        mod real {
            $(#[test]
            fn $name() {
                if let Some(mut host) = super::RealHost::start() {
                    super::$name(&mut host);
                }
            })*
        }
    };
}

contract! {
    reload_compares_files_with_groups
    add_answers_before_it_starts_anything
    autostart_decides_for_added_groups
    add_takes_what_was_read_last
    a_group_cannot_be_added_twice
    running_group_cannot_be_removed
    unknown_names_are_faults
    unwaited_stop_answers_at_once
    what_is_stopped_cannot_be_stopped
    what_runs_cannot_be_started
    crash_at_once_ends_fatal
    late_crash_restarts_without_end
    expected_exit_stays_down
    a_command_that_is_not_there
    fault_spares_rest_of_batch
    a_broken_file_changes_nothing
    two_hundred_groups_in_one_batch
    group_stops_processes_one_by_one
    odd_names_are_bad_names
    single_info_matches_full_list
}

/// A group that needs no startsecs to be RUNNING.
fn quick(name: &str, behaviour: Behaviour) -> GroupConfig {
    GroupConfig::program(name, behaviour).each(|process| process.startsecs = Duration::ZERO)
}

fn add(name: &str) -> Call {
    Call::AddProcessGroup(name.to_owned())
}

fn remove(name: &str) -> Call {
    Call::RemoveProcessGroup(name.to_owned())
}

fn stop(namespec: &str) -> Call {
    Call::StopProcess(namespec.to_owned())
}

fn start(namespec: &str) -> Call {
    Call::StartProcess(namespec.to_owned())
}

fn done(host: &mut impl Host, call: Call) {
    assert_eq!(host.door().call(call.clone()).unwrap(), Ok(Answer::Done), "{call:?}");
}

/// The fault of a call, which must be worded `NAME: detail` on both.
fn refused(host: &mut impl Host, call: Call, code: FaultCode, detail: &str) {
    let answer = host.door().call(call.clone()).unwrap();
    assert_eq!(answer, Err(Fault::new(code, detail)), "{call:?}");
}

fn reload(host: &mut impl Host) -> Reload {
    reread(host.door()).unwrap()
}

fn processes(host: &mut impl Host) -> Vec<ProcessInfo> {
    host.door().get_all_process_info().unwrap().unwrap()
}

fn process(host: &mut impl Host, namespec: &str) -> ProcessInfo {
    processes(host).into_iter().find(|one| one.namespec() == namespec).unwrap()
}

/// The process as it was seen in that state: on a busy machine it may have left it since.
fn wait_for(host: &mut impl Host, namespec: &str, state: ProcessState) -> ProcessInfo {
    let seen = RefCell::new(None);
    host.wait(&format!("{namespec} is {state:?}"), &|processes| {
        let found = processes.iter().find(|one| one.namespec() == namespec && one.state == state);
        *seen.borrow_mut() = found.cloned();
        found.is_some()
    });
    seen.into_inner().unwrap()
}

/// What a batch is answered while web:web, which crashes at once, is in BACKOFF, and the process
/// before and after it. BACKOFF lasts a second, and what is asked in one batch is answered at one
/// moment; a batch that came too late is asked again, of a process that is started anew if need be.
fn in_backoff(
    host: &mut impl Host,
    calls: &[Call],
) -> (ProcessInfo, Vec<Result<Answer, Fault>>, ProcessInfo) {
    let one = |answer| match answer {
        Some(Ok(Answer::Processes(processes))) => processes.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    };
    let look = [Call::GetAllProcessInfo];
    let batch = [&look, calls, &look].concat();
    for _ in 0..100 {
        host.wait("web:web is in BACKOFF, or has given up", &|processes| {
            let settled = [ProcessState::Backoff, ProcessState::Fatal, ProcessState::Stopped];
            processes.iter().any(|one| settled.contains(&one.state))
        });
        let mut answers = host.door().batch(&batch).unwrap();
        let after = one(answers.pop());
        let before = one(Some(answers.remove(0)));
        if before.state == ProcessState::Backoff {
            return (before, answers, after);
        }
        let _ = host.door().call(start("web:web")).unwrap();
    }
    panic!("web:web was never seen in BACKOFF");
}

/// Writes, reads and adds these groups.
fn run(host: &mut impl Host, groups: Vec<GroupConfig>) {
    let names: Vec<_> = groups.iter().map(|group| group.name.clone()).collect();
    host.write(groups);
    reload(host);
    for name in names {
        done(host, add(&name));
    }
}

fn difference(added: &[&str], changed: &[&str], removed: &[&str]) -> Reload {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Reload { added: owned(added), changed: owned(changed), removed: owned(removed) }
}

fn reload_compares_files_with_groups(host: &mut impl Host) {
    assert_eq!(reload(host), Reload::default());
    let idle = |name| GroupConfig::program(name, Behaviour::Runs).each(|p| p.autostart = false);
    host.write(vec![idle("b"), idle("a"), idle("c")]);
    assert_eq!(reload(host), difference(&["a", "b", "c"], &[], &[]));
    // Reading is no applying: it says the same again.
    assert_eq!(reload(host), difference(&["a", "b", "c"], &[], &[]));
    for name in ["a", "b", "c"] {
        done(host, add(name));
    }
    assert_eq!(reload(host), Reload::default());

    host.write(vec![idle("a"), idle("b").each(|p| p.other = "new".into()), idle("d")]);
    assert_eq!(reload(host), difference(&["d"], &["b"], &["c"]));
    done(host, remove("c"));
    done(host, remove("b"));
    assert_eq!(reload(host), difference(&["b", "d"], &[], &[]));
    // Back to how it was: nothing is changed any more.
    host.write(vec![idle("a")]);
    assert_eq!(reload(host), Reload::default());
}

fn add_answers_before_it_starts_anything(host: &mut impl Host) {
    host.write(vec![GroupConfig::program("web", Behaviour::Runs)]);
    let calls = [Call::ReloadConfig, add("web"), Call::GetAllProcessInfo];
    let answers = host.door().batch(&calls).unwrap();
    let Some(Ok(Answer::Processes(processes))) = answers.last() else { unreachable!() };
    let [web] = &processes[..] else { unreachable!() };
    assert_eq!((web.state, web.pid, web.start), (ProcessState::Stopped, 0, 0));
    let starting = wait_for(host, "web:web", ProcessState::Starting);
    assert!(starting.pid > 0 && starting.start > 0, "{starting:?}");
    let running = wait_for(host, "web:web", ProcessState::Running);
    assert_eq!((running.pid, running.start), (starting.pid, starting.start));
}

fn autostart_decides_for_added_groups(host: &mut impl Host) {
    let idle = quick("idle", Behaviour::Runs).each(|process| process.autostart = false);
    run(host, vec![idle, quick("web", Behaviour::Runs)]);
    wait_for(host, "web:web", ProcessState::Running);
    assert_eq!(process(host, "idle:idle").state, ProcessState::Stopped);
    done(host, start("idle:idle"));
    wait_for(host, "idle:idle", ProcessState::Running);
    // What was stopped by hand stays so.
    done(host, stop("web:web"));
    let stopped = wait_for(host, "web:web", ProcessState::Stopped);
    assert!(stopped.stop >= stopped.start && stopped.start > 0, "{stopped:?}");
    assert_eq!(stopped.exitstatus, -1, "ended by a signal");
    assert_eq!(reload(host), Reload::default());
    assert_eq!(process(host, "web:web").state, ProcessState::Stopped);
}

fn add_takes_what_was_read_last(host: &mut impl Host) {
    host.write(vec![quick("web", Behaviour::Runs)]);
    refused(host, add("web"), FaultCode::BadName, "web");
    reload(host);
    host.write(vec![]);
    done(host, add("web"));
    assert_eq!(reload(host), difference(&[], &[], &["web"]));
}

fn a_group_cannot_be_added_twice(host: &mut impl Host) {
    run(host, vec![quick("web", Behaviour::Runs)]);
    refused(host, add("web"), FaultCode::AlreadyAdded, "web");
}

fn running_group_cannot_be_removed(host: &mut impl Host) {
    run(host, vec![quick("web", Behaviour::Drains(Duration::from_millis(700)))]);
    wait_for(host, "web:web", ProcessState::Running);
    host.wait_until_prepared("web");
    refused(host, remove("web"), FaultCode::StillRunning, "web");
    done(host, stop("web:web"));
    refused(host, remove("web"), FaultCode::StillRunning, "web");
    assert_eq!(wait_for(host, "web:web", ProcessState::Stopped).exitstatus, 0);
    done(host, remove("web"));
    refused(host, remove("web"), FaultCode::BadName, "web");
    assert_eq!(processes(host), []);
}

fn unknown_names_are_faults(host: &mut impl Host) {
    run(host, vec![quick("web", Behaviour::Runs)]);
    for call in [add, remove, start, stop] {
        refused(host, call("nope"), FaultCode::BadName, "nope");
    }
    for call in [start, stop] {
        refused(host, call("nope:web"), FaultCode::BadName, "nope:web");
        refused(host, call("web:nope"), FaultCode::BadName, "web:nope");
    }
}

fn unwaited_stop_answers_at_once(host: &mut impl Host) {
    run(host, vec![quick("web", Behaviour::Drains(Duration::from_millis(900)))]);
    let running = wait_for(host, "web:web", ProcessState::Running);
    host.wait_until_prepared("web");
    done(host, stop("web:web"));
    let stopping = process(host, "web:web");
    assert_eq!((stopping.state, stopping.pid), (ProcessState::Stopping, running.pid));
    refused(host, stop("web:web"), FaultCode::NotRunning, "web:web");
    // Says true and does nothing: whoever restarts has to wait for STOPPED first.
    done(host, start("web:web"));
    let stopped = wait_for(host, "web:web", ProcessState::Stopped);
    assert_eq!((stopped.pid, stopped.start), (0, running.start));
}

fn what_is_stopped_cannot_be_stopped(host: &mut impl Host) {
    run(host, vec![quick("web", Behaviour::Runs).each(|process| process.autostart = false)]);
    refused(host, stop("web:web"), FaultCode::NotRunning, "web:web");
}

fn what_runs_cannot_be_started(host: &mut impl Host) {
    run(host, vec![quick("web", Behaviour::Runs)]);
    wait_for(host, "web:web", ProcessState::Running);
    refused(host, start("web:web"), FaultCode::AlreadyStarted, "web:web");
    // A name alone is the process of that name in the group of that name.
    refused(host, start("web"), FaultCode::AlreadyStarted, "web");
}

fn crash_at_once_ends_fatal(host: &mut impl Host) {
    let crash = Behaviour::Exits { after: Duration::ZERO, status: 1 };
    run(host, vec![GroupConfig::program("web", crash).each(|process| process.startretries = 1)]);
    let (backoff, answers, _) = in_backoff(host, &[start("web:web"), remove("web")]);
    let reason = "Exited too quickly (process log may have details)";
    assert_eq!(backoff.spawnerr, reason);
    assert_eq!((backoff.pid, backoff.exitstatus), (0, 0));
    let fault = |code, detail| Err(Fault::new(code, detail));
    let runs = [fault(FaultCode::AlreadyStarted, "web:web"), fault(FaultCode::StillRunning, "web")];
    assert_eq!(answers, runs);
    let fatal = wait_for(host, "web:web", ProcessState::Fatal);
    assert_eq!((fatal.spawnerr.as_str(), fatal.pid), (reason, 0));
    refused(host, stop("web:web"), FaultCode::NotRunning, "web:web");
    // FATAL is for good, until a start begins anew; a stop ends BACKOFF at once.
    done(host, start("web:web"));
    let (_, answers, stopped) = in_backoff(host, &[stop("web:web")]);
    assert_eq!(answers, [Ok(Answer::Done)]);
    assert_eq!(stopped.state, ProcessState::Stopped);
    done(host, remove("web"));
}

/// A crash after `startsecs` is restarted without end.
fn late_crash_restarts_without_end(host: &mut impl Host) {
    let crash = Behaviour::Exits { after: Duration::from_millis(300), status: 1 };
    run(host, vec![quick("web", crash).each(|process| process.startretries = 0)]);
    let mut pids = Vec::new();
    for _ in 0..3 {
        let running = wait_for(host, "web:web", ProcessState::Running);
        assert!(!pids.contains(&running.pid));
        pids.push(running.pid);
        let last = running.pid;
        host.wait("it has another pid", &|processes| {
            processes.iter().all(|one| one.pid != last && one.state == ProcessState::Running)
        });
    }
}

fn expected_exit_stays_down(host: &mut impl Host) {
    let exit = |status| Behaviour::Exits { after: Duration::from_millis(200), status };
    run(
        host,
        vec![
            quick("expected", exit(0)),
            quick("listed", exit(7)).each(|process| process.exitcodes = vec![0, 7]),
            quick("never", exit(3)).each(|process| process.autorestart = Autorestart::Never),
        ],
    );
    assert_eq!(wait_for(host, "expected:expected", ProcessState::Exited).exitstatus, 0);
    let listed = wait_for(host, "listed:listed", ProcessState::Exited);
    assert_eq!((listed.exitstatus, listed.spawnerr.as_str(), listed.pid), (7, "", 0));
    let never = wait_for(host, "never:never", ProcessState::Exited);
    assert_eq!((never.exitstatus, never.spawnerr.as_str()), (3, "Bad exit code 3"));
    refused(host, stop("never:never"), FaultCode::NotRunning, "never:never");
    // None of them comes back.
    host.wait("two more seconds have passed", &|processes| {
        processes.iter().all(|one| one.now > never.now + 1)
    });
    assert_eq!(process(host, "listed:listed").start, listed.start);
    assert_eq!(process(host, "expected:expected").state, ProcessState::Exited);
    done(host, remove("never"));
}

fn a_command_that_is_not_there(host: &mut impl Host) {
    let retries = |process: &mut ProcessConfig| process.startretries = 0;
    run(host, vec![GroupConfig::program("no-such-command", Behaviour::NotFound).each(retries)]);
    let namespec = "no-such-command:no-such-command";
    let fatal = wait_for(host, namespec, ProcessState::Fatal);
    assert_eq!(fatal.spawnerr, "can't find command 'no-such-command'");
    refused(host, start(namespec), FaultCode::NoFile, &fatal.spawnerr);
}

fn fault_spares_rest_of_batch(host: &mut impl Host) {
    host.write(vec![quick("a", Behaviour::Runs), quick("b", Behaviour::Runs)]);
    reload(host);
    let calls = [add("a"), add("nope"), add("b"), add("a"), Call::GetPid];
    let answers = host.door().batch(&calls).unwrap();
    assert_eq!(
        answers[..4],
        [
            Ok(Answer::Done),
            Err(Fault::new(FaultCode::BadName, "nope")),
            Ok(Answer::Done),
            Err(Fault::new(FaultCode::AlreadyAdded, "a")),
        ]
    );
    assert!(matches!(answers[4], Ok(Answer::Number(_))), "{answers:?}");
}

fn a_broken_file_changes_nothing(host: &mut impl Host) {
    run(host, vec![quick("web", Behaviour::Runs)]);
    let before = wait_for(host, "web:web", ProcessState::Running);
    host.write(vec![quick("other", Behaviour::Runs)]);
    host.break_config();
    let fault = reread(host.door()).unwrap_err();
    assert_eq!(fault.code, FaultCode::CantReread);
    assert!(fault.text.starts_with("CANT_REREAD: File contains no section headers."), "{fault}");
    let after = process(host, "web:web");
    assert_eq!((after.pid, after.start), (before.pid, before.start));
    // What was read before is still what can be added.
    refused(host, add("other"), FaultCode::BadName, "other");
    refused(host, add("web"), FaultCode::AlreadyAdded, "web");
    host.write(vec![quick("other", Behaviour::Runs)]);
    assert_eq!(reload(host), difference(&["other"], &[], &["web"]));
}

fn two_hundred_groups_in_one_batch(host: &mut impl Host) {
    let names: Vec<_> = (0..200).map(|n| format!("p{n:03}")).collect();
    let idle = |name: &String| quick(name, Behaviour::Runs).each(|p| p.autostart = false);
    host.write(names.iter().map(idle).collect());
    assert_eq!(reload(host).added, names);
    let adds: Vec<_> = names.iter().map(|name| add(name)).collect();
    assert_eq!(host.door().batch(&adds).unwrap(), vec![Ok(Answer::Done); 200]);
    let found: Vec<_> = processes(host).into_iter().map(|one| one.group).collect();
    assert_eq!(found, names);
}

fn group_stops_processes_one_by_one(host: &mut impl Host) {
    let quick = |process: &mut ProcessConfig| process.startsecs = Duration::ZERO;
    run(host, vec![GroupConfig::instances("web", 3, &Behaviour::Runs).each(quick)]);
    for namespec in ["web:web_00", "web:web_01", "web:web_02"] {
        wait_for(host, namespec, ProcessState::Running);
    }
    refused(host, stop("web"), FaultCode::BadName, "web");
    done(host, stop("web:web_01"));
    wait_for(host, "web:web_01", ProcessState::Stopped);
    assert_eq!(process(host, "web:web_02").state, ProcessState::Running);
    refused(host, remove("web"), FaultCode::StillRunning, "web");
    let stops = [stop("web:web_00"), stop("web:web_02")];
    assert_eq!(host.door().batch(&stops).unwrap(), vec![Ok(Answer::Done); 2]);
    host.wait("all are stopped", &|all| all.iter().all(|one| one.state.is_stopped()));
    done(host, remove("web"));
}

/// Markup and line ends reach supervisord as they are.
fn odd_names_are_bad_names(host: &mut impl Host) {
    for name in
        ["a&b<c>\"d\"'e", "&amp;", "]]>", " blank ", "é漢🦀", "line\nline", "cr\rlf\r\n", "%s"]
    {
        refused(host, add(name), FaultCode::BadName, name);
    }
    // Nothing else in the batch suffers from a character that XML cannot carry.
    let answers = host.door().batch(&[add("bell\u{7}"), Call::GetPid]).unwrap();
    assert!(matches!(&answers[0], Err(Fault { code: FaultCode::BadName, .. })), "{answers:?}");
    assert!(matches!(answers[1], Ok(Answer::Number(_))), "{answers:?}");
}

/// Of the real one alone: the signal that stops a process is the one it was loaded with, also when
/// supervisord has read another one since. So a stop that was lost is repeated by the former file.
#[test]
fn process_stops_by_loaded_signal() {
    let daemon = or_skip!(crate::daemon::Daemon::start());
    let asked = daemon.root().join("asked");
    let trap = |signal| format!("trap \"echo {signal} > {}; exit\" {signal}; ", asked.display());
    let (one, other, ready) = (trap("USR1"), trap("INT"), daemon.root().join("ready"));
    let command =
        format!("/bin/sh -c '{one}{other}: > {}; while :; do sleep 0.05; done'", ready.display());
    let write = |signal| {
        let text = format!("[program:w]\ncommand={command}\nautorestart=false\nstartsecs=0\n");
        daemon.write_conf("w", &format!("{text}stopsignal={signal}\n"));
    };
    let mut client = daemon.client();
    let stopped_by = || {
        crate::daemon::wait_until(crate::daemon::PATIENCE, "it handles signals", || ready.exists());
        daemon.client().call(stop("w:w")).unwrap().unwrap();
        daemon.wait_for_state("w:w", ProcessState::Stopped);
        std::fs::remove_file(&ready).unwrap();
        std::fs::read_to_string(&asked).unwrap()
    };
    write("USR1");
    reread(&mut client).unwrap();
    client.call(add("w")).unwrap().unwrap();
    daemon.wait_for_state("w:w", ProcessState::Running);
    write("INT");
    assert_eq!(reread(&mut client).unwrap().changed, ["w"]);
    assert_eq!(stopped_by(), "USR1\n");
    // Also of a process that was started since.
    client.call(start("w:w")).unwrap().unwrap();
    assert_eq!(stopped_by(), "USR1\n");
    client.call(remove("w")).unwrap().unwrap();
    client.call(add("w")).unwrap().unwrap();
    daemon.wait_for_state("w:w", ProcessState::Running);
    assert_eq!(stopped_by(), "INT\n");
}

fn single_info_matches_full_list(host: &mut impl Host) {
    run(host, vec![quick("a", Behaviour::Runs), quick("b", Behaviour::Runs)]);
    let running = wait_for(host, "b:b", ProcessState::Running);
    let info = |namespec: &str| Call::GetProcessInfo(namespec.to_owned());
    let calls = [info("b:b"), info("b:none"), info("none:b"), info("b:*"), Call::GetAllProcessInfo];
    let answers = host.door().batch(&calls).unwrap();
    let [Ok(Answer::Process(one)), not @ .., Ok(Answer::Processes(all))] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!((one.pid, one.start, one.state), (running.pid, running.start, running.state));
    assert_eq!(all.iter().find(|process| process.group == "b"), Some(&**one));
    let bad = not.iter().map(|answer| answer.as_ref().unwrap_err().code);
    assert_eq!(bad.collect::<Vec<_>>(), [FaultCode::BadName; 3]);
    // One that was taken out is as unknown as one that never was.
    done(host, stop("b:b"));
    wait_for(host, "b:b", ProcessState::Stopped);
    done(host, remove("b"));
    assert_eq!(host.door().call(info("b:b")).unwrap().unwrap_err().code, FaultCode::BadName);
}
