//! What supervisord takes for the options of a `[program:x]` that are not given, as
//! `_processes_from_section` of its `options.py` has it in all of 4.x.

/// `numprocs`: a single process.
pub const NUMPROCS: u32 = 1;
/// `autostart`: with supervisord, and when its group is added.
pub const AUTOSTART: bool = true;
/// `autorestart`: after an exit status that is not expected.
pub const AUTORESTART: &str = "unexpected";
/// `startsecs`, in seconds.
pub const STARTSECS: u32 = 1;
/// `startretries`, after the first try.
pub const STARTRETRIES: u32 = 3;
/// `exitcodes`: what counts as expected.
pub const EXITCODES: [u8; 1] = [0];
/// `stopsignal`, without `SIG`.
pub const STOPSIGNAL: &str = "TERM";
/// `stopwaitsecs`, in seconds.
pub const STOPWAITSECS: u32 = 10;
/// `stopasgroup`: the process alone gets the signal.
pub const STOPASGROUP: bool = false;
/// `priority`; low ones start first.
pub const PRIORITY: u32 = 999;
