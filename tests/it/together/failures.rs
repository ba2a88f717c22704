//! One of several sites fails, drains, is interrupted or is somebody else's at the moment.

use std::cell::RefCell;

use rustix::io::Errno;
use supervisor_sync::apply::{FailedAt, Outcome};
use supervisor_sync::event::{Event, Step, WaitingFor};
use supervisor_sync::inventory::{RestartPolicy, Site};
use supervisor_sync::plan::{PlanOptions, Running};
use supervisor_sync::system::{Clock, Interrupt};

use super::{Ends, Run, applied, check_good, conf, failure, site, sites};
use crate::simulated::{Failing, FaultyFiles, Host, Order, program, with};

/// Three sites, of which the one in the middle is to run `command`.
fn middle(host: &Host, command: &str) -> Vec<Site> {
    let mut wanted = sites(host, 3, "runs two");
    wanted[1] = site(host, 1, command);
    wanted
}

fn three() -> Host {
    let host = Host::new();
    applied(&host, &sites(&host, 3, "runs one"));
    host
}

#[test]
fn unstable_site_is_put_back() {
    let host = three();
    let (former, wanted) = (conf(&host, 1), middle(&host, "exits-0-1"));
    let ends = Run::of(&host).apply(&host, &wanted);
    let (at, words) = failure(&ends["s01.com"]);
    assert_eq!(at, FailedAt::Verify);
    assert!(words.contains("s01.com") && !words.contains("s00.com"), "{words}");
    assert_eq!((conf(&host, 1), host.differs(), host.leftovers()), (former, vec![], vec![]));
    assert!(host.look().up.contains("s01.com-w:s01.com-w"));
    check_good(&host, &wanted, &ends, &[1], "not healthy");
}

#[test]
fn no_rollback_keeps_failed_site() {
    let host = three();
    let wanted = middle(&host, "exits-0-1");
    let order = Order { rollback: false, ..Order::default() };
    let ends = Run::of(&host).with(order).apply(&host, &wanted);
    assert!(matches!(&ends["s01.com"], Outcome::Kept { .. }), "{ends:?}");
    assert!(conf(&host, 1).contains("exits-0-1"));
    assert_eq!((host.differs(), host.leftovers()), (vec![], vec![]));
    check_good(&host, &wanted, &ends, &[1], "no rollback");
}

#[test]
fn with_no_verify_all_are_committed() {
    let host = three();
    let wanted = middle(&host, "exits-0-1");
    let order = Order { verify: false, ..Order::default() };
    let ends = Run::of(&host).with(order).apply(&host, &wanted);
    assert!(matches!(&ends["s01.com"], Outcome::Applied { .. }), "{ends:?}");
    check_good(&host, &wanted, &ends, &[1], "no verify");
}

#[test]
fn unreadable_journal_stops_only_its_site() {
    for text in ["", "{", "{\"version\":999}"] {
        let host = three();
        let path = host.at("state").read_dir().unwrap().next().unwrap().unwrap().path();
        let journal = path.join("sites/s01.com/journal.groups.json");
        std::fs::write(&journal, text).unwrap();
        let (former, wanted) = (conf(&host, 1), middle(&host, "runs two"));
        let ends = Run::of(&host).apply(&host, &wanted);
        let (_, words) = failure(&ends["s01.com"]);
        assert!(words.contains("sites/s01.com/journal.groups.json"), "{words}");
        assert_eq!(
            (conf(&host, 1), std::fs::read_to_string(&journal).unwrap()),
            (former, text.to_owned())
        );
        check_good(&host, &wanted, &ends, &[1], text);
        std::fs::remove_file(&journal).unwrap();
        applied(&host, &wanted[1..2]);
    }
}

/// Who edits a file before the undo keeps it, and only that site is stuck.
#[test]
fn edit_before_undo_is_kept() {
    let host = three();
    let wanted = middle(&host, "exits-0-1");
    let path = host.at("conf.d/s01.com-w.conf");
    let edited = "[program:s01.com-w]\ncommand=runs theirs\n";
    let mut run = Run::of(&host).on(|event| {
        if matches!(event, Event::Step { step: Step::Verify { .. }, .. }) {
            std::fs::write(&path, edited).unwrap();
        }
    });
    let ends = run.apply(&host, &wanted);
    let Outcome::Stuck { undo_errors, .. } = &ends["s01.com"] else { panic!("{ends:?}") };
    assert!(undo_errors.concat().contains("s01.com-w.conf: somebody has edited it"));
    assert_eq!(conf(&host, 1), edited);
    check_good(&host, &wanted, &ends, &[1], "edited");
}

/// A search puts files back and brings them in again: not over what somebody has written meanwhile.
#[test]
fn edit_before_refusal_is_kept() {
    let host = three();
    let mut wanted = middle(&host, "runs two");
    wanted[2] = site(&host, 2, "unspeakable");
    let path = host.at("conf.d/s01.com-w.conf");
    let edited = "[program:s01.com-w]\ncommand=runs theirs\n";
    let mut run = Run::of(&host).on(|event| {
        if matches!(&event, Event::Step { step: Step::Reread, .. }) {
            std::fs::write(&path, edited).unwrap();
        }
    });
    let ends = run.apply(&host, &wanted);
    assert_eq!(conf(&host, 1), edited);
    assert!(matches!(&ends["s01.com"], Outcome::Stuck { .. }), "{ends:?}");
    check_good(&host, &wanted, &ends, &[1, 2], "edited in the search");
}

/// Every operation on a path of one site fails once, then for good.
#[test]
fn failing_disk_stops_only_its_site() {
    for failing in [Failing::Once as fn(usize) -> Failing, Failing::From] {
        for n in 1.. {
            let host = three();
            let wanted = middle(&host, "runs two");
            let mut run = Run::of(&host);
            run.files = FaultyFiles::new(Some(failing(n)), Errno::IO);
            run.files.only = Some("s01.com".to_owned());
            let ends = run.apply(&host, &wanted);
            let failed = run.files.failed.borrow().first().cloned();
            let context = format!("{:?} {failed:?}: {:?}", failing(n), ends["s01.com"]);
            check_good(&host, &wanted, &ends, &[1], &context);
            applied_or_unchanged(&Run::of(&host).apply(&host, &wanted), &context);
            assert_eq!(host.leftovers(), [""; 0], "{context}");
            if failed.is_none() {
                break;
            }
        }
    }
}

fn applied_or_unchanged(ends: &Ends, context: &str) {
    let good = |end: &Outcome| matches!(end, Outcome::Applied { .. } | Outcome::Unchanged);
    assert!(ends.values().all(good), "{context}, then {ends:?}");
}

#[test]
fn draining_site_holds_up_nobody() {
    let host = Host::new();
    let programs =
        |text: &str| vec![with(program("w", text), |program| program.stopwaitsecs = 900)];
    std::fs::create_dir_all(host.at("sites/slow.com/current")).unwrap();
    let slow = |text: &str| host.site_of("slow.com", programs(text));
    let mut former = sites(&host, 3, "runs one");
    former.push(slow("drains-600 one"));
    applied(&host, &former);
    let mut wanted = sites(&host, 3, "runs two");
    wanted.push(slow("drains-600 two"));
    let (began, ended) = (host.daemon.borrow().now(), RefCell::new(Vec::new()));
    let daemon = std::rc::Rc::clone(&host.daemon);
    // Whether the lock of a site that is done is still held when the slow one is.
    let (state, done) = (host.state(), wanted[0].domain.clone());
    let held = RefCell::new(Vec::new());
    let mut run = Run::of(&host).on(|event| {
        if let Event::Step { site, step: Step::Commit } = event {
            held.borrow_mut().push(state.site_held_by(&done).is_some());
            let seconds = (daemon.borrow().now() - began).as_secs();
            ended.borrow_mut().push((site.to_string(), seconds));
        }
    });
    applied_or_unchanged(&run.apply(&host, &wanted), "slow");
    let ended = ended.borrow().clone();
    assert_eq!(ended.len(), 4, "{ended:?}");
    assert_eq!(held.borrow().first(), Some(&true));
    assert_eq!(held.borrow().last(), Some(&false), "its lock is let go when it is done");
    assert!(
        ended[..3].iter().all(|(site, seconds)| site != "slow.com" && *seconds < 15),
        "{ended:?}"
    );
    assert!(ended[3].0 == "slow.com" && ended[3].1 >= 600, "{ended:?}");
}

#[test]
fn interruption_touches_only_unfinished_sites() {
    let mut host = Host::new();
    let mut former = sites(&host, 3, "runs one");
    former[1] = site(&host, 1, "drains-9 one");
    applied(&host, &former);
    let wanted = middle(&host, "drains-9 two");
    let interrupt = host.interrupt.clone();
    let committed = RefCell::new(0);
    let mut run = Run::of(&host).on(|event| {
        if matches!(event, Event::Step { step: Step::Commit, .. }) {
            *committed.borrow_mut() += 1;
            if *committed.borrow() == 2 {
                interrupt.raise();
            }
        }
    });
    let ends = run.apply(&host, &wanted);
    drop(run);
    assert!(matches!(&ends["s01.com"], Outcome::Interrupted { .. }), "{ends:?}");
    host.interrupt = Interrupt::default();
    check_good(&host, &wanted, &ends, &[1], "interrupted");
    host.pass(20);
    applied(&host, &wanted[1..2]);
    assert_eq!((host.differs(), host.leftovers()), (vec![], vec![]));
}

/// Restarts of two sites go on side by side, each one process after the other.
#[test]
fn sites_roll_side_by_side() {
    let host = Host::new();
    let rolling = |domain: &str| {
        std::fs::create_dir_all(host.at(&format!("sites/{domain}/current"))).unwrap();
        let program = with(program("w", "drains-5"), |program| {
            program.numprocs = 3;
            program.restart = RestartPolicy::Rolling;
        });
        host.site_of(domain, vec![program])
    };
    let both = vec![rolling("a.com"), rolling("b.com")];
    applied(&host, &both);
    let began = host.daemon.borrow().now();
    let restart = Order { plan: PlanOptions::apply(Running::RestartAll), ..Order::default() };
    let least = RefCell::new(6);
    let daemon = std::rc::Rc::clone(&host.daemon);
    let mut run = Run::of(&host).with(restart).on(|_| {
        let up = daemon.borrow().processes().into_iter().filter(|p| p.state.is_running()).count();
        let mut least = least.borrow_mut();
        *least = up.min(*least);
    });
    applied_or_unchanged(&run.apply(&host, &both), "rolling");
    drop(run);
    let took = (host.daemon.borrow().now() - began).as_secs();
    assert_eq!(*least.borrow(), 4, "one of each site at a time");
    assert!(took < 2 * 3 * 8, "{took} s: one site after the other");
}

/// Somebody else applies another site while this one drains.
#[test]
fn running_apply_is_not_recovered() {
    let host = Host::new();
    applied(&host, &[site(&host, 0, "drains-8 one"), site(&host, 1, "runs one")]);
    let (mine, theirs) = (site(&host, 0, "drains-8 two"), [site(&host, 1, "runs two")]);
    let other = RefCell::new(None);
    let mut run = Run::of(&host).on(|event| {
        if matches!(event, Event::Waiting { until: WaitingFor::Stop, .. })
            && other.borrow().is_none()
        {
            let recovered = RefCell::new(false);
            let mut second = Run::of(&host).on(|event| {
                let is_recovery = matches!(event, Event::Step { step: Step::Recover { .. }, .. });
                *recovered.borrow_mut() |= is_recovery;
            });
            let ends = second.apply(&host, &theirs);
            drop(second);
            let again = Run::of(&host).apply(&host, &[site(&host, 0, "drains-8 three")]);
            *other.borrow_mut() = Some((ends, again, recovered.into_inner()));
        }
    });
    let ends = run.apply(&host, std::slice::from_ref(&mine));
    drop(run);
    let (others, again, recovered) = other.into_inner().unwrap();
    assert!(matches!(&others["s01.com"], Outcome::Applied { .. }), "{others:?}");
    let (at, words) = failure(&again["s00.com"]);
    assert!(at == FailedAt::Start && words.contains("tester"), "{words}");
    assert!(!recovered && matches!(&ends["s00.com"], Outcome::Applied { .. }), "{ends:?}");
    assert!(conf(&host, 0).contains("two") && conf(&host, 1).contains("two"));
    assert_eq!((host.differs(), host.leftovers()), (vec![], vec![]));
}

/// An undo has its turn only when nobody is between reading and rereading.
#[test]
fn undo_waits_for_busy_files() {
    let host = three();
    let wanted = site(&host, 1, "exits-0-1");
    let state = host.state();
    let held = RefCell::new(None);
    let undone = RefCell::new(None);
    let daemon = std::rc::Rc::clone(&host.daemon);
    let clock = crate::simulated::HandClock::of(&host);
    let mut run = Run::of(&host).on(|event| match event {
        Event::Step { step: Step::Verify { .. }, .. } => {
            let origin = crate::simulated::origin();
            let until = (&clock as &dyn Clock, &Interrupt::default());
            let lock = state.lock(&origin, std::time::Duration::ZERO, until, &mut |_| {}).unwrap();
            *held.borrow_mut() = Some((lock, daemon.borrow().now()));
        }
        Event::Step { step: Step::Undo, .. } => {
            *undone.borrow_mut() = Some(held.borrow().is_some())
        }
        _ => {}
    });
    let ends = run.apply(&host, &[wanted]);
    drop(run);
    // Never let go of: it says whose turn did not end, and leaves the journal.
    assert_eq!(*undone.borrow(), Some(true));
    let Outcome::Stuck { undo_errors, .. } = &ends["s01.com"] else { panic!("{ends:?}") };
    assert!(undo_errors.concat().contains("tester"), "{undo_errors:?}");
    assert!(host.leftovers().concat().contains("journal.undo.json"), "{:?}", host.leftovers());
    drop(held.into_inner());
    applied(&host, &[site(&host, 1, "runs two")]);
    assert_eq!((host.differs(), host.leftovers()), (vec![], vec![]));
}
