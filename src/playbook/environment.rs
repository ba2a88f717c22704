//! The variables of the contract, checked in the contract's order.

use std::path::PathBuf;
use std::time::Duration;

use super::supervisors;
use crate::inventory::{
    AbsolutePath, Domain, Format, FullName, Paths, Program, Site, SupervisordAddress, UserName,
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
pub struct PlaybookEnvironment {
    /// `DEPLOYER_OUTPUT_FILE`: where the result is written.
    pub output_file: PathBuf,
    /// `DEPLOYER_DISTRO`: others than ubuntu and debian have a warning.
    pub distro: String,
    /// `DEPLOYER_PERMS`: root, sudo or none.
    pub perms: Perms,
    /// `DEPLOYER_SITE_DOMAIN` and `DEPLOYER_SUPERVISORS`, with the layout.
    pub site: Site,
    /// Seconds to wait for another apply.
    pub lock_wait: u64,
    /// How long after its beginning a playbook ends at the latest, with programs that still stop.
    pub deadline: Duration,
}

/// Why they are refused, in the contract's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractError {
    /// Behind `Error: `.
    pub first_line: String,
    /// Why, a line each.
    pub causes: Vec<String>,
    /// Whether a variable is missing or empty, which the script says on stdout.
    pub is_missing: bool,
}

impl ContractError {
    pub(super) fn new(first_line: impl Into<String>) -> Self {
        Self { first_line: first_line.into(), causes: Vec::new(), is_missing: false }
    }

    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.causes.push(reason.into());
        self
    }
}

/// What the variables say for a restart, as far as it can be made out: the deployment has been done,
/// and what is wrong with one variable or one program keeps no other from being restarted.
#[derive(Debug)]
pub(super) struct PartialEnvironment {
    /// `DEPLOYER_OUTPUT_FILE`, if it is given.
    pub(super) output_file: Option<PathBuf>,
    /// `None` where it is not known which site is meant, or where it is.
    pub(super) environment: Option<PlaybookEnvironment>,
    /// What is wrong.
    pub(super) problems: Vec<ContractError>,
    /// Programs of the array that cannot be restarted for that.
    pub(super) unreadable: usize,
}

/// How long a playbook waits for another one by default, in seconds: less than the 300 that
/// DeployerPHP waits for a playbook, so that it hears for whom.
const LOCK_WAIT_SECONDS: u64 = 240;
/// How long it waits in all by default, in seconds: it answers before DeployerPHP gives up.
const DEADLINE_SECONDS: u64 = 270;

/// Reads one variable after the other.
struct EnvironmentVariables<'v>(&'v dyn Fn(&str) -> Option<String>);

impl PlaybookEnvironment {
    /// Reads and checks every variable.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, ContractError> {
        let variables = EnvironmentVariables(variable);
        let output_file = variables.required("DEPLOYER_OUTPUT_FILE")?;
        let distro = variables.required("DEPLOYER_DISTRO")?;
        // Each must be there before what one of them holds counts.
        let perms = variables.required("DEPLOYER_PERMS")?;
        let domain = variables.required("DEPLOYER_SITE_DOMAIN")?;
        let supervisors = variables.required("DEPLOYER_SUPERVISORS")?;
        let perms = perms_of(&perms)?;
        let mut site = site(variable, domain_of(&domain)?)?;
        let supervisors::ParsedPrograms { programs, problem, .. } = supervisors::read(&supervisors);
        match problem {
            Some(problem) => return Err(problem),
            None => site.programs = programs,
        }
        if let Some(problem) = site.programs.iter().find_map(|p| too_long(&site.domain, p)) {
            return Err(problem);
        }
        let deadline = variables.seconds("SUPERVISOR_SYNC_DEADLINE", DEADLINE_SECONDS)?;
        let lock_wait = LOCK_WAIT_SECONDS.min(deadline);
        Ok(Self {
            output_file: PathBuf::from(output_file),
            distro,
            perms,
            site,
            lock_wait: variables.seconds("SUPERVISOR_SYNC_LOCK_WAIT", lock_wait)?,
            deadline: Duration::from_secs(deadline),
        })
    }
}

impl PartialEnvironment {
    /// Reads what can be read.
    pub(super) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let variables = EnvironmentVariables(variable);
        let mut problems = Vec::new();
        let output_file = noted(variables.required("DEPLOYER_OUTPUT_FILE"), &mut problems);
        let distro = noted(variables.required("DEPLOYER_DISTRO"), &mut problems);
        let perms = variables.required("DEPLOYER_PERMS").and_then(|text| perms_of(&text));
        let perms = noted(perms, &mut problems);
        let domain = variables.required("DEPLOYER_SITE_DOMAIN").and_then(|text| domain_of(&text));
        let site = noted(domain.and_then(|domain| site(variable, domain)), &mut problems);
        let supervisors = noted(variables.required("DEPLOYER_SUPERVISORS"), &mut problems);
        let read = supervisors.map(|text| supervisors::read(&text)).unwrap_or_default();
        problems.extend(read.problem);
        let deadline = variables.seconds("SUPERVISOR_SYNC_DEADLINE", DEADLINE_SECONDS);
        let deadline = noted(deadline, &mut problems).unwrap_or(DEADLINE_SECONDS);
        let longest = LOCK_WAIT_SECONDS.min(deadline);
        let lock_wait = variables.seconds("SUPERVISOR_SYNC_LOCK_WAIT", longest);
        let lock_wait = noted(lock_wait, &mut problems).unwrap_or(longest);
        let mut unreadable = read.unreadable;
        let environment = site.map(|mut site| {
            for program in read.programs {
                match too_long(&site.domain, &program) {
                    None => site.programs.push(program),
                    Some(problem) => {
                        problems.push(problem);
                        unreadable += 1;
                    }
                }
            }
            PlaybookEnvironment {
                output_file: PathBuf::from(output_file.as_deref().unwrap_or_default()),
                distro: distro.unwrap_or_else(|| "debian".to_owned()),
                perms: perms.unwrap_or(Perms::None),
                site,
                lock_wait,
                deadline: Duration::from_secs(deadline),
            }
        });
        Self { output_file: output_file.map(PathBuf::from), environment, problems, unreadable }
    }
}

fn noted<T>(read: Result<T, ContractError>, problems: &mut Vec<ContractError>) -> Option<T> {
    read.map_err(|problem| problems.push(problem)).ok()
}

impl EnvironmentVariables<'_> {
    /// An empty one counts as missing.
    fn given(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<String, ContractError> {
        self.given(name).ok_or_else(|| ContractError {
            is_missing: true,
            ..ContractError::new(format!("{name} required"))
        })
    }

    fn path(&self, name: &str) -> Result<Option<AbsolutePath>, ContractError> {
        let Some(text) = self.given(name) else { return Ok(None) };
        AbsolutePath::parse(&text).map(Some).map_err(|reason| {
            ContractError::new(format!("Invalid {name}")).because(format!("it {reason}"))
        })
    }

    fn seconds(&self, name: &str, default: u64) -> Result<u64, ContractError> {
        match self.given(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| {
                ContractError::new(format!("Invalid {name}")).because("it must be whole seconds")
            }),
        }
    }
}

fn perms_of(text: &str) -> Result<Perms, ContractError> {
    match text {
        "root" => Ok(Perms::Root),
        "sudo" => Ok(Perms::Sudo),
        "none" => Ok(Perms::None),
        _ => {
            Err(ContractError::new("Invalid DEPLOYER_PERMS")
                .because("it must be root, sudo or none"))
        }
    }
}

fn domain_of(text: &str) -> Result<Domain, ContractError> {
    Domain::parse(text).map_err(|reason| {
        ContractError::new("Invalid DEPLOYER_SITE_DOMAIN").because(format!("it {reason}"))
    })
}

/// Why a program's full name does not fit a file's name.
fn too_long(domain: &Domain, program: &Program) -> Option<ContractError> {
    let reason = FullName::new(domain, &program.name).err()?;
    let cause = format!("the full name of {} {reason}", program.name);
    Some(ContractError::new(supervisors::INVALID).because(cause))
}

/// The layout: DeployerPHP's, unless our own variables say otherwise.
fn site(variable: &dyn Fn(&str) -> Option<String>, domain: Domain) -> Result<Site, ContractError> {
    let defaults = Paths::default();
    let variables = EnvironmentVariables(variable);
    let user = variables.given("SUPERVISOR_SYNC_USER");
    let user = UserName::parse(user.as_deref().unwrap_or("deployer")).map_err(|reason| {
        ContractError::new("Invalid SUPERVISOR_SYNC_USER").because(format!("it {reason}"))
    })?;
    let format = match variable("SUPERVISOR_SYNC_FORMAT").as_deref() {
        None | Some("" | "classic") => Format::Classic,
        Some("hardened") => Format::Hardened,
        Some(_) => {
            return Err(ContractError::new("Invalid SUPERVISOR_SYNC_FORMAT")
                .because("it must be classic or hardened"));
        }
    };
    Ok(Site {
        domain,
        user,
        format,
        config_files: Default::default(),
        config_suffix: Default::default(),
        configs: Vec::new(),
        groups: Vec::new(),
        paths: Paths {
            sites: variables.path("SUPERVISOR_SYNC_SITES_DIR")?.unwrap_or(defaults.sites),
            conf_dir: variables.path("SUPERVISOR_SYNC_CONF_DIR")?.unwrap_or(defaults.conf_dir),
            logrotate_dir: variables
                .path("SUPERVISOR_SYNC_LOGROTATE_DIR")?
                .unwrap_or(defaults.logrotate_dir),
            log_dir: variables.path("SUPERVISOR_SYNC_LOG_DIR")?.unwrap_or(defaults.log_dir),
            supervisord: match variables.path("SUPERVISOR_SYNC_SUPERVISORD_CONF")? {
                Some(path) => SupervisordAddress::Config(path),
                None => SupervisordAddress::Discover,
            },
            state_dir: variables.path("SUPERVISOR_SYNC_STATE_DIR")?,
        },
        programs: Vec::new(),
    })
}
