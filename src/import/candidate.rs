//! The inventory as it would be, read by the inventory's own loader before a byte of it is on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::draft::{Draft, FileDraft, GroupDraft, ProgramDraft, SiteDraft, Way, program_name};
use crate::error::CommandError;
use crate::inventory::{
    Beside, Domain, HostName, Inventory, Problems, Quotes, plain_or_quoted, quoted, read_beside,
};

/// What is shown in place of a secret.
const MASK: &str = "\"***\"";

/// Where the new sites go, and what is said about them.
pub(crate) struct Setting<'a> {
    /// The inventory that there is; else what a new one begins with.
    pub(crate) before: &'a str,
    /// Its name in messages.
    pub(crate) name: &'a str,
    /// The server the sites are on.
    pub(crate) host: &'a HostName,
    /// The folder of configs that needs not be said.
    pub(crate) conf_dir: &'a Path,
    /// supervisord's main file, if the inventory does not say which it is.
    pub(crate) main: Option<&'a str>,
    /// The file for values that look like secrets, by its path from the inventory's folder.
    pub(crate) secrets: Option<&'a str>,
    /// What lies beside it already.
    pub(crate) beside: &'a dyn Beside,
}

/// A file that would be written beside the inventory.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NewFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) mode: u32,
}

/// All that would be written, and what the loader makes of it.
pub(crate) struct Candidate {
    /// The whole inventory; `None` where the entries have to be put into it by hand.
    pub(crate) text: Option<String>,
    /// The entries alone.
    pub(crate) entries: String,
    /// The same with secrets masked.
    pub(crate) shown: String,
    /// Files beside the inventory, by their paths from its folder.
    pub(crate) files: BTreeMap<String, NewFile>,
    /// How many values look like secrets and stand in the inventory.
    pub(crate) open_secrets: usize,
    pub(crate) inventory: Inventory,
}

impl Candidate {
    /// The candidate of a draft; what is wrong with it if the loader refuses it.
    pub(crate) fn of(draft: &Draft, setting: &Setting<'_>) -> Result<Self, Problems> {
        let mut files = BTreeMap::new();
        let secrets = SecretFiles::of(draft, setting.secrets);
        let texts = |masked: bool| -> String {
            draft.sites.iter().map(|site| site_text(site, setting, &secrets, masked)).collect()
        };
        let (entries, shown) = (texts(false), texts(true));
        files.extend(secrets.files());
        for (site, file) in draft.files() {
            if matches!(file.way, Way::Verbatim { .. }) {
                let mode = if has_environment(file) { 0o600 } else { 0o644 };
                let bytes = file.bytes.clone();
                files.insert(copy_path(&site.domain, file), NewFile { bytes, mode });
            }
        }
        let beside = Overlay { files: &files, below: setting.beside };
        let text = appended(setting.before, &entries);
        let read = match &text {
            Some(text) => read_beside(setting.name, text, &beside),
            None => read_beside(setting.name, &with_sites(setting.before, &entries), &beside),
        };
        // What was put in where it does not belong is no inventory, or not this one.
        let (text, inventory) = match (text, read) {
            (Some(text), Ok(inventory)) => (Some(text), inventory),
            (_, Ok(inventory)) => (None, inventory),
            (_, Err(problems)) => return Err(problems),
        };
        let open = draft.files().filter_map(|(_, file)| match &file.way {
            Way::Keys(programs) if setting.secrets.is_none() => Some(programs),
            _ => None,
        });
        let open_secrets = open.flatten().map(|program| program.entry.secrets().len()).sum();
        Ok(Self { text, entries, shown, files, open_secrets, inventory })
    }

    /// The site of this domain.
    pub(crate) fn site(&self, domain: &Domain) -> Option<&crate::inventory::Site> {
        let mut sites = self.inventory.sites.iter().map(|placed| &placed.site);
        sites.find(|site| site.domain == *domain)
    }
}

/// Why the loader refuses a candidate, in one line.
pub(crate) fn first_problem(problems: &Problems) -> String {
    problems.first_message().unwrap_or_else(|| "the inventory cannot hold it".to_owned())
}

/// A candidate that the loader refuses as a whole.
pub(crate) fn refused(problems: &Problems) -> CommandError {
    CommandError::refused("the inventory would not be read").because(first_problem(problems))
}

fn has_environment(file: &FileDraft) -> bool {
    String::from_utf8_lossy(&file.bytes).to_ascii_lowercase().contains("environment")
}

/// Where a file that comes in as it is lies beside the inventory.
pub(crate) fn copy_path(domain: &Domain, file: &FileDraft) -> String {
    format!("supervisor/{domain}/{}", file.name)
}

/// What lies beside an inventory, with the files that would be written over it.
struct Overlay<'a> {
    files: &'a BTreeMap<String, NewFile>,
    below: &'a dyn Beside,
}

impl Beside for Overlay<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.files.get(path) {
            Some(file) => Ok(file.bytes.clone()),
            None => self.below.read(path),
        }
    }

    fn matching(&self, pattern: &str) -> Result<Vec<String>, String> {
        match self.files.contains_key(pattern) {
            true => Ok(vec![pattern.to_owned()]),
            false => self.below.matching(pattern),
        }
    }
}

/// Which secrets go to which file: programs with the very same ones share it.
struct SecretFiles {
    files: Vec<(String, BTreeMap<String, String>)>,
}

impl SecretFiles {
    fn of(draft: &Draft, path: Option<&str>) -> Self {
        let mut files: Vec<(String, BTreeMap<String, String>)> = Vec::new();
        let Some(path) = path else { return Self { files } };
        for (_, file) in draft.files() {
            let Way::Keys(programs) = &file.way else { continue };
            for program in programs {
                let secrets = owned(program.entry.secrets());
                if secrets.is_empty() || files.iter().any(|(_, known)| *known == secrets) {
                    continue;
                }
                let path = match files.is_empty() {
                    true => path.to_owned(),
                    false => beside_name(path, &program.full_name),
                };
                files.push((path, secrets));
            }
        }
        Self { files }
    }

    fn path_of(&self, secrets: &BTreeMap<&str, &str>) -> Option<&str> {
        let secrets = owned(secrets.clone());
        let file = self.files.iter().find(|(_, known)| *known == secrets);
        file.map(|(path, _)| path.as_str())
    }

    fn files(&self) -> impl Iterator<Item = (String, NewFile)> {
        self.files.iter().map(|(path, secrets)| {
            let lines = secrets.iter().map(|(name, value)| format!("{name}=\"{value}\"\n"));
            let file = NewFile { bytes: lines.collect::<String>().into_bytes(), mode: 0o600 };
            (path.clone(), file)
        })
    }
}

fn owned(secrets: BTreeMap<&str, &str>) -> BTreeMap<String, String> {
    secrets.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// `secrets-celery.env` of `secrets.env`.
fn beside_name(path: &str, program: &str) -> String {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let slash = if path.contains('/') { "/" } else { "" };
    match name.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() => format!("{folder}{slash}{stem}-{program}.{end}"),
        _ => format!("{path}-{program}"),
    }
}

fn site_text(
    site: &SiteDraft,
    setting: &Setting<'_>,
    secrets: &SecretFiles,
    masked: bool,
) -> String {
    let mut text = format!("  # named {}\n", site.named_after);
    text += &format!("  - domain: {}\n", plain_or_quoted(site.domain.as_str()));
    text += &format!("    server: {}\n", plain_or_quoted(setting.host.as_str()));
    let mut paths = Vec::new();
    if site.folder != setting.conf_dir {
        paths.push(format!("conf_dir: {}", plain_or_quoted(&site.folder.display().to_string())));
    }
    paths.extend(setting.main.map(|main| format!("supervisord: {}", plain_or_quoted(main))));
    if !paths.is_empty() {
        text += &format!("    paths: {{{}}}\n", paths.join(", "));
    }
    let mut names = Names::of_groups(site);
    let mut programs = String::new();
    for (file, program) in in_order(site) {
        let name = names.free(&program_name(&site.domain, &program.full_name));
        programs += &program_text(site, file, (program, &name), (secrets, masked));
    }
    let mut configs = String::new();
    for file in site.files.iter().filter(|file| matches!(file.way, Way::Verbatim { .. })) {
        let path = copy_path(&site.domain, file);
        configs += &format!("      - {}\n", plain_or_quoted(&path));
    }
    if !programs.is_empty() {
        text += &format!("    format: plain\n    supervisors:\n{programs}");
    }
    let groups: String =
        groups_of(site).map(|(file, group)| group_text(site, file, group)).collect();
    if !groups.is_empty() {
        text += &format!("    groups:\n{groups}");
    }
    if !configs.is_empty() {
        text += &format!("    configs:\n{configs}");
    }
    text
}

/// The programs of a site that come in as entries, each with its file. Those of a group stand together, in the
/// order that the group has them in.
fn in_order(site: &SiteDraft) -> Vec<(&FileDraft, &ProgramDraft)> {
    let mut all = Vec::new();
    for file in &site.files {
        if let Way::Keys(programs) = &file.way {
            all.extend(programs.iter().map(|program| (file, program)));
        }
    }
    let mut ordered: Vec<(&FileDraft, &ProgramDraft)> = Vec::new();
    for (file, program) in &all {
        let group = groups_of(site).find(|(_, group)| Some(&group.name) == program.group.as_ref());
        let Some((_, group)) = group else {
            ordered.push((file, program));
            continue;
        };
        if ordered.iter().all(|(_, other)| other.group != program.group) {
            let members = group.members.iter();
            ordered.extend(members.filter_map(|member| {
                all.iter().find(|(_, program)| program.full_name == *member).copied()
            }));
        }
    }
    ordered
}

/// The groups of a site whose programs come in as entries, each with the file of its section.
fn groups_of(site: &SiteDraft) -> impl Iterator<Item = (&FileDraft, &GroupDraft)> {
    let by_entries = site.files.iter().filter(|file| matches!(file.way, Way::Keys(_)));
    by_entries.flat_map(|file| file.groups.iter().map(move |group| (file, group)))
}

/// What a group has beside its programs, if anything.
fn group_text(site: &SiteDraft, file: &FileDraft, group: &GroupDraft) -> String {
    let mut said = vec![format!("group: {}", plain_or_quoted(&group.name))];
    said.extend(group.priority.map(|priority| format!("priority: {priority}")));
    let first = in_order(site).into_iter().find(|(_, one)| one.group.as_ref() == Some(&group.name));
    if first.is_some_and(|(of_first, _)| of_first.name != file.name) {
        said.push(format!("file: {}", plain_or_quoted(file.name.as_str())));
    }
    match said.len() {
        1 => String::new(),
        _ => format!("      - {{{}}}\n", said.join(", ")),
    }
}

/// The names of programs within a site.
struct Names(BTreeSet<String>);

impl Names {
    /// A group goes by its name as a program does.
    fn of_groups(site: &SiteDraft) -> Self {
        let by_hand = site.files.iter().filter(|file| matches!(file.way, Way::Verbatim { .. }));
        let by_hand = by_hand.flat_map(|file| file.sections.iter().cloned());
        Self(by_hand.chain(groups_of(site).map(|(_, group)| group.name.clone())).collect())
    }

    fn free(&mut self, name: &str) -> String {
        let mut free = name.to_owned();
        let mut number = 2_u32;
        while self.0.contains(&free) {
            free = format!("{name}-{number}");
            number += 1;
        }
        self.0.insert(free.clone());
        free
    }
}

fn program_text(
    site: &SiteDraft,
    file: &FileDraft,
    (program, name): (&ProgramDraft, &str),
    (secrets, masked): (&SecretFiles, bool),
) -> String {
    const INDENT: &str = "        ";
    let full_name = program.full_name.as_str();
    let mut text = format!("      - program: {}\n", plain_or_quoted(name));
    if full_name != format!("{}-{name}", site.domain) {
        text += &format!("{INDENT}as: {}\n", plain_or_quoted(full_name));
    }
    if file.name.as_str() != format!("{full_name}.conf") {
        text += &format!("{INDENT}file: {}\n", plain_or_quoted(file.name.as_str()));
    }
    if let Some(group) = &program.group {
        text += &format!("{INDENT}group: {}\n", plain_or_quoted(group));
    }
    let own = program.entry.secrets();
    let environment_file = secrets.path_of(&own);
    let mut shown = BTreeMap::new();
    for (key, value) in &program.entry.environment {
        if environment_file.is_none() || !own.contains_key(key.as_str()) {
            let value = if masked { MASK.to_owned() } else { quoted(value, Quotes::Double) };
            shown.insert(key.as_str(), value);
        }
    }
    let lines = program.entry.lines(INDENT, &shown, environment_file);
    match masked {
        true => text + &crate::inventory::without_passwords(&lines),
        false => text + &lines,
    }
}

/// An inventory with sites behind those that it has; `None` where `sites` is not the last of its keys, or
/// is no list in lines of its own.
fn appended(before: &str, sites: &str) -> Option<String> {
    let is_key =
        |line: &&str| line.starts_with(|c: char| c.is_ascii_alphabetic()) && line.contains(':');
    let mut text = before.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let last = before.lines().rfind(is_key).map(str::trim_end);
    let has_sites = before.lines().filter(is_key).any(|line| line.starts_with("sites:"));
    match last {
        Some("sites:") => {}
        Some("sites: []") => {
            let at = text.rfind("sites: []")?;
            text.replace_range(at..at + "sites: []".len(), "sites:");
        }
        _ if has_sites => return None,
        _ => text.push_str("sites:\n"),
    }
    let after = text.rsplit_once("sites:\n").map_or("", |(_, after)| after);
    let item = after.lines().find(|line| line.trim_start().starts_with("- "));
    let indent = item.map_or(2, |line| line.len() - line.trim_start().len());
    for line in sites.lines() {
        let rest = line.strip_prefix("  ").unwrap_or(line);
        text.push_str(&" ".repeat(indent));
        text.push_str(rest);
        text.push('\n');
    }
    Some(text)
}

/// What speaks for a server and its paths alone, for entries that nobody can put into the inventory.
fn with_sites(before: &str, sites: &str) -> String {
    let mut text = String::new();
    let mut in_sites = false;
    for line in before.lines() {
        if !line.starts_with([' ', '-', '#']) && !line.is_empty() {
            in_sites = line.starts_with("sites:");
        }
        if !in_sites {
            text += line;
            text.push('\n');
        }
    }
    text + "sites:\n" + sites
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "  - domain: new\n    server: a\n";

    #[test]
    fn sites_go_behind_those_there() {
        for (before, expected) in [
            ("", "sites:\n  - domain: new\n    server: a\n"),
            ("servers: []", "servers: []\nsites:\n  - domain: new\n    server: a\n"),
            ("a: 1\nsites: []\n", "a: 1\nsites:\n  - domain: new\n    server: a\n"),
            (
                "sites:\n- domain: x # why\n",
                "sites:\n- domain: x # why\n- domain: new\n  server: a\n",
            ),
            (
                "sites:\n    - domain: x\n",
                "sites:\n    - domain: x\n    - domain: new\n      server: a\n",
            ),
        ] {
            assert_eq!(appended(before, SITE).as_deref(), Some(expected));
        }
        for other in ["sites:\n  - domain: x\nservers: []\n", "sites: [{domain: x}]\n"] {
            assert_eq!(appended(other, SITE), None, "{other}");
        }
    }

    #[test]
    fn secret_files_are_named_after_programs() {
        assert_eq!(beside_name("secrets.env", "celery"), "secrets-celery.env");
        assert_eq!(beside_name("a.b/.env", "celery"), "a.b/.env-celery");
        assert_eq!(beside_name("a.b/x", "celery"), "a.b/x-celery");
    }
}
