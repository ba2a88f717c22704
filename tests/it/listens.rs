//! supervisord is met where it listens, whatever its files say by now, and read as it reads itself: with
//! its own environment, by links, by `..` and with files that end in `.ini`.

#![expect(clippy::disallowed_methods, reason = "writes files of others")]

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use supervisor_sync::supervisord::{Listener, Login};

use crate::daemon::{Options, version};
use crate::site::Host;
use crate::sshd::free_port;

fn unix(path: PathBuf, (username, password): (&str, &str)) -> Listener {
    Listener::Unix { path, login: Some(Login::new(username, password)) }
}

/// A host where `a.com` is deployed and wants `w`.
fn wanting_host(options: Options) -> Option<Host> {
    let host = Host::start_with(options)?;
    host.deploy("a.com").worker("w");
    wants(&host, "w");
    Some(host)
}

fn wants(host: &Host, program: &str) {
    let program = format!("    supervisors:\n      - {{program: {program}, script: w.sh}}\n");
    host.inventory(&format!("  - domain: a.com\n    server: here\n{program}"));
}

/// An apply that reaches the host's own supervisord, and finds nothing to do afterwards.
#[track_caller]
fn assert_served(host: &Host) {
    host.run(&["apply", "--yes"]).ended(0);
    host.wait_running(&["a.com-w:a.com-w"]);
    host.run(&["plan", "--exit-code"]).ended(0);
    host.run(&["status"]).ended(0);
}

/// It opens its sockets when it starts: what an included file says since is in force for nobody.
#[test]
fn late_included_socket_is_not_used() {
    let port = free_port();
    for theirs in [
        "[unix_http_server]\nfile=/tmp/no-such-supervisor.sock\n".to_owned(),
        "[unix_http_server]\nfile=/tmp/no-such-supervisor.sock\nusername=x\npassword=y\n"
            .to_owned(),
        "[unix_http_server]\nusername=x\npassword=y\n".to_owned(),
        "[unix_http_server]\nusername=x\npassword={SHA}82ab876d1387\n".to_owned(),
        "[unix_http_server]\nfile=%(ENV_NOT_YET)s/s.sock\n".to_owned(),
        format!("[inet_http_server]\nport=127.0.0.1:{port}\n"),
    ] {
        let host = or_skip!(wanting_host(Options::default()));
        host.daemon.write_conf("theirs", &theirs);
        if theirs.contains("ENV_NOT_YET") {
            // supervisord refuses it, and is asked.
            let said = host.run(&["apply", "--yes"]).ended(1).stderr;
            assert!(said.contains("theirs.conf, line 2 (file of [unix_http_server])"), "{said}");
            continue;
        }
        assert_served(&host);
    }
}

#[test]
fn early_included_socket_is_used() {
    let mut host = or_skip!(wanting_host(Options::default()));
    let socket = host.path("theirs.sock").display().to_string();
    let theirs = format!("[unix_http_server]\nfile={socket}\nusername=x\npassword=s3cr3t\n");
    host.daemon.write_conf("theirs", &theirs);
    host.daemon.restart_at(unix(host.path("theirs.sock"), ("x", "s3cr3t")));
    assert_eq!(host.run(&["plan"]).ended(0).stderr, "");
    host.run(&["apply", "--yes"]).ended(0);
    // Also when it says something else by now.
    host.daemon.write_conf("theirs", &theirs.replace("theirs.sock", "other.sock"));
    host.run(&["plan", "--exit-code"]).ended(0);
}

/// Whoever listens where an included file says is somebody else.
#[test]
fn other_supervisord_is_left_alone() {
    let other = or_skip!(crate::daemon::Daemon::start());
    let host = or_skip!(wanting_host(Options::default()));
    let theirs = format!("[unix_http_server]\nfile={}\n", other.socket().display());
    host.daemon.write_conf("theirs", &theirs);
    assert_served(&host);
    assert!(other.processes().is_empty());
}

#[test]
fn tcp_listener_is_met_with_password() {
    let mut host = or_skip!(wanting_host(Options::default()));
    let main = std::fs::read_to_string(host.daemon.main_conf()).unwrap();
    let socket = format!("[unix_http_server]\nfile={}\n", host.daemon.socket().display());
    let port = free_port();
    std::fs::write(host.daemon.main_conf(), main.replace(&socket, "")).unwrap();
    host.daemon.write_conf(
        "theirs",
        &format!(
            "[inet_http_server]\nport=*:{port}\nusername=%(ENV_WHO)s\npassword=%(ENV_SECRET)s\n"
        ),
    );
    host.daemon.set_environment(&[("WHO", "me"), ("SECRET", "s3cr3t")]);
    let login = Some(Login::new("me", "s3cr3t"));
    host.daemon.restart_at(Listener::Tcp { host: "127.0.0.1".to_owned(), port, login });
    host.run(&["apply", "--yes"]).ended(0);
    let run = host.run(&["plan", "--exit-code"]).ended(0);
    assert!(!run.stdout.contains("s3cr3t"), "{}", run.stdout);
}

/// Of a hash nobody can send the password; supervisorctl has it in a section of its own.
#[test]
fn hashed_password_comes_from_supervisorctl() {
    let mut host = or_skip!(wanting_host(Options::default()));
    let main = std::fs::read_to_string(host.daemon.main_conf()).unwrap();
    let socket = format!("file={}\n", host.daemon.socket().display());
    let login = "username=me\npassword={SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d\n";
    let hashed = main.replace(&socket, &format!("{socket}{login}"));
    let plain = "[supervisorctl]\nusername=me\npassword=thepassword\n";
    std::fs::write(host.daemon.main_conf(), hashed.replace("[supervisorctl]\n", plain)).unwrap();
    host.daemon.restart_at(unix(host.daemon.socket(), ("me", "thepassword")));
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["plan", "--exit-code"]).ended(0);
    std::fs::write(host.daemon.main_conf(), hashed).unwrap();
    let run = host.run(&["plan"]).ended(1);
    let run = run.complains("[unix_http_server] has a password that is stored as a {SHA} hash");
    run.complains("hint: add a [unix_http_server] section without a password");
}

#[test]
fn absent_supervisord_lists_what_was_tried() {
    let mut host = or_skip!(wanting_host(Options::default()));
    let socket = host.daemon.socket();
    host.daemon.write_conf("theirs", "[unix_http_server]\nfile=/tmp/no-such-supervisor.sock\n");
    host.daemon.stop();
    let run = host.run(&["plan"]).ended(1);
    let run = run.complains(&format!(
        "no supervisord listens on /tmp/no-such-supervisor.sock ({}) or {} ({})",
        host.conf("theirs").display(),
        socket.display(),
        host.daemon.main_conf().display()
    ));
    run.complains("hint: start it: systemctl start supervisor");
    // A socket that nobody of ours has opened is no supervisord.
    drop(UnixListener::bind(&socket).unwrap());
    host.run(&["plan"]).ended(1).complains("no supervisord listens on ");
    // Of all its sites once.
    let site = |domain| {
        format!(
            "  - {{domain: {domain}, server: here, supervisors: [{{program: w, command: sleep 1, \
             directory: /tmp}}]}}\n"
        )
    };
    host.inventory(&(site("a.com") + &site("b.com")));
    let told = host.run(&["apply", "--yes"]).ended(1).stderr;
    assert_eq!(told.matches("no supervisord listens on ").count(), 1, "{told}");
}

/// Whether supervisord expands what `[supervisord] environment=` says.
fn has_own_environment() -> bool {
    version().is_none_or(|version| version.expands_its_environment_option())
}

/// The variables are those of supervisord, not ours.
#[test]
fn variables_expand_as_supervisords() {
    let mut host = or_skip!(wanting_host(Options::default()));
    let main = std::fs::read_to_string(host.daemon.main_conf()).unwrap();
    let conf_dir = format!("files={}", host.daemon.conf_dir().display());
    let socket = format!("file={}\n", host.daemon.socket().display());
    let main = main.replace(&conf_dir, "files=%(ENV_WHERE)s/conf.d").replace(
        &socket,
        "file=%(ENV_WHERE)s/s.sock\nusername=%(ENV_WHO)s\npassword=%(ENV_SECRET)s\n",
    );
    let main = main.replace("[supervisord]\n", "[supervisord]\nenvironment=SECRET=\"s3cr3t\"\n");
    std::fs::write(host.daemon.main_conf(), main).unwrap();
    let root = host.daemon.root().display().to_string();
    let secret = if has_own_environment() { "another" } else { "s3cr3t" };
    host.daemon.set_environment(&[("WHERE", &root), ("WHO", "me"), ("SECRET", secret)]);
    host.daemon.restart_at(unix(host.daemon.socket(), ("me", "s3cr3t")));
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["plan", "--exit-code"]).ended(0);
    let text = std::fs::read_to_string(host.conf("a.com-w")).unwrap();
    assert!(text.contains("[program:a.com-w]"));
    // A variable that differs where we are is none of its concern.
    let mut ours = host.command(&["plan", "--exit-code"]);
    ours.env("WHERE", "/nowhere").env("WHO", "nobody").run().ended(0);
}

/// A group whose programs stand behind a variable takes ours in all the same.
#[test]
fn expanded_group_member_is_refused() {
    for (extra, variable) in
        [("[supervisord]\nenvironment=TAKEN=\"a.com-w\"\n", ""), ("", "a.com-w")]
    {
        if variable.is_empty() && !has_own_environment() {
            continue;
        }
        let options = Options { extra: extra.to_owned(), ..Options::default() };
        let mut host = or_skip!(wanting_host(options));
        if !variable.is_empty() {
            host.daemon.set_environment(&[("TAKEN", variable)]);
            host.daemon.restart();
        }
        host.run(&["apply", "--yes"]).ended(0);
        host.daemon.write_conf(
            "theirs",
            "[program:foo]\ncommand=/bin/cat\n[group:all]\nprograms=foo,%(ENV_TAKEN)s\n",
        );
        let theirs = host.conf("theirs").display().to_string();
        for is_updated in [false, true] {
            if is_updated {
                assert!(host.daemon.supervisorctl(&["update"]).status.success());
            }
            let said = format!("program a.com-w is taken into [group:all] by {theirs}");
            host.run(&["plan"]).ended(1).says(&said);
            host.run(&["apply", "--yes"]).ended(1).complains(&said);
        }
    }
}

#[test]
fn folder_behind_link_is_same() {
    let by_dots = "[include]\nfiles=%(here)s/log/../conf.d/*.conf\n";
    let by_link = "[include]\nfiles=%(here)s/link/*.conf\n";
    for (extra, inventory_by_link) in
        [(by_dots, false), (by_link, false), ("", true), (by_dots, true)]
    {
        let options = Options { extra: extra.to_owned(), ..Options::default() };
        let mut host = or_skip!(Host::start_with(options));
        symlink("conf.d", host.path("link")).unwrap();
        host.daemon.restart();
        host.deploy("a.com").worker("w");
        wants(&host, "w");
        if inventory_by_link {
            let path = host.path("home/deployer.yml");
            let text = std::fs::read_to_string(&path).unwrap();
            let conf_dir = format!("conf_dir: {}", host.daemon.conf_dir().display());
            let link = format!("conf_dir: {}", host.path("link").display());
            std::fs::write(&path, text.replace(&conf_dir, &link)).unwrap();
        }
        assert_served(&host);
        // What is not ours is so by every way.
        host.daemon.write_conf("theirs", "[program:x]\nuser=nobody-here\n");
        wants(&host, "w, numprocs: 2");
        let said = host.run(&["apply", "--yes"]).ended(1).stderr;
        assert!(said.contains("theirs.conf, line "), "{said}");
    }
}

/// RHEL's supervisord, and that of many images, includes `*.ini` and nothing else.
#[test]
fn file_names_end_like_include() {
    let extra = "[include]\nfiles=%(here)s/conf.d/*.ini\n".to_owned();
    let host = or_skip!(wanting_host(Options { extra, ..Options::default() }));
    assert_served(&host);
    let conf = host.conf("a.com-w").with_extension("ini");
    assert!(conf.exists() && !host.conf("a.com-w").exists());
    host.run(&["restart", "--yes", "--site", "a.com"]).ended(0);
    wants(&host, "w, stopwaitsecs: 7");
    host.run(&["apply", "--yes"]).ended(0);
    host.run(&["rollback", "--yes"]).ended(0);
    assert!(!std::fs::read_to_string(&conf).unwrap().contains("stopwaitsecs=7"));
    // One file for all programs, and back to none.
    let text = std::fs::read_to_string(host.path("home/deployer.yml")).unwrap();
    std::fs::write(host.path("home/deployer.yml"), format!("config_files: per-site\n{text}"))
        .unwrap();
    host.run(&["apply", "--yes"]).ended(0);
    assert!(!conf.exists() && host.conf("a.com").with_extension("ini").exists());
    host.inventory("  - {domain: a.com, server: here, supervisors: []}\n");
    host.run(&["apply", "--yes"]).ended(0);
    assert!(host.groups().is_empty() && host.file_names().is_empty());
    // The playbook as well.
    host.sync("a.com", r#"[{"program": "w", "script": "w.sh"}]"#).ended(0);
    assert!(conf.exists());
    host.run(&["status", "--deep"]);
    host.sync("a.com", "[]").ended(0);
    assert!(!conf.exists());
}
