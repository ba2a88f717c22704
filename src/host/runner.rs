//! A site's runner.sh: read, and written atomically, mode 755, owned by the site's user.

use std::io;
use std::path::Path;

use crate::error::CommandError;
use crate::inventory::UserName;
use crate::system::files::{Entry, Files};
use crate::system::{Disk, handover, users};

/// More than any runner.sh has, in bytes.
const LARGEST: usize = 64 * 1024;

/// `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, CommandError> {
    let cannot = || CommandError::refused(format!("cannot read {}", path.display()));
    match Disk.read(path).map_err(|source| cannot().caused_by(&source))? {
        Entry::Absent | Entry::Link { content: None, .. } => Ok(None),
        Entry::Other(kind) => Err(cannot()
            .because(format!("it is {kind}"))
            .hint(format!("move it away: mv {0} {0}.old", path.display()))),
        entry => match entry.bytes() {
            Some(bytes) if bytes.len() <= LARGEST => {
                Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
            }
            _ => Err(cannot().because(format!("it has more than {LARGEST} bytes"))),
        },
    }
}

/// Whether it differed from what was there.
pub(super) fn write(path: &Path, script: &str, owner: &UserName) -> Result<bool, CommandError> {
    let cannot = |source: &dyn std::error::Error| {
        CommandError::refused(format!("cannot write {}", path.display())).caused_by(source)
    };
    let Some(user) = users::find(owner.as_str()).map_err(|source| cannot(&source))? else {
        return Err(
            CommandError::refused(format!("user {owner} does not exist")).hint(owner.how_to_make())
        );
    };
    handover::write_for(&user, path, script.as_bytes(), 0o755).map_err(|source| {
        let error = cannot(&source);
        match source.kind() {
            io::ErrorKind::NotFound => error.hint("deploy the site first"),
            io::ErrorKind::IsADirectory => {
                error.hint(format!("move it away: mv {0} {0}.old", path.display()))
            }
            io::ErrorKind::PermissionDenied if !users::is_root() => {
                error.hint("run it as root (sudo)")
            }
            _ => error,
        }
    })
}
