//! What is published: a resolved inventory with what a host must know to trust it, as bytes that are signed. Pure.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::api::Run;
use crate::error::CommandError;
use crate::inventory::Inventory;
use crate::system::bytes::hex;

/// The version of [`Bundle`]'s shape. Raised whenever an older host would misread a newer one.
pub(crate) const FORMAT: u32 = 1;

/// A SHA-256 in hexadecimal: names what has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Digest(String);

impl Digest {
    /// That of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }

    /// The text of one; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_digest = text.len() == 64
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        is_digest.then(|| Self(text.to_owned()))
    }

    /// Enough of it for people.
    pub(crate) fn short(&self) -> &str {
        self.0.get(..12).unwrap_or_default()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a SHA-256 in hexadecimal")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

/// What is published. `I` is the inventory: as JSON while it is not known whether this release reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bundle<I = Inventory> {
    pub(crate) format: u32,
    /// Rises by one with each: a host takes up none that is lower than one it has seen.
    pub(crate) serial: u64,
    /// When it was published.
    pub(crate) at: Timestamp,
    /// When it is not taken up any more.
    pub(crate) not_after: Timestamp,
    /// The one that it follows.
    pub(crate) previous: Option<Digest>,
    /// The release that made it: another one may misread it.
    pub(crate) release: String,
    /// The binaries of that release, by what `uname -s` and `uname -m` say.
    pub(crate) payloads: BTreeMap<String, Digest>,
    /// Whether a host may be left without a program.
    pub(crate) allow_empty: bool,
    /// Who published it, from which commit, and why.
    pub(crate) run: Run,
    pub(crate) inventory: I,
}

impl Bundle {
    /// The bytes that are signed. They are the same for the same content: fields and maps have one order, and
    /// there is no blank.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, CommandError> {
        serde_json::to_vec(self)
            .map_err(|error| CommandError::refused("cannot write the bundle").caused_by(&error))
    }
}

impl Bundle<serde_json::Value> {
    /// Reads what was signed, but for the inventory.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, CommandError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = parsed(bytes)?;
        if format != FORMAT {
            let message = format!("the bundle has format {format}, this release reads {FORMAT}");
            return Err(
                CommandError::refused(message).hint("install the release that published it")
            );
        }
        parsed(bytes)
    }

    /// With the inventory, which is of this release.
    pub(crate) fn typed(self) -> Result<Bundle, CommandError> {
        let inventory =
            serde_json::from_value(self.inventory).map_err(|error| unreadable(&error))?;
        Ok(Bundle {
            format: self.format,
            serial: self.serial,
            at: self.at,
            not_after: self.not_after,
            previous: self.previous,
            release: self.release,
            payloads: self.payloads,
            allow_empty: self.allow_empty,
            run: self.run,
            inventory,
        })
    }
}

/// What says which bundle is the last: nobody has signed it, so it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latest {
    pub(crate) bundle: Digest,
    pub(crate) serial: u64,
}

impl Latest {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, CommandError> {
        serde_json::from_slice(bytes).map_err(|error| {
            CommandError::refused("the store's latest.json is not one of ours").caused_by(&error)
        })
    }
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CommandError> {
    serde_json::from_slice(bytes).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> CommandError {
    CommandError::refused("cannot read the bundle").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory;

    fn bundle() -> Bundle {
        let text = "servers: [{name: web1, host: h}]\nsites: [{domain: a.com, server: web1, supervisors: \
                    [{program: w, script: w.sh, environment: {KEY: secret}}]}]\n";
        let at: Timestamp = "2026-11-30T10:00:00Z".parse().unwrap();
        Bundle {
            format: FORMAT,
            serial: 7,
            at,
            not_after: at,
            previous: Some(Digest::of(b"x")),
            release: "0.2.0".to_owned(),
            payloads: [("Linux-x86_64".to_owned(), Digest::of(b"y"))].into(),
            allow_empty: false,
            run: Run { at, ..Run::begin("publish") },
            inventory: inventory::read("deployer.yml", text).unwrap(),
        }
    }

    #[test]
    fn bundle_reads_back() {
        let bytes = bundle().to_bytes().unwrap();
        assert_eq!(Bundle::parse(&bytes).unwrap().typed().unwrap().to_bytes().unwrap(), bytes);
    }

    /// Its shape belongs to [`FORMAT`]: hosts of former releases read it.
    #[test]
    fn other_format_is_refused_whatever_else_it_has() {
        let error = Bundle::parse(br#"{"format":2,"serial":"seven"}"#).unwrap_err();
        assert!(error.message.contains("has format 2, this release reads 1"), "{error}");
        for bytes in [&b""[..], b"{}", b"[]", b"{\"format\":1}", b"\xff"] {
            assert!(Bundle::parse(bytes).is_err());
        }
    }

    #[test]
    fn only_digests_are_read() {
        assert!(Digest::parse(&Digest::of(b"").to_string()).is_some());
        for text in ["", "../x", &"A".repeat(64), &"g".repeat(64), &"0".repeat(65)] {
            assert_eq!(Digest::parse(text), None, "{text}");
            assert!(serde_json::from_value::<Digest>(text.into()).is_err());
        }
    }
}
