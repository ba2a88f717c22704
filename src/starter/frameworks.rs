//! Which programs a repository probably runs, by the files that its frameworks leave.

use serde_json::Value;

use crate::inventory::{Beside, SCRIPT_FOLDER};

/// A program that a repository probably runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) program: String,
    /// The command line, run in the folder of the code.
    pub(crate) command: String,
    /// Other keys of it, as YAML.
    pub(crate) keys: Vec<&'static str>,
    /// What it was seen by.
    pub(crate) seen: String,
}

/// What is proposed for the repository that this folder is.
pub(crate) fn proposals(folder: &dyn Beside) -> Vec<Proposal> {
    let mut found = scripts(folder);
    let frameworks = [php, python, ruby, node].into_iter().filter_map(|look| look(folder));
    for proposal in frameworks {
        if found.iter().all(|other| other.program != proposal.program) {
            found.push(proposal);
        }
    }
    found
}

fn text(folder: &dyn Beside, path: &str) -> Option<String> {
    String::from_utf8(folder.read(path).ok()?).ok()
}

fn proposal(program: &str, command: &str, keys: &[&'static str], seen: &str) -> Proposal {
    Proposal {
        program: program.to_owned(),
        command: command.to_owned(),
        keys: keys.to_vec(),
        seen: seen.to_owned(),
    }
}

/// The worker scripts, each run by the shell that its first line names.
fn scripts(folder: &dyn Beside) -> Vec<Proposal> {
    let paths = folder.matching(&format!("{SCRIPT_FOLDER}/*.sh")).unwrap_or_default();
    paths.iter().filter_map(|path| script(folder, path)).collect()
}

fn script(folder: &dyn Beside, path: &str) -> Option<Proposal> {
    let name = path.rsplit_once('/')?.1;
    let program = name.strip_suffix(".sh")?.replace('.', "-");
    let first = text(folder, path)?.lines().next().unwrap_or_default().to_owned();
    let shell = if first.ends_with("bash") { "bash" } else { "sh" };
    let command = format!("{shell} {SCRIPT_FOLDER}/{name}");
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    is_plain.then(|| proposal(&program, &command, &[], path))
}

fn php(folder: &dyn Beside) -> Option<Proposal> {
    let composer: Value = serde_json::from_str(&text(folder, "composer.json")?).ok()?;
    let requires = |package: &str| composer["require"].get(package).is_some();
    let longest_job = "stopwaitsecs: 3600  # above the longest job, which may finish first";
    if requires("laravel/horizon") {
        let seen = "laravel/horizon in composer.json";
        return Some(proposal("horizon", "php artisan horizon", &[longest_job], seen));
    }
    if requires("laravel/framework") {
        let command = "php artisan queue:work --tries=3 --max-time=3600";
        let seen = "laravel/framework in composer.json";
        return Some(proposal("queue", command, &["numprocs: 2", longest_job], seen));
    }
    if requires("symfony/messenger") {
        let command = "php bin/console messenger:consume async --time-limit=3600";
        let seen = "symfony/messenger in composer.json";
        return Some(proposal("messenger", command, &["numprocs: 2", longest_job], seen));
    }
    None
}

fn python(folder: &dyn Beside) -> Option<Proposal> {
    let file = ["requirements.txt", "pyproject.toml"]
        .into_iter()
        .find(|file| text(folder, file).is_some_and(|text| names_package(&text, "celery")))?;
    let command = "celery -A app worker --loglevel=INFO";
    let keys = [
        "stopwaitsecs: 3600  # above the longest task, which may finish first",
        "stopasgroup: false",
    ];
    Some(proposal(
        "celery",
        command,
        &keys,
        &format!("celery in {file} (put your module in place of `app`)"),
    ))
}

fn ruby(folder: &dyn Beside) -> Option<Proposal> {
    let gemfile = text(folder, "Gemfile")?;
    let is_sidekiq =
        |line: &str| line.trim_start().starts_with("gem ") && names_package(line, "sidekiq");
    gemfile.lines().any(is_sidekiq).then(|| {
        let keys = ["stopwaitsecs: 30  # a little more than Sidekiq's own --timeout"];
        proposal("sidekiq", "bundle exec sidekiq -e production", &keys, "sidekiq in Gemfile")
    })
}

/// A script of package.json that is called like a worker. What it runs is better run without npm in between.
fn node(folder: &dyn Beside) -> Option<Proposal> {
    let package: Value = serde_json::from_str(&text(folder, "package.json")?).ok()?;
    let names = ["worker", "queue", "consumer"];
    let (name, script) =
        names.into_iter().find_map(|name| Some((name, package["scripts"].get(name)?.as_str()?)))?;
    let is_plain = script.chars().all(|c| c.is_ascii_alphanumeric() || " ./_-:=".contains(c));
    let is_node = script.starts_with("node ") && is_plain;
    let command = if is_node { script.to_owned() } else { format!("npm run --silent {name}") };
    Some(proposal(name, &command, &[], &format!("the script `{name}` in package.json")))
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')
}

/// Whether a line names a package: as a word of its own, and not as a part of another name.
fn names_package(text: &str, package: &str) -> bool {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| line.split(|c| !is_in_name(c))).any(|word| word == package)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository in memory.
    struct Repository(&'static [(&'static str, &'static str)]);

    impl Beside for Repository {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            let file = self.0.iter().find(|(name, _)| *name == path);
            file.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| "no such file".to_owned())
        }

        fn matching(&self, pattern: &str) -> Result<Vec<String>, String> {
            let folder = pattern.trim_end_matches("*.sh");
            let names = self.0.iter().map(|(name, _)| (*name).to_owned());
            Ok(names.filter(|name| name.starts_with(folder)).collect())
        }
    }

    fn commands(files: &'static [(&'static str, &'static str)]) -> String {
        let all = proposals(&Repository(files));
        let lines =
            all.iter().map(|proposal| format!("{}: {}", proposal.program, proposal.command));
        lines.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn frameworks_are_seen_by_their_files() {
        for (files, expected) in [
            (
                &[(
                    "composer.json",
                    r#"{"require": {"laravel/framework": "^12", "laravel/horizon": "^5"}}"#,
                )][..],
                "horizon: php artisan horizon",
            ),
            (
                &[("composer.json", r#"{"require": {"laravel/framework": "^12"}}"#)],
                "queue: php artisan queue:work --tries=3 --max-time=3600",
            ),
            (&[("composer.json", r#"{"require-dev": {"laravel/framework": "^12"}}"#)], ""),
            (&[("composer.json", "not json")], ""),
            (
                &[("composer.json", r#"{"require": {"symfony/messenger": "*"}}"#)],
                "messenger: php bin/console messenger:consume async --time-limit=3600",
            ),
            (
                &[("requirements.txt", "django\ncelery[redis]>=5\n")],
                "celery: celery -A app worker --loglevel=INFO",
            ),
            (&[("requirements.txt", "# celery\ncelery-types\n")], ""),
            (
                &[("pyproject.toml", "dependencies = [\"celery>=5\"]\n")],
                "celery: celery -A app worker --loglevel=INFO",
            ),
            (
                &[("Gemfile", "gem \"rails\"\ngem 'sidekiq', '~> 7'\n")],
                "sidekiq: bundle exec sidekiq -e production",
            ),
            (
                &[("package.json", r#"{"scripts": {"worker": "node dist/worker.js"}}"#)],
                "worker: node dist/worker.js",
            ),
            (
                &[("package.json", r#"{"scripts": {"queue": "tsx q.ts && x"}}"#)],
                "queue: npm run --silent queue",
            ),
            (
                &[
                    (".deployer/supervisors/a.sh", "#!/usr/bin/env bash\n"),
                    (".deployer/supervisors/b c.sh", ""),
                ],
                "a: bash .deployer/supervisors/a.sh",
            ),
            (&[], ""),
        ] {
            assert_eq!(commands(files), expected, "{files:?}");
        }
    }
}
