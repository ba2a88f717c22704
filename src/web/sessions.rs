//! Who has signed in. A link lets one browser in and is void then, or somebody has a name and a password; the
//! browser shows a cookie from there on.
//!
//! Only digests are kept: what is compared says nothing about what it is compared with, however long it takes.

use std::time::Duration;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest as _, Sha256};

use crate::error::CommandError;
use crate::system::bytes::hex;

/// How long a browser stays signed in.
const LASTS: Duration = Duration::from_secs(12 * 60 * 60);
/// More browsers of one person than this are not signed in at once: the one that came first has to come again.
const MOST: usize = 32;
/// Bytes of chance in a link and a cookie.
const CHANCE: usize = 32;
/// What has browsers take a cookie over TLS alone, and from nobody but the very host that it is of.
const SECURE_PREFIX: &str = "__Host-";

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
    of: Holder,
    /// On the clock of the process.
    ends: Duration,
}

/// Whose browser it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    /// Of whoever runs this: a link is theirs.
    Owner,
    /// Of a user, by name, who had this to show then.
    User { name: String, shown: Digest },
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
    pub(super) fn sign_in(&mut self, link: &str, is_secure: bool, now: Duration) -> Option<String> {
        if digest(link) != self.link {
            return None;
        }
        // Without chance for the next link this one stays, and nobody gets in.
        let next = word().ok()?;
        let cookie = self.open(Holder::Owner, is_secure, now)?;
        self.link = digest(&next);
        self.news = Some(next);
        Some(cookie)
    }

    /// Signs in a browser of somebody who may: the `Set-Cookie` for it, with a word that nobody had before.
    pub(super) fn open(&mut self, of: Holder, is_secure: bool, now: Duration) -> Option<String> {
        let cookie = word().ok()?;
        self.open.retain(|session| session.ends > now);
        let mut others = self.open.iter().enumerate().filter(|(_, session)| session.of == of);
        if let (Some((first, _)), true) = (others.next(), others.count() + 1 >= MOST) {
            self.open.remove(first);
        }
        self.open.push(Session { cookie: digest(&cookie), of, ends: now + LASTS });
        let (name, seconds) = (self.cookie_name(is_secure), LASTS.as_secs());
        let secure = if is_secure { "; Secure" } else { "" };
        Some(format!(
            "{name}={cookie}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        ))
    }

    /// Ends what a `Cookie` header is of. Returns the `Set-Cookie` that has the browser forget it.
    pub(super) fn close(&mut self, cookies: &str, is_secure: bool) -> String {
        let name = self.cookie_name(is_secure);
        let own: Vec<Digest> = words_of(cookies, &name).map(digest).collect();
        self.open.retain(|session| !own.contains(&session.cookie));
        let secure = if is_secure { "; Secure" } else { "" };
        format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{secure}")
    }

    /// Whose a browser with this `Cookie` header is; `None` of one that is not signed in.
    pub(super) fn holder(&self, cookies: &str, is_secure: bool, now: Duration) -> Option<&Holder> {
        let name = self.cookie_name(is_secure);
        words_of(cookies, &name).map(digest).find_map(|cookie| {
            let mut open = self.open.iter();
            let session = open.find(|session| session.cookie == cookie && session.ends > now)?;
            Some(&session.of)
        })
    }

    /// How many are signed in.
    pub(super) fn count(&self, now: Duration) -> usize {
        self.open.iter().filter(|session| session.ends > now).count()
    }

    fn cookie_name(&self, is_secure: bool) -> String {
        let prefix = if is_secure { SECURE_PREFIX } else { "" };
        format!("{prefix}{}", self.cookie_name)
    }
}

/// The values of all cookies of this name.
fn words_of<'c>(cookies: &'c str, name: &str) -> impl Iterator<Item = &'c str> {
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(other, _)| *other == name).map(|(_, value)| value)
}

/// A word that nobody can guess.
pub(super) fn word() -> Result<String, Errno> {
    Ok(hex(&chance::<CHANCE>()?))
}

/// Bytes that nobody can guess.
pub(super) fn chance<const LENGTH: usize>() -> Result<[u8; LENGTH], Errno> {
    let mut bytes = [0; LENGTH];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += getrandom(rest, GetRandomFlags::empty())?;
    }
    Ok(bytes)
}

pub(super) fn digest(word: &str) -> Digest {
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
        assert_eq!(sessions.sign_in("", false, START), None);
        let set = sessions.sign_in(&link, false, START).unwrap();
        assert!(set.ends_with("; HttpOnly; SameSite=Strict"), "{set}");
        assert!(sessions.holder(cookie_of(&set), false, START).is_some());
        assert_eq!(sessions.sign_in(&link, false, START), None, "it was used");
        assert_ne!(sessions.news().unwrap(), link);
    }

    #[test]
    fn session_ends() {
        let mut sessions = Sessions::new("s".to_owned()).unwrap();
        let link = sessions.news().unwrap();
        let set = sessions.sign_in(&link, false, START).unwrap();
        let just_before = LASTS - Duration::from_secs(1);
        assert!(sessions.holder(cookie_of(&set), false, just_before).is_some());
        assert!(sessions.holder(cookie_of(&set), false, LASTS).is_none());
    }

    /// A cookie of before is worth nothing, and is not taken over.
    #[test]
    fn only_own_cookies_count() {
        let mut sessions = Sessions::new("s".to_owned()).unwrap();
        let link = sessions.news().unwrap();
        let set = sessions.sign_in(&link, false, START).unwrap();
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
            assert_eq!(sessions.holder(&cookies, false, START).is_some(), is_in, "{cookies}");
        }
    }

    #[test]
    fn first_browser_makes_room() {
        let mut sessions = Sessions::new("s".to_owned()).unwrap();
        let mut all = Vec::new();
        for _ in 0..=MOST {
            let link = sessions.news().unwrap();
            all.push(sessions.sign_in(&link, false, START).unwrap());
        }
        assert_eq!(sessions.count(START), MOST);
        assert!(sessions.holder(cookie_of(&all[0]), false, START).is_none());
        assert!(sessions.holder(cookie_of(&all[1]), false, START).is_some());
    }

    fn user(name: &str) -> Holder {
        Holder::User { name: name.to_owned(), shown: digest("hash") }
    }

    /// Over TLS no other host or plain page can have planted it.
    #[test]
    fn secure_cookie_is_of_its_host_alone() {
        let mut sessions = Sessions::new("s".to_owned()).unwrap();
        let set = sessions.open(user("ann"), true, START).unwrap();
        assert!(set.starts_with("__Host-s=") && set.ends_with("; Secure"), "{set}");
        assert!(set.contains("Path=/;") && !set.contains("Domain"), "{set}");
        let cookie = cookie_of(&set);
        assert_eq!(sessions.holder(cookie, true, START), Some(&user("ann")));
        let plain = cookie.strip_prefix("__Host-").unwrap();
        assert_eq!(sessions.holder(plain, true, START), None);
        assert_eq!(sessions.holder(cookie, false, START), None);
    }

    #[test]
    fn closed_session_is_void() {
        let mut sessions = Sessions::new("s".to_owned()).unwrap();
        let one = sessions.open(user("ann"), false, START).unwrap();
        let other = sessions.open(user("ann"), false, START).unwrap();
        assert_ne!(cookie_of(&one), cookie_of(&other));
        assert!(sessions.close(cookie_of(&one), false).starts_with("s=; Path=/; Max-Age=0"));
        assert_eq!(sessions.holder(cookie_of(&one), false, START), None);
        assert!(sessions.holder(cookie_of(&other), false, START).is_some());
    }

    /// Nobody can have others signed out by signing in often.
    #[test]
    fn first_browser_of_the_same_person_makes_room() {
        let mut sessions = Sessions::new("s".to_owned()).unwrap();
        let bob = sessions.open(user("bob"), false, START).unwrap();
        for _ in 0..2 * MOST {
            sessions.open(user("ann"), false, START).unwrap();
        }
        assert!(sessions.holder(cookie_of(&bob), false, START).is_some());
        assert_eq!(sessions.count(START), MOST + 1);
    }
}
