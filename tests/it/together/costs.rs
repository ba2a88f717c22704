//! What an apply costs in the number of its sites. Counted, not timed.

use supervisor_sync::plan::{PlanOptions, Running};

use supervisor_sync::supervisord::Call;

use super::{Run, applied, rereads, sites};
use crate::simulated::{Host, Order};

/// What one apply has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    rereads: usize,
    syncs: usize,
    batches: usize,
    operations: usize,
}

fn cost(host: &Host, sites: &[supervisor_sync::inventory::Site], order: Order) -> Cost {
    let mut run = Run::of(host).with(order);
    let ends = run.apply(host, sites);
    let is_good = |end: &supervisor_sync::apply::Outcome| {
        use supervisor_sync::apply::Outcome::{Applied, Unchanged};
        matches!(end, Applied { .. } | Unchanged)
    };
    assert!(ends.values().all(is_good), "{ends:?}");
    Cost {
        rereads: rereads(host),
        syncs: run.files.syncs.get(),
        batches: host.daemon.borrow().log().len(),
        operations: run.files.count.get(),
    }
}

/// First apply, change, nothing to do, restart.
fn costs(count: usize) -> [Cost; 4] {
    let host = Host::new();
    let (one, two) = (sites(&host, count, "runs one"), sites(&host, count, "runs two"));
    let restart = Order { plan: PlanOptions::apply(Running::RestartAll), ..Order::default() };
    [
        cost(&host, &one, Order::default()),
        cost(&host, &two, Order::default()),
        cost(&host, &two, Order::default()),
        cost(&host, &two, restart),
    ]
}

#[test]
fn fifty_sites_cost_like_one() {
    let (one, ten, fifty) = (costs(1), costs(10), costs(50));
    println!("{one:?}\n{ten:?}\n{fifty:?}");
    for (all, what) in [(&one, "one"), (&ten, "ten"), (&fifty, "fifty")] {
        assert_eq!(all.map(|cost| cost.rereads), [2, 2, 1, 1], "{what}");
        assert_eq!(all.map(|cost| cost.batches), one.map(|cost| cost.batches), "{what}");
        // A restart swaps nothing.
        assert_eq!(all.map(|cost| cost.syncs), [4, 4, 0, 3], "{what}");
    }
    for (ten, fifty) in ten.iter().zip(&fifty) {
        let (small, large) = (ten.operations, fifty.operations);
        assert!(large * 10 <= small * 52, "operations: {small} for ten sites, {large} for fifty");
    }
}

/// What is there already and on no record is kept as revision 0: one more sync, for however many sites.
#[test]
fn taking_over_fifty_syncs_as_for_one() {
    for count in [1, 50] {
        let host = Host::new();
        let wanted = sites(&host, count, "runs one");
        applied(&host, &wanted);
        std::fs::remove_dir_all(host.state().root()).unwrap();
        let mut run = Run::of(&host);
        let ends = run.apply(&host, &wanted);
        let applied = ends.values().filter(|end| {
            matches!(end, supervisor_sync::apply::Outcome::Applied { revision: Some(1) })
        });
        assert_eq!(applied.count(), count);
        for site in &wanted {
            let taken = host.state().taken_over(&supervisor_sync::system::Disk, &site.domain);
            assert_eq!(taken.unwrap().unwrap().files.len(), 2, "{}", site.domain);
        }
        assert_eq!(run.files.syncs.get(), 4, "{count} sites");
    }
}

/// supervisord's answer costs it as much for each process it is asked about.
#[test]
fn waiting_for_one_asks_for_one() {
    let host = Host::new();
    applied(&host, &sites(&host, 200, "runs one"));
    let mut changed = sites(&host, 1, "drains-20 two");
    let mut run = Run::of(&host);
    run.apply(&host, &changed);
    changed[0].programs[0].stopwaitsecs = 60;
    let ends = run.apply(&host, &changed);
    assert!(
        ends.values().all(|end| *end != supervisor_sync::apply::Outcome::Unchanged),
        "{ends:?}"
    );
    let daemon = host.daemon.borrow();
    let count = |is_it: &dyn Fn(&Call) -> bool| {
        daemon.log().iter().flatten().filter(|call| is_it(call)).count()
    };
    let all = count(&|call| *call == Call::GetAllProcessInfo);
    let one = count(&|call| matches!(call, Call::GetProcessInfo(_)));
    // Two readings; then a look at first, and one when the group has come back.
    assert!(all <= 4 && one > 50, "{all} looks at all, {one} at one");
}

#[test]
fn waiting_for_all_asks_at_once() {
    let host = Host::new();
    let mut run = Run::of(&host);
    run.apply(&host, &sites(&host, 20, "runs one"));
    let daemon = host.daemon.borrow();
    let is_one = |call: &&Call| matches!(call, Call::GetProcessInfo(_));
    assert_eq!(daemon.log().iter().flatten().filter(is_one).count(), 0);
}
