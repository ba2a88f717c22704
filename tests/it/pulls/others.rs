//! Hosts that find themselves in other ways, and many at once.

use super::{Pulling, WORKER};

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

/// Many hosts of one store, each with a state of its own: each ends, and each says how it is.
#[test]
fn many_hosts_pull_at_once() {
    const HOSTS: usize = 24;
    let pulling = or_skip!(Pulling::start());
    pulling.wants(&[("a.com", &[WORKER])]);
    let path = pulling.path("deployer.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let servers: String = (0..HOSTS).map(|n| format!("  - {{name: web{n}, host: h}}\n")).collect();
    std::fs::write(&path, text.replacen("servers:\n", &format!("servers:\n{servers}"), 1)).unwrap();
    pulling.publish(&[]).ended(0);
    let running: Vec<_> = (0..HOSTS)
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
    for n in 0..HOSTS {
        assert_eq!(pulling.status_of(&format!("web{n}"))["outcome"], "done");
    }
}
