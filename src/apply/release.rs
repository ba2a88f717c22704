//! Which release a process runs: a worker that is not restarted after a deployment goes on with the
//! former one, and supervisord cannot tell.

use std::path::{Path, PathBuf};

use crate::desired::DesiredGroup;
use crate::system::process;

/// A process that runs another release than the live one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Where it works.
    pub folder: PathBuf,
    /// Where it should.
    pub live: PathBuf,
}

impl Former {
    /// A reason that follows the process's name.
    pub fn reason(&self) -> String {
        format!(
            "runs in {}, but the live release is {}",
            self.folder.display(),
            self.live.display()
        )
    }
}

/// Whether the process `pid` runs a former release. `None` if it runs the live one, if it cannot be
/// told (it is somebody else's, or gone), or if it left its release by its own choice, which is not
/// ours to judge.
pub fn former(desired: &DesiredGroup, pid: i64) -> Option<Former> {
    let link = desired.release.as_ref()?;
    let live = process::behind_link(link)?;
    let folder = process::working_folder(pid)?;
    let former = is_former(&folder, &live) && link.parent() != live.parent();
    former.then_some(Former { folder, live })
}

/// Releases lie side by side in a folder of their own: another folder in it, or in one of those, is
/// another release. One that was removed is so too, as the kernel marks its name.
fn is_former(folder: &Path, live: &Path) -> bool {
    let Some(releases) = live.parent().filter(|parent| parent.parent().is_some()) else {
        return false;
    };
    folder.starts_with(releases) && folder != releases && !folder.starts_with(live)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_release_is_beside_live_one() {
        for (folder, live, former) in [
            ("/s/releases/2", "/s/releases/2", false),
            ("/s/releases/2/storage", "/s/releases/2", false),
            ("/s/releases/2/tmp (deleted)", "/s/releases/2", false),
            ("/s/releases/1", "/s/releases/2", true),
            ("/s/releases/1/storage", "/s/releases/2", true),
            ("/s/releases/20", "/s/releases/2", true),
            ("/s/releases/1 (deleted)", "/s/releases/2", true),
            // Deployed anew under the same name: its files are those of before.
            ("/s/releases/2 (deleted)", "/s/releases/2", true),
            ("/s/releases", "/s/releases/2", false),
            ("/", "/s/releases/2", false),
            ("/s/shared", "/s/releases/2", false),
            ("/tmp", "/app", false),
        ] {
            assert_eq!(is_former(Path::new(folder), Path::new(live)), former, "{folder} {live}");
        }
    }
}
