//! Runs that nobody was there to hear the end of: their callers had stopped waiting, or were gone. The
//! next apply of the site says how they ended.
//!
//! Only the run is noted here, while it is at work; how it ends stands in the other records.

use serde::{Deserialize, Serialize};

use super::{Record, Run, StateDir, cannot, private};
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
    /// The run.
    pub run: Run,
    /// The process that is at work.
    pub pid: u32,
}

impl Record for Untold {
    const VERSION: u32 = VERSION;

    fn damage(&self, state: &StateDir, site: &Domain) -> Option<String> {
        state.damage(site, &self.site, [])
    }
}

impl StateDir {
    /// Notes that nobody will hear how this process ends its run at a site.
    pub fn note_untold(
        &self,
        files: &dyn Files,
        site: &Domain,
        run: &Run,
        pid: u32,
    ) -> Result<(), CommandError> {
        let folder = self.site_folder(site);
        files.create_folder(&folder, 0o700).map_err(|source| cannot("make", &folder, &source))?;
        self.check_in_sites(&folder)?;
        let untold = Untold { version: VERSION, site: site.clone(), run: run.clone(), pid };
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
