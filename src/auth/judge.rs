//! Whether what let a session in still holds in a view. Pure: asked at each login, right after registering, and by
//! the reconciler for all sessions.
//!
//! Closing what does not hold is left to whoever asks.

use std::net::IpAddr;

use super::bans::Index;
use super::password::digest;
use crate::catalog::{Account, View};
use crate::clock::UnixMillis;
use crate::session::{CloseReason, Credential, Session};

/// Whether `session` may go on in `view` on the node named `node` at `now`: its service is on there, its account
/// exists, is enabled, not expired, may come from this address, the credential is still in place, and nothing of it
/// is banned.
pub fn judge(view: &View, session: &Session, node: &str, now: UnixMillis) -> Result<(), CloseReason> {
    judge_but_bans(view, session, node, now)?;
    if view.bans.is_empty() {
        return Ok(());
    }
    match Index::of(view).session(session, now) {
        Some(kept) => Err(CloseReason::Revoked(kept.to_string())),
        None => Ok(()),
    }
}

/// The same without bans, for who judges many sessions by one index of them.
pub fn judge_but_bans(view: &View, session: &Session, node: &str, now: UnixMillis) -> Result<(), CloseReason> {
    if !view
        .services
        .get(&session.service)
        .is_some_and(|service| service.spec.is_enabled_on(node))
    {
        return Err(CloseReason::ServiceOff);
    }
    let revoked = |what: &str| CloseReason::Revoked(what.to_owned());
    let sources = view.services.get(&session.service).map(|service| &service.spec.sources);
    let from = session.peer.ip().to_canonical();
    if sources.is_some_and(|sources| !sources.is_empty() && !sources.iter().any(|network| network.contains(&from))) {
        return Err(revoked(&format!("the service may not be used from {from}")));
    }
    let account = view
        .account(session.account().as_str())
        .ok_or_else(|| revoked("the account was deleted"))?;
    standing(&account.spec, session.peer.ip(), now)
        .and_then(|()| credential_holds(&account.spec, &session.principal.credential, now))
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

/// Whether the credential is in the account and has not expired.
pub(super) fn credential_holds(account: &Account, credential: &Credential, now: UnixMillis) -> Result<(), String> {
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
            if found.all(|known| known.expires_at.is_some_and(|at| at <= now)) {
                return Err("the key has expired".to_owned());
            }
            Ok(())
        }
    }
}
