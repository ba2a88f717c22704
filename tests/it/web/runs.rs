//! What the pages say of runs: which have touched a program, and what each changed.

use super::{SECRET, Web, page_of, shop, sites, text};
use crate::daemon::write_program;
use crate::site::Host;

/// The part of a program's page that is about the runs that touched it.
fn touching(web: &Web, program: &str) -> String {
    let page = text(&web.page(&page_of(program)));
    let (_, runs) = page.split_once("Runs that touched it").unwrap();
    runs.split_once("Runs that may").map_or(runs, |(runs, _)| runs).to_owned()
}

/// In whichever way files are laid out.
#[test]
fn program_has_the_runs_that_touched_it() {
    for top in ["", "config_files: per-site\n"] {
        let host = or_skip!(Host::start());
        let site = host.deploy("shop.example");
        ["queue", "mail", "post"].into_iter().for_each(|name| site.worker(name));
        let apply = |more: &str, message: &str| {
            host.inventory_with(top, &sites(more));
            host.run(&["apply", "--yes", "-m", message]).ended(0);
        };
        apply("", "all of it");
        apply(", stopwaitsecs: 7", "one setting");
        host.run(&["restart", "mail", "--yes", "-m", "one restart"]).ended(0);
        host.inventory_with(top, &sites(", stopwaitsecs: 8"));
        host.run(&["apply", "--yes", "--restart", "-m", "one setting and a restart"]).ended(0);
        let more = ", stopwaitsecs: 8}\n      - {program: post, script: post.sh, startsecs: 0";
        apply(more, "a third");
        let web = Web::start(&host);
        web.wait_for("/history", "a third");
        for (message, touched) in [
            ("all of it", ["queue", "mail"].as_slice()),
            ("one setting", &["queue"]),
            ("one restart", &["mail"]),
            ("one setting and a restart", &["queue", "mail"]),
            ("a third", &["post"]),
        ] {
            for program in ["queue", "mail", "post"] {
                let runs = touching(&web, program);
                // The host comes behind the message.
                let is_there = runs.contains(&format!("{message} here"));
                assert_eq!(is_there, touched.contains(&program), "{message}, {program}: {runs}");
            }
        }
        assert!(!web.page(&page_of("queue")).contains("may have touched"));
        web.end();
    }
}

/// A record of a former release does not say which groups a restart was of.
#[test]
fn run_that_may_have_touched_it_is_told_apart() {
    let host = or_skip!(shop());
    host.run(&["restart", "mail", "--yes", "-m", "one restart"]).ended(0);
    let runs = host.state().join("sites/shop.example/runs");
    for entry in std::fs::read_dir(runs).unwrap() {
        let path = entry.unwrap().path();
        let record = std::fs::read_to_string(&path).unwrap();
        let mut record: serde_json::Value = serde_json::from_str(&record).unwrap();
        let groups = record.as_object_mut().unwrap().remove("groups").unwrap();
        assert_eq!(groups, serde_json::json!(["shop.example-mail"]));
        std::fs::write(&path, record.to_string()).unwrap();
    }
    let web = Web::start(&host);
    web.wait_for("/history", "one restart");
    assert!(!touching(&web, "queue").contains("one restart"));
    let page = text(&web.page(&page_of("queue")));
    let (_, maybe) = page.split_once("Runs that may have touched it").unwrap();
    assert!(maybe.contains("one restart"), "{page}");
    web.end();
}

#[test]
fn failed_run_has_touched_what_it_was_about() {
    let host = or_skip!(shop());
    let site = host.deployed("shop.example");
    site.script("bad.sh", "#!/bin/sh\nexit 1\n");
    host.inventory(&sites("").replace("script: mail.sh, startsecs: 0", "script: bad.sh"));
    host.run(&["apply", "--yes", "-m", "it fails"]);
    let web = Web::start(&host);
    web.wait_for("/history", "it fails");
    assert!(
        touching(&web, "mail").contains("failed and rolled back"),
        "{}",
        touching(&web, "mail")
    );
    assert!(!touching(&web, "queue").contains("it fails"));
    web.end();
}

/// The address of the newest run.
fn newest(web: &Web) -> String {
    let page = web.page("/history");
    let (_, rest) = page.split_once("href=\"/runs/").unwrap();
    format!("/runs/{}", rest.split('"').next().unwrap())
}

#[test]
fn run_has_a_page_with_what_it_changed() {
    let host = or_skip!(shop());
    let changed = sites(", stopwaitsecs: 7").replace(SECRET, "swordfish");
    host.inventory(&changed);
    host.run(&["apply", "--yes", "-m", "the <second> run"]).ended(0);
    let web = Web::start(&host);
    web.wait_for("/history", "the &lt;second&gt; run");
    let place = newest(&web);
    let page = web.wait_for(&place, "stopwaitsecs=7");
    let shown = text(&page);
    for part in [
        "the &lt;second&gt; run",
        "here shop.example revision 2, present",
        "shop.example-queue : changed",
        "-stopwaitsecs=3600 +stopwaitsecs=7",
    ] {
        assert!(shown.contains(part), "no {part:?}: {shown}");
    }
    assert!(!page.contains(SECRET) && !page.contains("swordfish"), "{page}");
    // It is what the command line has.
    let id = place.strip_prefix("/runs/").unwrap();
    let told = host.run(&["history", "--diff", id]).ended(0).stdout;
    let lines = told.lines().filter(|line| line.starts_with(['+', '-', '@']));
    let mut count = 0;
    for line in lines {
        count += 1;
        let line = line.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        assert!(page.contains(&format!(">{}</span>", line.replace('>', "&gt;"))), "{line}: {page}");
    }
    assert!(count > 5, "{told}");
    let first = web.page("/history");
    let (_, first) = first.rsplit_once("href=\"/runs/").unwrap();
    let first = format!("/runs/{}", first.split('"').next().unwrap());
    web.wait_for(&first, "+command=");
    for nowhere in ["/runs/20200101-000000-0000", "/runs/1", "/runs/..", "/runs"] {
        assert_eq!(web.get(nowhere).status, 404, "{nowhere}");
    }
    web.end();
}

/// The page does not wait for a host, and says of which nothing is known.
#[test]
fn same_change_of_several_hosts_is_shown_once() {
    let host = or_skip!(shop());
    let (wrapper, gate) = (host.path("wrapper"), host.path("gate"));
    let program = format!(
        "#!/bin/sh\n[ ! -e {} ] || {{ echo no route to far >&2; exit 1; }}\nexec \"$@\"\n",
        gate.display()
    );
    write_program(&wrapper, program.as_bytes());
    let inventory = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    let far =
        format!("servers:\n  - {{name: far, exec: [{}], privilege: none}}\n", wrapper.display());
    let inventory =
        inventory.replacen("servers:\n", &far, 1).replace("server: here", "servers: [far, here]");
    std::fs::write(host.path("home/deployer.yml"), inventory).unwrap();
    let web = Web::start(&host);
    web.wait_for("/hosts/far", "RUNNING x2");
    web.wait_for("/hosts/here", "RUNNING x2");
    let place = newest(&web);
    std::fs::write(&gate, "").unwrap();
    let page = text(&web.wait_for(&place, "no route to far"));
    assert!(page.contains("shop.example on far"), "{page}");
    web.wait_for(&place, "<h3>shop.example on here</h3>");
    std::fs::remove_file(&gate).unwrap();
    // It is asked again after a while.
    let page = web.wait_for(&place, "<h3>shop.example on far, here</h3>");
    assert_eq!(page.matches("+command=").count(), 2, "two programs, once: {page}");
    web.end();
}
