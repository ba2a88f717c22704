//! `plan --out FILE` and `apply FILE`: what was looked at is what is done.

#![expect(clippy::disallowed_methods, reason = "tests")]

use super::{applied_host, wants};
use crate::hints::Hint;
use crate::site::Host;

/// A host with a plan in a file that scales the program of `a.com` to two processes.
fn host_with_plan() -> Option<(Host, String, String)> {
    let host = applied_host()?;
    wants(&host, &["program: w, script: w.sh, numprocs: 2"]);
    let file = host.path("plan.json").display().to_string();
    let run = host.run(&["plan", "--out", &file]).ended(0).says("restart: numprocs 1 -> 2");
    let said = run.complains(&format!("supervisor-sync apply {file}\n"));
    Some((host, file, said.stderr))
}

#[test]
fn saved_plan_is_applied_unasked() {
    let (host, file, said) = or_skip!(host_with_plan());
    let hint = Hint("Saved; to do this and nothing else: supervisor-sync apply {}");
    let run = host.follow(&said, hint).ended(0).says("restart: numprocs 1 -> 2");
    assert!(run.stdout.ends_with("Site a.com: applied as revision 2\n"), "{}", run.stdout);
    host.wait_running(&["a.com-w:a.com-w_00", "a.com-w:a.com-w_01"]);
    // Once: by now it would do nothing, which is another plan.
    host.run(&["apply", &file]).ended(1).complains("is not the one in");
}

#[test]
fn changed_host_or_inventory_refuses_saved_plan() {
    let (host, file, _) = or_skip!(host_with_plan());
    let refused = |why: &str| {
        let before = host.snapshot();
        let run = host.run(&["apply", &file]).ended(1).complains(why);
        let hint = format!("supervisor-sync plan --out {file}\n");
        run.complains("the inventory or the host has changed since").complains(&hint);
        before.assert_same(&host.snapshot());
    };
    let conf = host.conf("a.com-w");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, text.replace("numprocs=1", "numprocs=1\npriority=7")).unwrap();
    refused("the plan of a.com is not the one in");
    std::fs::write(&conf, text).unwrap();
    wants(&host, &["program: w, script: w.sh, numprocs: 3"]);
    refused("the plan of a.com is not the one in");
    wants(&host, &["program: w, script: w.sh, numprocs: 2"]);
    host.run(&["apply", &file]).ended(0);
}

/// What a plan was asked for is asked for again by the hint, from wherever it is applied.
#[test]
fn hint_asks_for_the_same_plan_again() {
    let host = or_skip!(applied_host());
    let elsewhere = host.path("home/my file.yml");
    std::fs::rename(host.path("home/deployer.yml"), &elsewhere).unwrap();
    let mine = elsewhere.display().to_string();
    let file = host.path("my plan").display().to_string();
    let asked = ["--site", "a.com", "--on", "here", "--program", "w", "--restart", "--allow"];
    let plan = [&["plan", "--inventory", &mine, "--out", &file], &asked[..], &["missing-code"]];
    host.run(&plan.concat()).ended(0);
    host.run(&["apply", &file]).ended(0);
    // Asked for again, it is another plan: it restarts what has been restarted.
    let conf = host.conf("a.com-w");
    let text = std::fs::read_to_string(&conf).unwrap().replace("numprocs=1", "numprocs=2");
    std::fs::write(conf, text).unwrap();
    let said = host.run(&["apply", &file]).ended(1).stderr;
    let hint = format!(
        "supervisor-sync plan --site a.com --on here --program w --restart --allow missing-code \
         --inventory '{mine}' --out '{file}'\n"
    );
    assert!(said.contains(&hint), "{said}");
    let hint = Hint("look at what it is now: supervisor-sync plan{} --out {}");
    host.follow(&said, hint).ended(0);
    host.run(&["apply", &file]).ended(0);
}

#[test]
fn other_file_is_no_plan() {
    let (host, file, _) = or_skip!(host_with_plan());
    for (text, why, hint) in [
        // Whatever else it is, it is not replaced by what the hint says.
        ("servers: []\n", "is not a plan that was saved", "plan.json.plan\n"),
        (r#"{"version": 9}"#, "it has version 9, known is 1", "plan.json\n"),
        (r#"{"version": 1}"#, "missing field", "plan.json\n"),
    ] {
        std::fs::write(&file, text).unwrap();
        let run = host.run(&["apply", &file]).ended(1).complains(why).complains(hint);
        host.follow(&run.stderr, Hint("make one: supervisor-sync plan --out {}")).ended(0);
    }
    let said = host.run(&["apply", "deployer.yml"]).ended(1).stderr;
    let hint = Hint("an inventory is named so: supervisor-sync apply --inventory {}");
    host.follow(&said, hint).ended(0);
    host.run(&["apply", "/nowhere/plan"]).ended(1).complains("cannot read /nowhere/plan");
    host.run(&["apply", &file, "--site", "a.com"]).ended(2);
    host.run(&["plan", "--out", "/nowhere/plan"]).ended(1).complains("cannot write /nowhere/plan");
}

/// `plan` and `apply` take names by flags: a name that is typed leads on.
#[test]
fn typed_name_leads_to_its_flag() {
    let host = or_skip!(applied_host());
    for (name, flag) in
        [("w", "--program"), ("a.com-w", "--program"), ("a.com", "--site"), ("here", "--on")]
    {
        let hint = |verb: &str| format!("alone: supervisor-sync {verb} {flag} {name}\n");
        let run = host.run(&["plan", name]).ended(2).complains(&hint("plan"));
        run.complains(&format!("error: `plan` takes no name, and `{name}` is a "));
        host.run(&["diff", name]).ended(2).complains(&hint("plan"));
        host.run(&["apply", name]).ended(1).complains(&hint("apply"));
        let hint = Hint("of one {} alone: supervisor-sync {} {} {}");
        for verb in ["plan", "apply"] {
            host.follow(&host.run(&[verb, name]).stderr, hint).ended(0);
        }
    }
    host.run(&["plan", "nosuch"]).ended(2).complains("unexpected argument 'nosuch'");
    host.run(&["apply", "nosuch"])
        .ended(1)
        .complains("hint: FILE is what `plan --out FILE` has saved; --site");
}
