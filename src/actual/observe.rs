//! Reads a site: its files and records, and what its programs need.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::needs::{Needs, cannot_read};
use super::ownership::{self, Owner};
use super::{ActualDaemon, ActualSite, unheard};
use crate::desired::{DesiredSite, FileKind};
use crate::error::CommandError;
use crate::inventory::{Domain, Programs, Site, naming};
use crate::records::{Revision, StateDir};
use crate::supervisord::say_the_same;
use crate::system::files::{Entry, Files};
use crate::system::users;

/// Reads one site: its record, its files, and what those of its programs need that are meant.
pub fn site(
    files: &dyn Files,
    state: &StateDir,
    (site, programs): (&Site, &Programs),
    desired: &DesiredSite,
    daemon: &ActualDaemon,
) -> Result<ActualSite, CommandError> {
    let mut actual = ActualSite {
        record: match daemon.sites.contains(&site.domain) {
            true => state.last_revision(files, &site.domain)?,
            false => None,
        },
        interrupted: daemon.interrupted(&site.domain)?,
        unheard: match daemon.sites.contains(&site.domain) {
            true => unheard::read(files, state, &site.domain),
            false => None,
        },
        writes_as_root: users::is_root(),
        ..ActualSite::default()
    };
    actual.former_groups = actual.interrupted.group_names();
    actual.former_groups.extend(actual.record.iter().flat_map(Revision::group_names));
    if let Some(target) =
        actual.interrupted.finished.as_ref().and_then(|journal| journal.target.as_ref())
    {
        // Its files are in place: they are the site's own although nobody recorded them yet.
        actual.record = Some(target.clone());
    }
    let neighbours = Neighbours::read(files, state, site, desired, daemon, &actual.former_groups)?;
    actual.claimed_groups.clone_from(&neighbours.groups);
    read_files(files, site, desired, daemon, &neighbours, &mut actual)?;
    if actual.owned.iter().any(|path| !desired.files.contains_key(path)) {
        actual.logs = log_names(files, site, daemon, actual.record.as_ref())?;
    }
    let needs = Needs { files, site, programs, shared: &daemon.shared };
    needs.look_for_them(desired, &mut actual)?;
    Ok(actual)
}

/// The files that may be logs of the site. A folder that may not be read has none to be removed.
fn log_names(
    files: &dyn Files,
    site: &Site,
    daemon: &ActualDaemon,
    record: Option<&Revision>,
) -> Result<Vec<String>, CommandError> {
    let folder = site.paths.log_dir.as_path();
    let recorded = record.iter().flat_map(|record| record.groups.values());
    let recorded = recorded.filter(|group| group.log.parent() == Some(folder));
    let recorded = recorded.map(|group| naming::file_name(&group.log).to_owned());
    let mut prefixes: BTreeSet<String> = recorded.filter(|name| !name.is_empty()).collect();
    prefixes.insert(naming::config_prefix(&site.domain));
    let mut all = BTreeSet::new();
    for prefix in prefixes {
        match daemon.shared.names(files, folder, &prefix) {
            // A link, and what is behind it, is somebody's.
            Ok(names) => all.extend(names.unwrap_or_default().into_iter().filter(|name| {
                std::fs::symlink_metadata(folder.join(name)).is_ok_and(|there| there.is_file())
            })),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => break,
            Err(error) => return Err(cannot_read(folder, &error)),
        }
    }
    Ok(all.into_iter().collect())
}

fn read_files(
    files: &dyn Files,
    site: &Site,
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    neighbours: &Neighbours,
    actual: &mut ActualSite,
) -> Result<(), CommandError> {
    // Supervisor configs first: a logrotate config without a record goes by its neighbour.
    let mut paths: Vec<(FileKind, PathBuf)> = Vec::new();
    for (kind, folder) in [
        (FileKind::Supervisor, site.paths.conf_dir.as_path()),
        (FileKind::Logrotate, site.paths.logrotate_dir.as_path()),
    ] {
        let prefix = ownership::prefix(site, kind);
        let names = daemon.shared.names(files, folder, &prefix);
        let names = names.map_err(|error| cannot_read(folder, &error))?.unwrap_or_else(|| {
            actual.missing_folders.push(folder.to_owned());
            Vec::new()
        });
        let matching = names.iter().filter(|name| ownership::candidate(site, name, kind).is_some());
        paths.extend(matching.map(|name| (kind, folder.join(name))));
    }
    let recorded = actual.record.iter().flat_map(|record| &record.files);
    paths.extend(recorded.map(|(path, file)| (file.kind, path.clone())));
    paths.extend(desired.files.iter().map(|(path, file)| (file.kind, path.clone())));
    paths.sort_unstable();
    paths.dedup();
    for (kind, path) in paths {
        let entry = entry_at(files, daemon, actual, &path)?;
        let owner = match &actual.record {
            Some(record) if record.files.contains_key(&path) => Owner::Own,
            Some(_) if !desired.files.is_empty() => {
                owner_beside_record(files, site, daemon, actual, (kind, &path), &entry)?
            }
            // Nothing is wanted of the site any more: whatever its content says is the site's goes.
            Some(_) | None => owner_by_content(site, actual, kind, &path, &entry),
        };
        let found = Found { kind, path, entry, owner };
        sort_in(site, desired, (neighbours, daemon), actual, found);
    }
    Ok(())
}

fn entry_at(
    files: &dyn Files,
    daemon: &ActualDaemon,
    actual: &ActualSite,
    path: &Path,
) -> Result<Entry, CommandError> {
    // What supervisord includes was read a moment ago.
    match put_back(actual, path).or_else(|| daemon.contents.get(path).cloned().flatten()) {
        Some(entry) => Ok(entry),
        None => files.read(path).map_err(|error| cannot_read(path, &error)),
    }
}

fn text(entry: &Entry) -> Cow<'_, str> {
    String::from_utf8_lossy(entry.bytes().unwrap_or_default())
}

/// Whose a file is that the site's record does not have: others may have written it since, with the
/// script that we stand in for, and their next call may be one of ours.
fn owner_beside_record(
    files: &dyn Files,
    site: &Site,
    daemon: &ActualDaemon,
    actual: &ActualSite,
    (kind, path): (FileKind, &Path),
    entry: &Entry,
) -> Result<Owner, CommandError> {
    let is_own = match ownership::candidate(site, naming::file_name(path), kind) {
        None => false,
        Some(stem) => {
            let conf = site.config_named(stem);
            match kind {
                FileKind::Supervisor => {
                    let rotation = site.rotation_file(stem);
                    let rotation = entry_at(files, daemon, actual, &rotation)?;
                    ownership::is_classic_pair(site, stem, &text(entry), &text(&rotation))
                }
                FileKind::Logrotate => actual.owned.contains(&conf) && !actual.is_recorded(&conf),
            }
        }
    };
    Ok(match is_own {
        true => Owner::Own,
        false => Owner::Foreign { reason: "no revision of the site wrote it".to_owned() },
    })
}

/// What an interrupted apply that will be undone first puts back at this path.
fn put_back(actual: &ActualSite, path: &Path) -> Option<Entry> {
    let (_, journal) = actual.interrupted.undone_first.as_ref()?;
    journal.files.iter().find(|file| file.path == path).map(|file| file.before.clone().into())
}

/// The records of sites that could hold one of our paths or groups: those whose names begin like ours,
/// and any where something of ours is not called after its site.
struct Neighbours {
    files: BTreeMap<PathBuf, Domain>,
    groups: BTreeSet<String>,
}

impl Neighbours {
    fn read(
        files: &dyn Files,
        state: &StateDir,
        site: &Site,
        desired: &DesiredSite,
        daemon: &ActualDaemon,
        former_groups: &BTreeSet<String>,
    ) -> Result<Self, CommandError> {
        let mut others = BTreeSet::new();
        let of_files = desired.files.iter().filter_map(|(path, file)| match file.kind {
            FileKind::Supervisor => naming::configured_by(naming::file_name(path)),
            FileKind::Logrotate => naming::rotated_by(naming::file_name(path)),
        });
        let groups = former_groups.iter().chain(desired.groups.keys());
        for name in of_files.chain(groups.map(String::as_str)) {
            let is_common = name == site.domain.as_str();
            if !is_common && naming::program_by_name(&site.domain, name).is_none() {
                others.clone_from(&daemon.sites);
                break;
            }
            // The whole of it may be that of a site with a single file for its programs.
            let sites = naming::domains_in(name).chain(Domain::parse(name).ok());
            others.extend(sites.filter(|other| daemon.sites.contains(other)));
        }
        others.remove(&site.domain);
        let mut claims = Self { files: BTreeMap::new(), groups: BTreeSet::new() };
        for other in others {
            let held =
                daemon.shared.held(&other, || Ok(state.last_revision(files, &other)?.into()))?;
            claims.files.extend(held.files.iter().map(|path| (path.clone(), other.clone())));
            claims.groups.extend(held.groups.iter().cloned());
        }
        Ok(claims)
    }
}

/// What is at a path, and whose it is by records and content.
struct Found {
    kind: FileKind,
    path: PathBuf,
    entry: Entry,
    owner: Owner,
}

/// Decides what a file is to the site.
fn sort_in(
    site: &Site,
    desired: &DesiredSite,
    (neighbours, daemon): (&Neighbours, &ActualDaemon),
    actual: &mut ActualSite,
    Found { kind, path, entry, owner }: Found,
) {
    let wanted = desired.files.contains_key(&path);
    let is_as_wanted =
        desired.files.get(&path).is_some_and(|file| entry.bytes() == Some(&file.bytes));
    match neighbours.files.get(&path) {
        Some(other) if wanted => {
            actual.claimed.insert(path.clone(), other.clone());
        }
        _ if is_as_wanted && !actual.is_recorded(&path) => {
            actual.unrecorded.insert(path.clone());
        }
        _ => {}
    }
    match (owner, &entry) {
        (_, Entry::Absent) => {}
        (Owner::Own, _) => {
            actual.owned.insert(path.clone());
        }
        (Owner::Foreign { reason }, entry) if wanted => {
            if !is_same_or_plainly_ours(site, desired, daemon, (kind, &path), entry) {
                actual.in_the_way.insert(path.clone(), reason);
            }
        }
        (Owner::Foreign { reason }, _) => {
            actual.foreign.insert(path, reason);
            return;
        }
    }
    if let (Entry::File(file), Some(record)) = (&entry, &mut actual.record)
        && let Some(recorded) = record.files.get_mut(&path)
    {
        recorded.content.share(&file.bytes);
    }
    if wanted || actual.owned.contains(&path) {
        actual.kinds.insert(path.clone(), kind);
        actual.files.insert(path, entry);
    }
}

fn owner_by_content(
    site: &Site,
    actual: &ActualSite,
    kind: FileKind,
    path: &Path,
    entry: &Entry,
) -> Owner {
    let Some(stem) = ownership::candidate(site, naming::file_name(path), kind) else {
        return Owner::Foreign { reason: "its name is not one of the site's".to_owned() };
    };
    match kind {
        FileKind::Supervisor => ownership::supervisor_file_is_of(site, stem, &text(entry)),
        FileKind::Logrotate => {
            let pair = site.config_named(stem);
            let companion = actual.owned.contains(&pair).then_some(Owner::Own);
            ownership::logrotate_file_is_of(companion.as_ref())
        }
    }
}

/// A file at a wanted path that no record knows may still be replaced: when it is what we would
/// write or says the same to supervisord, when its content says it is the site's, or when it is a
/// logrotate config that rotates nothing but the program's own log. What it was is kept as revision 0.
fn is_same_or_plainly_ours(
    site: &Site,
    desired: &DesiredSite,
    daemon: &ActualDaemon,
    (kind, path): (FileKind, &Path),
    entry: &Entry,
) -> bool {
    let Some(bytes) = entry.bytes() else {
        // A dangling link holds nothing of anybody's; a folder is refused by the planner.
        return matches!(entry, Entry::Link { .. });
    };
    let Some(file) = desired.files.get(path) else { return false };
    if file.bytes == bytes {
        return true;
    }
    let text = String::from_utf8_lossy(bytes);
    match kind {
        FileKind::Supervisor => {
            let stem = ownership::candidate(site, naming::file_name(path), kind);
            say_the_same(bytes, &file.bytes, &daemon.read_by())
                || stem.is_some_and(|stem| {
                    ownership::supervisor_file_is_of(site, stem, &text) == Owner::Own
                })
        }
        FileKind::Logrotate => {
            let mut groups = desired.groups.values();
            groups.any(|group| {
                file.programs.contains(&group.program)
                    && ownership::rotates_only(&text, &group.log.to_string_lossy())
            })
        }
    }
}
