//! Values of `environment` reach the program, and nobody else.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "looks at the files of a host")]

use std::os::unix::fs::PermissionsExt as _;

use super::{IMPATIENT, documents};
use crate::site::{Deployed, Host};

const SECRET: &str = "s3cr3t-v4lue";

/// The inventory of a program that writes down its environment, with these variables.
fn wants(host: &Host, variables: &[(&str, &str)], more: &str) {
    let lines: String = variables
        .iter()
        .map(|(name, value)| {
            format!("          {name}: {}\n", serde_json::to_string(value).unwrap())
        })
        .collect();
    let sites = format!(
        "  - domain: a.com\n    server: here\n    supervisors:\n      - program: w\n        \
         script: w.sh\n{more}        environment:\n{lines}"
    );
    host.inventory_with(IMPATIENT, &sites);
}

fn deploy(host: &Host) -> Deployed<'_> {
    let site = host.deploy("a.com");
    site.script("w.sh", "#!/bin/sh\nenv -0 > $DEPLOYER_SHARED_PATH/env\nexec sleep 1000\n");
    site
}

#[test]
fn program_reads_values_as_written() {
    let host = or_skip!(Host::start());
    let site = deploy(&host);
    let values = [
        ("PLAIN", "x"),
        ("BLANKS", " two  blanks "),
        ("URL", "https://u:p@h.example/?q=1&r=2;x#y"),
        ("COMMA", "a,b=c,D=\\d"),
        ("PERCENT", "100%, %(here)s, %%"),
        ("SHELL_LIKE", "$HOME ~ `id` $(id) !"),
        ("APOSTROPHE", "it's"),
        ("QUOTED", "say \"hi\" now"),
        ("BRACKETS", "[program:x]"),
        ("EQUALS", "=="),
        ("NUMBER", "0123"),
    ];
    wants(&host, &values, "");
    host.run(&["apply", "--yes"]).ended(0);
    let text = std::fs::read_to_string(site.path("shared/env")).unwrap();
    let variables: Vec<&str> = text.split('\0').collect();
    for (name, value) in values {
        let expected = format!("{name}={value}");
        assert!(variables.contains(&expected.as_str()), "{expected}: {variables:#?}");
    }
    host.run(&["plan", "--exit-code"]).ended(0);
}

/// What this supervisord would cut or garble is refused by the inventory, without showing it.
#[test]
fn unreadable_value_is_refused() {
    let host = or_skip!(Host::start());
    deploy(&host);
    let before_conf = Host::snapshot_of(&host.daemon.conf_dir());
    for value in ["s3cr3t 'a' \"b\"", "'s3cr3t'", "s3cr3t\nline", "s3cr3t \u{1b}", "\"s3cr3t\""] {
        wants(&host, &[("KEY", value)], "");
        let run = host.run(&["apply", "--yes"]).ended(1);
        assert!(run.stderr.contains("KEY"), "{value:?}: {}", run.stderr);
        assert!(!run.stderr.contains("s3cr3t") && !run.stdout.contains("s3cr3t"), "{run:?}");
    }
    assert_eq!(Host::snapshot_of(&host.daemon.conf_dir()), before_conf);
}

/// Secrets are in no output, and in no file that others may read.
#[test]
fn secrets_stay_out_of_output() {
    let host = or_skip!(Host::start());
    let site = deploy(&host);
    let mut said = Vec::new();
    let mut run = |arguments: &[&str], status: i32| {
        let run = host.run(arguments).ended(status);
        if arguments.contains(&"--json") {
            documents(&run);
        }
        said.push(format!("{arguments:?}: {}{}", run.stdout, run.stderr));
    };
    wants(&host, &[("KEY", SECRET)], "");
    run(&["check"], 0);
    run(&["plan"], 0);
    run(&["plan", "--json"], 0);
    run(&["apply"], 2);
    run(&["apply", "--yes"], 0);
    let text = std::fs::read_to_string(site.path("shared/env")).unwrap();
    assert!(text.split('\0').any(|variable| variable == format!("KEY={SECRET}")));
    // Changed, removed, and rolled back after a failure.
    let other = format!("{SECRET}-2");
    wants(&host, &[("KEY", &other)], "");
    run(&["plan"], 0);
    run(&["apply", "--yes", "--json"], 0);
    run(&["history", "--json"], 0);
    run(&["rollback", "--json", "--yes"], 0);
    site.crasher("w");
    wants(&host, &[("KEY", &other)], "        stopwaitsecs: 9\n");
    // The former program crashes as well: its script is broken, so not all could be put back.
    run(&["apply", "--yes", "--json"], 5);
    run(&["apply", "--yes"], 5);
    host.inventory("  - {domain: a.com, server: here, supervisors: []}\n");
    run(&["plan"], 0);
    run(&["apply", "--yes"], 0);
    for said in said {
        assert!(!said.contains(SECRET), "{said}");
    }
}

#[test]
fn secret_files_are_owners_alone() {
    let host = or_skip!(Host::start());
    deploy(&host);
    wants(&host, &[("KEY", SECRET)], "");
    host.run(&["apply", "--yes"]).ended(0);
    let mut private = vec![host.conf("a.com-w")];
    let mut folders = vec![host.state()];
    let mode = std::fs::metadata(&folders[0]).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "which closes all that is below");
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { private.push(path) }
        }
    }
    assert!(private.len() > 2, "{private:?}");
    for path in private {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    // A file that others may read is narrowed, without a restart.
    let conf = host.conf("a.com-w");
    std::fs::set_permissions(&conf, std::fs::Permissions::from_mode(0o644)).unwrap();
    let pid = host.wait_running(&["a.com-w:a.com-w"]);
    host.run(&["plan", "--exit-code"]).ended(3).says(": permissions only");
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(std::fs::metadata(&conf).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(host.wait_running(&["a.com-w:a.com-w"]), pid);
}

/// What people mistype around a secret, and secrets where none is meant to be.
#[test]
fn a_slip_shows_no_secret() {
    let program = |rest: &str| {
        format!(
            "sites:\n  - domain: a.com\n    server: here\n    supervisors:\n      - {{program: w, {rest}}}\n"
        )
    };
    let slips = [
        program("script: w.sh, environment: {A: x,S3CRETS3CRET}"),
        program("script: w.sh, environment: {A: x, s3crets3cret and more}"),
        program("script: w.sh, environment: {A s3crets3cret: x}"),
        program("script: w.sh, environment: {\"A s3crets3cret\": x}"),
        program("script: w.sh, health: {probe: {http: \"http://u:s3crets3cret@h/\"}}"),
        program("script: w.sh, health: {probe: {http: \"https://h/?token=s3crets3cret\"}}"),
        program("command: run --password=s3crets3cret, numprocs: many"),
        program("command: \"run --db-password s3crets3cret\", numprocs: many"),
        program("command: x postgres://u:s3crets3cret@h/d, numprocs: many"),
        program("command: env TOKEN=s3crets3cret x, numprocs: many"),
        program("command: mysql -ps3crets3cret, numprocs: [, TOKEN=s3crets3cret"),
        program("script: w.sh, environment: {A: x}") + "site: s3crets3cret\n",
        program("script: w.sh, environment: {A: x}") + "usr: s3crets3cret\n",
        program("script: w.sh, environment: {A: x}") + "site: {x: s3crets3cret}\n",
    ];
    let folder = tempfile::tempdir().unwrap();
    for slip in slips {
        let text = format!("servers:\n  - {{name: here, connection: local}}\nuser: root\n{slip}");
        std::fs::write(folder.path().join("deployer.yml"), text).unwrap();
        for arguments in [&["check"][..], &["check", "--json"]] {
            let run = crate::site::Invocation::in_folder(folder.path(), arguments).run().ended(1);
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(!said.to_ascii_lowercase().contains("s3crets3cret"), "{slip}: {said}");
        }
    }
}

#[test]
fn password_in_command_stays_hidden() {
    let host = or_skip!(Host::start());
    deploy(&host);
    let port = crate::sshd::free_port();
    let wants = |secret: &str| {
        host.inventory_with(
            IMPATIENT,
            &format!(
                "  - domain: a.com\n    server: here\n    supervisors:\n      - program: w\n        \
                 command: /bin/sh -c 'sleep 1000' --password={secret} postgres://u:{secret}@h\n        \
                 health: {{stable_for: 0, probe: {{http: \"http://127.0.0.1:{port}/?token={secret}\", \
                 timeout: 1}}}}\n"
            ),
        );
    };
    wants(SECRET);
    let mut said = Vec::new();
    let mut run = |arguments: &[&str], status: i32| {
        let run = host.run(arguments).ended(status);
        said.push(format!("{arguments:?}: {}{}", run.stdout, run.stderr));
        run
    };
    run(&["plan"], 0).says("--password=*** postgres:…");
    run(&["plan", "--json"], 0);
    run(&["apply", "--yes"], 4).complains("/?token=***");
    run(&["apply", "--yes", "--json"], 4);
    run(&["apply", "--yes", "--no-verify"], 0);
    let conf = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    assert!(conf.contains(&format!("--password={SECRET}")), "{conf}");
    wants(&format!("{SECRET}-2"));
    run(&["plan"], 0).says("~ w  restart: command (up to ");
    run(&["plan", "--diff"], 0).says("--password=*** postgres://u:***@h").says(" (after)");
    run(&["status"], 3);
    run(&["history", "--json"], 0);
    for said in said {
        assert!(!said.contains(SECRET), "{said}");
    }
}
