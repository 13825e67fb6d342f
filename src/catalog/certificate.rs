//! The certificate: what services show as their TLS identity, with its key; and the request for one.
//!
//! What a chain must be was judged at the border; showing it is left to `listener`.

use crate::clock::UnixMillis;
use crate::x509::{self, Facts};

/// A TLS certificate with its key, or a request for one, or both while it is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// What can be shown; `None`: an authority has not signed yet.
    pub issued: Option<Issued>,
    /// What an authority was asked to sign.
    pub requested: Option<Requested>,
    /// When its key was made or came here.
    pub created_at: UnixMillis,
}

/// A chain with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate itself first, each signed by the next; never empty.
    pub chain: Vec<x509::Certificate>,
    /// Its key.
    pub key: CertificateKey,
}

/// A request with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The certificate signing request (PKCS#10) in DER.
    pub request: Vec<u8>,
    /// Its key.
    pub key: CertificateKey,
}

/// A key; the private half is sealed with the cluster's data key.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateKey {
    /// SubjectPublicKeyInfo in DER.
    pub public: Vec<u8>,
    /// The private key in PEM form, sealed; the context is [`context`].
    pub sealed_private: Vec<u8>,
}

/// The context under which the key of the certificate `name` is sealed.
pub fn context(name: &crate::ids::Name) -> Vec<u8> {
    format!("certificate/{name}").into_bytes()
}

impl Certificate {
    /// What the certificate itself says; `None`: there is none yet.
    pub fn facts(&self) -> Option<&Facts> {
        self.issued.as_ref()?.chain.first()?.facts()
    }

    /// The moment from which the chain holds no more: the earliest of its certificates.
    pub fn not_after(&self) -> Option<UnixMillis> {
        let chain = &self.issued.as_ref()?.chain;
        chain.iter().filter_map(|one| Some(one.facts()?.not_after)).min()
    }
}

impl std::fmt::Debug for CertificateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CertificateKey(..)")
    }
}
