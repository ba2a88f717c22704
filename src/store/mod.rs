//! Where bundles are published to and pulled from: a folder, a web server, a bucket, a git repository.
//!
//! A store keeps objects under names. What is in it is not trusted: whoever reads checks signatures and
//! digests. So a store promises only two things: an object that is put is there whole or not at all, and a
//! failure says what failed and where. It is reached by the system's own programs (`curl`, `git`), so proxies,
//! certificates, agents and hardware keys work as they do at the prompt, and no TLS is in this program.

mod access;
mod bucket;
mod clone;
mod curl;
mod folder;
mod git;
mod git_program;
pub mod listing;
mod location;
mod web;

pub use access::{Access, Patience};
pub use folder::FolderStore;
pub use location::{Location, LocationError};

use sha2::{Digest, Sha256};

use crate::error::CommandError;
use crate::system::bytes::hex;

/// The longest object that is read, in bytes: a binary of ours is the largest, also one that is made for a debugger.
pub const LONGEST_OBJECT: u64 = 128 << 20;

/// A place with objects under names.
pub trait Store {
    /// An object as it is now. With `known`, the tag of a former answer, an object that is still the same is
    /// not sent again.
    ///
    /// # Errors
    /// If the store cannot be reached, refuses, or the object is longer than [`LONGEST_OBJECT`]. That there is
    /// no such object is an answer, and no error.
    fn get(&self, name: &ObjectName, known: Option<&str>) -> Result<Answer, CommandError>;

    /// Puts an object in the place of what is there under its name, whole or not at all.
    ///
    /// # Errors
    /// If the store cannot be reached or refuses, or the object is longer than [`LONGEST_OBJECT`].
    fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), CommandError>;

    /// The names in a folder of the store, sorted; none if there is no such folder.
    ///
    /// # Errors
    /// If the store cannot be reached, refuses, or cannot tell.
    fn list(&self, folder: &ObjectName) -> Result<Vec<ObjectName>, CommandError>;
}

/// What a store answers when it is asked for an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The object.
    Object {
        /// All of it.
        bytes: Vec<u8>,
        /// What tells whether it has changed since (an ETag, a digest); `None` where the store has no such thing.
        tag: Option<String>,
    },
    /// It is still the one that is known.
    Unchanged,
    /// There is no such object.
    Absent,
}

/// The name of an object: words of letters, digits, `.`, `-` and `_`, none of which begins with a dot, joined
/// by `/`. So it can be a path, a part of a URL and a key of a bucket as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    /// Checks a name; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = |word: &str| {
            !word.is_empty()
                && !word.starts_with('.')
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let fits = text.len() <= 512 && text.split('/').all(is_word);
        fits.then(|| Self(text.to_owned()))
    }

    /// The name of what is in this folder under a name of one word.
    fn child(&self, word: &str) -> Option<Self> {
        if word.contains('/') { None } else { self.join(word) }
    }

    /// The name of what is in this folder.
    pub fn join(&self, name: &str) -> Option<Self> {
        Self::parse(&format!("{}/{name}", self.0))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its last word.
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

/// The SHA-256 of some bytes, as people write it.
fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Whether objects under this name are each written by a host of its own, many at once: what hosts say of
/// themselves. A store in which writers would be in each other's way keeps these apart.
fn is_of_one_host(name: &ObjectName) -> bool {
    let folder = name.as_str().split('/').next().unwrap_or_default();
    ["status", "failures"].contains(&folder)
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
