//! What `/proc` tells of a process, and where a symbolic link leads.

use std::path::{Path, PathBuf};

/// The folder a process works in, links resolved; `None` where the process is gone or somebody
/// else's. The kernel adds ` (deleted)` to a folder that is not there any more.
pub fn working_folder(pid: i64) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The real path behind a symbolic link; `None` if it is none, or dangles.
pub fn behind_link(path: &Path) -> Option<PathBuf> {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if is_link { std::fs::canonicalize(path).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_folder_is_told_and_that_of_nobody_is_not() {
        let own = working_folder(i64::from(std::process::id())).unwrap();
        assert_eq!(own, std::env::current_dir().unwrap());
        assert_eq!(working_folder(i64::MAX), None);
    }

    #[test]
    fn only_a_link_that_leads_somewhere_has_something_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink("..", real.join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", real.join("dangling")).unwrap();
        assert_eq!(behind_link(&real.join("link")).as_deref(), real.parent());
        for no_link in ["dangling", "none", "."] {
            assert_eq!(behind_link(&real.join(no_link)), None, "{no_link}");
        }
    }
}
