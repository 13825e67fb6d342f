//! Client certificates of TLS: whose they are, whether they let an account in, and whether they still may.
//!
//! The handshake has verified that the client holds the key and that the chain is sound; which authorities a service
//! trusts, and what of theirs is revoked, is the catalog's. A resumed session is not verified by the handshake again:
//! what is asked here holds for it all the same.
//!
//! Revocation lists that are older than they promised to be stop handshakes, not sessions: time alone takes nobody's
//! certificate away.

use std::net::IpAddr;
use std::sync::Arc;

use super::proofs::admitted;
use super::{Authenticator, Refused};
use crate::catalog::{Account, Authority, AuthorityKind, ClientCertificates, Service, View};
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::session::{Credential, Principal};
use crate::x509::{Certificate, ClientCertificate};

impl Authenticator {
    /// Whose the certificates are that a client has shown in a handshake of `service`, its own first; judged by the
    /// latest view. `None`: it has shown none.
    ///
    /// # Errors
    /// The service trusts no authority to which they lead, or one of them is revoked or over.
    pub fn shown_certificate(
        &self,
        shown: &[rustls_pki_types::CertificateDer<'_>],
        service: &Name,
    ) -> Result<Option<Arc<ClientCertificate>>, Refused> {
        if shown.is_empty() {
            return Ok(None);
        }
        let shown: Result<Vec<_>, String> = shown.iter().map(|der| Certificate::read(der)).collect();
        let shown = shown.map_err(|reason| Refused::because(format!("the certificate {reason}")))?;
        let view = (self.inner.views)();
        let Some(object) = view.services.get(service) else {
            return Err(Refused::because("the service is gone"));
        };
        let authorities: Vec<_> = trusted_by(&view, &object.spec).collect();
        let anchors = authorities
            .iter()
            .flat_map(|(name, authority)| authority.certificates.iter().map(move |anchor| (*name, anchor)));
        let certificate = ClientCertificate::find(&shown, anchors).map_err(Refused::because)?;
        trusted(&view, service, &certificate, self.inner.clock.now()).map_err(Refused::because)?;
        Ok(Some(Arc::new(certificate)))
    }

    /// Whether this certificate, which [`shown_certificate`](Self::shown_certificate) gave, lets the claimed account
    /// in through `service`. It counts as a key: [`join`](Self::join) says whether it is enough.
    pub fn client_certificate(
        &self,
        claimed: &str,
        certificate: &Arc<ClientCertificate>,
        service: &Name,
        from: IpAddr,
    ) -> Result<Principal, Refused> {
        self.keeps_out(claimed, from)?;
        let view = (self.inner.views)();
        let scene = self.scene(&view, service, from);
        self.fresh()?;
        admitted(&scene, claimed, Credential::ClientCertificate(certificate.clone()))
    }

    /// Whether this certificate may still be used with `service`, by the latest view.
    pub fn still_trusts(&self, certificate: &ClientCertificate, service: &Name) -> Result<(), Refused> {
        let view = (self.inner.views)();
        trusted(&view, service, certificate, self.inner.clock.now()).map_err(Refused::because)
    }
}

/// The authorities whose client certificates a service trusts.
fn trusted_by<'a>(view: &'a View, service: &'a Service) -> impl Iterator<Item = (&'a Name, &'a Authority)> {
    let named = service.tls.authorities.iter();
    named
        .filter_map(|name| view.authorities.get(name).map(|object| (name, &object.spec)))
        .filter(|(_, authority)| authority.kind == AuthorityKind::TlsClient)
}

/// Whether a service trusts the certificate at `now`. A service that is gone is no reason here: whoever asks finds
/// that out by itself.
pub(super) fn trusted(
    view: &View,
    service: &Name,
    certificate: &ClientCertificate,
    now: UnixMillis,
) -> Result<(), String> {
    let Some(service) = view.services.get(service) else {
        return Ok(());
    };
    if service.spec.tls.client_certificates == ClientCertificates::Off {
        return Err("the service takes no client certificates".to_owned());
    }
    let mut is_trusted = false;
    for (_, authority) in trusted_by(view, &service.spec) {
        let is_anchor = |one: &Certificate| one.facts().is_some_and(|facts| facts.fingerprint == certificate.anchor);
        is_trusted |= authority.certificates.iter().any(is_anchor);
        for list in &authority.revocation_lists {
            if certificate
                .path
                .iter()
                .any(|(issuer, serial)| list.revokes(issuer, serial))
            {
                return Err("the certificate, or one above it, is revoked".to_owned());
            }
        }
    }
    if !is_trusted {
        return Err("the service does not trust the certificate's authority".to_owned());
    }
    if now < certificate.not_before {
        return Err("the certificate is not valid yet".to_owned());
    }
    // The second that it names is the last one.
    if now.0 >= certificate.not_after.0.saturating_add(1000) {
        return Err("the certificate has expired".to_owned());
    }
    Ok(())
}

/// The same for a certificate that was only shown: a service that asks for none any more does not care for it.
pub(super) fn still_shown(
    view: &View,
    service: &Name,
    certificate: &ClientCertificate,
    now: UnixMillis,
) -> Result<(), String> {
    let asked = view.services.get(service);
    match asked.map(|service| service.spec.tls.client_certificates) {
        None | Some(ClientCertificates::Off) => Ok(()),
        Some(_) => trusted(view, service, certificate, now),
    }
}

/// Whether the account names this certificate.
pub(super) fn lets_in(account: &Account, certificate: &ClientCertificate) -> Result<(), String> {
    let named = account.certificates.iter().any(|rule| rule.takes(certificate));
    named
        .then_some(())
        .ok_or_else(|| "the certificate does not let this account in".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
