//! Sign-in: a password is judged and a session begins, by the same code and with the same events as everywhere.

use zeroize::Zeroizing;

use super::FtpService;
use crate::auth::{self, Joined};
use crate::catalog::Service;
use crate::events::Event;
use crate::ids::SessionId;
use crate::session::{LimitReached, NewSession, Principal, Registered};
use crate::x509::ClientCertificate;
use std::net::SocketAddr;
use std::sync::Arc;

/// Why there is no session.
pub(super) enum NoSession {
    /// The one answer for all refusals; why is for the journal.
    Refused(String),
    /// The proof was good and a limit was not: that is told.
    TooMany(&'static str),
}

/// Judges the certificate that the client has shown; it counts as a key.
pub(super) fn by_certificate(
    service: &FtpService,
    user: &str,
    certificate: &Arc<ClientCertificate>,
    peer: SocketAddr,
) -> Result<Joined, String> {
    let authenticator = &service.node.authenticator;
    let proven = authenticator.client_certificate(user, certificate, &service.name, peer.ip());
    proven
        .and_then(|principal| authenticator.join(None, principal, &service.name, peer.ip()))
        .map_err(|refused| refused.reason)
}

/// Judges a password, together with what was proven before.
pub(super) async fn prove(
    service: Arc<FtpService>,
    user: String,
    password: Zeroizing<String>,
    peer: SocketAddr,
    before: Option<Principal>,
) -> Result<Principal, String> {
    let authenticator = service.node.authenticator.clone();
    let proven = authenticator.password(&user, password, peer.ip()).await;
    let joined = proven.and_then(|principal| authenticator.join(before.as_ref(), principal, &service.name, peer.ip()));
    match joined {
        Ok(Joined::Enough(principal)) => Ok(principal),
        Ok(Joined::Partly(..)) => {
            Err("the account needs a further proof, a client certificate for instance".to_owned())
        }
        Err(refused) => Err(refused.reason),
    }
}

/// Registers the session first and judges it again after, so that no revocation falls between.
pub(super) fn begin(
    service: &FtpService,
    settings: &Service,
    principal: Principal,
    peer: SocketAddr,
    (protocol, method): (&'static str, &'static str),
) -> Result<Registered, NoSession> {
    let node = &service.node;
    let account_max = (node.views)()
        .account(principal.account.as_str())
        .and_then(|account| account.spec.sessions_max);
    let mut id = [0; 16];
    let random = aws_lc_rs::rand::fill(&mut id);
    random.map_err(|_| NoSession::Refused("the random generator failed".to_owned()))?;
    let new = NewSession {
        principal,
        service: service.name.clone(),
        protocol,
        peer,
        started_at: node.clock.now(),
        account_max,
        service_max: settings.sessions_max,
    };
    let registered = node.registry.register(SessionId(u128::from_le_bytes(id)), new);
    let registered = registered.map_err(|limit| {
        NoSession::TooMany(match limit {
            LimitReached::Account => "Too many sessions of this account on this node; try again later.",
            LimitReached::Service => "Too many sessions of this service on this node; try again later.",
        })
    })?;
    let judged = node.authenticator.judge_new(registered.session(), &node.node);
    judged.map_err(|reason| NoSession::Refused(reason.to_string()))?;
    let session = registered.session();
    node.journal.record(Event::LoginAccepted {
        account: session.account().clone(),
        peer,
        service: service.name.clone(),
        protocol,
        method,
        session: session.id,
    });
    Ok(registered)
}

/// Records a login that was refused.
pub(super) fn refused(service: &FtpService, user: &str, peer: SocketAddr, protocol: &'static str, reason: String) {
    service.node.journal.record(Event::LoginRefused {
        account: auth::shown_claim(user),
        peer,
        service: service.name.clone(),
        protocol,
        method: "password",
        reason,
    });
}
