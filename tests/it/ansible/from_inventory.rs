//! deployer.yml as the inventory of Ansible, and as what the module `site` makes of it on each host.

use std::process::Command;

use serde_json::Value;

use super::{Controller, worker};

/// Two servers and their sites; the second one is reached as the first.
fn deployer(controller: &Controller, more: &str) -> String {
    let server = |name: &str, more: &str| {
        let machine = controller.machines.iter().find(|machine| machine.name == name).unwrap();
        format!(
            "  - {{name: {name}, host: 127.0.0.1, port: {}, username: root, privateKeyPath: {}{more}}}\n",
            machine.sshd.port,
            controller.path("id").display()
        )
    };
    format!(
        "name: shop\nuser: root\nservers:\n{}{}\
         \x20 - {{name: box, exec: [podman, exec, -i, web]}}\n  - {{name: odd, exec: [lxc, exec, odd, --]}}\n{more}",
        server("web1", ", tags: [eu, Big-ones]"),
        server("web2", ""),
    )
}

fn write(controller: &Controller, sites: &str) {
    std::fs::write(controller.path("deployer.yml"), deployer(controller, sites)).unwrap();
}

/// The hosts, groups and variables that Ansible has of it.
fn listed(controller: &Controller) -> (Value, String) {
    let mut command = Command::new(controller.venv.join("bin/ansible-inventory"));
    let output = command
        .args(["--list", "--inventory"])
        .arg(controller.path("deployer.yml"))
        .env("LC_ALL", "C.UTF-8")
        .env("ANSIBLE_HOME", controller.path("ansible"))
        .env("ANSIBLE_INVENTORY_ENABLED", "supervisor_sync.core.deployer_yml")
        .env("ANSIBLE_COLLECTIONS_PATH", controller.collection.path())
        .output()
        .unwrap();
    let warned = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{warned}");
    (trusted(serde_json::from_slice(&output.stdout).unwrap()), warned)
}

/// Texts without the mark that newer releases give to those that are no template.
fn trusted(value: Value) -> Value {
    match value {
        Value::Object(mut map) => match map.remove("__ansible_unsafe") {
            Some(text) => text,
            None => map.into_iter().map(|(name, one)| (name, trusted(one))).collect(),
        },
        Value::Array(items) => items.into_iter().map(trusted).collect(),
        value => value,
    }
}

#[test]
fn servers_are_hosts_and_tags_and_sites_groups() {
    let controller = or_skip!(Controller::start(&["web1", "web2"]));
    write(
        &controller,
        "sites:\n  - {domain: a.com, servers: [web1, web2], supervisors: []}\n  - {domain: b.com, server: web2}\n",
    );
    let (listed, warned) = listed(&controller);
    assert!(warned.contains("server odd is left out"), "{warned}");
    for (group, hosts) in [
        ("tag_eu", &["web1"][..]),
        ("tag_Big_ones", &["web1"]),
        ("site_a_com", &["web1", "web2"]),
        ("site_b_com", &["web2"]),
    ] {
        assert_eq!(listed[group]["hosts"], serde_json::json!(hosts), "{group}: {listed}");
    }
    let variables = &listed["_meta"]["hostvars"];
    assert_eq!(variables["web1"]["ansible_port"], controller.machine().sshd.port);
    assert_eq!(variables["web1"]["ansible_user"], "root");
    assert_eq!(variables["web2"]["deployer_sites"], serde_json::json!(["a.com", "b.com"]));
    assert_eq!(variables["box"]["ansible_connection"], "containers.podman.podman");
    assert_eq!(variables["box"]["ansible_host"], "web");
}

/// Each host gets its own sites, with the files that lie beside the inventory; and loses what left it.
#[test]
fn each_host_gets_what_the_inventory_has_for_it() {
    let controller = or_skip!(Controller::start(&["web1", "web2"]));
    let host =
        |name: &str| &controller.machines.iter().find(|machine| machine.name == name).unwrap().host;
    for machine in &controller.machines {
        machine.host.deploy("b.com").worker("one");
    }
    std::fs::write(controller.path("one.env"), "VERSION=1.10\n").unwrap();
    std::fs::write(controller.path("tick.conf"), "[program:tick]\ncommand=/bin/sleep 1000\n")
        .unwrap();
    let one = worker("one", ", environment_file: one.env, environment: {OTHER: 1.20}");
    let two = worker("two", "");
    write(
        &controller,
        &format!(
            "notify: [{{command: \"false\"}}]\nsites:\n  - domain: a.com\n    servers: [web1, web2]\n    \
             repo: git@x\n    since: 2026-01-01\n    configs: [tick.conf]\n    supervisors: [{{{one}}}, {{{two}}}]\n  \
             - {{domain: b.com, server: web2, supervisors: [{{{}}}]}}\n  - {{domain: c.com, server: web1}}\n",
            worker("one", "")
        ),
    );
    let paths: std::collections::BTreeMap<&str, Value> = controller
        .machines
        .iter()
        .map(|machine| (machine.name, Controller::paths(&machine.host)))
        .collect();
    let paths = serde_json::to_string(&paths).unwrap();
    let task = format!(
        "- vars: {{of: {paths}}}\n  supervisor_sync.core.site:\n    from_inventory: deployer.yml\n    \
         paths: \"{{{{ of[inventory_hostname] }}}}\"\n"
    );
    let play = controller.play(&task, &[]).ended(0);
    assert!(play.by_host().values().all(|one| one["outcome"] == "applied"), "{}", play.output);
    assert_eq!(host("web1").groups(), ["a.com-one", "a.com-two", "tick"]);
    assert_eq!(host("web2").groups(), ["a.com-one", "a.com-two", "b.com-one", "tick"]);
    let text = std::fs::read_to_string(host("web1").conf("a.com-one")).unwrap();
    assert!(text.contains("VERSION='1.10'") && text.contains("OTHER='1.20'"), "{text}");
    let again = controller.play(&task, &[]).ended(0);
    assert!(again.by_host().values().all(|one| one["changed"] == false), "{}", again.output);

    write(
        &controller,
        &format!(
            "sites:\n  - {{domain: a.com, servers: [web1, web2], supervisors: [{{{two}}}]}}\n"
        ),
    );
    let play = controller.play(&task, &[]).ended(0);
    assert_eq!(host("web2").groups(), ["a.com-two", "b.com-one"], "{}", play.output);
    let pruning = format!("{task}    prune: true\n");
    controller.play(&pruning, &["--check"]).ended(0);
    assert_eq!(host("web2").groups(), ["a.com-two", "b.com-one"]);
    let play = controller.play(&pruning, &[]).ended(0);
    assert_eq!(host("web2").groups(), ["a.com-two"]);
    assert_eq!(play.by_host()["web1"]["changed"], false, "{}", play.output);
}

#[test]
fn wrong_inventory_says_what_is_wrong() {
    let controller = or_skip!(Controller::start(&["web1", "web2"]));
    let task = |more: &str| {
        format!("- supervisor_sync.core.site: {{from_inventory: deployer.yml{more}}}\n")
    };
    for (text, more, told) in [
        ("servers: [{name: other, host: h}]\n", "", "has no server `web1` (it has: other)"),
        ("servers: [{name: web1, host: h}]\n", ", supervisors: []", "remove supervisors"),
        ("servers: [{name: web1, host: h}]\n", ", prune: true", "a `name`"),
        ("a: [\n", "", "this is not YAML"),
        (
            "servers: [{name: web1, host: h}]\nsites: [{domain: a.com, server: web1, supervisors: [{program: x}]}]\n",
            "",
            "needs `script` or `command`",
        ),
        (
            "servers: [{name: web1, host: h}]\nsites: [{domain: a.com, server: web1, supervisors: w.sh, configs: c}]\n",
            "",
            "`supervisors` must be a list",
        ),
    ] {
        std::fs::write(controller.path("deployer.yml"), text).unwrap();
        let play = controller.play(&task(more), &["--limit", "web1"]).ended(2);
        let message = play.result()["msg"].as_str().unwrap();
        assert!(message.contains(told), "no {told:?} in {message}");
    }
    std::fs::write(controller.path("deployer.yml"), "servers: [{name: web1, host: h}]\n").unwrap();
    let play = controller.play(&task(""), &["--limit", "web1"]).ended(0);
    assert_eq!(play.came_to(), ("unchanged", false), "a server without sites has nothing to do");
}
