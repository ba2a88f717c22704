//! What a host remembers of what it pulls: the highest serial, what it has rolled back, how the last pull ended.
//! One folder a source, beside the records.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bundle::Digest;
use super::status::PullStatus;
use crate::api::RunId;
use crate::error::{CommandError, ErrorKind};
use crate::inventory::Domain;
use crate::system::files::{self, Disk, Entry, FileContent, Files as _};
use crate::system::{closed, shell, users};

/// The first wait after a failure, and the longest.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(5);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// What a host must not forget, also over a power cut.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Remembered {
    /// The highest serial of a bundle that was rightly signed, and which bundle it was. 0 before the first.
    pub(crate) serial: u64,
    pub(crate) bundle: Option<Digest>,
    /// Whether that bundle has had its turn here.
    pub(crate) taken_up: bool,
    /// What the store called `latest.json` when it was last read.
    pub(crate) tag: Option<String>,
    /// What of that bundle was tried and rolled back, or could not be restored: it is not tried again.
    pub(crate) refused: Vec<Refused>,
    /// The run that is under way: what is left of it here was killed.
    pub(crate) trying: Option<Trying>,
}

/// How the last pull ended. It may be lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LastPull {
    /// Where from, as `pull.yml` has it.
    pub(crate) source: String,
    pub(crate) status: Option<PullStatus>,
    /// The status that was put into the store last.
    pub(crate) reported: Option<PullStatus>,
    /// How many pulls in a row have failed, and when the next may be.
    pub(crate) failures: u32,
    pub(crate) not_before: Option<Timestamp>,
}

/// A run that takes up a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trying {
    pub(crate) run: RunId,
    pub(crate) bundle: Digest,
}

/// A site that was rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) site: Domain,
    pub(crate) at: Timestamp,
    pub(crate) run: RunId,
    /// In words, without secrets.
    pub(crate) cause: String,
}

/// Why nothing is pulled: somebody said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Hold {
    /// Who has said so.
    pub(crate) user: String,
    /// Why.
    pub(crate) reason: String,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Until when; without it until somebody resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
}

impl Remembered {
    /// Another bundle has come: what was rolled back was of the one before.
    pub(crate) fn follow(&mut self, serial: u64, bundle: &Digest) {
        if self.bundle.as_ref() != Some(bundle) {
            self.refused.clear();
            self.taken_up = false;
        }
        self.serial = serial;
        self.bundle = Some(bundle.clone());
    }

    /// A site is not tried again with this bundle.
    pub(crate) fn refuse(&mut self, refused: Refused) {
        self.refused.retain(|one| one.site != refused.site);
        self.refused.push(refused);
    }
}

impl LastPull {
    /// A pull has failed, and may succeed later: the next waits, longer each time. `spread` (0 to 1) keeps
    /// hosts that have failed together from coming back together.
    pub(crate) fn has_failed(&mut self, now: Timestamp, spread: f64) {
        let doubled = FIRST_WAIT.saturating_mul(1 << self.failures.min(10));
        let wait = doubled.min(LONGEST_WAIT).mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.checked_add(wait).ok();
    }

    /// One has not.
    pub(crate) fn has_succeeded(&mut self) {
        (self.failures, self.not_before) = (0, None);
    }

    /// Until when the store is left alone. A clock that was set back does not make that for ever.
    pub(crate) fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        let longest = now.checked_add(LONGEST_WAIT).ok()?;
        self.not_before.filter(|at| (now..=longest).contains(at) && *at > now)
    }
}

impl Hold {
    /// Whether it counts at this moment.
    pub(crate) fn counts(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// In words.
    pub(crate) fn words(&self) -> String {
        let Self { user, reason, since, until } = self;
        let until = until.map(|until| format!(" until {until:.0}")).unwrap_or_default();
        format!("{user} holds this host since {since:.0}{until}: {reason}")
    }
}

/// The folder in which it is remembered.
#[derive(Debug, Clone)]
pub(crate) struct PullState(PathBuf);

/// That no other pull of the same source is under way. The kernel lets go of it.
#[derive(Debug)]
pub(crate) struct PullLock(#[expect(dead_code, reason = "closing it lets go")] File);

impl PullState {
    /// Of a source, below the folder with the records.
    pub(crate) fn of(base: &Path, source: &str) -> Self {
        let name = Digest::of(source.as_bytes());
        Self(base.join("pull").join(name.short()))
    }

    /// Those of every source below a folder with records.
    pub(crate) fn all(base: &Path) -> Vec<Self> {
        let names = Disk.names(&base.join("pull")).unwrap_or_default();
        let mut all: Vec<Self> =
            names.into_iter().map(|name| Self(base.join("pull").join(name))).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    /// A file or folder in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes the folder, on a way that nobody else can change: what lies in it is believed, and run.
    fn make(&self) -> Result<(), CommandError> {
        let made = closed::make(&self.0, 0o700).and_then(|_| closed::check_entry(&self.0));
        made.map_err(|error| match closed::is_of_the_system(&error) {
            true => unwritten(&self.0, &error),
            false => unsafe_to_use(&self.0, &error),
        })
    }

    /// Makes the folder and takes the lock, which nobody is waited for.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] if another pull is under way.
    pub(crate) fn lock(&self) -> Result<PullLock, CommandError> {
        self.make()?;
        let path = self.path("lock");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let file = file.map_err(|error| unwritten(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(PullLock(file)),
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(CommandError::new(ErrorKind::Locked, "another pull is under way on this host"))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(unwritten(&path, &error)),
        }
    }

    /// What is remembered; nothing before the first pull.
    ///
    /// # Errors
    /// If it cannot be read: then the highest serial is not known, and nothing is taken up.
    pub(crate) fn remembered(&self) -> Result<Remembered, CommandError> {
        Ok(self.read("state.json")?.unwrap_or_default())
    }

    /// Remembers this: it is on the disk once this returns.
    pub(crate) fn remember(&self, remembered: &Remembered) -> Result<(), CommandError> {
        let bytes = to_json(remembered)?;
        // Nearly always it is what is there, and a sync may take long.
        if self.bytes("state.json")?.is_some_and(|there| there == bytes) {
            return Ok(());
        }
        self.write("state.json", &bytes)?;
        Disk.sync(&[&self.0]).map_err(|error| unwritten(&self.0, &error))
    }

    /// How the last pull ended; nothing if that cannot be told.
    pub(crate) fn last(&self) -> LastPull {
        self.read("last.json").ok().flatten().unwrap_or_default()
    }

    /// Notes how one has ended.
    pub(crate) fn note(&self, last: &LastPull) -> Result<(), CommandError> {
        let (path, bytes) = (self.path("last.json"), to_json(last)?);
        let content = FileContent { bytes: bytes.into(), mode: 0o600, owner: None };
        files::replace(&Disk, &path, &content).map_err(|error| unwritten(&path, &error))
    }

    /// Who holds the host, if somebody does.
    pub(crate) fn hold(&self) -> Result<Option<Hold>, CommandError> {
        self.read("hold.json")
    }

    /// Nothing is pulled from now on, or something again.
    pub(crate) fn set_hold(&self, hold: Option<&Hold>) -> Result<(), CommandError> {
        self.make()?;
        match hold {
            Some(hold) => self.write("hold.json", &to_json(hold)?),
            None => {
                let path = self.path("hold.json");
                Disk.remove(&path).map_err(|error| unwritten(&path, &error))
            }
        }
    }

    /// The bytes of a file in it; none if there is no such file.
    pub(crate) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, CommandError> {
        let path = self.path(name);
        match Disk.read(&path) {
            Ok(Entry::File(file)) => Ok(Some(file.bytes.to_vec())),
            Ok(_) => Ok(None),
            Err(error) => Err(CommandError::refused(format!("cannot read {}", path.display()))
                .caused_by_io(&error, &path)),
        }
    }

    /// Writes a file in it, whole or not at all, also over a power cut.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CommandError> {
        let path = self.path(name);
        let content = FileContent { bytes: bytes.to_vec().into(), mode: 0o600, owner: None };
        let staged = files::staged_path(&path);
        let written = Disk
            .stage(&staged, &content)
            .and_then(|()| File::open(&staged)?.sync_all())
            .and_then(|()| Disk.rename(&staged, &path));
        written.map_err(|error| unwritten(&path, &error))
    }

    /// The bytes of a binary that was kept.
    #[expect(
        clippy::disallowed_methods,
        reason = "an edge: a binary is longer than any file of a host"
    )]
    pub(crate) fn bytes_of(&self, path: &Path) -> Option<Vec<u8>> {
        std::fs::read(path).ok()
    }

    /// Keeps a binary, and no other: it is of the release that publishes.
    pub(crate) fn write_binary(&self, path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
        let folder = self.path("bin");
        Disk.create_folder(&folder, 0o700).map_err(|error| unwritten(&folder, &error))?;
        for name in Disk.names(&folder).unwrap_or_default() {
            // One that stays is no harm.
            let _ = Disk.remove(&folder.join(name));
        }
        let content = FileContent { bytes: bytes.to_vec().into(), mode: 0o700, owner: None };
        files::replace(&Disk, path, &content).map_err(|error| unwritten(path, &error))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, CommandError> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let path = self.path(name);
            let message = format!("cannot read what was pulled last, {}", path.display());
            let away = shell::move_away(&path, ".broken");
            CommandError::refused(message)
                .caused_by(&error)
                .hint(format!("look at it, then move it away: {away}"))
        })
    }
}

fn unwritten(path: &Path, error: &io::Error) -> CommandError {
    CommandError::refused(format!("cannot write {}", path.display())).caused_by_io(error, path)
}

fn unsafe_to_use(path: &Path, error: &io::Error) -> CommandError {
    let shown = path.display();
    CommandError::refused(format!("{shown} is not safe to use")).caused_by(error).hint(format!(
        "it and every folder above it must be root's or our own, and no other user may write there: see it with \
         namei -l {}",
        shell::path(path)
    ))
}

/// Refuses a file of the host's own settings that others could have written: what it says is done as whoever we
/// are.
pub(crate) fn check_only_ours(path: &Path) -> Result<(), CommandError> {
    let unreadable = |error: &io::Error| {
        CommandError::refused(format!("cannot read {}", path.display())).caused_by_io(error, path)
    };
    let real = std::fs::canonicalize(path).map_err(|error| unreadable(&error))?;
    closed::open(real.parent().unwrap_or(&real)).map_err(
        |error| match closed::is_of_the_system(&error) {
            true => unreadable(&error),
            false => unsafe_to_use(path, &error),
        },
    )?;
    let metadata = real.metadata().map_err(|error| unreadable(&error))?;
    match closed::written_by_others(metadata.uid(), metadata.mode()) {
        None => Ok(()),
        Some(reason) => {
            let (owner, word) = (users::current(), shell::path(path));
            Err(CommandError::refused(format!("{} is not safe to use", path.display()))
                .because(reason)
                .hint(format!("look at it, then: chmod go-w {word} && chown {owner} {word}")))
        }
    }
}

fn to_json(content: &impl Serialize) -> Result<Vec<u8>, CommandError> {
    serde_json::to_vec(content)
        .map_err(|error| CommandError::refused("cannot write what was pulled").caused_by(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn failing_store_is_left_alone_longer_each_time() {
        let now = at("2026-11-30T10:00:00Z");
        let mut remembered = LastPull::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            remembered.has_failed(now, 1.0);
            waits.push(remembered.waits_until(now).unwrap().duration_since(now).as_secs());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600]);
        remembered.has_failed(now, 0.0);
        assert_eq!(remembered.waits_until(now), Some(at("2026-11-30T10:05:00Z")));
        remembered.has_succeeded();
        assert_eq!(remembered.waits_until(now), None);
    }

    /// A clock that jumps back an hour, or a year ahead, holds nothing up.
    #[test]
    fn clock_that_jumps_holds_nothing_up() {
        let now = at("2026-11-30T10:00:00Z");
        let mut remembered = LastPull::default();
        remembered.has_failed(now, 1.0);
        assert!(remembered.waits_until(now).is_some());
        assert_eq!(remembered.waits_until(at("2026-11-30T09:00:00Z")), None);
        assert_eq!(remembered.waits_until(at("2027-11-30T10:00:00Z")), None);
        remembered.has_failed(Timestamp::MAX, 1.0);
        assert_eq!(remembered.waits_until(Timestamp::MAX), None);
    }

    #[test]
    fn another_bundle_is_tried_again() {
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        let mut remembered = Remembered::default();
        remembered.follow(1, &one);
        let run: RunId = "20261130-100000-0000".parse().unwrap();
        let site = Domain::parse("a.com").unwrap();
        let refused = Refused { site, at: Timestamp::UNIX_EPOCH, run, cause: "FATAL".to_owned() };
        remembered.refused.push(refused);
        remembered.follow(1, &one);
        assert_eq!(remembered.refused.len(), 1);
        remembered.follow(2, &other);
        assert!(remembered.refused.is_empty());
    }

    #[test]
    fn state_is_kept_and_a_broken_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let state = PullState::of(folder.path(), "https://example.com/shop");
        let lock = state.lock().unwrap();
        assert_eq!(state.lock().unwrap_err().kind, ErrorKind::Locked);
        assert_eq!(state.remembered().unwrap(), Remembered::default());
        let remembered = Remembered { serial: 7, ..Remembered::default() };
        state.remember(&remembered).unwrap();
        assert_eq!(state.remembered().unwrap(), remembered);
        state.write("state.json", b"{").unwrap();
        assert!(state.remembered().unwrap_err().message.contains("cannot read what was pulled"));
        drop(lock);
        state.lock().unwrap();
        assert_eq!(PullState::all(folder.path()).len(), 1);
    }

    #[test]
    fn hold_ends_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let state = PullState::of(folder.path(), "x");
        assert_eq!(state.hold().unwrap(), None);
        let (since, until) = (at("2026-11-30T10:00:00Z"), at("2026-11-30T11:00:00Z"));
        let reason = "the sale".to_owned();
        let hold = Hold { user: "ann".to_owned(), reason, since, until: Some(until) };
        state.set_hold(Some(&hold)).unwrap();
        assert_eq!(state.hold().unwrap().as_ref(), Some(&hold));
        assert!(hold.counts(since) && !hold.counts(until));
        assert!(Hold { until: None, ..hold }.counts(Timestamp::MAX));
        state.set_hold(None).unwrap();
        state.set_hold(None).unwrap();
        assert_eq!(state.hold().unwrap(), None);
    }
}
