//! `check`: the inventory alone, for what is wrong and for what hurts; with `--on`, what hosts include as well.

use clap::Args;

use super::fleet::ParallelArguments;
use super::{Context, SELECTION, completing};
use crate::api::Target;
use crate::check::{self, HostLints, OnDaemon};
use crate::error::CommandError;
use crate::fleet::HostWork;
use crate::inventory::{self, Inventory, Located, Paths, Selector};
use crate::report::{CheckFormat, CheckOutput, Checked, Here, Screen};

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Also look at what supervisord includes on these hosts, whoever wrote it: names or @tags (comma
    /// separated, `*` for any text)
    #[arg(long = "on", value_name = "HOST", help_heading = SELECTION, add = completing::hosts())]
    hosts: Vec<String>,
    /// Fail if there are warnings: exit status 1
    #[arg(long)]
    strict: bool,
    /// How to print what is found: as workflow commands of GitHub, or as SARIF 2.1.0; `json` is `--json`
    #[arg(long, value_enum, default_value_t, conflicts_with = "json")]
    format: CheckFormat,
    #[command(flatten)]
    parallel: ParallelArguments,
}

impl CheckArguments {
    /// Whether JSON documents are asked for.
    pub(super) fn is_json(&self) -> bool {
        self.format == CheckFormat::Json
    }
}

pub(super) fn run(
    context: &Context,
    arguments: &CheckArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let loaded = inventory::load(context.shared.inventory.as_deref())?;
    let here = std::env::current_dir().map(|folder| Here::new(&folder)).unwrap_or_default();
    let (name, folder) = (loaded.name(), loaded.folder());
    let located = inventory::read_located(&name, &loaded.text, &folder).map_err(|problems| {
        arguments.format.show_problems(&problems, &here, screen);
        problems.refusal()
    })?;
    let lints = check::of_inventory(&located, &folder);
    let Inventory { hosts, sites, .. } = &located.inventory;
    let programs = sites.iter().map(|placed| placed.site.program_names().count()).sum();
    let checked = Checked::new((hosts.len(), sites.len(), programs), &lints);
    let mut output = CheckOutput::new(arguments.format, &name, &checked, &here, screen);
    if !arguments.hosts.is_empty() {
        let selector = Selector::new(&[], &arguments.hosts, &[])?;
        let work = HostWork::of(selector.select(&located.inventory)?);
        context.fleet.on_each_in_turn(
            &work,
            arguments.parallel.rules(),
            &|work, host| ask(&located, work, host),
            &mut |work, answer| output.add(work.name(), answer),
        );
    }
    match output.end() {
        (count, 0) if arguments.strict && count > 0 => {
            let message = format!("`--strict` refuses {}", Checked::counted(count));
            let hint = "`lint: {allow: [NAME]}` in the inventory silences one that is wanted";
            Err(CommandError::refused(message).hint(hint))
        }
        (_, status) => Ok(status),
    }
}

/// Looks at each supervisord of a host that the inventory knows of.
fn ask(
    located: &Located<'_>,
    work: &HostWork,
    host: &mut dyn Target,
) -> Result<Vec<HostLints>, CommandError> {
    let mut daemons: Vec<&Paths> = Vec::new();
    for paths in work.sites.iter().map(|site| &site.paths) {
        if !daemons.iter().any(|known| check::is_same(known, paths)) {
            daemons.push(paths);
        }
    }
    if daemons.is_empty() {
        daemons.push(&located.inventory.paths);
    }
    let mut lints = Vec::new();
    for paths in daemons {
        let includes = host.includes(paths.clone())?;
        let daemon = OnDaemon::new(located, (&work.host.name, paths), &includes);
        let found = host.code(daemon.needs())?;
        lints.push(daemon.lints(found));
    }
    Ok(lints)
}
