//! What the readings of several sites have in common. Each is read once, when the first site asks: a
//! folder that two hundred sites share is listed once, not two hundred times.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::CommandError;
use crate::inventory::{Domain, UserName};
use crate::records::Revision;
use crate::system::files::Files;
use crate::system::users;

/// The names in a folder; `None` if it is not there.
type Names = Option<Rc<BTreeSet<String>>>;

/// Folders and users that were looked at.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    folders: RefCell<BTreeMap<PathBuf, Names>>,
    users: RefCell<BTreeMap<UserName, bool>>,
    held: RefCell<BTreeMap<Domain, Rc<Held>>>,
}

/// What the record of a site holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) files: Vec<PathBuf>,
    pub(super) groups: Vec<String>,
}

impl From<Option<Revision>> for Held {
    fn from(record: Option<Revision>) -> Self {
        let Some(Revision { files, groups, .. }) = record else { return Self::default() };
        Self { files: files.into_keys().collect(), groups: groups.into_keys().collect() }
    }
}

impl Shared {
    /// What the record of a site holds, for the others.
    pub(super) fn held(
        &self,
        site: &Domain,
        read: impl FnOnce() -> Result<Held, CommandError>,
    ) -> Result<Rc<Held>, CommandError> {
        if let Some(known) = self.held.borrow().get(site) {
            return Ok(known.clone());
        }
        let held = Rc::new(read()?);
        self.held.borrow_mut().insert(site.clone(), held.clone());
        Ok(held)
    }

    /// The names in a folder that begin so, sorted; `None` if the folder is not there.
    pub(super) fn names(
        &self,
        files: &dyn Files,
        folder: &Path,
        prefix: &str,
    ) -> io::Result<Option<Vec<String>>> {
        let Some(names) = self.folder(files, folder)? else { return Ok(None) };
        let from = names.range(prefix.to_owned()..);
        Ok(Some(from.take_while(|name| name.starts_with(prefix)).cloned().collect()))
    }

    /// Whether a folder is there. One that may not be read is.
    pub(super) fn is_folder(&self, files: &dyn Files, folder: &Path) -> io::Result<bool> {
        match self.folder(files, folder) {
            Ok(names) => Ok(names.is_some()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether there is such a user.
    pub(super) fn is_user(&self, user: &UserName) -> io::Result<bool> {
        if let Some(known) = self.users.borrow().get(user) {
            return Ok(*known);
        }
        let known = users::find(user.as_str())?.is_some();
        self.users.borrow_mut().insert(user.clone(), known);
        Ok(known)
    }

    fn folder(&self, files: &dyn Files, folder: &Path) -> io::Result<Names> {
        if let Some(names) = self.folders.borrow().get(folder) {
            return Ok(names.clone());
        }
        let names = match files.names(folder) {
            Ok(names) => Some(Rc::new(names.into_iter().collect())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        self.folders.borrow_mut().insert(folder.to_owned(), names.clone());
        Ok(names)
    }
}
