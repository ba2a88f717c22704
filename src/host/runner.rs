//! Writes a site's runner.sh: atomically, mode 755, owned by the site's user.

use std::io;
use std::path::Path;

use crate::error::CommandError;
use crate::inventory::UserName;
use crate::system::{handover, users};

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
