//! Killed while it takes a file over or gives it back: in the end its owner has it as it was.

use super::{RELEASES, is_killed, is_killed_with};
use crate::site::Host;

/// As somebody wrote it.
const BY_HAND: &str = "; ours\n[program:celery]\ncommand = /bin/sleep 1000\nautostart=yes\n";

struct Scene {
    host: Host,
    pid: i64,
}

impl Scene {
    fn new() -> Option<Self> {
        let host = Host::start()?;
        host.deploy("a.com");
        std::fs::write(host.conf("celery"), BY_HAND).unwrap();
        host.daemon.supervisorctl(&["update"]);
        host.inventory(
            "  - domain: a.com\n    server: here\n    format: plain\n    supervisors:\n      - \
             {program: celery, as: celery, file: celery.conf, command: /bin/sleep 1000}\n",
        );
        let pid = host.wait_running(&["celery:celery"])[0];
        Some(Self { host, pid })
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.host.conf("celery")).unwrap()
    }

    /// After whatever was killed an apply ends as it should, and a release as it was before all.
    fn check(&self, context: &str) {
        self.host.run(&["apply", "--yes"]).ended(0);
        assert!(!self.text().contains("ours"), "{context}");
        self.host.run(&["plan", "--exit-code"]).ended(0);
        self.host.run(&["release", "a.com", "--yes"]).ended(0);
        assert_eq!(self.text(), BY_HAND, "{context}");
        let process = self.host.process("celery:celery").unwrap();
        assert_eq!(process.pid, self.pid, "{context}: it was restarted");
        assert!(!self.host.state().join("sites/a.com/taken-over.json").exists(), "{context}");
    }
}

#[test]
fn killed_takeover_keeps_what_was_there() {
    let scene = or_skip!(Scene::new());
    let mut points = 0;
    while is_killed(&scene.host, &format!("file:{}", points + 1)) {
        points += 1;
        scene.check(&format!("killed after change {points}"));
    }
    assert!(points > 8, "{points}");
    scene.check("not killed");
}

#[test]
fn killed_release_ends_at_next_one() {
    let scene = or_skip!(Scene::new());
    let mut points = 0;
    loop {
        scene.host.run(&["apply", "--yes"]).ended(0);
        let point = format!("file:{}", points + 1);
        if !is_killed_with(&scene.host, &point, &[(RELEASES, "1")]) {
            break;
        }
        points += 1;
        scene.check(&format!("killed after change {points}"));
    }
    assert!(points > 5, "{points}");
    assert_eq!(scene.text(), BY_HAND);
}
