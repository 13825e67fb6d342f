//! Judges client certificates in a handshake: chain, purpose, time, revocation.
//!
//! webpki does the work. What it leaves is who may be late with a new revocation list: an authority's own setting.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::catalog::{Authority, ClientCertificates};
use crate::clock::UnixMillis;
use crate::x509::Certificate;

/// Judges by these authorities. A certificate authority without a list revokes nothing: what its certificates are
/// is then not known, and taken as good.
#[derive(Debug)]
struct Clients {
    inner: Arc<dyn ClientCertVerifier>,
    /// Issuers (in DER) whose lists may not be stale, and from when on they are.
    due: Vec<(Vec<u8>, UnixMillis)>,
}

/// The verifier that settings ask for.
///
/// # Errors
/// No authority is left, or one cannot be used.
pub(super) fn verifier(
    mode: ClientCertificates,
    authorities: &[&Authority],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    if mode == ClientCertificates::Off {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    for certificate in authorities.iter().flat_map(|authority| &authority.certificates) {
        roots
            .add(certificate.der().to_vec().into())
            .map_err(|error| format!("an authority's certificate cannot be used: {error}"))?;
    }
    let lists = authorities.iter().flat_map(|authority| &authority.revocation_lists);
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .with_crls(lists.map(|list| list.der().to_vec().into()))
        .allow_unknown_revocation_status();
    let builder = match mode {
        ClientCertificates::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    let inner = builder
        .build()
        .map_err(|error| format!("client certificates cannot be judged: {error}"))?;
    let strict = authorities.iter().filter(|authority| !authority.takes_stale_lists);
    let due = strict
        .flat_map(|authority| &authority.revocation_lists)
        .filter_map(|list| list.facts())
        .filter_map(|facts| Some((facts.issuer_der.clone(), facts.next_update?)));
    Ok(Arc::new(Clients {
        inner,
        due: due.collect(),
    }))
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let now = UnixMillis(i64::try_from(now.as_secs().saturating_mul(1000)).unwrap_or(i64::MAX));
        for der in std::iter::once(end_entity).chain(intermediates) {
            let certificate = Certificate::kept(der);
            let Some(facts) = certificate.facts() else {
                return Err(CertificateError::BadEncoding.into());
            };
            let is_late = |(issuer, due): &(Vec<u8>, UnixMillis)| *issuer == facts.issuer_der && *due < now;
            if self.due.iter().any(is_late) {
                return Err(CertificateError::ExpiredRevocationList.into());
            }
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
