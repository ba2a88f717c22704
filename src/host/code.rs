//! Whether what programs need to start is there: commands, folders, scripts. Changes nothing.

use std::io::{self, Read as _};
use std::path::Path;

use crate::api::{CodeFound, CodeNeed};
use crate::system::{Disk, Files as _, guarded};

/// The largest script that is read, in bytes.
const LARGEST: u64 = 256 * 1024;

/// What there is of each.
pub(super) fn look(needs: &[CodeNeed]) -> Vec<CodeFound> {
    needs.iter().map(found).collect()
}

fn found(need: &CodeNeed) -> CodeFound {
    let CodeNeed { command, search, directory, script } = need;
    CodeFound {
        no_command: command.as_ref().and_then(|command| problem_with(command, search)),
        no_directory: directory.as_ref().and_then(|path| problem_with_folder(Path::new(path))),
        script: script.as_ref().and_then(|path| text_of_script(Path::new(path)).ok().flatten()),
    }
}

/// Why supervisord cannot run a command. It looks for one without a folder in its `PATH`, and takes the first
/// that is there, executable or not.
fn problem_with(command: &str, search: &[String]) -> Option<String> {
    if command.contains('/') {
        let problem = Disk.problem_with_code(Path::new(command), true);
        // What we may not look at, supervisord may.
        return problem.filter(|problem| !problem.starts_with("cannot be looked at"));
    }
    let mut candidates = search.iter().map(|folder| Path::new(folder).join(command));
    match candidates.find(|path| Disk.problem_with_code(path, false).is_none()) {
        Some(path) => Disk
            .problem_with_code(&path, true)
            .map(|problem| format!("is {}, which {problem}", path.display())),
        None => Some("is in no folder of the PATH that supervisord has for it".to_owned()),
    }
}

fn problem_with_folder(path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some("is no folder".to_owned()),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Some("does not exist".to_owned()),
            io::ErrorKind::NotADirectory => Some("leads through what is no folder".to_owned()),
            _ => None,
        },
    }
}

/// A site's user may have put a link or a pipe there.
fn text_of_script(path: &Path) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    guarded::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    let is_script = bytes.starts_with(b"#!") && bytes.len() as u64 <= LARGEST;
    Ok(String::from_utf8(bytes).ok().filter(|text| is_script && !text.contains('\0')))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes files to look at")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_missing_has_a_reason() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name).display().to_string();
        std::fs::write(path("plain"), "#!/bin/sh\n").unwrap();
        std::fs::write(path("runs"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path("runs"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let search = [root.path().display().to_string()];
        let problem = |command: &str| problem_with(command, &search).unwrap_or_default();
        assert_eq!(problem("runs"), "");
        assert_eq!(problem(&path("runs")), "");
        assert!(problem("plain").contains("plain, which is not executable (mode 0644)"));
        assert_eq!(problem("no"), "is in no folder of the PATH that supervisord has for it");
        assert_eq!(problem(&path("no")), "does not exist");
        assert_eq!(problem_with_folder(root.path()), None);
        for none in ["runs", "no"] {
            assert!(problem_with_folder(Path::new(&path(none))).is_some(), "{none}");
        }
    }

    /// Whoever may have a section written may not have root read a file for them.
    #[test]
    fn only_scripts_are_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x");
        for (bytes, is_read) in [
            (&b"#!/bin/sh\nexec x\n"[..], true),
            (b"root:x:0:0\n", false),
            (b"\x7fELF", false),
            (b"#!/bin/sh\n\xff", false),
            (b"#!/bin/sh\n\0", false),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(text_of_script(&path).unwrap().is_some(), is_read, "{bytes:?}");
        }
        std::fs::write(&path, [b"#!".to_vec(), vec![b'x'; LARGEST as usize]].concat()).unwrap();
        assert_eq!(text_of_script(&path).unwrap(), None);
        assert!(text_of_script(Path::new("/dev/zero")).is_err());
    }
}
