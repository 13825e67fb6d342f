//! What a service shows: certificates with their opened keys, chosen by the name that the client asks for.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::x509::Certificate;

/// A certificate that can be shown.
#[derive(Debug)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    /// Names for which it stands, in small letters; `*.` before one stands for one label.
    names: Vec<String>,
}

impl Identity {
    /// Opens a chain with its private key in PEM.
    ///
    /// # Errors
    /// A clause that says why it cannot be shown.
    pub fn open(chain: &[Certificate], private: &[u8]) -> Result<Self, String> {
        let key = PrivateKeyDer::from_pem_slice(private).map_err(|_| "the opened key is no private key".to_owned())?;
        let signing = any_supported_type(&key).map_err(|error| format!("the opened key cannot be used: {error}"))?;
        let ders = chain.iter().map(|one| one.der().to_vec().into()).collect();
        let key = CertifiedKey::new(ders, signing);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(_) => return Err("the opened key is not the certificate's".to_owned()),
        }
        let facts = chain.first().and_then(Certificate::facts);
        let names = facts.map(|facts| &facts.names[..]).unwrap_or_default();
        let names = names.iter().filter_map(|name| name.strip_prefix("dns:"));
        Ok(Self {
            key: Arc::new(key),
            names: names.map(str::to_owned).collect(),
        })
    }

    fn stands_for(&self, asked: &str) -> bool {
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(above) => asked.split_once('.').is_some_and(|(_, rest)| rest == above),
            None => name == asked,
        })
    }
}

/// Chooses among the certificates of a service.
#[derive(Debug)]
pub(super) struct Chooser(pub(super) Vec<Arc<Identity>>);

impl ResolvesServerCert for Chooser {
    /// The first that stands for the asked name and whose key the client can check; then the first that it can check.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().map(str::to_ascii_lowercase);
        let checkable = |identity: &&Arc<Identity>| identity.key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = |identity: &&Arc<Identity>| asked.as_ref().is_some_and(|asked| identity.stands_for(asked));
        let mut all = self.0.iter().filter(checkable);
        let by_name = all.clone().find(named);
        by_name.or_else(|| all.next()).map(|identity| identity.key.clone())
    }
}
