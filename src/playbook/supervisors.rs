//! `DEPLOYER_SUPERVISORS`: a JSON array of programs, checked as a whole.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::environment::ContractError;
use crate::inventory::{Autorestart, Given, PROGRAM_KEYS, Program, ProgramName, Run, ScriptPath};

/// The contract's first line for whatever is wrong.
pub(super) const INVALID: &str = "Invalid DEPLOYER_SUPERVISORS JSON";

/// The keys of the contract.
const KEYS: [&str; 6] =
    ["program", "script", "autostart", "autorestart", "stopwaitsecs", "numprocs"];

/// What the array says.
#[derive(Debug, Default)]
pub(super) struct ParsedPrograms {
    /// The programs whose names and scripts are known. A field that is wrong has its default.
    pub(super) programs: Vec<Program>,
    /// Everything that is wrong, each with the item it is in.
    pub(super) problem: Option<ContractError>,
    /// How many items say no program.
    pub(super) unreadable: usize,
}

/// Reads the array.
pub(super) fn read(text: &str) -> ParsedPrograms {
    let invalid = |reason: String| ParsedPrograms {
        problem: Some(ContractError::new(INVALID).because(reason)),
        ..ParsedPrograms::default()
    };
    let items = match serde_json::from_str(text) {
        Ok(Value::Array(items)) => items,
        Ok(value) => return invalid(format!("it must be an array, not {}", kind(&value))),
        Err(error) => return invalid(error.to_string()),
    };
    let mut read = ParsedPrograms::default();
    let mut names = BTreeSet::new();
    let mut problem = ContractError::new(INVALID);
    for (index, value) in items.iter().enumerate() {
        let mut item = ArrayItem { number: index + 1, problems: Vec::new() };
        match item.program(value) {
            Some(program) if !names.insert(program.name.clone()) => {
                item.tell("program", format!("{} appears twice", program.name));
            }
            Some(program) => read.programs.push(program),
            None => read.unreadable += 1,
        }
        problem.causes.append(&mut item.problems);
    }
    read.problem = (!problem.causes.is_empty()).then_some(problem);
    read
}

/// One item of the array while it is read.
struct ArrayItem {
    number: usize,
    problems: Vec<String>,
}

impl ArrayItem {
    fn tell(&mut self, key: &str, reason: impl std::fmt::Display) {
        self.problems.push(format!("item {}, {key}: {reason}", self.number));
    }

    fn program(&mut self, value: &Value) -> Option<Program> {
        let Value::Object(map) = value else {
            self.problems.push(format!(
                "item {} must be an object, not {}",
                self.number,
                kind(value)
            ));
            return None;
        };
        for key in map.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            self.tell(&format!("{key:?}"), format!("is not one of {}", KEYS.join(", ")));
        }
        let name = self.text(map, "program", ProgramName::parse);
        let script = self.text(map, "script", ScriptPath::parse);
        let autostart = self.option(map, "autostart", |text| Some(text == "true"));
        let autorestart = self.option(map, "autorestart", Autorestart::from_word);
        let stopwaitsecs = self.option(map, "stopwaitsecs", |text| text.parse().ok());
        let numprocs = self.option(map, "numprocs", |text| text.parse().ok());
        let mut program = Program::new(name?, Run::Script(script?));
        program.autostart = autostart.unwrap_or(program.autostart);
        program.autorestart = autorestart.unwrap_or(program.autorestart);
        program.stopwaitsecs = stopwaitsecs.unwrap_or(program.stopwaitsecs);
        program.numprocs = numprocs.unwrap_or(program.numprocs);
        Some(program)
    }

    /// An option that may be left out or null, by the same rules as in an inventory.
    fn option<T>(
        &mut self,
        map: &Map<String, Value>,
        key: &str,
        parse: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = map.get(key).filter(|value| !value.is_null())?;
        let number = value.to_string();
        let given = match value {
            Value::Bool(value) => Given::Bool(*value),
            Value::Number(_) => Given::Number(&number),
            Value::String(text) => Given::Text(text, true),
            Value::Null | Value::Array(_) | Value::Object(_) => Given::Other,
        };
        match PROGRAM_KEYS.find(key)?.kind.read(&given)? {
            Ok(text) => parse(&text),
            Err(wrong) => {
                self.tell(key, format!("{}, not {}", wrong.reason, kind(value)));
                None
            }
        }
    }

    fn text<T, E: std::fmt::Display>(
        &mut self,
        map: &Map<String, Value>,
        key: &str,
        parse: fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        match map.get(key) {
            Some(Value::String(text)) => parse(text).map_err(|reason| self.tell(key, reason)).ok(),
            Some(other) => {
                self.tell(key, format!("must be a text, not {}", kind(other)));
                None
            }
            None => {
                self.tell(key, "is missing");
                None
            }
        }
    }
}

/// What a value is, for a person; long texts are cut.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_contracts() {
        let programs = read(r#"[{"program":"queue","script":"queue.sh"}]"#).programs;
        let [program] = programs.as_slice() else { panic!("{programs:?}") };
        assert!(program.autostart);
        assert_eq!(program.autorestart, Autorestart::Always);
        assert_eq!((program.stopwaitsecs, program.numprocs), (3600, 1));
        let none = read("[]");
        assert!(none.programs.is_empty() && none.problem.is_none());
    }

    #[test]
    fn hostile_input_is_refused_in_place() {
        let long = format!(r#"[{{"program":"{}","script":"x.sh"}}]"#, "x".repeat(300));
        let deep = "[".repeat(10_000);
        let large = format!("\"{}\"", "x".repeat(10 * 1024 * 1024));
        for (text, reason) in [
            ("", "EOF"),
            ("{", "EOF"),
            ("null", "not null"),
            (r#"{"a":1}"#, "not an object"),
            ("[1]", "item 1 must be an object, not 1"),
            ("[{}]", "item 1, program: is missing"),
            (r#"[{"program":"a"}]"#, "item 1, script: is missing"),
            (r#"[{"program":"a/b","script":"x.sh"}]"#, "item 1, program: must not contain '/'"),
            (r#"[{"program":"a\nb","script":"x.sh"}]"#, "a line break"),
            (r#"[{"program":"a\u0000b","script":"x.sh"}]"#, "a NUL character"),
            (r#"[{"program":"a%b","script":"x.sh"}]"#, "'%'"),
            (r#"[{"program":"a;b","script":"x.sh"}]"#, "';'"),
            (r#"[{"program":"ä","script":"x.sh"}]"#, "'ä'"),
            (r#"[{"program":7,"script":"x.sh"}]"#, "must be a text, not 7"),
            (r#"[{"program":"a","script":"../x.sh"}]"#, "item 1, script: must not contain '..'"),
            (r#"[{"program":"a","script":"/x.sh"}]"#, "must be relative"),
            (r#"[{"program":"a","script":"x.sh","numprocs":"4"}]"#, "not the text \"4\""),
            (r#"[{"program":"a","script":"x.sh","numprocs":0}]"#, "from 1 to 1000"),
            (r#"[{"program":"a","script":"x.sh","numprocs":1e99}]"#, "whole number"),
            (r#"[{"program":"a","script":"x.sh","stopwaitsecs":1.5}]"#, "not 1.5"),
            (r#"[{"program":"a","script":"x.sh","autostart":"true"}]"#, "true or false"),
            (r#"[{"program":"a","script":"x.sh","autorestart":"maybe"}]"#, "unexpected"),
            (r#"[{"program":"a","script":"x.sh","numproc":2}]"#, "\"numproc\": is not one of"),
            (
                r#"[{"program":"a","script":"x.sh"},{"program":"a","script":"y.sh"}]"#,
                "item 2, program: a appears twice",
            ),
            (long.as_str(), "too long"),
            (deep.as_str(), "recursion limit"),
            (large.as_str(), "must be an array"),
        ] {
            let problem = read(text).problem.unwrap();
            assert_eq!(problem.first_line, INVALID);
            let shown = problem.causes.join("\n");
            assert!(shown.contains(reason), "{reason}: {shown}");
            assert!(shown.len() < 1000, "{}", shown.len());
        }
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let text =
            r#"[{"program":"a b","script":"/x"},{"program":"b","script":"x.sh","numprocs":-1}]"#;
        assert_eq!(read(text).problem.unwrap().causes.len(), 3);
    }

    /// A program is known by its name and script, whatever else is wrong.
    #[test]
    fn program_is_known_despite_bad_fields() {
        let text = r#"[{"program":"a","script":"x.sh","numprocs":"4","more":1},
            {"program":"b"},{"program":"a","script":"y.sh"},7,{"program":"c","script":"z.sh"}]"#;
        let read = read(text);
        let names: Vec<&str> = read.programs.iter().map(|program| program.name.as_str()).collect();
        assert_eq!((names, read.unreadable), (vec!["a", "c"], 2));
    }
}
