//! Files that no server was asked about, and texts that nobody would write.

use supervisor_sync::import::{Trial, try_file};
use supervisor_sync::supervisord::ReadBy;

use crate::site::{Invocation, Run};

fn import(folder: &std::path::Path, arguments: &[&str]) -> Run {
    Invocation::in_folder(folder, &[&["import", "--yes"], arguments].concat()).run()
}

/// In an empty folder they become an inventory that can be read, with the schema beside it.
#[test]
fn files_make_a_new_inventory() {
    let folder = tempfile::tempdir().unwrap();
    let worker = "[program:worker]\ncommand=php artisan queue:work\n; in its place\ndirectory=/var/www/shop\n";
    std::fs::write(folder.path().join("worker.conf"), worker).unwrap();
    std::fs::write(
        folder.path().join("mem.conf"),
        "[eventlistener:mem]\ncommand=memmon\nevents=TICK_60\n",
    )
    .unwrap();
    import(folder.path(), &["--normalise", "worker.conf", "mem.conf"])
        .ended(0)
        .says("Comments that will be gone after the next apply:\n")
        .says("\n  worker.conf (/etc/supervisor/conf.d/worker.conf on the server): 1 line\n")
        .says("\n  mem.conf (/etc/supervisor/conf.d/mem.conf on the server) to supervisor/")
        .says("no server was asked")
        .says("Look at the plan: supervisor-sync plan\n");
    let text = std::fs::read_to_string(folder.path().join("deployer.yml")).unwrap();
    assert!(text.starts_with("# yaml-language-server: $schema=./deployer.schema.json\n"), "{text}");
    assert!(text.contains("  - domain: shop\n") && text.contains("connection: local"), "{text}");
    assert!(folder.path().join("deployer.schema.json").exists());
    let copies = folder.path().join("supervisor");
    assert_eq!(crate::site::names(&copies).len(), 1);
    Invocation::in_folder(folder.path(), &["check"]).run().ended(0);
}

#[test]
fn address_becomes_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let said = Invocation::in_folder(folder.path(), &["import", "--on", "no one@x"]).run().ended(2);
    assert!(said.stderr.contains("--on takes an address as ssh does"), "{}", said.stderr);
    assert!(crate::site::names(folder.path()).is_empty());
}

/// Whatever a file is, it has an answer.
#[test]
fn hostile_files_are_answered() {
    let not_taken = |bytes: &[u8]| match try_file("x.conf", bytes, true, &ReadBy::default()) {
        Some(Trial::NotTaken { reason }) => reason,
        other => panic!("{other:?}"),
    };
    for (bytes, reason) in [
        (&b"\xef\xbb\xbf[program:a]\ncommand=x\n"[..], "byte order mark"),
        (b"\xff[program:a]\n", "not UTF-8"),
        (b"", "no section"),
        (b"nonsense", "before the first [section]"),
        (b"[DEFAULT]\nuser=root\n[program:a]\ncommand=x\n", "[DEFAULT] is about the whole"),
        (b"[program:a]\ncommand=x\n[program:a]\ncommand=y\n", "appears twice"),
        (b"[program:a b]\ncommand=x\n", "supervisord refuses the name"),
        (b"[program:]\ncommand=x\n", "supervisord refuses the name"),
        (b"[program:a]\n", "needs `command`"),
        (b"[program:a]\ncommand=x\nnumprocs=2\n", "%(process_num)"),
        (b"[program:a]\ncommand=x %(nonsense)s\n", "is not a name"),
        (b"[program:a]\ncommand=x\nnumprocs=1001\n", "at most 1000"),
        (b"[group:g]\nprograms=a\n", "not in these files"),
    ] {
        let said = not_taken(bytes);
        assert!(said.contains(reason), "{said}: {}", bytes.escape_ascii());
    }
    assert!(matches!(
        try_file("x.conf", b"[program:a]\r\ncommand=x\r\n", true, &ReadBy::default()),
        Some(Trial::Entries(_))
    ));
    assert!(matches!(
        try_file("../x.conf", b"[program:a]\ncommand=x\n", true, &ReadBy::default()),
        Some(Trial::Entries(_))
    ));
    assert!(matches!(
        try_file(".x.conf", b"[program:a]\ncommand=x\n", true, &ReadBy::default()),
        Some(Trial::NotTaken { .. })
    ));
}
