//! The binary that is brought along to a host: this program itself, or the same release for another kind of
//! machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::error::CommandError;
use crate::system::bytes::hex;

/// What the binaries for other machines are called, before what `uname -m` says there.
const FOR_LINUX: &str = "supervisor-sync-linux-";

/// Where a package has them.
const PACKAGED: &str = "/usr/lib/supervisor-sync";

/// The binaries that there are to bring along.
#[derive(Debug)]
pub(crate) struct Payloads {
    own: Payload,
    /// Where those for other machines are looked for besides; named once, before the first host.
    named: OnceLock<PathBuf>,
    /// Those for other machines, by what `uname -s` and `uname -m` say there.
    others: OnceLock<BTreeMap<String, Payload>>,
}

impl Payloads {
    /// This program, and what is beside it for other machines.
    pub(crate) fn of_this_program() -> Self {
        Self { own: Payload::of_this_program(), named: OnceLock::new(), others: OnceLock::new() }
    }

    /// Looks into this folder first for what other machines need.
    pub(crate) fn look_into(&self, folder: PathBuf) {
        let _ = self.named.set(folder);
    }

    fn others(&self) -> &BTreeMap<String, Payload> {
        self.others.get_or_init(|| {
            let beside = std::env::current_exe().ok();
            let beside = beside.as_deref().and_then(Path::parent).map(Path::to_owned);
            let folders = self.named.get().cloned().into_iter().chain(beside);
            let mut others = BTreeMap::new();
            for folder in folders.chain([PathBuf::from(PACKAGED)]) {
                for (platform, path) in binaries_in(&folder) {
                    others.entry(platform).or_insert_with(|| Payload::new(path));
                }
            }
            others.remove(&platform());
            others
        })
    }

    /// The one for a machine.
    pub(super) fn for_platform(&self, wanted: &str) -> Option<&Payload> {
        if wanted == platform() { Some(&self.own) } else { self.others().get(wanted) }
    }

    /// The digests of all, by what `uname -s` and `uname -m` say.
    pub(crate) fn digests(&self) -> Result<BTreeMap<String, String>, CommandError> {
        let own = (platform(), self.own.measured()?.digest.clone());
        let others = self
            .others()
            .iter()
            .map(|(platform, payload)| Ok((platform.clone(), payload.measured()?.digest.clone())));
        std::iter::once(Ok(own)).chain(others).collect()
    }

    /// All of the one for a machine.
    pub(crate) fn bytes(&self, wanted: &str) -> Result<Vec<u8>, CommandError> {
        let unreadable = |error: &io::Error| {
            CommandError::refused(format!("cannot read the program for {wanted}")).caused_by(error)
        };
        let Some(payload) = self.for_platform(wanted) else {
            return Err(unreadable(&io::ErrorKind::NotFound.into()));
        };
        let mut bytes = Vec::new();
        payload
            .open()
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| unreadable(&error))?;
        Ok(bytes)
    }

    /// The digests of all, as the script on the host takes them: our own machine's first.
    pub(super) fn offer(&self) -> Result<String, CommandError> {
        let mut offer = format!("{}={}", platform(), self.own.measured()?.digest);
        for (platform, payload) in self.others() {
            let _ = write!(offer, ",{platform}={}", payload.measured()?.digest);
        }
        Ok(offer)
    }
}

/// The binaries in a folder, each with the machine that it is for. A folder that is not there has none.
#[expect(clippy::disallowed_methods, reason = "an edge: which binaries there are")]
fn binaries_in(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let machine = name.to_str().and_then(|name| name.strip_prefix(FOR_LINUX));
        // The name becomes a word of the command on the host.
        let is_word = |machine: &&str| {
            !machine.is_empty() && machine.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if let Some(machine) = machine.filter(is_word) {
            found.push((format!("Linux-{machine}"), entry.path()));
        }
    }
    found
}

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
                CommandError::refused(format!("cannot read the program for a host, {path}"))
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
pub(crate) fn platform() -> String {
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
    Ok(Measured { digest: hex(&hasher.finalize()), length })
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
    #[expect(clippy::disallowed_methods, reason = "prepares files")]
    fn binaries_for_other_machines_are_offered() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["linux-aarch64", "linux-", "linux-a b", "linux-x86_64", "darwin-arm64"] {
            std::fs::write(folder.path().join(format!("supervisor-sync-{name}")), "abc").unwrap();
        }
        let payloads = Payloads::of_this_program();
        payloads.look_into(folder.path().to_owned());
        let other = payloads.for_platform("Linux-aarch64").unwrap();
        let digest = &other.measured().unwrap().digest;
        let offer = payloads.offer().unwrap();
        assert!(offer.starts_with(&format!("{}=", platform())), "{offer}");
        assert!(offer.contains(&format!(",Linux-aarch64={digest}")), "{offer}");
        assert_eq!(offer.matches("Linux-").count(), 2, "{offer}");
        assert!(payloads.for_platform("Linux-s390x").is_none());
    }

    #[test]
    fn unreadable_binary_is_named() {
        let payload = Payload::new(PathBuf::from("/no/such/binary"));
        let error = payload.measured().unwrap_err();
        assert!(error.to_string().contains("/no/such/binary"), "{error}");
    }
}
