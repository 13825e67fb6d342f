//! Permits of connections that have not signed in: in all and per address.
//!
//! Sessions that have signed in are counted by `session`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The most connections that have not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitLimits {
    /// In all.
    pub all: u32,
    /// From one address (IPv6: from one /64).
    pub per_address: u32,
}

/// Counts the connections of one listener.
#[derive(Debug, Default)]
pub struct Permits {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// The right to be connected without having signed in; ends when dropped.
#[derive(Debug)]
pub struct Permit {
    permits: Arc<Permits>,
    address: IpAddr,
}

impl Permits {
    /// A permit for a connection from `address`, or why there is none.
    pub fn acquire(self: &Arc<Self>, address: IpAddr, limits: PermitLimits) -> Result<Permit, String> {
        let address = counted(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= limits.all {
            return Err(format!("{} connections have not signed in: the limit", counts.all));
        }
        let of_address = counts.by_address.entry(address).or_default();
        if *of_address >= limits.per_address {
            let reason = format!("{of_address} connections from {address} have not signed in: the limit");
            if *of_address == 0 {
                counts.by_address.remove(&address);
            }
            return Err(reason);
        }
        *of_address += 1;
        counts.all += 1;
        Ok(Permit {
            permits: self.clone(),
            address,
        })
    }

    /// How many connections have not signed in.
    pub fn count(&self) -> u32 {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.permits.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if let Some(of_address) = counts.by_address.get_mut(&self.address) {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn permits_run_out_in_all_and_per_address_and_come_back() {
        let permits = Arc::new(Permits::default());
        let limits = PermitLimits { all: 3, per_address: 2 };
        let (here, there): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let first = permits.acquire(here, limits).unwrap();
        let _second = permits.acquire(here, limits).unwrap();
        assert!(permits.acquire(here, limits).unwrap_err().contains("10.0.0.1"));
        let _third = permits.acquire(there, limits).unwrap();
        assert!(permits.acquire(there, limits).unwrap_err().contains("3 connections"));
        drop(first);
        assert_eq!(permits.count(), 2);
        drop(permits.acquire(here, limits).unwrap());
        assert_eq!(permits.count(), 2);
    }

    #[test]
    fn no_address_is_remembered_without_a_permit() {
        let permits = Arc::new(Permits::default());
        let limits = PermitLimits {
            all: 10,
            per_address: 0,
        };
        assert!(permits.acquire([10, 0, 0, 1].into(), limits).is_err());
        let limits = PermitLimits {
            all: 10,
            per_address: 1,
        };
        drop(permits.acquire("2001:db8::1".parse().unwrap(), limits).unwrap());
        assert!(permits.counts.lock().unwrap().by_address.is_empty());
    }
}
