//! What is refused is refused before anything is touched.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use super::programs;
use crate::site::Host;

/// A host where `a.com` has been synced once and its worker runs.
fn host_with_worker() -> Option<Host> {
    let host = Host::start()?;
    host.deploy("a.com").worker("w");
    host.sync("a.com", &programs(&["w"])).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
    std::fs::remove_file(host.path("result.yml")).unwrap();
    Some(host)
}

#[test]
fn variables_are_required_in_order() {
    let host = or_skip!(host_with_worker());
    let before = host.snapshot();
    let mut invocation = host.playbook("sync", "a.com", &programs(&["w"]));
    let names = [
        "DEPLOYER_SUPERVISORS",
        "DEPLOYER_SITE_DOMAIN",
        "DEPLOYER_PERMS",
        "DEPLOYER_DISTRO",
        "DEPLOYER_OUTPUT_FILE",
    ];
    // From the last to the first: each is told before those that were taken away earlier.
    for name in names {
        let expected = format!("Error: {name} required\n");
        // On stdout, too, where the script has it.
        let empty = invocation.env(name, "").run().ended(1);
        assert_eq!((&empty.stderr, &empty.stdout), (&expected, &expected));
        let missing = invocation.without(name).run().ended(1);
        assert_eq!((&missing.stderr, &missing.stdout), (&expected, &expected));
    }
    before.assert_same(&host.snapshot());
}

#[test]
fn bad_domain_is_named() {
    let host = or_skip!(host_with_worker());
    let before = host.snapshot();
    let mut invocation = host.playbook("sync", "a.com", &programs(&["w"]));
    for (name, value) in [
        ("DEPLOYER_PERMS", "doas"),
        ("DEPLOYER_SITE_DOMAIN", "../etc"),
        ("DEPLOYER_SITE_DOMAIN", "a.com/b"),
        ("DEPLOYER_SITE_DOMAIN", "a.com\n[program:x]"),
        ("SUPERVISOR_SYNC_CONF_DIR", "relative"),
        ("SUPERVISOR_SYNC_FORMAT", "nice"),
        ("SUPERVISOR_SYNC_USER", "a b"),
    ] {
        let mut invocation = host.playbook("sync", "a.com", &programs(&["w"]));
        let run = invocation.env(name, value).run().ended(1);
        assert_eq!(run.first_line(), format!("Error: Invalid {name}"), "{value:?}");
    }
    before.assert_same(&host.snapshot());
    let run = invocation.env("DEPLOYER_DISTRO", "arch").run().ended(0);
    assert_eq!(run.warnings(), ["DEPLOYER_DISTRO is arch: only ubuntu and debian are tried"]);
}

#[test]
fn malformed_array_changes_nothing() {
    let host = or_skip!(host_with_worker());
    let before = host.snapshot();
    let deep = "[".repeat(10_000);
    for text in [
        " ",
        "not json",
        "null",
        "{}",
        r#"{"a":1}"#,
        "7",
        "[1]",
        "[null]",
        "[{}]",
        "[[]]",
        r#"[{"program":"w"}]"#,
        r#"[{"script":"w.sh"}]"#,
        r#"[{"program":"w","script":"w.sh"},]"#,
        r#"[{"program":"w","script":"w.sh"}] x"#,
        r#"[{"program":"w","script":"w.sh"},{"program":"w","script":"w.sh"}]"#,
        r#"[{"program":"","script":"w.sh"}]"#,
        r#"[{"program":"w w","script":"w.sh"}]"#,
        r#"[{"program":"../w","script":"w.sh"}]"#,
        r#"[{"program":"w\n[program:x]","script":"w.sh"}]"#,
        r#"[{"program":"w","script":""}]"#,
        r#"[{"program":"w","script":"/bin/sh"}]"#,
        r#"[{"program":"w","script":"../../x.sh"}]"#,
        r#"[{"program":"w","script":"w.sh\nuser=root"}]"#,
        r#"[{"program":"w","script":"w.sh","numprocs":"2"}]"#,
        r#"[{"program":"w","script":"w.sh","numprocs":0}]"#,
        r#"[{"program":"w","script":"w.sh","stopwaitsecs":-1}]"#,
        r#"[{"program":"w","script":"w.sh","stopwaitsecs":1.5}]"#,
        r#"[{"program":"w","script":"w.sh","autostart":"yes"}]"#,
        r#"[{"program":"w","script":"w.sh","autorestart":"sometimes"}]"#,
        r#"[{"program":"w","script":"w.sh"},{"program":"v"}]"#,
        &deep,
    ] {
        let run = host.sync("a.com", text).ended(1);
        assert_eq!(run.first_line(), "Error: Invalid DEPLOYER_SUPERVISORS JSON", "{text}");
        assert!(run.stderr.lines().count() > 1, "says what is wrong: {}", run.stderr);
        assert_eq!(run.stdout, "", "{text}");
    }
    before.assert_same(&host.snapshot());
}
