//! `runner`: writes the runner.sh of the selected sites.

use clap::Args;

use super::Context;
use super::fleet::ParallelArguments;
use super::selected::SelectionArguments;
use crate::api::Target;
use crate::error::CommandError;
use crate::inventory::{AbsolutePath, Site};
use crate::report::{Runners, Screen, WrittenRunner};
use crate::runner::{ExportedText, RunnerSpec, exported, is_ours, script};

#[derive(Debug, Args)]
pub(super) struct RunnerArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// DEPLOYER_RELEASE_PATH [default: the site's `current`]
    #[arg(long, value_name = "PATH")]
    release: Option<String>,
    /// DEPLOYER_SHARED_PATH [default: the site's `shared`]
    #[arg(long, value_name = "PATH")]
    shared: Option<String>,
    /// DEPLOYER_BRANCH [default: that of the runner.sh that is there]
    #[arg(long)]
    branch: Option<String>,
    /// DEPLOYER_PHP [default: that of the runner.sh that is there]
    #[arg(long)]
    php: Option<String>,
    /// Write over a runner.sh that something else has written
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    parallel: ParallelArguments,
}

pub(super) fn run(
    context: &Context,
    arguments: &RunnerArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let work = context.selected(&arguments.selection, screen)?;
    let written = context.fleet.on_each(&work, arguments.parallel.rules(), &|work, host| {
        Ok(work.sites.iter().map(|site| write(host, site, arguments)).collect::<Vec<_>>())
    });
    let mut runners = Runners::default();
    work.iter().zip(written).for_each(|(work, written)| runners.add(work, written, screen));
    Ok(runners.end())
}

fn write(
    host: &mut dyn Target,
    site: &Site,
    arguments: &RunnerArguments,
) -> Result<WrittenRunner, CommandError> {
    let path = AbsolutePath::parse(&site.runner())
        .map_err(|reason| CommandError::refused(format!("the site's runner.sh {reason}")))?;
    let former = host.read_runner(path.clone())?;
    if former.as_deref().is_some_and(|text| !is_ours(text)) && !arguments.overwrite {
        return Err(CommandError::refused(format!("{path} was not written by supervisor-sync"))
            .hint(format!(
                "to replace it, with its branch and PHP: supervisor-sync runner --site {} --overwrite",
                site.domain
            )));
    }
    let spec = spec(site, arguments, former.as_deref().unwrap_or_default())?;
    let changed = host.write_runner(path.clone(), script(&spec), site.user.clone())?;
    Ok((path, changed))
}

fn spec(
    site: &Site,
    arguments: &RunnerArguments,
    former: &str,
) -> Result<RunnerSpec, CommandError> {
    let RunnerArguments { release, shared, branch, php, .. } = arguments;
    let (current, shared_by_default) = (site.current(), format!("{}/shared", site.root()));
    Ok(RunnerSpec {
        release: path("--release", release.as_deref().unwrap_or(&current))?,
        shared: path("--shared", shared.as_deref().unwrap_or(&shared_by_default))?,
        current: path("the site's current", &current)?,
        domain: site.domain.clone(),
        branch: text("--branch", branch.as_ref(), "DEPLOYER_BRANCH", former)?,
        php: text("--php", php.as_ref(), "DEPLOYER_PHP", former)?,
    })
}

fn path(what: &str, path: &str) -> Result<AbsolutePath, CommandError> {
    AbsolutePath::parse(path).map_err(|reason| CommandError::refused(format!("{what} {reason}")))
}

/// What was given, else what the former runner.sh exports as `name`.
fn text(
    what: &str,
    given: Option<&String>,
    name: &str,
    former: &str,
) -> Result<ExportedText, CommandError> {
    let text = given.cloned().or_else(|| exported(former, name)).unwrap_or_default();
    ExportedText::parse(&text).map_err(|reason| CommandError::refused(format!("{what} {reason}")))
}
