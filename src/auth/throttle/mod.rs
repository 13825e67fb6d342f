//! Failed logins, counted by address and by account over all nodes: they delay the next try, and too many ban.
//!
//! Each node counts its own and tells the leader at each failure, whose sum decides (`ledger`); how the question gets
//! there and how a ban is made is the node's matter. Without a leader each node takes its share of the limit.

mod ledger;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::bans::{Bans, Kept, LatestBans};
use super::delay::{Failures, Whose};
use super::limits::{KNOWN_MAX, KNOWN_SECONDS, TALLY_WAIT};
use super::table::Table;
use crate::catalog::{Settings, View, ViewSource};
use crate::clock::{Clock, UnixMillis};

pub use ledger::{FailureReport, Ledger, Tallied, Totals};

/// How this node stands to its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// There is a leader with a quorum: it counts.
    pub is_led: bool,
    /// Nodes among which a limit is shared when there is none.
    pub voters: u32,
}

/// The leader, seen from any node.
pub trait Leader: Send + Sync + 'static {
    /// Whether there is one; cheap.
    fn standing(&self) -> Standing;

    /// Tells it what this node has counted. Where that led to a ban, the answer comes once this node's view has it.
    fn report(&self, report: FailureReport) -> BoxFuture<'static, Result<Totals, String>>;
}

/// A node on its own: nobody counts but itself.
#[derive(Debug)]
pub struct Alone;

impl Leader for Alone {
    fn standing(&self) -> Standing {
        Standing {
            is_led: false,
            voters: 1,
        }
    }

    fn report(&self, _report: FailureReport) -> BoxFuture<'static, Result<Totals, String>> {
        Box::pin(async { Err("this node is on its own".to_owned()) })
    }
}

/// What keeps a try out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeptOut {
    /// Before anything is looked at; the address knows it by now.
    AtOnce(String),
    /// After the proof was looked at, as if it were wrong, so that nobody learns that the account exists.
    AfterTheProof(String),
}

/// What a try is proved by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Password,
    Key,
}

/// Counts failed logins of this node.
pub(super) struct Throttle {
    views: ViewSource,
    clock: Clock,
    /// When counting began.
    life: UnixMillis,
    leader: Arc<dyn Leader>,
    failures: Failures,
    /// Where each account last signed in from.
    known: Mutex<Table<(String, IpAddr), Instant>>,
    bans: LatestBans,
}

impl Throttle {
    pub(super) fn new(views: ViewSource, clock: Clock, leader: Arc<dyn Leader>) -> Self {
        Self {
            views,
            life: clock.now(),
            clock,
            leader,
            failures: Failures::default(),
            known: Mutex::new(Table::new(KNOWN_MAX)),
            bans: LatestBans::default(),
        }
    }

    /// Who is kept out in `view`; made once per change of the bans.
    pub(super) fn bans(&self, view: &Arc<View>) -> Arc<Bans> {
        self.bans.of(view)
    }

    /// How long the next try has to wait.
    pub(super) fn delay(&self, claimed: &str, from: IpAddr) -> Duration {
        let settings = (self.views)().settings();
        if is_allowed(&settings, from) {
            return Duration::ZERO;
        }
        self.failures.delay(claimed, from, &settings, Instant::now())
    }

    /// What keeps a try out, if anything does.
    pub(super) fn keeps_out(&self, claimed: &str, from: IpAddr, proof: Proof) -> Option<KeptOut> {
        let view = (self.views)();
        let (index, now) = (self.bans.of(&view), self.clock.now());
        if let Some(kept) = index.address(from, now) {
            return Some(KeptOut::AtOnce(format!("{from} is {kept}")));
        }
        if let Some(kept) = self.account_ban(&index, claimed, from, proof) {
            return Some(KeptOut::AfterTheProof(format!("the account is {kept}")));
        }
        self.over_share(&view.settings(), claimed, from, proof)
    }

    /// A ban for failed logins holds for passwords alone, and not where the account signed in from of late: whoever
    /// guesses at an account must not shut its owner out.
    fn account_ban(&self, index: &Bans, claimed: &str, from: IpAddr, proof: Proof) -> Option<Kept> {
        let kept = index.account(claimed, self.clock.now())?;
        let passes = kept.automatic && (proof == Proof::Key || self.is_known(claimed, from));
        (!passes).then(|| kept.clone())
    }

    /// Without a leader this node's own count decides, by its share of the limit.
    fn over_share(&self, settings: &Settings, claimed: &str, from: IpAddr, proof: Proof) -> Option<KeptOut> {
        if proof == Proof::Key || is_allowed(settings, from) {
            return None;
        }
        let throttle = &settings.throttle;
        let now = Instant::now();
        let address = self.failures.seen(&Whose::address(from), settings, now);
        let account = self.failures.seen(&Whose::account(claimed), settings, now);
        let standing = (address > 0 || account > 0).then(|| self.leader.standing())?;
        if standing.is_led {
            return None;
        }
        let over = |failures: u32, limit: u32| limit > 0 && failures >= (limit / standing.voters.max(1)).max(1);
        if over(address, throttle.failures_per_address_max) {
            let text = format!("{address} failed logins from {from}, and no leader to count: this node's share");
            return Some(KeptOut::AtOnce(text));
        }
        if over(account, throttle.failures_per_account_max) && !self.is_known(claimed, from) {
            let text = format!("{account} failed logins to the account, and no leader to count: this node's share");
            return Some(KeptOut::AfterTheProof(text));
        }
        None
    }

    /// A try failed: counts it, and waits for the leader's count for a bounded time, so that the next try, through
    /// whatever node, meets what this one has earned.
    pub(super) async fn failed(&self, claimed: &str, from: IpAddr) {
        let view = (self.views)();
        let settings = view.settings();
        if is_allowed(&settings, from) {
            return;
        }
        let now = Instant::now();
        let address = Whose::address(from);
        // Tries from where the account may not be used at all are the address's alone.
        let account = is_open_to(&view, claimed, from).then(|| Whose::account(claimed));
        let by_account = account
            .as_ref()
            .map(|account| self.failures.record(account.clone(), &settings, now));
        let report = FailureReport {
            life: self.life,
            address: Some(Tallied {
                whose: from,
                failures: self.failures.record(address.clone(), &settings, now),
            }),
            account: by_account.map(|failures| Tallied {
                whose: claimed.chars().take(super::limits::CLAIM_CHARS_MAX).collect(),
                failures,
            }),
            started_anew: false,
        };
        let totals = match tokio::time::timeout(TALLY_WAIT, self.leader.report(report)).await {
            Ok(Ok(totals)) => totals,
            Ok(Err(reason)) => return tracing::debug!(reason, "a failed login is counted on this node alone"),
            Err(_) => return tracing::debug!("the leader did not count a failed login in time"),
        };
        self.learn(address, totals.address, totals.address_banned);
        if let Some(account) = account {
            self.learn(account, totals.account, totals.account_banned);
        }
    }

    fn learn(&self, whose: Whose, total: u32, banned: bool) {
        if banned {
            // The ban stands for what was counted; once it is lifted, counting begins anew.
            self.failures.forget(&whose);
        } else {
            self.failures.learn(whose, total);
        }
    }

    /// A try held.
    pub(super) fn held(&self, claimed: &str, from: IpAddr) {
        let Whose::Address(network) = Whose::address(from) else {
            return;
        };
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put((claimed.to_owned(), network), Instant::now());
        if !self.failures.forgive(claimed, from) || !self.leader.standing().is_led {
            return;
        }
        let report = FailureReport {
            life: self.life,
            address: None,
            account: Some(Tallied {
                whose: claimed.to_owned(),
                failures: 0,
            }),
            started_anew: true,
        };
        // Nobody waits for it: at worst the account's owner has fewer tries left for a while.
        tokio::spawn(tokio::time::timeout(TALLY_WAIT, self.leader.report(report)));
    }

    fn is_known(&self, claimed: &str, from: IpAddr) -> bool {
        let Whose::Address(network) = Whose::address(from) else {
            return false;
        };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&(claimed.to_owned(), network))
            .is_some_and(|at| at.elapsed() < Duration::from_secs(KNOWN_SECONDS))
    }
}

fn is_allowed(settings: &Settings, from: IpAddr) -> bool {
    let from = from.to_canonical();
    settings.throttle.allow.iter().any(|network| network.contains(&from))
}

/// Whether the account, if there is one, may be used from `from` at all.
fn is_open_to(view: &View, claimed: &str, from: IpAddr) -> bool {
    let from = from.to_canonical();
    view.account(claimed).is_none_or(|account| {
        let sources = &account.spec.sources;
        sources.is_empty() || sources.iter().any(|network| network.contains(&from))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
