//! What the pages say.

use serde_json::Value;
use supervisor_sync::supervisord::ProcessState;

use super::{PATIENCE, Web, page_of, shop, sites, text, wait_until};
use crate::daemon::write_program;
use crate::documents::assert_valid;
use crate::site::Host;

#[test]
fn wanted_stands_beside_what_runs() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let page = text(&web.wait_for("/", "RUNNING x2"));
    assert!(page.contains("1 host, 2 programs: all as wanted"), "{page}");
    assert!(page.contains("queue shop.example here 2 running as wanted RUNNING x2"), "{page}");
    assert!(page.contains("mail shop.example here running as wanted RUNNING"), "{page}");
    host.stop_by_hand("shop.example-mail:shop.example-mail");
    let page = text(&web.wait_for("/", "was stopped by hand"));
    assert!(page.contains("1 not as wanted"), "{page}");
    let (mail, queue) = (page.find("mail shop").unwrap(), page.find("queue shop").unwrap());
    assert!(mail < queue, "what is wrong comes first: {page}");
    let problems = text(&web.page("/?show=problems"));
    assert!(problems.contains("mail") && !problems.contains("queue shop"), "{problems}");
    for (words, has_mail, has_queue) in [
        ("MAIL", true, false),
        ("shop+queue", false, true),
        ("here", true, true),
        ("stopped", true, false),
        ("nothing", false, false),
    ] {
        let page = text(&web.page(&format!("/?q={words}")));
        assert_eq!(page.contains("mail shop"), has_mail, "{words}: {page}");
        assert_eq!(page.contains("queue shop"), has_queue, "{words}: {page}");
    }
    web.end();
}

/// A program that does not stay up is not healthy, and is told to be flapping.
#[test]
fn what_does_not_stay_up_is_seen() {
    let host = or_skip!(Host::start());
    let site = host.deploy("shop.example");
    site.worker("queue");
    site.worker("mail");
    host.inventory(&sites(""));
    host.run(&["apply", "--yes"]).ended(0);
    let web = Web::start(&host);
    web.wait_for("/", "RUNNING x2");
    // It goes on starting, and ends a moment later each time.
    site.script("mail.sh", "#!/bin/sh\nsleep 1.2\nexit 1\n");
    let pid = host.process("shop.example-mail:shop.example-mail").unwrap().pid;
    let pid = u32::try_from(pid).unwrap();
    crate::daemon::signal(pid, rustix::process::Signal::TERM);
    web.wait_for("/", "is flapping");
    let page = web.page("/?show=flapping");
    let shown = text(&page);
    assert!(shown.contains("1 program flapping"), "{shown}");
    assert!(page.contains("href=\"/?show=flapping\""), "{page}");
    assert!(shown.contains("mail shop") && !shown.contains("queue shop"), "{shown}");
    let page = text(&web.wait_for(&page_of("mail"), "at least"));
    assert!(page.contains("shop.example-mail is flapping"), "{page}");
    web.end();
}

#[test]
fn program_has_a_page() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let queue = page_of("queue");
    web.wait_for("/", "RUNNING x2");
    let page = text(&web.wait_for(&queue, "the &lt;first&gt; run"));
    let processes =
        ["shop.example-queue:shop.example-queue_00", "shop.example-queue:shop.example-queue_01"];
    for pid in host.wait_running(&processes) {
        assert!(page.contains(&pid.to_string()), "no pid {pid}: {page}");
    }
    for part in [
        "as wanted wanted: 2 running; is: RUNNING x2",
        "script queue.sh",
        "stopwaitsecs 3600",
        "environment TOKEN ***",
        "Runs that touched it apply",
        "revision 1, present",
    ] {
        assert!(page.contains(part), "no {part:?}: {page}");
    }
    web.end();
}

#[test]
fn end_of_the_log_is_read() {
    let host = or_skip!(Host::start());
    let site = host.deploy("shop.example");
    site.worker("mail");
    site.script(
        "queue.sh",
        "#!/bin/sh\necho ready; echo order 17 \u{1b}[31mfailed\u{1b}[0m\nexec sleep 1000\n",
    );
    host.inventory(&sites(""));
    host.run(&["apply", "--yes"]).ended(0);
    let web = Web::start(&host);
    let queue = page_of("queue");
    web.wait_for(&queue, "order 17 failed");
    let page = web.page(&format!("{queue}?grep=order+%5Cd%2B"));
    assert!(page.contains("order 17") && !page.contains("ready"), "{page}");
    let answer = web.get(&format!("{queue}/log.txt?grep=order"));
    assert_eq!(answer.body, "order 17 failed\norder 17 failed\n", "one of each process");
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"log.txt\""));
    let page = web.page(&format!("{queue}?grep=%28"));
    assert!(page.contains("this is no regular expression"), "{page}");
    let document = web.page("/api/log?host=here&site=shop.example&program=queue");
    assert_valid(&document);
    assert!(document.contains("order 17"), "{document}");
    assert_eq!(web.get("/api/log?host=here&site=shop.example&program=x").status, 404);
    web.end();
}

#[test]
fn history_has_the_runs() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let page = text(&web.wait_for("/history", "revision 1"));
    assert!(page.contains("1 run, newest first"), "{page}");
    assert!(
        page.contains("the &lt;first&gt; run here shop.example: revision 1, present"),
        "{page}"
    );
    host.run(&["restart", "--yes"]).ended(0);
    let page = text(&web.wait_for("/history", "restarted"));
    assert!(page.find("restarted") < page.find("revision 1"), "the newest is first: {page}");
    let page = text(&web.page("/history?q=restarted"));
    assert!(!page.contains("revision 1"), "{page}");
    assert!(web.page("/history?q=nobody").contains("No run is like that"));
    web.end();
}

/// A host that has stopped answering says since when, and what it had said is still there.
#[test]
fn silent_host_says_since_when() {
    let host = or_skip!(shop());
    let (wrapper, gate) = (host.path("wrapper"), host.path("gate"));
    let text_of_wrapper = format!(
        "#!/bin/sh\n[ -e {} ] || {{ echo no route to far >&2; exit 1; }}\nexec \"$@\"\n",
        gate.display()
    );
    write_program(&wrapper, text_of_wrapper.as_bytes());
    let inventory = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    let far = format!(
        "servers:\n  - {{name: far, exec: [{}], privilege: none, tags: [eu]}}\n",
        wrapper.display()
    );
    let inventory =
        inventory.replacen("servers:\n", &far, 1).replace("server: here", "servers: [far, here]");
    std::fs::write(host.path("home/deployer.yml"), inventory).unwrap();
    let web = Web::start(&host);
    let page = text(&web.wait_for("/", "no route to far"));
    assert!(page.contains("far has not answered since"), "{page}");
    assert!(page.contains("1 silent host"), "{page}");
    assert!(web.wait_for("/", "RUNNING x2").contains("not known yet"), "it never has");
    std::fs::write(&gate, "").unwrap();
    wait_until(PATIENCE, "it answers", || !web.page("/").contains("silent"));
    assert_eq!(web.page("/").matches("RUNNING x2").count(), 2);
    std::fs::remove_file(&gate).unwrap();
    let page = text(&web.wait_for("/hosts", "silent"));
    assert!(page.contains("far @eu silent since"), "{page}");
    assert!(web.page("/hosts").contains("<a href=\"/hosts?q=%40eu\">@eu</a>"));
    assert!(web.page("/").contains("<a href=\"/?q=%40eu\">@eu</a>"));
    let page = text(&web.page("/hosts?q=%40eu"));
    assert!(page.contains("far @eu") && page.contains("1 host, what is wrong first"), "{page}");
    assert_eq!(web.page("/").matches("RUNNING x2").count(), 2, "what it had said is kept");
    assert!(web.page("/hosts/far").contains("RUNNING x2"));
    let health = web.get("/healthz");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    web.end();
}

#[test]
fn what_no_inventory_has_is_counted() {
    let host = or_skip!(shop());
    host.daemon.write_conf("own", "[program:own]\ncommand=sleep 1000\n");
    host.daemon.supervisorctl(&["update"]);
    host.daemon.wait_for_state("own:own", ProcessState::Running);
    let left = host.deploy("left.example");
    left.worker("old");
    let more = "\n  - domain: left.example\n    server: here\n    supervisors:\n      - {program: old, script: old.sh, startsecs: 0}";
    host.inventory(&(sites("") + more));
    host.run(&["apply", "--yes"]).ended(0);
    host.inventory(&sites(""));
    let web = Web::start(&host);
    let page = text(&web.wait_for("/hosts/here", "In no inventory"));
    assert!(page.contains("In no inventory own"), "{page}");
    assert!(page.contains("Left the inventory left.example"), "{page}");
    let page = text(&web.page("/hosts"));
    assert!(page.contains("ago 2 1 1"), "two programs, one orphaned site, one of nobody: {page}");
    let page = web.page("/");
    for (place, words) in [
        ("/hosts?show=orphaned", "1 site not in the inventory any more"),
        ("/hosts?show=unmanaged", "1 program in no inventory"),
    ] {
        assert!(page.contains(&format!("<a href=\"{place}\">{words}</a>")), "{words}: {page}");
        assert!(text(&web.page(place)).contains("1 host, what is wrong first"), "{place}");
    }
    web.end();
}

#[test]
fn edited_inventory_is_followed() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    web.wait_for("/", "RUNNING x2");
    let inventory = host.path("home/deployer.yml");
    let sound = std::fs::read_to_string(&inventory).unwrap();
    std::fs::write(&inventory, "servers: [}\n").unwrap();
    let page = web.wait_for("/", "The inventory on the disk is not shown");
    assert!(page.contains("RUNNING x2"), "{page}");
    std::fs::write(&inventory, sound.replace("program: mail", "program: post")).unwrap();
    let page = web.wait_for("/", ">post</a>");
    assert!(!page.contains("is not shown"), "{page}");
    assert_eq!(web.get(&page_of("mail")).status, 200, "it is still there, and orphaned");
    web.end();
}

#[test]
fn documents_are_those_of_json() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    web.wait_for("/", "RUNNING x2");
    let documents = |text: &str| -> Vec<Value> {
        assert_valid(text);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let status = documents(&web.page("/api/status"));
    let told = documents(&host.run(&["status", "--json", "--unmanaged"]).ended(0).stdout);
    let states = |documents: &[Value]| {
        let programs = documents[0]["sites"][0]["status"]["programs"].as_array().unwrap();
        let state = |one: &Value| {
            (one["program"].clone(), one["wanted"].clone(), one["processes"][0]["pid"].clone())
        };
        programs.iter().map(state).collect::<Vec<_>>()
    };
    assert_eq!(status[0]["kind"], "status");
    assert_eq!(status[0]["host"], "here");
    assert_eq!(states(&status), states(&told));
    let history = documents(&web.page("/api/history"));
    let told = documents(&host.run(&["history", "--json"]).ended(0).stdout);
    assert_eq!(history, told);
    assert_eq!(web.page("/api/status?host=other"), "");
    web.end();
}

#[test]
fn metrics_count_without_names() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    web.wait_for("/", "RUNNING x2");
    let metrics = web.ask("GET", "/metrics", "").body;
    for line in [
        "supervisor_sync_web_hosts{answer=\"yes\"} 1",
        "supervisor_sync_web_programs{state=\"as_wanted\"} 2",
        "supervisor_sync_web_programs{state=\"not_healthy\"} 0",
        "supervisor_sync_web_sessions 1",
        "supervisor_sync_web_streams 0",
    ] {
        assert!(metrics.lines().any(|one| one == line), "no {line}: {metrics}");
    }
    assert!(!metrics.contains("shop"), "{metrics}");
    let refused = |web: &Web| {
        let metrics = web.ask("GET", "/metrics", "").body;
        let name = "supervisor_sync_web_requests_total{refused=\"yes\"} ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().parse::<u64>().unwrap()
    };
    let before = refused(&web);
    web.ask("POST", "/", "");
    assert_eq!(refused(&web), before + 1);
    web.end();
}

/// The host answers, and its supervisord does not.
#[test]
fn supervisord_that_is_gone_is_told() {
    let mut host = or_skip!(shop());
    let web = Web::start(&host);
    web.wait_for("/", "RUNNING x2");
    host.daemon.stop();
    let page = text(&web.wait_for("/", "the whole site"));
    assert!(page.contains("1 not healthy"), "{page}");
    assert!(!page.contains("has not answered"), "{page}");
    host.daemon.start_again();
    web.wait_for("/", "RUNNING x2");
    web.end();
}
