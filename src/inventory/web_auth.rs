//! The file of `web --auth`: who may sign in to the web view, and which proxy is believed.

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::fields::{At, Fields, Reader};
use super::file::Node;
use super::findings::{Finding, Findings};
use super::keys::{Key, Keys, Kind, words};
use super::name::{NameError, at_most, no_control, not_empty};
use super::password_hash::PasswordHash;
use super::problem::Problems;
use super::resolve::read_file;

/// The keys whose values can be shown.
pub(super) const SHOWN: [&str; 6] = ["names", "users", "proxy", "role", "from", "header"];

/// The least bytes of a proxy's secret.
const SECRET_LENGTH: usize = 16;

/// Who may sign in, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebAuth {
    /// The names of hosts under which browsers reach it, in small letters.
    pub(crate) names: Vec<String>,
    pub(crate) users: Vec<WebUser>,
    pub(crate) proxy: Option<TrustedProxy>,
}

/// Somebody who may look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebUser {
    pub(crate) name: String,
    /// `None` of one whom a proxy names.
    pub(crate) password: Option<PasswordHash>,
    pub(crate) role: Role,
    /// The patterns of sites that they see; all without.
    pub(crate) sites: Option<Vec<String>>,
}

/// What somebody may do, each with what the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Look.
    View,
    /// Restart, start and stop what is there.
    Operate,
    /// Change what is there: apply, roll back, scale.
    Admin,
}

words!(Role { "view" => View, "operate" => Operate, "admin" => Admin, });

/// A proxy that speaks TLS to browsers, and may say who they are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TrustedProxy {
    /// Where it comes from.
    pub(crate) from: Vec<IpAddr>,
    /// The header in which it names who has signed in there, in small letters.
    pub(crate) header: Option<String>,
    /// What it says besides, in the header `X-Proxy-Secret`.
    pub(crate) secret: Option<String>,
}

impl std::fmt::Debug for TrustedProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { from, header, secret } = self;
        let secret = secret.as_ref().map(|_| "***");
        let mut shown = f.debug_struct("TrustedProxy");
        shown.field("from", from).field("header", header).field("secret", &secret).finish()
    }
}

/// The keys of the file.
pub(super) static CONFIG: Keys = Keys {
    of: "the file of `--auth`",
    known: &[
        Key::new(
            "names",
            Kind::List(&Kind::Text),
            "[fleet.example.com]",
            "The names under which browsers reach it, besides `localhost` and the address of `--listen`. Under any \
             other it answers nothing.",
        )
        .default("none"),
        Key::new("users", Kind::List(&Kind::Map(&USER)), "[]", "Who may sign in.").default("nobody"),
        Key::new(
            "proxy",
            Kind::Map(&PROXY),
            "{from: [192.0.2.7]}",
            "A proxy before it, which speaks TLS to browsers.",
        )
        .default("none"),
    ],
    instead: &[("hosts", "names"), ("user", "users"), ("proxies", "proxy")],
    shared: false,
};

/// The keys of a user.
pub(super) static USER: Keys = Keys {
    of: "a user",
    known: &[
        Key::new("name", Kind::Text, "ann", "As they type it, and as the records of their runs have it.")
            .default("required"),
        Key::new("role", Kind::Word(Role::WORDS), "operate", "What they may do: `view` looks; `operate` also restarts, \
             starts and stops; `admin` also applies, rolls back and scales. Never more than `--allow` says.")
            .default("required"),
        Key::new(
            "password",
            Kind::Text,
            "'$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyEh$cSSmsWI4EXFGqZjZXZHKjr2p0lI0QT1pHsnxWLyJLZ8'",
            "The hash of their password, by argon2 or bcrypt. `web --hash-password` makes one.",
        )
        .default("they come by the proxy"),
        Key::new(
            "sites",
            Kind::List(&Kind::Text),
            "[shop.example.com, \"*.eu.example.com\"]",
            "The sites that they see and act on; `*` stands for any text. What no inventory has, they do not see.",
        )
        .default("all"),
    ],
    instead: &[("user", "name"), ("hash", "password"), ("site", "sites"), ("roles", "role")],
    shared: false,
};

/// The keys of `proxy`.
pub(super) static PROXY: Keys = Keys {
    of: "`proxy`",
    known: &[
        Key::new("from", Kind::List(&Kind::Text), "[192.0.2.7]", "The addresses from which it comes.")
            .default("required"),
        Key::new(
            "header",
            Kind::Text,
            "X-Forwarded-User",
            "The header in which it names who has signed in there. It has to replace one that a browser sends.",
        )
        .default("none: people sign in here"),
        Key::new(
            "secret",
            Kind::Text,
            "4f0c2b7e9d1a6358",
            "What it says in the header `X-Proxy-Secret`, so that nobody else on its machine can speak for it. Needed \
             with `header` where it comes from this machine.",
        )
        .default("none"),
    ],
    instead: &[("address", "from"), ("addresses", "from"), ("user_header", "header")],
    shared: false,
};

/// Reads the file. Every problem is named at once.
pub(crate) fn read_web_auth(name: &str, text: &str) -> Result<WebAuth, Problems> {
    let (auth, source) = read_file(name, text, &super::Nothing, auth)?;
    auth.ok_or_else(|| Findings::default().into_problems(&source))
}

fn auth(reader: &mut Reader<'_, '_>, root: &Node) -> Option<WebAuth> {
    let fields = reader.fields(root, &CONFIG)?;
    let names = texts(reader, &fields, "names", host_name).unwrap_or_default();
    let users = fields.get("users").and_then(|node| users(reader, node)).unwrap_or_default();
    let proxy = fields.get("proxy").and_then(|node| proxy(reader, node));
    let by_header = proxy.as_ref().is_some_and(|proxy| proxy.header.is_some());
    let can_sign_in = |user: &WebUser| by_header || user.password.is_some();
    if !users.iter().any(can_sign_in) && !fields.meant(&["users", "proxy"]) {
        let finding = Finding::new(fields.at, "nobody can sign in by this file");
        reader.push(finding.help(
            "give `users` with their `password`, or let a proxy name them: `proxy: {from: [192.0.2.7], header: \
             X-Forwarded-User}`",
        ));
    }
    Some(WebAuth { names, users, proxy })
}

fn users(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Vec<WebUser>> {
    let mut seen: Vec<At<String>> = Vec::new();
    let mut users = Vec::new();
    for node in reader.list(node, "users")? {
        let Some(user) = user(reader, node, &mut seen) else { continue };
        users.push(user);
    }
    Some(users)
}

fn user(reader: &mut Reader<'_, '_>, node: &Node, seen: &mut Vec<At<String>>) -> Option<WebUser> {
    let fields = reader.fields(node, &USER)?;
    let name = reader.required(&fields, "name", "a user", "ann");
    let name = name.and_then(|node| Some((node.at, reader.parse(node, "name", user_name)?)));
    if let Some((at, name)) = &name {
        if let Some(former) = seen.iter().find(|former| former.value == *name) {
            let finding = Finding::new(*at, format!("the user `{name}` appears twice"));
            reader.push(finding.see(former.at, "first defined here"));
        }
        seen.push(At { value: name.clone(), at: *at });
    }
    reader.required(&fields, "role", "a user", "operate");
    let role = reader.word(&fields, "role", Role::from_word);
    let password = fields.get("password");
    let password = password.and_then(|node| reader.parse(node, "password", PasswordHash::parse));
    let sites = texts(reader, &fields, "sites", pattern);
    if sites.as_ref().is_some_and(Vec::is_empty) {
        let finding = Finding::new(fields.at, "`sites` of a user must contain a site");
        reader.push(finding.help("leave it out for all sites"));
    }
    Some(WebUser { name: name?.1, password, role: role?, sites })
}

fn proxy(reader: &mut Reader<'_, '_>, node: &Node) -> Option<TrustedProxy> {
    let fields = reader.fields(node, &PROXY)?;
    let from = reader.required(&fields, "from", "`proxy`", "[192.0.2.7]");
    let from_at = from.map_or(node.at, |node| node.at);
    let from = from.and_then(|_| texts(reader, &fields, "from", address));
    if from.as_ref().is_some_and(Vec::is_empty) {
        reader.push(Finding::new(from_at, "`from` must contain an address"));
    }
    let header = fields.get("header").and_then(|node| reader.parse(node, "header", header_name));
    let secret = fields.get("secret").and_then(|node| reader.parse(node, "secret", secret));
    let from = from?;
    // Whoever is on this machine comes from the same address.
    if header.is_some()
        && !fields.set().any(|(key, _)| key == "secret")
        && !fields.meant(&["secret"])
        && from.iter().any(|address| address.is_loopback())
    {
        let message = "everybody on this machine comes from there, and could name any user";
        let help = "have the proxy say a `secret`, too, as in docs/web-access.md";
        reader.push(Finding::new(from_at, message).help(help));
    }
    Some(TrustedProxy { from, header, secret })
}

/// The items of a list, each of a checked type.
fn texts<T>(
    reader: &mut Reader<'_, '_>,
    fields: &Fields<'_>,
    key: &str,
    parse: fn(&str) -> Result<T, NameError>,
) -> Option<Vec<T>> {
    let items = reader.list(fields.get(key)?, key)?;
    Some(items.iter().filter_map(|item| reader.parse(item, key, parse)).collect())
}

fn user_name(text: &str) -> Result<String, NameError> {
    let good = |c: char| c.is_alphanumeric() || "._-@+".contains(c);
    not_empty(text)?;
    at_most(text, 64)?;
    match text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err(NameError::new("may have letters, digits and `._-@+`")),
    }
}

fn host_name(text: &str) -> Result<String, NameError> {
    not_empty(text)?;
    at_most(text, 253)?;
    let good = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    match text.chars().all(good) && !text.starts_with(['.', '-']) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(NameError::new(
            "must be the name of a host as browsers have it: without `https://`, port and path",
        )),
    }
}

fn header_name(text: &str) -> Result<String, NameError> {
    let reserved: BTreeSet<&str> =
        ["cookie", "host", "origin", "x-proxy-secret", "x-forwarded-for"].into();
    let small = text.to_ascii_lowercase();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    not_empty(text)?;
    at_most(text, 64)?;
    match small.bytes().all(good) && !reserved.contains(small.as_str()) {
        true => Ok(small),
        false => Err(NameError::new("must be the name of a header, as in X-Forwarded-User")),
    }
}

fn address(text: &str) -> Result<IpAddr, NameError> {
    let parsed: Result<IpAddr, _> = text.parse();
    let address = parsed.map_err(|_| NameError::new("must be IP addresses, as in 192.0.2.7"))?;
    Ok(address.to_canonical())
}

fn secret(text: &str) -> Result<String, NameError> {
    no_control(text)?;
    at_most(text, 200)?;
    match text.len() >= SECRET_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err(NameError::new(
            "must be at least 16 letters, digits and signs, as `openssl rand -hex 16` makes them",
        )),
    }
}

fn pattern(text: &str) -> Result<String, NameError> {
    not_empty(text)?;
    no_control(text)?;
    at_most(text, 253)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe";

    fn problems(text: &str) -> String {
        read_web_auth("users.yml", text).unwrap_err().to_string()
    }

    #[test]
    fn file_says_who_may_sign_in() {
        let text = format!(
            "names: [Fleet.example.com]\nusers:\n  - {{name: ann, role: admin, password: {HASH}}}\n  - \
             {{name: bob@example.com, role: view, sites: [shop.*]}}\nproxy: {{from: [192.0.2.7, \
             '::ffff:192.0.2.8'], header: X-Forwarded-User}}\n"
        );
        let auth = read_web_auth("users.yml", &text).unwrap();
        assert_eq!(auth.names, ["fleet.example.com"]);
        let [ann, bob] = auth.users.as_slice() else { panic!("{auth:?}") };
        assert_eq!((ann.role, ann.sites.as_ref()), (Role::Admin, None));
        assert!(ann.password.is_some() && bob.password.is_none());
        assert_eq!(bob.sites.as_deref(), Some(&["shop.*".to_owned()][..]));
        let proxy = auth.proxy.unwrap();
        assert_eq!(proxy.header.as_deref(), Some("x-forwarded-user"));
        assert_eq!(proxy.from[1].to_string(), "192.0.2.8");
    }

    #[test]
    fn every_problem_has_its_line() {
        let text = "names: ['https://x']\nusers:\n  - {name: ann, role: root, password: hunter2}\n  - {name: ann, role: \
                    view}\n  - {role: view, sites: []}\nproxy: {from: [here], header: Host, secret: hunter2}\nport: 1\n";
        let said = problems(text);
        for part in [
            "users.yml:1",
            "without `https://`",
            "users.yml:3",
            "must be a hash by argon2 or bcrypt",
            "users.yml:4",
            "the user `ann` appears twice",
            "a user needs `name`",
            "must contain a site",
            "must be IP addresses",
            "must be the name of a header",
            "at least 16",
            "unknown key `port`",
        ] {
            assert!(said.contains(part), "no {part}: {said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn somebody_can_sign_in() {
        for text in
            ["{}", "users: []", "users: [{name: ann, role: view}]", "proxy: {from: [192.0.2.7]}"]
        {
            let said = problems(text);
            assert!(said.contains("nobody can sign in"), "{text}: {said}");
        }
    }

    #[test]
    fn proxy_on_this_machine_says_a_secret() {
        let with = |more: &str| {
            let text = format!(
                "users: [{{name: ann, role: view, password: {HASH}}}]\nproxy: {{from: [127.0.0.1]{more}}}\n"
            );
            read_web_auth("users.yml", &text).map_err(|problems| problems.to_string())
        };
        assert!(with("").is_ok(), "it names nobody");
        assert!(with(", header: X-User, secret: 0123456789abcdef").is_ok());
        let refused = with(", header: X-User").unwrap_err();
        assert!(refused.contains("could name any user"), "{refused}");
    }
}
