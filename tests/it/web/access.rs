//! Who signs in by name: what each may see and do, and how long.

use std::os::unix::fs::PermissionsExt as _;

use super::{Answer, SECRET, Web, page_of, shop, sites, wait_until};
use crate::daemon::PATIENCE;
use crate::hints::Hint;
use crate::site::Host;

/// `correct horse`, by bcrypt at its least cost.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
pub(super) const PASSWORD: &str = "correct horse";

pub(super) const USERS: &str = "users:
  - {name: ann, role: admin, password: HASH}
  - {name: oz, role: operate, password: HASH}
  - {name: val, role: view, password: HASH}
  - {name: lim, role: admin, sites: [shop.*], password: HASH}
  - {name: nil, role: admin, sites: [nothing.example], password: HASH}
  - {name: max, role: admin}
";

/// A fleet with another site, of which some may not know.
pub(super) fn two_sites() -> Option<Host> {
    let host = shop()?;
    host.deploy("other.example").worker("hidden");
    host.inventory(&format!(
        "{}\n  - domain: other.example\n    server: here\n    supervisors:\n      - {{program: hidden, \
         script: hidden.sh, startsecs: 0}}",
        sites("")
    ));
    host.run(&["apply", "--yes", "--site", "other.example"]).ended(0);
    Some(host)
}

pub(super) fn write_users(host: &Host, text: &str) {
    let path = host.path("users.yml");
    std::fs::write(&path, text.replace("HASH", &format!("\"{HASH}\""))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The web view with these users, of which nobody has signed in.
fn start(host: &Host, more: &[&str]) -> Web {
    write_users(host, USERS);
    start_with_file(host, more)
}

pub(super) fn start_with_file(host: &Host, more: &[&str]) -> Web {
    let users = host.path("users.yml").display().to_string();
    let audit = host.path("audit.jsonl").display().to_string();
    let arguments = ["web", "--auth", &users, "--audit", &audit, "--every", "1"];
    let listen = ["--listen", "127.0.0.1:0"];
    let listen = if more.contains(&"--listen") { &[][..] } else { &listen[..] };
    let arguments = [&arguments[..], listen, more, &["--json"]].concat();
    Web::listening(&mut host.command(&arguments))
}

impl Web {
    /// Sends the form of the page, as a browser with this cookie does.
    pub(super) fn try_to_sign_in(&self, name: &str, password: &str) -> Answer {
        let form = format!("name={name}&password={}", password.replace(' ', "+"));
        self.post("/sign-in", &form)
    }

    /// Is this user's browser from now on.
    #[track_caller]
    pub(super) fn becomes(&mut self, name: &str) {
        self.cookie = String::new();
        let answer = self.try_to_sign_in(name, PASSWORD);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{answer:?}");
        let set = answer.header("set-cookie").unwrap();
        self.cookie = set.split(';').next().unwrap().to_owned();
    }
}

/// Has a plan made, once those before it are, and returns the path of its page.
fn proposed(web: &Web, form: &str) -> String {
    let mut plan = None;
    wait_until(PATIENCE, &format!("{form} is planned"), || {
        let answer = web.post("/plans", form);
        plan = answer.header("location").map(str::to_owned);
        plan.is_some()
    });
    plan.unwrap()
}

/// Of a run that never was: who may ask is looked at before.
const ROLLBACK: &str = "rollback&run=20261130-000000-0000";

const PATHS: [&str; 9] = [
    "/",
    "/sites",
    "/hosts",
    "/hosts/here",
    "/history",
    "/plans",
    "/api/status",
    "/api/history",
    "/metrics",
];

#[test]
fn role_says_what_somebody_may_do() {
    let host = or_skip!(two_sites());
    let mut web = start(&host, &["--allow", "apply,restart,start,stop"]);
    let pids = host.wait_running(&["shop.example-mail:shop.example-mail"]);
    let deeds = ["restart", "stop", "start", "scale&processes=3", ROLLBACK];
    for (name, may) in
        [("val", [false; 5]), ("oz", [true, true, true, false, false]), ("ann", [true; 5])]
    {
        web.becomes(name);
        web.wait_for("/", "RUNNING x2");
        for path in PATHS {
            assert_eq!(web.get(path).status, 200, "{path} for {name}");
        }
        for (deed, may) in deeds.into_iter().zip(may) {
            let form = format!("do={deed}&site=shop.example&program=mail");
            let status = web.post("/plans", &form).status;
            assert_eq!(status != 403, may, "{form} by {name}: {status}");
            let status = web.post("/api/plans", &form).status;
            assert_eq!(status != 403, may, "{form} by {name}: {status}");
        }
        // What somebody else has asked for is not confirmed by who may not do it.
        if name == "ann" {
            let plan = proposed(&web, "do=restart&site=shop.example&program=mail");
            web.wait_for(&plan, "waits for a yes");
            web.becomes("val");
            for deed in ["confirm", "stop", "discard"] {
                let status = web.post(&format!("{plan}/{deed}"), "fingerprint=0").status;
                assert!(matches!(status, 403 | 404), "{deed}: {status}");
            }
        }
    }
    assert_eq!(host.wait_running(&["shop.example-mail:shop.example-mail"]), pids);
    web.end();
}

/// No page, document, log or plan has anything of a site that somebody may not know of.
#[test]
fn other_sites_are_not_there() {
    let host = or_skip!(two_sites());
    let mut web = start(&host, &["--allow", "apply,restart,start,stop"]);
    web.becomes("ann");
    for part in ["other.example", "hidden"] {
        web.wait_for("/", part);
        web.wait_for("/api/status", part);
    }
    let hidden = "/hosts/here/sites/other.example/programs/hidden";
    assert_eq!(web.get(hidden).status, 200);
    let theirs = proposed(&web, "do=restart&site=other.example");
    web.becomes("lim");
    web.wait_for("/", "RUNNING x2");
    let filtered =
        ["/?q=other", "/?q=hidden", "/sites?q=other", "/hosts?q=other", "/history?q=other"];
    for path in PATHS.into_iter().chain(filtered).chain(["/live/../", "/sites/shop.example"]) {
        let answer = web.get(path);
        let shown = answer.body.replace("value=\"other\"", "").replace("value=\"hidden\"", "");
        for part in ["other.example", "hidden.sh", "example-hidden"] {
            assert!(!shown.contains(part), "{part} in {path}: {shown}");
        }
    }
    assert_eq!(web.get("/metrics").status, 401, "it counts all");
    for path in [
        hidden,
        &format!("{hidden}/log"),
        &format!("{hidden}/log.txt"),
        "/sites/other.example",
        "/hosts/here/sites/other.example",
        "/api/log?host=here&site=other.example&program=hidden",
        &theirs,
    ] {
        assert_eq!(web.get(path).status, 404, "{path}");
    }
    for form in [
        "do=restart&site=other.example",
        "do=stop&site=other.example&program=hidden",
        "do=apply&site=other.example",
        "do=scale&processes=2&site=other.example&program=hidden",
        "do=restart&site=other.exampl",
        "do=restart&site=shop.example&program=hidde",
        "do=restart&host=here",
    ] {
        let plan = proposed(&web, form);
        let mut page = String::new();
        wait_until(PATIENCE, "it is planned", || {
            page = web.page(&plan);
            !page.contains("hosts are asked for their plans")
        });
        let of_others = !form.contains("host=here");
        assert!(!of_others || !page.contains("waits for a yes"), "{form}: {page}");
        for part in ["example-hidden", "hidden.sh", "did you mean"] {
            assert!(!page.contains(part), "{part} for {form}: {page}");
        }
    }
    assert_eq!(web.get(&page_of("mail")).status, 200);
    // A plan of before shows what they may not see any more.
    let before = proposed(&web, "do=restart&site=shop.example");
    assert_eq!(web.get(&before).status, 200);
    write_users(&host, &USERS.replace("[shop.*]", "[other.*]"));
    assert_eq!((web.get("/").status, web.get(&before).status), (200, 404));
    // Who sees no site sees no host.
    web.becomes("nil");
    assert_eq!(web.get("/hosts/here").status, 404);
    assert!(!web.page("/api/status").contains("shop.example"));
    web.end();
}

#[test]
fn wrong_passwords_wait_longer_each_time() {
    let host = or_skip!(two_sites());
    let mut web = start(&host, &[]);
    for (name, password) in
        [("ann", "wrong"), ("ann", ""), ("nobody", PASSWORD), ("max", PASSWORD), ("Ann", PASSWORD)]
    {
        let answer = web.try_to_sign_in(name, password);
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None), "{name}");
        assert!(answer.body.contains("The name or the password is wrong."), "{answer:?}");
    }
    let limited = web.try_to_sign_in("ann", PASSWORD);
    assert_eq!(limited.status, 429, "also with the right one");
    assert!(limited.header("retry-after").unwrap().parse::<u64>().unwrap() <= 2);
    wait_until(PATIENCE, "the next try is looked at", || {
        web.try_to_sign_in("ann", PASSWORD).status == 303
    });
    web.becomes("ann");
    let audit = std::fs::read_to_string(host.path("audit.jsonl")).unwrap();
    let count = |action: &str| audit.matches(&format!("\"action\":\"{action}\"")).count();
    assert_eq!(count("sign_in_failed"), 5, "{audit}");
    assert_eq!(count("sign_in_limited"), 1, "each time, it would fill the disk: {audit}");
    assert_eq!(count("signed_in"), 2, "{audit}");
    for part in ["wrong", "nobody", PASSWORD, "Ann"] {
        assert!(!audit.contains(part), "{part} is perhaps a password: {audit}");
    }
    web.end();
}

#[test]
fn each_sign_in_has_a_cookie_of_its_own() {
    let host = or_skip!(two_sites());
    let mut web = start(&host, &[]);
    assert!(web.ask("GET", "/sign-in", "").body.contains("autocomplete=\"current-password\""));
    web.becomes("ann");
    let former = web.cookie.clone();
    // The browser that signs in again shows its former cookie, or one that was planted.
    let again = web.try_to_sign_in("oz", PASSWORD);
    let set = again.header("set-cookie").unwrap().to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.split("; ").any(|part| part == attribute), "no {attribute}: {set}");
    }
    assert_eq!(web.get("/").status, 401, "the former one is void");
    web.cookie = set.split(';').next().unwrap().to_owned();
    assert_ne!(web.cookie, former);
    assert!(web.page("/").contains("oz"));
    let out = web.post("/sign-out", "");
    assert_eq!((out.status, out.header("location")), (303, Some("/sign-in")));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(web.get("/").status, 401);
    assert_eq!(web.get("/sign-out").status, 401, "a link signs nobody out");
    // Another page signs nobody in.
    for headers in ["", "Origin: http://evil.example\r\n", "Origin: null\r\n"] {
        let form = format!("name=ann&password={}", PASSWORD.replace(' ', "+"));
        assert_eq!(web.post_as("/sign-in", &form, headers).status, 403, "{headers}");
    }
    web.end();
}

#[test]
fn changed_file_holds_at_once() {
    let host = or_skip!(two_sites());
    let mut web = start(&host, &[]);
    web.becomes("ann");
    let ann = web.cookie.clone();
    web.becomes("oz");
    let oz = web.cookie.clone();
    let status = |cookie: &str| web.ask("GET", "/hosts", &format!("Cookie: {cookie}\r\n")).status;
    assert_eq!((status(&ann), status(&oz)), (200, 200));
    let hash = format!("\"{HASH}\"");
    let other = HASH.replace("$04$", "$05$");
    let line = format!("name: oz, role: operate, password: {hash}");
    write_users(
        &host,
        &USERS
            .replace("HASH", &hash)
            .replace(&line, &format!("name: oz, role: view, password: \"{other}\"")),
    );
    assert_eq!((status(&ann), status(&oz)), (200, 401), "it has another password");
    let without = USERS.lines().filter(|line| !line.contains("ann")).collect::<Vec<_>>().join("\n");
    write_users(&host, &without);
    assert_eq!(status(&ann), 401, "is not there any more");
    write_users(&host, USERS);
    assert_eq!(status(&ann), 200);
    // With an error the former one holds, and it is said.
    std::fs::write(host.path("users.yml"), "users: [{name: ann}]\n").unwrap();
    assert_eq!(status(&ann), 200);
    wait_until(PATIENCE, "it is said", || {
        web.running.stdout().contains("the users are those of before")
    });
    web.end();
}

/// What others could have written is not believed, and what they can read is not used.
#[test]
fn file_is_its_owners() {
    let host = or_skip!(two_sites());
    let path = host.path("users.yml").display().to_string();
    let run = || host.run(&["web", "--auth", &path, "--listen", "127.0.0.1:0"]).ended(1);
    write_users(&host, USERS);
    for (mode, said) in [(0o666, "may be written by other users"), (0o644, "others may read it")] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let told = run().complains("is not safe to use").complains(said);
        if mode == 0o644 {
            host.follow(&told.stderr, Hint("chmod go-rwx {}")).ended(0);
            let web = start_with_file(&host, &[]);
            web.end();
        }
    }
    write_users(&host, "users:\n  - {name: ann, role: king, password: HASH}\n");
    let told = run();
    let told = told.complains("users.yml:2").complains("role");
    assert!(!told.stderr.contains(HASH), "{}", told.stderr);
}

/// Where nothing can be noted, nobody signs in.
#[test]
fn what_cannot_be_noted_is_not_done() {
    let host = or_skip!(two_sites());
    let web = start(&host, &[]);
    let path = host.path("audit.jsonl");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let answer = web.try_to_sign_in("ann", PASSWORD);
    assert_eq!((answer.status, answer.header("set-cookie")), (503, None), "{answer:?}");
    std::fs::remove_dir(&path).unwrap();
    assert_eq!(web.try_to_sign_in("ann", PASSWORD).status, 303);
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"who\":\"ann\""));
    assert!(!web.running.stdout().contains(SECRET));
    web.end();
}

#[test]
fn hash_is_made_without_other_tools() {
    let host = or_skip!(two_sites());
    let mut command = host.command(&["web", "--hash-password"]);
    std::fs::write(host.path("password"), "battery staple\n").unwrap();
    let run = command.stdin(std::fs::File::open(host.path("password")).unwrap().into()).run();
    let hash = run.ended(0).stdout.trim().to_owned();
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    write_users(&host, &format!("users: [{{name: ann, role: view, password: '{hash}'}}]\n"));
    let web = start_with_file(&host, &[]);
    assert_eq!(web.try_to_sign_in("ann", "battery staple").status, 303);
    assert_eq!(web.try_to_sign_in("ann", "battery").status, 401);
    web.end();
    std::fs::write(host.path("password"), "short\n").unwrap();
    let short = std::fs::File::open(host.path("password")).unwrap();
    host.command(&["web", "--hash-password"]).stdin(short.into()).run().ended(2);
}

/// Passwords never go in clear over a network.
#[test]
fn elsewhere_is_listened_on_with_a_proxy_alone() {
    let host = or_skip!(two_sites());
    let path = host.path("users.yml").display().to_string();
    write_users(&host, USERS);
    let run = host.run(&["web", "--auth", &path, "--listen", "192.0.2.1:80"]).ended(2);
    run.complains("passwords would be readable on the way").complains("proxy: {from: [192.0.2.7]}");
    write_users(&host, &format!("{USERS}proxy: {{from: [192.0.2.7]}}\n"));
    let run = host.run(&["web", "--auth", &path, "--listen", "0.0.0.0:0"]).ended(2);
    run.complains("names: [fleet.example.com]");
}
