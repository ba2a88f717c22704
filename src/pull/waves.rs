//! Waves: a canary without a controller. Each host works out by itself whether it is its turn. Pure.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::inventory::PullRules;

/// The wave of a machine, from 1: its place among all is worked out from its machine-id and never changes, and
/// nobody learns the machine-id by it.
pub(crate) fn wave_of(machine: &[u8], rules: &PullRules) -> u32 {
    let mut hasher = Sha256::new();
    hasher.update(b"supervisor-sync wave ");
    hasher.update(machine);
    let [first, second, ..]: [u8; 32] = hasher.finalize().into();
    let place = u32::from(u16::from_be_bytes([first, second]));
    let before = |share: &&u8| place * 100 >= u32::from(**share) * (u32::from(u16::MAX) + 1);
    let earlier = rules.waves.iter().filter(before).count();
    u32::try_from(earlier).unwrap_or(u32::MAX).saturating_add(1)
}

/// Whether it is a wave's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    /// Not before this moment.
    At(Timestamp),
    /// Not with this bundle: so many hosts of earlier waves rolled it back.
    Halted(usize),
}

/// When a wave's time has come, whatever earlier ones say.
pub(crate) fn begins(rules: &PullRules, wave: u32, published: Timestamp) -> Timestamp {
    let waits = i64::from(rules.pause).saturating_mul(i64::from(wave.saturating_sub(1)));
    published.checked_add(SignedDuration::from_secs(waits)).unwrap_or(Timestamp::MAX)
}

/// Whether it is this wave's turn now. `failed` is how many hosts of earlier waves rolled the bundle back.
pub(crate) fn turn(
    rules: &PullRules,
    wave: u32,
    (published, now): (Timestamp, Timestamp),
    failed: usize,
) -> Turn {
    let begins = begins(rules, wave, published);
    let most = usize::try_from(rules.max_failures).unwrap_or(usize::MAX);
    match wave {
        // The first is the canary: it waits for nobody, and a clock that is wrong holds nothing up.
        ..=1 => Turn::Now,
        _ if failed > most => Turn::Halted(failed),
        _ if now < begins => Turn::At(begins),
        _ => Turn::Now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(waves: &[u8]) -> PullRules {
        PullRules { waves: waves.to_vec(), ..PullRules::default() }
    }

    #[test]
    fn waves_have_their_shares() {
        let rules = rules(&[5, 25, 100]);
        let mut hosts = [0; 3];
        for machine in 0_u32..10_000 {
            hosts[wave_of(&machine.to_be_bytes(), &rules) as usize - 1] += 1;
        }
        let [first, second, third] = hosts;
        assert!((400..600).contains(&first), "{hosts:?}");
        assert!((1800..2200).contains(&second), "{hosts:?}");
        assert!((7200..7800).contains(&third), "{hosts:?}");
        assert_eq!(wave_of(b"x", &PullRules::default()), 1);
    }

    /// A wave more does not take anybody out of the waves before it.
    #[test]
    fn later_waves_do_not_move_earlier_ones() {
        for machine in 0_u32..1000 {
            let of = |waves: &[u8]| wave_of(&machine.to_be_bytes(), &rules(waves));
            assert_eq!(of(&[5, 100]) == 1, of(&[5, 25, 100]) == 1);
        }
    }

    #[test]
    fn wave_waits_for_its_time_and_for_earlier_ones() {
        let rules = PullRules { pause: 600, max_failures: 1, ..rules(&[5, 25, 100]) };
        let published: Timestamp = "2026-11-30T10:00:00Z".parse().unwrap();
        let after = |seconds| published + SignedDuration::from_secs(seconds);
        for (wave, seconds, failed, expected) in [
            (1, 0, 9, Turn::Now),
            // A clock that is behind.
            (1, -9999, 0, Turn::Now),
            (2, 599, 0, Turn::At(after(600))),
            (2, 600, 1, Turn::Now),
            (2, 600, 2, Turn::Halted(2)),
            (3, 600, 0, Turn::At(after(1200))),
            (3, 599, 2, Turn::Halted(2)),
            (3, i64::from(i32::MAX), 0, Turn::Now),
        ] {
            assert_eq!(turn(&rules, wave, (published, after(seconds)), failed), expected);
        }
        let never = PullRules { pause: u32::MAX, ..rules };
        assert!(begins(&never, u32::MAX, Timestamp::MAX) == Timestamp::MAX);
    }
}
