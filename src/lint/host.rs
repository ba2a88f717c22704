//! Checks of what only the host knows. They look where one is asked: `check --on`.

use super::{Check, Finding, Look, Needs, Part, Sample, Subject};

pub(super) const CHECKS: &[Check] = &[MISSING_COMMAND, MISSING_DIRECTORY];

const MISSING_COMMAND: Check = Check {
    name: "missing-command",
    summary: "the command is not there on the host, or cannot be run",
    fix: "install it, or write its whole path",
    why: "supervisord reads such a section without a word. When it is to start the program it says `can't find \
          command`, tries again, and gives up: FATAL. An apply finds out only then, and puts everything back. A \
          command without a folder is looked for in the `PATH` of the section's `environment`, else in that of \
          supervisord, which is seldom the one of your shell.",
    wrong: Sample::Program("{program: worker, command: phpp worker.php}"),
    right: Sample::Program("{program: worker, command: php worker.php}"),
    needs: Needs::Host,
    look: Look::Each(missing_command),
};

fn missing_command(subject: &Subject) -> Vec<Finding> {
    let host = subject.host.as_ref();
    let Some(reason) = host.and_then(|host| host.no_command.as_ref()) else { return Vec::new() };
    let command = subject.words().first().map(String::as_str).unwrap_or_default();
    let message = format!("`{}` cannot start: `{command}` {reason}", subject.name);
    vec![MISSING_COMMAND.finds(Part::Option("command"), message)]
}

const MISSING_DIRECTORY: Check = Check {
    name: "missing-directory",
    summary: "the working folder is not there on the host",
    fix: "make the folder, or correct `directory`",
    why: "supervisord reads such a section without a word. Each start then ends with `couldn't chdir`, and after some \
          of them the program is FATAL. An apply finds out only then, and puts everything back.",
    wrong: Sample::Program("{program: worker, command: php worker.php, directory: /srv/ap}"),
    right: Sample::Program("{program: worker, command: php worker.php, directory: /srv/app}"),
    needs: Needs::Host,
    look: Look::Each(missing_directory),
};

fn missing_directory(subject: &Subject) -> Vec<Finding> {
    let host = subject.host.as_ref();
    let Some(reason) = host.and_then(|host| host.no_directory.as_ref()) else { return Vec::new() };
    let directory = subject.option("directory").unwrap_or_default();
    let message = format!("`{}` cannot start: {directory} {reason}", subject.name);
    vec![MISSING_DIRECTORY.finds(Part::Option("directory"), message)]
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::super::subject::subject;
    use super::*;
    use crate::lint::OnHost;

    #[test]
    fn what_the_host_misses_is_found() {
        let on_host = |host: OnHost| Subject {
            host: Some(host),
            ..subject("command=phpp x\ndirectory=/nope")
        };
        let missing = on_host(OnHost {
            no_command: Some("is not on the PATH".to_owned()),
            no_directory: Some("does not exist".to_owned()),
            is_root: false,
        });
        assert_eq!(
            said("missing-command", missing.clone()),
            ["`w` cannot start: `phpp` is not on the PATH"]
        );
        assert_eq!(said("missing-directory", missing), ["`w` cannot start: /nope does not exist"]);
    }

    #[test]
    fn host_that_was_not_asked_misses_nothing() {
        for name in ["missing-command", "missing-directory"] {
            assert!(said(name, subject("command=phpp x\ndirectory=/nope")).is_empty());
            let fine = Subject { host: Some(OnHost::default()), ..subject("command=x") };
            assert!(said(name, fine).is_empty());
        }
    }
}
