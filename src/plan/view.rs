//! A plan as it is shown, sent and compared: without file contents, secrets masked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::mask::{diff, holds_secrets};
use super::{FileChange, GroupAction, GroupChange, Reason, Refusal, SettingChange, SitePlan};
use crate::desired::FileKind;
use crate::inventory::{Domain, without_passwords};
use crate::system::bytes::hex;
use crate::system::files::Entry;

/// A [`SitePlan`] for people and machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanView {
    /// The site that it is for.
    pub site: Domain,
    /// The revision that it goes to, where that is not what the inventory says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Whether an apply leaves the host as it is.
    pub empty: bool,
    /// Digest of everything an apply would do: two plans with the same one do the same. It is keyed
    /// with what only the host knows, so that nobody elsewhere can guess values from it.
    pub fingerprint: String,
    /// An interrupted apply that is undone or finished.
    pub interrupted: Option<String>,
    /// Folders that are made.
    pub folders: Vec<PathBuf>,
    /// Files that change.
    pub files: Vec<FileView>,
    /// Logs of programs that go, which are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<PathBuf>,
    /// Such logs that stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs_stay: Vec<PathBuf>,
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
    /// Whether the site is given back: its files are nobody's any more, and what runs goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub releases: bool,
    /// Why an apply will not start.
    pub refusals: Vec<Refusal>,
}

/// A file that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileView {
    /// Absolute path on the host.
    pub path: PathBuf,
    /// Which of the two kinds.
    pub kind: FileKind,
    /// What becomes of it.
    pub change: FileChangeKind,
    /// SHA-256 of what is there, if anything is. None for a file with environment values on either
    /// side: short ones could be guessed from it.
    pub before: Option<String>,
    /// SHA-256 of what will be there, if anything will. None where `before` is kept back.
    pub after: Option<String>,
    /// Unified diff; values of environment variables are masked.
    pub diff: String,
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// It becomes root's, with permissions as narrow as they must be; its bytes stay.
    Owner,
    /// It goes: nothing is wanted at its path.
    Remove,
}

/// What is done to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GroupView {
    /// supervisord's name of it.
    pub group: String,
    /// What is done to it; `leave` where that is nothing, on purpose.
    #[serde(flatten)]
    pub action: GroupAction,
    /// Why that, or why nothing, is done.
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
    /// What its file says otherwise than it did, in supervisord's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<SettingChange>,
    /// What a program that is new to supervisord runs, without passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl GroupView {
    /// The processes that it is about, where that is not all of them.
    pub(crate) fn some_processes(&self) -> Option<&[String]> {
        let processes = match &self.action {
            GroupAction::Restart { processes }
            | GroupAction::Start { processes }
            | GroupAction::Stop { processes } => processes,
            GroupAction::Add { .. }
            | GroupAction::Replace { .. }
            | GroupAction::Remove
            | GroupAction::Leave => return None,
        };
        (processes.len() < self.numprocs as usize).then_some(processes)
    }

    /// The processes that stay stopped, each as supervisorctl shows it.
    pub fn stopped_processes(&self) -> impl Iterator<Item = String> {
        self.stopped.iter().map(|name| crate::supervisord::display_name(&self.group, name))
    }
}

impl PlanView {
    /// A plan for showing. Its fingerprint is keyed with what only the host knows.
    pub fn of(plan: &SitePlan, key: &[u8]) -> Self {
        let SitePlan {
            domain,
            revision,
            files,
            folders,
            folders_stay: _,
            logs,
            logs_stay,
            groups,
            ran,
            failing: _,
            stopped,
            idle: _,
            unfinished: _,
            unseen: _,
            unwatched: _,
            still_loaded: _,
            own: _,
            unchanged,
            unrecorded: _,
            // Told as a note.
            taken_over: _,
            releases,
            interrupted,
            // Told as a warning; by the time of the apply they are done.
            under_way: _,
            notes,
            warnings,
            refusals,
        } = plan;
        let mut by_hand = unchanged.clone();
        by_hand.retain(|group| stopped.contains_key(group) && !ran.contains_key(group));
        let mut view = Self {
            site: domain.clone(),
            revision: *revision,
            empty: plan.leaves_host_as_it_is() && !releases,
            releases: *releases,
            fingerprint: String::new(),
            interrupted: interrupted.clone(),
            folders: folders.clone(),
            logs: logs.clone(),
            logs_stay: logs_stay.clone(),
            files: files.iter().map(|(path, change)| file_view(path, change)).collect(),
            groups: groups.iter().map(|(name, change)| group_view(name, change, plan)).collect(),
            unchanged: unchanged.len() - by_hand.len(),
            stopped: by_hand,
            notes: notes.clone(),
            warnings: warnings.clone(),
            refusals: refusals.clone(),
        };
        view.fingerprint = fingerprint(&view, files, key);
        view
    }
}

fn group_view(name: &str, change: &GroupChange, plan: &SitePlan) -> GroupView {
    let GroupChange {
        action,
        reason,
        desired,
        rolling,
        after: _,
        stop_seconds,
        stop_signals: _,
        settings,
        command,
    } = change;
    GroupView {
        group: name.to_owned(),
        action: action.clone(),
        reason: reason.clone(),
        running: plan.ran.get(name).cloned().unwrap_or_default(),
        stopped: plan.stopped.get(name).cloned().unwrap_or_default(),
        numprocs: desired.as_ref().map_or(0, |group| group.numprocs),
        autostart: desired.as_ref().is_some_and(|group| group.autostart),
        rolling: *rolling,
        stop_seconds: *stop_seconds,
        settings: settings.iter().map(SettingChange::masked).collect(),
        command: command.as_deref().map(|command| without_passwords(command).into_owned()),
    }
}

fn file_view(path: &std::path::Path, change: &FileChange) -> FileView {
    let FileChange { kind, before, after, is_anothers } = change;
    let after = after.as_ref().map(|file| file.bytes.as_slice());
    let is_secret = before.bytes().is_some_and(holds_secrets) || after.is_some_and(holds_secrets);
    FileView {
        path: path.to_owned(),
        kind: *kind,
        change: match (before, after) {
            (_, None) => FileChangeKind::Remove,
            (Entry::Absent, Some(_)) => FileChangeKind::Create,
            (Entry::Link { .. }, Some(_)) => FileChangeKind::ReplaceLink,
            (entry, Some(after)) if entry.bytes() == Some(after) && *is_anothers => {
                FileChangeKind::Owner
            }
            (entry, Some(after)) if entry.bytes() == Some(after) => FileChangeKind::Permissions,
            (_, Some(_)) => FileChangeKind::Replace,
        },
        before: before.bytes().filter(|_| !is_secret).map(digest),
        after: after.filter(|_| !is_secret).map(digest),
        diff: diff(before.bytes().unwrap_or_default(), after.unwrap_or_default()),
    }
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Of what is done alone: who else has pending changes may vary between showing and applying.
fn fingerprint(view: &PlanView, files: &BTreeMap<PathBuf, FileChange>, key: &[u8]) -> String {
    let bytes: Vec<_> = files
        .values()
        .map(|FileChange { before, after, .. }| {
            (before.bytes().map(digest), after.as_ref().map(|file| digest(&file.bytes)))
        })
        .collect();
    let PlanView { site, interrupted, folders, logs, groups, refusals, releases, .. } = view;
    let whole = (site, interrupted, releases);
    let what = (whole, (folders, logs), &view.files, groups, refusals, bytes);
    let text = serde_json::to_vec(&what).unwrap_or_default();
    let keyed = Sha256::new().chain_update(Sha256::digest(key)).chain_update(text).finalize();
    hex(&keyed)[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::DesiredFile;

    fn change(after: &str) -> FileChange {
        let file = DesiredFile {
            kind: FileKind::Supervisor,
            bytes: after.into(),
            secret: true,
            programs: Default::default(),
            verbatim: false,
            former: None,
        };
        let (kind, after) = (FileKind::Supervisor, Some(file));
        FileChange { kind, before: Entry::Absent, after, is_anothers: false }
    }

    /// What holds values of an environment is shown without its digests.
    #[test]
    fn environment_values_show_no_digest() {
        let view = |text: &str| file_view(std::path::Path::new("/x"), &change(text));
        assert_eq!(view("environment=A='hunter2'\n").after, None);
        assert_eq!(view("[program:x]\n").after, Some(digest(b"[program:x]\n")));
        let mut removed = change("");
        removed.before =
            Entry::Link { target: "y".into(), content: Some(b"environment=A='x'\n".to_vec()) };
        let view = file_view(std::path::Path::new("/x"), &removed);
        assert_eq!((view.before, view.after), (None, None));
    }

    /// A fingerprint is of the values and of this machine.
    #[test]
    fn fingerprint_covers_values_per_machine() {
        let of = |text: &str, key: &[u8]| {
            let plan = SitePlan {
                files: BTreeMap::from([("/x".into(), change(text))]),
                ..SitePlan::without_changes(Domain::try_from("a.com".to_owned()).unwrap())
            };
            PlanView::of(&plan, key)
        };
        let (shown, changed) =
            (of("environment=A='1'\n", b"key"), of("environment=A='2'\n", b"key"));
        assert_eq!(shown.files, changed.files, "nothing of the value is shown");
        assert_ne!(shown.fingerprint, changed.fingerprint);
        assert_eq!(shown.fingerprint, of("environment=A='1'\n", b"key").fingerprint);
        assert_ne!(shown.fingerprint, of("environment=A='1'\n", b"another").fingerprint);
    }
}
