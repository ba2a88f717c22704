//! This machine: what is asked of it is done with its real parts.

mod code;
mod control;
mod engine;
mod history;
mod includes;
mod left;
mod local;
mod locks;
mod log_line;
mod logs;
mod noting;
mod on_record;
mod reading;
mod runner;
mod status;
mod touched;
mod unmanaged;
mod untold;
mod way_back;

pub use engine::Engine;
pub use local::LocalHost;
pub use untold::note_untold;
pub use way_back::{WayBack, last_run, way_back};
