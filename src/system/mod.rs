//! The other edges of the house: files, users, the clock and interruption. Imports nothing of ours.

pub mod clock;
pub mod files;
pub mod follow;
pub mod handover;
pub mod interrupt;
pub mod process;
pub mod users;

pub use clock::{Clock, SystemClock};
pub use files::{Disk, Entry, FileContent, Files};
pub use interrupt::Interrupt;
