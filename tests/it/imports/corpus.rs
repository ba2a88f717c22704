//! Config files in the manner of what well-known projects document, all of them run at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use supervisor_sync::supervisord::ini;

use crate::daemon::{PATIENCE, wait_until};
use crate::site::{Host, names, write_executable};
use crate::verbs::document;

/// Runs until it is stopped, whatever it is called.
const STUB: &str = "#!/bin/sh\nexec sleep 1000\n";

/// What supervisord has in its environment for `%(ENV_X)s`.
const VARIABLES: [(&str, &str); 4] = [
    ("APP_QUEUE", "mail, and more"),
    ("APP_HOME", "/srv/app"),
    ("APP_USER", "root"),
    ("FLOWER_SECRET", "100%s"),
];

/// The files, at home in a folder.
pub(super) fn corpus(root: &Path, user: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/imports/configs");
    let mut files = BTreeMap::new();
    for name in names(&folder) {
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        let text = text.replace("@ROOT@", root.to_str().unwrap()).replace("@USER@", user);
        files.insert(name, text);
    }
    assert!(files.len() >= 60, "{} files", files.len());
    files
}

/// Makes what the programs of a file need: folders, and a stub for each command.
pub(super) fn furnish(root: &Path, text: &str) {
    let stub = |path: &Path| {
        if !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_executable(path, STUB);
        }
    };
    for section in ini::parse(text).unwrap().sections {
        for entry in &section.entries {
            let value = entry.value.as_str();
            match entry.key.as_str() {
                "directory" if value.starts_with(root.to_str().unwrap()) => {
                    std::fs::create_dir_all(value).unwrap();
                }
                "stdout_logfile" | "stderr_logfile"
                    if value.starts_with(root.to_str().unwrap()) =>
                {
                    std::fs::create_dir_all(Path::new(value).parent().unwrap()).unwrap();
                }
                "command" => {
                    let first = value.split_whitespace().next().unwrap();
                    let words = value.split([' ', '\'', '"', '\n']);
                    for word in words.filter(|word| !word.is_empty()) {
                        let is_plain =
                            word.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
                        if word == first && word.starts_with(root.to_str().unwrap()) {
                            stub(Path::new(word));
                        } else if is_plain
                            && !["bash", "nice", "sleep", "cd", "exec", "do", "done", "while"]
                                .contains(&word)
                        {
                            stub(&root.join("stubs").join(word));
                        } else if word.starts_with(root.to_str().unwrap()) && value.contains("cd ")
                        {
                            std::fs::create_dir_all(word).unwrap();
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// A host that runs these files, as long as nobody has heard of us.
pub(super) fn running(files: &BTreeMap<String, String>) -> Option<Host> {
    let mut host = Host::start()?;
    host.daemon.stop();
    let root = host.daemon.root().to_owned();
    std::fs::create_dir_all(root.join("run")).unwrap();
    let path = format!("{}:/usr/bin:/bin", root.join("stubs").display());
    let mut variables = VARIABLES.to_vec();
    variables.push(("PATH", &path));
    host.daemon.set_environment(&variables);
    for (name, text) in files {
        let text = text.replace("@ROOT@", root.to_str().unwrap()).replace("@USER@", &host.user);
        furnish(&root, &text);
        std::fs::write(host.daemon.conf_dir().join(name), text).unwrap();
    }
    host.daemon.start_again();
    let is_up = |process: &supervisor_sync::supervisord::ProcessInfo| {
        process.pid > 0 || process.name == "shop-mail"
    };
    wait_until(PATIENCE, "everything has started", || {
        let processes = host.daemon.processes();
        !processes.is_empty() && processes.iter().all(is_up)
    });
    Some(host)
}

pub(super) fn pids(host: &Host) -> BTreeMap<String, i64> {
    host.daemon.processes().into_iter().map(|one| (one.namespec(), one.pid)).collect()
}

pub(super) fn texts(host: &Host) -> BTreeMap<String, String> {
    let folder = host.daemon.conf_dir();
    let read = |name: String| {
        let text =
            String::from_utf8_lossy(&std::fs::read(folder.join(&name)).unwrap()).into_owned();
        (name, text)
    };
    names(&folder).into_iter().map(read).collect()
}

/// How many programs came in as entries, as they are, and not at all.
fn counts(told: &Value, which: &dyn Fn(&Value) -> bool) -> [u64; 3] {
    let mut counts = [0; 3];
    for file in told["files"].as_array().unwrap().iter().filter(|file| which(file)) {
        let place = usize::from(file["copy"].is_string());
        counts[place] += file["programs"].as_u64().unwrap();
    }
    let left = told["not_taken"].as_array().unwrap().iter();
    counts[2] = left.map(|file| file["programs"].as_u64().unwrap()).sum();
    counts
}

fn name(file: &Value) -> String {
    let path = PathBuf::from(file["path"].as_str().unwrap());
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn site(file: &Value) -> &str {
    file["site"].as_str().unwrap()
}

fn names_of(told: &Value, which: &dyn Fn(&Value) -> bool) -> BTreeSet<String> {
    told["files"].as_array().unwrap().iter().filter(|file| which(file)).map(name).collect()
}

/// Imports everything, applies it, and sees that nothing has happened to any process.
fn import_all(options: &[&str]) -> Option<(Host, Value)> {
    let host = running(&corpus(Path::new("@ROOT@"), "@USER@"))?;
    host.inventory("");
    let (before, texts_before) = (pids(&host), texts(&host));
    let arguments = [&["import", "--yes", "--json"], options].concat();
    let told = document(&host.run(&arguments).ended(0), "import");
    assert_eq!(pids(&host), before, "an import touches nothing");
    assert_eq!(texts(&host), texts_before);
    host.run(&["check"]).ended(0);
    let plan = document(&host.run(&["plan", "--json"]).ended(0), "plan");
    for site in plan["sites"].as_array().unwrap() {
        assert_eq!(site["plan"]["groups"], Value::Array(Vec::new()), "{site}");
    }
    host.run(&["apply", "--yes"]).ended(0);
    assert_eq!(pids(&host), before, "no process was touched");
    if options.is_empty() {
        assert_eq!(texts(&host), texts_before);
    }
    host.run(&["plan", "--exit-code"]).ended(0);
    Some((host, told))
}

/// Files stay as they are, to the byte.
#[test]
fn corpus_comes_in_as_it_is() {
    let (_host, told) = or_skip!(import_all(&[]));
    let [keys, verbatim, left] = counts(&told, &|_| true);
    assert_eq!(left, 0, "{:?}", told["not_taken"]);
    assert!(keys >= 5 && verbatim > 60, "{keys} by entries, {verbatim} as they are");
    let by_entries = names_of(&told, &|file| !file["copy"].is_string());
    assert!(by_entries.contains("edge-classic.conf"), "{by_entries:?}");
}

/// What projects document is said by keys and options; what has no words there is told with its reason.
#[test]
fn corpus_comes_in_as_entries() {
    let (host, told) = or_skip!(import_all(&["--normalise", "--secrets", "secrets.env"]));
    let all = counts(&told, &|_| true);
    assert_eq!(all[2], 0, "{:?}", told["not_taken"]);
    println!("{} by entries, {} as they are", all[0], all[1]);
    // What is no program has no key: one in twenty at most, the rest is said by keys and options.
    assert!(all[0] * 20 >= (all[0] + all[1]) * 19, "{} by entries, {} as they are", all[0], all[1]);
    let by_hand = names_of(&told, &|file| file["copy"].is_string());
    let expected = ["crashmail.conf", "fastapi-fcgi.conf", "memmon.conf", "php-fcgi.conf"];
    assert_eq!(by_hand, expected.map(str::to_owned).into());
    let typo = |file: &&Value| name(file) == "edge-unknown-option.conf";
    let typo = told["files"].as_array().unwrap().iter().find(typo).unwrap();
    assert_eq!(typo["passed_over"], serde_json::json!(["autostrat", "numproc"]));
    let text = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    for secret in ["s3cr3t", "t0p,s3cret", "abc,def=1"] {
        assert!(!text.contains(secret), "{text}");
    }
    // And back: every byte is as it was, and everything runs on.
    let before = pids(&host);
    let sites: BTreeSet<&str> = told["files"].as_array().unwrap().iter().map(site).collect();
    for site in sites {
        host.run(&["release", site, "--yes"]).ended(0);
    }
    assert_eq!(pids(&host), before);
    assert_eq!(texts(&host), corpus(host.daemon.root(), &host.user));
}
