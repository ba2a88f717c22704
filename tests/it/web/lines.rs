//! Links to lines of a log, and logs that are followed while the real logrotate rotates them.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::following::Stream;
use super::{PATIENCE, Web, page_of, sites, text, wait_until};
use crate::site::Host;

/// What would be markup.
const MARKUP: &str = "</pre><script>alert(1)</script>";

/// A host whose `queue` logs what stands in a file.
fn feed(top: &str) -> Option<Host> {
    let host = Host::start()?;
    let site = host.deploy("shop.example");
    site.worker("mail");
    let feed = host.path("feed");
    std::fs::write(&feed, "").unwrap();
    site.script("queue.sh", &format!("#!/bin/sh\nexec tail -n +1 -f {}\n", feed.display()));
    host.inventory_with(top, &sites("").replace("numprocs: 2", "numprocs: 1"));
    host.run(&["apply", "--yes"]).ended(0);
    Some(host)
}

fn say(host: &Host, line: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).open(host.path("feed")).unwrap();
    writeln!(file, "{line}").unwrap();
}

fn wait_for_log(host: &Host, part: &str) {
    let log = host.log("shop.example-queue");
    wait_until(PATIENCE, &format!("the log has {part:?}"), || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains(part))
    });
}

/// The address of the page around the line that ends so.
fn link_of(page: &str, line: &str) -> String {
    let (before, _) = page.split_once(&format!("></a>{line}\n")).unwrap();
    let (_, link) = before.rsplit_once("href=\"").unwrap();
    let (query, _) = link.split_once("#at\"").unwrap();
    page_of("queue") + query
}

/// The line that a page is about.
fn marked(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<span id=\"at\" aria-current=\"true\">")?;
    let (line, _) = rest.split_once("</span>")?;
    Some(line.split_once("</a>")?.1.trim_end())
}

fn logrotate(host: &Host) {
    let state = host.path("logrotate.state");
    let mut command = Command::new("logrotate");
    command.arg("-f").arg("-s").arg(state).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    for entry in std::fs::read_dir(host.daemon.logrotate_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("queue") {
            command.arg(path);
        }
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let rotated = host.log("shop.example-queue").with_extension("log.1");
    assert!(rotated.exists(), "nothing was rotated: {output:?}");
}

#[test]
fn line_of_a_log_has_an_address() {
    let host = or_skip!(feed(""));
    for number in 0..300 {
        say(&host, &format!("order {number}"));
    }
    say(&host, MARKUP);
    wait_for_log(&host, MARKUP);
    let web = Web::start(&host);
    let queue = page_of("queue");
    let page = web.wait_for(&queue, "order 299\n");
    assert!(!page.contains("order 99\n"), "the end alone");
    let link = link_of(&page, "order 150");
    // What a script makes of a line is the same link.
    let mut stream = Stream::open(&web, &(queue.clone() + "/log"));
    stream.wait_for("data: order 149");
    let ids = stream.until("data: order 150");
    let id = ids.iter().find_map(|line| line.strip_prefix("id: ")).unwrap();
    assert_eq!(link, format!("{queue}?at={id}"));
    drop(stream);
    let around = web.wait_for(&link, "order 200\n");
    assert_eq!(marked(&around), Some("order 150"), "{around}");
    assert!(around.contains("order 50\n") && !around.contains("order 49\n"), "{around}");
    assert!(around.contains("order 250\n") && !around.contains("order 251\n"), "{around}");
    assert!(around.contains(&format!("href=\"{queue}\"")), "a way back: {around}");
    // From there to another line, and to one that is markup.
    let next = web.wait_for(&link_of(&around, "order 51"), "order 0\n");
    assert_eq!(marked(&next), Some("order 51"));
    let escaped = "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;";
    let markup = web.wait_for(&link_of(&page, escaped), "order 250\n");
    assert_eq!(marked(&markup), Some(escaped), "{markup}");
    assert!(!markup.contains("<script>"), "{markup}");
    for wrong in ["x", "-1", "0-", "1e3-0", "%3Cscript%3E", "0-00000000000000000", "../etc"] {
        let page = web.page(&format!("{queue}?at={wrong}"));
        assert!(text(&page).contains("This is no place of a line"), "{wrong}: {page}");
        assert!(!page.contains("<script>"), "{wrong}: {page}");
    }
    let other = web.wait_for(&format!("{queue}?at=3-0000000000000007"), "any more");
    assert_eq!(marked(&other), None, "there is a line, and it is another");
    web.end();
}

/// As long as a file has it, be it renamed or copied: and then it says that it is gone.
#[test]
fn address_of_a_line_outlives_a_rotation() {
    for top in ["", "format: classic\n"] {
        let host = or_skip!(feed(top));
        say(&host, "before");
        say(&host, "order 17");
        wait_for_log(&host, "order 17");
        let web = Web::start(&host);
        let page = web.wait_for(&page_of("queue"), "order 17\n");
        let link = link_of(&page, "order 17");
        logrotate(&host);
        say(&host, "after\norder 18");
        wait_for_log(&host, "order 18");
        let page = web.wait_for(&link, "order 17\n");
        assert_eq!(marked(&page), Some("order 17"), "{page}");
        assert!(page.contains("the log was rotated since: this is from"), "{page}");
        assert!(!page.contains("order 18"), "{page}");
        let rotated = host.log("shop.example-queue").with_extension("log.1");
        std::fs::remove_file(rotated).unwrap();
        web.end();
        let web = Web::start(&host);
        let page = web.wait_for(&link, "the line is not in the log any more");
        assert_eq!(marked(&page), None, "{page}");
        web.end();
    }
}

/// Nobody who follows a log misses a line of it, however it is rotated.
#[test]
fn log_is_followed_over_a_rotation() {
    for top in ["", "format: classic\n"] {
        let host = or_skip!(feed(top));
        say(&host, "order 0");
        wait_for_log(&host, "order 0");
        let web = Web::start(&host);
        let mut stream = Stream::open(&web, &(page_of("queue") + "/log"));
        stream.wait_for("data: order 0");
        let log = host.log("shop.example-queue");
        for round in 1..=3 {
            let before = identity(&log);
            say(&host, &format!("order {round}"));
            wait_for_log(&host, &format!("order {round}"));
            logrotate(&host);
            say(&host, &format!("order {round} after"));
            let since = stream.until(&format!("data: order {round} after"));
            let lines: Vec<&String> =
                since.iter().filter(|line| line.starts_with("data: order")).collect();
            let expected = [format!("data: order {round}"), format!("data: order {round} after")];
            assert_eq!(lines, expected.iter().collect::<Vec<_>>(), "{top:?}");
            let is_same = before == identity(&log);
            assert_eq!(is_same, !top.is_empty(), "the file is another, but for `copytruncate`");
        }
        web.end();
    }
}

fn identity(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap())
}
