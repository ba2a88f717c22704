//! `hold` and `resume`: whether this host takes up what is published.

use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;

use crate::error::CommandError;
use crate::host::LocalHost;
use crate::inventory::{PullConfig, read_pull_config, read_text};
use crate::pull::{Hold, PullState, check_only_ours};
use crate::report::{Screen, show_hold, show_problems};
use crate::system::{Clock as _, SystemClock, users};

/// What says where this host pulls from, unless somebody names another.
pub(super) const CONFIG: &str = "/etc/supervisor-sync/pull.yml";

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// Which source this host pulls from.
#[derive(Debug, Args)]
pub(super) struct ConfigArguments {
    /// What says where to pull from, and whom to believe
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct HoldArguments {
    /// Why, for whoever meets it
    #[arg(value_name = "REASON", value_parser = reason)]
    reason: String,
    /// For so long: 30m, 2h or 7d; until `resume`, if it is not said
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<SignedDuration>,
    #[command(flatten)]
    config: ConfigArguments,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArguments {
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn hold(arguments: &HoldArguments, screen: &mut Screen) -> Result<u8, CommandError> {
    let config = arguments.config.read(screen)?;
    let since = SystemClock::start().timestamp();
    let until = arguments.time.and_then(|time| since.checked_add(time).ok());
    let hold = Hold { user: users::invoker(), reason: arguments.reason.clone(), since, until };
    state_of(&config).set_hold(Some(&hold))?;
    show_hold(Some(&hold), screen);
    Ok(0)
}

pub(super) fn resume(arguments: &ResumeArguments, screen: &mut Screen) -> Result<u8, CommandError> {
    let config = arguments.config.read(screen)?;
    state_of(&config).set_hold(None)?;
    show_hold(None, screen);
    Ok(0)
}

impl ConfigArguments {
    /// What this file says.
    pub(super) fn at(config: PathBuf) -> Self {
        Self { config }
    }

    /// Reads it; its problems are shown here, all of them.
    pub(super) fn read(&self, screen: &mut Screen) -> Result<PullConfig, CommandError> {
        let text = read_text(&self.config)
            .map_err(|error| error.hint("write it: source and identity, as docs/pull.md has it"))?;
        check_only_ours(&self.config)?;
        read_pull_config(&self.config.display().to_string(), &text).map_err(|problems| {
            show_problems(&problems, screen);
            problems.refusal()
        })
    }

    /// The file.
    pub(super) fn path(&self) -> &PathBuf {
        &self.config
    }
}

/// Where it is remembered what this host has pulled.
pub(super) fn state_of(config: &PullConfig) -> PullState {
    let base = config.state_dir.as_ref().map(|path| path.as_path().to_owned());
    PullState::of(&base.unwrap_or_else(LocalHost::default_state_base), &config.source)
}

fn reason(text: &str) -> Result<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    match text.chars().count() {
        0 => Err("say why, for whoever meets it".to_owned()),
        1..=LONGEST_REASON => Ok(text),
        length => Err(format!("it has {length} characters, at most {LONGEST_REASON} fit")),
    }
}

/// A number of minutes, hours or days.
fn duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || "must be a number of minutes, hours or days, as in 30m, 2h or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: i64 =
        text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        _ => return Err(wrong()),
    };
    match number {
        1..=100_000 => Ok(SignedDuration::from_mins(number * minutes)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("30m"), Ok(SignedDuration::from_mins(30)));
        assert_eq!(duration("2h"), Ok(SignedDuration::from_hours(2)));
        assert_eq!(duration("7d"), Ok(SignedDuration::from_hours(7 * 24)));
        for text in ["", "m", "30", "-1h", "0m", "1w", "1ä", "99999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reason_is_one_line() {
        assert_eq!(reason(" the\n sale \n").as_deref(), Ok("the sale"));
        assert!(reason(" \n").is_err());
    }
}
