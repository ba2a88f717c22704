//! Hosts that a command of the inventory gives a shell on: here a plain `sh`, which runs what comes
//! after it as `podman exec` does.

use super::Fleet;

/// `{}` becomes the rest of the server's entry.
fn write_inventory(fleet: &Fleet, rest: &str) {
    fleet.write_inventory("");
    let file = fleet.keyring.path("deployer.yml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, entry) = text.split_once("  - {name: web1,").unwrap();
    let (_, after) = entry.split_once('\n').unwrap();
    std::fs::write(&file, format!("{before}  - {{name: web1, {rest}}}\n{after}")).unwrap();
}

/// The command, which counts how often it is run and has a home of its own.
fn exec(fleet: &Fleet) -> String {
    let home = fleet.keyring.path("home");
    std::fs::create_dir_all(&home).unwrap();
    let home = home.display();
    format!(
        "privilege: none, exec: [env, 'HOME={home}', sh, -c, 'echo x >> \"$HOME/runs\"; exec \"$@\"', far]"
    )
}

#[test]
fn host_is_reached_by_command() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    write_inventory(&fleet, &exec(&fleet));
    fleet.run(&["plan", "--exit-code"]).ended(3).says("+ worker  start: new");
    fleet.run(&["apply", "--yes"]).ended(0);
    let machine = fleet.machine("web1");
    assert_eq!(machine.host.groups(), [machine.full()]);
    fleet.run(&["status"]).ended(0);
    fleet.run(&["plan", "--exit-code"]).ended(0);
    assert_eq!(machine.sshd.logins(), 0);
    let runs = std::fs::read_to_string(fleet.keyring.path("home/runs")).unwrap();
    assert_eq!(runs.lines().count(), 4, "one for each command");
    let cache = fleet.keyring.path("home/.cache/supervisor-sync");
    assert!(cache.is_dir(), "the binary was taken over the same pipe");
}

/// What a far supervisord runs comes into the inventory here, and its plan is asked for over the same pipe.
#[test]
fn far_programs_are_imported() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    let host = &fleet.machine("web1").host;
    host.daemon.write_conf("sleeper", "[program:sleeper]\nautostart=yes\ncommand=sleep 1000\n");
    host.daemon.supervisorctl(&["update"]);
    let pid = host.wait_running(&["sleeper:sleeper"]);
    let (conf_dir, main) = (host.daemon.conf_dir(), host.daemon.main_conf());
    let text = format!(
        "servers:\n  - {{name: web1, {}}}\npaths: {{conf_dir: {}, supervisord: {}, log_dir: {}, \
         logrotate_dir: {}, state_dir: {}}}\n",
        exec(&fleet),
        conf_dir.display(),
        main.display(),
        host.daemon.log_dir().display(),
        host.daemon.logrotate_dir().display(),
        host.path("state").display()
    );
    std::fs::write(fleet.keyring.path("deployer.yml"), text).unwrap();
    fleet
        .run(&["import", "--on", "web1", "--yes", "--normalise"])
        .ended(0)
        .says("1 as keys and options");
    let text = std::fs::read_to_string(fleet.keyring.path("deployer.yml")).unwrap();
    assert!(text.contains("- domain: web1\n") && text.contains("autostart: true\n"), "{text}");
    fleet.run(&["apply", "--yes"]).ended(0);
    assert_eq!(host.wait_running(&["sleeper:sleeper"]), pid);
    let runs = std::fs::read_to_string(fleet.keyring.path("home/runs")).unwrap();
    assert_eq!(runs.lines().count(), 2, "one connection for each command");
}

#[test]
fn useless_command_is_explained() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    for (rest, message, hint) in [
        (
            "connection: exec, exec: [/no/such/podman, exec, -i, web]",
            "web1: error: cannot run /no/such/podman, by which web1 is reached: No such file",
            "hint: install it, or fix `exec` of server web1 in the inventory",
        ),
        (
            "connection: exec, exec: [sh, -c, 'echo no such container >&2; exit 125', far]",
            "web1: error: web1 did not run our command: no such container\n",
            "try it: sh -c 'echo no such container >&2; exit 125' far true\n",
        ),
    ] {
        write_inventory(&fleet, rest);
        fleet.run(&["plan"]).ended(1).complains(message).complains(hint);
    }
}

#[test]
fn exec_keys_must_fit() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    for (rest, message) in [
        ("connection: exec", "`connection: exec` needs the command, as `exec`"),
        ("exec: [podman], port: 22", "`port` is for SSH, and this server is reached by `exec`"),
        (
            "host: web1, connection: ssh, exec: [podman]",
            "is for a server that is reached by a command",
        ),
        ("exec: []", "`exec` must name a program"),
        ("exec: ['a\\nb']", "control character"),
        ("exec: podman exec", "exec"),
    ] {
        write_inventory(&fleet, &rest.replace("'a\\nb'", "\"a\\nb\""));
        fleet.run(&["check"]).ended(1).complains(message).complains("deployer.yml:");
    }
}
