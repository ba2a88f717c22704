//! `notify` and `hooks` of an inventory, `check-drift` and `notify --test`.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, Read as _, Write as _};

use super::{IMPATIENT, document, site};
use crate::documents::assert_valid;
use crate::site::Host;

/// A command that keeps what it is told, a line each.
const KEEP: &str = "cat >> told; echo \"$SUPERVISOR_SYNC_EVENT $SUPERVISOR_SYNC_HOST $SUPERVISOR_SYNC_SITE \
                    $SUPERVISOR_SYNC_TEXT\" >> variables";

/// A host with a worker and one that crashes, and an inventory with these lines at the top level and these
/// programs.
fn host_with(top: &str, programs: &[&str]) -> Option<Host> {
    let host = Host::start()?;
    host.deploy("a.com").worker("w");
    host.deployed("a.com").crasher("bad");
    wants(&host, top, programs);
    Some(host)
}

fn wants(host: &Host, top: &str, programs: &[&str]) {
    host.inventory_with(&format!("{IMPATIENT}\n{top}"), &site("a.com", programs));
}

/// What was told since it was last asked.
fn told(host: &Host) -> Vec<serde_json::Value> {
    let path = host.path("home/told");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    assert_valid(&text);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(host: &Host) -> Vec<String> {
    told(host).iter().map(|told| told["event"].as_str().unwrap().to_owned()).collect()
}

fn notify(rest: &str) -> String {
    format!("notify:\n  - command: '{KEEP}'\n{rest}")
}

#[test]
fn change_rollback_and_recovery_are_told() {
    let (good, bad) = (["program: w, script: w.sh"], ["program: w, script: bad.sh"]);
    let host = or_skip!(host_with(&notify(""), &good));
    host.run(&["apply", "--yes"]).ended(0);
    let changed = told(&host).remove(0);
    assert_eq!(changed["event"], "changed");
    assert_eq!((&changed["host"], &changed["site"]), (&"here".into(), &"a.com".into()));
    assert_eq!(changed["text"], "a.com on here: changed");
    let run = changed["run"].as_str().unwrap();
    host.run(&["history"]).ended(0).says(run);

    wants(&host, &notify(""), &bad);
    host.run(&["apply", "--yes"]).ended(4);
    let rolled_back = told(&host).remove(0);
    assert_eq!(
        (&rolled_back["event"], &rolled_back["outcome"]),
        (&"rolled_back".into(), &"rolled_back".into())
    );
    assert_eq!(rolled_back["program"], "a.com-w");
    assert!(rolled_back["cause"].as_str().unwrap().contains("a.com-w"), "{rolled_back}");
    let variables = std::fs::read_to_string(host.path("home/variables")).unwrap();
    assert!(
        variables.contains("rolled_back here a.com a.com on here: rolled back: "),
        "{variables}"
    );

    wants(&host, &notify(""), &good);
    host.run(&["apply", "--yes"]).ended(0).says("nothing to do");
    assert_eq!(events(&host), ["recovered"], "of a run that did nothing");
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(events(&host), [""; 0]);
}

/// A timer looks every few minutes, and nobody wants to hear it as often.
#[test]
fn drift_is_told_once() {
    let host =
        or_skip!(host_with(&notify("    on: [drift, recovered]"), &["program: w, script: w.sh"]));
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["check-drift"]).ended(0).says("a.com");
    assert_eq!(events(&host), [""; 0], "nothing, and it does not want to hear of changes");
    host.stop_by_hand("a.com-w:a.com-w");
    host.run(&["check-drift", "--quiet"]).ended(3);
    let drift = told(&host).remove(0);
    assert_eq!((&drift["event"], &drift["cause"]), (&"drift".into(), &"w is not as wanted".into()));
    assert_eq!(drift.get("run"), None, "nothing was run");
    host.run(&["check-drift"]).ended(3);
    assert_eq!(events(&host), [""; 0]);
    host.run(&["start", "w"]).ended(0);
    assert_eq!(events(&host), ["recovered"]);
    host.run(&["check-drift"]).ended(0);
    assert_eq!(events(&host), [""; 0]);
}

#[test]
fn unreachable_host_is_told_once() {
    let host = or_skip!(host_with(&notify(""), &["program: w, script: w.sh"]));
    host.run(&["apply", "--yes"]).ended(0);
    let path = host.path("home/deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let gone = text.replacen("servers:\n", "servers:\n  - {name: gone, exec: [\"false\"]}\n", 1)
        + "  - {domain: b.com, server: gone, supervisors: [{program: w, script: w.sh}]}\n";
    std::fs::write(&path, gone).unwrap();
    let _ = told(&host);
    for expected in [1, 0] {
        host.run(&["check-drift"]).ended(6);
        let told = told(&host);
        assert_eq!(told.len(), expected, "{told:?}");
        for told in told {
            assert_eq!((&told["event"], &told["host"]), (&"failed".into(), &"gone".into()));
            assert_eq!(told.get("site"), None);
        }
    }
}

/// What is told about a run is no part of it.
#[test]
fn command_that_fails_is_warned_of() {
    let top = "notify:\n  - command: 'echo no such channel; exit 9'\n  - command: cat >> told";
    let host = or_skip!(host_with(top, &["program: w, script: w.sh"]));
    let run = host.run(&["apply", "--yes"]).ended(0);
    let text = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    let line = text.lines().position(|line| line.contains("no such channel")).unwrap() + 1;
    run.complains(&format!(
        "warning: not everybody was told: the command of `notify` (line {line}) failed: exit status: 9: no such \
         channel"
    ));
    assert_eq!(events(&host), ["changed"]);
    let tried = host.run(&["notify", "--test"]).ended(1).says("Sent 5 notifications");
    tried.complains("no such channel");
    let told = told(&host);
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|told| told["host"] == "test"), "{told:?}");
    let run = host.run(&["notify", "--test", "drift", "--json"]).ended(1);
    assert_eq!(document(&run, "notified")["sent"], 1);
}

#[test]
fn command_that_hangs_is_ended() {
    let top = "notify: [{command: sleep 1000 & wait, timeout: 1}]";
    let host = or_skip!(host_with(top, &["program: w, script: w.sh"]));
    let run = host.run(&["notify", "--test", "failed"]).ended(1);
    run.complains("took more than 1 s and was ended");
}

#[test]
fn nobody_to_tell_is_an_error_of_the_test_alone() {
    let host = or_skip!(host_with("", &["program: w, script: w.sh"]));
    host.run(&["notify", "--test"]).ended(1).complains("names nobody under `notify`");
    host.run(&["check-drift"]).ended(3);
    host.run(&["apply", "--yes"]).ended(0);
    assert!(!host.path("home/.local").exists(), "nothing is remembered for nobody");
}

#[test]
fn hook_before_stops_what_it_refuses() {
    let top = "hooks:\n  before: 'echo \"no $SUPERVISOR_SYNC_COMMAND on Friday\"; exit 1'\n  \
               after: touch after";
    let host = or_skip!(host_with(top, &["program: w, script: w.sh"]));
    let before = host.snapshot();
    let run = host.run(&["apply", "--yes"]).ended(1);
    let run = run.complains("the command of `hooks.before` (line ").complains("no apply on Friday");
    run.complains("nothing was changed");
    before.assert_same(&host.snapshot());
    assert!(!host.path("home/after").exists());
    // A plan changes nothing, and is not stopped.
    host.run(&["plan"]).ended(0);
    host.run(&["apply", "--dry-run"]).ended(0);
}

#[test]
fn hook_after_is_told_the_end_and_can_fail() {
    let top =
        "hooks: {after: 'echo \"$SUPERVISOR_SYNC_RUN $SUPERVISOR_SYNC_EXIT_STATUS\" > after'}";
    let host = or_skip!(host_with(top, &["program: w, script: w.sh"]));
    host.run(&["apply", "--yes"]).ended(0);
    let after = std::fs::read_to_string(host.path("home/after")).unwrap();
    let (run, status) = after.trim().split_once(' ').unwrap();
    assert_eq!(status, "0");
    host.run(&["history"]).ended(0).says(run);
    std::fs::remove_file(host.path("home/after")).unwrap();
    host.run(&["apply", "--yes"]).ended(0).says("nothing to do");
    assert!(!host.path("home/after").exists(), "nothing was done");

    wants(&host, "hooks: {after: exit 3}", &["program: w, script: w.sh, numprocs: 2"]);
    let run = host.run(&["apply", "--yes"]).ended(6);
    run.complains("the command of `hooks.after`").says("applied as revision 2");
    wants(&host, "hooks: {after: exit 3}", &["program: w, script: bad.sh"]);
    host.run(&["apply", "--yes"]).ended(4).complains("the command of `hooks.after`");
}

/// An edit writes the inventory before the server changes, and not before the hook.
#[test]
fn hook_before_keeps_an_edit_out_of_the_file() {
    let host = or_skip!(host_with("hooks: {before: exit 1}", &["program: w, script: w.sh"]));
    let before = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    host.run(&["scale", "a.com", "w", "2", "--yes"]).ended(1).complains("`hooks.before`");
    assert_eq!(std::fs::read_to_string(host.path("home/deployer.yml")).unwrap(), before);
}

#[test]
fn mistakes_point_at_their_line() {
    let host = or_skip!(host_with("", &["program: w, script: w.sh"]));
    for (top, said) in [
        ("notify: [{on: [failed]}]", "needs `command`"),
        ("notify: [{command: x, on: [fail]}]", "did you mean `failed`?"),
        ("notify: [{command: x, timeout: 0}]", "`timeout`"),
        ("notify: {command: x}", "`notify` must be a list"),
        ("hooks: {befor: x}", "did you mean `before`?"),
        ("hooks: {pre: x}", "before"),
    ] {
        wants(&host, top, &["program: w, script: w.sh"]);
        host.run(&["check"]).ended(1).complains(said).complains("deployer.yml:");
    }
}

/// Every command of the guide, sent to a server that keeps what it gets.
#[test]
fn commands_of_the_guide_send() {
    let guide = include_str!("../../../docs/notifications.md");
    let commands = guide.split("```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    let commands: Vec<&str> = commands.filter(|command| command.contains("curl")).collect();
    assert_eq!(commands.len(), 5, "those by curl: {commands:?}");
    let host = or_skip!(host_with("", &["program: w, script: w.sh"]));
    for command in commands {
        let received = Receiver::start();
        let top = format!("notify:\n  - command: |\n      {command}\n");
        wants(&host, &top, &["program: w, script: w.sh"]);
        let mut run = host.command(&["notify", "--test", "failed"]);
        for name in ["NTFY_URL", "SLACK_URL", "TEAMS_URL", "HEALTHCHECKS_URL"] {
            run.env(name, &received.url);
        }
        run.run().ended(0).says("Sent 1 notification");
        let body = received.body();
        assert!(body.contains("test: failed: this is a test"), "{command}: {body}");
        if command.starts_with("jq") {
            serde_json::from_str::<serde_json::Value>(&body).unwrap();
        }
    }
}

/// Answers one request, and keeps its body.
struct Receiver {
    url: String,
    thread: std::thread::JoinHandle<String>,
}

impl Receiver {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let mut reader = std::io::BufReader::new(listener.accept().unwrap().0);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                let header = line.to_ascii_lowercase();
                if let Some(value) = header.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            String::from_utf8(body).unwrap()
        });
        Self { url, thread }
    }

    fn body(self) -> String {
        self.thread.join().unwrap()
    }
}
