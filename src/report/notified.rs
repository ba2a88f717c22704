//! What became of notifications.

use serde::Serialize;

use super::Screen;
use super::describe::describe_failure;
use super::names::counted;
use crate::error::CommandError;
use crate::notify::Sent;

/// How many notifications were sent.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct NotifiedDocument<'a> {
    sent: usize,
    /// Why others were not, each command once.
    failed: &'a [CommandError],
}

/// As the result that was asked for.
pub(crate) fn show_sent(sent: &Sent, screen: &mut Screen) {
    let Sent { sent: count, failed } = sent;
    screen.document("notified", None, &NotifiedDocument { sent: *count, failed });
    screen.print(&format!("Sent {}\n", counted(*count, "notification")));
    warn(failed, screen);
}

/// Beside another result.
pub(crate) fn warn_unsent(sent: &Sent, screen: &mut Screen) {
    let Sent { sent: count, failed } = sent;
    if *count > 0 || !failed.is_empty() {
        screen.document("notified", None, &NotifiedDocument { sent: *count, failed });
    }
    warn(failed, screen);
}

fn warn(failed: &[CommandError], screen: &mut Screen) {
    for error in failed {
        screen.complain(&format!("warning: not everybody was told: {}", describe_failure(error)));
    }
}
