//! Several sites on one host: each is told of by its name, and when it is done.

use super::{IMPATIENT, documents, site};
use crate::daemon::{PATIENCE, wait_until};
use crate::site::Host;

fn want(host: &Host, seconds: u32) {
    let program =
        |name: &str| format!("program: {name}, script: {name}.sh, stopwaitsecs: {seconds}");
    let bad = "program: bad, script: bad.sh, autorestart: false";
    let c = if seconds == 600 { "program: w, script: w.sh" } else { bad };
    let sites =
        [site("a.com", &[&program("w")]), site("b.com", &[&program("w")]), site("c.com", &[c])];
    host.inventory_with(IMPATIENT, &sites.concat());
}

/// `a.com` drains until the gate is opened, `b.com` does not, and what `c.com` is to run fails.
fn host_of_three() -> Option<Host> {
    let host = Host::start()?;
    host.deploy("a.com").drainer("w");
    host.deploy("b.com").worker("w");
    let c = host.deploy("c.com");
    c.worker("w");
    c.crasher("bad");
    want(&host, 600);
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_starts("a.com-w", 1);
    want(&host, 601);
    Some(host)
}

#[test]
fn done_site_is_told_during_drain() {
    let host = or_skip!(host_of_three());
    let run = host.command(&["apply", "--yes"]).spawn();
    wait_until(PATIENCE, "b.com and c.com are told of", || {
        let told = run.stdout();
        told.contains("Site b.com: applied as revision 2\n")
            && told.contains("Site c.com: rolled back, it is as it was\n")
    });
    let (said, complained) = (run.stdout(), run.stderr());
    assert!(!said.contains("Site a.com: "), "{said}");
    assert!(complained.contains("    | bad has no database\n"), "{complained}");
    assert!(complained.contains("→ a.com: Updating supervisor (1)\n"), "{complained}");
    assert!(complained.contains("→ c.com: Putting everything back\n"), "{complained}");
    assert!(complained.contains("→ Rereading supervisor configs\n"), "{complained}");
    host.open_gate();
    let run = run.wait().ended(6);
    for told in ["Site a.com: applied", "Site b.com: applied", "Site c.com: rolled back"] {
        assert_eq!(run.stdout.matches(told).count(), 1, "{}", run.stdout);
    }
    assert_eq!(run.stderr.matches("has no database").count(), 1, "{}", run.stderr);
}

#[test]
fn machines_are_told_at_once_too() {
    let host = or_skip!(host_of_three());
    let run = host.command(&["apply", "--yes", "--json"]).spawn();
    wait_until(PATIENCE, "b.com and c.com are told of", || {
        run.stdout().matches(r#""event":"site_ended""#).count() == 2
    });
    host.open_gate();
    let documents = documents(&run.wait().ended(6));
    let ends: Vec<_> = documents.iter().filter(|one| one["event"] == "site_ended").collect();
    let of = |site: &str| *ends.iter().find(|end| end["site"] == site).unwrap();
    assert_eq!((ends.len(), &ends[2]["site"]), (3, &"a.com".into()));
    assert_eq!((of("b.com")["revision"].as_u64(), of("b.com").get("failure")), (Some(2), None));
    assert_eq!(of("c.com")["failure"]["kind"], "rolled_back");
    assert_eq!(of("c.com")["troubles"][0]["log"][0], "bad has no database");
    let applied = documents.iter().filter(|one| one["kind"] == "applied");
    assert_eq!(applied.count(), 1, "what it came to is one document as ever");
}
