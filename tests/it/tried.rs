//! The pages that people follow, followed to the letter: what they say to type is typed on throw-away machines
//! (`tried/machines.sh`), which have what the page begins with (`tried/given/`) and nothing else.
//!
//! A page says in a comment above a fenced block what it is, beyond `sh`, which is typed:
//!
//! - `<!-- file: PATH -->`: what the reader writes into this file;
//! - `<!-- on: MACHINE -->`: it is another machine than the page's first;
//! - `<!-- exits: N -->`: its last command ends with this status;
//! - `<!-- prints -->`: lines of what the block before has printed, where `…` stands for anything;
//! - `<!-- jobs -->`: YAML of a CI, of which each `run:` and `script:` is typed;
//! - `<!-- run by: PATH -->`: another test types it: one that reads the page, or has its lines.

#![expect(clippy::disallowed_methods, reason = "runs machines and reads the project's own pages")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a harness that fails fails the test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::daemon::wait_until;
use crate::site::BINARY;

/// Longer than any page takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn own(name: &str) -> PathBuf {
    repository().join("tests/it/tried").join(name)
}

/// A block of a page that does something.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// The line of the page that it begins in.
    line: usize,
    machine: Option<String>,
    status: u8,
    act: Act,
    /// Lines that it prints, as the page shows them.
    prints: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Act {
    Type(String),
    Write { path: String, text: String },
}

impl Step {
    fn script(&self, number: usize) -> String {
        match &self.act {
            Act::Type(text) => text.clone(),
            // As an editor does: into a folder that is there.
            Act::Write { path, .. } => format!("cat /step/{number}.file > {path}\n"),
        }
    }
}

/// What a comment above a block says of it.
#[derive(Debug, Default)]
struct Mark {
    file: Option<String>,
    machine: Option<String>,
    status: u8,
    prints: bool,
    jobs: bool,
    run_by: Option<String>,
}

impl Mark {
    fn parse(comment: &str) -> Self {
        let mut mark = Self::default();
        for part in comment.split("; ") {
            match part.split_once(": ").unwrap_or((part, "")) {
                ("file", path) => mark.file = Some(path.to_owned()),
                ("on", machine) => mark.machine = Some(machine.to_owned()),
                ("exits", status) => mark.status = status.parse().unwrap(),
                ("prints", "") => mark.prints = true,
                ("jobs", "") => mark.jobs = true,
                ("run by", path) => mark.run_by = Some(path.to_owned()),
                // Another test's.
                _ => {}
            }
        }
        mark
    }
}

/// What there is to do on a page. A list may hold blocks: they are indented.
fn steps(page: &str, text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut mark = Mark::default();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("<!-- ").and_then(|c| c.strip_suffix(" -->")) {
            mark = Mark::parse(comment);
            continue;
        }
        let Some(language) = line.strip_prefix("```") else {
            mark = Mark::default();
            continue;
        };
        let block: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line.get(indent..).unwrap_or_default())
            .take_while(|line| *line != "```")
            .collect();
        let text = format!("{}\n", block.join("\n"));
        let Mark { file, machine, status, prints, jobs, run_by } = std::mem::take(&mut mark);
        if let Some(path) = run_by {
            let other = std::fs::read_to_string(repository().join(&path)).unwrap_or_default();
            let has = |line: &&str| other.contains(line.split(" #").next().unwrap_or(line).trim());
            let is_run = other.contains(page) || block.iter().all(has);
            assert!(is_run, "{page}:{}: {path} does not run it", at + 1);
        } else if prints {
            let step = steps.last_mut().unwrap();
            step.prints.extend(block.iter().map(|line| (*line).to_owned()));
        } else if jobs {
            let mut scripts = scripts(&serde_saphyr::from_str(&text).unwrap());
            // The order of keys is lost.
            scripts.sort_by_key(|script| text.find(script.lines().next().unwrap_or_default()));
            steps.extend(scripts.into_iter().map(|script| Step {
                line: at + 1,
                machine: machine.clone(),
                status,
                // Each in a shell of its own, as the CI has it.
                act: Act::Type(format!("(\n{script}\n)\n")),
                prints: Vec::new(),
            }));
        } else if file.is_some() || language == "sh" {
            let act = file.map_or(Act::Type(text.clone()), |path| Act::Write { path, text });
            steps.push(Step { line: at + 1, machine, status, act, prints: Vec::new() });
        }
    }
    steps
}

/// What the jobs of a CI type.
fn scripts(jobs: &Value) -> Vec<String> {
    let parts: Vec<(&str, &Value)> = match jobs {
        Value::Object(map) => map.iter().map(|(key, value)| (key.as_str(), value)).collect(),
        Value::Array(list) => list.iter().map(|value| ("", value)).collect(),
        _ => Vec::new(),
    };
    let typed = |(key, value): (&str, &Value)| match (key, value) {
        ("run", Value::String(text)) => vec![text.clone()],
        ("script", Value::Array(lines)) => {
            let lines: Vec<&str> = lines.iter().map(|line| line.as_str().unwrap()).collect();
            vec![lines.join("\n")]
        }
        (_, value) => scripts(value),
    };
    parts.into_iter().flat_map(typed).collect()
}

/// Whether a line of output is as a page shows it.
fn is_shown(shown: &str, printed: &str) -> bool {
    let mut parts = shown.trim().split('…');
    let printed = printed.trim();
    let Some(mut rest) = printed.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// What keeps us from making machines: they take root and a kernel that lets it mount.
fn obstacle() -> Option<String> {
    let probe = ["-m", "-n", "-u", "-p", "-f", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    let output = Command::new("unshare").args(probe).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(error.to_string()),
    }
}

/// Whether machines can be made here.
fn can_try(page: &str) -> bool {
    for needed in ["/usr/bin/supervisord", "/usr/sbin/sshd", "/usr/sbin/logrotate"] {
        if !Path::new(needed).is_file() {
            crate::python::missing(needed);
            return false;
        }
    }
    let Some(obstacle) = obstacle() else { return true };
    crate::python::missing(&format!("a machine to try {page} on: {obstacle}"));
    false
}

/// Follows a page on these machines, the first of which is the reader's.
fn follow(page: &str, machines: &[&str]) {
    if !can_try(page) {
        return;
    }
    let text = std::fs::read_to_string(repository().join(page)).unwrap();
    let stem = page.trim_start_matches("docs/").trim_end_matches(".md").replace('/', "-");
    let mut given = std::fs::read_to_string(own(&format!("given/{stem}.sh"))).unwrap_or_default();
    if given.contains("@ANSIBLE@") {
        let Some(ansible) = crate::ansible::venv() else { return };
        let (ansible, repository) = (ansible.display().to_string(), repository());
        given = given.replace("@ANSIBLE@", &ansible);
        given = given.replace("@REPOSITORY@", &repository.display().to_string());
    }
    let steps = steps(page, &text);
    if let Err(wrong) = play(&steps, machines, &given) {
        panic!("{page}:{wrong}");
    }
}

/// The first process of the machines' namespaces: whatever runs there ends with it.
struct Machines(Child);

impl Drop for Machines {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does the steps. An error begins with the line of the page.
fn play(steps: &[Step], machines: &[&str], given: &str) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("tried").tempdir_in("/tmp").unwrap();
    lay_out(&folder.path().join("step"), steps, given);
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let child = Command::new("unshare")
        .args(["-m", "-n", "-u", "-p", "-f", "--kill-child", "sh"])
        .arg(own("machines.sh"))
        .args([folder.path(), Path::new(BINARY)])
        .args(machines)
        .env("REPOSITORY", repository())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut machines = Machines(child);
    wait_until(PATIENCE, "the page is followed", || machines.0.try_wait().unwrap().is_some());
    for (number, step) in steps.iter().enumerate() {
        look_at(&folder.path().join("step"), number, step)?;
    }
    if machines.0.wait().unwrap().success() {
        return Ok(());
    }
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    Err(format!("0: not followed to its end: {log}"))
}

/// Writes what the machines are to do into the folder that all of them have.
fn lay_out(folder: &Path, steps: &[Step], given: &str) {
    std::fs::create_dir_all(folder.join("playbooks")).unwrap();
    for (name, text) in crate::integrate::PLAYBOOKS {
        std::fs::write(folder.join("playbooks").join(format!("{name}.sh")), text).unwrap();
    }
    std::fs::write(folder.join("given.sh"), given).unwrap();
    std::fs::copy(own("step.sh"), folder.join("step.sh")).unwrap();
    let mut run = String::from(". /step/step.sh\n");
    for (number, step) in steps.iter().enumerate() {
        if let Act::Write { text, .. } = &step.act {
            std::fs::write(folder.join(format!("{number}.file")), text).unwrap();
        }
        std::fs::write(folder.join(format!("{number}.sh")), step.script(number)).unwrap();
        match &step.machine {
            Some(machine) => writeln!(run, "elsewhere {machine} {number} {}", step.status),
            None => writeln!(run, "step {number} {}", step.status),
        }
        .unwrap();
    }
    std::fs::write(folder.join("run.sh"), run).unwrap();
}

/// Whether a step ended as its page says, and printed what it shows.
fn look_at(folder: &Path, number: usize, step: &Step) -> Result<(), String> {
    let read = |ending: &str| {
        let bytes = std::fs::read(folder.join(format!("{number}.{ending}"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (output, wrong) = (read("out"), read("wrong"));
    if !wrong.is_empty() {
        return Err(format!("{}: {wrong}--- it printed\n{output}", step.line));
    }
    let is_printed = |shown: &&String| output.lines().any(|line| is_shown(shown, line));
    match step.prints.iter().find(|shown| !is_printed(shown)) {
        Some(missing) => Err(format!("{}: no line {missing:?} in\n{output}", step.line)),
        None => Ok(()),
    }
}

/// One test a page, so that they run side by side.
macro_rules! pages {
    ($($name:ident: $page:literal on $($machine:literal),+;)+) => {
        /// Every page that is tried.
        const TRIED: &[&str] = &[$($page),+];

        $(#[test]
        fn $name() {
            follow($page, &[$($machine),+]);
        })+
    };
}

pages! {
    readme: "README.md" on "web1";
    tutorial: "docs/tutorial.md" on "desk", "web1", "web2";
    taking_over: "docs/adopting.md" on "web1";
    from_the_script: "docs/moving/from-the-script.md" on "web1";
    from_ansible: "docs/moving/from-ansible.md" on "desk", "web1";
    from_files: "docs/moving/from-files.md" on "desk", "web1";
    from_panels: "docs/moving/from-panels.md" on "desk", "web1";
    after_a_deployment: "docs/how-to/deploy-hooks.md" on "desk", "web1";
    in_ci: "docs/how-to/ci.md" on "desk", "web1";
    from_a_playbook: "docs/how-to/ansible.md" on "desk", "web1";
    restarts: "docs/how-to/restarts.md" on "web1";
    logs_without_loss: "docs/how-to/logs-without-loss.md" on "web1";
    secrets: "docs/how-to/secrets.md" on "web1";
    several_supervisords: "docs/how-to/several-supervisords.md" on "web1";
    hosts_that_pull: "docs/pull.md" on "desk", "web1";
}

/// Pages that are read and not followed: what they show is run by the tests of the verbs.
fn is_followed(page: &str) -> bool {
    [
        "README.md",
        "docs/tutorial.md",
        "docs/adopting.md",
        "docs/pull.md",
        "docs/how-to/",
        "docs/moving/",
    ]
    .iter()
    .any(|beginning| page.starts_with(beginning))
}

#[test]
fn every_page_to_follow_is_tried() {
    for page in crate::links::pages() {
        let text = std::fs::read_to_string(repository().join(&page)).unwrap();
        if is_followed(&page) && text.contains("```sh") {
            assert!(TRIED.contains(&page.as_str()), "{page} is not in the list of pages");
        }
    }
}

/// Also in pages that are not followed: the real command line takes what they say to type.
#[test]
fn every_command_of_every_page_can_be_typed() {
    let mut typed = 0;
    for page in crate::links::pages() {
        let text = std::fs::read_to_string(repository().join(&page)).unwrap();
        let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        for line in blocks.flat_map(str::lines) {
            let Some(command) = line.trim().strip_prefix("supervisor-sync ") else { continue };
            let command =
                command.split([';', '#', '|', '>', '&']).next().unwrap().replace('"', "'");
            let words = crate::hints::words(&command);
            let line = std::iter::once("supervisor-sync".to_owned()).chain(words);
            if let Err(error) = supervisor_sync::cli::command().try_get_matches_from(line) {
                assert!(!error.use_stderr(), "{page}: supervisor-sync {command}: {error}");
            }
            typed += 1;
        }
    }
    assert!(typed > 100, "{typed}");
}

/// Also in pages that are not followed, and of tools that are not here.
#[test]
fn yaml_of_every_page_can_be_read() {
    for page in crate::links::pages() {
        let text = std::fs::read_to_string(repository().join(&page)).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let read: Result<Value, _> = serde_saphyr::from_str(block);
            assert!(read.is_ok(), "{page}: {:?}\n{block}", read.err());
        }
    }
}

#[test]
fn page_that_is_wrong_is_found() {
    if !can_try("a wrong page") {
        return;
    }
    let begin = "# Page\n\n```sh\necho one\n```\n\n<!-- prints -->\n```text\n";
    for (page, wrong) in [
        (format!("{begin}o…\ntwo\n```\n"), "3: no line \"two\""),
        ("```sh\nfalse\ntrue\n```\n".to_owned(), "1: exit status 1 of: false"),
        ("<!-- exits: 3 -->\n```sh\ntrue\n```\n".to_owned(), "2: exit status 0, expected 3"),
    ] {
        let played = play(&steps("page", &page), &["web1"], "").unwrap_err();
        assert!(played.starts_with(wrong), "{played}");
    }
}

#[test]
fn output_is_compared_but_for_what_differs() {
    assert!(is_shown("  a  b", "a  b"));
    assert!(is_shown("a … d", "a bc d"));
    assert!(is_shown("… d", "a bc d"));
    assert!(is_shown("a … c … e", "a b c d e"));
    assert!(!is_shown("a", "ab"));
    assert!(!is_shown("a … d", "a bc de"));
    assert!(!is_shown("b …", "a b c"));
}
