//! WHO: a proof becomes a [`Principal`], or a refusal whose reason only the journal sees.
//!
//! What a principal may do is left to `access`; how a proof is carried, to `protocols`.

pub mod algorithms;
pub mod bans;
mod certificates;
pub mod change;
mod client_certificates;
pub mod delay;
pub mod host_identity;
mod hours;
pub mod judge;
pub mod keys;
pub mod limits;
pub mod password;
mod pool;
mod proofs;
pub mod rules;
mod table;
pub mod throttle;
mod verified;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::catalog::{AgeSource, Proofs, View, ViewSource};
use crate::clock::Clock;
use crate::session::{Credential, Principal};

pub use bans::{Bans, LatestBans};
pub use change::{Beside, ChangeOwnPassword, NotChanged, PasswordChange, Proven};
pub use host_identity::{HostIdentity, parse_host_certificate};
pub use judge::{judge, judge_among};
pub use keys::{generate_host_key, parse_public_key, parse_users_key};
pub use password::hash_password;
pub use proofs::{Joined, Missing};

use pool::{Answer, Pool};
use throttle::{Alone, KeptOut, Leader, Proof, Throttle};
use verified::Verified;

/// The hashing threads have too much to do.
const NOT_LOOKED_AT: &str = "too many verifications wait; the try was not looked at";

/// Why nobody was let in. For the journal and the log, never for the peer, who sees one reply for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason, as a clause: `the password is wrong`.
    pub reason: String,
}

impl Refused {
    fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refused {}

/// Why an [`Authenticator`] could not be made.
#[derive(Debug)]
pub struct AuthenticatorError(String);

impl std::fmt::Display for AuthenticatorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the authenticator could not start: {}", self.0)
    }
}

impl std::error::Error for AuthenticatorError {}

/// Verifies proofs. One per node, shared by all protocols, so that their failures count together.
#[derive(Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

struct Inner {
    views: ViewSource,
    clock: Clock,
    pool: Pool,
    verified: Verified,
    throttle: Throttle,
    /// Hashed for accounts that do not exist or have no password, so that they cost the same.
    dummy: String,
    /// How a password that an account gives itself gets into the catalog.
    changes: OnceLock<Arc<dyn ChangeOwnPassword>>,
    /// How long ago a leader was confirmed; unset: not known, and nobody is refused for it.
    confirmed: OnceLock<AgeSource>,
}

impl Authenticator {
    /// Starts the hashing threads; failures are counted by this node alone.
    pub fn new(views: ViewSource, clock: Clock) -> Result<Self, AuthenticatorError> {
        Self::led(views, clock, Arc::new(Alone))
    }

    /// Starts the hashing threads; failures are counted by `leader`.
    pub fn led(views: ViewSource, clock: Clock, leader: Arc<dyn Leader>) -> Result<Self, AuthenticatorError> {
        let random: [u8; 16] = password::random().map_err(AuthenticatorError)?;
        let dummy = hash_password(&format!("{:032x}", u128::from_le_bytes(random))).map_err(AuthenticatorError)?;
        Ok(Self {
            inner: Arc::new(Inner {
                throttle: Throttle::new(views.clone(), clock.clone(), leader),
                views,
                clock,
                pool: Pool::start().map_err(AuthenticatorError)?,
                verified: Verified::new().map_err(AuthenticatorError)?,
                dummy: dummy.0,
                changes: OnceLock::new(),
                confirmed: OnceLock::new(),
            }),
        })
    }

    /// From now on accounts can change their own passwords, through `port`; the first that is given stays.
    pub fn change_passwords_through(&self, port: Arc<dyn ChangeOwnPassword>) {
        let _ = self.inner.changes.set(port);
    }

    /// From now on nobody is let in while `confirmed` is above the settings' `staleness_max_seconds`; the first that
    /// is given stays.
    pub fn refuse_when_older(&self, confirmed: AgeSource) {
        let _ = self.inner.confirmed.set(confirmed);
    }

    /// Refused where this node has not heard of a confirmed leader for too long. Every way in asks.
    pub fn fresh(&self) -> Result<(), Refused> {
        let Some(confirmed) = self.inner.confirmed.get() else {
            return Ok(());
        };
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Bug::LoginAsksTheLeader) && confirmed() > Duration::from_millis(500) {
            return Err(Refused::because("no leader answers"));
        }
        match (self.inner.views)().stale(|| confirmed()) {
            Some(reason) => Err(Refused::because(reason)),
            None => Ok(()),
        }
    }

    /// How long a peer has to wait before its next try is looked at, for what failed before.
    pub fn delay(&self, claimed: &str, from: IpAddr) -> Duration {
        self.inner.throttle.delay(claimed, from)
    }

    /// [`prove_password`](Self::prove_password) for a protocol in which a password cannot be changed: one that must
    /// be is refused.
    pub async fn password(
        &self,
        claimed: &str,
        password: Zeroizing<String>,
        from: IpAddr,
    ) -> Result<Principal, Refused> {
        match self.prove_password(claimed, password, from).await? {
            Proven::SignedIn(principal) => Ok(principal),
            Proven::MustChange { reason, .. } => Err(Refused { reason }),
        }
    }

    /// Verifies a password for the account that the peer claims. Waits out [`delay`](Self::delay) first. Unknown,
    /// disabled, expired and foreign accounts cost one hash like all others.
    pub async fn prove_password(
        &self,
        claimed: &str,
        password: Zeroizing<String>,
        from: IpAddr,
    ) -> Result<Proven, Refused> {
        let throttle = &self.inner.throttle;
        let keeps_out = || throttle.keeps_out(claimed, from, Proof::Password);
        if let Some(KeptOut::AtOnce(reason)) = keeps_out() {
            return Err(Refused { reason });
        }
        tokio::time::sleep(self.delay(claimed, from)).await;
        let checked = self.check_password(claimed, password, from).await;
        // Asked again: much may have failed elsewhere while this try waited.
        let result = match keeps_out() {
            Some(KeptOut::AtOnce(reason) | KeptOut::AfterTheProof(reason)) => Err(Refused { reason }),
            None => checked,
        };
        match &result {
            Ok(_) => throttle.held(claimed, from),
            // What this node could not judge, or may not for now, is no guess.
            Err(refused) if refused.reason == NOT_LOOKED_AT || self.fresh().is_err() => {}
            Err(_) => throttle.failed(claimed, from).await,
        }
        result
    }

    async fn check_password(
        &self,
        claimed: &str,
        password: Zeroizing<String>,
        from: IpAddr,
    ) -> Result<Proven, Refused> {
        let inner = &self.inner;
        let too_long = password.len() > limits::PASSWORD_BYTES_MAX;
        let stored = stored_hash(&(inner.views)(), claimed);
        let hash = stored.clone().unwrap_or_else(|| inner.dummy.clone());
        let remembered = inner.verified.contains(claimed, &hash, &password, Instant::now());
        let matches = if remembered {
            true
        } else {
            // An over-long password costs a hash too: of nothing.
            let bytes = Zeroizing::new(if too_long {
                Vec::new()
            } else {
                password.as_bytes().to_vec()
            });
            match inner.pool.verify(from, bytes, hash.clone()).await {
                Answer::Matches => true,
                Answer::Differs => false,
                Answer::Busy => {
                    return Err(Refused::because(NOT_LOOKED_AT));
                }
            }
        };
        let view = (inner.views)();
        let account = view
            .account(claimed)
            .ok_or_else(|| Refused::because("there is no such account"))?;
        if stored.is_none() {
            return Err(Refused::because("the account has no password"));
        }
        if stored_hash(&view, claimed) != stored {
            return Err(Refused::because("the password was changed during the login"));
        }
        if too_long || !matches {
            return Err(Refused::because("the password is wrong"));
        }
        let now = inner.clock.now();
        self.fresh()?;
        judge::may_sign_in(&view, &account, from, now).map_err(Refused::because)?;
        if account.spec.proofs == Proofs::Key {
            return Err(Refused::because(
                "the account signs in by key, passwords are not looked at",
            ));
        }
        inner.verified.insert(claimed, &hash, &password, Instant::now());
        let principal = Principal {
            account: account.name.clone(),
            credential: Credential::Password {
                hash_digest: password::digest(&hash),
            },
        };
        Ok(match rules::must_change(&view, &account, now) {
            None => Proven::SignedIn(principal),
            Some(reason) => Proven::MustChange { principal, reason },
        })
    }
}

fn stored_hash(view: &View, claimed: &str) -> Option<String> {
    view.account(claimed)?.spec.password.as_ref().map(|hash| hash.0.clone())
}

/// A claimed name as it may stand in a journal: bounded, control characters escaped.
pub fn shown_claim(claimed: &str) -> String {
    claimed
        .chars()
        .take(limits::CLAIM_CHARS_MAX)
        .flat_map(|character| {
            let escape = character.is_control();
            let plain = (!escape).then_some(character);
            let escaped = escape.then(|| character.escape_default()).into_iter().flatten();
            plain.into_iter().chain(escaped)
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
