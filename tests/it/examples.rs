//! What people read first is true: the inventory of `examples/`, and the inventory of the README with
//! the plan it prints.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "deploys a site and runs the real program")]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use supervisor_sync::inventory::{self, Run};

use crate::daemon::{Daemon, current_user};
use crate::site::without_warning_of_version;

/// Where the layout of the README's reader is on the host of the test.
const LAYOUT: [(&str, &str); 4] = [
    ("conf.d", "/etc/supervisor/conf.d"),
    ("logrotate.d", "/etc/logrotate.d"),
    ("log", "/var/log/supervisor"),
    ("sites", "/home/deployer/sites"),
];

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

fn supervisor_sync(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_supervisor-sync")).args(arguments).output().unwrap()
}

#[test]
fn the_example_inventory_has_no_problem() {
    let path = repository().join("examples/deployer.yml");
    let output = supervisor_sync(&["check", "--inventory", path.to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn example_uses_every_script() {
    let inventory = inventory::read("deployer.yml", &read("examples/deployer.yml")).unwrap();
    for placed in &inventory.sites {
        let folder = format!("examples/{}/.deployer/supervisors", placed.site.domain);
        let scripts = placed.site.programs.iter().filter_map(|program| match &program.run {
            Run::Script(script) => Some(script.to_string()),
            Run::Command(_) => None,
        });
        let mut wanted: Vec<String> = scripts.collect();
        let entries = std::fs::read_dir(repository().join(&folder)).unwrap();
        let mut there: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        wanted.sort();
        there.sort();
        assert_eq!(there, wanted, "{folder}");
        for script in there {
            let path = repository().join(&folder).join(script);
            let mode = path.metadata().unwrap().permissions().mode();
            assert_ne!(mode & 0o100, 0, "{} is not executable", path.display());
        }
    }
}

/// The fenced block behind `<!-- NAME -->`, with where it begins and ends.
fn block(text: &str, name: &str) -> (usize, usize) {
    let mark = format!("<!-- {name} -->\n```");
    let at = text.find(&mark).unwrap() + mark.len();
    let begin = at + text[at..].find('\n').unwrap() + 1;
    let end = begin + text[begin..].find("```").unwrap();
    (begin, end)
}

/// Deploys the site that the README's inventory is about.
fn deploy(root: &Path) {
    let site = root.join("sites/example.com");
    let scripts = site.join("releases/1/.deployer/supervisors");
    std::fs::create_dir_all(&scripts).unwrap();
    symlink("releases/1", site.join("current")).unwrap();
    let runner = site.join("runner.sh");
    for path in [&runner, &scripts.join("queue-worker.sh"), &scripts.join("scheduler.sh")] {
        std::fs::write(path, "#!/bin/sh\nexec sleep 1000\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// The README's inventory for the daemon of the test: the same, but for where it is.
fn placed_on(daemon: &Daemon, inventory: &str) -> PathBuf {
    let root = daemon.root().display();
    let here = "host: localhost\n    connection: local\n    privilege: none";
    let text = format!(
        "user: {}\npaths:\n  sites: {root}/sites\n  conf_dir: {root}/conf.d\n  \
         logrotate_dir: {root}/logrotate.d\n  log_dir: {root}/log\n  \
         supervisord: {root}/supervisord.conf\n  state_dir: {root}/state\n{}",
        current_user(),
        inventory.replace("host: 203.0.113.10", here)
    );
    let path = daemon.root().join("deployer.yml");
    std::fs::write(&path, text).unwrap();
    path
}

/// To write the plan into the README: `UPDATE_README=1 cargo test --test it readme`.
#[test]
fn readme_shows_inventorys_plan() {
    let daemon = or_skip!(Daemon::start());
    deploy(daemon.root());
    let readme = read("README.md");
    let (begin, end) = block(&readme, "inventory");
    let inventory = &readme[begin..end];
    assert_eq!(inventory.lines().count(), 12);
    let path = placed_on(&daemon, inventory);
    let output = supervisor_sync(&["plan", "--inventory", path.to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
    let mut plan = without_warning_of_version(&String::from_utf8(output.stdout).unwrap());
    for (here, there) in LAYOUT {
        plan = plan.replace(daemon.root().join(here).to_str().unwrap(), there);
    }
    plan = plan.replace(&format!("+user={}\n", current_user()), "+user=deployer\n");
    let (begin, end) = block(&readme, "plan");
    if std::env::var_os("UPDATE_README").is_some() {
        let updated = format!("{}{plan}{}", &readme[..begin], &readme[end..]);
        std::fs::write(repository().join("README.md"), updated).unwrap();
    } else {
        let shown = &readme[begin..end];
        assert_eq!(shown, plan, "to update it: UPDATE_README=1 cargo test --test it readme");
    }
}
