//! What programs need to start that only their host knows: a command, a folder, a script.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a section names. All paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeNeed {
    /// The first word of its command, as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The folders in which a command without a folder is looked for, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Its working folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// A script that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
}

/// What there is of it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeFound {
    /// Why the command cannot be run: "does not exist".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_command: Option<String>,
    /// Why the folder cannot be entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_directory: Option<String>,
    /// The text of the script, if that is one: what does not begin with `#!` is nobody's to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
}

/// A script can hold secrets.
impl fmt::Debug for CodeFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeFound")
            .field("no_command", &self.no_command)
            .field("no_directory", &self.no_directory)
            .finish_non_exhaustive()
    }
}
