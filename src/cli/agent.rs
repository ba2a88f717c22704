//! `agent`: the far end of sudo and SSH.

use super::Context;
use crate::fleet::agent::serve;

pub(super) fn run(context: &Context) -> u8 {
    let mut host = context.local();
    serve(host.as_mut(), std::io::stdin().lock(), &mut std::io::stdout());
    0
}
