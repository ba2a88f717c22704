//! `playbook sync` and `playbook restart`: everything from the environment, exit status 0 or 1.

use std::time::Instant;

use clap::Subcommand;

use super::Context;
use crate::fleet::own_path;
use crate::playbook::{Output, Perms, Playbook, run as run_playbook};
use crate::transport::FarHost;

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum PlaybookVerb {
    /// Make the programs of one site match DEPLOYER_SUPERVISORS
    Sync,
    /// Restart the programs of DEPLOYER_SUPERVISORS after a deployment
    Restart,
}

#[expect(clippy::disallowed_methods, reason = "an edge: this contract is the environment")]
pub(super) fn run(context: &Context, verb: PlaybookVerb) -> u8 {
    let playbook = match verb {
        PlaybookVerb::Sync => Playbook::Sync,
        PlaybookVerb::Restart => Playbook::Restart,
    };
    let (mut stdout, mut stderr) = (std::io::stdout(), std::io::stderr());
    let mut output = Output::new(&mut stdout, &mut stderr);
    let began = Instant::now();
    // Always in a process of its own, which goes on whatever becomes of this one and of who called it.
    let mut connect = |perms: Perms, deadline| {
        let (binary, interrupt) = (own_path()?, context.fleet.interrupt.clone());
        let host = match perms {
            Perms::Sudo => FarHost::through_sudo(binary, interrupt),
            Perms::Root | Perms::None => FarHost::as_we_are(binary, interrupt),
        };
        Ok(Box::new(host.waits_until(began.checked_add(deadline))) as _)
    };
    match run_playbook(playbook, &variable, &mut connect, &mut output) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// Text that is no UTF-8 reaches the checks, which refuse it by name.
#[expect(clippy::disallowed_methods, reason = "an edge: this contract is the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
