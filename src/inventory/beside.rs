//! Files beside the inventory that it names. They are read where the inventory is, never on a server.

use std::collections::BTreeMap;

use super::fields::Reader;
use super::file::Node;
use super::findings::Finding;
use super::suggest::shown;
use super::value::{EnvironmentName, EnvironmentValue};

/// What lies beside an inventory.
pub trait Beside {
    /// The bytes of a file, its path counting from the inventory's folder; or why it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
    /// The paths that match a pattern of `*` and `?`, sorted; or why its folder cannot be read.
    fn matching(&self, pattern: &str) -> Result<Vec<String>, String>;
}

/// Whether a path matches a pattern, in which `*` stands for any text and `?` for any character of one name.
/// As in a shell, neither stands for a dot at the beginning.
pub(super) fn is_match(pattern: &str, path: &str) -> bool {
    let (folder, pattern) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let (path_folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_hidden = name.starts_with('.') && !pattern.starts_with('.');
    folder == path_folder && !is_hidden && is_name_match(pattern.as_bytes(), name.as_bytes())
}

fn is_name_match(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            (0..=name.len()).any(|skip| is_name_match(rest, name.get(skip..).unwrap_or_default()))
        }
        ([b'?', pattern @ ..], [_, name @ ..]) => is_name_match(pattern, name),
        ([one, pattern @ ..], [other, name @ ..]) => one == other && is_name_match(pattern, name),
        _ => false,
    }
}

/// Of an inventory that is no file, or whose files are not to be looked at.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Beside for Nothing {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("there is no file beside this inventory".to_owned())
    }

    fn matching(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
}

/// The variables of an `environment_file`. No message here may hold a part of a value.
pub(super) fn environment_file(
    reader: &mut Reader<'_, '_>,
    node: &Node,
) -> Option<BTreeMap<EnvironmentName, EnvironmentValue>> {
    let path = reader.text(node, "environment_file")?;
    let text = reader.text_beside(node, path)?;
    let mut variables = BTreeMap::new();
    for (line, number) in text.lines().zip(1..) {
        match variable(line) {
            Ok(Some((name, value))) => {
                variables.insert(name, value);
            }
            Ok(None) => {}
            Err(reason) => {
                let message = format!("`{}`, line {number}: {reason}", shown(path));
                reader.push(Finding::new(node.at, message));
            }
        }
    }
    Some(variables)
}

/// The variable of a line: `NAME=value`, as `env` prints it, the value in quotes if one likes; with
/// `export` before it if the file is a shell's too. A blank line and a comment have none.
fn variable(line: &str) -> Result<Option<(EnvironmentName, EnvironmentValue)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let Some((name, value)) = line.split_once('=') else {
        return Err("must be `NAME=value`".to_owned());
    };
    let name = EnvironmentName::parse(name.trim_end())
        .map_err(|_| "the name must be letters, digits and '_'".to_owned())?;
    let mut value = value.trim();
    for quote in ['\'', '"'] {
        if let Some(inside) = value.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
            value = inside;
            break;
        }
    }
    let value = EnvironmentValue::parse(value);
    value.map(|value| Some((name, value))).map_err(|error| format!("the value {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_lines_read_like_shells() {
        let read = |line: &str| {
            let variable = variable(line).unwrap();
            variable.map(|(name, value)| (name.to_string(), value.as_str().to_owned()))
        };
        let some = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(read("A=b c"), some("A", "b c"));
        assert_eq!(read(" export A='b#c=d' "), some("A", "b#c=d"));
        assert_eq!(read("A=\"x\""), some("A", "x"));
        assert_eq!(read("A="), some("A", ""));
        assert_eq!(read("  # A=b"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn bad_variable_hides_its_value() {
        for bad in ["hunter2", "1hunter2=x", "A=hünter2", "A='hunter2", "A=hunter2 ;x"] {
            let error = variable(bad).unwrap_err();
            assert!(!error.contains("hunter2") && !error.contains('ü'), "{error}");
        }
    }
}
