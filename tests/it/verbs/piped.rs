//! `--inventory -`: the inventory on standard input, whatever that is.

#![expect(clippy::disallowed_methods, reason = "reads the inventory that it sends")]

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::Value;

use crate::site::{Host, Invocation};

/// `arguments` with the inventory that lies at home on a stdin of this kind.
fn with_stdin(host: &Host, arguments: &[&str], as_socket: bool) -> Invocation {
    let text = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    let (mut sending, receiving): (Box<dyn std::io::Write + Send>, OwnedFd) = match as_socket {
        true => {
            let (here, there) = UnixStream::pair().unwrap();
            (Box::new(here), there.into())
        }
        false => {
            let (there, here) = std::io::pipe().unwrap();
            (Box::new(here), there.into())
        }
    };
    std::thread::spawn(move || sending.write_all(text.as_bytes()));
    let mut invocation = host.command(arguments);
    invocation.stdin(Stdio::from(receiving));
    invocation
}

#[test]
fn inventory_is_read_from_a_pipe_and_from_a_socket() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    for (as_socket, outcome) in [(false, "applied"), (true, "unchanged")] {
        host.inventory(
            "  - {domain: a.com, server: here, supervisors: [{program: w, script: w.sh}]}",
        );
        let apply = ["apply", "--yes", "--json", "--inventory", "-"];
        let run = with_stdin(&host, &apply, as_socket).run().ended(0);
        let documents = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let applied = documents.into_iter().find(|one| one["kind"] == "applied").unwrap();
        assert_eq!(applied["sites"][0]["report"]["outcome"]["outcome"], outcome);
        assert!(applied["run"].as_str().is_some_and(|run| run.contains('-')), "{applied}");
    }
    host.wait_running(&["a.com-w:a.com-w"]);
    let history = host.run(&["history"]).ended(0);
    assert!(history.stdout.contains("apply"), "{}", history.stdout);
}

#[test]
fn problems_on_stdin_are_named_so() {
    let host = or_skip!(Host::start());
    host.inventory("  - {domain: a.com, server: here, supervisors: [{program: w}]}");
    let run = with_stdin(&host, &["check", "-i", "-"], false).run().ended(1);
    assert!(run.stderr.contains("stdin:"), "{}", run.stderr);
    // Nothing can be written back there.
    let arguments = ["remove", "a.com", "w", "--yes", "-i", "-"];
    host.inventory("  - {domain: a.com, server: here, supervisors: [{program: w, script: w.sh}]}");
    with_stdin(&host, &arguments, false).run().ended(1).complains("cannot write /dev/stdin");
}

/// Of a plan that is refused the document has the words.
#[test]
fn refused_plan_is_told_in_words() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    host.inventory("  - {domain: a.com, server: here, supervisors: [{program: w, script: w.sh}]}");
    let run = host.run(&["plan", "--json"]).ended(1);
    let plan: Value = serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
    let refused = &plan["refused"][0];
    assert_eq!(refused["site"], "a.com");
    assert!(refused["message"].as_str().unwrap().contains("w.sh"), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("--allow missing-code"), "{refused}");
}
