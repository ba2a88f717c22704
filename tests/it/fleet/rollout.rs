//! Many hosts: each has a line and an outcome, and a bad one stops the others only if it should.

use supervisor_sync::supervisord::ProcessState;

use super::Fleet;
use crate::daemon::{PATIENCE, wait_until};
use crate::sshd::{free_port, keygen};

#[test]
fn three_hosts_are_applied() {
    let fleet = or_skip!(Fleet::start(&["web1", "web2", "web3"]));
    fleet.write_inventory("");
    let plan = fleet.run(&["plan", "--exit-code"]).ended(3);
    for machine in &fleet.machines {
        assert!(plan.stdout.contains(&format!("{}  {}\n", machine.name, machine.domain())));
        assert_eq!(machine.host.file_names(), [""; 0]);
    }

    let applied = fleet.run(&["apply", "--yes"]).ended(0).says("3 of 3 hosts done in ");
    for machine in &fleet.machines {
        let (name, domain) = (machine.name, machine.domain());
        let line = format!("{name}: Site {domain}: applied as revision 1\n");
        assert!(applied.stderr.contains(&line), "{}", applied.stderr);
        let full = machine.full();
        machine.host.wait_running(&[&format!("{full}:{full}")]);
    }
    let history = fleet.run(&["history"]).ended(0);
    let lines: Vec<&str> = history.stdout.lines().collect();
    let of = |name: &str| format!("  {name}  {name}.example: revision 1, present");
    assert_eq!(lines[1..], ["web1", "web2", "web3"].map(of), "one run: {}", history.stdout);
    fleet.run(&["plan", "--exit-code"]).ended(0);
}

#[test]
fn bad_hosts_say_why() {
    let fleet = or_skip!(Fleet::start(&["web1", "changed", "unknown", "nokey"]));
    let dead = free_port();
    let user = crate::daemon::current_user();
    let fleet = fleet
        .with_other("dead", &format!("host: 127.0.0.1, port: {dead}, username: {user}"))
        .with_other("unnamed", "host: no-such-host.invalid, username: root")
        .with_other("lostkey", "host: 127.0.0.1, username: root, privateKeyPath: ~/.ssh/none")
        .with_other("folder", "host: 127.0.0.1, username: root, privateKeyPath: /tmp");
    let port = |name: &str| fleet.machine(name).sshd.port;
    std::fs::write(fleet.keyring.path("known"), "").unwrap();
    fleet.keyring.trust(&fleet.machine("web1").sshd);
    fleet.keyring.trust(&fleet.machine("nokey").sshd);
    keygen(&fleet.keyring.path("other"));
    fleet.keyring.trust_key(port("changed"), &fleet.keyring.path("other.pub"));
    std::fs::write(fleet.machine("nokey").sshd.path("authorized"), "").unwrap();
    fleet.write_inventory("");

    let run = fleet.run(&["apply", "--yes"]).ended(6);
    let first = run.stdout.lines().next().unwrap();
    assert!(first.starts_with("1 of 8 hosts done in ") && first.ends_with(", 7 failed"), "{first}");
    let expected = [
        (
            "changed",
            "has changed: another machine",
            format!("-R '[127.0.0.1]:{}'", port("changed")),
        ),
        ("unknown", "is not known here", format!("ssh -p {} {user}@127.0.0.1", port("unknown"))),
        ("nokey", "does not let us log in: ", format!("ssh -p {} {user}@", port("nokey"))),
        ("dead", "refuses the connection: no SSH server", format!("ssh -p {dead} {user}@")),
        ("unnamed", "cannot be found: Could not resolve", "fix `host` of server unnamed".into()),
        ("folder", "/tmp: is a directory", "fix `privateKeyPath` of server folder".into()),
        ("lostkey", "/.ssh/none: No such file", "fix `privateKeyPath` of server lostkey".into()),
    ];
    for (name, message, hint) in expected {
        let begin = format!("{name}: error: ");
        let mut lines = run.stderr.lines().skip_while(|line| !line.starts_with(&begin));
        let first = lines.next().unwrap_or_else(|| panic!("{name}: {}", run.stderr));
        assert!(first.contains(message), "{first}");
        let second = lines.next().unwrap();
        assert!(second.starts_with("hint: ") && second.contains(&hint), "{second}");
        assert!(run.stdout.contains(&format!("  failed: {name}: ")), "{}", run.stdout);
    }
    let web1 = fleet.machine("web1");
    web1.host.wait_running(&[&format!("{0}:{0}", web1.full())]);
    fleet.run(&["plan"]).ended(6).says("web1  web1.example\n");
    fleet.run(&["plan", "--on", "dead"]).ended(1);
}

#[test]
fn slow_host_holds_up_nobody() {
    let fleet = or_skip!(Fleet::start(&["slow", "web2"]));
    fleet.machine("slow").site().drainer("worker");
    fleet.write_inventory("");
    fleet.run(&["apply", "--yes"]).ended(0);
    let slow = fleet.machine("slow");
    slow.host.wait_starts(&slow.full(), 1);

    fleet.write_inventory(", stopwaitsecs: 600");
    let mut run = fleet.command(&["apply", "--yes"]).spawn();
    wait_until(PATIENCE, "web2 is done and slow is waited for", || {
        let said = run.stderr();
        said.contains("web2: Site web2.example: applied as revision 2")
            && said.contains("slow: → Waiting for slow.example-worker")
    });
    assert!(!run.has_ended());
    slow.host.open_gate();
    run.wait().ended(0).says("2 of 2 hosts done in ");
}

#[test]
fn failures_stop_rollout() {
    let fleet = or_skip!(Fleet::start(&["web1", "web2"]));
    // The first of the inventory fails.
    fleet.machine("web1").site().crasher("worker");
    fleet.write_inventory(", autorestart: false, exitcodes: [0]");
    let not_reached = "1 failed, 1 not reached\n";
    let run = fleet.run(&["apply", "--yes", "--parallel", "1", "--max-failures", "1"]).ended(4);
    run.says("0 of 2 hosts done in ")
        .says(", 1 failed, 1 not reached\n")
        .says("  not reached: web2: too many had failed\n")
        .says("    | worker has no database\n");
    assert_eq!(fleet.machine("web2").host.file_names(), [""; 0]);
    let run = fleet.run(&["apply", "--yes", "--batch", "1"]).ended(4);
    run.says(not_reached).says("  not reached: web2: the first batch was not healthy\n");
    assert_eq!(fleet.machine("web2").host.file_names(), [""; 0]);
    let run = fleet.run(&["apply", "--yes", "--parallel", "1"]).ended(6);
    run.says("1 of 2 hosts done in ").says(", 1 failed\n");
    let web2 = fleet.machine("web2");
    web2.host.wait_running(&[&format!("{0}:{0}", web2.full())]);
}

#[test]
fn json_events_name_their_host() {
    let fleet = or_skip!(Fleet::start(&["web1", "web2"]));
    fleet.write_inventory("");
    let run = fleet.run(&["apply", "--yes", "--json"]).ended(0);
    let documents: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for host in ["web1", "web2"] {
        for kind in ["event", "applied"] {
            assert!(documents.iter().any(|d| d["host"] == host && d["kind"] == kind), "{kind}");
        }
    }
    let summary = documents.last().unwrap();
    assert_eq!(summary["kind"], "summary");
    assert_eq!((&summary["hosts"], &summary["done"]), (&2.into(), &2.into()));
}

/// One named program on several hosts is asked about, too.
#[test]
fn several_hosts_are_asked_about() {
    let fleet = or_skip!(Fleet::start(&["web1", "web2"]));
    fleet.write_inventory("");
    fleet.run(&["apply", "--yes"]).ended(0);
    let run = fleet.run(&["stop", "--program", "worker"]).ended(2);
    run.complains("supervisor-sync stop --program worker --yes");
    fleet.run(&["stop", "--program", "worker", "--on", "web1"]).ended(0);
    for name in ["web1", "web2"] {
        let machine = fleet.machine(name);
        let process = machine.host.process(&format!("{0}:{0}", machine.full())).unwrap();
        assert_eq!(process.state == ProcessState::Stopped, name == "web1", "{name}");
    }
}

#[test]
fn saved_plan_leaves_changed_host_alone() {
    let fleet = or_skip!(Fleet::start(&["web1", "web2", "web3"]));
    fleet.write_inventory("");
    let file = fleet.keyring.path("plan.json").display().to_string();
    // The third host has no plan, and is left, too.
    fleet.run(&["plan", "--on", "web1,web2", "--out", &file]).ended(0);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("command"), "digests alone: {text}");
    let web2 = fleet.machine("web2");
    std::fs::write(web2.host.conf(&web2.full()), "[program:x]\ncommand=/bin/true\n").unwrap();
    let run = fleet.run(&["apply", &file]).ended(6);
    assert!(
        run.stderr.contains("web2: error: the plan of web2.example is not the one in"),
        "{run:?}"
    );
    assert!(run.stderr.contains("web1: Site web1.example: applied as revision 1"), "{run:?}");
    assert_eq!(fleet.machine("web3").host.file_names(), [""; 0]);
}

#[test]
fn markdown_has_total_and_folded_hosts() {
    let fleet = or_skip!(Fleet::start(&["web1", "web2"]));
    let dead = format!("host: 127.0.0.1, port: {}, username: nobody", free_port());
    let fleet = fleet.with_other("dead", &dead);
    fleet.write_inventory("");
    let run = fleet.run(&["plan", "--format", "markdown", "--diff"]).ended(6);
    assert!(run.stdout.starts_with("**supervisor-sync: 2 hosts, 2 sites: 2 start**\n"), "{run:?}");
    assert!(run.stdout.contains("- no answer from `dead`: `"), "{run:?}");
    for machine in &fleet.machines {
        let (name, domain, full) = (machine.name, machine.domain(), machine.full());
        let block =
            format!("<details><summary><b>{name}</b>: 1 starts</summary>\n\n```diff\n{domain}\n+ ");
        assert!(run.stdout.contains(&block), "{block}: {run:?}");
        assert!(run.stdout.contains(&format!("\n    +[program:{full}]\n")), "{run:?}");
    }
    fleet.run(&["plan", "--format", "markdown", "--json"]).ended(2);
}
