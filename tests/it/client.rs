//! The client against a real supervisord, and against servers that are none.

#![expect(clippy::disallowed_methods, reason = "prepares sockets and files")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use supervisor_sync::supervisord::{
    Answer, Call, CallError, Client, Listener, Login, MainConfig, Supervisord as _,
};

use crate::daemon::{Daemon, Options, PATIENCE, reread};

/// A TCP port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn version(client: &mut Client) -> Result<String, CallError> {
    match client.call(Call::GetSupervisorVersion)?.unwrap() {
        Answer::Text(version) => Ok(version),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_daemon_says_who_it_is() {
    let daemon = or_skip!(Daemon::start());
    let calls = [Call::GetSupervisorVersion, Call::GetPid];
    let answers = daemon.client().batch(&calls).unwrap();
    let [Ok(Answer::Text(version)), Ok(Answer::Number(pid))] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert!(version.starts_with('4'), "{version}");
    assert_eq!(*pid, i64::from(daemon.pid()));
    let by_hand = daemon.supervisorctl(&["version"]);
    assert_eq!(String::from_utf8(by_hand.stdout).unwrap().trim(), version);
}

#[test]
fn the_configuration_leads_to_the_daemon() {
    let daemon = or_skip!(Daemon::start());
    let config = MainConfig::load(Some(&daemon.main_conf())).unwrap();
    assert_eq!(config.pidfile, Some(daemon.root().join("supervisord.pid")));
    assert_eq!(config.listeners, [Listener::Unix { path: daemon.socket(), login: None }]);
    daemon.write_conf("b", "[program:b]\ncommand=/bin/true");
    daemon.write_conf("a", "[program:a]\ncommand=/bin/true");
    std::fs::write(daemon.conf_dir().join(".hidden.conf"), "").unwrap();
    let expected = ["a.conf", "b.conf"].map(|name| daemon.conf_dir().join(name));
    assert_eq!(config.included_files().unwrap(), expected);
    let mut client = Client::connect(&config, None).unwrap();
    assert!(version(&mut client).is_ok());
    assert_eq!(reread(&mut client).unwrap().added, ["a", "b"]);
    daemon.remove_conf("a");
    assert_eq!(reread(&mut client).unwrap().added, ["b"]);
}

#[test]
fn over_tcp_with_a_password() {
    let port = free_port();
    let extra =
        format!("[inet_http_server]\nport=127.0.0.1:{port}\nusername=me\npassword=p%%w:é\n");
    let daemon = or_skip!(Daemon::start_with(&Options { extra, ..Options::default() }));
    let config = MainConfig::load(Some(&daemon.main_conf())).unwrap();
    let login = Some(Login::new("me", "p%w:é"));
    let tcp = Listener::Tcp { host: "127.0.0.1".into(), port, login };
    assert_eq!(config.listeners.get(1), Some(&tcp));
    assert!(version(&mut Client::at(&tcp)).is_ok());
    // An answer of more than one segment, where a kept connection would stall.
    daemon.write_conf("many", &sleepers("p", 100));
    let mut client = Client::tcp("localhost", port).with_login("me", "p%w:é");
    reread(&mut client).unwrap();
    let adds: Vec<_> = (0..100).map(|n| Call::AddProcessGroup(format!("p{n}"))).collect();
    assert!(client.batch(&adds).unwrap().iter().all(Result::is_ok));
    assert_eq!(client.get_all_process_info().unwrap().unwrap().len(), 100);

    let wrong = version(&mut Client::tcp("127.0.0.1", port).with_login("me", "guess"));
    assert!(matches!(wrong, Err(CallError::Unauthorized { .. })), "{wrong:?}");
    let none = version(&mut Client::tcp("127.0.0.1", port));
    assert!(matches!(none, Err(CallError::Unauthorized { .. })), "{none:?}");
}

/// Programs that could run and do not.
fn sleepers(prefix: &str, count: usize) -> String {
    (0..count)
        .map(|n| format!("[program:{prefix}{n}]\ncommand=/bin/sleep 1000\nautostart=false\n"))
        .collect()
}

#[test]
fn nobody_there() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let missing = folder.path().join("s.sock");
    let abandoned = folder.path().join("abandoned.sock");
    drop(UnixListener::bind(&abandoned).unwrap());
    let too_long = folder.path().join("x".repeat(120));
    for path in [missing, abandoned, too_long, folder.path().join("no/such/folder.sock")] {
        let error = version(&mut Client::unix(&path)).unwrap_err();
        assert!(matches!(error, CallError::NotRunning { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("no supervisord listens on {}", path.display()));
    }
    let error = version(&mut Client::tcp("127.0.0.1", free_port())).unwrap_err();
    assert!(matches!(error, CallError::NotRunning { .. }), "{error:?}");
}

/// Root may use every socket, so as root this asks another user's process to try.
#[test]
fn a_socket_without_permission() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let path = folder.path().join("s.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if rustix::process::geteuid().is_root() {
        as_nobody("client::a_socket_of_somebody_else", &folder, &path);
    } else {
        assert_no_permission(&path);
    }
}

/// What [`a_socket_without_permission`] runs as another user: there `SOCKET_TO_TRY` names one.
#[test]
fn a_socket_of_somebody_else() {
    if let Some(path) = std::env::var_os("SOCKET_TO_TRY") {
        assert_no_permission(path.as_ref());
        std::io::stdout().write_all(b"tried it\n").unwrap();
    }
}

fn assert_no_permission(path: &std::path::Path) {
    let error = version(&mut Client::unix(path)).unwrap_err();
    assert!(matches!(error, CallError::NoPermission { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("no permission to use {}", path.display()));
}

/// Runs one test of this binary as `nobody`, from a copy that `nobody` may read.
fn as_nobody(test: &str, folder: &tempfile::TempDir, socket: &std::path::Path) {
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args(["--exact", test, "--nocapture"])
        .env("SOCKET_TO_TRY", socket)
        .current_dir("/")
        .output();
    match output {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("tried it"), "{output:?}");
        }
        Err(_) => crate::python::missing("setpriv"),
    }
}

#[test]
fn hanging_daemon_costs_only_deadline() {
    let daemon = or_skip!(Daemon::start());
    daemon.freeze();
    let begin = Instant::now();
    let mut client = daemon.client().with_deadline(Duration::from_millis(300));
    let error = version(&mut client).unwrap_err();
    let took = begin.elapsed();
    daemon.thaw();
    assert!(matches!(error, CallError::TimedOut { .. }), "{error:?}");
    assert!(error.to_string().ends_with("/s.sock did not answer within 300ms"), "{error}");
    assert!((250..5_000).contains(&took.as_millis()), "{took:?}");
    assert!(version(&mut daemon.client()).is_ok());
}

/// It is frozen for as long as a call of another kind is waited for, twice over.
#[test]
fn reread_gets_longer_deadline() {
    let daemon = or_skip!(Daemon::start());
    let client = || daemon.client().with_deadline(Duration::from_millis(200));
    for (files, is_late) in [(1, true), (2_000, false)] {
        let mut other = client();
        daemon.freeze();
        let answer = std::thread::scope(|scope| {
            let (begun, has_begun) = std::sync::mpsc::channel();
            let mut client = client();
            let reread = scope.spawn(move || {
                client.expect_files(files, files);
                begun.send(()).unwrap();
                client.call(Call::ReloadConfig)
            });
            has_begun.recv().unwrap();
            for _ in 0..2 {
                let late = other.call(Call::GetPid).unwrap_err();
                assert!(matches!(late, CallError::TimedOut { .. }), "{late:?}");
            }
            if is_late {
                return reread.join().unwrap();
            }
            daemon.thaw();
            reread.join().unwrap()
        });
        daemon.thaw();
        assert_eq!(matches!(answer, Err(CallError::TimedOut { .. })), is_late, "{answer:?}");
    }
}

/// Also one that was there before the call: it may have come while the daemon was looked for.
#[test]
fn call_minds_interruption_once() {
    let daemon = or_skip!(Daemon::start());
    let mut client = daemon.client().with_stop(std::sync::Arc::new(|| true));
    daemon.freeze();
    let hung = version(&mut client);
    daemon.thaw();
    assert!(matches!(hung, Err(CallError::Interrupted { .. })), "{hung:?}");
    daemon.freeze();
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| version(&mut client));
        // For longer than an interrupted one is waited for.
        let late = daemon.client().with_deadline(Duration::from_secs(2)).call(Call::GetPid);
        assert!(matches!(late, Err(CallError::TimedOut { .. })), "{late:?}");
        daemon.thaw();
        asked.join().unwrap()
    });
    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn one_client_outlives_the_daemon() {
    let mut daemon = or_skip!(Daemon::start());
    let mut client = daemon.client();
    assert!(version(&mut client).is_ok());
    daemon.stop();
    assert!(matches!(version(&mut client), Err(CallError::NotRunning { .. })));
    daemon.start_again();
    assert!(version(&mut client).is_ok());
    daemon.restart();
    assert!(version(&mut client).is_ok());
}

#[test]
fn shutdown_makes_every_call_fault() {
    use supervisor_sync::supervisord::{FaultCode, ProcessState};
    let daemon = or_skip!(Daemon::start());
    daemon.write_conf(
        "slow",
        "[program:slow]\ncommand=/bin/sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'\n\
         startsecs=0\nstopwaitsecs=2\nkillasgroup=true\n",
    );
    let mut client = daemon.client();
    reread(&mut client).unwrap();
    client.call(Call::AddProcessGroup("slow".into())).unwrap().unwrap();
    daemon.wait_for_state("slow:slow", ProcessState::Running);
    crate::daemon::signal(daemon.pid(), rustix::process::Signal::TERM);
    crate::daemon::wait_until(PATIENCE, "SHUTDOWN_STATE", || {
        match client.batch(&[Call::GetPid, Call::ReloadConfig]).unwrap().as_slice() {
            [Err(pid), Err(reload)] => {
                assert_eq!(reload.text, "SHUTDOWN_STATE");
                pid.code == FaultCode::ShutdownState && reload.code == FaultCode::ShutdownState
            }
            _ => false,
        }
    });
}

/// What the client makes of a server that answers these bytes to one connection and closes it.
fn error_of(answer: impl Into<Vec<u8>>) -> CallError {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let path = folder.path().join("s.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let answer = answer.into();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        let _ = stream.write_all(&answer);
    });
    let error = version(&mut Client::unix(&path).with_deadline(PATIENCE)).unwrap_err();
    server.join().unwrap();
    error
}

/// An XML-RPC answer in HTTP.
fn ok(xml: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{xml}", xml.len())
}

#[test]
fn a_server_that_is_no_supervisord() {
    let reason = |answer: &str| match error_of(answer) {
        CallError::NotSupervisord { reason, .. } => reason,
        other => panic!("{answer:?}: {other:?}"),
    };
    assert!(reason("SSH-2.0-OpenSSH_9.2\r\n").starts_with("no HTTP"));
    assert_eq!(reason("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "HTTP status 404");
    assert!(!reason(&ok("<html><body>It works!</body></html>")).is_empty());
    assert_eq!(reason(&ok("")), "the XML ends too early");
    assert_eq!(
        reason(&ok(
            "<methodResponse><params><param><value><array><data></data></array></value></param>\
             </params></methodResponse>"
        )),
        "0 answers to 1 calls"
    );
    let huge = "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n";
    assert_eq!(reason(huge), "the answer is longer than 32 MiB");
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(40 * 1024 * 1024));
    assert_eq!(reason(&endless), "the answer is longer than 32 MiB");
    assert!(matches!(
        error_of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe".to_vec()),
        CallError::NotSupervisord { .. }
    ));
}

#[test]
fn an_answer_that_breaks_off() {
    for answer in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<methodResp"]
    {
        let error = error_of(answer);
        assert!(matches!(error, CallError::Broken { .. }), "{error:?}");
    }
}

/// The deadline is for all of it: a byte now and then does not move it.
#[test]
fn endless_answer_is_late() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let path = folder.path().join("s.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").unwrap();
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let error = version(&mut Client::unix(&path).with_deadline(Duration::from_millis(200)));
    assert!(matches!(error, Err(CallError::TimedOut { .. })), "{error:?}");
    server.join().unwrap();
}

/// A daemon that accepts nobody: connecting itself blocks once the backlog is full.
#[test]
fn a_full_backlog_is_late_too() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let path = folder.path().join("s.sock");
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let error = version(&mut Client::unix(&path).with_deadline(Duration::from_millis(100)));
    assert!(matches!(error, Err(CallError::TimedOut { .. })), "{error:?}");
}
