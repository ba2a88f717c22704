//! The files that `[include]` patterns match, by the rules of Python's `glob.glob`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The matches of each pattern, sorted by their text; patterns in order. A file that matches twice
/// stands at its last place.
pub(super) fn files(patterns: &[String]) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for pattern in patterns {
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
        let mut matches = Vec::new();
        walk(Path::new("/"), &parts, &mut matches)?;
        // By the whole path's text as Python sorts, where `Path` would compare part by part.
        matches.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
        files.retain(|file| !matches.contains(file));
        files.append(&mut matches);
    }
    Ok(files)
}

/// Whether one of the patterns would match a file at `path`, if there were one.
pub fn matches(patterns: &[String], path: &Path) -> bool {
    let text = path.to_string_lossy();
    let names: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    patterns.iter().any(|pattern| {
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
        parts.len() == names.len()
            && parts.iter().zip(&names).all(|(part, name)| {
                glob::Pattern::new(&translate(part)).is_ok_and(|glob| fits(&glob, part, name))
            })
    })
}

/// Whether a name fits a part of a pattern: one that begins with a dot only if the part does, too.
fn fits(glob: &glob::Pattern, part: &str, name: &str) -> bool {
    glob.matches(name) && (!name.starts_with('.') || part.starts_with('.'))
}

/// These files, those of `folder` by way of it where supervisord goes another way there: a link, or `..` in
/// its pattern. With what supervisord calls those.
pub fn by_way_of(folder: &Path, files: Vec<PathBuf>) -> (Vec<PathBuf>, BTreeMap<PathBuf, PathBuf>) {
    let Ok(real) = folder.canonicalize() else { return (files, BTreeMap::new()) };
    let mut same: BTreeMap<PathBuf, bool> = BTreeMap::new();
    let mut named = BTreeMap::new();
    let mut known: Vec<PathBuf> = Vec::new();
    for file in files {
        let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else { continue };
        let is_same = parent != folder
            && *same
                .entry(parent.to_owned())
                .or_insert_with(|| parent.canonicalize().is_ok_and(|parent| parent == real));
        let path = if is_same { folder.join(name) } else { file.clone() };
        if is_same {
            known.retain(|earlier| *earlier != path);
            named.insert(path.clone(), file);
        }
        known.push(path);
    }
    (known, named)
}

/// These patterns, and those of `folder` by way of it.
pub fn patterns_by_way_of(folder: &Path, patterns: &[String]) -> Vec<String> {
    let real = folder.canonicalize().ok();
    let mut all = patterns.to_vec();
    for pattern in patterns {
        let Some((parent, names)) = pattern.rsplit_once('/') else { continue };
        let parent = Path::new(parent);
        if parent != folder && real.is_some() && parent.canonicalize().ok() == real {
            all.push(format!("{}/{names}", folder.display()));
        }
    }
    all
}

/// Goes down one part of the pattern. The `glob` crate's own walk panics on a file name that is not
/// UTF-8 and cannot match `.*`, so only its matching of names is used.
fn walk(folder: &Path, parts: &[&str], found: &mut Vec<PathBuf>) -> io::Result<()> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    let mut paths = Vec::new();
    if part.contains(['*', '?', '[']) {
        let pattern = glob::Pattern::new(&translate(part))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        for name in names(folder)? {
            if fits(&pattern, part, &name.to_string_lossy()) {
                paths.push(folder.join(&name));
            }
        }
    } else {
        let path = folder.join(part);
        // A folder that is not there is found out at the next part.
        if !rest.is_empty() || path.symlink_metadata().is_ok() {
            paths.push(path);
        }
    }
    for path in paths {
        match rest.is_empty() {
            true => found.push(path),
            false => walk(&path, rest, found)?,
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "an edge: finds supervisord's own files")]
fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.file_name())).collect(),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", folder.display()))),
    }
}

/// A part of a Python pattern in the terms of the `glob` crate, where `**` is recursive and an unclosed `[`
/// is an error instead of a character.
fn translate(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        let (taken, written) = match character {
            '*' => (rest.len() - rest.trim_start_matches('*').len(), "*"),
            '[' => match class_length(rest) {
                Some(length) => (length, rest.get(..length).unwrap_or_default()),
                None => (1, "[[]"),
            },
            _ => {
                let length = character.len_utf8();
                (length, rest.get(..length).unwrap_or_default())
            }
        };
        translated.push_str(written);
        rest = rest.get(taken..).unwrap_or_default();
    }
    translated
}

/// How long the `[...]` at the beginning is, if it is closed. A `]` right after `[` or `[!` is one
/// of its members.
fn class_length(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?;
    let inside = inside.strip_prefix('!').unwrap_or(inside);
    let members = inside.strip_prefix(']').unwrap_or(inside);
    let end = members.find(']')?;
    Some(text.len() - members.len() + end + 1)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes the files to match")]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn matches_are_pythons() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        for name in [
            "b.conf",
            "a.conf",
            "a-b.conf",
            ".hidden.conf",
            "a.conf.tmp",
            "a.conf~",
            "[x.ini",
            "sub/s.conf",
        ] {
            std::fs::write(at(name), "").unwrap();
        }
        let odd = std::ffi::OsStr::from_bytes(b"\xff.odd");
        std::fs::write(folder.path().join(odd), "").unwrap();
        let found = |patterns: &[&str]| {
            let patterns: Vec<_> =
                patterns.iter().map(|p| at(p).to_string_lossy().into_owned()).collect();
            let files = files(&patterns).unwrap();
            let short = |f: PathBuf| f.strip_prefix(folder.path()).unwrap().display().to_string();
            files.into_iter().map(short).collect::<Vec<_>>()
        };
        assert_eq!(found(&["*.conf"]), ["a-b.conf", "a.conf", "b.conf"]);
        assert_eq!(found(&["**.conf"]), ["a-b.conf", "a.conf", "b.conf"]);
        assert_eq!(found(&["**/*.conf"]), ["sub/s.conf"]);
        assert_eq!(found(&[".*.conf"]), [".hidden.conf"]);
        assert_eq!(found(&["[!b].conf"]), ["a.conf"]);
        assert_eq!(found(&["[x.ini"]), ["[x.ini"]);
        assert_eq!(found(&["b.conf", "*.conf"]), ["a-b.conf", "a.conf", "b.conf"]);
        assert_eq!(found(&["b.conf", "a.conf", "b.conf"]), ["a.conf", "b.conf"]);
        assert_eq!(found(&["*.odd"]), ["\u{fffd}.odd"]);
        assert_eq!(found(&["*/s.conf", "sub"]), ["sub/s.conf", "sub"]);
        assert_eq!(found(&["missing.conf", "none/*.conf"]), [""; 0]);
    }

    #[test]
    fn classes() {
        assert_eq!(translate("a[]x]b[!]]c[d***"), "a[]x]b[!]]c[[]d*");
    }
}
