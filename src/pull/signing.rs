//! Signatures of bundles: made and checked by the system's `ssh-keygen -Y`, so agents and hardware keys sign, and
//! certificates, validity and revocation count as they do for ssh.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::state::check_only_ours;
use crate::error::CommandError;
use crate::system::child::{Bounds, Capture, Ended};
use crate::system::{Interrupt, shell};

/// What a signature is for: one that was made for anything else is none.
const NAMESPACE: &str = "supervisor-sync";
/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much of what ssh-keygen says is kept, in bytes.
const WORDS_KEPT: usize = 4096;

/// Whom a host believes.
#[derive(Debug, Clone)]
pub(crate) struct Signers {
    /// `allowed_signers` as ssh-keygen reads it.
    pub(crate) allowed: PathBuf,
    /// Who of them must have signed.
    pub(crate) identity: String,
    /// Keys that are believed no more.
    pub(crate) revoked: Option<PathBuf>,
}

/// Signs bytes. It runs in the foreground, since it may ask for a passphrase or a touch.
#[expect(clippy::disallowed_methods, reason = "an edge: has ssh-keygen sign")]
pub(crate) fn sign(bytes: &[u8], key: &Path) -> Result<Vec<u8>, CommandError> {
    let failed = || {
        CommandError::refused(format!("cannot sign the bundle with {}", key.display())).hint(
            format!(
                "try it: echo x | ssh-keygen -Y sign -n supervisor-sync -f {}",
                shell::path(key)
            ),
        )
    };
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]).arg(key);
    let child = keygen.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| failed().caused_by(&error))?;
    // It reads all of it before it writes anything, so this cannot wait for itself.
    let sent = child.stdin.take().map(|mut input| input.write_all(bytes));
    let output = child.wait_with_output().map_err(|error| failed().caused_by(&error))?;
    if !output.status.success() {
        return Err(failed().because("ssh-keygen says above why"));
    }
    match sent {
        Some(Err(error)) => Err(failed().caused_by(&error)),
        _ => Ok(output.stdout),
    }
}

impl Signers {
    /// Checks that `signature` is theirs for what is in `signed`.
    pub(crate) fn verify(
        &self,
        signed: &Path,
        signature: &Path,
        interrupt: &Interrupt,
    ) -> Result<(), CommandError> {
        for path in std::iter::once(&self.allowed).chain(&self.revoked) {
            // ssh-keygen says no more than that it is no signature of anybody, and looks at no owner.
            check_only_ours(path)
                .map_err(|error| error.hint("docs/pull.md says what belongs into it"))?;
        }
        let input = File::open(signed).map_err(|error| unchecked().caused_by_io(&error, signed))?;
        let keygen = self.command(signature);
        let bounds = Bounds {
            kept: WORDS_KEPT,
            stop: &|elapsed| elapsed >= PATIENCE || interrupt.is_raised(),
            signal: rustix::process::Signal::KILL,
        };
        let ended = bounds.run_with(keygen, Capture::Both, input.into());
        let (ended, said) = ended.map_err(|error| unchecked().caused_by(&error))?;
        match ended {
            Ended::With(status) if status.success() => Ok(()),
            Ended::With(_) => Err(self.refused(&String::from_utf8_lossy(&said))),
            Ended::Stopped => Err(unchecked().because("ssh-keygen does not end")),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: has ssh-keygen check")]
    fn command(&self, signature: &Path) -> Command {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-Y", "verify", "-n", NAMESPACE, "-I", &self.identity]);
        keygen.arg("-f").arg(&self.allowed).arg("-s").arg(signature);
        if let Some(revoked) = &self.revoked {
            keygen.arg("-r").arg(revoked);
        }
        keygen.env("LC_ALL", "C");
        keygen
    }

    fn refused(&self, said: &str) -> CommandError {
        let Self { identity, allowed, .. } = self;
        let message =
            format!("the bundle is not signed by {identity} as {} has it", allowed.display());
        let words: Vec<&str> =
            said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match words.is_empty() {
            true => CommandError::refused(message),
            false => CommandError::refused(message).because(words.join("; ")),
        }
    }
}

fn unchecked() -> CommandError {
    CommandError::refused("cannot check the signature of the bundle")
}
