//! ssh's words, and those of the first script on a host, as errors with the command to type next.
//! Pure.
//!
//! ssh ends with 255 for everything that is its own, so its words are all there is to go by.

use super::bootstrap::{Agent, BEGIN};
use super::listening::ChildExit;
use super::payload::platform;
use super::sudoers;
use crate::error::CommandError;
use crate::system::shell;

/// Where a connection leads, for messages and for hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    /// The server's name in the inventory.
    pub(super) name: String,
    /// Its address as ssh takes it.
    pub(super) address: String,
    /// Whom to log in as; `None` if that is up to `ssh_config`.
    pub(super) user: Option<String>,
    /// The port; `None` if that is up to `ssh_config`.
    pub(super) port: Option<u16>,
    /// The private key.
    pub(super) key: Option<String>,
}

/// A machine that runs the bootstrap, for messages and for hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostLabel {
    /// The server's name in the inventory.
    pub(super) name: String,
    /// How it is told of.
    pub(super) shown: String,
    /// What to type before a command to have it run there by hand.
    pub(super) by_hand: String,
}

impl Destination {
    pub(super) fn label(&self) -> HostLabel {
        HostLabel { name: self.name.clone(), shown: self.shown(), by_hand: self.by_hand() }
    }

    pub(super) fn shown(&self) -> String {
        let user = self.user.as_ref().map_or(String::new(), |user| format!("{user}@"));
        format!("{user}{}", self.address)
    }

    /// The command that logs in by hand.
    fn by_hand(&self) -> String {
        let key = self.key.as_ref().map_or(String::new(), |key| format!(" -i {key}"));
        let port = self.port.map_or(String::new(), |port| format!(" -p {port}"));
        format!("ssh{key}{port} {}", self.shown())
    }

    /// The name in `known_hosts`.
    fn known_as(&self) -> String {
        match self.port {
            Some(port) if port != 22 => format!("'[{}]:{port}'", self.address),
            _ => self.address.clone(),
        }
    }
}

/// What ssh says, what it means, and what to do about it. The first that is found counts, so the
/// particular stands before the general.
const SSH_FAILURES: &[(&str, SshFailure)] = &[
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", SshFailure::KeyChanged),
    ("Host key verification failed", SshFailure::KeyUnknown),
    ("host key is known", SshFailure::KeyUnknown),
    ("Could not resolve hostname", SshFailure::NoSuchName),
    ("Connection refused", SshFailure::NobodyListens),
    ("timed out", SshFailure::NoAnswer),
    ("No route to host", SshFailure::NoAnswer),
    ("Network is unreachable", SshFailure::NoAnswer),
    ("not responding", SshFailure::NoAnswer),
    ("UNPROTECTED PRIVATE KEY FILE", SshFailure::OpenKey),
    ("Permission denied", SshFailure::NotLetIn),
    ("Too many authentication failures", SshFailure::NotLetIn),
    ("Bad owner or permissions", SshFailure::BadConfig),
    ("Bad configuration option", SshFailure::BadConfig),
    ("terminating,", SshFailure::BadConfig),
    ("Connection closed", SshFailure::HungUp),
    ("Connection reset", SshFailure::HungUp),
    ("kex_exchange_identification", SshFailure::HungUp),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SshFailure {
    KeyChanged,
    KeyUnknown,
    NoSuchName,
    NobodyListens,
    NoAnswer,
    OpenKey,
    NotLetIn,
    BadConfig,
    HungUp,
}

/// Why there is no connection, by the words that ssh left; `None` if they say nothing about it.
pub(super) fn refused(to: &Destination, words: &[String]) -> Option<CommandError> {
    let (said, meaning) = SSH_FAILURES.iter().find_map(|(said, meaning)| {
        words.iter().find(|line| line.contains(said)).map(|line| (line, *meaning))
    })?;
    let (shown, by_hand) = (to.shown(), to.by_hand());
    Some(match meaning {
        SshFailure::KeyChanged => refused_with_hint(
            format!("the host key of {shown} has changed: another machine, or somebody in between"),
            format!(
                "if the server was set up anew, forget the old key: ssh-keygen -R {}; {by_hand}",
                to.known_as()
            ),
        ),
        SshFailure::KeyUnknown => refused_with_hint(
            format!("the host key of {shown} is not known here"),
            format!("log in once by hand and compare its fingerprint: {by_hand}"),
        ),
        SshFailure::NoSuchName => refused_with_hint(
            format!("the address of {shown} cannot be found"),
            format!("fix `host` of server {} in the inventory", to.name),
        )
        .because(without_prefix(said)),
        SshFailure::NobodyListens => refused_with_hint(
            format!("{shown} refuses the connection: no SSH server listens there"),
            format!("check that it runs and that `port` is right: {by_hand}"),
        ),
        SshFailure::NoAnswer => refused_with_hint(
            format!("{shown} does not answer"),
            format!("check that it is up and that nothing in between blocks SSH: {by_hand}"),
        )
        .because(without_prefix(said)),
        SshFailure::OpenKey => refused_with_hint(
            format!("ssh does not use the private key for {shown}: others may read it"),
            format!("chmod 600 {}", to.key.as_deref().map_or(DEFAULT_KEY.to_owned(), key_word)),
        ),
        SshFailure::NotLetIn => refused_with_hint(
            format!("{shown} does not let us log in"),
            format!("try it by hand, it must not ask for a password: {by_hand} true"),
        )
        .because(without_prefix(said)),
        SshFailure::BadConfig => refused_with_hint(
            "ssh rejects its own configuration".to_owned(),
            format!("fix it until this works: {by_hand} true"),
        )
        .because(said.as_str()),
        SshFailure::HungUp => refused_with_hint(
            format!("{shown} closed the connection before the login"),
            format!("check that it accepts more than a few connections at once (MaxStartups): {by_hand} true"),
        )
        .because(without_prefix(said)),
    })
}

/// The key that ssh takes of itself.
const DEFAULT_KEY: &str = "~/.ssh/id_ed25519";

/// The path of a key as a word of a shell, which knows the home.
fn key_word(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(below) => format!("~/{}", shell::word(below)),
        None => shell::word(path),
    }
}

fn refused_with_hint(message: String, hint: String) -> CommandError {
    CommandError::refused(message).hint(hint)
}

/// The connection was made, but nothing of ours was said over it.
pub(super) fn unintelligible(to: &HostLabel, noise: Vec<String>, end: ChildExit) -> CommandError {
    no_command(to, noise, end)
        .hint(format!("its login shell must run commands, try it: {} true", to.by_hand))
}

/// The command that is to give a shell did not run ours.
pub(super) fn no_shell(to: &HostLabel, noise: Vec<String>, end: ChildExit) -> CommandError {
    let HostLabel { name, by_hand, .. } = to;
    no_command(to, noise, end).hint(format!(
        "`exec` of server {name} must run the command that follows it, try it: {by_hand} true"
    ))
}

fn no_command(to: &HostLabel, noise: Vec<String>, end: ChildExit) -> CommandError {
    let all: Vec<String> = noise.into_iter().chain(end.stderr).collect();
    let last = all.len().saturating_sub(3);
    let said = all.get(last..).unwrap_or_default().join("; ");
    CommandError::refused(format!("{} did not run our command", to.shown))
        .because(if said.is_empty() { end.status } else { said })
}

/// The agent was to be run, and did not introduce itself.
pub(super) fn not_run(to: &HostLabel, agent: &Agent, end: ChildExit) -> CommandError {
    let (shown, why) = (&to.shown, end.reason());
    if agent.sudo {
        let user = &agent.user;
        return CommandError::refused(format!(
            "sudo on {shown} does not let {user} run supervisor-sync"
        ))
        .because(why)
        .hint(sudoers::hint_there(user, &agent.path));
    }
    CommandError::refused(format!("supervisor-sync does not run on {shown}")).because(why)
}

/// Nothing was said for too long before the agent ran.
pub(super) fn hangs(to: &HostLabel) -> CommandError {
    CommandError::refused(format!("{} did not answer for {} s", to.shown, BEGIN.as_secs()))
        .hint("check whether its login shell hangs, e.g. on a file system that is away")
}

/// The first script on the host gave up.
pub(super) fn gave_up(to: &HostLabel, at: &str, words: &str) -> CommandError {
    let shown = &to.shown;
    match at {
        "place" => CommandError::refused(format!("no folder on {shown} can hold a program"))
            .because(format!("tried {words}"))
            .hint("one of them must be writable and on a file system without noexec"),
        "write" => CommandError::refused(format!("cannot put supervisor-sync on {shown}"))
            .because(words)
            .hint(format!("check that there is room: {} df -h", to.by_hand)),
        "unfit" => CommandError::refused(format!(
            "this supervisor-sync, for {}, does not run on {shown}, which is {words}",
            platform()
        ))
        .hint(format!(
            "put the binary for it beside yours, called supervisor-sync-linux-{}, or install the same \
             release there, on the PATH",
            words.rsplit('-').next().unwrap_or(words)
        )),
        "root" => CommandError::refused(format!("{words} on {shown} is not root"))
            .hint(format!("write `privilege: sudo` for server {}, or log in as root", to.name)),
        "tools" => CommandError::refused(format!("{shown} lacks {words}")).hint(
            "install it (Debian: coreutils), or a supervisor-sync of the same release, there",
        ),
        _ => CommandError::refused(format!("{shown} gave up: {at} {words}")),
    }
}

/// `ssh: connect to host x port 22: Connection refused` without who says so.
fn without_prefix(said: &str) -> &str {
    said.strip_prefix("ssh: ").unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web1() -> Destination {
        Destination {
            name: "web1".into(),
            address: "203.0.113.10".into(),
            user: Some("deployer".into()),
            port: Some(2222),
            key: None,
        }
    }

    fn of(words: &[&str]) -> Option<CommandError> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        refused(&web1(), &words)
    }

    #[test]
    fn each_ssh_refusal_gets_command() {
        let cases: &[(&[&str], &str, &str)] = &[
            (
                &[
                    "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!  @",
                    "Host key verification failed.",
                ],
                "has changed",
                "ssh-keygen -R '[203.0.113.10]:2222'",
            ),
            (&["Host key verification failed."], "is not known here", "ssh -p 2222 deployer@203"),
            (
                &["ssh: Could not resolve hostname web1: Name or service not known"],
                "cannot be found: Could not resolve",
                "`host` of server web1",
            ),
            (
                &["ssh: connect to host 203.0.113.10 port 22: Connection refused"],
                "no SSH server listens",
                "-p 2222",
            ),
            (
                &["ssh: connect to host 203.0.113.10 port 22: Connection timed out"],
                "does not answer",
                "check that it is up",
            ),
            (
                &["Connection timed out during banner exchange"],
                "does not answer: Connection timed out during banner exchange",
                "",
            ),
            (
                &["deployer@203.0.113.10: Permission denied (publickey)."],
                "does not let us log in: deployer@203.0.113.10: Permission denied",
                " true",
            ),
            (
                &["kex_exchange_identification: Connection closed by remote host"],
                "closed the connection before the login",
                "MaxStartups",
            ),
        ];
        for (words, message, hint) in cases {
            let error = of(words).unwrap().to_string();
            let (first, rest) = error.split_once('\n').unwrap();
            assert!(first.contains(message), "{error}");
            assert!(rest.contains(hint), "{error}");
        }
    }

    #[test]
    fn other_words_are_not_guessed_at() {
        assert_eq!(of(&["sudo: a password is required"]), None);
        assert_eq!(of(&[]), None);
    }
}
