//! What people wrote: `deployer.yml`, read as it is and checked as a whole.
//!
//! `load` brings the text, `file` holds it exactly as typed with its positions, `resolve` turns it
//! into the checked types below and collects every problem. Later stages cannot meet a bad name:
//! the types here refuse to hold one.
//!
//! What a key is called, takes and means stands in tables of `keys`, by which it is read and from which
//! the `schema` is made. `resolve` leans on `fields` (one map), `options`, `logs`, `health` and `settings` (what can be
//! set in layers), `naming` (what things are called on a host), `host` (a server), `site_entry` (a site) and `clashes` (what only the whole shows). Problems go through
//! `findings` and `source`, which masks `secrets`, to `problem`.

mod allowed;
#[cfg(test)]
mod ansible_tests;
mod beside;
mod clashes;
pub(crate) mod config_file;
mod configs;
pub(crate) mod edit;
mod expansions;
mod fields;
mod file;
mod findings;
mod groups;
mod health;
pub mod host;
mod keys;
mod load;
mod logs;
pub mod name;
mod named;
pub(crate) mod naming;
mod notices;
mod options;
mod passed;
#[cfg(feature = "web")]
mod password_hash;
mod places;
pub mod problem;
pub mod program;
mod program_keys;
mod programs;
#[cfg(test)]
pub(crate) mod published_tests;
mod pulling;
mod quoted;
mod resolve;
mod schema;
mod secrets;
pub mod selector;
mod settings;
pub mod signal;
mod site;
mod site_entry;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
pub mod value;
#[cfg(feature = "web")]
mod web_auth;

pub use crate::system::passwords::without_passwords;
pub(crate) use allowed::Allowed;
pub use beside::{Beside, Nothing};
pub use config_file::ConfigFile;
pub(crate) use file::Span;
pub use groups::ProgramGroup;
pub use host::{Connection, Host, Privilege};
pub(crate) use keys::Given;
pub(crate) use load::read_text;
pub use load::{Folder, Loaded, load, load_or_place};
pub use name::{ConfigName, Domain, FullName, HostName, NameError, ProgramName, UserName};
pub(crate) use named::printed_names;
pub use notices::Notices;
pub(crate) use notices::{LocalCommand, NoticeKind};
#[cfg(feature = "web")]
pub(crate) use password_hash::PasswordHash;
pub(crate) use places::{Located, Places, ProgramPlaces, SitePlaces};
pub use problem::{Place, Problem, Problems};
pub use program::{
    Autorestart, Health, Instances, LogFrequency, Logs, Probe, Program, RestartPolicy, Rotation,
    Run, SupervisordOptions,
};
pub(crate) use program_keys::{PROGRAM as PROGRAM_KEYS, supervisords as supervisord_options};
#[cfg(feature = "web")]
pub(crate) use programs::matches;
pub use programs::{ProcessPattern, Programs};
pub(crate) use pulling::{Itself, PullConfig, PullRules, read_pull_config};
pub(crate) use quoted::{Quotes, plain_or_quoted, quoted};
pub(crate) use resolve::read_located;
pub use resolve::{Inventory, PlacedSite, read, read_beside};
pub use schema::{SCHEMA_FILE, schema, schema_text};
pub use selector::{SelectedHost, SelectedSite, Selection, Selector, no_sites};
pub use signal::Signal;
pub(crate) use site::without_programs;
pub use site::{ConfigFiles, ConfigSuffix, Format, Paths, Site, SupervisordAddress};
pub use value::{
    AbsolutePath, CommandLine, Directory, EnvironmentName, EnvironmentValue, LogTarget,
    ProgramUser, SCRIPT_FOLDER, ScriptPath,
};
#[cfg(feature = "web")]
pub(crate) use web_auth::{Role, TrustedProxy, WebAuth, WebUser, read_web_auth};
