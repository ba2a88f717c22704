//! The lock of a state folder: one apply at a time, and who holds it.
//!
//! `flock` on an open file: the kernel releases it when the process ends, however it ends, so there
//! is no stale lock to clear. The holder's name is written into the file for the one who waits.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Origin, StateDir};
use crate::error::{CommandError, ErrorKind};
use crate::system::clock::Clock;
use crate::system::users;

/// A plan that looks whether somebody holds the lock has it for a moment itself.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(200);

/// Nobody means to wait longer than a week; beyond that, adding to the clock would overflow.
const LONGEST_PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Closing alone would leave it to a child that is just being forked, until its `exec`.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// Why the lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else has it.
    Held {
        /// Who, as far as it is known.
        holder: Option<Origin>,
        /// The lock file.
        path: PathBuf,
    },
    /// The state folder is another user's, who could change what is in it.
    Foreign {
        /// The state folder.
        path: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// The lock file cannot be used.
    Io {
        /// The lock file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl From<LockError> for CommandError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held { holder, path } => {
                let who = holder.map_or("another apply".to_owned(), |holder| holder.to_string());
                Self::new(ErrorKind::Locked, format!("{who} holds {}", path.display()))
                    .hint("wait for it, or let this run wait: --lock-wait 600")
            }
            LockError::Foreign { path, owner } => Self::refused(format!(
                "the state folder {} belongs to {owner}, not to {}",
                path.display(),
                users::current()
            ))
            .hint(format!(
                "run it as {owner}, or set paths.state_dir to a folder of your own, or give this \
                 one to {}: chown -R",
                users::current()
            )),
            LockError::Io { path, source } => {
                Self::refused(format!("cannot lock {}", path.display()))
                    .caused_by(&source)
                    .hint("run it as root (sudo), or set paths.state_dir to a folder of your own")
            }
        }
    }
}

impl StateDir {
    /// Takes the lock, trying for at most `patience`; `on_wait` is told once who is waited for.
    #[expect(clippy::disallowed_methods, reason = "an edge: makes the state folder")]
    pub fn lock(
        &self,
        origin: &Origin,
        patience: Duration,
        clock: &dyn Clock,
        on_wait: &mut dyn FnMut(Option<&Origin>),
    ) -> Result<Lock, LockError> {
        let path = self.root.join("lock");
        let io = |source| LockError::Io { path: path.clone(), source };
        std::fs::create_dir_all(&self.root).map_err(io)?;
        let owner = restrict(&self.root).map_err(io)?;
        if owner != users::current_uid() {
            let owner = users::name_of(owner);
            return Err(LockError::Foreign { path: self.root.clone(), owner });
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        let deadline = clock.now() + patience.clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE);
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
                Err(std::fs::TryLockError::WouldBlock) => {}
            }
            let holder = holder(&mut file);
            if clock.now() >= deadline {
                return Err(LockError::Held { holder, path });
            }
            if !std::mem::replace(&mut told, true) {
                on_wait(holder.as_ref());
            }
            clock.wait(Duration::from_millis(50));
        }
        // The name is a courtesy to the one who waits: a full disk must not stop an apply here.
        let _ = write_holder(&mut file, origin);
        Ok(Lock { file })
    }
}

impl StateDir {
    /// Who holds the lock at this moment, in words; `None` if nobody does, as far as we may see. For
    /// telling an apply that is under way from one that was killed.
    pub fn held_by(&self) -> Option<String> {
        let mut file = File::open(self.root.join("lock")).ok()?;
        match file.try_lock_shared() {
            Err(std::fs::TryLockError::WouldBlock) => {
                Some(holder(&mut file).map_or("another apply".to_owned(), |held| held.to_string()))
            }
            _ => None,
        }
    }
}

/// Nobody else may read the state: it holds environment values. Returns whose it is; another's is
/// left as it is.
fn restrict(root: &std::path::Path) -> std::io::Result<u32> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = std::fs::metadata(root)?;
    if folder.uid() == users::current_uid() && folder.mode() & 0o077 != 0 {
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(folder.uid())
}

fn holder(file: &mut File) -> Option<Origin> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write_holder(file: &mut File, origin: &Origin) -> std::io::Result<()> {
    let text = serde_json::to_vec(origin)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Paths;
    use crate::system::SystemClock;

    #[test]
    fn a_second_one_is_told_who_holds_it_and_gets_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(&Paths::default(), folder.path());
        let clock = SystemClock::start();
        let origin = Origin {
            user: "deployer".into(),
            pid: 42,
            purpose: "apply".into(),
            at: clock.timestamp(),
        };
        let mut waited_for = Vec::new();
        let first = state.lock(&origin, Duration::ZERO, &clock, &mut |_| {}).unwrap();
        let second = state.lock(&origin, Duration::from_millis(120), &clock, &mut |holder| {
            waited_for.push(holder.cloned());
        });
        let Err(LockError::Held { holder, .. }) = second else { panic!("locked twice") };
        assert_eq!(holder.as_ref(), Some(&origin));
        assert_eq!(waited_for, [Some(origin.clone())], "told once");
        assert_eq!(state.held_by(), Some(origin.to_string()));
        drop(first);
        assert_eq!(state.held_by(), None);
        assert!(state.lock(&origin, Duration::ZERO, &clock, &mut |_| {}).is_ok());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "gives a folder away")]
    fn a_state_folder_of_another_user_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(&Paths::default(), folder.path());
        std::fs::create_dir_all(&state.root).unwrap();
        if std::os::unix::fs::chown(&state.root, Some(65534), None).is_err() {
            return; // Only root gives folders away.
        }
        let clock = SystemClock::start();
        let origin =
            Origin { user: "x".into(), pid: 1, purpose: "apply".into(), at: clock.timestamp() };
        let Err(error) = state.lock(&origin, Duration::ZERO, &clock, &mut |_| {}) else {
            panic!("it was taken")
        };
        assert!(matches!(error, LockError::Foreign { .. }), "{error:?}");
        let text = CommandError::from(error).to_string();
        assert!(text.contains("belongs to nobody, not to root"), "{text}");
    }
}
