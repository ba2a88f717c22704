//! Scripts beside the inventory: those that its programs run, as the repository has them.

use crate::inventory::{Beside, Program, Run, Site};
use crate::lint::Script;
use crate::supervisord::words;

/// The largest script that is looked at, in bytes.
const LARGEST: usize = 1 << 20;

/// The script of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// It runs none.
    None,
    /// It runs one that is not there, or is no text.
    Unknown,
    /// It runs this one.
    Script(Script),
}

/// The script that a program runs. An inventory of several sites has the scripts of each in a folder of the
/// site's name; where it lies in a site's own repository they are beside it.
pub(super) fn script_of(site: &Site, program: &Program, beside: &dyn Beside) -> Found {
    let (path, is_argument) = match &program.run {
        Run::Script(script) => (script.in_release(), false),
        Run::Command(command) => match script_in(command.as_str()) {
            Some(found) if is_of_release(&found.0) => found,
            Some(_) => return Found::Unknown,
            None => return Found::None,
        },
    };
    for path in [format!("{}/{path}", site.domain), path] {
        let Ok(bytes) = beside.read(&path) else { continue };
        return match String::from_utf8(bytes) {
            Ok(text) if text.len() <= LARGEST && !text.contains('\0') => {
                Found::Script(Script { path, text, is_argument })
            }
            _ => Found::Unknown,
        };
    }
    Found::Unknown
}

fn is_of_release(path: &str) -> bool {
    !path.starts_with(['/', '%', '~']) && !path.contains("..")
}

/// The script that a command line may name by a path, and whether it names the shell, too.
pub(super) fn script_in(command: &str) -> Option<(String, bool)> {
    let words = words::split(command).ok()?;
    let (first, others) = words.split_first()?;
    let name = first.rsplit('/').next().unwrap_or_default();
    let is_shell = matches!(name, "sh" | "bash" | "dash");
    let script = match is_shell {
        // With options it may be no script at all.
        true => others.first().filter(|word| !word.starts_with('-'))?,
        false => first,
    };
    let is_script = is_shell || script.ends_with(".sh") || script.starts_with(['/', '.']);
    let path = script.trim_start_matches("./").to_owned();
    is_script.then_some((path, is_shell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_is_found_in_a_command() {
        for (command, expected) in [
            ("bin/worker.sh a", Some(("bin/worker.sh", false))),
            ("./worker", Some(("worker", false))),
            ("bash bin/worker.sh", Some(("bin/worker.sh", true))),
            ("sh -c worker.sh", None),
            ("/srv/worker", Some(("/srv/worker", false))),
            ("bash -e worker.sh", None),
            ("php worker.php", None),
            ("worker", None),
        ] {
            let expected = expected.map(|(path, given)| (path.to_owned(), given));
            assert_eq!(script_in(command), expected, "{command}");
        }
    }
}
