//! The verb against a host: what it writes, what it leaves, and what it says of both.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use supervisor_sync::supervisord::ProcessState;
use supervisor_sync::system::users;

use super::corpus::{pids, running, texts};
use crate::daemon::{PATIENCE, wait_until};
use crate::hints::Hint;
use crate::python::missing;
use crate::site::Host;
use crate::verbs::asked::{answer, asked_on_terminal};
use crate::verbs::document;

const CELERY: &str = "[program:celery]\ncommand=celery -A shop worker\npriority=5\n";
const SECRETS: &str =
    "[program:api]\ncommand=node api.js\nenvironment=API_TOKEN='hunter2',MODE='fast'\n";

fn host_with(files: &[(&str, &str)]) -> Option<Host> {
    let files: BTreeMap<String, String> =
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let host = running(&files)?;
    wait_until(PATIENCE, "nothing starts any more", || {
        let processes = host.daemon.processes();
        processes.iter().all(|process| process.state != ProcessState::Starting)
    });
    host.inventory("");
    Some(host)
}

fn inventory(host: &Host) -> String {
    std::fs::read_to_string(host.path("home/deployer.yml")).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn import_asks_before_it_writes() {
    let host = or_skip!(host_with(&[("celery.conf", CELERY)]));
    host.wait_running(&["celery:celery"]);
    let before = (inventory(&host), host.snapshot());
    let said = host.run(&["import"]).ended(2).says("command: celery -A shop worker\n");
    assert!(said.stderr.contains("--yes"), "{}", said.stderr);
    let told = document(&host.run(&["import", "--json"]).ended(0), "import");
    assert_eq!((&told["written"], &told["planned"]), (&false.into(), &true.into()));
    assert_eq!(inventory(&host), before.0);
    before.1.assert_same(&host.snapshot());
}

/// On a terminal nobody's Enter writes anything; a yes does.
#[test]
fn only_a_yes_on_terminal_imports() {
    let host = or_skip!(host_with(&[("celery.conf", CELERY)]));
    let before = (inventory(&host), pids(&host));
    let question = format!("Write {}? [y/N] ", host.path("home/deployer.yml").display());
    for no in ["n\n", "\n"] {
        let (running, keyboard) = or_skip!(asked_on_terminal(&host, "import", &question));
        assert!(running.stdout().contains("Proved: the server's plan after it changes no process"));
        let run = answer(running, keyboard, no).ended(1);
        assert!(run.stdout.contains("not written: you answered no"), "{}", run.stdout);
        assert_eq!((inventory(&host), pids(&host)), before);
    }
    let (running, keyboard) = or_skip!(asked_on_terminal(&host, "import", &question));
    let run = answer(running, keyboard, "y\n").ended(0);
    assert!(run.stdout.contains("Written. Look at the plan"), "{}", run.stdout);
    assert!(inventory(&host).contains("as: celery"), "{}", inventory(&host));
    assert_eq!(pids(&host), before.1);
}

/// What is a link comes in as what it leads to; the apply puts a file there, and release the link.
#[test]
fn link_comes_in_and_goes_back() {
    for options in [&[][..], &["--normalise"]] {
        let host = or_skip!(host_with(&[("celery.conf", CELERY)]));
        let target = host.path("home/celery.conf");
        std::fs::rename(host.conf("celery"), &target).unwrap();
        std::os::unix::fs::symlink(&target, host.conf("celery")).unwrap();
        let before = (pids(&host), texts(&host));
        let said = host.run(&[&["import", "--yes"], options].concat()).ended(0);
        let link = format!("celery.conf to {}\n", target.display());
        assert!(said.stdout.contains(&link), "{}", said.stdout);
        host.run(&["apply", "--yes"]).ended(0);
        assert!(!host.conf("celery").is_symlink());
        assert_eq!(pids(&host), before.0);
        host.run(&["plan", "--exit-code"]).ended(0);
        host.run(&["release", "here", "--yes"]).ended(0);
        assert_eq!(std::fs::read_link(host.conf("celery")).unwrap(), target);
        assert_eq!((pids(&host), texts(&host)), before);
    }
}

/// What comes in is appended, and a second import finds nothing more once it was applied.
#[test]
fn imported_program_is_known_afterwards() {
    let host = or_skip!(host_with(&[("celery.conf", CELERY)]));
    let path = host.path("home/deployer.yml");
    let own = format!(
        "{}\n  # by hand\n  - {{domain: b.com, server: here, supervisors: []}}\n",
        inventory(&host).trim_end()
    );
    std::fs::write(&path, &own).unwrap();
    let (before, files) = (pids(&host), texts(&host));
    let said = host
        .run(&["import", "--yes"])
        .ended(0)
        .says("1 program: 1 as keys and options, 0 in configs, 0 not taken\n")
        .says("Proved: the server's plan after it changes no process and no text of a file\n")
        .says("Look at the plan: supervisor-sync plan\n")
        .stdout;
    host.follow(&said, Hint("supervisor-sync {}")).ended(0);
    let text = inventory(&host);
    let added = text.strip_prefix(&own).unwrap();
    assert_eq!(
        added,
        "  # named after the server\n  - domain: here\n    server: here\n    format: plain\n    supervisors:\n      \
         - program: celery\n        as: celery\n        command: celery -A shop worker\n        priority: 5\n"
    );
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!((pids(&host), texts(&host)), (before, files));
    host.run(&["import", "--yes"])
        .ended(0)
        .says("Left out: 1 file on record already\n")
        .says("There is nothing to import\n");
    assert_eq!(inventory(&host), text);
}

#[test]
fn site_is_named_after_deployment() {
    let text = |name: &str, folder: &str| {
        format!("[program:{name}]\ncommand=node {name}.js\ndirectory=@ROOT@{folder}\n")
    };
    let files = [
        ("a.conf", text("shop.example.com-web", "/srv/shop.example.com/current")),
        ("b.conf", text("mail", "/srv/shop.example.com/current")),
        ("c.conf", text("other", "/etc/other")),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let host = or_skip!(host_with(&files));
    let told = document(&host.run(&["import", "--yes", "--json"]).ended(0), "import");
    let sites: Vec<&str> = told["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["site"].as_str().unwrap())
        .collect();
    assert_eq!(sites, ["shop.example.com", "shop.example.com", "here"]);
    let text = inventory(&host);
    assert!(text.contains("      - program: web\n        file: a.conf\n"), "{text}");
    assert!(
        text.contains("      - program: mail\n        as: mail\n        file: b.conf\n"),
        "{text}"
    );
    host.run(&["apply", "--yes"]).ended(0);
}

#[test]
fn named_site_takes_everything() {
    let host = or_skip!(host_with(&[("celery.conf", CELERY)]));
    host.run(&["import", "--yes", "--site", "shop.example"]).ended(0);
    assert!(inventory(&host).contains("- domain: shop.example\n"));
}

/// Values that look like secrets are never shown, and go to a file of their own where that is asked for.
#[test]
fn secrets_go_to_own_file() {
    let host = or_skip!(host_with(&[("api.conf", SECRETS)]));
    let said = host.run(&["import"]).ended(2);
    assert!(!said.stdout.contains("hunter2"), "{}", said.stdout);
    assert!(
        said.stdout.contains("--secrets FILE") || said.stdout.contains("api.conf to"),
        "{}",
        said.stdout
    );
    let before = pids(&host);
    let said = host
        .run(&["import", "--yes", "--json", "--normalise", "--secrets", "private/api.env"])
        .ended(0);
    assert!(!said.stdout.contains("hunter2"), "{}", said.stdout);
    let text = inventory(&host);
    assert!(!text.contains("hunter2") && text.contains("MODE: \"fast\""), "{text}");
    assert!(text.contains("environment_file: private/api.env\n"), "{text}");
    let secrets = host.path("home/private/api.env");
    assert_eq!(std::fs::read_to_string(&secrets).unwrap(), "API_TOKEN=\"hunter2\"\n");
    assert_eq!(mode(&secrets), 0o600);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(pids(&host), before);
}

/// What cannot be taken is named with its place and its reason, and stays as it is.
#[test]
fn what_stays_out_says_why() {
    let host = or_skip!(host_with(&[
        ("celery.conf", CELERY),
        ("whole.conf", "[program:w]\ncommand=node w.js\n[supervisorctl]\nprompt=x\n"),
    ]));
    let root = host.daemon.root().to_owned();
    std::fs::write(root.join("linked"), "[program:linked]\ncommand=/bin/sleep 100\n").unwrap();
    std::os::unix::fs::symlink(root.join("linked"), host.conf("linked")).unwrap();
    let main = host.daemon.main_conf();
    let text = std::fs::read_to_string(&main).unwrap();
    std::fs::write(&main, text + "[program:main]\ncommand=/bin/sleep 100\n").unwrap();
    host.daemon.write_conf("group", "[group:g]\nprograms=w\n");
    host.daemon.supervisorctl(&["update"]);
    host.daemon.write_conf("late", "[program:late]\ncommand=/bin/sleep 100\n");
    let newer = CELERY.replace("=5", "=6");
    host.daemon.write_conf("newer", &newer.replace("celery", "newer"));
    host.daemon.supervisorctl(&["reread"]);
    host.daemon.supervisorctl(&["add", "newer"]);
    host.daemon.write_conf(
        "newer",
        &newer.replace("celery", "newest").replace("[program:newest]", "[program:newer]"),
    );
    let before = (pids(&host), texts(&host));
    let said = host.run(&["import", "--yes"]).ended(0);
    for reason in [
        "whole.conf, line 3: [supervisorctl] is about the whole of supervisord, not a site",
        "group.conf, line 1: it takes in the program `w`, which is not in these files",
        "supervisord.conf, line 15: [program:main] stands in supervisord's main file",
        "late.conf: supervisord has not loaded late yet: supervisorctl update late",
        "newer.conf: supervisord runs newer as it was before its file changed: supervisorctl update newer",
    ] {
        assert!(said.stdout.contains(reason), "{reason}\n{}", said.stdout);
    }
    assert!(
        said.stdout.contains("6 programs: 2 as keys and options, 0 in configs, 4 not taken"),
        "{}",
        said.stdout
    );
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!((pids(&host), texts(&host)), before);
}

#[test]
fn only_named_files_come_in() {
    let host = or_skip!(host_with(&[("celery.conf", CELERY), ("api.conf", SECRETS)]));
    host.run(&["import", "--yes", "--on", "here", "celery.conf"]).ended(0);
    let text = inventory(&host);
    assert!(text.contains("celery") && !text.contains("api"), "{text}");
}

/// An inventory that nothing can be put behind is left as it is.
#[test]
fn unusual_inventory_gets_entries_beside() {
    let host = or_skip!(host_with(&[("celery.conf", CELERY)]));
    let own = inventory(&host)
        .replace("\nsites:", "\nsites: [{domain: b.com, server: here, supervisors: []}]");
    std::fs::write(host.path("home/deployer.yml"), &own).unwrap();
    host.run(&["import", "--yes"]).ended(0).says("Written to import.yml: put it below `sites` of");
    assert_eq!(inventory(&host), own);
    let entries = std::fs::read_to_string(host.path("home/import.yml")).unwrap();
    assert!(entries.contains("  - domain: here\n"), "{entries}");
}

/// What lies beside the inventory already is nobody's to replace.
#[test]
fn nothing_is_written_over() {
    let listener = "[eventlistener:l]\ncommand=memmon\nevents=TICK_60\n";
    let host = or_skip!(host_with(&[("l.conf", listener)]));
    let copy = host.path("home/supervisor/here/l.conf");
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    std::fs::write(&copy, "mine").unwrap();
    let before = inventory(&host);
    host.run(&["import", "--yes"]).ended(1).complains("something else is there");
    assert_eq!(
        (inventory(&host), std::fs::read_to_string(&copy).unwrap()),
        (before, "mine".into())
    );
    std::fs::remove_file(&copy).unwrap();
    host.run(&["import", "--yes"]).ended(0).says("[eventlistener:l] has no key in the inventory");
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), listener);
    let before = pids(&host);
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(pids(&host), before);
}

/// Where there is no inventory, a new one says which supervisord it is of.
#[test]
fn new_inventory_finds_its_supervisord() {
    let host = or_skip!(host_with(&[("celery.conf", CELERY)]));
    if !users::is_root() {
        return missing("being root");
    }
    std::fs::remove_file(host.path("home/deployer.yml")).unwrap();
    let main = host.daemon.main_conf();
    let arguments = ["import", "--yes", "--site", "shop", "--supervisord", main.to_str().unwrap()];
    host.run(&arguments).ended(0).says("deployer.yml (new):\n");
    let text = inventory(&host);
    let paths = format!(
        "paths:\n  conf_dir: {}\n  supervisord: {}\nsites:\n",
        host.daemon.conf_dir().display(),
        main.display()
    );
    assert!(text.contains(&paths), "{text}");
    let plan = document(&host.run(&["plan", "--json"]).ended(0), "plan");
    assert_eq!(plan["sites"][0]["plan"]["unchanged"], 1, "{plan}");
    assert_eq!(plan["sites"][0]["plan"]["refusals"], serde_json::json!([]), "{plan}");
}

/// An inventory of another supervisord has the new site's at the site.
#[test]
fn other_supervisord_stands_at_the_site() {
    let host = or_skip!(host_with(&[("celery.conf", CELERY)]));
    let (main, conf_dir) = (host.daemon.main_conf(), host.daemon.conf_dir());
    let text = inventory(&host).replace(&format!("  supervisord: {}\n", main.display()), "");
    std::fs::write(host.path("home/deployer.yml"), text).unwrap();
    let other = host.path("other.conf");
    std::fs::copy(&main, &other).unwrap();
    let before = pids(&host);
    host.run(&["import", "--yes", "--supervisord", other.to_str().unwrap()]).ended(0);
    let text = inventory(&host);
    assert!(text.contains(&format!("    paths: {{supervisord: {}}}\n", other.display())), "{text}");
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(pids(&host), before);
    assert!(conf_dir.join("celery.conf").exists());
}
