//! What people and machines see: text on a terminal or in a log, JSON lines for machines.

pub mod describe;
mod harmless;
mod live;
mod screen;

pub use harmless::harmless;
pub use live::Live;
pub use screen::{Mode, Screen};
