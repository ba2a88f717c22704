//! A git repository, over a real sshd and as a folder of this machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use supervisor_sync::error::ErrorKind;
use supervisor_sync::store::{Access, Location};
use tempfile::TempDir;

use super::misbehaving::{Misbehaving, hang};
use super::{
    Answer, AnyStore, ObjectName, Part, Served, access, assert_says, bytes, keeps_the_contract,
    listed, name, of_page,
};
use crate::daemon::{PATIENCE, wait_until, write_program};
use crate::sshd::{Keyring, Sshd, keygen};

/// Twenty hosts that log in at once are no attack.
const BUSY: &str = "MaxStartups 100:30:200";

/// A repository behind an sshd.
pub(crate) struct Repository {
    root: TempDir,
    keyring: Keyring,
    sshd: Sshd,
}

/// A bare repository that nobody has put anything into, and the folders of those who use it.
fn bare() -> TempDir {
    let root = tempfile::Builder::new().prefix("git").tempdir_in("/tmp").unwrap();
    git(&root.path().join("fleet.git"), &["init", "--quiet", "--bare", "."]);
    root
}

/// What git says of a repository.
fn git(folder: &Path, arguments: &[&str]) -> String {
    std::fs::create_dir_all(folder).unwrap();
    let mut git = Command::new("git");
    git.args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main", "-C"]);
    let output = git.arg(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Commits what a script leaves in a work tree of the branch.
fn commit(repository: &Path, branch: &str, script: &str) {
    let tree = tempfile::tempdir().unwrap();
    let clone = tree.path().join("clone");
    git(tree.path(), &["clone", "--quiet", &format!("file://{}", repository.display()), "clone"]);
    let there = Command::new("git")
        .args(["-C", clone.to_str().unwrap(), "checkout", "--quiet", branch])
        .output()
        .unwrap();
    if !there.status.success() {
        git(&clone, &["checkout", "--quiet", "--orphan", branch]);
    }
    assert!(
        Command::new("sh").args(["-ec", script]).current_dir(&clone).status().unwrap().success()
    );
    git(&clone, &["add", "--all"]);
    git(&clone, &["commit", "--quiet", "-m", "by hand"]);
    git(&clone, &["push", "--quiet", "origin", branch]);
}

/// What somebody has around them who has set nothing up.
fn at_home(root: &Path) -> Access {
    let home = tempfile::tempdir_in(root).unwrap().keep();
    let mut access = access(&home.join("cache"));
    access.environment.retain(|name, _| !name.as_encoded_bytes().starts_with(b"GIT_"));
    access.environment.insert("HOME".into(), home.into());
    access
}

/// The store in a repository of this machine.
fn open_file(repository: &Path, access: Access) -> AnyStore {
    let location = format!("git+file://{}", repository.display());
    Location::parse(&location).unwrap().open_with(access)
}

impl Repository {
    fn path(&self) -> PathBuf {
        self.root.path().join("fleet.git")
    }

    /// Who finds a `ssh` that knows the server's key, and has one that it lets in.
    fn access(&self) -> Access {
        let mut access = at_home(self.root.path());
        let ssh = self.keyring.wrapper().parent().unwrap().display().to_string();
        let path =
            format!("{ssh}:{}", access.environment[std::ffi::OsStr::new("PATH")].to_str().unwrap());
        access.environment.insert("PATH".into(), path.into());
        access
    }

    fn open_with(&self, access: Access) -> AnyStore {
        Location::parse(&self.location()).unwrap().open_with(access)
    }

    /// What a host has, which is let in as docs/stores.md has it.
    fn access_of_host(&self) -> Access {
        write_program(&self.path().join("hooks/update"), of_page("#!/bin/sh\n").as_bytes());
        let key = self.root.path().join("hosts-key");
        keygen(&key);
        let restriction = of_page("restrict,command=");
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let authorized = self.sshd.path("authorized");
        let keys = std::fs::read_to_string(&authorized).unwrap();
        std::fs::write(&authorized, format!("{keys}{} {public}", restriction.trim())).unwrap();
        let mut access = self.access();
        // The key of the wrapper's configuration would be let in, too.
        let config = std::fs::read_to_string(self.keyring.path("config")).unwrap();
        let id = self.keyring.path("id").display().to_string();
        let hosts = self.root.path().join("hosts-config");
        std::fs::write(&hosts, config.replace(&id, &key.display().to_string())).unwrap();
        let ssh = format!("/usr/bin/ssh -F {} -o BatchMode=yes", hosts.display());
        access.environment.insert("GIT_SSH_COMMAND".into(), ssh.into());
        access
    }
}

impl Part for Repository {
    fn start() -> Option<Self> {
        let keyring = Keyring::new()?;
        keyring.write_wrapper("exec /usr/bin/ssh -F \"$CONFIG\" \"$@\"");
        let sshd = Sshd::start_with(&keyring, BUSY);
        Some(Self { root: bare(), keyring, sshd })
    }

    fn open(&self) -> AnyStore {
        self.open_with(self.access())
    }

    fn plant_long(&self, name: &ObjectName, length: u64) {
        commit(&self.path(), "main", &format!("mkdir -p payloads; truncate -s {length} {name}"));
    }
}

impl Served for Repository {
    fn location(&self) -> String {
        format!("git+ssh://127.0.0.1:{}{}", self.sshd.port, self.path().display())
    }

    fn accesses(&self) -> [Access; 2] {
        [self.access(), self.access_of_host()]
    }

    fn asked(&self) -> Vec<String> {
        vec![Self::NOTHING_NEW.to_owned(); self.sshd.logins()]
    }

    /// A second one would fetch.
    const NOTHING_NEW: &'static str = "a login";

    fn stop(&mut self) {
        self.sshd.stop();
    }

    fn serve(&mut self) {
        self.sshd.serve();
    }
}

keeps_the_contract!(Repository);

/// What all hosts say is read over one connection.
#[test]
fn statuses_come_with_their_listing() {
    let repository = or_skip!(Repository::start());
    let writer = repository.open();
    for number in 0..10 {
        writer.put(&name(&format!("status/web{number}")), b"fine").unwrap();
    }
    let reader = repository.open();
    let before = repository.sshd.logins();
    let names = listed(&*reader, "status");
    assert_eq!(names.len(), 10);
    for text in names {
        assert_eq!(bytes(&*reader, &text), b"fine");
    }
    assert_eq!(repository.sshd.logins() - before, 1);
    assert_eq!(bytes(&*reader, "status/web1"), b"fine");
    assert!(repository.sshd.logins() - before > 1, "it is asked again");
}

#[test]
fn what_is_published_is_history_and_no_status_is() {
    let root = bare();
    let path = root.path().join("fleet.git");
    commit(&path, "main", "echo ours > README");
    let store = open_file(&path, at_home(root.path()));
    store.put(&name("bundles/1"), b"one").unwrap();
    store.put(&name("bundles/1"), b"one").unwrap();
    store.put(&name("latest.json"), b"{}").unwrap();
    for round in ["a", "b"] {
        store.put(&name("status/web1.json"), round.as_bytes()).unwrap();
    }
    let log = git(&path, &["log", "--format=%s, by %cn", "main"]);
    let by = "by supervisor-sync";
    assert_eq!(log, format!("Publish latest.json, {by}\nPublish bundles/1, {by}\nby hand, by t\n"));
    let files = git(&path, &["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(files, "README\nbundles/1\nlatest.json\n");
    let references = git(&path, &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(references, "refs/heads/main\nrefs/supervisor-sync/status/web1.json\n");
    let history = git(&path, &["log", "--format=%s", "refs/supervisor-sync/status/web1.json"]);
    assert_eq!(history, "Publish status/web1.json\n");
}

#[test]
fn several_publish_at_once() {
    let root = bare();
    let path = root.path().join("fleet.git");
    std::thread::scope(|scope| {
        for number in 0..5 {
            let store = open_file(&path, at_home(root.path()));
            scope.spawn(move || store.put(&name(&format!("bundles/{number}")), b"x").unwrap());
        }
    });
    assert_eq!(listed(&*open_file(&path, at_home(root.path())), "bundles").len(), 5);
    assert_eq!(git(&path, &["rev-list", "--count", "main"]), "5\n");
}

/// A timer and a person at once, with one clone.
#[test]
fn one_clone_serves_several_at_once() {
    let root = bare();
    let access = at_home(root.path());
    let stores: Vec<AnyStore> =
        (0..4).map(|_| open_file(&root.path().join("fleet.git"), access.clone())).collect();
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                let own = format!("bundles/{number}");
                store.put(&name(&own), own.as_bytes()).unwrap();
                assert_eq!(bytes(&**store, &own), own.as_bytes());
            });
        }
    });
    assert_eq!(listed(&*stores[0], "bundles").len(), 4);
}

#[test]
fn branch_is_that_of_the_address() {
    let root = bare();
    let path = root.path().join("fleet.git");
    let open = |branch: &str| {
        let location = format!("git+file://{}{branch}", path.display());
        Location::parse(&location).unwrap().open_with(at_home(root.path()))
    };
    open("#team/production").put(&name("latest.json"), b"x").unwrap();
    assert_eq!(open("").get(&name("latest.json"), None).unwrap(), Answer::Absent);
    assert_eq!(bytes(&*open("#team/production"), "latest.json"), b"x");
    assert_eq!(
        git(&path, &["for-each-ref", "--format=%(refname)"]),
        "refs/heads/team/production\n"
    );
}

#[test]
fn only_files_are_objects() {
    let root = bare();
    let path = root.path().join("fleet.git");
    let script = "mkdir -p bundles/folder; echo x > bundles/1; echo x > bundles/folder/x; \
                  ln -s /etc/passwd bundles/link; echo x > 'bundles/a b'; echo x > 'bundles/:(top)'; \
                  echo x > bundles/run; chmod +x bundles/run";
    commit(&path, "main", script);
    let store = open_file(&path, at_home(root.path()));
    assert_eq!(listed(&*store, "bundles"), ["bundles/1", "bundles/run"]);
    for other in ["bundles/link", "bundles/folder", "bundles"] {
        assert_eq!(store.get(&name(other), None).unwrap(), Answer::Absent, "{other}");
    }
}

/// A git that was killed leaves locks, a power cut empty files; and somebody may do worse.
#[test]
fn broken_clone_is_made_anew() {
    let root = bare();
    let path = root.path().join("fleet.git");
    let access = at_home(root.path());
    let store = open_file(&path, access.clone());
    let break_it = |script: &str| {
        let clones = std::fs::read_dir(&access.cache).unwrap().map(|entry| entry.unwrap().path());
        let clone = clones.into_iter().find(|path| path.extension().is_none()).unwrap();
        let mut shell = Command::new("sh");
        let status = shell.args(["-ec", script]).env("CLONE", &clone).current_dir(&clone).status();
        assert!(status.unwrap().success(), "{script}");
    };
    for (round, script) in [
        "touch shallow.lock packed-refs.lock HEAD.lock supervisor-sync.index.lock",
        "for ref in $(find refs -type f); do touch $ref.lock; done",
        "find objects -type f | xargs chmod u+w; for f in $(find objects -type f); do : > $f; done",
        ": > HEAD",
        "rm -r objects",
        "rm -r $CLONE; echo x > $CLONE",
        "for f in $(find refs -type f); do echo no commit > $f; done",
    ]
    .into_iter()
    .enumerate()
    {
        for other in ["bundles/a", "status/a"] {
            let text = format!("{round} {other}");
            store.put(&name(other), text.as_bytes()).unwrap();
            break_it(script);
            assert_eq!(bytes(&*store, other), text.as_bytes(), "{script}");
            break_it(script);
            store.put(&name(other), b"more").unwrap();
            break_it(script);
            assert_eq!(listed(&*store, &other[..other.len() - 2]), [other], "{script}");
            assert_eq!(bytes(&*store, other), b"more", "{script}");
        }
    }
}

/// Neither a repository nor what a person has configured for their own work makes anything run.
#[test]
fn nothing_is_run_but_git() {
    let repository = or_skip!(Repository::start());
    let path = repository.path();
    let mark = repository.root.path().join("was-run");
    let touch = format!("touch {}", mark.display());
    commit(&path, "main", "echo '* filter=run' > .gitattributes; echo x > a");
    let mut access = repository.access();
    let home = PathBuf::from(access.environment[std::ffi::OsStr::new("HOME")].clone());
    let config = format!(
        "[filter \"run\"]\n clean = {touch}\n smudge = {touch}\n required = true\n\
         [core]\n fsmonitor = {touch}\n hooksPath = {home}/template/hooks\n pager = {touch}\n\
         [init]\n templateDir = {home}/template\n[commit]\n gpgSign = true\n[push]\n gpgSign = if-asked\n\
         [gpg]\n program = {touch}\n[safe]\n bareRepository = explicit\n",
        home = home.display(),
    );
    std::fs::write(home.join(".gitconfig"), config).unwrap();
    std::fs::create_dir_all(home.join("template/hooks")).unwrap();
    for hook in ["pre-push", "reference-transaction", "post-index-change", "pre-auto-gc"] {
        write_program(
            &home.join("template/hooks").join(hook),
            format!("#!/bin/sh\n{touch}\n").as_bytes(),
        );
    }
    // As a hook of another repository has them.
    for (variable, value) in
        [("GIT_DIR", "/nowhere"), ("GIT_INDEX_FILE", "/nowhere"), ("GIT_WORK_TREE", "/")]
    {
        access.environment.insert(variable.into(), value.into());
    }
    let store = repository.open_with(access);
    store.put(&name("b"), b"y").unwrap();
    store.put(&name("status/web1"), b"y").unwrap();
    assert_eq!((bytes(&*store, "a"), bytes(&*store, "b")), (b"x\n".to_vec(), b"y".to_vec()));
    assert_eq!(listed(&*store, "status"), ["status/web1"]);
    assert!(!mark.exists(), "something was run");
}

/// As docs/stores.md has it.
#[test]
fn hosts_may_say_and_not_publish() {
    let repository = or_skip!(Repository::start());
    repository.open().put(&name("latest.json"), b"x").unwrap();
    let access = repository.access_of_host();
    let host = repository.open_with(access);
    assert_eq!(bytes(&*host, "latest.json"), b"x");
    for round in ["a", "b"] {
        host.put(&name("status/web1"), round.as_bytes()).unwrap();
    }
    assert_eq!(listed(&*host, "status"), ["status/web1"]);
    let words = ["cannot put latest.json to ssh://", "hook declined", "hosts do not publish"];
    assert_says(host.put(&name("latest.json"), b"y"), &words);
    assert_eq!(bytes(&*host, "latest.json"), b"x");
}

#[test]
fn unreachable_repositories_are_told() {
    let repository = or_skip!(Repository::start());
    let told = |location: &str, access: Access, words: &[&str]| {
        let store = Location::parse(location).unwrap().open_with(access);
        let url = location.strip_prefix("git+").unwrap();
        let hint = format!("hint: see whether git reaches it: git ls-remote '{url}'");
        assert_says(
            store.get(&name("a"), None),
            &[&[&format!("cannot get a from {url}"), hint.as_str()], words].concat(),
        );
        assert_says(store.put(&name("a"), b"x"), &[&[hint.as_str()], words].concat());
        assert_says(store.put(&name("status/a"), b"x"), &[&[hint.as_str()], words].concat());
        assert_says(store.list(&name("status")), &[&[hint.as_str()], words].concat());
    };
    let port = crate::sshd::free_port();
    told(&format!("git+ssh://127.0.0.1:{port}/x"), repository.access(), &["Connection refused"]);
    told(
        &format!("{}-not", repository.location()),
        repository.access(),
        &["does not appear to be a git repository"],
    );
    told(
        "git+file:///nowhere/fleet.git",
        repository.access(),
        &["does not appear to be a git repository"],
    );
    told(&format!("git+https://127.0.0.1:{port}/x"), repository.access(), &["unable to access"]);
    std::fs::write(repository.keyring.path("known"), "").unwrap();
    told(&repository.location(), repository.access(), &["Host key verification failed"]);
    repository.keyring.trust(&repository.sshd);
    std::fs::write(repository.sshd.path("authorized"), "").unwrap();
    told(&repository.location(), repository.access(), &["Permission denied (publickey"]);
}

#[test]
fn hanging_server_is_given_up() {
    let repository = or_skip!(Repository::start());
    let server = Misbehaving::start(|_, stream| hang(stream));
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    let mut access = repository.access();
    access.patience.connect = Duration::from_secs(1);
    let location = format!("git+ssh://127.0.0.1:{port}/x");
    let store = Location::parse(&location).unwrap().open_with(access.clone());
    assert_says(store.get(&name("a"), None), &["cannot get a from", "timed out"]);
    // One that says who it is, and then no more.
    access.patience.silence = Duration::from_secs(1);
    access.environment.insert("GIT_SSH_COMMAND".into(), "sleep 600; :".into());
    let store = Location::parse(&location).unwrap().open_with(access);
    assert_says(
        store.get(&name("a"), None),
        &["cannot get a from", "it took more than 2 s and was given up"],
    );
}

#[test]
fn interrupt_ends_it() {
    let root = bare();
    let mut access = at_home(root.path());
    let begun = root.path().join("begun");
    let ssh = format!("touch {}; sleep 600; :", begun.display());
    access.environment.insert("GIT_SSH_COMMAND".into(), ssh.into());
    let interrupt = access.interrupt.clone();
    let store = Location::parse("git+ssh://127.0.0.1/x").unwrap().open_with(access);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| store.get(&name("a"), None).unwrap_err());
        wait_until(PATIENCE, "it is asked", || begun.exists());
        interrupt.raise();
        let error = asking.join().unwrap();
        assert_eq!(error.kind, ErrorKind::Interrupted, "{error}");
    });
}

#[test]
fn missing_git_is_told() {
    let root = bare();
    let mut access = at_home(root.path());
    access.environment.insert("PATH".into(), "/nowhere".into());
    let store = open_file(&root.path().join("fleet.git"), access);
    let words = ["cannot get a from", "git is not installed", "hint: sudo apt-get install git"];
    assert_says(store.get(&name("a"), None), &words);
}

/// A folder that nobody may write to is told by its path.
#[test]
fn unusable_cache_is_told() {
    let root = bare();
    let mut access = at_home(root.path());
    std::fs::write(root.path().join("file"), "").unwrap();
    access.cache = root.path().join("file/cache");
    let store = open_file(&root.path().join("fleet.git"), access.clone());
    let path = access.cache.display().to_string();
    assert_says(
        store.get(&name("a"), None),
        &["cannot get a from", &format!("cannot keep a clone in {path}")],
    );
}
