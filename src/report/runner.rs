//! The `runner.sh` files that were written.

use serde::Serialize;

use super::Screen;
use crate::error::CommandError;
use crate::fleet::{HostWork, LookOutcome};
use crate::inventory::AbsolutePath;

/// A site's `runner.sh` on a host is as it should be.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RunnerDocument<'a> {
    path: &'a str,
    changed: bool,
}

/// A file, and whether it differed from what was there.
pub(crate) type WrittenRunner = (AbsolutePath, bool);

/// The files of all hosts.
#[derive(Default)]
pub(crate) struct Runners {
    answers: LookOutcome,
}

impl Runners {
    /// Shows what was written on the next host, site by site, or why nothing was.
    pub(crate) fn add(
        &mut self,
        work: &HostWork,
        written: Result<Vec<Result<WrittenRunner, CommandError>>, CommandError>,
        screen: &mut Screen,
    ) {
        let name = work.name();
        let written = match written {
            Ok(written) => written,
            Err(error) => return screen.unanswered(name, &error, &mut self.answers),
        };
        for written in written {
            match written {
                Ok((path, changed)) => {
                    self.answers.count();
                    let path = path.as_str();
                    screen.document("runner", Some(name), &RunnerDocument { path, changed });
                    let what = if changed { "written" } else { "is as wanted" };
                    screen.print(&format!("{name}: {path} {what}\n"));
                }
                Err(error) => screen.unanswered(name, &error, &mut self.answers),
            }
        }
    }

    /// The exit status.
    pub(crate) fn end(self) -> u8 {
        self.answers.exit_status()
    }
}
