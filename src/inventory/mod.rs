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

mod clashes;
mod fields;
mod file;
mod findings;
mod health;
pub mod host;
mod keys;
mod load;
mod logs;
pub mod name;
pub(crate) mod naming;
mod options;
mod passwords;
pub mod problem;
pub mod program;
mod programs;
#[cfg(test)]
mod published_tests;
mod resolve;
mod schema;
mod secrets;
pub mod selector;
mod settings;
pub mod site;
mod site_entry;
mod source;
mod suggest;
#[cfg(test)]
mod tests;

pub use host::{Connection, Host, Privilege};
pub(crate) use keys::Given;
pub use load::{Loaded, load};
pub use name::{
    AbsolutePath, CommandLine, ConfigName, Domain, EnvironmentName, EnvironmentValue, FullName,
    HostName, NameError, ProgramName, ScriptPath, UserName,
};
pub(crate) use options::{PROGRAM as PROGRAM_KEYS, supervisords as supervisord_options};
pub use passwords::without_passwords;
pub use problem::{Place, Problem, Problems};
pub use program::{
    Autorestart, Health, Instances, LogFrequency, Logs, Probe, Program, RestartPolicy, Run, Signal,
    SupervisordOptions,
};
pub use programs::Programs;
pub use resolve::{Inventory, PlacedSite, read};
pub use schema::schema;
pub use selector::{SelectedHost, SelectedSite, Selection, Selector, no_sites};
pub use site::{ConfigFiles, ConfigSuffix, Format, Paths, Site, SupervisordAddress};
