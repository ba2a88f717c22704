//! The command that ssh runs on a host, and the lines it says before the agent does. Pure.

use crate::inventory::Privilege;

/// The script, as people read it.
const SCRIPT: &str = include_str!("remote.sh");

/// What each line for the controller has in it.
const MARK: &str = "@supervisor-sync ";

/// A line of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// It waits for the binary: its length, a line break, its bytes. A length of 0 means that ours
    /// is for another machine.
    Need {
        /// `uname -s` and `uname -m`.
        platform: String,
    },
    /// It becomes the agent now.
    Have(Agent),
    /// It gave up.
    Fail {
        /// At what.
        at: String,
        /// What there is to say about it.
        words: String,
    },
}

/// Which agent is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agent {
    /// Whether through sudo.
    pub(super) sudo: bool,
    /// Who is logged in.
    pub(super) user: String,
    /// The binary.
    pub(super) path: String,
}

/// What ssh is given to run. It holds nothing of the inventory but the privilege, so there is
/// nothing in it to quote.
pub(super) fn command(digest: &str, privilege: Option<Privilege>) -> String {
    let privilege = match privilege {
        Some(Privilege::Root) => "root",
        Some(Privilege::Sudo) => "sudo",
        Some(Privilege::None) => "none",
        None => "auto",
    };
    let lines = SCRIPT.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let script = lines.collect::<Vec<_>>().join(" ");
    format!("exec sh -c '{script}' supervisor-sync {digest} {privilege}")
}

/// What the script says; `None` for what is not its.
pub(super) fn said(line: &str) -> Option<Said> {
    let (_, said) = line.split_once(MARK)?;
    let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
    match word {
        "NEED" => Some(Said::Need { platform: rest.to_owned() }),
        "FAIL" => {
            let (at, words) = rest.split_once(' ').unwrap_or((rest, ""));
            Some(Said::Fail { at: at.to_owned(), words: words.to_owned() })
        }
        "HAVE" => {
            let mut parts = rest.splitn(3, ' ');
            let sudo = parts.next()? == "sudo";
            let user = parts.next()?.to_owned();
            let path = parts.next()?.to_owned();
            Some(Said::Have(Agent { sudo, user, path }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_one_line_that_any_login_shell_hands_to_sh() {
        let command = command("abc", None);
        let script = command
            .strip_prefix("exec sh -c '")
            .and_then(|rest| rest.strip_suffix("' supervisor-sync abc auto"))
            .unwrap();
        for special in ['\'', '\\', '!', '\n'] {
            assert!(!script.contains(special), "{special:?} in {script}");
        }
    }

    #[test]
    fn lines_are_told_from_noise() {
        assert_eq!(said("Welcome to Debian"), None);
        assert_eq!(said("@supervisor-sync SING"), None);
        assert_eq!(said("@supervisor-sync HAVE sudo deployer"), None);
        let platform = "Linux-x86_64".to_owned();
        assert_eq!(said("noise @supervisor-sync NEED Linux-x86_64"), Some(Said::Need { platform }));
        assert_eq!(
            said("@supervisor-sync FAIL write /home: No space left"),
            Some(Said::Fail { at: "write".into(), words: "/home: No space left".into() })
        );
        assert_eq!(
            said("@supervisor-sync HAVE direct root /my home/x"),
            Some(Said::Have(Agent { sudo: false, user: "root".into(), path: "/my home/x".into() }))
        );
    }
}
