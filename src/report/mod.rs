//! What people and machines see: text on a terminal or in a log, JSON lines for machines.

pub mod describe;
mod json;
mod live;
mod screen;

pub use crate::plan::{harmless, harmless_paragraph};
pub use live::Live;
pub use screen::{Mode, Page, Screen};
