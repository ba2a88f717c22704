//! A connection that stays open for the next command: OpenSSH's own `ControlMaster`, with its socket in
//! a folder of ours.
//!
//! Whoever can put a socket in place of ours is asked in the host's place. So the folder and the way to
//! it are looked at, and a socket that is not our own is left alone. ssh ends where it cannot make its
//! socket, and waits for a connection that hangs: where the socket is to blame, the host is connected to
//! once more without one.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::fstat;

use crate::system::trail::digest;
use crate::system::{closed, users};

/// What a path of a socket may have in bytes: 104 on BSD and macOS, 108 on Linux, with the zero at the
/// end.
const LONGEST_PATH: usize = 103;

/// The characters of a digest that tell one socket from another.
const NAME: usize = 16;

/// What ssh appends to the path while it makes the socket: a dot and 16 characters.
const APPENDED: usize = 17;

/// Of ssh's words for what goes wrong with a socket.
const SOCKET_WORDS: [&str; 7] = [
    "ControlSocket",
    "ControlPath",
    "Control socket",
    "control master",
    "mux_client",
    "muxclient",
    "unix_listener",
];

/// A socket by which later commands use the connection of an earlier one.
#[derive(Debug)]
pub(super) struct ControlSocket {
    path: PathBuf,
    /// For so many seconds after the last of them.
    seconds: u32,
    /// It may lead to a connection that is good for nothing by now.
    was_there: bool,
}

impl ControlSocket {
    /// The socket for what ssh is told (`identity`) and what it makes of that by its own configuration
    /// (`settings`, as `ssh -G` has them): where either is another, so is the connection. `None` if that
    /// configuration shares connections by itself, or if none of `folders` will do.
    pub(super) fn of(
        (identity, settings): (&str, &str),
        seconds: u32,
        folders: &[PathBuf],
    ) -> Option<Self> {
        if seconds == 0 || settings.is_empty() || settings.lines().any(shares_connections) {
            return None;
        }
        let mut name = digest([identity.as_bytes(), settings.as_bytes()]);
        name.truncate(NAME);
        folders.iter().find_map(|folder| {
            let path = folder.join(&name);
            if !is_plain(&path) || make_private(folder).is_err() {
                return None;
            }
            let was_there = is_ours(&path).ok()?;
            Some(Self { path, seconds, was_there })
        })
    }

    fn is_to_blame(&self, words: &[String], is_understood: bool) -> bool {
        words.iter().any(|line| SOCKET_WORDS.iter().any(|word| line.contains(word)))
            || self.was_there && !is_understood
    }
}

/// Whether a connection is one that others use, too.
#[derive(Debug)]
pub(super) enum Sharing {
    /// As `ssh_config` has it.
    AsConfigured,
    By(ControlSocket),
    None,
}

impl Sharing {
    /// What ssh is told of it.
    pub(super) fn options(&self) -> Vec<String> {
        match self {
            Self::AsConfigured => Vec::new(),
            Self::By(ControlSocket { path, seconds, .. }) => vec![
                "ControlMaster=auto".to_owned(),
                format!("ControlPersist={seconds}"),
                format!("ControlPath={}", path.display()),
            ],
            Self::None => vec!["ControlMaster=no".to_owned(), "ControlPath=none".to_owned()],
        }
    }

    /// Whether an ssh that has ended with these words, or has said nothing for too long, may come
    /// further without the socket. `is_understood` says that the words name another reason.
    pub(super) fn is_to_blame(&self, words: &[String], is_understood: bool) -> bool {
        matches!(self, Self::By(socket) if socket.is_to_blame(words, is_understood))
    }
}

/// Whether a line of `ssh -G` says that connections are shared.
fn shares_connections(line: &str) -> bool {
    line.starts_with("controlpath ")
        || line.strip_prefix("controlmaster ").is_some_and(|value| value != "false")
}

/// Whether ssh takes the path for what it is, and has room for it.
fn is_plain(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.len() + APPENDED <= LONGEST_PATH
        && path.is_absolute()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(byte))
}

/// Makes the folder in one that is there, unless it is; an error if others can get into it.
fn make_private(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        closed::open(parent)?;
    }
    let now = fstat(closed::make(folder, 0o700)?)?;
    let is_private = now.st_uid == users::current_uid() && now.st_mode & 0o077 == 0;
    if is_private { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Whether there is a socket of ours, or nothing. An error if there is anything else.
fn is_ours(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(now) if now.file_type().is_socket() && now.uid() == users::current_uid() => Ok(true),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "prepares folders")]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    const PLAIN: &str = "user me\ncontrolmaster false\n";

    fn socket(folder: &Path) -> Option<ControlSocket> {
        ControlSocket::of(("host", PLAIN), 60, &[folder.to_owned()])
    }

    #[test]
    fn socket_folder_is_ours_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("sockets");
        let path = socket(&folder).unwrap().path;
        assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(socket(&folder).unwrap().path, path);
        let other = ControlSocket::of(("host", "user you\n"), 60, std::slice::from_ref(&folder));
        assert_ne!(other.unwrap().path, path);
        set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        assert!(socket(&folder).is_none(), "others can see who is connected to");
        symlink(&folder, root.path().join("link")).unwrap();
        assert!(socket(&root.path().join("link")).is_none());
        assert!(socket(&root.path().join("none/sockets")).is_none());
    }

    /// What ssh shares by itself, or cannot tell of, is left to it.
    #[test]
    fn ssh_settings_take_precedence() {
        let root = tempfile::tempdir().unwrap();
        let of = |settings| {
            ControlSocket::of(("host", settings), 60, &[root.path().join("s")]).is_some()
        };
        assert!(of(PLAIN));
        for settings in ["", "controlmaster auto\n", "controlmaster false\ncontrolpath /x\n"] {
            assert!(!of(settings), "{settings}");
        }
    }

    #[test]
    fn foreign_socket_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("s");
        let path = socket(&folder).unwrap().path;
        write(&path, "").unwrap();
        assert!(socket(&folder).is_none());
        std::fs::remove_file(&path).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        assert!(socket(&folder).unwrap().was_there, "a stale one is ssh's to replace");
    }

    #[test]
    fn overlong_socket_path_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let long = root.path().join("x".repeat(80));
        assert!(socket(&long).is_none());
        let short = root.path().join("s");
        let found = ControlSocket::of(("host", PLAIN), 60, &[long, short.clone()]).unwrap();
        assert!(found.path.starts_with(short));
        create_dir(root.path().join("a b")).unwrap();
        assert!(socket(&root.path().join("a b")).is_none());
    }

    #[test]
    fn only_socket_failures_are_retried() {
        let (path, seconds) = (PathBuf::from("/s"), 60);
        let fresh = ControlSocket { path: path.clone(), seconds, was_there: false };
        let used = ControlSocket { path, seconds, was_there: true };
        let words = |text: &str| [text.to_owned()];
        let listener = words("unix_listener: cannot bind to path /s: Permission denied");
        assert!(fresh.is_to_blame(&listener, false) && used.is_to_blame(&listener, true));
        let refused = words("me@host: Permission denied (publickey).");
        assert!(!fresh.is_to_blame(&refused, true) && !used.is_to_blame(&refused, true));
        assert!(!fresh.is_to_blame(&[], false) && used.is_to_blame(&[], false));
    }
}
