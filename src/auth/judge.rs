//! Whether what let a session in still holds in a view. Pure: asked at each login, right after registering, and by
//! the reconciler for all sessions.
//!
//! Closing what does not hold is left to whoever asks.

use std::net::IpAddr;

use ipnet::IpNet;

use super::bans::Bans;
use super::password::digest;
use super::{certificates, client_certificates, hours};
use crate::catalog::{Account, Object, Proofs, Service, View, inherit};
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::session::{CloseReason, Credential, Session};

const MILLIS_OF_DAY: i64 = 24 * 3600 * 1000;

/// Whether `session` may go on in `view` on the node named `node` at `now`: its account exists, is enabled, not
/// expired, banned or forgotten, may come from this address at this hour, what was proven is still in place and enough,
/// and the service admits it. [`CloseReason::ServiceOff`] means that nothing else stands against it.
///
/// A session that once held is marked as one that used its account.
pub fn judge(view: &View, session: &Session, node: &str, now: UnixMillis) -> Result<(), CloseReason> {
    judge_among(&Bans::of(view), view, session, node, now)
}

/// [`judge`] for many sessions: `bans` are those of `view`.
pub fn judge_among(
    bans: &Bans,
    view: &View,
    session: &Session,
    node: &str,
    now: UnixMillis,
) -> Result<(), CloseReason> {
    let from = session.peer.ip().to_canonical();
    let revoked = CloseReason::Revoked;
    let account = view
        .account(session.account().as_str())
        .ok_or_else(|| revoked("the account was deleted".to_owned()))?;
    let scene = Scene {
        view,
        service: &session.service,
        from,
        now,
    };
    let credential = &session.principal.credential;
    standing(&account.spec, from, now)
        .and_then(|()| scene.credential_holds(&account.name, &account.spec, credential))
        .and_then(|()| enough(account.spec.proofs, credential))
        // A session is itself a use: what counts is whether the account was forgotten before it began.
        .and_then(|()| in_use(view, &account, session.started_at))
        .map_err(revoked)?;
    if let Some(kept) = bans.session(session, now) {
        return Err(revoked(kept.to_string()));
    }
    let Some(service) = view.services.get(&session.service) else {
        return Err(CloseReason::ServiceOff);
    };
    admitted(view, &service.spec, &account, from, now).map_err(revoked)?;
    if !service.spec.is_enabled_on(node) {
        return Err(CloseReason::ServiceOff);
    }
    session.held();
    Ok(())
}

/// Whether the account may sign in from `from` at `now`, whatever the credential and the service.
pub(super) fn may_sign_in(view: &View, account: &Object<Account>, from: IpAddr, now: UnixMillis) -> Result<(), String> {
    standing(&account.spec, from, now)?;
    in_use(view, account, now)
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
    if !within(&account.sources, from) {
        return Err(format!("the account may not be used from {from}"));
    }
    hours::within(&account.restrictions.hours, now).map_err(|why| format!("the account may not be used now: {why}"))
}

/// Whether the account was used, or changed, lately enough before `at`.
fn in_use(view: &View, account: &Object<Account>, at: UnixMillis) -> Result<(), String> {
    let settings = view.settings.get(crate::catalog::settings::SETTINGS_NAME);
    let Some(days_max) = settings.and_then(|settings| settings.spec.inactive_days_max) else {
        return Ok(());
    };
    let day_of = |moment: UnixMillis| moment.0.div_euclid(MILLIS_OF_DAY);
    let seen = view.seen.get(&account.name).map_or(i64::MIN, |day| i64::from(*day));
    let last = seen.max(day_of(account.changed_at));
    if day_of(at).saturating_sub(last) > i64::from(days_max) {
        return Err(format!(
            "nobody has used the account for over {days_max} days; changing it makes it usable again"
        ));
    }
    Ok(())
}

/// Whether the service takes this account, from there, at this hour.
fn admitted(
    view: &View,
    service: &Service,
    account: &Object<Account>,
    from: IpAddr,
    now: UnixMillis,
) -> Result<(), String> {
    if !within(&service.sources, from) {
        return Err(format!("the service may not be used from {from}"));
    }
    hours::within(&service.restrictions.hours, now).map_err(|why| format!("the service may not be used now: {why}"))?;
    let for_all = service.accounts.is_empty() && service.groups.is_empty();
    if for_all || service.accounts.contains(&account.name) {
        return Ok(());
    }
    let is_member = inherit::groups(view, &account.spec)
        .is_ok_and(|groups| groups.iter().any(|group| service.groups.contains(&group.name)));
    if is_member {
        return Ok(());
    }
    Err("the service is not for this account".to_owned())
}

/// Whether `networks` hold `address`; none: any.
fn within(networks: &[IpNet], address: IpAddr) -> bool {
    networks.is_empty() || networks.iter().any(|network| network.contains(&address))
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
    /// Whether the credential lets this account in and has not expired. A service that is gone is no reason here.
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
            Credential::ClientCertificate(certificate) => {
                client_certificates::trusted(self.view, self.service, certificate, self.now)?;
                client_certificates::lets_in(account, certificate)
            }
            Credential::Within(within) => {
                client_certificates::still_shown(self.view, self.service, &within.1, self.now)?;
                self.credential_holds(name, account, &within.0)
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
        service.is_none_or(|service| service.spec.ssh.legacy_dsa)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "judge_tests.rs"]
mod tests;
