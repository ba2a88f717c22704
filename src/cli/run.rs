//! A run as this machine knows it: who typed what, and why.

use clap::Args;

use super::Context;
use crate::api::Run;
use crate::front;

/// What a run is for.
#[derive(Debug, Default, Args)]
pub(super) struct MessageArguments {
    /// Why this is done, for `history`: at most 500 characters; several lines become one
    #[arg(long, short, value_name = "TEXT", value_parser = front::message)]
    message: Option<String>,
}

impl Context {
    /// The run of this command, once its inventory was read.
    pub(super) fn begin_run(&self, command: &str, said: &MessageArguments) -> Run {
        front::begin_run(command, self.inventory.get(), said.message.as_deref())
    }
}
