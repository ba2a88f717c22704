//! One site with everything resolved: nothing later needs the inventory's defaults.

use serde::{Deserialize, Serialize};

use super::config_file::ConfigFile;
use super::groups::ProgramGroup;
use super::keys::words;
use super::name::{Domain, UserName};
use super::program::Program;
use super::value::AbsolutePath;
use crate::error::CommandError;

/// A site on one host, with its programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Unique in the inventory; also the name of its folder below `paths.sites`.
    pub domain: Domain,
    /// Whom its programs run as unless they say otherwise. Default `deployer`.
    pub user: UserName,
    /// Which file format is written.
    pub format: Format,
    /// How its programs are spread over supervisor configs.
    pub config_files: ConfigFiles,
    /// How their names end. No inventory says so: the host does, by what its supervisord includes.
    #[serde(default, skip_serializing_if = "ConfigSuffix::is_default")]
    pub config_suffix: ConfigSuffix,
    /// Where things are on the host.
    pub paths: Paths,
    /// Its programs, in the inventory's order; names are unique.
    pub programs: Vec<Program>,
    /// The groups that its programs name, in the order of their first programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ProgramGroup>,
    /// Its configs by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<ConfigFile>,
}

impl Site {
    /// Whom one of its programs runs as; in `plain` nobody but the program says so.
    /// `None` where only supervisord knows.
    pub(crate) fn user_of(&self, program: &Program) -> Option<UserName> {
        match &program.user {
            Some(user) => user.name(),
            None => (self.format != Format::Plain).then(|| self.user.clone()),
        }
    }

    /// The folder of its releases: `{sites}/{domain}`.
    pub fn root(&self) -> String {
        format!("{}/{}", self.paths.sites, self.domain)
    }

    /// The symlink to the live release.
    pub fn current(&self) -> String {
        format!("{}/current", self.root())
    }

    /// The wrapper that runs one script of the live release.
    pub fn runner(&self) -> String {
        format!("{}/runner.sh", self.root())
    }
}

/// A site as if the inventory had it without programs: what a record says of it is all there is.
pub(crate) fn without_programs(domain: &Domain, paths: &Paths) -> Result<Site, CommandError> {
    let user = UserName::parse("root").map_err(|source| {
        CommandError::refused(format!("cannot work on site {domain}")).caused_by(&source)
    })?;
    Ok(Site {
        domain: domain.clone(),
        user,
        format: Format::Hardened,
        config_files: Default::default(),
        config_suffix: Default::default(),
        configs: Vec::new(),
        groups: Vec::new(),
        paths: paths.clone(),
        programs: Vec::new(),
    })
}

/// Which lines the files have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The bytes that DeployerPHP's script writes.
    Classic,
    /// `Classic` plus the lines that prevent a known failure, each with its reason in docs.
    Hardened,
    /// What the entry says and nothing else: for what the rest would be supervisord's defaults.
    Plain,
}

words!(Format { "classic" => Classic, "hardened" => Hardened, "plain" => Plain, });

/// How the programs of a site are spread over files in conf.d. Each has a logrotate config of its own in
/// either case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigFiles {
    /// `{domain}-{program}.conf` for each.
    #[default]
    PerProgram,
    /// `{domain}.conf` for all of them. supervisord's reread takes time in proportion to files times
    /// sections, so a host with hundreds of programs is read many times faster.
    PerSite,
}

words!(ConfigFiles { "per-program" => PerProgram, "per-site" => PerSite, });

/// How the names of supervisor configs end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigSuffix {
    /// `.conf`, as in Debian.
    #[default]
    Conf,
    /// `.ini`, as in RHEL and many images, whose supervisord includes nothing else.
    Ini,
}

impl ConfigSuffix {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Conf, Self::Ini];

    /// With its dot.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conf => ".conf",
            Self::Ini => ".ini",
        }
    }

    /// A file's name without whichever of them it has.
    pub fn strip(name: &str) -> Option<&str> {
        Self::ALL.into_iter().find_map(|suffix| name.strip_suffix(suffix.as_str()))
    }

    fn is_default(&self) -> bool {
        *self == Self::Conf
    }
}

/// Where things are on a host. The defaults are DeployerPHP's and Debian's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Paths {
    /// Folder of the sites. Default `/home/deployer/sites`.
    pub sites: AbsolutePath,
    /// Folder of supervisor configs. Default `/etc/supervisor/conf.d`.
    pub conf_dir: AbsolutePath,
    /// Folder of logrotate configs. Default `/etc/logrotate.d`.
    pub logrotate_dir: AbsolutePath,
    /// Folder of the programs' logs. Default `/var/log/supervisor`.
    pub log_dir: AbsolutePath,
    /// How to find supervisord.
    pub supervisord: SupervisordAddress,
    /// Where locks, journals and revisions are kept. Default: `/var/lib/supervisor-sync` for root,
    /// else `$XDG_STATE_HOME/supervisor-sync`.
    pub state_dir: Option<AbsolutePath>,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            sites: literal("/home/deployer/sites"),
            conf_dir: literal("/etc/supervisor/conf.d"),
            logrotate_dir: literal("/etc/logrotate.d"),
            log_dir: literal("/var/log/supervisor"),
            supervisord: SupervisordAddress::Discover,
            state_dir: None,
        }
    }
}

#[expect(clippy::expect_used, reason = "four literals, read by every test")]
fn literal(path: &str) -> AbsolutePath {
    AbsolutePath::parse(path).expect("a valid literal")
}

/// How to find supervisord.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SupervisordAddress {
    /// The first of supervisord's usual main configs that is there: `/etc/supervisor/supervisord.conf`
    /// (Debian), `/etc/supervisord.conf`.
    Discover,
    /// This main config; its socket, user and password are read from it.
    Config(AbsolutePath),
}
