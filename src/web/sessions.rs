//! Who has signed in. A link lets one browser in and is void then; the browser shows a cookie from there on.
//!
//! Only digests are kept: what is compared says nothing about what it is compared with, however long it takes.

use std::time::Duration;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest as _, Sha256};

use crate::error::CommandError;

/// How long a browser stays signed in.
const LASTS: Duration = Duration::from_secs(12 * 60 * 60);
/// More browsers than this are not signed in at once: the one that came first has to come again.
const MOST: usize = 32;
/// Bytes of chance in a link and a cookie.
const CHANCE: usize = 32;

type Digest = [u8; 32];

/// The link that is good now, and the browsers that are signed in.
pub(super) struct Sessions {
    cookie_name: String,
    link: Digest,
    /// The word of a link that nobody has been told of yet.
    news: Option<String>,
    open: Vec<Session>,
}

struct Session {
    cookie: Digest,
    /// On the clock of the process.
    ends: Duration,
}

impl Sessions {
    pub(super) fn new(cookie_name: String) -> Result<Self, CommandError> {
        let word = word().map_err(|source| {
            CommandError::refused("the system gives no random numbers").caused_by(&source)
        })?;
        Ok(Self { cookie_name, link: digest(&word), news: Some(word), open: Vec::new() })
    }

    /// The word of a new link, once.
    pub(super) fn news(&mut self) -> Option<String> {
        self.news.take()
    }

    /// Signs a browser in that has followed the link: the `Set-Cookie` for it. `None` if the link is another,
    /// or was used.
    pub(super) fn sign_in(&mut self, link: &str, now: Duration) -> Option<String> {
        if digest(link) != self.link {
            return None;
        }
        // Without chance for the next link this one stays, and nobody gets in.
        let (cookie, next) = (word().ok()?, word().ok()?);
        self.link = digest(&next);
        self.news = Some(next);
        self.open.retain(|session| session.ends > now);
        if self.open.len() >= MOST {
            self.open.remove(0);
        }
        self.open.push(Session { cookie: digest(&cookie), ends: now + LASTS });
        let (name, seconds) = (&self.cookie_name, LASTS.as_secs());
        Some(format!("{name}={cookie}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"))
    }

    /// Whether a `Cookie` header is of a browser that is signed in.
    pub(super) fn has(&self, cookies: &str, now: Duration) -> bool {
        let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mut own = pairs.filter(|(name, _)| *name == self.cookie_name);
        own.any(|(_, value)| {
            let cookie = digest(value);
            self.open.iter().any(|session| session.cookie == cookie && session.ends > now)
        })
    }

    /// How many are signed in.
    pub(super) fn count(&self, now: Duration) -> usize {
        self.open.iter().filter(|session| session.ends > now).count()
    }
}

/// A word that nobody can guess.
pub(super) fn word() -> Result<String, Errno> {
    let mut bytes = [0; CHANCE];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += getrandom(rest, GetRandomFlags::empty())?;
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn digest(word: &str) -> Digest {
    Sha256::digest(word).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::ZERO;

    fn cookie_of(set_cookie: &str) -> &str {
        set_cookie.split(';').next().unwrap()
    }

    #[test]
    fn link_signs_in_once() {
        let mut sessions = Sessions::new("s".to_owned()).unwrap();
        let link = sessions.news().unwrap();
        assert_eq!(sessions.news(), None, "it is told once");
        assert_eq!(sessions.sign_in("", START), None);
        let set = sessions.sign_in(&link, START).unwrap();
        assert!(set.ends_with("; HttpOnly; SameSite=Strict"), "{set}");
        assert!(sessions.has(cookie_of(&set), START));
        assert_eq!(sessions.sign_in(&link, START), None, "it was used");
        assert_ne!(sessions.news().unwrap(), link);
    }

    #[test]
    fn session_ends() {
        let mut sessions = Sessions::new("s".to_owned()).unwrap();
        let link = sessions.news().unwrap();
        let set = sessions.sign_in(&link, START).unwrap();
        let just_before = LASTS - Duration::from_secs(1);
        assert!(sessions.has(cookie_of(&set), just_before));
        assert!(!sessions.has(cookie_of(&set), LASTS));
    }

    /// A cookie of before is worth nothing, and is not taken over.
    #[test]
    fn only_own_cookies_count() {
        let mut sessions = Sessions::new("s".to_owned()).unwrap();
        let link = sessions.news().unwrap();
        let set = sessions.sign_in(&link, START).unwrap();
        let cookie = cookie_of(&set);
        for (cookies, is_in) in [
            (cookie.to_owned(), true),
            (format!("other=1; {cookie}; last=2"), true),
            (format!("s=fixed; {cookie}"), true),
            ("s=fixed".to_owned(), false),
            (cookie.replacen("s=", "t=", 1), false),
            (String::new(), false),
            ("s=".to_owned(), false),
        ] {
            assert_eq!(sessions.has(&cookies, START), is_in, "{cookies}");
        }
    }

    #[test]
    fn first_browser_makes_room() {
        let mut sessions = Sessions::new("s".to_owned()).unwrap();
        let mut all = Vec::new();
        for _ in 0..=MOST {
            let link = sessions.news().unwrap();
            all.push(sessions.sign_in(&link, START).unwrap());
        }
        assert_eq!(sessions.count(START), MOST);
        assert!(!sessions.has(cookie_of(&all[0]), START));
        assert!(sessions.has(cookie_of(&all[1]), START));
    }
}
