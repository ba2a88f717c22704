//! The same from each store that is not a folder, on its real part, as hosts that may do no more than
//! docs/stores.md lets them.

use supervisor_sync::store::Access;

use super::{CRASHER, Pulling, Variables, WORKER};
use crate::site::Host;
use crate::stores::Served;

/// What a pull comes to on a part, a test a promise.
macro_rules! pulls_from {
    ($name:ident, $part:ty) => {
        mod $name {
            use crate::stores::Part as _;

            #[test]
            fn what_is_new_comes_and_is_told() {
                super::comes(&or_skip!(<$part>::start()));
            }

            #[test]
            fn canary_that_rolls_back_halts_the_others() {
                super::halts(&or_skip!(<$part>::start()));
            }

            #[test]
            fn programs_run_on_without_store() {
                super::runs_on(or_skip!(<$part>::start()));
            }
        }
    };
}

pulls_from!(nginx, crate::stores::nginx::Nginx);
pulls_from!(bucket, crate::stores::bucket::Bucket);
pulls_from!(git, crate::stores::git::Repository);

/// What a part sets that the tests themselves do not have.
fn own(access: Access) -> Variables {
    let is_own = |name: &_, value: &mut _| std::env::var_os(name).as_ref() != Some(value);
    let mut own = access.environment;
    own.retain(is_own);
    own
}

fn pulling_from(part: &impl Served) -> Option<Pulling> {
    let host = Host::start()?;
    Some(Pulling::on(host, part.location(), part.accesses().map(own)))
}

fn comes(part: &impl Served) {
    let pulling = or_skip!(pulling_from(part));
    let host = &pulling.host;
    pulling.pull(&[]).ended(1).complains("nothing has been published to");
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0).says("Published serial 1");
    pulling.pull(&[]).ended(0).says("As bundle 1 has it");
    let pids = host.wait_running(&["a.com-w:a.com-w"]);
    pulling.fleet(&[]).ended(0).says("here  done  serial 1  wave 1");

    let before = part.asked().len();
    let silent = pulling.changes_nothing(|| pulling.pull(&["--by-timer"]).ended(0));
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    assert_eq!(part.asked()[before..].concat(), nothing_new(part));

    pulling.wants(&[("a.com", &[WORKER]), ("b.com", &[WORKER])]);
    pulling.publish(&[]).ended(0).says("Published serial 2");
    pulling.fleet(&[]).ended(3).says("serial 1");
    pulling.pull(&["--by-timer"]).ended(0).says("As bundle 2 has it");
    assert_eq!(host.wait_running(&["a.com-w:a.com-w"]), pids, "it has not changed");
    pulling.fleet(&[]).ended(0).says("here  done  serial 2  wave 1");
}

fn nothing_new<P: Served>(_: &P) -> &'static str {
    P::NOTHING_NEW
}

fn halts(part: &impl Served) {
    const WAVES: &str = "pull: {waves: [10, 100], pause: 0}";
    let pulling = or_skip!(pulling_from(part));
    pulling.configure("host: here\nwave: 1\n");
    pulling.configure_as("other.yml", "pulled-by-other", "host: here\nwave: 2\n");
    pulling.wants_with(WAVES, &[("a.com", &[CRASHER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(4);
    pulling.fleet(&[]).ended(3).says("rolled back");
    let tries = pulling.host.starts("a.com-bad").len();
    let said = pulling.changes_nothing(|| pulling.pull_as("other.yml", &[]).ended(3));
    said.says("1 host of earlier waves rolled bundle 1 back");
    assert_eq!(pulling.host.starts("a.com-bad").len(), tries);
    pulling.wants_with(WAVES, &[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull_as("other.yml", &[]).ended(0);
}

fn runs_on(mut part: impl Served) {
    let pulling = or_skip!(pulling_from(&part));
    pulling.wants(&[("a.com", &[WORKER])]);
    pulling.publish(&[]).ended(0);
    pulling.pull(&[]).ended(0);
    part.stop();
    pulling.changes_nothing(|| {
        let said = pulling.pull(&["--by-timer"]).ended(1).complains("cannot get latest.json from");
        assert!(said.stderr.to_lowercase().contains("refused") || said.stderr.contains("connect"));
        // It is left alone for a while: by a timer, not by a person.
        let silent = pulling.pull(&["--by-timer"]).ended(0);
        assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
        pulling.pull(&[]).ended(1);
    });
    part.serve();
    pulling.pull(&[]).ended(0).says("As bundle 1 has it");
    pulling.fleet(&[]).ended(0).says("here  done  serial 1");
}
