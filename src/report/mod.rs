//! What people and machines see: text on a terminal or in a log, JSON lines for machines. A file for each
//! document, with what people read of it and what machines do.

mod applying;
mod check;
mod colour;
pub mod describe;
mod history;
mod integrate;
mod json;
mod left;
mod live;
mod logs;
mod names;
mod paragraph;
mod plan;
mod plan_text;
#[cfg(test)]
mod published_tests;
mod runner;
mod screen;
mod setup;
mod site_end;
mod status;
mod status_text;
mod taking_back;

pub use applying::Applying;
pub use check::{show_checked, show_problems};
pub use colour::Colour;
pub use history::{Histories, HostHistory, show_revision_diffs};
pub use integrate::show_integrated;
pub use live::Live;
pub use logs::Reader;
pub use paragraph::paragraph;
pub use plan::{HostPage, Plans};
pub use runner::{WrittenRunner, show_runners};
pub use screen::{Mode, Page, Screen};
pub use setup::show_setup;
pub use status::{HostStatus, StatusPage, Statuses};
pub use status_text::Detail;
pub use taking_back::{histories, nothing_to_take_back, show_taken_back};
