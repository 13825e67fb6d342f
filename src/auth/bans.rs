//! Who is kept out: the bans of a view, found by address and by account.
//!
//! Making bans is left to administrators and to `throttle`; closing what a ban concerns, to the listener and the
//! reconciler.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use super::delay::Whose;
use crate::catalog::view::Shelf;
use crate::catalog::{Ban, BanTarget, Object, Settings, View};
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::session::Session;

/// A ban that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The ban's name.
    pub ban: Name,
    /// When it ends; `None`: when it is removed.
    pub until: Option<UnixMillis>,
    /// Made by the cluster for failed logins.
    pub automatic: bool,
}

impl Kept {
    fn of(object: &Object<Ban>) -> Self {
        Self {
            ban: object.name.clone(),
            until: object.spec.until,
            automatic: object.spec.automatic,
        }
    }

    fn holds(&self, now: UnixMillis) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.until {
            Some(until) => write!(f, "banned by `{}` until {}", self.ban, until.to_rfc3339()),
            None => write!(f, "banned by `{}`", self.ban),
        }
    }
}

/// The bans of a view, by what they concern.
#[derive(Debug, Default)]
pub struct Bans {
    /// Single IPv4 addresses and IPv6 /64 networks, as failures are counted: nearly all bans.
    counted: HashMap<IpAddr, Vec<Kept>>,
    networks: Vec<(IpNet, Kept)>,
    accounts: HashMap<Name, Vec<Kept>>,
    allow: Vec<IpNet>,
}

impl Bans {
    /// Of all bans in `view`.
    pub fn of(view: &View) -> Self {
        let mut index = Self {
            allow: view.settings().throttle.allow,
            ..Self::default()
        };
        for object in view.bans.values() {
            let kept = Kept::of(object);
            match &object.spec.target {
                BanTarget::Account(account) => index.accounts.entry(account.clone()).or_default().push(kept),
                BanTarget::Network(network) if is_counted(network) => {
                    index.counted.entry(network.network()).or_default().push(kept);
                }
                BanTarget::Network(network) => index.networks.push((*network, kept)),
            }
        }
        index
    }

    /// The ban that keeps `address` out at `now`; none if its network is allowed always.
    pub fn address(&self, address: IpAddr, now: UnixMillis) -> Option<&Kept> {
        let address = address.to_canonical();
        if self.allow.iter().any(|network| network.contains(&address)) {
            return None;
        }
        let Whose::Address(counted) = Whose::address(address) else {
            return None;
        };
        let counted = self.counted.get(&counted).into_iter().flatten();
        let wide = self.networks.iter().filter(|(network, _)| network.contains(&address));
        counted.chain(wide.map(|(_, kept)| kept)).find(|kept| kept.holds(now))
    }

    /// The ban of `account` at `now`, an administrator's before one for failed logins.
    pub fn account(&self, account: &str, now: UnixMillis) -> Option<&Kept> {
        let bans = self.accounts.get(account)?;
        let holding = || bans.iter().filter(|kept| kept.holds(now));
        holding().find(|kept| !kept.automatic).or_else(|| holding().next())
    }

    /// The ban that ends a session. One made for failed logins to its account does not: the session proved itself.
    pub fn session(&self, session: &Session, now: UnixMillis) -> Option<&Kept> {
        self.address(session.peer.ip(), now).or_else(|| {
            let kept = self.account(session.account().as_str(), now);
            kept.filter(|kept| !kept.automatic)
        })
    }
}

/// Whether failures are counted by exactly this network.
fn is_counted(network: &IpNet) -> bool {
    network.prefix_len() == if network.addr().is_ipv4() { 32 } else { 64 }
}

/// The bans of the latest view that was asked about; made anew only when bans or settings have changed.
#[derive(Debug, Default)]
pub struct LatestBans {
    latest: Mutex<Option<Latest>>,
}

#[derive(Debug)]
struct Latest {
    made_of: Shelf<Ban>,
    settings: Shelf<Settings>,
    bans: Arc<Bans>,
}

impl LatestBans {
    /// The bans of `view`.
    pub fn of(&self, view: &Arc<View>) -> Arc<Bans> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*latest
            && known.made_of.ptr_eq(&view.bans)
            && known.settings.ptr_eq(&view.settings)
        {
            return known.bans.clone();
        }
        let bans = Arc::new(Bans::of(view));
        *latest = Some(Latest {
            made_of: view.bans.clone(),
            settings: view.settings.clone(),
            bans: bans.clone(),
        });
        bans
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    pub(super) fn ban(view: &mut View, name: &str, target: BanTarget, until: Option<i64>, automatic: bool) {
        let name = Name::parse(name).unwrap();
        let object = Object {
            name: name.clone(),
            spec: Ban {
                target,
                reason: String::new(),
                until: until.map(UnixMillis),
                automatic,
            },
            revision: 1,
            changed_by: String::new(),
            changed_at: UnixMillis(0),
        };
        view.bans.insert(name, Arc::new(object));
    }

    fn network(text: &str) -> BanTarget {
        BanTarget::Network(text.parse().unwrap())
    }

    #[test]
    fn a_ban_holds_for_its_network_until_it_ends_and_never_for_an_allowed_one() {
        let mut view = View::default();
        ban(&mut view, "one", network("192.0.2.1/32"), Some(100), true);
        ban(&mut view, "six", network("2001:db8::/64"), None, true);
        ban(&mut view, "wide", network("198.51.100.0/24"), None, false);
        let mut settings = Settings::default();
        settings.throttle.allow = vec!["198.51.100.7/32".parse().unwrap()];
        let name = Name::parse("cluster").unwrap();
        let object = Object {
            name: name.clone(),
            spec: settings,
            revision: 1,
            changed_by: String::new(),
            changed_at: UnixMillis(0),
        };
        view.settings.insert(name, Arc::new(object));
        let index = Bans::of(&view);
        for (address, now, expected) in [
            ("192.0.2.1", 99, Some("one")),
            ("::ffff:192.0.2.1", 99, Some("one")),
            ("192.0.2.1", 100, None),
            ("192.0.2.2", 0, None),
            ("2001:db8::ffff", 1, Some("six")),
            ("2001:db8:0:1::1", 1, None),
            ("198.51.100.8", 1, Some("wide")),
            ("198.51.100.7", 1, None),
        ] {
            let found = index.address(address.parse().unwrap(), UnixMillis(now));
            assert_eq!(found.map(|kept| kept.ban.as_str()), expected, "{address} at {now}");
        }
    }

    #[test]
    fn an_administrators_ban_of_an_account_counts_before_an_automatic_one() {
        let mut view = View::default();
        let alice = BanTarget::Account(Name::parse("alice").unwrap());
        ban(&mut view, "a", alice.clone(), Some(100), true);
        ban(&mut view, "b", alice, Some(50), false);
        let index = Bans::of(&view);
        for (now, expected) in [(1, Some("b")), (60, Some("a")), (100, None)] {
            let found = index.account("alice", UnixMillis(now));
            assert_eq!(found.map(|kept| kept.ban.as_str()), expected, "at {now}");
        }
        assert_eq!(index.account("bob", UnixMillis(1)), None);
    }

    #[test]
    fn the_index_is_made_anew_when_bans_change_and_only_then() {
        let bans = LatestBans::default();
        let mut view = View::default();
        let first = bans.of(&Arc::new(view.clone()));
        view.revision = 5;
        assert!(Arc::ptr_eq(&first, &bans.of(&Arc::new(view.clone()))));
        ban(&mut view, "one", network("192.0.2.1/32"), None, true);
        let second = bans.of(&Arc::new(view));
        assert!(second.address("192.0.2.1".parse().unwrap(), UnixMillis(0)).is_some());
    }
}
