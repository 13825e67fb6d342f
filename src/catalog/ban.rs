//! The ban: an address or an account that is kept out until a moment.
//!
//! When to ban is left to `auth` and the leader; keeping out, to the listener, `auth` and the reconciler.

use ipnet::IpNet;

use crate::clock::UnixMillis;
use crate::ids::Name;

/// Keeps somebody out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Whom.
    pub target: BanTarget,
    /// Why, for people.
    pub reason: String,
    /// After this moment it counts no more; `None`: until it is removed.
    pub until: Option<UnixMillis>,
    /// Made by the cluster for failed logins, not by an administrator.
    pub automatic: bool,
}

/// Who is banned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BanTarget {
    /// Every address of a network; a single address is a network of one.
    Network(IpNet),
    /// An account.
    Account(Name),
}
