//! `runner`: writes the runner.sh of the selected sites.

use clap::Args;

use super::Context;
use super::fleet::ParallelArguments;
use super::selected::SelectionArguments;
use crate::api::Target;
use crate::error::CommandError;
use crate::inventory::{AbsolutePath, NameError, Site};
use crate::report::{Screen, WrittenRunner, show_runners};
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
        let write = |site| write(host, site, arguments);
        Ok(work.sites.iter().map(write).collect::<Vec<_>>())
    });
    Ok(show_runners(work.iter().zip(written).collect(), screen))
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
    let bad = |what: &str| {
        let what = what.to_owned();
        move |reason: NameError| CommandError::refused(format!("{what} {reason}"))
    };
    let path = |what: &str, given: &Option<String>, default: String| {
        AbsolutePath::parse(given.as_deref().unwrap_or(&default)).map_err(bad(what))
    };
    let or_former = |given: &Option<String>, name: &str| {
        given.clone().or_else(|| exported(former, name)).unwrap_or_default()
    };
    let branch = or_former(&arguments.branch, "DEPLOYER_BRANCH");
    let php = or_former(&arguments.php, "DEPLOYER_PHP");
    Ok(RunnerSpec {
        release: path("--release", &arguments.release, site.current())?,
        shared: path("--shared", &arguments.shared, format!("{}/shared", site.root()))?,
        current: path("the site's current", &None, site.current())?,
        domain: site.domain.clone(),
        branch: ExportedText::parse(&branch).map_err(bad("--branch"))?,
        php: ExportedText::parse(&php).map_err(bad("--php"))?,
    })
}
