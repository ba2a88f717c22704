//! What a host says its supervisord includes and runs.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "looks at files, and makes a link")]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use supervisor_sync::api::wire::{AgentMessage, Ask, PROTOCOL};
use supervisor_sync::api::{Includes, Reply, Request, Target};
use supervisor_sync::host::LocalHost;
use supervisor_sync::inventory::{AbsolutePath, Paths, SupervisordAddress};
use supervisor_sync::supervisord::ProcessState;
use supervisor_sync::system::Interrupt;

use crate::daemon::reread;
use crate::site::Host;

fn paths(host: &Host) -> Paths {
    let path = |path: PathBuf| AbsolutePath::parse(path.to_str().unwrap()).unwrap();
    Paths {
        conf_dir: path(host.daemon.conf_dir()),
        supervisord: SupervisordAddress::Config(path(host.daemon.main_conf())),
        state_dir: Some(path(host.path("state"))),
        ..Paths::default()
    }
}

fn look(host: &Host) -> Includes {
    let mut local = LocalHost::new(host.path("state"), Interrupt::default());
    let target: &mut dyn Target = &mut local;
    target.includes(paths(host)).unwrap()
}

/// Somebody's programs, one beside ours, and what cannot be read.
fn furnished() -> Option<Host> {
    let host = Host::start()?;
    let text = "[program:celery]\r\ncommand=/bin/sleep 10%(process_num)d\r\nenvironment=A=\"%(ENV_HOME)s\"\r\n";
    host.daemon.write_conf("celery", text);
    host.daemon.write_conf("b", "[program:b]\ncommand=/bin/cat\nautostart=false\n");
    std::fs::write(
        host.daemon.conf_dir().join("a.conf"),
        b"; \xff\xfe\n[program:a]\ncommand=/bin/cat\n",
    )
    .unwrap();
    std::fs::write(host.daemon.conf_dir().join("ignored.ini"), "[program:i]\n").unwrap();
    std::os::unix::fs::symlink("nowhere", host.daemon.conf_dir().join("gone.conf")).unwrap();
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(host.conf("celery"), private).unwrap();
    Some(host)
}

#[test]
fn includes_are_told_in_order() {
    let host = or_skip!(furnished());
    std::fs::remove_file(host.conf("a")).unwrap();
    host.deploy("a.com").worker("w");
    super::verbs::wants(&host, &["program: w, script: w.sh"]);
    host.run(&["apply", "--yes"]).ended(0);
    reread(&mut host.daemon.client()).unwrap();
    host.daemon.supervisorctl(&["add", "celery", "b"]);
    host.daemon.wait_for_state("celery:celery", ProcessState::Running);
    let before = host.snapshot();
    let told = look(&host);
    before.assert_same(&host.snapshot());
    let names: Vec<&str> =
        told.files.iter().map(|file| file.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a.com-w.conf", "b.conf", "celery.conf", "gone.conf"]);
    let [_, b, celery, gone] = &told.files[..] else { panic!("{told:?}") };
    assert_eq!(*celery.bytes, *std::fs::read(host.conf("celery")).unwrap());
    assert_eq!((celery.mode, b.mode & 0o400), (0o600, 0o400));
    assert_eq!(celery.owner.as_deref(), Some(host.user.as_str()));
    assert_eq!(gone.link, Some("nowhere".into()));
    assert!(gone.unreadable.is_some() && b.unreadable.is_none());
    assert_eq!(told.main.path, host.daemon.main_conf());
    assert_eq!(told.patterns, [format!("{}/*.conf", host.daemon.conf_dir().display())]);
    let names: Vec<&str> = told.environment.keys().map(String::as_str).collect();
    assert_eq!(names, ["HOME", "PATH"], "only what the files name");
    assert!(!format!("{told:?}").contains(&told.environment["PATH"]));
    let daemon = told.daemon.unwrap();
    assert_eq!(daemon.pid, i64::from(host.daemon.pid()));
    assert_eq!(Some(daemon.version), crate::daemon::version().map(|version| version.text.clone()));
    assert_eq!(daemon.user.as_deref(), Some(host.user.as_str()));
    let [ours, b, celery] = &daemon.processes[..] else { panic!("{:?}", daemon.processes) };
    assert_eq!((ours.group.as_str(), ours.state.as_str()), ("a.com-w", "RUNNING"));
    assert_eq!((b.group.as_str(), b.state.as_str(), b.pid), ("b", "STOPPED", 0));
    assert_eq!(celery.pid, host.process("celery:celery").unwrap().pid);
    let [record] = &told.records[..] else { panic!("{:?}", told.records) };
    assert_eq!(record.site.as_str(), "a.com");
    assert!(record.files.contains(&host.conf("a.com-w")) && record.groups.contains("a.com-w"));
}

/// Bytes that are no text, and a supervisord that is gone, cross the wire.
#[test]
fn includes_cross_the_wire() {
    let mut host = or_skip!(furnished());
    host.daemon.stop();
    let ask = Ask {
        protocol: PROTOCOL,
        request: Request::Includes { paths: Box::new(paths(&host)) },
        confirms: false,
    };
    let mut agent = host.command(&["agent"]).stdin(Stdio::piped()).spawn();
    let mut keyboard = agent.keyboard();
    writeln!(keyboard, "{}", serde_json::to_string(&ask).unwrap()).unwrap();
    drop(keyboard);
    let said = agent.wait().ended(0).stdout;
    let message: AgentMessage = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let AgentMessage::Reply(Reply::Includes { includes: told }) = message else { panic!("{said}") };
    let a = told.files.iter().find(|file| file.path.ends_with("a.conf")).unwrap();
    assert!(a.bytes.starts_with(b"; \xff\xfe\n"));
    let error = told.daemon.unwrap_err().to_string();
    assert!(
        error.contains("cannot talk to supervisord") || error.contains("cannot ask"),
        "{error}"
    );
}
