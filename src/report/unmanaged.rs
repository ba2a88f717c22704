//! What a host has that no inventory has.

use std::fmt::Write as _;

use crate::import::Unmanaged;

/// All of it.
pub(super) fn text(unmanaged: &Unmanaged) -> String {
    if unmanaged.is_empty() {
        return "All that supervisord has is in an inventory\n".to_owned();
    }
    let Unmanaged { programs, not_read } = unmanaged;
    let mut text = String::new();
    if !programs.is_empty() {
        text += "In no inventory (`supervisor-sync import` brings them in):\n";
    }
    for program in programs {
        let file = match &program.file {
            Some(file) => file.display().to_string(),
            None => "its file is gone".to_owned(),
        };
        let running = match program.running {
            0 => "does not run".to_owned(),
            1 => "1 process runs".to_owned(),
            some => format!("{some} processes run"),
        };
        let _ = write!(text, "  {}: {file}, {running}", program.program);
        if let Some(other) = &program.same_as {
            let _ = write!(text, ", the same as {other}");
        }
        text.push('\n');
    }
    if !not_read.is_empty() {
        text += "Read by nobody, as supervisord's [include] has it:\n";
    }
    for path in not_read {
        let _ = writeln!(text, "  {}", path.display());
    }
    text
}
