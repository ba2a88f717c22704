//! An empty wish removes nothing, unless somebody has said so.

use super::{Pulling, WORKER};

#[test]
fn empty_inventory_is_not_published_by_mistake() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    pulling.wants(&[("a.com", &[])]);
    let refused = pulling.publish(&[]).ended(1).complains("the inventory has no program");
    assert!(refused.stderr.contains("--allow empty"), "{}", refused.stderr);
    pulling.publish(&["--allow", "empty"]).ended(0).says("left without a program: here");
    pulling.pull(&[]).ended(0);
    assert_eq!(pulling.host.groups(), [""; 0]);
}

/// One of several servers.
#[test]
fn server_is_not_emptied_by_mistake() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    let path = pulling.path("deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let moved = text
        .replacen("servers:\n", "servers:\n  - {name: other, host: h}\n", 1)
        .replace("server: here", "server: other");
    std::fs::write(&path, moved).unwrap();
    pulling.publish(&[]).ended(1).complains("here would be left without a program");
}

/// The host looks itself: who publishes may have another release, or another mind.
#[test]
fn host_is_not_emptied_without_a_word() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    for sites in [true, false] {
        pulling.change(|bundle| {
            bundle["serial"] = (bundle["serial"].as_u64().unwrap() + 1).into();
            match sites {
                true => bundle["inventory"]["sites"][0]["site"]["programs"] = serde_json::json!([]),
                false => bundle["inventory"]["sites"] = serde_json::json!([]),
            }
        });
        pulling.changes_nothing(|| {
            pulling.pull(&[]).ended(1).complains("has no program for this host")
        });
    }
    pulling.change(|bundle| {
        bundle["serial"] = 9.into();
        bundle["allow_empty"] = true.into();
    });
    pulling.pull(&[]).ended(0);
    assert_eq!(pulling.host.groups(), [""; 0]);
}

/// A server that is not in the inventory any more is none that shall be empty.
#[test]
fn host_that_is_not_named_stays_as_it_is() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    let path = pulling.path("deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace("name: here", "name: other").replace("server: here", "server: other"),
    )
    .unwrap();
    pulling.publish(&[]).ended(0);
    pulling.changes_nothing(|| {
        pulling
            .pull(&[])
            .ended(1)
            .complains("no server that is called here: everything stays as it is");
    });
    assert_eq!(pulling.status()["outcome"], "failed");
}
