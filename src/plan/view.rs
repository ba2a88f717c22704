//! A plan as it is shown, sent and compared: without file contents, secrets masked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{FileChange, GroupAction, GroupChange, Reason, Refusal, SitePlan};
use crate::desired::FileKind;
use crate::inventory::Domain;
use crate::system::files::Entry;

/// A [`SitePlan`] for people and machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// Whose.
    pub site: Domain,
    /// Whether an apply has nothing to do.
    pub empty: bool,
    /// Digest of everything an apply would do: two plans with the same one do the same.
    pub fingerprint: String,
    /// An interrupted apply that is undone or finished.
    pub interrupted: Option<String>,
    /// Folders that are made.
    pub folders: Vec<PathBuf>,
    /// Files that change.
    pub files: Vec<FileView>,
    /// Groups something is done to, or deliberately not.
    pub groups: Vec<GroupView>,
    /// How many groups are as wanted and stay so.
    pub unchanged: usize,
    /// Groups that a person had stopped and that nothing else is to be done to: they stay stopped.
    pub stopped: Vec<String>,
    /// What is left alone, and why.
    pub notes: Vec<String>,
    /// What a person should see to.
    pub warnings: Vec<String>,
    /// Why an apply will not start.
    pub refusals: Vec<Refusal>,
}

/// A file that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// Where.
    pub path: PathBuf,
    /// Which of the two kinds.
    pub kind: FileKind,
    /// What becomes of it.
    pub change: FileChangeKind,
    /// SHA-256 of what is there, if anything is.
    pub before: Option<String>,
    /// SHA-256 of what will be there, if anything will.
    pub after: Option<String>,
    /// Unified diff; values of environment variables are masked.
    pub diff: String,
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChangeKind {
    /// It is new.
    Create,
    /// It gets other bytes.
    Replace,
    /// It stands in place of a symbolic link.
    ReplaceLink,
    /// Only its permissions are narrowed.
    Permissions,
    /// It goes.
    Remove,
}

/// What is done to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// supervisord's name of it.
    pub group: String,
    /// What.
    #[serde(flatten)]
    pub action: GroupAction,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
    /// Its processes that run now.
    pub running: Vec<String>,
    /// Its processes that a person had stopped and that stay so.
    pub stopped: Vec<String>,
    /// How many processes it will have.
    pub numprocs: u32,
    /// Whether supervisord starts it by itself.
    pub autostart: bool,
    /// At most this many of its processes at a time; `None`: all together.
    pub rolling: Option<u32>,
    /// Seconds its processes have to stop.
    pub stop_seconds: u32,
}

impl GroupView {
    /// The processes that stay stopped, each as supervisorctl shows it.
    pub fn stopped_processes(&self) -> impl Iterator<Item = String> {
        self.stopped.iter().map(|name| crate::supervisord::display_name(&self.group, name))
    }
}

impl From<&SitePlan> for PlanView {
    fn from(plan: &SitePlan) -> Self {
        let SitePlan {
            domain,
            files,
            folders,
            groups,
            ran,
            stopped,
            unseen: _,
            unchanged,
            interrupted,
            notes,
            warnings,
            refusals,
        } = plan;
        let is_by_hand =
            |group: &&String| stopped.contains_key(*group) && !ran.contains_key(*group);
        let by_hand: Vec<String> = unchanged.iter().filter(is_by_hand).cloned().collect();
        let mut view = Self {
            site: domain.clone(),
            empty: plan.is_empty(),
            fingerprint: String::new(),
            interrupted: interrupted.clone(),
            folders: folders.clone(),
            files: files.iter().map(|(path, change)| file_view(path, change)).collect(),
            groups: groups
                .iter()
                .map(|(name, change)| {
                    let of = |processes: &BTreeMap<String, Vec<String>>| {
                        processes.get(name).cloned().unwrap_or_default()
                    };
                    group_view(name, change, of(ran), of(stopped))
                })
                .collect(),
            unchanged: unchanged.len() - by_hand.len(),
            stopped: by_hand,
            notes: notes.clone(),
            warnings: warnings.clone(),
            refusals: refusals.clone(),
        };
        view.fingerprint = fingerprint(&view);
        view
    }
}

fn group_view(
    name: &str,
    change: &GroupChange,
    running: Vec<String>,
    stopped: Vec<String>,
) -> GroupView {
    let GroupChange { action, reason, desired, rolling, after: _, stop_seconds } = change;
    GroupView {
        group: name.to_owned(),
        action: action.clone(),
        reason: reason.clone(),
        running,
        stopped,
        numprocs: desired.as_ref().map_or(0, |group| group.numprocs),
        autostart: desired.as_ref().is_some_and(|group| group.autostart),
        rolling: *rolling,
        stop_seconds: *stop_seconds,
    }
}

fn file_view(path: &std::path::Path, change: &FileChange) -> FileView {
    let FileChange { kind, before, after } = change;
    let after = after.as_ref().map(|file| file.bytes.as_slice());
    FileView {
        path: path.to_owned(),
        kind: *kind,
        change: match (before, after) {
            (_, None) => FileChangeKind::Remove,
            (Entry::Absent, Some(_)) => FileChangeKind::Create,
            (Entry::Link { .. }, Some(_)) => FileChangeKind::ReplaceLink,
            (entry, Some(after)) if entry.bytes() == Some(after) => FileChangeKind::Permissions,
            (_, Some(_)) => FileChangeKind::Replace,
        },
        before: before.bytes().map(digest),
        after: after.map(digest),
        diff: diff(before.bytes().unwrap_or_default(), after.unwrap_or_default()),
    }
}

fn diff(before: &[u8], after: &[u8]) -> String {
    let (before, after) = masked(before, after);
    similar::TextDiff::from_lines(&before, &after).unified_diff().context_radius(3).to_string()
}

/// Both texts with the values of `environment=` masked. A value that differs from its like on the
/// other side is marked on both, so that the diff still shows that it changes.
fn masked(before: &[u8], after: &[u8]) -> (String, String) {
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let (old, new) = (environments(&before), environments(&after));
    let mask = |text: &str, other: &[String], side: &str| {
        let mut lines = Vec::new();
        let mut in_environment = false;
        for line in text.split_inclusive('\n') {
            let continues = line.starts_with([' ', '\t']) && in_environment;
            if is_environment(line) || continues {
                in_environment = true;
                let same = |value: &String| value == line.trim_end();
                let changed = !other.is_empty() && !other.iter().any(same);
                let mark = if changed { format!(" ({side})") } else { String::new() };
                lines.push(format!("{}{mark}\n", mask_line(line)));
            } else {
                in_environment = false;
                lines.push(line.to_owned());
            }
        }
        lines.concat()
    };
    (mask(&before, &new, "before"), mask(&after, &old, "after"))
}

fn environments(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| is_environment(line))
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn is_environment(line: &str) -> bool {
    let key = line.split(['=', ':']).next().unwrap_or_default();
    key.trim().eq_ignore_ascii_case("environment")
}

/// `environment=A='***',B='***'`: the names stay, as far as they can be told from values safely.
fn mask_line(line: &str) -> String {
    let Some((key, value)) = line.split_once(['=', ':']) else { return "***".to_owned() };
    if !is_environment(line) {
        return " ***".to_owned();
    }
    let names = environment_names(value);
    match names {
        Some(names) => {
            let shown: Vec<String> = names.iter().map(|name| format!("{name}='***'")).collect();
            format!("{key}={}", shown.join(","))
        }
        None => format!("{key}=***"),
    }
}

/// The names in `A='x',B="y"` as we write it; anything else is masked whole.
fn environment_names(value: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return None;
        }
        let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (_, behind) = after[1..].split_once(quote)?;
        names.push(name);
        rest = match behind.strip_prefix(',') {
            Some(more) => more,
            None if behind.is_empty() => "",
            None => return None,
        };
    }
    Some(names)
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Of what is done alone: who else has pending changes may vary between showing and applying.
fn fingerprint(view: &PlanView) -> String {
    let PlanView { site, interrupted, folders, files, groups, refusals, .. } = view;
    let what = (site, interrupted, folders, files, groups, refusals);
    let text = serde_json::to_vec(&what).unwrap_or_default();
    digest(&text)[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_values_never_reach_a_diff_and_a_change_of_one_still_shows() {
        let before = b"command=x\nenvironment=KEY='hunter2',URL='a=b,c'\n";
        let after = b"command=x\nenvironment=KEY='hunter3',URL='a=b,c'\n";
        let diff = diff(before, after);
        assert!(!diff.contains("hunter"), "{diff}");
        assert!(diff.contains("-environment=KEY='***',URL='***' (before)"), "{diff}");
        assert!(diff.contains("+environment=KEY='***',URL='***' (after)"), "{diff}");
    }

    #[test]
    fn an_environment_somebody_else_wrote_is_masked_whole() {
        for line in ["environment = A=x y,B=secret", "ENVIRONMENT: A=secret", "environment=secret"]
        {
            let shown = diff(format!("{line}\n  C='secret'\n").as_bytes(), b"");
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
