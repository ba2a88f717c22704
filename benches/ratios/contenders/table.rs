//! What came of it, for a terminal and for the README.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::contender::{Contender, ansible_folder};
use super::host::Size;
use super::{Crash, Results, SIZES, Times, Work};
use crate::daemon;

const BEGIN: &str = "<!-- bench -->\n";
const END: &str = "<!-- /bench -->";

/// What the lines of one size are of.
pub(super) fn work_and_size(work: Work, size: Size) -> String {
    match work {
        Work::First => format!("first apply, {}", of(size)),
        Work::Nothing => format!("nothing to do, {}", of(size)),
        Work::Change => format!("one program changed of {}", size.total()),
    }
}

/// The programs of a size, in words.
pub(super) fn of(size: Size) -> String {
    match (size.sites, size.programs) {
        (1, 1) => "1 program".to_owned(),
        (1, programs) => format!("{programs} programs"),
        (sites, programs) => format!("{sites} sites of {programs}"),
    }
}

/// A time for people: three digits are enough.
pub(super) fn shown(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        seconds if seconds < 100.0 => format!("{seconds:.1} s"),
        seconds => format!("{seconds:.0} s"),
    }
}

pub(super) fn print(number: usize, size: Size, contenders: &[Contender], results: &Results) {
    println!("{} (median, least to most, times as long as the first line)", of(size));
    for work in Work::ALL {
        println!("  {}", work.name());
        let floor = results.get(&(number, work, Contender::Ours)).and_then(Times::median);
        for contender in contenders {
            let Some(times) = results.get(&(number, work, *contender)) else { continue };
            println!("    {:<28} {}", contender.name(), milliseconds(times, floor));
        }
    }
}

fn milliseconds(times: &Times, floor: Option<Duration>) -> String {
    if let Some(fault) = &times.fault {
        return format!("FAILED: {fault}");
    }
    let (Some(median), Some(least), Some(most)) =
        (times.median(), times.took.iter().min(), times.took.iter().max())
    else {
        return String::new();
    };
    let ms = |time: &Duration| time.as_secs_f64() * 1000.0;
    let ratio = floor.map_or(1.0, |floor| median.as_secs_f64() / floor.as_secs_f64());
    format!(
        "{:>10.1} ms  {:>10.1} to {:>10.1}, {} times  {ratio:>8.1} x",
        ms(&median),
        ms(least),
        ms(most),
        times.took.len()
    )
}

pub(super) fn print_crashes(crashes: &[Crash]) {
    println!("a new program that exits at once");
    for crash in crashes {
        println!("    {:<28} {}", crash.contender.name(), ended(crash));
    }
}

fn ended(crash: &Crash) -> String {
    let put_back = if crash.put_back { ", put back" } else { "" };
    format!("exit status {}{put_back}", crash.status)
}

/// Puts the table between the README's marks.
pub(super) fn write(results: &Results, crashes: &[Crash]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the README has the mark of the bench");
    let (_, after) = rest.split_once(END).expect("the README has the end mark of the bench");
    let table = markdown(results, crashes);
    std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
}

fn markdown(results: &Results, crashes: &[Crash]) -> String {
    let mut text = format!("![The same work, by each of them]({})\n\n", super::plot::PATH);
    let names = Contender::ALL.map(Contender::name);
    let _ = writeln!(text, "| the same work, in one run | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(names.len()));
    for (number, size) in SIZES.into_iter().enumerate() {
        for work in Work::ALL {
            // Of one program, that is the change of all.
            let floor = results.get(&(number, work, Contender::Ours)).and_then(Times::median);
            let cells = Contender::ALL.map(|contender| {
                let times = results.get(&(number, work, contender));
                times.map_or_else(String::new, |times| cell(contender, times, floor))
            });
            let _ = writeln!(text, "| {} | {} |", work_and_size(work, size), cells.join(" | "));
        }
    }
    let ends: Vec<String> = crashes.iter().map(ended).collect();
    let _ = writeln!(text, "| a new program that exits at once | {} |", ends.join(" | "));
    text + "\n" + &how()
}

fn cell(contender: Contender, times: &Times, floor: Option<Duration>) -> String {
    if let Some(fault) = &times.fault {
        return format!("failed: {fault}");
    }
    let Some(median) = times.median() else { return String::new() };
    match floor {
        Some(floor) if contender != Contender::Ours => {
            let ratio = median.as_secs_f64() / floor.as_secs_f64();
            let digits = usize::from(ratio < 10.0);
            format!("{}, {ratio:.digits$} x", shown(median))
        }
        _ => format!("**{}**", shown(median)),
    }
}

/// The line that says how it was measured.
fn how() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let supervisord = daemon::version().map_or("?", |version| version.text.as_str());
    let collection =
        ansible_folder().join("collections/ansible_collections/community/general/MANIFEST.json");
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(collection).unwrap()).unwrap();
    format!(
        "Medians of {} runs in turn, each on a supervisord of its own; of what takes longer than {} s, one \
         run. After each the host had the same bytes in the same files, every program up, and no \
         process restarted without need. {cores} cores; {}, supervisord \
         {supervisord}, {}, bash {}, {} with community.general {} (pipelined, no facts). Ratios are \
         of the same run; `make bench` writes table and plot anew.\n",
        super::ROUNDS,
        super::LONG.as_secs(),
        system(),
        said("jq", &["--version"]).replace('-', " "),
        said("bash", &["-c", "echo ${BASH_VERSION%%(*}"]),
        said(&ansible_folder().join("bin/ansible").display().to_string(), &["--version"])
            .replace(['[', ']'], ""),
        manifest["collection_info"]["version"].as_str().unwrap_or("?"),
    )
}

/// The distribution by its own name.
fn system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}

/// The first line that a command prints.
fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().unwrap_or_default().trim().to_owned()
}
