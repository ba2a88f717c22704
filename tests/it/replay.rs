//! A corpus of every kind of text that comes from outside, as it is and bent in ways that are the same
//! on every run.

#![expect(clippy::disallowed_methods, reason = "reads the corpus")]
#![expect(clippy::unwrap_used, reason = "a check that fails fails the test")]

use std::path::Path;

pub(crate) mod targets;

/// How often each file is bent.
const MUTATIONS: u64 = 100;

macro_rules! replay {
    ($($name:ident: $accepted:expr;)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name), targets::$name, &$accepted);
        })*

        #[test]
        fn every_target_is_replayed() {
            assert_eq!(targets::TARGETS.map(|(name, _)| name), [$(stringify!($name)),*]);
        }
    };
}

// With the files that are read to the end: were they refused, nothing behind would be replayed.
replay! {
    inventory: ["classic.yml", "everything.yml", "example.yml"];
    playbook: ["short-0.json", "two.json"];
    ini: ["continued.conf", "ends.conf", "expansions.conf", "program.conf"];
    xmlrpc: ["answer.xml", "fault.xml", "faults.xml"];
    http: ["chunked", "length", "until-close"];
    wire: ["answers.jsonl", "asks.jsonl", "plan.jsonl"];
    journal: ["files.json", "groups.json", "undo.json"];
    revision: ["empty.json", "revision.json"];
    config: ["debian.conf", "tcp.conf"];
    import: ["crlf.conf", "entries.conf", "listener.conf"];
    listing: ["bucket.xml", "empty.xml", "nginx.json"];
    location: ["places"];
}

fn replay(name: &str, target: fn(&[u8]) -> bool, accepted: &[&str]) {
    let files = corpus(name);
    assert!(!files.is_empty(), "tests/corpus/{name} is empty");
    let mut found = Vec::new();
    for (at, (file, bytes)) in files.iter().enumerate() {
        if run(name, target, bytes) {
            found.push(file.as_str());
        }
        for seed in 1..=MUTATIONS {
            let mut chance = Chance((seed << 16) + at as u64);
            let (_, other) = &files[chance.below(files.len())];
            run(name, target, &bent(bytes, other, &mut chance));
        }
    }
    assert_eq!(found, accepted, "what is accepted of tests/corpus/{name}");
}

/// In an order that is the same everywhere.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let read = |file: String| {
        let bytes = std::fs::read(folder.join(&file)).unwrap();
        (file, bytes)
    };
    crate::site::names(&folder).into_iter().map(read).collect()
}

fn run(name: &str, target: fn(&[u8]) -> bool, bytes: &[u8]) -> bool {
    /// Says what it was that failed, if it did.
    struct Telling<'a>(&'a str, &'a [u8]);
    impl Drop for Telling<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("{} failed on \"{}\"", self.0, self.1.escape_ascii());
            }
        }
    }
    let _telling = Telling(name, bytes);
    target(bytes)
}

/// Knuth's generator: what matters is that it says the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }
}

/// What readers stumble over.
const TOKENS: [&[u8]; 20] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"'",
    b"\"",
    b"%",
    b"%(here)s",
    b"[",
    b"]",
    b"{",
    b"}",
    b"&#x0;",
    b"<",
    b"-1",
    b"18446744073709551616",
    b"\xff",
    b"\xf0\x9f\x92\xa9",
    b"\x1b[2J",
    b" ;",
    b": &a [*a]",
];

/// Between one and four changes: a byte, a piece taken away, doubled or put in, the end cut off, or
/// the end of another file.
fn bent(bytes: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=chance.below(4) {
        let from = chance.below(bytes.len() + 1);
        let to = (from + chance.below(32)).min(bytes.len());
        match chance.below(6) {
            0 => {
                if let Some(byte) = bytes.get_mut(from) {
                    *byte ^= 1 << chance.below(8);
                }
            }
            1 => drop(bytes.drain(from..to)),
            2 => {
                let piece = bytes[from..to].to_vec();
                bytes.splice(from..from, piece);
            }
            3 => {
                let token = TOKENS[chance.below(TOKENS.len())];
                bytes.splice(from..from, token.iter().copied());
            }
            4 => bytes.truncate(from),
            _ => {
                bytes.truncate(from);
                bytes.extend_from_slice(&other[chance.below(other.len() + 1)..]);
            }
        }
    }
    bytes
}
