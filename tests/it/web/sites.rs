//! What the pages of sites say.

use super::{Web, shop, sites, text};
use crate::site::Host;

/// The links of a page that lead there.
fn links_to(page: &str, place: &str) -> usize {
    page.matches(&format!("href=\"{place}\"")).count()
}

#[test]
fn site_has_a_page() {
    let host = or_skip!(shop());
    let web = Web::start(&host);
    let programs = web.wait_for("/", "RUNNING x2");
    let on_host = "/hosts/here/sites/shop.example";
    assert_eq!(links_to(&programs, on_host), 2, "each row leads to its site: {programs}");
    let overview = web.wait_for("/sites", "shop.example");
    assert_eq!(links_to(&overview, "/sites/shop.example"), 1, "{overview}");
    assert!(text(&overview).contains("1 site, what is wrong first"), "{overview}");
    for (place, title) in
        [("/sites/shop.example", "shop.example"), (on_host, "shop.example on here")]
    {
        let page = web.wait_for(place, "the &lt;first&gt; run");
        assert!(page.contains(&format!("<h1>{title}</h1>")), "{page}");
        let page = text(&page);
        for part in [
            "as wanted",
            "2 running as wanted RUNNING x2",
            "mail shop.example",
            "Last runs apply",
            "revision 1, present",
        ] {
            assert!(page.contains(part), "no {part:?} on {place}: {page}");
        }
    }
    let page = text(&web.page("/sites/shop.example"));
    assert!(page.contains("here as wanted 2 1 "), "two programs, no orphan, revision 1: {page}");
    let filtered = text(&web.page("/sites/shop.example?q=mail"));
    assert!(!filtered.contains("queue shop.example"), "{filtered}");
    for nowhere in ["/sites/other.example", "/hosts/here/sites/other.example"] {
        assert_eq!(web.get(nowhere).status, 404, "{nowhere}");
    }
    web.end();
}

/// What is wrong with a site stands on its pages, and what it has left over.
#[test]
fn problems_of_a_site_are_on_its_page() {
    let host = or_skip!(Host::start());
    let site = host.deploy("shop.example");
    ["queue", "mail", "old"].into_iter().for_each(|name| site.worker(name));
    let calm = host.deploy("calm.example");
    calm.worker("quiet");
    let more = "\n  - domain: calm.example\n    server: here\n    supervisors:\n      - {program: quiet, script: quiet.sh, startsecs: 0}";
    let old = sites("") + "\n      - {program: old, script: old.sh, startsecs: 0}";
    host.inventory(&(old + more));
    host.run(&["apply", "--yes"]).ended(0);
    host.inventory(&(sites("") + more));
    host.stop_by_hand("shop.example-mail:shop.example-mail");
    let web = Web::start(&host);
    web.wait_for("/", "was stopped by hand");
    let page = text(&web.page("/sites"));
    assert!(page.find("shop.example here") < page.find("calm.example here"), "{page}");
    let page = text(&web.page("/sites?show=problems"));
    assert!(page.contains("1 site") && !page.contains("calm.example"), "{page}");
    let page = web.page("/sites?show=orphaned");
    assert!(text(&page).contains("1 program orphaned"), "{page}");
    assert_eq!(links_to(&page, "/?show=orphaned"), 1, "{page}");
    assert!(text(&page).contains("shop.example here 3 2 1 "), "{page}");
    for place in ["/?show=orphaned", "/sites/shop.example?show=orphaned"] {
        let page = text(&web.page(place));
        assert!(page.contains("old shop.example"), "{place}: {page}");
        assert!(page.contains("no program needs it any more"), "{place}: {page}");
        assert!(!page.contains("mail shop.example"), "{place}: {page}");
    }
    let page = text(&web.page("/hosts/here/sites/shop.example"));
    for part in ["2 not as wanted", "1 orphaned", "was stopped by hand", "old shop.example"] {
        assert!(page.contains(part), "no {part:?}: {page}");
    }
    assert!(!page.contains("quiet"), "of another site: {page}");
    web.end();
}

/// A rollback is a note of its site, and a host that is silent says since when.
#[test]
fn notes_of_a_site_are_on_its_page() {
    let mut host = or_skip!(shop());
    host.inventory(&sites(", stopwaitsecs: 7"));
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["rollback", "--yes"]).ended(0);
    let web = Web::start(&host);
    web.wait_for("/", "RUNNING x2");
    let page = text(&web.wait_for("/sites/shop.example", "the inventory was not applied since"));
    assert!(page.contains("Notes here as after"), "{page}");
    host.daemon.stop();
    let page = text(&web.wait_for("/sites/shop.example", "the whole site"));
    assert!(page.contains("1 not healthy"), "{page}");
    host.daemon.start_again();
    web.end();
}
