//! Ctrl-C and its like, as a flag that the engine looks at between two steps.
//!
//! A dropped terminal (SIGHUP) does not interrupt: an apply that has begun finishes by itself.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Whether somebody asked us to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    raised: Arc<AtomicBool>,
    heeded: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes SIGINT and SIGTERM for the rest of the process; a second one ends it the hard way,
    /// which the next run recovers from. SIGHUP is noted and passed over.
    pub fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(
                signal,
                130,
                Arc::clone(&interrupt.raised),
            )?;
            signal_hook::flag::register(signal, Arc::clone(&interrupt.raised))?;
        }
        signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
        Ok(interrupt)
    }

    /// Whether it has come.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// The same of who does what there is to do about it, from now on: what is still asked of
    /// supervisord then is asked in spite of it.
    pub fn is_heeded(&self) -> bool {
        let raised = self.is_raised();
        if raised {
            self.heeded.store(true, Ordering::Relaxed);
        }
        raised
    }

    /// Whether it has come, and nobody has done anything about it yet.
    pub fn is_news(&self) -> bool {
        self.is_raised() && !self.heeded.load(Ordering::Relaxed)
    }

    /// As a signal would.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }
}
