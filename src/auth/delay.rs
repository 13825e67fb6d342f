//! Failed logins make the next try wait, by address and by account, longer each time.
//!
//! Closing a connection after too many tries is left to the protocols; sharing the counts between nodes comes later.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::{CLAIM_CHARS_MAX, FAILURES_MAX};
use crate::catalog::Settings;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Address(IpAddr),
    Account(String),
}

impl Whose {
    /// An IPv6 peer counts by its /64, which one customer holds as a whole.
    fn address(from: IpAddr) -> Self {
        Self::Address(match from.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address => address,
        })
    }

    fn account(claimed: &str) -> Self {
        Self::Account(claimed.chars().take(CLAIM_CHARS_MAX).collect())
    }
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    last: Instant,
}

/// Two halves: once the young one is full it becomes the old one and the old one is forgotten, so that the table
/// is bounded and no login ever searches it.
#[derive(Debug, Default)]
struct Table {
    young: HashMap<Whose, Count>,
    old: HashMap<Whose, Count>,
}

impl Table {
    fn get(&self, whose: &Whose) -> Option<Count> {
        self.young.get(whose).or_else(|| self.old.get(whose)).copied()
    }

    fn put(&mut self, whose: Whose, count: Count) {
        self.old.remove(&whose);
        if self.young.len() >= FAILURES_MAX / 2 && !self.young.contains_key(&whose) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(whose, count);
    }

    fn remove(&mut self, whose: &Whose) {
        self.young.remove(whose);
        self.old.remove(whose);
    }
}

/// Who failed how often of late.
#[derive(Debug, Default)]
pub struct Failures {
    table: Mutex<Table>,
}

impl Failures {
    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the next try has to wait: the longer of what the address and the account have earned.
    pub fn delay(&self, claimed: &str, from: IpAddr, settings: &Settings, now: Instant) -> Duration {
        let table = self.lock();
        [Whose::address(from), Whose::account(claimed)]
            .iter()
            .filter_map(|whose| table.get(whose))
            .map(|count| earned(count, settings, now))
            .max()
            .unwrap_or_default()
    }

    /// Counts a failure for both.
    pub fn record(&self, claimed: &str, from: IpAddr, settings: &Settings, now: Instant) {
        let memory = Duration::from_secs(settings.login_memory_seconds.into());
        let mut table = self.lock();
        for whose in [Whose::address(from), Whose::account(claimed)] {
            let before = table
                .get(&whose)
                .filter(|count| now.duration_since(count.last) < memory)
                .map_or(0, |count| count.failures);
            let count = Count {
                failures: before.saturating_add(1),
                last: now,
            };
            table.put(whose, count);
        }
    }

    /// A login held: the account starts anew; the address is forgiven one failure, not all, or an account of one's
    /// own would pay for guesses at others.
    pub fn forgive(&self, claimed: &str, from: IpAddr) {
        let mut table = self.lock();
        table.remove(&Whose::account(claimed));
        let address = Whose::address(from);
        if let Some(count) = table.get(&address) {
            match count.failures {
                0 | 1 => table.remove(&address),
                failures => table.put(
                    address,
                    Count {
                        failures: failures - 1,
                        ..count
                    },
                ),
            }
        }
    }
}

/// Doubles with each failure, up to the maximum; forgotten after the memory.
fn earned(count: Count, settings: &Settings, now: Instant) -> Duration {
    if now.duration_since(count.last) >= Duration::from_secs(settings.login_memory_seconds.into()) {
        return Duration::ZERO;
    }
    let doublings = count.failures.saturating_sub(1).min(31);
    let millis = u64::from(settings.login_delay_millis) << doublings;
    Duration::from_millis(millis.min(settings.login_delay_max_millis.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn the_delay_doubles_up_to_its_maximum() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        let mut seen = Vec::new();
        for _ in 0..8 {
            seen.push(failures.delay("alice", HERE, &settings, now).as_millis());
            failures.record("alice", HERE, &settings, now);
        }
        assert_eq!(seen, [0, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn an_account_is_protected_from_many_addresses_and_an_address_pays_for_many_accounts() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        failures.record("alice", HERE, &settings, now);
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
            failures.record("alice", HERE, &settings, now);
        }
        failures.forgive("alice", HERE);
        assert_eq!(failures.delay("alice", THERE, &settings, now), Duration::ZERO);
        assert_eq!(failures.delay("bob", HERE, &settings, now), Duration::from_millis(1000));
    }

    #[test]
    fn failures_are_forgotten_after_the_memory() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        failures.record("alice", HERE, &settings, now);
        let later = now + Duration::from_secs(900);
        assert_eq!(failures.delay("alice", HERE, &settings, later), Duration::ZERO);
        failures.record("alice", HERE, &settings, later);
        assert_eq!(
            failures.delay("alice", HERE, &settings, later),
            Duration::from_millis(500)
        );
    }

    #[test]
    fn an_ipv6_peer_counts_by_its_network_and_a_mapped_one_as_ipv4() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        failures.record("a", "2001:db8::1".parse().unwrap(), &settings, now);
        failures.record("b", "::ffff:192.0.2.1".parse().unwrap(), &settings, now);
        for from in ["2001:db8::ffff:1", "192.0.2.1"] {
            let delay = failures.delay("c", from.parse().unwrap(), &settings, now);
            assert_eq!(delay, Duration::from_millis(500), "{from}");
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let (failures, settings, now) = (Failures::default(), Settings::default(), Instant::now());
        for number in 0..FAILURES_MAX as u32 {
            failures.record(&number.to_string(), IpAddr::V4(number.into()), &settings, now);
        }
        let table = failures.table.lock().unwrap();
        assert!(table.young.len() + table.old.len() <= FAILURES_MAX);
    }
}
