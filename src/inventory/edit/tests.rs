//! The table of styles, and what holds for every edit.

use proptest::prelude::*;
use similar::{ChangeTag, TextDiff};

use super::shown::masked_lines;
use super::*;
use crate::inventory::Nothing;

fn edit(change: Change) -> Edit {
    Edit { site: "a.com".into(), program: "w".into(), change }
}

fn keys(all: &[&str]) -> Vec<Assignment> {
    all.iter().map(|text| Assignment::parse(text).unwrap()).collect()
}

fn set(all: &[&str]) -> Edit {
    edit(Change::Set(keys(all)))
}

fn add(program: &str, all: &[&str]) -> Edit {
    Edit { program: program.into(), ..edit(Change::Add(keys(all))) }
}

fn remove(program: &str) -> Edit {
    Edit { program: program.into(), ..edit(Change::Remove) }
}

/// The text after the edit, or what is said in its place.
fn made(edit: &Edit, text: &str) -> String {
    match edit.make("deployer.yml", text, &Nothing) {
        Ok(edited) => edited.text,
        Err(EditError::Refused(error)) => format!("refused: {error}"),
        Err(EditError::Problems(problems)) => {
            let said = problems
                .iter()
                .map(|problem| format!("{}: {}", problem.place.line, problem.message));
            format!("problems: {}", said.collect::<Vec<_>>().join("; "))
        }
    }
}

const SERVERS: &str = "servers: [{name: s, host: h}]\n";

/// Each edit on each style: what is before and after, below the servers. `@` is where a table would be
/// hard to read otherwise: a carriage return.
#[test]
fn edits_keep_each_style() {
    let scale = set(&["numprocs=4"]);
    let table: &[(&Edit, &str, &str)] = &[
        // A key that is there, in every style of value.
        (
            &scale,
            "sites:\n  - domain: a.com # ours\n    server: s\n    supervisors:\n      # the worker\n      - program: w\n        numprocs: 2   # two\n        script: w.sh\n",
            "sites:\n  - domain: a.com # ours\n    server: s\n    supervisors:\n      # the worker\n      - program: w\n        numprocs: 4   # two\n        script: w.sh\n",
        ),
        (
            &set(&["script=v w.sh", "command=x"]),
            "sites: []\n",
            "refused: there is no site `a.com`\nhint: a new site is written by hand, in deployer.yml: below `sites`",
        ),
        (
            &set(&["script=v.sh"]),
            "sites: [{domain: a.com, server: s, supervisors: [{program: w, script: 'w.sh'}]}]",
            "sites: [{domain: a.com, server: s, supervisors: [{program: w, script: 'v.sh'}]}]",
        ),
        (
            &set(&["script=v.sh"]),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: >-\n      w.sh\n    numprocs: 2\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: v.sh\n    numprocs: 2\n",
        ),
        (
            &set(&["numprocs=4", "environment.B=2"]),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    environment:\n      # a\n      A: \"1\" # one\n\n  # next\n  - {program: v, script: v.sh}\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    environment:\n      # a\n      A: \"1\" # one\n      B: \"2\"\n    numprocs: 4\n\n  # next\n  - {program: v, script: v.sh}\n",
        ),
        (
            &set(&["logs.rotate=14", "logs.size=1M", "environment={A: b}"]),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    logs: {rotate: 14, size: 1M}\n    environment: {A: b}",
        ),
        (
            &set(&["command=a\tb: c # d", "script="]),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n",
            "problems: 7: `command` must not contain the control character U+0009",
        ),
        (
            &set(&["command=php a: b", "script="]),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - script: w.sh # the script\n    program: w\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    command: \"php a: b\"\n",
        ),
        (
            &set(&["script=", "command=w"]),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - script: w.sh # the script\n    # its name\n    program: w\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  -\n    # its name\n    program: w\n    command: w\n",
        ),
        // Flow, on one line and on several.
        (
            &set(&["numprocs=4", "stopwaitsecs="]),
            "sites: [ { domain: a.com, server: s, supervisors: [ { program: w, stopwaitsecs: 5, script: w.sh } ] } ] # all",
            "sites: [ { domain: a.com, server: s, supervisors: [ { program: w, script: w.sh, numprocs: 4 } ] } ] # all",
        ),
        (
            &set(&["numprocs=4", "script=", "command=w"]),
            "sites: [{domain: a.com, server: s, supervisors: [\n  {\n    \"program\": \"w\", # name\n    \"script\": \"w.sh\" # script\n  },\n]}]\n",
            "sites: [{domain: a.com, server: s, supervisors: [\n  {\n    \"program\": \"w\", # name\n    \"numprocs\": 4,\n    \"command\": w\n  },\n]}]\n",
        ),
        // Carriage returns.
        (
            &set(&["numprocs=4", "startsecs=1"]),
            "sites:@\n- domain: a.com@\n  server: s@\n  supervisors:@\n  - program: w@\n    numprocs: 1@\n    script: w.sh@\n",
            "sites:@\n- domain: a.com@\n  server: s@\n  supervisors:@\n  - program: w@\n    numprocs: 4@\n    script: w.sh@\n    startsecs: 1@\n",
        ),
        // Anchors: an alias of its own gives way, what a merge brings is overridden.
        (
            &set(&["numprocs=4", "stopwaitsecs=7"]),
            "x-php: &php {stopwaitsecs: 5}\nx-n: &n 2\nsites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    numprocs: *n\n    script: w.sh\n    <<: *php\n  - {program: v, script: v.sh, <<: *php}\n",
            "x-php: &php {stopwaitsecs: 5}\nx-n: &n 2\nsites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    numprocs: 4\n    script: w.sh\n    <<: *php\n    stopwaitsecs: 7\n  - {program: v, script: v.sh, <<: *php}\n",
        ),
        (
            &set(&["stopwaitsecs="]),
            "x-php: &php {stopwaitsecs: 5}\nsites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    <<: *php\n",
            "refused: deployer.yml:7: the program `w` of a.com has `stopwaitsecs` in a way that is not edited\nhint: nothing was changed; edit it there by hand, then: supervisor-sync apply --site a.com",
        ),
        (
            &set(&["logs.rotate=14"]),
            "x-logs: &logs {rotate: 3, size: 1M}\nsites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    logs: *logs\n",
            "refused: deployer.yml:7: the program `w` of a.com has `logs.rotate` in a way that is not edited\nhint: nothing was changed; edit it there by hand, then: supervisor-sync apply --site a.com",
        ),
        (
            &set(&["numprocs=4"]),
            "sites:\n- domain: a.com\n  server: s\n  supervisors: &all\n  - program: w\n    numprocs: 2\n    script: w.sh\n- {domain: b.com, server: s, supervisors: *all}\n",
            "refused: deployer.yml:6: the program `w` of a.com has parts that other places share, as an anchor is\nhint: nothing was changed; edit it there by hand, then: supervisor-sync apply --site a.com",
        ),
        (
            &set(&["numprocs=4"]),
            "sites:\n- domain: b.com\n  server: s\n  supervisors: &all\n  - program: w\n    script: w.sh\n- {domain: a.com, server: s, supervisors: *all}\n",
            "refused: deployer.yml:8: the site a.com has its `supervisors` from an alias (`*name`)\nhint: nothing was changed; edit it there by hand, then: supervisor-sync apply --site a.com",
        ),
        // A value that the inventory does not take is told in its own words, with the line it would have.
        (
            &set(&["numprocs=four", "autostart=yes", "numproc=2"]),
            "sites: [{domain: a.com, server: s, supervisors: [{program: w, script: w.sh}]}]\n",
            "problems: 2: `numprocs` must be a whole number from 1 to 1000; 2: `autostart` must be true or false; 2: unknown key `numproc` of a program",
        ),
        (
            &set(&["stopwaitsec="]),
            "sites: [{domain: a.com, server: s, supervisors: [{program: w, script: w.sh}]}]\n",
            "refused: there is no key `stopwaitsec` of a program\nhint: did you mean `stopwaitsecs`?",
        ),
        (
            &Edit { program: "ww".into(), ..set(&["numprocs=4"]) },
            "sites: [{domain: a.com, server: s, supervisors: [{program: w, script: w.sh}]}]\n",
            "refused: there is no program `ww`\nhint: did you mean `w`?",
        ),
        // The last key of a map takes the map with it.
        (
            &set(&["environment.A=", "logs.size="]),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    environment:\n      A: b\n    logs: {size: 1M, rotate: 3}\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    logs: {rotate: 3}\n",
        ),
    ];
    check(table);
}

/// The rarer ways to write YAML: each is edited right, or refused and left as it is.
#[test]
fn rare_styles_are_edited_or_refused() {
    let scale = set(&["numprocs=4"]);
    let site = "sites:\n- domain: a.com\n  server: s\n  supervisors:\n";
    let by_hand = "refused: deployer.yml:6: the program `w` of a.com has parts that other places share, as an anchor is\nhint: nothing was changed; edit it there by hand, then: supervisor-sync apply --site a.com";
    let rows: &[(&Edit, &str, Result<&str, &str>)] = &[
        (
            &set(&["command=true"]),
            "  - program: w\n    command: php artisan\n      queue:work # all\n    numprocs: 2\n",
            Ok("  - program: w\n    command: \"true\" # all\n    numprocs: 2\n"),
        ),
        (
            &set(&["command=b c"]),
            "  - program: w\n    command:\n      \"a\n      b\"\n",
            Ok("  - program: w\n    command: \"b c\"\n"),
        ),
        (
            &scale,
            "  - ? program\n    : w\n    ? script\n    : w.sh\n",
            Ok("  - ? program\n    : w\n    ? script\n    : w.sh\n    numprocs: 4\n"),
        ),
        (
            &scale,
            "  - \"program\": w\n    \"script\": w.sh\n    \"numprocs\" : 2\n",
            Ok("  - \"program\": w\n    \"script\": w.sh\n    \"numprocs\" : 4\n"),
        ),
        (
            &scale,
            "  - program: w\n    script: w.sh\n    numprocs: !!int 2 # two\n",
            Ok("  - program: w\n    script: w.sh\n    numprocs: !!int 4 # two\n"),
        ),
        (
            &scale,
            "  - program: w\n    script: w.sh\n    numprocs: &n 2\n  - {program: v, script: v.sh, numprocs: *n}\n",
            Err(by_hand),
        ),
        (
            &scale,
            "  - &w\n    # the worker\n    program: w\n    script: w.sh\n",
            Ok("  - &w\n    # the worker\n    program: w\n    script: w.sh\n    numprocs: 4\n"),
        ),
        (
            &scale,
            "  - &p program: w\n    script: w.sh\n...\n# after the end\n",
            Ok("  - &p program: w\n    script: w.sh\n    numprocs: 4\n...\n# after the end\n"),
        ),
        (
            &scale,
            "  - program: w\n    numprocs:\n    script: w.sh\n    startsecs: ~ # unset\n",
            Ok("  - program: w\n    numprocs: 4\n    script: w.sh\n    startsecs: ~ # unset\n"),
        ),
        (
            &remove("w"),
            "  - {program: v, script: v.sh}\n  -   program: w\n\n      # wide\n      script: w.sh\n",
            Ok("  - {program: v, script: v.sh}\n"),
        ),
        (
            &add("mail", &["script=m.sh"]),
            "  -   program: w\n      script: w.sh\n",
            Ok("  -   program: w\n      script: w.sh\n  -   program: mail\n      script: m.sh\n"),
        ),
        (
            &remove("w"),
            "    - {program: v, script: v.sh}\n    - program: w\n      script: w.sh\n      environment: {A: 'x\n\n        y'}\n    # end\n",
            Ok("    - {program: v, script: v.sh}\n    # end\n"),
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(edit, before, after)| {
            let whole = |text: &str| format!("{site}{text}");
            let after = after.map_or_else(str::to_owned, whole);
            (*edit, whole(before), after)
        })
        .collect();
    let rows: Vec<_> =
        rows.iter().map(|(edit, before, after)| (*edit, &**before, &**after)).collect();
    check(&rows);
}

/// Only a secret changes: the diff still says so, and shows neither.
#[test]
fn diff_masks_secrets_and_comments_that_may_hold_one() {
    let text = "# Our shop: see the wiki\nsites:\n- domain: a.com\n  supervisors:\n  - program: w\n    # numprocs: 4\n    # TOKEN: s3cret\n    command: w --password=s3cret # was: s3cret\n    environment:\n      TOKEN: s3cret # s3cret\n";
    let after = text.replace("TOKEN: s3cret # s3cret", "TOKEN: s3cond # s3cret");
    let shown: Vec<String> = diff(text, &after).into_iter().map(|(_, line)| line).collect();
    assert_eq!(
        shown,
        [
            "@@ -7,4 +7,4 @@",
            "     # TOKEN: ***",
            "     command: w --password=*** ***",
            "     environment:",
            "-      TOKEN: *** ***",
            "+      TOKEN: *** ***",
        ]
    );
    let all = masked_lines(text);
    assert_eq!(all[5], "    # numprocs: 4", "a known key");
    assert!(!all.join("\n").contains("s3cret"), "{all:?}");
}

#[test]
fn programs_come_and_go_in_each_style() {
    let new = add("mail", &["script=mail.sh", "numprocs=2"]);
    let table: &[(&Edit, &str, &str)] = &[
        // As the last one is written.
        (
            &new,
            "sites:\n    - domain: a.com\n      server: s\n      supervisors:\n          - program: w\n            script: w.sh # last\n\n    # the next site\n    - {domain: b.com, server: s}\n",
            "sites:\n    - domain: a.com\n      server: s\n      supervisors:\n          - program: w\n            script: w.sh # last\n          - program: mail\n            script: mail.sh\n            numprocs: 2\n\n    # the next site\n    - {domain: b.com, server: s}\n",
        ),
        (
            &new,
            "sites:\n  -\n    domain: a.com\n    server: s\n    supervisors:\n      -\n        program: w\n        script: w.sh\n    repo: 'x'\n",
            "sites:\n  -\n    domain: a.com\n    server: s\n    supervisors:\n      -\n        program: w\n        script: w.sh\n      -\n        program: mail\n        script: mail.sh\n        numprocs: 2\n    repo: 'x'\n",
        ),
        (
            &new,
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - {program: w, script: w.sh}",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - {program: w, script: w.sh}\n  - {program: mail, script: mail.sh, numprocs: 2}",
        ),
        (
            &new,
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - {program: v, script: v.sh}\n\n  - {program: w, script: w.sh}\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - {program: v, script: v.sh}\n\n  - {program: w, script: w.sh}\n\n  - {program: mail, script: mail.sh, numprocs: 2}\n",
        ),
        (
            &new,
            "sites: [{domain: a.com, server: s, supervisors: [\n  {program: w, script: w.sh}, # w\n]}]\n",
            "sites: [{domain: a.com, server: s, supervisors: [\n  {program: w, script: w.sh}, # w\n  {program: mail, script: mail.sh, numprocs: 2},\n]}]\n",
        ),
        // What is said below the last one, further in than its dash, is said of it.
        (
            &new,
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    # numprocs: 2\n    # user: x\n  # of the list\n  user: www\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    # numprocs: 2\n    # user: x\n  - program: mail\n    script: mail.sh\n    numprocs: 2\n  # of the list\n  user: www\n",
        ),
        (
            &new,
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    # the end",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: w\n    script: w.sh\n    # the end\n  - program: mail\n    script: mail.sh\n    numprocs: 2",
        ),
        // Where there is none yet: as the other lists are written.
        (
            &new,
            "sites:\n- domain: a.com\n  server: s\n  supervisors: []  # none yet\n  user: www\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:  # none yet\n  - program: mail\n    script: mail.sh\n    numprocs: 2\n  user: www\n",
        ),
        (
            &new,
            "sites:\n  -\n    domain: a.com\n    server: s\n    supervisors: {  }",
            "sites:\n  -\n    domain: a.com\n    server: s\n    supervisors:\n      -\n        program: mail\n        script: mail.sh\n        numprocs: 2",
        ),
        (
            &new,
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - program: mail\n    script: mail.sh\n    numprocs: 2\n",
        ),
        (
            &new,
            "sites:\n- domain: a.com\n  server: s # ours\n\n# end\n",
            "sites:\n- domain: a.com\n  server: s # ours\n  supervisors:\n  - program: mail\n    script: mail.sh\n    numprocs: 2\n\n# end\n",
        ),
        (
            &new,
            "sites: [{domain: a.com, server: s}, {domain: b.com, server: s}]\n",
            "sites: [{domain: a.com, server: s, supervisors: [{program: mail, script: mail.sh, numprocs: 2}]}, {domain: b.com, server: s}]\n",
        ),
        (
            &new,
            "sites: [{domain: a.com, server: s, supervisors: []}]\n",
            "sites: [{domain: a.com, server: s, supervisors: [{program: mail, script: mail.sh, numprocs: 2}]}]\n",
        ),
        (
            &add("w", &["script=mail.sh"]),
            "sites: [{domain: a.com, server: s, supervisors: [{program: w, script: w.sh}]}]\n",
            "refused: a.com has a program `w` already\nhint: change it: supervisor-sync set a.com w KEY=VALUE",
        ),
        // What goes takes its own lines, and no others.
        (
            &remove("w"),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  # first\n  - program: v\n    script: v.sh\n  # second\n  - program: w # the worker\n    # inside\n    script: w.sh # its script\n  # third\n  - {program: u, script: u.sh}\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  # first\n  - program: v\n    script: v.sh\n  # second\n  # third\n  - {program: u, script: u.sh}\n",
        ),
        (
            &remove("w"),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - {program: v, script: v.sh}\n\n  - {program: w, script: w.sh}\n\n  - {program: u, script: u.sh}\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - {program: v, script: v.sh}\n\n  - {program: u, script: u.sh}\n",
        ),
        (
            &remove("w"),
            "x: &p {startsecs: 2}\nsites:\n- domain: a.com\n  server: s\n  supervisors:\n  - {program: v, script: v.sh}\n  - program: w\n    script: w.sh\n    <<: *p",
            "x: &p {startsecs: 2}\nsites:\n- domain: a.com\n  server: s\n  supervisors:\n  - {program: v, script: v.sh}",
        ),
        (
            &remove("w"),
            "sites:\n- domain: a.com\n  server: s\n  supervisors: # all\n  # only\n  - program: w\n    command: |\n      w\n\n  user: www\n",
            "sites:\n- domain: a.com\n  server: s\n  supervisors: [] # all\n  # only\n\n  user: www\n",
        ),
        (
            &remove("w"),
            "sites: [{domain: a.com, server: s, supervisors: [ {program: w, script: w.sh}, {program: v, script: v.sh} ]}]\n",
            "sites: [{domain: a.com, server: s, supervisors: [ {program: v, script: v.sh} ]}]\n",
        ),
        (
            &remove("v"),
            "sites: [{domain: a.com, server: s, supervisors: [ {program: w, script: w.sh}, {program: v, script: v.sh} ]}]\n",
            "sites: [{domain: a.com, server: s, supervisors: [ {program: w, script: w.sh} ]}]\n",
        ),
        (
            &remove("w"),
            "sites: [{domain: a.com, server: s, supervisors: [ {program: w, script: w.sh} ]}]\n",
            "sites: [{domain: a.com, server: s, supervisors: []}]\n",
        ),
        (
            &remove("w"),
            "sites: [{domain: a.com, server: s, supervisors: [\n  {program: v, script: v.sh}, # first\n  {program: w, script: w.sh}, # second\n]}]\n",
            "sites: [{domain: a.com, server: s, supervisors: [\n  {program: v, script: v.sh}, # first\n]}]\n",
        ),
        (
            &remove("w"),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - &w {program: w, script: w.sh}\n  - {<<: *w, program: v}\n",
            "problems: 6: not valid YAML: alias references unknown anchor",
        ),
        (
            &remove("mail"),
            "sites:\n- domain: a.com\n  server: s\n  supervisors:\n  - {program: w, script: w.sh}\n",
            "refused: there is no program `mail`\nhint: there is: w",
        ),
    ];
    check(table);
}

fn check(table: &[(&Edit, &str, &str)]) {
    let mut wrong = Vec::new();
    for (number, (edit, before, after)) in table.iter().enumerate() {
        let before = format!("{SERVERS}{before}").replace('@', "\r");
        let is_text = !after.starts_with("refused: ") && !after.starts_with("problems: ");
        let after = match is_text {
            true => format!("{SERVERS}{after}").replace('@', "\r"),
            false => (*after).to_owned(),
        };
        let made = made(edit, &before);
        if made != after {
            wrong.push(format!("row {number}: {made:?}\n   not   {after:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How the parts of an inventory are written.
#[derive(Debug, Clone)]
struct Style {
    indent: usize,
    at_parents: bool,
    below_dash: bool,
    flow_programs: bool,
    comments: bool,
    blank_lines: bool,
    newline: &'static str,
    ends: bool,
    quote: &'static str,
}

fn style() -> impl Strategy<Value = Style> {
    let flags = proptest::collection::vec(any::<bool>(), 7);
    let quote = prop_oneof![Just(""), Just("'"), Just("\"")];
    (1..5_usize, flags, quote).prop_map(|(indent, flags, quote)| Style {
        indent: indent + usize::from(!flags[0] && indent == 1),
        at_parents: flags[0],
        below_dash: flags[1],
        flow_programs: flags[2],
        comments: flags[3],
        blank_lines: flags[4],
        newline: if flags[5] { "\r\n" } else { "\n" },
        ends: flags[6],
        quote,
    })
}

impl Style {
    /// An inventory of two sites with these programs, and the keys that each has.
    fn inventory(&self, programs: &[Vec<(&str, &str)>]) -> String {
        let mut lines = vec!["x-ours: kept # \"as it is".to_owned()];
        lines.push("servers: [{name: s, host: h}]".into());
        lines.push("sites:".into());
        let site = if self.at_parents { 0 } else { self.indent };
        for domain in ["b.com", "a.com"] {
            let q = self.quote;
            self.item(&mut lines, site, &[format!("domain: {q}{domain}{q}"), "server: s".into()]);
            let keys = site + self.below();
            lines.push(format!("{}supervisors:", " ".repeat(keys)));
            let dash = keys + if self.at_parents { 0 } else { self.indent };
            for (number, program) in programs.iter().enumerate() {
                if self.blank_lines && number > 0 {
                    lines.push(String::new());
                }
                if self.comments {
                    lines.push(format!("{}# above {number}", " ".repeat(dash)));
                }
                let entries: Vec<_> = program.iter().map(|(k, v)| format!("{k}: {v}")).collect();
                match self.flow_programs {
                    true => lines.push(format!("{}- {{{}}}", " ".repeat(dash), entries.join(", "))),
                    false => self.item(&mut lines, dash, &entries),
                }
            }
        }
        if self.comments {
            lines.push("# the end: of it".into());
        }
        let text = lines.join(self.newline);
        if self.ends { text + self.newline } else { text }
    }

    /// How far keys are from their dash.
    fn below(&self) -> usize {
        if self.below_dash { self.indent + 1 } else { 2 }
    }

    fn item(&self, lines: &mut Vec<String>, dash: usize, entries: &[String]) {
        let (indent, keys) = (" ".repeat(dash), " ".repeat(dash + self.below()));
        let remark = |number: usize| match self.comments {
            true => format!(" # of {number}"),
            false => String::new(),
        };
        if self.below_dash {
            lines.push(format!("{indent}-"));
        }
        for (number, entry) in entries.iter().enumerate() {
            let before =
                if number == 0 && !self.below_dash { format!("{indent}- ") } else { keys.clone() };
            lines.push(format!("{before}{entry}{}", remark(number)));
        }
    }
}

/// Programs `p0`, `p1`, … with some keys each.
fn programs() -> impl Strategy<Value = Vec<Vec<(&'static str, &'static str)>>> {
    let key = prop_oneof![
        Just(("numprocs", "2")),
        Just(("stopwaitsecs", "7")),
        Just(("environment", "{A: \"b, c\", B: 'd'}")),
        Just(("directory", "\"/srv/a\"")),
        Just(("logs", "{rotate: 3}")),
    ];
    let keys = proptest::collection::hash_map("[a-e]", key, 0..4);
    proptest::collection::vec(keys, 1..4).prop_map(|all| {
        let named = all.into_iter().zip(["p0", "p1", "p2", "p3"]);
        let program = |(keys, name): (std::collections::HashMap<String, _>, _)| {
            let mut own: Vec<(&str, &str)> = keys.into_values().collect();
            own.sort_unstable();
            own.dedup_by_key(|(key, _)| *key);
            [vec![("program", name), ("script", "w.sh")], own].concat()
        };
        named.map(program).collect()
    })
}

/// A change and what the program `p0` has then, by the key that it is about.
fn changes() -> impl Strategy<Value = (Change, Option<(&'static str, &'static str)>)> {
    let set = |text: &str| Change::Set(keys(&[text]));
    prop_oneof![
        Just((set("numprocs=5"), Some(("numprocs", "5")))),
        Just((set("numprocs="), Some(("numprocs", "1")))),
        Just((set("directory=/x y"), None)),
        Just((set("logs.rotate=9"), Some(("logs.rotate", "9")))),
        Just((set("environment.A="), None)),
        Just((set("environment.C=x: y"), None)),
        Just((Change::Remove, None)),
        Just((Change::Add(keys(&["script=n.sh", "user=me"])), None)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Every line that was there and is not what changes is there still, in its order.
    #[test]
    fn any_edit_keeps_the_other_lines(style in style(), programs in programs(), (change, _) in changes()) {
        let text = style.inventory(&programs);
        let program = if matches!(change, Change::Add(_)) { "mail" } else { "p0" };
        let edit = Edit { site: "a.com".into(), program: program.into(), change: change.clone() };
        match edit.make("deployer.yml", &text, &Nothing) {
            Ok(edited) => {
                let lines = TextDiff::from_lines(&text, &edited.text);
                let removed = lines.iter_all_changes().filter(|line| line.tag() == ChangeTag::Delete).count();
                let most = match change {
                    Change::Remove => programs[0].len() + 3,
                    _ => 1 + usize::from(!style.ends),
                };
                prop_assert!(removed <= most, "{removed} lines of\n{text}\n are gone:\n{}", edited.text);
                let others = |inventory: &Inventory| inventory.sites[0].site.programs.clone();
                let before = resolve::read("deployer.yml", &text).unwrap();
                prop_assert_eq!(others(&before).len(), others(&edited.inventory).len());
                let comments = |text: &str| text.lines().filter(|line| line.trim().starts_with('#')).count();
                prop_assert_eq!(comments(&text), comments(&edited.text), "{}", edited.text);
            }
            // What a value is refused for is the reader's to say; an edit is never what is in the way.
            Err(EditError::Problems(_)) => prop_assert!(
                matches!(&change, Change::Set(all) if all == &keys(&["directory=/x y"])), "{text}"
            ),
            Err(EditError::Refused(error)) => prop_assert!(false, "{error}\n{text}"),
        }
    }

    /// What is as it should be stays byte for byte, and what was changed is there once it is read.
    #[test]
    fn edits_read_as_asked_and_repeat_as_nothing(style in style(), programs in programs(), (change, wanted) in changes()) {
        let text = style.inventory(&programs);
        let edit = Edit { site: "a.com".into(), program: "p0".into(), change };
        if let (Ok(edited), Change::Set(_)) = (edit.make("deployer.yml", &text, &Nothing), &edit.change) {
            let again = edit.make("deployer.yml", &edited.text, &Nothing).map(|edited| edited.text);
            prop_assert_eq!(again.ok(), Some(edited.text.clone()));
            let program = &edited.inventory.sites[1].site.programs[0];
            match wanted {
                Some(("numprocs", number)) => prop_assert_eq!(program.numprocs.to_string(), number),
                Some((_, number)) => prop_assert_eq!(program.logs.rotate.to_string(), number),
                None => {}
            }
        }
    }
}
