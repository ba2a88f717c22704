//! The pictures of the guide: what a real supervisord was asked, as a terminal shows it. A picture that is not
//! what the program prints now is an error. To draw them anew: `make pictures`.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use regex_lite::Regex;

use crate::site::Host;
use crate::terminal::Terminal;

/// How wide the pictured terminal is, in characters.
const WIDTH: usize = 96;
/// The runs of a picture, newest first.
const RUNS: [&str; 4] = [
    "20260114-163012-4f3a",
    "20260114-161540-90c1",
    "20260114-151002-1b7e",
    "20260112-090000-77d0",
];

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
    drawn(host, name, &arguments.join(" "), &printed);
}

/// Compares what stands below a command with its picture.
fn drawn(host: &Host, name: &str, typed: &str, printed: &str) {
    let logs = host.daemon.log_dir().display().to_string();
    let printed = lasting(&printed.replace(&logs, "/var/log/supervisor"));
    let screen = format!("$ supervisor-sync {typed}\n{printed}");
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
    let mut text = text.replace("mhere", "mweb1").replace("  here ", "  web1 ");
    for id in RUNS {
        let found = Regex::new(r"20[2-9]\d{5}-\d{6}-[0-9a-f]{4}").unwrap();
        let found = found.find_iter(&text).map(|id| id.as_str()).find(|id| !RUNS.contains(id));
        if let Some(found) = found.map(str::to_owned) {
            text = text.replace(&found, id);
        }
    }
    for (changing, lasting) in [
        (r"(?m)^here +\d+ s  ", "web1   12 s  "),
        (r" by \S+ on [^\s:]+", " by ann on desk"),
        (r" \d+ s of at most", " 12 s of at most"),
        // A second, begun or whole.
        (r"at most 65 s", "at most 64 s"),
        (r"at most 95 s", "at most 94 s"),
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

/// A host whose apply has come to where its workers drain, on a terminal.
#[test]
fn picture_shows_progress() {
    let host = or_skip!(Host::start());
    let site = host.deploy("shop.example.com");
    ["mail", "queue"].iter().for_each(|name| site.drainer(name));
    site.worker("report");
    let mail = "program: mail, script: mail.sh, stopwaitsecs: 60";
    let queue = "program: queue, script: queue.sh, numprocs: 3, stopwaitsecs: 90";
    wants(&host, &[mail, queue]);
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_starts("shop.example.com-mail", 1);
    host.wait_starts("shop.example.com-queue", 3);
    let report = "program: report, script: report.sh";
    let [mail, queue] = [mail, queue].map(|program| format!("{program}, priority: 10"));
    wants(&host, &[&mail, &queue, report]);
    let terminal = or_skip!(Terminal::start(&host, 96, "apply"));
    terminal.shows("[y/N]");
    terminal.press(&["y", "Enter"]);
    terminal.until("both are waited for", |screen| {
        let waits = ["mail  stopping: ", "queue x3  stopping: "];
        waits.iter().all(|wait| screen.contains(wait))
            && screen.contains("s  shop.example.com-report")
    });
    let screen = terminal.coloured_screen();
    let (_, printed) = screen.split_once("$ ...\n").unwrap();
    drawn(&host, "progress", "apply", printed);
    host.open_gate();
    assert_eq!(terminal.ended().0, 0);
}

#[test]
fn picture_shows_history() {
    let host = or_skip!(shop());
    let queue = "program: queue, script: queue.sh, numprocs: 4, stopwaitsecs: 90";
    let others = ["program: report, script: report.sh", "program: scheduler, script: scheduler.sh"];
    wants(&host, &[&[queue], &others[..]].concat());
    host.run(&["apply", "--yes", "-m", "four queue workers"]).ended(0);
    host.run(&["restart", "queue", "-m", "new code"]).ended(0);
    host.deployed("shop.example.com").crasher("mail");
    let mail = "program: mail, script: mail.sh, autorestart: false";
    wants(&host, &[&[queue, mail], &others[..]].concat());
    host.run(&["apply", "--yes", "-m", "mails"]).ended(4);
    pictured(&host, "history", &["history"], 0);
}
