//! What a verb's help teaches beside its arguments: examples, and the right verb for who types another tool's.

use anstyle::Style;

/// Each verb with commands that do something useful, and what that is. A test reads every one by the real command
/// line.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "check",
        &[
            ("check", "every problem of deployer.yml, and what hurts"),
            ("check --strict --format github", "in CI: fail on warnings, annotate the lines"),
            ("check --on web1", "also what web1's supervisord includes, whoever wrote it"),
        ],
    ),
    (
        "explain",
        &[
            ("explain", "every check that warns"),
            ("explain background-process", "one of them, with an example"),
        ],
    ),
    (
        "plan",
        &[
            ("plan", "what an apply would do, on every host"),
            ("plan --site shop.example.com --on @workers", "of one site, on the hosts with a tag"),
            ("plan --exit-code", "in scripts: status 3 if there is something to do"),
        ],
    ),
    (
        "apply",
        &[
            ("apply", "make every host match, once you have agreed to the plan"),
            ("apply --yes --restart --site shop.example.com", "after a deployment"),
            ("apply --batch 10% -m 'more workers'", "a tenth of the hosts first, and why"),
        ],
    ),
    (
        "status",
        &[
            ("status", "what is wanted beside what runs"),
            ("status shop.example.com-queue --on web1", "of one program on one host"),
        ],
    ),
    (
        "init",
        &[
            ("init --here", "the programs run on this machine"),
            ("init --server root@203.0.113.10", "they run there, over SSH"),
        ],
    ),
    (
        "scaffold",
        &[
            ("scaffold", "the kinds of scripts that there are"),
            ("scaffold laravel-queue", "write one to .deployer/supervisors/"),
        ],
    ),
    (
        "add",
        &[
            ("add shop.example.com queue --script queue.sh", "a program, here and on its servers"),
            (
                "add shop.example.com mail --command 'php artisan mail' --set numprocs=2",
                "a command line",
            ),
        ],
    ),
    (
        "remove",
        &[
            ("remove shop.example.com queue", "a program less, here and on its servers"),
            ("remove shop.example.com-queue --inventory-only", "the servers stay as they are"),
        ],
    ),
    (
        "set",
        &[
            ("set shop.example.com queue stopwaitsecs=120", "one key"),
            (
                "set shop.example.com-queue numprocs=4 --unset priority",
                "by the name that is printed",
            ),
        ],
    ),
    (
        "scale",
        &[
            ("scale shop.example.com queue 4", "four processes"),
            ("scale shop.example.com-queue 4 --dry-run", "show what that would do"),
        ],
    ),
    (
        "start",
        &[
            ("start shop.example.com-queue", "a program that does not run"),
            ("start --site shop.example.com --yes", "all that is down of a site"),
        ],
    ),
    (
        "stop",
        &[
            ("stop shop.example.com-queue", "a program, until it is started"),
            ("stop 'queue:*_01' --on web1", "one process of several, on one host"),
            ("stop --dry-run", "what would stop: everything"),
        ],
    ),
    (
        "logs",
        &[
            ("logs queue -f", "the last lines of a program, and what comes"),
            ("logs -n 100 --site shop.example.com", "a hundred lines of each program of a site"),
        ],
    ),
    (
        "publish",
        &[
            (
                "publish --key ~/.ssh/deploy /srv/deploy/shop",
                "to a folder that a web server serves",
            ),
            (
                "publish --key deploy.pub s3://deploy/shop --yes -m 'more workers'",
                "to a bucket, signed by ssh-agent's key",
            ),
        ],
    ),
    (
        "pull",
        &[
            ("pull", "take up what was published, now"),
            ("pull --dry-run", "show what that would do here"),
            ("pull --retry", "also what was rolled back here"),
        ],
    ),
    (
        "hold",
        &[
            ("hold 'the sale' --for 2h", "take up nothing for two hours"),
            ("hold 'ann looks at the queue'", "until `resume`"),
        ],
    ),
    (
        "resume",
        &[
            ("resume", "take up again what is published"),
            ("resume --config /etc/supervisor-sync/shop.yml", "of another source"),
        ],
    ),
    (
        "metrics",
        &[
            ("metrics", "this machine's metrics, to look at"),
            (
                "metrics --out /var/lib/prometheus/node-exporter/supervisor_sync.prom",
                "for node_exporter's textfile collector, by a timer",
            ),
        ],
    ),
    #[cfg(feature = "web")]
    (
        "web",
        &[
            ("web", "on 127.0.0.1:9190: open the link that is printed"),
            (
                "web --on @workers --socket /run/user/1000/fleet.sock",
                "some hosts, on a unix socket",
            ),
        ],
    ),
    (
        "history",
        &[
            ("history", "the runs, newest first"),
            ("history --site shop.example.com --diff 7", "what a revision has changed"),
        ],
    ),
    (
        "check-drift",
        &[
            (
                "check-drift",
                "whoever the inventory names under notify is told of what begins and ends",
            ),
            ("check-drift --quiet --on @workers", "from a timer, of the hosts with a tag"),
        ],
    ),
    (
        "notify",
        &[
            ("notify --test", "one of each kind, to whoever wants to hear it"),
            ("notify --test failed", "of one kind"),
        ],
    ),
    (
        "rollback",
        &[
            ("rollback", "take back the last run, wherever it changed something"),
            ("rollback --site shop.example.com --to 7", "one site, to a revision"),
        ],
    ),
    (
        "release",
        &[
            ("release shop.example.com --dry-run", "which files would be given back"),
            ("release shop.example.com", "give them back; its programs run on"),
        ],
    ),
    (
        "restart",
        &[
            ("restart shop.example.com-queue", "a program, each process once"),
            ("restart --site shop.example.com --rolling --at-a-time 2", "two processes at a time"),
            ("restart 'queue:*_01' --on web1", "one process of several, on one host"),
        ],
    ),
    ("setup", &[("setup", "every server of the inventory"), ("setup --on web1", "one of them")]),
    (
        "import",
        &[
            ("import --on web1", "what web1's supervisord runs, into the inventory"),
            ("import conf.d/*.conf", "from files that are here"),
        ],
    ),
    (
        "sandbox",
        &[
            ("sandbox", "every program, on this machine, until Ctrl-C"),
            ("sandbox --program queue", "one of them"),
        ],
    ),
    (
        "runner",
        &[
            (
                "runner --site shop.example.com --php 8.4 --branch main",
                "for who deploys by other means",
            ),
            ("runner --site shop.example.com --overwrite", "in place of the one that is there"),
        ],
    ),
    (
        "playbook",
        &[
            (
                "playbook sync",
                "in place of supervisor-sync.sh: $DEPLOYER_SITE_DOMAIN and so on say what",
            ),
            ("playbook restart", "its programs, after a deployment"),
        ],
    ),
    (
        "integrate",
        &[
            (
                "integrate deployer-php vendor/loadinglucian/deployer-php",
                "have DeployerPHP call this program",
            ),
            ("integrate deployer-php --undo vendor/loadinglucian/deployer-php", "and no longer"),
        ],
    ),
    (
        "completions",
        &[
            (
                "completions bash > /etc/bash_completion.d/supervisor-sync",
                "for everybody on this machine",
            ),
            (
                "completions fish > ~/.config/fish/completions/supervisor-sync.fish",
                "for you, in fish",
            ),
        ],
    ),
    (
        "schema",
        &[
            ("schema > deployer.schema.json", "for an editor that completes and checks YAML"),
            ("schema | jq '.properties | keys'", "the keys of the inventory"),
        ],
    ),
];

/// Verbs of other tools: what there is in their place.
const ELSEWHERE: [(&str, &str, &str); 6] = [
    (
        "deploy",
        "code is deployed by another tool",
        "make the servers match the inventory: supervisor-sync apply",
    ),
    (
        "up",
        "programs start when they are applied",
        "supervisor-sync apply, or, of what is stopped: supervisor-sync start",
    ),
    ("down", "programs are stopped, and stay in the inventory", "supervisor-sync stop"),
    (
        "destroy",
        "what the inventory does not have is removed by an apply",
        "take it out (supervisor-sync remove), or a whole site: supervisor-sync apply --prune",
    ),
    (
        "doctor",
        "the inventory and servers are looked at apart",
        "the inventory: supervisor-sync check; what a server lacks: supervisor-sync setup",
    ),
    ("edit", "one key at a time is edited", "supervisor-sync set SITE PROGRAM KEY=VALUE"),
];

/// The command with the examples of each verb.
pub(super) fn with_examples(mut command: clap::Command) -> clap::Command {
    for &(verb, examples) in EXAMPLES {
        if command.find_subcommand(verb).is_some() {
            command = command.mut_subcommand(verb, |verb| verb.after_help(text(examples)));
        }
    }
    command
}

/// What to type in place of a verb that there is not: why not, and a hint.
pub(super) fn elsewhere(verb: &str) -> Option<(&'static str, &'static str)> {
    ELSEWHERE.iter().find(|(other, ..)| *other == verb).map(|(_, why, hint)| (*why, *hint))
}

fn text(examples: &[(&str, &str)]) -> String {
    let heading = Style::new().bold().underline();
    let mut text = format!("{heading}Examples:{heading:#}");
    for (command, what) in examples {
        text.push_str(&format!("\n  supervisor-sync {command}\n          {what}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_two_examples() {
        let command = super::super::command();
        let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        for verb in verbs.filter(|verb| !matches!(verb.get_name(), "man" | "help")) {
            let examples = EXAMPLES.iter().find(|(name, _)| *name == verb.get_name());
            let examples = examples.map_or(&[][..], |(_, examples)| examples);
            assert!(examples.len() >= 2, "{} has no examples", verb.get_name());
        }
    }

    /// As a shell would have it, up to what is for the shell.
    #[test]
    fn every_example_is_a_command() {
        for &(verb, examples) in EXAMPLES {
            for &(example, _) in examples {
                let command = example.split([">", "|"].map(|end| end.chars().next().unwrap()));
                let words = command.take(1).flat_map(words);
                let words = std::iter::once("supervisor-sync".to_owned()).chain(words);
                let parsed = super::super::command().try_get_matches_from(words);
                let matches = parsed.unwrap_or_else(|error| panic!("{example}: {error}"));
                assert_eq!(matches.subcommand_name(), Some(verb), "{example}");
            }
        }
        for (verb, _, hint) in ELSEWHERE {
            assert!(super::super::command().find_subcommand(verb).is_none(), "{verb}");
            assert!(hint.contains("supervisor-sync "), "{hint}");
        }
    }

    /// Quotes are only around whole words here.
    fn words(text: &str) -> Vec<String> {
        let quoted = text.split('\'').enumerate();
        let words = quoted.flat_map(|(place, part)| match place % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(str::to_owned).collect(),
        });
        words.collect()
    }
}
