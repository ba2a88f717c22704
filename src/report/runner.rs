//! The `runner.sh` files that were written.

use serde::Serialize;

use super::Screen;
use crate::fleet::{Answer, Answers, Work};
use crate::inventory::AbsolutePath;

/// A site's `runner.sh` on a host is as it should be.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Written<'a> {
    path: &'a str,
    changed: bool,
}

/// A file, and whether it differed from what was there.
pub type WrittenRunner = (AbsolutePath, bool);

/// Shows what was written on hosts, site by site, and returns the exit status.
pub fn show_runners(
    written: Vec<(&Work, Answer<Vec<Answer<WrittenRunner>>>)>,
    screen: &mut Screen,
) -> u8 {
    let mut answers = Answers::default();
    for (work, written) in written {
        let name = work.name();
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                screen.unanswered(name, &error, &mut answers);
                continue;
            }
        };
        for written in written {
            match written {
                Ok((path, changed)) => {
                    answers.count();
                    let path = path.as_str();
                    screen.document("runner", Some(name), &Written { path, changed });
                    let what = if changed { "written" } else { "is as wanted" };
                    screen.print(&format!("{name}: {path} {what}\n"));
                }
                Err(error) => screen.unanswered(name, &error, &mut answers),
            }
        }
    }
    answers.exit_status()
}
