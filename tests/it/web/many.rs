//! Five hundred hosts that answer at once, with five thousand programs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};
use supervisor_sync::api::wire::PROTOCOL;

use super::{PATIENCE, Web, wait_until};
use crate::site::Invocation;
use crate::sshd::Keyring;

const HOSTS: usize = 500;
const PROGRAMS: usize = 10;
const RUNS: usize = 20;
/// As `status` does.
const AT_ONCE: usize = 16;

/// Hosts behind an ssh that answers by itself: program 3 of host 400 is FATAL, host 77 does not answer.
pub(super) fn fleet() -> Option<Keyring> {
    let keyring = Keyring::new()?;
    let mut inventory = "servers:\n".to_owned();
    for host in 0..HOSTS {
        let _ = writeln!(inventory, "  - {{name: web{host}, host: web{host}, username: root}}");
    }
    inventory += "sites:\n";
    for host in 0..HOSTS {
        let _ = write!(
            inventory,
            "  - domain: site{host}.example\n    server: web{host}\n    supervisors:\n"
        );
        for program in 0..PROGRAMS {
            let _ = writeln!(inventory, "      - {{program: p{program}, command: sleep 1}}");
        }
    }
    std::fs::write(keyring.path("deployer.yml"), inventory).unwrap();
    let replies = [
        ("left", json!({"reply": "left", "left": {"sites": [], "unreadable": []}})),
        ("status", json!({"reply": "status", "sites": [{"site": "SITE", "status": status()}]})),
        ("history", json!({"reply": "history", "sites": [history()]})),
        (
            "revision_diff",
            json!({"reply": "revision_diffs", "sites": [{"site": "SITE", "diff": "+numprocs=2"}]}),
        ),
        ("includes", json!({"reply": "includes", "includes": includes()})),
    ];
    let cases: String = replies
        .map(|(request, reply)| {
            let reply = json!({"reply": reply}).to_string().replace("SITE", "'\"$site\"'");
            format!("*'\"request\":\"{request}\"'*) echo '{reply}' | sed \"$odd\";;\n")
        })
        .concat();
    let (asked, folder) = (keyring.path("asked"), keyring.path("now"));
    std::fs::create_dir(&folder).unwrap();
    keyring.write_wrapper(&format!(
        "all=\"$*\"; name=${{all#*-- }}; name=${{name%% *}}; site=site${{name#web}}.example\n\
         echo \"$name\" >> {asked}\n: > {folder}/$$\nls {folder} | wc -l >> {asked}.at_once\n\
         trap 'rm -f {folder}/$$' EXIT\n\
         [ $name != web77 ] || {{ echo 'web77: no route' >&2; exit 255; }}\n\
         odd='s/ODD/RUNNING/; s/HEALTH/up/'\n\
         [ $name != web400 ] || odd='s/ODD/FATAL/; s/HEALTH/unhealthy\",\"reason\":\"was given up/'\n\
         echo '@supervisor-sync HAVE direct root /x'\n\
         echo '{{\"hello\":{{\"protocol\":{PROTOCOL},\"release\":\"x\"}}}}'\n\
         while read -r line; do\ncase $line in\n{cases}esac\ndone",
        asked = asked.display(),
        folder = folder.display(),
    ));
    Some(keyring)
}

/// A supervisord that reads one file and does not run.
fn includes() -> Value {
    json!({
        "main": {"path": "/etc/supervisord.conf", "bytes": "", "mode": 420}, "files": [],
        "patterns": [], "node": "x", "environment": {}, "records": [], "unreadable": [],
        "daemon": {"Err": {"kind": "refused", "message": "no", "causes": [], "hints": []}},
    })
}

fn status() -> Value {
    let program = |number: usize| {
        let (state, health) = if number == 3 { ("ODD", "HEALTH") } else { ("RUNNING", "up") };
        json!({
            "program": format!("p{number}"), "wanted": "running", "numprocs": 1, "drift": [],
            "processes": [{
                "process": format!("SITE-p{number}:SITE-p{number}_00"),
                "state": state, "health": {"health": health}, "pid": 100 + number, "uptime": 4000,
                "restarts_seen": 0, "ended": null,
            }],
        })
    };
    let programs: Vec<Value> = (0..PROGRAMS).map(program).collect();
    json!({"site": "SITE", "programs": programs, "problems": [], "notes": []})
}

/// The web view of them, once each was asked.
pub(super) fn web(keyring: &Keyring) -> Web {
    let arguments = ["web", "--listen", "127.0.0.1:0", "--every", "3600", "--json"];
    let web = Web::of(&mut Invocation::with_keys(keyring, &arguments));
    wait_until(8 * PATIENCE, "each host was asked", || {
        let page = web.page("/");
        page.contains("500 hosts, 5,000 programs") && !page.contains("not asked yet")
    });
    web
}

/// As many runs as are kept, each of the whole fleet.
fn history() -> Value {
    let revision = |number: usize| {
        let at = format!("2026-01-01T00:00:{number:02}Z");
        let run = json!({
            "id": format!("20260101-0000{number:02}-0000"), "user": "ann", "host": "desk",
            "command": "apply", "at": at, "message": format!("release {number}"),
        });
        let origin = json!({"user": "ann", "pid": 1, "purpose": "apply", "at": at, "run": run});
        json!({"number": number, "origin": origin, "programs": 10, "files": 20, "changed": true})
    };
    let revisions: Vec<Value> = (1..=RUNS).map(revision).collect();
    json!({"site": "SITE", "revisions": revisions})
}

#[test]
fn large_fleet_is_shown_page_by_page() {
    let keyring = or_skip!(fleet());
    let web = web(&keyring);
    let page = web.page("/");
    assert!(page.contains("web77: no route"), "{page}");
    assert!(page.contains("FATAL"), "what is wrong is on the first page: {page}");
    assert_eq!(page.matches("<tbody").count(), 100);
    assert!(page.len() < 80_000, "{} bytes", page.len());
    assert!(page.contains("Page 1 of 50"), "{page}");
    let last = web.page("/?page=50");
    assert_eq!(last.matches("<tbody").count(), 100);
    let of_one = web.page("/?q=site123.example");
    assert_eq!(of_one.matches("<tbody").count(), PROGRAMS);
    let hosts = web.page("/hosts?page=5");
    assert_eq!(hosts.matches("<th scope=\"row\"").count(), 100);
    let overview = web.page("/sites?page=5");
    assert_eq!(overview.matches("<th scope=\"row\"").count(), 100);
    assert!(overview.contains("Page 5 of 5"), "{overview}");
    let first = web.page("/sites");
    for of_one in ["site77.example", "site400.example"] {
        assert!(first.contains(of_one), "what is wrong is on the first page: {of_one}");
    }
    let history = web.page("/history");
    assert_eq!(history.matches("<h3>").count(), RUNS);
    assert!(history.contains("and 489 more"), "{history}");
    assert!(history.len() < 80_000, "{} bytes", history.len());
    let documents = web.page("/api/status");
    assert_eq!(documents.lines().count(), HOSTS);
    // Many pages were made, and no host was asked for one: each once, so many at once.
    let asked = std::fs::read_to_string(keyring.path("asked")).unwrap();
    let names: BTreeSet<&str> = asked.lines().collect();
    assert_eq!((asked.lines().count(), names.len()), (HOSTS, HOSTS));
    let at_once = std::fs::read_to_string(keyring.path("asked.at_once")).unwrap();
    let most = at_once.lines().map(|line| line.trim().parse::<usize>().unwrap()).max().unwrap();
    assert!((2..=AT_ONCE).contains(&most), "{most} at once");
    // What a run changed is asked of those hosts that are on the page, once.
    let run = format!("/runs/20260101-0000{RUNS:02}-0000");
    wait_until(4 * PATIENCE, "each has told what it changed", || {
        web.page(&run).matches("+numprocs=2").count() == 100
    });
    let page = web.page(&run);
    assert_eq!(page.matches("<th scope=\"row\"").count(), 100);
    assert!(page.contains("Page 1 of 5"), "{page}");
    let asked = std::fs::read_to_string(keyring.path("asked")).unwrap();
    assert_eq!(asked.lines().count(), HOSTS + 100);
    web.end();
}
