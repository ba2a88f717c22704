//! Who may sign in by name: the file of `--auth`, followed as it changes.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::followed_files::{FollowedFiles, Reads};
use super::passwords;
use super::sessions::{Holder, digest};
use super::visitor::{Peer, Visitor};
use crate::error::CommandError;
use crate::inventory::{PasswordHash, TrustedProxy, WebAuth, WebUser, read_text, read_web_auth};
use crate::pull::check_only_ours;
use crate::system::shell;

/// Where a proxy says whom it speaks for, the last address being its own word.
const FORWARDED_FOR: &str = "x-forwarded-for";
const PROXY_SECRET: &str = "x-proxy-secret";
/// What others than its owner may not do with a file that has hashes.
const OTHERS_READ: u32 = 0o077;

/// The file of users.
pub(super) struct Accounts(FollowedFiles<1, Arc<WebAuth>>);

impl Accounts {
    /// Reads the file, or says why it cannot hold.
    pub(super) fn read(path: PathBuf) -> Result<Self, CommandError> {
        let reads = Reads {
            read: |[path]| read(path).map(Arc::new),
            is_same: |one, other| one == other,
            trouble: "the users are those of before, the file has changed",
        };
        Ok(Self(FollowedFiles::read([path], reads)?))
    }

    /// What it says now. While it has an error the former one holds.
    pub(super) fn now(&self) -> Arc<WebAuth> {
        self.0.now()
    }

    /// Counts how often something else came of it.
    pub(super) fn version(&self) -> u64 {
        self.0.version()
    }

    /// Why the file as it is does not hold, once.
    pub(super) fn trouble(&self) -> Option<CommandError> {
        self.now();
        self.0.trouble()
    }
}

fn read(path: &Path) -> Result<WebAuth, CommandError> {
    let text = read_text(path)
        .map_err(|error| error.hint("write it: who may sign in, as docs/web-access.md has it"))?;
    check_only_ours(path)?;
    let read = read_web_auth(&path.display().to_string(), &text);
    let auth = read.map_err(|problems| {
        CommandError::refused(format!("cannot use {}", path.display()))
            .because(problems.to_string())
    })?;
    let has_secrets = auth.users.iter().any(|user| user.password.is_some())
        || auth.proxy.as_ref().is_some_and(|proxy| proxy.secret.is_some());
    let mode = path.metadata().map_or(0, |now| now.mode());
    if has_secrets && mode & OTHERS_READ != 0 {
        let message = format!("{} is not safe to use", path.display());
        let reason = format!(
            "it has hashes or a secret, and others may read it (mode {:04o})",
            mode & 0o7777
        );
        return Err(CommandError::refused(message)
            .because(reason)
            .hint(format!("chmod go-rwx {}", shell::path(path))));
    }
    Ok(auth)
}

/// The proxy that speaks here, if it is the one that is believed.
pub(super) fn proxy_of(auth: &WebAuth, peer: Peer) -> Option<&TrustedProxy> {
    let proxy = auth.proxy.as_ref()?;
    let Peer::Address(address) = peer else { return None };
    proxy.from.contains(&address.ip().to_canonical()).then_some(proxy)
}

/// Where a request comes from: a proxy that is believed says for whom it speaks.
pub(super) fn client_of(auth: &WebAuth, peer: Peer, headers: &HeaderMap) -> Option<IpAddr> {
    let Peer::Address(address) = peer else { return None };
    let said = proxy_of(auth, peer).and_then(|_| {
        let last = headers.get_all(FORWARDED_FOR).iter().next_back()?.to_str().ok()?;
        let last: IpAddr = last.rsplit(',').next()?.trim().parse().ok()?;
        Some(last)
    });
    Some(said.unwrap_or_else(|| address.ip()).to_canonical())
}

/// Who a proxy says that asks; `Some(None)` if that is nobody whom it may name.
pub(super) fn named_by_proxy(
    auth: &WebAuth,
    peer: Peer,
    headers: &HeaderMap,
) -> Option<Option<Visitor>> {
    let proxy = proxy_of(auth, peer)?;
    let only = |name: &str| {
        let mut all = headers.get_all(name).iter();
        all.next().filter(|_| all.next().is_none()).map(HeaderValue::to_str).and_then(Result::ok)
    };
    let header = proxy.header.as_ref().filter(|header| headers.contains_key(header.as_str()))?;
    let is_proven = proxy
        .secret
        .as_ref()
        .is_none_or(|secret| only(PROXY_SECRET).is_some_and(|said| digest(said) == digest(secret)));
    let user = only(header).filter(|_| is_proven).and_then(|name| user(auth, name));
    Some(user.map(|user| Visitor::user(user, from(auth, peer, headers), false)))
}

/// The address of a request in words.
pub(super) fn from(auth: &WebAuth, peer: Peer, headers: &HeaderMap) -> String {
    client_of(auth, peer, headers).map_or_else(|| peer.to_string(), |address| address.to_string())
}

/// A user of this name.
pub(super) fn user<'a>(auth: &'a WebAuth, name: &str) -> Option<&'a WebUser> {
    auth.users.iter().find(|user| user.name == name)
}

/// Who signs in with this name and password. Takes as long where there is nobody of that name.
pub(super) fn signed_in_by<'a>(
    auth: &'a WebAuth,
    name: &str,
    password: &str,
) -> Option<&'a WebUser> {
    let found = user(auth, name).and_then(|user| Some((user, user.password.as_ref()?)));
    match found {
        Some((user, hash)) => passwords::is_right(password, hash).then_some(user),
        None => {
            // Some other's hash, for each name always the same: hashes need not cost the same.
            let hashes: Vec<&PasswordHash> =
                auth.users.iter().filter_map(|user| user.password.as_ref()).collect();
            let place = Sha256::digest(name).first().map_or(0, |byte| usize::from(*byte));
            if let Some(hash) = hashes.get(place.checked_rem(hashes.len()).unwrap_or(0)) {
                passwords::is_right(password, hash);
            }
            None
        }
    }
}

/// What a session is of: it ends with the user, and with the password.
pub(super) fn holder_of(user: &WebUser) -> Holder {
    let shown = user.password.as_ref().map_or([0; 32], PasswordHash::digest);
    Holder::User { name: user.name.clone(), shown }
}
