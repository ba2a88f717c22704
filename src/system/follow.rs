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

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::guarded;

/// How much is read at once.
const BLOCK: usize = 64 * 1024;
/// How much is read in one look, so that a log that grows without end does not silence the others.
const MOST_A_LOOK: usize = 1024 * 1024;
/// The longest line; a longer one is cut.
pub(super) const LONGEST_LINE: usize = 64 * 1024;
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

/// A line of a log, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without zero bytes.
    pub bytes: Vec<u8>,
    /// Where it begins in its file, in bytes; `None` of one that a rotation has cut, or that is the rest of
    /// a longer one.
    pub start: Option<u64>,
}

impl AsRef<[u8]> for Line {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
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
    /// What is read, and behind it what it was rotated to.
    files: VecDeque<Reading>,
    /// The beginning of a line whose end was not written yet.
    partial: Option<Line>,
    /// `NAME.1` as it was at the last look.
    rotated: Option<Identity>,
}

impl Follower {
    /// Opens the log and returns its last `lines` lines; with the follower it goes on behind them.
    /// A log that is not there yet is waited for. An error means that it cannot be read.
    pub fn open(path: &Path, lines: usize) -> io::Result<(Self, Vec<Line>)> {
        let rotated = identity_of(&rotated_path(path));
        let (path, files, partial) = (path.to_owned(), VecDeque::new(), None);
        let mut follower = Self { path, files, partial, rotated };
        let Some(file) = open_regular(&follower.path)? else { return Ok((follower, Vec::new())) };
        let at = start_of_last(&file, lines)?;
        follower.files.push_back(Reading::from_on(file, at)?);
        let mut last = Vec::new();
        while follower.read_on(&mut last)? {}
        // More may have come meanwhile.
        last.drain(..last.len().saturating_sub(lines));
        Ok((follower, last))
    }

    /// When the log was last written to.
    pub fn written(&self) -> Option<jiff::Timestamp> {
        let metadata = self.files.back()?.file.metadata().ok()?;
        jiff::Timestamp::from_second(metadata.mtime()).ok()
    }

    /// Whether there is a log, or was one.
    pub fn is_there(&self) -> bool {
        !self.files.is_empty()
    }

    /// The beginning of a last line without an end, once nothing more is waited for.
    pub fn rest(&mut self) -> Option<Line> {
        self.partial.take().filter(|line| !line.bytes.is_empty())
    }

    /// Appends the lines that were written since the last look. Whether there may be more at once.
    pub fn look(&mut self, lines: &mut Vec<Line>) -> io::Result<bool> {
        let rotated = identity_of(&rotated_path(&self.path));
        let news = rotated.filter(|rotated| self.rotated.as_ref() != Some(rotated));
        if self.files.front().is_some_and(Reading::is_truncated) {
            self.after_truncation(news.is_some(), lines)?;
        }
        self.open_what_is_new(news)?;
        self.rotated = rotated;
        loop {
            // Looked at before the first is read to its end: what stands in a later one was
            // written after everything in it.
            let goes_on = self.files.iter().skip(1).any(Reading::holds_something);
            if self.read_on(lines)? {
                return Ok(true);
            }
            if !goes_on {
                return Ok(false);
            }
            self.files.pop_front();
            self.go_on_elsewhere();
        }
    }

    /// What has begun in one file ends in the next.
    fn go_on_elsewhere(&mut self) {
        if let Some(partial) = &mut self.partial {
            partial.start = None;
        }
    }

    /// Puts what stands at the path now behind what is read, and before that what came and went
    /// between two looks.
    fn open_what_is_new(&mut self, news: Option<Identity>) -> io::Result<()> {
        let Some(now) = identity_of(&self.path) else { return Ok(()) };
        if self.files.iter().any(|reading| reading.is(&now)) {
            return Ok(());
        }
        let Some(file) = open_regular(&self.path)? else { return Ok(()) };
        let next = Reading::new(file);
        let unseen = news.filter(|news| {
            !next.is(news) && !self.files.is_empty() && !self.files.iter().any(|one| one.is(news))
        });
        if unseen.is_some()
            && let Some(file) = open_regular(&rotated_path(&self.path))?
        {
            self.files.push_back(Reading::new(file));
        }
        self.files.push_back(next);
        Ok(())
    }

    /// The log was copied to `NAME.1` and emptied: what we had not read is in the copy.
    fn after_truncation(&mut self, copied: bool, lines: &mut Vec<Line>) -> io::Result<()> {
        let Some(reading) = self.files.front_mut() else { return Ok(()) };
        let at = std::mem::replace(&mut reading.at, 0);
        let before = std::mem::take(&mut reading.before);
        let copy = if copied { open_regular(&rotated_path(&self.path))? } else { None };
        let copy = copy.map(|file| Reading { file, at, before });
        // Only if it is a copy of what we read, and not another file of that name.
        match copy.filter(|copy| !copy.is_truncated()) {
            Some(copy) => {
                self.files.push_front(copy);
                while self.read_on(lines)? {}
                self.files.pop_front();
                self.go_on_elsewhere();
            }
            // Its last line lost its end.
            None => lines.extend(self.rest()),
        }
        Ok(())
    }

    /// Reads the first file on; whether there is more.
    fn read_on(&mut self, lines: &mut Vec<Line>) -> io::Result<bool> {
        let Some(reading) = self.files.front_mut() else { return Ok(false) };
        let mut block = vec![0; BLOCK];
        for _ in 0..MOST_A_LOOK / BLOCK {
            let read = reading.file.read_at(&mut block, reading.at)?;
            let bytes = block.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(false);
            }
            split(bytes, reading.at, &mut self.partial, lines);
            reading.took(bytes);
        }
        Ok(true)
    }
}

impl Reading {
    fn new(file: File) -> Self {
        Self { file, at: 0, before: Vec::new() }
    }

    /// One that goes on from `at`, as if what is before that had been read.
    fn from_on(file: File, at: u64) -> io::Result<Self> {
        let size = usize::try_from(at).unwrap_or(REMEMBERED).min(REMEMBERED);
        let mut before = vec![0; size];
        file.read_exact_at(&mut before, at - size as u64)?;
        Ok(Self { file, at, before })
    }

    fn is(&self, identity: &Identity) -> bool {
        self.file.metadata().is_ok_and(|own| Identity::of(&own).is_same_file(identity))
    }

    fn holds_something(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() > 0)
    }

    fn took(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        self.before.extend_from_slice(bytes);
        self.before.drain(..self.before.len().saturating_sub(REMEMBERED));
    }

    /// Whether what we read last is not where it was.
    fn is_truncated(&self) -> bool {
        let mut now = vec![0; self.before.len()];
        let from = self.at.saturating_sub(self.before.len() as u64);
        // Too short for it to be there is an error, too.
        self.file.read_exact_at(&mut now, from).map_or(true, |()| now != self.before)
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

/// `None` if there is nothing.
fn open_regular(path: &Path) -> io::Result<Option<File>> {
    match guarded::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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

/// Cuts `bytes`, which stand at `at` in their file, into lines; what has no end yet stays in `partial`.
pub(super) fn split(bytes: &[u8], mut at: u64, partial: &mut Option<Line>, lines: &mut Vec<Line>) {
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (text, ended) = match piece.split_last() {
            Some((b'\n', text)) => (text, true),
            _ => (piece, false),
        };
        let line = partial.get_or_insert_with(|| Line { bytes: Vec::new(), start: Some(at) });
        line.bytes.extend(text.iter().filter(|byte| **byte != 0));
        while line.bytes.len() > LONGEST_LINE {
            let rest = line.bytes.split_off(LONGEST_LINE);
            let bytes = std::mem::replace(&mut line.bytes, rest);
            lines.push(Line { bytes, start: line.start.take() });
        }
        if ended {
            lines.extend(partial.take());
        }
        at += piece.len() as u64;
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests on real files")]
mod tests {
    use std::io::Write;

    use super::*;

    struct Log {
        folder: tempfile::TempDir,
    }

    impl Log {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn append(&self, name: &str, text: &str) {
            let mut file = File::options().append(true).create(true).open(self.path(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rename(&self, from: &str, to: &str) {
            std::fs::rename(self.path(from), self.path(to)).unwrap();
        }

        fn copy_truncate(&self) {
            std::fs::copy(self.path("log"), self.path("log.1")).unwrap();
            File::options().write(true).open(self.path("log")).unwrap().set_len(0).unwrap();
        }

        fn follow(&self, lines: usize) -> (Follower, Vec<String>) {
            let (follower, last) = Follower::open(&self.path("log"), lines).unwrap();
            (follower, text(last))
        }
    }

    fn text(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| String::from_utf8(line.bytes).unwrap()).collect()
    }

    fn look(follower: &mut Follower) -> Vec<String> {
        let mut lines = Vec::new();
        while follower.look(&mut lines).unwrap() {}
        text(lines)
    }

    #[test]
    fn appended_lines_follow_last_ones() {
        let log = Log::new();
        log.append("log", "1\n2\n3\n4");
        assert_eq!(log.follow(0).1, [""; 0]);
        assert_eq!(log.follow(1).1, [""; 0], "a line without its end is not there yet");
        assert_eq!(log.follow(2).1, ["3"]);
        assert_eq!(log.follow(99).1, ["1", "2", "3"]);
        let (mut follower, last) = log.follow(2);
        assert_eq!(last, ["3"]);
        log.append("log", "4\n5\n");
        assert_eq!(look(&mut follower), ["44", "5"]);
        log.append("log", "6");
        assert_eq!(look(&mut follower), [""; 0]);
        assert_eq!(follower.rest(), Some(Line { bytes: b"6".to_vec(), start: Some(11) }));
    }

    #[test]
    fn last_lines_are_found_across_blocks() {
        let log = Log::new();
        let line = "x".repeat(1000);
        log.append("log", &format!("{line}\n").repeat(200));
        log.append("log", "end\n");
        let (_, last) = log.follow(150);
        assert_eq!((last.len(), last.last().unwrap().as_str()), (150, "end"));
        assert!(last.iter().rev().skip(1).all(|one| *one == line));
    }

    #[test]
    fn renamed_log_is_read_to_end() {
        let log = Log::new();
        log.append("log", "1\n");
        let (mut follower, _) = log.follow(0);
        log.rename("log", "log.1");
        log.append("log", "");
        log.append("log.1", "2\nhal");
        assert_eq!(look(&mut follower), ["2"]);
        log.append("log.1", "f\n");
        assert_eq!(look(&mut follower), ["half"]);
        log.append("log.1", "la");
        log.append("log", "st\n4\n");
        assert_eq!(look(&mut follower), ["last", "4"], "a line may be cut by the rotation");
        log.append("log", "5\n");
        assert_eq!(look(&mut follower), ["5"]);
    }

    #[test]
    fn two_quick_rotations_lose_nothing() {
        let log = Log::new();
        log.append("log.1", "of long ago\n");
        log.append("log", "1\n");
        let (mut follower, _) = log.follow(0);
        log.append("log", "2\n");
        std::fs::remove_file(log.path("log.1")).unwrap();
        log.rename("log", "log.2");
        log.append("log.1", "3\n");
        log.append("log", "4\n");
        assert_eq!(look(&mut follower), ["2", "3", "4"]);
    }

    /// A line is told with its place in its file, but where a rotation has cut it.
    #[test]
    fn lines_have_their_places() {
        let log = Log::new();
        log.append("log", "one\n\0\0two\nthr");
        let (mut follower, last) = Follower::open(&log.path("log"), 9).unwrap();
        let starts = |lines: &[Line]| lines.iter().map(|line| line.start).collect::<Vec<_>>();
        assert_eq!(starts(&last), [Some(0), Some(4)]);
        log.append("log", "ee\nfo");
        log.rename("log", "log.1");
        log.append("log", "ur\nfive\n");
        let mut lines = Vec::new();
        while follower.look(&mut lines).unwrap() {}
        assert_eq!(starts(&lines), [Some(10), None, Some(3)]);
        assert_eq!(text(lines), ["three", "four", "five"]);
    }

    /// A rotation while the new log is still empty loses nothing.
    #[test]
    fn rotation_of_empty_log_loses_nothing() {
        let log = Log::new();
        log.append("log", "1\n");
        let (mut follower, _) = log.follow(0);
        log.rename("log", "log.1");
        log.append("log", "");
        assert_eq!(look(&mut follower), [""; 0]);
        log.append("log", "2\n");
        log.rename("log.1", "log.2");
        log.rename("log", "log.1");
        log.append("log", "");
        assert_eq!(look(&mut follower), ["2"]);
        log.append("log", "3\n");
        assert_eq!(look(&mut follower), ["3"]);
    }

    /// A truncated log gives what its copy holds, and then its new lines.
    #[test]
    fn truncated_log_continues_in_copy() {
        let log = Log::new();
        log.append("log", "1\n");
        let (mut follower, _) = log.follow(0);
        log.append("log", "2\n3");
        log.copy_truncate();
        log.append("log", "3\n4\n");
        assert_eq!(look(&mut follower), ["2", "33", "4"]);
        log.copy_truncate();
        assert_eq!(look(&mut follower), [""; 0]);
        log.append("log", "5\n");
        assert_eq!(look(&mut follower), ["5"]);
    }

    /// A log that grew beyond its former length is seen to be another.
    #[test]
    fn regrown_log_is_another() {
        let log = Log::new();
        log.append("log", "1\n");
        let (mut follower, _) = log.follow(0);
        log.append("log", "2\n");
        assert_eq!(look(&mut follower), ["2"]);
        log.copy_truncate();
        log.append("log", "three\nfour\n");
        assert_eq!(look(&mut follower), ["three", "four"]);
        // Without a copy: emptied by hand.
        std::fs::write(log.path("log"), "five, and longer than before\n").unwrap();
        assert_eq!(look(&mut follower), ["five, and longer than before"]);
    }

    /// A writer without `O_APPEND` leaves a hole in front of its text after a truncation.
    #[test]
    fn hole_in_log_is_no_text() {
        let log = Log::new();
        log.append("log", "1\n");
        let (mut follower, _) = log.follow(0);
        let writer = File::options().write(true).open(log.path("log")).unwrap();
        log.copy_truncate();
        writer.write_all_at(b"2\n", 100_000).unwrap();
        assert_eq!(look(&mut follower), ["2"]);
    }

    #[test]
    fn late_log_is_read_from_beginning() {
        let log = Log::new();
        let (mut follower, last) = log.follow(10);
        assert!(last.is_empty() && look(&mut follower).is_empty());
        log.append("log", "1\n");
        assert_eq!(look(&mut follower), ["1"]);
        let error = Follower::open(log.folder.path(), 1).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let (mut partial, mut lines) = (None, Vec::new());
        for number in 0..3 {
            let at = number * LONGEST_LINE as u64;
            split(&vec![b'x'; LONGEST_LINE], at, &mut partial, &mut lines);
        }
        let starts: Vec<Option<u64>> = lines.iter().map(|line| line.start).collect();
        assert_eq!(starts, [Some(0), None], "the rest of a line is none by itself");
        assert_eq!(partial.unwrap().bytes.len(), LONGEST_LINE);
    }
}
