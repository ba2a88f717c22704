//! A site's runner.sh: read, and written atomically, mode 755, owned by the site's user.

use std::io::{self, Read as _};
use std::path::Path;

use crate::error::CommandError;
use crate::inventory::UserName;
use crate::runner::LARGEST;
use crate::system::{guarded, handover, shell, users};

/// `None` if there is none. The folder is the site user's, who may have put a link or a pipe there.
pub(super) fn read(path: &Path) -> Result<Option<String>, CommandError> {
    let mut bytes = Vec::new();
    let read = guarded::open(path)
        .and_then(|file| file.take(LARGEST.saturating_add(1)).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 <= LARGEST => {
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Ok(_) => Err(cannot("read", path).because(format!("it has more than {LARGEST} bytes"))),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            io::ErrorKind::InvalidInput => Err(cannot("read", path)
                .because(format!("it {error}"))
                .hint(format!("move it away: {}", shell::move_away(path, ".old")))),
            _ => Err(cannot("read", path).caused_by(&error)),
        },
    }
}

/// Whether it differed from what was there.
pub(super) fn write(path: &Path, script: &str, owner: &UserName) -> Result<bool, CommandError> {
    let user = users::find(owner.as_str());
    let user = user.map_err(|source| cannot("write", path).caused_by(&source))?;
    let Some(user) = user else {
        return Err(
            CommandError::refused(format!("user {owner} does not exist")).hint(owner.how_to_make())
        );
    };
    handover::write_for(&user, path, script.as_bytes(), 0o755).map_err(|source| {
        let error = cannot("write", path).caused_by(&source);
        match source.kind() {
            io::ErrorKind::NotFound => error.hint("deploy the site first"),
            io::ErrorKind::IsADirectory => {
                error.hint(format!("move it away: {}", shell::move_away(path, ".old")))
            }
            io::ErrorKind::PermissionDenied if !users::is_root() => {
                error.hint("run it as root (sudo)")
            }
            _ => error,
        }
    })
}

fn cannot(verb: &str, path: &Path) -> CommandError {
    CommandError::refused(format!("cannot {verb} {}", path.display()))
}
