//! TLS of services: from the catalog's settings to a configuration for handshakes.
//!
//! Opening sealed keys and keeping configurations as the view has them is left to `reconcile`; whose a client's
//! certificate is, to `auth`.

pub mod algorithms;
mod clients;
mod config;
mod identity;
pub mod limits;
mod tickets;

use std::sync::Arc;

use crate::x509::{Certificate, RevocationList};

pub use config::{Built, Ingredients};
pub use identity::Identity;
pub use tickets::SharedSecret;

/// Gives the configuration for the next handshake of a service, read at each; `Err` says why there is none.
pub type TlsSource = Arc<dyn Fn() -> Result<Arc<rustls::ServerConfig>, String> + Send + Sync>;

/// Whether handshakes can be made with this revocation list of an authority.
///
/// # Errors
/// A clause: `is of a form that ...`.
pub fn takes_list(certificates: &[Certificate], list: &RevocationList) -> Result<(), String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate.der().to_vec().into())
            .map_err(|error| format!("cannot be used with a certificate of its authority: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls([list.der().to_vec().into()])
        .build()
        .map(|_| ())
        .map_err(|error| format!("is of a form that is not supported: {error}"))
}
