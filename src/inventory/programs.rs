//! Which programs of a site are meant.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::name::ProgramName;

/// Which programs of a site a command is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Programs {
    /// The site as a whole: also what only its record or its files know of.
    #[default]
    All,
    /// These alone. Never empty where it comes from a [`Selector`](super::Selector).
    Only(BTreeSet<ProgramName>),
}

impl Programs {
    /// Whether the program of this name is meant.
    pub fn have(&self, program: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(program),
        }
    }

    /// Whether the site as a whole is meant.
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}
