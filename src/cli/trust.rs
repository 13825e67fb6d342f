//! Which servers are trusted: those whose certificate an authority has signed that is given as a file, or pinned by
//! its fingerprint. Nothing is trusted because a system's store says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::error::CliError;

/// The SHA-256 of a certificate in DER form; shown as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of `certificate`.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(crate::admin::border::sha256(certificate))
    }

    /// `sha256:` and 64 hexadecimal digits, colons between them as openssl has them or not.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.strip_prefix("sha256:")?.chars().filter(|c| *c != ':').collect();
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The fingerprint of the first certificate in a PEM file.
pub fn fingerprint_of_file(path: &Path) -> Result<Fingerprint, String> {
    let certificate = CertificateDer::from_pem_file(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Fingerprint::of(&certificate))
}

/// What `--ca` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Certificates in PEM form.
    File(PathBuf),
    /// One certificate: an authority's, or a server's own.
    Pin(Fingerprint),
}

impl Trust {
    /// A file's path, or `sha256:...`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with("sha256:") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        Fingerprint::parse(text)
            .map(Self::Pin)
            .ok_or_else(|| "a fingerprint is `sha256:` and 64 hexadecimal digits".to_owned())
    }

    /// TLS settings that trust this and nothing else.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, CliError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let failed = |error: rustls::Error| CliError::failed("TLS cannot be set up").because(error);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(failed)?;
        let builder = match self {
            Self::File(_) => builder.with_root_certificates(self.roots()?),
            Self::Pin(pin) => {
                let verifier = Arc::new(Pinned::new(*pin, provider));
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        };
        Ok(Arc::new(builder.with_no_client_auth()))
    }

    fn roots(&self) -> Result<RootCertStore, CliError> {
        let mut roots = RootCertStore::empty();
        let Self::File(path) = self else { return Ok(roots) };
        let failed = |reason: String| {
            CliError::failed(format!(
                "the authority {} cannot be used: {reason}; it is the file DATA/cluster/ca.crt of any node",
                path.display()
            ))
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots.add(certificate).map_err(|error| failed(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(failed("it holds no certificate in PEM form".to_owned()));
        }
        Ok(roots)
    }
}

/// TLS settings that trust whoever answers; used only to look at the certificate that is to be pinned. The returned
/// cell holds what was shown: the authority's fingerprint if it came along, else the server's own.
pub fn first_use() -> Result<(Arc<ClientConfig>, Arc<std::sync::OnceLock<Fingerprint>>), CliError> {
    let seen = Arc::new(std::sync::OnceLock::new());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Pinned {
        rule: Rule::Look(seen.clone()),
        algorithms: provider.signature_verification_algorithms,
        provider: provider.clone(),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CliError::failed("TLS cannot be set up").because(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok((Arc::new(config), seen))
}

#[derive(Debug)]
enum Rule {
    Pin(Fingerprint),
    Look(Arc<std::sync::OnceLock<Fingerprint>>),
}

/// Accepts a server whose chain holds the pinned certificate and leads to it.
#[derive(Debug)]
struct Pinned {
    rule: Rule,
    algorithms: WebPkiSupportedAlgorithms,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn new(pin: Fingerprint, provider: Arc<CryptoProvider>) -> Self {
        Self {
            rule: Rule::Pin(pin),
            algorithms: provider.signature_verification_algorithms,
            provider,
        }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pin = match &self.rule {
            Rule::Pin(pin) => *pin,
            Rule::Look(seen) => {
                let _ = seen.set(Fingerprint::of(intermediates.last().unwrap_or(end_entity)));
                return Ok(ServerCertVerified::assertion());
            }
        };
        if Fingerprint::of(end_entity) == pin {
            // This very server: there is nothing that a name or an issuer could add.
            return Ok(ServerCertVerified::assertion());
        }
        let stranger = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let pinned = intermediates
            .iter()
            .find(|certificate| Fingerprint::of(certificate) == pin);
        let mut roots = RootCertStore::empty();
        roots.add(pinned.ok_or(stranger)?.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_openssl_writes_it_and_as_we_do() {
        let plain = format!("sha256:{}", "0a".repeat(32));
        let colons = format!("sha256:{}", vec!["0A"; 32].join(":"));
        assert_eq!(Fingerprint::parse(&plain), Fingerprint::parse(&colons));
        assert_eq!(Fingerprint::parse(&colons).unwrap().to_string(), plain);
        for text in ["", "sha256:", "sha256:zz", &plain[..70], &"0a".repeat(32)] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
        assert!(Trust::parse("sha256:1").is_err());
        assert_eq!(Trust::parse("ca.crt"), Ok(Trust::File("ca.crt".into())));
    }

    /// What a verifier pinned to `pin` says of `chain` for `name`.
    fn accepts(pin: Fingerprint, chain: &[CertificateDer<'static>], name: &str) -> bool {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Pinned::new(pin, provider)
            .verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now())
            .is_ok()
    }

    #[test]
    fn a_pinned_authority_vouches_for_its_own_servers_by_name_and_for_no_others() {
        let authority = |name: &str| {
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap().der().clone();
            (certificate, rcgen::Issuer::new(params, key))
        };
        let server = |issuer: &rcgen::Issuer<'_, rcgen::KeyPair>| {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec!["node.example".to_owned()]).unwrap();
            params.signed_by(&key, issuer).unwrap().der().clone()
        };
        let (ours, our_issuer) = authority("ours");
        let (theirs, their_issuer) = authority("theirs");
        let (good, bad) = (server(&our_issuer), server(&their_issuer));
        let pin = Fingerprint::of(&ours);
        assert!(accepts(pin, &[good.clone(), ours.clone()], "node.example"));
        assert!(!accepts(pin, &[good.clone(), ours.clone()], "other.example"));
        // Our authority stands in the chain, but has not signed.
        assert!(!accepts(pin, &[bad.clone(), ours.clone()], "node.example"));
        assert!(!accepts(pin, &[bad, theirs], "node.example"));
        assert!(!accepts(pin, std::slice::from_ref(&good), "node.example"));
        assert!(accepts(Fingerprint::of(&good), &[good], "any.example"));
    }
}
