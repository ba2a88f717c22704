//! A change that waits for the next restart: in the files and read, and no process feels it.

use super::{applied, host_with, pids, wait_noted, wants};

#[test]
fn unwanted_program_stops_despite_deferral() {
    for (policy, arguments) in [
        (", restart: deferred", &["apply", "--yes"][..]),
        ("", &["apply", "--yes", "--no-restart"]),
    ] {
        let host = or_skip!(host_with(&["w"]));
        let program =
            |name: &str, more: &str| format!("program: {name}, script: w.sh{policy}{more}");
        let apart =
            |number: u32| program("apart", &format!(", instances: separate, numprocs: {number}"));
        applied(
            &host,
            &[&apart(2), &program("w", ""), &program("gone", "")],
            &[("apart_00", 1), ("apart_01", 1), ("w", 1), ("gone", 1)],
        );
        let before = pids(&host);
        wants(&host, &[&apart(1), &program("w", ", umask: '027'")]);
        let plan = host.run(arguments).ended(0);
        let plan = plan.says("- gone      stop and remove: ").says("- apart_01  stop and");
        plan.says("= w         leave as it is: ");
        let after = pids(&host);
        assert_eq!(after.keys().collect::<Vec<_>>(), ["apart_00", "w"]);
        assert!(after.iter().all(|(name, pid)| before[name] == *pid), "{before:?} {after:?}");
    }
}

#[test]
fn deferred_change_waits_for_restart() {
    for (policy, arguments) in [
        (", restart: deferred", &["apply", "--yes"][..]),
        ("", &["apply", "--yes", "--no-restart"]),
    ] {
        let host = or_skip!(host_with(&["w"]));
        let program = |name: &str, more: &str| {
            format!("program: {name}, script: w.sh, numprocs: 2{policy}{more}")
        };
        let all = |change: &str| {
            [
                program("w", change),
                program("apart", &format!(", instances: separate{change}")),
                program("same", ""),
                program("manual", &format!(", autostart: false{change}")),
            ]
        };
        let once = ["w_00", "w_01", "apart_00", "apart_01", "same_00", "same_01"].map(|n| (n, 1));
        applied(&host, &all("").each_ref().map(String::as_str), &once);
        let before = pids(&host);
        wants(&host, &all(", umask: '027'").each_ref().map(String::as_str));
        let run = host.run(arguments).ended(0);
        assert!(run.stdout.contains("restarts are deferred"), "{}", run.stdout);
        assert_eq!(pids(&host), before);
        for name in ["a.com-w", "a.com-apart"] {
            let text = std::fs::read_to_string(host.conf(name)).unwrap();
            assert!(text.contains("umask=027"), "{name}: {text}");
        }
        let status = host.run(&["status", "--deep"]).ended(3).stdout;
        for group in ["a.com-w", "a.com-apart_00", "a.com-apart_01"] {
            let pending = format!("{group} has a file that is newer than what runs");
            assert!(status.contains(&pending), "{pending}: {status}");
        }
        assert!(!status.contains("a.com-manual has"), "nothing of it ran: {status}");
        assert!(!status.contains("a.com-same has"), "{status}");
        // Applied again, it stays pending, and nothing is to do.
        host.run(arguments).ended(0);
        assert_eq!(pids(&host), before);

        host.run(&["restart", "--yes"]).ended(0);
        wait_noted(&host, &once.map(|(name, _)| (name, 2)));
        for (process, pid) in pids(&host) {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let umask = if process.starts_with("same") { "0022" } else { "0027" };
            assert!(status.contains(&format!("Umask:\t{umask}\n")), "{process}: {status}");
        }
        host.run(&["status"]).ended(0);
        host.run(&["plan", "--exit-code"]).ended(0);
    }
}
