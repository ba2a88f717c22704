//! Questions on the terminal.

use std::io::{IsTerminal, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::names::counted;
use super::{Mode, Screen};
use crate::api::Goal;
use crate::error::{CommandError, ErrorKind};
use crate::fleet::{Amount, Order};
use crate::plan::Intent;
use crate::system::{Interrupt, sanitized};

impl Screen {
    /// Whether there is somebody to ask.
    pub(crate) fn can_ask(&self) -> bool {
        self.mode() == Mode::Text && std::io::stdin().is_terminal()
    }

    /// Asks whether, until it is answered or `interrupt` is raised; `None` when there is no one to ask.
    pub(crate) fn confirm(&mut self, question: &str, interrupt: &Interrupt) -> Option<bool> {
        let answer = self.ask(&format!("{question} [y/N] "), interrupt)?;
        Some(matches!(answer.as_str(), "y" | "Y" | "yes"))
    }

    /// Asks a question, until it is answered or `interrupt` is raised, which answers nothing; `None` when
    /// there is no one to ask.
    pub(crate) fn ask(&mut self, question: &str, interrupt: &Interrupt) -> Option<String> {
        self.line_typed(question, interrupt).map(|answer| answer.trim().to_owned())
    }

    /// Asks for what nobody may look at while it is typed, and is taken as it is.
    #[cfg(feature = "web")]
    pub(crate) fn ask_hidden(&mut self, question: &str, interrupt: &Interrupt) -> Option<String> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let stdin = std::io::stdin();
        let shown = tcgetattr(&stdin).ok()?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).ok()?;
        let answer = self.line_typed(question, interrupt);
        let _ = tcsetattr(&stdin, OptionalActions::Flush, &shown);
        // The end of the line was not shown, either.
        let _ = writeln!(std::io::stderr());
        answer
    }

    fn line_typed(&mut self, question: &str, interrupt: &Interrupt) -> Option<String> {
        if !self.can_ask() {
            return None;
        }
        let stdin = std::io::stdin();
        let _ = write!(std::io::stderr(), "{question}");
        // Reading at once would go on after a signal, until somebody presses a key.
        while !is_readable(&stdin) {
            if interrupt.is_raised() {
                let _ = writeln!(std::io::stderr());
                return Some(String::new());
            }
        }
        let mut answer = String::new();
        stdin.read_line(&mut answer).ok()?;
        Some(answer.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Goes on where the answer is yes. Else the error says what is `not_done`, which answer that was (`no`),
    /// or how to say yes to `what` where there is nobody to ask.
    pub(crate) fn agreed(
        &self,
        answer: Option<bool>,
        (not_done, no, what): (&str, &str, &str),
        interrupt: &Interrupt,
    ) -> Result<(), CommandError> {
        if interrupt.is_raised() {
            let message = format!("{not_done}: interrupted");
            return Err(CommandError::new(ErrorKind::Interrupted, message));
        }
        match answer {
            Some(true) => Ok(()),
            Some(false) => Err(CommandError::refused(format!("{not_done}: {no}"))),
            None => {
                let again = self.typed().again_with("--yes");
                let message = format!("{not_done}: there is no terminal to ask on");
                Err(CommandError::new(ErrorKind::Usage, message)
                    .hint(format!("look at {what}, then say so: {again}")))
            }
        }
    }

    /// Has somebody name one of `choices`, by its number or by its name, or, where `others` says what,
    /// something else. `without` is the command that needs no answer.
    pub(crate) fn choose(
        &mut self,
        what: &str,
        choices: &[String],
        others: Option<&str>,
        without: &str,
        interrupt: &Interrupt,
    ) -> Result<String, CommandError> {
        if self.can_ask() {
            for (number, choice) in (1..).zip(choices) {
                self.complain(&format!("  {number}  {}", sanitized(choice)));
            }
        }
        let or = others.map_or(String::new(), |others| format!(", or {others}"));
        let question = match choices {
            [] => format!("{what}: "),
            _ => format!("{what} (1 to {}{or}): ", choices.len()),
        };
        let answer = self.ask(&question, interrupt);
        if interrupt.is_raised() {
            return Err(CommandError::new(ErrorKind::Interrupted, "interrupted"));
        }
        let answer = answer.ok_or_else(|| {
            CommandError::new(ErrorKind::Usage, format!("the {what} is missing"))
                .hint(format!("say it: supervisor-sync {without}"))
        })?;
        let number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match number.and_then(|index| choices.get(index)) {
            Some(choice) => Ok(choice.clone()),
            None if answer.is_empty() => Err(CommandError::refused(format!("no {what} was named"))),
            None => Ok(answer),
        }
    }
}

/// What is to be done, as a question has it: `Restart 12 programs of 3 sites on 3 hosts`; processes where it is
/// about some of each program.
pub(super) fn asked_for(order: &Order, amount: &Amount) -> String {
    let Amount { programs, has_whole, processes, sites, hosts } = amount;
    let on_hosts = match hosts.len() {
        0 | 1 => String::new(),
        several => format!(" on {several} hosts"),
    };
    let of_programs = |verb: &str| {
        let of_sites = match sites.first() {
            Some(site) if sites.len() == 1 => site.to_string(),
            _ => counted(sites.len(), "site"),
        };
        let place = match hosts.first() {
            Some(host) if hosts.len() == 1 => format!(" on {host}"),
            _ => on_hosts.clone(),
        };
        let what = match has_whole {
            true => counted(*programs, "program"),
            false => counted(*processes, "process"),
        };
        format!("{verb} {what} of {of_sites}{place}")
    };
    match (order.options.intent, order.goal) {
        (Intent::Restart, _) => of_programs("Restart"),
        (Intent::Start, _) => of_programs("Start"),
        (Intent::Stop, _) => of_programs("Stop"),
        (Intent::Release, _) => format!("Give this back{on_hosts}"),
        (Intent::Apply { .. }, Goal::Inventory) => format!("Apply this{on_hosts}"),
        (Intent::Apply { .. }, Goal::Revision(_) | Goal::Before(_)) => {
            format!("Roll this back{on_hosts}")
        }
    }
}

/// Waits a moment for an answer, or for its end. A signal ends the wait; the wait is short because
/// one may come just before it.
fn is_readable(stdin: &std::io::Stdin) -> bool {
    let mut asked = [PollFd::new(stdin, PollFlags::IN)];
    let moment = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    match poll(&mut asked, Some(&moment)) {
        Ok(answered) => answered > 0,
        // What cannot be waited for is read, which says why.
        Err(error) => error != rustix::io::Errno::INTR,
    }
}
