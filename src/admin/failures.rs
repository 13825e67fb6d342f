//! Failed tokens by address: the more of them, the later the refusal.
//!
//! Tokens have 256 random bits, so this only keeps guessing from costing the node anything; a valid token is never
//! delayed, or an attacker behind the same address could shut administrators out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::limits;
use crate::clock::UnixMillis;

/// The failures that are remembered.
pub struct Failures {
    by_address: Mutex<HashMap<IpAddr, (u32, UnixMillis)>>,
    delayed: Arc<Semaphore>,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            by_address: Mutex::default(),
            delayed: Arc::new(Semaphore::new(limits::FAILURES_DELAYED_MAX)),
        }
    }
}

impl Failures {
    /// Counts a failure, then waits as long as `address` has earned. False: too many are waiting already.
    pub async fn delay(&self, address: IpAddr, now: UnixMillis) -> bool {
        let delay = self.count(address, now);
        if delay.is_zero() {
            return true;
        }
        let Ok(_permit) = self.delayed.try_acquire() else {
            return false;
        };
        tokio::time::sleep(delay).await;
        true
    }

    /// Counts a failure; the delay that it earns.
    fn count(&self, address: IpAddr, now: UnixMillis) -> Duration {
        let mut failures = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |at: UnixMillis| now.0.saturating_sub(at.0) < limits::FAILURE_MEMORY_MILLIS;
        let address = network_of(address);
        if failures.len() >= limits::FAILURES_MAX && !failures.contains_key(&address) {
            failures.retain(|_, (_, at)| fresh(*at));
            if failures.len() >= limits::FAILURES_MAX {
                // So many addresses at once are one attack: everybody new gets the longest delay.
                return limits::FAILURE_DELAY_MAX;
            }
        }
        let (count, at) = failures.entry(address).or_insert((0, now));
        *count = if fresh(*at) { count.saturating_add(1) } else { 1 };
        *at = now;
        match count.checked_sub(limits::FAILURES_FREE) {
            None | Some(0) => Duration::ZERO,
            Some(over) => limits::FAILURE_DELAY
                .saturating_mul(1 << (over - 1).min(16))
                .min(limits::FAILURE_DELAY_MAX),
        }
    }
}

/// IPv6 is handed out by /64, so that one machine has many addresses.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_of_an_address_grows_and_ends_and_is_forgotten() {
        let failures = Failures::default();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let millis: Vec<_> = (0..12)
            .map(|at| failures.count(address, UnixMillis(at)).as_millis())
            .collect();
        assert_eq!(millis, [0, 0, 0, 100, 200, 400, 800, 1600, 2000, 2000, 2000, 2000]);
        let later = UnixMillis(limits::FAILURE_MEMORY_MILLIS * 2);
        assert!(failures.count(address, later).is_zero());
    }

    #[test]
    fn neighbours_in_one_ipv6_network_count_together_and_other_addresses_apart() {
        let failures = Failures::default();
        let count = |text: &str| failures.count(text.parse().unwrap(), UnixMillis(0)).as_millis();
        assert_eq!(count("2001:db8::1"), 0);
        assert_eq!(count("2001:db8::2"), 0);
        assert_eq!(count("2001:db8::3"), 0);
        assert_eq!(count("2001:db8::4"), 100);
        assert_eq!(count("2001:db8:0:1::4"), 0);
    }

    #[test]
    fn the_memory_of_addresses_is_bounded() {
        let failures = Failures::default();
        for at in 0..limits::FAILURES_MAX + 10 {
            let address = std::net::Ipv4Addr::from(u32::try_from(at).unwrap());
            failures.count(address.into(), UnixMillis(0));
        }
        assert_eq!(failures.by_address.lock().unwrap().len(), limits::FAILURES_MAX);
    }
}
