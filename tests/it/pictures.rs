//! The pictures of the guide: what a real supervisord was asked, as a terminal shows it. A picture that is not
//! what the program prints now is an error. To draw them anew: `make pictures`.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use regex_lite::Regex;

use crate::site::Host;

/// How wide the pictured terminal is, in characters.
const WIDTH: usize = 96;

/// `shop.example.com` as it runs, and as it is wanted next.
fn shop() -> Option<Host> {
    let host = Host::start()?;
    let site = host.deploy("shop.example.com");
    ["mail", "old", "queue", "report", "scheduler"].iter().for_each(|name| site.worker(name));
    wants(
        &host,
        &[
            "program: queue, script: queue.sh, numprocs: 2, stopwaitsecs: 90",
            "program: old, script: old.sh, stopwaitsecs: 10",
            "program: report, script: report.sh",
            "program: scheduler, script: scheduler.sh",
        ],
    );
    host.run(&["apply", "--yes"]).ended(0);
    Some(host)
}

fn wants(host: &Host, programs: &[&str]) {
    let lines: String = programs.iter().map(|program| format!("      - {{{program}}}\n")).collect();
    let top = "defaults: {startretries: 0, health: {stable_for: 0}}";
    let sites =
        format!("  - domain: shop.example.com\n    server: here\n    supervisors:\n{lines}");
    host.inventory_with(top, &sites);
}

/// Runs a command and compares what it prints with its picture.
fn pictured(host: &Host, name: &str, arguments: &[&str], status: i32) {
    let coloured: Vec<&str> = arguments.iter().copied().chain(["--color", "always"]).collect();
    let printed = host.run(&coloured).ended(status).stdout;
    let logs = host.daemon.log_dir().display().to_string();
    let printed = lasting(&printed.replace(&logs, "/var/log/supervisor"));
    let screen = format!("$ supervisor-sync {}\n{printed}", arguments.join(" "));
    let picture = anstyle_svg::Term::new().min_width_px(WIDTH * 8).render_svg(&screen);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/pictures/{name}.svg"));
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        std::fs::write(&path, picture).unwrap();
        return;
    }
    let drawn = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(drawn, picture, "{name} has changed: make pictures");
}

/// The text without what differs from run to run.
fn lasting(text: &str) -> String {
    // The name of the host, as it is painted.
    let mut text = text.replace("mhere", "mweb1");
    for (changing, lasting) in [
        (r"up \d+ s( to \d+ s)?", "up 3 h 12 min"),
        (r"pid \d+", "pid 812"),
        (r"pids \d+, \d+", "pids 812, 813"),
    ] {
        text = Regex::new(changing).unwrap().replace_all(&text, lasting).into_owned();
    }
    text
}

#[test]
fn pictures_show_what_is_printed() {
    let host = or_skip!(shop());
    host.stop_by_hand("shop.example.com-report:shop.example.com-report");
    pictured(&host, "status", &["status"], 3);
    wants(
        &host,
        &[
            "program: mail, script: mail.sh, numprocs: 2",
            "program: queue, script: queue.sh, numprocs: 4, stopwaitsecs: 120",
            "program: report, script: report.sh",
            "program: scheduler, script: scheduler.sh",
        ],
    );
    pictured(&host, "plan", &["plan"], 0);
}
