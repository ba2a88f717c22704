//! The same with several sites in the transaction: each is put back or finished by its own journal,
//! however far the others had come.

use super::{STEPS, Scene, kill_each};

const TWO: &[&str] = &["one.com", "two.com"];
const THREE: &[&str] = &["one.com", "three.com", "two.com"];

/// Where the last site dies, the first has done that step; where the one in the middle dies, both are
/// there, one that has and one that has not.
#[test]
fn killed_at_each_step_of_several() {
    for (domains, dies) in [(TWO, "two.com"), (THREE, "three.com")] {
        let scene = or_skip!(Scene::of(domains));
        for (number, step) in STEPS.into_iter().enumerate() {
            // Once per transaction, told for the first of its sites.
            let point = match step {
                "reread" => "step:reread".to_owned(),
                step => format!("step:{step}@{dies}"),
            };
            let back = number % 2 == 0;
            assert!(scene.kill(0, &point, back), "there is no step {point}");
            assert!(!back || scene.kill(0, &point, false));
            scene.apply(0).ended(0);
        }
    }
}

#[test]
fn killed_after_disk_changes() {
    let scene = or_skip!(Scene::of(TWO));
    // Neighbouring changes are of the same kind: every second one meets each kind at both sites.
    assert!(kill_each(&scene, "file", 0, 2) > 15);
}

#[test]
fn killed_around_each_batch() {
    let scene = or_skip!(Scene::of(THREE));
    assert!(kill_each(&scene, "batch-before", 0, 1) > 5);
    assert!(kill_each(&scene, "batch-after", 1, 1) > 5);
}
