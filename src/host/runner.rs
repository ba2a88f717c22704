//! Writes a site's runner.sh: atomically, mode 755, owned by the site's user.

use std::path::Path;

use crate::error::CommandError;
use crate::inventory::UserName;
use crate::system::files::{Entry, FileContent, Files, replace};
use crate::system::users;

/// Whether it differed from what was there.
pub(super) fn write(
    files: &dyn Files,
    path: &Path,
    script: &str,
    owner: &UserName,
) -> Result<bool, CommandError> {
    let cannot = |source: &dyn std::error::Error| {
        CommandError::refused(format!("cannot write {}", path.display())).caused_by(source)
    };
    let Some(user) = users::find(owner.as_str()).map_err(|source| cannot(&source))? else {
        return Err(CommandError::refused(format!("user {owner} does not exist"))
            .hint(format!("create it: useradd --create-home {owner}")));
    };
    let content = FileContent {
        bytes: script.as_bytes().to_vec(),
        mode: 0o755,
        owner: Some((user.uid, user.gid)),
    };
    match files.read(path).map_err(|source| cannot(&source))? {
        Entry::File(now) if now == content => return Ok(false),
        Entry::Other(what) => {
            return Err(CommandError::refused(format!("{} is {what}", path.display()))
                .hint(format!("move it away: mv {0} {0}.old", path.display())));
        }
        Entry::Absent | Entry::File(_) | Entry::Link { .. } => {}
    }
    replace(files, path, &content).map_err(|source| {
        let error = cannot(&source);
        match source.kind() {
            std::io::ErrorKind::NotFound => error.hint("deploy the site first"),
            std::io::ErrorKind::PermissionDenied => error.hint("run it as root (sudo)"),
            _ => error,
        }
    })?;
    Ok(true)
}
