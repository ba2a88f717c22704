//! How a host comes by a bundle that it believes. What is in a store proves nothing: a bundle counts once its
//! digest is its name, its signature is that of the identity of `pull.yml`, and its serial has not fallen.

use jiff::Timestamp;
use serde_json::Value;

use super::bundle::{Bundle, Digest, Latest};
use super::signing::Signers;
use super::state::{PullState, Remembered};
use crate::error::CommandError;
use crate::store::{Answer, ObjectName, Store};
use crate::system::Interrupt;

/// The names of a bundle and its signature, in the store and in the state.
const BUNDLE: &str = "bundle.json";
const SIGNATURE: &str = "bundle.sig";
/// The same of what is not believed yet.
const INCOMING: &str = "incoming.json";
const INCOMING_SIGNATURE: &str = "incoming.sig";

/// A bundle that is rightly signed.
#[derive(Debug)]
pub(crate) struct Believed {
    pub(crate) digest: Digest,
    pub(crate) bundle: Bundle<Value>,
}

/// Where a host takes bundles from.
pub(crate) struct Source<'s> {
    pub(crate) store: &'s dyn Store,
    /// As `pull.yml` has it.
    pub(crate) name: &'s str,
    pub(crate) signers: &'s Signers,
    pub(crate) state: &'s PullState,
    pub(crate) interrupt: &'s Interrupt,
}

impl Source<'_> {
    /// The last bundle that was published. What is remembered of the one before is followed by it, and kept.
    ///
    /// # Errors
    /// If the store cannot be reached, or offers what is not believed: then the host stays as it is.
    pub(crate) fn obtain(&self, remembered: &mut Remembered) -> Result<Believed, CommandError> {
        let kept = self.kept(remembered)?;
        let known = remembered.tag.as_deref().filter(|_| kept.is_some());
        let (bytes, tag) = match self.store.get(&named("latest.json")?, known)? {
            Answer::Object { bytes, tag } => (bytes, tag),
            Answer::Unchanged => match kept {
                // Its key may have been revoked since, so it is checked each time.
                Some(digest) => return self.believed(digest, (BUNDLE, SIGNATURE)),
                None => return Err(self.nothing()),
            },
            Answer::Absent => return Err(self.nothing()),
        };
        let latest = Latest::parse(&bytes)?;
        if kept.as_ref() == Some(&latest.bundle) {
            let believed = self.believed(latest.bundle, (BUNDLE, SIGNATURE))?;
            if remembered.tag != tag {
                remembered.tag = tag;
                self.state.remember(remembered)?;
            }
            return Ok(believed);
        }
        let believed = self.fetch(latest.bundle)?;
        check_serial(&believed, remembered)?;
        self.keep(&believed, tag, remembered)?;
        Ok(believed)
    }

    /// The bundle that is here, if it is whole.
    fn kept(&self, remembered: &Remembered) -> Result<Option<Digest>, CommandError> {
        let Some(digest) = &remembered.bundle else { return Ok(None) };
        let is_whole = self.state.bytes(BUNDLE)?.is_some_and(|bytes| Digest::of(&bytes) == *digest)
            && self.state.bytes(SIGNATURE)?.is_some();
        Ok(is_whole.then(|| digest.clone()))
    }

    /// A bundle from the store, where nothing counts yet.
    fn fetch(&self, digest: Digest) -> Result<Believed, CommandError> {
        let bytes = self.object(&format!("bundles/{digest}.json"))?;
        if Digest::of(&bytes) != digest {
            let message = format!("the bundle {} in the store is damaged", digest.short());
            return Err(
                CommandError::refused(message).because("its content is not what its name says")
            );
        }
        let signature = self.object(&format!("bundles/{digest}.sig"))?;
        self.state.write(INCOMING, &bytes)?;
        self.state.write(INCOMING_SIGNATURE, &signature)?;
        self.believed(digest, (INCOMING, INCOMING_SIGNATURE))
    }

    fn object(&self, name: &str) -> Result<Vec<u8>, CommandError> {
        match self.store.get(&named(name)?, None)? {
            Answer::Object { bytes, .. } => Ok(bytes),
            Answer::Unchanged | Answer::Absent => {
                let message = format!("the store has no {name}, which its latest.json names");
                Err(CommandError::refused(message).hint("publish again, where the inventory is"))
            }
        }
    }

    /// What is in these files of the state, if it is rightly signed.
    fn believed(
        &self,
        digest: Digest,
        (bundle, signature): (&str, &str),
    ) -> Result<Believed, CommandError> {
        let (signed, signature) = (self.state.path(bundle), self.state.path(signature));
        self.signers.verify(&signed, &signature, self.interrupt)?;
        let bytes = self.state.bytes(bundle)?.unwrap_or_default();
        let bundle = Bundle::parse(&bytes)?;
        Ok(Believed { digest, bundle })
    }

    /// From now on this is the host's bundle. The serial is on the disk before anything is done for it.
    fn keep(
        &self,
        believed: &Believed,
        tag: Option<String>,
        remembered: &mut Remembered,
    ) -> Result<(), CommandError> {
        for (from, to) in [(INCOMING, BUNDLE), (INCOMING_SIGNATURE, SIGNATURE)] {
            let bytes = self.state.bytes(from)?.unwrap_or_default();
            self.state.write(to, &bytes)?;
        }
        remembered.follow(believed.bundle.serial, &believed.digest);
        remembered.tag = tag;
        self.state.remember(remembered)
    }

    fn nothing(&self) -> CommandError {
        CommandError::refused(format!("nothing has been published to {}", self.name))
            .hint("publish the inventory, where that is: docs/pull.md says how")
    }
}

/// The bundle that a host has, as it was believed when it was taken up; none before the first.
pub(crate) fn kept(state: &PullState) -> Result<Option<Bundle>, CommandError> {
    match state.bytes(BUNDLE)? {
        Some(bytes) => Bundle::parse(&bytes)?.typed().map(Some),
        None => Ok(None),
    }
}

fn named(name: &str) -> Result<ObjectName, CommandError> {
    ObjectName::parse(name)
        .ok_or_else(|| CommandError::refused(format!("{name} cannot be the name of an object")))
}

/// A serial that falls is an old bundle that somebody offers again, or a store that was put back.
fn check_serial(believed: &Believed, remembered: &Remembered) -> Result<(), CommandError> {
    let (offered, seen) = (believed.bundle.serial, remembered.serial);
    if offered > seen {
        return Ok(());
    }
    let is_same = remembered.bundle.as_ref() == Some(&believed.digest);
    if offered == seen && is_same {
        return Ok(());
    }
    let hint = format!("publish with --serial {}, where the inventory is", seen.saturating_add(1));
    let message = match offered == seen {
        true => {
            format!("the store offers another bundle with serial {seen} than this host has seen")
        }
        false => format!("the store offers serial {offered}, and this host has seen {seen}"),
    };
    Err(CommandError::refused(message).because("an old bundle is not taken up again").hint(hint))
}

impl Believed {
    /// Whether it may still be taken up.
    ///
    /// # Errors
    /// If it has expired.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), CommandError> {
        let Bundle { serial, not_after, .. } = &self.bundle;
        if now <= *not_after {
            return Ok(());
        }
        let message = format!("the bundle {serial} has expired: it was valid until {not_after:.0}");
        Err(CommandError::refused(message)
            .because("everything stays as it is")
            .hint("publish again, where the inventory is"))
    }
}
