//! Waves: a canary without a controller.

use super::{CRASHER, Pulling, WORKER};

const WAVES: &str = "pull: {waves: [10, 100], pause: 3600}";

#[test]
fn later_wave_waits_for_its_time() {
    let pulling = or_skip!(Pulling::start());
    pulling.configure("host: here\nwave: 2\n");
    pulling.wants_with(WAVES, &[("a.com", &[WORKER])]);
    pulling
        .publish(&[])
        .ended(0)
        .says("in waves: 10%, 100% of the hosts, 1 h 0 min after each other");
    pulling.changes_nothing(|| pulling.pull(&[]).ended(0).says("wave 2 takes up bundle 1 from"));
    assert_eq!(pulling.status()["outcome"], "waiting");
    // An hour later.
    pulling.change(|bundle| {
        bundle["serial"] = 2.into();
        bundle["at"] = "2026-11-01T00:00:00Z".into();
    });
    pulling.pull(&[]).ended(0);
    assert_eq!(pulling.host.groups(), ["a.com-w"]);
}

#[test]
fn canary_that_rolls_back_halts_the_others() {
    let pulling = or_skip!(Pulling::start());
    pulling.configure("host: here\nwave: 1\n");
    pulling.wants_with("pull: {waves: [10, 100], pause: 0}", &[("a.com", &[CRASHER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(4);
    // Another host of the fleet.
    pulling.configure_as("other.yml", "pulled-by-other", "host: here\nwave: 2\n");
    let tries = pulling.host.starts("a.com-bad").len();
    pulling.changes_nothing(|| {
        let said = pulling.pull_as("other.yml", &[]).ended(3);
        said.says("1 host of earlier waves rolled bundle 1 back")
    });
    assert_eq!(pulling.host.starts("a.com-bad").len(), tries);
    assert_eq!(pulling.status()["outcome"], "halted");
    // The next bundle has failed nowhere.
    pulling.wants_with("pull: {waves: [10, 100], pause: 0}", &[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull_as("other.yml", &[]).ended(0);
}

#[test]
fn some_failures_may_be_allowed() {
    let pulling = or_skip!(Pulling::start());
    pulling.configure("host: here\nwave: 2\n");
    let rules = "pull: {waves: [10, 100], pause: 0, max_failures: 1}";
    pulling.wants_with(rules, &[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    let (_, digest) = pulling.latest();
    let folder = format!("failures/{}", &digest[..12]);
    // Of the same wave, and of another bundle.
    pulling.write(&format!("{folder}/2-web7"), b"");
    pulling.write("failures/000000000000/1-web7", b"");
    pulling.write(&format!("{folder}/1-web1"), b"");
    pulling.write(&format!("{folder}/1-web2"), b"");
    pulling.pull(&[]).ended(3).says("2 hosts of earlier waves");
    std::fs::remove_file(pulling.store().join(format!("{folder}/1-web2"))).unwrap();
    pulling.pull(&[]).ended(0);
    // It has had its turn: whatever fails elsewhere later, it holds what it has.
    pulling.write(&format!("{folder}/1-web2"), b"");
    pulling.pull(&[]).ended(0);
}
