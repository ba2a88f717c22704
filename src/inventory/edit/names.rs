//! The programs of an inventory's text as they can be named.

use super::splice::entry;
use super::{EditError, parsed, text_of};
use crate::inventory::beside::Beside;

/// What a program is called in an inventory's text.
#[derive(Debug, Clone)]
pub(crate) struct ProgramName {
    pub(crate) site: String,
    pub(crate) program: String,
    /// As it is printed.
    pub(crate) full: String,
}

/// The programs of an inventory as they can be named.
pub(crate) fn program_names(
    name: &str,
    text: &str,
    beside: &dyn Beside,
) -> Result<Vec<ProgramName>, EditError> {
    let root = parsed(name, text, beside)?;
    let sites = entry(&root, "sites").map(|(_, sites)| sites.children()).unwrap_or_default();
    let mut names = Vec::new();
    for site in &sites {
        let Some(domain) = text_of(site, "domain") else { continue };
        let programs = entry(site, "supervisors").map(|(_, list)| list.children());
        for node in programs.unwrap_or_default() {
            let Some(program) = text_of(node, "program") else { continue };
            let full =
                text_of(node, "as").map_or_else(|| format!("{domain}-{program}"), str::to_owned);
            names.push(ProgramName { site: domain.to_owned(), program: program.to_owned(), full });
        }
    }
    Ok(names)
}
