//! Promise: real shells complete verbs, flags and the names of the inventory, and manual pages are clean.

#![expect(clippy::disallowed_methods, reason = "starts shells and looks at what they are given")]
#![expect(clippy::unwrap_used, reason = "a harness that fails fails the test")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::daemon::{PATIENCE, wait_until};
use crate::hints::{Hint, follow};
use crate::python::missing;
use crate::site::{BINARY, Host, Invocation, Run};
use crate::verbs::wants;

const INVENTORY: &str = "servers:
  - {name: web1, exec: [touch, asked], tags: [workers]}
  - {name: web2, exec: [touch, asked]}
sites:
  - domain: shop.example.com
    servers: [web1, web2]
    supervisors:
      - {program: queue, command: sleep 1, numprocs: 2}
      - {program: mail, command: sleep 1, as: letters}
  - {domain: blog.example.com, server: web1, supervisors: [{program: render, command: sleep 1}]}
";

/// A folder with an inventory whose hosts would leave a trace if they were asked.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("deployer.yml"), INVENTORY).unwrap();
    folder
}

/// One of our commands there, with our own program first on the PATH.
fn there(folder: &Path, arguments: &[&str]) -> Invocation {
    let mut invocation = Invocation::in_folder(folder, arguments);
    let own = Path::new(BINARY).parent().unwrap().display();
    invocation.env("PATH", format!("{own}:/usr/local/bin:/usr/bin:/bin"));
    invocation
}

/// Whether this program is here.
fn has(program: &str) -> bool {
    let is_here = Path::new("/usr/bin").join(program).is_file();
    if !is_here {
        missing(program);
    }
    is_here
}

/// Writes the script of a shell to a file that it reads.
fn write_script(folder: &Path, shell: &str) {
    let script = there(folder, &["completions", shell]).run().ended(0).stdout;
    std::fs::write(folder.join("completions"), script).unwrap();
}

/// What is offered for a command line that ends here, one a line, by the protocol of bash's script.
fn offered(folder: &Path, words: &[&str]) -> Run {
    let mut invocation = there(folder, &[&["--", "supervisor-sync"], words].concat());
    invocation.env("SUPERVISOR_SYNC_COMPLETE", "bash").env("_CLAP_IFS", "\n");
    invocation.env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    invocation.run().ended(0)
}

#[test]
fn names_of_inventory_are_offered() {
    let folder = folder();
    for (words, expected) in [
        (&["stop", "--site", ""][..], &["blog.example.com", "shop.example.com"][..]),
        (&["stop", "--on", "@"], &["@workers"]),
        (&["plan", "--on", "web1,w"], &["web1,web1", "web1,web2"]),
        (&["apply", "--program", "m"], &["mail"]),
        (
            &["restart", "shop"],
            &["shop.example.com-queue", "shop.example.com-queue_00", "shop.example.com-queue_01"],
        ),
        (&["logs", "l"], &["letters"]),
        (&["scale", "shop.example.com", "q"], &["queue"]),
        (&["release", "b"], &["blog.example.com"]),
        (&["restart", "--at-"], &["--at-a-time"]),
        (&["rollba"], &["rollback"]),
        (&["--color", "n"], &["never"]),
        // Of records there are none here.
        (&["history", "--diff", "2"], &[]),
        (&["rollback", "--to", ""], &[]),
    ] {
        let offered = offered(folder.path(), words).stdout;
        let lines: Vec<&str> = offered.lines().collect();
        assert_eq!(lines, expected, "{words:?}");
    }
    assert!(!folder.path().join("asked").exists(), "a host was asked");
}

/// Of this machine alone, as far as whoever types may read them.
#[test]
fn runs_and_revisions_on_record_are_offered() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    for seconds in ["8", "9"] {
        wants(&host, &[&format!("program: w, script: w.sh, stopwaitsecs: {seconds}")]);
        host.run(&["apply", "--yes"]).ended(0);
    }
    let home = host.path("home");
    assert_eq!(offered(&home, &["rollback", "--to", ""]).stdout, "1\n2");
    let runs = offered(&home, &["rollback", "2"]).stdout;
    let history = host.run(&["history"]).ended(0).stdout;
    assert_eq!(runs.lines().count(), 2, "{runs}");
    assert!(runs.lines().all(|run| history.contains(run)), "{runs}{history}");
}

#[test]
fn broken_inventory_completes_silently() {
    let folder = folder();
    std::fs::write(folder.path().join("deployer.yml"), "servers: [").unwrap();
    std::fs::write(folder.path().join("my.yml"), INVENTORY).unwrap();
    for words in
        [&["stop", "--site", ""][..], &["-i", "none.yml", "stop", "--site", ""], &["stop", "x"]]
    {
        let run = offered(folder.path(), words);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "{words:?}");
    }
    let other = offered(folder.path(), &["-i", "my.yml", "stop", "--site", "s"]);
    assert_eq!(other.stdout, "shop.example.com");
}

/// Types into a shell on a terminal, and waits until it has made this of it.
fn types(shell: &str, setup: &str, typed: &str, becomes: &str) {
    if !has(shell) || !has("script") {
        return;
    }
    let folder = folder();
    write_script(folder.path(), shell);
    let start = match shell {
        "bash" => "bash --norc --noprofile -i",
        _ => "zsh -f -i",
    };
    let mut invocation = there(folder.path(), &["-qec", start, "/dev/null"]);
    invocation.program(Path::new("/usr/bin/script")).env("TERM", "xterm").stdin(Stdio::piped());
    let mut running = invocation.spawn();
    let mut keyboard = running.keyboard();
    writeln!(keyboard, "{setup}; echo rea''dy").unwrap();
    wait_until(PATIENCE, "the shell is ready", || running.stdout().contains("ready"));
    keyboard.write_all(typed.as_bytes()).unwrap();
    let what = format!("{shell} completes {typed:?}");
    wait_until(PATIENCE, &what, || running.stdout().contains(becomes));
    assert!(!folder.path().join("asked").exists(), "a host was asked");
}

#[test]
fn bash_completes_what_is_typed() {
    let setup = "source ./completions";
    types("bash", setup, "supervisor-sync stop --site sh\t", "--site shop.example.com");
    types("bash", setup, "supervisor-sync restart blog\t", "restart blog.example.com-render");
}

#[test]
fn zsh_completes_what_is_typed() {
    let setup = "autoload -U compinit && compinit -u -D && source ./completions";
    types("zsh", setup, "supervisor-sync stop --site sh\t", "shop.example.com");
}

#[test]
fn fish_completes_what_is_typed() {
    if !has("fish") {
        return;
    }
    let folder = folder();
    write_script(folder.path(), "fish");
    let offered = |line: &str| {
        let own = Path::new(BINARY).parent().unwrap().display();
        let script = format!("source ./completions; complete -C '{line}'");
        let output = Command::new("fish")
            .args(["--no-config", "-c", &script])
            .current_dir(&folder)
            .env("PATH", format!("{own}:/usr/bin:/bin"))
            .env("HOME", folder.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(offered("supervisor-sync stop --site sh").trim(), "shop.example.com");
    assert!(offered("supervisor-sync restart --on ").contains("@workers"));
    assert!(!folder.path().join("asked").exists(), "a host was asked");
}

#[test]
fn each_verb_has_a_clean_manual_page() {
    let folder = folder();
    let pages = folder.path().join("man");
    let said = there(folder.path(), &["man", "--out", "man"]).run().ended(1).stderr;
    let hint = Hint("make the folder: mkdir -p {}");
    follow(|arguments| there(folder.path(), arguments), &said, hint).ended(0);
    there(folder.path(), &["man", "--out", "man"]).run().ended(0);
    let names = crate::site::names(&pages);
    for verb in supervisor_sync::cli::command().get_subcommands() {
        let page = format!("supervisor-sync-{}.1", verb.get_name());
        assert_eq!(names.contains(&page), !verb.is_hide_set(), "{page}");
    }
    let restart = std::fs::read_to_string(pages.join("supervisor-sync-restart.1")).unwrap();
    assert!(restart.contains("Examples:") && !restart.contains('\u{1b}'), "{restart}");
    if !has("man") || !has("groff") {
        return;
    }
    for name in &names {
        let page = pages.join(name);
        let clean = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).arg(&page).env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{program} {name}: {said}");
            output.stdout
        };
        clean("groff", &["-man", "-ww", "-z", "-Tutf8"]);
        assert!(!clean("man", &["--warnings", "-l"]).is_empty(), "{name}");
    }
}
