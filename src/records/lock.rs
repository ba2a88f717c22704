//! The lock of a state folder: one apply at a time, and who holds it.
//!
//! `flock` on an open file: the kernel releases it when the process ends, however it ends, so there
//! is no stale lock to clear. The holder's name is written into the file for the one who waits.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags};

use super::{Origin, StateDir};
use crate::error::{CommandError, ErrorKind};
use crate::inventory::Domain;
use crate::system::clock::Clock;
use crate::system::{Interrupt, closed};

/// A plan that looks whether somebody holds the lock has it for a moment itself.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(200);

/// Where the locks of sites are, below the state folder.
const LOCKS: &str = "locks";

/// Nobody means to wait longer than a week; beyond that, adding to the clock would overflow.
const LONGEST_PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Until when, by the clock, a lock is tried for that somebody is willing to wait so long for.
pub fn deadline(clock: &dyn Clock, patience: Duration) -> Duration {
    clock.now() + patience.clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE)
}

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

/// Who holds a lock, as far as the lock file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(Option<Origin>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(origin) => origin.fmt(f),
            None => f.write_str("another apply"),
        }
    }
}

/// Why the lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else has it.
    Held {
        /// Who wrote their name into it last, as far as that can be read.
        holder: Holder,
        /// The lock file.
        path: PathBuf,
    },
    /// Somebody asked us to stop while somebody else had it.
    Interrupted {
        /// Who had it.
        holder: Holder,
    },
    /// Somebody else could change what is in the state folder.
    Unsafe(CommandError),
    /// The lock file cannot be used.
    Io {
        /// The lock file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl From<LockError> for CommandError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Interrupted { holder } => {
                let message = format!("interrupted while {holder} was waited for");
                Self::new(ErrorKind::Interrupted, message)
            }
            LockError::Held { holder, path } => {
                Self::new(ErrorKind::Locked, format!("{holder} holds {}", path.display()))
                    .hint("wait for it, or let this run wait: --lock-wait 600")
            }
            LockError::Unsafe(error) => error,
            LockError::Io { path, source } => {
                Self::refused(format!("cannot lock {}", path.display()))
                    .caused_by(&source)
                    .hint("run it as root (sudo), or set paths.state_dir to a folder of your own")
            }
        }
    }
}

impl StateDir {
    /// Takes the lock of the supervisord, which is held while its files are read, changed and read
    /// by it, trying for at most `patience` and not after an interruption; `on_wait` is told once who
    /// is waited for.
    pub fn lock(
        &self,
        origin: &Origin,
        patience: Duration,
        (clock, interrupt): (&dyn Clock, &Interrupt),
        on_wait: &mut dyn FnMut(&Holder),
    ) -> Result<Lock, LockError> {
        let path = self.root.join("lock");
        let folder = self.open_folder(&self.root)?;
        let mut file = self.open_lock(&folder, &path)?;
        let deadline = deadline(clock, patience);
        let mut told = false;
        while !try_lock(&file).map_err(|source| LockError::Io { path: path.clone(), source })? {
            let holder = holder(&mut file);
            if interrupt.is_raised() {
                return Err(LockError::Interrupted { holder });
            }
            if clock.now() >= deadline {
                return Err(LockError::Held { holder, path });
            }
            if !std::mem::replace(&mut told, true) {
                on_wait(&holder);
            }
            clock.wait(Duration::from_millis(50));
        }
        // The name is a courtesy to the one who waits: a full disk must not stop an apply here.
        let _ = write_holder(&mut file, origin);
        Ok(Lock { file })
    }

    /// The locks of sites, each of which is held for the whole of an apply of its site. Their folder
    /// is made and checked once for any number of them.
    pub fn site_locks(&self) -> Result<SiteLocks<'_>, LockError> {
        // The outermost first: it closes all that is below.
        self.open_folder(&self.root)?;
        Ok(SiteLocks { state: self, folder: self.open_folder(&self.root.join(LOCKS))? })
    }

    /// Not in the site's own folder: that is there only once it has a record.
    fn site_lock(&self, site: &Domain) -> PathBuf {
        self.root.join(LOCKS).join(site.as_str())
    }

    /// Makes a folder of the state where it is missing.
    fn open_folder(&self, path: &Path) -> Result<OwnedFd, LockError> {
        let folder = closed::make(path, 0o700).map_err(|error| self.unusable(path, error))?;
        self.check().map_err(LockError::Unsafe)?;
        Ok(folder)
    }

    /// Opens a lock file, which is made where it is missing. Whatever is there already and not ours is
    /// neither used nor changed.
    fn open_lock(&self, folder: &OwnedFd, path: &Path) -> Result<File, LockError> {
        let failed = |error: io::Error| self.unusable(path, error);
        let name = path.file_name().unwrap_or_default();
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(folder, name, flags, mode);
        let file = File::from(file.map_err(|error| failed(error.into()))?);
        let now = file.metadata().map_err(failed)?;
        match closed::written_by_others(now.uid(), now.mode()) {
            Some(reason) => Err(failed(io::Error::other(format!("{} {reason}", path.display())))),
            None => Ok(file),
        }
    }

    fn unusable(&self, path: &Path, error: io::Error) -> LockError {
        match closed::is_of_the_system(&error) {
            true => LockError::Io { path: path.to_owned(), source: error },
            false => LockError::Unsafe(self.refused(&self.root, &error)),
        }
    }

    /// Who holds a site's lock at this moment, in words; `None` if nobody does, as far as we may see.
    /// For telling an apply that is under way from one that was killed.
    pub fn site_held_by(&self, site: &Domain) -> Option<String> {
        self.site_holder(site).map(|holder| holder.to_string())
    }

    /// Whether it is this process that holds a site's lock.
    pub fn site_is_held_by(&self, site: &Domain, pid: u32) -> bool {
        let holder = self.site_holder(site);
        holder.is_some_and(|Holder(origin)| origin.is_some_and(|origin| origin.pid == pid))
    }

    fn site_holder(&self, site: &Domain) -> Option<Holder> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(CWD, self.site_lock(site), flags, Mode::empty()).ok()?;
        let mut file = File::from(file);
        match file.try_lock_shared() {
            Err(std::fs::TryLockError::WouldBlock) => Some(holder(&mut file)),
            _ => None,
        }
    }
}

/// The folder of the locks of sites, made and checked.
#[derive(Debug)]
pub struct SiteLocks<'s> {
    state: &'s StateDir,
    folder: OwnedFd,
}

impl SiteLocks<'_> {
    /// Takes the lock of a site, without waiting for it.
    pub fn lock(&self, site: &Domain, origin: &Origin) -> Result<Lock, LockError> {
        let path = self.state.site_lock(site);
        let mut file = self.state.open_lock(&self.folder, &path)?;
        match try_lock(&file) {
            Ok(true) => {}
            Ok(false) => return Err(LockError::Held { holder: holder(&mut file), path }),
            Err(source) => return Err(LockError::Io { path, source }),
        }
        let _ = write_holder(&mut file, origin);
        Ok(Lock { file })
    }
}

fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(std::fs::TryLockError::WouldBlock) => Ok(false),
        Err(std::fs::TryLockError::Error(source)) => Err(source),
    }
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(4096).read_to_string(&mut text));
    Holder(read.ok().and_then(|_| serde_json::from_str(&text).ok()))
}

fn write_holder(file: &mut File, origin: &Origin) -> io::Result<()> {
    // Who waits wants to know who and what; the run may be longer than what is read back.
    let text = serde_json::to_vec(&Origin { run: None, ..origin.clone() })?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Paths;
    use crate::system::SystemClock;

    fn origin(clock: &SystemClock) -> Origin {
        let (user, purpose) = ("deployer".to_owned(), "apply".to_owned());
        Origin { user, pid: 42, purpose, at: clock.timestamp(), run: None }
    }

    #[test]
    fn waiting_run_is_told_lock_holder() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(&Paths::default(), folder.path());
        let clock = SystemClock::start();
        let origin = origin(&clock);
        let mut waited_for = Vec::new();
        let first = state
            .lock(&origin, Duration::ZERO, (&clock, &Interrupt::default()), &mut |_| {})
            .unwrap();
        let second = state.lock(
            &origin,
            Duration::from_millis(120),
            (&clock, &Interrupt::default()),
            &mut |holder| {
                waited_for.push(holder.clone());
            },
        );
        let Err(LockError::Held { holder, .. }) = second else { panic!("locked twice") };
        assert_eq!(holder.to_string(), origin.to_string());
        assert_eq!(waited_for, [holder], "told once");
        drop(first);
        assert!(
            state
                .lock(&origin, Duration::ZERO, (&clock, &Interrupt::default()), &mut |_| {})
                .is_ok()
        );
    }

    #[test]
    fn sites_lock_separately() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(&Paths::default(), folder.path());
        let clock = SystemClock::start();
        let origin = origin(&clock);
        let (one, other) = (Domain::parse("a.com").unwrap(), Domain::parse("b.com").unwrap());
        let locks = state.site_locks().unwrap();
        let first = locks.lock(&one, &origin).unwrap();
        assert!(matches!(locks.lock(&one, &origin), Err(LockError::Held { .. })));
        assert!(locks.lock(&other, &origin).is_ok());
        assert_eq!(state.site_held_by(&one), Some(origin.to_string()));
        drop(first);
        assert_eq!(state.site_held_by(&one), None);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "gives a folder away")]
    fn foreign_state_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(&Paths::default(), folder.path());
        std::fs::create_dir_all(&state.root).unwrap();
        if std::os::unix::fs::chown(&state.root, Some(65534), None).is_err() {
            return; // Only root gives folders away.
        }
        let clock = SystemClock::start();
        let origin = origin(&clock);
        let Err(error) =
            state.lock(&origin, Duration::ZERO, (&clock, &Interrupt::default()), &mut |_| {})
        else {
            panic!("it was taken")
        };
        assert!(matches!(error, LockError::Unsafe(_)), "{error:?}");
        let text = CommandError::from(error).to_string();
        assert!(text.contains("belongs to nobody, who could change what is in it"), "{text}");
    }
}
