//! As whom the work is done: as whom Ansible logs in, or whom it becomes.

use std::process::Command;

use super::{Controller, home, programs, worker};
use crate::account::Account;
use crate::daemon::Options;
use crate::site::Host;

/// A login without rights becomes root by Ansible's own `become`, through a real sudo.
#[test]
fn become_is_ansibles_own() {
    let mut controller = or_skip!(Controller::start(&["web1"]));
    let account = or_skip!(Account::make("supsync-ansible"));
    let folder = home(&controller, controller.machine());
    let chown = Command::new("chown").arg(account.name).arg(folder).status();
    assert!(chown.unwrap().success());
    let login = controller.login(controller.machine(), account.name);
    controller.machines[0].name = "unused";
    std::fs::write(controller.path("hosts.ini"), format!("web1 {login}\n")).unwrap();
    let task = programs(&[&worker("one", "")], "");
    let before = controller.host().snapshot();
    let play = controller.play(&task, &[]).ended(2);
    assert!(!play.came_to().1);
    before.assert_same(&controller.host().snapshot());

    account.allow(&format!("{} ALL=(root) NOPASSWD: ALL", account.name));
    let play = controller.play(&task, &["--become"]).ended(0);
    assert_eq!(play.came_to(), ("applied", true));
    controller.host().wait_running(&["a.com-one:a.com-one"]);
}

/// `connection: local`, and a supervisord of the user that Ansible becomes.
#[test]
fn local_connection_becomes_another_user() {
    let controller = or_skip!(Controller::start(&["web1"]));
    if crate::daemon::current_user() != "root" {
        return crate::python::missing("being root");
    }
    let options = Options { user: Some("nobody".to_owned()), ..Options::default() };
    let host = or_skip!(Host::start_with(options));
    host.deploy("a.com").worker("one");
    std::fs::write(controller.path("hosts.ini"), "here ansible_connection=local\n").unwrap();
    let paths = Controller::paths(&host);
    let more = format!("user: nobody\npaths: {paths}");
    let task = programs(&[&worker("one", "")], &more);
    let flags = ["--become", "--become-user", "nobody"];
    let play = controller.play(&task, &flags).ended(0);
    assert_eq!(play.came_to(), ("applied", true));
    host.wait_running(&["a.com-one:a.com-one"]);
    use std::os::unix::fs::MetadataExt as _;
    let owner = std::fs::metadata(host.conf("a.com-one")).unwrap().uid();
    assert_ne!(owner, 0, "nobody wrote it");
    assert_eq!(controller.play(&task, &flags).ended(0).came_to(), ("unchanged", false));
}
