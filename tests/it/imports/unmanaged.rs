//! What supervisord has that no inventory has.

use serde_json::json;

use super::corpus::running;
use crate::hints::Hint;
use crate::site::Host;
use crate::verbs::document;

const WORKER: &str = "[program:worker]\ncommand=node  worker.js\n";

fn furnished() -> Option<Host> {
    let files = [
        ("worker.conf", WORKER.to_owned()),
        ("copy.conf", "[program:copy]\ncommand=node worker.js\n".to_owned()),
        ("group.conf", "[group:g]\nprograms=one\n[program:one]\ncommand=node one.js\n".to_owned()),
        ("gone.conf", "[program:gone]\ncommand=node gone.js\n".to_owned()),
    ];
    let host = running(&files.map(|(name, text)| (name.to_owned(), text)).into())?;
    std::fs::remove_file(host.conf("gone")).unwrap();
    std::fs::write(host.daemon.conf_dir().join("other.ini"), "[program:x]\n").unwrap();
    std::fs::write(host.daemon.conf_dir().join("notes.txt"), "").unwrap();
    host.inventory("  - {domain: a.com, server: here, supervisors: []}");
    Some(host)
}

#[test]
fn each_unmanaged_program_is_listed() {
    let host = or_skip!(furnished());
    let conf = |name: &str| host.daemon.conf_dir().join(name).display().to_string();
    let said = host.run(&["status"]).ended(0).stdout;
    let said = host.follow(&said, Hint("(`supervisor-sync status --unmanaged")).ended(0).stdout;
    for line in [
        format!("  worker: {}, 1 process runs, the same as copy\n", conf("worker.conf")),
        format!("  copy: {}, 1 process runs, the same as worker\n", conf("copy.conf")),
        format!("  one: {}, 1 process runs\n", conf("group.conf")),
        "  gone: its file is gone, 1 process runs\n".to_owned(),
        format!("  {}\n", conf("other.ini")),
    ] {
        assert!(said.contains(&line), "{line}{said}");
    }
    assert!(!said.contains("notes.txt"), "{said}");
    let told = document(&host.run(&["status", "--unmanaged", "--json"]).ended(0), "status");
    assert_eq!(told["unmanaged"]["programs"].as_array().unwrap().len(), 4);
    let plain = document(&host.run(&["status", "--json"]).ended(0), "status");
    assert_eq!(plain["unmanaged"], json!(null), "nobody asked");
    assert_eq!(told["unmanaged"]["not_read"], json!([conf("other.ini")]));
    let hint = Hint("In no inventory (`supervisor-sync import");
    host.follow(&said, hint).ended(0);
}

#[test]
fn imported_programs_are_managed() {
    let host = or_skip!(furnished());
    for name in ["other.ini", "copy.conf"] {
        std::fs::remove_file(host.daemon.conf_dir().join(name)).unwrap();
    }
    host.daemon.supervisorctl(&["update"]);
    host.run(&["import", "--yes"]).ended(0);
    host.run(&["apply", "--yes"]).ended(0);
    let said = host.run(&["status", "--unmanaged"]).ended(0);
    assert!(
        said.stdout.contains("All that supervisord has is in an inventory\n"),
        "{}",
        said.stdout
    );
}
