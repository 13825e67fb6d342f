//! Sign-in: passwords and certificates are judged. How a session begins is left to `node`.

use std::net::SocketAddr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::FtpService;
use crate::auth::{self, Joined};
use crate::events::Event;
use crate::session::Principal;
use crate::x509::ClientCertificate;

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

/// Records a login that was refused.
pub(super) fn refused(
    service: &FtpService,
    user: &str,
    peer: SocketAddr,
    (protocol, method): (&'static str, &'static str),
    reason: String,
) {
    service.node.journal.record(Event::LoginRefused {
        account: auth::shown_claim(user),
        peer,
        service: service.name.clone(),
        protocol,
        method,
        reason,
    });
}
