//! A daemon that takes a connection and says nothing: Ctrl-C is noticed at once, and a signal that only
//! passes by changes nothing.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Signal;

use super::is_connected;
use crate::daemon::{PATIENCE, signal, wait_until};
use crate::site::Host;

/// A second of grace, and a busy machine; far below the minute that an answer is waited for.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A host with a site that is not applied yet.
fn host() -> Option<Host> {
    let host = Host::start()?;
    host.deploy("one.com").worker("w");
    host.inventory(
        "  - domain: one.com\n    server: here\n    supervisors:\n      - {program: w, script: w.sh}\n",
    );
    Some(host)
}

#[test]
fn ctrl_c_works_while_daemon_hangs() {
    for arguments in [&["plan"][..], &["status"], &["apply", "--yes"], &["plan", "--json"]] {
        let host = or_skip!(host());
        let before = host.snapshot();
        host.daemon.freeze();
        let running = host.command(arguments).spawn();
        wait_until(PATIENCE, "it asks the daemon", || is_connected(running.id()));
        signal(running.id(), Signal::INT);
        let begin = Instant::now();
        let run = running.wait();
        let took = begin.elapsed();
        host.daemon.thaw();
        assert!(took < AT_ONCE, "{arguments:?}: {took:?}");
        let said = format!("{}{}", run.stdout, run.stderr);
        run.ended(130);
        assert!(said.contains("interrupted while supervisord on"), "{arguments:?}: {said}");
        assert_eq!(before.processes, host.snapshot().processes);
    }
}

/// The stop that was sent is the daemon's to finish, and the rest is the next apply's.
#[test]
fn ctrl_c_leaves_rest_to_next_apply() {
    let draining = or_skip!(super::Draining::new());
    let running = draining.apply();
    draining.host.daemon.freeze();
    signal(running.id(), Signal::INT);
    let begin = Instant::now();
    let run = running.wait();
    let took = begin.elapsed();
    draining.host.daemon.thaw();
    assert!(took < AT_ONCE, "{took:?}");
    run.ended(130).complains("hint: the next apply finishes it");
    assert!(!draining.is_done());
    draining.host.open_gate();
    draining.host.run(&["apply", "--yes"]).ended(0).says("the next apply finishes it");
    assert!(draining.is_done());
}

/// Connections until no more fit.
fn fill(path: &std::path::Path) -> Vec<std::os::fd::OwnedFd> {
    let address = SocketAddrUnix::new(path).unwrap();
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let connect = || {
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        rustix::net::connect(&socket, &address).ok().map(|()| socket)
    };
    std::iter::from_fn(connect).collect()
}

fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap()
}

/// A stop and go while connecting does not end it.
#[test]
fn sigstop_while_connecting_is_survived() {
    let host = or_skip!(host());
    let socket = host.path("full.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let conf = host.daemon.main_conf();
    let text = std::fs::read_to_string(&conf).unwrap();
    let own = host.daemon.socket().display().to_string();
    std::fs::write(&conf, text.replace(&own, &socket.display().to_string())).unwrap();
    let waiting = fill(&socket);
    let mut running = host.command(&["plan"]).spawn();
    wait_until(PATIENCE, "it connects", || is_connected(running.id()));
    for _ in 0..3 {
        signal(running.id(), Signal::STOP);
        wait_until(PATIENCE, "it is stopped", || state(running.id()) == 'T');
        signal(running.id(), Signal::CONT);
        wait_until(PATIENCE, "it goes on", || running.has_ended() || state(running.id()) != 'T');
    }
    drop(waiting);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
        }
    });
    running.wait().ended(1).complains("refused the user name or password");
}
