//! Whose a file is: orphans go, and nothing that is not certainly the site's own.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "writes files as the bash script left them")]

use super::programs;
use crate::site::Host;
use supervisor_sync::supervisord::{Call, Supervisord as _};

/// The files of `{domain}-{name}` as the bash script left them: no record knows them.
fn left_by_the_script(host: &Host, domain: &str, name: &str) {
    let full = format!("{domain}-{name}");
    let site = host.path("sites").join(domain).display().to_string();
    let log = host.log(&full).display().to_string();
    let text = format!(
        "[program:{full}]\ncommand={site}/runner.sh .deployer/supervisors/{name}.sh\n\
         directory={site}/current\nuser={}\nautostart=true\nautorestart=true\nstopwaitsecs=3600\n\
         numprocs=1\nstdout_logfile={log}\nstderr_logfile={log}\n",
        host.user
    );
    std::fs::write(host.conf(&full), text).unwrap();
    let rotation = format!(
        "{log} {{\n    daily\n    rotate 5\n    maxage 30\n    missingok\n    notifempty\n    \
         compress\n    delaycompress\n    copytruncate\n}}\n"
    );
    std::fs::write(host.logrotate(&full), rotation).unwrap();
}

fn load(host: &Host, groups: &[&str]) {
    let mut client = host.daemon.client();
    client.call(Call::ReloadConfig).unwrap().unwrap();
    for group in groups {
        client.call(Call::AddProcessGroup((*group).to_owned())).unwrap().unwrap();
    }
}

/// Without a record the content tells, and what runs as wanted is not restarted.
#[test]
fn content_tells_without_record() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    site.worker("kept");
    site.worker("gone");
    for name in ["kept", "gone"] {
        left_by_the_script(&host, "a.com", name);
    }
    load(&host, &["a.com-kept", "a.com-gone"]);
    let pids = host.wait_running(&["a.com-kept:a.com-kept", "a.com-gone:a.com-gone"]);
    let modified = std::fs::metadata(host.conf("a.com-kept")).unwrap().modified().unwrap();
    host.sync("a.com", &programs(&["kept"])).ended(0);
    assert_eq!(host.file_names(), ["a.com-kept.conf", "supervisor-a.com-kept.conf"]);
    assert_eq!(host.groups(), ["a.com-kept"]);
    assert_eq!(host.wait_running(&["a.com-kept:a.com-kept"]), pids[..1]);
    let now = std::fs::metadata(host.conf("a.com-kept")).unwrap().modified().unwrap();
    assert_eq!(now, modified);
}

/// What is not certainly the site's own is left and reported.
#[test]
fn doubtful_files_are_left() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let elsewhere = "[program:a.com-else]\ncommand=/bin/sleep 1000\ndirectory=/tmp\n";
    std::fs::write(host.conf("a.com-else"), elsewhere).unwrap();
    let two = "[program:a.com-two]\ncommand=/bin/sleep 1\n[program:b]\ncommand=/bin/sleep 2\n";
    std::fs::write(host.conf("a.com-two"), two).unwrap();
    std::fs::write(host.logrotate("a.com-lone"), "/tmp/x.log {\n}\n").unwrap();
    let run = host.sync("a.com", &programs(&["w"])).ended(0);
    for name in ["a.com-else", "a.com-two"] {
        assert!(host.conf(name).exists());
        let told = format!("→ Note: {} is left alone: ", host.conf(name).display());
        assert!(run.stdout.contains(&told), "{told}: {}", run.stdout);
    }
    let told = format!("→ Note: {} is left alone: ", host.logrotate("a.com-lone").display());
    assert!(run.stdout.contains(&told), "{told}: {}", run.stdout);
    assert_eq!(host.groups(), ["a.com-w"], "what others have pending stays pending");
    assert!(
        run.stdout.contains("→ Note: pending changes of others stay pending: "),
        "{}",
        run.stdout
    );
}

#[test]
fn record_tells_more_than_content() {
    let host = or_skip!(Host::start());
    let site = host.deploy("a.com");
    for name in ["w", "v"] {
        site.worker(name);
    }
    host.sync("a.com", &programs(&["w", "v"])).ended(0);
    // Ours by the record, whatever somebody has made of it meanwhile.
    std::fs::write(host.conf("a.com-v"), "[program:a.com-v]\ncommand=/bin/sleep 1000\n").unwrap();
    // Not ours by the record, although half of it looks like it.
    left_by_the_script(&host, "a.com", "stray");
    std::fs::remove_file(host.logrotate("a.com-stray")).unwrap();
    let run = host.sync("a.com", &programs(&["w"])).ended(0);
    assert_eq!(host.file_names(), ["a.com-stray.conf", "a.com-w.conf", "supervisor-a.com-w.conf"]);
    let told = format!("{} is left alone: no revision", host.conf("a.com-stray").display());
    assert!(run.stdout.contains(&told), "{}", run.stdout);
    // Without any program wanted, what its content says is the site's goes.
    host.sync("a.com", "[]").ended(0);
    assert_eq!(host.file_names(), [""; 0]);
}

/// What DeployerPHP's script does between two calls of ours.
fn script_adds(host: &Host, domain: &str, name: &str) {
    left_by_the_script(host, domain, name);
    load(host, &[&format!("{domain}-{name}")]);
    host.wait_running(&[&format!("{domain}-{name}:{domain}-{name}")]);
}

fn host_of_workers(names: &[&str]) -> Option<Host> {
    let host = Host::start()?;
    let site = host.deploy("a.com");
    for name in names {
        site.worker(name);
    }
    Some(host)
}

/// What the script added and a sync found right goes with the rest.
#[test]
fn confirmed_script_program_goes() {
    let host = or_skip!(host_of_workers(&["a", "d"]));
    host.sync("a.com", &programs(&["a"])).ended(0);
    script_adds(&host, "a.com", "d");
    let run = host.sync("a.com", &programs(&["a", "d"])).ended(0);
    assert_eq!(run.stdout, "→ nothing to do, 2 unchanged\n");
    host.sync("a.com", "[]").ended(0);
    assert_eq!(host.file_names(), [""; 0]);
    assert_eq!(host.groups(), [""; 0]);
}

#[test]
fn unwanted_script_program_goes() {
    let host = or_skip!(host_of_workers(&["a", "d"]));
    host.sync("a.com", &programs(&["a"])).ended(0);
    let kept = host.wait_running(&["a.com-a:a.com-a"]);
    script_adds(&host, "a.com", "d");
    host.sync("a.com", &programs(&["a"])).ended(0);
    assert_eq!(host.file_names(), ["a.com-a.conf", "supervisor-a.com-a.conf"]);
    assert_eq!(host.groups(), ["a.com-a"]);
    assert_eq!(host.wait_running(&["a.com-a:a.com-a"]), kept);
}

#[test]
fn right_files_are_recorded_once() {
    let host = or_skip!(host_of_workers(&["d"]));
    script_adds(&host, "a.com", "d");
    let revisions = || crate::site::names(&host.state().join("sites/a.com/revisions"));
    for _ in 0..2 {
        let run = host.sync("a.com", &programs(&["d"])).ended(0);
        assert_eq!(run.stdout, "→ nothing to do, 1 unchanged\n");
        assert_eq!(revisions(), ["00000001.json"]);
    }
    assert_eq!(host.starts("a.com-d").len(), 1);
    // It is the site's from now on, whatever somebody makes of it.
    std::fs::write(host.conf("a.com-d"), "[program:a.com-d]\ncommand=/bin/sleep 1\n").unwrap();
    host.sync("a.com", "[]").ended(0);
    assert_eq!(host.file_names(), [""; 0]);
}

/// `staging` beside `staging-eu`, with and without records, whichever of them is synced.
#[test]
fn similar_site_name_is_safe() {
    for recorded in [true, false] {
        let host = or_skip!(Host::start());
        for (domain, name) in [("staging", "eu-mail"), ("staging-eu", "worker")] {
            host.deploy(domain).worker(name);
            if recorded {
                host.sync(domain, &programs(&[name])).ended(0);
            } else {
                left_by_the_script(&host, domain, name);
            }
        }
        if !recorded {
            load(&host, &["staging-eu-mail", "staging-eu-worker"]);
        }
        let eu = host.wait_running(&["staging-eu-worker:staging-eu-worker"]);
        let run = host.sync("staging", "[]").ended(0);
        assert_eq!(
            host.file_names(),
            ["staging-eu-worker.conf", "supervisor-staging-eu-worker.conf"]
        );
        assert_eq!(host.groups(), ["staging-eu-worker"]);
        assert_eq!(host.wait_running(&["staging-eu-worker:staging-eu-worker"]), eu);
        let told = format!("→ Note: {} is left alone: ", host.conf("staging-eu-worker").display());
        assert!(run.stdout.contains(&told), "{}", run.stdout);

        // And the other way round: `eu-mail` of `staging` looks like `mail` of `staging-eu`.
        host.sync("staging", &programs(&["eu-mail"])).ended(0);
        let mail = host.wait_running(&["staging-eu-mail:staging-eu-mail"]);
        let run = host.sync("staging-eu", "[]").ended(0);
        assert_eq!(host.file_names(), ["staging-eu-mail.conf", "supervisor-staging-eu-mail.conf"]);
        assert_eq!(host.groups(), ["staging-eu-mail"]);
        assert_eq!(host.wait_running(&["staging-eu-mail:staging-eu-mail"]), mail);
        let told = format!("→ Note: {} is left alone: ", host.conf("staging-eu-mail").display());
        assert!(run.stdout.contains(&told), "{}", run.stdout);
    }
}

#[test]
fn shared_file_of_sites_is_refused() {
    let host = or_skip!(Host::start());
    host.deploy("staging-eu").worker("worker");
    host.deploy("staging").worker("eu-worker");
    host.sync("staging-eu", &programs(&["worker"])).ended(0);
    host.wait_running(&["staging-eu-worker:staging-eu-worker"]);
    std::fs::remove_file(host.path("result.yml")).unwrap();
    let before = host.snapshot();
    let run = host.sync("staging", &programs(&["eu-worker"])).ended(1);
    let conf = host.conf("staging-eu-worker").display().to_string();
    assert_eq!(run.first_line(), format!("Error: Failed to write {conf}"));
    assert!(run.stderr.contains(&format!("{conf} belongs to site staging-eu")), "{}", run.stderr);
    before.assert_same(&host.snapshot());
}

/// The same without a record: the content tells that it is not the site's.
#[test]
fn foreign_file_is_not_overwritten() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    let theirs = "[program:a.com-w]\ncommand=/bin/sleep 1000\ndirectory=/tmp\n";
    std::fs::write(host.conf("a.com-w"), theirs).unwrap();
    let before = host.snapshot();
    let run = host.sync("a.com", &programs(&["w"])).ended(1);
    let conf = host.conf("a.com-w").display().to_string();
    assert_eq!(run.first_line(), format!("Error: Failed to write {conf}"));
    assert!(run.stderr.contains("runs in /tmp"), "{}", run.stderr);
    before.assert_same(&host.snapshot());
}

#[test]
fn program_defined_elsewhere_is_refused() {
    let host = or_skip!(Host::start());
    host.deploy("a.com").worker("w");
    for theirs in [
        "[program:a.com-w]\ncommand=/bin/sleep 1000\n",
        "[program:x]\ncommand=/bin/sleep 1000\n[group:a.com-w]\nprograms=x\n",
    ] {
        host.daemon.write_conf("zz-theirs", theirs);
        let before = host.snapshot();
        let run = host.sync("a.com", &programs(&["w"])).ended(1);
        assert_eq!(run.first_line(), "Error: Failed to reread supervisor configs");
        let file = host.conf("zz-theirs").display().to_string();
        assert!(run.stderr.contains(&file), "{}", run.stderr);
        before.assert_same(&host.snapshot());
    }
}
