//! The authority: whose signature under a certificate is trusted, and what of it is revoked.
//!
//! Judging a certificate is left to `auth`.

use crate::x509::{Certificate, RevocationList};

/// A trusted certificate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// What it signs.
    pub kind: AuthorityKind,
    /// Its public keys, as `algorithm base64`; several while it changes its key (SSH).
    pub keys: Vec<String>,
    /// Serial numbers of certificates that count no more (SSH).
    pub revoked_serials: Vec<u64>,
    /// Key ids of certificates that count no more (SSH).
    pub revoked_ids: Vec<String>,
    /// Fingerprints (`SHA256:...`) of certified keys that count no more (SSH).
    pub revoked_keys: Vec<String>,
    /// Its certificates; several while it changes its key (TLS).
    pub certificates: Vec<Certificate>,
    /// What it has revoked, one list for each of its certificates at most (TLS).
    pub revocation_lists: Vec<RevocationList>,
    /// Whether certificates are taken also while a list is older than it promised to be (TLS).
    pub takes_stale_lists: bool,
    /// Where newer lists are fetched (TLS).
    pub revocation_source: Option<RevocationSource>,
}

/// Where revocation lists are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationSource {
    /// An `http://` URL; a list is signed, so that the way needs no protection.
    pub url: String,
    /// Seconds between two fetches.
    pub every_seconds: u32,
}

/// What an authority signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorityKind {
    /// OpenSSH user certificates.
    SshUser,
    /// TLS client certificates.
    TlsClient,
}

impl Authority {
    /// One that signs OpenSSH user certificates with these keys.
    pub fn ssh_user(keys: Vec<String>) -> Self {
        Self {
            kind: AuthorityKind::SshUser,
            keys,
            revoked_serials: Vec::new(),
            revoked_ids: Vec::new(),
            revoked_keys: Vec::new(),
            certificates: Vec::new(),
            revocation_lists: Vec::new(),
            takes_stale_lists: false,
            revocation_source: None,
        }
    }

    /// One that signs TLS client certificates as one of these.
    pub fn tls_client(certificates: Vec<Certificate>, revocation_lists: Vec<RevocationList>) -> Self {
        Self {
            kind: AuthorityKind::TlsClient,
            certificates,
            revocation_lists,
            ..Self::ssh_user(Vec::new())
        }
    }
}
