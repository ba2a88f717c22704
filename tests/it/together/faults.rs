//! Every operation on the disk and every call to supervisord fails once, with three sites in the
//! transaction: whatever each says of itself is true, and a sound apply then makes it good.

use crate::fake::Lost;
use rustix::io::Errno;
use supervisor_sync::apply::Outcome;
use supervisor_sync::inventory::Site;
use supervisor_sync::supervisord::{Call, Fault, FaultCode};

use super::{Ends, Run, applied, conf, domain};
use crate::simulated::{Failing, FaultyFiles, Host, Look, idle, program};

const COUNT: usize = 3;

/// Three sites, each with a program that changes, one that goes, one that comes and one that a person
/// has stopped.
struct Scenario {
    host: Host,
    wanted: Vec<Site>,
    before: Look,
}

fn of_site(host: &Host, number: usize, text: &str, own: &str) -> Site {
    let domain = domain(number);
    std::fs::create_dir_all(host.at(&format!("sites/{domain}/current"))).unwrap();
    let changed = |name| program(name, &format!("runs {text}"));
    let programs = vec![changed("w"), changed("hand"), program(own, "runs"), idle(changed("idle"))];
    host.site_of(&domain, programs)
}

impl Scenario {
    fn new() -> Self {
        let host = Host::new();
        let all = |text, own| (0..COUNT).map(|n| of_site(&host, n, text, own)).collect::<Vec<_>>();
        applied(&host, &all("one", "gone"));
        for number in 0..COUNT {
            let hand = format!("{0}-hand:{0}-hand", domain(number));
            host.by_hand(Call::StopProcess(hand));
        }
        let wanted = all("two", "new");
        let before = host.look();
        Self { host, wanted, before }
    }

    /// What of a look is of one site.
    fn part(look: &Look, number: usize) -> Look {
        let site = domain(number);
        let is_own = |name: &&String| name.contains(&site);
        let own = |names: &std::collections::BTreeSet<String>| {
            names.iter().filter(is_own).cloned().collect()
        };
        let files = look.files.iter().filter(|(path, _)| is_own(path) && !path.ends_with('~'));
        Look {
            files: files.map(|(path, text)| (path.clone(), text.clone())).collect(),
            up: own(&look.up),
            down: own(&look.down),
        }
    }

    fn check(&self, ends: &Ends, context: &str) {
        self.host.pass(2);
        let now = self.host.look();
        for number in 0..COUNT {
            let (own, before) = (Self::part(&now, number), Self::part(&self.before, number));
            match &ends[&domain(number)] {
                Outcome::Applied { revision } => {
                    assert_eq!(*revision, Some(2), "{context}");
                    self.check_wanted(number, context);
                }
                Outcome::RolledBack { .. } | Outcome::Refused { .. } => {
                    assert_eq!(own, before, "{context}: {number}");
                }
                Outcome::Stuck { undo_errors, cause } => {
                    let told = format!("{undo_errors:?} {cause:?}");
                    if told.contains("as wanted, but") {
                        self.check_wanted(number, context);
                        continue;
                    }
                    let is_lost = ["supervisord", "could not be seen", "syncing"];
                    let is_told = own.files == before.files
                        || own.files.keys().any(|path| told.contains(path.as_str()));
                    let is_lost = is_lost.iter().any(|text| told.contains(text));
                    assert!(is_told || is_lost, "{context}: {number}: {told}");
                }
                end => panic!("{context}: {end:?}"),
            }
        }
    }

    fn check_wanted(&self, number: usize, context: &str) {
        assert!(conf(&self.host, number).contains("two"), "{context}: {number}");
        let own = Self::part(&self.host.look(), number);
        let names = |programs: &[&str]| {
            programs.iter().map(|name| format!("{0}-{name}:{0}-{name}", domain(number))).collect()
        };
        assert_eq!(own.up, names(&["w", "new"]), "{context}: {number}");
        assert_eq!(own.down, names(&["hand", "idle"]), "{context}: {number}");
    }

    /// Sites without a part in the fault come to their end.
    fn check_others(&self, ends: &Ends, fault: &str, context: &str) {
        let concerned = (0..COUNT).find(|number| fault.contains(&domain(*number)));
        let Some(concerned) = concerned else { return };
        for number in (0..COUNT).filter(|number| *number != concerned) {
            let end = &ends[&domain(number)];
            assert!(matches!(end, Outcome::Applied { .. }), "{context}: {number}: {end:?}");
        }
    }

    fn converge(&self, context: &str) {
        let ends = Run::of(&self.host).apply(&self.host, &self.wanted);
        let good = |end: &Outcome| matches!(end, Outcome::Applied { .. } | Outcome::Unchanged);
        assert!(ends.values().all(good), "{context}, then {ends:?}");
        self.host.pass(2);
        for number in 0..COUNT {
            self.check_wanted(number, context);
        }
        // What a person has stopped takes its new configuration up when it is started.
        let mut differs = self.host.differs();
        differs.retain(|group| !group.ends_with("-hand"));
        assert_eq!((self.host.leftovers(), differs), (vec![], vec![]), "{context}");
    }
}

#[test]
fn each_disk_operation_fails() {
    for failing in [Failing::Once as fn(usize) -> Failing, Failing::From] {
        let mut n = 0;
        loop {
            // What fails for good is one way or the other: a third of that is enough.
            n += if failing(1) == Failing::From(1) { 3 } else { 1 };
            let scenario = Scenario::new();
            let error = if n % 2 == 0 { Errno::NOSPC } else { Errno::IO };
            let mut run = Run::of(&scenario.host);
            run.files = FaultyFiles::new(Some(failing(n)), error);
            let ends = run.apply(&scenario.host, &scenario.wanted);
            let failed = run.files.failed.borrow().first().cloned().unwrap_or_default();
            drop(run);
            let context = format!("{:?} ({failed}): {ends:?}", failing(n));
            scenario.check(&ends, &context);
            if failing(n) == Failing::Once(n) && !failed.starts_with("sync") {
                scenario.check_others(&ends, &failed, &context);
            }
            scenario.converge(&context);
            if failed.is_empty() {
                break;
            }
        }
        assert!(n > 100, "{n}");
    }
}

#[test]
fn each_batch_of_sites_is_lost() {
    for lost in [Lost::Request, Lost::Answer] {
        for n in 1.. {
            let scenario = Scenario::new();
            let mut run = Run::of(&scenario.host);
            run.bridge.lost = Some((n, lost));
            let ends = run.apply(&scenario.host, &scenario.wanted);
            let batches = run.bridge.batches;
            drop(run);
            let context = format!("{lost:?} of batch {n}: {ends:?}");
            scenario.check(&ends, &context);
            scenario.converge(&context);
            if batches < n {
                assert!(n > 8, "{n}");
                break;
            }
        }
    }
}

#[test]
fn each_call_answers_a_fault() {
    let codes = [
        FaultCode::CantReread,
        FaultCode::StillRunning,
        FaultCode::ShutdownState,
        FaultCode::Failed,
        FaultCode::SpawnError,
    ];
    for code in codes {
        for n in 1.. {
            let scenario = Scenario::new();
            let called = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
            let noted = std::rc::Rc::clone(&called);
            let mut run = Run::of(&scenario.host);
            run.bridge.fault = Box::new(move |number, call| {
                (number == n).then(|| {
                    *noted.borrow_mut() = format!("{call:?}");
                    Fault::new(code, "x")
                })
            });
            let ends = run.apply(&scenario.host, &scenario.wanted);
            let calls = run.bridge.calls;
            drop(run);
            let context = format!("{code:?} of call {n} ({}): {ends:?}", called.borrow());
            scenario.check(&ends, &context);
            scenario.check_others(&ends, &called.borrow(), &context);
            scenario.converge(&context);
            if calls < n {
                assert!(n > 30, "{n}");
                break;
            }
        }
    }
}
