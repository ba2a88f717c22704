//! supervisord refuses its whole configuration for one bad file: the others go on.

use std::cell::Cell;

use crate::fake::Lost;
use supervisor_sync::apply::{FailedAt, Outcome};
use supervisor_sync::event::{Event, Step};

use super::{Run, applied, check_good, conf, domain, failure, rereads, site, sites};
use crate::simulated::Host;

const COUNT: usize = 32;

/// Changes all sites, where those of `bad` run `command`, and returns the rereads that it took.
fn with_bad(bad: &[usize], command: &str) -> usize {
    rereads_and_syncs(bad, command).0
}

fn rereads_and_syncs(bad: &[usize], command: &str) -> (usize, usize) {
    let host = Host::new();
    applied(&host, &sites(&host, COUNT, "runs one"));
    let former: Vec<String> = (0..COUNT).map(|number| conf(&host, number)).collect();
    let mut wanted = sites(&host, COUNT, "runs two");
    for number in bad {
        wanted[*number] = site(&host, *number, command);
    }
    let mut run = Run::of(&host);
    let ends = run.apply(&host, &wanted);
    let cost = (rereads(&host), run.files.syncs.get());
    let context = format!("{command} in {bad:?}");
    for number in bad {
        let (at, words) = failure(&ends[&domain(*number)]);
        assert_eq!(at, FailedAt::Reread, "{context}");
        let own = if command == "broken" { domain(*number) } else { "is not right".to_owned() };
        assert!(words.contains(&own), "{context}: {words}");
        assert_eq!(conf(&host, *number), former[*number], "{context}");
    }
    assert_eq!(host.leftovers(), [""; 0], "{context}");
    assert_eq!(host.differs(), [""; 0], "{context}");
    check_good(&host, &wanted, &ends, bad, &context);
    cost
}

/// A site that is refused without a name is found in halves.
#[test]
fn unnamed_bad_site_is_searched() {
    let most = 2 * COUNT.ilog2() as usize + 3;
    for bad in [0, 1, 13, 16, 31] {
        let rereads = with_bad(&[bad], "unspeakable");
        println!("{bad}: {rereads}");
        assert!(rereads <= most, "site {bad}: {rereads} rereads, more than {most}");
    }
}

#[test]
fn named_bad_site_costs_one_reread() {
    for bad in [&[0][..], &[31], &[3, 4], &[0, 15, 31]] {
        let (rereads, syncs) = rereads_and_syncs(bad, "broken");
        assert_eq!(rereads, 2 + bad.len(), "{bad:?}");
        // Each former file is on the disk before it gets its name; that it has it, once for all.
        assert_eq!(syncs, 4 + bad.len() + 1, "{bad:?}");
    }
}

/// Supervisord refuses a file whose log folder is missing, too.
#[test]
fn refused_site_keeps_shared_folders() {
    for command in ["broken", "unspeakable"] {
        let host = Host::new();
        let mut wanted = sites(&host, 4, "runs one");
        wanted[1] = site(&host, 1, command);
        let ends = Run::of(&host).apply(&host, &wanted);
        check_good(&host, &wanted, &ends, &[1], command);
        assert!(host.at("log/deep").is_dir());
    }
}

#[test]
fn two_bad_sites_are_found() {
    for bad in [[0, 1], [0, 31], [15, 16], [30, 31]] {
        let rereads = with_bad(&bad, "unspeakable");
        println!("{bad:?}: {rereads}");
        assert!(rereads <= 4 * COUNT.ilog2() as usize + 3, "{bad:?}: {rereads}");
    }
}

#[test]
fn all_refused_restores_all_files() {
    let all: Vec<usize> = (0..COUNT).collect();
    let rereads = with_bad(&all, "unspeakable");
    println!("all: {rereads}");
    assert!(rereads <= 2 * COUNT + 3, "{rereads}");
}

/// A foreign file that supervisord refuses appears, and the search cannot help it.
#[test]
fn foreign_broken_file_refuses_all() {
    for unspeakable in [false, true] {
        let host = Host::new();
        applied(&host, &sites(&host, 4, "runs one"));
        let former = host.look();
        let foreign = host.at("conf.d/zz-foreign.conf");
        let wanted = sites(&host, 4, "runs two");
        let text = if unspeakable {
            "[program:zz]\ncommand=unspeakable\n"
        } else {
            "[program:zz]\ncommand=\n"
        };
        let mut run = Run::of(&host).on(|event| {
            if matches!(event, Event::Step { step: Step::Swap, .. }) {
                std::fs::write(&foreign, text).unwrap();
            }
        });
        let ends = run.apply(&host, &wanted);
        for end in ends.values() {
            // supervisord has never read the new files, but also not the former ones again.
            assert!(matches!(end, Outcome::Stuck { .. } | Outcome::RolledBack { .. }), "{end:?}");
        }
        assert_eq!(std::fs::read_to_string(&foreign).unwrap(), text);
        std::fs::remove_file(&foreign).unwrap();
        assert_eq!((host.look(), host.differs()), (former, vec![]));
        applied(&host, &wanted);
        assert_eq!(host.leftovers(), [""; 0]);
    }
}

/// In the midst of the search nothing answers any more. Whatever supervisord has read and not
/// forgotten is told, and the next apply makes it good.
#[test]
fn lost_daemon_leaves_former_files() {
    for n in 4..14 {
        for lost in [Lost::Request, Lost::Answer] {
            for for_good in [false, true] {
                lost_in_the_search(n, lost, for_good);
            }
        }
    }
}

fn lost_in_the_search(n: usize, lost: Lost, for_good: bool) {
    let context = format!("{lost:?} of batch {n}, for good: {for_good}");
    let host = Host::new();
    applied(&host, &sites(&host, 8, "runs one"));
    let former: Vec<String> = (0..8).map(|number| conf(&host, number)).collect();
    let mut wanted = sites(&host, 8, "runs two");
    wanted[5] = site(&host, 5, "unspeakable");
    let mut run = Run::of(&host);
    run.bridge.lost = Some((n, lost));
    run.bridge.for_good = for_good;
    let ends = run.apply(&host, &wanted);
    for (number, former) in former.iter().enumerate() {
        let end = &ends[&domain(number)];
        match end {
            Outcome::Applied { .. } => assert_ne!(conf(&host, number), *former, "{context}"),
            Outcome::RolledBack { .. } | Outcome::Refused { .. } => {
                assert_eq!(conf(&host, number), *former, "{context}: {end:?}");
                let group = format!("{}-w", domain(number));
                let remembers = host.daemon.borrow().has_read_otherwise(&group);
                assert!(!remembers, "{context}: {end:?}, but supervisord has read the new file");
            }
            Outcome::Stuck { undo_errors, .. } => {
                assert!(undo_errors.concat().contains("supervisord"), "{context}: {undo_errors:?}");
            }
            other => panic!("{context}: {other:?}"),
        }
    }
    let is_applied = Cell::new(0);
    let ends = Run::of(&host).apply(&host, &wanted);
    for (number, _) in former.iter().enumerate().filter(|(number, _)| *number != 5) {
        let end = &ends[&domain(number)];
        let good = matches!(end, Outcome::Applied { .. } | Outcome::Unchanged);
        assert!(good, "{context}, then {end:?}");
        is_applied.set(is_applied.get() + 1);
    }
    assert_eq!((is_applied.get(), host.leftovers()), (7, vec![]), "{context}");
    assert_eq!(conf(&host, 5), former[5], "{context}");
}
