//! The bans of a view, ready to be asked: by account, and by address without a look at each.
//!
//! When to ban is left to the leader; closing what is banned, to the listener and the reconciler.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::catalog::{Ban, BanTarget, View};
use crate::clock::UnixMillis;
use crate::ids::Name;

/// The bans that have not ended.
#[derive(Debug, Default)]
pub struct Bans<'a> {
    accounts: HashMap<&'a Name, &'a Ban>,
    networks: HashMap<IpNet, &'a Ban>,
    /// The lengths of prefixes that occur, so that an address is looked up once for each; at most 33 and 129.
    lengths: (BTreeSet<u8>, BTreeSet<u8>),
}

impl<'a> Bans<'a> {
    /// The bans of `view` that hold at `now`.
    pub fn of(view: &'a View, now: UnixMillis) -> Self {
        let mut bans = Self::default();
        let holding = view.bans.values().map(|object| &object.spec);
        for ban in holding.filter(|ban| ban.until.is_none_or(|until| until > now)) {
            match &ban.target {
                BanTarget::Account(name) => {
                    bans.accounts.insert(name, ban);
                }
                BanTarget::Network(network) => {
                    let network = network.trunc();
                    match network {
                        IpNet::V4(_) => bans.lengths.0.insert(network.prefix_len()),
                        IpNet::V6(_) => bans.lengths.1.insert(network.prefix_len()),
                    };
                    bans.networks.insert(network, ban);
                }
            }
        }
        bans
    }

    /// The ban of an account.
    pub fn of_account(&self, account: &Name) -> Option<&'a Ban> {
        self.accounts.get(account).copied()
    }

    /// A ban of the network that `address` is in; an IPv4 address in IPv6's clothes is taken as what it is.
    pub fn of_address(&self, address: IpAddr) -> Option<&'a Ban> {
        let address = address.to_canonical();
        let lengths = match address {
            IpAddr::V4(_) => &self.lengths.0,
            IpAddr::V6(_) => &self.lengths.1,
        };
        lengths.iter().find_map(|length| {
            let network = IpNet::new(address, *length).ok()?.trunc();
            self.networks.get(&network).copied()
        })
    }
}

/// Why somebody is kept out, as a clause; may be told to who it concerns.
pub fn told(what: &str, ban: &Ban) -> String {
    let until = match ban.until {
        Some(until) => format!(" until {}", until.to_rfc3339()),
        None => String::new(),
    };
    let reason = if ban.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", ban.reason)
    };
    format!("{what} is banned{until}{reason}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Object;

    const NOW: UnixMillis = UnixMillis(1_000);

    fn view(bans: &[(&str, Option<i64>)]) -> View {
        let mut view = View::default();
        for (at, (target, until)) in bans.iter().enumerate() {
            let name = Name::parse(&format!("ban-{at}")).unwrap();
            let target = match target.parse::<IpNet>() {
                Ok(network) => BanTarget::Network(network),
                Err(_) => BanTarget::Account(Name::parse(target).unwrap()),
            };
            let spec = Ban {
                target,
                reason: "abuse".to_owned(),
                until: until.map(UnixMillis),
                automatic: false,
            };
            let object = Object {
                name: name.clone(),
                spec,
                revision: 1,
                changed_by: String::new(),
                changed_at: NOW,
            };
            view.bans.insert(name, Arc::new(object));
        }
        view
    }

    #[test]
    fn a_ban_holds_for_its_network_or_account_until_its_end() {
        let view = view(&[
            ("192.0.2.0/24", None),
            ("10.0.0.7/32", Some(1_001)),
            ("10.0.0.8/32", Some(1_000)),
            ("2001:db8::/32", None),
            ("alice", None),
            ("bob", Some(999)),
        ]);
        let bans = Bans::of(&view, NOW);
        for (address, banned) in [
            ("192.0.2.200", true),
            ("192.0.3.1", false),
            ("10.0.0.7", true),
            ("10.0.0.8", false),
            ("::ffff:10.0.0.7", true),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(bans.of_address(address.parse().unwrap()).is_some(), banned, "{address}");
        }
        assert!(bans.of_account(&Name::parse("alice").unwrap()).is_some());
        assert!(bans.of_account(&Name::parse("bob").unwrap()).is_none());
    }
}
