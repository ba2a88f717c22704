//! `metrics`: what was applied on this machine and how it is, for Prometheus.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Context;
use crate::api::Target;
use crate::error::CommandError;
use crate::host::LocalHost;
use crate::inventory::{AbsolutePath, NameError, Paths, SupervisordAddress};
use crate::pull::{LastPull, PullState};
use crate::report::{Metrics, Screen};
use crate::system::files::{FileContent, replace};
use crate::system::{Clock as _, Disk, SystemClock};

/// node_exporter runs as a user of its own.
const MODE: u32 = 0o644;

#[derive(Debug, Args)]
pub(super) struct MetricsArguments {
    /// Write them to this file in place of printing them, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How long to look at a program that has just come up again, for whether it does so once more
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 5)]
    seconds: u32,
    /// The folder of the sites' supervisor configs [default: /etc/supervisor/conf.d]
    #[arg(long, value_name = "DIR", value_parser = path)]
    conf_dir: Option<AbsolutePath>,
    /// supervisord's main config [default: where it usually is]
    #[arg(long, value_name = "FILE", value_parser = path)]
    supervisord: Option<AbsolutePath>,
    /// Where revisions are kept [default: /var/lib/supervisor-sync for root]
    #[arg(long, value_name = "DIR", value_parser = path)]
    state_dir: Option<AbsolutePath>,
}

fn path(text: &str) -> Result<AbsolutePath, NameError> {
    AbsolutePath::parse(text)
}

pub(super) fn run(
    context: &Context,
    arguments: &MetricsArguments,
    screen: &mut Screen,
) -> Result<u8, CommandError> {
    let paths = arguments.paths();
    let mut here = LocalHost::new(LocalHost::default_state_base(), context.fleet.interrupt.clone());
    let here: &mut dyn Target = &mut here;
    let on_record = here.on_record(paths.clone(), arguments.seconds)?;
    let metrics = Metrics::of(&on_record, &paths, &pulls(&paths));
    if let Some(path) = &arguments.out {
        write(path, metrics.text())?;
    }
    metrics.show(arguments.out.is_some(), screen);
    // They are metrics, too: whoever watches those is told there. A person who tries it is told why.
    let unreadable = on_record.sites.iter().filter_map(|one| one.record.as_ref().err());
    for error in on_record.daemon.as_ref().err().into_iter().chain(unreadable) {
        screen.error(None, error);
    }
    Ok(0)
}

/// How the last pull of each source ended, and whether somebody holds the host.
fn pulls(paths: &Paths) -> Vec<(LastPull, bool)> {
    let base = paths.state_dir.as_ref().map(|path| path.as_path().to_owned());
    let base = base.unwrap_or_else(LocalHost::default_state_base);
    let now = SystemClock::start().timestamp();
    let is_held =
        |state: &PullState| state.hold().ok().flatten().is_some_and(|hold| hold.counts(now));
    PullState::all(&base).iter().map(|state| (state.last(), is_held(state))).collect()
}

impl MetricsArguments {
    fn paths(&self) -> Paths {
        let defaults = Paths::default();
        Paths {
            conf_dir: self.conf_dir.clone().unwrap_or(defaults.conf_dir),
            supervisord: match &self.supervisord {
                Some(path) => SupervisordAddress::Config(path.clone()),
                None => defaults.supervisord,
            },
            state_dir: self.state_dir.clone(),
            ..defaults
        }
    }
}

/// Whoever reads it meanwhile sees the former one: a scrape never meets half a file.
fn write(path: &Path, text: String) -> Result<(), CommandError> {
    let content = FileContent { bytes: text.into_bytes().into(), mode: MODE, owner: None };
    replace(&Disk, path, &content).map_err(|source| {
        CommandError::refused(format!("cannot write {}", path.display()))
            .caused_by_io(&source, path)
    })
}
