//! The text of a first inventory. It works as it is: what it says can be planned on a server that has nothing
//! but supervisor, without the folders that DeployerPHP makes.

use super::frameworks::Proposal;
use crate::inventory::{AbsolutePath, HostName, UserName};

/// Where the programs run.
#[derive(Debug, Clone)]
pub(crate) enum Server {
    /// On this machine.
    Here,
    /// Behind SSH.
    Ssh { host: String, username: String, port: Option<u16> },
}

/// What a first inventory is about.
#[derive(Debug, Clone)]
pub(crate) struct FirstInventory {
    pub(crate) server: Server,
    /// A domain.
    pub(crate) site: String,
    /// Whom the programs run as.
    pub(crate) user: String,
    /// Where the code is on the server.
    pub(crate) directory: AbsolutePath,
    pub(crate) programs: Vec<Proposal>,
}

/// The program of an inventory for which nothing else was found.
const EXAMPLE: &str =
    "      # An example: put your own in its place. It runs as it is, whatever is on the server.
      - program: example
        command: sh -c 'while date; do sleep 60; done'
        directory: /
        # numprocs: 2                          how many processes
        # stopwaitsecs: 60                     seconds it gets to finish its work when it is to stop
        # environment: {APP_ENV: production}   variables
        # logs: {rotate: 14, size: 100M}       how its log is kept
";

impl FirstInventory {
    /// The text of the file.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "# yaml-language-server: $schema=./deployer.schema.json
#
# What should run where. `supervisor-sync plan` shows what an apply would do, `supervisor-sync apply` does it,
# `supervisor-sync status` shows how it is. Programs come and go with `supervisor-sync add` and `remove`.

servers:
{}
sites:
  # A site is a name for programs that belong together.
  - domain: {}
    server: {}
    user: {}  # whom its programs run as on the server
    supervisors:
",
            self.server_text(),
            self.site,
            self.server.name(),
            self.user,
        );
        for (number, program) in self.programs.iter().enumerate() {
            text.push_str(&self.program_text(program, number == 0));
        }
        if self.programs.is_empty() {
            text.push_str(EXAMPLE);
        }
        text
    }

    fn server_text(&self) -> String {
        match &self.server {
            Server::Here => "  # This machine. A server behind SSH: {name: web1, host: 203.0.113.10, username: root}
  - {name: here, host: localhost, connection: local}
"
            .to_owned(),
            Server::Ssh { host, username, port } => {
                let port = port.map_or(String::new(), |port| format!(", port: {port}"));
                format!(
                    "  # Reached by your own ssh, with its keys and its ssh_config.
  - {{name: {}, host: {host}, username: {username}{port}}}
",
                    self.server.name()
                )
            }
        }
    }

    fn program_text(&self, proposal: &Proposal, is_first: bool) -> String {
        let Proposal { program, command, keys, seen } = proposal;
        let remark = match is_first {
            true => "  # where the code is on the server",
            false => "",
        };
        let mut text = format!(
            "      # {seen}
      - program: {program}
        command: {command}
        directory: {}{remark}
",
            self.directory
        );
        for key in keys {
            text.push_str(&format!("        {key}\n"));
        }
        text
    }
}

impl Server {
    /// What it is called in the inventory.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Here => "here".to_owned(),
            Self::Ssh { host, .. } => {
                let label = host.split('.').next().unwrap_or_default();
                let is_address = host.contains(':') || label.bytes().all(|b| b.is_ascii_digit());
                let name = if is_address { "server1" } else { label };
                HostName::parse(name).map_or_else(|_| "server1".to_owned(), |name| name.to_string())
            }
        }
    }

    /// From `USER@HOST`, with `:PORT` if one likes; without a user it is root.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (username, address) = text.split_once('@').unwrap_or(("root", text));
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => {
                let port = port.parse().map_err(|_| format!("`{port}` is no port"))?;
                (host, Some(port))
            }
            _ => (address, None),
        };
        let is_plain = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
        if host.is_empty() || host.starts_with('-') || !is_plain {
            return Err("it must be USER@HOST, as in root@203.0.113.10".to_owned());
        }
        let username = UserName::parse(username).map_err(|error| format!("the user {error}"))?;
        Ok(Self::Ssh { host: host.to_owned(), username: username.to_string(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Run, read};

    fn first(server: Server, programs: Vec<Proposal>) -> FirstInventory {
        FirstInventory {
            server,
            site: "shop.example.com".to_owned(),
            user: "www-data".to_owned(),
            directory: AbsolutePath::parse("/srv/shop").unwrap(),
            programs,
        }
    }

    #[test]
    fn first_inventory_has_no_problem_and_no_script() {
        let proposal = |program: &str| Proposal {
            program: program.to_owned(),
            command: "php artisan queue:work --tries=3".to_owned(),
            keys: vec!["numprocs: 2", "stopwaitsecs: 30  # a remark"],
            seen: "laravel/framework in composer.json".to_owned(),
        };
        for server in ["deploy@web1.example.com:2222", "root@203.0.113.10", "web1"] {
            let server = Server::parse(server).unwrap();
            for programs in [vec![], vec![proposal("queue"), proposal("mail")]] {
                for server in [server.clone(), Server::Here] {
                    let first = first(server, programs.clone());
                    let text = first.text();
                    let inventory = read("deployer.yml", &text)
                        .unwrap_or_else(|error| panic!("{error}\n{text}"));
                    let programs = &inventory.sites[0].site.programs;
                    assert_eq!(programs.len(), first.programs.len().max(1));
                    assert!(programs.iter().all(|program| matches!(program.run, Run::Command(_))));
                    assert!(text.starts_with("# yaml-language-server: $schema="));
                }
            }
        }
    }

    #[test]
    fn server_is_named_by_its_host() {
        for (typed, name) in
            [("root@web1.example.com", "web1"), ("203.0.113.10", "server1"), ("a@b:22", "b")]
        {
            assert_eq!(Server::parse(typed).unwrap().name(), name);
        }
        for wrong in ["", "root@", "a b@c", "root@-x", "root@h:x", "root@h;x"] {
            assert!(Server::parse(wrong).is_err(), "{wrong}");
        }
    }
}
