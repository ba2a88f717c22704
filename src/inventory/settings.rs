//! What can be set for all sites and again for one: program defaults, file format, user, paths.

use super::fields::{Fields, Keys, Reader};
use super::file::Node;
use super::findings::Finding;
use super::name::{AbsolutePath, UserName};
use super::options::{self, Options};
use super::site::{ConfigFiles, Format, Paths, SupervisordAddress};

/// The keys of `paths`.
pub(super) const PATHS: Keys<'static> = Keys {
    of: "`paths`",
    known: &["sites", "conf_dir", "logrotate_dir", "log_dir", "supervisord", "state_dir"],
    instead: &[
        ("socket", "give supervisord's main config as `supervisord`; its socket is read from it"),
        ("site_root", "sites"),
        ("logs", "log_dir"),
    ],
    shared: false,
};

/// One layer of settings: the top level or a site.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) defaults: Options,
    format: Option<Format>,
    config_files: Option<ConfigFiles>,
    user: Option<UserName>,
    paths: PathSettings,
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
            .and_then(|node| reader.fields(node, &options::defaults_keys()))
            .map(|fields| Options::read(reader, &fields))
            .unwrap_or_default()
            .over(&base.defaults);
        defaults.check(reader);
        let formats = [("classic", Format::Classic), ("hardened", Format::Hardened)];
        let format = fields.get("format").and_then(|n| reader.choice(n, "format", &formats));
        let spreads =
            [("per-program", ConfigFiles::PerProgram), ("per-site", ConfigFiles::PerSite)];
        let config_files = fields.get("config_files");
        let config_files = config_files.and_then(|n| reader.choice(n, "config_files", &spreads));
        let user = fields.get("user").and_then(|n| reader.user(n, "user"));
        let paths = match fields.get("paths") {
            Some(node) => PathSettings::read(reader, node, &base.paths),
            None => base.paths.clone(),
        };
        let settings = Self {
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
                "`format: classic` has a file for each program, so `config_files: per-site` cannot be",
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
