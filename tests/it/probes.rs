//! Probes of started programs, and the release they run.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "what probes look at")]

use std::net::TcpListener;

use crate::site::Host;

fn inventory(host: &Host, program: &str) {
    let site = "  - domain: a.com\n    server: here\n    supervisors:\n";
    host.inventory(&format!("{site}      - {{{program}}}\n"));
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn apply_waits_for_probe() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let port = free_port();
    let server = format!("python3 -m http.server --bind 127.0.0.1 --directory / {port}");
    let with = |path: &str| {
        format!(
            "program: web, command: {server}, health: {{probe: {{http: \
             \"http://127.0.0.1:{port}{path}\", timeout: 10}}}}"
        )
    };
    inventory(&host, &with("/etc/passwd"));
    host.run(&["apply", "--yes"]).ended(0).complains("a.com-web to pass the probe");
    inventory(&host, &format!("{}, stopwaitsecs: 9", with("/no-such-page")));
    let run = host.run(&["apply", "--yes"]).ended(4);
    let reason = format!(
        "a.com-web runs, but did not pass its probe within 10 s: \
         http://127.0.0.1:{port}/no-such-page answers 404"
    );
    assert!(run.stderr.contains(&reason), "{}", run.stderr);
    // The end of its log comes along: it logs each request.
    assert!(run.stderr.contains("GET /no-such-page HTTP/1.1"), "{}", run.stderr);
    let conf = std::fs::read_to_string(host.conf("a.com-web")).unwrap();
    assert!(conf.contains("stopwaitsecs=3600"), "{conf}");
}

#[test]
fn closed_port_is_told() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let port = free_port();
    inventory(
        &host,
        &format!(
            "program: w, command: sleep 1000, health: {{probe: {{tcp: \"127.0.0.1:{port}\", \
             timeout: 1}}}}"
        ),
    );
    let refused = format!("127.0.0.1:{port} does not accept a connection: Connection refused");
    host.run(&["apply", "--yes"]).ended(4).complains(&refused);
    assert_eq!(host.groups(), [""; 0]);

    let ready = host.path("ready");
    let probe = format!("sh -c 'echo not yet >&2; test -e {}'", ready.display());
    inventory(
        &host,
        &format!(
            "program: w, command: sleep 1000, health: {{probe: {{exec: \"{probe}\", timeout: 1}}}}"
        ),
    );
    host.run(&["apply", "--yes"]).ended(4).complains("exits with status 1: not yet");
    std::fs::write(ready, "").unwrap();
    host.run(&["apply", "--yes"]).ended(0);
}

#[test]
fn group_is_probed_once() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let asked = host.path("asked");
    let probe = format!("sh -c 'echo x >> {}'", asked.display());
    for (name, instances) in [("together", "together"), ("separate", "separate")] {
        inventory(
            &host,
            &format!(
                "program: {name}, command: sleep 1000, numprocs: 3, instances: {instances}, \
                 health: {{probe: {{exec: \"{probe}\"}}}}"
            ),
        );
        host.run(&["apply", "--yes"]).ended(0);
        assert_eq!(std::fs::read_to_string(&asked).unwrap(), "x\n", "{name}");
        std::fs::remove_file(&asked).unwrap();
    }
}

/// A process that starts in a former release is not what was asked for.
#[test]
fn former_release_fails_apply() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    std::fs::create_dir(site.path("releases/0")).unwrap();
    // As a runner.sh of another deployment could do it.
    site.script("w.sh", "#!/bin/sh\ncd ../0 && exec sleep 1000\n");
    inventory(&host, "program: w, script: w.sh");
    let former = site.path("releases/0").canonicalize().unwrap();
    host.run(&["apply", "--yes"])
        .ended(4)
        .complains(&format!("a.com-w runs in {}, but the live release is", former.display()));
    // Anywhere else is its own choice.
    site.script("w.sh", "#!/bin/sh\ncd / && exec sleep 1000\n");
    host.run(&["apply", "--yes"]).ended(0);
}
