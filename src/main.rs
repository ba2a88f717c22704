//! Parses the command line, runs it and turns its outcome into the exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(supervisor_sync::cli::run())
}
