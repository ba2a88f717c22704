//! The contract as a table: what DeployerPHP's script does with an input, line by line, and where this
//! program does something else, with the reason. `tests/playbook_contract.json` has the lines.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "lays out hosts and looks at their files")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::site::{Host, Run, names};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    playbook: String,
    /// `DEPLOYER_SUPERVISORS`: a value, or `text: …` for what is none.
    supervisors: Value,
    /// What a sync before has made.
    #[serde(default)]
    synced: Vec<Value>,
    #[serde(default)]
    unset: Vec<String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    obstacle: String,
    /// What the script does.
    script: Expected,
    /// What is done here instead.
    #[serde(default)]
    ours: Expected,
    /// Why.
    #[serde(default)]
    why: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Expected {
    status: Option<i32>,
    /// Lines of stdout.
    stdout: Option<Vec<String>>,
    /// The first lines of stderr; none at all if there is none.
    stderr: Option<Vec<String>>,
    /// The last ones.
    ends: Option<Vec<String>>,
    /// `null`: there is none.
    #[serde(default, deserialize_with = "given")]
    result: Option<Value>,
    /// The programs that have their two files, or, of the script, words for it.
    files: Option<Vec<Value>>,
    /// Further files in conf.d.
    others: Option<Vec<String>>,
    /// The programs that were started once more.
    restarted: Option<Vec<String>>,
}

/// Tells `null` from nothing.
fn given<'de, D: serde::Deserializer<'de>>(field: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(field).map(Some)
}

#[test]
fn every_line_of_the_contract_holds() {
    let text = include_str!("../../playbook_contract.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    assert!(cases.len() > 40, "{}", cases.len());
    for case in cases {
        let host = or_skip!(Host::start());
        case.run(host);
    }
}

impl Case {
    fn run(self, mut host: Host) {
        let site = host.deploy("a.com");
        for name in ["w", "v"] {
            site.worker(name);
        }
        if !self.synced.is_empty() {
            let array = Value::from(self.synced.clone()).to_string();
            host.sync("a.com", &array).ended(0);
            for program in &self.synced {
                host.wait_starts(&format!("a.com-{}", program["program"].as_str().unwrap()), 1);
            }
            std::fs::remove_file(host.path("result.yml")).unwrap();
        }
        self.meet_obstacle(&mut host);
        let starts =
            |host: &Host| ["w", "v"].map(|name| host.starts(&format!("a.com-{name}")).len());
        let before = starts(&host);
        let supervisors = match self.supervisors.as_str().and_then(|t| t.strip_prefix("text: ")) {
            Some(text) => text.to_owned(),
            None => self.supervisors.to_string(),
        };
        let mut invocation = host.playbook(&self.playbook, "a.com", &supervisors);
        for (name, value) in &self.set {
            invocation.env(name, self.filled(&host, value));
        }
        for name in &self.unset {
            invocation.without(name);
        }
        let run = invocation.run();
        self.check_words(&host, &run);
        self.check_files(&host);
        if let Some(restarted) = self.ours.restarted.as_ref().or(self.script.restarted.as_ref()) {
            for (name, before) in ["w", "v"].into_iter().zip(before) {
                let expected = before + usize::from(restarted.iter().any(|one| one == name));
                host.wait_starts(&format!("a.com-{name}"), expected);
                assert_eq!(host.starts(&format!("a.com-{name}")).len(), expected, "{}", self.case);
            }
        }
    }

    fn meet_obstacle(&self, host: &mut Host) {
        match self.obstacle.as_str() {
            "" => {}
            "conf.d is missing" => std::fs::remove_dir_all(host.daemon.conf_dir()).unwrap(),
            "logrotate.d is missing" => {
                std::fs::remove_dir_all(host.daemon.logrotate_dir()).unwrap();
            }
            "a file of somebody else is broken" => {
                host.daemon.write_conf("theirs", "no section header\n");
            }
            "supervisord is down" => host.daemon.stop(),
            "a file of the site a.com-x" => {
                let text = "[program:a.com-x-y]\ncommand=/bin/true\nautostart=false\n\
                            directory=/home/deployer/sites/a.com-x/current\n";
                host.daemon.write_conf("a.com-x-y", text);
            }
            other => panic!("{}: no obstacle is called {other}", self.case),
        }
    }

    fn filled(&self, host: &Host, text: &str) -> String {
        text.replace("{conf.d}", &host.daemon.conf_dir().display().to_string())
            .replace("{logrotate.d}", &host.daemon.logrotate_dir().display().to_string())
            .replace("{root}", &host.path("").display().to_string())
            .replace("//", "/")
    }

    fn check_words(&self, host: &Host, run: &Run) {
        let told = format!(
            "{}\n{}\n--- stdout\n{}--- stderr\n{}",
            self.case, self.why, run.stdout, run.stderr
        );
        let (ours, script) = (&self.ours, &self.script);
        assert_eq!(Some(run.status), ours.status.or(script.status), "{told}");
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (stdout, stderr) = (lines(&run.stdout), lines(&run.stderr));
        for line in ours.stdout.iter().chain(&script.stdout).flatten() {
            assert!(stdout.contains(&self.filled(host, line)), "no {line}: {told}");
        }
        let first = ours.stderr.as_ref().or(script.stderr.as_ref());
        for (line, said) in first.into_iter().flatten().zip(stderr.iter().chain([&String::new()])) {
            assert_eq!(*said, self.filled(host, line), "{told}");
        }
        if first.is_some_and(Vec::is_empty) && ours.ends.is_none() {
            assert_eq!(stderr, [""; 0], "{told}");
        }
        if let Some(ends) = &ours.ends {
            assert!(stderr.ends_with(ends), "{told}");
        }
        let result = ours.result.as_ref().or(script.result.as_ref());
        if let Some(result) = result {
            assert_eq!(host.result().as_deref(), result.as_str(), "{told}");
        }
        // Progress is a line a step.
        let is_progress = |line: &&String| line.starts_with("→ ");
        let others = stdout.iter().filter(|line| !is_progress(line));
        let plain = |line: &String| line.starts_with("Error: ") || line.starts_with("Warning: ");
        assert!(others.into_iter().all(plain), "{told}");
    }

    /// The files of the programs, byte for byte, and no other.
    fn check_files(&self, host: &Host) {
        let Some(programs) = self.ours.files.as_ref().or(self.script.files.as_ref()) else {
            return;
        };
        let mut expected: BTreeMap<PathBuf, String> = BTreeMap::new();
        for program in programs {
            let full = format!("a.com-{}", program["program"].as_str().unwrap());
            expected.insert(host.conf(&full), config(host, &full, program));
            expected.insert(host.logrotate(&full), rotation(host, &full));
        }
        let mut found = BTreeMap::new();
        for folder in [host.daemon.conf_dir(), host.daemon.logrotate_dir()] {
            if folder.exists() {
                for path in names(&folder).into_iter().map(|name| folder.join(name)) {
                    found.insert(path.clone(), std::fs::read_to_string(path).unwrap());
                }
            }
        }
        found.remove(&host.conf("theirs"));
        for other in self.ours.others.iter().flatten() {
            let path = host.daemon.conf_dir().join(other);
            assert!(found.remove(&path).is_some(), "{}: {other}", self.case);
        }
        assert_eq!(found, expected, "{}", self.case);
    }
}

/// The script's lines.
fn config(host: &Host, full: &str, program: &Value) -> String {
    let site = host.path("sites/a.com").display().to_string();
    let log = host.log(full).display().to_string();
    let text = |key: &str| match &program[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let process_name = match program["process_name"].as_bool() {
        Some(true) => "process_name=%(program_name)s_%(process_num)02d\n",
        _ => "",
    };
    format!(
        "[program:{full}]\ncommand={site}/runner.sh .deployer/supervisors/{}\n\
         directory={site}/current\nuser={}\nautostart={}\nautorestart={}\nstopwaitsecs={}\n\
         numprocs={}\n{process_name}stdout_logfile={log}\nstderr_logfile={log}\n",
        text("script"),
        host.user,
        text("autostart"),
        text("autorestart"),
        text("stopwaitsecs"),
        text("numprocs"),
    )
}

fn rotation(host: &Host, full: &str) -> String {
    format!(
        "{} {{\n    daily\n    rotate 5\n    maxage 30\n    missingok\n    notifempty\n    \
         compress\n    delaycompress\n    copytruncate\n}}\n",
        host.log(full).display()
    )
}
