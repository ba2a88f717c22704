//! What the collection shares with the program: the version, and the script that finds it on a host.

use std::io::Read as _;
use std::process::{Command, Stdio};

use super::{Collection, repository, venv};

fn text(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

#[test]
fn version_is_that_of_the_program() {
    let line = format!("\nversion: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(text("ansible/galaxy.yml").contains(&line), "galaxy.yml has another version");
    let heading = format!("\n## {}", env!("CARGO_PKG_VERSION"));
    assert!(
        text("ansible/CHANGELOG.md").contains(&heading),
        "no {heading} in ansible/CHANGELOG.md"
    );
}

/// In the repository it is a link; who installs the collection has the file itself.
#[test]
fn script_is_that_of_the_program() {
    let script = text("src/transport/bootstrap.sh");
    assert_eq!(text("ansible/plugins/plugin_utils/bootstrap.sh"), script);
    let venv = or_skip!(venv());
    let collection = Collection::installed(&venv);
    let core = collection.path().join("ansible_collections/supervisor_sync/core");
    let path = core.join("plugins/plugin_utils/bootstrap.sh");
    assert!(!path.is_symlink());
    assert_eq!(std::fs::read_to_string(path).unwrap(), script);
}

/// The script becomes whatever verb it is given, and does not take a request for the program.
#[test]
fn script_runs_a_verb_with_its_stdin() {
    let script = text("src/transport/bootstrap.sh");
    let lines = script.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let script = lines.collect::<Vec<_>>().join(" ");
    let folder = tempfile::tempdir().unwrap();
    let run = |home: &str, words: &[&str], stdin: &str| {
        let mut child = Command::new("sh")
            .args(["-c", &script, "supervisor-sync", "none=0", "none"])
            .args(words)
            .env_clear()
            .env("PATH", format!("{home}:/usr/bin:/bin"))
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes()).unwrap();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().success(), !said.contains("FAIL"), "{said}");
        said
    };
    let home = folder.path().to_str().unwrap();
    let later = run(home, &["show", "a b"], "# later\n{}\n");
    assert!(later.contains("@supervisor-sync NEED Linux-"), "{later}");
    assert!(later.contains("@supervisor-sync FAIL later Linux-"), "{later}");
    // It is installed, and there is none to bring: the request is there to the last byte.
    let program = folder.path().join("supervisor-sync");
    let echo = "#!/bin/sh\n[ \"$1\" = --version ] || { echo \"$#: $1, $2\"; cat; }\n";
    crate::site::write_executable(&program, echo);
    for nothing in ["\n", "0\n"] {
        let said = run(home, &["show", "a b"], &format!("{nothing}{{\"a\": 1}}\n"));
        assert!(said.ends_with("2: show, a b\n{\"a\": 1}\n"), "{said}");
        assert!(said.contains("HAVE direct "), "{said}");
    }
}
