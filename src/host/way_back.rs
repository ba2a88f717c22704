//! Where taking a run back leads. Pure.
//!
//! The revisions of a site are read as a stack: an apply puts itself on top, and what takes it back
//! removes it. So the second of two rollbacks goes further back, not forth to what the first one took
//! back. A rollback to a revision that somebody named is an apply like any other: it can be taken back.

use crate::api::RevisionSummary;
use crate::records::run::RunId;

/// Where taking a run back leads a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayBack {
    /// To this revision.
    To(u64),
    /// The run has no revision of the site: it did not change it, or has not ended there.
    NotChanged,
    /// It changed no file: what it restarted runs.
    NoFile,
    /// This run has taken it back already.
    TakenBack(RunId),
    /// It took another run back, which ended in a revision with this one before it.
    IsRollback(Option<u64>),
    /// This run has changed it since.
    ChangedSince(RunId),
    /// There is no revision before it.
    NothingBefore,
}

/// What is in effect at a site: the runs that were not taken back, each with the first revision that
/// has its content.
#[derive(Debug, Default)]
struct InEffect(Vec<(RunId, u64)>);

impl InEffect {
    fn of(revisions: &[RevisionSummary]) -> Self {
        let mut stack: Vec<(RunId, u64)> = Vec::new();
        for (place, revision) in revisions.iter().enumerate() {
            let run = revision.origin.run();
            // Revision 0 is what was there before the site only if its very first run took it over.
            let next = revisions.get(place + 1);
            let began = next.is_some_and(|next| next.number == 1 && next.origin.run().id == run.id);
            if revision.number == 0 && !began {
                continue;
            }
            match (&run.takes_back, stack.as_slice()) {
                (Some(back), [.., _, (top, _)]) if top == back => {
                    stack.pop();
                }
                // What only restarted, or put right what somebody had edited, leads nowhere back.
                _ if revision.changed || stack.is_empty() => stack.push((run.id, revision.number)),
                _ => {}
            }
        }
        Self(stack)
    }
}

/// The run that is taken back next at a site with these revisions, ascending.
pub fn last_run(revisions: &[RevisionSummary]) -> Option<RunId> {
    InEffect::of(revisions).0.last().map(|(run, _)| *run)
}

/// Where taking back `run` leads a site with these revisions, ascending.
pub fn way_back(revisions: &[RevisionSummary], run: RunId) -> WayBack {
    let InEffect(stack) = InEffect::of(revisions);
    match stack.as_slice() {
        [.., (_, before), (top, _)] if *top == run => WayBack::To(*before),
        [(only, _)] if *only == run => WayBack::NothingBefore,
        [.., (top, _)] if stack.iter().any(|(id, _)| *id == run) => WayBack::ChangedSince(*top),
        _ => not_in_effect(revisions, run),
    }
}

/// Why a run is not in effect at a site with these revisions.
fn not_in_effect(revisions: &[RevisionSummary], run: RunId) -> WayBack {
    let later = revisions.iter().find(|one| one.origin.run().takes_back == Some(run));
    if let Some(later) = later {
        return WayBack::TakenBack(later.origin.run().id);
    }
    match revisions.iter().position(|one| one.origin.run().id == run) {
        None => WayBack::NotChanged,
        Some(place) if revisions[place].origin.run().takes_back.is_some() => {
            let before = place.checked_sub(1).and_then(|before| revisions.get(before));
            WayBack::IsRollback(before.map(|before| before.number))
        }
        Some(_) => WayBack::NoFile,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Origin, Run};

    fn id(number: u32) -> RunId {
        format!("20260101-0000{number:02}-0000").parse().unwrap()
    }

    /// Revisions from 1, each of the run of its number: `+` changed the files, `=` did not, and a
    /// number is the run that it takes back.
    fn revisions(kinds: &str) -> Vec<RevisionSummary> {
        let revision = |(number, kind): (u32, &str)| RevisionSummary {
            number: number.into(),
            origin: Origin {
                user: "u".into(),
                pid: 1,
                purpose: "apply".into(),
                at: jiff::Timestamp::UNIX_EPOCH,
                run: Some(Box::new(Run {
                    id: id(number),
                    takes_back: kind.parse().ok().map(id),
                    ..Run::begin("apply")
                })),
            },
            programs: 1,
            files: 2,
            changed: kind != "=",
        };
        (1..).zip(kinds.split(' ')).map(revision).collect()
    }

    fn next(kinds: &str) -> (RunId, WayBack) {
        let revisions = revisions(kinds);
        let run = last_run(&revisions).unwrap();
        (run, way_back(&revisions, run))
    }

    #[test]
    fn each_rollback_goes_further_back() {
        assert_eq!(next("+ + +"), (id(3), WayBack::To(2)));
        assert_eq!(next("+ + + 3"), (id(2), WayBack::To(1)));
        assert_eq!(next("+ + + 3 2"), (id(1), WayBack::NothingBefore));
        // What comes after a rollback is taken back to what the rollback went to.
        assert_eq!(next("+ + 2 +"), (id(4), WayBack::To(1)));
        assert_eq!(next("+ + 2 + 4"), (id(1), WayBack::NothingBefore));
    }

    #[test]
    fn run_without_changes_is_skipped() {
        assert_eq!(next("+ + = ="), (id(2), WayBack::To(1)));
        assert_eq!(next("+ + = 2"), (id(1), WayBack::NothingBefore));
    }

    /// A run below others, or of elsewhere, is told from the last one.
    #[test]
    fn other_run_than_last_is_explained() {
        let two = revisions("+ + +");
        assert_eq!(way_back(&two, id(2)), WayBack::ChangedSince(id(3)));
        assert_eq!(way_back(&two, id(9)), WayBack::NotChanged);
        assert_eq!(way_back(&revisions("+ + 2"), id(2)), WayBack::TakenBack(id(3)));
        assert_eq!(way_back(&revisions("+ + 2"), id(3)), WayBack::IsRollback(Some(2)));
        assert_eq!(way_back(&revisions("+ + ="), id(3)), WayBack::NoFile);
        assert_eq!(last_run(&[]), None);
    }

    #[test]
    fn missing_records_end_way_back() {
        // Revisions 1 to 3 are gone: what the first one left took back is not known.
        let kept = &revisions("+ + + + 3 +")[4..];
        assert_eq!(way_back(kept, id(5)), WayBack::ChangedSince(id(6)));
        assert_eq!(way_back(kept, id(6)), WayBack::To(5));
    }
}
