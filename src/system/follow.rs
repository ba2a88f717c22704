//! Following a log as it grows, through each way it can be rotated.
//!
//! - **Rename and create.** The writer goes on with the renamed file until it is told to reopen, so
//!   the old file is read until the new one holds something: from then on nobody writes to the old
//!   one. Where two rotations came between two looks, the file in between is `NAME.1`.
//! - **Copy and truncate.** The bytes before the place we read to are remembered: where they are
//!   others, or gone, the file was truncated. What we had not read yet was copied to `NAME.1`.
//!
//! A line that is cut by a rotation is joined again. Zero bytes are dropped: they are the hole that
//! a writer without `O_APPEND` leaves after a truncation.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How much is read at once.
const BLOCK: usize = 64 * 1024;
/// How much is read in one look, so that a log that grows without end does not silence the others.
const MOST_A_LOOK: usize = 1024 * 1024;
/// The longest line; a longer one is cut.
const LONGEST_LINE: usize = 64 * 1024;
/// How far back the last lines are looked for.
const FURTHEST_BACK: u64 = 16 * 1024 * 1024;
/// How many bytes before the place we read to are remembered.
const REMEMBERED: usize = 64;

/// What tells one file from another. A number alone does not: it is used again for a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    written: (i64, i64),
}

impl Identity {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// An open file, read up to a place.
#[derive(Debug)]
struct Reading {
    file: File,
    at: u64,
    /// The bytes just before `at`.
    before: Vec<u8>,
}

/// A log that is followed.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    reading: Option<Reading>,
    /// The beginning of a line whose end was not written yet.
    partial: Vec<u8>,
    /// `NAME.1` as it was at the last look.
    rotated: Option<Identity>,
}

impl Follower {
    /// Opens the log and returns its last `lines` lines; with the follower it goes on behind them.
    /// A log that is not there yet is waited for. An error means that it cannot be read.
    pub fn open(path: &Path, lines: usize) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let rotated = identity_of(&rotated_path(path));
        let mut follower =
            Self { path: path.to_owned(), reading: None, partial: Vec::new(), rotated };
        let Some(file) = open_regular(path)? else { return Ok((follower, Vec::new())) };
        let mut reading = Reading { file, at: 0, before: Vec::new() };
        reading.at = start_of_last(&reading.file, lines)?;
        follower.reading = Some(reading);
        let mut last = Vec::new();
        while follower.read_on(u64::MAX, &mut last)? {}
        // More may have come meanwhile.
        last.drain(..last.len().saturating_sub(lines));
        Ok((follower, last))
    }

    /// The beginning of a last line without an end, once nothing more is waited for.
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        (!self.partial.is_empty()).then(|| std::mem::take(&mut self.partial))
    }

    /// Appends the lines that were written since the last look. Whether there may be more at once.
    pub fn look(&mut self, lines: &mut Vec<Vec<u8>>) -> io::Result<bool> {
        let path = rotated_path(&self.path);
        let rotated = identity_of(&path);
        let news = rotated.filter(|rotated| self.rotated.as_ref() != Some(rotated));
        let more = match &self.reading {
            None => {
                let file = open_regular(&self.path)?;
                self.reading = file.map(|file| Reading { file, at: 0, before: Vec::new() });
                self.reading.is_some()
            }
            Some(reading) if reading.is_truncated()? => {
                self.after_truncation(news.is_some(), lines)?;
                true
            }
            Some(reading) => {
                let own = Identity::of(&reading.file.metadata()?);
                // Looked at before the old file is read to its end: what is in the new one was
                // written after everything in the old.
                let next = std::fs::metadata(&self.path).ok();
                let next = next.filter(|next| !Identity::of(next).is_same_file(&own));
                let more = self.read_on(u64::MAX, lines)?;
                if let Some(next) = next.filter(|next| next.len() > 0 && !more) {
                    let between = news.filter(|news| !news.is_same_file(&own));
                    self.go_on_to(&next, between.is_some(), lines)?;
                    true
                } else {
                    more
                }
            }
        };
        self.rotated = rotated;
        Ok(more)
    }

    /// The log was copied to `NAME.1` and emptied: what we had not read is in the copy.
    fn after_truncation(&mut self, copied: bool, lines: &mut Vec<Vec<u8>>) -> io::Result<()> {
        let Some(reading) = &mut self.reading else { return Ok(()) };
        let copy = if copied { open_regular(&rotated_path(&self.path))? } else { None };
        let before = std::mem::take(&mut reading.before);
        let at = std::mem::replace(&mut reading.at, 0);
        match copy.map(|file| Reading { file, at, before }) {
            // Only if it is a copy of what we read, and not another file of that name.
            Some(copy) if !copy.is_truncated()? => {
                let truncated = self.reading.replace(copy);
                while self.read_on(u64::MAX, lines)? {}
                self.reading = truncated;
            }
            // Its last line lost its end.
            _ => lines.extend(self.rest()),
        }
        Ok(())
    }

    /// The log was renamed and a new one holds something already.
    fn go_on_to(
        &mut self,
        next: &std::fs::Metadata,
        one_between: bool,
        lines: &mut Vec<Vec<u8>>,
    ) -> io::Result<()> {
        if one_between && let Some(file) = open_regular(&rotated_path(&self.path))? {
            let is_next = Identity::of(&file.metadata()?).is_same_file(&Identity::of(next));
            self.reading = Some(Reading { file, at: 0, before: Vec::new() });
            // It was renamed in this very moment, and is what `next` was.
            while !is_next && self.read_on(u64::MAX, lines)? {}
        }
        let file = open_regular(&self.path)?;
        self.reading = file.map(|file| Reading { file, at: 0, before: Vec::new() });
        Ok(())
    }

    /// Reads on, up to `end`; whether there is more.
    fn read_on(&mut self, end: u64, lines: &mut Vec<Vec<u8>>) -> io::Result<bool> {
        let Some(reading) = &mut self.reading else { return Ok(false) };
        let mut block = vec![0; BLOCK];
        for _ in 0..MOST_A_LOOK / BLOCK {
            let wanted = usize::try_from(end - reading.at).unwrap_or(BLOCK).min(BLOCK);
            let read = reading.file.read_at(block.get_mut(..wanted).unwrap_or_default(), reading.at)?;
            let bytes = block.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(false);
            }
            reading.took(bytes);
            split(bytes, &mut self.partial, lines);
        }
        Ok(true)
    }
}

impl Reading {
    fn took(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        self.before.extend_from_slice(bytes);
        self.before.drain(..self.before.len().saturating_sub(REMEMBERED));
    }

    /// Whether what we read last is not where it was.
    fn is_truncated(&self) -> io::Result<bool> {
        let length = self.file.metadata()?.len();
        let mut now = vec![0; self.before.len()];
        if length < self.at {
            return Ok(true);
        }
        let from = self.at.saturating_sub(self.before.len() as u64);
        match self.file.read_exact_at(&mut now, from) {
            Ok(()) => Ok(now != self.before),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(error),
        }
    }
}

fn rotated_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".1");
    path.with_file_name(name)
}

fn identity_of(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|metadata| Identity::of(&metadata))
}

/// `None` if there is nothing. A pipe or device is refused: reading it might never end.
fn open_regular(path: &Path) -> io::Result<Option<File>> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = match File::options().read(true).custom_flags(nonblocking).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    Ok(Some(file))
}

/// Where the last `lines` lines begin.
fn start_of_last(file: &File, lines: usize) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let floor = length.saturating_sub(FURTHEST_BACK);
    let mut start = length;
    // The line break at the very end ends the last line and begins none.
    let mut breaks = 0;
    let mut block = vec![0; BLOCK];
    while start > floor {
        let from = start.saturating_sub(BLOCK as u64).max(floor);
        let size = usize::try_from(start - from).unwrap_or(BLOCK);
        let part = block.get_mut(..size).unwrap_or_default();
        file.read_exact_at(part, from)?;
        for (index, byte) in part.iter().enumerate().rev() {
            let after = from + index as u64 + 1;
            let ends_line = *byte == b'\n' && after < length;
            breaks += usize::from(ends_line);
            if (ends_line && breaks == lines) || lines == 0 {
                return Ok(after);
            }
        }
        start = from;
    }
    Ok(floor)
}

/// Cuts `bytes` into lines; what has no end yet stays in `partial`.
fn split(bytes: &[u8], partial: &mut Vec<u8>, lines: &mut Vec<Vec<u8>>) {
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (text, ended) = match piece.split_last() {
            Some((b'\n', text)) => (text, true),
            _ => (piece, false),
        };
        partial.extend(text.iter().filter(|byte| **byte != 0));
        while partial.len() > LONGEST_LINE {
            let rest = partial.split_off(LONGEST_LINE);
            lines.push(std::mem::replace(partial, rest));
        }
        if ended {
            lines.push(std::mem::take(partial));
        }
    }
}
