//! Whether what let a session in still holds in a view. Pure: asked at each login, right after registering, and by
//! the reconciler for all sessions.
//!
//! Closing what does not hold is left to whoever asks.

use std::net::IpAddr;

use super::certificates;
use super::password::digest;
use crate::catalog::{Account, Proofs, View};
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::session::{CloseReason, Credential, Session};

/// Whether `session` may go on in `view` on the node named `node` at `now`: its service is on there, its account
/// exists, is enabled, not expired, may come from this address, and what was proven is still in place and enough.
pub fn judge(view: &View, session: &Session, node: &str, now: UnixMillis) -> Result<(), CloseReason> {
    if !view
        .services
        .get(&session.service)
        .is_some_and(|service| service.spec.is_enabled_on(node))
    {
        return Err(CloseReason::ServiceOff);
    }
    let revoked = |what: &str| CloseReason::Revoked(what.to_owned());
    let account = view
        .account(session.account().as_str())
        .ok_or_else(|| revoked("the account was deleted"))?;
    let scene = Scene {
        view,
        service: &session.service,
        from: session.peer.ip(),
        now,
    };
    let credential = &session.principal.credential;
    standing(&account.spec, scene.from, now)
        .and_then(|()| scene.credential_holds(&account.name, &account.spec, credential))
        .and_then(|()| enough(account.spec.proofs, credential))
        .map_err(|what| revoked(&what))
}

/// Whether the account may be used from `from` at `now`, whatever the credential.
pub(super) fn standing(account: &Account, from: IpAddr, now: UnixMillis) -> Result<(), String> {
    if !account.enabled {
        return Err("the account is disabled".to_owned());
    }
    if account.expires_at.is_some_and(|at| at <= now) {
        return Err("the account has expired".to_owned());
    }
    let from = from.to_canonical();
    if !account.sources.is_empty() && !account.sources.iter().any(|network| network.contains(&from)) {
        return Err(format!("the account may not be used from {from}"));
    }
    Ok(())
}

/// Whether what was proven is what the account asks for.
pub(super) fn enough(proofs: Proofs, credential: &Credential) -> Result<(), String> {
    let (password, key) = (credential.has_password(), credential.has_key());
    match proofs {
        Proofs::Any => Ok(()),
        Proofs::Password if password => Ok(()),
        Proofs::Key if key => Ok(()),
        Proofs::PasswordAndKey if password && key => Ok(()),
        Proofs::Password => Err("the account asks for a password".to_owned()),
        Proofs::Key => Err("the account asks for a key".to_owned()),
        Proofs::PasswordAndKey => Err("the account asks for a password and a key".to_owned()),
    }
}

/// Where and when something is asked.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) view: &'a View,
    pub(super) service: &'a Name,
    pub(super) from: IpAddr,
    pub(super) now: UnixMillis,
}

impl Scene<'_> {
    /// Whether the credential lets this account in and has not expired.
    pub(super) fn credential_holds(
        &self,
        name: &Name,
        account: &Account,
        credential: &Credential,
    ) -> Result<(), String> {
        match credential {
            Credential::Password { hash_digest } => match &account.password {
                None => Err("the password was removed".to_owned()),
                Some(hash) if digest(&hash.0) != *hash_digest => Err("the password was changed".to_owned()),
                Some(_) => Ok(()),
            },
            Credential::Key { key, .. } => {
                let mut found = account.keys.iter().filter(|known| known.key == *key).peekable();
                if found.peek().is_none() {
                    return Err("the key does not let this account in".to_owned());
                }
                if found.all(|known| known.expires_at.is_some_and(|at| at <= self.now)) {
                    return Err("the key has expired".to_owned());
                }
                if key.starts_with(super::algorithms::DSA) && !self.takes_dsa() {
                    return Err("the service takes no DSA keys".to_owned());
                }
                Ok(())
            }
            Credential::Certificate(certified) => {
                let when = (self.from, self.now);
                certificates::holds(self.view, self.service, (name, account), certified, when)
            }
            Credential::Both(both) => {
                self.credential_holds(name, account, &both.0)?;
                self.credential_holds(name, account, &both.1)
            }
        }
    }

    /// Whether the service has the legacy setting for DSA keys.
    pub(super) fn takes_dsa(&self) -> bool {
        let service = self.view.services.get(self.service);
        service.is_some_and(|service| service.spec.ssh.legacy_dsa)
    }
}
