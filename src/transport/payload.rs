//! The binary that is brought along to a host: this program itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::error::CommandError;

/// A binary, with its digest worked out at most once, and only if a host asks.
#[derive(Debug)]
pub(crate) struct Payload {
    path: PathBuf,
    measured: OnceLock<Result<Measured, CommandError>>,
}

/// What identifies a binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measured {
    /// SHA-256, in hexadecimal.
    pub(super) digest: String,
    pub(super) length: u64,
}

impl Payload {
    /// The binary at `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, measured: OnceLock::new() }
    }

    /// This program, also when its file was replaced since it began.
    pub(crate) fn of_this_program() -> Self {
        let running = PathBuf::from("/proc/self/exe");
        if running.exists() {
            return Self::new(running);
        }
        // Where there is no /proc; what cannot be told shows when it is read.
        Self::new(std::env::current_exe().unwrap_or(running))
    }

    pub(super) fn measured(&self) -> Result<&Measured, CommandError> {
        let measured = self.measured.get_or_init(|| {
            self.open().and_then(measure).map_err(|source| {
                let path = self.path.display();
                CommandError::refused(format!("cannot read this program, {path}"))
                    .caused_by(&source)
            })
        });
        measured.as_ref().map_err(Clone::clone)
    }

    pub(super) fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }
}

/// What this program was built for, as `uname -s` and `uname -m` say it.
pub(super) fn platform() -> String {
    let system = match std::env::consts::OS {
        "linux" => "Linux",
        "macos" => "Darwin",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86" => "i686",
        "arm" => "armv7l",
        other => other,
    };
    format!("{system}-{machine}")
}

fn measure(mut file: File) -> io::Result<Measured> {
    let mut hasher = Sha256::new();
    let mut length = 0;
    let mut piece = vec![0; 128 * 1024];
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(piece.get(..read).unwrap_or_default());
        length += read as u64;
    }
    let digest = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Measured { digest, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "prepares a file")]
    fn digest_matches_sha256sum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("binary");
        std::fs::write(&path, "abc").unwrap();
        let payload = Payload::new(path);
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(payload.measured().unwrap().digest, expected);
        assert_eq!(payload.measured().unwrap().length, 3);
    }

    #[test]
    fn unreadable_binary_is_named() {
        let payload = Payload::new(PathBuf::from("/no/such/binary"));
        let error = payload.measured().unwrap_err();
        assert!(error.to_string().contains("/no/such/binary"), "{error}");
    }
}
