//! The record of a run as it begins: who does what, when and why, and which inventory it follows.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::api::{Commit, Run, RunInventory};
use crate::system::child;

/// How long git may take. It tells one file from one commit.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest message, in characters.
const LONGEST_MESSAGE: usize = 500;

/// What somebody says about a run, as its record has it; an error says what is wrong with it.
pub(crate) fn message(text: &str) -> Result<String, String> {
    // One that has several lines is one line, as everything that `history` shows of a run.
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    match text.chars().count() {
        0..=LONGEST_MESSAGE => Ok(text),
        length => Err(format!("it has {length} characters, at most {LONGEST_MESSAGE} fit")),
    }
}

/// The run of a command that follows this inventory.
pub(crate) fn begin_run(
    command: &str,
    inventory: Option<&RunInventory>,
    message: Option<&str>,
) -> Run {
    let commit = inventory.and_then(|inventory| commit(Path::new(&inventory.path)));
    let message = message.filter(|message| !message.trim().is_empty()).map(str::to_owned);
    Run { inventory: inventory.cloned(), commit, message, ..Run::begin(command) }
}

/// The commit that `file` is at. Whatever keeps git from an answer (there is none, it takes too long,
/// the repository is somebody else's) only leaves the record without it.
#[expect(clippy::disallowed_methods, reason = "an edge: asks git")]
fn commit(file: &Path) -> Option<Commit> {
    let folder = file.parent()?;
    // Most inventories of which this is not true need no process to find out.
    folder.ancestors().find(|folder| folder.join(".git").exists())?;
    let mut git = Command::new("git");
    // Nothing that a repository names is run, and nothing in it is written.
    git.args(["-c", "core.fsmonitor=false", "--no-optional-locks", "-C"]).arg(folder);
    git.args(["status", "--porcelain=v2", "--branch", "--ignored", "--"]).arg(file.file_name()?);
    // A hook of another repository sets these, and may be who called.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    git.stderr(Stdio::null());
    let said = child::output(git, PATIENCE).ok()?;
    commit_of(&String::from_utf8_lossy(&said))
}

/// Reads what `git status` says: a header with the commit, and a line for the file if it differs.
fn commit_of(status: &str) -> Option<Commit> {
    let hash = status.lines().find_map(|line| line.strip_prefix("# branch.oid "))?;
    let is_hash = hash.len() >= 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let dirty = status.lines().any(|line| !line.starts_with('#'));
    is_hash.then(|| Commit { hash: hash.to_owned(), dirty })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes a repository")]
mod tests {
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=m"]);
        let ended = git.arg("-C").arg(folder).args(arguments).stdout(Stdio::null()).status();
        assert!(ended.unwrap().success(), "git {arguments:?}");
    }

    #[test]
    fn commit_tells_dirty_inventory() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("sub/deployer.yml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "sites: []\n").unwrap();
        assert_eq!(commit(&file), None, "no repository");
        git(root.path(), &["init", "--quiet"]);
        assert_eq!(commit(&file), None, "no commit yet");
        git(root.path(), &["add", "."]);
        git(root.path(), &["commit", "--quiet", "-m", "one"]);
        let clean = commit(&file).unwrap();
        assert!(!clean.dirty && clean.hash.len() == 40, "{clean:?}");
        std::fs::write(root.path().join("other"), "x").unwrap();
        assert_eq!(commit(&file).as_ref(), Some(&clean), "another file is no concern");
        std::fs::write(&file, "sites: [] # more\n").unwrap();
        assert_eq!(commit(&file), Some(Commit { dirty: true, ..clean.clone() }));
        let never_added = root.path().join("sub/never.yml");
        std::fs::write(&never_added, "").unwrap();
        assert_eq!(commit(&never_added), Some(Commit { dirty: true, ..clean.clone() }));
        std::fs::write(root.path().join(".gitignore"), "never.yml").unwrap();
        assert_eq!(commit(&never_added), Some(Commit { dirty: true, ..clean }));
    }

    #[test]
    fn unreadable_git_status_gives_no_commit() {
        for text in ["", "# branch.oid (initial)\n", "# branch.oid \u{1b}[2J\n", "fatal: x\n"] {
            assert_eq!(commit_of(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_message_is_bounded_in_characters() {
        assert!(message(&"ä".repeat(LONGEST_MESSAGE)).is_ok());
        assert_eq!(message(" one\n\r\n  two \n").as_deref(), Ok("one two"));
        assert!(message(&"a".repeat(LONGEST_MESSAGE + 1)).unwrap_err().contains("501"));
    }
}
