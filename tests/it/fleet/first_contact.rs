//! The binary on the host: sent once, replaced when it is damaged, never run by halves, and put where
//! it can be run.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use super::Fleet;
use crate::daemon::{PATIENCE, current_user, wait_until};
use crate::site::write_executable;
use crate::sshd::Sshd;

fn size_of_binary() -> u64 {
    std::fs::metadata(crate::site::BINARY).unwrap().len()
}

/// Has the wrapper count what is sent, and returns how much `arguments` sends.
fn sent_by(fleet: &Fleet, arguments: &[&str]) -> u64 {
    let sent = fleet.keyring.path("sent");
    let text = format!("tee {} | ssh -F \"$CONFIG\" \"$@\"", sent.display());
    fleet.keyring.write_wrapper(&text);
    fleet.run(arguments).ended(0);
    std::fs::metadata(sent).unwrap().len()
}

#[test]
fn binary_is_sent_once() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    fleet.write_inventory("");
    let sshd = &fleet.machine("web1").sshd;
    assert!(sent_by(&fleet, &["history"]) > size_of_binary());
    let [cached] = &sshd.cached()[..] else { panic!("{:?}", sshd.cached()) };
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&sshd.home().join(".cache/supervisor-sync")), 0o700);
    assert_eq!(mode(cached), 0o700);

    let before = std::fs::metadata(cached).unwrap();
    assert!(sent_by(&fleet, &["history"]) < 10_000);
    let after = std::fs::metadata(cached).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));

    // The same length, so that only its content tells.
    let mut bytes = std::fs::read(cached).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(cached, bytes).unwrap();
    assert!(sent_by(&fleet, &["history"]) > size_of_binary());
    assert_eq!(std::fs::read(cached).unwrap(), std::fs::read(crate::site::BINARY).unwrap());
}

/// A copy that arrives by halves is never run.
#[test]
fn partial_copy_is_never_run() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    fleet.write_inventory("");
    fleet.keyring.write_wrapper("head -c 1000000 | ssh -F \"$CONFIG\" \"$@\"");
    fleet.run(&["history"]).ended(1).complains("web1: error: cannot put supervisor-sync on ");
    let sshd = &fleet.machine("web1").sshd;
    assert_eq!(sshd.cached(), [""; 0].map(Path::new));
    fleet.keyring.write_wrapper("exec ssh -F \"$CONFIG\" \"$@\"");
    fleet.run(&["history"]).ended(0);
    assert_eq!(sshd.cached().len(), 1);
}

#[test]
fn only_last_releases_are_kept() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    fleet.write_inventory("");
    let sshd = &fleet.machine("web1").sshd;
    let cache = sshd.home().join(".cache/supervisor-sync");
    for release in ["a", "b", "c", "d", "e"] {
        let folder = cache.join(release.repeat(64));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("supervisor-sync"), "an old one").unwrap();
    }
    let foreign = cache.join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    fleet.run(&["history"]).ended(0);
    assert_eq!(sshd.cached().len(), 3);
    let current = |path: &std::path::PathBuf| std::fs::metadata(path).unwrap().len() > 100;
    assert!(sshd.cached().iter().any(current));
    assert!(foreign.is_dir(), "what is not ours is left");
}

#[test]
fn banners_are_passed_over() {
    let mut fleet = or_skip!(Fleet::start(&["web1"]));
    let banner = fleet.keyring.path("banner");
    std::fs::write(&banner, "Authorised use only.\n").unwrap();
    let extra = format!("Banner {}", banner.display());
    fleet.machines[0].sshd = Sshd::start_with(&fleet.keyring, &extra);
    let noise = "echo 'Welcome, today is {\"hello\":\"friday\"}'\nprintf 'no line break'\n";
    std::fs::write(fleet.machines[0].sshd.home().join(".bashrc"), noise).unwrap();
    fleet.write_inventory("");
    fleet.run(&["apply", "--yes"]).ended(0).says("applied as revision 1");
}

/// Neither holds up the command for ever: not a login shell that talks without end, nor one that
/// says nothing more and stays.
#[test]
fn endless_shell_is_given_up() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    fleet.write_inventory("");
    for endless in ["exec yes", "exec >&-; exec sleep 1000"] {
        fleet.keyring.write_wrapper(&format!("[ \"$1\" = -G ] && exit 0\n{endless}"));
        let run = fleet.run(&["plan"]);
        assert_eq!(run.status, 1, "{endless}: {run:?}");
        assert!(run.stderr.contains("web1"), "{endless}: {}", run.stderr);
    }
}

/// The system's commands without supervisor-sync, which may be installed where the tests run.
fn link_commands(into: &Path) {
    std::fs::create_dir(into).unwrap();
    for folder in ["/usr/local/bin", "/usr/bin", "/bin"] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let link = into.join(entry.file_name());
            if entry.file_name() != "supervisor-sync" && link.symlink_metadata().is_err() {
                std::os::unix::fs::symlink(entry.path(), link).unwrap();
            }
        }
    }
}

/// A folder with a `uname` that says another CPU, first on the PATH of who logs in.
fn as_another_cpu(fleet: &mut Fleet) -> std::path::PathBuf {
    let folder = fleet.keyring.path("bin");
    std::fs::create_dir(&folder).unwrap();
    write_executable(
        &folder.join("uname"),
        "#!/bin/sh\n[ \"$1\" = -m ] && echo s390x || echo Linux\n",
    );
    let commands = fleet.keyring.path("commands");
    link_commands(&commands);
    let path = format!("{}:{}", folder.display(), commands.display());
    // sshd heeds the first `SetEnv` alone, so this one says where home is, too.
    let home = fleet.keyring.path("home-of-a-host");
    std::fs::create_dir(&home).unwrap();
    let extra = format!("SetEnv HOME={} PATH={path}", home.display());
    fleet.machines[0].sshd = Sshd::start_with(&fleet.keyring, &extra);
    folder
}

#[test]
fn other_cpu_needs_installed_binary() {
    let mut fleet = or_skip!(Fleet::start(&["web1"]));
    let bin = as_another_cpu(&mut fleet);
    fleet.write_inventory("");
    let run = fleet.run(&["history"]).ended(1).complains("which is Linux-s390x\n");
    run.complains("called supervisor-sync-linux-s390x, or install the same release there");

    let installed = bin.join("supervisor-sync");
    let stranger = "#!/bin/sh\n[ \"$1\" = agent ] && \
                    echo '{\"hello\":{\"protocol\":99,\"release\":\"9.0.0\"}}'\nexit 0\n";
    write_executable(&installed, stranger);
    fleet.run(&["history"]).ended(1).complains("the other end speaks version 99");

    std::fs::remove_file(&installed).unwrap();
    let ours = std::fs::read(crate::site::BINARY).unwrap();
    crate::daemon::write_program(&installed, &ours);
    fleet.run(&["history"]).ended(0).says("Site web1.example on web1: nothing was applied yet\n");
}

#[test]
fn other_cpu_gets_its_own_binary() {
    let mut fleet = or_skip!(Fleet::start(&["web1"]));
    as_another_cpu(&mut fleet);
    let binaries = fleet.keyring.path("binaries");
    std::fs::create_dir(&binaries).unwrap();
    // What is behind the end of a program does not keep it from running, and makes it another one.
    let mut other = std::fs::read(crate::site::BINARY).unwrap();
    other.push(b'x');
    let path = binaries.join("supervisor-sync-linux-s390x");
    crate::daemon::write_program(&path, &other);
    fleet.write_inventory("");
    let inventory = fleet.keyring.path("deployer.yml");
    let text = std::fs::read_to_string(&inventory).unwrap();
    std::fs::write(&inventory, format!("binaries: binaries\n{text}")).unwrap();
    fleet.run(&["history"]).ended(0).says("Site web1.example on web1: nothing was applied yet\n");
    let cache = fleet.keyring.path("home-of-a-host/.cache/supervisor-sync");
    let cached = crate::site::names(&cache);
    let sent = std::fs::read(cache.join(&cached[0]).join("supervisor-sync")).unwrap();
    assert!(cached.len() == 1 && sent == other, "{cached:?}");
    // It is that one which is found the next time, and what does not run there is told.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "no program").unwrap();
    let run = fleet.run(&["history"]).ended(1).complains("which is Linux-s390x");
    run.complains("beside yours, called supervisor-sync-linux-s390x");
}

/// A host with an installed program of ours and a `sha256sum` that notes each use in `hashed`.
fn with_installed() -> Option<(Fleet, std::path::PathBuf)> {
    let mut fleet = Fleet::start(&["web1"])?;
    let bin = fleet.keyring.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let hashed = fleet.keyring.path("hashed");
    let counting = format!("#!/bin/sh\necho x >> {}\nexec /usr/bin/sha256sum\n", hashed.display());
    write_executable(&bin.join("sha256sum"), &counting);
    let installed = bin.join("supervisor-sync");
    crate::daemon::write_program(&installed, &std::fs::read(crate::site::BINARY).unwrap());
    let home = fleet.keyring.path("home-of-a-host");
    std::fs::create_dir(&home).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let extra = format!("SetEnv HOME={} PATH={path}", home.display());
    fleet.machines[0].sshd = Sshd::start_with(&fleet.keyring, &extra);
    fleet.write_inventory("");
    // What has changed just now may change once more unseen.
    wait_until(PATIENCE, "the program is not new any more", || is_old(&installed));
    Some((fleet, installed))
}

fn is_old(path: &Path) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    std::fs::metadata(path).unwrap().ctime() + 3 < now.as_secs().cast_signed()
}

/// How many programs were read in full to tell what they are.
fn hashed(fleet: &Fleet) -> usize {
    let hashed = fleet.keyring.path("hashed");
    let _ = std::fs::remove_file(&hashed);
    fleet.run(&["history"]).ended(0);
    std::fs::read_to_string(hashed).map_or(0, |text| text.lines().count())
}

/// An installed program is hashed again only when it may be another.
#[test]
fn unchanged_program_is_hashed_once() {
    let (fleet, installed) = or_skip!(with_installed());
    assert_eq!(hashed(&fleet), 1);
    assert_eq!(hashed(&fleet), 0);
    assert_eq!(hashed(&fleet), 0);
    let cache = fleet.keyring.path("home-of-a-host/.cache/supervisor-sync");
    assert!(!cache.join("supervisor-sync").exists() && cache.join("installed").is_file());

    // Others could have written the note.
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o770)).unwrap();
    assert_eq!(hashed(&fleet), 1);
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(hashed(&fleet), 0);

    // Another file of the same size and time, which is as good.
    let other = installed.with_file_name("other");
    crate::daemon::write_program(&other, &std::fs::read(&installed).unwrap());
    let modified = std::fs::metadata(&installed).unwrap().modified().unwrap();
    let opened = std::fs::File::options().write(true).open(&other).unwrap();
    opened.set_modified(modified).unwrap();
    drop(opened);
    std::fs::rename(&other, &installed).unwrap();
    // As long as it is new nothing is noted of it.
    let date = installed.with_file_name("date");
    write_executable(&date, &format!("#!/bin/sh\nexec stat -c %Z {}\n", installed.display()));
    assert_eq!(hashed(&fleet), 1);
    assert_eq!(hashed(&fleet), 1);
    std::fs::remove_file(&date).unwrap();
    wait_until(PATIENCE, "the program is not new any more", || is_old(&installed));
    assert_eq!(hashed(&fleet), 1);
    assert_eq!(hashed(&fleet), 0);

    // And one that is not: ours is brought along, and looked at when it is there.
    let mut bytes = std::fs::read(&installed).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    crate::daemon::write_program(&other, &bytes);
    std::fs::File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
    std::fs::rename(&other, &installed).unwrap();
    assert_eq!(hashed(&fleet), 2);
    let brought = std::fs::read_dir(&cache).unwrap().flatten();
    let brought = brought.filter(|entry| entry.path().join("supervisor-sync").is_file());
    assert_eq!(brought.count(), 1);
}

/// Mounts a file system of memory, which only root can; gone when dropped.
struct Mount(std::path::PathBuf);

impl Mount {
    fn new(folder: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder)
            .output();
        if !mount.is_ok_and(|mount| mount.status.success()) {
            crate::python::missing("the right to mount");
            return None;
        }
        Some(Self(folder.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The other folder is the same for all tests: this one has a binary of its own.
#[test]
fn unusable_folder_leads_to_another() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    fleet.write_inventory("");
    let home = fleet.machine("web1").sshd.home();
    let elsewhere = format!("/var/tmp/supervisor-sync-{}", rustix::process::geteuid().as_raw());
    let at = |digest: &str| Path::new(&elsewhere).join(digest);
    let binary = fleet.keyring.path("supervisor-sync");
    let mut bytes = std::fs::read(crate::site::BINARY).unwrap();
    bytes.push(0);
    std::fs::write(&binary, bytes).unwrap();
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
    let look = || fleet.command(&["history"]).program(&binary).run().ended(0);
    let digest = Command::new("sha256sum").arg(&binary).output().unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap()[..64].to_owned();
    let goes_elsewhere = || {
        let _ = std::fs::remove_dir_all(at(&digest));
        look();
        assert!(at(&digest).join("supervisor-sync").is_file());
        std::fs::remove_dir_all(at(&digest)).unwrap();
    };

    look();
    let cache = home.join(".cache/supervisor-sync");
    assert!(cache.join(&digest).is_dir());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&cache), 0o700);
    for open in [0o770, 0o702] {
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(open)).unwrap();
        goes_elsewhere();
        assert_eq!(mode(&cache), open, "what is there is not ours to change");
    }
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o700)).unwrap();
    let moved = home.join("moved");
    std::fs::rename(&cache, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &cache).unwrap();
    goes_elsewhere();

    let _mount = or_skip!(Mount::new(&home, "noexec"));
    goes_elsewhere();
}

#[test]
fn full_disk_is_named() {
    let fleet = or_skip!(Fleet::start(&["web1"]));
    fleet.write_inventory("");
    let home = fleet.machine("web1").sshd.home();
    let _mount = or_skip!(Mount::new(&home, "size=1m"));
    let run = fleet.run(&["history"]).ended(1).complains("No space left on device\n");
    run.complains(&format!(" {}@127.0.0.1 df -h\n", current_user()));
}
