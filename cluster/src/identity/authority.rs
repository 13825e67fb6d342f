//! Certificates: the cluster's authority, nodes' keys and requests, and the node that a certificate names.
//!
//! A certificate says who a peer is; whether it is still a member is looked up elsewhere at each connection. So
//! certificates have no end date worth watching: being removed from the membership is what ends them.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::{ClusterId, limits};
use crate::{NodeError, NodeId};

/// The first and the last year in which certificates are valid: wide, so that a wrong clock locks nobody out.
const VALID_YEARS: (i32, i32) = (2020, 2200);

/// A node's private key (PKCS #8, ECDSA P-256).
pub(crate) struct NodeKey {
    pair: KeyPair,
}

impl NodeKey {
    /// A new key from the system's generator.
    pub(crate) fn generate() -> Result<Self, NodeError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| failed("make the node's key", e))?;
        Ok(Self { pair })
    }

    /// The key's secret form.
    pub(crate) fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.pair.serialize_der())
    }

    /// A request for a certificate; the key itself stays here.
    pub(crate) fn request(&self) -> Result<Vec<u8>, NodeError> {
        let request = CertificateParams::default()
            .serialize_request(&self.pair)
            .map_err(|e| failed("make the certificate request", e))?;
        Ok(request.der().to_vec())
    }
}

/// The cluster's authority: it signs nodes' certificates. Only voters hold its key.
///
/// Its key is Ed25519, whose signatures are deterministic: the same request signed again, by another voter even,
/// gives the same certificate, so that a joiner whose answer was lost may ask again.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    pair: KeyPair,
}

impl Authority {
    /// Makes the authority of a new cluster.
    pub(crate) fn generate(cluster: ClusterId) -> Result<Self, NodeError> {
        let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(|e| failed("make the authority's key", e))?;
        let mut params = params_named(format!("Argosy cluster {cluster}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params
            .self_signed(&pair)
            .map_err(|e| failed("make the authority's certificate", e))?;
        Ok(Self {
            certificate: certificate.der().clone(),
            pair,
        })
    }

    /// The authority from its stored key.
    pub(crate) fn restore(certificate: CertificateDer<'static>, pkcs8: &[u8]) -> Result<Self, NodeError> {
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_ED25519)
            .map_err(|e| failed("read the authority's key", e))?;
        Ok(Self { certificate, pair })
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its key's secret form.
    pub(crate) fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.pair.serialize_der())
    }

    /// A certificate and a fresh key for a server that is no peer: it names hosts and addresses, never a node, so
    /// that it opens nothing between nodes.
    pub(crate) fn issue_server(
        &self,
        names: Vec<String>,
    ) -> Result<(CertificateDer<'static>, PrivatePkcs8KeyDer<'static>), NodeError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| failed("make a server's key", e))?;
        let mut params = params_named("Argosy server".to_owned());
        params.subject_alt_names = CertificateParams::new(names)
            .map_err(|e| failed("name the server's certificate", e))?
            .subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &self.pair)
            .map_err(|e| failed("read the authority's certificate", e))?;
        let certificate = params
            .signed_by(&pair, &issuer)
            .map_err(|e| failed("sign the server's certificate", e))?;
        Ok((
            certificate.der().clone(),
            PrivatePkcs8KeyDer::from(pair.serialize_der()),
        ))
    }
}

/// Signs `request` as the certificate of `node`. Only the request's public key counts; what else it asks for is
/// not looked at.
pub(crate) fn sign_request(
    authority: &Authority,
    cluster: ClusterId,
    node: NodeId,
    request: &[u8],
) -> Result<CertificateDer<'static>, NodeError> {
    if request.len() > limits::REQUEST_BYTES_MAX {
        return Err(NodeError(format!(
            "the certificate request has {} bytes, more than {}",
            request.len(),
            limits::REQUEST_BYTES_MAX
        )));
    }
    let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(request))
        .map_err(|e| failed("read the certificate request", e))?;
    let name = dns_name(cluster, node);
    let mut params = params_named(name.clone());
    params.subject_alt_names = CertificateParams::new(vec![name])
        .map_err(|e| failed("name the node's certificate", e))?
        .subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let issuer = Issuer::from_ca_cert_der(&authority.certificate, &authority.pair)
        .map_err(|e| failed("read the authority's certificate", e))?;
    let certificate = params
        .signed_by(&request.public_key, &issuer)
        .map_err(|e| failed("sign the node's certificate", e))?;
    Ok(certificate.der().clone())
}

/// The cluster and the node that a certificate names, or why it names none. Says nothing about who signed it.
pub(crate) fn node_of_certificate(certificate: &CertificateDer<'_>) -> Result<(ClusterId, NodeId), String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|e| format!("not a certificate: {e}"))?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|e| format!("its alternative name is unreadable: {e}"))?
        .ok_or("it has no alternative name")?;
    match names.value.general_names.as_slice() {
        [GeneralName::DNSName(name)] => {
            parse_dns_name(name).ok_or_else(|| format!("its name {name:?} is not that of a cluster's node"))
        }
        others => Err(format!(
            "it has {} alternative names, expected one DNS name",
            others.len()
        )),
    }
}

/// The TLS name of a node.
pub(crate) fn server_name(cluster: ClusterId, node: NodeId) -> Result<rustls_pki_types::ServerName<'static>, String> {
    rustls_pki_types::ServerName::try_from(dns_name(cluster, node)).map_err(|e| e.to_string())
}

fn dns_name(cluster: ClusterId, node: NodeId) -> String {
    format!("node-{node}.{cluster}.argosy")
}

fn parse_dns_name(name: &str) -> Option<(ClusterId, NodeId)> {
    let (node, cluster) = name.strip_prefix("node-")?.strip_suffix(".argosy")?.split_once('.')?;
    let found = (cluster.parse().ok()?, NodeId(node.parse().ok()?));
    (dns_name(found.0, found.1) == name).then_some(found)
}

fn params_named(name: String) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(VALID_YEARS.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(VALID_YEARS.1, 1, 1);
    params
}

fn failed(what: &str, error: rcgen::Error) -> NodeError {
    NodeError(format!("cannot {what}: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = ClusterId([7; 16]);

    #[test]
    fn a_signed_certificate_names_its_cluster_and_node() {
        let authority = Authority::generate(CLUSTER).unwrap();
        let request = NodeKey::generate().unwrap().request().unwrap();
        let certificate = sign_request(&authority, CLUSTER, NodeId(42), &request).unwrap();
        assert_eq!(node_of_certificate(&certificate).unwrap(), (CLUSTER, NodeId(42)));
    }

    #[test]
    fn a_restored_authority_signs_as_before() {
        let made = Authority::generate(CLUSTER).unwrap();
        let restored = Authority::restore(made.certificate().clone(), &made.to_pkcs8()).unwrap();
        let request = NodeKey::generate().unwrap().request().unwrap();
        assert!(sign_request(&restored, CLUSTER, NodeId(1), &request).is_ok());
    }

    #[test]
    fn the_same_request_signed_again_gives_the_same_certificate() {
        let made = Authority::generate(CLUSTER).unwrap();
        let other = Authority::restore(made.certificate().clone(), &made.to_pkcs8()).unwrap();
        let request = NodeKey::generate().unwrap().request().unwrap();
        let first = sign_request(&made, CLUSTER, NodeId(1), &request).unwrap();
        assert_eq!(sign_request(&other, CLUSTER, NodeId(1), &request).unwrap(), first);
    }

    #[test]
    fn a_damaged_request_is_refused() {
        let authority = Authority::generate(CLUSTER).unwrap();
        let mut request = NodeKey::generate().unwrap().request().unwrap();
        let last = request.len() - 1;
        request[last] ^= 1;
        assert!(sign_request(&authority, CLUSTER, NodeId(1), &request).is_err());
        assert!(sign_request(&authority, CLUSTER, NodeId(1), &vec![0; limits::REQUEST_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn only_the_exact_form_of_a_name_is_a_node() {
        let check = |name: String, expected: Option<(ClusterId, NodeId)>| {
            assert_eq!(parse_dns_name(&name), expected, "{name}");
        };
        check(format!("node-1.{CLUSTER}.argosy"), Some((CLUSTER, NodeId(1))));
        check(format!("node-01.{CLUSTER}.argosy"), None);
        check(format!("node-+1.{CLUSTER}.argosy"), None);
        check(format!("node-1.{CLUSTER}"), None);
        check(format!("node-1.{CLUSTER}.argosy.example"), None);
        check("node-1.abc.argosy".into(), None);
    }
}
