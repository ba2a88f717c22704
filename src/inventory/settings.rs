//! What can be set for all sites and again for one: program defaults, file format, user, paths.

use super::allowed::{self, Allowed};
use super::fields::{Fields, Reader};
use super::file::Node;
use super::findings::Finding;
use super::keys::{Key, Keys, Kind};
use super::name::UserName;
use super::options::Options;
use super::program_keys;
use super::site::{ConfigFiles, Format, Paths, SupervisordAddress};
use super::value::AbsolutePath;

/// The keys of `paths`.
pub(super) static PATHS: Keys = Keys {
    of: "`paths`",
    known: &[
        Key::new("sites", Kind::Text, "/srv/www", "Folder of the sites.")
            .default("`/home/deployer/sites`"),
        Key::new(
            "conf_dir",
            Kind::Text,
            "/etc/supervisord.d",
            "Folder of supervisord's program files. They end in `.conf`, or in `.ini` where its \
             `[include]` reads nothing else there.",
        )
        .default("`/etc/supervisor/conf.d`"),
        Key::new("logrotate_dir", Kind::Text, "/etc/logrotate.d", "Folder of logrotate's files.")
            .default("`/etc/logrotate.d`"),
        Key::new("log_dir", Kind::Text, "/var/log/workers", "Folder of the logs.")
            .default("`/var/log/supervisor`"),
        Key::new(
            "supervisord",
            Kind::Text,
            "/etc/supervisord.conf",
            "supervisord's main config. Its socket is read from it and from the files it includes; \
             where they differ, or nobody answers there, it is looked at where the process that runs \
             with this file listens.",
        )
        .default("found automatically"),
        Key::new(
            "state_dir",
            Kind::Text,
            "/srv/supervisor-sync",
            "Where locks and revisions are kept on the server. It and every folder above it must be \
             root's or the user's own, and nobody else's to write to: \
             [security.md](security.md#who-may-own-what).",
        )
        .default("`/var/lib/supervisor-sync` for root, else `$XDG_STATE_HOME/supervisor-sync`"),
    ],
    instead: &[
        ("socket", "give supervisord's main config as `supervisord`; its socket is read from it"),
        ("site_root", "sites"),
        ("logs", "log_dir"),
    ],
    shared: false,
};

/// What can stand at the top level, and again at a site.
pub(super) const KEYS: [Key; 6] = [
    Key::new(
        "defaults",
        Kind::Map(&program_keys::DEFAULTS),
        "{stopwaitsecs: 60}",
        "Options for every program: all of the table above except `program`, `as`, `file`, `script` and `command`.",
    )
    .default("none"),
    Key::new(
        "format",
        Kind::Word(Format::WORDS),
        "hardened",
        "`classic` writes exactly the files that DeployerPHP's script writes; `hardened` adds the \
         lines that prevent known failures; `plain` writes what the entry says, and for the rest \
         supervisord's defaults count.",
    )
    .default("`hardened`"),
    Key::new(
        "config_files",
        Kind::Word(ConfigFiles::WORDS),
        "per-site",
        "`per-site` writes the supervisor configs of a site's programs into one file, \
         `{domain}.conf`: on a host with hundreds of programs supervisord rereads many times faster. \
         Going from one to the other restarts nothing. Not with `format: classic`.",
    )
    .default("`per-program`"),
    Key::new(
        "user",
        Kind::User,
        "www-data",
        "Whom programs run as: a name or an id of a user of the server.",
    )
    .default("`deployer`"),
    Key::new("paths", Kind::Map(&PATHS), "{sites: /srv/www}", "Where things are on the server.")
        .default("see below"),
    Key::new(
        "lint",
        Kind::Map(&allowed::KEYS),
        "{allow: [user-root]}",
        "Which checks of `check` say nothing here.",
    )
    .default("none"),
];

/// One layer of settings: the top level or a site.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) defaults: Options,
    format: Option<Format>,
    config_files: Option<ConfigFiles>,
    user: Option<UserName>,
    paths: PathSettings,
    /// The checks that are silenced for programs and files by hand.
    pub(super) allowed: Vec<Allowed>,
}

#[derive(Clone, Default)]
struct PathSettings {
    sites: Option<AbsolutePath>,
    conf_dir: Option<AbsolutePath>,
    logrotate_dir: Option<AbsolutePath>,
    log_dir: Option<AbsolutePath>,
    supervisord: Option<AbsolutePath>,
    state_dir: Option<AbsolutePath>,
}

impl Settings {
    /// Reads the settings among `fields`, laid over `base`.
    pub(super) fn read(reader: &mut Reader<'_, '_>, fields: &Fields<'_>, base: &Self) -> Self {
        let defaults = fields
            .get("defaults")
            .and_then(|node| reader.fields(node, &program_keys::DEFAULTS))
            .map(|fields| Options::read(reader, &fields))
            .unwrap_or_default()
            .over(&base.defaults);
        defaults.check(reader);
        let format = reader.word(fields, "format", Format::from_word);
        let config_files = reader.word(fields, "config_files", ConfigFiles::from_word);
        let user = fields.get("user").and_then(|n| reader.user(n, "user", UserName::parse));
        let paths = match fields.get("paths") {
            Some(node) => PathSettings::read(reader, node, &base.paths),
            None => base.paths.clone(),
        };
        let mut allowed = base.allowed.clone();
        allowed.extend(allowed::read(reader, fields));
        let settings = Self {
            allowed,
            defaults,
            format: format.or(base.format),
            config_files: config_files.or(base.config_files),
            user: user.or_else(|| base.user.clone()),
            paths,
        };
        settings.check_config_files(reader, fields);
        settings
    }

    /// DeployerPHP's script knows one file a program, and `classic` is what it writes.
    fn check_config_files(&self, reader: &mut Reader<'_, '_>, fields: &Fields<'_>) {
        let said = fields.get("config_files").or_else(|| fields.get("format"));
        if let (Format::Classic, ConfigFiles::PerSite, Some(node)) =
            (self.format(), self.config_files(), said)
        {
            let finding = Finding::new(
                node.at,
                "`format: classic` has a file for each program, so it does not go with `config_files: per-site`",
            );
            reader.push(finding.help("write `config_files: per-program`, or `format: hardened`"));
        }
    }

    /// A file for each program if nobody said.
    pub(super) fn config_files(&self) -> ConfigFiles {
        self.config_files.unwrap_or_default()
    }

    /// The format, `hardened` if nobody said.
    pub(super) fn format(&self) -> Format {
        self.format.unwrap_or(Format::Hardened)
    }

    /// The user, `deployer` if nobody said.
    pub(super) fn user(&self) -> Option<UserName> {
        self.user.clone().or_else(|| UserName::parse("deployer").ok())
    }

    /// The paths, DeployerPHP's and Debian's where nobody said.
    pub(super) fn paths(&self) -> Paths {
        let base = Paths::default();
        let PathSettings { sites, conf_dir, logrotate_dir, log_dir, supervisord, state_dir } =
            self.paths.clone();
        Paths {
            sites: sites.unwrap_or(base.sites),
            conf_dir: conf_dir.unwrap_or(base.conf_dir),
            logrotate_dir: logrotate_dir.unwrap_or(base.logrotate_dir),
            log_dir: log_dir.unwrap_or(base.log_dir),
            supervisord: supervisord.map_or(base.supervisord, SupervisordAddress::Config),
            state_dir: state_dir.or(base.state_dir),
        }
    }
}

impl PathSettings {
    fn read(reader: &mut Reader<'_, '_>, node: &Node, base: &Self) -> Self {
        let Some(fields) = reader.fields(node, &PATHS) else { return base.clone() };
        let mut path = |key: &str, base: &Option<AbsolutePath>| {
            let set = fields.get(key).and_then(|n| reader.parse(n, key, AbsolutePath::parse));
            set.or_else(|| base.clone())
        };
        let paths = Self {
            sites: path("sites", &base.sites),
            conf_dir: path("conf_dir", &base.conf_dir),
            logrotate_dir: path("logrotate_dir", &base.logrotate_dir),
            log_dir: path("log_dir", &base.log_dir),
            supervisord: path("supervisord", &base.supervisord),
            state_dir: path("state_dir", &base.state_dir),
        };
        paths.check(reader, &fields);
        paths
    }

    /// Both daemons read every file of their folder: in one folder each would meet the other's.
    fn check(&self, reader: &mut Reader<'_, '_>, fields: &Fields<'_>) {
        if let (Some(conf), Some(logrotate)) = (&self.conf_dir, &self.logrotate_dir)
            && conf.as_path() == logrotate.as_path()
        {
            let at = fields.get("logrotate_dir").or_else(|| fields.get("conf_dir"));
            reader.push(Finding::new(
                at.map_or(fields.at, |node| node.at),
                "`conf_dir` and `logrotate_dir` must be two folders: supervisord would read \
                 logrotate's files as its own",
            ));
        }
    }
}
