//! An account gives itself a new password: proves the old one, keeps the rules, and has it written into the catalog.
//!
//! How the question is put to the peer is left to the protocols, how the catalog is changed to the node.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::pool::Answer;
use super::{Authenticator, Joined, Refused, password, rules};
use crate::catalog::{Account, Object};
use crate::ids::Name;
use crate::session::{Credential, Principal};

/// What a right password is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proven {
    /// It lets in.
    SignedIn(Principal),
    /// It lets in nowhere until it is changed by [`Authenticator::change_password`].
    MustChange {
        /// Who it is, for a login that needs a second proof. No session may begin from it.
        principal: Principal,
        /// Why, as a clause; may be shown to the peer.
        reason: String,
    },
}

/// Why a password was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotChanged {
    /// The old one does not prove anything; for the journal, not for the peer.
    Refused(Refused),
    /// The new one breaks these rules, each a clause that may be shown to the peer; it can try another.
    Rules(Vec<String>),
    /// It could not be tried, or it is not known whether it was done; for the journal.
    Unavailable(String),
}

impl std::fmt::Display for NotChanged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Rules(complaints) => write!(f, "the new password {}", complaints.join("; it ")),
            Self::Unavailable(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for NotChanged {}

/// What a password comes with when it is to be changed.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// What the connection has proven before.
    pub before: Option<&'a Principal>,
    /// Through which service it came.
    pub service: &'a Name,
    /// From where.
    pub from: IpAddr,
}

/// What is to be written into the catalog in the account's own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordChange {
    /// Whose.
    pub account: Name,
    /// The account with the new password; nothing else differs.
    pub spec: Account,
    /// The revision that it was made from.
    pub revision: u64,
    /// From where it was asked.
    pub from: IpAddr,
}

/// Writes an account's own new password into the catalog. The node implements it, and so do tests.
pub trait ChangeOwnPassword: Send + Sync {
    /// Proposes the change; answers once it is committed and applied on this node. An error says why it was refused,
    /// or that its fate is not known.
    fn change(&self, change: PasswordChange) -> BoxFuture<'_, Result<(), String>>;
}

impl Authenticator {
    /// Whether `proof` of a password, with what the connection has proven `before`, is all that its account must prove:
    /// only then may the password be changed. Who knows one of two proofs must not come by the other.
    pub fn may_change(&self, proof: &Principal, also: &Beside<'_>) -> Result<(), Refused> {
        match self.join(also.before, proof.clone(), also.service, also.from)? {
            Joined::Enough(_) => Ok(()),
            Joined::Partly(..) => Err(Refused::because(
                "the password must be changed, and before that the account's key be proven",
            )),
        }
    }

    /// Gives the account a new password in exchange for the old one, which is proven again, and for whatever else the
    /// account must prove. The principal has the new one for its credential; a session begins from it as from any
    /// other, registered and then judged.
    pub async fn change_password(
        &self,
        claimed: &str,
        old: Zeroizing<String>,
        new: Zeroizing<String>,
        also: Beside<'_>,
    ) -> Result<Principal, NotChanged> {
        let from = also.from;
        let proven = self.prove_password(claimed, old, from).await;
        let (Proven::SignedIn(principal) | Proven::MustChange { principal, .. }) =
            proven.map_err(NotChanged::Refused)?;
        self.may_change(&principal, &also).map_err(NotChanged::Refused)?;
        let unavailable = |reason: &str| NotChanged::Unavailable(reason.to_owned());
        let port = self.inner.changes.get();
        let port = port.ok_or_else(|| unavailable("passwords cannot be changed here"))?;
        let view = (self.inner.views)();
        let account = view
            .account(principal.account.as_str())
            .ok_or_else(|| unavailable("the account was deleted meanwhile"))?;
        if Some(&principal.credential) != present_credential(&account).as_ref() {
            return Err(unavailable("the password was changed meanwhile"));
        }
        let kept = &view.settings().passwords;
        self.check_new(&account, kept, &new, from).await?;
        // Comparing and hashing take a while: what was proven before may have been taken away meanwhile.
        self.may_change(&principal, &also).map_err(NotChanged::Refused)?;
        let bytes = Zeroizing::new(new.as_bytes().to_vec());
        let hashed = self.inner.pool.hash(from, bytes).await;
        let hash = hashed
            .ok_or_else(|| unavailable("too many passwords wait to be hashed"))?
            .map_err(|reason| NotChanged::Rules(vec![reason]))?;
        let before = account.spec.password.as_ref();
        let credential = Credential::Password {
            hash_digest: password::digest(&hash.0),
        };
        let now = self.inner.clock.now();
        let spec = Account {
            password_state: account.spec.password_state.renewed(before, now, kept.former_kept),
            password: Some(hash),
            ..account.spec.clone()
        };
        let change = PasswordChange {
            account: account.name.clone(),
            spec,
            revision: account.revision,
            from,
        };
        port.change(change).await.map_err(NotChanged::Unavailable)?;
        Ok(Principal {
            credential,
            ..principal
        })
    }

    async fn check_new(
        &self,
        account: &Arc<Object<Account>>,
        kept: &crate::catalog::PasswordRules,
        new: &Zeroizing<String>,
        from: IpAddr,
    ) -> Result<(), NotChanged> {
        let mut complaints = rules::complaints(kept, new, account.name.as_str());
        if new.len() > super::limits::PASSWORD_BYTES_MAX {
            complaints.push(format!("has over {} bytes", super::limits::PASSWORD_BYTES_MAX));
        }
        if new.contains(['\0', '\n', '\r']) {
            complaints.push("holds a line break or a NUL".to_owned());
        }
        if complaints.is_empty() {
            for hash in rules::earlier(kept, &account.spec) {
                let bytes = Zeroizing::new(new.as_bytes().to_vec());
                match self.inner.pool.verify(from, bytes, hash.0.clone()).await {
                    Answer::Differs => {}
                    Answer::Matches => {
                        complaints.push(rules::used_before(kept));
                        break;
                    }
                    Answer::Busy => {
                        let reason = "too many passwords wait to be compared".to_owned();
                        return Err(NotChanged::Unavailable(reason));
                    }
                }
            }
        }
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(NotChanged::Rules(complaints))
        }
    }
}

fn present_credential(account: &Object<Account>) -> Option<Credential> {
    account.spec.password.as_ref().map(|hash| Credential::Password {
        hash_digest: password::digest(&hash.0),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "change_tests.rs"]
mod tests;
