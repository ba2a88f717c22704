//! The variables of the contract, checked in the contract's order.

use std::path::PathBuf;

use super::supervisors;
use crate::inventory::{
    AbsolutePath, Domain, Format, FullName, Paths, Site, SupervisordAddress, UserName,
};

/// How the system is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Perms {
    /// Directly, as root.
    Root,
    /// Through `sudo -n`.
    Sudo,
    /// Directly, as whoever we are.
    None,
}

/// What the variables say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// `DEPLOYER_OUTPUT_FILE`.
    pub output_file: PathBuf,
    /// `DEPLOYER_DISTRO`.
    pub distro: String,
    /// `DEPLOYER_PERMS`.
    pub perms: Perms,
    /// `DEPLOYER_SITE_DOMAIN` and `DEPLOYER_SUPERVISORS`, with the layout.
    pub site: Site,
    /// Seconds to wait for another apply.
    pub lock_wait: u64,
}

/// Why they are refused, in the contract's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Behind `Error: `.
    pub first_line: String,
    /// Further lines.
    pub rest: Vec<String>,
}

impl Problem {
    pub(super) fn new(first_line: impl Into<String>) -> Self {
        Self { first_line: first_line.into(), rest: Vec::new() }
    }

    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.rest.push(format!("Cause: {}", reason.into()));
        self
    }
}

/// How long a playbook waits for another one by default: a deployment's own patience.
const LOCK_WAIT_SECONDS: u64 = 600;

impl Environment {
    /// Reads and checks every variable.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let required = |name: &str| {
            variable(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| Problem::new(format!("{name} required")))
        };
        let output_file = required("DEPLOYER_OUTPUT_FILE")?;
        let distro = required("DEPLOYER_DISTRO")?;
        let perms = required("DEPLOYER_PERMS")?;
        let domain = required("DEPLOYER_SITE_DOMAIN")?;
        let supervisors = required("DEPLOYER_SUPERVISORS")?;
        let perms = match perms.as_str() {
            "root" => Perms::Root,
            "sudo" => Perms::Sudo,
            "none" => Perms::None,
            _ => {
                return Err(
                    Problem::new("Invalid DEPLOYER_PERMS").because("it must be root, sudo or none")
                );
            }
        };
        let domain = Domain::parse(&domain).map_err(|reason| {
            Problem::new("Invalid DEPLOYER_SITE_DOMAIN").because(format!("it {reason}"))
        })?;
        let mut site = site(variable, domain)?;
        site.programs = supervisors::parse(&supervisors)?;
        let too_long = site.programs.iter().find_map(|program| {
            FullName::new(&site.domain, &program.name).err().map(|reason| (program, reason))
        });
        if let Some((program, reason)) = too_long {
            return Err(Problem::new(supervisors::INVALID)
                .because(format!("the full name of {} {reason}", program.name)));
        }
        Ok(Self {
            output_file: PathBuf::from(output_file),
            distro,
            perms,
            site,
            lock_wait: lock_wait(variable)?,
        })
    }
}

/// The layout: DeployerPHP's, unless our own variables say otherwise.
fn site(variable: &dyn Fn(&str) -> Option<String>, domain: Domain) -> Result<Site, Problem> {
    let defaults = Paths::default();
    let path = |name: &str, default: Option<AbsolutePath>| match variable(name) {
        Some(text) if !text.is_empty() => AbsolutePath::parse(&text).map(Some).map_err(|reason| {
            Problem::new(format!("Invalid {name}")).because(format!("it {reason}"))
        }),
        _ => Ok(default),
    };
    let or = |name: &str, default: AbsolutePath| {
        path(name, Some(default.clone())).map(|path| path.unwrap_or(default))
    };
    let user = variable("SUPERVISOR_SYNC_USER").filter(|user| !user.is_empty());
    let user = UserName::parse(user.as_deref().unwrap_or("deployer")).map_err(|reason| {
        Problem::new("Invalid SUPERVISOR_SYNC_USER").because(format!("it {reason}"))
    })?;
    let format = match variable("SUPERVISOR_SYNC_FORMAT").as_deref() {
        None | Some("" | "classic") => Format::Classic,
        Some("hardened") => Format::Hardened,
        Some(_) => {
            return Err(Problem::new("Invalid SUPERVISOR_SYNC_FORMAT")
                .because("it must be classic or hardened"));
        }
    };
    Ok(Site {
        domain,
        user,
        format,
        paths: Paths {
            sites: or("SUPERVISOR_SYNC_SITES_DIR", defaults.sites)?,
            conf_dir: or("SUPERVISOR_SYNC_CONF_DIR", defaults.conf_dir)?,
            logrotate_dir: or("SUPERVISOR_SYNC_LOGROTATE_DIR", defaults.logrotate_dir)?,
            log_dir: or("SUPERVISOR_SYNC_LOG_DIR", defaults.log_dir)?,
            supervisord: match path("SUPERVISOR_SYNC_SUPERVISORD_CONF", None)? {
                Some(path) => SupervisordAddress::Config(path),
                None => SupervisordAddress::Discover,
            },
            state_dir: path("SUPERVISOR_SYNC_STATE_DIR", None)?,
        },
        programs: Vec::new(),
    })
}

fn lock_wait(variable: &dyn Fn(&str) -> Option<String>) -> Result<u64, Problem> {
    match variable("SUPERVISOR_SYNC_LOCK_WAIT").filter(|text| !text.is_empty()) {
        None => Ok(LOCK_WAIT_SECONDS),
        Some(text) => text.parse().map_err(|_| {
            Problem::new("Invalid SUPERVISOR_SYNC_LOCK_WAIT").because("it must be whole seconds")
        }),
    }
}
