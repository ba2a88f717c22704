//! `git`, as all of ours run: in no repository but the one that is meant, asking nobody, running nothing else.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::Access;
pub(super) use super::access::words;
use super::access::{Finished, NoAnswer};
use crate::error::CommandError;
use crate::system::shell;

const GIT: &str = "git";
/// What a hook of another repository sets, which may be who called.
const OF_ANOTHER: [&str; 11] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_QUARANTINE_PATH",
    "GIT_TEMPLATE_DIR",
];
/// What holds for every git of ours, whatever the configuration of the person says.
const SETTINGS: [&str; 11] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.logAllRefUpdates=false",
    // What cleans up ends with us, or it would be killed half way.
    "gc.autoDetach=false",
    "maintenance.autoDetach=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "push.gpgSign=false",
    "protocol.allow=never",
    "protocol.ssh.allow=always",
    "protocol.https.allow=always",
];
/// No questions, which nobody would answer, and an end to a link that is dead.
const SSH: &str = "ssh -o BatchMode=yes -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

/// git for one repository.
pub(super) struct GitProgram<'s> {
    url: &'s str,
    access: &'s Access,
    /// What is to run in place of ssh, if nobody has said otherwise.
    ssh: Option<String>,
}

/// Why git did not do something.
#[derive(Debug, thiserror::Error)]
pub(super) enum GitError {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// What asked the repository failed, in git's words, or ssh's.
    #[error("{0}")]
    Git(String),
    /// What asked the clone alone failed.
    #[error("{0}")]
    Clone(String),
    /// Of the folder that clones are kept in.
    #[error("cannot keep a clone in {}", path.display())]
    Cache { path: PathBuf, source: std::io::Error },
    /// Another process has the clone, for longer than it may.
    #[error("another process uses {}", .0.display())]
    InUse(PathBuf),
}

impl GitError {
    /// The same of the clone.
    pub(super) fn of_clone(self) -> Self {
        match self {
            Self::Git(words) => Self::Clone(words),
            other => other,
        }
    }

    /// As the failure of what is told by `what`, which was asked of `url`.
    pub(super) fn of(self, what: String, url: &str) -> CommandError {
        let look = || format!("see whether git reaches it: git ls-remote {}", shell::word(url));
        match self {
            Self::NoAnswer(error) => error.of(what),
            Self::Git(words) => CommandError::refused(what).because(words).hint(look()),
            Self::Cache { ref path, ref source } => {
                let because = format!("cannot keep a clone in {}", path.display());
                CommandError::refused(what).because(because).caused_by_io(source, path)
            }
            Self::Clone(_) | Self::InUse(_) => CommandError::refused(what).caused_by(&self),
        }
    }
}

impl<'s> GitProgram<'s> {
    /// The one that reaches this repository.
    pub(super) fn for_url(url: &'s str, access: &'s Access) -> Result<Self, GitError> {
        let mut program = Self { url, access, ssh: None };
        program.ssh = program.own_ssh()?;
        Ok(program)
    }

    /// How ssh is to be run, unless somebody has said how git runs it.
    fn own_ssh(&self) -> Result<Option<String>, GitError> {
        let is_local = ["file:", "https:"].iter().any(|begin| self.url.starts_with(begin));
        let is_said = ["GIT_SSH_COMMAND", "GIT_SSH"];
        if is_local || is_said.iter().any(|name| self.access.variable(name).is_some()) {
            return Ok(None);
        }
        let mut git = self.command();
        git.args(["config", "--get", "core.sshCommand"]);
        let is_configured = self.end_of(git, b"", self.access.patience.whole)?.ok;
        let connect = self.access.patience.connect.as_secs().max(1);
        Ok((!is_configured).then(|| format!("{SSH} -o ConnectTimeout={connect}")))
    }

    /// One that is in no repository.
    pub(super) fn command(&self) -> Command {
        let mut git = self.access.command(GIT);
        for variable in OF_ANOTHER {
            git.env_remove(variable);
        }
        // In its own words, which we read; and asking nobody.
        git.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
        git.envs(self.ssh.iter().map(|ssh| ("GIT_SSH_COMMAND", ssh)));
        for setting in SETTINGS {
            git.args(["-c", setting]);
        }
        if self.url.starts_with("file:") {
            git.args(["-c", "protocol.file.allow=always"]);
        }
        let silence = self.access.patience.silence.as_secs().max(1);
        git.args(["-c", "http.lowSpeedLimit=1", "-c", &format!("http.lowSpeedTime={silence}")]);
        git.arg("--literal-pathspecs").current_dir("/");
        git
    }

    /// How one ended, whichever way.
    pub(super) fn end_of(
        &self,
        git: Command,
        input: &[u8],
        limit: Duration,
    ) -> Result<Finished, NoAnswer> {
        self.access.run(GIT, git, input, limit)
    }

    /// How one ended that went well.
    pub(super) fn run(
        &self,
        git: Command,
        input: &[u8],
        limit: Duration,
    ) -> Result<Finished, GitError> {
        let finished = self.end_of(git, input, limit)?;
        if finished.ok { Ok(finished) } else { Err(said_by(&finished)) }
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Why git failed: the first line that says something, which is ssh's where it could not connect.
pub(super) fn said_by(finished: &Finished) -> GitError {
    let said = text(&finished.said.stderr);
    let says = |line: &&str| {
        let line = line.trim();
        let is_aside = ["warning:", "Warning:", "hint:", "Cloning"];
        !line.is_empty() && !is_aside.iter().any(|aside| line.starts_with(aside))
    };
    let line = said.lines().find(says).map(|line| {
        let begins = ["fatal: ", "error: ", "remote: "];
        begins.iter().find_map(|begin| line.strip_prefix(begin)).unwrap_or(line)
    });
    GitError::Git(line.map_or_else(|| "git failed, and says nothing".to_owned(), words))
}
