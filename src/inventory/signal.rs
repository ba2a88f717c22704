//! The signals by which supervisord stops programs.

use serde::{Deserialize, Serialize};

/// Signals with their short names.
macro_rules! signals {
    ($($name:literal => $signal:ident,)+) => {
        /// `stopsignal=`: a signal by its short name, of those that supervisord has on every Linux: it takes
        /// whatever Python's `signal` knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the signals' own names")]
        pub enum Signal {
            $(#[serde(rename = $name)] $signal,)+
        }

        impl Signal {
            /// Every signal that is accepted.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$signal),+];

            /// The short name, as supervisord writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$signal => $name,)+
                }
            }
        }
    };
}

signals! {
    "TERM" => Term,
    "HUP" => Hup,
    "INT" => Int,
    "QUIT" => Quit,
    "KILL" => Kill,
    "USR1" => Usr1,
    "USR2" => Usr2,
    "ABRT" => Abrt,
    "ALRM" => Alrm,
    "BUS" => Bus,
    "CHLD" => Chld,
    "CONT" => Cont,
    "FPE" => Fpe,
    "ILL" => Ill,
    "IO" => Io,
    "PIPE" => Pipe,
    "PROF" => Prof,
    "PWR" => Pwr,
    "SEGV" => Segv,
    "STOP" => Stop,
    "SYS" => Sys,
    "TRAP" => Trap,
    "TSTP" => Tstp,
    "TTIN" => Ttin,
    "TTOU" => Ttou,
    "URG" => Urg,
    "VTALRM" => Vtalrm,
    "WINCH" => Winch,
    "XCPU" => Xcpu,
    "XFSZ" => Xfsz,
}

impl Signal {
    /// Reads `TERM` or `SIGTERM`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        let short = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::ALL.into_iter().find(|signal| signal.as_str() == short)
    }
}
