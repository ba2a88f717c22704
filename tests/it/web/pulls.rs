//! What the pages say of hosts that pull.

use serde_json::json;

use super::{Web, text};
use crate::pulls::{CRASHER, Pulling, WORKER};

/// The web view of the inventory that is published, with the store.
fn start(pulling: &Pulling) -> Web {
    let store = ["--store", &pulling.source];
    let arguments = ["web", "--listen", "127.0.0.1:0", "--every", "1", "--json"];
    Web::of(&mut pulling.host.command(&[&arguments[..1], &store, &arguments[1..]].concat()))
}

#[test]
fn hosts_that_pull_say_how_they_are() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    let web = start(&pulling);
    web.wait_for("/", "RUNNING");
    let page = text(&web.wait_for("/hosts", "Pulls"));
    assert!(page.contains("ago done , serial 1"), "{page}");
    assert!(page.contains("Serial 1 was published last"), "{page}");
    let page = web.page("/hosts/here");
    assert!(text(&page).contains("As it says itself done , serial 1, said"), "{page}");
    let run = page.split_once("href=\"/runs/").unwrap().1.split('"').next().unwrap();
    web.wait_for(&format!("/runs/{run}"), "revision 1, present");
    // It holds.
    pulling.holds(&["hold", "the sale"]).ended(0);
    pulling.pull(&[]);
    let page = text(&web.wait_for("/hosts/here", "the sale"));
    assert!(page.contains("As it says itself held , serial 1"), "{page}");
    assert!(!web.page("/").contains("not as published"), "nobody has to see to it");
    pulling.holds(&["resume"]).ended(0);
    // It rolls back, and is a problem then.
    pulling.wants(&[("a.com", &[CRASHER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(4);
    let page = web.wait_for("/", "1 host not as published");
    assert!(
        page.contains("<a href=\"/hosts?show=problems\">1 host not as published</a>"),
        "{page}"
    );
    let page = text(&web.page("/hosts?show=problems&q=rolled"));
    assert!(page.contains("rolled back , serial 2"), "{page}");
    let page = text(&web.page("/hosts/here"));
    assert!(page.contains("a.com :"), "the site is named: {page}");
    web.end();
}

/// Whoever can write to the store can say anything.
#[test]
fn what_a_store_says_is_text() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    let markup = "<script>alert(1)</script>\u{1b}[2J";
    for (object, name) in [("here", "here"), ("other", markup)] {
        let status = json!({
            "name": name, "release": markup, "at": "2026-01-01T00:00:00Z", "outcome": "failed",
            "cause": markup, "serial": 1, "troubles": [{"site": "a.com", "cause": markup}],
        });
        pulling.write(&format!("status/{object}.json"), status.to_string().as_bytes());
    }
    pulling.write("status/broken.json", b"<script>alert(2)</script>");
    let web = start(&pulling);
    let page = web.wait_for("/hosts", "Hosts that pull and are not here");
    assert!(text(&page).contains("silent for"), "{page}");
    for path in ["/hosts", "/hosts/here", "/", "/hosts?q=failed", "/api/status"] {
        let page = web.page(path);
        assert!(!page.contains("<script>") && !page.contains('\u{1b}'), "{path}: {page}");
    }
    assert!(web.page("/hosts/here").contains("&lt;script&gt;"));
    assert!(web.page("/hosts").contains("cannot read status/broken.json"));
    web.end();
}

#[test]
fn store_that_does_not_answer_is_told() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    let web = start(&pulling);
    web.wait_for("/hosts", "Pulls");
    let away = pulling.host.path("away");
    std::fs::rename(pulling.store(), &away).unwrap();
    let page = web.wait_for("/hosts", "The store does not tell");
    assert!(text(&page).contains("done , serial 1"), "what it had said is kept: {page}");
    std::fs::rename(&away, pulling.store()).unwrap();
    super::wait_until(super::PATIENCE, "it tells again", || {
        !web.page("/hosts").contains("The store does not tell")
    });
    web.end();
}
