//! The content of a file, shared by all who hold it: a site's files are in what was read, in what is
//! on record and in journals, thousands of them, and mostly the same.

use std::fmt::{self, Write as _};
use std::ops::Deref;
use std::sync::Arc;

/// Bytes that cost nothing to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(Arc<[u8]>);

impl Bytes {
    /// Takes the place of an equal content, so that one of the two goes.
    pub fn share(&mut self, other: &Self) {
        if self == other {
            self.0 = Arc::clone(&other.0);
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl fmt::Debug for Bytes {
    /// Without the content, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// Bytes as digests are written: two hexadecimal digits each, in small letters.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// As a text in JSON; what is no UTF-8 has U+FFFD there.
pub mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Bytes;

    /// For `#[serde(with = "text")]`.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bytes))
    }

    /// For `#[serde(with = "text")]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        Ok(String::deserialize(deserializer)?.into())
    }
}

/// As base64 in JSON: a file that is put back may hold anything.
pub mod base64 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Bytes;

    /// For `#[serde(with = "base64")]`.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&**bytes))
    }

    /// For `#[serde(with = "base64")]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        STANDARD
            .decode(String::deserialize(deserializer)?)
            .map(Bytes::from)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_contents_become_one() {
        let (mut one, other) = (Bytes::from("same"), Bytes::from("same"));
        assert!(!Arc::ptr_eq(&one.0, &other.0));
        one.share(&other);
        assert!(Arc::ptr_eq(&one.0, &other.0));
    }

    #[test]
    fn digits_are_small_and_two_each() {
        assert_eq!(hex(&[]), "");
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }

    #[test]
    fn another_content_stays() {
        let mut one = Bytes::from("one");
        one.share(&Bytes::from("other"));
        assert_eq!(&*one, b"one");
    }
}
