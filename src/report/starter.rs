//! What a repository begins with: the inventory and the worker scripts that were written.

use std::path::Path;

use serde::Serialize;

use super::Screen;
use crate::inventory::SCRIPT_FOLDER;
use crate::starter::{Proposal, ScriptKind};

/// A first inventory was written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct FirstInventoryDocument<'a> {
    /// The inventory.
    path: &'a Path,
    /// The schema beside it, if it was written too.
    schema: Option<&'a Path>,
    /// The programs in it that the repository probably runs; without any there is an example in it.
    programs: Vec<ProposedProgram<'a>>,
}

/// A program that the repository probably runs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ProposedProgram<'a> {
    program: &'a str,
    command: &'a str,
    /// What it was seen by.
    seen: &'a str,
}

/// A worker script was written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ScriptDocument<'a> {
    path: &'a Path,
    program: &'a str,
}

/// The kinds of worker scripts that there are.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ScriptKinds {
    kinds: Vec<NamedKind>,
}

/// A kind of worker script.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct NamedKind {
    name: &'static str,
    purpose: &'static str,
}

/// Says what was written and what comes next.
pub(crate) fn show_first_inventory(
    path: &Path,
    schema: Option<&Path>,
    programs: &[Proposal],
    screen: &mut Screen,
) {
    let proposed = programs.iter().map(|Proposal { program, command, seen, .. }| ProposedProgram {
        program,
        command,
        seen,
    });
    let document = FirstInventoryDocument { path, schema, programs: proposed.collect() };
    screen.document("init", None, &document);
    let mut text = format!("{} is written\n", path.display());
    if programs.is_empty() {
        text.push_str("  with an example: no worker script and no framework was found here\n");
    }
    for Proposal { program, command, seen, .. } in programs {
        text.push_str(&format!("  {program}: {command} ({seen})\n"));
    }
    if let Some(schema) = schema {
        let schema = schema.display();
        text.push_str(&format!("{schema} is written, by which editors complete it\n"));
    }
    text.push_str("Next: look at it, then: supervisor-sync plan\n");
    screen.print(&text);
}

/// Says what was written and what comes next.
pub(crate) fn show_script(path: &Path, program: &str, screen: &mut Screen) {
    screen.document("scaffold", None, &ScriptDocument { path, program });
    screen.print(&format!(
        "{} is written\nNext: look at it, then: supervisor-sync add SITE {program} --script {program}.sh\n\
         Where a site has no runner.sh: supervisor-sync add SITE {program} --command 'sh {SCRIPT_FOLDER}/{program}.sh' \
         --set directory=PATH\n",
        path.display()
    ));
}

/// Lists the kinds.
pub(crate) fn show_script_kinds(screen: &mut Screen) {
    let kinds =
        ScriptKind::ALL.map(|kind| NamedKind { name: kind.name(), purpose: kind.purpose() });
    let lines = kinds.iter().map(|kind| format!("{:<18}  {}\n", kind.name, kind.purpose));
    screen.print(
        &(lines.collect::<String>() + "Write one: supervisor-sync scaffold KIND [PROGRAM]\n"),
    );
    screen.document("scaffolds", None, &ScriptKinds { kinds: kinds.into() });
}
