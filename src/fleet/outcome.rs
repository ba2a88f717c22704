//! What came of asking hosts and sites, and the exit status that says so. The statuses of single failures
//! are [`ErrorKind`]'s.

use crate::api::AppliedSite;
use crate::apply::Outcome;
use crate::error::{CommandError, ErrorKind};
use crate::event::SiteEnd;
use crate::inventory::Domain;

/// The exit status where nothing failed, and something is not as wanted: of `status`, and of `plan` where
/// it is asked for.
pub(crate) const DIFFERS: u8 = 3;

/// What came of looking at hosts and sites.
#[derive(Debug, Default)]
pub(crate) struct LookOutcome {
    answered: usize,
    failed: Vec<ErrorKind>,
    /// Whether something is not as wanted.
    pub(crate) differs: bool,
}

impl LookOutcome {
    /// A host or a site has answered.
    pub(crate) fn count(&mut self) {
        self.answered += 1;
    }

    /// So have others.
    pub(crate) fn add(&mut self, others: Self) {
        let Self { answered, failed, differs } = others;
        self.answered += answered;
        self.failed.extend(failed);
        self.differs |= differs;
    }

    /// One has not.
    pub(crate) fn fail(&mut self, kind: ErrorKind) {
        self.failed.push(kind);
    }

    /// Whether each has answered.
    pub(crate) fn are_complete(&self) -> bool {
        self.failed.is_empty()
    }

    /// 6 as soon as some have answered and some have not.
    pub(crate) fn exit_status(&self) -> u8 {
        let Some(first) = self.failed.first() else {
            return if self.differs { DIFFERS } else { 0 };
        };
        let kind = match self.failed.iter().find(|kind| **kind == ErrorKind::Interrupted) {
            Some(interrupted) => interrupted,
            None if self.answered > 0 => &ErrorKind::Partial,
            None => first,
        };
        kind.exit_status()
    }
}

/// How the sites of all hosts ended that were to be changed.
#[derive(Debug, Default)]
pub(crate) struct FleetOutcome {
    hosts: usize,
    /// How many sites are as they should be.
    done: usize,
    changed: bool,
    failed: Vec<ErrorKind>,
    failed_hosts: usize,
    /// Whether somebody pressed Ctrl-C.
    pub(super) is_interrupted: bool,
    /// How each ended, in the order in which they did.
    pub(crate) ended: Vec<Ended>,
}

/// How a site of a host ended, or the host before any of its sites.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) host: String,
    pub(crate) what: EndedAs,
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum EndedAs {
    /// Nothing was to be done on this site.
    Unchanged(Domain),
    /// The site is as wanted, or is not.
    Site(SiteEnd),
    /// The host as a whole.
    Host(CommandError),
}

impl FleetOutcome {
    pub(super) fn of(hosts: usize) -> Self {
        Self { hosts, ..Self::default() }
    }

    /// A host has ended.
    pub(super) fn add(&mut self, host: &str, applied: &Result<Vec<AppliedSite>, CommandError>) {
        let before = self.failed.len();
        match applied {
            Ok(sites) => sites.iter().for_each(|site| self.add_site(host, site)),
            Err(error) => {
                self.failed.push(error.kind);
                self.end(host, EndedAs::Host(error.clone()));
            }
        }
        self.failed_hosts += usize::from(self.failed.len() > before);
    }

    fn end(&mut self, host: &str, what: EndedAs) {
        self.ended.push(Ended { host: host.to_owned(), what });
    }

    fn add_site(&mut self, host: &str, applied: &AppliedSite) {
        self.end(
            host,
            match applied.end() {
                Some(end) => EndedAs::Site(end),
                None => EndedAs::Unchanged(applied.site.clone()),
            },
        );
        match applied.failure() {
            None => self.done += 1,
            Some(error) => self.failed.push(error.kind),
        }
        if let Ok(report) = &applied.report {
            self.changed |= matches!(report.outcome, Outcome::Applied { .. });
        }
    }

    /// Whether anything was done, or was to be.
    pub(crate) fn was_done(&self) -> bool {
        self.ended.iter().any(|ended| !matches!(ended.what, EndedAs::Unchanged(_)))
    }

    /// How many hosts have failed.
    pub(super) fn failed_hosts(&self) -> usize {
        self.failed_hosts
    }

    fn has_failed_as(&self, kind: ErrorKind) -> bool {
        self.failed.contains(&kind)
    }

    /// 130 as soon as something was interrupted, unless something is left to be put right: it promises
    /// that the hosts are consistent. 6 as soon as some hosts are done and some are not, or, of one host,
    /// some sites have changed and some are not done; else the gravest end.
    pub(crate) fn exit_status(&self) -> u8 {
        let is_interrupted = self.is_interrupted || self.has_failed_as(ErrorKind::Interrupted);
        if is_interrupted && !self.has_failed_as(ErrorKind::Stuck) {
            return ErrorKind::Interrupted.exit_status();
        }
        let gravest = [
            ErrorKind::Stuck,
            ErrorKind::RolledBack,
            ErrorKind::Refused,
            ErrorKind::Locked,
            ErrorKind::Usage,
        ]
        .into_iter()
        .find(|kind| self.has_failed_as(*kind));
        let partly = if self.hosts > 1 { self.done > 0 } else { self.changed };
        match gravest {
            None if self.failed.is_empty() => 0,
            Some(ErrorKind::Stuck) if self.hosts == 1 => ErrorKind::Stuck.exit_status(),
            _ if partly => ErrorKind::Partial.exit_status(),
            gravest => gravest.unwrap_or(ErrorKind::Partial).exit_status(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_status_tells_consistency() {
        use ErrorKind::{Interrupted, Locked, RolledBack, Stuck};
        for (changed, failed, hosts, is_interrupted, expected) in [
            (true, &[][..], 1, false, 0),
            (true, &[RolledBack], 1, false, 6),
            (false, &[RolledBack, Locked], 1, false, 4),
            // One site was applied, and another was interrupted.
            (true, &[Interrupted], 1, false, 130),
            (true, &[Interrupted, RolledBack], 2, false, 130),
            (true, &[], 2, true, 130),
            // Interrupted or not, something is left to be put right.
            (true, &[Stuck, Interrupted], 1, true, 5),
            (false, &[Stuck], 2, true, 5),
            (true, &[Stuck, Interrupted], 2, true, 6),
        ] {
            let failed = failed.to_vec();
            let ends = FleetOutcome {
                hosts,
                done: usize::from(changed),
                changed,
                failed: failed.clone(),
                is_interrupted,
                ..FleetOutcome::default()
            };
            let status = ends.exit_status();
            assert_eq!(status, expected, "{changed} {failed:?} {hosts} {is_interrupted}");
        }
    }

    #[test]
    fn partly_unanswered_has_own_status() {
        use ErrorKind::{Interrupted, Refused};
        for (answered, failed, differs, expected) in [
            (3, &[][..], false, 0),
            (3, &[], true, 3),
            (0, &[Refused], false, 1),
            (1, &[Refused], true, 6),
            (1, &[Refused, Interrupted], true, 130),
        ] {
            let outcome = LookOutcome { answered, failed: failed.to_vec(), differs };
            assert_eq!(outcome.exit_status(), expected, "{answered} {failed:?} {differs}");
        }
    }
}
