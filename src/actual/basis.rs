//! What supervisord's answer to a reread follows from, so that it need not be asked again while all
//! of that is the same: a reread takes it seconds on a host with a thousand files.
//!
//! The answer compares what the files say with what is loaded. So it is the same as long as
//!
//! 1. **the files say the same**: the main file and the included ones have the same content, by the
//!    same names, in the same order. And they had it all the time: had somebody changed one, had it read,
//!    and changed it back, then something may be loaded that is in no file any more. The ways to the
//!    files and to the folders of the patterns have not changed either ([`Trail`]), which shows any
//!    such change;
//! 2. **what they refer to is the same**: the users they name and the folders of their logs, without
//!    which supervisord refuses them, and the machine's name;
//! 3. **it is the same supervisord**, by its pid and its start: its environment is part of it;
//! 4. **the same groups are loaded**, and of a group that differs from its file one process is the same
//!    by pid and start, since a group is only taken out when all are down. A group that is as in
//!    its file can come and go unseen: whoever adds it has it added from these same files.
//!
//! Any doubt about one of these means a reread: a file that cannot be read or parsed, a user of a
//! directory service, a log below a folder that cannot be told, a `*` in the folders of a pattern, or
//! a change so new that the next one would have the same time. Only an accepted reread is noted.
//!
//! Who owns the files does not matter, nor who changed them: nobody can set a `ctime`, and the
//! content is compared besides. The road not taken is supervisord's own `getAllConfigInfo`: it says what
//! was read last, not what is loaded, and takes half as long as a reread.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::ActualDaemon;
use crate::records::NotedReread;
use crate::supervisord::ini::Section;
use crate::supervisord::{ProcessInfo, Reload};
use crate::system::trail::{Trail, digest};
use crate::system::{machine, process, users};

/// What the files refer to outside of themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Outside {
    accounts: BTreeSet<String>,
    folders: BTreeSet<PathBuf>,
    /// Whether something cannot be told.
    is_doubtful: bool,
}

impl Outside {
    /// Notes what a section refers to, as supervisord 4 checks it at each reread.
    pub(super) fn add(&mut self, section: &Section) {
        for key in ["user", "chown", "socket_owner"] {
            let names = section.get(key).into_iter().flat_map(|value| value.split(':'));
            self.accounts.extend(names.map(|name| name.trim().to_owned()));
        }
        for key in ["stdout_logfile", "stderr_logfile", "logfile", "pidfile", "file"] {
            if let Some(path) = section.get(key).filter(|value| !is_no_path(value)) {
                self.add_folder(Path::new(path.trim()).parent());
            }
        }
        if section.name == "supervisord" || section.name == "DEFAULT" {
            let folders = ["directory", "childlogdir"].into_iter().filter_map(|k| section.get(k));
            folders.for_each(|path| self.add_folder(Some(Path::new(path.trim()))));
        }
    }

    pub(super) fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    fn add_folder(&mut self, folder: Option<&Path>) {
        match folder {
            // Not expanded here, as supervisord would: its environment and the number of each process
            // are in it, and a wrong guess would have a reread left out that finds a fault.
            Some(path)
                if path.is_absolute() && !path.as_os_str().as_encoded_bytes().contains(&b'%') =>
            {
                self.folders.insert(path.to_owned());
            }
            _ => self.doubt(),
        }
    }

    /// Whether all of it is there, and nothing but the machine's own files says so.
    fn is_there(&self) -> bool {
        !self.is_doubtful
            && self.folders.iter().all(|folder| folder.is_dir())
            && users::in_files().is_ok_and(|known| self.accounts.is_subset(&known))
    }
}

/// The values of a log that are none.
fn is_no_path(value: &str) -> bool {
    ["auto", "none", "off", "syslog"].contains(&value.trim().to_ascii_lowercase().as_str())
}

/// The ways to supervisord's files and to what they refer to; `None` if there is a doubt.
pub fn trail(main_file: &Path, patterns: &[String], included: &[PathBuf]) -> Option<Trail> {
    let mut trail = Trail::begin();
    let folders: Option<Vec<&Path>> = patterns.iter().map(|p| folder_of(p)).collect();
    let accounts = users::ACCOUNT_FILES.iter().map(Path::new);
    let files = std::iter::once(main_file).chain(included.iter().map(PathBuf::as_path));
    for path in folders?.into_iter().chain(accounts).chain(files) {
        trail.follow(path).ok()?;
    }
    Some(trail)
}

/// The first two of the above, in a digest; `None` if there is a doubt. To be taken before supervisord
/// is asked: what changes after it shows at the next look.
pub(super) fn outside(
    main_file: &Path,
    trail: &Trail,
    daemon: &ActualDaemon,
    refers: &Outside,
) -> Option<String> {
    if !refers.is_there() {
        return None;
    }
    let included = daemon.included.iter().map(PathBuf::as_path);
    let files = std::iter::once(main_file).chain(included);
    let contents: Vec<&[u8]> =
        files.map(|path| daemon.contents.get(path)?.as_ref()?.bytes()).collect::<Option<_>>()?;
    let refers = format!("{:?} {:?} {}", refers.folders, daemon.include_patterns, machine::name());
    let rest = contents.into_iter().chain([refers.as_bytes()]);
    // The content too: it was read before the trail was followed, and of a file that has changed in
    // between the trail alone would tell what nobody here has read.
    trail.is_settled().then(|| trail.digest(rest))
}

/// The folder whose entries a pattern is about, unless it is about many.
fn folder_of(pattern: &str) -> Option<&Path> {
    let folder = Path::new(pattern).parent()?;
    let is_many = folder.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte));
    (!is_many).then_some(folder)
}

/// The last two of the above, in a digest; `None` if there is a doubt.
pub(super) fn inside(daemon: &ActualDaemon, changed: &[String]) -> Option<String> {
    let pid = daemon.pid?;
    let started = process::started(pid)?;
    let mut text = format!("{} {pid} {started}\n", daemon.version);
    for (group, processes) in &daemon.groups {
        let names: BTreeSet<&str> = processes.iter().map(|process| process.name.as_str()).collect();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{group:?} {names:?}");
        // Pids of these alone. With those of all groups any program that exits and comes up again
        // would cost the next look a reread.
        if changed.contains(group) {
            let alive: Vec<(i64, i64)> = processes
                .iter()
                .filter(is_alive)
                .map(|process| (process.pid, process.start))
                .collect();
            if alive.is_empty() {
                return None;
            }
            let _ = writeln!(text, "{alive:?}");
        }
    }
    Some(digest([text.as_bytes(), machine::key()]))
}

fn is_alive(process: &&ProcessInfo) -> bool {
    process.pid > 0
}

/// What was noted of a reread, if it is what supervisord would say now.
pub(super) fn holding(noted: &NotedReread, daemon: &ActualDaemon) -> Option<Reload> {
    let inside = inside(daemon, &noted.reload.changed)?;
    (inside == noted.inside).then(|| noted.reload.clone())
}

/// What to note of a reread that was accepted.
pub(super) fn note(outside: String, reload: &Reload, daemon: &ActualDaemon) -> Option<NotedReread> {
    let inside = inside(daemon, &reload.changed)?;
    Some(NotedReread::new(outside, inside, reload.clone()))
}

/// What supervisord would say `now` of the files that it has said `reload` of, which are the same; `None`
/// if there is a doubt. `regrouped` are the groups that were loaded or taken out since.
///
/// Whatever was loaded since was loaded from these files. So a group that is in them and is loaded
/// differs from them only if it did then and has not been taken out: not by us, and by nobody else
/// as long as a process of it is the same, which the note of it goes on to say.
pub(super) fn said_now(
    reload: &Reload,
    regrouped: &BTreeMap<String, bool>,
    now: &ActualDaemon,
) -> Option<Reload> {
    let loaded = &now.groups;
    let in_files = reload.added.iter().chain(&reload.changed);
    let added: Vec<String> =
        in_files.filter(|group| !loaded.contains_key(*group)).cloned().collect();
    let mut removed = reload.removed.clone();
    removed.retain(|group| loaded.contains_key(group));
    let changed = reload.changed.iter().filter(|group| loaded.contains_key(*group));
    let changed = changed.filter(|group| !regrouped.contains_key(*group)).cloned().collect();
    // What was as in its file is in no answer. If it is gone, or was none that we know of, the answer
    // cannot be told from here.
    let Reload { added: not_loaded, removed: in_no_file, .. } = super::daemon::by_name(now);
    let is_told = not_loaded.iter().all(|group| added.contains(group))
        && in_no_file.iter().all(|group| removed.contains(group));
    is_told.then_some(Reload { added, changed, removed })
}
