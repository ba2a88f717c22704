//! How often somebody has tried to sign in: each try that fails has the next one wait longer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Tries that nobody waits for.
const FREE: u32 = 5;
/// How long the first one after those waits; each after it twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// How long it grows to, from an address. Behind one there can be a whole office.
const LONGEST_OF_ADDRESS: Duration = Duration::from_secs(300);
/// The same of a name. Whoever wants to keep somebody out can have them wait, so it is short.
const LONGEST_OF_NAME: Duration = Duration::from_secs(30);
/// After this time without a try all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// More than these are not remembered: the one that has tried least goes.
const MOST: usize = 4096;
/// As much of a name as is looked at: nobody has a longer one.
const LONGEST_NAME: usize = 64;

/// What is counted apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    /// What one customer has: an address, or the first half of one of IPv6.
    Address(IpAddr),
    /// Also one that nobody has: it must not show which names there are.
    Name(String),
}

#[derive(Debug, Default)]
pub(super) struct Attempts(HashMap<Who, Tries>);

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    last: Duration,
    /// Whether it was told that the next one has to wait.
    is_told: bool,
}

/// A try came too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooEarly {
    pub(super) wait: Duration,
    /// Whether it is the first since the last one that was looked at.
    pub(super) is_news: bool,
}

impl Attempts {
    /// Counts a try, which has failed until [`Self::succeeded`]. One that comes too early is not to be looked
    /// at, and does not count. `address` is of no unix socket.
    pub(super) fn begin(
        &mut self,
        address: Option<IpAddr>,
        name: &str,
        now: Duration,
    ) -> Result<(), TooEarly> {
        self.0.retain(|_, tries| now.saturating_sub(tries.last) < FORGOTTEN);
        let all = keys(address, name);
        let waits = all.iter().filter_map(|who| Some((who, self.0.get(who)?.waits(who, now)?)));
        if let Some((who, wait)) = waits.max_by_key(|(_, wait)| *wait) {
            let told = self.0.get_mut(who).map(|tries| std::mem::replace(&mut tries.is_told, true));
            return Err(TooEarly { wait, is_news: told == Some(false) });
        }
        for who in all {
            self.make_room(&who);
            let tries = self.0.entry(who).or_insert(Tries { count: 0, last: now, is_told: false });
            *tries = Tries { count: tries.count.saturating_add(1), last: now, is_told: false };
        }
        Ok(())
    }

    /// The try that was counted last was good.
    pub(super) fn succeeded(&mut self, address: Option<IpAddr>, name: &str) {
        for who in keys(address, name) {
            self.0.remove(&who);
        }
    }

    fn make_room(&mut self, who: &Who) {
        if self.0.len() < MOST || self.0.contains_key(who) {
            return;
        }
        let least = self.0.iter().min_by_key(|(_, tries)| (tries.count, tries.last));
        if let Some(least) = least.map(|(who, _)| who.clone()) {
            self.0.remove(&least);
        }
    }
}

impl Tries {
    /// How long the next one has to wait still; `None` if it has not.
    fn waits(&self, who: &Who, now: Duration) -> Option<Duration> {
        let longest = match who {
            Who::Address(_) => LONGEST_OF_ADDRESS,
            Who::Name(_) => LONGEST_OF_NAME,
        };
        let doubled = self.count.checked_sub(FREE)?;
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(doubled)).min(longest);
        let over = self.last + wait;
        over.checked_sub(now).filter(|left| !left.is_zero())
    }
}

fn keys(address: Option<IpAddr>, name: &str) -> Vec<Who> {
    let address = address.map(|address| match address {
        IpAddr::V4(_) => Who::Address(address),
        IpAddr::V6(long) => {
            let half = u128::from(long) >> 64 << 64;
            Who::Address(IpAddr::V6(half.into()))
        }
    });
    let name: String = name.chars().take(LONGEST_NAME).collect();
    address.into_iter().chain([Who::Name(name)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// How long the next try waits, each made as soon as it may be.
    fn waits(attempts: &mut Attempts, from: Option<IpAddr>, name: &str, tries: u32) -> Vec<u64> {
        let (mut now, mut waits) = (Duration::ZERO, Vec::new());
        for _ in 0..tries {
            if let Err(early) = attempts.begin(from, name, now) {
                assert!(early.is_news);
                assert!(!attempts.begin(from, name, now).unwrap_err().is_news, "it is told once");
                waits.push(early.wait.as_secs());
                now += early.wait;
                attempts.begin(from, name, now).unwrap();
            }
        }
        waits
    }

    #[test]
    fn each_failure_has_the_next_wait_longer() {
        let waits_of = |from, name| waits(&mut Attempts::default(), from, name, 15);
        assert_eq!(
            waits_of(address("192.0.2.1"), "ann"),
            [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        );
        assert_eq!(waits_of(None, "ann"), [2, 4, 8, 16, 30, 30, 30, 30, 30, 30]);
    }

    #[test]
    fn address_and_name_are_counted_apart() {
        let mut attempts = Attempts::default();
        for number in 0..5 {
            attempts.begin(address("192.0.2.1"), &format!("user{number}"), SECOND).unwrap();
        }
        assert!(attempts.begin(address("192.0.2.1"), "other", SECOND).is_err());
        assert!(attempts.begin(address("192.0.2.2"), "other", SECOND).is_ok());
        for number in 1..6 {
            attempts.begin(address(&format!("198.51.100.{number}")), "ann", SECOND).unwrap();
        }
        assert!(attempts.begin(address("203.0.113.1"), "ann", SECOND).is_err());
        attempts.succeeded(address("192.0.2.1"), "ann");
        assert!(attempts.begin(address("192.0.2.1"), "ann", SECOND).is_ok());
    }

    #[test]
    fn half_of_a_long_address_is_one_customer() {
        let mut attempts = Attempts::default();
        for number in 0..5 {
            let from = address(&format!("2001:db8::{number}"));
            attempts.begin(from, &format!("user{number}"), SECOND).unwrap();
        }
        assert!(attempts.begin(address("2001:db8::99"), "other", SECOND).is_err());
        assert!(attempts.begin(address("2001:db8:0:1::1"), "other", SECOND).is_ok());
    }

    #[test]
    fn memory_is_bounded() {
        let mut attempts = Attempts::default();
        for _ in 0..6 {
            let _ = attempts.begin(None, "ann", SECOND);
        }
        for number in 0..2 * MOST {
            attempts.begin(None, &format!("{number}{}", "x".repeat(1000)), SECOND).unwrap();
        }
        assert!(attempts.0.len() <= MOST);
        assert!(attempts.begin(None, "ann", SECOND).is_err(), "who has tried most is remembered");
        assert!(attempts.begin(None, "ann", SECOND + FORGOTTEN).is_ok());
        assert_eq!(attempts.0.len(), 1);
    }
}
