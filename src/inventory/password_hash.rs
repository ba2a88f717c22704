//! The hash of a password, as people put it into a file: by argon2, or by bcrypt as `htpasswd -B` makes it.

use std::fmt;

use argon2::password_hash::phc;
use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use sha2::{Digest as _, Sha256};

use super::name::{NameError, at_most};

/// What a look at a password may cost. Whoever asks to sign in has us spend it.
const MOST_MEMORY: u32 = 256 * 1024;
const MOST_ROUNDS: u32 = 16;
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=15;

/// A hash that a password can be compared with. Its text is for nobody to see.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PasswordHash {
    /// In the form of a PHC string.
    Argon2(String),
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        /// 23 bytes of the 24: the last one is not written.
        digest: Vec<u8>,
    },
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl PasswordHash {
    /// What two of them have in common only if they are the same.
    pub(crate) fn digest(&self) -> [u8; 32] {
        match self {
            Self::Argon2(text) => Sha256::digest(text).into(),
            Self::Bcrypt { cost, salt, digest } => {
                let bytes = [&cost.to_be_bytes()[..], salt, digest].concat();
                Sha256::digest(bytes).into()
            }
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        at_most(text, 300)?;
        if text.starts_with("$argon2") {
            return argon2(text);
        }
        bcrypt(text).ok_or_else(|| {
            let reason = "must be a hash by argon2 or bcrypt, as `web --hash-password` makes it";
            NameError::new(reason)
        })
    }
}

fn argon2(text: &str) -> Result<PasswordHash, NameError> {
    let wrong = || NameError::new("is no whole hash by argon2");
    let hash = phc::PasswordHash::new(text).map_err(|_| wrong())?;
    let params = argon2::Params::try_from(&hash).map_err(|_| wrong())?;
    argon2::Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| wrong())?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(wrong());
    }
    match params.m_cost() <= MOST_MEMORY && params.t_cost() <= MOST_ROUNDS && params.p_cost() <= 16
    {
        true => Ok(PasswordHash::Argon2(text.to_owned())),
        false => Err(NameError::new("costs more than 256 MiB or 16 rounds: make another")),
    }
}

/// `$2y$10$` with 22 characters of salt and 31 of digest.
fn bcrypt(text: &str) -> Option<PasswordHash> {
    let mut parts = text.strip_prefix('$')?.split('$');
    let (kind, cost, rest, end) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    let cost: u32 = cost.parse().ok().filter(|cost| BCRYPT_COSTS.contains(cost))?;
    let decoder = GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));
    let (salt, digest) = rest.split_at_checked(22)?;
    let is_known = matches!(kind, "2a" | "2b" | "2y") && end.is_none() && digest.len() == 31;
    let salt = decoder.decode(salt).ok()?.try_into().ok()?;
    let digest = decoder.decode(digest).ok().filter(|digest| digest.len() == 23)?;
    is_known.then_some(PasswordHash::Bcrypt { cost, salt, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGON2: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyEh$\
                          cSSmsWI4EXFGqZjZXZHKjr2p0lI0QT1pHsnxWLyJLZ8";
    const BCRYPT_HASH: &str = "$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe";

    #[test]
    fn only_whole_hashes_that_can_be_paid_for_are_taken() {
        assert_eq!(PasswordHash::parse(ARGON2), Ok(PasswordHash::Argon2(ARGON2.to_owned())));
        assert!(matches!(
            PasswordHash::parse(BCRYPT_HASH),
            Ok(PasswordHash::Bcrypt { cost: 5, .. })
        ));
        for text in [
            "",
            "secret",
            "$1$abc$def",
            "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyEh",
            "$argon2xx$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyEh$cSSmsWI4EXFGqZjZXZHKjr2p0lI0QT1pHsnxWLyJLZ8",
            &ARGON2.replace("m=19456", "m=1048576"),
            &ARGON2.replace("t=2", "t=99"),
            &BCRYPT_HASH.replace("$05$", "$31$"),
            &BCRYPT_HASH.replace("$05$", "$00$"),
            &BCRYPT_HASH.replace("$2y$", "$2x$"),
            &BCRYPT_HASH[..59],
            &format!("{BCRYPT_HASH}."),
            &format!("{BCRYPT_HASH}$"),
        ] {
            assert!(PasswordHash::parse(text).is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", PasswordHash::parse(ARGON2)), "Ok(***)");
    }
}
