//! What becomes of a site when supervisord is lost or somebody asks us to stop in its midst.

use std::time::Duration;

use super::failure::{self, Unanswered, in_one_line};
use super::site::{SiteApply, Stage};
use super::{ApplyError, FailedAt, Outcome};

impl SiteApply {
    /// supervisord does not answer any more.
    pub(super) fn lost(&mut self, error: &Unanswered, now: Duration) {
        let while_updating =
            matches!(self.stage, Stage::Updating(_) | Stage::PuttingBack(..) | Stage::Stopped);
        let (at, what) = match while_updating {
            true => (FailedAt::Update, "lost supervisord while updating programs"),
            false => (FailedAt::Verify, "lost supervisord while watching programs"),
        };
        let cause = failure::lost(self.domain(), at, what, error);
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::PuttingBack(undo, _) => {
                self.undo_errors.push(in_one_line(&cause.error));
                self.stage = Stage::PutBack(undo);
            }
            Stage::RunningAgain(undo) => {
                let text = "whether the former programs run again could not be seen";
                self.undo_errors.push(text.to_owned());
                self.stage = Stage::PutBack(undo);
            }
            // A look is no more than a courtesy: a daemon that does not answer has just been told
            // everything it needed.
            Stage::Glancing => {
                self.batch.watched.clear();
                self.batch_done(now);
            }
            // It waits for its undo, with a cause of its own.
            failed @ Stage::Failed { .. } => self.stage = failed,
            _ if cause.at == FailedAt::Interrupted => self.end_interrupted(cause),
            _ if self.journal.is_none() => self.end(Outcome::Kept { cause }),
            _ => self.fail(cause, now),
        }
    }

    /// What has begun goes on by itself; the journal stays for the next apply to finish.
    fn end_interrupted(&mut self, mut cause: ApplyError) {
        if self.journal.is_none() {
            cause.error.hints = vec!["what was begun goes on; run the same command again".into()];
        }
        self.end(Outcome::Interrupted { cause });
    }

    /// Somebody asked us to stop.
    pub(super) fn interrupt(&mut self) {
        let (names, doing) = match &self.stage {
            Stage::Updating(update) | Stage::PuttingBack(_, update) => {
                (update.unfinished().into_iter().map(str::to_owned).collect(), "stopping")
            }
            Stage::Watching(watch) => (watch.unfinished(), "watched"),
            Stage::Probing(probes) => (probes.unfinished(), "watched"),
            _ => (Vec::new(), "watched"),
        };
        let cause = failure::interrupted(self.domain(), &names, doing);
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Ended => {}
            Stage::PuttingBack(undo, _) | Stage::RunningAgain(undo) | Stage::PutBack(undo) => {
                self.undo_errors.push(in_one_line(&cause.error));
                self.stage = Stage::PutBack(undo);
            }
            _ => self.end_interrupted(cause),
        }
    }
}
