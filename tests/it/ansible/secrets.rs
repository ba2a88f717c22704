//! Values of `environment` are in the files of the host, and nowhere else.

use super::{Controller, programs, site_of, worker};

const SECRET: &str = "correct-horse-battery";

/// Whether it is anywhere in what Ansible has said, or in the result that a callback or a `register` gets.
#[track_caller]
fn assert_hidden(play: &super::Play) {
    for (number, line) in play.output.lines().enumerate() {
        assert!(!line.contains(SECRET), "line {number} of the output: {line}");
    }
    let results = format!("{:?}", play.results);
    assert!(!results.contains(SECRET), "{results}");
}

#[test]
fn environment_is_in_no_output() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let host = controller.host();
    let environment = ", environment: {TOKEN: \"{{ token }}\"}";
    let vars = controller.path("vars.json");
    std::fs::write(&vars, format!("{{\"token\": \"{SECRET}\"}}")).unwrap();
    let vars = format!("@{}", vars.display());
    let task = programs(&[&worker("one", environment)], "");
    for flags in [&["--check", "--diff", "-vvv"][..], &["--diff", "-vvv"], &["-vvv"]] {
        let flags = [&["--extra-vars", &vars], flags].concat();
        let play = controller.play(&task, &flags).ended(0);
        assert!(play.output.contains("EXEC ssh"), "{}", play.output);
        assert_hidden(&play);
    }
    let text = std::fs::read_to_string(host.conf("a.com-one")).unwrap();
    assert!(text.contains(SECRET), "{text}");

    // Nor where it fails: a program that prints it, an entry that is wrong, an argument that is.
    site_of(host).script("two.sh", "#!/bin/sh\necho \"no login with $TOKEN\"; exit 1\n");
    let wrong = worker("two", &format!("{environment}, numprocs: 0"));
    for entry in
        [worker("two", environment), wrong, worker("two", ", environment: \"{{ token }}\"")]
    {
        let flags = ["--extra-vars", &vars, "-vvv", "--diff"];
        let play = controller.play(&programs(&[&entry], ""), &flags).ended(2);
        assert_hidden(&play);
        let log = play.result()["troubles"][0]["log"][0].as_str().unwrap_or_default();
        assert!(log.is_empty() || log.starts_with("no login with ***"), "{log}");
    }
}

/// A changed value is told as one, and restarts the program.
#[test]
fn changed_value_is_told_without_it() {
    let controller = or_skip!(Controller::start(&["web1"]));
    let task = |value: &str| {
        programs(&[&worker("one", &format!(", environment: {{TOKEN: {value}}}"))], "")
    };
    controller.play(&task("first"), &[]).ended(0);
    let play = controller.play(&task(SECRET), &["--diff"]).ended(0);
    assert_eq!(play.came_to(), ("applied", true));
    let group = &play.result()["plan"][0]["groups"][0];
    assert_eq!(
        (&group["do"], &group["settings"][0]["name"]),
        (&"replace".into(), &"environment".into())
    );
    assert_hidden(&play);
}
