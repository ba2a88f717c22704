//! Many sites on one supervisord, two programs each.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use supervisor_sync::supervisord::{Call, Supervisord as _};

use crate::lab::Lab;
use crate::{OURS, daemon, median, medians, ms, succeeded, timed, times};

const SITES: [usize; 4] = [1, 10, 50, 200];

/// Sites of two programs each on a daemon of their own.
struct Sites {
    lab: Lab,
    path: PathBuf,
    count: usize,
    programs: usize,
    config_files: &'static str,
}

impl Sites {
    fn new(count: usize) -> Self {
        let lab = Lab::new();
        let path = lab.daemon.root().join("deployer.yml");
        Self { lab, path, count, programs: 2, config_files: "per-program" }
    }

    fn write(&self, priority: usize, autostart: bool) {
        let root = self.lab.daemon.root().display();
        let mut text = format!(
            "servers:\n  - {{name: here, host: localhost, connection: local, privilege: none}}\n\
             config_files: {}\nuser: {}\npaths: {{sites: {root}/sites, conf_dir: {root}/conf.d, logrotate_dir: \
             {root}/logrotate.d, log_dir: {}, supervisord: {}, state_dir: {root}/state}}\n\
             sites:\n",
            self.config_files,
            daemon::current_user(),
            self.lab.daemon.log_dir().display(),
            self.lab.daemon.main_conf().display(),
        );
        for site in 0..self.count {
            let _ = writeln!(
                text,
                "  - domain: s{site:03}.example\n    server: here\n    supervisors:"
            );
            for program in 0..self.programs {
                let _ = writeln!(
                    text,
                    "      - {{program: p{program}, command: sleep 1000, directory: /tmp, \
                     autostart: {autostart}, priority: {priority}}}"
                );
            }
        }
        std::fs::write(&self.path, text).unwrap();
    }

    fn ours(&self, arguments: &[&str]) -> Duration {
        let mut command = Command::new(OURS);
        command.args(arguments).arg("--inventory").arg(&self.path);
        timed(|| succeeded(&command.output().unwrap()))
    }

    /// Takes all files away, and what supervisord has of them.
    ///
    /// They are moved aside: ext4 searches long for a free inode right after many were freed, which
    /// no server does between two applies.
    fn empty(&self) {
        self.lab.forget_groups();
        let aside = tempfile::tempdir_in(self.lab.daemon.root()).unwrap().keep();
        for name in ["conf.d", "logrotate.d", "state"] {
            let folder = self.lab.daemon.root().join(name);
            let _ = std::fs::rename(&folder, aside.join(name));
            std::fs::create_dir(&folder).unwrap();
        }
    }

    /// Two rereads and batches for as many groups, raw over the socket.
    fn floor(&self, changed: bool) -> Duration {
        let groups = self.lab.groups();
        let mut client = self.lab.daemon.client();
        let remove: Vec<Call> = groups.iter().cloned().map(Call::RemoveProcessGroup).collect();
        let add: Vec<Call> = groups.into_iter().map(Call::AddProcessGroup).collect();
        timed(|| {
            client.batch(&[Call::ReloadConfig]).unwrap();
            client.batch(&[Call::ReloadConfig]).unwrap();
            if changed {
                client.batch(&remove).unwrap();
            }
            client.batch(&add).unwrap();
        })
    }

    /// `supervisorctl update` after the same change, made by hand.
    fn supervisorctl_after_change(&self) -> Duration {
        for group in self.lab.groups() {
            let path = self.lab.daemon.conf_dir().join(format!("{group}.conf"));
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace("priority=", "priority=1")).unwrap();
        }
        self.lab.supervisorctl_update()
    }
}

/// What supervisord's reread takes with a file for each program, and with one for each site.
pub(crate) fn one_file() {
    println!("programs | sites | reread, per-program | reread, per-site | per-program/per-site");
    for (count, programs) in [(10, 10), (50, 20)] {
        let mut sites = Sites { programs, ..Sites::new(count) };
        let mut reread = |config_files| {
            sites.config_files = config_files;
            sites.write(1, false);
            sites.ours(&["apply", "--yes"]);
            let mut client = sites.lab.daemon.client();
            median(3, || {
                timed(|| {
                    client.batch(&[Call::ReloadConfig]).unwrap();
                })
            })
        };
        let per_program = reread("per-program");
        let per_site = reread("per-site");
        println!(
            "{:8} | {count:5} | {:>19} | {:>16} | {:>20}",
            count * programs,
            ms(per_program),
            ms(per_site),
            times(per_program, per_site),
        );
    }
}

/// What a table line says of one kind of work.
fn line(count: usize, work: &str, ours: Duration, floor: Duration, theirs: Option<Duration>) {
    let allowed = floor.mul_f64(1.5) + Duration::from_millis(20) + per_site(count, 500);
    println!(
        "{count:5} | {work:<20} | {:>10} | {:>10} | {:>20} | {:>10} | {}",
        ms(ours),
        ms(floor),
        theirs.map_or_else(String::new, ms),
        times(ours, floor),
        if ours <= allowed { "within" } else { "beyond" },
    );
}

fn per_site(count: usize, micros: u64) -> Duration {
    Duration::from_micros(micros * count as u64)
}

pub(crate) fn sites() {
    println!("two programs a site, autostart=false; floor: two rereads and the batches, raw");
    println!("goal: 1.5 x floor + 20 ms + 0.5 ms a site");
    println!(
        "sites | work                 |       ours |      floor | supervisorctl update | ours/floor | \
         goal"
    );
    for count in SITES {
        let rounds = if count > 50 { 3 } else { 5 };
        let sites = Sites::new(count);
        sites.write(1, false);
        let [first, floor, theirs] = medians(rounds, |_| {
            sites.empty();
            let ours = sites.ours(&["apply", "--yes"]);
            sites.lab.forget_groups();
            let floor = sites.floor(false);
            sites.lab.forget_groups();
            [ours, floor, sites.lab.supervisorctl_update()]
        });
        line(count, "first apply", first, floor, Some(theirs));
        let mut client = sites.lab.daemon.client();
        let [every, floor, nothing, plan, reread] = medians(rounds, |round| {
            sites.write(2 + round, false);
            let ours = sites.ours(&["apply", "--yes"]);
            let floor = sites.floor(true);
            let nothing = sites.ours(&["apply", "--yes"]);
            let plan = sites.ours(&["plan"]);
            let reread = timed(|| drop(client.batch(&[Call::ReloadConfig]).unwrap()));
            [ours, floor, nothing, plan, reread]
        });
        let theirs = median(rounds, || sites.supervisorctl_after_change());
        line(count, "a change in each", every, floor, Some(theirs));
        let more = per_site(count, 200) + Duration::from_millis(10);
        for (work, took) in [("nothing to do", nothing), ("plan", plan)] {
            println!(
                "{count:5} | {work:<20} | {:>10} | {:>10} | {:>20} | {:>10} | {} (reread + {})",
                ms(took),
                ms(reread),
                "",
                times(took, reread),
                if took <= reread + more { "within" } else { "beyond" },
                ms(more),
            );
        }
    }
    println!("\nwatched: each program is up for two seconds before its site counts as applied");
    println!("sites | first apply | restart");
    for count in [1, 10, 50] {
        let sites = Sites::new(count);
        sites.write(1, true);
        let first = sites.ours(&["apply", "--yes"]);
        println!("{count:5} | {:>11} | {:>9}", ms(first), ms(sites.ours(&["restart", "--yes"])));
    }
}
