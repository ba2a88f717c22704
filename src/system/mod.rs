//! The other edges of the house: files, users, the clock, interruption, what machine it is. Imports nothing of ours.

pub mod bytes;
pub mod child;
pub mod clock;
pub mod closed;
pub mod files;
pub mod follow;
pub mod guarded;
pub mod handover;
pub mod interrupt;
pub mod log_time;
pub mod machine;
pub mod passwords;
pub mod process;
pub mod result_file;
pub mod rotated;
pub mod sanitize;
pub mod shell;
pub mod trail;
pub mod users;

pub use bytes::Bytes;
pub use clock::{Clock, SystemClock};
pub use files::{Disk, Entry, FileContent, Files};
pub use interrupt::Interrupt;
pub use sanitize::{is_deceptive, sanitized, sanitized_lines};
