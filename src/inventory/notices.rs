//! `notify:` and `hooks:` of an inventory: commands of this machine that are told what came of a run, and
//! those that come before and after one.

use super::fields::{Fields, Reader};
use super::file::{Node, Value};
use super::findings::Finding;
use super::keys::{Key, Keys, Kind, words};
use super::name::{NameError, at_most, not_empty};
use super::suggest::{nearest, shown};

/// How long a command may take unless it says so, in seconds.
const PATIENCE: u32 = 30;

/// The keys of an item of `notify`.
pub(super) static NOTIFY: Keys = Keys {
    of: "a notice",
    known: &[
        Key::new(
            "command",
            Kind::Text,
            "./tell-us",
            "What is run by `sh`, in the inventory's folder. It gets the event as JSON on stdin.",
        )
        .default("required"),
        Key::new(
            "on",
            Kind::List(&Kind::Word(NoticeKind::WORDS)),
            "[failed, rolled_back]",
            "Of what it is told.",
        )
        .default("all"),
        TIMEOUT,
    ],
    instead: &[("events", "on"), ("run", "command"), ("url", "command: curl ...")],
    shared: false,
};

/// The keys of `hooks`.
pub(super) static HOOKS: Keys = Keys {
    of: "`hooks`",
    known: &[
        Key::new(
            "before",
            Kind::Text,
            "./check-calendar",
            "Run by `sh` on this machine, in the inventory's folder, once a plan is agreed to and before the first \
             server changes. If it fails, nothing is changed.",
        )
        .default("none"),
        Key::new(
            "after",
            Kind::Text,
            "./tell-dashboard",
            "The same after the last server, however the run ended. If it fails, so does the command that was typed.",
        )
        .default("none"),
        TIMEOUT,
    ],
    instead: &[("pre", "before"), ("post", "after")],
    shared: false,
};

const TIMEOUT: Key = Key::new(
    "timeout",
    Kind::Whole { least: 1, most: 3600 },
    "60",
    "Seconds after which it is ended.",
)
.default("`30`");

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NoticeKind {
    /// Something was changed, and is as wanted.
    Changed,
    /// Something failed, and was not or could not be put back.
    Failed,
    /// Something failed, and is as it was.
    RolledBack,
    /// Something is not as wanted, and no run has made it so.
    Drift,
    /// Something is as wanted that was not.
    Recovered,
}

words!(NoticeKind {
    "changed" => Changed,
    "failed" => Failed,
    "rolled_back" => RolledBack,
    "drift" => Drift,
    "recovered" => Recovered,
});

impl NoticeKind {
    /// As the inventory and the notification have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Drift => "drift",
            Self::Recovered => "recovered",
        }
    }
}

/// Who is told, and what comes before and after a run. Commands may have secrets in them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Notices {
    /// Each with what it is told of, in the file's order.
    pub(crate) notify: Vec<Notify>,
    /// What comes before the first server changes.
    pub(crate) before: Option<LocalCommand>,
    /// What comes after the last.
    pub(crate) after: Option<LocalCommand>,
}

impl Notices {
    /// Whether anybody is told anything.
    pub(crate) fn tells(&self) -> bool {
        !self.notify.is_empty()
    }
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices").field("notify", &self.notify.len()).finish_non_exhaustive()
    }
}

/// A command that is told.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Notify {
    pub(crate) command: LocalCommand,
    /// Of what; empty is everything.
    on: Vec<NoticeKind>,
}

impl Notify {
    /// Whether it is told of this.
    pub(crate) fn hears(&self, kind: NoticeKind) -> bool {
        self.on.is_empty() || self.on.contains(&kind)
    }
}

/// A command that `sh` runs on this machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LocalCommand {
    pub(crate) text: String,
    /// Seconds that it may take.
    pub(crate) timeout: u32,
    /// The line of the inventory that it is on, which names it: its text may have a secret in it.
    pub(crate) line: u32,
}

/// Reads both keys among those of the top level.
pub(super) fn read(reader: &mut Reader<'_, '_>, fields: &Fields<'_>) -> Notices {
    let mut notices = Notices::default();
    let items = fields.get("notify").and_then(|node| reader.list(node, "notify"));
    for node in items.unwrap_or_default() {
        notices.notify.extend(notify(reader, node));
    }
    if let Some(fields) = fields.get("hooks").and_then(|node| reader.fields(node, &HOOKS)) {
        let timeout = reader.number(&fields, "timeout");
        notices.before = command(reader, &fields, "before", timeout);
        notices.after = command(reader, &fields, "after", timeout);
    }
    notices
}

fn notify(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Notify> {
    let fields = reader.fields(node, &NOTIFY)?;
    reader.required(&fields, "command", "a notice", "command: ./tell-us")?;
    let list = fields.get("on").and_then(|node| reader.list(node, "on")).unwrap_or_default();
    let on = list.iter().filter_map(|node| kind(reader, node)).collect();
    let timeout = reader.number(&fields, "timeout");
    Some(Notify { command: command(reader, &fields, "command", timeout)?, on })
}

fn kind(reader: &mut Reader<'_, '_>, node: &Node) -> Option<NoticeKind> {
    let Value::Text(word) = &node.value else {
        reader.wrong_kind(node, "`on` must be a list of words");
        return None;
    };
    let kind = NoticeKind::from_word(word);
    if kind.is_none() {
        let finding = Finding::new(node.at, format!("nothing is called `{}` here", shown(word)));
        let near = nearest(word, NoticeKind::WORDS.iter().copied());
        reader.push(
            finding.did_you_mean(near).help(format!("one of {}", NoticeKind::WORDS.join(", "))),
        );
    }
    kind
}

fn command(
    reader: &mut Reader<'_, '_>,
    fields: &Fields<'_>,
    key: &str,
    timeout: Option<u32>,
) -> Option<LocalCommand> {
    let node = fields.get(key)?;
    let text = reader.parse(node, key, checked)?;
    let timeout = timeout.unwrap_or(PATIENCE);
    Some(LocalCommand { text, timeout, line: reader.source.line_of(node.at) })
}

/// A text that `sh -c` can be given.
fn checked(text: &str) -> Result<String, NameError> {
    not_empty(text.trim())?;
    if text.contains('\0') {
        return Err(NameError::new("must not have a NUL byte in it"));
    }
    at_most(text, 10_000)?;
    Ok(text.to_owned())
}
