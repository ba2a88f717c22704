//! `check`: the inventory alone, for what is wrong and for what hurts.

use clap::Args;

use super::Context;
use crate::check;
use crate::error::CommandError;
use crate::inventory::{self, Inventory};
use crate::report::{CheckFormat, Checked, Here, Screen};

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Fail if there are warnings: exit status 1
    #[arg(long)]
    strict: bool,
    /// How to print what is found: as workflow commands of GitHub, or as SARIF 2.1.0; `json` is `--json`
    #[arg(long, value_enum, default_value_t, conflicts_with = "json")]
    format: CheckFormat,
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
    arguments.format.show(&name, &checked, &here, screen);
    match lints.len() {
        count if arguments.strict && count > 0 => {
            Err(CommandError::refused(format!("{name} has {}", Checked::counted(count))).hint(
                "`--strict` has warnings fail; `lint: {allow: [NAME]}` silences one that is wanted",
            ))
        }
        _ => Ok(0),
    }
}
