//! TLS 1.3 settings for both ends, and which node a connection's certificate names.
//!
//! Membership is not looked at here.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use crate::identity::{ClusterId, fingerprint, node_of_certificate};
use crate::{NodeError, NodeId};

const ALPN: &[u8] = b"h2";

/// What this node shows of itself, and whom it believes.
pub(crate) struct Credentials {
    /// The cluster that peers must name in their certificates.
    pub(crate) cluster: ClusterId,
    /// This node's certificate.
    pub(crate) certificate: CertificateDer<'static>,
    /// The authority's certificate; it is sent along, so that a joiner can compare it with its token.
    pub(crate) authority: CertificateDer<'static>,
    /// This node's private key.
    pub(crate) key: PrivatePkcs8KeyDer<'static>,
}

impl Credentials {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone(), self.authority.clone()]
    }

    /// For the listening side: a certificate of the authority's, or none.
    pub(super) fn server(&self) -> Result<Arc<ServerConfig>, NodeError> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&self.authority)?), provider())
            .allow_unauthenticated()
            .build()
            .map_err(failed)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(failed)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain(), self.key.clone_key().into())
            .map_err(failed)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed handshake would skip the certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// For the calling side.
    pub(super) fn client(&self) -> Result<Arc<ClientConfig>, NodeError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(&self.authority)?), provider())
            .build()
            .map_err(failed)?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(failed)?
            .with_webpki_verifier(verifier)
            .with_client_auth_cert(self.chain(), self.key.clone_key().into())
            .map_err(failed)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// For a joiner, which has no certificate and knows only the fingerprint of the authority's.
pub(super) fn pinned_client(cluster: ClusterId, authority: [u8; 32]) -> Result<Arc<ClientConfig>, NodeError> {
    let provider = provider();
    let verifier = PinnedAuthority {
        cluster,
        authority,
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The node that a verified certificate names and the certificate's fingerprint.
pub(super) fn peer_of(cluster: ClusterId, chain: &[CertificateDer<'_>]) -> Result<(NodeId, [u8; 32]), String> {
    let certificate = chain.first().ok_or("the peer showed no certificate")?;
    let (named, node) = node_of_certificate(certificate)?;
    if named != cluster {
        return Err(format!("its certificate is of cluster {named}, not of {cluster}"));
    }
    Ok((node, fingerprint(certificate)))
}

/// Accepts a server whose certificate is signed by the one authority with this fingerprint, and names the cluster.
#[derive(Debug)]
struct PinnedAuthority {
    cluster: ClusterId,
    authority: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = intermediates
            .iter()
            .find(|certificate| fingerprint(certificate) == self.authority)
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, self.algorithms.all)?;
        match node_of_certificate(end_entity) {
            Ok((cluster, _)) if cluster == self.cluster => Ok(ServerCertVerified::assertion()),
            _ => Err(Error::InvalidCertificate(CertificateError::NotValidForName)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken between nodes".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

fn roots(authority: &CertificateDer<'static>) -> Result<RootCertStore, NodeError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).map_err(failed)?;
    Ok(roots)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn failed(error: impl std::fmt::Display) -> NodeError {
    NodeError(format!(
        "cannot set up TLS between nodes from this node's certificate and key: {error}"
    ))
}
