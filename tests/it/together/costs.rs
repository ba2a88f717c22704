//! What an apply costs in the number of its sites. Counted, not timed.

use supervisor_sync::plan::{PlanOptions, Running};

use super::{Run, rereads, sites};
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
fn an_apply_of_fifty_sites_costs_rereads_syncs_and_calls_of_one() {
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
