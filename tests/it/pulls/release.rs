//! A host of another release hands over to the binary that the bundle names.

use std::path::Path;
use std::process::Command;

use super::{Pulling, WORKER};
use crate::site::BINARY;

fn platform() -> String {
    format!("Linux-{}", std::env::consts::ARCH)
}

#[test]
fn binary_of_bundle_takes_over() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    let script = b"#!/bin/sh\necho \"$SUPERVISOR_SYNC_HANDED_OVER_BY hands over: $*\"\n";
    let digest = super::digest(script);
    let publish = |digest: &str, serial: u64| {
        pulling.change(|bundle| {
            bundle["serial"] = serial.into();
            bundle["release"] = "9.9.9".into();
            bundle["payloads"] = serde_json::json!({platform(): digest});
            // Of a release that this one cannot read.
            bundle["inventory"] = serde_json::json!({"new": true});
        });
    };
    publish(&digest, 2);
    let said = pulling.pull(&[]).ended(1).complains("published by release 9.9.9");
    assert!(said.stderr.contains("its binary is not in the store"), "{}", said.stderr);
    pulling.write(&format!("payloads/{digest}"), b"#!/bin/sh\necho damaged\n");
    pulling.pull(&[]).ended(1).complains("its binary in the store is damaged");
    pulling.write(&format!("payloads/{digest}"), script);
    let release = env!("CARGO_PKG_VERSION");
    for _ in 0..2 {
        pulling.pull(&[]).ended(0).says(&format!("{release} hands over: pull --config"));
    }
    // It is kept, so that the store may be gone.
    std::fs::remove_file(pulling.store().join(format!("payloads/{digest}"))).unwrap();
    pulling.pull(&[]).ended(0).says("hands over");

    let loops = format!("#!/bin/sh\nexec {} \"$@\"\n", BINARY);
    let digest = super::digest(loops.as_bytes());
    pulling.write(&format!("payloads/{digest}"), loops.as_bytes());
    publish(&digest, 3);
    pulling.pull(&[]).ended(1).complains("has handed over to this one");
}

/// The binaries of a release are put once.
#[test]
fn binaries_are_published_once() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    let (store, key) = (pulling.store().display().to_string(), pulling.path("key"));
    let key = key.display().to_string();
    // Without what a debugger reads it is as small as one that is released.
    let binary = pulling.host.path("supervisor-sync");
    let strip = Command::new("strip").arg("-o").args([&binary, Path::new(BINARY)]).status();
    assert!(strip.unwrap().success());
    let publish = || {
        let mut command = pulling.host.command(&["publish", &store, "--key", &key, "--yes"]);
        command.program(&binary).run().ended(0);
    };
    publish();
    let (bundle, _) = pulling.latest();
    let digest = bundle["payloads"][platform()].as_str().unwrap();
    let path = pulling.store().join(format!("payloads/{digest}"));
    assert_eq!(super::digest(&std::fs::read(&path).unwrap()), digest);
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    publish();
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), written);
}
