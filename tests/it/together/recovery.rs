//! What many killed applies cost the one that comes next, and what one of them does to the others.

use rustix::io::Errno;
use supervisor_sync::apply::Outcome;
use supervisor_sync::event::{Event, Step};
use supervisor_sync::inventory::Site;
use supervisor_sync::records::journal::{JournaledFile, PathContent};
use supervisor_sync::records::{Journal, JournalPhase};
use supervisor_sync::system::files::FileContent;

use super::{Run, applied, conf, domain, rereads, sites};
use crate::simulated::{Failing, FaultyFiles, Host, origin};

/// A host on which the applies of so many sites were killed after the swap, and one site more.
fn killed(count: usize, phase: JournalPhase) -> (Host, Vec<Site>) {
    let host = Host::new();
    let all = sites(&host, count + 1, "runs one");
    applied(&host, &all);
    for (number, site) in all.iter().enumerate().take(count) {
        let path = host.at(&format!("conf.d/{}-w.conf", domain(number)));
        let before = conf(&host, number);
        let after = before.replace("runs one", "runs half-way");
        std::fs::write(&path, &after).unwrap();
        let content = |text: String| {
            PathContent::File(FileContent { bytes: text.into(), mode: 0o644, owner: None })
        };
        let mut journal = Journal::new(site.domain.clone(), origin());
        let (before, after) = (content(before), content(after));
        journal.files.push(JournaledFile { path, before, after });
        host.state().begin(&FaultyFiles::sound(), &journal, phase).unwrap();
    }
    (host, all)
}

#[test]
fn ten_recoveries_cost_like_one() {
    for phase in [JournalPhase::Files, JournalPhase::Undo] {
        let cost = |count| {
            let (host, all) = killed(count, phase);
            let mut run = Run::of(&host);
            let ends = run.apply(&host, &all[count..]);
            assert_eq!(ends[&domain(count)], Outcome::Unchanged, "{phase:?}");
            assert_eq!((host.leftovers(), host.differs()), (vec![], vec![]), "{phase:?}");
            assert!((0..count).all(|number| conf(&host, number).contains("runs one")));
            (rereads(&host), run.files.syncs.get())
        };
        let (one, ten) = (cost(1), cost(10));
        println!("{phase:?}: {one:?} {ten:?}");
        assert_eq!(one, ten, "{phase:?}");
        // Before the former files get their names, and before the journals go.
        assert_eq!(one.1, 2, "{phase:?}");
    }
}

#[test]
fn failed_recovery_spares_others() {
    let (host, all) = killed(4, JournalPhase::Files);
    let mut run = Run::of(&host);
    run.files = FaultyFiles::new(Some(Failing::From(1)), Errno::IO);
    run.files.only = Some(".s01.com-w.conf.supervisor-sync~".to_owned());
    let mut wanted = all.clone();
    wanted[4] = super::site(&host, 4, "runs two");
    let ends = run.apply(&host, &wanted);
    drop(run);
    let (_, words) = super::failure(&ends["s01.com"]);
    assert!(words.contains("cannot be undone") && words.contains("s01.com-w.conf"), "{words}");
    assert!(matches!(ends["s04.com"], Outcome::Applied { .. }), "{ends:?}");
    for number in [0, 2, 3] {
        assert_eq!(ends[&domain(number)], Outcome::Unchanged);
        assert!(conf(&host, number).contains("runs one"));
    }
    // Once the disk is well again it is put back as well.
    applied_to_all(&host, &all[..4]);
    assert!(conf(&host, 1).contains("runs one"));
    assert_eq!((host.leftovers(), host.differs()), (vec![], vec![]));
}

/// A disk that says "busy" is not a person who has edited the file.
#[test]
fn busy_file_keeps_its_journal() {
    for phase in [JournalPhase::Files, JournalPhase::Undo] {
        let (host, all) = killed(2, phase);
        let mut warnings = Vec::new();
        let mut run = Run::of(&host).on(|event| {
            if let Event::Warning { text, .. } = event {
                warnings.push(text);
            }
        });
        run.files = FaultyFiles::new(Some(Failing::From(1)), Errno::BUSY);
        run.files.only = Some("conf.d/s01.com-w.conf".to_owned());
        run.apply(&host, &all[2..]);
        drop(run);
        let told = warnings.concat();
        assert!(told.contains("s01.com-w.conf: Device or resource busy"), "{phase:?}: {told}");
        assert!(!told.contains("edited"), "{phase:?}: {told}");
        assert!(host.leftovers().concat().contains("sites/s01.com/journal."), "{phase:?}");
        applied_to_all(&host, &all);
        assert!(conf(&host, 1).contains("runs one"), "{phase:?}");
        assert_eq!((host.leftovers(), host.differs()), (vec![], vec![]), "{phase:?}");
    }
}

#[test]
fn edited_file_stays() {
    let (host, all) = killed(2, JournalPhase::Undo);
    let edited = "[program:s01.com-w]\ncommand=runs theirs\n";
    std::fs::write(host.at("conf.d/s01.com-w.conf"), edited).unwrap();
    let mut warnings = Vec::new();
    let mut run = Run::of(&host).on(|event| {
        if let Event::Warning { text, .. } = event {
            warnings.push(text);
        }
    });
    run.apply(&host, &all[2..]);
    drop(run);
    let told = warnings.concat();
    assert!(told.contains("s01.com-w.conf: somebody has edited it since"), "{told}");
    assert_eq!((conf(&host, 1).as_str(), host.leftovers()), (edited, vec![]));
}

fn applied_to_all(host: &Host, sites: &[Site]) {
    let ends = Run::of(host).apply(host, sites);
    let good = |end: &Outcome| matches!(end, Outcome::Applied { .. } | Outcome::Unchanged);
    assert!(ends.values().all(good), "{ends:?}");
}

/// Somebody asks it to stop when some of the sites have their new files.
#[test]
fn swap_interrupted_is_put_back() {
    let mut syncs = Vec::new();
    for count in [2, 10] {
        let host = Host::new();
        applied(&host, &sites(&host, count, "runs one"));
        let (former, wanted) = (host.look(), sites(&host, count, "runs two"));
        let mut swaps = 0;
        let interrupt = host.interrupt.clone();
        let mut run = Run::of(&host).on(|event| {
            swaps += usize::from(matches!(event, Event::Step { step: Step::Swap, .. }));
            if swaps == count / 2 {
                interrupt.raise();
            }
        });
        let ends = run.apply(&host, &wanted);
        syncs.push(run.files.syncs.get());
        drop(run);
        for end in ends.values() {
            assert!(matches!(end, Outcome::RolledBack { .. }), "{ends:?}");
        }
        assert_eq!((host.look(), host.leftovers()), (former, vec![]));
    }
    // Staged files, former files beside their targets, former files in their places.
    assert_eq!(syncs, [3, 3]);
}

/// Of a site whose journal could not even be written nothing was changed: what somebody has edited
/// meanwhile is not its affair.
#[test]
fn unjournalled_site_was_not_begun() {
    for (only, is_begun) in
        [("s01.com/.journal.files.json", false), (".s01.com-w.conf.supervisor-sync~", true)]
    {
        let host = Host::new();
        applied(&host, &sites(&host, 3, "runs one"));
        let path = host.at("conf.d/s01.com-w.conf");
        let edited = "[program:s01.com-w]\ncommand=runs theirs\n";
        let mut run = Run::of(&host).on(|event| {
            if matches!(&event, Event::Step { step: Step::Journal, .. }) {
                std::fs::write(&path, edited).unwrap();
            }
        });
        // The third: a leftover is looked for, and removed, first.
        run.files = FaultyFiles::new(Some(Failing::Once(1)), Errno::NOSPC);
        run.files.only = Some(only.to_owned());
        let ends = run.apply(&host, &sites(&host, 3, "runs two"));
        assert!(!run.files.failed.borrow().is_empty(), "{only}");
        drop(run);
        match (&ends["s01.com"], is_begun) {
            (Outcome::Refused { .. }, false) | (Outcome::RolledBack { .. }, true) => {}
            (end, _) => panic!("{only}: {end:?}"),
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), edited);
        assert_eq!(host.leftovers(), [""; 0]);
        for good in ["s00.com", "s02.com"] {
            assert!(matches!(ends[good], Outcome::Applied { .. }), "{only}: {ends:?}");
        }
    }
}

/// A site with as many revisions as are kept.
fn with_fifty_revisions() -> (Host, std::path::PathBuf) {
    let host = Host::new();
    applied(&host, &sites(&host, 1, "runs one"));
    let folder = host.state().revisions_folder(&sites(&host, 1, "runs")[0].domain);
    let first = std::fs::read_to_string(folder.join("00000001.json")).unwrap();
    for number in 2..=50 {
        let text = first.replacen("\"number\":1", &format!("\"number\":{number}"), 1);
        std::fs::write(folder.join(format!("{number:08}.json")), text).unwrap();
    }
    (host, folder)
}

/// What a new revision leaves no room for is there until the new one is on the disk.
#[test]
fn old_revision_outlives_failed_record() {
    let was_tried = (1..40).any(|n| {
        let (host, folder) = with_fifty_revisions();
        let mut run = Run::of(&host);
        run.files = FaultyFiles::new(Some(Failing::Once(n)), Errno::IO);
        run.files.only = Some("revisions".to_owned());
        let ends = run.apply(&host, &sites(&host, 1, "runs two"));
        let failed = run.files.failed.borrow().concat();
        let is_sync = failed.starts_with("sync");
        if is_sync {
            assert!(matches!(ends["s00.com"], Outcome::Stuck { .. }), "{ends:?}");
            assert!(folder.join("00000001.json").exists(), "it went for what may be lost");
        }
        is_sync
    });
    assert!(was_tried);
    let (host, folder) = with_fifty_revisions();
    applied(&host, &sites(&host, 1, "runs two"));
    assert!(!folder.join("00000001.json").exists() && folder.join("00000051.json").exists());
}
