//! A place in a log that may have been rotated since: the line that was there, with those around it.
//!
//! A rotation keeps bytes at their places, be it a rename or a copy. So a line stands as far from the beginning of
//! some file `NAME` or `NAME.*` as it did when it was read, until that file is compressed or removed. Whether it
//! is still the same line, whoever asks can tell by its bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::files::Files as _;
use super::follow::{LONGEST_LINE, Line, split};
use super::{Disk, guarded};

/// How many files are looked into, the newest first.
const MOST_FILES: usize = 100;
/// How far around it is read, in bytes.
const AROUND: usize = 1024 * 1024;

/// A line that was found, with some around it.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The file that it stands in now.
    pub file: PathBuf,
    /// With it those before and after it.
    pub lines: Vec<Line>,
}

/// Looks for the line that began at `start` in a log, or in what the log was rotated to, and takes so many lines
/// before it and after it. `is_it` says whether it is the one. `None` if it is nowhere.
pub fn find(
    path: &Path,
    start: u64,
    around: usize,
    is_it: &dyn Fn(&[u8]) -> bool,
) -> Option<Found> {
    candidates(path).into_iter().find_map(|file| {
        let opened = guarded::open(&file).ok()?;
        let lines = lines_around(&opened, start, around, is_it).ok()??;
        Some(Found { file, lines })
    })
}

/// The log, and what stands beside it under its name with more behind it, the newest first.
fn candidates(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|it| it.to_str()))
    else {
        return vec![path.to_owned()];
    };
    let is_rotated =
        |other: &String| other.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '-']));
    let names = Disk.names(folder).unwrap_or_default().into_iter().filter(is_rotated);
    let mut rotated: Vec<(i64, PathBuf)> = names
        .filter_map(|name| {
            let path = folder.join(name);
            let written = std::fs::symlink_metadata(&path).ok()?.mtime();
            Some((written, path))
        })
        .collect();
    rotated.sort_by(|one, other| other.cmp(one));
    let rotated = rotated.into_iter().map(|(_, path)| path);
    std::iter::once(path.to_owned()).chain(rotated).take(MOST_FILES).collect()
}

/// `None` if it is not there.
fn lines_around(
    file: &File,
    start: u64,
    around: usize,
    is_it: &dyn Fn(&[u8]) -> bool,
) -> io::Result<Option<Vec<Line>>> {
    let mut after = lines_from(file, start, LONGEST_LINE + 1)?;
    if !after.first().is_some_and(|line| is_it(&line.bytes)) {
        return Ok(None);
    }
    after = lines_from(file, start, AROUND)?;
    after.truncate(around + 1);
    let from = start.saturating_sub(AROUND as u64);
    let mut before = lines_from(file, from, usize::try_from(start - from).unwrap_or(AROUND))?;
    if from > 0 && !before.is_empty() {
        // It may have begun further up.
        before.remove(0);
    }
    let mut lines = before.split_off(before.len().saturating_sub(around));
    lines.extend(after);
    Ok(Some(lines))
}

/// The lines of so many bytes; one without an end is there if nothing comes behind it.
fn lines_from(file: &File, start: u64, most: usize) -> io::Result<Vec<Line>> {
    let mut bytes = vec![0; most];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, start + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    let (mut partial, mut lines) = (None, Vec::new());
    split(bytes.get(..filled).unwrap_or_default(), start, &mut partial, &mut lines);
    if filled < most {
        lines.extend(partial.filter(|line| !line.bytes.is_empty()));
    }
    Ok(lines)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests on real files")]
mod tests {
    use super::*;

    fn texts(found: Option<Found>) -> Vec<String> {
        let lines = found.into_iter().flat_map(|found| found.lines);
        lines.map(|line| String::from_utf8(line.bytes).unwrap()).collect()
    }

    #[test]
    fn line_is_found_in_what_the_log_was_rotated_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("log"), "0\n11\n222\n33\n4\n").unwrap();
        std::fs::write(path("login"), "0\n11\n222\n").unwrap();
        let find = |start, text: &'static str| {
            super::find(&path("log"), start, 1, &|line| line == text.as_bytes())
        };
        assert_eq!(texts(find(5, "222")), ["11", "222", "33"]);
        assert_eq!(texts(find(0, "0")), ["0", "11"]);
        assert_eq!(texts(find(12, "4")), ["33", "4"]);
        assert_eq!(find(4, "222"), None, "it is not there");
        assert_eq!(find(5, "223"), None, "it is another");
        assert_eq!(find(10_000, ""), None, "behind the end");
        assert_eq!(find(u64::MAX, ""), None);
        std::fs::rename(path("log"), path("log.1")).unwrap();
        std::fs::write(path("log"), "0\n12\n223\n").unwrap();
        let found = find(5, "222").unwrap();
        assert_eq!(found.file, path("log.1"));
        assert_eq!(found.lines[1], Line { bytes: b"222".to_vec(), start: Some(5) });
        std::fs::rename(path("log.1"), path("log-20261130")).unwrap();
        assert_eq!(find(5, "222").unwrap().file, path("log-20261130"));
        std::fs::remove_file(path("log-20261130")).unwrap();
        assert_eq!(find(5, "222"), None, "a file of another name is none of it");
    }

    #[test]
    fn long_log_is_read_around_the_line_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let line = format!("{}\n", "x".repeat(999));
        std::fs::write(&path, line.repeat(5000)).unwrap();
        let found = find(&path, 3_000_000, 2, &|line| line.len() == 999).unwrap();
        let starts: Vec<u64> = found.lines.iter().map(|line| line.start.unwrap()).collect();
        assert_eq!(starts, [2_998_000, 2_999_000, 3_000_000, 3_001_000, 3_002_000]);
    }
}
