//! The bench against what people use today: the same programs, brought under the same supervisord, by
//! each contender on a throw-away one of its own.
//!
//! The contenders take turns, so that a slow minute of the machine is one of all of them, and after each
//! the host is looked at: the same bytes in the same files, every program up, nothing restarted that had
//! no reason to. A time of something else would compare nothing.

mod contender;
mod host;
mod plot;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::timed;
use contender::Contender;
use host::{Host, Size, Wanted};

const SIZES: [Size; 4] = [
    Size { sites: 1, programs: 1 },
    Size { sites: 1, programs: 10 },
    Size { sites: 1, programs: 100 },
    Size { sites: 50, programs: 2 },
];

const ROUNDS: usize = 5;

/// Who takes longer than this for one work is asked for all of them once.
const LONG: Duration = Duration::from_secs(10);

/// What every program is, and one that does not stay up.
const STAYS_UP: &str = "#!/bin/sh\nexec sleep 100000\n";
const EXITS: &str = "#!/bin/sh\nexit 1\n";

/// What a host is asked for, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    First,
    Nothing,
    Change,
}

impl Work {
    const ALL: [Self; 3] = [Self::First, Self::Nothing, Self::Change];

    fn name(self) -> &'static str {
        match self {
            Self::First => "first apply",
            Self::Nothing => "nothing to do",
            Self::Change => "one program changed",
        }
    }
}

/// What came of all rounds of one contender's work.
#[derive(Default)]
struct Times {
    took: Vec<Duration>,
    fault: Option<String>,
}

impl Times {
    fn median(&self) -> Option<Duration> {
        let mut took = self.took.clone();
        took.sort_unstable();
        took.get(took.len() / 2).copied()
    }
}

/// Of each size and work, what each contender took.
type Results = BTreeMap<(usize, Work, Contender), Times>;

/// How a contender ended that was to start a program which exits at once.
struct Crash {
    contender: Contender,
    status: i32,
    put_back: bool,
}

/// With `BENCH_SMALLEST` a single round of one program, so that tests can run it. With `UPDATE_README`
/// table and plot are written.
pub(crate) fn contenders() {
    let smallest = std::env::var_os("BENCH_SMALLEST").is_some();
    let (sizes, rounds) = if smallest { (&SIZES[..1], 1) } else { (&SIZES[..], ROUNDS) };
    let (here, missing): (Vec<Contender>, Vec<Contender>) =
        Contender::ALL.into_iter().partition(|one| one.missing().is_none());
    for contender in &missing {
        let reason = contender.missing().unwrap_or_default();
        println!("{} is left out: {reason}", contender.name());
    }
    let mut results = Results::new();
    for (number, size) in sizes.iter().enumerate() {
        rounds_of(*size, rounds, &here, |work, contender, end| {
            let times = results.entry((number, work, contender)).or_default();
            match end {
                Ok(time) => times.took.push(time),
                Err(fault) => times.fault = Some(fault),
            }
        });
        table::print(number, *size, &here, &results);
    }
    let crashes: Vec<Crash> = here.iter().map(|contender| crash(*contender)).collect();
    table::print_crashes(&crashes);
    if smallest {
        // It measures nothing, so it may ask for more: that the work is done, if not by whoever is large.
        let is_ansible =
            |one: &Contender| matches!(one, Contender::Ansible | Contender::Collection);
        assert!(missing.iter().all(is_ansible), "{missing:?}");
        let faults: Vec<&String> = results.values().filter_map(|one| one.fault.as_ref()).collect();
        assert!(faults.is_empty(), "{faults:?}");
    } else if std::env::var_os("UPDATE_README").is_some() {
        assert!(missing.is_empty(), "the README has all contenders, or stays as it is");
        table::write(&results, &crashes);
        plot::write(&results);
    }
}

fn rounds_of(
    size: Size,
    rounds: usize,
    contenders: &[Contender],
    mut note: impl FnMut(Work, Contender, Result<Duration, String>),
) {
    let mut once = BTreeSet::new();
    for _ in 0..rounds {
        for contender in contenders {
            if once.contains(contender) {
                continue;
            }
            for (work, end) in round(*contender, size) {
                if end.as_ref().map_or(true, |time| *time > LONG) {
                    once.insert(*contender);
                }
                note(work, *contender, end);
            }
        }
    }
}

/// All works on a fresh host, up to the first that fails.
fn round(contender: Contender, size: Size) -> Vec<(Work, Result<Duration, String>)> {
    let host = Host::new(size, STAYS_UP);
    let mut ends = Vec::new();
    for work in Work::ALL {
        let wanted = match work {
            Work::First | Work::Nothing => Wanted::new(size),
            Work::Change => Wanted::with_a_change(size),
        };
        let before = host.pids();
        let end = attempt(contender, &host, &wanted)
            .and_then(|time| checked(&host, work, &wanted, &before).map(|()| time));
        let failed = end.is_err();
        ends.push((work, end));
        if failed {
            break;
        }
    }
    ends
}

fn attempt(contender: Contender, host: &Host, wanted: &Wanted) -> Result<Duration, String> {
    let mut commands = contender.ask(host, wanted);
    let mut fault = None;
    let time = timed(|| {
        for command in &mut commands {
            let output = command.output().unwrap();
            if !output.status.success() {
                let (stdout, stderr) = (&output.stdout, &output.stderr);
                println!("{}", String::from_utf8_lossy(stdout));
                println!("{}", String::from_utf8_lossy(stderr));
                fault = Some(output.status.to_string());
            }
        }
    });
    fault.map_or(Ok(time), Err)
}

/// Whether the host is now as wanted, and no process is another that had no reason to be.
fn checked(
    host: &Host,
    work: Work,
    wanted: &Wanted,
    before: &BTreeMap<String, i64>,
) -> Result<(), String> {
    if let Some(fault) = host.fault(wanted) {
        return Err(fault);
    }
    let now = host.pids();
    let others = before.iter().filter(|(group, pid)| now.get(*group) != Some(*pid)).count();
    let expected = usize::from(work == Work::Change);
    if others == expected {
        Ok(())
    } else {
        Err(format!("processes that are others now: {others} in place of {expected}"))
    }
}

/// A new program that exits at once: who says so?
fn crash(contender: Contender) -> Crash {
    let size = SIZES[0];
    let host = Host::new(size, EXITS);
    let ends = contender.ask(&host, &Wanted::new(size)).into_iter();
    let codes = ends.map(|mut command| command.output().unwrap().status.code().unwrap_or(-1));
    let status = codes.max().unwrap_or(-1);
    let nothing = Wanted { sites: Vec::new() };
    Crash { contender, status, put_back: host.fault(&nothing).is_none() }
}
