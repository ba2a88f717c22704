//! The clone of a git repository that is kept between two questions, bare, and only as deep as it must be.
//!
//! Nothing that a repository names is run: nothing is checked out, so there are no filters and no submodules,
//! and hooks are looked for where there are none. Each use of the clone has it for itself, by a lock that the
//! kernel lets go of.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::access::{Finished, NoAnswer};
use super::git_program::{GitError, GitProgram, said_by, text, words};
use super::location::Repository;
use super::{Access, LONGEST_OBJECT, ObjectName, digest};
use crate::system::clock::Clock as _;
use crate::system::{Disk, Files, SystemClock};

/// Between two looks whether another has let go of the clone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A clone that is ours for the moment.
pub(super) struct GitClone<'s> {
    repository: &'s Repository,
    access: &'s Access,
    folder: PathBuf,
    lock: File,
    program: GitProgram<'s>,
}

impl Drop for GitClone<'_> {
    /// Closing alone would leave it to a child that is just being forked, until its `exec`.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl<'s> GitClone<'s> {
    /// The clone, once nobody else has it.
    pub(super) fn open(repository: &'s Repository, access: &'s Access) -> Result<Self, GitError> {
        let name = digest(repository.url.as_bytes());
        let name = format!("git-{}", name.get(..16).unwrap_or_default());
        let folder = access.cache.join(&name);
        let failed = |source| GitError::Cache { path: access.cache.clone(), source };
        Disk.create_folder(&access.cache, 0o700).map_err(failed)?;
        let path = access.cache.join(format!("{name}.lock"));
        let mut options = File::options();
        let lock = options.create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let clock = SystemClock::start();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
                Err(std::fs::TryLockError::WouldBlock) => {}
            }
            if access.interrupt.is_news() {
                return Err(NoAnswer::Interrupted.into());
            }
            if clock.now() >= access.patience.whole {
                return Err(GitError::InUse(folder));
            }
            clock.wait(LOOK_EVERY);
        }
        let program = GitProgram::for_url(&repository.url, access)?;
        Ok(Self { repository, access, folder, lock, program })
    }

    /// The commit that `reference` is at in the repository, with all that belongs to it here; `None` if there is
    /// no such reference.
    pub(super) fn fetch(&self, reference: &str) -> Result<Option<String>, GitError> {
        let there = self.remote(reference)?.into_iter().find(|(_, name)| name == reference);
        let Some((there, _)) = there else { return Ok(None) };
        // It is at a commit only once all of that is here. A clone that cannot tell is not asked why.
        if self.fetched(reference).unwrap_or_default().as_deref() != Some(&there) {
            self.load(reference)?;
        }
        self.fetched(reference)
    }

    /// What all references in a folder of them (`refs/x/`) are at; what is not there any more is forgotten here.
    pub(super) fn fetch_all(&self, folder: &str) -> Result<Vec<String>, GitError> {
        if !self.load(&format!("{folder}*"))? {
            return Ok(Vec::new());
        }
        let here = local(folder);
        let mut git = self.git();
        git.args(["for-each-ref", "--format=%(refname)", &here]);
        let said = text(&self.ask(git, b"")?);
        Ok(said.lines().filter_map(|name| name.strip_prefix(&here)).map(str::to_owned).collect())
    }

    /// Brings the references that match a pattern here, with what they are at. `false` if there are none, which is
    /// a failure to git.
    fn load(&self, pattern: &str) -> Result<bool, GitError> {
        match self.try_load(pattern) {
            Err(GitError::Git(_)) => {}
            other => return other.map(|()| true),
        }
        if self.remote(pattern)?.is_empty() {
            return Ok(false);
        }
        // The repository answers, so it may be the clone: a git that was killed leaves locks, a power cut leaves
        // worse. It is nothing but a copy.
        self.begin_anew()?;
        self.try_load(pattern).map(|()| true)
    }

    fn try_load(&self, pattern: &str) -> Result<(), GitError> {
        if !self.folder.is_dir() {
            self.begin_anew()?;
        }
        let refspec = format!("+{pattern}:{}", local(pattern));
        let mut git = self.git();
        git.args(["fetch", "--quiet", "--no-tags", "--prune", "--depth=1", "--"]);
        git.args([&self.repository.url, &refspec]);
        self.program.run(git, b"", self.access.patience.whole).map(drop)
    }

    /// Throws away what is here.
    pub(super) fn begin_anew(&self) -> Result<(), GitError> {
        let failed = |source| GitError::Cache { path: self.folder.clone(), source };
        match self.folder.is_dir() {
            true => std::fs::remove_dir_all(&self.folder),
            false => Disk.remove(&self.folder),
        }
        .map_err(failed)?;
        // No template: it could bring hooks along.
        let mut git = self.git();
        git.args(["init", "--quiet", "--bare", "--template=", "--"]).arg(&self.folder);
        self.ask(git, b"").map(drop)
    }

    /// References of the repository that match a pattern, with what they are at.
    pub(super) fn remote(&self, pattern: &str) -> Result<Vec<(String, String)>, GitError> {
        // It needs no clone, and looks at none.
        let mut git = self.program.command();
        git.args(["ls-remote", "--quiet", "--", &self.repository.url, pattern]);
        let patience = self.access.patience;
        let said = self.program.run(git, b"", patience.connect + patience.silence)?;
        let lines = text(&said.said.stdout);
        let found = lines.lines().filter_map(|line| line.split_once('\t'));
        Ok(found
            .filter(|(commit, _)| is_id(commit))
            .map(|(commit, name)| (commit.to_owned(), name.to_owned()))
            .collect())
    }

    /// The commit that a reference of the repository was at when it was fetched.
    pub(super) fn fetched(&self, reference: &str) -> Result<Option<String>, GitError> {
        if !self.folder.is_dir() {
            return Ok(None);
        }
        let mut git = self.git();
        git.args(["for-each-ref", "--format=%(objectname)", &local(reference)]);
        let commit = text(&self.ask(git, b"")?).trim().to_owned();
        Ok(is_id(&commit).then_some(commit))
    }

    /// What is at `path` in a commit, if that is a file; behind a slash, all files of a folder.
    pub(super) fn entries(
        &self,
        commit: &str,
        path: &str,
    ) -> Result<Vec<(String, String)>, GitError> {
        let mut git = self.git();
        git.args(["ls-tree", "-z", commit, "--", path]);
        let said = text(&self.ask(git, b"")?);
        let entries = said.split('\0').filter_map(|entry| entry.split_once('\t'));
        Ok(entries
            .filter_map(|(kind, path)| {
                // A link is a file to git, with the mode 120000.
                let blob =
                    kind.strip_prefix("100644 blob ").or(kind.strip_prefix("100755 blob "))?;
                is_id(blob).then(|| (blob.to_owned(), path.to_owned()))
            })
            .collect())
    }

    /// The content of a file.
    pub(super) fn read(&self, blob: &str) -> Result<Vec<u8>, GitError> {
        let mut git = self.git();
        git.args(["cat-file", "-s", blob]);
        let size = text(&self.ask(git, b"")?).trim().parse::<u64>().unwrap_or(u64::MAX);
        if size > LONGEST_OBJECT {
            return Err(NoAnswer::TooLong.into());
        }
        let mut git = self.git();
        git.args(["cat-file", "blob", blob]);
        self.ask(git, b"")
    }

    /// Makes a commit with this file in the place of what is at its name in `parent`. `None` if it is there
    /// already.
    pub(super) fn commit(
        &self,
        parent: Option<&str>,
        name: &ObjectName,
        bytes: &[u8],
    ) -> Result<Option<String>, GitError> {
        if !self.folder.is_dir() {
            self.begin_anew()?;
        }
        let mut git = self.git();
        git.args(["hash-object", "-w", "--stdin"]);
        let blob = text(&self.ask(git, bytes)?).trim().to_owned();
        if let Some(parent) = parent {
            let there = self.entries(parent, name.as_str())?;
            if there.iter().any(|(there, _)| *there == blob) {
                return Ok(None);
            }
        }
        let mut git = self.with_index();
        match parent {
            Some(parent) => git.args(["read-tree", parent]),
            None => git.args(["read-tree", "--empty"]),
        };
        self.ask(git, b"")?;
        let mut git = self.with_index();
        git.args(["update-index", "--add", "--replace", "--cacheinfo"]);
        git.arg(format!("100644,{blob},{name}"));
        self.ask(git, b"")?;
        let mut git = self.with_index();
        git.arg("write-tree");
        let tree = text(&self.ask(git, b"")?).trim().to_owned();
        let mut git = self.git();
        self.identify(&mut git)?;
        git.args(["commit-tree", &tree, "-m", &format!("Publish {name}")]);
        if let Some(parent) = parent {
            git.args(["-p", parent]);
        }
        Ok(Some(text(&self.ask(git, b"")?).trim().to_owned()))
    }

    /// Moves a reference of the repository to a commit. `false` if somebody else has moved it meanwhile.
    pub(super) fn push(
        &self,
        commit: &str,
        reference: &str,
        force: bool,
    ) -> Result<bool, GitError> {
        let refspec = format!("{}{commit}:{reference}", if force { "+" } else { "" });
        let mut git = self.git();
        git.args(["push", "--quiet", "--porcelain", "--no-verify", "--"]);
        git.args([&self.repository.url, &refspec]);
        let pushed = self.program.end_of(git, b"", self.access.patience.whole)?;
        if pushed.ok {
            let mut git = self.git();
            git.args(["update-ref", &local(reference), commit]);
            self.ask(git, b"")?;
            return Ok(true);
        }
        self.why_not_pushed(&pushed, reference).map(|()| false)
    }

    /// Nothing, if somebody else has moved the reference meanwhile.
    fn why_not_pushed(&self, pushed: &Finished, reference: &str) -> Result<(), GitError> {
        let answer = text(&pushed.said.stdout);
        let Some(refusal) = answer.lines().find(|line| line.starts_with('!')) else {
            // Either nobody was reached, who is not reached now either, or there was nothing to send.
            self.remote(reference)?;
            return Err(said_by(pushed).of_clone());
        };
        let reason = refusal.split('\t').next_back().unwrap_or_default();
        let is_of_race =
            ["[rejected]", "cannot lock", "failed to update ref", "incorrect old value"];
        if is_of_race.iter().any(|words| reason.contains(words)) {
            return Ok(());
        }
        let said = text(&pushed.said.stderr);
        let remote = said.lines().find_map(|line| line.strip_prefix("remote: "));
        let reason = remote.map_or_else(|| reason.to_owned(), |line| format!("{reason}: {line}"));
        let refused = GitError::Git(words(&reason));
        // What was sent was broken.
        Err(if reason.contains("unpacker error") { refused.of_clone() } else { refused })
    }

    /// Who commits: whoever git knows, else this program.
    fn identify(&self, git: &mut Command) -> Result<(), GitError> {
        let mut asked = self.git();
        asked.args(["config", "--get-regexp", r"^user\.(name|email)$"]);
        let known = self.program.end_of(asked, b"", self.access.patience.whole)?.said.stdout;
        if text(&known).lines().count() > 1 {
            return Ok(());
        }
        for who in ["AUTHOR", "COMMITTER"] {
            for (what, value) in
                [("NAME", "supervisor-sync"), ("EMAIL", "supervisor-sync@localhost")]
            {
                let variable = format!("GIT_{who}_{what}");
                if self.access.variable(&variable).is_none() {
                    git.env(variable, value);
                }
            }
        }
        Ok(())
    }

    fn git(&self) -> Command {
        let mut git = self.program.command();
        git.arg("--git-dir").arg(&self.folder);
        git
    }

    /// With an index of our own, which a bare clone has none of.
    fn with_index(&self) -> Command {
        let mut git = self.git();
        git.env("GIT_INDEX_FILE", self.folder.join("supervisor-sync.index"));
        git
    }

    /// The answer of one that asks the clone alone.
    fn ask(&self, git: Command, input: &[u8]) -> Result<Vec<u8>, GitError> {
        let finished = self.program.run(git, input, self.access.patience.whole);
        finished.map(|finished| finished.said.stdout).map_err(GitError::of_clone)
    }
}

/// Where a reference of the repository is kept here.
fn local(reference: &str) -> String {
    format!("refs/here/{}", reference.strip_prefix("refs/").unwrap_or(reference))
}

/// The name of a commit or a blob.
fn is_id(text: &str) -> bool {
    (40..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}
