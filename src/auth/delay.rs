//! Failed logins make the next try wait, by address and by account, longer each time.
//!
//! Closing a connection after too many tries is left to the protocols; sharing the counts between nodes, to `throttle`.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::{CLAIM_CHARS_MAX, FAILURES_MAX};
use super::table::Table;
use crate::catalog::Settings;

/// Whose failures are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// An address; an IPv6 one counts by its /64, which one customer holds as a whole.
    Address(IpAddr),
    /// What was claimed, known or not.
    Account(String),
}

impl Whose {
    pub(super) fn address(from: IpAddr) -> Self {
        Self::Address(match from.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address => address,
        })
    }

    pub(super) fn account(claimed: &str) -> Self {
        Self::Account(claimed.chars().take(CLAIM_CHARS_MAX).collect())
    }
}

#[derive(Debug, Clone, Copy)]
struct Count {
    /// Seen by this node.
    failures: u32,
    /// Seen by the others, as the leader last said.
    elsewhere: u32,
    last: Instant,
}

/// Who failed how often of late.
#[derive(Debug)]
pub struct Failures {
    table: Mutex<Table<Whose, Count>>,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            table: Mutex::new(Table::new(FAILURES_MAX)),
        }
    }
}

impl Failures {
    fn lock(&self) -> MutexGuard<'_, Table<Whose, Count>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the next try has to wait: the longer of what the address and the account have earned.
    pub fn delay(&self, claimed: &str, from: IpAddr, settings: &Settings, now: Instant) -> Duration {
        let table = self.lock();
        [Whose::address(from), Whose::account(claimed)]
            .iter()
            .filter_map(|whose| table.get(whose))
            .map(|count| earned(*count, settings, now))
            .max()
            .unwrap_or_default()
    }

    /// Counts a failure of `whose`; how many this node has seen now.
    pub(super) fn record(&self, whose: Whose, settings: &Settings, now: Instant) -> u32 {
        let mut table = self.lock();
        let before = table.get(&whose).filter(|count| is_fresh(**count, settings, now));
        let count = Count {
            failures: before.map_or(0, |count| count.failures).saturating_add(1),
            elsewhere: before.map_or(0, |count| count.elsewhere),
            last: now,
        };
        table.put(whose, count);
        count.failures
    }

    /// How many failures of `whose` this node has seen.
    pub(super) fn seen(&self, whose: &Whose, settings: &Settings, now: Instant) -> u32 {
        let table = self.lock();
        let count = table.get(whose).filter(|count| is_fresh(**count, settings, now));
        count.map_or(0, |count| count.failures)
    }

    /// The leader counts `total` failures of `whose` on all nodes.
    pub(super) fn learn(&self, whose: Whose, total: u32) {
        let mut table = self.lock();
        if let Some(count) = table.get(&whose).copied() {
            let elsewhere = total.saturating_sub(count.failures);
            table.put(whose, Count { elsewhere, ..count });
        }
    }

    /// Forgets the failures of `whose`.
    pub(super) fn forget(&self, whose: &Whose) {
        self.lock().remove(whose);
    }

    /// A login held: the account starts anew; the address is forgiven one failure, not all, or an account of one's
    /// own would pay for guesses at others. Whether there was anything to forgive the account.
    pub(super) fn forgive(&self, claimed: &str, from: IpAddr) -> bool {
        let mut table = self.lock();
        let had = table.remove(&Whose::account(claimed)).is_some();
        let address = Whose::address(from);
        if let Some(count) = table.get(&address).copied() {
            match count.failures {
                0 | 1 => {
                    table.remove(&address);
                }
                failures => table.put(
                    address,
                    Count {
                        failures: failures - 1,
                        ..count
                    },
                ),
            }
        }
        had
    }
}

fn is_fresh(count: Count, settings: &Settings, now: Instant) -> bool {
    now.duration_since(count.last) < Duration::from_secs(settings.login_memory_seconds.into())
}

/// Doubles with each failure, up to the maximum; forgotten after the memory.
fn earned(count: Count, settings: &Settings, now: Instant) -> Duration {
    if !is_fresh(count, settings, now) {
        return Duration::ZERO;
    }
    let failures = count.failures.saturating_add(count.elsewhere);
    let doublings = failures.saturating_sub(1).min(31);
    let millis = u64::from(settings.login_delay_millis) << doublings;
    Duration::from_millis(millis.min(settings.login_delay_max_millis.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    impl Failures {
        fn both(&self, claimed: &str, from: IpAddr, settings: &Settings, now: Instant) {
            self.record(Whose::address(from), settings, now);
            self.record(Whose::account(claimed), settings, now);
        }
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn the_delay_doubles_up_to_its_maximum() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        let mut seen = Vec::new();
        for _ in 0..8 {
            seen.push(failures.delay("alice", HERE, &settings, now).as_millis());
            failures.both("alice", HERE, &settings, now);
        }
        assert_eq!(seen, [0, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn an_account_is_protected_from_many_addresses_and_an_address_pays_for_many_accounts() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        failures.both("alice", HERE, &settings, now);
        for (claimed, from, millis) in [
            ("alice", THERE, 500),
            ("bob", HERE, 500),
            ("bob", THERE, 0),
            ("alice", HERE, 500),
        ] {
            let delay = failures.delay(claimed, from, &settings, now).as_millis();
            assert_eq!(delay, millis, "{claimed} from {from}");
        }
    }

    #[test]
    fn a_login_that_holds_clears_the_account_but_not_all_of_the_address() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        for _ in 0..3 {
            failures.both("alice", HERE, &settings, now);
        }
        failures.forgive("alice", HERE);
        assert_eq!(failures.delay("alice", THERE, &settings, now), Duration::ZERO);
        assert_eq!(failures.delay("bob", HERE, &settings, now), Duration::from_millis(1000));
    }

    #[test]
    fn failures_are_forgotten_after_the_memory() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        failures.both("alice", HERE, &settings, now);
        let later = now + Duration::from_secs(900);
        assert_eq!(failures.delay("alice", HERE, &settings, later), Duration::ZERO);
        failures.both("alice", HERE, &settings, later);
        assert_eq!(
            failures.delay("alice", HERE, &settings, later),
            Duration::from_millis(500)
        );
    }

    #[test]
    fn an_ipv6_peer_counts_by_its_network_and_a_mapped_one_as_ipv4() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        failures.both("a", "2001:db8::1".parse().unwrap(), &settings, now);
        failures.both("b", "::ffff:192.0.2.1".parse().unwrap(), &settings, now);
        for from in ["2001:db8::ffff:1", "192.0.2.1"] {
            let delay = failures.delay("c", from.parse().unwrap(), &settings, now);
            assert_eq!(delay, Duration::from_millis(500), "{from}");
        }
    }

    #[test]
    fn failures_seen_elsewhere_count_for_the_delay_and_not_as_seen_here() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        let whose = Whose::address(HERE);
        assert_eq!(failures.record(whose.clone(), &settings, now), 1);
        failures.learn(whose.clone(), 4);
        assert_eq!(failures.delay("x", HERE, &settings, now), Duration::from_secs(4));
        assert_eq!(failures.seen(&whose, &settings, now), 1);
        failures.forget(&whose);
        failures.learn(whose.clone(), 4);
        assert_eq!(failures.delay("x", HERE, &settings, now), Duration::ZERO);
    }
}
