//! Finds the way of each file by trying: what the inventory would say is loaded, rendered, and held against
//! the file.

use std::path::PathBuf;

use super::candidate::{Candidate, Setting, first_problem};
use super::draft::{Draft, FileDraft, SiteDraft, Text, Way};
use crate::desired::{DaemonFacts, FileKind, render};
use crate::inventory::naming;
use crate::supervisord::{ReadBy, meanings, say_the_same};

/// Takes each file as entries where those say exactly what it says, else as it is, else not.
pub(crate) fn settle(
    draft: &mut Draft,
    setting: &Setting<'_>,
    text: Text,
    (facts, read_by): (&DaemonFacts, &ReadBy<'_>),
) {
    let paths: Vec<PathBuf> = draft.files().map(|(_, file)| file.path.clone()).collect();
    for path in paths {
        // At most twice: what is not said by entries is taken as it is, or not at all.
        while let Some(alone) = alone(draft, &path) {
            match objection(&alone, setting, text, (facts, read_by)) {
                None => break,
                Some((line, reason)) => {
                    draft.demote(&path, line, &reason);
                }
            }
        }
    }
}

/// The file at a path with those that belong together with it.
fn alone(draft: &Draft, path: &std::path::Path) -> Option<Draft> {
    let (site, file) = draft.files().find(|(_, file)| file.path == path)?;
    let together = |other: &&FileDraft| other.together == file.together;
    let files = site.files.iter().filter(together).cloned().collect();
    let site = SiteDraft { files, ..site.clone() };
    Some(Draft { sites: vec![site], not_taken: Vec::new() })
}

/// What speaks against a way, and where in the file.
fn objection(
    draft: &Draft,
    setting: &Setting<'_>,
    text: Text,
    (facts, read_by): (&DaemonFacts, &ReadBy<'_>),
) -> Option<(Option<u32>, String)> {
    let candidate = match Candidate::of(draft, setting) {
        Ok(candidate) => candidate,
        Err(problems) => return Some(placed(&first_problem(&problems))),
    };
    let site = draft.sites.first()?;
    let desired = match candidate.site(&site.domain).map(|found| render(found, facts)) {
        Some(Ok(desired)) => desired,
        Some(Err(error)) => return Some((None, error.to_string())),
        None => return Some((None, "the inventory would not have it".to_owned())),
    };
    for file in &site.files {
        let Way::Keys(_) = file.way else { continue };
        let mut written = desired.files.iter().filter(|(path, written)| {
            written.kind == FileKind::Supervisor && naming::file_name(path) == file.name.as_str()
        });
        let (Some((_, written)), None) = (written.next(), written.next()) else {
            return Some((None, "it would be written to several files".to_owned()));
        };
        let is_same = match text {
            Text::Stays => written.bytes == file.bytes,
            Text::MayChange => say_the_same(&file.bytes, &written.bytes, read_by),
        };
        if !is_same {
            return Some((None, difference(&file.bytes, &written.bytes, text, read_by)));
        }
    }
    None
}

/// A message of the loader about a line of a config by hand is about that line.
fn placed(message: &str) -> (Option<u32>, String) {
    let Some((before, reason)) = message.split_once(": ") else {
        return (None, message.to_owned());
    };
    let line = before.rsplit_once(", line ").and_then(|(_, line)| line.parse().ok());
    match line {
        Some(line) => (Some(line), reason.to_owned()),
        None => (None, message.to_owned()),
    }
}

/// What entries would say otherwise than the file does.
fn difference(file: &[u8], written: &[u8], text: Text, read_by: &ReadBy<'_>) -> String {
    if text == Text::Stays {
        return "entries would change its text, which --normalise allows".to_owned();
    }
    let of = |bytes| meanings(bytes, read_by).unwrap_or_default();
    let (file, written) = (of(file), of(written));
    for (section, options) in &file {
        let Some(others) = written.get(section) else { continue };
        let mut names = options.keys().chain(others.keys());
        if let Some(name) = names.find(|name| options.get(*name) != others.get(*name)) {
            return format!("entries would not say the same of `{name}` of [{section}]");
        }
    }
    "entries would not say the same".to_owned()
}
