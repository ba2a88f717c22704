//! What somebody wants done, as a form says it.

use std::num::NonZeroUsize;

use super::super::query::Query;
use super::super::visitor::Right;
use crate::api::{Goal, Run, RunId};
use crate::apply::ApplyOptions;
use crate::error::CommandError;
use crate::fleet::Order;
use crate::fleet::rollout::{BatchSize, Rules};
use crate::front;
use crate::inventory::Selector;
use crate::plan::{Intent, PlanOptions, Running};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Deed {
    /// Hosts are to match the inventory.
    Apply {
        restart: bool,
        start_stopped: bool,
    },
    Restart {
        rolling: bool,
    },
    Start,
    Stop,
    /// A run is taken back wherever it changed something.
    Rollback(RunId),
    /// A program has so many processes, in the inventory and on its hosts.
    Scale(u32),
}

/// What somebody wants done, where, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Asked {
    pub(in crate::web) deed: Deed,
    /// Only on this host, of this site, of this program; everywhere where it is empty.
    pub(in crate::web) host: String,
    pub(in crate::web) site: String,
    pub(in crate::web) program: String,
}

/// What is said when a plan is confirmed.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Confirmed {
    /// Why it is done.
    pub(in crate::web) message: Option<String>,
    /// How many hosts before the next begin; the first of these batches must be healthy.
    pub(in crate::web) batch: Option<BatchSize>,
}

impl Asked {
    /// This, wherever it is possible.
    pub(in crate::web) fn everywhere(deed: Deed) -> Self {
        Self { deed, host: String::new(), site: String::new(), program: String::new() }
    }

    /// As a form has it; an error says what is wrong with that.
    pub(in crate::web) fn parse(form: &Query) -> Result<Self, String> {
        let is_set = |name| !form.value(name).is_empty();
        let deed = match form.value("do") {
            "apply" => {
                Deed::Apply { restart: is_set("restart"), start_stopped: is_set("start_stopped") }
            }
            "restart" => Deed::Restart { rolling: is_set("rolling") },
            "start" => Deed::Start,
            "stop" => Deed::Stop,
            "rollback" => {
                let run = form.value("run").parse();
                Deed::Rollback(run.map_err(|_| "`run` must be the id of a run".to_owned())?)
            }
            "scale" => {
                let processes = form.value("processes").parse();
                Deed::Scale(processes.map_err(|_| "`processes` must be a number".to_owned())?)
            }
            other => {
                return Err(format!(
                    "`do` must be apply, restart, start, stop, rollback or scale, not `{other}`"
                ));
            }
        };
        let part = |name| form.value(name).to_owned();
        let asked = Self { deed, host: part("host"), site: part("site"), program: part("program") };
        let is_odd = |part: &String| part.chars().any(char::is_control);
        if [&asked.host, &asked.site, &asked.program].into_iter().any(is_odd) {
            return Err("a name has no control characters".to_owned());
        }
        match deed {
            Deed::Scale(_) if asked.program.is_empty() => {
                Err("a program of a site is scaled: name both".to_owned())
            }
            _ if asked.site.is_empty() && !asked.program.is_empty() => {
                Err("a program is of a site: name both".to_owned())
            }
            _ => Ok(asked),
        }
    }

    /// The same as a form sends it.
    pub(in crate::web) fn fields(&self) -> Vec<(&'static str, String)> {
        let on = |name, is_set: bool| is_set.then(|| (name, "yes".to_owned()));
        let mut fields = vec![("do", self.verb().to_owned())];
        match self.deed {
            Deed::Apply { restart, start_stopped } => {
                fields.extend(on("restart", restart));
                fields.extend(on("start_stopped", start_stopped));
            }
            Deed::Restart { rolling } => fields.extend(on("rolling", rolling)),
            Deed::Rollback(run) => fields.push(("run", run.to_string())),
            Deed::Scale(processes) => fields.push(("processes", processes.to_string())),
            Deed::Start | Deed::Stop => {}
        }
        let parts = [("host", &self.host), ("site", &self.site), ("program", &self.program)];
        let parts = parts.into_iter().filter(|(_, part)| !part.is_empty());
        fields.extend(parts.map(|(name, part)| (name, part.clone())));
        fields
    }

    fn verb(&self) -> &'static str {
        match self.deed {
            Deed::Apply { .. } => "apply",
            Deed::Restart { .. } => "restart",
            Deed::Start => "start",
            Deed::Stop => "stop",
            Deed::Rollback(_) => "rollback",
            Deed::Scale(_) => "scale",
        }
    }

    /// What whoever does it has to be allowed.
    pub(in crate::web) fn right(&self) -> Right {
        match self.deed {
            Deed::Apply { .. } | Deed::Rollback(_) | Deed::Scale(_) => Right::Apply,
            Deed::Restart { .. } => Right::Restart,
            Deed::Start => Right::Start,
            Deed::Stop => Right::Stop,
        }
    }

    /// What it is, as the title of its page: `Restart queue of shop.example on web1`.
    pub(in crate::web) fn title(&self) -> String {
        let program = if self.program.is_empty() { "programs" } else { &self.program };
        let mut title = match self.deed {
            Deed::Apply { .. } if self.program.is_empty() => "Apply the inventory".to_owned(),
            Deed::Apply { .. } => format!("Apply {program}"),
            Deed::Restart { rolling: true } => format!("Restart {program}, one at a time"),
            Deed::Restart { rolling: false } => format!("Restart {program}"),
            Deed::Start => format!("Start {program}"),
            Deed::Stop => format!("Stop {program}"),
            Deed::Rollback(run) => format!("Take back run {run}"),
            Deed::Scale(1) => format!("Scale {program} to 1 process"),
            Deed::Scale(processes) => format!("Scale {program} to {processes} processes"),
        };
        if !self.site.is_empty() {
            let preposition = if matches!(self.deed, Deed::Rollback(_)) { "at" } else { "of" };
            title.push_str(&format!(" {preposition} {}", self.site));
        }
        if !self.host.is_empty() {
            title.push_str(&format!(" on {}", self.host));
        }
        title
    }

    /// What is selected.
    pub(super) fn selector(&self) -> Result<Selector, CommandError> {
        let one = |part: &String| if part.is_empty() { Vec::new() } else { vec![part.clone()] };
        // The edit says which program it is.
        let programs = match self.deed {
            Deed::Scale(_) => Vec::new(),
            _ => one(&self.program),
        };
        Selector::new(&one(&self.site), &one(&self.host), &programs)
    }

    /// What a plan of it is made with.
    pub(super) fn goal(&self) -> (Goal, PlanOptions) {
        let options = match self.deed {
            Deed::Apply { restart, start_stopped } => {
                let running = if restart { Running::RestartAll } else { Running::RestartChanged };
                PlanOptions { start_stopped, ..PlanOptions::apply(running) }
            }
            Deed::Restart { rolling } => {
                PlanOptions { rolling: rolling.then_some(1), ..PlanOptions::of(Intent::Restart) }
            }
            Deed::Start => PlanOptions::of(Intent::Start),
            Deed::Stop => PlanOptions::of(Intent::Stop),
            Deed::Rollback(run) => return (Goal::Before(run), PlanOptions::rollback()),
            Deed::Scale(_) => PlanOptions::apply(Running::RestartChanged),
        };
        (Goal::Inventory, options)
    }

    /// What is done once that is confirmed.
    pub(super) fn order(&self, run: Run, parallel: NonZeroUsize, said: &Confirmed) -> Order {
        let (goal, options) = self.goal();
        let writes = matches!(self.deed, Deed::Apply { .. } | Deed::Rollback(_) | Deed::Scale(_));
        let apply =
            ApplyOptions { verify: self.deed != Deed::Stop, rollback: writes, record: writes };
        let rules = Rules { batch: said.batch, ..Rules::all(parallel) };
        Order {
            goal,
            options,
            apply,
            run,
            ask: false,
            plans_first: false,
            reviewed: None,
            lock_wait: 0,
            rules,
        }
    }

    /// What the run is called in records.
    pub(super) fn command(&self) -> String {
        match self.deed {
            Deed::Rollback(run) => format!("rollback of {run}"),
            _ => self.verb().to_owned(),
        }
    }

    /// The run that it takes back.
    pub(in crate::web) fn takes_back(&self) -> Option<RunId> {
        match self.deed {
            Deed::Rollback(run) => Some(run),
            _ => None,
        }
    }
}

impl Confirmed {
    /// As a form has it; an error says what is wrong with that.
    pub(in crate::web) fn parse(form: &Query) -> Result<Self, String> {
        let given = |name| Some(form.value(name)).filter(|value| !value.is_empty());
        let message = given("message").map(front::message).transpose();
        let message = message.map_err(|why| format!("`message`: {why}"))?;
        let batch = given("batch").map(str::parse).transpose();
        let batch = batch.map_err(|why| format!("`batch` {why}"))?;
        Ok(Self { message, batch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(form: &str) -> Result<Asked, String> {
        Asked::parse(&Query::parse(form))
    }

    #[test]
    fn form_says_what_is_asked() {
        for (form, title) in [
            ("do=apply", "Apply the inventory"),
            ("do=apply&host=web1&restart=yes&start_stopped=yes", "Apply the inventory on web1"),
            ("do=restart&site=a.com&program=w", "Restart w of a.com"),
            (
                "do=restart&rolling=yes&site=a.com&program=w&host=web1",
                "Restart w, one at a time of a.com on web1",
            ),
            ("do=start&site=a.com", "Start programs of a.com"),
            ("do=stop", "Stop programs"),
            ("do=scale&processes=4&site=a.com&program=w", "Scale w to 4 processes of a.com"),
            (
                "do=rollback&run=20261120-101112-0001&site=a.com",
                "Take back run 20261120-101112-0001 at a.com",
            ),
        ] {
            let asked = asked(form).unwrap();
            assert_eq!(asked.title(), title);
            let fields = asked.fields();
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let again = Query::with(&fields);
            assert_eq!(super::Asked::parse(&Query::parse(&again[1..])).unwrap(), asked, "{form}");
        }
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for (form, part) in [
            ("", "`do` must be"),
            ("do=remove", "not `remove`"),
            ("do=scale&site=a.com&program=w", "`processes`"),
            ("do=scale&processes=-1&site=a.com&program=w", "`processes`"),
            ("do=scale&processes=3&site=a.com", "name both"),
            ("do=restart&program=w", "name both"),
            ("do=restart&site=a%1B%5B2J", "control"),
            ("do=restart&host=a%0Ab", "control"),
            ("do=rollback&run=../../x", "`run`"),
        ] {
            assert!(asked(form).unwrap_err().contains(part), "{form}");
        }
        let confirmed = |form| Confirmed::parse(&Query::parse(form));
        assert!(confirmed("batch=none").unwrap_err().contains("`batch` must"));
        let said = confirmed("message=for+the+sale&batch=10%25").unwrap();
        assert_eq!(said.message.as_deref(), Some("for the sale"));
        assert_eq!(said.batch, Some(BatchSize::Percent(10)));
    }
}
