//! Files: the narrow set of operations an apply needs, so that a test can make the n-th one fail.
//!
//! Writing is in two moves. [`Files::stage`] puts the new bytes beside their target under a name
//! that neither supervisord nor logrotate reads; [`Files::rename`] swaps them in. The `tempfile`
//! crate is the road not taken: its persist neither syncs nor keeps owner and mode.

use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::bytes::Bytes;
use super::guarded;

/// The largest file that is read: a config of several megabytes is not one.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Nothing, also when the folder itself is missing.
    Absent,
    /// A regular file.
    File(FileContent),
    /// A symbolic link, with what it leads to if that is a readable file.
    Link {
        /// What it says, relative or absolute, not followed.
        target: PathBuf,
        /// The bytes of the file at its end; `None` when it dangles.
        content: Option<Vec<u8>>,
    },
    /// A folder, device, socket or pipe: nothing we could replace.
    Other(&'static str),
}

impl Entry {
    /// The bytes a reader of this path gets.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::File(file) => Some(&file.bytes),
            Self::Link { content, .. } => content.as_deref(),
            Self::Absent | Self::Other(_) => None,
        }
    }
}

/// A regular file with what a restore must bring back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileContent {
    /// The whole of it; base64 in JSON, since it need not be text.
    #[serde(with = "super::bytes::base64")]
    pub bytes: Bytes,
    /// Permission bits (0o7777), without the kind of file.
    pub mode: u32,
    /// Owner; `None` to leave it to the system (whoever writes).
    pub owner: Option<(u32, u32)>,
}

impl std::fmt::Debug for FileContent {
    /// Without the content, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileContent({} bytes, {:04o})", self.bytes.len(), self.mode)
    }
}

/// Which file it is, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEnd {
    device: u64,
    inode: u64,
    length: u64,
}

impl FileEnd {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), length: metadata.len() }
    }

    /// Where it is in what the file is by now: at its beginning, if that is another one or was emptied.
    fn within(&self, now: &Self) -> u64 {
        let same = (self.device, self.inode) == (now.device, now.inode);
        if same && self.length <= now.length { self.length } else { 0 }
    }
}

/// What is at a path, as [`Files::open`] has it.
pub enum Opened {
    /// A regular file.
    File(OpenFile),
    /// What is no such.
    NoFile(Entry),
}

/// A regular file that is read piece by piece.
pub struct OpenFile {
    /// Its content, from the beginning.
    pub content: Box<dyn ReadSeek>,
    /// Permission bits, as in a [`FileContent`].
    pub mode: u32,
    /// Owner, as in a [`FileContent`].
    pub owner: Option<(u32, u32)>,
}

/// What can be read from, more than once.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// The door to the disk.
pub trait Files {
    /// What is at `path`. An error only when it cannot be told.
    fn read(&self, path: &Path) -> io::Result<Entry>;
    /// The same for a file that may be large and need not be held as a whole.
    fn open(&self, path: &Path) -> io::Result<Opened> {
        Ok(match self.read(path)? {
            Entry::File(FileContent { bytes, mode, owner }) => {
                Opened::File(OpenFile { content: Box::new(io::Cursor::new(bytes)), mode, owner })
            }
            other => Opened::NoFile(other),
        })
    }
    /// The names in a folder, sorted; a name that is no UTF-8 is left out, since no file of ours
    /// has one.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Writes a new file, replacing a leftover of the same name; not synced.
    fn stage(&self, path: &Path, content: &FileContent) -> io::Result<()>;
    /// Makes a symbolic link, replacing a leftover of the same name.
    fn stage_link(&self, path: &Path, target: &Path) -> io::Result<()>;
    /// Moves within a file system, replacing what is at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file or link; nothing there is fine.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a log, which may lie in a folder of somebody else: no link is followed, and what is no
    /// regular file stays, which is an error. Nothing there is fine.
    fn remove_log(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder and its parents.
    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Removes an empty folder; nothing there is fine.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// How far a file has been written.
    fn end(&self, path: &Path) -> io::Result<FileEnd>;
    /// The last bytes of a file, at most this many; of those behind `since`, if it is still the file
    /// that this is the end of.
    fn tail(&self, path: &Path, bytes: u64, since: Option<FileEnd>) -> io::Result<Vec<u8>>;
    /// What keeps a program's code at `path` from being run, links followed: `None` when it is a
    /// regular file that, if asked, somebody may execute.
    fn problem_with_code(&self, path: &Path, executable: bool) -> Option<String>;
    /// Brings everything that was written to the file systems of these folders to the disk. One
    /// call for all files: syncing each of a thousand alone would cost seconds.
    fn sync(&self, folders: &[&Path]) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

#[expect(clippy::disallowed_methods, reason = "this is the edge to the disk")]
impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Entry> {
        let (file, metadata) = match regular(path)? {
            Ok(file) => file,
            Err(other) => return Ok(other),
        };
        Ok(Entry::File(FileContent {
            bytes: bounded(file, metadata.len())?.into(),
            mode: metadata.mode() & 0o7777,
            owner: Some((metadata.uid(), metadata.gid())),
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Opened> {
        let (file, metadata) = match regular(path)? {
            Ok(file) => file,
            Err(other) => return Ok(Opened::NoFile(other)),
        };
        if metadata.len() > LARGEST_FILE {
            return Err(too_large());
        }
        Ok(Opened::File(OpenFile {
            content: Box::new(file),
            mode: metadata.mode() & 0o7777,
            owner: Some((metadata.uid(), metadata.gid())),
        }))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn stage(&self, path: &Path, content: &FileContent) -> io::Result<()> {
        // Closed to all others until it has its owner and mode: it may hold secrets.
        let mut create = std::fs::OpenOptions::new();
        create.write(true).create_new(true).mode(0o600);
        // Made at once: a leftover is rare, and looking for one costs as much as the file.
        let mut file = match create.open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(path)?;
                create.open(path)?
            }
            created => created?,
        };
        file.write_all(&content.bytes)?;
        if let Some((uid, gid)) = content.owner {
            let now = file.metadata()?;
            if (now.uid(), now.gid()) != (uid, gid) {
                std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
            }
        }
        // After the owner: chown clears the set-id bits, and the mode is not at the umask's mercy.
        file.set_permissions(std::fs::Permissions::from_mode(content.mode))
    }

    fn stage_link(&self, path: &Path, target: &Path) -> io::Result<()> {
        self.remove(path)?;
        std::os::unix::fs::symlink(target, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            // A read-only file system says so before it looks whether there is anything.
            Err(_) if std::fs::symlink_metadata(path).is_err_and(|e| is_absent(&e)) => Ok(()),
            other => other,
        }
    }

    fn remove_log(&self, path: &Path) -> io::Result<()> {
        tolerate_absent(guarded::remove(path))
    }

    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        guarded::create_folder(path, mode)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        tolerate_absent(std::fs::remove_dir(path))
    }

    fn end(&self, path: &Path) -> io::Result<FileEnd> {
        std::fs::metadata(path).map(|metadata| FileEnd::of(&metadata))
    }

    fn tail(&self, path: &Path, bytes: u64, since: Option<FileEnd>) -> io::Result<Vec<u8>> {
        let mut file = guarded::open(path)?;
        let now = FileEnd::of(&file.metadata()?);
        // One that was rotated, or emptied, has nothing from before.
        let begin = since.map_or(0, |since| since.within(&now));
        file.seek(io::SeekFrom::Start(begin.max(now.length.saturating_sub(bytes))))?;
        let mut tail = Vec::new();
        file.take(bytes).read_to_end(&mut tail)?;
        Ok(tail)
    }

    fn problem_with_code(&self, path: &Path, executable: bool) -> Option<String> {
        match std::fs::metadata(path) {
            Err(error) if is_absent(&error) => Some("does not exist".to_owned()),
            Err(error) => Some(format!("cannot be looked at: {error}")),
            Ok(metadata) if !metadata.is_file() => Some("is not a regular file".to_owned()),
            Ok(metadata) if executable && metadata.mode() & 0o111 == 0 => {
                Some(format!("is not executable (mode {:04o})", metadata.mode() & 0o7777))
            }
            Ok(_) => None,
        }
    }

    fn sync(&self, folders: &[&Path]) -> io::Result<()> {
        let mut synced = Vec::new();
        for folder in folders {
            let handle: OwnedFd = std::fs::File::open(folder)?.into();
            let device = rustix::fs::fstat(&handle)?.st_dev;
            if !synced.contains(&device) {
                rustix::fs::syncfs(&handle)?;
                synced.push(device);
            }
        }
        Ok(())
    }
}

/// Whether this process may make files in a folder, as far as the kernel tells beforehand.
pub fn may_write_in(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}

/// Writes a small file of our own (state, result) so that a reader sees the old or the new one.
pub fn replace(files: &dyn Files, path: &Path, content: &FileContent) -> io::Result<()> {
    let staged = staged_path(path);
    let written = files.stage(&staged, content).and_then(|()| files.rename(&staged, path));
    if written.is_err() {
        // The first error is the one to tell; a leftover is replaced by the next try.
        let _ = files.remove(&staged);
    }
    written
}

/// Writes a new file; `false` if something is there already, which stays as it is.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = match options.write(true).create_new(true).mode(mode).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        opened => opened?,
    };
    if let Err(error) = file.write_all(bytes) {
        // The first error is the one to tell.
        let _ = Disk.remove(path);
        return Err(error);
    }
    Ok(true)
}

/// Where the new bytes of `path` wait for the swap: in the same folder, because a rename cannot
/// leave its file system; with a leading dot, because Python's glob (supervisord) passes over
/// those; ending in `~`, because logrotate reads dotfiles but not those (its `tabooext`).
pub fn staged_path(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    path.with_file_name(format!(".{name}.supervisor-sync~"))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn tolerate_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// With room for the length that is expected, so that it is not felt for in small pieces.
/// Opens what is at a path; what is no regular file is told instead.
fn regular(path: &Path) -> io::Result<Result<(std::fs::File, std::fs::Metadata), Entry>> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(Err(Entry::Absent)),
        Err(error) => return Err(error),
    };
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = std::fs::read_link(path)?;
        let leads_to_file = std::fs::metadata(path).is_ok_and(|m| m.is_file());
        let content =
            if leads_to_file { Some(bounded(std::fs::File::open(path)?, 0)?) } else { None };
        return Ok(Err(Entry::Link { target, content }));
    }
    if kind.is_dir() {
        return Ok(Err(Entry::Other("a folder")));
    }
    if !kind.is_file() {
        return Ok(Err(Entry::Other("not a regular file")));
    }
    // Nothing that has taken its place by now is followed or waited for.
    let flags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Err(Entry::Other("not a regular file")));
    }
    Ok(Ok((file, metadata)))
}

fn bounded(file: std::fs::File, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length.min(LARGEST_FILE) as usize + 1);
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(too_large());
    }
    Ok(bytes)
}

fn too_large() -> io::Error {
    let text = format!("is larger than {} MiB", LARGEST_FILE / 1024 / 1024);
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str, mode: u32) -> FileContent {
        FileContent { bytes: text.into(), mode, owner: None }
    }

    #[test]
    fn entry_kinds_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        Disk.stage(&at("file"), &content("text", 0o640)).unwrap();
        Disk.stage_link(&at("link"), Path::new("file")).unwrap();
        Disk.stage_link(&at("dangling"), Path::new("nowhere")).unwrap();
        Disk.create_folder(&at("a/b"), 0o755).unwrap();

        let Entry::File(file) = Disk.read(&at("file")).unwrap() else { panic!("not a file") };
        assert_eq!((&*file.bytes, file.mode), (b"text".as_slice(), 0o640));
        assert_eq!(Disk.read(&at("link")).unwrap().bytes(), Some(b"text".as_slice()));
        assert_eq!(
            Disk.read(&at("dangling")).unwrap(),
            Entry::Link { target: "nowhere".into(), content: None }
        );
        assert_eq!(Disk.read(&at("a")).unwrap(), Entry::Other("a folder"));
        assert_eq!(Disk.read(&at("none")).unwrap(), Entry::Absent);
        assert_eq!(Disk.read(&at("file/below")).unwrap(), Entry::Absent);
        assert_eq!(Disk.names(folder.path()).unwrap(), ["a", "dangling", "file", "link"]);
        Disk.sync(&[folder.path(), &at("a")]).unwrap();
    }

    /// A tail begins where the file ended before, unless it is another file by now.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "writes and rotates a log as a program would")]
    fn tail_begins_at_former_end() {
        let folder = tempfile::tempdir().unwrap();
        let (path, next) = (folder.path().join("log"), folder.path().join("next"));
        let tail =
            |bytes, since| String::from_utf8(Disk.tail(&path, bytes, since).unwrap()).unwrap();
        std::fs::write(&path, "before\n").unwrap();
        let end = Some(Disk.end(&path).unwrap());
        assert_eq!((tail(99, end), tail(99, None)), (String::new(), "before\n".to_owned()));
        std::fs::write(&path, "before\nsince\n").unwrap();
        assert_eq!((tail(99, end), tail(3, end)), ("since\n".to_owned(), "ce\n".to_owned()));
        // Copied and emptied.
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(tail(99, end), "new\n");
        // Renamed, with a longer one in its place.
        std::fs::write(&next, "another one\n").unwrap();
        std::fs::rename(&next, &path).unwrap();
        assert_eq!(tail(99, end), "another one\n");
    }

    #[test]
    fn mode_ignores_umask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        Disk.stage(&path, &content("leftover", 0o600)).unwrap();
        Disk.stage(&path, &content("new", 0o666)).unwrap();
        let Entry::File(file) = Disk.read(&path).unwrap() else { panic!("not a file") };
        assert_eq!((&*file.bytes, file.mode), (b"new".as_slice(), 0o666));
    }

    /// The staged name is read by neither daemon.
    #[test]
    fn staged_name_is_read_by_nobody() {
        let staged = staged_path(Path::new("/etc/logrotate.d/supervisor-a.conf"));
        assert_eq!(staged, Path::new("/etc/logrotate.d/.supervisor-a.conf.supervisor-sync~"));
    }
}
