//! `init`: a first inventory that works where there is nothing but supervisor.

#![expect(clippy::unwrap_used, reason = "a harness that fails fails the test")]
#![expect(clippy::disallowed_methods, reason = "prepares a repository")]

use super::asked::{answer, asked_on_terminal};
use super::document;
use crate::hints::Hint;
use crate::site::Host;

/// Says where this throw-away server has its folders, and that nobody becomes root.
fn adapt(host: &Host) {
    let path = host.path("home/deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("connection: local", "connection: local, privilege: none");
    let paths = format!(
        "paths:\n  conf_dir: {}\n  logrotate_dir: {}\n  log_dir: {}\n  supervisord: {}\n  state_dir: {}\n",
        host.daemon.conf_dir().display(),
        host.daemon.logrotate_dir().display(),
        host.daemon.log_dir().display(),
        host.daemon.main_conf().display(),
        host.path("state").display(),
    );
    std::fs::write(path, text + &paths).unwrap();
}

#[test]
fn first_inventory_is_planned_and_applied_on_a_bare_server() {
    let host = or_skip!(Host::start());
    let run = host.run(&["init", "--here", "--site", "shop.example.com"]).ended(0);
    let run = run.says("deployer.yml is written\n").says("\ndeployer.schema.json is written");
    let said = run.stdout;
    let schema = std::fs::read_to_string(host.path("home/deployer.schema.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&schema).unwrap();
    let written = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    assert!(written.starts_with("# yaml-language-server: $schema=./deployer.schema.json\n"));
    adapt(&host);
    let run = host.follow(&said, Hint("Next: look at it, then: supervisor-sync plan")).ended(0);
    run.says("+ example  start: new, ").says("1 host, 1 site: 1 starts");
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_running(&["shop.example.com-example:shop.example.com-example"]);
    // The comments of the example are keys that can be set.
    let set = [
        "set",
        "shop.example.com",
        "example",
        "numprocs=2",
        "stopwaitsecs=60",
        "logs={rotate: 14, size: 100M}",
    ];
    host.run(&[&set[..], &["--inventory-only"]].concat()).ended(0);
    let before = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    host.run(&["init", "--here"]).ended(1).complains("deployer.yml is there already");
    assert_eq!(std::fs::read_to_string(host.path("home/deployer.yml")).unwrap(), before);
}

#[test]
fn frameworks_and_scripts_become_programs() {
    let host = or_skip!(Host::start());
    let home = host.path("home");
    std::fs::write(home.join("composer.json"), r#"{"require": {"laravel/framework": "^12"}}"#)
        .unwrap();
    std::fs::create_dir_all(home.join(".deployer/supervisors")).unwrap();
    std::fs::write(home.join(".deployer/supervisors/mail.sh"), "#!/bin/bash\n").unwrap();
    let run = host.run(&["init", "--server", "deploy@203.0.113.10:2222", "--json"]).ended(0);
    let programs = &document(&run, "init")["programs"];
    let commands: Vec<_> =
        programs.as_array().unwrap().iter().map(|program| &program["command"]).collect();
    let expected =
        ["bash .deployer/supervisors/mail.sh", "php artisan queue:work --tries=3 --max-time=3600"];
    assert_eq!(commands, expected);
    let text = std::fs::read_to_string(home.join("deployer.yml")).unwrap();
    let server = "{name: server1, host: 203.0.113.10, username: deploy, port: 2222}";
    assert!(text.contains(server) && text.contains("user: deploy "), "{text}");
    assert!(text.contains("domain: home\n") && text.contains("directory: /srv/home "), "{text}");
    host.run(&["check"]).ended(0);
}

#[test]
fn server_is_asked_for_on_a_terminal_alone() {
    let host = or_skip!(Host::start());
    host.run(&["init"]).ended(2).complains("supervisor-sync init --here");
    assert!(!host.path("home/deployer.yml").exists());
    let question = "server that the programs run on (1 to 1, or USER@HOST): ";
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "init", question));
    answer(running, keyboard, "root@web1.example.com\n").ended(0);
    let text = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    assert!(text.contains("{name: web1, host: web1.example.com, username: root}"), "{text}");
}
