//! The stage as a whole: text in, an inventory or every problem out.

use proptest::prelude::*;

use super::*;

/// An inventory with one server and one site, into which `program` is put as the site's program.
fn with_program(program: &str) -> String {
    format!(
        "servers:\n  - {{name: web1, host: 203.0.113.10}}\nsites:\n  - domain: example.com\n    \
         server: web1\n    supervisors:\n      - {{program: worker, script: w.sh, {program}}}\n"
    )
}

fn inventory(text: &str) -> Inventory {
    read("deployer.yml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn server<'i>(inventory: &'i Inventory, name: &str) -> Option<&'i Host> {
    inventory.hosts.iter().find(|host| host.name.as_str() == name)
}

fn site<'i>(inventory: &'i Inventory, domain: &str) -> Option<&'i PlacedSite> {
    inventory.sites.iter().find(|placed| placed.site.domain.as_str() == domain)
}

fn problems(text: &str) -> Problems {
    match read("deployer.yml", text) {
        Ok(inventory) => panic!("was accepted: {inventory:?}"),
        Err(problems) => problems,
    }
}

/// `line:column message`, one a line.
fn messages(text: &str) -> String {
    let place = |p: &Problem| format!("{}:{} {}", p.place.line, p.place.column, p.message);
    problems(text).iter().map(place).collect::<Vec<_>>().join("\n")
}

/// The one program of `with_program`.
fn program(options: &str) -> Program {
    inventory(&with_program(options)).sites[0].site.programs[0].clone()
}

/// As DeployerPHP writes it (Symfony's dump, both spellings of its keys), with nothing of ours.
const DEPLOYER_PHP: &str = r#"servers:
  -
    name: production
    host: 203.0.113.10
    port: 22
    username: root
    privateKeyPath: ~/.ssh/id_ed25519
    provider: digitalocean
    dropletId: 123456789
  -
    name: staging
    host: staging.example.com
    port: 2222
    username: deployer
    privateKeyPath: null
    provider: null
sites:
  -
    domain: example.com
    server: production
    repo: 'git@github.com:example/app.git'
    branch: main
    php_version: '8.4'
    www_mode: redirect-to-root
    has_www: true
    web_root: public/web
    crons:
      -
        script: schedule.sh
        schedule: '* * * * *'
    supervisors:
      -
        program: queue-worker
        script: queue-worker.sh
        autostart: true
        autorestart: true
        stopwaitsecs: 3600
        numprocs: 4
  -
    domain: static.example.com
    server: production
    phpVersion: '8.3'
    wwwMode: none
    hasWww: false
    crons: {  }
  -
    domain: empty.example.com
    server: staging
    phpVersion: '8.4'
    supervisors: {  }
"#;

#[test]
fn deployerphps_file_reads_unchanged() {
    let inventory = inventory(DEPLOYER_PHP);
    let hosts: Vec<_> = inventory.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(hosts, ["production", "staging"]);
    let host = server(&inventory, "production").unwrap();
    assert_eq!((host.port, host.connection), (Some(22), Connection::Ssh));
    assert_eq!(host.private_key_path.as_deref(), Some("~/.ssh/id_ed25519"));
    assert_eq!(server(&inventory, "staging").unwrap().private_key_path, None);

    let placed = site(&inventory, "example.com").unwrap();
    assert_eq!(placed.line, 19);
    assert_eq!(placed.site.format, Format::Hardened);
    assert_eq!(placed.site.user.as_str(), "deployer");
    assert_eq!(placed.site.paths, Paths::default());
    let mut expected = Program::new(
        ProgramName::parse("queue-worker").unwrap(),
        Run::Script(ScriptPath::parse("queue-worker.sh").unwrap()),
    );
    expected.numprocs = 4;
    expected.line = Some(33);
    assert_eq!(placed.site.programs, [expected]);
}

#[test]
fn an_inventory_may_have_a_name() {
    let name = |text: &str| inventory(text).name;
    assert_eq!(name("sites: []\n"), None);
    assert_eq!(name("name: Shop (EU)\nsites: []\n").as_deref(), Some("Shop (EU)"));
    assert_eq!(messages("name: [a]\nsites: []\n"), "1:7 `name` must be text");
    assert_eq!(messages("name: ' a'\n"), "1:7 `name` must not begin or end with a blank");
    let found = problems("nmae: shop\nsites: []\n").to_string();
    assert!(found.contains("did you mean `name`"), "{found}");
}

/// A site without the key is left alone, and one with an empty list is managed.
#[test]
fn site_without_key_is_not_managed() {
    let inventory = inventory(DEPLOYER_PHP);
    assert_eq!(inventory.left_alone, ["static.example.com"]);
    assert!(site(&inventory, "static.example.com").is_none());
    assert!(site(&inventory, "empty.example.com").unwrap().site.programs.is_empty());
    let text = "servers: [{name: a, host: b}]\nsites: [{domain: e.com, server: a, supervisors: }]";
    assert!(messages(text).starts_with("2:36 `supervisors` is empty: that could mean"));
}

#[test]
fn an_inventory_without_anything_is_valid() {
    for text in ["", "# nothing\n", "{}", "[]", "servers: []\nsites: []", "servers:\nsites:\n"] {
        assert!(inventory(text).hosts.is_empty(), "{text:?}");
    }
}

const EVERYTHING: &str = r#"format: classic
user: www
paths: {sites: /srv, conf_dir: /etc/s.d, logrotate_dir: /etc/l.d, log_dir: /var/log/s, supervisord: /etc/s.conf, state_dir: /var/lib/x}
x-shared: &shared {A: 1.10, B: "two"}
defaults:
  stopwaitsecs: 60
  environment: {A: low, C: true}
  logs: {rotate: 9, compress: false}
  health: {stable_for: 5}
servers:
  - {name: web1, host: localhost, connection: local, privilege: sudo, tags: [eu, workers]}
  - {name: web2, host: "2001:db8::1", port: 2222, username: deploy, private_key_path: /k}
sites:
  - domain: example.com
    servers: [web1, web2]
    user: site
    format: hardened
    paths: {log_dir: /logs}
    defaults: {numprocs: 2, environment: {A: middle}}
    supervisors:
      - program: all
        command: php artisan horizon
        autostart: false
        autorestart: unexpected
        numprocs: 3
        directory: /srv/app
        user: other
        environment: *shared
        startsecs: 0
        startretries: 5
        stopsignal: SIGQUIT
        stopasgroup: true
        killasgroup: true
        exitcodes: [0, 2]
        priority: 10
        umask: "027"
        logs: {maxage: 7, size: 100M, frequency: weekly}
        instances: separate
        restart: rolling
        health: {probe: {http: "http://127.0.0.1:8080/up", timeout: 3}}
      - {program: few, script: few.sh}
"#;

#[test]
fn nearer_layer_wins() {
    let inventory = inventory(EVERYTHING);
    let [web1, web2] = inventory.hosts.as_slice() else { panic!("two hosts") };
    assert_eq!((web1.connection, web1.privilege), (Connection::Local, Some(Privilege::Sudo)));
    assert_eq!(web1.tags, ["eu", "workers"]);
    assert_eq!((web2.address.as_str(), web2.port), ("2001:db8::1", Some(2222)));
    assert_eq!(web2.username, UserName::parse("deploy").ok());
    assert_eq!(web2.private_key_path.as_deref(), Some("/k"));

    let PlacedSite { site, hosts, line } = &inventory.sites[0];
    assert_eq!((hosts.len(), *line), (2, 14));
    assert_eq!((site.user.as_str(), site.format), ("site", Format::Hardened));
    assert_eq!(site.paths.log_dir.as_str(), "/logs");
    assert_eq!(site.paths.conf_dir.as_str(), "/etc/s.d");
    assert_eq!(
        site.paths.supervisord,
        SupervisordAddress::Config(AbsolutePath::parse("/etc/s.conf").unwrap())
    );

    let [all, few] = site.programs.as_slice() else { panic!("two programs") };
    let environment = |program: &Program| -> String {
        let pairs = program.environment.iter();
        pairs.map(|(name, value)| format!("{name}={} ", value.as_str())).collect()
    };
    assert_eq!(environment(all), "A=1.10 B=two C=true ");
    assert_eq!(environment(few), "A=middle C=true ");
    assert_eq!((all.numprocs, few.numprocs), (3, 2));
    assert_eq!((all.stopwaitsecs, few.stopwaitsecs), (60, 60));
    let set: Vec<_> = ["umask", "priority", "startsecs", "stopsignal", "startretries"]
        .map(|name| all.supervisord.get(name))
        .into();
    assert_eq!(set, [Some("027"), Some("10"), Some("0"), Some("QUIT"), Some("5")]);
    assert_eq!((all.autostart, all.autorestart), (false, Autorestart::Unexpected));
    let asked = |name| all.supervisord.boolean(name);
    assert_eq!((asked("stopasgroup"), asked("killasgroup")), (Some(true), Some(true)));
    assert_eq!(all.supervisord.exit_statuses().as_deref(), Some([0, 2].as_slice()));
    assert_eq!(all.directory.as_ref().unwrap().path(), Some("/srv/app"));
    assert_eq!(all.user.as_ref().unwrap().as_str(), "other");
    assert_eq!((all.instances, all.restart), (Instances::Separate, RestartPolicy::Rolling));
    assert_eq!(all.run, Run::Command(CommandLine::parse("php artisan horizon").unwrap()));
    let logs = Logs {
        rotation: Some(Rotation::Logrotate),
        rotate: 9,
        maxage: 7,
        size: Some(100 << 20),
        frequency: LogFrequency::Weekly,
        compress: false,
        ..Logs::default()
    };
    assert_eq!(all.logs, logs);
    let probe = Probe::Http { url: "http://127.0.0.1:8080/up".into(), timeout: 3 };
    assert_eq!(all.health, Health { stable_for: Some(5), probe: Some(probe) });
    assert_eq!(few.health, Health { stable_for: Some(5), probe: None });
}

#[test]
fn an_inventory_survives_json() {
    let inventory = inventory(EVERYTHING);
    let json = serde_json::to_string(&inventory).unwrap();
    assert_eq!(serde_json::from_str::<Inventory>(&json).unwrap(), inventory);
}

/// Ten mistakes of ten kinds.
const TEN: &str = r#"servers:
  - name: web1
    host: root@203.0.113.10
defalts: {autostart: false}
sites:
  - domain: example.com
    server: wbe1
    supervisors:
      - program: queue-worker
        script: ../queue.sh
        numprocs: "4"
        autostart: yes
        stopasgroup: true
        killasgroup: false
        environment: {APP_KEY: "it's \"secret\"", OTHER: secret} # secret
      - progam: mailer
        command: php artisan mail
        restart: rollng
"#;

#[test]
fn every_mistake_shows_its_line() {
    insta::assert_snapshot!(problems(TEN).render(false), @r#"
    error: `host` must not contain '@': write the user as `username`
     --> deployer.yml:3:11
      |
    3 |     host: root@203.0.113.10
      |           ^^^^^^^^^^^^^^^^^

    error: unknown key `defalts` of the inventory
     --> deployer.yml:4:1
      |
    4 | defalts: {autostart: false}
      | ^^^^^^^
      |
      = help: did you mean `defaults`?

    error: there is no server `wbe1`
     --> deployer.yml:7:13
      |
    7 |     server: wbe1
      |             ^^^^
      |
      = help: did you mean `web1`?

    error: `script` must not contain '..'
      --> deployer.yml:10:17
       |
    10 |         script: ../queue.sh
       |                 ^^^^^^^^^^^

    error: `numprocs` must be a whole number from 1 to 1000
      --> deployer.yml:11:19
       |
    11 |         numprocs: "4"
       |                   ^^^
       |
       = help: drop the quotes: `numprocs: 4`

    error: `autostart` must be true or false
      --> deployer.yml:12:20
       |
    12 |         autostart: yes
       |                    ^^^
       |
       = help: write `autostart: true`, without quotes

    error: `killasgroup: false` does not go with `stopasgroup: true`: supervisord refuses the configuration of the whole host
      --> deployer.yml:14:22
       |
    14 |         killasgroup: false
       |                      ^^^^^
       |
       = help: remove `killasgroup`: it follows `stopasgroup`
    note: `stopasgroup` is true here
      --> deployer.yml:13:22
       |
    13 |         stopasgroup: true
       |                      ----

    error: the value of `APP_KEY` must not begin or end with a quote: supervisord strips it
      --> deployer.yml:15:32
       |
    15 |         environment: {APP_KEY: ***, OTHER: ***} ***
       |                                ^^^

    error: unknown key `progam` of a program
      --> deployer.yml:16:9
       |
    16 |       - progam: mailer
       |         ^^^^^^
       |
       = help: did you mean `program`?

    error: `restart` must be immediate, rolling or deferred
      --> deployer.yml:18:18
       |
    18 |         restart: rollng
       |                  ^^^^^^
       |
       = help: did you mean `rolling`?
    "#);
    assert_eq!(problems(TEN).count(), 10);
    assert_eq!(problems(TEN).summary(), "deployer.yml has 10 problems");
}

#[test]
fn problems_are_data_as_well() {
    let problems = problems("servers: [{name: a, host: b}, {name: a, host: c}]\n");
    insta::assert_snapshot!(serde_json::to_string_pretty(&problems).unwrap(), @r#"
    {
      "file": "deployer.yml",
      "problems": [
        {
          "file": "deployer.yml",
          "line": 1,
          "column": 38,
          "text": "servers: [{name: a, host: b}, {name: a, host: c}]",
          "label": null,
          "message": "the server `a` appears twice",
          "help": [],
          "related": [
            {
              "line": 1,
              "column": 18,
              "text": "servers: [{name: a, host: b}, {name: a, host: c}]",
              "label": "first defined here"
            }
          ]
        }
      ],
      "not_shown": 0
    }
    "#);
}

#[test]
fn colours_only_when_asked_for() {
    let problems = problems(TEN);
    assert!(problems.render(true).contains('\u{1b}'));
    assert!(!problems.render(false).contains('\u{1b}'));
}

#[test]
fn refusal_carries_problem_list() {
    let problems = problems("sites: 1");
    assert_eq!(problems.refusal().message, "deployer.yml has a problem");
    let error = crate::error::CommandError::from(problems);
    assert_eq!(error.kind.exit_status(), 1);
    assert!(error.message.contains("`sites` must be a list"), "{error}");
}

#[test]
fn every_problem_is_reported_at_once() {
    // One mistake in every other line; each must be found although all the others are there.
    let wrong = [
        "autostart: maybe",
        "autorestart: maybe",
        "stopwaitsecs: 0",
        "numprocs: 1001",
        "directory: relative",
        "user: \"a b\"",
        "environment: text",
        "startsecs: -1",
        "startretries: 1.5",
        "stopsignal: SIGFOO",
        "stopasgroup: 1",
        "killasgroup: \"true\"",
        "exitcodes: 256",
        "priority: high",
        "umask: 22",
        "logs: {size: 1T}",
        "instances: some",
        "restart: now",
        "health: {probe: {}}",
        "unknown: 1",
    ];
    let lines = wrong.map(|line| format!("        {line}\n")).concat();
    let text = "servers: [{name: a, host: b}]\nsites:\n  - domain: e.com\n    server: a\n    \
                supervisors:\n      - program: p\n        script: s\n"
        .to_owned()
        + &lines;
    let found: Vec<u32> = problems(&text).iter().map(|problem| problem.place.line).collect();
    let expected: Vec<u32> = (8..8 + 20).collect();
    assert_eq!(found, expected, "{}", messages(&text));
}

#[test]
fn what_a_program_may_not_be() {
    for (options, expected) in [
        ("numprocs: 0", "`numprocs` must be a whole number from 1 to 1000"),
        ("numprocs: 2.0", "`numprocs` must be a whole number from 1 to 1000"),
        ("numprocs: [2]", "`numprocs` must be a whole number from 1 to 1000"),
        ("numprocs: 99999999999999999999", "`numprocs` must be a whole number from 1 to 1000"),
        ("autostart: 1", "`autostart` must be true or false"),
        ("directory: /a/../b", "`directory` must not contain '..'"),
        ("command: x", "a program has `script` or `command`, not both"),
        ("program: x", "the key `program` appears twice"),
        ("environment: {A B: x}", "`environment` must not contain a blank"),
        ("environment: {A: }", "the variable `A` has no value"),
        ("exitcodes: []", "`exitcodes` must contain a number"),
        ("umask: \"999\"", "`umask` must be three octal digits in quotes"),
        ("logs: {size: 18446744073709551615G}", "`size` must be a number of bytes"),
        ("logs: 5", "`logs` must be a map of keys and values"),
        ("health: {probe: {http: \"http://u:p@h/\"}}", "`http` must not contain a user"),
        ("health: {probe: {http: \"http://h:99999/\"}}", "`http` must have a port"),
        ("health: {probe: {tcp: \"h\"}}", "`tcp` must be 'host:port'"),
        ("health: {probe: {exec: \"a 'b\"}}", "`exec` has a ' that is never closed"),
        ("health: {probe: {exec: a, timeout: 0}}", "`timeout` must be a whole number from 1"),
        ("stdout_logfile: /x", "unknown key `stdout_logfile` of a program"),
        ("1: x", "a key of a program must be text"),
    ] {
        let text = with_program(options);
        assert!(messages(&text).contains(expected), "{options}: {}", messages(&text));
    }
}

/// Text in quotes is no number, and `yes` is no boolean.
#[test]
fn quoted_number_is_no_number() {
    let help = |options: &str| {
        let help: Vec<_> =
            problems(&with_program(options)).iter().flat_map(|p| p.help.clone()).collect();
        help.join("\n")
    };
    assert_eq!(help("numprocs: \"4\""), "drop the quotes: `numprocs: 4`");
    assert_eq!(help("numprocs: 04"), "write it plainly: `numprocs: 4`");
    assert_eq!(help("autostart: yes"), "write `autostart: true`, without quotes");
    assert_eq!(help("autostart: \"false\""), "write `autostart: false`, without quotes");
    assert_eq!(help("autorestart: unexpectd"), "did you mean `unexpected`?");
    assert_eq!(help("directory: 1000"), "put it in quotes: `directory: \"1000\"`");
    assert_eq!(help("user: 1e3"), "put it in quotes: `user: \"1e3\"`");
    assert_eq!(program("user: 1000").user, program("user: \"1000\"").user, "an id");
}

#[test]
fn environment_is_kept_literally() {
    let program = program("environment: {A: 1.10, B: 0644, C: yes, D: true, E: '', F: 1e3, G: ~x}");
    let values: Vec<&str> = program.environment.values().map(EnvironmentValue::as_str).collect();
    assert_eq!(values, ["1.10", "0644", "yes", "true", "", "1e3", "~x"]);
}

/// A mistyped key is one problem, and not also a missing one.
#[test]
fn mistyped_key_is_one_problem() {
    let text = "servers: [{nam: a, hots: b}]\nsites: [{domian: e.com, sever: a, supervisors: \
                [{progam: p, comand: c}]}]\n";
    let found = messages(text);
    assert_eq!(found.matches("unknown key").count(), 6, "{found}");
    assert!(!found.contains("needs"), "{found}");
}

#[test]
fn sites_must_fit_servers() {
    let base = "servers: [{name: web1, host: h1}, {name: web2, host: h2}]\nsites:\n";
    for (sites, expected) in [
        ("- {domain: e.com, supervisors: []}", "3:3 a site needs `server`"),
        ("- {domain: e.com, server: web3, supervisors: []}", "3:27 there is no server `web3`"),
        ("- {domain: e.com, server: web3}", "3:27 there is no server `web3`"),
        (
            "- {domain: e.com, server: web1, servers: [web2], supervisors: []}",
            "3:42 a site has `server` or `servers`, not both",
        ),
        ("- {domain: e.com, servers: [], supervisors: []}", "3:28 a site needs a server"),
        (
            "- {domain: e.com, servers: [web1, web1], supervisors: []}",
            "3:35 the server `web1` appears twice",
        ),
        (
            "- {domain: e.com, server: web1}\n- {domain: e.com, server: web2, supervisors: []}",
            "4:12 the site `e.com` appears twice",
        ),
        ("- {domain: e.com, programs: []}", "3:19 unknown key `programs` of a site"),
        ("- text", "3:3 a site must be a map of keys and values"),
    ] {
        let found = messages(&format!("{base}{sites}\n"));
        assert!(found.starts_with(expected), "{sites}: {found}");
        assert_eq!(found.lines().count(), 1, "{sites}: {found}");
    }
}

/// A copied entry must not send a server's work to this machine.
#[test]
fn copied_server_cannot_be_local() {
    let text = "servers: [{name: a, host: 203.0.113.1, connection: local}]";
    assert!(messages(text).starts_with("1:52 `connection: local` means this machine"));
}

#[test]
fn two_programs_cannot_share_file() {
    let sites = |servers: [&str; 2]| {
        format!(
            "servers: [{{name: a, host: h1}}, {{name: b, host: h2}}]\nsites:\n\
             - {{domain: staging, server: {}, supervisors: [{{program: eu-worker, script: s}}]}}\n\
             - {{domain: staging-eu, server: {}, supervisors: [{{program: worker, script: s}}]}}\n",
            servers[0], servers[1]
        )
    };
    let problems = problems(&sites(["a", "a"]));
    let problem = problems.iter().next().unwrap();
    assert_eq!(
        problem.message,
        "the sites `staging` and `staging-eu` would both write `staging-eu-worker.conf` on `a`"
    );
    assert_eq!((problem.place.line, problem.related[0].line), (4, 3));
    assert_eq!(inventory(&sites(["a", "b"])).sites.len(), 2);
}

#[test]
fn common_file_belongs_to_one_site() {
    let text = |config_files: &str| {
        format!(
            "servers: [{{name: a, host: h}}]\nsites:\n\
             - {{domain: shop, server: a, supervisors: [{{program: eu, script: s}}]}}\n\
             - {{domain: shop-eu, server: a, config_files: {config_files}, \
                supervisors: [{{program: w, script: s}}]}}\n"
        )
    };
    let problems = problems(&text("per-site"));
    let problem = problems.iter().next().unwrap();
    let expected = "the sites `shop` and `shop-eu` would both write `shop-eu.conf` on `a`";
    assert_eq!(problem.message, expected);
    assert_eq!((problem.place.line, problem.related[0].line), (4, 3));
    assert_eq!(inventory(&text("per-program")).sites.len(), 2);
}

#[test]
fn classic_has_file_per_program() {
    let text = |top: &str, site: &str| {
        format!(
            "{top}\nservers: [{{name: a, host: h}}]\n\
             sites: [{{domain: e.com, server: a, {site}supervisors: []}}]\n"
        )
    };
    for bad in [
        text("format: classic\nconfig_files: per-site", ""),
        text("config_files: per-site", "format: classic, "),
    ] {
        let message = problems(&bad).iter().next().unwrap().message.clone();
        assert!(message.starts_with("`format: classic` has a file for each program"), "{message}");
    }
    let site = "format: classic, config_files: per-program, ";
    assert_eq!(inventory(&text("config_files: per-site", site)).sites.len(), 1);
}

#[test]
fn instance_cannot_take_programs_name() {
    let text = |numprocs: u32, name: &str, instances: &str| {
        format!(
            "servers: [{{name: a, host: h}}]\nsites: [{{domain: e.com, server: a, supervisors: [\n\
             {{program: w, script: s, numprocs: {numprocs}, instances: {instances}}},\n\
             {{program: {name}, script: s}}]}}]\n"
        )
    };
    assert!(
        messages(&text(4, "w_03", "separate"))
            .starts_with("4:11 `e.com-w_03` is also the name of a process of `e.com-w` on `a`")
    );
    for (numprocs, name, instances) in
        [(4, "w_04", "separate"), (4, "w_3", "separate"), (4, "w_03", "together")]
    {
        assert_eq!(inventory(&text(numprocs, name, instances)).sites.len(), 1);
    }
}

/// It is refused across the layers, and told once.
#[test]
fn stopasgroup_without_killasgroup_is_refused() {
    let text = "servers: [{name: a, host: h}]\ndefaults: {stopasgroup: true}\nsites:\n- {domain: \
                e.com, server: a, defaults: {killasgroup: false}, supervisors: [{program: p, \
                script: s}, {program: q, script: s}]}\n";
    assert_eq!(messages(text).lines().count(), 1);
    assert!(messages(text).contains("`killasgroup: false` does not go with `stopasgroup: true`"));
    let both = text.replace("killasgroup: false", "killasgroup: true");
    assert_eq!(inventory(&both).sites.len(), 1);
}

#[test]
fn full_name_fits_file_name() {
    let text = with_program("numprocs: 1")
        .replace("example.com", &"d".repeat(150))
        .replace("program: worker", &format!("program: {}", "p".repeat(150)));
    assert!(messages(&text).contains("the name `{domain}-{program}` is too long: 301 bytes"));
}

/// Each text that people can write, as a template; `HOSTILE` is put in its place.
const FIELDS: [(&str, &str); 12] = [
    ("name", "servers: [{name: HOSTILE, host: h}]"),
    ("host", "servers: [{name: n, host: HOSTILE}]"),
    ("username", "servers: [{name: n, host: h, username: HOSTILE}]"),
    ("tags", "servers: [{name: n, host: h, tags: [HOSTILE]}]"),
    (
        "domain",
        "servers: [{name: n, host: h}]\nsites: [{domain: HOSTILE, server: n, supervisors: []}]",
    ),
    ("paths", "paths: {sites: HOSTILE}"),
    ("user", "user: HOSTILE"),
    (
        "program",
        "servers: [{name: n, host: h}]\nsites: [{domain: e.com, server: n, supervisors: [{program: HOSTILE, script: s}]}]",
    ),
    (
        "script",
        "servers: [{name: n, host: h}]\nsites: [{domain: e.com, server: n, supervisors: [{program: p, script: HOSTILE}]}]",
    ),
    ("directory", "defaults: {directory: HOSTILE}"),
    ("stopsignal", "defaults: {stopsignal: HOSTILE}"),
    ("http", "defaults: {health: {probe: {http: HOSTILE}}}"),
];

#[test]
fn hostile_text_is_refused_everywhere() {
    let long = format!("\"{}\"", "x".repeat(5000));
    let hostile = [
        r#""../../etc/passwd""#,
        r#""a\nb""#,
        r#""a\0b""#,
        r#""a%(ENV_X)s""#,
        r#""a;b""#,
        r#""a b""#,
        r#""ä""#,
        r#""a\e[31mb""#,
        r#""-oProxyCommand=x""#,
        r#""""#,
        r#""$(id)""#,
        r#""a\"b""#,
        "[a]",
        "{a: b}",
        "7",
        long.as_str(),
    ];
    for (field, template) in FIELDS {
        for text in hostile {
            // A name may begin with '-': it is never an argument of its own.
            if text.starts_with("\"-o") && template.starts_with("servers: [{name: HOSTILE") {
                continue;
            }
            // Nothing of it means anything where a script's name is written.
            let harmless = ["a%(ENV_X)s", "a;b", "ä", "-oProxyCommand=x", "$(id)"];
            if field == "script" && harmless.contains(&text.trim_matches('"')) {
                continue;
            }
            // An id.
            if (field, text) == ("user", "7") {
                continue;
            }
            let found = problems(&template.replace("HOSTILE", text));
            let rendered = found.render(false);
            assert!(
                found.iter().any(|p| p.message.contains(field) || p.message.contains("sites")),
                "{field} {text}: {rendered}"
            );
            assert!(rendered.chars().all(|c| c == '\n' || !c.is_control()), "{rendered:?}");
            assert!(rendered.len() < 4000, "{field}: {} bytes", rendered.len());
        }
    }
}

#[test]
fn large_file_ends_in_clear_error() {
    let ten = 10 << 20;
    for (text, expected) in [
        ("[".repeat(ten), "nested deeper than an inventory can be"),
        ("- ".repeat(1 << 19), "nested deeper than an inventory can be"),
        (format!("servers: {}", "x".repeat(ten)), "`servers` must be a list"),
        (format!("{}: 1", "x".repeat(1 << 20)), "not valid YAML"),
        ("\0".repeat(1 << 20), "not valid YAML"),
        (" ".repeat(17 << 20), "the file is larger than 16 MiB"),
    ] {
        let found = problems(&text);
        assert!(found.to_string().contains(expected), "{}", &found.to_string()[..200]);
        assert!(found.to_string().len() < 2000);
    }
}

#[test]
fn problems_beyond_hundreds_are_counted() {
    let text = "servers:\n".to_owned() + &"  - {name: a, host: '@'}\n".repeat(5000);
    let found = problems(&text);
    assert_eq!(found.count(), 9999);
    assert_eq!(found.iter().count(), 300);
    assert!(found.to_string().ends_with("… and 9699 more"));
}

#[test]
fn long_line_shows_real_column() {
    let text = format!("servers: [{{name: a, host: h, x-note: \"{}\", por: 1}}]", "ä".repeat(1000));
    let found = problems(&text);
    let problem = found.iter().next().unwrap();
    assert_eq!(problem.place.column, 1042);
    assert_eq!(&problem.place.text[problem.place.caret.clone()], "por");
    assert!(problem.place.text.starts_with('…'));
    assert!(problem.place.text.chars().count() < 320);
}

/// Nearly every way to write a secret, with a mistake beside each.
const SECRETS: &str = r#"x-shared: &shared {SHARED: hunter2hunter2}
defaults:
  environment: &more
    QUOTED: 'hunter2hunter2' # was: hunter2hunter2
    PLAIN: "hunter2hunter2ä"
servers: [{name: a, host: h}]
sites:
  - domain: e.com
    server: a
    supervisors:
      - program: p
        script: s
        environment: {A: "hunter2hunter2'", <<: *shared, bad name: hunter2hunter2, C: [hunter2hunter2]}
        numprocs: x
      - program: q
        environment:
          BLOCK: |
            hunter2hunter2
            hunter2hunter2
          <<: *more
        script: ..
      - program: r
        script: s
        environment:
        STRAY: hunter2hunter2
        stray: hunter2hunter2
      - program: s
        script: s
        environment: ["A=hunter2hunter2"]
      - {program: t, script: s, environment: "A=hunter2hunter2", enviroment: {A: hunter2hunter2}}
      - {program: u, script: s, environment: {A:hunter2hunter2}}
"#;

/// Everything that could be shown of a reading.
fn everything_shown(text: &str) -> String {
    match read("deployer.yml", text) {
        Ok(inventory) => format!("{inventory:?}"),
        Err(problems) => format!(
            "{problems:?}{problems}{}{}",
            problems.render(true),
            serde_json::to_string(&problems).unwrap()
        ),
    }
}

#[test]
fn a_secret_is_never_shown() {
    let found = problems(SECRETS);
    assert!(found.count() >= 12, "{found}");
    assert!(!everything_shown(SECRETS).contains("hunter2"), "{found}");
    assert!(found.to_string().matches("***").count() > 5, "{found}");
    assert!(!everything_shown(&with_program("environment: {&A: 48151623}")).contains("48151623"));
    assert!(!everything_shown(&with_program("environment: {A: hunter2}")).contains("hunter2"));
}

/// The secret is written twice in a row, so that a change of one character leaves one whole.
#[test]
fn secret_is_hidden_whatever_is_mistyped() {
    let block = "servers: [{name: a, host: h}]\nsites:\n  - domain: e.com\n    server: a\n    \
                 supervisors:\n      - program: p\n        environment:\n          KEY: \
                 hunter2hunter2\n          OTHER: \"hunter2hunter2\"\n        script: ..\n";
    let flow = with_program("environment: {KEY: hunter2hunter2, B: 'hunter2hunter2'}, numprocs: 0");
    for text in [block, flow.as_str()] {
        assert!(text.is_ascii());
        for position in text.find("supervisors").unwrap()..text.len() {
            let (before, after) = text.split_at(position);
            let shorter = format!("{before}{}", &after[1..]);
            let inserted = ["\"", ":", "#", "{", "[", "\n", " ", "&", "!"];
            let longer = inserted.map(|c| format!("{before}{c}{after}"));
            for changed in longer.into_iter().chain([shorter]) {
                let shown = everything_shown(&changed);
                assert!(!shown.contains("hunter2"), "{changed}\n\n{shown}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Pieces of real inventories, cut and joined anywhere, and anything else.
    #[test]
    fn no_text_panics(
        cuts in prop::collection::vec((0usize..4000, 0usize..400, "\\PC{0,6}"), 1..6),
        whole in any::<bool>(),
    ) {
        let mut text = if whole { format!("{EVERYTHING}{TEN}") } else { SECRETS.to_owned() };
        for (start, length, piece) in cuts {
            let floor = |index: usize| {
                let index = index.min(text.len());
                (0..=index).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
            };
            let range = floor(start % (text.len() + 1))..floor(start % (text.len() + 1) + length);
            text.replace_range(range, &piece);
        }
        let _ = everything_shown(&text);
    }

    #[test]
    fn no_characters_panic(text in "[ -~\n\t\u{0}-\u{1f}é\u{feff}\u{2028}]{0,200}") {
        let _ = everything_shown(&text);
    }
}

/// The examples of the user's guide are inventories, or parts of one.
#[test]
fn guides_examples_are_valid() {
    let guide = include_str!("../../docs/inventory.md");
    let servers = "servers: [{name: web1, host: h1}, {name: web2, host: h2}]\n";
    let examples: Vec<&str> = guide
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```").map(|(example, _)| example))
        .collect();
    assert_eq!(examples.len(), 14);
    for example in examples {
        let text = if example.starts_with("supervisors:") {
            let indented = example.replace('\n', "\n    ");
            format!("{servers}sites:\n  - domain: e.com\n    server: web1\n    {indented}\n")
        } else if example.starts_with("servers:") {
            example.to_owned()
        } else {
            format!("{servers}{example}")
        };
        let read =
            super::read_beside("docs/inventory.md", &text, &super::published_tests::EveryFile);
        assert!(read.is_ok(), "{text}{}", read.unwrap_err());
    }
}

#[test]
fn fleet_key_sets_persistence() {
    let servers = "servers: [{name: web1, host: h1}]\n";
    let persist = |top: &str| {
        read("i", &format!("{top}{servers}")).map(|inventory| inventory.hosts[0].persist).ok()
    };
    assert_eq!(persist(""), Some(0));
    assert_eq!(persist("fleet: {persist: 60}\n"), Some(60));
    for wrong in ["persist: -1", "persist: 86401", "persist: always", "persit: 60", "parallel: 3"] {
        assert_eq!(persist(&format!("fleet: {{{wrong}}}\n")), None, "{wrong}");
    }
}

#[test]
fn name_in_supervisord_is_unique() {
    let text = |first: &str, second: &str, domain: &str| {
        format!(
            "servers: [{{name: a, host: h}}]\nsites:\n\
             - {{domain: e.com, server: a, supervisors: [\n{{program: w, script: s, {first}}},\n\
             {{program: x, script: s}}]}}\n\
             - {{domain: {domain}, server: a, supervisors: [\n{{program: w, script: s, {second}}}]}}\n"
        )
    };
    let found = |first, second, domain| messages(&text(first, second, domain));
    assert_eq!(
        found("as: celery", "as: celery", "f.com").lines().next().unwrap(),
        "7:29 `w` of `e.com` and `w` of `f.com` would both be `celery` in supervisord on `a`"
    );
    assert_eq!(
        found("as: e.com-x", "as: celery", "f.com").lines().next().unwrap(),
        "5:11 the programs `w` and `x` would both be `e.com-x` in supervisord on `a`"
    );
    assert_eq!(
        found("as: f.com-w", "numprocs: 1", "f.com").lines().next().unwrap(),
        "7:11 `w` of `e.com` and `w` of `f.com` would both be `f.com-w` in supervisord on `a`"
    );
    let many = "as: celery, instances: separate, numprocs: 2";
    assert!(found(many, "as: celery_01", "f.com").starts_with("7:29 `celery_01` is also the name"));
    assert_eq!(inventory(&text("as: celery", "as: celery_01", "f.com")).sites.len(), 2);
}

#[test]
fn file_belongs_to_one_site() {
    let text = |first: &str, second: &str, other: &str| {
        format!(
            "servers: [{{name: a, host: h}}]\nsites:\n\
             - {{domain: e.com, server: a, supervisors: [{{program: w, script: s, {first}}},\n\
             {{program: x, script: s, {second}}}]}}\n\
             - {{domain: f.com, server: a, supervisors: [\n{{program: w, script: s, {other}}}]}}\n"
        )
    };
    let file = "file: workers.conf";
    let site = &inventory(&text(file, file, "numprocs: 1")).sites[0].site;
    let files: Vec<_> = site
        .programs
        .iter()
        .map(|program| site.config_file(program, &site.full_name(program).unwrap()))
        .collect();
    assert_eq!(files, ["/etc/supervisor/conf.d/workers.conf"; 2].map(std::path::PathBuf::from));
    assert_eq!(
        messages(&text("numprocs: 1", file, file)).lines().next().unwrap(),
        "6:31 the sites `e.com` and `f.com` would both write `workers.conf` on `a`"
    );
    let of_default = messages(&text("numprocs: 1", "numprocs: 1", "file: e.com-w.conf"));
    assert!(of_default.contains("would both write `e.com-w.conf` on `a`"), "{of_default}");
    for bad in ["a", ".conf", ".a.conf", "a/b.conf", "a b.conf", "a.conf~", "-a.conf"] {
        assert!(
            messages(&text(&format!("file: \"{bad}\""), file, "numprocs: 1"))
                .contains("`file` must"),
            "{bad}"
        );
    }
    for bad in [".a", "-a", "a b", "a:b", "a/b", "a%", "ä"] {
        assert!(
            messages(&text(&format!("as: \"{bad}\""), file, "numprocs: 1")).contains("`as` must"),
            "{bad}"
        );
    }
}

/// One that has a key of its own is refused, and the key is named.
#[test]
fn passed_options_are_type_checked() {
    for (option, problem) in [
        ("stdout_syslog: 1", "`stdout_syslog` must be true or false"),
        ("stdout_capture_maxbytes: 1M", "`stdout_capture_maxbytes` must be a number of bytes"),
        ("numprocs_start: -1", "`numprocs_start` must be a whole number"),
        ("serverurl: \"a ;b\"", "`serverurl` must not contain a blank followed by ';'"),
        ("process_name: \"a b\"", "`process_name` must not contain ' '"),
        ("process_name: \"%(program_name)s\"", "`process_name` contains a `%`"),
        ("stdout_logfile_maxbytes: 1MB", "`stdout_logfile_maxbytes` has supervisord rotate"),
        ("priority: 5", "unknown key `priority` of `options`"),
        ("stdout_syslogs: true", "unknown key `stdout_syslogs` of `options`"),
    ] {
        let found = messages(&with_program(&format!("options: {{{option}}}")));
        assert!(found.contains(problem), "{option}: {found}");
    }
    let text = with_program("options: {priority: 5}");
    let problem = problems(&text).iter().next().unwrap().clone();
    assert!(format!("{problem:?}").contains("`priority` of the program"), "{problem:?}");
    let options = "options: {stdout_syslog: true, serverurl: AUTO, process_name: one}";
    let set = program(options).supervisord;
    assert_eq!(set.get("stdout_syslog"), Some("true"));
    assert_eq!((set.get("serverurl"), set.get("process_name")), (Some("AUTO"), Some("one")));
}

/// What a key refuses stands in `options`, what it takes does not, and nothing stands in both.
#[test]
fn options_say_what_keys_do_not() {
    for (wrong, problem) in [
        ("directory: app", "`directory` must be an absolute path"),
        ("stopwaitsecs: 0", "`stopwaitsecs` must be a whole number from 1"),
        ("logs: {path: app.log}", "`path` must be an absolute path"),
        ("user: \"%(ENV_X)s\"", "`user` contains a `%`"),
        ("options: {directory: /srv}", "`directory` has a key of its own that can say this"),
        ("options: {stopwaitsecs: 5}", "`stopwaitsecs` has a key of its own that can say this"),
        ("options: {stdout_logfile: NONE}", "`stdout_logfile` has a key of its own"),
        ("directory: /srv, options: {directory: app}", "does not go with the key `directory`"),
        ("options: {command: \"a\\nb\"}", "does not go with the key `script`"),
        ("options: {stdout_logfile: a.log}", "logrotate cannot rotate a log"),
        ("stopsignal: WINC", "`stopsignal` must be the name of a signal"),
    ] {
        let found = messages(&with_program(wrong));
        assert!(found.contains(problem), "{wrong}: {found}");
    }
    let said = program(
        "options: {stopwaitsecs: 0, directory: app, stdout_logfile: ~/a b.log}, logs: {rotate: supervisord}, \
         priority: -5, stopsignal: sigwinch, user: \"%(ENV_X)s\", expansions: true",
    );
    assert_eq!((said.stopwaitsecs, said.directory.unwrap().as_str()), (0, "app"));
    assert_eq!(said.logs.path.unwrap().as_str(), "~/a b.log");
    assert_eq!(said.supervisord.get("priority"), Some("-5"));
    assert_eq!(said.supervisord.get("stopsignal"), Some("WINCH"));
}

#[test]
fn unknown_expansion_is_refused() {
    let with = |expansions: bool, more: &str| {
        messages(&with_program(&format!("expansions: {expansions}, {more}")))
    };
    let known = "%(program_name)s %(process_num)02d %(ENV_X)s %(here)s %(numprocs)d %%";
    let unknown = |more: &str| with(true, more);
    let environment = |value: &str| format!("environment: {{A: \"{value}\"}}");
    assert_eq!(
        inventory(&with_program(&format!("expansions: true, {}", environment(known)))).sites.len(),
        1
    );
    let said = unknown(&environment("%(secret)s"));
    assert!(
        said.contains("the value of `A` has an expansion that supervisord does not know"),
        "{said}"
    );
    assert!(!said.contains("secret"), "{said}");
    assert!(unknown(&environment("100%")).contains("the value of `A` holds a '%'"));
    assert_eq!(
        inventory(&with_program(&format!("expansions: false, {}", environment("100%"))))
            .sites
            .len(),
        1
    );
    let path = "logs: {path: \"/var/log/%(programname)s.log\"}";
    assert!(unknown(path).contains("%(programname) is not a name that supervisord can expand"));
    assert!(
        with(false, &path.replace("programname", "program_name"))
            .contains("the path of a log contains a `%`")
    );
    let of_host = "logs: {path: \"/var/log/%(ENV_X)s.log\"}";
    assert!(unknown(of_host).contains("logrotate cannot rotate"));
}

#[test]
fn variables_come_from_file_beside() {
    struct One;
    impl super::Beside for One {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            match path {
                "w.env" => Ok(b"# comment\nTOKEN='hunter2'\nMODE=file\n".to_vec()),
                "bad.env" => Ok(b"A=1\nB=x ;hunter2\n".to_vec()),
                _ => Err("No such file".to_owned()),
            }
        }
        fn matching(&self, _: &str) -> Result<Vec<String>, String> {
            Ok(Vec::new())
        }
    }
    let read = |options: &str| super::read_beside("x", &with_program(options), &One);
    let inventory = read("environment_file: w.env, environment: {MODE: here}").unwrap();
    let variables = &inventory.sites[0].site.programs[0].environment;
    let values: Vec<_> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(values, [("MODE", "here"), ("TOKEN", "hunter2")]);
    let message = |options| read(options).unwrap_err().iter().next().unwrap().message.clone();
    assert_eq!(message("environment_file: none.env"), "cannot read `none.env`: No such file");
    let bad = message("environment_file: bad.env");
    assert!(bad.starts_with("`bad.env`, line 2: the value must not contain"), "{bad}");
    assert!(!bad.contains("hunter2"), "{bad}");
}

/// Files beside an inventory.
struct Files<'f>(&'f [(&'f str, &'f str)]);

impl super::Beside for Files<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| "No such file".to_owned())
    }

    fn matching(&self, pattern: &str) -> Result<Vec<String>, String> {
        let names = self.0.iter().map(|(name, _)| (*name).to_owned());
        Ok(names.filter(|name| super::beside::is_match(pattern, name)).collect())
    }
}

fn by_hand(files: &[(&str, &str)], more: &str) -> Result<Inventory, Problems> {
    let text = format!(
        "servers: [{{name: a, host: h}}]\nsites:\n- {{domain: e.com, server: a, configs: [\"*.conf\"]}}\n{more}"
    );
    super::read_beside("x", &text, &Files(files))
}

#[test]
fn config_file_reads_as_supervisord_reads() {
    for (text, problem) in [
        ("command=x\n", "line 1: stands before the first [section]"),
        ("[program:a]\nnonsense\n", "line 2: is neither"),
        ("; nothing\n", "there is no section in it"),
        ("[program:a]\n", "line 1: [program:a] needs `command`"),
        ("[program:a b]\ncommand=x\n", "supervisord refuses the name `a b`"),
        ("[program:a]\ncommand=x\n[program:a]\ncommand=x\n", "line 3: the name `a` appears twice"),
        ("[DEFAULT]\nuser=x\n", "line 1: [DEFAULT] does not belong to a site"),
        ("[supervisord]\nuser=x\n", "[supervisord] does not belong to a site"),
        ("[program:a]\ncommand=x %(nope)s\n", "line 2: `command` %(nope) is not a name"),
        ("[program:a]\ncommand=100%\n", "line 2: `command` holds a '%'"),
        ("[program:a]\ncommand=x\nenvironment=A=%(hunter2)s\n", "line 3: `environment` cannot be"),
        ("[program:a]\ncommand=x\nautostart=maybe\n", "line 3: `autostart` must be true or false"),
        ("[program:a]\ncommand=x\nautorestart=never\n", "`autorestart` must be true, false or"),
        ("[program:a]\ncommand=x\nexitcodes=0,300\n", "`exitcodes` must be numbers from 0 to 255"),
        ("[program:a]\ncommand=x\numask=9\n", "`umask` must be octal digits"),
        ("[program:a]\ncommand=x\nstdout_logfile_maxbytes=10M\n", "must be a number of bytes"),
        ("[program:a]\ncommand=x\nnumprocs=2\n", "line 3: with several processes `process_name`"),
        ("[program:a]\ncommand=x\nstopasgroup=1\nkillasgroup=off\n", "needs `killasgroup` as well"),
        ("[eventlistener:a]\ncommand=x\n", "[eventlistener:a] needs `events`"),
        ("[fcgi-program:a]\ncommand=x\n", "[fcgi-program:a] needs `socket`"),
        ("[group:g]\nprograms=a\n", "no file of `configs` has the program `a`"),
        ("[group:g]\nprograms=\n", "[group:g] needs `programs`"),
    ] {
        let error = by_hand(&[("a.conf", text)], "").unwrap_err();
        let found: Vec<&str> = error.iter().map(|one| one.message.as_str()).collect();
        let found = found.join("\n");
        assert!(found.contains(problem), "{text}: {found}");
        assert!(found.contains("`a.conf`") && !found.contains("hunter2"), "{found}");
    }
    for fine in [
        "[program:a]\r\nCommand : x ; comment\r\nautostart=YES\r\nexitcodes=0, 2\r\numask=0o022\r\n",
        "[program:a]\ncommand=x %(ENV_HOME)s %(here)s %%\npriority=%(ENV_P)s\nlater_option=1\n",
        "[eventlistener:a]\ncommand=x\nevents=TICK_5,TICK_60\nbuffer_size=5\n",
        "[fcgi-program:a]\ncommand=x\nsocket=tcp://localhost:9002\nsocket_mode=0700\n",
    ] {
        let read = by_hand(&[("a.conf", fine)], "");
        assert!(read.is_ok(), "{fine}: {}", read.unwrap_err());
        assert_eq!(read.unwrap().sites[0].site.configs[0].text, fine);
    }
    let none = by_hand(&[("a.txt", "")], "").unwrap_err();
    assert_eq!(none.iter().next().unwrap().message, "there is no file `*.conf`");
}

/// `config_texts` are `configs` without a file, and no message has their lines, which can have an environment.
#[test]
fn config_text_is_a_config_without_a_file() {
    let with = |texts: &str, more: &str| {
        let site = format!("- {{domain: e.com, server: a, config_texts: [{texts}]{more}}}");
        let text = format!("servers: [{{name: a, host: h}}]\nsites:\n{site}\n");
        super::read_beside("x", &text, &Files(&[("a.conf", "[program:b]\ncommand=y\n")]))
    };
    let text = r#"{name: a.conf, text: "[program:a]\ncommand=x\nenvironment=A=\"hunter2\"\n"}"#;
    let site = &with(text, "").unwrap().sites[0].site;
    let [config] = &site.configs[..] else { panic!("{:?}", site.configs) };
    assert_eq!(config.name.as_str(), "a.conf");
    assert_eq!(config.text, "[program:a]\ncommand=x\nenvironment=A=\"hunter2\"\n");
    for (texts, more, message) in [
        (text, ", configs: [\"*.conf\"]", "two files of `configs` are called `a.conf`"),
        (&format!("{text}, {text}"), "", "two files of `configs` are called `a.conf`"),
        (r#"{name: a.txt, text: "[program:a]\n"}"#, "", "`name` "),
        (r#"{name: a.conf, text: "[program:a]\nhunter2\n"}"#, "", "`a.conf`, line 2: is neither"),
        (r#"{name: a.conf, txt: "[program:a]\nhunter2=1\n"}"#, "", "unknown key `txt`"),
        ("{name: a.conf}", "", "a config needs `text`"),
    ] {
        let problems = with(texts, more).unwrap_err().to_string();
        assert!(problems.contains(message), "{problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn names_in_configs_clash_with_programs() {
    let program = |options: &str| {
        format!(
            "- {{domain: f.com, server: a, supervisors: [{{program: w, script: s, {options}}}]}}\n"
        )
    };
    let found = |options: &str| {
        let files = [("a.conf", "[program:a]\ncommand=x\n[group:g]\nprograms=a\n")];
        match by_hand(&files, &program(options)) {
            Ok(_) => String::new(),
            Err(problems) => problems.iter().next().unwrap().message.clone(),
        }
    };
    assert_eq!(
        found("as: a, file: w.conf"),
        "`a.conf` of `e.com` has the name `a` in supervisord, and so has the program `w` of `f.com`"
    );
    assert!(found("as: g").contains("has the name `g` in supervisord"));
    assert!(found("file: a.conf").contains("has the file `a.conf`, and so has the program `w`"));
    assert_eq!(found("as: h"), "");
}
