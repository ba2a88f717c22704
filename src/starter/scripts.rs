//! Worker scripts to begin with.

/// A kind of worker that there is a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ScriptKind {
    LaravelQueue,
    LaravelHorizon,
    SymfonyMessenger,
    Celery,
    Sidekiq,
    Node,
    Loop,
}

impl ScriptKind {
    pub(crate) const ALL: [Self; 7] = [
        Self::LaravelQueue,
        Self::LaravelHorizon,
        Self::SymfonyMessenger,
        Self::Celery,
        Self::Sidekiq,
        Self::Node,
        Self::Loop,
    ];

    /// As it is named on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LaravelQueue => "laravel-queue",
            Self::LaravelHorizon => "laravel-horizon",
            Self::SymfonyMessenger => "symfony-messenger",
            Self::Celery => "celery",
            Self::Sidekiq => "sidekiq",
            Self::Node => "node",
            Self::Loop => "loop",
        }
    }

    /// What its program is called if nobody says.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::LaravelQueue => "queue",
            Self::LaravelHorizon => "horizon",
            Self::SymfonyMessenger => "messenger",
            Self::Node => "worker",
            Self::Celery | Self::Sidekiq | Self::Loop => self.name(),
        }
    }

    /// The whole script.
    pub(crate) fn script(self) -> &'static str {
        match self {
            Self::LaravelQueue => include_str!("scripts/laravel-queue.sh"),
            Self::LaravelHorizon => include_str!("scripts/laravel-horizon.sh"),
            Self::SymfonyMessenger => include_str!("scripts/symfony-messenger.sh"),
            Self::Celery => include_str!("scripts/celery.sh"),
            Self::Sidekiq => include_str!("scripts/sidekiq.sh"),
            Self::Node => include_str!("scripts/node.sh"),
            Self::Loop => include_str!("scripts/loop.sh"),
        }
    }

    /// What it is for, as its first comment says.
    pub(crate) fn purpose(self) -> &'static str {
        self.script().lines().nth(1).unwrap_or_default().trim_start_matches("# ")
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_kind_is_named_and_explains_exec() {
        let named: Vec<_> = ScriptKind::value_variants().iter().map(|kind| kind.name()).collect();
        assert_eq!(named, ScriptKind::ALL.map(ScriptKind::name));
        for kind in ScriptKind::ALL {
            assert_eq!(kind.to_possible_value().unwrap().get_name(), kind.name());
            let script = kind.script();
            assert!(script.starts_with("#!/bin/sh\n# ") && script.contains("`exec`"), "{script}");
            assert!(!kind.purpose().is_empty());
            let execs = script.lines().any(|line| line.starts_with("exec "));
            assert_eq!(execs, kind != ScriptKind::Loop, "{script}");
        }
    }
}
