//! The loop over all sites whose processes are being changed.
//!
//! One round trip sends what every site wants sent, one look is shown to all of them, and each is in
//! a stage of its own. So a site that drains for an hour keeps no other from being done, and S sites
//! are watched in the time of one.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Look;
use super::failure::Unanswered;
use super::site::{SiteApply, Stage};
use super::transaction::Transaction;
use crate::supervisord::Call;

/// Between two looks while something stops. supervisord wakes up for each call and reaps what has
/// ended, so looking often also makes it quicker.
const WHILE_STOPPING: Duration = Duration::from_millis(100);
/// Between two looks while programs are only watched.
const WHILE_WATCHING: Duration = Duration::from_millis(200);

impl Transaction<'_, '_> {
    /// Takes every site to its end.
    pub(super) fn follow(&mut self) {
        let mut is_first_look = true;
        loop {
            // Answers first: they end stages, and what ends in the same round shares a sync or a reread.
            self.send();
            self.undo_failed();
            self.commit_finished();
            self.close_put_back();
            self.tell_ends();
            if self.sites.iter().all(|site| site.has_ended()) {
                return;
            }
            if self.sites.iter().any(|site| !site.calls().is_empty()) {
                continue;
            }
            // Who only wants a glance has waited for nothing yet.
            if !std::mem::take(&mut is_first_look) && !self.is_any(|s| matches!(s, Stage::Glancing))
            {
                self.doors.clock.wait(self.pause());
            }
            // Just before the look: one that has begun is waited for, whatever is wanted meanwhile.
            if self.doors.interrupt.is_heeded() {
                self.sites.iter_mut().for_each(SiteApply::interrupt);
                // An undo that this cuts short ends as one that could not be done: its journal stays.
                self.close_put_back();
                return;
            }
            self.look();
        }
    }

    fn is_any(&self, stage: impl Fn(&Stage) -> bool) -> bool {
        self.sites.iter().any(|site| stage(&site.stage))
    }

    fn pause(&self) -> Duration {
        match self.is_any(|s| matches!(s, Stage::Updating(_) | Stage::PuttingBack(..))) {
            true => WHILE_STOPPING,
            false => WHILE_WATCHING,
        }
    }

    /// Sends the calls of all sites in one batch, and hands each its own answers.
    fn send(&mut self) {
        let counts: Vec<usize> = self.sites.iter().map(|site| site.calls().len()).collect();
        let mut calls: Vec<Call> = self.sites.iter().flat_map(|site| site.calls()).collect();
        let stops = self.sites.iter().flat_map(SiteApply::stops);
        calls.extend(self.stops.note(stops, self.doors.clock.now()));
        self.looks.note(&calls);
        // Work without a call is answered, too: a group that only had to come to rest.
        let sent = match calls.is_empty() {
            true => Ok(Vec::new()),
            false => self.doors.supervisord.batch(&calls).map_err(Unanswered::Lost),
        };
        let now = self.doors.clock.now();
        match sent {
            Ok(answers) => {
                self.note_regrouped(&calls, &answers);
                let mut answers = answers.into_iter();
                for (site, count) in self.sites.iter_mut().zip(counts) {
                    let own: Vec<_> = answers.by_ref().take(count).collect();
                    site.answered(own, now, self.doors.events);
                }
                self.stops.sent(answers.next());
            }
            Err(error) => {
                let sites = self.sites.iter_mut().zip(counts);
                for (site, _) in sites.filter(|(_, count)| *count > 0) {
                    site.lost(&error, now);
                }
            }
        }
        self.go_on();
    }

    fn go_on(&mut self) {
        let now = self.doors.clock.now();
        for site in &mut self.sites {
            site.go_on(self.options, now, self.doors.events);
        }
    }

    fn look(&mut self) {
        let of_sites = self.sites.iter().flat_map(SiteApply::concerned);
        let concerned: BTreeSet<&str> = of_sites.chain(self.stops.groups()).collect();
        let looked = self.looks.look(&mut *self.doors.supervisord, &concerned);
        let now = self.doors.clock.now();
        match looked {
            Ok(groups) => {
                let look = Look { groups, now };
                for site in self.sites.iter_mut().filter(|site| !site.has_ended()) {
                    site.look(&look, self.doors.files, self.doors.events);
                }
                self.stops.look(&look);
            }
            Err(error) => {
                for site in self.sites.iter_mut().filter(|site| !site.has_ended()) {
                    site.lost(&error, now);
                }
            }
        }
        self.go_on();
    }
}
