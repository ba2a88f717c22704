//! What `make release` made, as people get it: installed, upgraded and purged in throw-away Debians, and put in
//! place by the script. Run by `make packages`, as root; `cargo test` alone leaves it out, since it takes the release.

#![expect(
    clippy::disallowed_methods,
    reason = "runs the packagers' tools and looks at what they made"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a harness that fails fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

mod root;
mod served;

use root::Root;
use served::Served;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A supervisord with a program of somebody else's, and a folder that somebody has to begin in.
const SERVER: &str = "
printf '[program:theirs]\ncommand=sleep 86400\n' > /etc/supervisor/conf.d/theirs.conf
mkdir /srv/shop
supervisord -c /etc/supervisor/supervisord.conf
";

fn dist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dist")
}

/// The files of the release with this ending.
fn released(ending: &str) -> Vec<PathBuf> {
    let found: Vec<PathBuf> = fs::read_dir(dist())
        .expect("make release has run")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    assert!(!found.is_empty(), "no {ending} in dist/: make release");
    found
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn run(command: &mut Command) -> String {
    let ran = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(ran.status.success(), "{command:?}\n{}", text(&ran));
    text(&ran)
}

#[test]
fn lintian_finds_nothing() {
    let found = run(Command::new("lintian")
        .args([
            "--allow-root",
            "--fail-on",
            "error,warning",
            "--tag-display-limit",
            "0",
            "--no-cfg",
        ])
        .args(released(".deb")));
    assert_eq!(found, "");
}

#[test]
fn debian_12_installs_upgrades_and_purges() {
    installs_upgrades_and_purges("bookworm");
}

#[test]
#[ignore = "another Debian takes a minute more: make packages-all"]
fn debian_11_installs_upgrades_and_purges() {
    installs_upgrades_and_purges("bullseye");
}

#[test]
#[ignore = "another Debian takes a minute more: make packages-all"]
fn debian_13_installs_upgrades_and_purges() {
    installs_upgrades_and_purges("trixie");
}

/// By the documented commands, from a repository that an ordinary web server serves.
fn installs_upgrades_and_purges(suite: &str) {
    let root = Root::of(suite);
    let repository = Repository::of_former_release();
    let served = Served::folder(repository.folder.path());
    install_from(&root, &served);
    assert_eq!(installed_version(&root), "0.0.1-1");
    root.run(SERVER);
    root.run("cd /srv/shop && supervisor-sync init --here && supervisor-sync apply --yes");
    let running = root.run("supervisorctl status");
    assert_eq!(running.matches("RUNNING").count(), 2, "{running}");

    repository.add(&released(".deb"));
    root.run("apt-get update -q && apt-get upgrade -q -y");
    assert_eq!(installed_version(&root), format!("{VERSION}-1"));
    root.run("cd /srv/shop && supervisor-sync plan --exit-code && supervisor-sync status");
    for file in
        ["man/man1/supervisor-sync-apply.1.gz", "bash-completion/completions/supervisor-sync"]
    {
        root.run(&format!("test -s /usr/share/{file}"));
    }

    let ours = root.run("dpkg -L supervisor-sync");
    root.run("apt-get purge -q -y supervisor-sync");
    for path in ours.lines().filter(|path| path.contains("supervisor-sync")) {
        assert!(!root.path().join(path.trim_start_matches('/')).exists(), "{path} is left");
    }
    assert!(!root.path().join("var/lib/supervisor-sync").exists());
    assert!(root.path().join("etc/supervisor/conf.d/theirs.conf").exists());
    assert_eq!(pids(&root.run("supervisorctl status")), pids(&running), "they run on");

    install_from(&root, &Served::folder(&dist()));
    assert_eq!(
        installed_version(&root),
        format!("{VERSION}-1"),
        "from the repository of the release itself"
    );
}

/// To the letter, but for where the release is served.
fn install_from(root: &Root, served: &Served) {
    let page = include_str!("../../docs/install.md");
    let after = page.split_once("## Debian and Ubuntu\n").unwrap().1;
    let commands = after.split("```").nth(1).unwrap().strip_prefix("text\n").unwrap();
    root.run(&commands.replace("https://packages.example.org", &served.url()));
}

/// A repository with a key of its own.
struct Repository {
    folder: TempDir,
    keys: TempDir,
}

impl Repository {
    /// As it was before this release: the same package under a lower version.
    fn of_former_release() -> Self {
        let repository = Self { folder: TempDir::new().unwrap(), keys: TempDir::new().unwrap() };
        run(repository.gpg().args(["--batch", "--quiet", "--passphrase", ""]).args([
            "--quick-generate-key",
            "releases",
            "ed25519",
            "sign",
            "never",
        ]));
        let work = TempDir::new().unwrap();
        let tree = work.path().join("tree");
        run(Command::new("dpkg-deb").arg("-R").args(released("_amd64.deb")).arg(&tree));
        let control = tree.join("DEBIAN/control");
        run(Command::new("sed").args(["-i", "s/^Version: .*/Version: 0.0.1-1/"]).arg(control));
        let former = work.path().join("supervisor-sync_0.0.1-1_amd64.deb");
        run(Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zgzip", "-b"])
            .arg(tree)
            .arg(&former));
        fs::create_dir(repository.folder.path().join("apt")).unwrap();
        repository.add(&[former]);
        repository
    }

    fn add(&self, packages: &[PathBuf]) {
        run(Command::new("packaging/apt.sh")
            .env("GNUPGHOME", self.keys.path())
            .arg(self.folder.path().join("apt"))
            .arg("releases")
            .args(packages));
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.env("GNUPGHOME", self.keys.path());
        gpg
    }
}

fn installed_version(root: &Root) -> String {
    root.run("dpkg-query -W -f '${Version}' supervisor-sync")
}

/// Name and pid of each process.
fn pids(status: &str) -> Vec<(String, String)> {
    let words = status.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.map(|words| (words[0].to_owned(), words[3].to_owned())).collect()
}

#[test]
fn script_installs_what_was_signed() {
    let served = Served::folder(&dist());
    let prefix = TempDir::new().unwrap();
    let told = run(&mut script(&dist(), &served.url(), prefix.path()));
    let binary = prefix.path().join("bin/supervisor-sync");
    assert_eq!(run(Command::new(&binary).arg("--version")), format!("supervisor-sync {VERSION}\n"));
    assert!(told.starts_with(&format!("Installed supervisor-sync {VERSION} to ")), "{told}");
    for file in ["man/man1/supervisor-sync.1", "bash-completion/completions/supervisor-sync"] {
        assert!(prefix.path().join("share").join(file).exists(), "{file}");
    }
}

#[test]
fn script_installs_nothing_that_was_tampered_with() {
    type Tamper = fn(&Path);
    let tamper: [(&str, Tamper, &str); 4] = [
        ("an archive", |dist| append(&only(dist, ".tar.gz")), "is not what was signed"),
        ("the sums", |dist| append(&dist.join("SHA256SUMS")), "is not signed by the key"),
        ("another's signature", |dist| sign_with_another_key(dist), "is not signed by the key"),
        (
            "no signature",
            |dist| fs::remove_file(dist.join("SHA256SUMS.sig")).unwrap(),
            "cannot load",
        ),
    ];
    for (what, tampered, complaint) in tamper {
        let copy = TempDir::new().unwrap();
        run(Command::new("cp").arg("-r").arg(dist()).arg(copy.path()));
        let dist = copy.path().join("dist");
        tampered(&dist);
        let prefix = TempDir::new().unwrap();
        let ran =
            script(&dist, &format!("file://{}", dist.display()), prefix.path()).output().unwrap();
        assert!(!ran.status.success(), "{what}");
        assert!(text(&ran).contains(complaint), "{what}: {}", text(&ran));
        assert_eq!(fs::read_dir(prefix.path()).unwrap().count(), 0, "{what}");
    }
}

fn script(dist: &Path, from: &str, prefix: &Path) -> Command {
    let mut script = Command::new("sh");
    script.arg(dist.join("install.sh")).args(["--from", from, "--prefix"]).arg(prefix);
    script
}

/// The archive for this machine.
fn only(dist: &Path, ending: &str) -> PathBuf {
    dist.join(format!("supervisor-sync-{VERSION}-linux-x86_64{ending}"))
}

fn append(path: &Path) {
    run(Command::new("sh").args(["-c", "echo more >> \"$0\""]).arg(path));
}

fn sign_with_another_key(dist: &Path) {
    let keys = TempDir::new().unwrap();
    let key = keys.path().join("key");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    fs::remove_file(dist.join("SHA256SUMS.sig")).unwrap();
    run(Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", "supervisor-sync-release", "-f"])
        .arg(&key)
        .arg(dist.join("SHA256SUMS")));
}

/// The whole demonstration, by the binary for 64-bit ARM under qemu. With its `-L` qemu would look for other
/// files than libraries in that folder, too, and make some there.
#[test]
fn arm_binary_plans_applies_and_rolls_back() {
    let work = TempDir::new().unwrap();
    let binary = unpacked("aarch64", work.path());
    let emulated = work.path().join("emulated");
    let lib = "/usr/aarch64-linux-gnu/lib";
    fs::write(
        &emulated,
        format!(
            "#!/bin/sh\nexec qemu-aarch64-static {lib}/ld-linux-aarch64.so.1 --library-path {lib} {} \"$@\"\n",
            binary.display()
        ),
    )
    .unwrap();
    run(Command::new("chmod").arg("755").arg(&emulated));
    let shown = run(Command::new("examples/demo.sh").arg(&emulated));
    assert!(shown.contains("Every step ended as it should"), "{shown}");
}

fn unpacked(machine: &str, into: &Path) -> PathBuf {
    let name = format!("supervisor-sync-{VERSION}-linux-{machine}");
    run(Command::new("tar")
        .arg("-C")
        .arg(into)
        .arg("-xzf")
        .arg(dist().join(format!("{name}.tar.gz"))));
    into.join(name).join("supervisor-sync")
}

/// Both lists of what is in the program: the one beside it, and the one that it carries, by which
/// scanners find known holes in a binary.
#[test]
fn contents_are_listed() {
    let listed = fs::read_to_string(
        only(&dist(), "").with_file_name(format!("supervisor-sync-{VERSION}.cdx.json")),
    );
    let listed = listed.unwrap();
    assert!(!listed.contains(env!("CARGO_MANIFEST_DIR")), "which folder it was made in");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let names = |list: &serde_json::Value| -> Vec<String> {
        let entries = list.as_array().unwrap().iter();
        entries.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    let beside = names(&listed["components"]);
    let work = TempDir::new().unwrap();
    let binary = unpacked("x86_64", work.path());
    let carried = run(Command::new("python3").arg("-c").arg(CARRIED).arg(binary));
    let carried: serde_json::Value = serde_json::from_str(&carried).unwrap();
    let carried = names(&carried["packages"]);
    for name in ["serde", "clap", "rustix"] {
        assert!(beside.iter().any(|has| has == name), "{name}: {beside:?}");
        assert!(carried.iter().any(|has| has == name), "{name}: {carried:?}");
    }
}

/// Prints a binary's section `.dep-v0`, unpacked.
const CARRIED: &str = "
import subprocess, sys, tempfile, zlib
with tempfile.NamedTemporaryFile() as section:
    subprocess.run(['objcopy', '--dump-section', '.dep-v0=' + section.name, sys.argv[1], '/dev/null'], check=True)
    print(zlib.decompress(section.read()).decode())
";

/// From a clone in another folder, whose paths get in nowhere.
#[test]
#[ignore = "builds the release a second time: make packages-all"]
fn second_build_has_same_bytes() {
    let work = TempDir::new().unwrap();
    let clone = work.path().join("a-folder-with-another-name");
    run(Command::new("git").args(["clone", "--quiet", "."]).arg(&clone));
    run(Command::new("packaging/release.sh").current_dir(&clone).env_remove("CARGO_TARGET_DIR"));
    let sums = |dist: &Path| fs::read_to_string(dist.join("SHA256SUMS")).unwrap();
    assert_eq!(sums(&clone.join("dist")), sums(&dist()));
}
