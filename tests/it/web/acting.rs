//! What is done from the browser: planned, shown, confirmed, done as it was shown.

use serde_json::Value;

use super::{Answer, PATIENCE, Web, shop, sites, wait_until};
use crate::documents::assert_valid;
use crate::site::Host;

const MAIL: &str = "shop.example-mail:shop.example-mail";
const QUEUES: [&str; 2] =
    ["shop.example-queue:shop.example-queue_00", "shop.example-queue:shop.example-queue_01"];

/// A web view in which everything is allowed.
fn start(host: &Host) -> Web {
    start_with(host, "apply,restart,start,stop")
}

fn start_with(host: &Host, allowed: &str) -> Web {
    let arguments =
        ["web", "--listen", "127.0.0.1:0", "--every", "1", "--allow", allowed, "--json"];
    let web = Web::of(&mut host.command(&arguments));
    web.wait_for("/", "RUNNING x2");
    web
}

/// Has a plan made, and returns the path of its page.
#[track_caller]
fn propose(web: &Web, form: &str) -> String {
    let answer = web.post("/plans", form);
    assert_eq!(answer.status, 303, "{form}: {answer:?}");
    answer.header("location").unwrap().to_owned()
}

/// Waits until a plan can be confirmed, and returns its page.
#[track_caller]
fn planned(web: &Web, plan: &str) -> String {
    web.wait_for(plan, "waits for a yes")
}

/// What a page would send back.
fn fingerprint(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"fingerprint\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

fn confirm(web: &Web, plan: &str, more: &str) -> Answer {
    let fingerprint = fingerprint(&planned(web, plan));
    web.post(&format!("{plan}/confirm"), &format!("fingerprint={fingerprint}{more}"))
}

/// Has it done, and returns the page once it is over.
#[track_caller]
fn done(web: &Web, form: &str, end: &str) -> String {
    let plan = propose(web, form);
    let answer = confirm(web, &plan, "");
    assert_eq!(answer.status, 303, "{answer:?}");
    web.wait_for(&plan, end)
}

const DONE: &str = "done as it was shown";

#[test]
fn what_was_shown_is_applied_and_taken_back() {
    let host = or_skip!(shop());
    let web = start(&host);
    let before = host.wait_running(&[MAIL, QUEUES[0], QUEUES[1]]);
    host.inventory(&sites(", stopwaitsecs: 7").replace("numprocs: 2", "numprocs: 3"));
    let plan = propose(&web, "do=apply&site=shop.example");
    let page = planned(&web, &plan);
    for part in ["numprocs 2 -&gt; 3", "stopwaitsecs", "+numprocs=3", "Apply this", "restart"] {
        assert!(page.contains(part), "no {part}: {page}");
    }
    assert!(!page.contains(super::SECRET), "{page}");
    assert_eq!(host.wait_running(&[MAIL, QUEUES[0], QUEUES[1]]), before, "nothing is done before");
    let answer = confirm(&web, &plan, "&message=for+the+%3Csale%3E");
    assert_eq!((answer.status, answer.header("location")), (303, Some(plan.as_str())));
    let page = web.wait_for(&plan, DONE);
    assert!(page.contains("applied as revision"), "{page}");
    host.wait_running(&["shop.example-queue:shop.example-queue_02"]);
    let history = web.wait_for("/history", "for the &lt;sale&gt;");
    assert!(history.contains("\">apply</a>"), "{history}");
    let run = page.split("do\" value=\"rollback").nth(1).unwrap();
    let run = run.split("name=\"run\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let page = done(&web, &format!("do=rollback&run={run}"), DONE);
    assert!(page.contains("Takes back run"), "{page}");
    wait_until(PATIENCE, "the third process is gone", || {
        host.process("shop.example-queue:shop.example-queue_02").is_none()
    });
    let history = host.run(&["history", "--json"]).ended(0).stdout.clone();
    assert!(history.contains(&format!("rollback of {run}")), "{history}");
    web.end();
}

#[test]
fn programs_are_restarted_stopped_started_and_scaled() {
    let host = or_skip!(shop());
    let web = start(&host);
    let before = host.wait_running(&[MAIL, QUEUES[0], QUEUES[1]]);
    done(&web, "do=restart&site=shop.example&program=mail&host=here", DONE);
    let after = host.wait_running(&[MAIL, QUEUES[0], QUEUES[1]]);
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1..], before[1..], "only what was named");
    let page = done(&web, "do=restart&rolling=yes&site=shop.example&program=queue", DONE);
    assert!(page.contains("2 of 2"), "one at a time: {page}");
    done(&web, "do=stop&site=shop.example&program=mail", DONE);
    web.wait_for("/", "was stopped by hand");
    done(&web, "do=start&site=shop.example&program=mail", DONE);
    host.wait_running(&[MAIL]);
    let page = done(&web, "do=scale&processes=3&site=shop.example&program=queue", DONE);
    assert!(page.contains("numprocs: 3"), "the edit is shown: {page}");
    host.wait_running(&["shop.example-queue:shop.example-queue_02"]);
    let inventory = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    assert!(inventory.contains("numprocs: 3"), "{inventory}");
    let again = propose(&web, "do=scale&processes=3&site=shop.example&program=queue");
    web.wait_for(&again, "nothing to do");
    web.end();
}

/// Two people look at the same: the second one's plan is not what would be done any more.
#[test]
fn second_of_two_people_sees_that_the_host_has_changed() {
    let host = or_skip!(shop());
    let web = start(&host);
    host.inventory(&sites(", stopwaitsecs: 7"));
    let (first, second) = (propose(&web, "do=apply"), propose(&web, "do=apply"));
    let shown = planned(&web, &second);
    assert_eq!(confirm(&web, &first, "").status, 303);
    web.wait_for(&first, DONE);
    let pids = host.wait_running(&[MAIL, QUEUES[0], QUEUES[1]]);
    let late =
        web.post(&format!("{second}/confirm"), &format!("fingerprint={}", fingerprint(&shown)));
    assert_eq!(late.status, 303);
    let page = web.wait_for(&second, "failed, with exit status 1");
    assert!(page.contains("is not the one on this page any more"), "{page}");
    assert!(page.contains("the inventory or the host has changed since"), "{page}");
    assert_eq!(host.wait_running(&[MAIL, QUEUES[0], QUEUES[1]]), pids, "it is restarted once");
    web.end();
}

#[test]
fn only_what_was_shown_is_confirmed_and_once() {
    let host = or_skip!(shop());
    let web = start(&host);
    let plan = propose(&web, "do=restart&site=shop.example&program=mail");
    let shown = fingerprint(&planned(&web, &plan));
    for form in ["", "fingerprint=", "fingerprint=0000", &format!("fingerprint={shown}0")] {
        let answer = web.post(&format!("{plan}/confirm"), form);
        assert_eq!(answer.status, 409, "{form}: {answer:?}");
    }
    // Nothing is done by a question.
    for path in [format!("{plan}/confirm"), format!("{plan}/confirm?fingerprint={shown}")] {
        assert_eq!(web.get(&path).status, 404);
    }
    planned(&web, &plan);
    assert_eq!(confirm(&web, &plan, "").status, 303);
    let again = web.post(&format!("{plan}/confirm"), &format!("fingerprint={shown}"));
    assert_eq!(again.status, 409, "{again:?}");
    web.wait_for(&plan, DONE);
    assert_eq!(web.post("/plans/0000/confirm", "fingerprint=0").status, 404);
    for (form, part) in [
        ("do=restart&host=nowhere", "no host `nowhere` here"),
        ("do=restart&site=shop.exampl", "no site `shop.exampl` here"),
        ("do=scale&processes=3&site=shop.example&program=none", "none"),
    ] {
        let page = web.wait_for(&propose(&web, form), "cannot be done");
        assert!(page.contains(part), "{form}: {page}");
    }
    for (form, part) in [("do=remove", "not `remove`"), ("do=scale&processes=x", "`processes`")] {
        let answer = web.post("/plans", form);
        assert_eq!(answer.status, 400, "{form}");
        assert!(answer.body.contains(part), "{answer:?}");
    }
    web.end();
}

/// What may be done is said where it is started.
#[test]
fn only_what_is_allowed_is_done() {
    let host = or_skip!(shop());
    let web = start_with(&host, "restart");
    host.inventory(&sites(", stopwaitsecs: 7"));
    let plan = propose(&web, "do=apply");
    let page = web.wait_for(&plan, "waits for a yes");
    assert!(page.contains("was started without --allow apply"), "{page}");
    assert!(!page.contains("fingerprint"), "{page}");
    for action in ["confirm", "stop"] {
        assert_eq!(web.post(&format!("{plan}/{action}"), "fingerprint=0").status, 403);
    }
    for form in ["do=stop", "do=start", "do=rollback&run=20261120-101112-0001"] {
        assert_eq!(web.post("/plans", form).status, 403, "{form}");
    }
    let page = web.page(&super::page_of("mail"));
    assert!(page.contains("Restart…") && !page.contains("Stop…"), "{page}");
    done(&web, "do=restart&site=shop.example&program=mail", DONE);
    web.end();
}

/// A browser says which page has sent a form. Each of these is of another one, or of none.
#[test]
fn form_of_elsewhere_does_nothing() {
    let host = or_skip!(shop());
    let web = start(&host);
    let pids = host.wait_running(&[MAIL]);
    let own = format!("Origin: http://{}\r\n", web.address);
    let (_, port) = web.address.split_once(':').unwrap();
    let same = "Sec-Fetch-Site: same-origin\r\n";
    for headers in [
        String::new(),
        same.to_owned(),
        "Origin: null\r\n".to_owned(),
        "Origin: http://evil.example\r\n".to_owned(),
        format!("Origin: http://evil.example\r\n{same}"),
        format!("Origin: http://127.0.0.1:1\r\n{same}"),
        format!("Origin: http://localhost:{port}\r\n{same}"),
        format!("Origin: http://{}.evil.example\r\n{same}", web.address),
        format!("Origin: ftp://{}\r\n{same}", web.address),
        format!("{own}Origin: http://evil.example\r\n{same}"),
        format!("{own}Sec-Fetch-Site: cross-site\r\n"),
        format!("{own}Sec-Fetch-Site: same-site\r\n"),
        format!("{own}Sec-Fetch-Site: none\r\n"),
        format!("{own}{same}Sec-Fetch-Site: cross-site\r\n"),
        format!("Referer: http://{}/\r\n{same}", web.address),
    ] {
        let answer = web.post_as("/plans", "do=restart&site=shop.example", &headers);
        assert_eq!(answer.status, 403, "{headers}: {answer:?}");
    }
    assert!(web.page("/plans").contains("Nothing was asked for"));
    let own = format!("{own}{same}");
    let of_kind = |kind: &str| {
        web.ask(
            "POST",
            "/plans",
            &format!(
                "{own}Cookie: {}\r\nContent-Type: {kind}\r\nContent-Length: 0\r\n",
                web.cookie
            ),
        )
    };
    for kind in ["text/plain", "multipart/form-data; boundary=x", "application/json", ""] {
        assert_eq!(of_kind(kind).status, 415, "{kind}");
    }
    let without = web.ask(
        "POST",
        "/plans",
        &format!("{own}Content-Length: 0\r\nContent-Type: application/x-www-form-urlencoded\r\n"),
    );
    assert_eq!(without.status, 401, "nobody has signed in: {without:?}");
    assert_eq!(web.post("/plans", &"x".repeat(17 * 1024)).status, 413);
    // Over plain http from another machine, browsers do not say the second.
    let answer = web.post_as(
        "/plans",
        "do=restart&site=shop.example",
        &format!("Origin: http://{}\r\n", web.address),
    );
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(host.wait_running(&[MAIL]), pids);
    web.end();
}

/// What does not come up is put back, and the page says why, with the end of its log.
#[test]
fn failure_is_told_with_the_end_of_the_log() {
    let host = or_skip!(shop());
    let web = start(&host);
    let pids = host.wait_running(&QUEUES);
    host.inventory(&sites("").replace(
        "{program: mail, script: mail.sh, startsecs: 0}",
        "{program: mail, command: 'sh -c \"echo no <b>database</b>; exit 3\"', startsecs: 1, startretries: 0}",
    ));
    let page = done(&web, "do=apply", "failed, with exit status 4");
    for part in ["no &lt;b&gt;database&lt;/b&gt;", "rolled back", "is FATAL"] {
        assert!(page.contains(part), "no {part}: {page}");
    }
    host.wait_running(&[MAIL]);
    assert_eq!(host.wait_running(&QUEUES), pids);
    web.end();
}

/// Whoever interrupts what is under way, a person on its page or Ctrl-C: the next apply finishes it.
#[test]
fn what_is_interrupted_is_finished_by_the_next_apply() {
    let host = or_skip!(shop());
    for by_signal in [false, true] {
        let web = start(&host);
        // It counts as up only after a minute.
        host.inventory(&sites("").replace("mail.sh, startsecs: 0", "mail.sh, startsecs: 60"));
        let plan = propose(&web, "do=apply");
        assert_eq!(confirm(&web, &plan, "").status, 303);
        web.wait_for(&plan, "to be up and stay so");
        if by_signal {
            web.end();
            host.inventory(&sites(""));
            host.run(&["apply", "--yes"]).ended(0);
        } else {
            assert_eq!(web.post(&format!("{plan}/stop"), "").status, 303);
            let page = web.wait_for(&plan, "failed, with exit status 130");
            assert!(page.contains("interrupted while shop.example-mail was watched"), "{page}");
            host.inventory(&sites(""));
            let page = done(&web, "do=apply", DONE);
            assert!(page.contains("an apply that never ended"), "{page}");
            web.end();
        }
        host.run(&["status"]).ended(0);
    }
}

#[test]
fn machines_plan_and_confirm_too() {
    let host = or_skip!(shop());
    let web = start(&host);
    let created = web.post("/api/plans", "do=restart&site=shop.example&program=mail");
    assert_eq!(created.status, 201, "{created:?}");
    let plan = created.header("location").unwrap().to_owned();
    let documents = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let mut all = documents(&created.body);
    wait_until(PATIENCE, "it is planned", || {
        all = documents(&web.page(&plan));
        all[0]["stage"] == "planned"
    });
    assert_eq!((all[1]["kind"].as_str(), all[1]["host"].as_str()), (Some("plan"), Some("here")));
    let shown = all[0]["fingerprint"].as_str().unwrap().to_owned();
    let no = web.post(&format!("{plan}/confirm"), "fingerprint=0");
    assert_eq!((no.status, &documents(&no.body)[0]["kind"]), (409, &Value::from("error")));
    let yes = web.post(&format!("{plan}/confirm"), &format!("fingerprint={shown}"));
    assert_eq!(yes.status, 200, "{yes:?}");
    wait_until(PATIENCE, "it is done", || {
        all = documents(&web.page(&plan));
        all[0]["stage"] == "ended"
    });
    assert_eq!((&all[0]["exit_status"], &all[0]["hosts"][0]["state"]), (&0.into(), &"done".into()));
    assert!(all.iter().any(|one| one["kind"] == "applied"), "{all:?}");
    assert_valid(&web.page(&plan));
    web.end();
}

/// The hooks of the inventory hold here as well, and whoever is to be told is.
#[test]
fn hooks_and_notifications_hold() {
    let host = or_skip!(shop());
    let web = start(&host);
    let (said, refuses) = (host.path("said"), host.path("refuses"));
    let around = format!(
        "hooks:\n  before: 'test ! -e {refuses} && echo before >> {said}'\n  after: 'echo after >> {said}'\n\
         notify:\n  - {{command: 'cat >> {said}', on: [failed]}}\n",
        refuses = refuses.display(),
        said = said.display()
    );
    host.inventory_with(&around, &sites(", stopwaitsecs: 7"));
    std::fs::write(&refuses, "").unwrap();
    let page = done(&web, "do=apply", "failed, with exit status");
    assert!(page.contains("hooks.before"), "{page}");
    std::fs::remove_file(&refuses).unwrap();
    done(&web, "do=apply", DONE);
    assert_eq!(std::fs::read_to_string(&said).unwrap(), "before\nafter\n");
    web.end();
}

/// Where forms are taken.
const FORMS: [&str; 5] =
    ["/plans", "/plans/0000/confirm", "/plans/0000/stop", "/api/plans", "/api/plans/0000/confirm"];

#[test]
fn forms_have_an_end_and_a_name() {
    let host = or_skip!(shop());
    let web = start(&host);
    let own = format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", web.address);
    let head = |path: &str, headers: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nConnection: close\r\nCookie: {}\r\n{own}\
             Content-Type: application/x-www-form-urlencoded\r\n{headers}\r\n",
            web.cookie
        )
    };
    let name = format!("Host: {}\r\n", web.address);
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for path in FORMS {
        // Whatever is said of its length, no more is read than a form has.
        let long = format!("{name}Content-Length: 1073741824\r\n");
        let answer = web.raw((head(path, &long) + &"x".repeat(20_000)).as_bytes());
        assert_eq!(answer.status, 413, "{path}: {answer:?}");
        let chunked = format!("{name}Transfer-Encoding: chunked\r\n");
        let answer = web.raw((head(path, &chunked) + &chunk + &chunk).as_bytes());
        assert_eq!(answer.status, 413, "{path}: {answer:?}");
        for other in ["Host: evil.example\r\n", "Host: localhost\r\nHost: evil.example\r\n", ""] {
            let answer = web.raw(head(path, &format!("{other}Content-Length: 0\r\n")).as_bytes());
            assert!(matches!(answer.status, 400 | 421), "{path} {other}: {answer:?}");
        }
    }
    // Nothing of it comes: it is not waited for longer than ten seconds.
    let slow = head("/plans", &format!("{name}Content-Length: 10\r\n")) + "do=";
    assert_eq!(web.raw(slow.as_bytes()).status, 408);
    for path in ["/plans/../plans/x/confirm", "/plans/%2e%2e/confirm", "/plans//etc/passwd", "/"] {
        assert!(matches!(web.post(path, "do=stop").status, 404 | 405), "{path}");
    }
    assert!(web.page("/plans").contains("Nothing was asked for"));
    web.end();
}

#[test]
fn what_is_asked_for_is_shown_as_text() {
    let host = or_skip!(shop());
    let web = start(&host);
    let typed = "%3Cscript%3Ealert(1)%3C/script%3E%22%27%3E%3Cimg+src%3Dx%3E";
    for form in [
        format!("do=restart&host={typed}"),
        format!("do=restart&site={typed}"),
        format!("do=restart&site=shop.example&program={typed}"),
        format!("do={typed}"),
        format!("do={typed}%1B%5B2J"),
    ] {
        let answer = web.post("/plans", &form);
        let page = match answer.header("location") {
            Some(plan) => web.wait_for(plan, "cannot be done") + &web.page("/plans"),
            None => answer.body,
        };
        for markup in ["<script>alert", "<img", "\u{1b}"] {
            assert!(!page.contains(markup), "{form}: {page}");
        }
        assert!(page.contains("&lt;script&gt;"), "{form}: {page}");
    }
    let plan = propose(&web, "do=restart&site=shop.example&program=mail");
    confirm(&web, &plan, &format!("&message={typed}"));
    web.wait_for(&plan, DONE);
    let history = web.wait_for(&super::page_of("mail"), "restart");
    assert!(!history.contains("<script>alert"), "{history}");
    web.end();
}
