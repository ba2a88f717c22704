//! Fleets of real sshds, each before a supervisord of its own, and everything that goes wrong on the
//! way to them.

#![expect(clippy::disallowed_methods, reason = "prepares and looks at the hosts of a fleet")]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod connections;
mod exec;
mod far_end;
mod first_contact;
mod lost;
mod many;
mod moved;
mod persist;
mod rollout;
mod runs;

use std::fmt::Write as _;
use std::path::Path;

use crate::site::{Deployed, Host, Invocation, Run};
use crate::sshd::{Keyring, Sshd};

/// A machine of a fleet, with one site on it.
struct Machine {
    name: &'static str,
    host: Host,
    sshd: Sshd,
}

impl Machine {
    /// The domain of its site.
    fn domain(&self) -> String {
        format!("{}.example", self.name)
    }

    /// The full name of the site's one program.
    fn full(&self) -> String {
        format!("{}.example-worker", self.name)
    }

    /// Its site as it was deployed.
    fn site(&self) -> Deployed<'_> {
        self.host.deployed(&self.domain())
    }
}

/// Machines, and the folder of the person who works on them.
struct Fleet {
    keyring: Keyring,
    machines: Vec<Machine>,
    /// More servers of the inventory, a line each, with a site that is never reached.
    others: Vec<(String, String)>,
}

impl Fleet {
    /// Machines of these names, each with a site and a worker that is not applied yet.
    fn start(names: &[&'static str]) -> Option<Self> {
        let keyring = Keyring::new()?;
        let mut machines = Vec::new();
        for &name in names {
            let host = Host::start()?;
            let sshd = Sshd::start(&keyring);
            let machine = Machine { name, host, sshd };
            machine.host.deploy(&machine.domain()).worker("worker");
            machines.push(machine);
        }
        Some(Self { keyring, machines, others: Vec::new() })
    }

    /// One more server, as it stands in the inventory, of which nothing is there but its address.
    fn with_other(mut self, name: &str, rest: &str) -> Self {
        self.others.push((name.to_owned(), rest.to_owned()));
        self
    }

    fn machine(&self, name: &str) -> &Machine {
        self.machines.iter().find(|machine| machine.name == name).unwrap()
    }

    /// Writes the inventory. `options` is said of every program.
    fn write_inventory(&self, options: &str) {
        self.write_inventory_with("", options);
    }

    /// The same with more sites.
    fn write_inventory_with(&self, sites: &str, options: &str) {
        let user = crate::daemon::current_user();
        let mut text = "servers:\n".to_owned();
        for Machine { name, sshd, .. } in &self.machines {
            let port = sshd.port;
            let _ = writeln!(
                text,
                "  - {{name: {name}, host: 127.0.0.1, port: {port}, username: {user}, \
                 privilege: none}}"
            );
        }
        for (name, rest) in &self.others {
            let _ = writeln!(text, "  - {{name: {name}, {rest}}}");
        }
        let _ = write!(text, "user: {user}\nsites:\n");
        for machine in &self.machines {
            text.push_str(&site(machine, options));
        }
        for (name, _) in &self.others {
            let _ = writeln!(
                text,
                "  - {{domain: {name}.example, server: {name}, supervisors: [{{program: worker, \
                 script: worker.sh}}]}}"
            );
        }
        text.push_str(sites);
        std::fs::write(self.keyring.path("deployer.yml"), text).unwrap();
    }

    /// The binary, in the folder of the inventory.
    fn command(&self, arguments: &[&str]) -> Invocation {
        Invocation::with_keys(&self.keyring, arguments)
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).run()
    }
}

fn site(machine: &Machine, options: &str) -> String {
    site_on(machine, &machine.domain(), options)
}

fn site_on(machine: &Machine, domain: &str, options: &str) -> String {
    let host = &machine.host;
    let path = |path: &Path| path.display().to_string();
    format!(
        "  - domain: {}\n    server: {}\n    paths:\n      sites: {}\n      conf_dir: {}\n      \
         logrotate_dir: {}\n      log_dir: {}\n      supervisord: {}\n      state_dir: {}\n    \
         supervisors:\n      - {{program: worker, script: worker.sh, startsecs: 0{options}}}\n",
        domain,
        machine.name,
        path(&host.path("sites")),
        path(&host.daemon.conf_dir()),
        path(&host.daemon.logrotate_dir()),
        path(&host.daemon.log_dir()),
        path(&host.daemon.main_conf()),
        path(&host.path("state")),
    )
}
