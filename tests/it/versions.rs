//! Releases of supervisord: what is warned of, and what is refused. `make versions` runs everything
//! else on each release that is promised.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::daemon;
use crate::site::Host;

const SITE: &str =
    "  - {domain: a.example, server: here, supervisors: [{program: web, script: web.sh}]}\n";

fn host() -> Option<Host> {
    let host = Host::start()?;
    host.deploy("a.example").worker("web");
    host.inventory(SITE);
    Some(host)
}

#[test]
fn only_crashing_release_is_warned_of() {
    let host = or_skip!(host());
    let version = daemon::version().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    host.command(&["plan"]).run_into(writer);
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert!(said.contains("+ web  start: new, web.sh"), "{said}");
    assert_eq!(said.contains(&version.warning()), version.can_crash(), "{version:?}: {said}");
}

#[test]
fn supervisord_before_4_is_refused() {
    let mut host = or_skip!(host());
    host.daemon.stop();
    let before = host.file_names();
    let listener = UnixListener::bind(host.daemon.socket()).unwrap();
    // Ends with the tests' process: nobody connects after this test.
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer_as_3_4_0));
    host.run(&["plan"]).ended(1).says("supervisord 3.4.0 is too old: 4.0 is the oldest that works");
    let run = host.run(&["apply", "--yes"]).ended(1);
    let run = run.complains("supervisord 3.4.0 is too old: 4.0 is the oldest that works");
    run.complains("upgrade it: apt install supervisor");
    let run = host.sync("a.example", r#"[{"program":"web","script":"web.sh"}]"#).ended(1);
    run.complains("supervisord 3.4.0 is too old");
    assert_eq!(host.file_names(), before);
}

/// Answers one `system.multicall` as a supervisord without programs.
fn answer_as_3_4_0(mut stream: UnixStream) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.ends_with(b"</methodCall>") {
        match stream.read(&mut piece) {
            Ok(count @ 1..) => request.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let methods = request.split("<name>methodName</name><value><string>").skip(1);
    let answers = methods.map(|rest| match rest.split_once('<').unwrap().0 {
        "supervisor.getSupervisorVersion" => "<string>3.4.0</string>".to_owned(),
        "supervisor.getPID" => format!("<int>{}</int>", std::process::id()),
        "supervisor.getAllProcessInfo" => array(""),
        "supervisor.reloadConfig" => array(&value(&array(&value(&array("")).repeat(3)))),
        other => panic!("{other} is called although it is refused"),
    });
    let answers: String = answers.map(|answer| value(&answer)).collect();
    let body = format!(
        "<methodResponse><params><param>{}</param></params></methodResponse>",
        value(&array(&answers))
    );
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
}

fn value(inside: &str) -> String {
    format!("<value>{inside}</value>")
}

fn array(values: &str) -> String {
    format!("<array><data>{values}</data></array>")
}
