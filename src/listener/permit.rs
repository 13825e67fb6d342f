//! Permits of connections: those that have not signed in, in all and per address; and all of them per address.
//!
//! Sessions that have signed in are counted by `session`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most connections that have not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitLimits {
    /// In all.
    pub all: u32,
    /// From one address (IPv6: from one /64).
    pub per_address: u32,
}

/// Which limit a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Connections that have not signed in, in all.
    All(u32),
    /// Connections of this address that have not signed in.
    Address(IpAddr, u32),
    /// All connections of this address.
    Connections(IpAddr, u32),
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All(count) => write!(f, "{count} connections have not signed in: the limit"),
            Self::Address(address, count) => {
                write!(f, "{count} connections from {address} have not signed in: the limit")
            }
            Self::Connections(address, count) => write!(f, "{count} connections from {address}: the limit"),
        }
    }
}

impl std::error::Error for Over {}

/// Counts the connections of one listener.
#[derive(Debug, Default)]
pub struct Permits {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    unauthenticated: u32,
    by_address: HashMap<IpAddr, OfAddress>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct OfAddress {
    unauthenticated: u32,
    connections: u32,
}

impl Counts {
    fn of(&self, address: IpAddr) -> OfAddress {
        self.by_address.get(&address).copied().unwrap_or_default()
    }

    /// No address stays without a connection.
    fn set(&mut self, address: IpAddr, count: OfAddress) {
        if count == OfAddress::default() {
            self.by_address.remove(&address);
        } else {
            self.by_address.insert(address, count);
        }
    }
}

/// The right to be connected without having signed in; ends when dropped.
#[derive(Debug)]
pub struct Permit {
    permits: Arc<Permits>,
    /// `None` while a balancer has not yet said for whom it connects.
    address: Option<IpAddr>,
}

/// A connection counted for its address, signed in or not; ends when dropped.
#[derive(Debug)]
pub struct Counted {
    permits: Arc<Permits>,
    address: IpAddr,
}

impl Permits {
    /// A permit for a connection from `address`.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn acquire(self: &Arc<Self>, address: IpAddr, limits: PermitLimits) -> Result<Permit, Over> {
        let mut permit = self.enter(limits.all)?;
        permit.claim(address, limits.per_address)?;
        Ok(permit)
    }

    /// A permit for a connection whose address is not known yet; to be completed by [`Permit::claim`].
    ///
    /// # Errors
    /// As many as `all` have not signed in.
    pub fn enter(self: &Arc<Self>, all: u32) -> Result<Permit, Over> {
        let mut counts = self.lock();
        if counts.unauthenticated >= all {
            return Err(Over::All(counts.unauthenticated));
        }
        counts.unauthenticated += 1;
        Ok(Permit {
            permits: self.clone(),
            address: None,
        })
    }

    /// Counts a connection for its address until it ends; at most `max` of them, 0: as many as come.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn count_connection(self: &Arc<Self>, address: IpAddr, max: u32) -> Result<Counted, Over> {
        let address = network_of(address);
        let mut counts = self.lock();
        let mut of_address = counts.of(address);
        if max > 0 && of_address.connections >= max {
            return Err(Over::Connections(address, of_address.connections));
        }
        of_address.connections += 1;
        counts.set(address, of_address);
        Ok(Counted {
            permits: self.clone(),
            address,
        })
    }

    /// How many connections have not signed in.
    pub fn count(&self) -> u32 {
        self.lock().unauthenticated
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Counts it for `address` too.
    ///
    /// # Errors
    /// As many as `per_address` from there have not signed in.
    pub fn claim(&mut self, address: IpAddr, per_address: u32) -> Result<(), Over> {
        let address = network_of(address);
        let mut counts = self.permits.lock();
        let mut of_address = counts.of(address);
        if of_address.unauthenticated >= per_address {
            return Err(Over::Address(address, of_address.unauthenticated));
        }
        of_address.unauthenticated += 1;
        counts.set(address, of_address);
        self.address = Some(address);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.permits.lock();
        counts.unauthenticated = counts.unauthenticated.saturating_sub(1);
        if let Some(address) = self.address {
            let mut of_address = counts.of(address);
            of_address.unauthenticated = of_address.unauthenticated.saturating_sub(1);
            counts.set(address, of_address);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.permits.lock();
        let mut of_address = counts.of(self.address);
        of_address.connections = of_address.connections.saturating_sub(1);
        counts.set(self.address, of_address);
    }
}

/// What is counted as one peer: an IPv4 address, mapped into IPv6 or not, or the /64 of an IPv6 address.
pub fn network_of(address: IpAddr) -> IpAddr {
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
        assert_eq!(permits.acquire(here, limits).unwrap_err(), Over::Address(here, 2));
        let _third = permits.acquire(there, limits).unwrap();
        assert_eq!(permits.acquire(there, limits).unwrap_err(), Over::All(3));
        drop(first);
        assert_eq!(permits.count(), 2);
        drop(permits.acquire(here, limits).unwrap());
        assert_eq!(permits.count(), 2);
    }

    #[test]
    fn connections_of_an_address_are_counted_signed_in_or_not() {
        let permits = Arc::new(Permits::default());
        let here: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let elsewhere: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        let first = permits.count_connection(here, 2).unwrap();
        let _second = permits.count_connection(neighbour, 2).unwrap();
        assert!(matches!(
            permits.count_connection(here, 2),
            Err(Over::Connections(_, 2))
        ));
        let _other = permits.count_connection(elsewhere, 2).unwrap();
        let _unlimited = permits.count_connection(here, 0).unwrap();
        drop(first);
        assert!(permits.count_connection(here, 3).is_ok());
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let permits = Arc::new(Permits::default());
        let limits = PermitLimits { all: 9, per_address: 1 };
        let _held = permits.acquire("::ffff:10.0.0.1".parse().unwrap(), limits).unwrap();
        assert!(permits.acquire("10.0.0.1".parse().unwrap(), limits).is_err());
        assert!(permits.acquire("10.0.0.2".parse().unwrap(), limits).is_ok());
    }

    #[test]
    fn no_address_is_remembered_without_a_connection() {
        let permits = Arc::new(Permits::default());
        let limits = |per_address| PermitLimits { all: 10, per_address };
        assert!(permits.acquire([10, 0, 0, 1].into(), limits(0)).is_err());
        drop(permits.acquire("2001:db8::1".parse().unwrap(), limits(1)).unwrap());
        drop(permits.count_connection("2001:db8::1".parse().unwrap(), 0).unwrap());
        assert!(permits.counts.lock().unwrap().by_address.is_empty());
        assert_eq!(permits.count(), 0);
    }
}
