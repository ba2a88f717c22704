//! How a host is logged in to: how often, as whom, and through what.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::Fleet;
use crate::account::Account;
use crate::site::BINARY;

#[test]
fn plan_to_apply_is_one_connection() {
    let fleet = or_skip!(Fleet::start(&["web1", "web2"]));
    fleet.write_inventory("");
    // A terminal of its own, on which somebody says yes.
    let mut on_terminal = Command::new("script")
        .args(["-qec", &format!("{BINARY} apply"), "/dev/null"])
        .current_dir(fleet.keyring.path(""))
        .env("SUPERVISOR_SYNC_SSH", fleet.keyring.wrapper())
        .env_remove("SUPERVISOR_SYNC_INVENTORY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    on_terminal.stdin.take().unwrap().write_all(b"y\n").unwrap();
    let output = on_terminal.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("Apply this on 2 hosts?").count(), 1, "{said}");
    assert!(said.contains("2 of 2 hosts done"), "{said}");
    for machine in &fleet.machines {
        assert_eq!(machine.sshd.logins(), 1, "{}", machine.name);
    }
    fleet.run(&["apply", "--yes"]).ended(0);
    fleet.run(&["plan"]).ended(0);
    for machine in &fleet.machines {
        assert_eq!(machine.sshd.logins(), 3, "{}", machine.name);
    }
}

#[test]
fn missing_ssh_names_its_package() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    fleet.write_inventory("");
    let run = fleet.command(&["plan"]).env("SUPERVISOR_SYNC_SSH", "/no/such/ssh").run();
    run.ended(1).complains("web1: error: cannot run /no/such/ssh").complains("openssh-client");
}

#[test]
fn useless_login_shell_is_quoted() {
    let mut fleet = or_skip!(Fleet::start(&["web1"]));
    let extra = "ForceCommand echo This account is not available.";
    fleet.machines[0].sshd = crate::sshd::Sshd::start_with(&fleet.keyring, extra);
    fleet.write_inventory("");
    let run = fleet.run(&["plan"]).ended(1);
    run.complains("did not run our command: This account is not available.\n");
}

#[test]
fn ssh_config_names_missing_user() {
    let fleet = or_skip!(Fleet::start(&[]));
    let fleet = fleet.with_other("by-config", "host: by-config").with_other("plain", "host: plain");
    // Only what would be done is looked at.
    let asked = fleet.keyring.path("asked");
    let text = format!(
        "case $1 in -G) exec ssh -F \"$CONFIG\" \"$@\";; esac\necho \"$@\" >> {}\nexit 255",
        asked.display()
    );
    fleet.keyring.write_wrapper(&text);
    let config = std::fs::read_to_string(fleet.keyring.path("config")).unwrap();
    let config = format!("Host by-config\n  User somebody\n{config}");
    std::fs::write(fleet.keyring.path("config"), config).unwrap();
    fleet.write_inventory("");
    fleet.run(&["history", "--parallel", "1"]).ended(1);
    let asked = std::fs::read_to_string(asked).unwrap();
    let [by_config, plain] = asked.lines().collect::<Vec<_>>()[..] else { panic!("{asked}") };
    assert!(by_config.contains(" -- by-config exec sh") && !by_config.contains(" -l root "));
    assert!(plain.contains(" -l root -- plain exec sh"), "{plain}");
}

#[test]
fn refusing_sudo_gets_sudoers_line() {
    let mut fleet = or_skip!(Fleet::start(&["web1"]));
    let account = or_skip!(Account::make("supsync-test"));
    // Somebody's home, and a folder for installed programs of root's that is on the PATH.
    let (home, bin) = (fleet.keyring.path("home-of-a-host"), fleet.keyring.path("bin"));
    for folder in [&home, &bin] {
        std::fs::create_dir(folder).unwrap();
    }
    let chown = Command::new("chown").arg(account.name).arg(&home).status();
    assert!(chown.unwrap().success());
    let extra = format!("SetEnv HOME={} PATH={}:/usr/bin:/bin", home.display(), bin.display());
    fleet.machines[0].sshd = crate::sshd::Sshd::start_with(&fleet.keyring, &extra);
    let port = fleet.machines[0].sshd.port;
    fleet.write_inventory("");
    let path = fleet.keyring.path("deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let server = format!("port: {port}, username: root, privilege: none");
    assert!(text.contains(&server), "{text}");
    let other = format!("port: {port}, username: {}", account.name);
    std::fs::write(&path, text.replace(&server, &other)).unwrap();

    let run = fleet.run(&["apply", "--yes"]).ended(1);
    let run = run.complains(
        "sudo on supsync-test@127.0.0.1 does not let supsync-test run supervisor-sync: ",
    );
    let line = |path: &str| format!("{} ALL=(root) NOPASSWD: {path} agent", account.name);
    run.complains(&format!("install -m 755 {}/.cache/supervisor-sync/", home.display()))
        .complains(&format!("echo '{}' > /etc/sudoers.d/", line("/usr/local/bin/supervisor-sync")));

    // Another build of the same release, so that its digest is another: allowed, it is used.
    let installed = bin.join("supervisor-sync");
    let mut bytes = std::fs::read(BINARY).unwrap();
    bytes.push(0);
    std::fs::write(&installed, bytes).unwrap();
    std::fs::set_permissions(&installed, std::fs::Permissions::from_mode(0o755)).unwrap();
    fleet.run(&["apply", "--yes"]).ended(1);
    account.allow(&line(installed.to_str().unwrap()));
    fleet.run(&["apply", "--yes"]).ended(0);
    let web1 = fleet.machine("web1");
    web1.host.wait_running(&[&format!("{0}:{0}", web1.full())]);
}

#[test]
fn local_sudo_runs_same_agent() {
    let host = or_skip!(crate::site::Host::start());
    let sudo = Command::new("sudo").args(["-n", "true"]).status();
    if !sudo.is_ok_and(|status| status.success()) {
        crate::python::missing("sudo without a password");
        return;
    }
    host.deploy("example.com").worker("worker");
    host.inventory(
        "  - {domain: example.com, server: here, supervisors: [{program: worker, script: \
         worker.sh}]}",
    );
    let path = host.path("home/deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("privilege: none", "privilege: sudo")).unwrap();
    host.run(&["plan", "--exit-code"]).ended(3);
    host.run(&["apply", "--yes"]).ended(0).says("applied as revision 1");
    host.run(&["history"]).ended(0).says("apply");
}
