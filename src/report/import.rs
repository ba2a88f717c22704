//! What an import would write, and what it leaves.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::Screen;
use super::names::counted;
use crate::import::{Imported, NotTaken, Text, Way, copy_path};
use crate::system::shell;

/// What came of an import.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ImportDocument<'a> {
    /// The server, by its name in the inventory.
    server: &'a str,
    /// Where the inventory is.
    inventory: &'a Path,
    /// Whether there was none before.
    is_new: bool,
    /// Whether it was written.
    written: bool,
    /// The new sites as they stand in it, with secrets masked.
    entries: &'a str,
    /// Whether they have to be put into the inventory by hand.
    by_hand: bool,
    /// The files that come in.
    files: Vec<ImportedFile<'a>>,
    /// Those that do not.
    not_taken: Vec<NotTakenFile<'a>>,
    /// How many files are on record already, of whichever inventory.
    on_record: usize,
    /// Whether the server's own plan after the import was seen to change no process; else files were held
    /// against what would be written.
    planned: bool,
}

/// A config file of the server that comes in.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ImportedFile<'a> {
    path: &'a Path,
    site: &'a str,
    /// How many programs it has.
    programs: usize,
    /// Where it is copied to beside the inventory, if it comes in as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<String>,
    /// Why it comes in as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The line of the file that the reason is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// Where it leads to, if it is a symbolic link: an apply puts a file in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a Path>,
    /// The file that was given for it, where no server was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    given: Option<&'a Path>,
    /// Options in it that supervisord passes over, which the entries do not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passed_over: Vec<&'a str>,
}

/// A config file of the server that does not come in.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct NotTakenFile<'a> {
    path: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    reason: &'a str,
    /// How many programs it has.
    programs: usize,
}

/// An import as it is shown.
pub(crate) struct ShownImport<'a> {
    server: &'a str,
    inventory: &'a Path,
    is_new: bool,
    imported: &'a Imported,
}

impl<'a> ShownImport<'a> {
    pub(crate) fn new(
        server: &'a str,
        inventory: &'a Path,
        is_new: bool,
        imported: &'a Imported,
    ) -> Self {
        Self { server, inventory, is_new, imported }
    }

    /// Shows what would be written, before anybody is asked.
    pub(crate) fn print(&self, screen: &mut Screen) {
        let Imported { candidate, draft, known, .. } = self.imported;
        let mut text = String::new();
        if !draft.sites.is_empty() {
            let new = if self.is_new { "new" } else { "these sites are added" };
            let _ = writeln!(text, "{} ({new}):", self.inventory.display());
            for line in candidate.shown.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
        text += &self.as_they_are();
        text += &self.links();
        if self.imported.text == Text::MayChange {
            text += &self.comments();
            text += &self.passed_over();
        }
        if !draft.not_taken.is_empty() {
            text += "Not taken:\n";
            for left in &draft.not_taken {
                let _ = writeln!(text, "  {}: {}", self.placed(&left.path, left.line), left.reason);
            }
        }
        if !known.is_empty() {
            let _ = writeln!(text, "Left out: {} on record already", counted(known.len(), "file"));
        }
        text += &self.secrets();
        text += &self.sum();
        screen.print(&text);
    }

    fn as_they_are(&self) -> String {
        let mut text = String::new();
        for (site, file) in self.imported.draft.files() {
            let Way::Verbatim { line, reason } = &file.way else { continue };
            if text.is_empty() {
                text += "Copied as they are, byte for byte:\n";
            }
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            let copy = copy_path(&site.domain, file);
            let _ = writeln!(text, "  {} to {copy} ({line}{reason})", self.shown(&file.path));
        }
        text
    }

    fn links(&self) -> String {
        let mut text = String::new();
        for (_, file) in self.imported.draft.files() {
            let Some(target) = &file.link else { continue };
            if text.is_empty() {
                text += "Symbolic links that the next apply replaces by files; release brings them back:\n";
            }
            let _ = writeln!(text, "  {} to {}", self.shown(&file.path), target.display());
        }
        text
    }

    /// A file as people know it: one that they gave by its own path, since nobody has looked at the server's.
    fn shown(&self, path: &Path) -> String {
        match self.imported.given.get(path) {
            Some(given) => format!("{} ({} on the server)", given.display(), path.display()),
            None => path.display().to_string(),
        }
    }

    fn placed(&self, path: &Path, line: Option<u32>) -> String {
        match (line, self.imported.given.get(path)) {
            (Some(line), Some(given)) => format!("{}, line {line}", given.display()),
            (Some(line), None) => format!("{}, line {line}", path.display()),
            (None, _) => self.shown(path),
        }
    }

    /// What entries have no room for.
    fn comments(&self) -> String {
        let mut text = String::new();
        for (_, file) in self.imported.draft.files() {
            if matches!(file.way, Way::Keys(_)) && file.comments > 0 {
                if text.is_empty() {
                    text += "Comments that will be gone after the next apply:\n";
                }
                let lines = if file.comments == 1 { "line" } else { "lines" };
                let _ = writeln!(text, "  {}: {} {lines}", self.shown(&file.path), file.comments);
            }
        }
        text
    }

    /// What no entry says, because supervisord does not read it.
    fn passed_over(&self) -> String {
        let mut text = String::new();
        for (_, file) in self.imported.draft.files() {
            for (line, option) in file.passed_over() {
                if text.is_empty() {
                    text += "Options that supervisord passes over, gone after the next apply:\n";
                }
                let place = self.placed(&file.path, Some(line));
                let _ = writeln!(text, "  {place}: {option}");
            }
        }
        text
    }

    fn secrets(&self) -> String {
        let candidate = &self.imported.candidate;
        let mut text = String::new();
        match candidate.open_secrets {
            0 => {}
            1 => {
                text += "1 value looks like a secret and will be plain text in the inventory; to a file of its own: --secrets FILE\n"
            }
            some => {
                let _ = writeln!(
                    text,
                    "{some} values look like secrets and will be plain text in the inventory; to a file of their own: --secrets FILE"
                );
            }
        }
        for (path, file) in candidate.files.iter().filter(|(_, file)| file.mode == 0o600) {
            let lines = file.bytes.iter().filter(|byte| **byte == b'\n').count();
            if !path.starts_with("supervisor/") {
                let values = if lines == 1 { "value" } else { "values" };
                let _ =
                    writeln!(text, "Secrets: {lines} {values} to {path}, which only you can read");
            }
        }
        text
    }

    fn sum(&self) -> String {
        let [keys, verbatim, left] = self.imported.counts();
        let programs = if keys + verbatim + left == 1 { "program" } else { "programs" };
        let mut text = format!(
            "{} {programs}: {keys} as keys and options, {verbatim} in configs, {left} not taken\n",
            keys + verbatim + left
        );
        if keys + verbatim > 0 {
            text += match (self.imported.is_planned, self.imported.text) {
                (true, Text::Stays) => {
                    "Proved: the server's plan after it changes no process and no text of a file\n"
                }
                (true, Text::MayChange) => {
                    "Proved: the server's plan after it changes no process\n"
                }
                (false, _) => {
                    "Proved: what would be written says to supervisord what these files say; no server was asked\n"
                }
            };
        }
        text
    }

    /// Says whether it was written, and what comes next; the exit status.
    pub(crate) fn end(&self, written: bool, screen: &mut Screen) -> u8 {
        let Imported { candidate, draft, known, is_planned, .. } = self.imported;
        let by_hand = candidate.text.is_none();
        let mut found = Vec::new();
        for (site, file) in draft.files() {
            let (copy, reason, line) = match &file.way {
                Way::Keys(_) => (None, None, None),
                Way::Verbatim { line, reason } => {
                    (Some(copy_path(&site.domain, file)), Some(reason.as_str()), *line)
                }
            };
            let site = site.domain.as_str();
            let programs = file.programs;
            let passed_over = file.passed_over().map(|(_, option)| option).collect();
            let path = file.path.as_path();
            let given = self.imported.given.get(path).map(|given| given.as_path());
            found.push(ImportedFile {
                path,
                site,
                programs,
                copy,
                reason,
                line,
                link: file.link.as_deref(),
                given,
                passed_over,
            });
        }
        let mut not_taken = Vec::new();
        for NotTaken { path, line, reason, programs } in &draft.not_taken {
            not_taken.push(NotTakenFile { path, line: *line, reason, programs: *programs });
        }
        let document = ImportDocument {
            server: self.server,
            inventory: self.inventory,
            is_new: self.is_new,
            written,
            entries: &candidate.shown,
            by_hand,
            files: found,
            not_taken,
            on_record: known.len(),
            planned: *is_planned,
        };
        screen.document("import", None, &document);
        screen.print(&match (written, by_hand) {
            (true, false) => format!("Written. Look at the plan: {}\n", self.next("plan")),
            (true, true) => format!(
                "Written to import.yml: put it below `sites` of {}, then: {}\n",
                self.inventory.display(),
                self.next("plan")
            ),
            (false, _) => "There is nothing to import\n".to_owned(),
        });
        0
    }

    fn next(&self, verb: &str) -> String {
        match self.inventory.file_name().is_some_and(|name| name == "deployer.yml") {
            true => format!("supervisor-sync {verb}"),
            false => format!("supervisor-sync {verb} --inventory {}", shell::path(self.inventory)),
        }
    }
}
