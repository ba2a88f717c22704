//! Why an apply will not start, and what overrides it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::inventory::{Domain, UserName};
use crate::system::shell;

/// What a person can say to have an apply start all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Override {
    /// Apply although a script, a command or runner.sh is missing.
    MissingCode,
    /// Replace a file that stands where one of the site's should be.
    ForeignFile,
}

impl Override {
    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingCode => "missing-code",
            Self::ForeignFile => "foreign-file",
        }
    }
}

/// A reason not to start. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    /// supervisord cannot read its configuration as it is now, and no file of the site is to blame.
    BrokenConfig {
        /// The file that breaks it: the one that set the value that is refused.
        file: Option<PathBuf>,
        /// The line of the value, from 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u32>,
        /// Which value it is, e.g. `user of [program:web]`; `None` where the whole file cannot be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        what: Option<String>,
        /// Where it cannot be told which file it is: those that it can be.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        candidates: Vec<PathBuf>,
        /// Whether the file is one of those that supervisord includes.
        #[serde(default)]
        is_included: bool,
        /// supervisord's own words.
        words: String,
    },
    /// Another site wrote the file that this one wants to write.
    ClaimedBySite {
        /// The file that both want.
        path: PathBuf,
        /// The other site.
        other: Domain,
    },
    /// A file of unknown origin stands at a wanted path.
    ForeignFile {
        /// Where the site wants a file of its own.
        path: PathBuf,
        /// Why it is not the site's own.
        why: String,
    },
    /// Something that is no file stands at a wanted path.
    NotAFile {
        /// Where a file is wanted.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// Another included file defines the same group.
    DefinedElsewhere {
        /// The group that the site wants too.
        group: String,
        /// The other file.
        file: PathBuf,
    },
    /// A `[group:NAME]` of somebody else takes the program in: supervisord makes no group of its own
    /// of it, and knows nothing of a group by its name.
    TakenIn {
        /// The site's program, by its name in supervisord.
        program: String,
        /// NAME of the `[group:NAME]`.
        group: String,
        /// The file of the group.
        file: PathBuf,
    },
    /// A folder that must be there is not.
    MissingFolder {
        /// The folder that files of the site should be written to.
        path: PathBuf,
    },
    /// A user that programs should run as does not exist.
    MissingUser {
        /// The name that the host does not know.
        user: UserName,
        /// Those of the site that should run as this user.
        programs: Vec<String>,
    },
    /// A script, command or runner.sh is missing.
    MissingCode {
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// Those of the site that need it.
        programs: Vec<String>,
    },
    /// supervisord would not be able to read a file with environment values.
    UnreadableSecrets {
        /// The file that would hold them.
        path: PathBuf,
    },
    /// supervisord is too old.
    OldSupervisord {
        /// The version that runs.
        version: String,
    },
    /// A process that was named is not there.
    NoSuchProcess {
        /// The program that it should be of.
        program: String,
        /// As it was named.
        named: String,
        /// Those that there are.
        there: Vec<String>,
    },
    /// Its include patterns do not read what would be written.
    NotIncluded {
        /// The file that would not be read.
        path: PathBuf,
    },
}

impl Refusal {
    /// What a person can say to have it done all the same.
    pub fn overridden_by(&self) -> Option<Override> {
        match self {
            Self::MissingCode { .. } => Some(Override::MissingCode),
            Self::ForeignFile { .. } => Some(Override::ForeignFile),
            _ => None,
        }
    }

    /// The wanted file that it keeps from being written.
    pub(super) fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::ClaimedBySite { path, .. }
            | Self::ForeignFile { path, .. }
            | Self::NotAFile { path, .. } => Some(path),
            _ => None,
        }
    }

    /// One line: what and where.
    pub fn message(&self) -> String {
        match self {
            Self::BrokenConfig { file, line, what, candidates, words, .. } => {
                let by = broken_by(file.as_deref(), *line, what.as_deref(), candidates);
                format!("supervisord's configuration is already broken{by}: {words}")
            }
            Self::ClaimedBySite { path, other } => {
                format!("{} belongs to site {other}", path.display())
            }
            Self::ForeignFile { path, why } => {
                format!("{} is not this site's own: {why}", path.display())
            }
            Self::NotAFile { path, what } => format!("{} is {what}", path.display()),
            Self::DefinedElsewhere { group, file } => {
                format!("program {group} is already defined in {}", file.display())
            }
            Self::TakenIn { program, group, file } => format!(
                "program {program} is taken into [group:{group}] by {}: it would be no group of its own",
                file.display()
            ),
            Self::MissingFolder { path } => format!("folder {} does not exist", path.display()),
            Self::MissingUser { user, programs } => {
                format!("user {user} does not exist (wanted by {})", programs.join(", "))
            }
            Self::MissingCode { path, problem, programs } => {
                format!("{} {problem} (wanted by {})", path.display(), programs.join(", "))
            }
            Self::UnreadableSecrets { path } => format!(
                "{} holds environment values, and supervisord, which runs as another user, could not read it",
                path.display()
            ),
            Self::OldSupervisord { version } => {
                format!("supervisord {version} is too old: 4.0 is the oldest that works")
            }
            Self::NoSuchProcess { program, named, .. } => {
                format!("program {program} has no process `{named}`")
            }
            Self::NotIncluded { path } => {
                format!("supervisord's [include] does not read {}", path.display())
            }
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::BrokenConfig { file: Some(file), what: Some(what), .. } => {
                format!("correct {what} in {}, then try again", file.display())
            }
            // Nobody else's program is in a file that cannot be read.
            Self::BrokenConfig { file: Some(file), is_included: true, .. } => {
                format!("repair or move away {}, then try again", file.display())
            }
            Self::BrokenConfig { file: Some(file), .. } => {
                format!("repair {}, then try again", file.display())
            }
            Self::BrokenConfig { file: None, .. } => {
                "see what it says: supervisorctl reread".into()
            }
            Self::ClaimedBySite { .. } => {
                "two sites cannot share a file: rename the program of one of them".into()
            }
            Self::ForeignFile { path, .. } => {
                format!(
                    "look at it: cat {}; to replace it: --allow foreign-file",
                    shell::path(path)
                )
            }
            Self::NotAFile { path, .. } => {
                format!("move it away: {}", shell::move_away(path, ".old"))
            }
            Self::DefinedElsewhere { file, .. } => {
                format!("rename the program, or remove it from {}", file.display())
            }
            Self::TakenIn { program, group, file } => format!(
                "take {program} out of programs= of [group:{group}] in {}, then: \
                 supervisorctl update {group}",
                file.display()
            ),
            Self::MissingFolder { path } => {
                format!(
                    "install supervisor and logrotate: apt install supervisor logrotate; or set paths if it is elsewhere than {}",
                    path.display()
                )
            }
            Self::MissingUser { user, .. } => {
                format!("{}; or set user: in the inventory", user.how_to_make())
            }
            Self::MissingCode { .. } => {
                "deploy the site first; to apply all the same: --allow missing-code".into()
            }
            Self::UnreadableSecrets { .. } => {
                "run supervisord as root, or supervisor-sync as supervisord's user".into()
            }
            Self::OldSupervisord { .. } => "upgrade it: apt install supervisor".into(),
            Self::NoSuchProcess { there, .. } if there.is_empty() => {
                "none of it is known to supervisord: apply it first".into()
            }
            Self::NoSuchProcess { there, .. } => format!("there is: {}", there.join(", ")),
            Self::NotIncluded { path } => format!(
                "add the folder to [include] files in supervisord's main config, or set paths.conf_dir (now {})",
                path.parent().unwrap_or(path).display()
            ),
        }
    }
}

/// ` by FILE, line 3 (user of [program:web])`, ` by one of A, B`, or nothing.
fn broken_by(
    file: Option<&Path>,
    line: Option<u32>,
    what: Option<&str>,
    candidates: &[PathBuf],
) -> String {
    let what = what.map(|what| format!(" ({what})")).unwrap_or_default();
    match (file, candidates) {
        (Some(file), _) => {
            let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
            format!(" by {}{line}{what}", file.display())
        }
        (None, []) => String::new(),
        (None, candidates) => {
            let names: Vec<String> =
                candidates.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
            let more = candidates.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!(" by one of {}{more}{what}", names.join(", "))
        }
    }
}

/// So many files are named where any of them can be meant.
const SHOWN: usize = 5;
