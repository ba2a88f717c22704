//! `integrate deployer-php`: its playbooks, run as its client runs them, hand a site's programs over.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "lays out a checkout and looks at it")]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::site::{BINARY, Host, Invocation, Run};

/// What DeployerPHP puts before each playbook.
const HELPERS: &str = "#!/usr/bin/env bash\nrun_cmd() { \"$@\"; }\n";

/// A stand-in for its sync: it would write the result itself.
const SYNC: &str = "#!/usr/bin/env bash\nset -o pipefail\n\
    echo original sync\nprintf 'supervisors_synced: 99\\n' > \"$DEPLOYER_OUTPUT_FILE\"\n";

/// A stand-in for its deployment: programs are restarted by a function, and there is more to come.
const DEPLOYMENT: &str = "#!/usr/bin/env bash\nset -o pipefail\n\
    restart_supervisor_programs() {\n\techo original restart\n}\n\
    main() {\n\techo deployed\n\trestart_supervisor_programs\n\techo after\n\t\
    printf 'status: success\\nrelease_path: /r\\n' > \"$DEPLOYER_OUTPUT_FILE\"\n}\nmain \"$@\"\n";

const ARRAY: &str = r#"[{"program":"w","script":"w.sh"}]"#;

/// Its playbooks, by their names.
pub(crate) const PLAYBOOKS: [(&str, &str); 2] =
    [("site-deploy", DEPLOYMENT), ("supervisor-sync", SYNC)];

/// A checkout, and a folder with the program for the PATH.
struct Checkout<'h> {
    host: &'h Host,
    folder: PathBuf,
    path: PathBuf,
}

impl<'h> Checkout<'h> {
    fn new(host: &'h Host) -> Self {
        let folder = host.path("deployer-php");
        std::fs::create_dir_all(folder.join("playbooks")).unwrap();
        let path = host.path("bin");
        std::fs::create_dir(&path).unwrap();
        symlink(BINARY, path.join("supervisor-sync")).unwrap();
        let checkout = Self { host, folder, path };
        PLAYBOOKS.into_iter().for_each(|(name, text)| checkout.write(name, text));
        checkout
    }

    fn playbook(&self, name: &str) -> PathBuf {
        self.folder.join("playbooks").join(format!("{name}.sh"))
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.playbook(name), text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o750);
        std::fs::set_permissions(self.playbook(name), mode).unwrap();
    }

    fn texts(&self) -> [String; 2] {
        ["supervisor-sync", "site-deploy"]
            .map(|name| std::fs::read_to_string(self.playbook(name)).unwrap())
    }

    fn integrate(&self, more: &[&str]) -> Run {
        let mut arguments = vec!["integrate", "deployer-php", self.folder.to_str().unwrap()];
        arguments.extend(more);
        self.host.run(&arguments)
    }

    /// As the client runs one.
    fn client(&self, name: &str, path: &Path) -> Invocation {
        let text = std::fs::read_to_string(self.playbook(name)).unwrap();
        let mut invocation = self.host.playbook("sync", "a.com", ARRAY);
        invocation.env("PATH", format!("{}:/usr/bin:/bin", path.display()));
        invocation.bash(&format!("{HELPERS}\n\n{text}\n"));
        invocation
    }
}

#[test]
fn integrated_playbooks_call_this_program() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let checkout = Checkout::new(&host);
    checkout.integrate(&[]).ended(0).says("playbooks/site-deploy.sh calls supervisor-sync now\n");
    let run = checkout.client("supervisor-sync", &checkout.path).run().ended(0);
    assert!(run.stdout.contains("→ a.com-w: added process group\n"), "{}", run.stdout);
    assert!(!run.stdout.contains("original"), "{}", run.stdout);
    assert_eq!(host.result().unwrap(), "status: success\nsupervisors_synced: 1\n");
    host.wait_running(&["a.com-w:a.com-w"]);

    let run = checkout.client("site-deploy", &checkout.path).run().ended(0);
    assert_eq!(run.stderr, "");
    assert!(run.stdout.starts_with("deployed\n→ "), "{}", run.stdout);
    assert!(run.stdout.ends_with("\nafter\n"), "{}", run.stdout);
    assert_eq!(host.result().unwrap(), "status: success\nrelease_path: /r\n");
    assert_eq!(host.starts("a.com-w").len(), 2);
    // A deployment of a site without programs says nothing of them.
    let mut none = checkout.client("site-deploy", &checkout.path);
    let run = none.env("DEPLOYER_SUPERVISORS", "[]").run().ended(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("deployed\nafter\n", ""));
}

/// A server without this program is told, and programs are restarted all the same.
#[test]
fn server_without_program_still_restarts() {
    let host = or_skip!(Host::start());
    let checkout = Checkout::new(&host);
    checkout.integrate(&[]).ended(0);
    let run = checkout.client("supervisor-sync", Path::new("/none")).run().ended(1);
    assert_eq!(run.stderr, "Error: supervisor-sync is not installed on this server\n");
    let run = checkout.client("site-deploy", Path::new("/none")).run().ended(0);
    assert_eq!(run.stdout, "deployed\noriginal restart\nafter\n");
    assert_eq!(run.stderr, "Warning: supervisor-sync is not installed on this server\n");
}

#[test]
fn integration_undoes_byte_for_byte() {
    let host = or_skip!(Host::start());
    let checkout = Checkout::new(&host);
    let originals = checkout.texts();
    checkout.integrate(&[]).ended(0);
    let integrated = checkout.texts();
    let run = checkout.integrate(&[]).ended(0);
    assert_eq!(run.stdout.matches("calls supervisor-sync already\n").count(), 2, "{}", run.stdout);
    assert_eq!(checkout.texts(), integrated);
    // An update brings one of them back.
    checkout.write("site-deploy", DEPLOYMENT);
    checkout.integrate(&[]).ended(0).says("site-deploy.sh calls supervisor-sync now\n");
    assert_eq!(checkout.texts(), integrated);
    let mode = std::fs::metadata(checkout.playbook("site-deploy")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    checkout.integrate(&["--undo"]).ended(0).says("site-deploy.sh is the original again\n");
    assert_eq!(checkout.texts(), originals);
    checkout.integrate(&["--undo"]).ended(0).says("site-deploy.sh is the original\n");
}

#[test]
fn unknown_layout_is_refused_whole() {
    let host = or_skip!(Host::start());
    let checkout = Checkout::new(&host);
    checkout.write("site-deploy", &DEPLOYMENT.replace("restart_supervisor_programs", "restart"));
    let before = checkout.texts();
    let run = checkout.integrate(&[]).ended(1);
    let reason = "it does not have one function restart_supervisor_programs";
    assert!(run.stderr.contains(reason), "{}", run.stderr);
    assert_eq!(checkout.texts(), before);
    let run = host.run(&["integrate", "deployer-php", "/none"]).ended(1);
    let hint =
        "hint: name the folder of DeployerPHP itself, e.g. vendor/loadinglucian/deployer-php";
    assert!(run.stderr.contains(hint), "{}", run.stderr);
}
