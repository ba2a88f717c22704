//! The sites and programs of an inventory's text as they can be named.

use super::splice::entry;
use super::{EditError, parsed, text_of};
use crate::inventory::beside::Beside;

/// A site of an inventory's text.
#[derive(Debug, Clone)]
pub(crate) struct SiteNames {
    pub(crate) domain: String,
    pub(crate) programs: Vec<ProgramNames>,
}

/// What a program is called in an inventory's text.
#[derive(Debug, Clone)]
pub(crate) struct ProgramNames {
    /// Within its site.
    pub(crate) short: String,
    /// As it is printed.
    pub(crate) full: String,
}

/// The sites of a text, each with its programs.
pub(crate) fn names(
    name: &str,
    text: &str,
    beside: &dyn Beside,
) -> Result<Vec<SiteNames>, EditError> {
    let root = parsed(name, text, beside)?;
    let sites = entry(&root, "sites").map(|(_, sites)| sites.children()).unwrap_or_default();
    let mut names = Vec::new();
    for site in &sites {
        let Some(domain) = text_of(site, "domain") else { continue };
        let listed = entry(site, "supervisors").map(|(_, list)| list.children());
        let mut programs = Vec::new();
        for node in listed.unwrap_or_default() {
            let Some(short) = text_of(node, "program") else { continue };
            let full =
                text_of(node, "as").map_or_else(|| format!("{domain}-{short}"), str::to_owned);
            programs.push(ProgramNames { short: short.to_owned(), full });
        }
        names.push(SiteNames { domain: domain.to_owned(), programs });
    }
    Ok(names)
}
