//! What must be proven: keys, certificates, and how one proof after another becomes enough.
//!
//! Verifying a password is left to the parent; carrying the proofs and forgetting them with the user name, to
//! `protocols`.

use std::net::IpAddr;

use russh::keys::{Certificate, PublicKey};

use super::judge::{self, Scene};
use super::throttle::{KeptOut, Proof};
use super::{Authenticator, Refused, certificates, keys};
use crate::catalog::{Proofs, View};
use crate::ids::Name;
use crate::session::{CertifiedKey, CloseReason, Credential, Principal, Session};

/// How far a login has come with one more proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// All that the account asks for.
    Enough(Principal),
    /// Not yet: this much, and what is missing.
    Partly(Principal, Missing),
}

/// What a login still needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The password.
    Password,
    /// A key or a certificate.
    Key,
}

impl Authenticator {
    /// Whether this public key lets the claimed account in through `service`. The caller has verified, or will verify,
    /// the signature: for an offer without a signature a principal means only that signing is worth while.
    pub fn key(&self, claimed: &str, key: &PublicKey, service: &Name, from: IpAddr) -> Result<Principal, Refused> {
        self.keeps_out(claimed, from)?;
        let view = (self.inner.views)();
        let scene = self.scene(&view, service, from);
        let credential = Credential::Key {
            key: keys::admit(key, scene.takes_dsa()).map_err(Refused::because)?,
            fingerprint: keys::fingerprint(key),
        };
        self.fresh()?;
        admitted(&scene, claimed, credential)
    }

    /// Whether this certificate lets the claimed account in through `service`. The caller has verified that the peer
    /// holds the certified key.
    pub fn certificate(
        &self,
        claimed: &str,
        certificate: &Certificate,
        service: &Name,
        from: IpAddr,
    ) -> Result<Principal, Refused> {
        self.keeps_out(claimed, from)?;
        let certified: CertifiedKey = certificates::read(certificate).map_err(Refused::because)?;
        let view = (self.inner.views)();
        let scene = self.scene(&view, service, from);
        self.fresh()?;
        admitted(&scene, claimed, Credential::Certificate(Box::new(certified)))
    }

    /// Whether certificates may let anybody in through `service`: then an offered key alone says too little to refuse.
    pub fn takes_certificates(&self, service: &Name) -> bool {
        let view = (self.inner.views)();
        let service = view.services.get(service);
        service.is_some_and(|service| !service.spec.user_authorities.is_empty())
    }

    /// Joins what was proven `before` on the connection with the new proof. Both are judged now, so that what was taken
    /// away in between counts no more. The second proof of a kind is refused: it brings nothing.
    pub fn join(
        &self,
        before: Option<&Principal>,
        new: Principal,
        service: &Name,
        from: IpAddr,
    ) -> Result<Joined, Refused> {
        let view = (self.inner.views)();
        let scene = self.scene(&view, service, from);
        let account = view
            .account(new.account.as_str())
            .ok_or_else(|| Refused::because("there is no such account"))?;
        let credential = match before {
            None => new.credential,
            Some(before) if before.account != new.account => {
                return Err(Refused::because("two accounts were proven, each by half"));
            }
            Some(before) if before.credential.has_password() == new.credential.has_password() => {
                return Err(Refused::because("that was proven before; something else is missing"));
            }
            Some(before) => Credential::Both(Box::new((before.credential.clone(), new.credential))),
        };
        self.fresh()?;
        judge::may_sign_in(&view, &account, from, scene.now).map_err(Refused::because)?;
        scene
            .credential_holds(&account.name, &account.spec, &credential)
            .map_err(Refused::because)?;
        let proven = Principal {
            account: account.name.clone(),
            credential,
        };
        match judge::enough(account.spec.proofs, &proven.credential) {
            Ok(()) => Ok(Joined::Enough(proven)),
            Err(_) if account.spec.proofs == Proofs::PasswordAndKey => {
                let missing = if proven.credential.has_key() {
                    Missing::Password
                } else {
                    Missing::Key
                };
                Ok(Joined::Partly(proven, missing))
            }
            Err(reason) => Err(Refused::because(reason)),
        }
    }

    /// [`judge`](super::judge) for a session that begins, without looking through all bans each time.
    pub fn judge_new(&self, session: &Session, node: &str) -> Result<(), CloseReason> {
        let view = (self.inner.views)();
        let bans = self.inner.throttle.bans(&view);
        judge::judge_among(&bans, &view, session, node, self.inner.clock.now())
    }

    pub(super) fn keeps_out(&self, claimed: &str, from: IpAddr) -> Result<(), Refused> {
        match self.inner.throttle.keeps_out(claimed, from, Proof::Key) {
            Some(KeptOut::AtOnce(reason) | KeptOut::AfterTheProof(reason)) => Err(Refused { reason }),
            None => Ok(()),
        }
    }

    pub(super) fn scene<'a>(&self, view: &'a View, service: &'a Name, from: IpAddr) -> Scene<'a> {
        Scene {
            view,
            service,
            from,
            now: self.inner.clock.now(),
        }
    }
}

pub(super) fn admitted(scene: &Scene<'_>, claimed: &str, credential: Credential) -> Result<Principal, Refused> {
    let account = scene
        .view
        .account(claimed)
        .ok_or_else(|| Refused::because("there is no such account"))?;
    if account.spec.proofs == Proofs::Password {
        return Err(Refused::because(
            "the account signs in by password, keys are not looked at",
        ));
    }
    scene
        .credential_holds(&account.name, &account.spec, &credential)
        .map_err(Refused::because)?;
    judge::may_sign_in(scene.view, &account, scene.from, scene.now).map_err(Refused::because)?;
    Ok(Principal {
        account: account.name.clone(),
        credential,
    })
}
