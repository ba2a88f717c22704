//! What is fed with bytes that nobody has checked: one function for each kind of text that comes from
//! outside. `replay.rs` calls them with the corpus; a fuzzer can do so with what it makes up.
//!
//! Each says whether the bytes were accepted, and holds that nothing panics, that what comes out is bounded by what came in, and that what was
//! read, written and read again is the same.

#![expect(clippy::disallowed_methods, reason = "writes what is read to a throw-away folder")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a check that fails fails the test")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use supervisor_sync::actual::{ActualDaemon, ActualSite};
use supervisor_sync::api::Reply;
use supervisor_sync::api::wire::{self, AgentMessage};
use supervisor_sync::desired::{DaemonFacts, DesiredFile, DesiredSite, FileKind, render};
use supervisor_sync::import::{Trial, try_file};
use supervisor_sync::inventory::{
    self, Domain, Format, Paths, Program, Programs, Run, Site, UserName,
};
use supervisor_sync::plan::{FileChange, PlanOptions, PlanView, SitePlan, Situation, plan_site};
use supervisor_sync::playbook::PlaybookEnvironment;
use supervisor_sync::records::StateDir;
use supervisor_sync::report::{Colour, FileDetail};
use supervisor_sync::store::{Location, ObjectName, listing};
use supervisor_sync::supervisord::{
    Call, CallError, Client, MainConfig, ReadBy, Reload, Supervisord as _, ini, say_the_same,
};
use supervisor_sync::system::Disk;
use supervisor_sync::system::files::{Entry, FileContent};
use supervisor_sync::system::sanitized_lines;

/// A target by its name, which is that of its folder in `tests/corpus/` too.
pub(crate) type Target = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub(crate) const TARGETS: [Target; 12] = [
    ("inventory", inventory),
    ("playbook", playbook),
    ("ini", ini),
    ("xmlrpc", xmlrpc),
    ("http", http),
    ("wire", wire),
    ("journal", journal),
    ("revision", revision),
    ("config", config),
    ("import", import),
    ("listing", listing),
    ("location", location),
];

/// What a server says is in a folder: only names that are objects of that folder, whoever put them there.
pub(crate) fn listing(bytes: &[u8]) -> bool {
    let folder = ObjectName::parse("status").unwrap();
    let text = String::from_utf8_lossy(bytes);
    if let Some((code, message)) = listing::error_of_bucket(&text) {
        assert!(code.len() + message.len() <= bytes.len() + SOME);
    }
    let of_json = listing::of_json(bytes, &folder);
    let of_bucket = listing::of_bucket(&text, "fleet/status", &folder).map(|page| page.names);
    let is_listing = of_json.is_ok() || of_bucket.is_ok();
    for read in [of_json, of_bucket] {
        match read {
            Ok(names) => {
                assert!(names.len() <= bytes.len());
                for name in names {
                    assert_eq!(name.as_str(), format!("status/{}", name.last()));
                    assert_eq!(ObjectName::parse(name.as_str()), Some(name));
                }
            }
            Err(problem) => assert!(problem.chars().all(|c| !c.is_control()), "{problem:?}"),
        }
    }
    is_listing
}

/// Where a store is, a line each: what is refused is shown without what a terminal would obey.
pub(crate) fn location(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let read = |line: &str| match Location::parse(line) {
        Ok(location) => {
            let shown = location.to_string();
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            assert_eq!(Location::parse(&shown).as_ref(), Ok(&location), "{shown}");
            true
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.len() <= 4 * line.len() + SOME && !told.chars().any(char::is_control));
            false
        }
    };
    let lines = text.split('\n').filter(|line| !line.is_empty());
    lines.filter(|line| !read(line)).count() == 0
}

/// A config file of somebody's: what comes of it says the same, to the byte where that was asked for.
pub(crate) fn import(bytes: &[u8]) -> bool {
    for normalise in [true, false] {
        match try_file("x.conf", bytes, normalise, &ReadBy::default()) {
            Some(Trial::AsItIs(copied)) => assert_eq!(copied, bytes),
            Some(Trial::Entries(written)) if normalise => {
                let text = std::str::from_utf8(&written).unwrap();
                assert!(say_the_same(bytes, text, &ReadBy::default()), "{text}");
            }
            Some(Trial::Entries(written)) => assert_eq!(written, bytes),
            Some(Trial::NotTaken { reason }) => {
                assert!(reason.len() <= 16 * bytes.len() + SOME, "{} bytes", reason.len());
                return false;
            }
            None => panic!("nothing is told of it"),
        }
    }
    true
}

/// What an output may have beyond a multiple of its input.
const SOME: usize = 64 * 1024;

/// `deployer.yml`: read, then rendered, or every problem shown.
pub(crate) fn inventory(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match inventory::read("deployer.yml", &text) {
        Ok(inventory) => {
            same_after_json(&inventory);
            inventory.sites.iter().for_each(|placed| rendered(&placed.site, bytes.len()));
            true
        }
        Err(problems) => {
            let shown = problems.render(false);
            assert!(shown.len() <= 256 * bytes.len() + SOME, "{} bytes", shown.len());
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
            false
        }
    }
}

/// `DEPLOYER_SUPERVISORS`: read, then rendered in both formats.
pub(crate) fn playbook(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let variable = |name: &str| {
        let value = match name {
            "DEPLOYER_OUTPUT_FILE" => "/tmp/result.yml",
            "DEPLOYER_DISTRO" => "debian",
            "DEPLOYER_PERMS" => "none",
            "DEPLOYER_SITE_DOMAIN" => "example.com",
            "DEPLOYER_SUPERVISORS" => &text,
            _ => return None,
        };
        Some(value.to_owned())
    };
    match PlaybookEnvironment::read(&variable) {
        Ok(PlaybookEnvironment { mut site, .. }) => {
            for format in [Format::Classic, Format::Hardened] {
                site.format = format;
                rendered(&site, bytes.len());
            }
            true
        }
        Err(problem) => {
            let told = problem.first_line + &problem.causes.concat();
            assert!(told.len() <= 16 * bytes.len() + SOME, "{} bytes", told.len());
            false
        }
    }
}

/// Every file of a site: supervisord reads it, and finds in it what was meant and nothing else.
fn rendered(site: &Site, input: usize) {
    let Ok(desired) = render(site, &DaemonFacts::default()) else { return };
    let mut groups = Vec::new();
    for file in desired.files.values() {
        // Each program may repeat what `defaults` gave it; instances multiply only their own.
        assert!(file.bytes.len() <= 1024 * input + SOME, "{} bytes", file.bytes.len());
        if file.kind == FileKind::Supervisor {
            let text = std::str::from_utf8(&file.bytes).unwrap();
            let parsed = ini::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            for section in &parsed.sections {
                let command = ini::expand(section.get("command").unwrap(), &names).unwrap();
                assert!(site.programs.iter().any(|program| command == command_of(site, program)));
            }
            groups.extend(parsed.sections.into_iter().map(|section| section.name));
        }
    }
    groups.sort_unstable();
    let wanted: Vec<String> = desired.groups.keys().map(|name| format!("program:{name}")).collect();
    assert_eq!(groups, wanted);
}

/// What supervisord is to run.
fn command_of(site: &Site, program: &Program) -> String {
    match &program.run {
        Run::Script(script) => format!("{} .deployer/supervisors/{script}", site.runner()),
        Run::Command(command) => command.to_string(),
    }
}

/// A token that no file has by chance.
const TOKEN: &str = "q7Zw9secret";

/// A file of supervisord's: read, written, read again; its values expanded; its plan masked.
pub(crate) fn ini(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let plan = PlanView::of(&replacing(bytes, b"[program:new]\nenvironment=A='other'\n"), b"");
    let diff: String = plan.files.iter().map(|file| file.diff.as_str()).collect();
    assert!(diff.len() <= 8 * text.len() + SOME, "{} bytes", diff.len());
    let Ok(parsed) = ini::parse(&text) else { return false };
    let entries = || parsed.sections.iter().flat_map(|section| &section.entries);
    for entry in entries() {
        let expanded = ini::expand(&ini::escape_percent(&entry.value), &names);
        assert_eq!(expanded.as_ref(), Ok(&entry.value));
        if let Ok(expanded) = ini::expand(&entry.value, &names) {
            assert!(expanded.len() <= 256 * entry.value.len());
        }
    }
    let secret = |value: &str| value.matches(&format!("'{TOKEN}")).count();
    let hidden = entries().filter(|entry| entry.key == "environment");
    let hidden: usize = hidden.map(|entry| secret(&entry.value)).sum();
    if hidden > 0 && hidden == text.matches(TOKEN).count() {
        assert!(!diff.contains(TOKEN), "{diff}");
    }
    // What could be a comment is cut by rules that cannot be reversed.
    if entries().all(|entry| !entry.key.contains([';', '#']) && !entry.value.contains([';', '#'])) {
        let again = ini::parse(&written(&parsed)).unwrap();
        assert_eq!(without_lines(&again), without_lines(&parsed));
    }
    true
}

fn names(name: &str) -> Option<String> {
    match name {
        "program_name" => Some("web".to_owned()),
        "process_num" => Some("7".to_owned()),
        _ => None,
    }
}

fn written(parsed: &ini::Ini) -> String {
    let mut text = String::new();
    for section in &parsed.sections {
        text.push_str(&format!("[{}]\n", section.name));
        for entry in &section.entries {
            text.push_str(&format!("{}={}\n", entry.key, entry.value.replace('\n', "\n ")));
        }
    }
    text
}

fn without_lines(parsed: &ini::Ini) -> Vec<(&str, Vec<(&str, &str)>)> {
    let sections = parsed.sections.iter().map(|section| {
        let entries = section.entries.iter();
        let entries = entries.map(|entry| (entry.key.as_str(), entry.value.as_str()));
        (section.name.as_str(), entries.collect())
    });
    sections.collect()
}

/// A plan that replaces a file with these bytes by one with those.
fn replacing(before: &[u8], after: &[u8]) -> SitePlan {
    let before = FileContent { bytes: before.into(), mode: 0o600, owner: None };
    let change = FileChange {
        kind: FileKind::Supervisor,
        before: Entry::File(before),
        after: Some(DesiredFile {
            kind: FileKind::Supervisor,
            bytes: after.to_vec(),
            secret: true,
            programs: Default::default(),
            verbatim: false,
            former: None,
        }),
        is_anothers: false,
    };
    let domain = Domain::parse("example.com").unwrap();
    let (files, groups) = (BTreeMap::new(), BTreeMap::new());
    let nothing = DesiredSite { domain, files, groups };
    let daemon = ActualDaemon {
        version: "4.2.5".to_owned(),
        reads_private_files: true,
        reread: Ok(Reload::default()),
        groups: BTreeMap::new(),
        ..ActualDaemon::default()
    };
    let actual = ActualSite::default();
    let site = Site {
        domain: nothing.domain.clone(),
        user: UserName::parse("deployer").unwrap(),
        format: Format::Hardened,
        config_files: Default::default(),
        config_suffix: Default::default(),
        configs: Vec::new(),
        groups: Vec::new(),
        paths: Paths::default(),
        programs: Vec::new(),
    };
    let (programs, desired, daemon, actual) = (&Programs::All, &nothing, &daemon, &actual);
    let situation = Situation { site: &site, programs, desired, daemon, actual };
    let mut plan = plan_site(&situation, &PlanOptions::default()).plan;
    plan.files.insert(PathBuf::from("/conf.d/x.conf"), change);
    plan
}

/// The body of an answer of supervisord's.
pub(crate) fn xmlrpc(bytes: &[u8]) -> bool {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
    asked([head.as_bytes(), bytes].concat())
}

/// A whole answer of supervisord's, head and all.
pub(crate) fn http(bytes: &[u8]) -> bool {
    asked(bytes.to_vec())
}

/// What the client makes of a server that answers so.
fn asked(answer: Vec<u8>) -> bool {
    thread_local! {
        static SERVER: Server = Server::start();
    }
    let length = answer.len();
    let calls =
        [Call::GetSupervisorVersion, Call::GetPid, Call::ReloadConfig, Call::GetAllProcessInfo];
    let answered = SERVER.with(|server| {
        server.answers.send(answer).unwrap();
        Client::unix(&server.socket).with_deadline(Duration::from_secs(30)).batch(&calls)
    });
    match answered {
        Ok(answers) => {
            assert_eq!(answers.len(), calls.len());
            let told = format!("{answers:?}");
            assert!(told.len() <= 256 * length + SOME, "{} bytes", told.len());
            true
        }
        Err(error @ CallError::TimedOut { .. }) => panic!("{error}"),
        Err(error) => {
            assert!(error.to_string().len() <= SOME);
            false
        }
    }
}

/// Answers each connection with the next of what it is given, until the thread that started it ends.
struct Server {
    socket: PathBuf,
    answers: Sender<Vec<u8>>,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let socket = folder.path().join("s.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (answers, given) = channel();
        std::thread::spawn(move || serve(&listener, &given));
        Self { socket, answers, _folder: folder }
    }
}

fn serve(listener: &UnixListener, given: &Receiver<Vec<u8>>) {
    for answer in given {
        let Ok((mut stream, _)) = listener.accept() else { return };
        // Closing before all was read would reset the connection, answer and all.
        read_request(&mut stream);
        let _ = stream.write_all(&answer);
    }
}

fn read_request(stream: &mut UnixStream) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.ends_with(b"</methodCall>") {
        match stream.read(&mut piece) {
            Ok(count @ 1..) => request.extend_from_slice(piece.get(..count).unwrap_or_default()),
            _ => return,
        }
    }
}

/// Lines between a caller and its agent, in either direction.
pub(crate) fn wire(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut accepted = !text.is_empty();
    for line in text.lines() {
        let mut is_read = false;
        match wire::read_ask(line) {
            Ok(ask) => {
                assert_eq!(wire::read_ask(&serde_json::to_string(&ask).unwrap()), Ok(ask));
                is_read = true;
            }
            Err(error) => {
                let told = format!("{error:?}");
                assert!(told.len() <= 16 * line.len() + SOME, "{} bytes", told.len());
            }
        }
        if let Ok(answer) = serde_json::from_str::<AgentMessage>(line) {
            same_after_json(&answer);
            is_read = true;
            if let AgentMessage::Reply(Reply::Plans { sites }) = answer {
                let plans = sites.iter().filter_map(|site| site.plan.as_ref().ok());
                plans.for_each(|plan| shown(plan, line.len()));
            }
        }
        let harmless = sanitized_lines(line);
        assert!(harmless.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()));
        accepted &= is_read;
    }
    accepted
}

/// A plan as a terminal gets it.
fn shown(plan: &PlanView, input: usize) {
    let text = plan.text(FileDetail::Diffs, Colour::Plain);
    assert!(text.len() <= 256 * input + SOME, "{} bytes", text.len());
    assert!(text.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()), "{text:?}");
}

/// A journal that an apply has left.
pub(crate) fn journal(bytes: &[u8]) -> bool {
    with_record("journal.undo.json", bytes, |state, site| match state.interrupted(&Disk, site) {
        Ok(interrupted) => {
            let journals = interrupted.undone_first.map(|(_, journal)| journal);
            journals.iter().chain(&interrupted.finished).for_each(same_after_json);
            true
        }
        Err(error) => {
            assert!(format!("{error:?}").len() <= 16 * bytes.len() + SOME);
            false
        }
    })
}

/// The record of what was applied.
pub(crate) fn revision(bytes: &[u8]) -> bool {
    with_record("revisions/00000001.json", bytes, |state, site| {
        match state.last_revision(&Disk, site) {
            Ok(revision) => {
                let revision = revision.unwrap();
                same_after_json(&revision);
                let desired = revision.as_desired();
                assert_eq!(desired.files.len(), revision.files.len());
                true
            }
            Err(error) => {
                assert!(format!("{error:?}").len() <= 16 * bytes.len() + SOME);
                false
            }
        }
    })
}

thread_local! {
    static FOLDER: RefCell<tempfile::TempDir> = RefCell::new(tempfile::tempdir().unwrap());
}

/// Has these bytes at `name` among the records of a site.
fn with_record(name: &str, bytes: &[u8], check: impl FnOnce(&StateDir, &Domain) -> bool) -> bool {
    let site = Domain::parse("example.com").unwrap();
    FOLDER.with_borrow(|folder| {
        let state = StateDir::new(&Paths::default(), folder.path());
        state.prepare(&Disk, &site).unwrap();
        let path = state.root().join("sites/example.com").join(name);
        std::fs::write(&path, bytes).unwrap();
        let accepted = check(&state, &site);
        std::fs::remove_file(&path).unwrap();
        accepted
    })
}

/// supervisord's main file.
pub(crate) fn config(bytes: &[u8]) -> bool {
    if includes_far_and_wide(bytes) {
        return false;
    }
    FOLDER.with_borrow(|folder| {
        let path = folder.path().join("supervisord.conf");
        std::fs::write(&path, bytes).unwrap();
        match MainConfig::load(Some(Path::new(&path))) {
            Ok(config) => {
                let _ = config.included_files();
                let _ = config.usable_listener();
                let told = format!("{config:?}");
                assert!(told.len() <= 1024 * bytes.len() + SOME, "{} bytes", told.len());
                assert!(!told.contains(TOKEN) || !only_in_passwords(bytes), "{told}");
                true
            }
            Err(error) => {
                let told = format!("{error} {:?}", error.hint());
                assert!(told.len() <= 64 * bytes.len() + SOME, "{} bytes", told.len());
                false
            }
        }
    })
}

/// Patterns over folders would make a run depend on the machine, and take as long as it is large.
fn includes_far_and_wide(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let files = ini::parse(&text).ok().and_then(|parsed| {
        let files = parsed.get("include", "files");
        files.map(|files| files.contains(['*', '?', '[']) && files.contains(['/', '%']))
    });
    files.unwrap_or(false)
}

fn only_in_passwords(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(parsed) = ini::parse(&text) else { return false };
    let entries = parsed.sections.iter().flat_map(|section| &section.entries);
    let passwords = entries.filter(|entry| entry.key == "password");
    let found: usize = passwords.map(|entry| entry.value.matches(TOKEN).count()).sum();
    found == text.matches(TOKEN).count()
}

fn same_after_json<T>(value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let text = serde_json::to_string(value).unwrap();
    let again: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(&again, value);
}
