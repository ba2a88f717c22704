//! Runs: one invocation of a command that changes hosts, the same on every host it touches.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Origin;
use crate::system::{Clock, SystemClock, machine, users};

/// How the time in an id is written, in UTC.
const ID_TIME: &str = "%Y%m%d-%H%M%S";

/// The id of a run, e.g. `20261124-223512-4f3a`: when it began, in UTC, with the fraction of the second
/// in hexadecimal. So ids sort by time, and two are the same only if two runs begin within 15
/// microseconds, which those of one user cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct RunId {
    /// Seconds since 1970.
    second: i64,
    /// In parts of 65,536.
    tail: u16,
}

/// A text that is not the id of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a run: they look like 20261124-223512-4f3a")]
pub struct NotARunId;

impl RunId {
    /// The id of a run that began at this time.
    fn of(at: jiff::Timestamp) -> Self {
        let nanoseconds = u64::try_from(at.subsec_nanosecond()).unwrap_or_default();
        let tail = nanoseconds * (u64::from(u16::MAX) + 1) / 1_000_000_000;
        Self { second: at.as_second(), tail: u16::try_from(tail).unwrap_or(u16::MAX) }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_second(self.second).unwrap_or_default();
        write!(f, "{}-{:04x}", at.strftime(ID_TIME), self.tail)
    }
}

impl std::str::FromStr for RunId {
    type Err = NotARunId;

    fn from_str(text: &str) -> Result<Self, NotARunId> {
        let (time, tail) = text.rsplit_once('-').ok_or(NotARunId)?;
        let time = jiff::civil::DateTime::strptime(ID_TIME, time).map_err(|_| NotARunId)?;
        let at = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| NotARunId)?.timestamp();
        let tail = u16::from_str_radix(tail, 16).map_err(|_| NotARunId)?;
        let id = Self { second: at.as_second(), tail };
        // One way to write it, since it is also the name of a file.
        if id.to_string() == text { Ok(id) } else { Err(NotARunId) }
    }
}

impl TryFrom<String> for RunId {
    type Error = NotARunId;
    fn try_from(text: String) -> Result<Self, NotARunId> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.to_string()
    }
}

/// One invocation that changes hosts, as it is known where it was typed. Made once, it travels to
/// every host and into every record there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Run {
    /// Sorts by when the run began.
    pub id: RunId,
    /// The user who typed it.
    pub user: String,
    /// The name of the machine it was typed on.
    pub host: String,
    /// The command, e.g. `apply`.
    pub command: String,
    /// When it began.
    pub at: jiff::Timestamp,
    /// The inventory it follows; a playbook has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<RunInventory>,
    /// The git commit the inventory was at, if it is in a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// What the user said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The run that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_back: Option<RunId>,
}

/// Which inventory a run follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunInventory {
    /// Its `name:`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its file, absolute, on the machine of the run.
    pub path: String,
}

/// A git commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Commit {
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// Whether the inventory differs from it.
    pub dirty: bool,
}

impl Run {
    /// A run of this command that begins now, by whoever runs this process.
    pub fn begin(command: impl Into<String>) -> Self {
        let at = SystemClock::start().timestamp();
        Self {
            id: RunId::of(at),
            user: users::invoker(),
            host: machine::name(),
            command: command.into(),
            at,
            inventory: None,
            commit: None,
            message: None,
            takes_back: None,
        }
    }

    /// Whether both follow the same inventory: two names decide; where one has none, it is the same
    /// file on the same machine.
    pub fn is_of_same_inventory(&self, other: &Self) -> bool {
        let (Some(ours), Some(theirs)) = (&self.inventory, &other.inventory) else { return false };
        match (&ours.name, &theirs.name) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => ours.path == theirs.path && self.host == other.host,
        }
    }
}

impl Origin {
    /// The run it is of. Records from before there were runs get one from what they do say: those
    /// of one command on one host get the same.
    pub fn run(&self) -> Run {
        if let Some(run) = &self.run {
            return (**run).clone();
        }
        Run {
            id: RunId::of(self.at),
            user: self.user.clone(),
            host: String::new(),
            command: self.purpose.clone(),
            at: self.at,
            inventory: None,
            commit: None,
            message: None,
            takes_back: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_id_reads_back() {
        let at: jiff::Timestamp = "2026-11-24T22:35:12.9Z".parse().unwrap();
        let id = RunId { second: at.as_second(), tail: 0x4f3a };
        assert_eq!(id.to_string(), "20261124-223512-4f3a");
        assert_eq!("20261124-223512-4f3a".parse(), Ok(id));
        let small = RunId { tail: 7, ..id };
        assert_eq!(small.to_string().parse(), Ok(small));
        assert_eq!(serde_json::to_string(&small).unwrap(), "\"20261124-223512-0007\"");
    }

    #[test]
    fn only_run_ids_are_read() {
        for text in [
            "",
            "7",
            "../../etc/passwd",
            "20261124-223512",
            "20261124-223512-4F3A",
            "20261124-223512-+f3a",
            "20261124-223512-4f3a ",
            "20261324-223512-4f3a",
            "20261124-223512-4f3a0",
        ] {
            assert_eq!(text.parse::<RunId>(), Err(NotARunId), "{text:?}");
        }
        assert!(serde_json::from_str::<RunId>("\"../x\"").is_err());
    }

    #[test]
    fn run_ids_sort_within_second() {
        let id = |text: &str| RunId::of(text.parse().unwrap());
        let ids = [
            id("2026-11-24T22:35:12Z"),
            id("2026-11-24T22:35:12.000020Z"),
            id("2026-11-24T22:35:12.5Z"),
            id("2026-11-24T22:35:12.999999999Z"),
            id("2026-11-24T22:35:13Z"),
        ];
        let texts = ids.map(|id| id.to_string());
        assert!(ids.is_sorted_by(|a, b| a < b) && texts.is_sorted(), "{texts:?}");
        assert_eq!(
            (texts[2].as_str(), texts[3].as_str()),
            ("20261124-223512-8000", "20261124-223512-ffff")
        );
    }

    /// A name tells inventories apart, and without one the file and the machine do.
    #[test]
    fn inventory_name_tells_runs_apart() {
        let run = |name: Option<&str>, path: &str, host: &str| Run {
            host: host.to_owned(),
            inventory: Some(RunInventory { name: name.map(str::to_owned), path: path.to_owned() }),
            ..Run::begin("apply")
        };
        let same = |a: &Run, b: &Run| a.is_of_same_inventory(b) && b.is_of_same_inventory(a);
        let here = run(None, "/a.yml", "desk");
        assert!(same(&here, &run(None, "/a.yml", "desk")));
        assert!(same(&here, &run(Some("shop"), "/a.yml", "desk")), "it got a name since");
        assert!(!same(&here, &run(None, "/b.yml", "desk")));
        assert!(!same(&here, &run(None, "/a.yml", "laptop")));
        let named = run(Some("shop"), "/a.yml", "desk");
        assert!(same(&named, &run(Some("shop"), "/b.yml", "laptop")));
        assert!(!same(&named, &run(Some("blog"), "/a.yml", "desk")));
        assert!(!same(&named, &Run::begin("playbook sync")));
    }

    /// A record without a run has one made of what it says.
    #[test]
    fn old_record_gets_its_run() {
        let text = r#"{"user":"u","pid":66,"purpose":"apply","at":"2026-01-01T00:00:00.5Z"}"#;
        let origin: Origin = serde_json::from_str(text).unwrap();
        let run = origin.run();
        assert_eq!(run.id.to_string(), "20260101-000000-8000");
        assert_eq!((run.user.as_str(), run.command.as_str()), ("u", "apply"));
        assert_eq!(serde_json::to_string(&origin).unwrap(), text);
    }
}
