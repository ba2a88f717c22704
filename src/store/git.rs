//! A branch of a git repository, by the system's `git`.
//!
//! What is published is commits of the branch. What hosts say of themselves is not: two hundred that push to
//! one branch at once would each be refused until all others are through. Each such object has a reference of
//! its own, outside of the branches, at a commit with nothing but the object.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::access::{NoAnswer, is_too_long};
use super::clone::GitClone;
use super::git_program::GitError;
use super::location::Repository;
use super::{Access, Answer, ObjectName, Store, is_of_one_host};
use crate::error::CommandError;

/// Where the references of those objects are.
const REFERENCES: &str = "refs/supervisor-sync";
/// How often a commit is made anew upon what others have pushed meanwhile.
const MOST_TRIES: usize = 20;

pub(super) struct GitStore {
    repository: Repository,
    access: Access,
    /// Objects with a reference of their own that came with the listing of their folder, all at once; each is
    /// taken for what is there now the next time that it is asked for.
    listed: Mutex<BTreeSet<ObjectName>>,
}

impl GitStore {
    pub(super) fn new(repository: Repository, access: Access) -> Self {
        Self { repository, access, listed: Mutex::default() }
    }

    fn reference(&self, name: &ObjectName) -> String {
        match is_of_one_host(name) {
            true => format!("{REFERENCES}/{}", encoded(name)),
            false => format!("refs/heads/{}", self.repository.branch),
        }
    }

    /// Does something with the clone, and again with a new one if the clone is broken, as a power cut leaves it.
    fn with_clone<T>(
        &self,
        what: String,
        work: impl Fn(&GitClone<'_>) -> Result<T, GitError>,
    ) -> Result<T, CommandError> {
        let work = || {
            let clone = GitClone::open(&self.repository, &self.access)?;
            match work(&clone) {
                Err(GitError::Clone(_)) => clone.begin_anew().and_then(|()| work(&clone)),
                done => done,
            }
        };
        work().map_err(|error| error.of(what, &self.repository.url))
    }

    /// The commit that an object is in.
    fn commit(&self, clone: &GitClone<'_>, name: &ObjectName) -> Result<Option<String>, GitError> {
        let reference = self.reference(name);
        let is_listed = self.listed.lock().is_ok_and(|mut listed| listed.remove(name));
        match is_listed.then(|| clone.fetched(&reference)).transpose()?.flatten() {
            Some(commit) => Ok(Some(commit)),
            None => clone.fetch(&reference),
        }
    }

    fn put_in(
        &self,
        clone: &GitClone<'_>,
        name: &ObjectName,
        bytes: &[u8],
    ) -> Result<(), GitError> {
        if is_too_long(bytes) {
            return Err(NoAnswer::TooLong.into());
        }
        let (reference, is_of_one_host) = (self.reference(name), is_of_one_host(name));
        for _ in 0..MOST_TRIES {
            let parent = if is_of_one_host { None } else { clone.fetch(&reference)? };
            let Some(commit) = clone.commit(parent.as_deref(), name, bytes)? else { return Ok(()) };
            if clone.push(&commit, &reference, is_of_one_host)? {
                return Ok(());
            }
        }
        let words = format!("others have pushed meanwhile, {MOST_TRIES} times in a row");
        Err(GitError::Git(words))
    }

    fn words_in(&self, clone: &GitClone<'_>, folder: &ObjectName) -> Result<Vec<String>, GitError> {
        if is_of_one_host(folder) {
            let references = clone.fetch_all(&format!("{REFERENCES}/{}/", encoded(folder)))?;
            return Ok(references.iter().map(|name| decoded(name)).collect());
        }
        let Some(commit) = clone.fetch(&self.reference(folder))? else { return Ok(Vec::new()) };
        let begin = format!("{folder}/");
        let entries = clone.entries(&commit, &begin)?;
        let words = entries.iter().filter_map(|(_, path)| path.strip_prefix(&begin));
        Ok(words.map(str::to_owned).collect())
    }
}

impl Store for GitStore {
    fn get(&self, name: &ObjectName, known: Option<&str>) -> Result<Answer, CommandError> {
        self.with_clone(format!("cannot get {name} from {}", self.repository.url), |clone| {
            let Some(commit) = self.commit(clone, name)? else { return Ok(Answer::Absent) };
            Ok(match clone.entries(&commit, name.as_str())?.into_iter().next() {
                None => Answer::Absent,
                Some((blob, _)) if known == Some(blob.as_str()) => Answer::Unchanged,
                Some((blob, _)) => Answer::Object { bytes: clone.read(&blob)?, tag: Some(blob) },
            })
        })
    }

    fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), CommandError> {
        if let Ok(mut listed) = self.listed.lock() {
            listed.remove(name);
        }
        self.with_clone(format!("cannot put {name} to {}", self.repository.url), |clone| {
            self.put_in(clone, name, bytes)
        })
    }

    fn list(&self, folder: &ObjectName) -> Result<Vec<ObjectName>, CommandError> {
        let what = format!("cannot list {folder} of {}", self.repository.url);
        let words = self.with_clone(what, |clone| self.words_in(clone, folder))?;
        let mut names: Vec<_> = words.iter().filter_map(|word| folder.child(word)).collect();
        names.sort_unstable();
        match self.listed.lock() {
            Ok(mut listed) if is_of_one_host(folder) => listed.extend(names.iter().cloned()),
            _ => {}
        }
        Ok(names)
    }
}

/// A name as a part of a reference, in which two dots, a dot at the end of a word, and `.lock` there mean
/// something. No name of ours has a `%`.
fn encoded(name: &ObjectName) -> String {
    let word = |word: &str| {
        let mut word = word.replace("..", "%2E%2E");
        if word.ends_with('.') {
            word.pop();
            word.push_str("%2E");
        }
        match word.strip_suffix(".lock") {
            Some(rest) => format!("{rest}%2Elock"),
            None => word,
        }
    };
    name.as_str().split('/').map(word).collect::<Vec<_>>().join("/")
}

fn decoded(text: &str) -> String {
    text.replace("%2E", ".")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "asks git")]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_reference() {
        for text in
            ["status/web1", "status/a..b", "status/a...", "status/a.lock", "status/a.", "a.lock/-b"]
        {
            let encoded = encoded(&ObjectName::parse(text).unwrap());
            assert_eq!(decoded(&encoded), text);
            let mut git = std::process::Command::new("git");
            let checked =
                git.args(["check-ref-format", &format!("{REFERENCES}/{encoded}")]).status();
            assert!(checked.unwrap().success(), "{encoded}");
        }
    }
}
