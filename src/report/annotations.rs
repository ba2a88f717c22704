//! What `check` finds, for machines that put it beside the line: GitHub's workflow commands and SARIF.

use std::path::Path;

use serde_json::{Value, json};

use crate::check::Lint;
use crate::inventory::Problem;
use crate::lint::{self, Sample};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    Warning,
}

/// The folder that a tool which reads annotations has paths count from: the current one, as a rule that of a
/// checkout.
#[derive(Debug, Clone, Default)]
pub(crate) struct Here(String);

impl Here {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(format!("{}/", folder.display()))
    }

    /// A path as it counts from here, if it is below.
    fn relative<'p>(&self, path: &'p str) -> &'p str {
        let path = path.strip_prefix("./").unwrap_or(path);
        path.strip_prefix(self.0.as_str()).filter(|_| self.0 != "/").unwrap_or(path)
    }
}

/// One finding.
#[derive(Debug)]
pub(super) struct Annotation<'a> {
    level: Level,
    /// The check that found it; none for what is plainly wrong.
    check: Option<&'static str>,
    problem: &'a Problem,
}

impl<'a> Annotation<'a> {
    pub(super) fn new(level: Level, check: Option<&'static str>, problem: &'a Problem) -> Self {
        Self { level, check, problem }
    }

    fn word(&self) -> &'static str {
        match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        }
    }

    /// The message and what can be done.
    fn text(&self) -> String {
        let help = self.problem.help.iter().map(|help| format!("\n{help}"));
        format!("{}{}", self.problem.message, help.collect::<String>())
    }

    fn rule(&self) -> &'static str {
        self.check.unwrap_or("inventory")
    }
}

/// Those of lints.
pub(super) fn of_lints(lints: &[Lint]) -> Vec<Annotation<'_>> {
    let all = lints.iter();
    all.map(|lint| Annotation::new(Level::Warning, Some(lint.check), &lint.problem)).collect()
}

/// `::warning file=deployer.yml,line=3,col=5,title=user-root::…`, a line each.
pub(super) fn github(annotations: &[Annotation<'_>], here: &Here) -> String {
    let line = |one: &Annotation<'_>| {
        let Problem { file, place, .. } = one.problem;
        format!(
            "::{} file={},line={},col={},title={}::{}\n",
            one.word(),
            property(here.relative(file)),
            place.line,
            place.column,
            property(one.rule()),
            command_text(&one.text())
        )
    };
    annotations.iter().map(line).collect()
}

/// As `@actions/core` escapes what stands behind the second `::`.
fn command_text(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As it escapes a property.
fn property(text: &str) -> String {
    command_text(text).replace(':', "%3A").replace(',', "%2C")
}

/// One run with all of them.
pub(super) fn sarif(annotations: &[Annotation<'_>], here: &Here) -> String {
    let results: Vec<Value> = annotations.iter().map(|one| result(one, here)).collect();
    let mut rules: Vec<Value> = lint::all().map(rule).collect();
    rules.push(json!({
        "id": "inventory",
        "shortDescription": {"text": "The inventory cannot be used as it is"},
        "defaultConfiguration": {"level": "error"},
    }));
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "supervisor-sync",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn rule(check: &lint::Check) -> Value {
    let code = |sample: Sample| match sample {
        Sample::Program(text) | Sample::Script(text) => text,
    };
    json!({
        "id": check.name,
        "shortDescription": {"text": check.summary},
        "fullDescription": {"text": check.why},
        "help": {"text": format!("{}. For example:\n{}", check.fix, code(check.right))},
        "defaultConfiguration": {"level": "warning"},
    })
}

fn result(one: &Annotation<'_>, here: &Here) -> Value {
    let Problem { file, place, .. } = one.problem;
    json!({
        "ruleId": one.rule(),
        "level": one.word(),
        "message": {"text": one.text()},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(here.relative(file))},
            "region": {"startLine": place.line, "startColumn": place.column},
        }}],
    })
}

/// A path as a reference, with what a URI has no room for in percents.
fn uri(path: &str) -> String {
    let scheme = if path.starts_with('/') { "file://" } else { "" };
    let mut uri = String::from(scheme);
    for byte in path.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b"/-._~@+=,".contains(&b) => uri.push(char::from(b)),
            b => uri.push_str(&format!("%{b:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Place;

    fn problem(file: &str, message: &str) -> Problem {
        Problem {
            file: file.to_owned(),
            place: Place::of_line(3, "user: root"),
            message: message.to_owned(),
            help: vec!["give it a user".to_owned()],
            related: Vec::new(),
        }
    }

    #[test]
    fn workflow_command_is_escaped() {
        let problem = problem("a:b,c%.yml", "100 % root: `a, b`");
        let line = github(
            &[Annotation::new(Level::Warning, Some("user-root"), &problem)],
            &Here::default(),
        );
        assert_eq!(
            line,
            "::warning file=a%3Ab%2Cc%25.yml,line=3,col=1,title=user-root::100 %25 root: `a, b`%0Agive it a user\n"
        );
    }

    #[test]
    fn sarif_names_a_rule_for_each_result() {
        let problem = problem("./x y.yml", "m");
        let all = [
            Annotation::new(Level::Warning, Some("user-root"), &problem),
            Annotation::new(Level::Error, None, &problem),
        ];
        let document: Value = serde_json::from_str(&sarif(&all, &Here::default())).unwrap();
        let run = &document["runs"][0];
        let rules: Vec<&str> = run["tool"]["driver"]["rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["id"].as_str().unwrap())
            .collect();
        for result in run["results"].as_array().unwrap() {
            assert!(rules.contains(&result["ruleId"].as_str().unwrap()), "{result}");
        }
        let place = &run["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "x%20y.yml");
        assert_eq!(place["region"]["startLine"], 3);
    }

    #[test]
    fn path_counts_from_the_current_folder() {
        let here = Here::new(Path::new("/srv/app"));
        assert_eq!(here.relative("/srv/app/deployer.yml"), "deployer.yml");
        assert_eq!(here.relative("./a/deployer.yml"), "a/deployer.yml");
        assert_eq!(here.relative("/srv/application.yml"), "/srv/application.yml");
        assert_eq!(Here::new(Path::new("/")).relative("/a"), "/a");
    }

    #[test]
    fn absolute_path_is_a_file_uri() {
        assert_eq!(uri("/etc/a.conf"), "file:///etc/a.conf");
        assert_eq!(uri("a/ä.yml"), "a/%C3%A4.yml");
    }
}
