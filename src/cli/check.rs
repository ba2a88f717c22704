//! `check`: the inventory alone.

use super::Context;
use crate::error::CommandError;
use crate::report::{Screen, show_checked};

pub(super) fn run(context: &Context, screen: &mut Screen) -> Result<u8, CommandError> {
    show_checked(&context.inventory(screen)?, screen);
    Ok(0)
}
