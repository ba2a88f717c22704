//! Another release on the host than the one that published may misread its bundle. So the binary that the bundle
//! names takes over: from the store, by its digest, which the signature covers.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::bundle::{Bundle, Digest};
use super::obtain::Source;
use crate::error::CommandError;
use crate::store::{Answer, ObjectName};
use crate::system::files::{Disk, Files as _};
use crate::transport;

/// This release.
const OURS: &str = env!("CARGO_PKG_VERSION");
/// Says to the binary that takes over who has handed over to it.
const VARIABLE: &str = "SUPERVISOR_SYNC_HANDED_OVER_BY";

/// The binary that must go on with this bundle; `None` if that is this one.
///
/// # Errors
/// If it is another one, and there is none for this machine.
pub(crate) fn other_binary(
    bundle: &Bundle<Value>,
    source: &Source<'_>,
) -> Result<Option<PathBuf>, CommandError> {
    if bundle.release == OURS {
        return Ok(None);
    }
    let theirs = &bundle.release;
    let failed = |why: &str| {
        let message = format!("the bundle was published by release {theirs}, and this is {OURS}");
        CommandError::refused(message).because(why)
    };
    if let Some(before) = handed_over_by() {
        return Err(failed(&format!("{before} has handed over to this one")));
    }
    let platform = transport::platform();
    let digest = bundle.payloads.get(&platform).ok_or_else(|| {
        failed(&format!("it has no binary for {platform}"))
            .hint(format!("install that release: apt-get install supervisor-sync={theirs}"))
    })?;
    let name = format!("bin/{digest}");
    let path = source.state.path(&name);
    if source.state.bytes_of(&path).is_some_and(|bytes| Digest::of(&bytes) == *digest) {
        return Ok(Some(path));
    }
    let object =
        ObjectName::parse(&format!("payloads/{digest}")).ok_or_else(|| failed("it names none"))?;
    let bytes = match source.store.get(&object, None)? {
        Answer::Object { bytes, .. } if Digest::of(&bytes) == *digest => bytes,
        Answer::Object { .. } => return Err(failed("its binary in the store is damaged")),
        Answer::Unchanged | Answer::Absent => {
            return Err(failed("its binary is not in the store")
                .hint("publish without --no-binaries, or install that release here"));
        }
    };
    source.state.write_binary(&path, &bytes)?;
    Ok(Some(path))
}

#[expect(clippy::disallowed_methods, reason = "an edge: who has handed over")]
fn handed_over_by() -> Option<String> {
    std::env::var(VARIABLE).ok()
}

/// Becomes that binary, with the same arguments. It returns only if that cannot be.
#[expect(clippy::disallowed_methods, reason = "an edge: becomes another program")]
pub(crate) fn become_it(path: &Path) -> CommandError {
    let error = Command::new(path).args(std::env::args_os().skip(1)).env(VARIABLE, OURS).exec();
    let _ = Disk.remove(path);
    CommandError::refused(format!("cannot run {}", path.display())).caused_by_io(&error, path)
}
