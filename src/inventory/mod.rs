//! What people wrote: `deployer.yml`, read as it is and checked as a whole.
//!
//! `load` brings the text, `file` holds it exactly as typed with its positions, `resolve` turns it
//! into the checked types below and collects every problem. Later stages cannot meet a bad name:
//! the types here refuse to hold one.

pub mod name;
pub mod program;
pub mod site;

pub use name::{
    AbsolutePath, CommandLine, Domain, EnvironmentName, EnvironmentValue, FullName, HostName,
    NameError, ProgramName, ScriptPath, UserName,
};
pub use program::{
    Autorestart, Health, Instances, LogFrequency, Logs, Probe, Program, RestartPolicy, Run, Signal,
};
pub use site::{Format, Paths, Site, SupervisordAddress};
