//! Places for connections that have not shown yet who they are, so that nobody takes them all.
//!
//! Addresses where members are reached have places of their own: strangers cannot keep members out. Who is a member
//! is not decided here; an address only says which places a connection waits in.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::limits;

/// The bits of an IPv6 address that one site holds all of.
const IPV6_SITE_BITS: u32 = 64;

/// All places; clones are handles to the same.
#[derive(Clone, Default)]
pub(super) struct Doorstep(Arc<Mutex<BTreeMap<Spot, usize>>>);

/// Which places a connection counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    /// Whether a member is reached at the address.
    member: bool,
    /// The address; an IPv6 one stands for its whole /64.
    from: IpAddr,
}

/// One place, free again when it is dropped.
pub(super) struct Place {
    doorstep: Doorstep,
    spot: Spot,
}

impl Doorstep {
    /// A place for a connection from `from`, if one is free for it.
    pub(super) fn enter(&self, from: IpAddr, member: bool) -> Option<Place> {
        let (all_max, address_max) = if member {
            (limits::CONNECTIONS_MAX, limits::WAITING_PER_MEMBER_MAX)
        } else {
            (limits::STRANGERS_MAX, limits::STRANGERS_PER_ADDRESS_MAX)
        };
        let from = site_of(from);
        let spot = Spot { member, from };
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken
            .iter()
            .filter_map(|(other, count)| (other.member == member).then_some(*count))
            .sum();
        let here = taken.get(&spot).copied().unwrap_or(0);
        if all >= all_max || here >= address_max {
            return None;
        }
        taken.insert(spot, here + 1);
        Some(Place {
            doorstep: self.clone(),
            spot,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.doorstep.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.spot) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.spot)),
        }
    }
}

fn site_of(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let site = address.to_bits() >> IPV6_SITE_BITS << IPV6_SITE_BITS;
            IpAddr::V6(Ipv6Addr::from_bits(site))
        }
        address => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fill(doorstep: &Doorstep, from: &str, member: bool) -> Vec<Place> {
        let from: IpAddr = from.parse().unwrap();
        std::iter::from_fn(|| doorstep.enter(from, member)).collect()
    }

    #[test]
    fn one_address_takes_a_few_places_and_gives_them_back() {
        let doorstep = Doorstep::default();
        let taken = fill(&doorstep, "10.0.0.1", false);
        assert_eq!(taken.len(), limits::STRANGERS_PER_ADDRESS_MAX);
        assert_eq!(fill(&doorstep, "::ffff:10.0.0.1", false).len(), 0, "the same address");
        assert_eq!(
            fill(&doorstep, "10.0.0.2", false).len(),
            limits::STRANGERS_PER_ADDRESS_MAX
        );
        drop(taken);
        let site = fill(&doorstep, "2001:db8::1", false);
        assert_eq!(site.len(), limits::STRANGERS_PER_ADDRESS_MAX);
        assert_eq!(fill(&doorstep, "2001:db8::2", false).len(), 0, "the same site");
        assert_eq!(
            fill(&doorstep, "10.0.0.1", false).len(),
            limits::STRANGERS_PER_ADDRESS_MAX
        );
        drop(site);
        assert!(doorstep.0.lock().unwrap().is_empty());
    }

    #[test]
    fn strangers_who_fill_their_places_leave_the_members_theirs() {
        let doorstep = Doorstep::default();
        let taken: Vec<_> = (0..=255)
            .flat_map(|n| fill(&doorstep, &format!("10.1.0.{n}"), false))
            .collect();
        assert_eq!(taken.len(), limits::STRANGERS_MAX);
        let one = fill(&doorstep, "10.0.0.1", true);
        assert_eq!(one.len(), limits::WAITING_PER_MEMBER_MAX);
        assert!(doorstep.enter("10.0.0.2".parse().unwrap(), true).is_some());
    }
}
