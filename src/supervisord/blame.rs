//! Which file is to blame for what supervisord refuses: the one that set the refused value.
//!
//! supervisord's own words do not tell. For most of what it refuses they name neither file nor section; where
//! they name a file, that is the one in which the section came first, not the one whose value is in force;
//! and `[eventlistener:web]` and `[program:web]` are two sections of one name. So its words are taken for
//! what they say of the value and of the options that can be meant (`blame/rules.rs`), and the value is looked
//! for among those that are in force, in all files together (`merged.rs`).

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::fault::Fault;
use super::ini;
use super::merged::{Merged, MergedSection, Position};

mod rules;

use rules::{Rule, UNNAMED};

/// What supervisord refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// Nothing else can be meant.
    Of(Culprit),
    /// One of these, in supervisord's order; its words do not tell which. Empty: they tell nothing.
    OneOf(Vec<Culprit>),
}

impl Blame {
    /// All that may be to blame.
    pub fn culprits(&self) -> &[Culprit] {
        match self {
            Self::Of(culprit) => std::slice::from_ref(culprit),
            Self::OneOf(culprits) => culprits,
        }
    }

    /// The same, to be named otherwise.
    pub fn culprits_mut(&mut self) -> &mut [Culprit] {
        match self {
            Self::Of(culprit) => std::slice::from_mut(culprit),
            Self::OneOf(culprits) => culprits,
        }
    }
}

/// A line of a file, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Culprit {
    /// The file, as supervisord includes it.
    pub file: PathBuf,
    /// From 1; `None` where it is the whole file.
    pub line: Option<u32>,
    /// The option, e.g. `user of [program:web]`, or the section; `None` where it is the file itself that
    /// cannot be read.
    pub what: Option<String>,
}

impl Culprit {
    /// A file that cannot be read, or can be up to this line.
    fn whole_file(file: &Path, line: Option<u32>) -> Self {
        Self { file: file.to_owned(), line, what: None }
    }
}

/// Finds what a CANT_REREAD is about. `files` are the main one and then the included ones in order, each
/// with its bytes if it can be read.
pub fn blame(fault: &Fault, files: &[(&Path, &[u8])], environment: &Environment) -> Blame {
    let text = fault.text.strip_prefix("CANT_REREAD: ").unwrap_or(&fault.text);
    if let Some(culprit) = unreadable(fault, text, files) {
        return Blame::Of(culprit);
    }
    let mut merged = Merged::of(|_| true);
    for (path, bytes) in files {
        if let Ok(ini) = ini::parse(&String::from_utf8_lossy(bytes)) {
            merged.add(path, &ini);
        }
    }
    let main = files.first().map(|(path, _)| *path);
    Case { text, merged: &merged, environment, main }.blame()
}

/// The file that supervisord cannot read at all: the first such is where it stops.
fn unreadable(fault: &Fault, text: &str, files: &[(&Path, &[u8])]) -> Option<Culprit> {
    if text.contains("codec can't decode") {
        let is_ascii_meant = text.contains("'ascii' codec");
        return files.iter().find_map(|(path, bytes)| {
            let valid_up_to = match is_ascii_meant {
                true => bytes.iter().position(|byte| !byte.is_ascii())?,
                false => std::str::from_utf8(bytes).err()?.valid_up_to(),
            };
            let before = bytes.get(..valid_up_to)?;
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            Some(Culprit::whole_file(path, u32::try_from(line).ok()))
        });
    }
    let is_syntax = ["Source contains parsing errors", "File contains "];
    if !is_syntax.iter().any(|begin| text.starts_with(begin)) {
        return None;
    }
    match files.iter().find(|(path, _)| fault.names_file(path)) {
        Some((path, bytes)) => {
            Some(unparsable(path, bytes).unwrap_or_else(|| Culprit::whole_file(path, None)))
        }
        // Named as it was on supervisord's command line.
        None => files.iter().find_map(|(path, bytes)| unparsable(path, bytes)),
    }
}

fn unparsable(path: &Path, bytes: &[u8]) -> Option<Culprit> {
    let error = ini::parse(&String::from_utf8_lossy(bytes)).err()?;
    Some(Culprit::whole_file(path, Some(error.line)))
}

/// One refusal, and all that can be to blame for it.
struct Case<'a> {
    text: &'a str,
    merged: &'a Merged,
    environment: &'a Environment,
    main: Option<&'a Path>,
}

/// A value that is in force in a section, or one of the section's headers.
#[derive(Clone)]
struct Suspect<'a> {
    /// Where it stands: the section itself, or `[DEFAULT]`.
    section: &'a str,
    key: Option<&'a str>,
    value: &'a str,
    at: Position,
}

impl<'a> Case<'a> {
    fn blame(&self) -> Blame {
        if let Some(culprit) = self.only_in_main() {
            return Blame::Of(culprit);
        }
        let (core, section) = self.core_and_section();
        if let Some(found) = self.unexpandable(core, section) {
            return self.whichever(vec![found]);
        }
        let rule = Rule::of(core);
        let found = match (rule, section) {
            (Some(Rule::Value(options)), Some(section)) => self.by_value(core, options, section),
            (Some(Rule::Value(options)), None) => self.by_value_anywhere(core, options),
            (Some(Rule::Latest(options)), Some(section)) => {
                let found = options.iter().filter_map(|key| self.found(section, key));
                found.max_by_key(|found| found.at).into_iter().collect()
            }
            (Some(Rule::Missing(option)), Some(section)) => match self.found(section, option) {
                Some(empty) => vec![empty],
                None => headers(section).collect(),
            },
            (Some(Rule::Member), _) => self.by_member(core),
            (Some(Rule::Name), section) => self.by_name(core, section),
            (None, Some(section)) => self.settings(section).collect(),
            (Some(Rule::Latest(_) | Rule::Missing(_)) | None, None) => Vec::new(),
        };
        self.whichever(found)
    }

    /// What nothing but the main file can be refused for.
    fn only_in_main(&self) -> Option<Culprit> {
        let what = match self.text {
            text if text.starts_with(".ini file has [include] section, but no") => {
                Some("[include]")
            }
            text if text.contains(" for 'include.files' ") => Some("files of [include]"),
            text if text.starts_with(".ini file does not include supervisord section") => None,
            _ => return None,
        };
        let header = self.merged.section("include").and_then(|section| section.headers.first());
        let line = what.and(header).map(|place| place.line);
        Some(Culprit { file: self.main?.to_owned(), line, what: what.map(str::to_owned) })
    }

    /// supervisord's words, without the `in section '…' (file: '…')` behind those of a program; and the
    /// section that they name, one way or the other.
    fn core_and_section(&self) -> (&'a str, Option<&'a MergedSection>) {
        if let Some((core, tail)) = self.text.rsplit_once(" in section '")
            && let Some((name, _)) = tail.rsplit_once("' (file: ")
        {
            return (core, self.merged.section(name));
        }
        let mut named = self.text.match_indices('[').filter_map(|(at, _)| {
            let (name, _) = self.text.get(at + 1..)?.split_once(']')?;
            self.merged.section(name)
        });
        (self.text, named.next_back())
    }

    /// The value that cannot be expanded.
    fn unexpandable(&self, core: &str, section: Option<&'a MergedSection>) -> Option<Suspect<'a>> {
        let (before, _) = core
            .rsplit_once("' contains names (")
            .or_else(|| core.rsplit_once("' is badly formatted: "))?;
        let (_, name) = before.rsplit_once(" for '")?;
        // `SECTION.OPTION`, where a section's name may have dots, too; else the option alone.
        let named = self.merged.sections().find_map(|section| {
            let option = name.strip_prefix(&section.name)?.strip_prefix('.')?;
            self.found(section, option)
        });
        let section = section.or_else(|| self.merged.section("supervisord"));
        named.or_else(|| self.found(section?, name))
    }

    /// The options of a section that have the value, in supervisord's order; if that is none, all that
    /// can be meant.
    fn by_value(
        &self,
        core: &str,
        options: &[&str],
        section: &'a MergedSection,
    ) -> Vec<Suspect<'a>> {
        let found = options.iter().filter_map(|key| self.found(section, key));
        let found: Vec<Suspect<'_>> = found.collect();
        let fitting = found.iter().filter(|found| self.is_value(core, section, found)).cloned();
        let fitting: Vec<Suspect<'_>> = fitting.collect();
        if fitting.is_empty() { found } else { fitting }
    }

    /// The same where no section is named: among the values that supervisord checks without naming it.
    fn by_value_anywhere(&self, core: &str, options: &[&str]) -> Vec<Suspect<'a>> {
        let mut fitting = Vec::new();
        for (kind, unnamed) in UNNAMED {
            for section in self.merged.sections().filter(|one| is_of_kind(&one.name, kind)) {
                let checked = options.iter().filter(|key| unnamed.contains(key));
                let found = checked.filter_map(|key| self.found(section, key));
                fitting.extend(found.filter(|found| self.is_value(core, section, found)));
            }
        }
        fitting
    }

    /// The groups that take in what is no program, or two.
    fn by_member(&self, core: &str) -> Vec<Suspect<'a>> {
        let Some(member) = rules::member(core) else { return Vec::new() };
        let groups = self.merged.sections().filter(|section| is_of_kind(&section.name, "group"));
        let mut having_it = Vec::new();
        for group in groups {
            let Some(programs) = self.found(group, "programs") else { continue };
            let values = self.values(group, &programs);
            if values.iter().any(|value| value.split(',').any(|name| name.trim() == member)) {
                having_it.push(programs);
            }
        }
        having_it
    }

    /// A name that supervisord does not take, of a process or of a section.
    fn by_name(&self, core: &str, section: Option<&'a MergedSection>) -> Vec<Suspect<'a>> {
        if let Some(found) = section.and_then(|section| self.found(section, "process_name")) {
            return vec![found];
        }
        let named = self.merged.sections().filter(|section| {
            let (_, name) = section.name.split_once(':').unwrap_or_default();
            core.contains(&format!("'{name}'")) || core.contains(&format!("\"{name}\""))
        });
        named.flat_map(headers).collect()
    }

    /// What is in force for an option.
    fn found(&self, section: &'a MergedSection, key: &str) -> Option<Suspect<'a>> {
        self.settings(section).find(|found| found.key == Some(key))
    }

    /// All that is in force for a section: what it says itself, and what `[DEFAULT]` says.
    fn settings(&self, section: &'a MergedSection) -> impl Iterator<Item = Suspect<'a>> {
        self.merged.settings(section).map(|(section, setting)| Suspect {
            section,
            key: Some(&setting.key),
            value: &setting.value,
            at: setting.at,
        })
    }

    /// Whether supervisord's words can be about this value.
    fn is_value(&self, core: &str, section: &MergedSection, found: &Suspect<'_>) -> bool {
        self.values(section, found).iter().any(|value| rules::speaks_of(core, value))
    }

    /// A value as it stands, and expanded.
    fn values(&self, section: &MergedSection, found: &Suspect<'_>) -> Vec<String> {
        let (_, program) = section.name.split_once(':').unwrap_or_default();
        let expanded = ini::expand(found.value, &|name| match name {
            "program_name" | "group_name" => Some(program.trim().to_owned()),
            "process_num" => Some("0".to_owned()),
            "here" => self.main?.parent().map(|folder| folder.display().to_string()),
            name => self.environment.expansion(name),
        })
        .ok();
        std::iter::once(found.value.to_owned()).chain(expanded).collect()
    }

    /// One file if only one can be meant.
    fn whichever(&self, found: Vec<Suspect<'a>>) -> Blame {
        let mut culprits: Vec<Culprit> = Vec::new();
        for found in found {
            let file = self.merged.file(found.at);
            if culprits.iter().all(|known| known.file != file) {
                let section = found.section;
                let what = match found.key {
                    Some(key) => format!("{key} of [{section}]"),
                    None => format!("[{section}]"),
                };
                let (file, line) = (file.to_owned(), Some(found.at.line));
                culprits.push(Culprit { file, line, what: Some(what) });
            }
        }
        match <[Culprit; 1]>::try_from(culprits) {
            Ok([culprit]) => Blame::Of(culprit),
            Err(culprits) => Blame::OneOf(culprits),
        }
    }
}

fn headers(section: &MergedSection) -> impl Iterator<Item = Suspect<'_>> {
    let name = section.name.as_str();
    section.headers.iter().map(move |at| Suspect { section: name, key: None, value: name, at: *at })
}

/// `program` of `program:web`, `unix_http_server` of itself and of `unix_http_server:second`.
fn is_of_kind(section: &str, kind: &str) -> bool {
    section.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}
