//! Hosts that find themselves in other ways, and many at once.

use std::process::{Child, Command, Stdio};

use super::{Pulling, WORKER};

/// An agent with a key, as long as the test runs.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The private key need not be where somebody publishes: an agent signs, and so does a token.
#[test]
fn agent_signs() {
    let pulling = or_skip!(Pulling::start());
    let socket = pulling.path("agent");
    let mut agent = Command::new("ssh-agent");
    agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
    let _agent = Agent(agent.spawn().unwrap());
    crate::daemon::wait_until(crate::daemon::PATIENCE, "the agent listens", || socket.exists());
    let key = pulling.path("key");
    let add = Command::new("ssh-add").arg("-q").arg(&key).env("SSH_AUTH_SOCK", &socket).status();
    assert!(add.unwrap().success());
    std::fs::remove_file(&key).unwrap();

    pulling.wants(&[("a.com", &[WORKER])]);
    let (store, public) = (pulling.store().display().to_string(), pulling.path("key.pub"));
    let public = public.display().to_string();
    let publish = ["publish", &store, "--key", &public, "--yes", "--no-binaries"];
    pulling.host.run(&publish).ended(1).complains("cannot sign the bundle");
    pulling.host.command(&publish).env("SSH_AUTH_SOCK", &socket).run().ended(0);
    pulling.pull(&[]).ended(0).says("As bundle 1 has it");
}

/// A host that is one of many has no entry of its own anywhere.
#[test]
fn host_is_found_by_tag_and_label() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    let path = pulling.path("deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("name: here,", "name: here, tags: [workers],")).unwrap();
    pulling.publish(&[]).ended(0);
    pulling.configure("tags: [web]\n");
    pulling.pull(&[]).ended(1).complains("no server that has a tag of web");
    pulling.configure("tags: [workers, web]\n");
    pulling.pull(&[]).ended(0);
    assert_eq!(pulling.host.groups(), ["a.com-w"]);

    let file = pulling.path("instance-data.json");
    std::fs::write(&file, r#"{"ds": {"meta_data": {"tags": {"role": "workers"}}}}"#).unwrap();
    let label = format!("label: {{file: {}, at: /ds/meta_data/tags/role}}\n", file.display());
    pulling.configure_as("cloud.yml", "pulled-in-cloud", &label);
    pulling.changes_nothing(|| pulling.pull_as("cloud.yml", &[]).ended(0));
    pulling.configure_as("nobody.yml", "pulled-by-nobody", "");
    pulling.pull_as("nobody.yml", &[]).ended(1).complains("no server that is called");
}

/// How many hosts pull at once: `make pulls` says 200.
fn hosts() -> usize {
    std::env::var("PULL_HOSTS").map_or(24, |hosts| hosts.parse().unwrap())
}

/// Many hosts of one store, each with a state of its own: each ends, and each says how it is.
#[test]
fn many_hosts_pull_at_once() {
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    let path = pulling.path("deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let servers: String =
        (0..hosts()).map(|n| format!("  - {{name: web{n}, host: h}}\n")).collect();
    std::fs::write(&path, text.replacen("servers:\n", &format!("servers:\n{servers}"), 1)).unwrap();
    pulling.publish(&[]).ended(0);
    let running: Vec<_> = (0..hosts())
        .map(|n| {
            let file = format!("web{n}.yml");
            pulling.configure_as(&file, &format!("pulled-by-{n}"), &format!("host: web{n}\n"));
            let config = pulling.path(&file).display().to_string();
            pulling.host.command(&["pull", "--config", &config]).spawn()
        })
        .collect();
    for running in running {
        running.wait().ended(0);
    }
    for n in 0..hosts() {
        assert_eq!(pulling.status_of(&format!("web{n}"))["outcome"], "done");
    }
}
