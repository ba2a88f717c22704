//! `explain`: the page of a check, or all checks with a line each.

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::error::CommandError;
use crate::lint;
use crate::report::{Screen, show_checks, show_page};

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The check, by the name that stands in brackets behind `warning`
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(lint::NAMES))]
    #[arg(hide_possible_values = true)]
    name: Option<String>,
}

pub(super) fn run(arguments: &ExplainArguments, screen: &mut Screen) -> Result<u8, CommandError> {
    match arguments.name.as_deref().and_then(lint::find) {
        Some(check) => show_page(check, screen),
        None => show_checks(screen),
    }
    Ok(0)
}
