//! One file by itself, as an import without a server takes it: for whoever wants to see what comes of a text.

use std::path::PathBuf;

use super::draft::{Text, Way};
use super::session::Wish;
use crate::inventory::{self, Nothing, Paths};
use crate::supervisord::ReadBy;

/// How a text would come into an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// By entries, for which this would be written.
    Entries(Vec<u8>),
    /// As it is, byte for byte.
    AsItIs(Vec<u8>),
    /// Not at all.
    NotTaken {
        /// Why.
        reason: String,
    },
}

/// Tries a file of this name and text, for a supervisord that reads it so; with `normalise` its text may change where its meaning does not.
/// `None` where even that cannot be told.
pub fn try_file(name: &str, bytes: &[u8], normalise: bool, read_by: &ReadBy<'_>) -> Option<Trial> {
    let server = "{name: web1, host: localhost, connection: local}";
    let text = format!("servers:\n  - {server}\n");
    let host = inventory::read("server", &text).ok()?.hosts.into_iter().next()?;
    let wish = Wish {
        files: Vec::new(),
        site: None,
        text: if normalise { Text::MayChange } else { Text::Stays },
        secrets: None,
        before: None,
        name: "deployer.yml".to_owned(),
        beside: &Nothing,
        host,
        server: server.to_owned(),
        paths: Paths::default(),
    };
    let imported = wish.import_texts(vec![(PathBuf::from(name), bytes.to_vec())], read_by).ok()?;
    if let Some(left) = imported.draft.not_taken.first() {
        return Some(Trial::NotTaken { reason: left.reason.clone() });
    }
    let (site, file) = imported.draft.files().next()?;
    if let Way::Verbatim { .. } = file.way {
        let copied = imported.candidate.files.values().next()?;
        return Some(Trial::AsItIs(copied.bytes.clone()));
    }
    let site = imported.candidate.site(&site.domain)?;
    let desired = crate::desired::render(site, &super::session::any_daemon(bytes)).ok()?;
    let mut files = desired.files.into_values();
    files.next().map(|file| Trial::Entries(file.bytes))
}
