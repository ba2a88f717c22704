//! Runs that nobody was there to hear the end of: their callers had stopped waiting, or were gone. The
//! next apply of the site says how they ended.
//!
//! Only the run is noted here, while it is at work; how it ends stands in the other records.

use serde::{Deserialize, Serialize};

use super::{Record, Run, StateDir, cannot, names_or_none, private};
use crate::error::CommandError;
use crate::inventory::Domain;
use crate::system::files::{Files, replace};

/// The shape this program writes.
const VERSION: u32 = 1;

/// A run whose end nobody has heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// Version of this shape.
    version: u32,
    /// At which site.
    site: Domain,
    /// The run whose reply nobody hears.
    pub run: Run,
    /// The process that is at work.
    pub pid: u32,
    /// When it was started, in ticks since the machine was; `None` if that could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// Whether it starts or stops programs as they are, which leaves no other record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_control: bool,
}

impl Record for Untold {
    const VERSION: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }

    fn damage(&self, state: &StateDir, site: &Domain) -> Option<String> {
        state.damage(site, &self.site, [])
    }
}

impl StateDir {
    /// Notes that nobody will hear how a process, known by its id and start, ends its run at a site.
    /// Nothing is noted where no record is kept yet: the folder is made by what has something to keep.
    pub fn note_untold(
        &self,
        files: &dyn Files,
        site: &Domain,
        (run, is_control): (&Run, bool),
        (pid, started): (u32, Option<u64>),
    ) -> Result<(), CommandError> {
        // Whoever notes it has not read anything here yet.
        self.check()?;
        if names_or_none(files, self.root())?.is_empty() {
            return Ok(());
        }
        let folder = self.site_folder(site);
        files.create_folder(&folder, 0o700).map_err(|source| cannot("make", &folder, &source))?;
        self.check_in_sites(&folder)?;
        let (version, site_name, run) = (VERSION, site.clone(), run.clone());
        let untold = Untold { version, site: site_name, run, pid, started, is_control };
        let path = self.untold_path(site);
        replace(files, &path, &private(&untold)?).map_err(|source| cannot("write", &path, &source))
    }

    /// The last run of a site whose end nobody has heard. A note that cannot be read is passed over:
    /// nothing is decided by it.
    pub fn untold(&self, files: &dyn Files, site: &Domain) -> Option<Untold> {
        self.read_record(files, site, &self.untold_path(site)).ok().flatten()
    }

    /// It was told.
    pub fn forget_untold(&self, files: &dyn Files, site: &Domain) {
        // One that stays is told once more.
        let _ = files.remove(&self.untold_path(site));
    }

    fn untold_path(&self, site: &Domain) -> std::path::PathBuf {
        self.site_folder(site).join("untold.json")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::inventory::Paths;
    use crate::system::Disk;

    /// Nothing is noted where no record is, or where others may write.
    #[test]
    fn note_needs_trustworthy_record_folder() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(&Paths::default(), folder.path());
        let site = Domain::parse("a.com").unwrap();
        let run = Run::begin("apply");
        let note = || state.note_untold(&Disk, &site, (&run, false), (7, Some(70)));
        note().unwrap();
        assert!(!state.root().exists());
        state.prepare(&Disk, &site).unwrap();
        note().unwrap();
        assert_eq!(state.untold(&Disk, &site).unwrap().started, Some(70));
        state.forget_untold(&Disk, &site);
        std::fs::set_permissions(state.root(), Permissions::from_mode(0o777)).unwrap();
        assert!(note().unwrap_err().message.contains("is not safe to use"));
        assert!(!state.untold_path(&site).exists());
    }
}
