//! `agent`: the far end of sudo and SSH.

use std::io::{BufReader, stdin, stdout};

use super::Context;
use crate::host::{LocalHost, note_untold};
use crate::transport::serve;

pub(super) fn run(context: &Context) -> u8 {
    // A session of its own: what becomes of the caller's, or of its terminal, is not meant for us.
    // An error: we lead one already.
    let _ = rustix::process::setsid();
    let mut host = context.fleet.local();
    let state = LocalHost::default_state_base();
    let unheard = move |request: &_| note_untold(&state, request);
    serve(host.as_mut(), BufReader::new(stdin()), stdout(), &context.fleet.interrupt, unheard);
    0
}
