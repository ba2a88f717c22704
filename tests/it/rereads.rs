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
use supervisor_sync::host::{ChosenSite, Engine, Goal};
use supervisor_sync::inventory::Site;
use supervisor_sync::plan::{PlanOptions, PlanView};
use supervisor_sync::records::StateDir;
use supervisor_sync::supervisord::{
    Answer, Call, CallError, Client, Fault, MainConfig, Supervisord,
};
use supervisor_sync::system::Disk;

use crate::crash::with_engine_of;
use crate::daemon::{PATIENCE, wait_until};
use crate::simulated::{self, Order, origin, program};
use crate::site::Host;

/// supervisord, with a note of what it was asked.
struct Counted {
    client: Client,
    calls: Vec<Call>,
}

impl Supervisord for Counted {
    fn batch(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Fault>>, CallError> {
        self.calls.extend_from_slice(calls);
        self.client.batch(calls)
    }
}

impl Counted {
    fn count(&self, call: &Call) -> usize {
        self.calls.iter().filter(|one| *one == call).count()
    }
}

/// Does `work` with the engine of a host, and returns what it has asked of supervisord.
fn asked<T>(host: &Host, work: impl FnOnce(&mut Engine<'_>) -> T) -> (T, Counted) {
    let config = MainConfig::load(Some(&host.daemon.main_conf())).unwrap();
    let mut counted = Counted { client: host.daemon.client(), calls: Vec::new() };
    let state = StateDir::new(&site(host, &[]).paths, &host.path("state"));
    let done = with_engine_of(&config, &state, &Disk, &mut counted, &mut |_| {}, work);
    (done, counted)
}

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
    let order = Order { verify: false, ..Order::default() };
    let request = order.request(std::slice::from_ref(site));
    let (report, counted) = asked(host, |engine| {
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
fn looking_or_doing_nothing_takes_no_reread_and_a_change_takes_one() {
    let Some((host, site)) = host() else { return };
    assert_eq!(plan(&host, &site).1, 0);
    assert_eq!(apply(&host, &site), 0);
    let changed = self::site(&host, &["one", "two", "three"]);
    let (shown, rereads) = plan(&host, &changed);
    assert_eq!((shown.groups.len(), rereads), (1, 0));
    assert_eq!(apply(&host, &changed), 1);
}

#[test]
fn status_takes_no_reread_unless_it_is_deep() {
    let Some((host, site)) = host() else { return };
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
    let Some((mut host, site)) = host() else { return };
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
        settle(&host, &site);
        change(&mut host);
        assert_eq!(plan(&host, &site).1, 1, "{what}");
        fs::write(&one, &text).unwrap();
    }
}

/// The files are as they were, and something else is loaded.
#[test]
fn what_was_loaded_from_a_folder_that_was_there_meanwhile_is_seen() {
    let Some((host, site)) = host() else { return };
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

#[test]
fn a_log_folder_that_is_gone_means_a_reread_as_long_as_it_is() {
    let Some((host, site)) = host() else { return };
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

#[test]
fn what_cannot_be_told_from_outside_means_a_reread_each_time() {
    let Some((host, site)) = host() else { return };
    for line in
        ["user=nobody-of-the-files", "stdout_logfile=%(here)s/x/y.log", "stdout_logfile=x/y.log"]
    {
        host.daemon.write_conf("foreign", &format!("[program:x]\ncommand=true\n{line}\n"));
        for _ in 0..3 {
            assert_eq!(plan(&host, &site).1, 1, "{line}");
        }
    }
}

#[test]
fn who_keeps_no_records_yet_makes_no_folder_for_a_look() {
    let Some(host) = Host::start() else { return };
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
fn a_look_reads_each_file_and_the_last_revision_once() {
    let Some(host) = Host::start() else { return };
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
