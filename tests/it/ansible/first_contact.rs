//! The program comes to a host once, in the way that it comes there over SSH, and is run by what Ansible connects with.

use std::os::unix::fs::PermissionsExt as _;

use super::{Controller, brought, home, programs, site_of, worker};
use crate::site::BINARY;

#[test]
fn program_is_brought_once() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let machine = controller.machine();
    let task = programs(&[&worker("one", "")], "");
    controller.play(&task, &[]).ended(0);
    assert_eq!((brought(&controller, machine), machine.sshd.logins()), (1, 3));
    // One command for a task, and nothing of a module or of its temporary folder.
    controller.play(&task, &[]).ended(0);
    assert_eq!((brought(&controller, machine), machine.sshd.logins()), (1, 4));
    assert!(!home(&controller, machine).join(".ansible").exists());
}

/// A controller without one, as a Mac is: what is installed on the host is used.
#[test]
fn installed_program_serves_a_controller_without_one() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let machine = controller.machine();
    let not_ours = controller.path("supervisor-sync");
    std::fs::write(&not_ours, "#!/bin/sh\n# No program for any host.\nexit 1\n").unwrap();
    let task = programs(&[&worker("one", "")], &format!("binary: {}", not_ours.display()));
    let play = controller.play(&task, &[]).ended(2);
    let message = play.result()["msg"].as_str().unwrap();
    assert!(message.contains("no supervisor-sync here runs on the host, Linux-"), "{message}");
    let installed = controller.path("web1-bin/supervisor-sync");
    std::fs::copy(BINARY, &installed).unwrap();
    std::fs::set_permissions(&installed, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(controller.play(&task, &[]).ended(0).came_to(), ("applied", true));
    assert_eq!(brought(&controller, machine), 0);
}

/// What is installed is killed half-way, or is of another release.
#[test]
fn half_an_answer_fails_the_task() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let (not_ours, installed) =
        (controller.path("supervisor-sync"), controller.path("web1-bin/supervisor-sync"));
    std::fs::write(&not_ours, "#!/bin/sh\n# No program for any host.\n").unwrap();
    let task = programs(&[&worker("one", "")], &format!("binary: {}", not_ours.display()));
    for (end, told) in [
        ("echo '{\"kind\":\"applied\",\"si'; exit 9", "ended with status 9"),
        ("echo \"error: unexpected argument '--absent'\" >&2; exit 2", "of another release"),
    ] {
        let text = format!("#!/bin/sh\n[ \"$1\" = --version ] && exit 0\n{end}\n");
        crate::site::write_executable(&installed, &text);
        let play = controller.play(&task, &[]).ended(2);
        let message = play.result()["msg"].as_str().unwrap();
        assert!(message.contains(told), "no {told:?} in {message}");
        assert_eq!(play.result()["changed"], false);
    }
}

/// The same as the controller's: it is not brought a second time.
#[test]
fn installed_program_is_used_where_it_is_the_same() {
    let controller = or_skip!(Controller::start(&["web1"]));
    std::os::unix::fs::symlink(BINARY, controller.path("web1-bin/supervisor-sync")).unwrap();
    controller.play(&programs(&[&worker("one", "")], ""), &[]).ended(0);
    let machine = controller.machine();
    assert_eq!((brought(&controller, machine), machine.sshd.logins()), (0, 1));
}

/// A host of another CPU gets the file that lies in `binaries`.
#[test]
fn other_machine_gets_its_own_program() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let machine = std::env::consts::ARCH;
    let folder = controller.path("binaries");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(BINARY, folder.join(format!("supervisor-sync-linux-{machine}"))).unwrap();
    let foreign = controller.path("foreign");
    // An ELF header of a machine that no host is.
    let mut header = std::fs::read(BINARY).unwrap()[..64].to_vec();
    header[18..20].copy_from_slice(&[0xF3, 0]);
    std::fs::write(&foreign, header).unwrap();
    let more = format!("binary: {}\nbinaries: {}", foreign.display(), folder.display());
    controller.play(&programs(&[&worker("one", "")], &more), &[]).ended(0);
    assert_eq!(brought(&controller, controller.machine()), 1);
}

/// A login shell that talks, and a banner, are passed over.
#[test]
fn banner_is_passed_over() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let noise = "echo '{\"kind\":\"applied\",\"sites\":[]} {'\n";
    std::fs::write(home(&controller, controller.machine()).join(".bashrc"), noise).unwrap();
    let play = controller.play(&programs(&[&worker("one", "")], ""), &[]).ended(0);
    assert_eq!(play.came_to(), ("applied", true));
}

#[test]
fn dead_host_is_unreachable() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let port = crate::sshd::free_port();
    controller.write_inventory(&[("dead", format!("ansible_host=127.0.0.1 ansible_port={port}"))]);
    let play = controller.play(&programs(&[&worker("one", "")], ""), &[]).ended(4);
    let statuses: Vec<_> = play.results.iter().map(|one| one["status"].as_str()).collect();
    assert!(
        statuses.contains(&Some("ok")) && statuses.contains(&Some("unreachable")),
        "{statuses:?}"
    );
    site_of(controller.host());
}

/// A connection plugin that cannot pass data to a command says so in place of a program that waits for ever.
#[test]
fn connection_without_stdin_is_refused() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let plugins = controller.path("connections");
    std::fs::create_dir(&plugins).unwrap();
    let plugin = "from ansible.plugins.connection.local import Connection as Local\n\n\n\
                  class Connection(Local):\n    transport = 'deaf'\n    has_pipelining = False\n";
    let documentation =
        "DOCUMENTATION = '''\nname: deaf\nshort_description: x\ndescription: x\n'''\n";
    std::fs::write(plugins.join("deaf.py"), format!("{documentation}{plugin}")).unwrap();
    std::fs::write(controller.path("hosts.ini"), "here ansible_connection=deaf\n").unwrap();
    let text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - supervisor_sync.core.info:\n";
    let config = format!("[defaults]\nconnection_plugins={}\n", plugins.display());
    std::fs::write(controller.path("ansible.cfg"), config).unwrap();
    let play = controller.play_book(text, &[]).ended(2);
    let message = play.result()["msg"].as_str().unwrap();
    assert!(message.contains("connection plugin deaf cannot pass data"), "{message}");
}
