//! The web view in a real Chromium: axe, keyboard, light and dark, a phone's width, without a script, live.
//! `make browser` installs what it needs, and runs it.

use std::path::Path;
use std::process::Command;

use super::{Web, shop, sites};
use crate::daemon::write_program;
use crate::site::Host;

/// Does what the script asks for on the host.
fn write_actor(host: &Host, web: &Web) {
    let (ctl, main, feed) =
        (host.daemon.supervisorctl_path(), host.daemon.main_conf(), host.path("feed"));
    let ctl = format!("{} -c {}", ctl.display(), main.display());
    let text = format!(
        "#!/bin/sh\ncase $1 in\nstop) {ctl} stop shop.example-mail:*;;\nstart) {ctl} start \
         shop.example-mail:*;;\nsay) echo \"$2\" >> {};;\nend) kill -INT {};;\nesac\n",
        feed.display(),
        web.running.id(),
    );
    write_program(&host.path("act"), text.as_bytes());
}

#[test]
#[ignore = "needs Chromium and npm: make browser"]
fn people_can_use_it() {
    let host = or_skip!(shop());
    let site = host.deployed("shop.example");
    let feed = host.path("feed");
    std::fs::write(&feed, "a line of the log\n").unwrap();
    site.script("queue.sh", &format!("#!/bin/sh\nexec tail -n +1 -f {}\n", feed.display()));
    host.inventory(&sites("").replace("TOKEN", "APP_KEY"));
    host.run(&["apply", "--yes", "--restart", "-m", "more workers for the sale"]).ended(0);
    let web = Web::start(&host);
    web.wait_for("/", "RUNNING x2");
    write_actor(&host, &web);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pictures = match std::env::var_os("UPDATE_PICTURES") {
        Some(_) => folder.join("docs/pictures"),
        None => Path::new("").to_owned(),
    };
    super::wait_until(super::PATIENCE, "the next link is printed", || web.links().len() == 2);
    let status = Command::new("node")
        .arg(folder.join("tests/browser/web.mjs"))
        .arg(&web.links()[1])
        .arg(host.path("act"))
        .arg(pictures)
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}
