//! The stores that bundles are published to, each on its real part: a folder, nginx, an S3 server that checks
//! signatures, git over a real sshd. One suite, [`contract`], runs on all of them.

#![expect(clippy::disallowed_methods, reason = "starts servers and looks at what they keep")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a harness that fails fails the test")]

use std::path::Path;
use std::time::Duration;

use supervisor_sync::error::CommandError;
use supervisor_sync::store::{Access, Answer, LONGEST_OBJECT, ObjectName, Patience, Store};
use supervisor_sync::system::Interrupt;

pub(crate) mod bucket;
mod contract;
mod folder;
pub(crate) mod git;
mod misbehaving;
pub(crate) mod nginx;
mod web;

use contract::keeps_the_contract;

/// A store as others can reach it, too.
pub(crate) type AnyStore = Box<dyn Store + Send + Sync>;

/// A real part that keeps objects, gone when the test ends.
pub(crate) trait Part: Sized + Sync {
    /// None if the part is missing, which fails the test where `REQUIRE_E2E` or `CI` is set.
    fn start() -> Option<Self>;

    /// What one who may write to it opens; each has a cache of its own.
    fn open(&self) -> AnyStore;

    /// Puts a file into it that is longer than any object, by other means.
    fn plant_long(&self, name: &ObjectName, length: u64);
}

/// A part that is a server.
pub(crate) trait Served: Part {
    /// As the command calls it.
    fn location(&self) -> String;

    /// What those who publish have around them, and what hosts have, who may do no more than docs/stores.md says.
    fn accesses(&self) -> [Access; 2];

    /// What has been asked of it so far, in its own words.
    fn asked(&self) -> Vec<String>;

    /// Which words of those are of one who asks for what is new, and learns that nothing is.
    const NOTHING_NEW: &'static str;

    /// Nobody reaches it any more.
    fn stop(&mut self);

    /// It can be reached again, with all that it had.
    fn serve(&mut self);
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

/// The block of docs/stores.md that begins with this line.
fn of_page(begin: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/stores.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    let mut found = blocks.map(|(_, text)| text).filter(|text| text.starts_with(begin));
    found
        .next()
        .unwrap_or_else(|| panic!("no block of docs/stores.md begins with {begin}"))
        .to_owned()
}

/// What a store is reached with, so that nothing is waited for longer than a test waits.
fn access(cache: &Path) -> Access {
    let mut access = Access::of_this_process(cache.to_owned(), Interrupt::default());
    access.patience = Patience {
        connect: Duration::from_secs(10),
        silence: Duration::from_secs(20),
        whole: Duration::from_secs(60),
    };
    access
}

/// The bytes of an object that has to be there.
fn bytes(store: &dyn Store, text: &str) -> Vec<u8> {
    match store.get(&name(text), None).unwrap() {
        Answer::Object { bytes, .. } => bytes,
        other => panic!("{text}: {other:?}"),
    }
}

/// The tag of an object that has to be there.
fn tag(store: &dyn Store, text: &str) -> String {
    match store.get(&name(text), None).unwrap() {
        Answer::Object { tag: Some(tag), .. } => tag,
        other => panic!("{text}: {other:?}"),
    }
}

fn listed(store: &dyn Store, folder: &str) -> Vec<String> {
    store.list(&name(folder)).unwrap().iter().map(ToString::to_string).collect()
}

/// Whether a failure says all of this.
fn assert_says<T>(result: Result<T, CommandError>, words: &[&str]) {
    let Err(error) = result else { panic!("it went well, and should have said {words:?}") };
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
    assert_eq!(text.lines().next().unwrap(), text.split("\nhint: ").next().unwrap(), "one line");
}
