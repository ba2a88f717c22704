//! What became of other tools' playbooks.

use std::path::Path;

use serde::Serialize;

use super::Screen;

/// A playbook of another tool calls this program, or is the original again.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Integrated<'a> {
    path: &'a Path,
    changed: bool,
}

/// Says what one is now; `undo`: the originals were asked for.
pub(crate) fn show_integrated(path: &Path, changed: bool, undo: bool, screen: &mut Screen) {
    let what = match (changed, undo) {
        (true, false) => "calls supervisor-sync now",
        (false, false) => "calls supervisor-sync already",
        (true, true) => "is the original again",
        (false, true) => "is the original",
    };
    screen.print(&format!("{} {what}\n", path.display()));
    screen.document("integrate", None, &Integrated { path, changed });
}
