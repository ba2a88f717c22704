//! Whatever lies in a store: what is not rightly signed, is old or is broken changes nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{IDENTITY, Pulling, WORKER};
use crate::hints::Hint;

/// A host with bundle 1, and what a second one would change.
fn with_bundle() -> Option<Pulling> {
    let pulling = Pulling::start()?;
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    pulling.wants(&[("a.com", &["program: w, script: w.sh, numprocs: 2"])]);
    Some(pulling)
}

#[track_caller]
fn refused(pulling: &Pulling, why: &str) {
    pulling.changes_nothing(|| pulling.pull(&[]).ended(1).complains(why));
    assert_eq!(pulling.host.groups(), ["a.com-w"]);
}

#[test]
fn changed_bundle_is_refused() {
    let pulling = or_skip!(with_bundle());
    pulling.publish(&[]).ended(0);
    let (_, digest) = pulling.latest();
    let name = format!("bundles/{digest}.json");
    let bytes = pulling.read(&name);
    let changed = String::from_utf8(bytes.clone()).unwrap().replace("w.sh", "x.sh");
    pulling.write(&name, changed.as_bytes());
    refused(&pulling, "is damaged: its content is not what its name says");
    // Half of it, as of a transfer that was cut off.
    pulling.write(&name, &bytes[..bytes.len() / 2]);
    refused(&pulling, "is damaged");
    // With the right name, whoever puts it needs the key.
    let other = super::digest(changed.as_bytes());
    pulling.write(&format!("bundles/{other}.json"), changed.as_bytes());
    let signature = pulling.read(&format!("bundles/{digest}.sig"));
    pulling.write(&format!("bundles/{other}.sig"), &signature);
    pulling.write("latest.json", format!(r#"{{"bundle":"{other}","serial":2}}"#).as_bytes());
    refused(&pulling, "is not signed by deploy@example.com");
    pulling.write(&name, &bytes);
    pulling.write("latest.json", format!(r#"{{"bundle":"{digest}","serial":2}}"#).as_bytes());
    pulling.pull(&[]).ended(0);
}

#[test]
fn wrong_signatures_are_refused() {
    let pulling = or_skip!(with_bundle());
    pulling.make_key("other");
    pulling.forge(|bundle| bundle["serial"] = 2.into(), ("other", "supervisor-sync"));
    refused(&pulling, "is not signed by deploy@example.com");
    pulling.forge(|bundle| bundle["serial"] = 3.into(), ("key", "file"));
    refused(&pulling, "is not signed by deploy@example.com");
    for garbage in [&b""[..], b"nonsense", &[0xff; 4096]] {
        let digest = pulling.change(|bundle| bundle["serial"] = 4.into());
        pulling.write(&format!("bundles/{digest}.sig"), garbage);
        refused(&pulling, "is not signed by deploy@example.com");
    }
    // Somebody else who may sign, but is not who must have.
    let public = std::fs::read_to_string(pulling.path("key.pub")).unwrap();
    std::fs::write(pulling.path("allowed"), format!("ann@example.com {public}")).unwrap();
    pulling.change(|bundle| bundle["serial"] = 5.into());
    refused(&pulling, "is not signed by deploy@example.com");
    std::fs::remove_file(pulling.path("allowed")).unwrap();
    refused(&pulling, "cannot read");
}

/// A key that is lost is revoked, or its time is over: what it has signed counts no more, also what is here.
#[test]
fn revoked_key_is_refused() {
    let pulling = or_skip!(with_bundle());
    pulling.configure(&format!("host: here\nrevoked: {}\n", pulling.path("revoked").display()));
    refused(&pulling, "revoked");
    std::fs::write(pulling.path("revoked"), "").unwrap();
    pulling.pull(&[]).ended(0);
    std::fs::copy(pulling.path("key.pub"), pulling.path("revoked")).unwrap();
    refused(&pulling, "is not signed by deploy@example.com");
    // A list as ssh-keygen makes it.
    let mut keygen = Command::new("ssh-keygen");
    keygen.arg("-kf").arg(pulling.path("krl")).arg(pulling.path("key.pub"));
    assert!(keygen.output().unwrap().status.success());
    pulling.configure(&format!("host: here\nrevoked: {}\n", pulling.path("krl").display()));
    refused(&pulling, "is not signed by deploy@example.com");
    pulling.configure("host: here\n");
    pulling.allow("key", "valid-before=\"20260101\" ");
    refused(&pulling, "is not signed by deploy@example.com");
    pulling.make_key("new");
    pulling.allow("new", "namespaces=\"supervisor-sync\" ");
    pulling.forge(|bundle| bundle["serial"] = 2.into(), ("new", "supervisor-sync"));
    pulling.pull(&[]).ended(0);
}

#[test]
fn old_bundle_is_not_taken_up_again() {
    let pulling = or_skip!(with_bundle());
    let first = pulling.read("latest.json");
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    pulling.write("latest.json", &first);
    pulling.changes_nothing(|| {
        pulling.pull(&[]).ended(1).complains("the store offers serial 1, and this host has seen 2");
    });
    // The same serial twice, as after a store that was put back.
    pulling.change(|bundle| bundle["serial"] = 2.into());
    pulling.changes_nothing(|| {
        pulling.pull(&[]).ended(1).complains("another bundle with serial 2");
    });
    pulling.publish(&["--serial", "2"]).ended(2).complains("has serial 2 already");
    pulling.publish(&[]).ended(0).says("Published serial 3");
    pulling.pull(&[]).ended(0);
}

/// It is an alarm, and no removal.
#[test]
fn expired_bundle_changes_nothing() {
    let pulling = or_skip!(with_bundle());
    pulling.change(|bundle| {
        bundle["serial"] = 2.into();
        bundle["not_after"] = "2026-01-01T00:00:00Z".into();
        bundle["inventory"]["sites"] = serde_json::json!([]);
    });
    refused(&pulling, "the bundle 2 has expired: it was valid until 2026-01-01T00:00:00Z");
    assert_eq!(pulling.status()["outcome"], "expired");
    // Of what was taken up before it expired as well.
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    let mut faketime = Command::new("faketime");
    faketime.args(["-f", "+40d", crate::site::BINARY, "pull", "--config"]);
    faketime.arg(pulling.path("pull.yml")).env("HOME", pulling.path(""));
    let Ok(said) = faketime.output() else { return crate::python::missing("faketime") };
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert!(stderr.contains("the bundle 3 has expired"), "{stderr}");
    pulling.pull(&[]).ended(0);
}

#[test]
fn nonsense_in_store_is_refused() {
    let pulling = or_skip!(with_bundle());
    for garbage in ["", "{}", "[]", "\u{0}", r#"{"bundle":"../../etc/passwd","serial":9}"#] {
        pulling.write("latest.json", garbage.as_bytes());
        refused(&pulling, "latest.json is not one of ours");
    }
    pulling.publish(&[]).ended(1).complains("latest.json is not one of ours");
    let digest = "0".repeat(64);
    pulling.write("latest.json", format!(r#"{{"bundle":"{digest}","serial":9}}"#).as_bytes());
    refused(&pulling, "which its latest.json names");
    pulling.publish(&[]).ended(0).says("Published serial 10");
    let good = pulling.read("latest.json");
    for change in [
        |bundle: &mut serde_json::Value| bundle["format"] = 2.into(),
        |bundle: &mut serde_json::Value| bundle["inventory"] = 7.into(),
        |bundle: &mut serde_json::Value| {
            bundle["inventory"]["sites"][0]["site"]["domain"] = "../x".into()
        },
    ] {
        pulling.write("latest.json", &good);
        pulling.change(|bundle| {
            bundle["serial"] = 11.into();
            change(bundle);
        });
        pulling.changes_nothing(|| pulling.pull(&[]).ended(1).complains("bundle"));
    }
}

/// Each problem is named, with its line.
#[test]
fn mistakes_in_pull_yml_are_shown() {
    let pulling = or_skip!(Pulling::start());
    let write = |text: &str| std::fs::write(pulling.path("pull.yml"), text).unwrap();
    write("sorce: /x\nidentity: a b\nhost: web1\ntags: [web]\nwave: 0\n");
    let run = pulling.pull(&[]).ended(1);
    for said in [
        "pull.yml:1",
        "did you mean `source`",
        "pull.yml:2",
        "one name",
        "pull.yml:4",
        "pull.yml:5",
    ] {
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    }
    write(&format!("source: ftp://x/y\nidentity: {IDENTITY}\n"));
    pulling.pull(&[]).ended(1).complains("pull.yml:1");
    std::fs::remove_file(pulling.path("pull.yml")).unwrap();
    pulling.pull(&[]).ended(1).complains("pull.yml");
}

/// What these say is done as root.
#[test]
fn settings_that_others_may_write_are_refused() {
    let pulling = or_skip!(with_bundle());
    for file in ["pull.yml", "allowed"] {
        let path = pulling.path(file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let said = pulling.changes_nothing(|| pulling.pull(&[]).ended(1)).stderr;
        assert!(said.contains("is not safe to use: may be written by other users"), "{said}");
        let hint = Hint("look at it, then: chmod go-w {} && chown {} {}");
        pulling.host.follow(&said, hint).ended(0);
        pulling.pull(&[]).ended(0);
    }
    let state = pulling.host.path("pulled");
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    refused(&pulling, "is not safe to use");
}
