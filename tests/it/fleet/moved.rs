//! A site that moved from one server of the inventory to another.

use super::{Fleet, site_on};

const SHOP: &str = "shop.example";

#[test]
fn moved_site_leaves_its_old_host() {
    let fleet = or_skip!(Fleet::start(&["web1", "web2"]));
    let (web1, web2) = (fleet.machine("web1"), fleet.machine("web2"));
    for machine in [web1, web2] {
        machine.host.deploy(SHOP).worker("worker");
    }
    fleet.write_inventory_with(&site_on(web1, SHOP, ""), "");
    fleet.run(&["apply", "--yes"]).ended(0);
    let shop = "shop.example-worker:shop.example-worker";
    web1.host.wait_running(&[shop]);
    let own = format!("{0}:{0}", web1.full());
    let pids = web1.host.wait_running(&[&own]);

    fleet.write_inventory_with(&site_on(web2, SHOP, ""), "");
    let told = "not in the inventory: shop.example, 1 process, applied by ";
    let run = fleet.run(&["status", "--on", "web1"]).ended(0).says(told);
    assert!(run.stdout.contains("(apply --prune removes it)"), "{}", run.stdout);
    let run = fleet.run(&["plan", "--prune"]).ended(0).says(told);
    assert_eq!(run.stdout.matches(told).count(), 1, "web2 has it: {}", run.stdout);
    fleet.run(&["apply", "--yes"]).ended(0);
    web1.host.wait_running(&[shop]);
    web2.host.wait_running(&[shop]);
    let run = fleet.run(&["apply", "--prune", "--yes"]).ended(0);
    assert!(run.stdout.contains("2 of 2 hosts done"), "{}", run.stdout);
    assert_eq!(web1.host.groups(), [web1.full()]);
    assert_eq!(web1.host.wait_running(&[&own]), pids);
    assert_eq!(web2.host.groups(), [SHOP.to_owned() + "-worker", web2.full()]);
    assert!(!fleet.run(&["plan"]).ended(0).stdout.contains("not in the inventory"));
}
