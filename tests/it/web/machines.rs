//! Three machines that are reached by ssh, with what a shop runs: what `web` shows to people.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use supervisor_sync::supervisord::{Call, Supervisord as _};

use super::Web;
use crate::daemon::{current_user, signal};
use crate::site::{Host, Invocation, Run};
use crate::sshd::{Keyring, Sshd};

/// A machine, its tag and its site.
const MACHINES: [(&str, &str, &str); 3] =
    [("web1", "eu", "shop.example"), ("web2", "eu", "blog.example"), ("db1", "us", "jobs.example")];

/// The programs of each of them, as they stand in the inventory.
const PROGRAMS: [&str; 3] = [
    "      - {program: queue, script: queue.sh, numprocs: 2, stopwaitsecs: 30, \
     environment: {APP_KEY: hunter2}}\n      \
     - {program: mail, script: mail.sh}\n      - {program: scheduler, script: scheduler.sh}\n",
    "      - {program: feeds, script: feeds.sh}\n      - {program: images, script: images.sh, \
     numprocs: 3}\n      - {program: reports, script: reports.sh, startsecs: 1}\n",
    "      - {program: imports, script: imports.sh, numprocs: 4}\n",
];

/// What is changed of `queue`.
const QUEUE: &str = "script: queue.sh, numprocs: 2, stopwaitsecs: 30";

struct Machine {
    name: &'static str,
    host: Host,
    sshd: Sshd,
}

/// The machines, and the folder of the person who looks at them.
pub(super) struct Machines {
    keyring: Keyring,
    machines: Vec<Machine>,
}

impl Machines {
    /// All of them, with what the inventory wants applied.
    pub(super) fn start() -> Option<Self> {
        let keyring = Keyring::new()?;
        let mut machines = Vec::new();
        for (name, _, domain) in MACHINES {
            let host = Host::start()?;
            let site = host.deploy(domain);
            for program in ["mail", "scheduler", "feeds", "images", "imports"] {
                site.worker(program);
            }
            let (feed, broken) = (host.path("feed"), host.path("broken"));
            std::fs::write(&feed, "").unwrap();
            let (feed, broken) = (feed.display(), broken.display());
            // One of the processes has something to say.
            site.script(
                "queue.sh",
                &format!(
                    "#!/bin/sh\ncase $SUPERVISOR_PROCESS_NAME in *_00) exec tail -n +1 -f {feed};; esac\n\
                     exec sleep 1000\n"
                ),
            );
            let crashes = format!("[ ! -e {broken} ] || {{ echo 'no database'; exit 1; }}");
            site.script("reports.sh", &format!("#!/bin/sh\n{crashes}\nexec sleep 1000\n"));
            let sshd = Sshd::start(&keyring);
            machines.push(Machine { name, host, sshd });
        }
        let machines = Self { keyring, machines };
        machines.write_inventory(&PROGRAMS);
        machines.run(&["apply", "--yes", "-m", "more workers for the sale"]).ended(0);
        Some(machines)
    }

    fn write_inventory(&self, programs: &[&str; 3]) {
        let user = current_user();
        let (mut servers, mut sites) = (String::new(), String::new());
        let path = |path: &Path| path.display().to_string();
        for ((machine, (_, tag, domain)), programs) in
            self.machines.iter().zip(MACHINES).zip(programs)
        {
            let Machine { name, host, sshd } = machine;
            servers += &format!(
                "  - {{name: {name}, host: 127.0.0.1, port: {}, username: {user}, privilege: none, \
                 tags: [{tag}]}}\n",
                sshd.port
            );
            sites += &format!(
                "  - domain: {domain}\n    server: {name}\n    paths:\n      sites: {}\n      \
                 conf_dir: {}\n      logrotate_dir: {}\n      log_dir: {}\n      supervisord: {}\n      \
                 state_dir: {}\n    supervisors:\n{programs}",
                path(&host.path("sites")),
                path(&host.daemon.conf_dir()),
                path(&host.daemon.logrotate_dir()),
                path(&host.daemon.log_dir()),
                path(&host.daemon.main_conf()),
                path(&host.path("state")),
            );
        }
        let defaults = "defaults: {startsecs: 0, startretries: 0, health: {stable_for: 0}}";
        let text = format!("servers:\n{servers}user: {user}\n{defaults}\nsites:\n{sites}");
        std::fs::write(self.keyring.path("deployer.yml"), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Invocation::with_keys(&self.keyring, arguments).run()
    }

    /// The web view of them, once each has answered.
    pub(super) fn web(&self) -> Web {
        let allowed = "apply,restart,start,stop";
        let arguments =
            ["web", "--listen", "127.0.0.1:0", "--every", "1", "--allow", allowed, "--json"];
        let web = Web::of(&mut Invocation::with_keys(&self.keyring, &arguments));
        web.wait_for("/", "all as wanted");
        web
    }

    /// Does what a script of tests/browser asks for.
    pub(super) fn act(&mut self, words: &[&str]) {
        match *words {
            ["stop", program] => self.call(program, Call::StopProcess),
            ["start", program] => self.call(program, Call::StartProcess),
            ["want", settings] => self.want(settings),
            ["say", line] => self.say(line),
            ["rotate"] => self.rotate(),
            ["crash", program] => self.crash(program),
            ["leave", machine] => self.machine(machine).sshd.stop(),
            ["come back", machine] => self.machine(machine).sshd.serve(),
            _ => panic!("what is {words:?}?"),
        }
    }

    /// Has the inventory want `queue` with these settings.
    fn want(&self, settings: &str) {
        let queue = PROGRAMS[0].replace(QUEUE, settings);
        self.write_inventory(&[&queue, PROGRAMS[1], PROGRAMS[2]]);
    }

    fn machine(&mut self, name: &str) -> &mut Machine {
        self.machines.iter_mut().find(|machine| machine.name == name).unwrap()
    }

    /// As somebody does by hand, with a program of one process.
    fn call(&mut self, program: &str, call: impl FnOnce(String) -> Call) {
        let (machine, full) = self.place(program);
        let call = call(format!("{full}:{full}"));
        machine.host.daemon.client().call(call).unwrap().unwrap();
    }

    /// The machine that has a program, and the program's full name.
    fn place(&mut self, program: &str) -> (&mut Machine, String) {
        let has = |programs: &&str| programs.contains(&format!("program: {program},"));
        let number = PROGRAMS.iter().position(has).unwrap();
        let full = format!("{}-{program}", MACHINES[number].2);
        (&mut self.machines[number], full)
    }

    /// Has `queue` write a line.
    fn say(&mut self, line: &str) {
        let (machine, _) = self.place("queue");
        let mut feed = std::fs::File::options().append(true).open(machine.host.path("feed"));
        writeln!(feed.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Rotates the log of `queue` as it is every night.
    fn rotate(&mut self) {
        let (machine, full) = self.place("queue");
        let host = &machine.host;
        let output = Command::new("/usr/sbin/logrotate")
            .args(["-f", "-s"])
            .arg(host.path("logrotate.state"))
            .arg(host.logrotate(&full))
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let rotated = host.log(&full).with_extension("log.1");
        assert!(rotated.exists(), "nothing was rotated");
    }

    /// Has `reports` end at once however often it is started.
    fn crash(&mut self, program: &str) {
        let (machine, full) = self.place(program);
        std::fs::write(machine.host.path("broken"), "").unwrap();
        let process = machine.host.process(&format!("{full}:{full}")).unwrap();
        signal(u32::try_from(process.pid).unwrap(), Signal::KILL);
    }
}
