//! Who asks, and what they may.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::inventory::{Role, WebUser, matches};

/// Somebody who was let in, for as long as one request takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visitor {
    /// As records of runs call them.
    pub(super) name: String,
    pub(super) role: Role,
    sites: Sites,
    /// An address, or `unix socket`.
    pub(super) from: String,
    /// Whether it is a session of ours that they came with, which they can end.
    pub(super) can_sign_out: bool,
}

/// Which sites somebody sees, and acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sites {
    All,
    /// Those that one of these matches; in each `*` stands for any text.
    Matching(Arc<[String]>),
}

/// What is done to programs, as `--allow` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Right {
    /// A rollback and a change of how many run are one, too.
    Apply,
    Restart,
    Start,
    Stop,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apply => "apply",
            Self::Restart => "restart",
            Self::Start => "start",
            Self::Stop => "stop",
        })
    }
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Address(SocketAddr),
    /// A unix socket says nothing of who opened it, but that its mode let them.
    Socket,
}

impl fmt::Display for Peer {
    /// The port says nothing to anybody later.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.ip().to_canonical().fmt(f),
            Self::Socket => f.write_str("unix socket"),
        }
    }
}

impl Visitor {
    /// The person who runs this, and could do everything on the command line.
    pub(super) fn owner(name: &str, from: Peer) -> Self {
        let (name, from) = (name.to_owned(), from.to_string());
        Self { name, role: Role::Admin, sites: Sites::All, from, can_sign_out: true }
    }

    /// Somebody whom the file of users has.
    pub(super) fn user(user: &WebUser, from: String, can_sign_out: bool) -> Self {
        let WebUser { name, password: _, role, sites } = user;
        let sites =
            sites.as_ref().map_or(Sites::All, |sites| Sites::Matching(sites.clone().into()));
        Self { name: name.clone(), role: *role, sites, from, can_sign_out }
    }

    /// Whether they are the same person, who sees the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.sites == other.sites
    }

    /// Whether they may know of this site.
    pub(super) fn sees(&self, site: &str) -> bool {
        match &self.sites {
            Sites::All => true,
            Sites::Matching(patterns) => patterns.iter().any(|pattern| matches(pattern, site)),
        }
    }

    /// Whether they may know of everything, also of what is no site's.
    pub(super) fn sees_all(&self) -> bool {
        self.sites == Sites::All
    }

    /// Whether their role is enough. What is allowed here at all, `--allow` says.
    pub(super) fn may(&self, right: Right) -> bool {
        let least = match right {
            Right::Apply => Role::Admin,
            Right::Restart | Right::Start | Right::Stop => Role::Operate,
        };
        self.role >= least
    }
}

#[cfg(test)]
impl Visitor {
    /// Somebody who sees the sites that match.
    pub(super) fn limited_to(patterns: &[&str]) -> Self {
        let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Self { sites: Sites::Matching(patterns), ..Self::owner("ann", Peer::Socket) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_says_what_is_enough() {
        let all = [Right::Apply, Right::Restart, Right::Start, Right::Stop];
        for (role, may) in [
            (Role::View, [false; 4]),
            (Role::Operate, [false, true, true, true]),
            (Role::Admin, [true; 4]),
        ] {
            let visitor = Visitor { role, ..Visitor::owner("ann", Peer::Socket) };
            assert_eq!(all.map(|right| visitor.may(right)), may, "{role:?}");
        }
    }

    #[test]
    fn patterns_say_which_sites_are_seen() {
        let visitor = Visitor::limited_to(&["shop.example", "*.eu.example"]);
        assert!(!visitor.sees_all());
        for (site, sees) in [
            ("shop.example", true),
            ("a.eu.example", true),
            ("eu.example", false),
            ("www.shop.example", false),
            ("", false),
        ] {
            assert_eq!(visitor.sees(site), sees, "{site}");
        }
        let nobody = Visitor::limited_to(&[]);
        assert!(!nobody.sees("shop.example") && !nobody.sees_all());
        let owner = Visitor::owner("ann", Peer::Socket);
        assert!(owner.sees("shop.example") && owner.sees_all());
    }

    #[test]
    fn peer_is_its_address() {
        for (address, shown) in [
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
        ] {
            assert_eq!(Peer::Address(address.parse().unwrap()).to_string(), shown);
        }
        assert_eq!(Peer::Socket.to_string(), "unix socket");
    }
}
