//! Looks whether a password is the right one, and makes hashes for the file of users.

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use sha2::{Digest as _, Sha256};

use super::sessions::chance;
use crate::error::CommandError;
use crate::inventory::PasswordHash;

/// bcrypt looks at no more bytes than these, with the one that ends the password.
const BCRYPT_BYTES: usize = 72;

/// Whether it is the password of this hash. Takes as long as whoever made the hash has asked for.
pub(super) fn is_right(password: &str, hash: &PasswordHash) -> bool {
    match hash {
        PasswordHash::Argon2(text) => {
            Argon2::default().verify_password(password.as_bytes(), text.as_str()).is_ok()
        }
        PasswordHash::Bcrypt { cost, salt, digest } => {
            let mut bytes = [password.as_bytes(), b"\0"].concat();
            bytes.truncate(BCRYPT_BYTES);
            let made = bcrypt::bcrypt(*cost, *salt, &bytes);
            // Compared by their digests: how long that takes says nothing.
            made.get(..digest.len())
                .is_some_and(|made| Sha256::digest(made) == Sha256::digest(digest))
        }
    }
}

/// A hash by argon2id, with what its authors recommend.
pub(crate) fn hashed(password: &str) -> Result<String, CommandError> {
    let failed = || CommandError::refused("cannot make a hash of that password");
    let salt: [u8; 16] = chance().map_err(|source| failed().caused_by(&source))?;
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|source| failed().caused_by(&source))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of libxcrypt, and of the reference implementation of argon2.
    #[test]
    fn hashes_of_others_are_understood() {
        for (hash, password) in [
            ("$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "correct horse"),
            (
                "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
                 CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                "password",
            ),
        ] {
            let hash = PasswordHash::parse(hash).unwrap();
            assert!(is_right(password, &hash), "{password}");
            for wrong in ["", "Password", "correct hors", "correct horse "] {
                assert!(!is_right(wrong, &hash), "{wrong}");
            }
        }
    }

    #[test]
    fn own_hash_is_of_its_password_alone() {
        let (one, other) = (hashed("correct horse").unwrap(), hashed("correct horse").unwrap());
        assert_ne!(one, other, "each has a salt of its own");
        assert!(one.starts_with("$argon2id$v=19$"), "{one}");
        let hash = PasswordHash::parse(&one).unwrap();
        assert!(is_right("correct horse", &hash));
        for wrong in ["", "correct hors", "correct horse "] {
            assert!(!is_right(wrong, &hash), "{wrong}");
        }
    }
}
