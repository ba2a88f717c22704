//! The programs of all hosts as rows: what is wrong comes first. Which are shown is decided here, so that a
//! browser gets a page and not a fleet.

use std::collections::BTreeMap;

use super::answers::{Answer, Restarts};
use super::paged::Paged;
use super::query::Query;
use crate::fleet::HostWork;
use crate::inventory::Site;
use crate::report::duration;
use crate::status::{ProgramStatus, SiteStatus, WantedState};

/// How many rows a page has.
pub(super) const ROWS: usize = 100;

/// How a program is, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It should be up and is not, or cannot be told.
    NotHealthy,
    /// It was otherwise when its host has answered last, or never was.
    Silent,
    /// It is healthy, and not as wanted.
    Drifted,
    /// Its host was not asked yet.
    Unknown,
    Fine,
}

impl Rank {
    /// In words, for people who see no colour.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NotHealthy => "not healthy",
            Self::Silent => "silent",
            Self::Drifted => "not as wanted",
            Self::Unknown => "not asked yet",
            Self::Fine => "as wanted",
        }
    }

    /// The class of it in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::NotHealthy => "bad",
            Self::Silent => "silent",
            Self::Drifted => "odd",
            Self::Unknown => "unknown",
            Self::Fine => "good",
        }
    }
}

/// A program on a host, or what a site has to tell beside its programs.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) rank: Rank,
    pub(super) host: String,
    pub(super) site: String,
    /// `None` of a site as a whole.
    pub(super) program: Option<String>,
    /// `4 running`.
    pub(super) wanted: String,
    /// `RUNNING x3, FATAL`.
    pub(super) state: String,
    /// `3 h 12 min`; empty if nothing is up.
    pub(super) uptime: String,
    /// How often its processes were seen to be started again.
    pub(super) restarts: u64,
    /// Whether one of its processes did not stay up while its host looked.
    pub(super) is_flapping: bool,
    /// How many of its files and processes are left over: no program of the inventory needs them.
    pub(super) orphaned: usize,
    /// What is not as wanted, a line each.
    pub(super) complaints: Vec<String>,
    /// What a search looks into, in small letters.
    text: String,
}

/// Which rows are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Shown {
    #[default]
    All,
    /// What is not as wanted.
    Problems,
    /// What does not stay up.
    Flapping,
    /// What is left over of what the inventory does not have any more.
    Orphaned,
}

/// What is shown of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Each has to be somewhere in a row.
    words: Vec<String>,
    shown: Shown,
}

/// How many programs there are of each rank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) programs: usize,
    pub(super) not_healthy: usize,
    pub(super) silent: usize,
    pub(super) drifted: usize,
    pub(super) unknown: usize,
    pub(super) flapping: usize,
    /// How many have something that is left over.
    pub(super) orphaned: usize,
}

impl Shown {
    /// All of them, with the word of each in an address and its name for people.
    pub(super) const ALL: [(Self, &str, &str); 4] = [
        (Self::All, "", "All"),
        (Self::Problems, "problems", "Problems"),
        (Self::Flapping, "flapping", "Flapping"),
        (Self::Orphaned, "orphaned", "Orphaned"),
    ];

    fn has(self, row: &Row) -> bool {
        match self {
            Self::All => true,
            Self::Problems => row.rank < Rank::Unknown,
            Self::Flapping => row.is_flapping,
            Self::Orphaned => row.orphaned > 0,
        }
    }
}

impl Filter {
    /// As a query has it: `q` for words, `show` for the word of what is shown.
    pub(super) fn of(query: &Query) -> Self {
        let show = query.value("show");
        let shown = Shown::ALL.into_iter().find(|(_, word, _)| *word == show);
        Self { words: query.words(), shown: shown.map_or(Shown::All, |(shown, ..)| shown) }
    }

    fn has(&self, row: &Row) -> bool {
        self.shown.has(row) && self.words.iter().all(|word| row.text.contains(word))
    }
}

/// The rows of a page, what is wrong first.
pub(super) fn page<'r>(
    rows: impl Iterator<Item = &'r Row>,
    filter: &Filter,
    page: usize,
) -> Paged<&'r Row> {
    let mut rows: Vec<&Row> = rows.filter(|row| filter.has(row)).collect();
    // Within a rank they stay in the inventory's order, in which people know them.
    rows.sort_by_key(|row| row.rank);
    Paged::of(rows, page, ROWS)
}

impl Counts {
    pub(super) fn of<'r>(rows: impl Iterator<Item = &'r Row>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            counts.programs += usize::from(row.program.is_some());
            counts.flapping += usize::from(row.is_flapping);
            counts.orphaned += usize::from(row.orphaned > 0);
            match row.rank {
                Rank::NotHealthy => counts.not_healthy += 1,
                Rank::Silent => counts.silent += 1,
                Rank::Drifted => counts.drifted += 1,
                Rank::Unknown => counts.unknown += 1,
                Rank::Fine => {}
            }
        }
        counts
    }
}

/// What is known of a host, as rows in the inventory's order.
pub(super) fn rows_of(
    work: &HostWork,
    last: Option<&Answer>,
    is_silent: bool,
    restarts: &BTreeMap<(String, String), Restarts>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for site in &work.sites {
        let replies = last.into_iter().flat_map(|last| &last.sites);
        let reply = replies.into_iter().find(|reply| reply.site == site.domain);
        let mut add = |row: Row| rows.push(row.of(work, site, is_silent));
        match reply.map(|reply| &reply.status) {
            Some(Ok(status)) => {
                if !status.problems.is_empty() {
                    add(Row::of_site(&status.problems));
                }
                status.programs.iter().for_each(|one| add(Row::of_program(one, status, restarts)));
            }
            Some(Err(error)) => add(Row::of_site(&[error.to_string()])),
            None => {
                let names = site.program_names();
                let meant = work.programs_of(&site.domain);
                let names = names.filter(|name| meant.have(name.as_str()));
                names.for_each(|name| add(Row::unknown(name.as_str())));
            }
        }
    }
    rows
}

impl Row {
    fn new(rank: Rank, program: Option<&str>) -> Self {
        Self {
            rank,
            host: String::new(),
            site: String::new(),
            program: program.map(str::to_owned),
            wanted: String::new(),
            state: String::new(),
            uptime: String::new(),
            restarts: 0,
            is_flapping: false,
            orphaned: 0,
            complaints: Vec::new(),
            text: String::new(),
        }
    }

    /// A site that is itself not as wanted, or does not say.
    fn of_site(complaints: &[String]) -> Self {
        Self { complaints: complaints.to_vec(), ..Self::new(Rank::NotHealthy, None) }
    }

    fn unknown(program: &str) -> Self {
        let state = "not known yet".to_owned();
        Self { state, ..Self::new(Rank::Unknown, Some(program)) }
    }

    fn of_program(
        status: &ProgramStatus,
        site: &SiteStatus,
        restarts: &BTreeMap<(String, String), Restarts>,
    ) -> Self {
        let are_healthy = status.processes.iter().all(|process| process.health.is_fine());
        let rank = match (are_healthy, status.drift.is_empty()) {
            (false, _) => Rank::NotHealthy,
            (true, false) => Rank::Drifted,
            (true, true) => Rank::Fine,
        };
        let key = |process: &String| (site.site.to_string(), process.clone());
        let seen = status.processes.iter().filter_map(|one| restarts.get(&key(&one.process)));
        Self {
            wanted: wanted(status),
            state: status.state(),
            uptime: status.uptime().unwrap_or_default(),
            restarts: seen.map(|restarts| restarts.seen).sum(),
            is_flapping: status.processes.iter().any(|process| process.restarts_seen > 0),
            orphaned: status.drift.iter().filter(|drift| drift.is_orphan()).count(),
            complaints: status.complaints(site.rolled_back.is_some()),
            ..Self::new(rank, Some(&status.program))
        }
    }

    /// With its place, and the state of a host that is silent as what it is: the last one that is known.
    fn of(self, work: &HostWork, site: &Site, is_silent: bool) -> Self {
        let host = work.name().to_owned();
        let mut row = Self { host, site: site.domain.to_string(), ..self };
        if is_silent {
            row.rank = Rank::Silent;
        }
        let name = row.program.as_deref().unwrap_or_default();
        let tags: String = work.host.tags.iter().map(|tag| format!(" @{tag}")).collect();
        let text = format!(
            "{} {} {} {}-{} {} {}{tags}",
            row.host,
            row.site,
            name,
            row.site,
            name,
            row.state,
            row.rank.words()
        );
        row.text = row.complaints.iter().fold(text, |text, line| text + " " + line).to_lowercase();
        row
    }
}

/// What the inventory wants of a program, in words.
pub(super) fn wanted(status: &ProgramStatus) -> String {
    match (status.wanted, status.numprocs) {
        (WantedState::Running, 1) => "running".to_owned(),
        (WantedState::Running, several) => format!("{several} running"),
        (WantedState::Present, 1) => "loaded".to_owned(),
        (WantedState::Present, several) => format!("{several} loaded"),
        (WantedState::Absent, _) => "not there".to_owned(),
    }
}

/// How long ago something was, to the moment that is now.
pub(super) fn ago(at: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(at.as_second());
    format!("{} ago", duration(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rank: Rank, program: &str) -> Row {
        let text = format!("web1 shop.example.com {program} @eu {}", rank.words());
        Row { host: "web1".to_owned(), text, ..Row::new(rank, Some(program)) }
    }

    fn names(rows: &[Row], query: &str, number: usize) -> Vec<String> {
        let filter = Filter::of(&Query::parse(query));
        let page = page(rows.iter(), &filter, number);
        page.shown.iter().map(|row| row.program.clone().unwrap()).collect()
    }

    #[test]
    fn problems_come_first() {
        let rows = [
            row(Rank::Fine, "a"),
            row(Rank::Drifted, "b"),
            row(Rank::Unknown, "c"),
            row(Rank::NotHealthy, "d"),
            row(Rank::Silent, "e"),
            row(Rank::NotHealthy, "f"),
        ];
        assert_eq!(names(&rows, "", 1), ["d", "f", "e", "b", "c", "a"]);
        assert_eq!(names(&rows, "show=problems", 1), ["d", "f", "e", "b"]);
        let counts = Counts::of(rows.iter());
        let expected = Counts {
            programs: 6,
            not_healthy: 2,
            silent: 1,
            drifted: 1,
            unknown: 1,
            flapping: 0,
            orphaned: 0,
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn each_word_is_looked_for() {
        let rows = [row(Rank::Fine, "mail"), row(Rank::Drifted, "queue")];
        assert_eq!(names(&rows, "q=SHOP", 1), ["queue", "mail"]);
        assert_eq!(names(&rows, "q=shop+mail", 1), ["mail"]);
        assert_eq!(names(&rows, "q=%40eu+not+wanted", 1), ["queue"]);
        assert!(names(&rows, "q=shop+other", 1).is_empty());
    }

    #[test]
    fn one_kind_of_problem_is_shown_alone() {
        let rows = [
            row(Rank::Fine, "a"),
            Row { is_flapping: true, ..row(Rank::NotHealthy, "b") },
            Row { orphaned: 2, ..row(Rank::Drifted, "c") },
        ];
        assert_eq!(names(&rows, "show=flapping", 1), ["b"]);
        assert_eq!(names(&rows, "show=orphaned", 1), ["c"]);
        assert_eq!(names(&rows, "show=other", 1), ["b", "c", "a"], "a word of nobody");
        let counts = Counts::of(rows.iter());
        assert_eq!((counts.flapping, counts.orphaned), (1, 1));
    }

    #[test]
    fn page_has_so_many_rows() {
        let rows: Vec<Row> = (0..250).map(|n| row(Rank::Fine, &format!("p{n}"))).collect();
        assert_eq!(names(&rows, "", 1).len(), ROWS);
        assert_eq!(names(&rows, "", 3).len(), 50);
        assert_eq!(names(&rows, "", 3)[0], "p200");
        assert_eq!(names(&rows, "", 99), names(&rows, "", 3), "there is no such page");
        let page = page(rows.iter(), &Filter::default(), 2);
        assert_eq!((page.of, page.page, page.pages), (250, 2, 3));
    }
}
