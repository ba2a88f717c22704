//! Where a store is, as people write it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::bucket::BucketStore;
use super::git::GitStore;
use super::web::WebStore;
use super::{Access, FolderStore, ObjectName, Store};
use crate::system::passwords::without_passwords;
use crate::system::{Interrupt, sanitized};

/// What a place for bundles looks like.
const FORMS: &str = "write /folder, ./folder, https://host/path, s3://bucket/prefix?region=eu-central-1, \
                     git+ssh://user@host/path#branch or user@host:path.git";

/// The branch of a repository that says none.
const BRANCH: &str = "main";

/// Where a store is.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    text: String,
    pub(super) place: Place,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Folder(PathBuf),
    /// Without a slash at its end.
    Web(String),
    Bucket(Bucket),
    Repository(Repository),
}

/// A bucket, or a folder of one.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) prefix: Option<ObjectName>,
    /// Of a server that is not Amazon's.
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
}

/// A branch of a git repository.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// As git takes it.
    pub(super) url: String,
    pub(super) branch: String,
}

/// Why a text is no place for bundles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {problem}; {FORMS}")]
pub struct LocationError {
    text: String,
    problem: String,
}

impl Location {
    /// Reads the path of a folder, or the address of another store.
    ///
    /// # Errors
    /// If it is none of them, or has a password in it, which everybody would see who sees the configuration.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let place = match text.split_once("://") {
            _ if text.chars().any(|c| c.is_control() || c.is_whitespace()) => {
                Err("has a blank or a control character in it".to_owned())
            }
            None => without_scheme(text),
            Some(("file", path)) => file(path),
            Some(("http" | "https", _)) => web(text).map(Place::Web),
            Some(("s3", rest)) => bucket(rest).map(Place::Bucket),
            Some(("git+ssh" | "git+https" | "git+file", _)) => repository(text),
            Some((scheme, _)) => {
                Err(format!("begins with `{scheme}://`, which is no kind of store"))
            }
        };
        match place {
            Ok(place) => Ok(Self { text: text.to_owned(), place }),
            Err(problem) => {
                let text = sanitized(&without_passwords(text));
                Err(LocationError { text, problem })
            }
        }
    }

    /// The store that is there, reached as this process reaches it. Nothing is asked of it yet. The clone of a
    /// git repository is kept in `cache`.
    pub fn open(&self, cache: &Path, interrupt: &Interrupt) -> Box<dyn Store + Send + Sync> {
        self.open_with(Access::of_this_process(cache.to_owned(), interrupt.clone()))
    }

    /// The same, reached otherwise.
    pub fn open_with(&self, access: Access) -> Box<dyn Store + Send + Sync> {
        match &self.place {
            Place::Folder(path) => Box::new(FolderStore::new(path.clone())),
            Place::Web(url) => Box::new(WebStore::new(url.clone(), access)),
            Place::Bucket(bucket) => Box::new(BucketStore::new(bucket.clone(), access)),
            Place::Repository(repository) => Box::new(GitStore::new(repository.clone(), access)),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_passwords(&self.text))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

fn without_scheme(text: &str) -> Result<Place, String> {
    if text.starts_with('/') || text.starts_with("./") || text.starts_with("../") {
        return Ok(Place::Folder(PathBuf::from(text)));
    }
    // As git tells it from a path: a colon before the first slash.
    match text.split_once(':') {
        Some((login, path)) if !login.contains('/') => {
            let (path, branch) = with_branch(path)?;
            login_and_host(login)?;
            match path {
                "" => Err("names no repository behind the colon".to_owned()),
                _ if path.starts_with([':', '-']) => {
                    Err("names a repository that is an option or an address".to_owned())
                }
                _ => Ok(Place::Repository(Repository { url: format!("{login}:{path}"), branch })),
            }
        }
        _ => Err("is neither a path that begins with `/` or `./` nor an address".to_owned()),
    }
}

fn file(path: &str) -> Result<Place, String> {
    match path {
        _ if !path.starts_with('/') => Err("has no path behind `file://`".to_owned()),
        _ if path.contains('%') => Err("has a `%` in it: write the path itself".to_owned()),
        _ => Ok(Place::Folder(PathBuf::from(path))),
    }
}

/// An address of the web without a slash at its end.
fn web(text: &str) -> Result<String, String> {
    let (_, rest) = text.split_once("://").unwrap_or_default();
    if rest.contains(['?', '#']) {
        return Err("has a `?` or `#` in it: objects are looked for below a path".to_owned());
    }
    if !rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"'\\<>`{}|^".contains(&b)) {
        return Err("has a character in it that an address cannot have".to_owned());
    }
    // Wherever it stands: a password may hold a slash.
    if rest.contains('@') {
        return Err("has an `@` in it: a login belongs into ~/.netrc, which curl reads".to_owned());
    }
    host(rest.split('/').next().unwrap_or_default())?;
    Ok(text.trim_end_matches('/').to_owned())
}

fn bucket(rest: &str) -> Result<Bucket, String> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
    let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if !(3..=63).contains(&name.len())
        || !name.bytes().all(is_of_name)
        || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
    {
        return Err(format!("has `{name}` where the name of a bucket belongs"));
    }
    let prefix = prefix.trim_end_matches('/');
    let prefix = match prefix {
        "" => None,
        _ => Some(ObjectName::parse(prefix).ok_or_else(|| {
            "has a folder that is not of letters, digits, `.`, `-` and `_`".to_owned()
        })?),
    };
    let mut bucket = Bucket { name: name.to_owned(), prefix, endpoint: None, region: None };
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("endpoint", url))
                if url.starts_with("https://") || url.starts_with("http://") =>
            {
                bucket.endpoint =
                    Some(web(url).map_err(|why| format!("has an endpoint that {why}"))?);
            }
            Some(("endpoint", _)) => return Err("has an endpoint without `https://`".to_owned()),
            Some(("region", region))
                if region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') =>
            {
                bucket.region = Some(region.to_owned());
            }
            Some(("region", _)) => return Err("has a region that is none".to_owned()),
            _ => {
                let name = option.split('=').next().unwrap_or_default();
                return Err(format!(
                    "has `{name}` behind the `?`: `endpoint` and `region` can stand there"
                ));
            }
        }
    }
    Ok(bucket)
}

/// `git+SCHEME://…#BRANCH`.
fn repository(text: &str) -> Result<Place, String> {
    let (url, branch) = with_branch(text.strip_prefix("git+").unwrap_or(text))?;
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if scheme != "file" {
        login_and_host(authority)?;
    } else if !authority.is_empty() {
        return Err("has no path behind `git+file://`".to_owned());
    }
    match path {
        "" => Err("names no repository".to_owned()),
        _ => Ok(Place::Repository(Repository { url: url.to_owned(), branch })),
    }
}

fn with_branch(text: &str) -> Result<(&str, String), String> {
    let (url, branch) = text.split_once('#').unwrap_or((text, BRANCH));
    // What git takes for a branch is more; what else it takes, nobody calls one.
    let is_branch = ObjectName::parse(branch).is_some_and(|branch| {
        let text = branch.as_str();
        !text.starts_with('-')
            && !text.contains("..")
            && text.split('/').all(|word| !word.ends_with('.') && !word.ends_with(".lock"))
    });
    match is_branch {
        true => Ok((url, branch.to_owned())),
        false => Err(format!("has `{branch}` behind the `#`, which is no branch")),
    }
}

/// Checks `user@host:port`.
fn login_and_host(text: &str) -> Result<(), String> {
    let Some((user, behind)) = text.rsplit_once('@') else { return host(text) };
    if user.contains(':') {
        return Err("has a password in it: have git ask a credential helper".to_owned());
    }
    let is_of_user = |b: u8| b.is_ascii_alphanumeric() || b".-_+".contains(&b);
    if user.is_empty() || user.starts_with('-') || !user.bytes().all(is_of_user) {
        return Err("has a user that cannot be one".to_owned());
    }
    host(behind)
}

/// Checks `host:port`. A host that begins with a dash would be an option of ssh.
fn host(text: &str) -> Result<(), String> {
    let is_of_host = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
    match text {
        "" => Err("names no host".to_owned()),
        _ if text.starts_with('-') || !text.bytes().all(is_of_host) => {
            Err(format!("has `{}` where a host belongs", sanitized(text)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for text in [
            "/srv/bundles",
            "./bundles",
            "../bundles",
            "file:///srv/bundles",
            "http://127.0.0.1:8080",
            "https://bundles.example.com/fleet/",
            "https://[::1]:8443/x",
            "s3://fleet",
            "s3://fleet/eu/prod/?endpoint=https://s3.example.com:9000&region=eu-central-1",
            "git+ssh://git@example.com:2222/fleet.git#prod",
            "git+ssh://example.com/~/fleet",
            "git+https://git.example.com/fleet.git",
            "git+file:///srv/fleet.git#a/b",
            "git@example.com:fleet.git",
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location.to_string(), text);
        }
    }

    #[test]
    fn repository_is_as_git_takes_it() {
        for (text, url, branch) in [
            ("git+ssh://git@h:22/a.git#prod", "ssh://git@h:22/a.git", "prod"),
            ("git+file:///srv/a", "file:///srv/a", "main"),
            ("git@h:a.git#x/y", "git@h:a.git", "x/y"),
        ] {
            let Place::Repository(read) = Location::parse(text).unwrap().place else {
                panic!("{text}")
            };
            assert_eq!((read.url.as_str(), read.branch.as_str()), (url, branch));
        }
    }

    #[test]
    fn wrong_places_are_refused() {
        for (text, problem) in [
            ("", "is neither a path"),
            ("bundles", "is neither a path"),
            ("~/bundles", "is neither a path"),
            ("a/b:c", "is neither a path"),
            ("file://srv/x", "has no path behind"),
            ("file:///a%20b", "has a `%`"),
            ("/a b", "has a blank"),
            ("/a\u{1b}[2J", "has a blank"),
            ("ftp://h/x", "begins with `ftp://`"),
            ("git://h/x", "begins with `git://`"),
            ("git+http://h/x", "begins with `git+http://`"),
            ("git+ext://sh -c x", "has a blank"),
            ("git+ext::x", "where a host belongs"),
            ("http://", "names no host"),
            ("https:///x", "names no host"),
            ("https://-h/x", "where a host belongs"),
            ("https://h/x?token=1", "has a `?`"),
            ("https://h/\"x", "cannot have"),
            ("https://me@h/x", "has an `@`"),
            ("https://h/x\\y", "cannot have"),
            ("s3://", "where the name of a bucket belongs"),
            ("s3://a/b", "where the name of a bucket belongs"),
            ("s3://-ab/b", "where the name of a bucket belongs"),
            ("s3://fleet/../x", "has a folder"),
            ("s3://fleet?x=1", "has `x` behind the `?`"),
            ("s3://fleet?endpoint=h:1", "without `https://`"),
            ("s3://fleet?endpoint=http://a@h", "has an endpoint that has an `@`"),
            ("s3://fleet?region=a/b", "has a region"),
            ("git+ssh://h", "names no repository"),
            ("git+ssh://-oProxyCommand=x/y", "where a host belongs"),
            ("git+ssh://-x@h/y", "has a user"),
            ("git+file://h/x", "has no path"),
            ("git+ssh://h/x#..", "is no branch"),
            ("git+ssh://h/x#-x", "is no branch"),
            ("git+ssh://h/x#a.lock", "is no branch"),
            ("git@h:", "names no repository"),
            ("git@h:-x", "that is an option"),
        ] {
            let refused = Location::parse(text).unwrap_err().to_string();
            assert!(refused.contains(problem), "{text}: {refused}");
        }
    }

    #[test]
    fn passwords_are_refused_and_not_shown() {
        for text in [
            "https://me:S3CRET@h/x",
            "http://me:S3/CRET@h/x",
            "git+https://me:S3CRET@h/x",
            "git+ssh://me:S3CRET@h/x",
            "ftp://me:S3CRET@h/x",
            "s3://fleet?endpoint=https://me:S3CRET@h/x",
        ] {
            let refused = Location::parse(text).unwrap_err().to_string();
            assert!(!refused.contains("CRET"), "{refused}");
            assert!(refused.contains("***") && refused.contains("; write /folder"), "{refused}");
        }
    }
}
