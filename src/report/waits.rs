//! What hosts are doing and waiting for, and for how long: as lines that fit a terminal, and as a line
//! now and then for a log. Pure: whoever calls says what time it is.

use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

use super::awaited::{Awaited, Wait, spent, waits_of};
use super::describe::{EventLine, NAMES_SHOWN, step, what_for};
use super::fitting::{cut_off, shortened};
use super::names::listed;
use crate::error::cut;
use crate::event::{Event, ProcessChange, Step, WaitingFor};
use crate::inventory::Domain;
use crate::system::sanitized;

/// After how long a host that has said nothing is named.
const SILENT: Duration = Duration::from_secs(2);
/// How often a log is told that something is still waited for.
const REMIND_EVERY: Duration = Duration::from_secs(30);
/// How much of the width names of hosts may take.
const HOST_COLUMN: usize = 20;

/// The hosts that are asked or at work.
#[derive(Debug, Default)]
pub(super) struct Waits {
    hosts: Vec<HostWaits>,
    /// How many are to be worked on in all, and how many of them have ended.
    all: usize,
    ended: usize,
    /// When the first of them began.
    since: Option<Duration>,
}

#[derive(Debug)]
struct HostWaits {
    host: String,
    since: Duration,
    /// Whether it is asked something, which few want to see as long as it answers soon.
    is_asked: bool,
    has_answered: bool,
    doing: String,
    waits: Vec<Wait>,
    /// When a log was last told of it.
    told: Duration,
}

impl Waits {
    /// So many hosts are to be worked on.
    pub(super) fn expect(&mut self, hosts: usize) {
        *self = Self { all: hosts, ..Self::default() };
    }

    /// Whether nothing is waited for.
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// A host is asked something.
    pub(super) fn asked(&mut self, host: &str, now: Duration) {
        self.hosts.push(HostWaits::new(host, now, true));
    }

    /// A host begins to work.
    pub(super) fn begun(&mut self, host: &str, now: Duration) {
        self.since.get_or_insert(now);
        self.hosts.push(HostWaits::new(host, now, false));
    }

    /// A host has answered what it was asked.
    pub(super) fn answered(&mut self, host: &str) {
        self.hosts.retain(|one| one.host != sanitized(host));
    }

    /// A host has ended its work.
    pub(super) fn ended(&mut self, host: &str) {
        self.answered(host);
        self.ended += 1;
    }

    /// Something happened on a host, of which this is said. Returns what a log is told of it.
    pub(super) fn event(
        &mut self,
        host: &str,
        event: &Event,
        mut said: Vec<EventLine>,
        now: Duration,
    ) -> Vec<EventLine> {
        let host = sanitized(host);
        let Some(host) = self.hosts.iter_mut().find(|one| one.host == host) else { return said };
        host.has_answered = true;
        let is_wait =
            matches!(event, Event::Waiting { .. } | Event::Reading { .. } | Event::LockHeld { .. });
        match event {
            Event::Process { site, name, change, .. } => {
                if let Some(took) = host.process(site, name, *change, now) {
                    for line in &mut said {
                        let (EventLine::Progress(text) | EventLine::Warning(text)) = line;
                        text.push_str(&format!(" after {}", spent(took)));
                    }
                }
            }
            Event::Waiting { .. } if !host.waits_anew(event, now) => said.clear(),
            _ if is_wait => host.told = now,
            _ => {}
        }
        host.note(event, now);
        if let (false, Some(EventLine::Progress(last))) = (is_wait, said.last()) {
            host.doing.clone_from(last);
        }
        said
    }

    /// What a log is to be told now: of each host every 30 seconds that something is still waited for.
    pub(super) fn reminders(&mut self, now: Duration) -> Vec<String> {
        let several = self.all > 1;
        let mut lines = Vec::new();
        for host in &mut self.hosts {
            if now.saturating_sub(host.told) < REMIND_EVERY {
                continue;
            }
            let reminders = host.reminders(now);
            if !reminders.is_empty() {
                host.told = now;
            }
            let named = several || host.is_asked;
            let prefix = if named { format!("{}: ", host.host) } else { String::new() };
            lines.extend(reminders.into_iter().map(|line| format!("{prefix}→ {line}")));
        }
        lines
    }

    /// The lines for a terminal of this size: one a host, one a program that is waited for, and a total.
    /// What does not fit is shortened or counted, and a deadline is neither.
    pub(super) fn lines(&self, now: Duration, (columns, rows): (usize, usize)) -> Vec<String> {
        let shown: Vec<&HostWaits> = self.hosts.iter().filter(|host| host.shows(now)).collect();
        let named = shown.iter().map(|host| host.host.width()).max().unwrap_or(0);
        let named = named.min(host_column(columns));
        let mut lines = Vec::new();
        for host in &shown {
            lines.push(host.line(named, columns, now));
            lines.extend(host.waiting_lines(columns, now));
        }
        let most = rows.saturating_sub(2).max(1);
        if lines.len() > most {
            let more = lines.len() - most;
            lines.truncate(most);
            lines.push(format!("and {more} lines more"));
        }
        if self.all > 1
            && let Some(since) = self.since.filter(|_| !lines.is_empty())
        {
            let (ended, all) = (self.ended, self.all);
            lines.push(format!(
                "{ended} of {all} hosts have ended, {}",
                spent(now.saturating_sub(since))
            ));
        }
        for line in &mut lines {
            *line = shortened(line, columns);
        }
        lines
    }
}

/// How many columns of these the name of a host may take.
fn host_column(columns: usize) -> usize {
    HOST_COLUMN.min(columns / 3)
}

impl HostWaits {
    fn new(host: &str, now: Duration, is_asked: bool) -> Self {
        let host = sanitized(&cut(host));
        let (has_answered, doing, waits) = (false, String::new(), Vec::new());
        Self { host, since: now, is_asked, has_answered, doing, waits, told: now }
    }

    /// Something became of a process: what is waited for ends with some of it. For how long it was waited
    /// for, where that is worth telling.
    fn process(
        &mut self,
        site: &Domain,
        name: &str,
        change: ProcessChange,
        now: Duration,
    ) -> Option<Duration> {
        if !matches!(
            change,
            ProcessChange::Stopped | ProcessChange::Healthy | ProcessChange::Removed
        ) {
            return None;
        }
        let is_it = |wait: &Wait| match &wait.what {
            Awaited::Process { site: of, name: one, .. } => of == site && one == name,
            Awaited::Reading(_) | Awaited::Holder(_) => false,
        };
        let since = self.waits.iter().find(|wait| is_it(wait)).map(|wait| wait.since);
        self.waits.retain(|wait| !is_it(wait));
        let took = now.saturating_sub(since?);
        (took >= Duration::from_secs(1)).then_some(took)
    }

    /// Whether it waits for something that it did not wait for before.
    fn waits_anew(&self, event: &Event, now: Duration) -> bool {
        let is_known = |wait: &Wait| self.waits.iter().any(|known| known.is_same(wait));
        waits_of(event, now).iter().any(|wait| !is_known(wait))
    }

    /// Takes what an event says of what is waited for.
    fn note(&mut self, event: &Event, now: Duration) {
        let mut next = waits_of(event, now);
        for wait in &mut next {
            if let Some(known) = self.waits.iter().find(|known| known.is_same(wait)) {
                wait.since = known.since;
            }
        }
        match event {
            Event::Alive | Event::Warning { .. } | Event::LogLine(_) | Event::Setup(_) => {}
            Event::SiteEnded(end) => self.waits.retain(|wait| !wait.is_of(&end.site)),
            // What was waited for is not, any more, or in vain.
            Event::Waiting { site, .. }
            | Event::Step { site, step: Step::Undo | Step::Verify { .. } | Step::Commit } => {
                self.waits.retain(|wait| wait.is_for_process() && !wait.is_of(site));
            }
            Event::Process { .. }
            | Event::Step { .. }
            | Event::Planned(_)
            | Event::Reading { .. }
            | Event::LockHeld { .. } => self.waits.retain(Wait::is_for_process),
        }
        self.waits.extend(next);
    }

    /// A host that works is shown; one that is asked only if it does not answer.
    fn shows(&self, now: Duration) -> bool {
        !self.is_asked || self.is_silent(now)
    }

    fn is_silent(&self, now: Duration) -> bool {
        !self.has_answered && now.saturating_sub(self.since) >= SILENT
    }

    fn line(&self, named: usize, columns: usize, now: Duration) -> String {
        let doing = match self.doing.as_str() {
            "" if self.is_silent(now) => "no answer yet",
            "" if !self.has_answered => "connecting",
            "" => "at work",
            doing => doing,
        };
        let host = shortened(&self.host, host_column(columns));
        let padding = " ".repeat(named.saturating_sub(host.width()));
        let spent = spent(now.saturating_sub(self.since));
        let begin = format!("{host}{padding}  {spent:>5}  ");
        let room = columns.saturating_sub(begin.width());
        let doing = if doing.width() > room { cut_off(doing, room) } else { doing.to_owned() };
        begin + &doing
    }

    /// One line a program: its processes together, with the longest that they still have.
    fn waiting_lines(&self, columns: usize, now: Duration) -> Vec<String> {
        let mut groups: Vec<(String, &Wait, Vec<&Wait>)> = Vec::new();
        for wait in &self.waits {
            let key = wait.group();
            match groups.iter_mut().find(|(known, ..)| *known == key) {
                Some((_, _, waits)) => waits.push(wait),
                None => groups.push((key, wait, vec![wait])),
            }
        }
        let mut lines = Vec::new();
        for (group, first, waits) in groups {
            let (name, count) = match (&first.what, waits.len()) {
                (what, 1) => (what.subject(), String::new()),
                (_, count) => (group, format!(" x{count}")),
            };
            let count = match first.what.rolling() {
                Some(rolling) => format!("{count}, {}", step(rolling)),
                None => count,
            };
            let since = waits.iter().map(|wait| wait.since).min().unwrap_or(now);
            let until = waits.iter().filter_map(|wait| wait.until).max();
            let limit = until.map_or(String::new(), |until| {
                format!(" of at most {}", spent(until.saturating_sub(since)))
            });
            let spent = spent(now.saturating_sub(since));
            let rest = format!("{count}  {}: {spent}{limit}", first.what.doing());
            let room = columns.saturating_sub(2 + rest.width());
            lines.push(format!("  {}{rest}", shortened(&name, room)));
        }
        lines
    }

    fn reminders(&self, now: Duration) -> Vec<String> {
        let since = |since: Duration| format!("{} so far", spent(now.saturating_sub(since)));
        let left = |left: Option<String>| {
            left.map_or(String::new(), |left| format!(", at most {left} more"))
        };
        if !self.has_answered {
            return vec![format!("No answer yet ({})", since(self.since))];
        }
        let mut lines = Vec::new();
        for to in [WaitingFor::Stop, WaitingFor::Health, WaitingFor::Probe] {
            let waits = self.waits.iter().filter(
                |wait| matches!(&wait.what, Awaited::Process { to: what, .. } if *what == to),
            );
            let waits: Vec<&Wait> = waits.collect();
            let Some(first) = waits.iter().map(|wait| wait.since).min() else { continue };
            let names: Vec<String> = waits.iter().map(|wait| wait.what.subject()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let (names, what) = (listed(&names, NAMES_SHOWN), what_for(to));
            let left = left(waits.iter().filter_map(|wait| wait.left(now)).max());
            let so_far = since(first);
            lines.push(format!("Still waiting for {names} to {what} ({so_far}{left})"));
        }
        for wait in self.waits.iter().filter(|wait| !wait.is_for_process()) {
            let left = left(wait.left(now));
            let (subject, so_far) = (wait.what.subject(), since(wait.since));
            lines.push(format!("Still waiting for {subject} ({so_far}{left})"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::describe::describe;
    use super::*;
    use crate::event::Waited;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn waiting(until: WaitingFor, processes: &[(&str, u64)]) -> Event {
        let waited = |(name, seconds_left): &(&str, u64)| Waited {
            name: (*name).to_owned(),
            seconds_left: *seconds_left,
        };
        let site = Domain::parse("a.com").unwrap();
        let processes = processes.iter().map(waited).collect();
        Event::Waiting { site, until, processes, rolling: None }
    }

    fn process(name: &str, change: ProcessChange) -> Event {
        let site = Domain::parse("a.com").unwrap();
        Event::Process { site, name: name.to_owned(), change }
    }

    fn waits(events: &[(&str, Event, u64)]) -> Waits {
        let mut waits = Waits::default();
        waits.expect(2);
        waits.begun("web1", at(0));
        waits.begun("a-host-with-quite-a-long-name", at(1));
        for (host, event, now) in events {
            waits.event(host, event, describe(event), at(*now));
        }
        waits
    }

    #[test]
    fn deadline_is_whole_at_any_width() {
        let long = "shop.example.com-queue-for-mails:shop.example.com-queue-for-mails_07";
        let all = waits(&[
            ("web1", waiting(WaitingFor::Stop, &[(long, 7200), ("a.com-ü:a", 60)]), 2),
            ("web1", process("a.com-x", ProcessChange::Started), 3),
        ]);
        for columns in [46, 59, 99, 199] {
            let lines = all.lines(at(125), (columns, 24));
            let waits = lines.iter().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
            let of_at_most: Vec<&str> = waits.map(|(_, end)| end).collect();
            let expected = ["2 min 3 s of at most 2 h 0 min", "2 min 3 s of at most 60 s"];
            assert_eq!(of_at_most, expected, "{columns}: {lines:#?}");
            assert!(lines.iter().all(|line| line.width() <= columns), "{columns}: {lines:#?}");
            assert!(columns < 59 || lines[1].contains("s_07"), "{columns}: {lines:#?}");
        }
    }

    #[test]
    fn low_terminal_counts_what_it_has_no_room_for() {
        let many: Vec<String> = (0..30).map(|n| format!("a.com-p{n}")).collect();
        let many: Vec<(&str, u64)> = many.iter().map(|name| (name.as_str(), 9)).collect();
        let all = waits(&[("web1", waiting(WaitingFor::Health, &many), 1)]);
        let lines = all.lines(at(3), (80, 10));
        assert_eq!(lines.len(), 10, "{lines:#?}");
        assert_eq!(lines[8..], ["and 24 lines more", "0 of 2 hosts have ended, 3 s"]);
    }

    #[test]
    fn processes_of_a_program_share_a_line() {
        let mut all = waits(&[
            ("web1", waiting(WaitingFor::Stop, &[("a:a_0", 60), ("a:a_1", 60), ("b", 30)]), 1),
            ("web1", process("a:a_0", ProcessChange::Stopped), 4),
        ]);
        let lines = |all: &Waits| all.lines(at(5), (80, 24))[1..].join("\n");
        assert_eq!(
            lines(&all),
            "  a:a_1  stopping: 4 s of at most 60 s\n  b  stopping: 4 s of at most 30 s\n\
             a-host-wit…long-name    4 s  no answer yet\n0 of 2 hosts have ended, 5 s"
        );
        all.event(
            "web1",
            &waiting(WaitingFor::Health, &[("a:a_0", 9), ("a:a_1", 9)]),
            vec![],
            at(5),
        );
        assert!(
            lines(&all).starts_with("  a x2  coming up: 0 s of at most 9 s\n"),
            "{}",
            lines(&all)
        );
    }

    #[test]
    fn log_is_reminded_every_30_seconds_and_not_more() {
        let mut all = waits(&[
            ("web1", waiting(WaitingFor::Stop, &[("a:a_0", 90), ("b", 60)]), 1),
            ("web1", process("b", ProcessChange::Stopped), 10),
        ]);
        let mut told = Vec::new();
        for second in 1..=70 {
            told.extend(all.reminders(at(second)).into_iter().map(|line| (second, line)));
        }
        let of_web1: Vec<&(u64, String)> =
            told.iter().filter(|(_, line)| line.starts_with("web1: ")).collect();
        let line = |so_far: u64, left: u64| {
            format!(
                "web1: → Still waiting for a:a_0 to stop ({so_far} s so far, at most {left} s more)"
            )
        };
        assert_eq!(of_web1, [&(31, line(30, 60)), &(61, line(60, 30))]);
        let silent = "a-host-with-quite-a-long-name: → No answer yet (30 s so far)";
        assert!(told.contains(&(31, silent.to_owned())), "{told:#?}");
        assert_eq!(told.len(), 4, "{told:#?}");
    }

    #[test]
    fn log_has_no_line_for_each_process_that_is_through() {
        let mut all = waits(&[]);
        let mut told =
            |event: &Event, now| all.event("web1", event, describe(event), at(now)).len();
        assert_eq!(told(&waiting(WaitingFor::Stop, &[("a", 9), ("b", 9)]), 1), 1);
        assert_eq!(told(&waiting(WaitingFor::Stop, &[("b", 8)]), 2), 0);
        assert_eq!(told(&waiting(WaitingFor::Stop, &[("b", 7), ("c", 9)]), 3), 1);
        assert_eq!(told(&waiting(WaitingFor::Health, &[("b", 9)]), 4), 1);
    }

    #[test]
    fn asked_host_is_shown_once_it_is_silent() {
        let mut all = Waits::default();
        all.asked("web1", at(0));
        assert_eq!(all.lines(at(1), (80, 24)), [""; 0]);
        assert_eq!(all.lines(at(2), (80, 24)), ["web1    2 s  no answer yet"]);
        all.answered("web1");
        assert!(all.is_empty());
    }
}
