//! The leader's sum of failed logins over all nodes, and the bans that it asks for.
//!
//! Pure but for its table: carrying reports and making bans is left to the node.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::auth::bans::Bans;
use crate::auth::delay::Whose;
use crate::auth::limits::FAILURES_MAX;
use crate::auth::table::Table;
use crate::catalog::{Ban, BanTarget, Settings, View};
use crate::clock::UnixMillis;
use crate::ids::Name;

/// What one node has counted of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tallied<T> {
    /// Of whom.
    pub whose: T,
    /// How many within the memory.
    pub failures: u32,
}

/// What a node tells the leader at a failed login: its own counts as they are now, so that a leader that is new
/// knows them again at the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureReport {
    /// When the node started: its counts begin anew with each start.
    pub life: UnixMillis,
    /// Of the address.
    pub address: Option<Tallied<IpAddr>>,
    /// Of the account that was claimed.
    pub account: Option<Tallied<String>>,
    /// A login held: the counts went down, and those from before the node's start are forgiven too.
    pub started_anew: bool,
}

/// What the leader counts on all nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Failed logins of the address.
    pub address: u32,
    /// Failed logins to the account.
    pub account: u32,
    /// The address is banned for it.
    pub address_banned: bool,
    /// The account is.
    pub account_banned: bool,
    /// The catalog's revision that has the ban.
    pub revision: Option<u64>,
}

/// What one node last told.
#[derive(Debug, Clone, Copy)]
struct Told {
    life: UnixMillis,
    failures: u32,
    /// Of these, as many as a ban was made for.
    settled: u32,
    /// What was open when the node started anew.
    earlier: u32,
    at: Instant,
}

impl Told {
    /// What a node has counted that was not heard before.
    fn first(life: UnixMillis, failures: u32, at: Instant) -> Self {
        Self {
            life,
            failures,
            settled: 0,
            earlier: 0,
            at,
        }
    }

    fn open(self) -> u32 {
        let own = self.failures.saturating_sub(self.settled);
        self.earlier.saturating_add(own)
    }

    /// With what the same node tells next. Reports may overtake one another: an older one does not take back what a
    /// newer one told. Fewer than were settled by a ban come from a node that counts anew.
    fn then(self, next: Self) -> Self {
        if next.life != self.life {
            let earlier = self.open();
            return Self { earlier, ..next };
        }
        let (failures, settled) = if next.failures < self.settled {
            (next.failures, 0)
        } else {
            (next.failures.max(self.failures), self.settled)
        };
        Self {
            failures,
            settled,
            at: next.at,
            ..self
        }
    }
}

/// What all nodes have counted.
#[derive(Debug)]
pub struct Ledger {
    table: Mutex<Table<Whose, BTreeMap<u64, Told>>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            table: Mutex::new(Table::new(FAILURES_MAX)),
        }
    }
}

impl Ledger {
    /// Takes in the report of the node `from`; gives the sums.
    pub fn enter(&self, from: u64, report: &FailureReport, settings: &Settings, now: Instant) -> Totals {
        let memory = Duration::from_secs(settings.login_memory_seconds.into());
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = |whose: Whose, failures: u32| {
            let mut told = table.remove(&whose).unwrap_or_default();
            told.retain(|_, told| now.duration_since(told.at) < memory);
            let first = Told::first(report.life, failures, now);
            let before = told.get(&from).filter(|_| !report.started_anew);
            told.insert(from, before.map_or(first, |before| before.then(first)));
            let total = told.values().fold(0, |sum: u32, told| sum.saturating_add(told.open()));
            table.put(whose, told);
            total
        };
        Totals {
            address: report
                .address
                .as_ref()
                .map_or(0, |told| sum(Whose::address(told.whose), told.failures)),
            account: report
                .account
                .as_ref()
                .map_or(0, |told| sum(Whose::account(&told.whose), told.failures)),
            ..Totals::default()
        }
    }

    /// Bans were made for these: counting begins anew.
    pub fn settle(&self, bans: &[(Name, Ban)]) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, ban) in bans {
            let whose = match &ban.target {
                BanTarget::Network(network) => Whose::address(network.addr()),
                BanTarget::Account(account) => Whose::account(account.as_str()),
            };
            if let Some(mut told) = table.remove(&whose) {
                for told in told.values_mut() {
                    told.settled = told.failures;
                    told.earlier = 0;
                }
                table.put(whose, told);
            }
        }
    }

    /// The bans that a report with these sums asks for, by name. Only accounts that exist are banned, and nobody who
    /// is banned already.
    pub fn due(
        view: &View,
        index: &Bans,
        report: &FailureReport,
        totals: &Totals,
        now: UnixMillis,
    ) -> Vec<(Name, Ban)> {
        let settings = view.settings();
        let throttle = &settings.throttle;
        let over = |total: u32, limit: u32| limit > 0 && total >= limit;
        let until = Some(UnixMillis(now.0.saturating_add(i64::from(throttle.ban_seconds) * 1000)));
        let ban = |target, reason| Ban {
            target,
            reason,
            until,
            automatic: true,
        };
        let mut due = Vec::new();
        if let Some(told) = &report.address
            && over(totals.address, throttle.failures_per_address_max)
            && index.address(told.whose, now).is_none()
            && !throttle
                .allow
                .iter()
                .any(|network| network.contains(&told.whose.to_canonical()))
            && let Whose::Address(network) = Whose::address(told.whose)
            && let Ok(target) = IpNet::new(network, if network.is_ipv4() { 32 } else { 64 })
            && let Ok(name) = Name::parse(&format!("auto-address-{network}"))
        {
            let reason = format!(
                "{} failed logins within {} s",
                totals.address, settings.login_memory_seconds
            );
            due.push((name, ban(BanTarget::Network(target), reason)));
        }
        if let Some(told) = &report.account
            && over(totals.account, throttle.failures_per_account_max)
            && let Some(account) = view.account(&told.whose)
            && index.account(&told.whose, now).is_none()
            && let Some(name) = account_ban_name(&account.name)
        {
            let reason = format!(
                "{} failed logins within {} s",
                totals.account, settings.login_memory_seconds
            );
            due.push((name, ban(BanTarget::Account(account.name.clone()), reason)));
        }
        due
    }
}

/// A name that every account's ban can have: a long account name is cut and told apart by its digest.
fn account_ban_name(account: &Name) -> Option<Name> {
    let plain = format!("auto-account-{account}");
    Name::parse(&plain)
        .or_else(|_| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, account.as_str().as_bytes());
            let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            Name::parse(&format!("auto-account-{hex}"))
        })
        .ok()
}
