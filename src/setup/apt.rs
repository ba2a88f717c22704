//! apt-get: how it is called so that it never asks, and what its words mean. Pure.

use super::Package;
use crate::error::CommandError;

/// How long one call waits for dpkg's lock by itself, in seconds. Short, so that there is something
/// to tell meanwhile. The lock of the lists it does not wait for at all.
const OWN_LOCK_WAIT: u32 = 10;

/// What keeps apt, its hooks and the packages' scripts from asking, and their words English.
///
/// needrestart would restart services of others; its first variable is not known to old ones.
pub(super) const ENVIRONMENT: [(&str, &str); 8] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBIAN_PRIORITY", "critical"),
    ("NEEDRESTART_SUSPEND", "1"),
    ("NEEDRESTART_MODE", "l"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("UCF_FORCE_CONFFOLD", "1"),
    ("LC_ALL", "C.UTF-8"),
    ("LANGUAGE", "C"),
];

/// The arguments of `apt-get` that refresh the lists. A list that cannot be fetched is an error, where
/// apt by itself would end with 0.
pub(super) fn refresh() -> Vec<String> {
    let mut arguments = shared();
    arguments.extend(words(&["-o", "APT::Update::Error-Mode=any", "update"]));
    arguments
}

/// The arguments of `apt-get` that install. It removes nothing, brings no more than is needed, and
/// keeps a configuration file that somebody has edited.
pub(super) fn install(packages: &[Package]) -> Vec<String> {
    let mut arguments = shared();
    arguments.extend(words(&[
        "--no-install-recommends",
        "--no-remove",
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
        "install",
    ]));
    arguments.extend(packages.iter().map(|package| package.name().to_owned()));
    arguments
}

fn shared() -> Vec<String> {
    let mut arguments = words(&["-q", "-y", "-o"]);
    arguments.push(format!("DPkg::Lock::Timeout={OWN_LOCK_WAIT}"));
    arguments
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Why apt-get did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AptFault {
    /// Another program installs something at this moment.
    Locked(String),
    /// Its servers cannot be reached, or are just being updated.
    Network(String),
    /// A package is in none of its lists.
    NoSuchPackage(String),
    /// A former installation never ended.
    Unfinished(String),
    /// The disk is full.
    NoRoom(String),
    /// It cannot be run at all.
    CannotRun(String),
    /// SIGINT or SIGTERM came while apt read its lists, and it was stopped.
    Interrupted,
    /// None of the above: its last line that says `E:`, or its exit status.
    Other(String),
}

/// What words mean.
struct AptMeaning {
    words: &'static [&'static str],
    fault: fn(String) -> AptFault,
}

/// The first that is found counts, so the particular stands before the general.
const MEANINGS: [AptMeaning; 7] = [
    // A disk that is read-only looks like a lock otherwise.
    AptMeaning { words: &["Could not open lock file", "are you root"], fault: AptFault::Other },
    AptMeaning { words: &["dpkg was interrupted"], fault: AptFault::Unfinished },
    AptMeaning {
        words: &["Could not get lock", "Unable to lock", "is locked by another process"],
        fault: AptFault::Locked,
    },
    AptMeaning {
        words: &["No space left on device", "enough free space"],
        fault: AptFault::NoRoom,
    },
    AptMeaning {
        words: &["Unable to locate package", "has no installation candidate"],
        fault: AptFault::NoSuchPackage,
    },
    AptMeaning {
        words: &[
            "Temporary failure resolving",
            "Could not resolve",
            "Could not connect",
            "Unable to connect",
            "Cannot initiate the connection",
            "Connection failed",
            "Connection timed out",
            "Network is unreachable",
            "Hash Sum mismatch",
            "Failed to fetch",
        ],
        fault: AptFault::Network,
    },
    AptMeaning { words: &["unmet dependencies"], fault: AptFault::Unfinished },
];

impl AptFault {
    /// From what a call that failed has said.
    pub(super) fn of(said: &[String], status: &str) -> Self {
        for meaning in &MEANINGS {
            for words in meaning.words {
                if let Some(line) = said.iter().find(|line| line.contains(words)) {
                    return (meaning.fault)(plain(line));
                }
            }
        }
        let error = said.iter().rev().find(|line| line.starts_with("E: "));
        let last = error.or_else(|| said.last());
        Self::Other(last.map_or_else(|| status.to_owned(), |line| plain(line)))
    }

    /// In apt's words.
    pub fn words(&self) -> &str {
        match self {
            Self::Locked(words)
            | Self::Network(words)
            | Self::NoSuchPackage(words)
            | Self::Unfinished(words)
            | Self::NoRoom(words)
            | Self::CannotRun(words)
            | Self::Other(words) => words,
            Self::Interrupted => "interrupted",
        }
    }

    /// What could not be done, why, and what to type next. `by_hand` is the command that would do it.
    pub(super) fn error(&self, order: &str, by_hand: &str) -> CommandError {
        let hint = match self {
            Self::Locked(_) => {
                "wait for it to end, then run setup again: fuser -v /var/lib/dpkg/lock-frontend"
                    .to_owned()
            }
            Self::Network(_) => {
                "see that this machine reaches its package servers: apt-get update".to_owned()
            }
            Self::NoSuchPackage(_) => {
                "on Ubuntu it is in universe: add-apt-repository universe; else see /etc/apt/sources.list"
                    .to_owned()
            }
            Self::Unfinished(_) => {
                "finish what was begun: dpkg --configure -a; apt-get -f install".to_owned()
            }
            Self::NoRoom(_) => "make room: df -h / /var; apt-get clean".to_owned(),
            Self::CannotRun(_) | Self::Interrupted | Self::Other(_) => {
                format!("see it in full: {by_hand}")
            }
        };
        CommandError::refused(format!("cannot {order}")).because(self.words()).hint(hint)
    }
}

/// Without apt's own level.
fn plain(line: &str) -> String {
    let line = line.trim();
    line.strip_prefix("E: ").or_else(|| line.strip_prefix("W: ")).unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(said: &str) -> AptFault {
        let said: Vec<String> = said.lines().map(str::to_owned).collect();
        AptFault::of(&said, "exit status: 100")
    }

    #[test]
    fn apts_words_are_understood() {
        let locked = "Reading package lists...\nE: Could not get lock /var/lib/apt/lists/lock. It is \
                      held by process 7 (apt-get)\nE: Unable to lock directory /var/lib/apt/lists/";
        let held = "Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)";
        assert_eq!(of(locked), AptFault::Locked(held.into()));
        let offline = "Err:1 http://deb.debian.org/debian bookworm InRelease\n  Temporary failure \
                       resolving 'deb.debian.org'\nE: Failed to fetch http://deb.debian.org/";
        let words = "Temporary failure resolving 'deb.debian.org'";
        assert_eq!(of(offline), AptFault::Network(words.into()));
        assert!(matches!(of("E: Unable to locate package x"), AptFault::NoSuchPackage(_)));
        assert!(matches!(
            of("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'"),
            AptFault::Unfinished(_)
        ));
        let read_only = "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (30: Read-only \
                         file system)\nE: Unable to acquire the dpkg frontend lock, are you root?";
        assert!(matches!(of(read_only), AptFault::Other(_)));
        assert!(matches!(
            of("E: You don't have enough free space in /var/cache/apt/archives/."),
            AptFault::NoRoom(_)
        ));
        assert_eq!(of("one\nE: two\nthree"), AptFault::Other("two".into()));
        assert_eq!(of(""), AptFault::Other("exit status: 100".into()));
    }

    #[test]
    fn each_fault_ends_in_a_command() {
        for said in [
            "Could not get lock",
            "Failed to fetch",
            "Unable to locate package",
            "dpkg was interrupted",
            "No space left on device",
            "else",
        ] {
            let error = of(said).error("install supervisor", "apt-get install supervisor");
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("cannot install supervisor: {said}\nhint: ")),
                "{text}"
            );
        }
    }

    #[test]
    fn apt_never_asks_or_removes() {
        let install = install(&[Package::Supervisor, Package::Logrotate]).join(" ");
        assert!(install.contains("-y") && install.contains("--no-remove"), "{install}");
        assert!(install.ends_with("install supervisor logrotate"), "{install}");
        assert!(install.contains("DPkg::Lock::Timeout="), "{install}");
    }
}
