//! The real runner.sh, run by the shells found here, against arguments that mean harm.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "builds a site and runs its runner.sh")]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use supervisor_sync::inventory::{AbsolutePath, Domain};
use supervisor_sync::runner::{ExportedText, RunnerSpec, script};

const BRANCH: &str = "it's $(touch pwned) `touch pwned` \"; touch pwned; # \\";

/// A site with two releases, `a` live, each with a script that tells what it sees.
struct SiteFolder {
    folder: tempfile::TempDir,
}

impl SiteFolder {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        for release in ["a", "b"] {
            let root = site.path(release);
            std::fs::create_dir_all(root.join(".deployer/supervisors")).unwrap();
            std::fs::create_dir_all(root.join("folder")).unwrap();
            let tell = format!(
                "#!/bin/sh\necho {release}\necho \"$0\"\nreadlink /proc/$$/cwd\nenv | grep ^DEPLOYER | sort\n"
            );
            std::fs::write(root.join(".deployer/supervisors/tell.sh"), tell).unwrap();
        }
        symlink("a", site.path("current")).unwrap();
        std::fs::write(site.path("outside.sh"), "#!/bin/sh\necho outside\n").unwrap();
        std::fs::write(site.path("runner.sh"), script(&site.spec())).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn spec(&self) -> RunnerSpec {
        let path = |name| AbsolutePath::parse(self.path(name).to_str().unwrap()).unwrap();
        RunnerSpec {
            release: path("a"),
            shared: path("shared"),
            current: path("current"),
            domain: Domain::parse("example.com").unwrap(),
            branch: ExportedText::parse(BRANCH).unwrap(),
            php: ExportedText::parse("8.4").unwrap(),
        }
    }

    fn run(&self, shell: &[&str], arguments: &[&str]) -> Output {
        Command::new(shell[0])
            .args(&shell[1..])
            .arg(self.path("runner.sh"))
            .args(arguments)
            .current_dir("/")
            .output()
            .unwrap()
    }
}

/// `/bin/sh` and every other shell of this machine that people have in its place.
fn shells() -> Vec<Vec<&'static str>> {
    let known = [vec!["/bin/sh"], vec!["dash"], vec!["bash"], vec!["busybox", "sh"], vec!["ksh"]];
    let works = |shell: &Vec<&str>| {
        Command::new(shell[0]).args(&shell[1..]).args(["-c", ":"]).output().is_ok()
    };
    known.into_iter().filter(works).collect()
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn script_gets_release_with_variables() {
    for shell in shells() {
        let site = SiteFolder::new();
        let script = site.path("a/.deployer/supervisors/tell.sh");
        assert_eq!(mode(&script) & 0o111, 0);
        let lines = lines(&site.run(&shell, &[".deployer/supervisors/tell.sh"]));
        let shown = |path: PathBuf| path.to_str().unwrap().to_owned();
        let mut expected = vec!["a".to_owned(), shown(script.clone()), shown(site.path("a"))];
        expected.extend([
            format!("DEPLOYER_BRANCH={BRANCH}"),
            format!("DEPLOYER_CURRENT_PATH={}", shown(site.path("current"))),
            "DEPLOYER_DOMAIN=example.com".to_owned(),
            "DEPLOYER_PHP=8.4".to_owned(),
            format!("DEPLOYER_RELEASE_PATH={}", shown(site.path("a"))),
            format!("DEPLOYER_SHARED_PATH={}", shown(site.path("shared"))),
        ]);
        assert_eq!(lines, expected, "{shell:?}");
        assert_eq!(mode(&script) & 0o111, 0o111);
        assert!(!site.path("a/pwned").exists() && !Path::new("/pwned").exists());
    }
}

/// Symlinks in the live release that lead out of it or nowhere.
fn add_ways_out(site: &SiteFolder) {
    symlink("../outside.sh", site.path("a/relative.sh")).unwrap();
    symlink(site.path("outside.sh"), site.path("a/absolute.sh")).unwrap();
    symlink("..", site.path("a/up")).unwrap();
    symlink("../b", site.path("a/other-release")).unwrap();
    symlink("nowhere", site.path("a/dangling.sh")).unwrap();
    symlink("loop.sh", site.path("a/loop.sh")).unwrap();
    // A folder whose name merely begins like the release's.
    std::fs::create_dir(site.path("a-other")).unwrap();
    std::fs::write(site.path("a-other/x.sh"), "#!/bin/sh\necho outside\n").unwrap();
    symlink("../a-other/x.sh", site.path("a/neighbour.sh")).unwrap();
}

#[test]
fn only_release_files_run() {
    for shell in shells() {
        let site = SiteFolder::new();
        add_ways_out(&site);
        let absolute = site.path("outside.sh").to_str().unwrap().to_owned();
        for (arguments, reason) in [
            (&[][..], "needs one argument"),
            (&[""], "needs one argument"),
            (&["tell.sh", "more"], "needs one argument"),
            (&[&absolute], "must be relative"),
            (&["//etc/passwd"], "must be relative"),
            (&[".."], "must not hold '..'"),
            (&["../outside.sh"], "must not hold '..'"),
            (&[".deployer/../../outside.sh"], "must not hold '..'"),
            (&["folder/.."], "must not hold '..'"),
            (&["missing.sh"], "is not a file"),
            (&["folder"], "is not a file"),
            (&["."], "is not a file"),
            (&["dangling.sh"], "is not a file"),
            (&["loop.sh"], "is not a file"),
            (&[".deployer/supervisors/tell.sh/"], "is not a file"),
            (&[".deployer/supervisors/tell.sh\n"], "is not a file"),
            (&["*/supervisors/tell.sh"], "is not a file"),
            (&["$(touch pwned)"], "is not a file"),
            (&["-rf"], "is not a file"),
            (&["relative.sh"], "leads out of"),
            (&["absolute.sh"], "leads out of"),
            (&["up/outside.sh"], "leads out of"),
            (&["up/a-other/x.sh"], "leads out of"),
            (&["other-release/.deployer/supervisors/tell.sh"], "leads out of"),
            (&["neighbour.sh"], "leads out of"),
        ] {
            let output = site.run(&shell, arguments);
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{shell:?} {arguments:?}: {told}");
            assert!(told.contains(reason), "{shell:?} {arguments:?}: {told}");
            assert_eq!(output.stdout, b"", "{shell:?} {arguments:?}");
        }
        assert_eq!(mode(&site.path("outside.sh")) & 0o111, 0);
        assert!(!site.path("a/pwned").exists());
        std::fs::remove_file(site.path("current")).unwrap();
        let output = site.run(&shell, &["tell.sh"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("cannot enter"));
    }
}

#[test]
fn odd_script_names_run() {
    for shell in shells() {
        let site = SiteFolder::new();
        symlink("../.deployer/supervisors/tell.sh", site.path("a/folder/link.sh")).unwrap();
        symlink("a", site.path("again")).unwrap();
        let tell = "#!/bin/sh\necho \"$0\"\n";
        for name in ["-x", "a..b.sh", "with blank.sh", "it's.sh", "$(id).sh", "line\nbreak.sh"] {
            std::fs::write(site.path("a").join(name), tell).unwrap();
            let output = site.run(&shell, &[name]);
            let expected = format!("{}\n", site.path("a").join(name).display());
            assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{shell:?} {name:?}");
        }
        // The name it was called by stays, for scripts that look at it.
        let told = lines(&site.run(&shell, &["folder/link.sh"]));
        assert_eq!(told[1], site.path("a/folder/link.sh").to_str().unwrap());
        // A symlink to a symlink to the release.
        std::fs::remove_file(site.path("current")).unwrap();
        symlink("again", site.path("current")).unwrap();
        let told = lines(&site.run(&shell, &[".deployer/supervisors/tell.sh"]));
        assert_eq!(told[2], site.path("a").to_str().unwrap());
    }
}

#[test]
fn deployment_never_mixes_releases() {
    let site = SiteFolder::new();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            for release in ["b", "a"].iter().cycle() {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                symlink(release, site.path("next")).unwrap();
                std::fs::rename(site.path("next"), site.path("current")).unwrap();
            }
        });
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let told = lines(&site.run(&["/bin/sh"], &[".deployer/supervisors/tell.sh"]));
            assert_eq!(told[2], site.path(&told[0]).to_str().unwrap());
            assert!(told[1].starts_with(&told[2]), "{told:?}");
            seen.insert(told[0].clone());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        swapper.join().unwrap();
        assert_eq!(seen.len(), 2, "the swap was never seen");
    });
}
