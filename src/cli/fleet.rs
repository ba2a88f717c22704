//! `--parallel` and its like, and how ssh is run.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::fleet::rollout::{BatchSize, Rules};
use crate::transport::{Payloads, SshSettings};

/// How many hosts at once, if nobody says.
const PARALLEL: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);

/// For verbs that only look.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ParallelArguments {
    /// How many hosts at once
    #[arg(long, value_name = "N", default_value_t = PARALLEL, help_heading = "Fleet")]
    parallel: NonZeroUsize,
}

/// For verbs that change something.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct RolloutArguments {
    #[command(flatten)]
    parallel: ParallelArguments,
    /// So many hosts (5) or such a share of them (10%) before the next; the first batch must be
    /// healthy, or the rest is not begun
    #[arg(long, value_name = "N|P%", help_heading = "Fleet")]
    batch: Option<BatchSize>,
    /// Begin no more hosts once so many have failed
    #[arg(long, value_name = "N", help_heading = "Fleet")]
    max_failures: Option<NonZeroUsize>,
}

impl ParallelArguments {
    pub(super) fn rules(self) -> Rules {
        Rules::all(self.parallel)
    }

    /// Every host at once, for what does not end by itself.
    pub(super) fn all_at_once(hosts: usize) -> Rules {
        Rules::all(NonZeroUsize::new(hosts).unwrap_or(PARALLEL))
    }
}

impl RolloutArguments {
    pub(super) fn parallel(self) -> ParallelArguments {
        self.parallel
    }

    pub(super) fn rules(self) -> Rules {
        let Self { parallel, batch, max_failures } = self;
        Rules { batch, max_failures, ..parallel.rules() }
    }
}

/// How ssh is run: `$SUPERVISOR_SYNC_SSH` can name a wrapper that takes ssh's arguments.
#[expect(clippy::disallowed_methods, reason = "an edge: which ssh")]
pub(super) fn ssh_settings() -> SshSettings {
    let named = std::env::var_os("SUPERVISOR_SYNC_SSH").filter(|named| !named.is_empty());
    SshSettings {
        program: named.map_or_else(|| PathBuf::from("ssh"), PathBuf::from),
        payloads: Arc::new(Payloads::of_this_program()),
        sockets: sockets(),
    }
}

/// Where a person's own sockets belong: a folder that is gone when they log out, else one at home.
fn sockets() -> Vec<PathBuf> {
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let folders = folder("XDG_RUNTIME_DIR").into_iter().chain(cache);
    folders.map(|folder| folder.join("supervisor-sync-ssh")).collect()
}

#[expect(clippy::disallowed_methods, reason = "an edge: a person's own folders")]
fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_absolute())
}
