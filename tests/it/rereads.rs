//! Promise: supervisord is not asked to read its files only to look, and is whenever what it has said
//! before may not hold any more. On a real supervisord, with every call counted.

#![expect(clippy::disallowed_methods, reason = "changes the host as a person would")]
#![expect(clippy::unwrap_used, reason = "a check that fails fails the test")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use rustix::fs::inotify;
use supervisor_sync::api::{ChosenSite, Goal};
use supervisor_sync::host::Engine;
use supervisor_sync::inventory::Site;
use supervisor_sync::plan::{PlanOptions, PlanView};
use supervisor_sync::records::StateDir;
use supervisor_sync::supervisord::{
    Answer, Call, CallError, Client, Fault, MainConfig, Reload, Supervisord,
};
use supervisor_sync::system::Disk;

use crate::crash::with_engine_of;
use crate::daemon::{PATIENCE, wait_until};
use crate::simulated::{self, Order, origin, program};
use crate::site::Host;

/// supervisord, with a note of what it was asked.
struct Counted<'m> {
    client: Client,
    calls: Vec<Call>,
    /// What somebody else does just before and just after calls are sent.
    meddle: &'m mut dyn FnMut(&[Call], When),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

impl Supervisord for Counted<'_> {
    fn batch(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Fault>>, CallError> {
        self.calls.extend_from_slice(calls);
        (self.meddle)(calls, When::Before);
        let answers = self.client.batch(calls);
        (self.meddle)(calls, When::After);
        answers
    }
}

impl Calls {
    fn count(&self, call: &Call) -> usize {
        self.0.iter().filter(|one| *one == call).count()
    }
}

/// Does `work` with the engine of a host, and returns the calls it has made of supervisord.
fn asked<T>(host: &Host, work: impl FnOnce(&mut Engine<'_>) -> T) -> (T, Calls) {
    meddled(host, &mut |_, _| {}, work)
}

/// The same while somebody meddles with it.
fn meddled<T>(
    host: &Host,
    meddle: &mut dyn FnMut(&[Call], When),
    work: impl FnOnce(&mut Engine<'_>) -> T,
) -> (T, Calls) {
    let config = MainConfig::load(Some(&host.daemon.main_conf())).unwrap();
    let mut counted = Counted { client: host.daemon.client(), calls: Vec::new(), meddle };
    let state = StateDir::new(&site(host, &[]).paths, &host.path("state"));
    let done = with_engine_of(&config, &state, &Disk, &mut counted, &mut |_| {}, work);
    (done, Calls(counted.calls))
}

struct Calls(Vec<Call>);

/// A site with an idle program of each of these names.
fn site(host: &Host, names: &[&str]) -> Site {
    let one = |name: &&str| {
        let mut one = program(name, "sleep 1000");
        one.autostart = false;
        one
    };
    simulated::site_at(host.daemon.root(), "a.com", names.iter().map(one).collect())
}

fn plan(host: &Host, site: &Site) -> (PlanView, usize) {
    let chosen = ChosenSite::whole(site.clone());
    let (plan, counted) = asked(host, |engine| {
        engine
            .plan(&[&chosen], Goal::Inventory, &PlanOptions::default())
            .pop()
            .unwrap()
            .plan
            .unwrap()
    });
    (plan, counted.count(&Call::ReloadConfig))
}

/// Applies, and returns how many rereads that took.
fn apply(host: &Host, site: &Site) -> usize {
    apply_meddled(host, site, &mut |_, _| {})
}

/// The same while somebody meddles with it.
fn apply_meddled(host: &Host, site: &Site, meddle: &mut dyn FnMut(&[Call], When)) -> usize {
    let order = Order { verify: false, ..Order::default() };
    let request = order.request(std::slice::from_ref(site));
    let (report, counted) = meddled(host, meddle, |engine| {
        engine.apply(&[&request.sites[0]], &request, &origin()).pop().unwrap().report
    });
    assert!(report.is_ok(), "{report:?}");
    counted.count(&Call::ReloadConfig)
}

/// Plans until that takes no reread any more: what has just been changed is not believed at once.
fn settle(host: &Host, site: &Site) {
    wait_until(PATIENCE, "a plan needs no reread", || plan(host, site).1 == 0);
}

/// A host with what an apply of two idle programs has left.
fn host() -> Option<(Host, Site)> {
    let host = Host::start()?;
    host.deploy("a.com");
    let site = site(&host, &["one", "two"]);
    apply(&host, &site);
    settle(&host, &site);
    Some((host, site))
}

#[test]
fn only_changes_take_rereads() {
    let (host, site) = or_skip!(host());
    assert_eq!(plan(&host, &site).1, 0);
    assert_eq!(apply(&host, &site), 0);
    let changed = self::site(&host, &["one", "two", "three"]);
    let (shown, rereads) = plan(&host, &changed);
    assert_eq!((shown.groups.len(), rereads), (1, 0));
    assert_eq!(apply(&host, &changed), 1);
}

#[test]
fn only_deep_status_takes_reread() {
    let (host, site) = or_skip!(host());
    File::options().append(true).open(host.conf("a.com-one")).unwrap().set_len(3).unwrap();
    for (deep, expected) in [(false, 0), (true, 1), (true, 1)] {
        let how = (std::time::Duration::ZERO, deep);
        let (_, counted) =
            asked(&host, |engine| engine.status(&[&ChosenSite::whole(site.clone())], how));
        assert_eq!(counted.count(&Call::ReloadConfig), expected, "deep: {deep}");
    }
}

/// What somebody does, in words and in deed.
type Change<'a> = (&'a str, Box<dyn Fn(&mut Host) + 'a>);

/// Whatever changes, supervisord is asked again; and once it was, not any more.
#[test]
fn any_change_means_a_reread() {
    change_after(&mut settle);
}

/// Also if what it has said is what an apply was told.
#[test]
fn change_after_apply_means_reread() {
    let mut count = 0;
    change_after(&mut |host, _| {
        count += 1;
        let names = if count % 2 == 0 { &["one", "two"][..] } else { &["one", "two", "three"] };
        apply(host, &self::site(host, names));
        assert_eq!(plan(host, &self::site(host, names)).1, 0, "after apply {count}");
    });
}

/// Makes all kinds of changes, each after `prepare`, and looks whether supervisord is asked to reread.
fn change_after(prepare: &mut dyn FnMut(&Host, &Site)) {
    let (mut host, site) = or_skip!(host());
    let one = host.conf("a.com-one");
    let text = fs::read_to_string(&one).unwrap();
    let elsewhere = host.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let link = host.conf("link");
    for (number, name) in ["first", "second"].iter().enumerate() {
        let text = format!("[program:linked]\ncommand=sleep {number}\nautostart=false\n");
        fs::write(elsewhere.join(name), text).unwrap();
    }
    symlink(elsewhere.join("first"), &link).unwrap();
    let state = StateDir::new(&site.paths, &host.path("state"));
    let note = state.root().join("reread.json");
    let changes: Vec<Change<'_>> = vec![
        (
            "an edit of the same size and time",
            Box::new(|_| {
                let modified = one.metadata().unwrap().modified().unwrap();
                fs::write(&one, text.replace("sleep 1000", "sleep 1001")).unwrap();
                File::options().write(true).open(&one).unwrap().set_modified(modified).unwrap();
            }),
        ),
        (
            "an edit that was taken back",
            Box::new(|_| {
                fs::write(&one, "").unwrap();
                fs::write(&one, &text).unwrap();
            }),
        ),
        (
            "an edit through another name",
            Box::new(|host| {
                let other = host.path("other-name");
                fs::hard_link(&one, &other).unwrap();
                fs::write(&other, text.replace("sleep 1000", "sleep 1002")).unwrap();
                fs::remove_file(other).unwrap();
            }),
        ),
        (
            "another file with the same content",
            Box::new(|host| {
                fs::write(host.path("new"), &text).unwrap();
                fs::rename(host.path("new"), &one).unwrap();
            }),
        ),
        (
            "a link that leads elsewhere",
            Box::new(|_| {
                fs::remove_file(&link).unwrap();
                symlink(elsewhere.join("second"), &link).unwrap();
            }),
        ),
        (
            "an edit behind a link",
            Box::new(|_| {
                fs::write(
                    elsewhere.join("second"),
                    "[program:linked]\ncommand=sleep 3\nautostart=false\n",
                )
                .unwrap();
            }),
        ),
        (
            "a folder behind a link that was swapped and swapped back",
            Box::new(|host| {
                fs::rename(&elsewhere, host.path("away")).unwrap();
                fs::rename(host.path("away"), &elsewhere).unwrap();
            }),
        ),
        ("a new file", Box::new(|host| host.daemon.write_conf("new", "; nothing\n"))),
        ("a file that is gone", Box::new(|host| host.daemon.remove_conf("new"))),
        (
            "the main file",
            Box::new(|host| {
                let main = host.daemon.main_conf();
                let text = fs::read_to_string(&main).unwrap();
                fs::write(&main, format!("{text}; more\n")).unwrap();
            }),
        ),
        (
            "permissions",
            Box::new(|_| {
                fs::set_permissions(&one, fs::Permissions::from_mode(0o600)).unwrap();
            }),
        ),
        ("supervisord, started anew", Box::new(|host| host.daemon.restart())),
        (
            "a group that somebody took out",
            Box::new(|host| {
                let removed =
                    host.daemon.client().call(Call::RemoveProcessGroup("a.com-two".into()));
                removed.unwrap().unwrap();
            }),
        ),
        (
            "a note that others can write",
            Box::new(|_| {
                fs::set_permissions(&note, fs::Permissions::from_mode(0o666)).unwrap();
            }),
        ),
        (
            "a note that ends in its midst",
            Box::new(|_| {
                File::options().write(true).open(&note).unwrap().set_len(20).unwrap();
            }),
        ),
        ("no note", Box::new(|_| fs::remove_file(&note).unwrap())),
    ];
    for (what, change) in &changes {
        prepare(&host, &site);
        change(&mut host);
        assert_eq!(plan(&host, &site).1, 1, "{what}");
        fs::write(&one, &text).unwrap();
    }
}

fn sorted(mut reload: Reload) -> Reload {
    for groups in [&mut reload.added, &mut reload.changed, &mut reload.removed] {
        groups.sort();
    }
    reload
}

#[test]
fn look_after_apply_takes_no_reread() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    // Somebody else's that is not loaded, and one that runs what is in no file any more.
    host.daemon.write_conf("waits", "[program:waits]\ncommand=sleep 1\nautostart=false\n");
    host.daemon.write_conf("runs", "[program:runs]\ncommand=sleep 1000\n");
    let reread = crate::daemon::reread(&mut host.daemon.client());
    assert!(reread.unwrap().added.contains(&"runs".to_owned()));
    host.daemon.client().call(Call::AddProcessGroup("runs".into())).unwrap().unwrap();
    host.wait_running(&["runs:runs"]);
    host.daemon.write_conf("runs", "[program:runs]\ncommand=sleep 1001\n");
    let running = |name: &str, command: &str| {
        let mut site = site(&host, &["one", "two"]);
        site.programs.push(program(name, command));
        site
    };
    let steps = [
        (site(&host, &["one"]), "a first program"),
        (site(&host, &["one", "two"]), "a second one"),
        (running("up", "sleep 1000"), "one that runs"),
        (running("up", "sleep 1001"), "one that changes"),
        (running("other", "sleep 1001"), "one in place of another"),
        (site(&host, &[]), "none any more"),
    ];
    for (step, (site, what)) in steps.iter().enumerate() {
        let rereads = apply(&host, site);
        // The first one finds no note.
        assert_eq!(rereads, if step == 0 { rereads } else { 1 }, "{what}");
        let (shown, rereads) = plan(&host, site);
        assert_eq!((shown.groups.len(), rereads), (0, 0), "{what}: {shown:?}");
        // It is what supervisord would have said.
        let state = StateDir::new(&site.paths, &host.path("state"));
        let note = fs::read_to_string(state.root().join("reread.json")).unwrap();
        let mut noted: serde_json::Value = serde_json::from_str(&note).unwrap();
        let noted = sorted(serde_json::from_value(noted["reload"].take()).unwrap());
        let said = sorted(crate::daemon::reread(&mut host.daemon.client()).unwrap());
        assert_eq!(noted, said, "{what}");
    }
}

/// Whoever changes something while an apply is at work is seen by the next look, also if it is as it was
/// when the apply is done.
#[test]
fn change_during_apply_means_reread() {
    let (host, _) = or_skip!(host());
    let (text, one) = (fs::read_to_string(host.conf("a.com-one")).unwrap(), host.conf("a.com-one"));
    let by_hand = |calls: &[Call]| {
        for call in calls {
            host.daemon.client().call(call.clone()).unwrap().unwrap();
        }
    };
    let edit = || fs::write(&one, text.replace("sleep 1000", "sleep 1007")).unwrap();
    let put_back = || fs::write(&one, &text).unwrap();
    let is_reread = |calls: &[Call]| calls.contains(&Call::ReloadConfig);
    let is_add = |calls: &[Call]| calls.iter().any(|c| matches!(c, Call::AddProcessGroup(_)));
    let (two, one_group) = ("a.com-two".to_owned(), "a.com-one".to_owned());
    type Meddle<'a> = Box<dyn FnMut(&[Call], When) + 'a>;
    let cases: Vec<(&str, Meddle<'_>)> = vec![
        (
            "supervisord reads an edit that is taken back",
            Box::new(|calls, when| match when {
                When::Before if is_reread(calls) => edit(),
                When::After if is_reread(calls) => put_back(),
                _ => {}
            }),
        ),
        (
            "an edit is loaded and taken back",
            Box::new(|calls, when| {
                if when == When::Before && is_add(calls) {
                    edit();
                    by_hand(&[
                        Call::ReloadConfig,
                        Call::RemoveProcessGroup(one_group.clone()),
                        Call::AddProcessGroup(one_group.clone()),
                    ]);
                    put_back();
                    by_hand(&[Call::ReloadConfig]);
                }
            }),
        ),
        (
            "a group is taken out",
            Box::new(|calls, when| {
                if when == When::Before && is_add(calls) {
                    by_hand(&[Call::RemoveProcessGroup(two.clone())]);
                }
            }),
        ),
    ];
    for (number, (what, mut meddle)) in cases.into_iter().enumerate() {
        let changed = site(&host, &["one", "two", &format!("new{number}")]);
        apply_meddled(&host, &changed, &mut meddle);
        assert_eq!(plan(&host, &changed).1, 1, "{what}");
        apply(&host, &changed);
        by_hand(&[Call::ReloadConfig]);
    }
}

/// What may be flapping is watched without a look at all others.
#[test]
fn flapping_process_is_watched_alone() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let mut site = site(&host, &["one", "two", "three", "four"]);
    let mut crashing = program("loop", "sh -c 'sleep 1.3; exit 1'");
    crashing.supervisord.set("startsecs", "1");
    site.programs.push(crashing);
    apply(&host, &site);
    wait_until(PATIENCE, "it has come up again", || {
        let process = host.process("a.com-loop:a.com-loop");
        process.is_some_and(|process| process.stop > 0 && process.pid > 0)
    });
    let how = (std::time::Duration::from_secs(30), false);
    let (status, calls) = asked(&host, |engine| {
        engine.status(&[&ChosenSite::whole(site.clone())], how).pop().unwrap().status.unwrap()
    });
    assert!(!status.is_fine(), "{status:?}");
    assert_eq!(calls.count(&Call::GetAllProcessInfo), 1);
    assert!(calls.count(&Call::GetProcessInfo("a.com-loop:a.com-loop".into())) > 1);
    assert_eq!(calls.count(&Call::GetProcessInfo("a.com-one:a.com-one".into())), 0);
}

/// The files are as they were, and something else is loaded.
#[test]
fn load_from_swapped_folder_is_seen() {
    let (host, site) = or_skip!(host());
    let (folder, away, other) = (host.daemon.conf_dir(), host.path("away"), host.path("other"));
    let text = fs::read_to_string(host.conf("a.com-one")).unwrap();
    fs::rename(&folder, &away).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::copy(away.join("a.com-two.conf"), host.conf("a.com-two")).unwrap();
    fs::write(host.conf("a.com-one"), text.replace("sleep 1000", "sleep 1001")).unwrap();
    assert!(host.daemon.supervisorctl(&["update"]).status.success());
    fs::rename(&folder, other).unwrap();
    fs::rename(away, &folder).unwrap();
    let (plan, rereads) = plan(&host, &site);
    assert_eq!(rereads, 1);
    assert_eq!(plan.groups.len(), 1, "{plan:?}");
}

/// A log folder that is gone means a reread as long as it is.
#[test]
fn missing_log_folder_means_rereads() {
    let (host, site) = or_skip!(host());
    host.daemon.write_conf(
        "foreign",
        "[program:x]\ncommand=true\nautostart=false\nstdout_logfile=/nowhere/x.log\n",
    );
    for _ in 0..3 {
        assert_eq!(plan(&host, &site).1, 1);
    }
    host.daemon.write_conf("foreign", "[program:x]\ncommand=true\nautostart=false\n");
    settle(&host, &site);
}

/// What cannot be told from outside means a reread each time.
#[test]
fn opaque_options_mean_rereads() {
    let (host, site) = or_skip!(host());
    for line in
        ["user=nobody-of-the-files", "stdout_logfile=%(here)s/x/y.log", "stdout_logfile=x/y.log"]
    {
        host.daemon.write_conf("foreign", &format!("[program:x]\ncommand=true\n{line}\n"));
        for _ in 0..3 {
            assert_eq!(plan(&host, &site).1, 1, "{line}");
        }
    }
}

/// Who keeps no records yet makes no folder for a look.
#[test]
fn look_makes_no_state_folder() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let site = site(&host, &["one"]);
    for _ in 0..2 {
        assert_eq!(plan(&host, &site).1, 1);
    }
    assert!(!StateDir::new(&site.paths, &host.path("state")).root().exists());
}

/// How often each file of these folders is opened while `work` is done.
fn opened(folders: &[PathBuf], work: impl FnOnce()) -> BTreeMap<String, usize> {
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    for folder in folders {
        inotify::add_watch(&watch, folder, inotify::WatchFlags::OPEN).unwrap();
    }
    work();
    let mut opened = BTreeMap::new();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&watch, &mut buffer);
    while let Ok(event) = events.next() {
        // Without a name it is the folder itself.
        if let Some(name) = event.file_name() {
            *opened.entry(name.to_string_lossy().into_owned()).or_default() += 1;
        }
    }
    opened
}

#[test]
fn look_reads_each_file_once() {
    let host = or_skip!(Host::start());
    host.deploy("a.com");
    let program =
        |name| format!("      - {{program: {name}, command: sleep 9, autostart: false}}\n");
    host.inventory(&format!(
        "  - domain: a.com\n    server: here\n    supervisors:\n{}{}",
        program("one"),
        program("two")
    ));
    host.run(&["apply", "--yes"]).ended(0);
    // supervisord reads the files, too, as long as it is asked to.
    settle(&host, &site(&host, &[]));
    let folders = [
        host.daemon.conf_dir(),
        host.daemon.logrotate_dir(),
        host.state().join("sites/a.com/revisions"),
    ];
    let names = [
        "00000001.json",
        "a.com-one.conf",
        "a.com-two.conf",
        "supervisor-a.com-one.conf",
        "supervisor-a.com-two.conf",
    ];
    let once: BTreeMap<String, usize> = names.map(|name| (name.to_owned(), 1)).into();
    for verb in ["plan", "status"] {
        let all = opened(&folders, || _ = host.run(&[verb]).ended(0));
        assert_eq!(all, once, "{verb}");
    }
}
