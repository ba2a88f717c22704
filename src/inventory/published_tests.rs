//! What is published of the tables of keys: the guide's tables and the JSON Schema are as the tables are, and
//! each key reads what it says. `UPDATE_DOCS=1 cargo test published_tests` writes both anew.

use std::path::{Path, PathBuf};

use super::keys::{Key, Keys};
#[cfg(feature = "web")]
use super::web_auth;
use super::{Beside, read_beside};
use super::{
    allowed, configs, groups, health, host, logs, notices, passed, program_keys, pulling, schema,
    settings, site_entry,
};

fn in_docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

/// The table of some keys, as the guide has it.
fn table(of: &str, keys: &[Key]) -> String {
    let has_defaults = keys.iter().any(|key| !key.default.is_empty());
    let mut text = match has_defaults {
        true => format!("| {of} | default | meaning |\n|---|---|---|\n"),
        false => format!("| {of} | meaning |\n|---|---|\n"),
    };
    for key in keys {
        let default = if has_defaults { format!(" {} |", key.default) } else { String::new() };
        let line = format!("| `{}` |{default} {} |\n", key.name, key.meaning);
        text += &line.replace("|  |", "| |");
    }
    text
}

/// The guide's tables by their names. Two keys that stand for another are told beside that.
fn tables() -> [(&'static str, String); 16] {
    let but = |keys: &Keys, name: &str| -> Vec<Key> {
        keys.known.iter().filter(|key| key.name != name).copied().collect()
    };
    let site = but(&site_entry::KEYS, "servers");
    let own = site.len().saturating_sub(settings::KEYS.len());
    [
        ("servers", table("key", &but(&host::KEYS, "private_key_path"))),
        ("fleet", table("key", host::FLEET.known)),
        ("sites", table("key", &site[..own])),
        ("programs", table("key", &program_keys::KEYS)),
        ("config_texts", table("key of `config_texts`", configs::TEXT.known)),
        ("groups", table("key of `groups`", groups::KEYS.known)),
        ("options", table("option", passed::OPTIONS.known)),
        ("logs", table("key", logs::KEYS.known)),
        ("health", table("key", health::KEYS.known)),
        ("probe", table("key of `probe`", health::PROBE.known)),
        ("settings", table("key", &settings::KEYS)),
        ("paths", table("key of `paths`", settings::PATHS.known)),
        ("notify", table("key of `notify`", notices::NOTIFY.known)),
        ("hooks", table("key of `hooks`", notices::HOOKS.known)),
        ("pull", table("key of `pull`", pulling::KEYS.known)),
        ("lint", table("key of `lint`", allowed::KEYS.known)),
    ]
}

/// A text that is to be as it is published, or is written.
#[expect(clippy::disallowed_methods, reason = "reads and writes the project's own documents")]
pub(crate) fn assert_published(name: &str, text: &str) {
    let path = in_docs(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == text,
        "{name} is not as the source has it: UPDATE_DOCS=1 cargo test published_tests"
    );
}

#[test]
fn the_guide_has_the_tables() {
    assert_tables("inventory.md", include_str!("../../docs/inventory.md"), &tables());
    let of_pull = [
        ("pull.yml", table("key", pulling::CONFIG.known)),
        ("label", table("key of `label`", pulling::LABEL.known)),
    ];
    assert_tables("pull.md", include_str!("../../docs/pull.md"), &of_pull);
    #[cfg(feature = "web")]
    let of_web = [
        ("web_auth", table("key", web_auth::CONFIG.known)),
        ("web_user", table("key of a user", web_auth::USER.known)),
        ("web_proxy", table("key of `proxy`", web_auth::PROXY.known)),
    ];
    #[cfg(feature = "web")]
    assert_tables("web-access.md", include_str!("../../docs/web-access.md"), &of_web);
}

/// A page has each table as the source has it, or gets it.
fn assert_tables(page: &str, text: &str, tables: &[(&'static str, String)]) {
    let mut guide = text.to_owned();
    for (name, table) in tables {
        let begin = format!("<!-- keys: {name} -->\n");
        let (before, rest) = guide.split_once(&begin).expect(name);
        let (_, after) = rest.split_once("<!-- end -->\n").expect(name);
        guide = format!("{before}{begin}{table}<!-- end -->\n{after}");
    }
    assert_published(page, &guide);
}

#[test]
fn the_schema_is_the_tables() {
    assert_published("inventory.schema.json", &format!("{:#}\n", schema()));
}

/// An inventory with one key of a map set to this.
fn with(map: &str, key: &str, value: &str) -> String {
    let program = |options: &str| {
        format!(
            "servers: [{{name: web1, host: h}}, {{name: web2, host: h}}]\nsites:\n  - domain: e.com\n    \
             server: web1\n    supervisors:\n      - {options}\n"
        )
    };
    let line = format!("{key}: {value}");
    match (map, key) {
        ("a program", "program") => program(&format!("{{{line}, script: w.sh}}")),
        ("a program", "script" | "command") => program(&format!("{{program: w, {line}}}")),
        ("a program", _) => program(&format!("{{program: w, script: w.sh, {line}}}")),
        ("`options`", "command") => program(&format!("{{program: w, options: {{{line}}}}}")),
        ("`options`", _) => program(&format!(
            "{{program: w, script: w.sh, logs: {{rotate: supervisord}}, options: {{{line}}}}}"
        )),
        ("a group", _) => {
            let name = if key == "group" { String::new() } else { "group: workers, ".to_owned() };
            format!(
                "{}    groups: [{{{name}{line}}}]\n",
                program("{program: w, script: w.sh, group: workers}")
            )
        }
        ("a config", _) => {
            let other = match key {
                "name" => "text: \"[program:x]\\ncommand=y\\n\"",
                _ => "name: x.conf",
            };
            format!(
                "servers: [{{name: web1, host: h}}]\nsites: [{{domain: e.com, server: web1, \
                 config_texts: [{{{line}, {other}}}]}}]\n"
            )
        }
        ("`logs`", _) => program(&format!("{{program: w, script: w.sh, logs: {{{line}}}}}")),
        ("`health`", _) => program(&format!("{{program: w, script: w.sh, health: {{{line}}}}}")),
        ("`probe`", "timeout") => program(&format!(
            "{{program: w, script: w.sh, health: {{probe: {{tcp: \"h:1\", {line}}}}}}}"
        )),
        ("`probe`", _) => {
            program(&format!("{{program: w, script: w.sh, health: {{probe: {{{line}}}}}}}"))
        }
        ("a server", "name") => format!("servers: [{{{line}, host: h}}]\n"),
        ("a server", "host") => format!("servers: [{{name: web1, {line}}}]\n"),
        ("a server", _) => format!("servers: [{{name: web1, host: localhost, {line}}}]\n"),
        ("a site", "domain") => format!(
            "servers: [{{name: web1, host: h}}]\nsites: [{{{line}, server: web1, supervisors: []}}]\n"
        ),
        ("a site", "server" | "servers") => format!(
            "servers: [{{name: web1, host: h}}, {{name: web2, host: h}}]\nsites: [{{domain: e.com, {line}}}]\n"
        ),
        ("a site", "groups") => format!(
            "servers: [{{name: web1, host: h}}]\nsites: [{{domain: e.com, server: web1, supervisors: [], {line}}}]\n"
        ),
        ("a site", _) => format!(
            "servers: [{{name: web1, host: h}}]\nsites: [{{domain: e.com, server: web1, {line}}}]\n"
        ),
        ("`fleet`", _) => format!("fleet: {{{line}}}\n"),
        ("`pull`", _) => format!("pull: {{{line}}}\n"),
        ("`lint`", _) => format!("lint: {{{line}}}\n"),
        ("`paths`", _) => format!("paths: {{{line}}}\n"),
        ("a notice", "command") => format!("notify: [{{{line}}}]\n"),
        ("a notice", _) => format!("notify: [{{command: ./x, {line}}}]\n"),
        ("`hooks`", _) => format!("hooks: {{{line}}}\n"),
        _ => format!("{line}\n"),
    }
}

/// An inventory beside which each file is there.
pub(super) struct EveryFile;

impl Beside for EveryFile {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let is_config = path.ends_with(".conf");
        Ok(if is_config { b"[program:x]\ncommand=y\n".to_vec() } else { b"TOKEN=x\n".to_vec() })
    }

    fn matching(&self, pattern: &str) -> Result<Vec<String>, String> {
        Ok(vec![pattern.replace('*', "x")])
    }
}

fn of_text(text: &str) -> Result<super::Inventory, super::Problems> {
    read_beside("x", text, &EveryFile)
}

#[test]
fn each_key_takes_its_example() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    let is_valid =
        |text: &str| schema.is_valid(&serde_saphyr::from_str::<serde_json::Value>(text).unwrap());
    let maps = [
        &super::resolve::TOP,
        &site_entry::KEYS,
        &host::KEYS,
        &host::FLEET,
        &program_keys::PROGRAM,
        &settings::PATHS,
        &allowed::KEYS,
        &notices::NOTIFY,
        &notices::HOOKS,
        &pulling::KEYS,
        &logs::KEYS,
        &passed::OPTIONS,
        &configs::TEXT,
        &groups::KEYS,
        &health::KEYS,
        &health::PROBE,
    ];
    for (keys, key) in
        maps.into_iter().flat_map(|keys| keys.known.iter().map(move |key| (keys, key)))
    {
        let text = with(keys.of, key.name, key.example);
        assert!(of_text(&text).is_ok(), "{text}{}", of_text(&text).unwrap_err());
        assert!(is_valid(&text), "{text}");
        for wrong in ["{a: {b: c}}", "[[a]]", "1.5"] {
            let text = with(keys.of, key.name, wrong);
            assert!(of_text(&text).is_err(), "{text}");
            assert!(!is_valid(&text), "{text}");
        }
    }
}

/// The same of `pull.yml`, which no schema describes.
#[test]
fn each_key_of_pull_yml_takes_its_example() {
    let read = |text: &str| super::read_pull_config("pull.yml", text);
    for (keys, key) in [&pulling::CONFIG, &pulling::LABEL]
        .into_iter()
        .flat_map(|keys| keys.known.iter().map(move |key| (keys, key)))
    {
        let with = |value: &str| {
            let others = [("source", "/x"), ("identity", "a@b")];
            let others = others.into_iter().filter(|(name, _)| *name != key.name);
            let others: String = others.map(|(name, value)| format!("{name}: {value}\n")).collect();
            match keys.of {
                "`label`" if key.name == "at" => format!("{others}label: {{at: {value}}}\n"),
                "`label`" => format!("{others}label: {{at: /x, {}: {value}}}\n", key.name),
                _ => format!("{others}{}: {value}\n", key.name),
            }
        };
        let text = with(key.example);
        assert!(read(&text).is_ok(), "{text}{}", read(&text).unwrap_err());
        for wrong in ["{a: {b: c}}", "[[a]]", "1.5"] {
            assert!(read(&with(wrong)).is_err(), "{}", with(wrong));
        }
    }
}

/// The same of the file of `web --auth`.
#[cfg(feature = "web")]
#[test]
fn each_key_of_users_takes_its_example() {
    let read = |text: &str| super::read_web_auth("users.yml", text);
    for (keys, key) in [&web_auth::CONFIG, &web_auth::USER, &web_auth::PROXY]
        .into_iter()
        .flat_map(|keys| keys.known.iter().map(move |key| (keys, key)))
    {
        let with = |value: &str| {
            let all = |others: &[(&str, &str)]| {
                let others = others.iter().filter(|(name, _)| *name != key.name);
                let others: String =
                    others.map(|(name, value)| format!("{name}: {value}, ")).collect();
                format!("{{{others}{}: {value}}}", key.name)
            };
            match keys.of {
                "a user" => format!(
                    "proxy: {{from: [192.0.2.1], header: X-User}}\nusers: [{}]\n",
                    all(&[("name", "ann"), ("role", "view")])
                ),
                "`proxy`" => format!(
                    "users: [{{name: ann, role: view}}]\nproxy: {}\n",
                    all(&[("from", "[192.0.2.1]"), ("header", "X-User")])
                ),
                _ => {
                    let known = "{name: ann, role: view, password: \
                                 $2b$04$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2}";
                    let known = if key.name == "users" { "{x: y}" } else { known };
                    let users = format!("[{known}]");
                    all(&[("users", users.as_str())])
                }
            }
        };
        // Without a user nobody can sign in, which is an error of its own.
        if key.name != "users" {
            let text = with(key.example);
            assert!(read(&text).is_ok(), "{text}{}", read(&text).unwrap_err());
        }
        for wrong in ["{a: {b: c}}", "[[a]]", "1.5"] {
            assert!(read(&with(wrong)).is_err(), "{}", with(wrong));
        }
    }
}

#[test]
fn pull_yml_names_all_its_problems() {
    let text = "identity: a b\nhost: web1\ntags: []\nlabel: {at: x}\n";
    let problems = super::read_pull_config("pull.yml", text).unwrap_err().to_string();
    for said in ["needs `source`", "must be one name", "`host` and `tags` cannot both be there"] {
        assert!(problems.contains(said), "{said}: {problems}");
    }
    for empty in ["", "~", "[]", "{}"] {
        assert!(super::read_pull_config("pull.yml", empty).is_err(), "{empty}");
    }
}

#[test]
fn waves_ascend_to_all() {
    for (waves, is_fine) in [
        ("[100]", true),
        ("[1, 99, 100]", true),
        ("[]", false),
        ("[5]", false),
        ("[25, 5, 100]", false),
        ("[5, 5, 100]", false),
        ("[0, 100]", false),
        ("[5, 101]", false),
        ("[\"5\", 100]", false),
        ("[5%, 100%]", false),
    ] {
        let read = super::read("x", &format!("pull: {{waves: {waves}}}\n"));
        assert_eq!(read.is_ok(), is_fine, "{waves}");
    }
}
